//! Whether a refusal is of this question only or of every question. Reads statuses and providers' words.

use serde_json::Value;

use super::text_at;

/// Codes and words of an account that pays for nothing any more.
const USED_UP: [&str; 6] = [
    "insufficient_quota",
    "exceeded_current_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "credit balance is too low",
    "insufficient balance",
];

/// Codes and words of a key or a model that there is not, from providers that call every mistake a bad question.
const NOT_THERE: [&str; 7] = [
    "api_key_invalid",
    "invalid_api_key",
    "incorrect api key",
    "model_not_found",
    "model not exist",
    "is not a valid model",
    "no such model",
];

/// Words about what was asked, where others speak of who asks.
const ABOUT_CONTENT: [&str; 7] = [
    "moderation",
    "flagged",
    "content policy",
    "content_policy",
    "content_filter",
    "usage policy",
    "usage guidelines",
];

/// Kinds of errors that an answer with success may carry, where no status tells.
const KINDS: [&str; 4] = ["authentication", "permission", "not_found", "billing"];

/// Whether the account is used up.
pub(super) fn is_used_up(body: &str) -> bool {
    holds(body, &USED_UP)
}

/// Whether every question would be refused with this status.
pub(super) fn is_lasting(status: u16, body: &str) -> bool {
    match status {
        // Redirections, keys, credit, addresses.
        300..=399 | 401 | 402 | 404 | 405 | 407 | 410 => true,
        403 => !holds(body, &ABOUT_CONTENT),
        _ => is_used_up(body) || holds(body, &NOT_THERE),
    }
}

/// What an error without a status says of the next question.
pub(super) enum Kind {
    /// Every question is refused.
    Lasting,
    /// This one is.
    Question,
    /// It may pass.
    Passing,
}

pub(super) fn kind(error: &Value, text: &str) -> Kind {
    let says = |known: &[&str]| {
        ["/error/type", "/error/code"]
            .iter()
            .filter_map(|place| text_at(error, place))
            .any(|kind| known.iter().any(|known| kind.starts_with(known)))
    };
    if says(&KINDS) || is_used_up(text) || holds(text, &NOT_THERE) {
        Kind::Lasting
    } else if says(&["invalid_request", "invalid_prompt"]) {
        Kind::Question
    } else {
        Kind::Passing
    }
}

fn holds(text: &str, known: &[&str]) -> bool {
    let text = text.to_lowercase();
    known.iter().any(|words| text.contains(words))
}
