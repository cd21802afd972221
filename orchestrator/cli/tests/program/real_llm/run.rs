//! A whole run whose ideas are a real model's: too weak for code, so they are made of the catalogue's techniques.

use std::collections::BTreeSet;

use autores_domain::{CallKey, Purpose, Role, Status, Transcripts};
use autores_results::TranscriptFolder;
use autores_templates::problems;
use serde_json::Value;

use super::{NAME, real_llm};
use crate::invariants::check_no_orphans;
use crate::support::{bench, text};

/// So small a model rambles: a reply that is not done by then will not be.
const SETTINGS: &str = "models:\n  llamacpp/smollm2: {max_output: 320, temperature: 0.7}\n";

#[test]
fn a_real_models_ideas_are_measured_with_real_training() {
    let Some(server) = real_llm() else { return };
    let bench = bench();
    let settings = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(settings.path(), SETTINGS).unwrap();
    let model = format!("llamacpp/{NAME}");
    let arguments = [
        "run",
        "--problem",
        "pretrain",
        "--name",
        "small-model",
        "--scale",
        "cpu",
        "--ideator",
        "llm",
        "--model",
        &model,
        "--ideas",
        "catalogue",
        "--epochs",
        "1",
        "--batch",
        "3",
        "--slots",
        "2",
        "--finalists",
        "0",
    ];
    let output = bench
        .command(&arguments)
        .env("LLAMACPP_BASE_URL", server.base_url)
        .env("AUTORES_SETTINGS", settings.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    check_no_orphans(bench, "small-model");

    // The ideas are the model's, and of the catalogue.
    let run = bench.replay("small-model");
    assert!(matches!(run.status, Status::Finished(_)), "{:?}", run.status);
    let catalogue = problems::find("pretrain").unwrap().catalogue;
    let ideas: Vec<_> = run.ideas.iter().skip(1).collect();
    assert!(!ideas.is_empty(), "{}", text(&output));
    for record in &ideas {
        assert_eq!(record.idea.origin, model);
        assert!(!record.idea.title.is_empty() && !record.idea.techniques.is_empty());
        for used in &record.idea.techniques {
            let technique = catalogue.get(&used.technique).unwrap();
            for knob in &technique.knobs {
                assert!(knob.values.contains(&used.knobs[&knob.name]), "{used:?}");
            }
        }
    }
    let measured = ideas.iter().filter(|r| !run.rewards(&r.idea.id, Purpose::Screen).is_empty());
    assert!(measured.count() > 0, "{}", text(&output));

    // Every call is kept, and what was kept is what was counted.
    let spent = run.spent();
    assert!(spent.calls >= 3 && spent.tokens.input > 0 && spent.tokens.output > 0, "{spent:?}");
    assert!(spent.tokens.cached > 0, "{spent:?}");
    let folder = TranscriptFolder::of(&bench.home, &run.id);
    let keys: BTreeSet<CallKey> = folder.keys().unwrap().into_iter().collect();
    for call in bench.log("small-model").iter().flat_map(|recorded| recorded.event.calls()) {
        assert!(keys.contains(&call.key), "{} was counted and not kept", call.key);
    }
    let briefs = keys.iter().filter(|key| key.as_str().starts_with('b')).count();
    assert!(briefs >= run.briefs.len(), "{keys:?}");
    assert!(run.spent.keys().any(|(role, _)| *role == Role::Ideator));

    let shown = bench.autores(&["show", "small-model", "--json"]);
    let report: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(report["models"]["calls"], spent.calls);
    assert_eq!(report["models"]["tokens"]["output"], spent.tokens.output);
}
