//! What every reply needs first: line ends, thinking and code fences. Never judges what the text means.

/// Tags under which models print what they thought before they answered.
const THINKING: [&str; 5] = ["think", "thinking", "thought", "reasoning", "scratchpad"];

/// The reply without a byte order mark, carriage returns before line feeds, and thinking.
///
/// Thinking counts only where its tag starts a line outside code fences, so code that mentions the
/// tag is left alone. Thinking that is never closed runs to the end: the reply was cut short in it.
pub fn clean(reply: &str) -> String {
    let text = reply.strip_prefix('\u{feff}').unwrap_or(reply).replace("\r\n", "\n");
    without_thinking(&text)
}

/// The text without thinking; see [`clean`].
pub fn without_thinking(text: &str) -> String {
    let text = after_lone_end(text);
    let mut kept = String::with_capacity(text.len());
    let mut fence: Option<Fence<'_>> = None;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let line = &rest[..end];
        match (&fence, self::fence(line.trim_end_matches('\n'))) {
            (Some(open), Some(found)) if found.closes(open) => fence = None,
            (None, Some(found)) => fence = Some(found),
            _ => {}
        }
        let tag = if fence.is_none() { opening(line) } else { None };
        let Some(tag) = tag else {
            kept.push_str(line);
            rest = &rest[end..];
            continue;
        };
        let close = format!("</{tag}>");
        match find_ignoring_case(rest, &close) {
            Some(at) => rest = &rest[at + close.len()..],
            None => break,
        }
    }
    kept
}

/// Some servers cut the opening tag off: then all before the closing one was thinking.
fn after_lone_end(text: &str) -> &str {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if opening(line).is_some() {
            return text;
        }
        let bare = line.trim();
        let closes = bare
            .strip_prefix("</")
            .and_then(|tag| tag.strip_suffix('>'))
            .is_some_and(|tag| THINKING.iter().any(|known| tag.eq_ignore_ascii_case(known)));
        offset += line.len();
        if closes {
            return &text[offset..];
        }
    }
    text
}

fn opening(line: &str) -> Option<&'static str> {
    let tag = line.trim_start().strip_prefix('<')?;
    THINKING.into_iter().find(|known| {
        tag.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known))
            && tag[known.len()..].starts_with('>')
    })
}

fn find_ignoring_case(text: &str, ascii: &str) -> Option<usize> {
    text.match_indices('<').map(|(at, _)| at).find(|at| {
        text.get(*at..*at + ascii.len()).is_some_and(|found| found.eq_ignore_ascii_case(ascii))
    })
}

/// A line that opens or closes a block of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence<'a> {
    /// The character it consists of: a backtick or a tilde.
    pub mark: char,
    /// How many of them.
    pub length: usize,
    /// The spaces and tabs before them.
    pub indent: usize,
    /// What stands after them, trimmed: a language, a path, attributes.
    pub info: &'a str,
}

impl Fence<'_> {
    /// Whether this line closes the block that `open` opened.
    pub fn closes(&self, open: &Fence<'_>) -> bool {
        self.mark == open.mark && self.length >= open.length && self.info.is_empty()
    }
}

/// The fence that a line is, if it is one.
pub fn fence(line: &str) -> Option<Fence<'_>> {
    let bare = line.trim_start_matches([' ', '\t']);
    let mark = bare.chars().next().filter(|first| matches!(first, '`' | '~'))?;
    let info = bare.trim_start_matches(mark);
    let length = bare.len() - info.len();
    // Three in a row and another one later in the line is code within a sentence.
    let is_fence = length >= 3 && !(mark == '`' && info.contains('`'));
    is_fence.then(|| Fence { mark, length, indent: line.len() - bare.len(), info: info.trim() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: &str, cleaned: &str) {
        assert_eq!(clean(reply), cleaned);
    }

    #[test]
    fn thinking_is_left_out() {
        check("<think>\n```diff\n-a\n</think>\nanswer", "\nanswer");
        check("<Thinking>one</Thinking>two\n", "two\n");
        check("first\n<reasoning>x\n</reasoning>\nlast", "first\n\nlast");
    }

    #[test]
    fn thinking_without_an_end_leaves_nothing() {
        check("<think>\nI would change", "");
    }

    #[test]
    fn thinking_whose_start_was_cut_off_is_left_out() {
        check("so I change it\n</think>\nanswer", "answer");
    }

    #[test]
    fn code_that_mentions_the_tag_is_kept() {
        check("```python\n<think>\n```\n", "```python\n<think>\n```\n");
        check("tag = '<think>'\n", "tag = '<think>'\n");
    }

    #[test]
    fn line_ends_and_byte_order_marks_are_normalised() {
        check("\u{feff}a\r\nb\rc\r\n", "a\nb\rc\n");
    }

    #[test]
    fn fences_are_told_from_code_in_a_sentence() {
        assert_eq!(fence("```python a.py").map(|fence| fence.info), Some("python a.py"));
        assert_eq!(fence("  ~~~~").map(|fence| (fence.length, fence.indent)), Some((4, 2)));
        assert_eq!(fence("```x``` is code"), None);
        assert_eq!(fence("``"), None);
    }
}
