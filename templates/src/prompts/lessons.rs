//! Asks what experiments have taught.

use serde::Serialize;

use super::fit::{Detail, Kept, Step, fit};
use super::format::{self, LESSONS};
use super::input::{Baseline, Tried};
use super::render::render;
use super::system::{Knows, system};
use super::tried::{self, Shown};
use super::{PromptError, Room, Setting, Text};

#[derive(Serialize)]
struct Lessons {
    baseline: String,
    lessons: Vec<String>,
    shown: Vec<Shown>,
    left_out: usize,
    count: usize,
    example: String,
}

/// The prompt for the lessons of an epoch's experiments, merged with the setting's earlier ones. Ids are written as
/// they are given, so those of experiments and of evidence should be of one form (`run/i7`).
///
/// # Errors
/// [`PromptError::TooLarge`] if the rules and one experiment do not fit.
pub fn lessons(
    setting: &Setting<'_>,
    baseline: &Baseline,
    experiments: &[Tried],
    room: Room,
) -> Result<Text, PromptError> {
    let system = system(setting, &Knows::Rules)?;
    let all: Vec<Tried> =
        tried::by_worth(experiments).into_iter().map(|at| experiments[at].clone()).collect();
    let lessons = setting.lessons.len().min(LESSONS);
    let tried = vec![Detail::Full; all.len()];
    let kept = Kept { tried, lessons, techniques: 0, blocks: Vec::new() };
    let mut steps = tried::steps(&all, Detail::Full, 0, true);
    steps.extend((0..lessons).rev().map(Step::Lessons));
    let metric = &setting.problem.metric.name;
    fit(room, &kept, &steps, |kept| {
        let shown = all.iter().zip(&kept.tried);
        let values = Lessons {
            baseline: tried::baseline(baseline, metric),
            lessons: format::lessons(setting.lessons, kept.lessons),
            shown: shown.filter_map(|(one, how)| tried::shown(one, *how, metric)).collect(),
            left_out: kept.tried.iter().filter(|detail| **detail == Detail::Gone).count(),
            count: LESSONS,
            example: all.first().map_or_else(String::new, |one| one.id.clone()),
        };
        Ok(Text { system: system.clone(), user: render("lessons", &values)? })
    })
}
