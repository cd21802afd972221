//! What of an idea's words decides whether another says the same. Word order counts only where
//! something takes another's place.

use std::collections::BTreeSet;

use autores_domain::TechniqueUse;

use super::words::{Is, Token, mark_replaced, stem, tokens};
use super::{Candidate, words};

/// Characters in a shingle.
const SHINGLE: usize = 4;
/// Words that name what is raised or removed.
const OBJECT: usize = 3;
/// Words that are in every plan.
const COMMON: &str = "a an the of to in on for with by and or is are be it its this that these we our i from \
    at as into so then than which will can should via per each all us use using used apply \
    set try make replace swap substitute exchange switch change instead rather place \
    implement introduce employ adopt model training train code file py current currently \
    default new standard there was out everywhere setting sets improved better simple \
    efficient optimized enhanced novel faster slightly config over both";
const UP: [&str; 13] = [
    "increase", "raise", "higher", "larger", "bigger", "more", "double", "widen", "longer", "grow",
    "enlarge", "deeper", "wider",
];
const DOWN: [&str; 13] = [
    "decrease",
    "lower",
    "reduce",
    "smaller",
    "fewer",
    "less",
    "halve",
    "narrow",
    "shorter",
    "shrink",
    "shallower",
    "narrower",
    "shorten",
];
const ADD: [&str; 5] = ["add", "enable", "insert", "introduce", "include"];
const REMOVE: [&str; 12] = [
    "remove", "drop", "delete", "disable", "without", "omit", "no", "not", "never", "exclude",
    "avoid", "skip",
];
const BEFORE: [&str; 1] = ["before"];
const AFTER: [&str; 1] = ["after"];
/// What an idea is recognised by: its techniques, or the stems, character shingles, numbers and
/// directions of its title and plan. What is replaced counts apart from what takes its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Fingerprint {
    techniques: BTreeSet<TechniqueUse>,
    stems: BTreeSet<String>,
    /// The stems of the title alone.
    title: BTreeSet<String>,
    shingles: BTreeSet<String>,
    /// By their bits, so that `3e-3` and `0.003` are one.
    numbers: BTreeSet<u64>,
    /// What is raised, lowered, added or removed, and what something comes before or after.
    directions: BTreeSet<(Direction, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    Up,
    Down,
    Add,
    Remove,
    Before,
    After,
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::Up => "increase",
            Self::Down => "decrease",
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

impl Fingerprint {
    /// The fingerprint of an idea.
    pub fn of(idea: &Candidate<'_>) -> Self {
        let mut tokens = tokens(idea.title);
        tokens.push(Token::new(Is::TitleEnd));
        tokens.extend(words::tokens(idea.plan));
        mark_replaced(&mut tokens);
        let mut print = Self {
            techniques: idea.techniques.iter().cloned().collect(),
            stems: BTreeSet::new(),
            title: BTreeSet::new(),
            shingles: BTreeSet::new(),
            numbers: BTreeSet::new(),
            directions: BTreeSet::new(),
        };
        let title = tokens.iter().position(|token| token.is == Is::TitleEnd);
        for (at, token) in tokens.iter().enumerate() {
            match &token.is {
                Is::Stop | Is::TitleEnd | Is::Arrow => {}
                Is::Number(_) if token.replaced => {}
                Is::Number(number) => {
                    print.numbers.insert(number.to_bits());
                }
                Is::Word(word) => {
                    let direction = direction(word);
                    if let Some(direction) = direction {
                        print
                            .directions
                            .extend(objects(&tokens[at + 1..]).map(|object| (direction, object)));
                    }
                    if !is_common(word) {
                        // All words of a direction say the same.
                        let stem = direction.map_or_else(|| stem(word), |d| d.word().to_owned());
                        print.add(&stem, token.replaced);
                        if direction.is_none() && !token.replaced && Some(at) < title {
                            print.title.insert(stem);
                        }
                    }
                }
            }
        }
        print
    }

    fn add(&mut self, stem: &str, replaced: bool) {
        let role = if replaced { "-" } else { "" };
        let padded: Vec<char> = format!("{role} {stem} ").chars().collect();
        self.shingles.extend(padded.windows(SHINGLE).map(|window| {
            let text: String = window.iter().collect();
            format!("{role}{text}")
        }));
        self.stems.insert(format!("{role}{stem}"));
    }

    /// How similar two ideas are, from 0 to 1: 1 for the same techniques, 0 for ideas that contradict
    /// each other and for those whose titles each name something that the other never mentions,
    /// else the mean of the Jaccard indices of their stems and of their shingles.
    pub fn similarity(&self, other: &Self) -> f64 {
        if !self.techniques.is_empty() && self.techniques == other.techniques {
            return 1.0;
        }
        if self.contradicts(other) || (self.names_beyond(other) && other.names_beyond(self)) {
            return 0.0;
        }
        f64::midpoint(jaccard(&self.stems, &other.stems), jaccard(&self.shingles, &other.shingles))
    }

    /// Whether two ideas cannot be the same, however alike they sound: other techniques or knobs,
    /// other numbers, or one raises or adds what the other lowers or removes, or places before a
    /// thing what the other places after it.
    pub fn contradicts(&self, other: &Self) -> bool {
        let both = !self.techniques.is_empty() && !other.techniques.is_empty();
        if both && self.techniques != other.techniques {
            return true;
        }
        self.opposes(other, Direction::Up, Direction::Down)
            || self.opposes(other, Direction::Add, Direction::Remove)
            || self.opposes(other, Direction::Before, Direction::After)
            || self.other_numbers(other)
    }

    /// Whether the title names something that the other idea never mentions: Muon where it is Lion.
    fn names_beyond(&self, other: &Self) -> bool {
        let same = |one: &str, other: &str| {
            let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
            long == short || (short.len() >= 4 && long.starts_with(short))
        };
        let mentioned = |stem: &String| {
            other.stems.iter().any(|known| same(stem, known.strip_prefix('-').unwrap_or(known)))
        };
        !self.title.iter().all(mentioned)
    }

    /// Whether one thing goes this way in one idea and only the reverse way in the other.
    fn opposes(&self, other: &Self, one: Direction, reverse: Direction) -> bool {
        let goes =
            |print: &Self, way, what: &String| print.directions.contains(&(way, what.clone()));
        let only = |print: &Self, this, that, what: &String| {
            goes(print, this, what) && !goes(print, that, what)
        };
        self.directions.iter().any(|(_, what)| {
            only(self, one, reverse, what) && only(other, reverse, one, what)
                || only(self, reverse, one, what) && only(other, one, reverse, what)
        })
    }

    /// A plan may mention more numbers than another of the same idea, but none of its own instead.
    fn other_numbers(&self, other: &Self) -> bool {
        let (few, many) = if self.numbers.len() <= other.numbers.len() {
            (&self.numbers, &other.numbers)
        } else {
            (&other.numbers, &self.numbers)
        };
        if few.is_empty() { !many.is_empty() } else { !few.is_subset(many) }
    }
}

/// What a word of direction is about: the next words of its clause.
fn objects(after: &[Token]) -> impl Iterator<Item = String> {
    let ends = |token: &Token| {
        token.is_stop() || token.is_word(&["and", "to", "by", "or", "until", "so", "while", "but"])
    };
    let words = after.iter().take_while(move |token| !ends(token));
    let words = words.filter_map(|token| match &token.is {
        Is::Word(word) if !is_common(word) => Some(word),
        Is::Word(_) | Is::Number(_) | Is::Arrow | Is::Stop | Is::TitleEnd => None,
    });
    words.take_while(|word| direction(word).is_none()).take(OBJECT).map(|word| stem(word))
}

fn jaccard(one: &BTreeSet<String>, other: &BTreeSet<String>) -> f64 {
    let common = one.intersection(other).count();
    let all = one.len() + other.len() - common;
    if all == 0 { 0.0 } else { common as f64 / all as f64 }
}

fn is_common(word: &str) -> bool {
    COMMON.split(' ').any(|common| common == word)
}

fn direction(word: &str) -> Option<Direction> {
    let stem = stem(word);
    let among = |words: &[&str]| words.iter().any(|known| words::stem(known) == stem);
    if among(&UP) {
        Some(Direction::Up)
    } else if among(&DOWN) {
        Some(Direction::Down)
    } else if among(&ADD) {
        Some(Direction::Add)
    } else if among(&REMOVE) {
        Some(Direction::Remove)
    } else if among(&BEFORE) {
        Some(Direction::Before)
    } else if among(&AFTER) {
        Some(Direction::After)
    } else {
        None
    }
}
