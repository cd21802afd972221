//! Every case of the corpus, and how many of those that a careful person could apply do apply.

use autores_ideators::reply::patch::{self, Refused};

use similar::TextDiff;

use crate::base::base;
use crate::case::{self, Case};
use crate::tools::{self, Tally};

const LEAST_CASES: usize = 150;
const LEAST_SHARE: f64 = 0.95;

enum Came {
    AsExpected,
    Otherwise(String),
    ToAWrongPlace(String),
}

fn kind(refused: &Refused) -> String {
    serde_json::to_value(refused).unwrap()["kind"].as_str().unwrap().to_owned()
}

fn check(case: &Case) -> (bool, Came) {
    let applied = patch::parse(&case.reply, base())
        .map(|parsed| parsed.patch.apply(base()).expect("an accepted patch applies"));
    match applied {
        Ok(files) if files == case.files => (true, Came::AsExpected),
        Ok(files) => {
            let changed = files.iter().map(|(path, text)| {
                let meant =
                    case.files.get(path).cloned().unwrap_or_else(|| base().get(path).cloned());
                let (meant, text) = (meant.unwrap_or_default(), text.clone().unwrap_or_default());
                let diff = TextDiff::from_lines(&meant, &text);
                diff.unified_diff().header(&format!("{path} meant"), "applied").to_string()
            });
            (true, Came::ToAWrongPlace(changed.collect::<Vec<_>>().join("\n")))
        }
        Err(refused) if case.refused.contains(&kind(&refused)) => (false, Came::AsExpected),
        Err(refused) => (false, Came::Otherwise(format!("{}: {refused}", kind(&refused)))),
    }
}

#[test]
fn replies_give_the_patch_that_was_meant_or_the_right_reason() {
    let cases = case::all(base());
    assert!(cases.len() >= LEAST_CASES, "only {} cases", cases.len());
    let mut unexpected = Vec::new();
    let mut came = Vec::new();
    for case in &cases {
        let (accepted, result) = check(case);
        match &result {
            Came::AsExpected => {}
            Came::Otherwise(why) => unexpected.push(format!("{}: {why}", case.name)),
            Came::ToAWrongPlace(text) => {
                unexpected.push(format!("{}: APPLIED TO A WRONG PLACE\n{text}", case.name));
            }
        }
        came.push((case, accepted, result));
    }
    let all: Vec<_> = came.iter().collect();
    let (applied, wrong, applicable) = report("all replies", &all);
    let diffs: Vec<_> = all.into_iter().filter(|(case, ..)| is_diff(&case.reply)).collect();
    report("of these, unified diffs", &diffs);
    assert!(unexpected.is_empty(), "{} cases:\n{}", unexpected.len(), unexpected.join("\n\n"));
    assert_eq!(wrong, 0);
    assert!(applied as f64 >= LEAST_SHARE * applicable as f64, "{applied} of {applicable}");
}

/// Whether the other tools have something that they could read.
fn is_diff(reply: &str) -> bool {
    reply
        .lines()
        .any(|line| line.trim_start().starts_with("+++ ") || line.starts_with("diff --git"))
        && !reply.contains("+++++++")
}

/// Prints how many of the replies came out right, by this parser and by other tools.
fn report(title: &str, came: &[&(&Case, bool, Came)]) -> (usize, usize, usize) {
    let applicable = came.iter().filter(|(case, ..)| case.applicable).count();
    let right = |case: &Case, accepted: bool, came: &Came| {
        case.applicable && accepted && matches!(came, Came::AsExpected)
    };
    let applied = came.iter().filter(|(case, accepted, came)| right(case, *accepted, came)).count();
    let wrong = came.iter().filter(|(.., came)| matches!(came, Came::ToAWrongPlace(_))).count();
    println!("{title}: {}, of which a careful person could apply {applicable}", came.len());
    println!("{:<28} {:>8} {:>7} {:>6}", "", "applied", "share", "wrong");
    tools::print("this parser", &Tally { applied, wrong }, applicable);
    let cases: Vec<&Case> = came.iter().map(|(case, ..)| *case).collect();
    for (name, tally) in tools::tallies(&cases) {
        match tally {
            Some(tally) => tools::print(name, &tally, applicable),
            None => println!("{name:<28} is not on this machine"),
        }
    }
    (applied, wrong, applicable)
}
