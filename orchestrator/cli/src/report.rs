//! What a run found, for a person and as JSON. A view of [`Run`]; it measures nothing.

use std::collections::BTreeMap;
use std::fmt::Write;

use autores_domain::{
    Budget, Comparison, ExperimentState, Fault, IdeaId, IdeaRecord, ModelName, Outcome, Purpose,
    Role, Run, Spent, Status, StopReason, Usage, stats,
};
use serde::Serialize;

use crate::table::{self, duration, shorten};

/// How many ideas the text names.
const SHOWN: usize = 10;

/// What a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    run: String,
    problem: String,
    scale: String,
    strategy: String,
    seed: u64,
    epochs: u32,
    batch: u32,
    base: String,
    status: &'static str,
    #[serde(skip)]
    is_finished: bool,
    /// Why it failed or stopped, where there is more to say.
    reason: Option<String>,
    metric: String,
    unit: String,
    ideas: usize,
    experiments: BTreeMap<&'static str, usize>,
    elapsed_s: f64,
    usage: Usage,
    /// The metric of the unchanged codebase, all seeds.
    baseline: Option<Figures>,
    /// Finalists, measured again with fresh seeds.
    finalists: Vec<Finalist>,
    /// Finalists of which not every seed was measured, with the reason.
    unverified: Vec<Unverified>,
    /// The best finalist that is an improvement.
    winner: Option<String>,
    /// All ideas, best first, then those without a result.
    tried: Vec<Tried>,
    /// Failures by class.
    failures: BTreeMap<String, usize>,
    /// Ideas whose first revision failed when it ran and that were measured after a repair.
    mended: usize,
    /// Ideas with the very same code as another, whose result holds for both.
    reused: usize,
    /// Share of the time since the run's start, pauses between its processes left out, in which accelerators were held.
    occupancy: Option<f64>,
    /// What models were paid; absent where none was asked.
    models: Option<Models>,
    /// How many lessons there are.
    lessons: usize,
}

/// What models were paid.
#[derive(Debug, Serialize)]
struct Models {
    #[serde(flatten)]
    spent: Spent,
    budget: Budget,
    by_role: Vec<Paid>,
}

#[derive(Debug, Serialize)]
struct Paid {
    role: Role,
    model: ModelName,
    #[serde(flatten)]
    spent: Spent,
}

/// Mean and standard error of the metric.
#[derive(Debug, Serialize)]
struct Figures {
    mean: f64,
    standard_error: Option<f64>,
    seeds: usize,
}

#[derive(Debug, Serialize)]
struct Finalist {
    idea: String,
    title: String,
    metric: Option<Figures>,
    baseline_metric: Option<Figures>,
    #[serde(flatten)]
    comparison: Comparison,
    improvement: bool,
}

#[derive(Debug, Serialize)]
struct Unverified {
    idea: String,
    title: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Tried {
    idea: String,
    title: String,
    operator: Option<&'static str>,
    metric: Option<f64>,
    reward: Option<f64>,
    /// Gain in reward over the baseline with the same seed, as a share of it.
    gain: Option<f64>,
    fault: Option<Fault>,
}

impl Report {
    pub(crate) fn of(run: &Run) -> Self {
        let finalists: Vec<Finalist> = match &run.status {
            Status::Finished(verdict) => {
                verdict.comparisons.iter().map(|comparison| finalist(run, comparison)).collect()
            }
            Status::Running | Status::Paused | Status::Stopped(_) | Status::Failed(_) => Vec::new(),
        };
        let tried = tried(run);
        let mut failures: BTreeMap<String, usize> = BTreeMap::new();
        for fault in tried.iter().filter_map(|tried| tried.fault.as_ref()) {
            *failures.entry(fault.class.to_string()).or_default() += 1;
        }
        let mut experiments: BTreeMap<&'static str, usize> = BTreeMap::new();
        for record in &run.experiments {
            *experiments.entry(record.state.name()).or_default() += 1;
        }
        let baseline: Vec<f64> = [Purpose::Baseline, Purpose::Verify]
            .into_iter()
            .flat_map(|purpose| metrics(run, &run.baseline(), purpose))
            .collect();
        Self {
            run: run.id.to_string(),
            problem: run.problem.name.clone(),
            scale: run.config.scale.clone(),
            strategy: run.config.strategy.clone(),
            seed: run.config.seed,
            epochs: run.config.epochs,
            batch: run.config.batch,
            base: run.base.commit.clone(),
            status: run.status.name(),
            is_finished: matches!(run.status, Status::Finished(_)),
            reason: match &run.status {
                Status::Failed(reason) => Some(reason.clone()),
                Status::Stopped(reason) => stopped(run, *reason),
                Status::Running | Status::Paused | Status::Finished(_) => None,
            },
            metric: run.problem.metric.name.clone(),
            unit: run.problem.metric.unit.clone(),
            ideas: run.ideas.len() - 1,
            experiments,
            elapsed_s: run.active_ms as f64 / 1000.0,
            usage: run.usage(),
            baseline: Figures::of(&baseline),
            winner: finalists.iter().find(|f| f.improvement).map(|f| f.idea.clone()),
            unverified: unverified(run),
            finalists,
            tried,
            failures,
            mended: run.ideas.iter().filter(|record| is_mended(run, record)).count(),
            reused: run.ideas.iter().filter(|record| is_reused(run, record)).count(),
            occupancy: occupancy(run),
            models: models(run),
            lessons: run.lessons.len(),
        }
    }

