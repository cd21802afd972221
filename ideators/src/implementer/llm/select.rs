//! Which of the candidates that passed becomes the revision.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::atomic::{self, AtomicBool};

use autores_domain::{Call, Patch, Role, Selection};
use autores_templates::prompts;
use serde_json::{Value, json};

use super::candidate::{Candidate, Passed, State};
use super::job::Job;
use crate::answer;
use crate::conversation::{self, Form, Question, Unanswered};
use crate::diff;
use crate::llm::Schema;

/// Those that passed, each tree once, by number; and the others.
pub(super) fn distinct(candidates: Vec<Candidate>) -> (Vec<Passed>, Vec<Candidate>) {
    let mut trees = BTreeSet::new();
    let (mut passed, mut others) = (Vec::new(), Vec::new());
    for candidate in candidates {
        match candidate.state {
            State::Passed(one) if trees.insert(one.revision.tree.clone()) => passed.push(one),
            State::Passed(_) => {}
            State::Open | State::Refused { .. } | State::Unchecked(_) | State::Unanswered(..) => {
                others.push(candidate);
            }
        }
    }
    (passed, others)
}

/// The patch of one of them; there is at least one.
///
/// # Errors
/// If the run stops before one is chosen.
pub(super) async fn one(
    mut passed: Vec<Passed>,
    job: &Job,
    calls: &mut Vec<Call>,
) -> Result<Patch, Unanswered> {
    let at = if passed.len() > 1 { choose(&passed, job, calls).await? } else { 0 };
    Ok(passed.swap_remove(at).patch)
}

async fn choose(passed: &[Passed], job: &Job, calls: &mut Vec<Call>) -> Result<usize, Unanswered> {
    Ok(match job.knowledge.llm().select {
        Selection::First => 0,
        Selection::Smallest => smallest(passed),
        Selection::Surprisal => least_sure(passed),
        Selection::Judge => judged(passed, job, calls).await?.unwrap_or(0),
    })
}

fn smallest(passed: &[Passed]) -> usize {
    let lines = |one: &Passed| one.revision.lines.0.saturating_add(one.revision.lines.1);
    // Of equal ones the first is taken.
    (0..passed.len()).min_by_key(|at| lines(&passed[*at])).unwrap_or(0)
}

/// The candidate whose model was least sure of it ("Surprisal-Guided Selection", arXiv 2602.07670).
fn least_sure(passed: &[Passed]) -> usize {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    let told: Vec<(usize, f64)> = (0..passed.len())
        .filter_map(|at| Some((at, passed[at].mean_logprob.filter(|value| value.is_finite())?)))
        .collect();
    if told.len() < passed.len() && !IS_TOLD.swap(true, atomic::Ordering::Relaxed) {
        tracing::warn!(
            "some models give no log-probabilities: their candidates are taken only where no other passes"
        );
    }
    let less = |a: &(usize, f64), b: &(usize, f64)| -> Ordering { a.1.total_cmp(&b.1) };
    told.into_iter().min_by(less).map_or(0, |(at, _)| at)
}

