//! Experiments as prompts show them: which are worth most, and what is left out of them first.

use std::collections::BTreeSet;

use autores_domain::TechniqueUse;
use serde::Serialize;

use super::fit::{Detail, Step};
use super::input::{Baseline, Outcome, Tried};
use super::plain::{Block, line, number};

const TITLE: usize = 160;
const PLAN: usize = 2_000;
const DIFF: usize = 20_000;
const SHORT_DIFF: usize = 1_500;

#[derive(Debug, Serialize)]
pub(super) struct Shown {
    id: String,
    title: String,
    result: String,
    facts: Option<String>,
    plan: Option<Block>,
    diff: Option<Block>,
}

/// What is shown of an experiment; nothing if it is gone.
pub(super) fn shown(tried: &Tried, detail: Detail, metric: &str) -> Option<Shown> {
    let diff_bytes = match detail {
        Detail::Gone => return None,
        Detail::Full => Some(DIFF),
        Detail::ShortDiff => Some(SHORT_DIFF),
        Detail::NoDiff | Detail::Line => None,
    };
    let is_line = detail == Detail::Line;
    // Of an idea made of techniques, they say it all.
    let tells_plan = !is_line && tried.techniques.is_empty() && !tried.plan.trim().is_empty();
    Some(Shown {
        id: line(&tried.id, TITLE),
        title: line(&tried.title, TITLE),
        result: result(&tried.outcome, metric),
        facts: facts(tried, is_line),
        plan: tells_plan.then(|| Block::words(&tried.plan, PLAN)),
        diff: diff_bytes
            .zip(tried.diff.as_deref().filter(|diff| !diff.is_empty()))
            .map(|(bytes, diff)| Block::words(diff, bytes)),
    })
}

fn facts(tried: &Tried, is_line: bool) -> Option<String> {
    let mut facts = Vec::new();
    if !tried.techniques.is_empty() {
        facts.push(format!("Made of: {}.", techniques(&tried.techniques)));
    }
    if !is_line {
        if let Some((added, removed)) = tried.lines {
            facts.push(format!("Lines: +{added} -{removed}."));
        }
        if let Some(mb) = tried.peak_memory_mb {
            facts.push(format!("Peak memory: {mb:.0} MiB."));
        }
        if let Some(curve) = &tried.curve {
            facts.push(format!("Learning curve: {}.", line(curve, 300)));
        }
    }
    (!facts.is_empty()).then(|| facts.join(" "))
}

fn techniques(uses: &[TechniqueUse]) -> String {
    let one = |used: &TechniqueUse| {
        let knobs: Vec<String> =
            used.knobs.iter().map(|(knob, value)| format!("{knob}={value}")).collect();
        match knobs.is_empty() {
            true => used.technique.clone(),
            false => format!("{} ({})", used.technique, knobs.join(", ")),
        }
    };
    line(&uses.iter().map(one).collect::<Vec<_>>().join(", "), 600)
}

fn result(outcome: &Outcome, metric_name: &str) -> String {
    match outcome {
        Outcome::Measured { metric, reward, reward_sd, seeds, deviations } => {
            let difference = deviations
                .map_or_else(String::new, |by| format!(", {by:+.1}σ against the baseline"));
            format!(
                "{metric_name} {}, reward {}{difference} ({})",
                number(*metric),
                spread(*reward, *reward_sd),
                seeds_in_words(*seeds)
            )
        }
        Outcome::Failed { class, reason } => {
            format!("failed, class `{class}`: {}", line(reason, 300))
        }
        Outcome::Pending => "not measured yet".to_owned(),
    }
}

/// The baseline in a line.
pub(super) fn baseline(baseline: &Baseline, metric_name: &str) -> String {
    let known = if baseline.reward_sd.is_some() { "" } else { "; σ is not known" };
    format!(
        "{metric_name} {}, reward {} ({}{known})",
        spread(baseline.metric, baseline.metric_sd),
        spread(baseline.reward, baseline.reward_sd),
        seeds_in_words(baseline.seeds)
    )
}

fn spread(mean: f64, sd: Option<f64>) -> String {
    match sd {
        Some(sd) => format!("{} ± {}", number(mean), number(sd)),
        None => number(mean),
    }
}

fn seeds_in_words(seeds: u32) -> String {
    if seeds == 1 { "1 seed".to_owned() } else { format!("{seeds} seeds") }
}

/// The places of experiments, those worth most first: what beat the baseline, best first; a failure of each class;
/// then the rest, what was measured before what was not.
pub(super) fn by_worth(tried: &[Tried]) -> Vec<usize> {
    let mut measured: Vec<(usize, f64)> =
        tried.iter().enumerate().filter_map(|(at, one)| Some((at, one.reward()?))).collect();
    measured.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let better = |at: usize| match &tried[at].outcome {
        Outcome::Measured { deviations, .. } => deviations.is_none_or(|by| by > 0.0),
        Outcome::Failed { .. } | Outcome::Pending => false,
    };
    let mut classes = BTreeSet::new();
    // The newest failure of a class is of the code that ideas build on now.
    let failures = (0..tried.len()).rev().filter(|&at| match &tried[at].outcome {
        Outcome::Failed { class, .. } => classes.insert(*class),
        Outcome::Measured { .. } | Outcome::Pending => false,
    });
    let ranked = || measured.iter().map(|(at, _)| *at);
    let mut order: Vec<usize> = ranked().take(1).collect();
    let first: Vec<usize> = ranked().filter(|&at| better(at)).chain(failures).collect();
    for at in first.into_iter().chain(ranked()).chain((0..tried.len()).rev()) {
        if !order.contains(&at) {
            order.push(at);
        }
    }
    order
}

/// What is left out of experiments, step by step, after which at `most` so much of each is told. They stand in the order
/// of their worth, `parents` before the others. With `keep_first` the first is always told in a line.
pub(super) fn steps(tried: &[Tried], most: Detail, parents: usize, keep_first: bool) -> Vec<Step> {
    let long_diff =
        |at: &usize| tried[*at].diff.as_ref().is_some_and(|d| d.len() > SHORT_DIFF + 200);
    let has_diff = |at: &usize| tried[*at].diff.is_some();
    let others = || (parents..tried.len()).rev();
    let built_on = || (0..parents).rev();
    let to = |detail| move |at| Step::Tried(at, detail);
    let gone = |at: usize| [Step::Tried(at, Detail::Line), Step::Tried(at, Detail::Gone)];
    let mut steps: Vec<Step> = Vec::new();
    steps.extend(others().filter(long_diff).map(to(Detail::ShortDiff)));
    steps.extend(others().filter(has_diff).map(to(Detail::NoDiff)));
    steps.extend(built_on().filter(long_diff).map(to(Detail::ShortDiff)));
    steps.extend(others().map(to(Detail::Line)));
    steps.extend(others().filter(|at| *at > 0).map(to(Detail::Gone)));
    steps.extend(built_on().filter(has_diff).map(to(Detail::NoDiff)));
    steps.extend(built_on().filter(|at| *at > 0).flat_map(gone));
    if !tried.is_empty() {
        steps.push(Step::Tried(0, Detail::Line));
        if !keep_first {
            steps.push(Step::Tried(0, Detail::Gone));
        }
    }
    steps.retain(|step| !matches!(step, Step::Tried(_, detail) if *detail <= most));
    steps
}
