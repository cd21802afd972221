//! Server-sent events, from bytes as they come to the data of each event. Never waits.

use std::mem;

/// Why the bytes are no events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Garbled {
    /// A line is not UTF-8.
    Utf8,
    /// An event is larger than the limit.
    TooLong,
}

/// Gathers events. Names, ids and waits of events are of no use here and left out.
#[derive(Debug)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: String,
    some_data: bool,
    after_return: bool,
    first_line: bool,
    limit: usize,
}

impl Events {
    /// `limit` bounds the bytes of one event.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            data: String::new(),
            some_data: false,
            after_return: false,
            first_line: true,
            limit,
        }
    }

    /// The data of the events that these bytes complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, Garbled> {
        let mut done = Vec::new();
        for &byte in bytes {
            let second_of_pair = mem::take(&mut self.after_return) && byte == b'\n';
            match byte {
                b'\n' if second_of_pair => {}
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    done.extend(self.end_line()?);
                }
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > self.limit {
                return Err(Garbled::TooLong);
            }
        }
        Ok(done)
    }

    /// The event that no empty line ended, where the stream is over.
    pub(crate) fn end(mut self) -> Result<Option<String>, Garbled> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        Ok(self.some_data.then_some(self.data))
    }

    fn end_line(&mut self) -> Result<Option<String>, Garbled> {
        let line = mem::take(&mut self.line);
        let line = std::str::from_utf8(&line).map_err(|_| Garbled::Utf8)?;
        let line = if mem::take(&mut self.first_line) {
            line.strip_prefix('\u{feff}').unwrap_or(line)
        } else {
            line
        };
        if line.is_empty() {
            let data = mem::take(&mut self.data);
            return Ok(mem::take(&mut self.some_data).then_some(data));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            if self.some_data {
                self.data.push('\n');
            }
            self.some_data = true;
            self.data.push_str(value.strip_prefix(' ').unwrap_or(value));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(bytes: &[u8]) -> Vec<String> {
        let mut events = Events::new(1000);
        let mut all = events.feed(bytes).unwrap();
        all.extend(events.end().unwrap());
        all
    }

    #[test]
    fn every_end_of_line_ends_a_line() {
        for text in
            ["data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata:b\r\n\r\n", "data: a\r\rdata: b\r\r"]
        {
            assert_eq!(events(text.as_bytes()), ["a", "b"], "{text:?}");
        }
    }

    #[test]
    fn comments_and_names_are_no_data() {
        assert_eq!(
            events(b": waiting\n\nevent: x\nid: 1\n\nevent: y\ndata: a\ndata: b\n\n"),
            ["a\nb"]
        );
    }

    #[test]
    fn an_event_cut_short_is_given_at_the_end() {
        assert_eq!(events(b"data: [DONE]"), ["[DONE]"]);
    }

    #[test]
    fn what_is_not_text_is_refused() {
        assert_eq!(Events::new(100).feed(b"data: \xff\xfe\n"), Err(Garbled::Utf8));
        assert_eq!(Events::new(100).feed(&[b'x'; 101]), Err(Garbled::TooLong));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_are_cut(
            datas in prop::collection::vec("[^\r\n]{0,20}", 0..6),
            cuts in prop::collection::vec(0usize..200, 0..8),
        ) {
            let text: String = datas.iter().map(|data| format!("data: {data}\r\n\r\n")).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut parser = Events::new(10_000);
            let mut all = Vec::new();
            for pair in cuts.windows(2) {
                all.extend(parser.feed(&text.as_bytes()[pair[0]..pair[1]]).unwrap());
            }
            prop_assert_eq!(all, datas);
        }
    }
}
