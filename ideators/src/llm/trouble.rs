//! How one try failed, and what that means for the next. Reads statuses, headers and providers' words; never waits.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// Characters of a provider's words that are kept.
const WORDS: usize = 300;

/// However long a provider asks to wait: longer is as good as no answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// How a try failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Trouble {
    /// The prompt is too long.
    Window { needs: Option<u64>, limit: Option<u64>, words: String },
    /// Final: the same would be refused again.
    Refused { words: String },
    /// The provider does not know this part of the question; it can be left out.
    Parameter { name: String, words: String },
    /// No answer now. A pause that the provider asks for holds all its calls.
    Unavailable { words: String, pause: Option<Duration> },
    /// An answer of no use; `again` where another may be better.
    Unusable { words: String, again: bool },
}

impl Trouble {
    pub(crate) fn unavailable(words: impl Into<String>) -> Self {
        Self::Unavailable { words: words.into(), pause: None }
    }

    /// An answer that may come out better.
    pub(crate) fn garbled(words: impl Into<String>) -> Self {
        Self::Unusable { words: words.into(), again: true }
    }

    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Window { words, .. }
            | Self::Refused { words }
            | Self::Parameter { words, .. }
            | Self::Unavailable { words, .. }
            | Self::Unusable { words, .. } => words,
        }
    }

    /// Whether another try has a sense.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Parameter { .. } => true,
            Self::Unusable { again, .. } => *again,
            Self::Window { .. } | Self::Refused { .. } => false,
        }
    }

    pub(crate) fn map_words(self, f: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Window { needs, limit, words } => Self::Window { needs, limit, words: f(words) },
            Self::Refused { words } => Self::Refused { words: f(words) },
            Self::Parameter { name, words } => Self::Parameter { name, words: f(words) },
            Self::Unavailable { words, pause } => Self::Unavailable { words: f(words), pause },
            Self::Unusable { words, again } => Self::Unusable { words: f(words), again },
        }
    }
}

/// What an answer with a status other than success means.
pub(crate) fn of_status(status: u16, body: &str, pause: Option<Duration>) -> Trouble {
    let json: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let pause = pause.or_else(|| pause_in_body(&json));
    let said = said(&json, body);
    let words = format!("status {status}: {said}");
    if let Some(window) = window(status, &json, &said) {
        return window;
    }
    if matches!(status, 400 | 422)
        && let Some(name) = parameter(&json, &said)
    {
        return Trouble::Parameter { name, words };
    }
    match status {
        429 if body.contains("insufficient_quota") => Trouble::Refused { words: said },
        408 | 409 | 425 | 429 | 500.. => Trouble::Unavailable { words, pause },
        _ => Trouble::Refused { words: said },
    }
}

/// What an error within a stream or a successful answer means: no status tells.
pub(crate) fn of_error(error: &Value) -> Trouble {
    let text = error.to_string();
    let said = said(error, &text);
    let final_kinds =
        ["invalid_request", "authentication", "permission", "not_found", "invalid_prompt"];
    let is_final = ["/error/type", "/error/code"]
        .iter()
        .filter_map(|place| text_at(error, place))
        .any(|kind| final_kinds.iter().any(|known| kind.starts_with(known)));
    if let Some(window) = window(400, error, &said) {
        window
    } else if is_final {
        Trouble::Refused { words: said }
    } else {
        Trouble::Unavailable { words: said, pause: pause_in_body(error) }
    }
}

/// How long to wait, from the headers `retry-after-ms` and `retry-after` (seconds or an HTTP date).
pub(crate) fn pause(after_ms: Option<&str>, after: Option<&str>, now_ms: i64) -> Option<Duration> {
    let millis = after_ms.and_then(|text| text.trim().parse::<f64>().ok()).map(|ms| ms / 1000.0);
    let seconds = || after.and_then(|text| text.trim().parse::<f64>().ok());
    let until = || {
        let date: SystemTime = httpdate::parse_http_date(after?.trim()).ok()?;
        let date_ms = date.duration_since(UNIX_EPOCH).ok()?.as_millis() as i64;
        Some((date_ms - now_ms).max(0) as f64 / 1000.0)
    };
    capped(millis.or_else(seconds).or_else(until)?)
}

