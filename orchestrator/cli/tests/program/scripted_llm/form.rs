//! How a patch is written down: as a prompt asks, or in another way that models have and that can be read.

use std::collections::BTreeMap;
use std::fmt::Write;

use autores_domain::Codebase;

use super::changes::Edit;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As the prompt asks.
    Blocks,
    /// The same between words and in fences.
    Fenced,
    /// A unified diff whose line numbers are wrong.
    Diff,
    /// After thoughts.
    Thoughtful,
    /// With the line ends of another system.
    CarriageReturns,
    /// Each file as a whole.
    Whole,
}

/// In the order in which candidates take them.
pub(crate) const FORMS: [Form; 6] =
    [Form::Blocks, Form::Fenced, Form::Diff, Form::Thoughtful, Form::CarriageReturns, Form::Whole];

pub(crate) fn write(edits: &[Edit], form: Form, code: &Codebase) -> String {
    let blocks = || edits.iter().map(block).collect::<String>();
    match form {
        Form::Blocks => blocks(),
        Form::Fenced => {
            let fenced: String =
                edits.iter().map(|edit| format!("```python\n{}```\n", block(edit))).collect();
            format!("Sure, here is what the idea takes:\n\n{fenced}\nThis should do it.\n")
        }
        Form::Thoughtful => format!("<think>\nWhich lines are meant?\n</think>\n\n{}", blocks()),
        Form::CarriageReturns => blocks().replace('\n', "\r\n"),
        Form::Diff => diff(edits, code),
        Form::Whole => whole(edits, code),
    }
}

fn block(edit: &Edit) -> String {
    let find = if edit.find.is_empty() { String::new() } else { format!("{}\n", edit.find) };
    format!("{}\n<<<<<<< SEARCH\n{find}=======\n{}\n>>>>>>> REPLACE\n\n", edit.path, edit.replace)
}

/// One file after another, each place with the lines around it.
fn diff(edits: &[Edit], code: &Codebase) -> String {
    let mut by_path: BTreeMap<&str, Vec<&Edit>> = BTreeMap::new();
    for edit in edits {
        by_path.entry(&edit.path).or_default().push(edit);
    }
    let mut text = String::new();
    for (path, edits) in by_path {
        let Some(file) = code.get(&path.parse().unwrap()) else {
            let added: String =
                edits.iter().flat_map(|edit| edit.replace.lines()).map(signed('+')).collect();
            let _ = write!(text, "--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,3 @@\n{added}");
            continue;
        };
        let lines: Vec<&str> = file.lines().collect();
        let place = |edit: &Edit| {
            let first = edit.find.lines().next().unwrap_or_default();
            lines.iter().position(|line| *line == first).unwrap_or(0)
        };
        let mut hunks: Vec<(usize, &Edit)> =
            edits.into_iter().map(|edit| (place(edit), edit)).collect();
        hunks.sort_by_key(|(at, _)| *at);
        let _ = write!(text, "--- a/{path}\n+++ b/{path}\n");
        for (at, edit) in hunks {
            let end = at + edit.find.lines().count();
            let around = |from: usize, to: usize| -> String {
                lines[from..to.min(lines.len())].iter().copied().map(signed(' ')).collect()
            };
            let removed: String = edit.find.lines().map(signed('-')).collect();
            let added: String = edit.replace.lines().map(signed('+')).collect();
            let (before, after) = (around(at.saturating_sub(2), at), around(end, end + 1));
            let _ = write!(text, "@@ -{0},4 +{0},5 @@\n{before}{removed}{added}{after}", at + 7);
        }
    }
    text
}

fn signed(sign: char) -> impl Fn(&str) -> String {
    move |line| format!("{sign}{line}\n")
}

fn whole(edits: &[Edit], code: &Codebase) -> String {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for edit in edits {
        let known = || code.get(&edit.path.parse().unwrap()).cloned().unwrap_or_default();
        let file = files.entry(&edit.path).or_insert_with(known);
        *file = match edit.find.as_str() {
            "" => format!("{}\n", edit.replace),
            find => file.replacen(find, &edit.replace, 1),
        };
    }
    files.iter().map(|(path, file)| format!("{path}\n```python\n{file}```\n\n")).collect()
}
