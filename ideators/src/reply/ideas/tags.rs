//! Reads ideas between `[Experiment]`, `[Code Changes]` and `[End]`, or under headings and labels
//! of these names. Never looks into code for them.

use super::{Draft, Found, clean};
use crate::reply::text;

/// Longer texts in brackets are no tags.
const LONGEST_TAG: usize = 160;

/// What a tag or label begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Experiment,
    Title,
    Hypothesis,
    Description,
    Changes,
    Sources,
    End,
}

#[derive(Debug)]
struct Mark<'a> {
    part: Part,
    start: usize,
    /// Where what it begins is.
    end: usize,
    /// `[Experiment: Use Muon]` holds its own title.
    title: Option<&'a str>,
    /// In brackets, and not only a label.
    bracketed: bool,
}

/// All ideas under tags in a text.
pub(super) fn find(text: &str) -> Found {
    let marks = marks(text);
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (index, mark) in marks.iter().enumerate() {
        let end = marks.get(index + 1).map_or(text.len(), |next| next.start);
        place(&mut blocks, mark, &text[mark.end..end]);
    }
    gather(&blocks)
}

/// The parts of one idea.
#[derive(Debug, Default)]
struct Block<'a> {
    start: usize,
    /// Opened by a tag or heading of its own, and not by the label of one of its parts.
    announced: bool,
    body: &'a str,
    title: Option<&'a str>,
    hypothesis: Option<&'a str>,
    description: Option<&'a str>,
    changes: Option<&'a str>,
    sources: Option<&'a str>,
    ended: bool,
}

fn place<'a>(blocks: &mut Vec<Block<'a>>, mark: &Mark<'a>, text: &'a str) {
    let fresh = |announced| Block { start: mark.start, announced, ..Block::default() };
    let open = blocks.last_mut().filter(|block| !block.ended);
    match (mark.part, open) {
        (Part::Experiment, _) => {
            blocks.push(Block { body: text, title: mark.title, ..fresh(true) });
        }
        (Part::Title, Some(block)) if block.title.is_none() && block.changes.is_none() => {
            block.title = Some(text);
        }
        (Part::Title, _) => blocks.push(Block { title: Some(text), ..fresh(false) }),
        (Part::Hypothesis, Some(block)) if block.hypothesis.is_none() => {
            block.hypothesis = Some(text);
        }
        (Part::Hypothesis, Some(block)) if !block.announced => {
            blocks.push(Block { hypothesis: Some(text), ..fresh(false) });
        }
        (Part::Hypothesis, None) => {
            blocks.push(Block { hypothesis: Some(text), ..fresh(false) });
        }
        (Part::Description, Some(block)) if block.description.is_none() => {
            block.description = Some(text);
        }
        (Part::Changes, Some(block)) if block.changes.is_none() => block.changes = Some(text),
        (Part::Sources, Some(block)) if block.sources.is_none() => block.sources = Some(text),
        (Part::End, Some(block)) => block.ended = true,
        // A part that nobody opened, or one that is there already.
        (Part::Hypothesis | Part::Description | Part::Changes | Part::Sources | Part::End, _) => {}
    }
}