/// At most so many characters of what a server said, on one line.
pub(crate) fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(WORDS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn capped(seconds: f64) -> Option<Duration> {
    let seconds = Duration::try_from_secs_f64(seconds).ok()?;
    Some(seconds.min(LONGEST_PAUSE))
}

/// Gemini's `retryDelay: "34s"`.
fn pause_in_body(json: &Value) -> Option<Duration> {
    let details = json.pointer("/error/details")?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    capped(delay.strip_suffix('s')?.parse().ok()?)
}

fn said(json: &Value, body: &str) -> String {
    let message = ["/error/message", "/message", "/error", "/detail", "/0/error/message"]
        .iter()
        .find_map(|place| text_at(json, place));
    let text = shortened(message.unwrap_or(body));
    if text.is_empty() { "nothing was said".to_owned() } else { text }
}

fn text_at<'a>(json: &'a Value, place: &str) -> Option<&'a str> {
    json.pointer(place)?.as_str().filter(|text| !text.is_empty())
}

/// The words by which servers say that a prompt is too long.
const TOO_LONG: [&str; 9] = [
    "context_length_exceeded",
    "maximum context length",
    "exceed_context_size",
    "exceeds the available context size",
    "prompt is too long",
    "exceed context limit",
    "input token count",
    "longer than the maximum model length",
    "exceeds the context window",
];

fn window(status: u16, json: &Value, said: &str) -> Option<Trouble> {
    if !matches!(status, 400 | 413 | 422 | 500) {
        return None;
    }
    let code = text_at(json, "/error/code").or_else(|| text_at(json, "/error/type")).unwrap_or("");
    let text = format!("{code} {said}").to_lowercase();
    if status != 413 && !TOO_LONG.iter().any(|words| text.contains(words)) {
        return None;
    }
    let number = |place: &str| json.pointer(place).and_then(Value::as_u64);
    let (least, most) = extremes(said);
    Some(Trouble::Window {
        needs: number("/error/n_prompt_tokens").or(most),
        limit: number("/error/n_ctx").or(least),
        words: said.to_owned(),
    })
}

/// The smallest and largest of exactly two numbers that can be counts of tokens.
fn extremes(said: &str) -> (Option<u64>, Option<u64>) {
    let numbers: Vec<u64> = said
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .filter(|number| *number >= 256)
        .collect();
    match numbers[..] {
        [a, b] if a != b => (Some(a.min(b)), Some(a.max(b))),
        _ => (None, None),
    }
}

/// Parts of a question that can be left out.
const OPTIONAL: [&str; 10] = [
    "max_tokens",
    "temperature",
    "seed",
    "top_logprobs",
    "logprobs",
    "stream_options",
    "response_format",
    "reasoning_effort",
    "cache_control",
    "thinking",
];

fn parameter(json: &Value, said: &str) -> Option<String> {
    let named = text_at(json, "/error/param").map(str::to_owned);
    let lower = said.to_lowercase();
    let unknown = [
        "unsupported",
        "not supported",
        "unknown",
        "unrecognized",
        "extra inputs",
        "not permitted",
    ]
    .iter()
    .any(|word| lower.contains(word));
    let known = |name: &str| OPTIONAL.iter().find(|known| **known == name);
    let in_words = || OPTIONAL.iter().find(|name| lower.contains(*name));
    match named {
        Some(name) if unknown => known(name.split('.').next().unwrap_or("")),
        None if unknown => in_words(),
        Some(_) | None => None,
    }
    .map(|name| (*name).to_owned())
}

#[cfg(test)]
mod tests;
