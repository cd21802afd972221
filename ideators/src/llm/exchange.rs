//! One try: a question sent, and what came back within the limits of time and size. Never tries again.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::{HeaderMap, LOCATION};
use serde_json::Value;
use tokio::time::timeout;

use super::lane::{Lane, chain};
use super::provider::{Gathered, Post, Protocol};
use super::sse::{Events, Garbled};
use super::trouble::{self, Trouble, shortened};

/// Bytes of an answer's words.
const LARGEST_TEXT: usize = 8 << 20;

/// Bytes of a streamed answer with all that is around its words.
const LARGEST_STREAM: usize = 96 << 20;

/// Bytes that are read of an error.
const LARGEST_ERROR: usize = 64 << 10;

/// What is asked beside the way of a call is not waited for longer.
const AT_ONCE: Duration = Duration::from_secs(5);

/// What came of a try.
#[derive(Debug, Default)]
pub(crate) struct Came {
    /// The question has gone out, as far as can be told, and nothing came to say that it was not taken.
    pub(crate) taken: bool,
    pub(crate) status: Option<u16>,
    pub(crate) gathered: Gathered,
}

/// Sends the question and reads the answer. `came` holds what was received in any case.
pub(crate) async fn exchange(
    lane: &Lane,
    protocol: &dyn Protocol,
    post: &Post,
    now_ms: i64,
    came: &mut Came,
) -> Result<(), Trouble> {
    let limit = Duration::from_secs(lane.settings.timeout_s.max(1));
    let result = match timeout(limit, converse(lane, protocol, post, now_ms, came)).await {
        Ok(result) => result,
        Err(_) => Err(Trouble::unavailable(format!("not done after {} s", limit.as_secs()))),
    };
    result.map_err(|trouble| trouble.map_words(|words| lane.scrub(&words).into_owned()))
}

/// Reads JSON from below the base URL, if it can be had at once.
pub(crate) async fn fetch(lane: &Lane, path: &str) -> Result<Value, String> {
    let get = async {
        let request = lane.http()?.get(format!("{}/{path}", lane.base_url));
        let sent = request.headers(lane.headers(lane.protocol())?).timeout(AT_ONCE).send().await;
        let response = sent.map_err(|error| chain(&error.without_url()))?;
        if !response.status().is_success() {
            return Err(format!("status {}", response.status().as_u16()));
        }
        let mut body = Body { response, stall: AT_ONCE, read: 0, limit: LARGEST_TEXT };
        let bytes = body.all().await.map_err(|trouble| trouble.words().to_owned())?;
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
    };
    get.await.map_err(|words: String| lane.scrub(&words).into_owned())
}

async fn converse(
    lane: &Lane,
    protocol: &dyn Protocol,
    post: &Post,
    now_ms: i64,
    came: &mut Came,
) -> Result<(), Trouble> {
    let refused = |words| Trouble::Refused { words };
    let streams =
        post.body.get("stream") == Some(&Value::Bool(true)) || post.path.contains("alt=sse");
    let stall = Duration::from_secs(lane.settings.stall_s.max(1));
    let body = post.body.to_string();
    let request = lane
        .http()
        .map_err(refused)?
        .post(format!("{}/{}", lane.base_url, post.path))
        .headers(lane.headers(protocol).map_err(refused)?)
        .header("content-type", "application/json")
        .header("accept", if streams { "text/event-stream" } else { "application/json" })
        .body(body);
    // An answer that is not streamed comes when it is thought out: only a stream owes bytes before.
    came.taken = true;
    let sent = if streams { within(stall, request.send()).await? } else { request.send().await };
    let response = sent.map_err(|error| {
        came.taken = !error.is_connect() && !error.is_builder();
        Trouble::unavailable(chain(&error.without_url()))
    })?;
    let status = response.status().as_u16();
    came.status = Some(status);
    let mut body = Body { response, stall, read: 0, limit: LARGEST_ERROR };
    if !(200..300).contains(&status) {
        came.taken = false;
        return Err(failure(lane, protocol, status, body, now_ms).await);
    }
    match kind(body.response.headers(), streams)? {
        Kind::Whole => whole(lane, &mut body, protocol, &mut came.gathered).await,
        Kind::Stream => stream(lane, &mut body, protocol, &mut came.gathered).await,
    }
}

