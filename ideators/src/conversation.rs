//! One question to one model: written into its window, and once more into a smaller one where the model takes less
//! than was thought. Never judges the answer.

use autores_domain::{Call, CallKey, IdError, ModelName, Refusal, Role, Tokens};
use autores_templates::prompts::{PromptError, Room, Text};
use autores_templates::settings::Api;

use crate::knowledge;
use crate::llm::{CallError, Client, Reply, Request, Schema, Turn, Who};

/// Bytes of a reply that are shown to its writer again, at the most.
const SHOWN_REPLY: usize = 24_000;
/// Bytes of a report that are shown, at the most.
const SHOWN_REPORT: usize = 6_000;
/// How often a prompt is written shorter.
const FITTINGS: u32 = 3;
/// Sampling temperature for different answers to one question, where the settings say nothing.
const VARIED: f64 = 0.8;

/// A question, but for its words.
#[derive(Debug, Clone)]
pub(crate) struct Question<'a> {
    /// Who asks.
    pub(crate) key: String,
    pub(crate) role: Role,
    pub(crate) model: &'a ModelName,
    /// The form of the answer, for providers that can hold to one.
    pub(crate) schema: Option<Schema>,
    /// Whether the same question is asked for different answers.
    pub(crate) is_one_of_many: bool,
    pub(crate) seed: u64,
    pub(crate) logprobs: bool,
}

/// An answer that was refused, and why: what the model is shown of its own before it answers again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exchange {
    reply: String,
    report: String,
}

impl Exchange {
    pub(crate) fn new(reply: &str, report: &str) -> Self {
        Self { reply: ends(reply, SHOWN_REPLY), report: ends(report, SHOWN_REPORT) }
    }

    /// Both sides, in no more than a third of the room.
    fn within(&self, room: Room) -> Self {
        let bytes = (room.tokens as f64 / room.tokens_per_byte) as usize / 3;
        Self { reply: ends(&self.reply, bytes * 2 / 3), report: ends(&self.report, bytes / 3) }
    }

