//! What is said of an idea of which no candidate passes.

use std::collections::BTreeMap;

use autores_domain::{Fault, FaultClass, Refusal};

use super::candidate::{Candidate, State};
use crate::conversation::Unanswered;

/// Bytes of a reason that is repeated.
const REASON: usize = 300;

/// Why the idea stays open, where it may still come to a patch; else an answer, where models gave patches and they were
/// refused; else why there is none.
pub(super) fn none_passed(candidates: &[Candidate]) -> Refusal<Fault> {
    let blocked: Vec<Refusal<Fault>> = candidates.iter().filter_map(blocked).collect();
    let find =
        |wanted: fn(&Refusal<Fault>) -> bool| blocked.iter().find(|one| wanted(one)).cloned();
    // Who may still answer, and what may still be checked, could be the one that passes: the idea stays open.
    find(|one| matches!(one, Refusal::Budget(_)))
        .or_else(|| find(|one| matches!(one, Refusal::Unavailable { is_lasting: false, .. })))
        .or_else(|| unchecked(candidates).map(Refusal::Failed))
        .or_else(|| summary(candidates).map(Refusal::Failed))
        .or_else(|| find(|one| matches!(one, Refusal::Unavailable { .. })))
        .or_else(|| blocked.first().cloned())
        .unwrap_or_else(|| {
            Refusal::Failed(Fault::new(FaultClass::Patch, "no candidate was asked for"))
        })
}

/// What a question without an answer means for the idea.
pub(super) fn refusal(error: &Unanswered) -> Refusal<Fault> {
    // Asked again, it would come to the same, so that it says something of the idea and nothing of the machine.
    error.refusal().map(|reason| Fault::new(FaultClass::Patch, reason))
}

fn blocked(candidate: &Candidate) -> Option<Refusal<Fault>> {
    match &candidate.state {
        State::Unanswered(error, _) => Some(refusal(error)),
        State::Open | State::Refused { .. } | State::Passed(_) | State::Unchecked(_) => None,
    }
}

fn unchecked(candidates: &[Candidate]) -> Option<Fault> {
    candidates.iter().find_map(|candidate| match &candidate.state {
        State::Unchecked(fault) => Some(fault.clone()),
        State::Open | State::Refused { .. } | State::Passed(_) | State::Unanswered(..) => None,
    })
}

/// The fault of the candidate that came furthest, with what was wrong most often.
fn summary(candidates: &[Candidate]) -> Option<Fault> {
    let faults: Vec<&Fault> = candidates.iter().filter_map(Candidate::fault).collect();
    let best = faults.iter().rev().max_by_key(|fault| stage(fault.class))?;
    let class = match best.class {
        FaultClass::Policy if faults.iter().any(|fault| fault.class != FaultClass::Policy) => {
            FaultClass::Patch
        }
        class => class,
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for fault in &faults {
        *counts.entry(first_line(&fault.to_string())).or_default() += 1;
    }
    // Of those that are equally frequent, the one of the first candidate.
    let common = faults
        .iter()
        .rev()
        .map(|fault| first_line(&fault.to_string()))
        .max_by_key(|reason| counts[reason])?;
    let replies: u32 = candidates.iter().map(|candidate| candidate.replies).sum();
    let reason = match candidates.len() {
        1 => format!("no patch passed, of {replies} that were written; the last: {common}"),
        all => format!(
            "none of {all} candidates passed, with {replies} patches; most often ({} of {}): {common}",
            counts[&common],
            faults.len()
        ),
    };
    Some(Fault::new(class, reason).with_tail(best.tail.clone()))
}

/// How far the checks went before this fault.
fn stage(class: FaultClass) -> u8 {
    match class {
        FaultClass::Duplicate | FaultClass::Patch => 0,
        FaultClass::Policy => 1,
        FaultClass::Build => 2,
        FaultClass::Crash
        | FaultClass::Oom
        | FaultClass::Timeout
        | FaultClass::Diverged
        | FaultClass::Stalled
        | FaultClass::Infra
        | FaultClass::Preempted => 3,
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.len() > REASON {
        true => format!("{}…", &line[..line.floor_char_boundary(REASON)]),
        false => line.to_owned(),
    }
}
