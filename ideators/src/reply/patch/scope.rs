//! Which lines of a file stand around a place. Never finds a place by itself.

use super::indent;
use super::intent::{Hunk, Kind};

/// Whether all headings of the hunk stand around the place; a hunk without any says nothing.
pub(super) fn encloses(hunk: &Hunk, lines: &[&str], start: usize) -> bool {
    let around = around(lines, changed_line(hunk, start));
    !hunk.headings.is_empty()
        && hunk.headings.iter().all(|heading| around.iter().any(|at| is(lines[*at], heading)))
}

/// The heading that the file has, but not around this place, where the hunk shows too little for its lines
/// alone to tell.
pub(super) fn contradiction(hunk: &Hunk, lines: &[&str], start: usize) -> Option<String> {
    const ENOUGH: usize = 3;
    let shown = hunk.ops.iter().filter(|op| op.kind != Kind::Add && !op.text.trim().is_empty());
    if !hunk.strict && shown.count() >= ENOUGH {
        return None;
    }
    let around = around(lines, changed_line(hunk, start));
    let elsewhere = |heading: &&String| {
        let mut has = lines.iter().enumerate().filter(|(_, line)| is(line, heading)).peekable();
        // A heading that opens no block may be any line above.
        let opens = heading.trim_end().ends_with(':') || is_definition(heading);
        has.peek().is_some() && !has.any(|(at, _)| around.contains(&at) || (!opens && at <= start))
    };
    hunk.headings.iter().find(elsewhere).cloned()
}

fn is_definition(line: &str) -> bool {
    ["def ", "class ", "async def ", "fn ", "func "]
        .iter()
        .any(|word| line.trim().starts_with(word))
}

/// The line at which the hunk first changes something.
fn changed_line(hunk: &Hunk, start: usize) -> usize {
    start + hunk.ops.iter().take_while(|op| op.kind == Kind::Keep).count()
}

fn is(line: &str, heading: &str) -> bool {
    const CUT_AT: usize = 24;
    let (line, heading) = (line.trim(), heading.trim());
    // Long headings come shortened.
    line == heading
        || (heading.len() >= CUT_AT || is_definition(heading)) && {
            let rest = line.strip_prefix(heading);
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
                || heading.len() >= CUT_AT && rest.is_some()
        }
}

/// The lines less indented above a place, inmost first, with what precedes it at the outmost level.
fn around(lines: &[&str], at: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let here = lines.get(at..).and_then(|rest| rest.iter().find(|line| !line.trim().is_empty()));
    let mut depth = here.map_or(usize::MAX, |line| indent::of(line).len());
    // New lines below a definition belong to it, whatever follows them.
    for above in (0..at.min(lines.len())).rev() {
        let line = lines[above];
        if line.trim().is_empty() || line.trim_start().starts_with([')', ']', '}', '#']) {
            continue;
        }
        let indent = indent::of(line).len();
        if indent < depth {
            found.push(above);
            depth = indent;
        } else if is_definition(line) && (found.is_empty() || indent == 0) {
            found.push(above);
        }
        if depth == 0 && (indent == 0 || !found.is_empty()) && is_definition(line) {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::patch::intent::Op;

    const CODE: &str =
        "class A:\n    def f(self):\n        x = 1\n\n    def g(self):\n        x = 1\n";

    fn hunk(headings: &[&str]) -> Hunk {
        Hunk {
            headings: headings.iter().map(|heading| (*heading).to_owned()).collect(),
            strict: true,
            ops: vec![Op::cut("        x = 1"), Op::add("        x = 2")],
            ..Hunk::default()
        }
    }

    #[test]
    fn a_heading_tells_equal_lines_apart() {
        let lines: Vec<&str> = CODE.lines().collect();
        let hunk = hunk(&["class A:", "def g(self):"]);
        assert!(!encloses(&hunk, &lines, 2));
        assert!(encloses(&hunk, &lines, 5));
    }

    #[test]
    fn a_heading_elsewhere_contradicts() {
        let lines: Vec<&str> = CODE.lines().collect();
        assert_eq!(contradiction(&hunk(&["def g"]), &lines, 2).as_deref(), Some("def g"));
        assert_eq!(contradiction(&hunk(&["def f"]), &lines, 2), None);
        assert_eq!(contradiction(&hunk(&["def unknown"]), &lines, 2), None);
    }
}