/// The candidate that a judge prefers; none if it does not say.
async fn judged(
    passed: &[Passed],
    job: &Job,
    calls: &mut Vec<Call>,
) -> Result<Option<usize>, Unanswered> {
    let Ok(model) = job.knowledge.draw(Role::Judge, job.seed(0, 0)) else { return Ok(None) };
    let after = |one: &Passed| {
        let changes = one.patch.apply(&job.task.code).unwrap_or_default();
        diff::diff(&job.task.code, &diff::with(&job.task.code, changes))
    };
    let diffs: Vec<String> = passed.iter().map(after).collect();
    let question = Question {
        key: format!("{}.judge", job.key()),
        role: Role::Judge,
        model: &model,
        schema: match conversation::form(&job.client, &model) {
            Form::Full | Form::Plain => Some(schema()),
            Form::Words => None,
        },
        is_one_of_many: false,
        seed: job.seed(0, 0),
        logprobs: false,
    };
    let write = |room| {
        let candidates: Vec<prompts::Candidate<'_>> = passed
            .iter()
            .zip(&diffs)
            .map(|(one, diff)| prompts::Candidate { diff, lines: one.revision.lines })
            .collect();
        let setting = job.knowledge.setting(&job.task.population.lessons);
        prompts::judge(&setting, &job.task.idea, &candidates, room)
    };
    let asked = conversation::ask(&job.client, &question, None, &write, calls).await;
    let chosen = match &asked {
        Ok(reply) => choice(&reply.text, passed.len()),
        // There is a judge to be asked when the run goes on.
        Err(error) if error.is_stop() => return Err(Unanswered::Stopping),
        Err(_) => None,
    };
    if chosen.is_none() {
        let reason = asked
            .err()
            .map_or("its answer names none that carries out the idea".to_owned(), |error| {
                error.to_string()
            });
        tracing::warn!(idea = %job.task.idea.id, %model, reason, "the judge chose no candidate; the first is taken");
    }
    Ok(chosen)
}

/// The place of the candidate that the answer names, which counts from 1. Where the answer says that this one does not
/// carry out the idea, the first that does.
fn choice(reply: &str, count: usize) -> Option<usize> {
    let mut objects = answer::objects(reply).into_iter();
    let (at, verdict) =
        objects.find_map(|object| Some((place(object.get("choice")?, count)?, object)))?;
    let candidates = verdict.get("candidates").and_then(Value::as_array).into_iter().flatten();
    let said: Vec<(usize, bool)> = candidates
        .filter_map(|one| {
            Some((place(one.get("candidate")?, count)?, one.get("carries_out")?.as_bool()?))
        })
        .collect();
    if said.contains(&(at, false)) {
        return said.into_iter().filter(|(_, does)| *does).map(|(at, _)| at).min();
    }
    Some(at)
}

fn place(value: &Value, count: usize) -> Option<usize> {
    let named = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }?;
    let at = usize::try_from(named).ok()?.checked_sub(1)?;
    (at < count).then_some(at)
}

fn schema() -> Schema {
    let object = |properties: Value, required: Value| {
        json!({
            "type": "object",
            "required": required,
            "additionalProperties": false,
            "properties": properties,
        })
    };
    let candidate = object(
        json!({
            "candidate": {"type": "integer"},
            "carries_out": {"type": "boolean"},
            "kind": {"type": "string", "enum": ["algorithmic", "hyper-parameter"]},
        }),
        json!(["candidate", "carries_out", "kind"]),
    );
    let json = object(
        json!({
            "candidates": {"type": "array", "items": candidate},
            "choice": {"type": "integer"},
            "reason": {"type": "string"},
        }),
        json!(["candidates", "choice", "reason"]),
    );
    Schema { name: "choice".to_owned(), json }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_one_of_the_candidates() {
        assert_eq!(
            choice("The best:\n{\"candidates\": [], \"choice\": 2, \"reason\": \"\"}", 3),
            Some(1)
        );
        assert_eq!(choice("{\"choice\": \"1\"}", 3), Some(0));
        for reply in [
            "",
            "2",
            "{\"choice\": 0}",
            "{\"choice\": 4}",
            "{\"choice\": -1}",
            "{\"choice\": null}",
        ] {
            assert_eq!(choice(reply, 3), None, "{reply}");
        }
    }

    #[test]
    fn a_choice_that_does_not_carry_out_the_idea_is_not_followed() {
        let said = |carries_out: &[bool]| {
            let each = carries_out.iter().enumerate();
            let candidates: Vec<Value> =
                each.map(|(at, does)| json!({"candidate": at + 1, "carries_out": does})).collect();
            choice(&json!({"candidates": candidates, "choice": 2}).to_string(), 4)
        };
        assert_eq!(said(&[true, true, true, true]), Some(1));
        assert_eq!(said(&[true]), Some(1), "nothing is said against it");
        assert_eq!(said(&[false, false, true, true]), Some(2));
        assert_eq!(said(&[false, false, false, false]), None);
    }
}
