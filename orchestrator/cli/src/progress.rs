//! Shows a run while it goes on: a bar on a terminal, lines otherwise, JSON lines on request. Never decides anything.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use autores_domain::{
    Event, ExperimentId, ExperimentState, IdeaId, IdeaState, Measurement, Operator, Purpose,
    Recorded, Run, stats,
};
use autores_engine::Observer;
use indicatif::{ProgressBar, ProgressStyle};

use crate::out::plain;
use crate::table::{duration, shorten};

/// Where progress goes.
#[derive(Debug, Clone)]
pub(crate) enum Progress {
    /// A bar at the bottom of a terminal, lines above it.
    Bar(ProgressBar),
    /// Plain lines.
    Lines(Instant),
    /// Events as JSON lines on standard output; words go to standard error.
    Json,
}

impl Progress {
    pub(crate) fn new(json: bool) -> Self {
        if json {
            Self::Json
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::no_length();
            bar.set_style(
                ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.enable_steady_tick(Duration::from_millis(120));
            Self::Bar(bar)
        } else {
            Self::Lines(Instant::now())
        }
    }

    /// A line for a person.
    pub(crate) fn say(&self, text: &str) {
        let text = &*plain(text);
        match self {
            Self::Bar(bar) => bar.println(text),
            Self::Lines(started) => {
                let elapsed = duration(started.elapsed().as_secs_f64());
                // A reader that went away must not end the run.
                let _ = writeln!(std::io::stderr(), "[{elapsed:>7}] {text}");
            }
            Self::Json => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
        }
    }

    /// What is being done just now.
    pub(crate) fn doing(&self, text: &str) {
        match self {
            Self::Bar(bar) => bar.set_message(text.to_owned()),
            Self::Lines(_) | Self::Json => self.say(text),
        }
    }

    /// Takes the bar away.
    pub(crate) fn close(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn observe(&mut self, recorded: &Recorded, run: &Run) {
        if let Self::Json = self {
            if let Ok(line) = serde_json::to_string(recorded) {
                let _ = writeln!(std::io::stdout(), "{line}");
            }
            return;
        }
        if let Some(line) = line(&recorded.event, run) {
            self.say(&line);
        }
        if let Self::Bar(bar) = self {
            bar.set_style(
                ProgressStyle::with_template(
                    "{spinner} {elapsed_precise} [{bar:24}] {pos}/{len} {wide_msg}",
                )
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> "),
            );
            let (done, expected) = steps(run);
            bar.set_length(expected);
            bar.set_position(done);
            bar.set_message(status(run));
        }
    }
}

/// Experiments that have ended, and how many there will be if every idea comes to one.
fn steps(run: &Run) -> (u64, u64) {
    let config = &run.config;
    let verify = u64::from(config.verify_seeds) * (u64::from(config.finalists) + 1);
    let expected = u64::from(config.baseline_seeds) + u64::from(config.ideas()) + verify;
    let ended = run.experiments.iter().filter(|record| record.state.is_terminal()).count();
    let rejected = run
        .ideas
        .iter()
        .filter(|record| matches!(record.state, IdeaState::Rejected { .. }))
        .count();
    ((ended + rejected) as u64, expected)
}

fn status(run: &Run) -> String {
    let running = run.running().count();
    let best = best(run).map_or(String::new(), |(idea, metric)| {
        format!(", best so far i{} {} {metric:.4}", idea.number, run.problem.metric.name)
    });
    let baseline =
        baseline_metric(run).map_or(String::new(), |metric| format!(" (baseline {metric:.4})"));
    let spent = run.spent();
    let paid = match spent.calls {
        0 => String::new(),
        _ => format!(", ${:.2}", spent.usd),
    };
    format!("{running} running{best}{baseline}{paid}")
}

fn best(run: &Run) -> Option<(IdeaId, f64)> {
    run.experiments_for(Purpose::Screen)
        .filter_map(|record| Some((&record.experiment.idea, record.state.measurement()?)))
        .max_by(|a, b| a.1.reward.total_cmp(&b.1.reward))
        .map(|(idea, measurement)| (idea.clone(), measurement.metric))
}

fn baseline_metric(run: &Run) -> Option<f64> {
    let metrics: Vec<f64> = run
        .experiments_for(Purpose::Baseline)
        .filter_map(|record| record.state.measurement())
        .map(|measurement| measurement.metric)
        .collect();
    stats::mean(&metrics)
}

/// The line that an event deserves, if any.
fn line(event: &Event, run: &Run) -> Option<String> {
    match event {
        Event::AttemptMeasured { attempt, measurement } => {
            Some(measured(&attempt.experiment, measurement, run))
        }
        Event::AttemptFailed { attempt, fault, .. } => {
            Some(format!("{} failed: {fault}", label(&attempt.experiment, run)))
        }
        Event::AttemptLost { attempt, fault } => {
            Some(format!("{} is queued again: {fault}", label(&attempt.experiment, run)))
        }
        Event::IdeaRejected { idea, fault, .. } => {
            let title = run.ideas.get(idea.number as usize).map_or("", |r| r.idea.title.as_str());
            Some(format!("i{:<4} {}: {fault}", idea.number, shorten(title, 48)))
        }
        Event::BriefFailed { reason, .. } => Some(format!("no idea: {reason}")),
        Event::RepairIssued { idea, experiment } => {
            let state = run.experiment(experiment).map(|record| &record.state);
            let Some(ExperimentState::Failed { fault, .. }) = state else { return None };
            Some(format!("i{:<4} is being mended: {}", idea.number, fault.class))
        }
        Event::RepairFailed { idea, fault, .. } => {
            Some(format!("i{:<4} could not be mended: {fault}", idea.number))
        }
        Event::ResultReused { idea, experiment } => Some(format!(
            "i{:<4} has the same code as {experiment} measured, so its result is known",
            idea.number
        )),
        Event::LessonsLearnt { lessons, .. } => {
            Some(format!("{} lessons; `autores lessons {}` shows them", lessons.len(), run.id))
        }
        Event::LessonsFailed { reason, .. } => Some(format!("no lessons: {reason}")),
        Event::BudgetChanged { budget } => {
            let amounts = [
                budget.usd.map(|usd| format!("${usd}")),
                budget.tokens.map(|tokens| format!("{tokens} tokens")),
                budget.accelerator_hours.map(|hours| format!("{hours} accelerator-hours")),
            ];
            let amounts: Vec<String> = amounts.into_iter().flatten().collect();
            Some(format!("the budget is now {}", amounts.join(", ")))
        }
        Event::ExperimentQueued { experiment }
            if experiment.purpose == Purpose::Verify && experiment.idea.number == 0 =>
        {
            let first = run.experiments_for(Purpose::Verify).next().map(|r| &r.experiment.id);
            (first == Some(&experiment.id)).then(|| {
                format!(
                    "the search is over; measuring the best ideas and the baseline again with {} fresh seeds",
                    run.config.verify_seeds
                )
            })
        }
        Event::RunPaused => Some("paused".into()),
        Event::RunUnpaused => Some("going on".into()),
        Event::RunFailed { reason } => Some(reason.clone()),
        Event::RunCreated { .. }
        | Event::RunOpened { .. }
        | Event::RunStopped { .. }
        | Event::RunFinished { .. }
        | Event::BriefIssued { .. }
        | Event::BriefAnswered { .. }
        | Event::IdeaPatched { .. }
        | Event::IdeaCommitted { .. }
        | Event::ExperimentQueued { .. }
        | Event::ExperimentCancelled { .. }
        | Event::AttemptStarted { .. }
        | Event::CallsMade { .. }
        | Event::LessonsIssued { .. } => None,
    }
}

fn measured(id: &ExperimentId, measurement: &Measurement, run: &Run) -> String {
    let experiment = run.experiment(id).map(|record| &record.experiment);
    // Only the same seed tells an idea from luck.
    let baseline = experiment
        .filter(|experiment| experiment.idea.number != 0)
        .and_then(|experiment| run.reward_with_seed(&run.baseline(), experiment.seed));
    let against = match baseline {
        Some(baseline) if baseline != 0.0 => {
            format!(" ({:+.2}% reward)", 100.0 * (measurement.reward - baseline) / baseline.abs())
        }
        _ => String::new(),
    };
    format!("{} {} {:.4}{against}", label(id, run), run.problem.metric.name, measurement.metric)
}

fn label(id: &ExperimentId, run: &Run) -> String {
    let Some(record) = run.experiment(id) else { return id.to_string() };
    let idea = &run.ideas[record.experiment.idea.number as usize].idea;
    let how = match (record.experiment.purpose, idea.operator) {
        (Purpose::Screen, Some(operator)) => Operator::as_str(operator),
        (purpose, _) => purpose.as_str(),
    };
    let again = match &record.state {
        ExperimentState::Measured { attempt, .. } if attempt.number > 1 => {
            format!(" (attempt {})", attempt.number)
        }
        _ => String::new(),
    };
    // The baseline's title would only repeat its purpose.
    let what = match idea.id.number {
        0 => format!("the unchanged code, seed {}", record.experiment.seed),
        _ => shorten(&idea.title, 56),
    };
    format!("i{:<4}{how:<9}{what}{again}", idea.id.number)
}