    /// The report as text, ending with a newline. `repository` is where the ideas' branches are.
    pub(crate) fn text(&self, repository: Option<&std::path::Path>) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, repository);
        text
    }

    fn write(&self, out: &mut String, repository: Option<&std::path::Path>) -> std::fmt::Result {
        let experiments: usize = self.experiments.values().sum();
        writeln!(
            out,
            "{} {}: {} on {} at scale {}, seed {}, {} of {} ideas, {experiments} experiments, {} ({} CPU)",
            self.run,
            self.status,
            self.strategy,
            self.problem,
            self.scale,
            self.seed,
            self.ideas,
            self.epochs * self.batch,
            duration(self.elapsed_s),
            duration(self.usage.cpu_s),
        )?;
        if let Some(reason) = &self.reason {
            writeln!(out, "\n{reason}")?;
        }
        self.write_verdict(out)?;
        self.write_tried(out)?;
        self.write_failures(out)?;
        self.write_models(out)?;
        self.write_next(out, repository)
    }

    fn write_models(&self, out: &mut String) -> std::fmt::Result {
        if self.mended + self.reused > 0 {
            writeln!(
                out,
                "\nMended after a failed experiment: {}; same code as another idea, measured once: {}",
                self.mended, self.reused
            )?;
        }
        let Some(models) = &self.models else { return Ok(()) };
        writeln!(out, "\nModels     {}", paid(&models.spent))?;
        for line in &models.by_role {
            writeln!(out, "  {:<12} {}  {}", line.role, line.model, paid(&line.spent))?;
        }
        if let Some(occupancy) = self.occupancy {
            writeln!(out, "Slots      busy {:.0}% of the time", 100.0 * occupancy)?;
        }
        if self.lessons > 0 {
            writeln!(out, "Lessons    {}: autores lessons {}", self.lessons, self.run)?;
        }
        Ok(())
    }

    fn write_verdict(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out)?;
        if let Some(baseline) = &self.baseline {
            writeln!(out, "Baseline   {} {}  ({})", self.metric, baseline.text(), self.unit)?;
        }
        let nothing_verified = self.finalists.is_empty() && self.unverified.is_empty();
        if self.is_finished && nothing_verified {
            writeln!(out, "Best idea  none: no idea was measured again with fresh seeds")?;
        }
        for unverified in &self.unverified {
            writeln!(out, "Finalist   {}  {}", unverified.idea, unverified.title)?;
            writeln!(out, "           could not be verified: {}", unverified.reason)?;
        }
        for finalist in &self.finalists {
            let is_winner = self.winner.as_ref() == Some(&finalist.idea);
            let comparison = &finalist.comparison;
            let head = if is_winner { "Best idea" } else { "Finalist " };
            writeln!(out, "{head}  {}  {}", finalist.idea, finalist.title)?;
            if let (Some(metric), Some(baseline)) = (&finalist.metric, &finalist.baseline_metric) {
                writeln!(
                    out,
                    "           {} {}, baseline {} with the same seeds",
                    self.metric,
                    metric.text(),
                    baseline.text()
                )?;
            }
            writeln!(
                out,
                "           reward {:.5} against {:.5}: {:+.5} = {:+.2}%, pooled standard error {:.5}: {}",
                comparison.candidate.mean,
                comparison.baseline.mean,
                comparison.difference,
                100.0 * comparison.difference / comparison.baseline.mean.abs(),
                comparison.standard_error,
                if finalist.improvement {
                    "an improvement"
                } else if comparison.ignores_seeds() {
                    "the same with every seed, so its noise is not known and it is no improvement"
                } else {
                    "not more than twice the error, so no improvement"
                }
            )?;
        }
        Ok(())
    }

    fn write_tried(&self, out: &mut String) -> std::fmt::Result {
        let measured: Vec<&Tried> = self.tried.iter().filter(|t| t.reward.is_some()).collect();
        if measured.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "\nTried (seed {}, gain over the baseline with the same seed; best {} of {})",
            self.seed,
            SHOWN.min(measured.len()),
            measured.len()
        )?;
        for tried in measured.iter().take(SHOWN) {
            let (Some(metric), Some(gain)) = (tried.metric, tried.gain) else { continue };
            writeln!(
                out,
                "  {:<5} {} {metric:.4}  {:+6.2}%  {}",
                local(&tried.idea),
                self.metric,
                100.0 * gain,
                shorten(&tried.title, 72)
            )?;
        }
        Ok(())
    }

    fn write_failures(&self, out: &mut String) -> std::fmt::Result {
        if self.failures.is_empty() {
            return Ok(());
        }
        let classes: Vec<String> =
            self.failures.iter().map(|(class, count)| format!("{count} {class}")).collect();
        writeln!(out, "\nFailed: {}", classes.join(", "))?;
        for tried in &self.tried {
            let Some(fault) = &tried.fault else { continue };
            writeln!(out, "  {:<5} {}", local(&tried.idea), shorten(&tried.title, 72))?;
            writeln!(out, "        {}", shorten(&fault.to_string(), 160))?;
        }
        Ok(())
    }

    fn write_next(
        &self,
        out: &mut String,
        repository: Option<&std::path::Path>,
    ) -> std::fmt::Result {
        let Some(idea) = self
            .winner
            .as_ref()
            .or_else(|| self.finalists.first().map(|f| &f.idea))
            .or_else(|| self.tried.iter().find(|t| t.reward.is_some()).map(|t| &t.idea))
        else {
            return Ok(());
        };
        writeln!(out, "\nWhere to look next")?;
        writeln!(out, "  autores show {idea}")?;
        writeln!(out, "  autores diff {idea}")?;
        if let Some(repository) = repository {
            writeln!(out, "  git -C {} log autores/{idea}", repository.display())?;
        }
        Ok(())
    }
}