async fn failure(
    lane: &Lane,
    protocol: &dyn Protocol,
    status: u16,
    mut body: Body,
    now_ms: i64,
) -> Trouble {
    let header = |name| body.response.headers().get(name).and_then(|value| value.to_str().ok());
    let pause = trouble::pause(header("retry-after-ms"), header("retry-after"), now_ms);
    let location = header(LOCATION.as_str()).map(str::to_owned);
    // An error that cannot be read whole is an error all the same.
    let bytes = body.all().await.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    // Before it is shortened, which could leave half a key.
    let text = lane.scrub(&text);
    match location {
        Some(location) if (300..400).contains(&status) => {
            Trouble::Refused { words: format!("it sends the call on to {}", shortened(&location)) }
        }
        _ => trouble::of_status(status, &text, pause, protocol.optional()),
    }
}

enum Kind {
    Whole,
    Stream,
}

fn kind(headers: &HeaderMap, streams: bool) -> Result<Kind, Trouble> {
    let value = headers
        .get("content-type")
        .map(|value| String::from_utf8_lossy(value.as_bytes()).to_lowercase());
    match value.as_deref() {
        Some(value) if value.contains("event-stream") => Ok(Kind::Stream),
        Some(value) if value.contains("json") => Ok(Kind::Whole),
        None if streams => Ok(Kind::Stream),
        None => Ok(Kind::Whole),
        Some(value) => {
            Err(Trouble::garbled(format!("content type {:?} in place of JSON", shortened(value))))
        }
    }
}

async fn whole(
    lane: &Lane,
    body: &mut Body,
    protocol: &dyn Protocol,
    gathered: &mut Gathered,
) -> Result<(), Trouble> {
    body.limit = LARGEST_TEXT;
    let bytes = body.all().await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Trouble::garbled("no UTF-8"))?;
    let json = serde_json::from_str(&lane.scrub(text))
        .map_err(|error| Trouble::garbled(format!("no JSON: {error}")))?;
    protocol.whole(&json, gathered)
}

async fn stream(
    lane: &Lane,
    body: &mut Body,
    protocol: &dyn Protocol,
    gathered: &mut Gathered,
) -> Result<(), Trouble> {
    body.limit = LARGEST_STREAM;
    let mut events = Events::new(LARGEST_TEXT);
    while let Some(chunk) = body.next().await? {
        for data in events.feed(chunk.as_ref()).map_err(garbled)? {
            take(&lane.scrub(&data), protocol, gathered)?;
            if gathered.complete {
                return Ok(());
            }
        }
    }
    if let Some(data) = events.end().map_err(garbled)? {
        take(&lane.scrub(&data), protocol, gathered)?;
    }
    if gathered.complete || gathered.end.is_some() {
        Ok(())
    } else {
        Err(Trouble::unavailable(format!(
            "the stream ended after {} bytes of text, without an end of the answer",
            gathered.text.len()
        )))
    }
}

fn take(data: &str, protocol: &dyn Protocol, gathered: &mut Gathered) -> Result<(), Trouble> {
    let data = data.trim();
    if data == "[DONE]" {
        gathered.complete = true;
        return Ok(());
    }
    if data.is_empty() {
        return Ok(());
    }
    let event = serde_json::from_str(data)
        .map_err(|error| Trouble::garbled(format!("an event that is no JSON: {error}")))?;
    protocol.event(&event, gathered)?;
    if gathered.bytes() as usize > LARGEST_TEXT {
        return Err(too_large(LARGEST_TEXT));
    }
    Ok(())
}

fn garbled(garbled: Garbled) -> Trouble {
    match garbled {
        Garbled::Utf8 => Trouble::garbled("no UTF-8"),
        Garbled::TooLong => too_large(LARGEST_TEXT),
    }
}

fn too_large(limit: usize) -> Trouble {
    Trouble::Unusable { words: format!("it is larger than {} MB", limit >> 20), again: false }
}

async fn within<T>(stall: Duration, work: impl Future<Output = T>) -> Result<T, Trouble> {
    timeout(stall, work).await.map_err(|_| stalled(stall))
}

fn stalled(stall: Duration) -> Trouble {
    Trouble::unavailable(format!("nothing came for {} s", stall.as_secs()))
}

/// The bytes of an answer, as many as may be.
struct Body {
    response: Response,
    stall: Duration,
    read: usize,
    limit: usize,
}

impl Body {
    async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, Trouble> {
        let chunk = within(self.stall, self.response.chunk()).await?.map_err(|error| {
            Trouble::unavailable(format!("cut off: {}", chain(&error.without_url())))
        })?;
        self.read += chunk.as_ref().map_or(0, |chunk| chunk.len());
        if self.read > self.limit { Err(too_large(self.limit)) } else { Ok(chunk) }
    }

    async fn all(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.next().await? {
            bytes.extend_from_slice(chunk.as_ref());
        }
        Ok(bytes)
    }
}
