//! Lines that stand for code which the writer left out. Never guesses what was left out.

const WORDS: [&str; 16] = [
    "rest",
    "existing",
    "unchanged",
    "same",
    "remain",
    "previous",
    "other",
    "omitted",
    "keep",
    "before",
    "code",
    "method",
    "import",
    "above",
    "below",
    "skip",
];

const PHRASES: [&str; 14] = [
    "rest of the file",
    "rest of file",
    "rest of the code",
    "rest of code",
    "rest of the class",
    "rest of the function",
    "rest of the method",
    "existing code",
    "same as before",
    "omitted for brevity",
    "remains unchanged",
    "remain unchanged",
    "code unchanged",
    "other methods",
];

/// Whether a line stands for others. A bare `...` may also be Python's own; see [`is_bare`].
pub(super) fn is_elision(line: &str) -> bool {
    let trimmed = line.trim();
    if trimmed.len() > 200 || trimmed.is_empty() {
        return false;
    }
    let comment = ["#", "//", "--", "/*", "<!--", ";"]
        .into_iter()
        .find_map(|mark| trimmed.strip_prefix(mark))
        .map(|text| text.trim_start_matches('#').trim_end_matches("*/").trim_end_matches("-->"));
    let text = comment.unwrap_or(trimmed).trim();
    let inner = text.trim_matches(['[', ']', '(', ')', '<', '>', '{', '}']).trim();
    let dots = |text: &str| text.starts_with("...") || text.starts_with('…');
    let words = inner.to_lowercase();
    let says = |known: &[&str]| known.iter().any(|word| words.contains(word));
    if inner.chars().all(|c| matches!(c, '.' | '…' | ' ')) {
        return dots(inner);
    }
    if dots(inner) && (comment.is_some() || says(&WORDS)) {
        return true;
    }
    let ends_in_dots = inner.ends_with("...") || inner.ends_with('…');
    let said = comment.is_some() || text != inner;
    said && (ends_in_dots && says(&WORDS)
        || says(&PHRASES) && inner.split_whitespace().count() <= 9)
}

/// Whether a line is nothing but dots, as the body of a Python stub is.
pub(super) fn is_bare(line: &str) -> bool {
    line.trim() == "..."
}

/// The first line of new text that stands for others; `known` says whether the file has it already.
pub(super) fn first<'a>(
    lines: impl Iterator<Item = &'a str>,
    known: impl Fn(&str) -> bool,
) -> Option<&'a str> {
    let mut above = "";
    for line in lines {
        let is_stub = is_bare(line) && above.trim_end().ends_with(':');
        if is_elision(line) && !is_stub && !known(line) {
            return Some(line);
        }
        if !line.trim().is_empty() {
            above = line;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_stand_for_others_are_known() {
        for line in [
            "...",
            "# ...",
            "    # ... existing code ...",
            "# rest of the file unchanged",
            "// ... other methods",
            "… rest of the code …",
            "# [rest of the class remains the same...]",
            "[... unchanged ...]",
            "# (existing code)",
        ] {
            assert!(is_elision(line), "{line}");
        }
        for line in [
            "x = 1",
            "# this may take a while...",
            "print('...')",
            "# Warm up, then decay",
            "x = y[..., 0]",
            "return values[...]",
            "",
        ] {
            assert!(!is_elision(line), "{line}");
        }
    }

    #[test]
    fn the_body_of_a_stub_is_code() {
        let found = |text: &'static str| first(text.lines(), |_| false);
        assert_eq!(found("def f():\n    ...\n"), None);
        assert_eq!(found("x = 1\n...\n"), Some("..."));
    }
}
