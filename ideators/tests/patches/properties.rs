//! What holds for any text: no panic, nothing outside the tree, and real changes come back as they were or
//! not at all, however carelessly they are written down.

use std::path::{Component, Path};
use std::sync::LazyLock;

use autores_domain::{CodePath, Codebase};
use autores_ideators::reply::patch;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

use crate::base::base;
use crate::case;
use crate::render::{Change, carelessness, changes, neat, written};

static REPLIES: LazyLock<Vec<String>> =
    LazyLock::new(|| case::all(base()).into_iter().map(|case| case.reply).collect());

/// Pieces that mean something to one of the formats.
const PIECES: [&str; 28] = [
    "```",
    "```diff\n",
    "~~~\n",
    "--- a/train.py\n",
    "+++ b/train.py\n",
    "+++ /dev/null\n",
    "--- /dev/null\n",
    "@@ -1,3 +1,4 @@\n",
    "@@ @@\n",
    "@@\n",
    "diff --git a/train.py b/../x\n",
    "<<<<<<< SEARCH\n",
    "=======\n",
    ">>>>>>> REPLACE\n",
    "*** Begin Patch\n",
    "*** Update File: model.py\n",
    "*** Add File: /etc/passwd\n",
    "*** End Patch\n",
    "### ../x.py\n",
    "rename to .git/config\n",
    "new file mode 120000\n",
    "\\ No newline at end of file\n",
    "<think>",
    "</think>\n",
    "\0",
    "\u{feff}",
    "# ... existing code ...\n",
    "a/b/../../..\n",
];

/// One step away from a reply of the corpus.
#[derive(Debug, Clone)]
enum Step {
    Cut(Index, u8),
    Repeat(Index, u8),
    Insert(Index, Index),
    Letter(Index, char),
    End(Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, length)| Step::Cut(at, length)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, length)| Step::Repeat(at, length)),
        (any::<Index>(), any::<Index>()).prop_map(|(at, piece)| Step::Insert(at, piece)),
        (any::<Index>(), any::<char>()).prop_map(|(at, letter)| Step::Letter(at, letter)),
        any::<Index>().prop_map(Step::End),
    ]
}

