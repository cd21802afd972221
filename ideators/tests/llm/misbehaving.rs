//! A server of chat completions that does what it is told to, well or badly, and remembers what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// What the server does with one question.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answers at once.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// Answers with success, piece by piece, then closes.
    Pieces { content_type: &'static str, wait: Duration, pieces: Vec<Vec<u8>>, then: Then },
    /// Does this after a while.
    Late(Duration, Box<Act>),
    /// Closes the connection without a word.
    Close,
}

/// What comes after the last piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The end of the body.
    End,
    /// The connection is closed, though more was promised.
    Cut,
    /// Nothing, for ever: the sending half stays open and silent.
    Silence,
}

/// One question as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// The server. It ends when it is dropped.
pub(crate) struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    at_once: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Does one act for each question, and the last again for all that follow.
    pub(crate) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acts: Vec<Act> = acts.into_iter().collect();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let at_once = Arc::new(AtomicUsize::new(0));
        let (list, most) = (heard.clone(), at_once.clone());
        let now = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(async move {
            loop {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let (acts, list, most, now) =
                    (acts.clone(), list.clone(), most.clone(), now.clone());
                tokio::spawn(async move {
                    let Some(question) = hear(&mut stream).await else { return };
                    let number = {
                        let mut list = list.lock().unwrap();
                        list.push(question);
                        list.len() - 1
                    };
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let act = acts.get(number).or(acts.last()).unwrap();
                    // The client may have given up.
                    let _ = perform(&mut stream, act).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, heard, at_once, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    /// The most questions that were open at a time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.at_once.load(Ordering::SeqCst)
    }
}

async fn hear(stream: &mut TcpStream) -> Option<Heard> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    while bytes.len() < head_end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = serde_json::from_slice(&bytes[head_end..]).unwrap_or(Value::Null);
    let path = head.split(' ').nth(1).unwrap_or("").to_owned();
    Some(Heard { path, head, body })
}

async fn perform(stream: &mut TcpStream, act: &Act) -> std::io::Result<()> {
    match act {
        Act::Answer { status, headers, body } => {
            let mut head = format!(
                "HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {}\r\n",
                body.len()
            );
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            stream.write_all(format!("{head}\r\n").as_bytes()).await?;
            stream.write_all(body).await?;
            stream.shutdown().await
        }
        Act::Pieces { content_type, wait, pieces, then } => {
            let head = format!(
                "HTTP/1.1 200 Said\r\nconnection: close\r\ntransfer-encoding: chunked\r\ncontent-type: {content_type}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            for piece in pieces {
                stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
                stream.write_all(piece).await?;
                stream.write_all(b"\r\n").await?;
                sleep(*wait).await;
            }
            match then {
                Then::End => stream.write_all(b"0\r\n\r\n").await?,
                Then::Cut => {}
                Then::Silence => sleep(Duration::from_secs(3600)).await,
            }
            stream.shutdown().await
        }
        Act::Late(wait, act) => {
            sleep(*wait).await;
            Box::pin(perform(stream, act)).await
        }
        Act::Close => stream.shutdown().await,
    }
}

fn json_answer(status: u16, body: &Value) -> Act {
    let headers = vec![("content-type", "application/json".to_owned())];
    Act::Answer { status, headers, body: body.to_string().into_bytes() }
}

fn message(message: Value, finish: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "m-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    })
}

/// A good answer. It takes 100 tokens in and 20 out.
pub(crate) fn reply(text: &str) -> Act {
    json_answer(200, &message(json!({"role": "assistant", "content": text}), "stop"))
}

/// A good answer that takes so many tokens.
pub(crate) fn reply_of(input: u64, output: u64) -> Act {
    let mut body = message(json!({"role": "assistant", "content": "fine"}), "stop");
    body["usage"] = json!({"prompt_tokens": input, "completion_tokens": output});
    json_answer(200, &body)
}

/// An answer without a choice.
pub(crate) fn no_choice() -> Act {
    let mut body = message(Value::Null, "stop");
    body["choices"] = json!([]);
    json_answer(200, &body)
}

/// The model declines.
pub(crate) fn refusal() -> Act {
    json_answer(
        200,
        &message(
            json!({"role": "assistant", "content": null, "refusal": "I can't help with that."}),
            "stop",
        ),
    )
}

/// The provider holds the answer back.
pub(crate) fn filtered() -> Act {
    json_answer(200, &message(json!({"role": "assistant", "content": ""}), "content_filter"))
}

/// A call of a tool in place of text.
pub(crate) fn tool_call() -> Act {
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "run_shell", "arguments": "{}"}});
    json_answer(
        200,
        &message(json!({"role": "assistant", "content": null, "tool_calls": [call]}), "tool_calls"),
    )
}

