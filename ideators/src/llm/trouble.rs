//! How one try failed, and what that means for the next. Reads statuses, headers and providers' words; never waits.

mod lasting;
mod part;
mod window;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lasting::Kind;
use serde_json::Value;

use super::caller::Over;

/// Characters of a provider's words that are kept.
const WORDS: usize = 300;

/// However long a provider asks to wait: longer is as good as no answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// How a try failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Trouble {
    /// The prompt is too long.
    Window { needs: Option<u64>, limit: Option<u64>, words: String },
    /// Final: whatever is asked would be refused.
    Refused { words: String },
    /// This question is refused; another may be answered.
    Rejected { words: String },
    /// The provider does not know this part of the question; it can be left out.
    Parameter { name: &'static str, words: String },
    /// No answer now. A pause that the provider asks for holds all its calls.
    Unavailable { words: String, pause: Option<Duration> },
    /// An answer of no use; `again` where another may be better.
    Unusable { words: String, again: bool },
    /// Nothing was sent any more.
    Over(Over),
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
            | Self::Rejected { words }
            | Self::Parameter { words, .. }
            | Self::Unavailable { words, .. }
            | Self::Unusable { words, .. } => words,
            Self::Over(over) => over.words(),
        }
    }

    /// Whether another try has a sense.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Parameter { .. } => true,
            Self::Unusable { again, .. } => *again,
            Self::Window { .. } | Self::Refused { .. } | Self::Rejected { .. } | Self::Over(_) => {
                false
            }
        }
    }

    pub(crate) fn map_words(self, f: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Window { needs, limit, words } => Self::Window { needs, limit, words: f(words) },
            Self::Refused { words } => Self::Refused { words: f(words) },
            Self::Rejected { words } => Self::Rejected { words: f(words) },
            Self::Parameter { name, words } => Self::Parameter { name, words: f(words) },
            Self::Unavailable { words, pause } => Self::Unavailable { words: f(words), pause },
            Self::Unusable { words, again } => Self::Unusable { words: f(words), again },
            Self::Over(over) => Self::Over(over),
        }
    }
}

/// What an answer with a status other than success means. `optional` are the parts of a question that can be left out.
pub(crate) fn of_status(
    status: u16,
    body: &str,
    pause: Option<Duration>,
    optional: &[&'static str],
) -> Trouble {
    let json: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let pause = pause.or_else(|| pause_in_body(&json));
    let said = said(&json, body);
    let words = format!("status {status}: {said}");
    if let Some(window) = window::exceeded(status, &json, &said) {
        return window;
    }
    if matches!(status, 400 | 422)
        && let Some(name) = part::refused(&json, &said, optional)
    {
        return Trouble::Parameter { name, words: said };
    }
    match status {
        429 if lasting::is_used_up(body) => Trouble::Refused { words: said },
        408 | 409 | 425 | 429 | 500.. => Trouble::Unavailable { words, pause },
        _ if lasting::is_lasting(status, body) => Trouble::Refused { words: said },
        _ => Trouble::Rejected { words: said },
    }
}

/// What an error within a stream or a successful answer means: no status tells.
pub(crate) fn of_error(error: &Value) -> Trouble {
    let text = error.to_string();
    let said = said(error, &text);
    if let Some(window) = window::exceeded(400, error, &said) {
        return window;
    }
    match lasting::kind(error, &text) {
        Kind::Lasting => Trouble::Refused { words: said },
        Kind::Question => Trouble::Rejected { words: said },
        Kind::Passing => Trouble::Unavailable { words: said, pause: pause_in_body(error) },
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

#[cfg(test)]
mod tests;
