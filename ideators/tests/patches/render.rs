//! Real changes of real files, written down as diffs with the mistakes that models make.

use std::fmt;

use autores_domain::CodePath;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::base::base;

/// What becomes of one line of a file.
#[derive(Debug, Clone, PartialEq)]
enum Line {
    Keep(String),
    Cut(String),
    Add(String),
}

#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) path: CodePath,
    lines: Vec<Line>,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed = self.lines.iter().filter(|line| !matches!(line, Line::Keep(_)));
        f.debug_list().entry(&self.path.as_str()).entries(changed).finish()
    }
}

impl Change {
    /// The file afterwards, with the line ends that it had.
    pub(crate) fn after(&self) -> String {
        let before = &base()[&self.path];
        let end = if before.contains("\r\n") { "\r\n" } else { "\n" };
        let kept = self.lines.iter().filter_map(|line| match line {
            Line::Keep(text) | Line::Add(text) => Some(text.as_str()),
            Line::Cut(_) => None,
        });
        let mut text = kept.collect::<Vec<_>>().join(end);
        if before.ends_with('\n') && !text.is_empty() {
            text.push_str(end);
        }
        let mark = if before.starts_with('\u{feff}') { "\u{feff}" } else { "" };
        format!("{mark}{text}")
    }
}

/// One to three places of a file where lines are replaced, added or removed.
pub(crate) fn changes() -> impl Strategy<Value = Change> {
    let place = (any::<Index>(), 0usize..3, prop::collection::vec(new_line(), 0..3));
    (any::<Index>(), prop::collection::vec(place, 1..4)).prop_filter_map(
        "changes nothing",
        |(file, places)| {
            let files: Vec<_> =
                base().iter().filter(|(_, text)| text.lines().count() > 2).collect();
            let (path, text) = *file.get(&files);
            let old: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
            let mut lines: Vec<Line> = old.iter().map(|line| Line::Keep((*line).into())).collect();
            for (at, cut, add) in places {
                let at = at.index(lines.len());
                let end = (at + cut).min(lines.len());
                // Places that meet an earlier one would make another change of it.
                if lines[at..end].iter().any(|line| !matches!(line, Line::Keep(_))) {
                    continue;
                }
                let cuts = lines[at..end].iter().map(|line| match line {
                    Line::Keep(text) | Line::Cut(text) | Line::Add(text) => Line::Cut(text.clone()),
                });
                let new: Vec<Line> = cuts.chain(add.into_iter().map(Line::Add)).collect();
                lines.splice(at..end, new);
            }
            let change = Change { path: path.clone(), lines };
            let keeps = change.lines.iter().any(|line| matches!(line, Line::Keep(_)));
            (keeps && change.after() != *text).then_some(change)
        },
    )
}

fn new_line() -> impl Strategy<Value = String> {
    let own = "( {4}){0,3}[a-z]{1,6} = [a-z]{1,6}\\([a-z0-9.]{0,6}\\)";
    let another = any::<Index>().prop_map(|at| {
        let lines: Vec<&str> = base().values().flat_map(|text| text.lines()).collect();
        at.get(&lines).trim_end().to_owned()
    });
    // Lines that stand for others are refused on purpose.
    let another = another.prop_filter("an elision", |line| !line.contains("..."));
    prop_oneof![3 => own, 2 => another, 1 => Just(String::new())]
}

/// The line numbers of a diff.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Numbers {
    #[default]
    Right,
    Off(i8),
    FarOff,
    None,
}

/// How a diff is written down.
#[derive(Debug, Clone, Default)]
pub(crate) struct Careless {
    /// Lines of context.
    radius: usize,
    numbers: Numbers,
    wrong_counts: bool,
    unfenced: bool,
    /// Blank context lines are really empty.
    bare_blanks: bool,
    /// Context lines have no leading space.
    bare_context: bool,
    /// A space behind each marker.
    spaced: bool,
    carriage: bool,
    /// A letter of one line of context is another.
    misremembered: Option<(Index, Index)>,
    /// A line of context is missing.
    forgotten: Option<Index>,
}

/// A diff without a mistake.
pub(crate) fn neat(radius: usize) -> Careless {
    Careless { radius, ..Careless::default() }
}

pub(crate) fn carelessness() -> impl Strategy<Value = Careless> {
    let numbers = prop_oneof![
        Just(Numbers::Right),
        (-4i8..5).prop_map(Numbers::Off),
        Just(Numbers::FarOff),
        Just(Numbers::None),
    ];
    let rarely = || prop::bool::weighted(0.2);
    let slips = (
        prop::option::weighted(0.2, any::<(Index, Index)>()),
        prop::option::weighted(0.1, any::<Index>()),
    );
    let looks = (rarely(), rarely(), rarely(), rarely(), rarely(), rarely());
    (1usize..5, numbers, looks, slips).prop_map(
        |(radius, numbers, looks, (misremembered, forgotten))| {
            let (wrong_counts, unfenced, bare_blanks, bare_context, spaced, carriage) = looks;
            Careless {
                radius,
                numbers,
                wrong_counts,
                unfenced,
                bare_blanks,
                bare_context: bare_context && !spaced,
                spaced,
                carriage,
                misremembered,
                forgotten,
            }
        },
    )
}