fn boundary(text: &str, at: &Index) -> usize {
    let mut at = at.index(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn stepped(mut text: String, step: &Step) -> String {
    let (Step::Cut(at, _)
    | Step::Repeat(at, _)
    | Step::Insert(at, _)
    | Step::Letter(at, _)
    | Step::End(at)) = step;
    let at = boundary(&text, at);
    let until = |length: u8| {
        let mut end = (at + usize::from(length)).min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        end.max(at)
    };
    match step {
        Step::Cut(_, length) => {
            let end = until(*length);
            text.replace_range(at..end, "");
        }
        Step::Repeat(_, length) => {
            let part = text[at..until(*length)].to_owned();
            text.insert_str(at, &part);
        }
        Step::Insert(_, piece) => text.insert_str(at, PIECES[piece.index(PIECES.len())]),
        Step::Letter(_, letter) => text.insert(at, *letter),
        Step::End(_) => text.truncate(at),
    }
    text
}

fn reply() -> impl Strategy<Value = String> {
    let spliced = (any::<Index>(), any::<Index>(), any::<Index>(), any::<Index>());
    let corpus = (spliced, prop::collection::vec(step(), 0..5), any::<bool>());
    let corpus = corpus.prop_map(|((first, second, until, from), steps, splice)| {
        let first = first.get(&REPLIES);
        let mut text = first.clone();
        if splice {
            let second = second.get(&REPLIES);
            text.truncate(boundary(&text, &until));
            text.push_str(&second[boundary(second, &from)..]);
        }
        steps.iter().fold(text, stepped)
    });
    let pieces = prop::collection::vec(any::<Index>(), 0..24).prop_map(|pieces| {
        pieces.iter().map(|piece| PIECES[piece.index(PIECES.len())]).collect::<String>()
    });
    prop_oneof![8 => corpus, 1 => pieces, 1 => any::<String>()]
}

fn stays_inside(path: &CodePath) -> bool {
    let mut parts = Path::new(path.as_str()).components();
    parts.all(|part| matches!(part, Component::Normal(name) if !name.eq_ignore_ascii_case(".git")))
}

proptest! {
    /// Run with `PROPTEST_CASES=1000000` for the figures in the README beside this file.
    #[test]
    fn any_text_is_refused_or_gives_a_patch_that_applies_inside_the_tree(reply in reply()) {
        if let Ok(parsed) = patch::parse(&reply, base()) {
            let files = parsed.patch.apply(base()).expect("an accepted patch applies");
            prop_assert!(!files.is_empty());
            for (path, text) in &files {
                prop_assert!(stays_inside(path), "{path}");
                prop_assert!(!text.as_ref().is_some_and(|text| text.contains('\0')));
            }
            for placement in &parsed.placements {
                prop_assert!(placement.line >= 1 && placement.hunk >= 1);
            }
        }
    }

}

/// The same cases each time, so that a change of something else does not fail for a rare one; others where more are
/// asked for.
fn usual_cases() -> ProptestConfig {
    let rng_seed = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => RngSeed::Random,
        None => RngSeed::Fixed(1),
    };
    ProptestConfig { rng_seed, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(usual_cases())]

    #[test]
    fn a_change_written_down_without_mistakes_comes_back(change in changes(), radius in 3usize..6) {
        let reply = written(&change, &neat(radius));
        prop_assert!(meant(&reply, &change)?, "{reply}\n{:?}", patch::parse(&reply, base()));
    }

    #[test]
    fn a_change_written_down_carelessly_comes_back_or_is_refused(
        change in changes(),
        how in carelessness(),
    ) {
        let reply = written(&change, &how);
        meant(&reply, &change)?;
    }
}

/// Whether the reply gives the change; an error if it gives another one.
fn meant(reply: &str, change: &Change) -> Result<bool, TestCaseError> {
    let Ok(parsed) = patch::parse(reply, base()) else { return Ok(false) };
    let files = parsed.patch.apply(base()).expect("an accepted patch applies");
    let expected: Codebase = [(change.path.clone(), change.after())].into();
    let found: Codebase =
        files.into_iter().filter_map(|(path, text)| Some((path, text?))).collect();
    let text = |code: &Codebase| code.get(&change.path).cloned().unwrap_or_default();
    let (meant, came) = (text(&expected), text(&found));
    let diff = similar::TextDiff::from_lines(&meant, &came);
    let diff = diff.unified_diff().header("meant", "came").to_string();
    prop_assert!(found == expected, "the reply\n{reply}\ngave\n{diff}");
    Ok(true)
}

/// How often careless diffs do come back, so that the property above is not true by refusing all.
#[test]
fn most_careless_changes_come_back() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    const TRIED: usize = 2_000;
    let mut runner = TestRunner::deterministic();
    let strategy = (changes(), carelessness());
    let mut back = 0;
    for _ in 0..TRIED {
        let (change, how) = strategy.new_tree(&mut runner).unwrap().current();
        back += usize::from(meant(&written(&change, &how), &change).unwrap());
    }
    println!("{back} of {TRIED} careless changes came back as they were, the others were refused");
    assert!(back * 10 > TRIED * 7, "{back} of {TRIED}");
}

#[test]
fn a_megabyte_of_anything_is_read_fast() {
    let long = patch::MAX_BYTES - 100;
    let replies = [
        "@@ -1 +1 @@\n".repeat(long / 12),
        "```\n".repeat(long / 4),
        "<<<<<<< SEARCH\n".repeat(long / 15),
        "<think>".repeat(long / 7),
        "\n".repeat(long),
        "a".repeat(long),
        "### train.py\n```\nx\n```\n".repeat(long / 23),
        "```diff\n--- a/model.py\n+++ b/model.py\n".to_owned()
            + &"@@ @@\n     def forward(self, x: Tensor) -> Tensor:\n-x\n+y\n".repeat(long / 58),
        "*** Begin Patch\n*** Update File: model.py\n".to_owned()
            + &"         return self.output(inner)\n".repeat(long / 36)
            + "-x\n*** End Patch\n",
        "model.py\n<<<<<<< SEARCH\n".to_owned()
            + &"        x = x + 1\n        y = y + x\n".repeat(long / 80)
            + "=======\n"
            + &"        y = y + x\n        z = x + 1\n".repeat(long / 80)
            + ">>>>>>> REPLACE\n",
    ];
    for reply in replies {
        let start = std::time::Instant::now();
        let _ = patch::parse(&reply, base());
        let took = start.elapsed();
        // Other tests run beside this one, and unoptimised code is slower by far.
        let limit = if cfg!(debug_assertions) { 30.0 } else { 2.0 };
        println!("{:>8.3} s  {:?}", took.as_secs_f64(), &reply[..reply.len().min(40)]);
        assert!(took.as_secs_f64() < limit, "{took:?} for {:?}", &reply[..reply.len().min(60)]);
    }
}

#[test]
fn more_than_the_limit_is_refused() {
    let refused = patch::parse(&"a".repeat(patch::MAX_BYTES + 1), base()).unwrap_err();
    assert!(matches!(refused, patch::Refused::TooLong { .. }));
}
