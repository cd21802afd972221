//! Asks for ideas.

use std::collections::BTreeSet;

use autores_domain::Operator;
use serde::Serialize;

use super::fit::{Detail, Kept, Step, fit};
use super::format::{self, LESSONS};
use super::input::{Baseline, Tried};
use super::render::render;
use super::system::{Knows, system};
use super::tried::{self, Shown};
use super::{PromptError, Room, Setting, Text};
use crate::catalogue::{Catalogue, Technique};

/// What ideas are made of, and how they are to be written.
#[derive(Debug, Clone, Copy)]
pub enum Format<'a> {
    /// In words, as JSON: for models that can be held to a schema.
    Json,
    /// In words, between tags.
    Tags,
    /// Of techniques and their knobs, as JSON. Needs no code, so it fits small windows.
    Catalogue(&'a Catalogue, Knobs),
}

/// How the knobs of a technique are to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knobs {
    /// As an object with the value of each.
    Object,
    /// As a list of names with values: for models whose schemas have no alternatives.
    Pairs,
}

/// A question for ideas.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// How they are to relate to what was tried.
    pub operator: Operator,
    /// How many are wanted.
    pub count: u32,
    /// For `exploit`: the ideas to build on, best first.
    pub parents: &'a [Tried],
    /// Other ideas to be told of, in the order in which they were proposed.
    pub shown: &'a [Tried],
    /// The unchanged codebase.
    pub baseline: &'a Baseline,
    /// What they are made of.
    pub format: Format<'a>,
    /// Chooses the techniques that are shown where there is no room for all.
    pub seed: u64,
}

#[derive(Serialize)]
struct Ideas {
    baseline: String,
    lessons: Vec<String>,
    techniques: Vec<String>,
    parents: Vec<Shown>,
    shown: Vec<Shown>,
    left_out: usize,
    count: String,
    catalogue: bool,
    pairs: bool,
    json: bool,
    tags: bool,
    consider: String,
}

// Techniques that are told before anything else is, and at the least.
const SAMPLE: usize = 16;
const FEWEST: usize = 4;
// Techniques of which an idea is to have one, where all are told.
const DRAWN: usize = 8;

/// The prompt for ideas.
///
/// # Errors
/// [`PromptError::TooLarge`] if the rules, the editable files and the task do not fit; with [`Format::Catalogue`] the
/// files are not needed.
pub fn ideas(setting: &Setting<'_>, ask: &Ask<'_>, room: Room) -> Result<Text, PromptError> {
    let metric = setting.problem.metric.name.as_str();
    let is_parent = |one: &Tried| ask.parents.iter().any(|parent| parent.id == one.id);
    let others = tried::by_worth(ask.shown).into_iter().map(|at| &ask.shown[at]);
    let all: Vec<Tried> =
        ask.parents.iter().chain(others.filter(|one| !is_parent(one))).cloned().collect();
    let parents = ask.parents.len();

    let techniques = match ask.format {
        Format::Json | Format::Tags => Vec::new(),
        Format::Catalogue(catalogue, _) => sampled(catalogue, &all, ask.seed),
    };
    let lines: Vec<String> = techniques.iter().map(|one| format::technique(one)).collect();
    let (system, in_user) = match ask.format {
        Format::Json | Format::Tags => (system(setting, &Knows::Code)?, 0),
        Format::Catalogue(catalogue, _) => {
            // In the order of their names, so that the message is the same for every brief.
            let listed = Knows::Techniques(catalogue.iter().map(format::technique).collect());
            let listed = system(setting, &listed)?;
            let text = Text { system: listed, user: String::new() };
            match room.tokens_of(&text) <= room.tokens / 2 {
                true => (text.system, 0),
                false => (system(setting, &Knows::Techniques(Vec::new()))?, lines.len()),
            }
        }
    };

    // A list that is the same for every brief would be answered with the same ideas.
    let drawn = if in_user > 0 || ask.operator == Operator::Exploit { 0 } else { DRAWN };
    let consider: Vec<String> =
        techniques.iter().rev().take(drawn).map(|one| format!("`{}`", one.name)).collect();

    let lessons = setting.lessons.len().min(LESSONS);
    let most = match ask.format {
        Format::Json | Format::Tags => Detail::Full,
        // Who combines techniques writes no code.
        Format::Catalogue(..) => Detail::NoDiff,
    };
    let kept =
        Kept { tried: vec![most; all.len()], lessons, techniques: in_user, blocks: Vec::new() };
    let keep_first = ask.operator == Operator::Exploit && parents > 0;
    let mut steps: Vec<Step> = (SAMPLE..in_user).rev().map(Step::Techniques).collect();
    steps.extend(tried::steps(&all, most, parents, keep_first));
    steps.extend((0..lessons).rev().map(Step::Lessons));
    steps.extend((FEWEST..in_user.min(SAMPLE)).rev().map(Step::Techniques));

    let template = match ask.operator {
        Operator::Explore => "explore",
        Operator::Exploit if parents > 0 => "exploit",
        Operator::Fresh | Operator::Exploit => "fresh",
    };
    fit(room, &kept, &steps, |kept| {
        let show = |range: std::ops::Range<usize>| -> Vec<Shown> {
            range.filter_map(|at| tried::shown(&all[at], kept.tried[at], metric)).collect()
        };
        let values = Ideas {
            baseline: tried::baseline(ask.baseline, metric),
            lessons: format::lessons(setting.lessons, kept.lessons),
            techniques: lines[..kept.techniques].to_vec(),
            parents: show(0..parents),
            shown: show(parents..all.len()),
            left_out: kept.tried.iter().filter(|detail| **detail == Detail::Gone).count(),
            count: match ask.count {
                1 => "1 idea".to_owned(),
                count => format!("{count} different ideas"),
            },
            catalogue: matches!(ask.format, Format::Catalogue(..)),
            pairs: matches!(ask.format, Format::Catalogue(_, Knobs::Pairs)),
            json: matches!(ask.format, Format::Json),
            tags: matches!(ask.format, Format::Tags),
            consider: consider.join(", "),
        };
        Ok(Text { system: system.clone(), user: render(template, &values)? })
    })
}

/// All techniques: first those of the experiments, then the others in an order that the seed gives.
fn sampled<'a>(catalogue: &'a Catalogue, tried: &[Tried], seed: u64) -> Vec<&'a Technique> {
    let used: BTreeSet<&str> =
        tried.iter().flat_map(|one| &one.techniques).map(|used| used.technique.as_str()).collect();
    let mut techniques: Vec<(bool, u64, &Technique)> = catalogue
        .iter()
        .enumerate()
        .map(|(at, one)| (!used.contains(one.name.as_str()), scattered(seed, at as u64), one))
        .collect();
    techniques.sort_by_key(|(is_new, place, _)| (*is_new, *place));
    techniques.into_iter().map(|(_, _, one)| one).collect()
}

/// A number that looks random and depends on both (the finaliser of SplitMix64).
fn scattered(seed: u64, at: u64) -> u64 {
    let mut x = seed ^ at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