/// The change as a reply.
pub(crate) fn written(change: &Change, how: &Careless) -> String {
    let path = &change.path;
    let mut diff = format!("--- a/{path}\n+++ b/{path}\n");
    for hunk in hunks(&change.lines, how.radius) {
        diff.push_str(&written_hunk(change, hunk, how));
    }
    let reply = if how.unfenced {
        diff
    } else {
        format!("I change `{path}`:\n\n```diff\n{diff}```\n\nThat is all.\n")
    };
    if how.carriage { reply.replace('\n', "\r\n") } else { reply }
}

/// The ranges of lines that belong together.
fn hunks(lines: &[Line], radius: usize) -> Vec<std::ops::Range<usize>> {
    let mut hunks: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if matches!(line, Line::Keep(_)) {
            continue;
        }
        let (from, to) = (at.saturating_sub(radius), (at + 1 + radius).min(lines.len()));
        match hunks.last_mut() {
            Some(last) if from <= last.end => last.end = to,
            _ => hunks.push(from..to),
        }
    }
    hunks
}

fn written_hunk(change: &Change, range: std::ops::Range<usize>, how: &Careless) -> String {
    let count = |lines: &[Line], added: bool| {
        let counts = |line: &&Line| match line {
            Line::Keep(_) => true,
            Line::Cut(_) => !added,
            Line::Add(_) => added,
        };
        lines.iter().filter(counts).count()
    };
    let above = &change.lines[..range.start];
    let mut lines = change.lines[range].to_vec();
    let (old, new) = (count(&lines, false), count(&lines, true));
    let starts = [count(above, false) + 1, count(above, true) + 1];
    let by = |start: usize| match how.numbers {
        Numbers::Off(by) => start.saturating_add_signed(isize::from(by)).max(1),
        Numbers::FarOff => start + 4_000,
        Numbers::Right | Numbers::None => start,
    };
    let wrong = usize::from(how.wrong_counts);
    let header = match how.numbers {
        Numbers::None => "@@ ... @@\n".to_owned(),
        _ => format!("@@ -{},{} +{},{} @@\n", by(starts[0]), old + wrong, by(starts[1]), new),
    };
    slip(&mut lines, how);
    let space = if how.spaced { " " } else { "" };
    let written = lines.iter().map(|line| match line {
        Line::Keep(text) if text.is_empty() && how.bare_blanks => "\n".to_owned(),
        Line::Keep(text) if how.bare_context && !text.starts_with(['+', '-', '@']) => {
            format!("{text}\n")
        }
        Line::Keep(text) => format!(" {space}{text}\n"),
        Line::Cut(text) => format!("-{space}{text}\n"),
        Line::Add(text) => format!("+{space}{text}\n"),
    });
    header + &written.collect::<String>()
}

/// What a writer who has the file no longer before him gets wrong.
fn slip(lines: &mut Vec<Line>, how: &Careless) {
    let is_context = |line: &&mut Line| matches!(line, Line::Keep(text) if text.len() > 8);
    if let Some((line, letter)) = &how.misremembered {
        let mut context: Vec<&mut Line> = lines.iter_mut().filter(is_context).collect();
        if !context.is_empty() {
            let at = line.index(context.len());
            if let Line::Keep(text) = &mut *context[at] {
                let mut letters: Vec<char> = text.chars().collect();
                let at = letter.index(letters.len());
                letters[at] = if letters[at] == 'q' { 'k' } else { 'q' };
                *text = letters.into_iter().collect();
            }
        }
    }
    if let Some(line) = &how.forgotten {
        let context: Vec<usize> = (0..lines.len())
            .filter(|at| matches!(&lines[*at], Line::Keep(text) if !text.trim().is_empty()))
            .filter(|at| can_be_missed(lines, *at))
            .collect();
        if !context.is_empty() {
            lines.remove(*line.get(&context));
        }
    }
}

/// Whether the diff without this line is not simply the diff of another change: two changes must not become one,
/// and one that only adds lines needs some context on either side to show that a line is missing.
fn can_be_missed(lines: &[Line], at: usize) -> bool {
    let mut without = lines.to_vec();
    without.remove(at);
    let is_keep = |line: &Line| matches!(line, Line::Keep(_));
    let beside = [at.checked_sub(1), Some(at + 1)];
    if beside.iter().all(|at| at.and_then(|at| lines.get(at)).is_some_and(|line| !is_keep(line))) {
        return false;
    }
    let runs = without.split(is_keep).filter(|run| !run.is_empty());
    let only_adds =
        runs.into_iter().any(|run| !run.iter().any(|line| matches!(line, Line::Cut(_))));
    let framed = without.first().is_some_and(is_keep) && without.last().is_some_and(is_keep);
    framed || !only_adds
}