/// Too many questions.
pub(crate) fn too_many(retry_after: Option<&str>) -> Act {
    let mut headers = vec![("content-type", "application/json".to_owned())];
    headers.extend(retry_after.map(|after| ("retry-after", after.to_owned())));
    let body = json!({"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}});
    Act::Answer { status: 429, headers, body: body.to_string().into_bytes() }
}

/// An error with a status.
pub(crate) fn failure(status: u16, words: &str) -> Act {
    json_answer(status, &json!({"error": {"message": words, "type": "error"}}))
}

/// A page in place of JSON.
pub(crate) fn web_page() -> Act {
    let headers = vec![("content-type", "text/html; charset=utf-8".to_owned())];
    Act::Answer {
        status: 200,
        headers,
        body: b"<html><body>Sign in to the network</body></html>".to_vec(),
    }
}

/// JSON that ends too early.
pub(crate) fn invalid_json() -> Act {
    let headers = vec![("content-type", "application/json".to_owned())];
    Act::Answer {
        status: 200,
        headers,
        body: br#"{"choices": [{"message": {"content": "half"#.to_vec(),
    }
}

/// Bytes that are no text.
pub(crate) fn invalid_utf8() -> Act {
    let headers = vec![("content-type", "application/json".to_owned())];
    Act::Answer {
        status: 200,
        headers,
        body: b"{\"choices\": [{\"message\": {\"content\": \"\xff\xfe\"}}]}".to_vec(),
    }
}

fn delta(content: &str) -> Vec<u8> {
    let event = json!({"id": "chatcmpl-1", "model": "m-2026", "choices": [{"index": 0, "delta": {"content": content}}]});
    format!("data: {event}\n\n").into_bytes()
}

fn last_events() -> Vec<Vec<u8>> {
    let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20}});
    [end.to_string(), usage.to_string(), "[DONE]".to_owned()]
        .map(|data| format!("data: {data}\n\n").into_bytes())
        .into()
}

fn streamed(pieces: Vec<Vec<u8>>, wait: Duration, then: Then) -> Act {
    Act::Pieces { content_type: "text/event-stream", wait, pieces, then }
}

/// A good answer in pieces.
pub(crate) fn stream(words: &[&str]) -> Act {
    let pieces = words.iter().map(|word| delta(word)).chain(last_events()).collect();
    streamed(pieces, Duration::ZERO, Then::End)
}

/// A stream that breaks off after these words.
pub(crate) fn cut_stream(words: &[&str]) -> Act {
    streamed(words.iter().map(|word| delta(word)).collect(), Duration::ZERO, Then::Cut)
}

/// A stream that ends in good order, but before the answer does.
pub(crate) fn short_stream(words: &[&str]) -> Act {
    streamed(words.iter().map(|word| delta(word)).collect(), Duration::ZERO, Then::End)
}

/// A stream that falls silent after these words.
pub(crate) fn silent_stream(words: &[&str]) -> Act {
    streamed(words.iter().map(|word| delta(word)).collect(), Duration::ZERO, Then::Silence)
}

/// A stream of single words that never stalls and never ends.
pub(crate) fn slow_loris() -> Act {
    streamed(vec![delta("and "); 10_000], Duration::from_millis(100), Then::Silence)
}

/// A stream with bytes that are no text.
pub(crate) fn invalid_utf8_stream() -> Act {
    streamed(
        vec![delta("good"), b"data: {\"choices\": \"\xff\xfe\"}\n\n".to_vec()],
        Duration::ZERO,
        Then::End,
    )
}

/// An error in the midst of a stream.
pub(crate) fn failing_stream() -> Act {
    let error =
        json!({"error": {"message": "The engine is overloaded", "type": "overloaded_error"}});
    streamed(
        vec![delta("good"), format!("data: {error}\n\n").into_bytes()],
        Duration::ZERO,
        Then::End,
    )
}
