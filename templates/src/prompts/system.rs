//! The system message: the same for all calls of a run that need the same of it.

use autores_domain::{Problem, RewardRule, Scale, Stage};
use serde::Serialize;

use super::format::{self, FileView};
use super::plain::{Block, line, purpose};
use super::render::render;
use super::{PromptError, Setting};

const FROZEN: usize = 100;

/// What a call needs to know of the code.
#[derive(Debug, Clone)]
pub(super) enum Knows {
    /// The rules and the files.
    Code,
    /// The rules.
    Rules,
    /// The techniques of a catalogue, a line each.
    Techniques(Vec<String>),
}

#[derive(Serialize)]
struct System {
    title: String,
    description: Block,
    metric: String,
    unit: String,
    reward: &'static str,
    scale_name: String,
    scale: String,
    limits: String,
    rules: bool,
    stages: String,
    editable: String,
    techniques: Vec<String>,
    files: Vec<FileView>,
    frozen: Vec<Frozen>,
    frozen_left_out: usize,
}

#[derive(Serialize)]
struct Frozen {
    path: String,
    purpose: Option<String>,
}

pub(super) fn system(setting: &Setting<'_>, knows: &Knows) -> Result<String, PromptError> {
    let Setting { problem, scale_name, scale, codebase, is_editable, lessons: _ } = *setting;
    let with_code = matches!(knows, Knows::Code);
    let files = codebase.iter().filter(|(path, _)| with_code && is_editable(path));
    let frozen = || codebase.iter().filter(|(path, _)| with_code && !is_editable(path));
    let code = |text: &String| format!("`{text}`");
    let editable: Vec<String> = problem.editable.iter().map(code).collect();
    let values = System {
        title: line(&problem.title, 200),
        description: Block::words(&problem.description, 16_000),
        metric: problem.metric.name.clone(),
        unit: line(&problem.metric.unit, 100),
        reward: reward(problem.reward),
        scale_name: scale_name.to_owned(),
        scale: line(scale.description.trim_end_matches('.'), 300),
        limits: limits(scale),
        rules: !matches!(knows, Knows::Techniques(_)),
        stages: stages(problem),
        editable: editable.join(", "),
        techniques: match knows {
            Knows::Techniques(lines) => lines.clone(),
            Knows::Code | Knows::Rules => Vec::new(),
        },
        files: files.map(|(path, text)| format::file(path, text)).collect(),
        frozen: frozen()
            .take(FROZEN)
            .map(|(path, text)| Frozen { path: path.to_string(), purpose: purpose(text) })
            .collect(),
        frozen_left_out: frozen().count().saturating_sub(FROZEN),
    };
    render("system", &values)
}

fn reward(rule: RewardRule) -> &'static str {
    match rule {
        RewardRule::Identity => "the metric itself.",
        RewardRule::Negate => "minus the metric, so a lower metric is better.",
        RewardRule::Reciprocal => "1 / metric, so a lower metric is better.",
    }
}

fn limits(scale: &Scale) -> String {
    let limits = &scale.limits;
    let mut parts = Vec::new();
    match scale.gpus {
        0 => {}
        1 => parts.push("1 GPU".to_owned()),
        gpus => parts.push(format!("{gpus} GPUs")),
    }
    parts.push(match scale.threads {
        1 => "1 CPU thread".to_owned(),
        threads => format!("{threads} CPU threads"),
    });
    parts.push(format!("{} s of wall-clock time", limits.wall_s));
    let relative = limits
        .cpu_times_baseline
        .map_or_else(String::new, |times| format!(" and {times} times what the baseline used"));
    parts.push(format!("{} s of CPU time{relative}", limits.cpu_s));
    parts.push(format!("{} MiB of memory", limits.memory_mb));
    parts.join(", ")
}

fn stages(problem: &Problem) -> String {
    let one = |stage: &Stage| {
        let mut facts = Vec::new();
        if stage.trusted {
            facts.push(
                "frozen files only, starts the changed code in a process of its own".to_owned(),
            );
        }
        if !stage.reads.is_empty() {
            facts.push(format!("may read {}", stage.reads.join(", ")));
        }
        match facts.is_empty() {
            true => format!("`{}`", stage.name),
            false => format!("`{}` ({})", stage.name, facts.join("; ")),
        }
    };
    problem.stages.iter().map(one).collect::<Vec<_>>().join(", ")
}