impl Figures {
    fn of(values: &[f64]) -> Option<Self> {
        let mean = stats::mean(values)?;
        let standard_error =
            stats::standard_deviation(values).map(|sd| sd / (values.len() as f64).sqrt());
        Some(Self { mean, standard_error, seeds: values.len() })
    }

    /// `2.0512 ± 0.0093 (3 seeds)`, where ± is the standard error of the mean.
    fn text(&self) -> String {
        let error = self.standard_error.map_or(String::new(), |error| format!(" ± {error:.4}"));
        let plural = if self.seeds == 1 { "" } else { "s" };
        format!("{:.4}{error} ({} seed{plural})", self.mean, self.seeds)
    }
}

fn is_mended(run: &Run, record: &IdeaRecord) -> bool {
    record.revisions.len() > 1 && matches!(run.outcome(record), Outcome::Measured { .. })
}

/// A repair may come back to code that the idea had before; that is no other idea's.
fn is_reused(run: &Run, record: &IdeaRecord) -> bool {
    let reused = record.reused.as_ref().and_then(|experiment| run.experiment(experiment));
    reused.is_some_and(|other| other.experiment.idea != record.idea.id)
}

/// What was paid, in a line.
fn paid(spent: &Spent) -> String {
    let plural = if spent.calls == 1 { "" } else { "s" };
    let unpriced = match spent.unpriced {
        0 => String::new(),
        unpriced => format!(", {unpriced} of them without a known price"),
    };
    format!(
        "${:.4} for {} call{plural}{unpriced}: {} tokens read ({} from a cache), {} written",
        spent.usd, spent.calls, spent.tokens.input, spent.tokens.cached, spent.tokens.output
    )
}

fn models(run: &Run) -> Option<Models> {
    run.config.llm.as_ref()?;
    let by_role = run.spent.iter().map(|((role, model), spent)| Paid {
        role: *role,
        model: model.clone(),
        spent: *spent,
    });
    Some(Models { spent: run.spent(), budget: run.config.budget, by_role: by_role.collect() })
}

/// Held accelerator time over all that there was.
fn occupancy(run: &Run) -> Option<f64> {
    let hours = run.active_ms as f64 / 3_600_000.0 * f64::from(run.accelerators);
    (hours > 0.0).then(|| (run.accelerator_hours() / hours).min(1.0))
}

/// Why a run stopped, where its status does not say it all.
fn stopped(run: &Run, reason: StopReason) -> Option<String> {
    let what = match reason {
        StopReason::Signal | StopReason::Request => return None,
        StopReason::Budget => "its budget is used up",
        StopReason::Models => "no model answers",
    };
    let detail = run.stopped_because.as_ref().map_or(String::new(), |why| format!(": {why}"));
    Some(format!("{what}{detail}"))
}

/// `i7` of `run/i7`.
fn local(idea: &str) -> &str {
    idea.rsplit('/').next().unwrap_or(idea)
}

