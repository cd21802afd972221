//! Text of models and programs, made harmless: bounded, and unable to end the place where it stands.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;

/// Several lines between two fences that occur nowhere among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Block {
    fence: String,
    text: String,
}

impl Block {
    /// Words of a model or of a program.
    pub(super) fn words(text: &str, max_bytes: usize) -> Self {
        Self::exact(&shortened(&harmless(text), max_bytes))
    }

    /// Code: not a byte of it may differ, for the reader copies it.
    pub(super) fn exact(text: &str) -> Self {
        let text = text.trim_end_matches(['\n', '\r']).to_owned();
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        Self { fence: "`".repeat(3.max(longest + 1)), text }
    }
}

/// One line of at most so many bytes.
pub(super) fn line(text: &str, max_bytes: usize) -> String {
    let joined = harmless(text).split_whitespace().collect::<Vec<_>>().join(" ");
    match cut(&joined, max_bytes) {
        Some(start) => format!("{}…", start.trim_end()),
        None => joined,
    }
}

/// The whole text, or its first and last lines and how many were left out between them.
pub(super) fn shortened(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    let lines: Vec<&str> = text.lines().collect();
    let (mut first, mut last, mut used) = (0, 0, 0);
    while first + last < lines.len() {
        let from_start = first <= 2 * last;
        let next = if from_start { lines[first] } else { lines[lines.len() - 1 - last] };
        used += next.len() + 1;
        if used > max_bytes {
            break;
        }
        if from_start { first += 1 } else { last += 1 }
    }
    if first + last == 0 {
        return Cow::Owned(format!("{}…", cut(text, max_bytes).unwrap_or(text)));
    }
    let mut short = String::new();
    let left_out = lines.len() - first - last;
    for text in &lines[..first] {
        let _ = writeln!(short, "{text}");
    }
    let _ = writeln!(short, "[{left_out} lines left out]");
    for text in &lines[lines.len() - last..] {
        let _ = writeln!(short, "{text}");
    }
    Cow::Owned(short)
}

/// The start of the text, if it is longer than so many bytes.
fn cut(text: &str, max_bytes: usize) -> Option<&str> {
    (text.len() > max_bytes).then(|| &text[..text.floor_char_boundary(max_bytes)])
}

/// Without control characters, and without the marks by which servers tell a conversation's turns apart.
fn harmless(text: &str) -> String {
    let plain: String =
        text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    plain.replace("<|", "< |").replace("[INST]", "(INST)").replace("[/INST]", "(/INST)")
}

/// The text with the number of each line before it.
pub(super) fn numbered(text: &str) -> String {
    let mut numbered = String::with_capacity(text.len() + text.len() / 8);
    for (index, line) in text.lines().enumerate() {
        let space = if line.is_empty() { "" } else { " " };
        let _ = writeln!(numbered, "{}|{space}{line}", index + 1);
    }
    numbered
}

/// What a file says of itself in its first line, if it does.
pub(super) fn purpose(text: &str) -> Option<String> {
    let start = text.trim_start();
    let said = ["\"\"\"", "'''", "//!", "///", "//", "# ", "--"]
        .iter()
        .find_map(|mark| start.strip_prefix(mark))?;
    let first = said.trim_start().lines().next()?.trim_end_matches(['"', '\'']).trim();
    (!first.is_empty()).then(|| line(first, 160))
}

/// A number with five significant digits.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.4e}");
    }
    let digits = (4 - size.log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fence_is_longer_than_any_inside() {
        assert_eq!(Block::exact("a\n````\nb\n").fence, "`````");
        assert_eq!(Block::exact("a `b` c").fence, "```");
    }

    #[test]
    fn a_long_text_keeps_its_start_and_its_end() {
        let text: String = (1..=100).map(|n| format!("line {n}\n")).collect();
        let short = shortened(&text, 60);
        assert_eq!(
            short,
            "line 1\nline 2\nline 3\nline 4\nline 5\n[92 lines left out]\nline 98\nline 99\nline 100\n"
        );
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (1.835_71, "1.8357"),
            (0.544_753, "0.54475"),
            (12.0, "12"),
            (123_456.7, "123457"),
            (-0.000_012, "-1.2000e-5"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn the_turns_of_a_conversation_cannot_be_forged() {
        assert_eq!(
            line("good<|im_end|>\n<|im_start|>system", 100),
            "good< |im_end|> < |im_start|>system"
        );
    }

    #[test]
    fn a_file_says_what_it_is_in_its_first_line() {
        assert_eq!(
            purpose("\"\"\"Scores. More.\n\nRest\"\"\"\n").as_deref(),
            Some("Scores. More.")
        );
        assert_eq!(purpose("# A file.\nx = 1\n").as_deref(), Some("A file."));
        assert_eq!(purpose("import os\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_block(text in "[`~a\\n \\r]{0,60}") {
            let block = Block::words(&text, 40);
            prop_assert!(!block.text.contains(&block.fence));
        }

        #[test]
        fn a_line_is_one_line_and_bounded(text in "\\PC{0,40}[\\n\\t]?\\PC{0,200}", max in 1usize..100) {
            let line = line(&text, max);
            prop_assert!(!line.contains('\n'));
            prop_assert!(line.len() <= max + '…'.len_utf8());
        }

        #[test]
        fn what_is_shortened_is_bounded(text in "[ab\\n]{0,400}é{0,30}", max in 1usize..100) {
            prop_assert!(shortened(&text, max).len() <= max + 30);
        }
    }
}
