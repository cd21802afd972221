//! What providers are asked for is what is understood.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use autores_domain::{CodePath, TechniqueUse};
use autores_ideators::reply::ideas::{Draft, Vocabulary, parse, plain_schema, resolve, schema};
use autores_templates::catalogue::Catalogue;
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let muon = "name: muon\ntitle: Muon optimizer\ncategory: optimizer\nhypothesis: Orthogonal updates.\nsource: Jordan 2024\nknobs:\n  - {name: rate, default: 0.02, values: [1e-3, 0.02, 0.050]}\n  - {name: nesterov, default: True, values: [True, False]}\nedits:\n  - path: optimizer.py\n    find: a\n    replace: '{{rate}} {{nesterov}}'\n";
    let tie = "name: tie\ntitle: Tied embeddings\ncategory: architecture\nhypothesis: Fewer parameters.\nsource: Press 2016\nedits:\n  - path: model.py\n    find: a\n    replace: b\n";
    let cosine = "name: cosine-decay\ntitle: Cosine decay\ncategory: schedule\nhypothesis: Anneal.\nsource: Loshchilov 2016\nknobs:\n  - {name: floor, default: 0, values: [0, 0.1]}\nedits:\n  - path: train.py\n    find: a\n    replace: '{{floor}}'\n";
    let files = [("muon.yaml", muon), ("tie.yaml", tie), ("cosine-decay.yaml", cosine)];
    let paths: Vec<(CodePath, &str)> =
        files.iter().map(|(path, text)| (path.parse().unwrap(), *text)).collect();
    Catalogue::load(paths.iter().map(|(path, text)| (path, *text))).unwrap()
});

fn vocabulary() -> Vocabulary<'static> {
    Vocabulary::Techniques(CATALOGUE.iter().collect())
}

/// A value that the schema describes; `choices` decides wherever there is a choice.
fn write(schema: &Value, choices: &mut impl FnMut(usize) -> usize) -> Value {
    if let Some(alternatives) = schema["anyOf"].as_array() {
        return write(&alternatives[choices(alternatives.len())], choices);
    }
    if let Some(values) = schema["enum"].as_array() {
        return values[choices(values.len())].clone();
    }
    match schema["type"].as_str().unwrap() {
        "string" => {
            const TEXTS: [&str; 5] = [
                "Raise the rate to 3e-3",
                "say \"so\", or {not}: [it]",
                "two\nlines \\ and a tab\there",
                "über 你好 🚀 [End] ```",
                "plain words in a row",
            ];
            json!(TEXTS[choices(TEXTS.len())])
        }
        "array" => {
            let least = schema["minItems"].as_u64().unwrap_or(0);
            let most = schema["maxItems"].as_u64().unwrap_or(least + 3);
            let count = least + choices((most - least + 1) as usize) as u64;
            (0..count).map(|_| write(&schema["items"], choices)).collect()
        }
        "object" => {
            let properties = schema["properties"].as_object().unwrap();
            let written = properties.iter().map(|(name, of)| (name.clone(), write(of, choices)));
            Value::Object(written.collect())
        }
        other => panic!("the schema describes a {other}"),
    }
}

fn wanted(idea: &Value) -> Vec<TechniqueUse> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let uses = idea["techniques"].as_array().map(Vec::as_slice).unwrap_or_default();
    uses.iter()
        .map(|used| TechniqueUse {
            technique: text(&used["technique"]),
            knobs: match &used["knobs"] {
                Value::Object(knobs) => {
                    knobs.iter().map(|(knob, value)| (knob.clone(), text(value))).collect()
                }
                Value::Array(knobs) => {
                    knobs.iter().map(|knob| (text(&knob["knob"]), text(&knob["value"]))).collect()
                }
                _ => BTreeMap::new(),
            },
        })
        .collect()
}