fn finalist(run: &Run, comparison: &Comparison) -> Finalist {
    let idea = &comparison.idea;
    Finalist {
        idea: idea.to_string(),
        title: run.ideas[idea.number as usize].idea.title.clone(),
        metric: Figures::of(&metrics(run, idea, Purpose::Verify)),
        baseline_metric: Figures::of(&metrics(run, &run.baseline(), Purpose::Verify)),
        improvement: comparison.is_improvement(),
        comparison: comparison.clone(),
    }
}

/// Finalists of a finished run that have no comparison, with the first reason.
fn unverified(run: &Run) -> Vec<Unverified> {
    let Status::Finished(verdict) = &run.status else { return Vec::new() };
    let failed = |idea: &IdeaId| {
        run.experiments_of(idea).filter(|e| e.experiment.purpose == Purpose::Verify).find_map(|e| {
            match &e.state {
                ExperimentState::Failed { fault, .. } => {
                    Some(format!("{} of {}: {fault}", e.experiment.id, e.experiment.idea))
                }
                ExperimentState::Queued { .. }
                | ExperimentState::Running { .. }
                | ExperimentState::Measured { .. }
                | ExperimentState::Cancelled { .. } => None,
            }
        })
    };
    run.ideas[1..]
        .iter()
        .map(|record| &record.idea)
        .filter(|idea| {
            !run.rewards(&idea.id, Purpose::Verify).is_empty() || failed(&idea.id).is_some()
        })
        .filter(|idea| verdict.comparisons.iter().all(|known| known.idea != idea.id))
        .map(|idea| Unverified {
            idea: idea.id.to_string(),
            title: idea.title.clone(),
            reason: failed(&idea.id)
                .or_else(|| failed(&run.baseline()))
                .unwrap_or_else(|| "fewer than two seeds".into()),
        })
        .collect()
}

fn metrics(run: &Run, idea: &IdeaId, purpose: Purpose) -> Vec<f64> {
    run.experiments_of(idea)
        .filter(|record| record.experiment.purpose == purpose)
        .filter_map(|record| record.state.measurement())
        .map(|measurement| measurement.metric)
        .collect()
}

fn tried(run: &Run) -> Vec<Tried> {
    let baseline = run.reward_with_seed(&run.baseline(), run.config.seed);
    let mut tried: Vec<Tried> = run.ideas[1..]
        .iter()
        .map(|record| {
            let (reward, fault) = match run.outcome(record) {
                Outcome::Measured { reward } => (Some(reward), None),
                Outcome::Failed(fault) => (None, Some(fault)),
                Outcome::Pending => (None, None),
            };
            Tried {
                idea: record.idea.id.to_string(),
                title: record.idea.title.clone(),
                operator: record.idea.operator.map(autores_domain::Operator::as_str),
                metric: run.member(record).evidence.and_then(|evidence| evidence.metric),
                reward,
                gain: reward.zip(baseline).map(|(reward, base)| (reward - base) / base.abs()),
                fault,
            }
        })
        .collect();
    // Those without a result keep their order, after all others.
    tried.sort_by(|a, b| match (a.reward, b.reward) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    tried
}

/// Rows of a run's experiments for `autores show`.
pub(crate) fn experiments(run: &Run, idea: Option<&IdeaId>) -> comfy_table::Table {
    let mut table = table::table(&[
        "experiment",
        "idea",
        "purpose",
        "seed",
        "state",
        &run.problem.metric.name,
        "cpu",
        "wall",
    ]);
    for record in &run.experiments {
        let experiment = &record.experiment;
        if idea.is_some_and(|idea| *idea != experiment.idea) {
            continue;
        }
        let (state, metric, usage) = match &record.state {
            ExperimentState::Measured { measurement, .. } => (
                "measured".to_owned(),
                format!("{:.5}", measurement.metric),
                Some(&measurement.usage),
            ),
            ExperimentState::Failed { fault, usage, .. } => {
                (format!("failed ({})", fault.class), String::new(), usage.as_ref())
            }
            ExperimentState::Queued { .. }
            | ExperimentState::Running { .. }
            | ExperimentState::Cancelled { .. } => {
                (record.state.name().to_owned(), String::new(), None)
            }
        };
        let seconds = |value: Option<f64>| value.map_or(String::new(), |s| format!("{s:.1}s"));
        table.add_row([
            experiment.id.to_string(),
            format!("i{}", experiment.idea.number),
            experiment.purpose.as_str().to_owned(),
            experiment.seed.to_string(),
            state,
            metric,
            seconds(usage.map(|usage| usage.cpu_s)),
            seconds(usage.map(|usage| usage.wall_s)),
        ]);
    }
    table
}
