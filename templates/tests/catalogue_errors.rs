//! What the author of a technique reads when its file is wrong, and what a good one gives.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use autores_domain::{CodePath, Edit};
use autores_templates::catalogue::Catalogue;

const GOOD: &str = r#"name: muon
title: Muon
category: optimizer
hypothesis: Orthogonal updates.
source: Jordan 2024
knobs:
  - {name: rate, default: 0.020, values: [1e-3, 0.020, True]}
edits:
  - path: optimizer.py
    find: "lr = 1"
    replace: "lr = {{rate}}  # {'a': \"<&>\", 'b': {}}"
  - path: modules/muon.py
    write: |
      RATE = {{rate}}
"#;

fn load(text: &str) -> Result<Catalogue, String> {
    let path: CodePath = "muon.yaml".parse().unwrap();
    Catalogue::load([(&path, text)]).map_err(|error| error.to_string())
}

fn knobs(value: &str) -> BTreeMap<String, String> {
    [("rate".to_owned(), value.to_owned())].into()
}

#[test]
fn values_stand_in_the_code_as_they_are_written() {
    let catalogue = load(GOOD).unwrap();
    let technique = catalogue.get("muon").unwrap();
    assert_eq!(technique.knobs[0].values, ["1e-3", "0.020", "True"]);
    let text = |edit: &Edit| match edit {
        Edit::Replace { replace, .. } => replace.clone(),
        Edit::Write { content, .. } => content.clone(),
        Edit::Delete { .. } => String::new(),
    };
    let edits = technique.edits(&BTreeMap::new()).unwrap();
    assert_eq!(text(&edits[0]), "lr = 0.020  # {'a': \"<&>\", 'b': {}}");
    assert_eq!(text(&technique.edits(&knobs("1e-3")).unwrap()[1]), "RATE = 1e-3\n");
    let error = technique.edits(&knobs("7")).unwrap_err().to_string();
    assert_eq!(error, "\"7\" is not a value of knob rate; expected one of 1e-3, 0.020, True");
    let other = [("size".to_owned(), "7".to_owned())].into();
    assert_eq!(
        technique.edits(&other).unwrap_err().to_string(),
        "there is no knob \"size\"; it has rate"
    );
}

#[test]
fn each_mistake_is_named_with_its_place() {
    let cases = [
        ("name: muon", "name: moun"),
        ("hypothesis:", "hypotesis:"),
        ("RATE = {{rate}}", "RATE = {{rat}}"),
        ("RATE = {{rate}}", "RATE = {{rate"),
        ("default: 0.020", "default: 0.02"),
        ("{name: rate, ", "{name: my-rate, "),
        ("knobs:", "knobs:\n  - {name: width, default: 1, values: [1]}"),
        ("knobs:", "knobs:\n  - {name: rate, default: 1, values: [1]}"),
        ("find: \"lr = 1\"", "find: \"\""),
        ("    find: \"lr = 1\"\n", ""),
        ("path: modules/muon.py", "path: ../muon.py"),
        ("    write: |", "    find: x\n    write: |"),
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|(from, to)| {
            assert!(GOOD.contains(from), "{from:?} is not in the good file");
            let error = load(&GOOD.replace(from, to)).err().unwrap_or_else(|| "accepted".into());
            format!("{from:?} -> {to:?}\n    {error}")
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn two_files_of_one_technique_are_refused() {
    let paths: [CodePath; 2] = ["muon.yaml".parse().unwrap(), "old/muon.yaml".parse().unwrap()];
    let error = Catalogue::load(paths.iter().map(|path| (path, GOOD))).unwrap_err();
    assert_eq!(error.to_string(), "old/muon.yaml: a second technique is named \"muon\"");
}
