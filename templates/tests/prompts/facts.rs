//! A run of the built-in problem, as prompts are told of it.

use std::sync::LazyLock;

use autores_domain::{
    Advice, CodePath, Codebase, FaultClass, Idea, Lesson, Operator, Problem, TechniqueUse,
};
use autores_templates::catalogue::Catalogue;
use autores_templates::problems::{self, Code};
use autores_templates::prompts::{Ask, Baseline, Format, Outcome, Room, Setting, Tried};

pub(crate) struct Facts {
    pub(crate) problem: Problem,
    pub(crate) codebase: Codebase,
    pub(crate) catalogue: Catalogue,
    pub(crate) lessons: Vec<Lesson>,
}

/// Read once: a catalogue takes long to check.
pub(crate) fn facts() -> &'static Facts {
    static FACTS: LazyLock<Facts> = LazyLock::new(read);
    &FACTS
}

fn read() -> Facts {
    let found = problems::find("pretrain").unwrap();
    let Code::Embedded(codebase) = found.code else { panic!("pretrain is built in") };
    let lessons = vec![
        Lesson {
            advice: Advice::Do,
            topic: "local context".into(),
            text: "Mixing the embedding of the token before into each position raised the reward by 9σ at almost no cost.".into(),
            evidence: vec!["night/i2".parse().unwrap(), "night/i9".parse().unwrap()],
        },
        Lesson {
            advice: Advice::Avoid,
            topic: "wide MLP".into(),
            text: "An MLP ratio above 6 runs out of memory at this scale.".into(),
            evidence: vec!["night/i4".parse().unwrap()],
        },
    ];
    Facts { problem: found.problem, codebase, catalogue: found.catalogue, lessons }
}

const EDITABLE: [&str; 6] =
    ["config.py", "model.py", "optimizer.py", "schedule.py", "loader.py", "train.py"];

pub(crate) fn is_editable(path: &CodePath) -> bool {
    EDITABLE.contains(&path.as_str())
}

impl Facts {
    pub(crate) fn setting(&self) -> Setting<'_> {
        Setting {
            problem: &self.problem,
            scale_name: "cpu",
            scale: &self.problem.scales["cpu"],
            codebase: &self.codebase,
            is_editable: &is_editable,
            lessons: &self.lessons,
        }
    }
}

pub(crate) const BASELINE: Baseline = Baseline {
    metric: 1.8357,
    metric_sd: Some(0.0089),
    reward: 0.54475,
    reward_sd: Some(0.00264),
    seeds: 5,
};

pub(crate) const LARGE: Room = Room { tokens: 100_000, tokens_per_byte: 0.3 };

pub(crate) fn ask<'a>(operator: Operator, format: Format<'a>) -> Ask<'a> {
    Ask { operator, count: 3, parents: &[], shown: &[], baseline: &BASELINE, format, seed: 7 }
}

pub(crate) const DIFF: &str = "\
--- a/model.py
+++ b/model.py
@@ -83,3 +83,4 @@
         x = self.tokens(tokens)
+        x = x + 0.3 * F.pad(x, (0, 0, 1, -1))
         x = x + self.positions.weight[: tokens.shape[1]]
         for block in self.blocks:
";

pub(crate) fn measured(number: u32, title: &str, deviations: f64) -> Tried {
    let reward = BASELINE.reward + deviations * 0.00264;
    Tried {
        id: format!("night/i{number}"),
        title: title.into(),
        plan: format!("In model.py, {title}."),
        techniques: Vec::new(),
        outcome: Outcome::Measured {
            metric: 1.0 / reward,
            reward,
            reward_sd: None,
            seeds: 1,
            deviations: Some(deviations),
        },
        lines: Some((1, 0)),
        peak_memory_mb: Some(412.4),
        curve: Some(
            "5.55 at the start, 2.41 at 25%, 2.02 at 50%, 1.84 at 75%, 1.77 at the end".into(),
        ),
        diff: Some(DIFF.into()),
    }
}

pub(crate) fn failed(number: u32, title: &str, class: FaultClass, reason: &str) -> Tried {
    Tried {
        outcome: Outcome::Failed { class, reason: reason.into() },
        curve: None,
        peak_memory_mb: None,
        ..measured(number, title, 0.0)
    }
}

pub(crate) fn made_of(mut tried: Tried, technique: &str, knob: &str, value: &str) -> Tried {
    let knobs = [(knob.to_owned(), value.to_owned())].into();
    tried.techniques.push(TechniqueUse { technique: technique.into(), knobs });
    tried
}

pub(crate) fn idea() -> Idea {
    Idea {
        id: "night/i12".parse().unwrap(),
        title: "Token shift before the blocks".into(),
        hypothesis: "A model of two layers spends attention on finding the previous token.".into(),
        plan:
            "In GPT.forward of model.py, add 0.3 times the embedding of the token before to each \
               position.\nThe first position gets zeros."
                .into(),
        operator: Some(Operator::Exploit),
        parents: vec!["night/i2".parse().unwrap()],
        origin: "scripted/model".into(),
        sources: Vec::new(),
        techniques: Vec::new(),
    }
}
