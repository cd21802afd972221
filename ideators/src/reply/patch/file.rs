//! A file as lines that remember how they end. Never changes a line that no edit names.

const BOM: char = '\u{feff}';

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    /// `\n`, `\r\n`, or nothing for a last line without an end.
    pub(super) end: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    marked: bool,
    pub(super) lines: Vec<Line>,
}

/// Lines to put in place of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Splice {
    pub(super) at: usize,
    pub(super) cut: usize,
    pub(super) add: Vec<String>,
}

impl File {
    pub(super) fn new(text: &str) -> Self {
        let bare = text.strip_prefix(BOM);
        let lines = bare.unwrap_or(text).split_inclusive('\n').map(|line| {
            let (text, end) = match line.strip_suffix('\n') {
                None => (line, ""),
                Some(line) => match line.strip_suffix('\r') {
                    Some(line) => (line, "\r\n"),
                    None => (line, "\n"),
                },
            };
            Line { text: text.to_owned(), end }
        });
        Self { marked: bare.is_some(), lines: lines.collect() }
    }

    /// New text with the line ends, the last line's end and the byte order mark of this file.
    pub(super) fn rewritten(&self, lines: &[String]) -> Self {
        let end = self.end();
        let mut lines: Vec<Line> =
            lines.iter().map(|text| Line { text: text.clone(), end }).collect();
        let unended = self.lines.last().is_some_and(|line| line.end.is_empty());
        if let Some(last) = lines.last_mut().filter(|_| unended) {
            last.end = "";
        }
        Self { marked: self.marked, lines }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::from(if self.marked { "\u{feff}" } else { "" });
        for line in &self.lines {
            text.push_str(&line.text);
            text.push_str(line.end);
        }
        text
    }

    /// How most of its lines end.
    fn end(&self) -> &'static str {
        let carriage = self.lines.iter().filter(|line| line.end == "\r\n").count();
        if carriage * 2 > self.lines.len() { "\r\n" } else { "\n" }
    }

    /// Applies splices, which are in order and do not overlap.
    pub(super) fn splice(&mut self, splices: &[Splice]) {
        let unended = self.lines.last().is_some_and(|line| line.end.is_empty());
        let end = self.end();
        for splice in splices.iter().rev() {
            let near = splice.at.checked_sub(1).and_then(|above| self.lines.get(above));
            let own = self.lines.get(splice.at).filter(|_| splice.cut > 0);
            let end =
                own.or(near).map(|line| line.end).filter(|end| !end.is_empty()).unwrap_or(end);
            let added = splice.add.iter().map(|text| Line { text: text.clone(), end });
            self.lines.splice(splice.at..splice.at + splice.cut, added.collect::<Vec<_>>());
        }
        let last = self.lines.len().saturating_sub(1);
        for (index, line) in self.lines.iter_mut().enumerate() {
            if index < last && line.end.is_empty() {
                line.end = end;
            }
        }
        if let Some(line) = self.lines.last_mut().filter(|_| unended) {
            line.end = "";
        }
    }

    /// Gives or takes the last line's end.
    pub(super) fn set_ended(&mut self, ended: bool) {
        let end = self.end();
        if let Some(last) = self.lines.last_mut() {
            last.end = match (ended, last.end) {
                (true, "") => end,
                (true, kept) => kept,
                (false, _) => "",
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, at: usize, cut: usize, add: &[&str], after: &str) {
        let mut file = File::new(text);
        assert_eq!(file.text(), text);
        let add = add.iter().map(|line| (*line).to_owned()).collect();
        file.splice(&[Splice { at, cut, add }]);
        assert_eq!(file.text(), after);
    }

    #[test]
    fn new_lines_end_as_those_around_them() {
        check("a\r\nb\r\n", 1, 0, &["x"], "a\r\nx\r\nb\r\n");
        check("a\nb\r\n", 0, 1, &["x"], "x\nb\r\n");
    }

    #[test]
    fn a_missing_last_line_end_stays_missing() {
        check("a\nb", 1, 1, &["x"], "a\nx");
        check("a\nb", 2, 0, &["x"], "a\nb\nx");
        check("a\nb", 1, 1, &[], "a");
    }

    #[test]
    fn a_byte_order_mark_stays() {
        check("\u{feff}a\n", 0, 1, &["x"], "\u{feff}x\n");
    }
}
