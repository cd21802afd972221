//! Reads JSON as models write it: comments, trailing commas, single or curly quotes, unescaped
//! quotes and line breaks, a missing end. Numbers keep their spelling. Never reads further than the
//! work it is given.

/// Deeper nesting is nobody's idea.
const DEEPEST: usize = 48;

/// A value; lists and objects say whether their end was there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// As it was written: `3e-3` stays `3e-3`.
    Number(String),
    Text(String),
    List(Vec<Json>, Whole),
    Object(Vec<(String, Json)>, Whole),
}

/// Whether a value was read to its end.
pub(super) type Whole = bool;

/// What was read, and where the text goes on.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) value: Json,
    pub(super) end: usize,
}

/// The place that is no JSON even to a lenient reader.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) at: usize,
}

/// Reads the value that begins at `start`; `work` is what may still be spent, in characters.
pub(super) fn read(text: &str, start: usize, work: &mut usize) -> Result<Read, Broken> {
    let mut reader = Reader { text, at: start, work };
    let (value, _) = reader.value(0, Within::Nothing)?;
    Ok(Read { value, end: reader.at })
}

/// What surrounds a value: bare words are values only where a key announces them.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    Nothing,
    List,
    Object,
}

struct Reader<'a, 'w> {
    text: &'a str,
    at: usize,
    work: &'w mut usize,
}

impl<'a> Reader<'a, '_> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn broken<T>(&self) -> Result<T, Broken> {
        Err(Broken { at: self.at })
    }

    fn spend(&mut self, characters: usize) -> Result<(), Broken> {
        *self.work = self.work.saturating_sub(characters);
        if *self.work == 0 { self.broken() } else { Ok(()) }
    }

    fn step(&mut self, c: char) -> Result<(), Broken> {
        self.at += c.len_utf8();
        self.spend(1)
    }

    /// Past white space and comments.
    fn skip(&mut self) -> Result<(), Broken> {
        let end = self.at + blank(self.rest());
        self.spend(end - self.at)?;
        self.at = end;
        Ok(())
    }

    fn value(&mut self, depth: usize, within: Within) -> Result<(Json, Whole), Broken> {
        self.skip()?;
        match self.peek() {
            None => Ok((Json::Null, false)),
            Some('{') if depth < DEEPEST => self.object(depth),
            Some('[') if depth < DEEPEST => self.list(depth),
            Some(open) if closing(open).is_some() => {
                let (text, whole) = self.string(open)?;
                Ok((Json::Text(text), whole))
            }
            Some(_) => self.word(within),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(Json, Whole), Broken> {
        self.step('{')?;
        let mut entries = Vec::new();
        loop {
            self.skip()?;
            match self.peek() {
                None => return Ok((Json::Object(entries, false), false)),
                Some('}') => {
                    self.step('}')?;
                    return Ok((Json::Object(entries, true), true));
                }
                // The list around it ends, so its own end was forgotten.
                Some(']') if depth > 0 => return Ok((Json::Object(entries, true), true)),
                Some(',') => self.step(',')?,
                Some(first) => {
                    let Some(key) = self.key(first)? else {
                        return Ok((Json::Object(entries, false), false));
                    };
                    let (value, whole) = self.value(depth + 1, Within::Object)?;
                    if whole || matches!(value, Json::List(..) | Json::Object(..)) {
                        entries.push((key, value));
                    }
                    if !whole {
                        return Ok((Json::Object(entries, false), false));
                    }
                }
            }
        }
    }

    /// A key with its colon; `None` where the text ends in it.
    fn key(&mut self, first: char) -> Result<Option<String>, Broken> {
        let key = if closing(first).is_some() {
            let (key, whole) = self.string(first)?;
            if !whole {
                return Ok(None);
            }
            key
        } else {
            let word: String =
                self.rest().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if word.is_empty() {
                return self.broken();
            }
            self.at += word.len();
            self.spend(word.len())?;
            word
        };
        self.skip()?;
        match self.peek() {
            Some(':') => {
                self.step(':')?;
                Ok(Some(key))
            }
            None => Ok(None),
            Some(_) => self.broken(),
        }
    }

    fn list(&mut self, depth: usize) -> Result<(Json, Whole), Broken> {
        self.step('[')?;
        let mut items = Vec::new();
        loop {
            self.skip()?;
            match self.peek() {
                None => return Ok((Json::List(items, false), false)),
                Some(']') => {
                    self.step(']')?;
                    return Ok((Json::List(items, true), true));
                }
                // The object around it ends, so its own end was forgotten.
                Some('}') if depth > 0 => return Ok((Json::List(items, true), true)),
                Some(',') => self.step(',')?,
                Some(_) => {
                    let (value, whole) = self.value(depth + 1, Within::List)?;
                    if whole || matches!(value, Json::List(..) | Json::Object(..)) {
                        items.push(value);
                    }
                    if !whole {
                        return Ok((Json::List(items, false), false));
                    }
                }
            }
        }
    }

    /// A text in quotes. A quote that nothing of JSON follows is one that was not escaped.
    fn string(&mut self, open: char) -> Result<(String, Whole), Broken> {
        let close = closing(open).unwrap_or(open);
        self.step(open)?;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.step(c)?;
            if c == '\\' {
                match self.peek() {
                    Some(escaped) => {
                        self.step(escaped)?;
                        self.escape(escaped, &mut text)?;
                    }
                    None => return Ok((text, false)),
                }
            } else if c == close && ends_text(self.rest()) {
                return Ok((text, true));
            } else {
                text.push(c);
            }
        }
        Ok((text, false))
    }

    fn escape(&mut self, escaped: char, text: &mut String) -> Result<(), Broken> {
        match escaped {
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' | 'b' | 'f' => {}
            'u' => {
                let first = self.hex()?;
                let low = (0xD800..0xDC00).contains(&first) && self.rest().starts_with("\\u");
                let code = if low {
                    self.at += 2;
                    let second = self.hex()?;
                    0x10000 + ((first - 0xD800) << 10) + (second.wrapping_sub(0xDC00) & 0x3FF)
                } else {
                    first
                };
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            '"' | '\'' | '\\' | '/' => text.push(escaped),
            // Such as the `\l` of LaTeX's `\lambda`.
            other => text.extend(['\\', other]),
        }
        Ok(())
    }

    /// Up to four hexadecimal digits.
    fn hex(&mut self) -> Result<u32, Broken> {
        let digits: String =
            self.rest().chars().take(4).take_while(char::is_ascii_hexdigit).collect();
        self.at += digits.len();
        self.spend(digits.len())?;
        Ok(u32::from_str_radix(&digits, 16).unwrap_or(0xFFFD))
    }

    fn word(&mut self, within: Within) -> Result<(Json, Whole), Broken> {
        let is_part = |c: char| c.is_alphanumeric() || "_+-.".contains(c);
        let rest = self.rest();
        let word = &rest[..rest.find(|c: char| !is_part(c)).unwrap_or(rest.len())];
        let value = match word {
            "" => return self.broken(),
            "null" | "None" | "undefined" => Json::Null,
            "true" | "True" => Json::Bool(true),
            "false" | "False" => Json::Bool(false),
            _ if word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
                && word.parse::<f64>().is_ok() =>
            {
                Json::Number(word.to_owned())
            }
            _ if within == Within::Object => Json::Text(word.to_owned()),
            _ => return self.broken(),
        };
        self.at += word.len();
        self.spend(word.len())?;
        // A word at the very end may go on: `3` of `3e-3`.
        Ok((value, self.at < self.text.len()))
    }
}

fn closing(open: char) -> Option<char> {
    match open {
        '"' | '\'' => Some(open),
        '“' => Some('”'),
        _ => None,
    }
}

/// The length of the white space and comments at the beginning.
fn blank(text: &str) -> usize {
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start();
        rest = if trimmed.starts_with("//") || trimmed.starts_with('#') {
            trimmed.find('\n').map_or("", |end| &trimmed[end..])
        } else if let Some(comment) = trimmed.strip_prefix("/*") {
            comment.find("*/").map_or("", |end| &comment[end + 2..])
        } else {
            return text.len() - trimmed.len();
        };
    }
}

