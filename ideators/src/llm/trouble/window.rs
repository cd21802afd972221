//! Whether a provider says that a prompt is too long, and by how much.

use serde_json::Value;

use super::{Trouble, text_at};

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

pub(super) fn exceeded(status: u16, json: &Value, said: &str) -> Option<Trouble> {
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
