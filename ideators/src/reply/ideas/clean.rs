//! Makes a model's words fit to be shown and stored: no control characters, bounded length.

pub(super) const LONGEST_TITLE: usize = 120;
pub(super) const LONGEST_BODY: usize = 4_000;
pub(super) const LONGEST_SOURCE: usize = 300;
pub(super) const LONGEST_NAME: usize = 100;

/// One line without the decoration of Markdown.
pub(super) fn title(text: &str) -> String {
    let visible: String = visible(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let decoration = |c: char| c.is_whitespace() || "*_#`\"“”:".contains(c);
    bounded(visible.trim_matches(decoration), LONGEST_TITLE)
}

/// A title for a text that has none: its first sentence.
pub(super) fn headline(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| has_words(line)).unwrap_or("");
    let line = line.trim_start_matches(['-', '*', '#', '>', ' ']);
    let mut ends = line.match_indices(". ").map(|(end, _)| end);
    let end = ends.find(|end| has_words(&line[..*end])).unwrap_or(line.len());
    title(line[..end].trim_end_matches('.'))
}

/// Lines of text, at most one empty line between them.
pub(super) fn body(text: &str) -> String {
    let mut kept = String::new();
    let mut empty = 0;
    for line in visible(text).lines().map(str::trim_end) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    bounded(kept.trim(), LONGEST_BODY)
}

pub(super) fn source(text: &str) -> String {
    bounded(&visible(text).split_whitespace().collect::<Vec<_>>().join(" "), LONGEST_SOURCE)
}

/// A technique's or knob's name, or a value.
pub(super) fn name(text: &str) -> String {
    let short: String = visible(text).trim().chars().take(LONGEST_NAME).collect();
    short.trim_end().to_owned()
}

pub(super) fn has_words(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// Whether the text can be a plan: two words, or as much in a script without spaces.
pub(super) fn says_something(text: &str) -> bool {
    let beyond_ascii = |c: &char| c.is_alphanumeric() && !c.is_ascii();
    text.split_whitespace().filter(|word| has_words(word)).nth(1).is_some()
        || text.chars().filter(beyond_ascii).nth(7).is_some()
}

/// Whether the text is the format's own stand-in, such as `...`, `<title>` or `string`.
pub(super) fn is_placeholder(text: &str) -> bool {
    let text = text.trim().trim_matches(['"', '`', '*']);
    let inside = |open, close| text.len() < 80 && text.starts_with(open) && text.ends_with(close);
    let word = text.to_lowercase();
    !has_words(text)
        || inside('<', '>')
        || inside('[', ']')
        || inside('{', '}')
        || ["string", "title", "str", "a short title", "your title here", "title here", "..."]
            .contains(&word.as_str())
}

/// Cut at a word, with an ellipsis within the length.
fn bounded(text: &str, longest: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(longest) else { return text.to_owned() };
    let room = text[..end].char_indices().last().map_or(0, |(last, _)| last);
    let cut = &text[..room];
    // A word that fills the whole room is cut within.
    let at = cut.rfind(char::is_whitespace).filter(|at| *at > room / 2).unwrap_or(room);
    format!("{}…", cut[..at].trim_end())
}

/// Without the characters that a terminal would obey or that nobody would see.
fn visible(text: &str) -> String {
    let hidden = |c: char| matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{AD}');
    let unified = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    unified
        .chars()
        .map(|c| if c == '\t' { ' ' } else { c })
        .filter(|c| *c == '\n' || !(c.is_control() || hidden(*c)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_title_ends_at_a_word() {
        let cut = title(&"wide layers ".repeat(30));
        assert!(cut.chars().count() <= LONGEST_TITLE, "{cut}");
        assert!(cut.ends_with("wide…") || cut.ends_with("layers…"), "{cut}");
        assert_eq!(title(&"é".repeat(500)).chars().count(), LONGEST_TITLE);
    }

    #[test]
    fn what_a_terminal_would_obey_is_dropped() {
        assert_eq!(title("**Use \u{1b}[31mMuon\u{7}\n now\u{202e}**"), "Use [31mMuon now");
        assert_eq!(body("one\r\n\r\n\r\n\r\ntwo\0"), "one\n\ntwo");
    }

    #[test]
    fn the_formats_own_words_are_stand_ins() {
        for stand_in in ["...", "<title>", "[short title]", "string", "…"] {
            assert!(is_placeholder(stand_in), "{stand_in}");
        }
        for words in ["Use Muon", "<b>Use Muon</b> for the matrices", "a < b"] {
            assert!(!is_placeholder(words), "{words}");
        }
    }
}