/// How many bytes behind a quote are looked at to tell whether it ends its text.
const LOOK_AHEAD: usize = 400;

/// Whether a quote with this behind it ends its text.
fn ends_text(rest: &str) -> bool {
    let rest = &rest[..rest.floor_char_boundary(LOOK_AHEAD)];
    let next = rest.trim_start();
    let begins_value = |text: &str| {
        text.is_empty()
            || text.starts_with(['"', '\'', '“', '{', '[', '}', ']', '/', '#', '-'])
            || text.starts_with(|c: char| c.is_ascii_digit())
            || is_key(text)
            || ["true", "false", "null", "True", "False", "None"]
                .iter()
                .any(|literal| text.starts_with(literal))
    };
    match next.chars().next() {
        None | Some('}' | ']' | ':') => true,
        Some(',') => begins_value(next[1..].trim_start()),
        Some('/' | '#') => {
            let after = &next[blank(next)..];
            after.len() < next.len()
                && (after.is_empty() || after.starts_with([',', '}', ']', '"', '\'']))
        }
        // A comma may be missing where a line ends.
        Some('"' | '\'' | '“') => rest[..rest.len() - next.len()].contains('\n'),
        Some(_) => false,
    }
}

/// Whether a bare word with a colon begins the text.
fn is_key(text: &str) -> bool {
    let after = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    after.len() < text.len() && after.starts_with(':')
}