fn gather(blocks: &[Block<'_>]) -> Found {
    let mut found = Found::default();
    let any_ended = blocks.iter().any(|block| block.ended);
    for (index, block) in blocks.iter().enumerate() {
        let last = index + 1 == blocks.len();
        let has_changes = block.changes.is_some_and(clean::has_words);
        // Where the others are closed, or nothing says what to change, the reply ends too early.
        if last && !block.ended && (any_ended || !has_changes) {
            let says = block.announced || block.title.is_some();
            found.cut |= says && (has_changes || clean::has_words(block.body) || any_ended);
            continue;
        }
        match draft(block) {
            Ok(draft) => {
                found.first.get_or_insert(block.start);
                found.push(draft);
            }
            Err(Empty::StandIn) => found.echo = true,
            Err(Empty::NoPlan(title)) => {
                found.bare.get_or_insert(title);
            }
        }
    }
    found
}

enum Empty {
    StandIn,
    NoPlan(String),
}

fn draft(block: &Block<'_>) -> Result<Draft, Empty> {
    let body = text(block.body);
    let (heading, rest) = match block.title {
        Some(_) => (String::new(), body.clone()),
        None => split_heading(&body),
    };
    let title = match block.title.map(|title| split_heading(&text(title)).0) {
        Some(title) if clean::has_words(&title) => clean::title(&title),
        _ => clean::headline(&heading),
    };
    let below = block.description.map(text).unwrap_or(rest);
    let plan = block.changes.map(text).unwrap_or_default();
    let hypothesis = match block.hypothesis.map(text) {
        Some(hypothesis) => hypothesis,
        None if below.is_empty() && block.title.is_none() => body.clone(),
        None => below.clone(),
    };
    let plan = [plan, below, body].into_iter().find(|text| clean::has_words(text));
    let Some(plan) = plan else {
        let said = clean::has_words(&title);
        return Err(if said { Empty::NoPlan(title) } else { Empty::StandIn });
    };
    if clean::is_placeholder(&plan) || (clean::is_placeholder(&title) && !clean::has_words(&title))
    {
        return Err(Empty::StandIn);
    }
    if !clean::says_something(&plan) {
        return Err(Empty::NoPlan(clean::title(&format!("{title} {plan}"))));
    }
    let sources = block.sources.map(sources).unwrap_or_default();
    let title = if clean::has_words(&title) { title } else { clean::headline(&plan) };
    let hypothesis =
        if hypothesis == plan && hypothesis == title { String::new() } else { hypothesis };
    Ok(Draft { title, hypothesis, plan, techniques: Vec::new(), sources })
}

fn sources(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| clean::source(line.trim_start_matches(['-', '*', ' '])));
    lines.filter(|line| clean::has_words(line)).take(16).collect()
}

/// The first line, and what is below it.
fn split_heading(text: &str) -> (String, String) {
    let (heading, rest) = text.split_once('\n').unwrap_or((text, ""));
    (heading.trim().to_owned(), rest.trim().to_owned())
}

/// A part's text without the decoration that belongs to the tags around it.
fn text(part: &str) -> String {
    let lines: Vec<&str> = part.trim().lines().collect();
    let mut fences = lines.iter().filter(|line| text::fence(line).is_some()).count();
    let is_edge = |line: &str| !clean::has_words(line) && !line.trim().is_empty();
    let mut kept = lines.as_slice();
    while let [before @ .., last] = kept
        && is_edge(last)
    {
        let is_fence = text::fence(last).is_some();
        // It closes a block of code that begins in this part.
        if is_fence && fences.is_multiple_of(2) {
            break;
        }
        fences -= usize::from(is_fence);
        kept = before;
    }
    while let [first, after @ ..] = kept
        && is_edge(first)
        && text::fence(first).is_none()
    {
        kept = after;
    }
    let joined = kept.join("\n");
    let decoration = |c: char| c.is_whitespace() || "*_:#".contains(c);
    clean::body(joined.trim_start_matches(decoration).trim_end_matches(['*', '_', '#', ' ', '\n']))
}

fn marks(text: &str) -> Vec<Mark<'_>> {
    let mut marks = Vec::new();
    let mut offset = 0;
    // A fence around the whole reply is no code; one that opens within an idea is.
    let mut code: Option<text::Fence<'_>> = None;
    for line in text.split_inclusive('\n') {
        if let Some(fence) = text::fence(line.trim_end()) {
            code = match code {
                Some(open) if fence.closes(&open) => None,
                Some(open) => Some(open),
                None if marks.is_empty() || fence.info.is_empty() && outside(&marks) => None,
                None => Some(fence),
            };
        }
        let bracketed = bracketed(line, offset);
        if bracketed.is_empty() && code.is_none() {
            marks.extend(label(line, offset));
        }
        if bracketed.iter().any(|mark: &Mark<'_>| matches!(mark.part, Part::Experiment | Part::End))
        {
            code = None;
        }
        marks.extend(bracketed);
        offset += line.len();
    }
    // Where experiments are in brackets, a heading of another kind is part of one.
    if marks.iter().any(|mark| mark.bracketed && mark.part == Part::Experiment) {
        marks.retain(|mark| {
            mark.bracketed
                || !matches!(mark.part, Part::Experiment | Part::Title | Part::End)
                || is_first_in_block(mark, text)
        });
    }
    marks
}

