//! Cuts what is printed into lines. Never keeps more than 64 KiB of a line, however long it is.

const LONGEST_LINE: usize = 64 << 10;

/// A part of what was printed, with the end of the line where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A whole line.
    Line(&'a [u8]),
    /// The beginning of a line that is too long.
    Start(&'a [u8]),
    /// More of it.
    Rest(&'a [u8]),
}

/// Cuts a stream into lines.
#[derive(Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    is_long: bool,
}

impl Lines {
    pub(super) fn take(&mut self, chunk: &[u8], give: &mut impl FnMut(Piece<'_>)) {
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.give(give);
                self.is_long = false;
            } else if self.partial.len() >= LONGEST_LINE {
                let is_first = !self.is_long;
                self.is_long = true;
                give(if is_first {
                    Piece::Start(&self.partial)
                } else {
                    Piece::Rest(&self.partial)
                });
                self.partial.clear();
            }
        }
    }

    pub(super) fn end(&mut self, give: &mut impl FnMut(Piece<'_>)) {
        if !self.partial.is_empty() {
            self.give(give);
        }
    }

    fn give(&mut self, give: &mut impl FnMut(Piece<'_>)) {
        give(if self.is_long { Piece::Rest(&self.partial) } else { Piece::Line(&self.partial) });
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(chunks: &[&[u8]]) -> Vec<(char, usize)> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        let mut give = |piece: Piece<'_>| {
            seen.push(match piece {
                Piece::Line(bytes) => ('l', bytes.len()),
                Piece::Start(bytes) => ('s', bytes.len()),
                Piece::Rest(bytes) => ('r', bytes.len()),
            });
        };
        for chunk in chunks {
            lines.take(chunk, &mut give);
        }
        lines.end(&mut give);
        seen
    }

    #[test]
    fn lines_are_put_together_from_chunks() {
        assert_eq!(pieces(&[b"ab", b"c\nde\nf", b"g"]), [('l', 4), ('l', 3), ('l', 2)]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_on_in_pieces() {
        let long = vec![b'x'; LONGEST_LINE];
        let expected = [('s', LONGEST_LINE), ('r', LONGEST_LINE), ('r', 2), ('l', 2)];
        assert_eq!(pieces(&[&long, &long, b"x\ny\n"]), expected);
    }
}
