//! What to show a writer whose lines are not in the file. Never places anything.

use std::collections::HashMap;

use super::file::File;
use super::intent::{Hunk, Kind, Op};
use super::refused::Nearest;

const SHOWN: usize = 6;

fn old(hunk: &Hunk) -> impl Iterator<Item = &Op> {
    let filled = |op: &&Op| op.kind != Kind::Add && !op.text.trim().is_empty();
    hunk.ops.iter().filter(filled)
}

/// The first lines looked for.
pub(super) fn wanted(hunk: &Hunk) -> String {
    let shortened = |op: &Op| op.text.chars().take(200).collect::<String>();
    old(hunk).take(SHOWN).map(shortened).collect::<Vec<_>>().join("\n")
}

/// The part of the file that shares most lines with the hunk, else the line most like one to remove.
pub(super) fn find(hunk: &Hunk, file: &File) -> Option<Nearest> {
    const LOOKED_AT: usize = 200;
    const COMMON: usize = 20;
    let mut index: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, line) in file.lines.iter().enumerate() {
        index.entry(line.text.trim()).or_default().push(at);
    }
    let mut votes: HashMap<usize, usize> = HashMap::new();
    let ops = hunk.ops.iter().filter(|op| op.kind != Kind::Add).enumerate().take(LOOKED_AT);
    for (position, op) in ops.filter(|(_, op)| !op.text.trim().is_empty()) {
        for place in index.get(op.text.trim()).into_iter().flatten().take(COMMON) {
            *votes.entry(place.saturating_sub(position)).or_default() += 1;
        }
    }
    let most = votes.into_iter().max_by_key(|(at, votes)| (*votes, usize::MAX - at));
    let at = most.map(|(at, _)| at).or_else(|| most_similar(hunk, file))?;
    let lines = file.lines[at..].iter().take(SHOWN).map(|line| line.text.as_str());
    Some(Nearest { line: at + 1, text: lines.collect::<Vec<_>>().join("\n") })
}

fn most_similar(hunk: &Hunk, file: &File) -> Option<usize> {
    const LOOKED_AT: usize = 3_000;
    const LEAST: f64 = 0.5;
    const LONGEST: usize = 200;
    let wanted = old(hunk).find(|op| op.kind == Kind::Cut).or_else(|| old(hunk).next())?;
    let wanted = wanted.text.trim();
    if wanted.len() > LONGEST {
        return None;
    }
    let lines = file.lines.iter().enumerate().take(LOOKED_AT);
    lines
        .filter(|(_, line)| line.text.len() <= LONGEST)
        .map(|(at, line)| (strsim::normalized_levenshtein(wanted, line.text.trim()), at))
        .filter(|(similarity, _)| *similarity >= LEAST)
        .max_by(|(a, first), (b, second)| a.total_cmp(b).then(second.cmp(first)))
        .map(|(_, at)| at)
}