fn outside(marks: &[Mark<'_>]) -> bool {
    marks.last().is_some_and(|mark| mark.part == Part::End)
}

/// A title's label directly below `[Experiment]` belongs to it.
fn is_first_in_block(mark: &Mark<'_>, text: &str) -> bool {
    mark.part == Part::Title
        && text[..mark.start].trim_end().trim_end_matches(['*', '#', '_', ' ', ':']).ends_with(']')
}

/// The tags in brackets in a line.
fn bracketed(line: &str, offset: usize) -> Vec<Mark<'_>> {
    let mut marks = Vec::new();
    let mut from = 0;
    while let Some(open) = line[from..].find('[').map(|at| from + at) {
        from = open + 1;
        let near = line[open..].char_indices().take(LONGEST_TAG);
        let Some((close, _)) = near.map(|(at, c)| (open + at, c)).find(|(_, c)| *c == ']') else {
            continue;
        };
        // In backticks it is spoken of.
        if line[..open].ends_with('`') {
            continue;
        }
        let inner = &line[open + 1..close];
        if inner.contains('[') {
            continue;
        }
        let (name, rest) =
            inner.split_once(':').map_or((inner, None), |(name, rest)| (name, Some(rest)));
        let Some(part) = part(name) else { continue };
        from = close + 1;
        let title = rest.filter(|rest| part == Part::Experiment && clean::has_words(rest));
        let (start, end) = (offset + open, offset + close + 1);
        marks.push(Mark { part, start, end, title, bracketed: true });
    }
    marks
}

/// A heading or a label at the beginning of a line.
fn label(line: &str, offset: usize) -> Option<Mark<'_>> {
    let bare = line.trim_start_matches(|c: char| c.is_whitespace() || "#*_>-".contains(c));
    let decorated = line.trim_start().starts_with(['#', '*', '_']);
    let stop = bare.find([':', '*', '\n', '—', '.']).unwrap_or(bare.len());
    let name = bare[..stop].trim_end();
    if name.len() > 40 {
        return None;
    }
    let part = part(name)?;
    let numbered = name.ends_with(|c: char| c.is_ascii_digit());
    let colon = bare[stop..].trim_start_matches('*').starts_with(':')
        || numbered && !bare[stop..].trim().is_empty();
    let is_label = match part {
        // "Experiment" in a sentence is none.
        Part::Experiment => numbered && (colon || decorated || bare[stop..].trim().is_empty()),
        Part::End => decorated && bare[stop..].trim_matches(['*', '_', ' ', '\n']).is_empty(),
        _ => colon || (decorated && bare[stop..].trim_matches(['*', '_', ' ', '\n']).is_empty()),
    };
    if !is_label || name.eq_ignore_ascii_case("name") {
        return None;
    }
    let at = line.len() - bare.len();
    let after = &bare[stop..];
    let skipped = after.len() - after.trim_start_matches([':', '*', '—', '.', ' ']).len();
    Some(Mark {
        part,
        start: offset,
        end: offset + at + stop + skipped,
        title: None,
        bracketed: false,
    })
}

/// What a name begins: in any case, with or without a number.
fn part(name: &str) -> Option<Part> {
    let lower = name.trim().to_lowercase();
    let plain = lower.trim_end_matches(|c: char| c.is_ascii_digit() || " #*_.".contains(c));
    match plain {
        "experiment" | "idea" | "proposal" | "research idea" => Some(Part::Experiment),
        "title" | "name" | "experiment title" | "idea title" => Some(Part::Title),
        "hypothesis" | "motivation" | "rationale" | "why" | "reasoning" => Some(Part::Hypothesis),
        "description" | "experiment description" | "idea description" => Some(Part::Description),
        "code changes"
        | "code change"
        | "changes"
        | "plan"
        | "implementation"
        | "code_changes"
        | "implementation plan"
        | "what to change" => Some(Part::Changes),
        "sources" | "references" | "source" | "reference" => Some(Part::Sources),
        "end" | "/end" | "/experiment" | "end experiment" | "end of experiment"
        | "/code changes" | "end of experiments" => Some(Part::End),
        _ => None,
    }
}