proptest! {
    #[test]
    fn what_a_schema_describes_is_read_back(choices in prop::collection::vec(any::<usize>(), 1..200), count in 1..6_u32, form in 0..4_u32, pretty: bool) {
        let schema = match form {
            0 => schema(&Vocabulary::Words, count),
            1 => schema(&vocabulary(), count),
            2 => plain_schema(&Vocabulary::Words),
            _ => plain_schema(&vocabulary()),
        };
        let mut drawn = choices.iter().cycle();
        let value = write(&schema, &mut |among| drawn.next().map_or(0, |choice| choice % among));
        let reply = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let mut ideas: Vec<&Value> = value["ideas"].as_array().unwrap().iter().collect();
        let mut seen = Vec::new();
        // The order in which knobs are listed makes no other idea.
        ideas.retain(|idea| {
            let texts = ["title", "hypothesis", "plan", "sources"].map(|key| idea[key].clone());
            let new = !seen.contains(&(texts.clone(), wanted(idea)));
            seen.push((texts, wanted(idea)));
            new
        });
        let drafts = parse(&reply).unwrap_or_default();
        prop_assert_eq!(drafts.len(), ideas.len(), "{}", reply);
        for (draft, idea) in drafts.iter().zip(ideas) {
            prop_assert_eq!(&draft.techniques, &wanted(idea));
            prop_assert!(!draft.title.is_empty() && !draft.plan.is_empty());
            if form == 1 {
                let resolved = resolve(draft.clone(), &CATALOGUE);
                prop_assert!(resolved.is_ok(), "{:?}: {}", resolved, reply);
            }
        }
    }
}

fn check_strict(schema: &Value, alternatives: bool, counts: bool) {
    let known =
        ["type", "properties", "required", "additionalProperties", "items", "enum", "minItems"];
    if let Some(object) = schema.as_object() {
        for key in object.keys() {
            let allowed = known.contains(&key.as_str())
                || (alternatives && key == "anyOf")
                || (counts && key == "maxItems");
            assert!(allowed, "{key} is not understood everywhere");
        }
    }
    if !counts {
        assert!(schema["minItems"].as_u64().unwrap_or(0) <= 1);
    }
    if let Some(properties) = schema["properties"].as_object() {
        assert!(!properties.is_empty(), "an object without properties is refused by some");
        let required: Vec<&str> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        assert_eq!(required, properties.keys().collect::<Vec<_>>());
        assert_eq!(schema["additionalProperties"], json!(false));
        properties.values().for_each(|property| check_strict(property, alternatives, counts));
    }
    for part in
        [&schema["items"]].into_iter().chain(schema["anyOf"].as_array().into_iter().flatten())
    {
        if !part.is_null() {
            check_strict(part, alternatives, counts);
        }
    }
}

#[test]
fn schemas_use_only_what_every_provider_takes() {
    for vocabulary in [Vocabulary::Words, vocabulary()] {
        check_strict(&schema(&vocabulary, 4), true, true);
        check_strict(&plain_schema(&vocabulary), false, false);
        assert_eq!(schema(&vocabulary, 4)["properties"]["ideas"]["maxItems"], json!(4));
    }
}

#[test]
fn an_idea_is_made_of_at_most_as_many_techniques_as_the_prompt_says() {
    let ideas = &schema(&vocabulary(), 4)["properties"]["ideas"];
    let techniques = &ideas["items"]["properties"]["techniques"];
    assert_eq!((&techniques["minItems"], &techniques["maxItems"]), (&json!(1), &json!(3)));
}

#[test]
fn a_model_names_the_technique_before_its_knobs_and_the_reason_before_the_plan() {
    let text = schema(&vocabulary(), 2).to_string();
    let at = |name: &str| text.find(&format!("\"{name}\":{{")).unwrap();
    assert!(at("title") < at("hypothesis") && at("hypothesis") < at("techniques"));
    assert!(at("techniques") < at("plan") && at("technique") < at("knobs"));
}

fn draft(technique: &str, knobs: &[(&str, &str)]) -> Draft {
    let knobs = knobs.iter().map(|(knob, value)| ((*knob).into(), (*value).into())).collect();
    let techniques = vec![TechniqueUse { technique: technique.into(), knobs }];
    Draft { title: "An idea".into(), techniques, ..Draft::default() }
}

