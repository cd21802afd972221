//! Words and numbers of a text, and which of them something takes the place of.

/// Words between `replace` and `with`, or after `instead of`, that name what is replaced.
const REPLACED: usize = 6;

/// Words that begin where something is, or what it is for.
const PLACE: [&str; 9] = ["in", "on", "for", "with", "by", "and", "at", "as", "inside"];
const SHORT: [(&str, &[&str]); 7] = [
    ("qk", &["query", "key"]),
    ("lr", &["learning", "rate"]),
    ("wd", &["weight", "decay"]),
    ("ema", &["exponential", "moving", "average"]),
    ("bs", &["batch", "size"]),
    ("batchsize", &["batch", "size"]),
    ("optimiser", &["optimizer"]),
];
const NUMBERS: [&str; 9] = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

#[derive(Debug)]
pub(super) struct Token {
    pub(super) is: Is,
    /// Another takes its place.
    pub(super) replaced: bool,
}

#[derive(Debug, PartialEq)]
pub(super) enum Is {
    Word(String),
    Number(f64),
    Arrow,
    /// The end of a sentence or clause.
    Stop,
    TitleEnd,
}

impl Token {
    pub(super) fn new(is: Is) -> Self {
        Self { is, replaced: false }
    }

    pub(super) fn is_stop(&self) -> bool {
        matches!(self.is, Is::Stop | Is::TitleEnd)
    }

    pub(super) fn is_word(&self, words: &[&str]) -> bool {
        matches!(&self.is, Is::Word(word) if words.contains(&word.as_str()))
    }
}

/// The words and numbers of a text.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.to_lowercase().chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut line_begins = true;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        let decimal = c == '.' && next.is_some_and(|c| c.is_ascii_digit());
        if c.is_alphanumeric() || decimal {
            let end = at + length(&chars[at..]);
            let word: String = chars[at..end].iter().collect();
            let numbering = line_begins && matches!(chars.get(end), Some('.' | ')'));
            if !(numbering && word.chars().all(|c| c.is_ascii_digit())) {
                tokens.extend(read(&word, chars.get(end) == Some(&'%')));
            }
            at = end;
            line_begins = false;
            continue;
        }
        match c {
            '→' => tokens.push(Token::new(Is::Arrow)),
            '-' | '=' if next == Some('>') => tokens.push(Token::new(Is::Arrow)),
            '.' | ';' | ',' | '(' | ')' | '\n' => tokens.push(Token::new(Is::Stop)),
            _ => {}
        }
        line_begins = c == '\n' || (line_begins && c.is_whitespace());
        at += 1;
    }
    tokens
}

/// The length of the word or number at the beginning: `adamw`, `1e-3`, `0.95`.
fn length(chars: &[char]) -> usize {
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let numeric = digit(0) || chars[0] == '.';
    let mut end = 0;
    while let Some(&c) = chars.get(end) {
        let point = c == '.' && digit(end + 1) && numeric;
        let exponent =
            matches!(c, '-' | '+') && numeric && end > 1 && chars[end - 1] == 'e' && digit(end + 1);
        if !(c.is_alphanumeric() || point || exponent) {
            break;
        }
        end += 1;
    }
    end
}

fn read(word: &str, percent: bool) -> Vec<Token> {
    if let Some(number) = number(word) {
        let number = if percent { number / 100.0 } else { number };
        return vec![Token::new(Is::Number(number))];
    }
    match SHORT.iter().find(|(short, _)| *short == word) {
        Some((_, long)) => long.iter().map(|word| Token::new(Is::Word((*word).into()))).collect(),
        None => vec![Token::new(Is::Word(word.into()))],
    }
}

/// `3e-3`, `64k`, `2x`, `two`.
fn number(word: &str) -> Option<f64> {
    if let Some(index) = NUMBERS.iter().position(|number| *number == word) {
        return Some(index as f64 + 2.0);
    }
    if !word.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let (digits, factor) = match word.char_indices().last()? {
        (at, 'k') => (&word[..at], 1e3),
        (at, 'm') => (&word[..at], 1e6),
        (at, 'b') => (&word[..at], 1e9),
        (at, 'x') => (&word[..at], 1.0),
        _ => (word, 1.0),
    };
    digits.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number * factor)
}

/// Marks `adamw` in `replace AdamW with Muon`, `Muon instead of AdamW`, `from AdamW to Muon` and
/// `AdamW -> Muon`.
pub(super) fn mark_replaced(tokens: &mut [Token]) {
    const REPLACE: [&str; 7] =
        ["replace", "swap", "substitute", "exchange", "switch", "change", "replacing"];
    for at in 0..tokens.len() {
        let two_words = |first, second| {
            tokens[at].is_word(&[first])
                && tokens.get(at + 1).is_some_and(|next| next.is_word(&[second]))
        };
        let (from, ends): (usize, &[&str]) = if tokens[at].is_word(&REPLACE) {
            (at + 1, &["with", "by", "for", "to"])
        } else if tokens[at].is_word(&["from"]) {
            (at + 1, &["to"])
        } else if two_words("instead", "of")
            || two_words("rather", "than")
            || two_words("place", "of")
        {
            (at + 2, &[])
        } else if tokens[at].is == Is::Arrow {
            if let Some(before) = at.checked_sub(1) {
                tokens[before].replaced = true;
            }
            continue;
        } else {
            continue;
        };
        let room = (from + REPLACED + 1).min(tokens.len());
        let clause = tokens[from.min(room)..room].iter().position(Token::is_stop);
        let room = clause.map_or(room, |stop| from + stop);
        let ends_at = (from..room).find(|at| tokens[*at].is_word(ends));
        let to = match (ends_at, ends) {
            (Some(end), _) => end,
            (None, []) => room.min(from + 3),
            (None, _) => continue,
        };
        // Where it is replaced is said the same way before and after.
        let place = (from..to).find(|at| tokens[*at].is_word(&PLACE));
        for token in &mut tokens[from..place.unwrap_or(to)] {
            token.replaced = true;
        }
    }
}

/// The word without its ending: `normalised` and `normalizing` are one.
pub(super) fn stem(word: &str) -> String {
    const ENDINGS: [&str; 12] =
        ["ization", "izing", "ized", "izes", "ing", "ers", "ed", "es", "er", "ly", "s", "e"];
    let word =
        word.replace("isation", "ization").replace("alise", "alize").replace("alisi", "alizi");
    let stem =
        ENDINGS.iter().find_map(|ending| word.strip_suffix(ending).filter(|stem| stem.len() >= 3));
    let stem = stem.unwrap_or(&word);
    match stem.strip_suffix('y') {
        Some(start) if start.len() >= 3 => format!("{start}i"),
        _ => stem.to_owned(),
    }
}
