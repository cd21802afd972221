//! Whatever a model may send: no panic, and bounded, visible text.

use std::sync::LazyLock;

use autores_ideators::reply::ideas::{Draft, MOST_IDEAS, parse, resolve};
use proptest::prelude::*;

use crate::corpus::cases;
use crate::schema::CATALOGUE;

static REPLIES: LazyLock<Vec<String>> =
    LazyLock::new(|| cases().into_iter().map(|case| case.reply).collect());

/// Pieces that change how a text is read.
const PIECES: [&str; 38] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    ",",
    ":",
    "\\",
    "\\u",
    "\\ud83d",
    "//",
    "/*",
    "*/",
    "#",
    "```",
    "```json\n",
    "<think>",
    "</think>",
    "[Experiment]",
    "[Experiment 2]",
    "[Code Changes]",
    "[End]",
    "**",
    "\n",
    "\r\n",
    "\u{0}",
    "\u{202e}",
    "{\"ideas\": [",
    "\"title\": ",
    "\"plan\": \"",
    "é",
    "🚀",
    "1e-3",
    "null",
    "Title: ",
    "### Idea 1: ",
    "\"techniques\": [",
];

fn edited() -> impl Strategy<Value = String> {
    let edit =
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..PIECES.len(), 0..6_usize);
    let reply = 0..REPLIES.len();
    (reply.clone(), reply, prop::collection::vec(edit, 0..6)).prop_map(|(one, other, edits)| {
        let mut text: Vec<char> = REPLIES[one].chars().collect();
        let other: Vec<char> = REPLIES[other].chars().collect();
        for (at, to, piece, kind) in edits {
            let at = at.index(text.len() + 1);
            match kind {
                0 => text.truncate(at),
                1 => drop(text.splice(at..at, PIECES[piece].chars())),
                2 => drop(text.drain(at..(at + to.index(20)).min(text.len()))),
                3 => drop(text.splice(at.., other[to.index(other.len() + 1)..].iter().copied())),
                4 => {
                    let copied: Vec<char> = text[at..(at + to.index(60)).min(text.len())].to_vec();
                    drop(text.splice(at..at, copied));
                }
                _ => {
                    if let Some(c) = text.get_mut(at) {
                        *c = PIECES[piece].chars().next().unwrap_or(' ');
                    }
                }
            }
        }
        text.into_iter().collect()
    })
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(PIECES.as_slice()).prop_map(str::to_owned),
        1 => "[a-z .]{0,12}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn check_bounded(draft: &Draft) -> Result<(), TestCaseError> {
    let length = |text: &str| text.chars().count();
    prop_assert!((1..=120).contains(&length(&draft.title)), "{:?}", draft.title);
    prop_assert!(!draft.title.contains('\n'));
    prop_assert!(length(&draft.hypothesis) <= 4_000 && length(&draft.plan) <= 4_000);
    prop_assert!(!draft.plan.is_empty() || !draft.techniques.is_empty());
    prop_assert!(draft.sources.len() <= 16 && draft.techniques.len() <= 32);
    let names = draft.techniques.iter().flat_map(|used| {
        std::iter::once(&used.technique)
            .chain(used.knobs.iter().flat_map(|(knob, value)| [knob, value]))
    });
    let texts = [&draft.title, &draft.hypothesis, &draft.plan].into_iter();
    for text in texts.chain(&draft.sources).chain(names) {
        prop_assert!(length(text) <= 4_000 && text.trim() == text, "{text:?}");
        let hidden = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        prop_assert!(!text.contains(hidden), "{text:?}");
    }
    Ok(())
}

fn check_reply(reply: &str) -> Result<(), TestCaseError> {
    match parse(reply) {
        Ok(drafts) => {
            prop_assert!((1..=MOST_IDEAS).contains(&drafts.len()));
            for draft in drafts {
                check_bounded(&draft)?;
                if let Ok(resolved) = resolve(draft, &CATALOGUE) {
                    check_bounded(&resolved)?;
                    for used in &resolved.techniques {
                        let technique = CATALOGUE.get(&used.technique).unwrap();
                        prop_assert!(technique.edits(&used.knobs).is_ok());
                    }
                }
            }
        }
        Err(refused) => prop_assert!(refused.to_string().chars().count() < 700),
    }
    Ok(())
}

proptest! {
    #[test]
    fn edited_replies_never_panic_and_stay_bounded(reply in edited()) {
        check_reply(&reply)?;
    }

    #[test]
    fn pieces_in_any_order_never_panic_and_stay_bounded(reply in pieces()) {
        check_reply(&reply)?;
    }

    #[test]
    fn any_text_never_panics_and_stays_bounded(reply in any::<String>()) {
        check_reply(&reply)?;
    }

}

#[test]
fn long_texts_are_cut() {
    for length in (1..1_500).step_by(37) {
        let words = format!("{} \u{1f680} ", "w".repeat(length % 190 + 1)).repeat(length);
        let reply = serde_json::json!({ "ideas": [{ "title": words, "hypothesis": words,
            "plan": words, "sources": [words], "techniques": [words] }] });
        let drafts = parse(&reply.to_string()).unwrap();
        assert_eq!(drafts.len(), 1);
        check_bounded(&drafts[0]).unwrap();
    }
}