#[test]
fn techniques_get_the_catalogues_spelling_and_defaults() {
    let resolved = resolve(draft("Muon", &[("Rate", "0.001")]), &CATALOGUE).unwrap();
    let knobs: Vec<_> = resolved.techniques[0].knobs.iter().collect();
    assert_eq!(resolved.techniques[0].technique, "muon");
    assert_eq!(format!("{knobs:?}"), r#"[("nesterov", "True"), ("rate", "1e-3")]"#);
    assert_eq!(resolved.hypothesis, "Orthogonal updates.");
    assert_eq!(
        resolved.plan,
        "Apply to the base code: Muon optimizer [muon(nesterov=True, rate=1e-3)]."
    );
    assert_eq!(resolved.sources, ["Jordan 2024"]);
    let resolved = resolve(draft("cosine_decay", &[("floor", "0.10")]), &CATALOGUE).unwrap();
    assert_eq!(resolved.techniques[0].knobs["floor"], "0.1");
    let resolved = resolve(draft("muon", &[("nesterov", "false"), ("rate", "0.05")]), &CATALOGUE);
    let knobs = resolved.unwrap().techniques[0].knobs.clone();
    assert_eq!((knobs["nesterov"].as_str(), knobs["rate"].as_str()), ("False", "0.050"));
}

#[test]
fn what_the_catalogue_does_not_have_is_refused_with_the_nearest_it_has() {
    let refused = |technique, knobs| resolve(draft(technique, knobs), &CATALOGUE).unwrap_err();
    assert_eq!(
        refused("moun", &[]).to_string(),
        "the catalogue has no technique \"moun\" (did you mean muon?); use only its names"
    );
    assert_eq!(
        refused("speculative", &[]).to_string(),
        "the catalogue has no technique \"speculative\"; use only its names"
    );
    assert_eq!(
        refused("muon", &[("rates", "0.02")]).to_string(),
        "technique muon has no knob \"rates\" (did you mean rate?); it has rate, nesterov"
    );
    assert_eq!(
        refused("tie", &[("rate", "0.02")]).to_string(),
        "technique tie has no knob \"rate\"; it has none"
    );
    assert_eq!(
        refused("muon", &[("rate", "0.03")]).to_string(),
        "\"0.03\" is not a value of knob rate of muon (did you mean 0.02?); it has 1e-3, 0.02, 0.050"
    );
}

#[test]
fn of_a_technique_that_is_used_twice_the_first_use_counts_unless_it_says_only_the_defaults() {
    let rate = |uses: &[&[(&str, &str)]]| {
        let techniques = uses.iter().flat_map(|knobs| draft("muon", knobs).techniques).collect();
        let resolved = resolve(Draft { techniques, ..draft("muon", &[]) }, &CATALOGUE).unwrap();
        assert_eq!(resolved.techniques.len(), 1);
        resolved.techniques[0].knobs["rate"].clone()
    };
    assert_eq!(rate(&[&[], &[("rate", "1e-3")]]), "1e-3");
    assert_eq!(rate(&[&[("rate", "1e-3")], &[]]), "1e-3");
    assert_eq!(rate(&[&[("rate", "0.050")], &[("rate", "1e-3")]]), "0.050");
    assert_eq!(rate(&[&[("rate", "0.001")], &[("rate", "1e-3")]]), "1e-3");
}

#[test]
fn an_idea_of_techniques_is_called_after_them() {
    let mut idea = draft("tie", &[]);
    idea.techniques.extend(draft("Muon", &[("rate", "0.001")]).techniques);
    let echo = Draft { title: "at most ten words".into(), hypothesis: "It helps.".into(), ..idea };
    let resolved = resolve(echo, &CATALOGUE).unwrap();
    assert_eq!(resolved.title, "muon(nesterov=True, rate=1e-3) + tie");
    assert_eq!(resolved.hypothesis, "It helps.");
}

#[test]
fn ideas_in_words_need_no_catalogue() {
    let words = Draft { title: "A".into(), plan: "Do this.".into(), ..Draft::default() };
    assert_eq!(resolve(words.clone(), &CATALOGUE), Ok(words));
}