    fn tokens(&self, room: Room) -> u64 {
        ((self.reply.len() + self.report.len()) as f64 * room.tokens_per_byte).ceil() as u64
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error(transparent)]
    Prompt(#[from] PromptError),
    #[error(transparent)]
    Key(#[from] IdError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the question was given up before it was answered")]
    GivenUp,
    #[error("the run is stopping, so nothing more is begun")]
    Stopping,
}

impl Unanswered {
    /// Whether another answer of the same model may be of use.
    pub(crate) fn is_chance(&self) -> bool {
        matches!(self, Self::Call(CallError::Unusable { .. }))
    }

    /// Whether nobody was asked because the run stops.
    pub(crate) fn is_stop(&self) -> bool {
        matches!(self, Self::Stopping | Self::Call(CallError::Stopping { .. }))
    }

    /// What it means for what was to be done.
    pub(crate) fn refusal(&self) -> Refusal<String> {
        let reason = self.to_string();
        match self {
            Self::Call(CallError::Budget(words)) => Refusal::Budget(words.clone()),
            Self::Call(CallError::Refused { .. } | CallError::Transcript { .. }) => {
                Refusal::Unavailable { reason, is_lasting: true }
            }
            Self::Stopping
            | Self::Call(CallError::Unavailable { .. } | CallError::Stopping { .. }) => {
                Refusal::Unavailable { reason, is_lasting: false }
            }
            Self::Prompt(_)
            | Self::Key(_)
            | Self::GivenUp
            | Self::Call(
                CallError::Window { .. }
                | CallError::Unusable { .. }
                | CallError::NotRecorded { .. },
            ) => Refusal::Failed(reason),
        }
    }
}

/// Asks. The prompt is written by `write` for the room that there is; `earlier` is what was answered before.
/// What was paid is added to `calls`, whatever comes of it.
pub(crate) async fn ask(
    client: &Client,
    question: &Question<'_>,
    earlier: Option<&Exchange>,
    write: &(dyn Fn(Room) -> Result<Text, PromptError> + Sync),
    calls: &mut Vec<Call>,
) -> Result<Reply, Unanswered> {
    let key: CallKey = question.key.parse()?;
    if is_kept(client, &key, question).await {
        return recall(client, question, calls).await;
    }
    let model = client.model(question.model).await;
    let per_byte = client.tokens_per_byte(question.model);
    let mut room = knowledge::room(&model, per_byte);
    let mut fittings = 1;
    loop {
        let (text, earlier) = fitted(room, earlier, write)?;
        let written = room.tokens_of(&text);
        let request = Request {
            system: text.system,
            turns: turns(text.user, earlier),
            schema: question.schema.clone(),
            max_output: Some(knowledge::reply_tokens(&model)),
            temperature: model.temperature.or(question.is_one_of_many.then_some(VARIED)),
            // Some servers take no more than 31 bits.
            seed: Some(question.seed & 0x7fff_ffff),
            logprobs: question.logprobs,
        };
        let asked = client.ask(&key, question.role, question.model, &request).await;
        let shorter = match &asked.result {
            Err(CallError::Window { needs, limit, .. }) if fittings < FITTINGS => {
                Some(smaller(room, written, *needs, *limit))
            }
            Ok(_) | Err(_) => None,
        };
        match shorter {
            // What did not fit was not answered, so it cost nothing.
            Some(smaller) => (room, fittings) = (smaller, fittings + 1),
            None => {
                pay(calls, asked.call);
                return Ok(asked.result?);
            }
        }
    }
}

/// The answer that is there already, for which the question need not be put into words.
pub(crate) async fn recall(
    client: &Client,
    question: &Question<'_>,
    calls: &mut Vec<Call>,
) -> Result<Reply, Unanswered> {
    let key: CallKey = question.key.parse()?;
    let asked = client.ask(&key, question.role, question.model, &Request::default()).await;
    pay(calls, asked.call);
    Ok(asked.result?)
}

/// Whether the answer is there already, so that the question need not be put into words: where a run is repeated without
/// a network, nobody says how large the model's window was.
async fn is_kept(client: &Client, key: &CallKey, question: &Question<'_>) -> bool {
    client.is_repeating()
        || client.answered_by(key, question.role).await.as_ref() == Some(question.model)
}

/// The prompt with what was answered before; without it, where there is no room for both.
fn fitted(
    room: Room,
    earlier: Option<&Exchange>,
    write: &(dyn Fn(Room) -> Result<Text, PromptError> + Sync),
) -> Result<(Text, Option<Exchange>), PromptError> {
    if let Some(exchange) = earlier.map(|exchange| exchange.within(room)) {
        let left = room.tokens.saturating_sub(exchange.tokens(room));
        match write(Room { tokens: left, ..room }) {
            Ok(text) => return Ok((text, Some(exchange))),
            Err(PromptError::TooLarge { .. }) => {}
            Err(error @ PromptError::Template { .. }) => return Err(error),
        }
    }
    Ok((write(room)?, None))
}

/// Adds a call to those that are told. One that failed and cost nothing is left out: asked again under its key, it may
/// cost something, and a key counts once.
pub(crate) fn pay(calls: &mut Vec<Call>, call: Call) {
    if call.error.is_none() || call.tokens != Tokens::default() {
        calls.push(call);
    }
}

/// The form that replies of a model can be held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A schema with alternatives and counts.
    Full,
    /// A schema without them.
    Plain,
    /// None.
    Words,
}

pub(crate) fn form(client: &Client, model: &ModelName) -> Form {
    let lane = client.inner.lanes.get(model.provider());
    match lane.map(|lane| lane.settings.api) {
        Some(_) if !client.takes_schema(model) => Form::Words,
        Some(Api::OpenaiChat | Api::OpenaiResponses) => Form::Full,
        Some(Api::Anthropic | Api::Gemini) => Form::Plain,
        None => Form::Words,
    }
}

fn turns(user: String, earlier: Option<Exchange>) -> Vec<Turn> {
    let mut turns = vec![Turn { who: Who::User, text: user }];
    if let Some(exchange) = earlier {
        turns.push(Turn { who: Who::Model, text: exchange.reply });
        turns.push(Turn { who: Who::User, text: exchange.report });
    }
    turns
}

/// The room in which a prompt should fit that was too long as it was written.
fn smaller(room: Room, written: u64, needs: Option<u64>, limit: Option<u64>) -> Room {
    let share = match (needs, limit) {
        (Some(needs), Some(limit)) if needs > 0 => limit as f64 / needs as f64,
        _ => 0.7,
    };
    // A little less, since not all tokens are of the prompt; and less in any case.
    let tokens = written.min(room.tokens) as f64 * share.clamp(0.05, 1.0) * 0.85;
    Room { tokens: tokens as u64, ..room }
}

/// The whole text, or its start and its end.
fn ends(text: &str, most: usize) -> String {
    let most = most.max(100);
    // Many providers refuse an empty turn.
    if text.trim().is_empty() {
        return "(nothing)".to_owned();
    }
    if text.len() <= most {
        return text.to_owned();
    }
    let (start, end) =
        (text.floor_char_boundary(most * 2 / 3), text.ceil_char_boundary(text.len() - most / 3));
    format!("{}\n[{} bytes left out]\n{}", &text[..start], end - start, &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reply_is_shown_with_its_start_and_its_end() {
        let shown = ends(&format!("start{}end", "é".repeat(50_000)), 1_000);
        assert!(shown.starts_with("start") && shown.ends_with("end"), "{shown}");
        assert!(shown.len() < 1_100 && shown.contains("bytes left out"));
        assert_eq!(ends(" \n", 10), "(nothing)");
    }

    #[test]
    fn a_small_window_shows_less_of_what_was_answered_or_nothing() {
        let exchange = Exchange::new(&"word ".repeat(2_000), "wrong");
        let room = Room { tokens: 1_000, tokens_per_byte: 0.25 };
        // A prompt of 600 tokens at the least.
        let write = |room: Room| match room.tokens {
            600.. => Ok(Text { system: String::new(), user: "x".repeat(2_400) }),
            room_tokens => Err(PromptError::TooLarge { needed_tokens: 600, room_tokens }),
        };
        let (_, shown) = fitted(room, Some(&exchange), &write).unwrap();
        let shown = shown.unwrap();
        assert!(shown.tokens(room) <= 400 && shown.report == "wrong", "{shown:?}");
        let small = Room { tokens: 700, ..room };
        assert_eq!(fitted(small, Some(&exchange), &write).unwrap().1, None);
    }

    #[test]
    fn a_prompt_that_is_too_long_gets_less_room_each_time() {
        let room = Room { tokens: 10_000, tokens_per_byte: 0.3 };
        assert_eq!(smaller(room, 8_000, Some(9_000), Some(4_500)).tokens, 3_400);
        assert_eq!(smaller(room, 8_000, None, None).tokens, 4_760);
        assert!(smaller(room, 8_000, Some(4_000), Some(8_000)).tokens < 8_000);
    }
}
