//! Settings for models: the built-in ones, a user's on top of them, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;

use autores_domain::{Role, Tokens};
use autores_templates::settings::{Api, Settings};

fn load(text: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("models.yaml");
    fs::write(&path, text).unwrap();
    Settings::load(Some(&path))
        .map_err(|error| error.to_string().replace(&folder.path().display().to_string(), "DIR"))
}

fn default_model(settings: &Settings, variables: &[(&str, &str)]) -> Option<String> {
    let environment = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    settings.default_model(&environment).map(|model| model.to_string())
}

#[test]
fn the_usual_providers_are_built_in() {
    let settings = Settings::built_in().unwrap();
    let names: Vec<&str> = settings.providers.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "anthropic",
            "deepseek",
            "gemini",
            "llamacpp",
            "ollama",
            "openai",
            "openai-responses",
            "openrouter",
            "together",
            "vllm"
        ]
    );
    let openai = &settings.providers["openai"];
    assert_eq!(openai.api, Api::OpenaiChat);
    assert_eq!(openai.base_url_variable.as_deref(), Some("OPENAI_BASE_URL"));
    assert_eq!(openai.key_variable.as_deref(), Some("OPENAI_API_KEY"));
    assert_eq!(settings.providers["openai-responses"].api, Api::OpenaiResponses);
    assert!(openai.needs_key && !settings.providers["llamacpp"].needs_key);
    assert!(settings.roles.is_empty() && settings.embedding.is_none());
    assert_eq!(Settings::load(None).unwrap(), settings);
}

#[test]
fn every_default_model_of_the_paid_providers_has_a_window_and_most_a_price() {
    let settings = Settings::built_in().unwrap();
    for name in ["anthropic", "openai", "gemini", "deepseek"] {
        let model = settings.providers[name].default_model.as_ref().unwrap();
        let known = &settings.models[&format!("{name}/{model}").parse().unwrap()];
        assert!(known.context.is_some() && known.price.is_some(), "{name}/{model}");
    }
    for (name, model) in &settings.models {
        let price = model.price.unwrap();
        assert!(price.cached_input < price.input && price.input < price.output, "{name}");
        assert!(model.max_output <= model.context, "{name}");
    }
}

#[test]
fn a_price_is_for_a_million_tokens_and_cached_ones_are_cheaper() {
    let settings = Settings::built_in().unwrap();
    let price = settings.models[&"openai/gpt-5".parse().unwrap()].price.unwrap();
    let usd = price.of(Tokens { input: 1_000_000, cached: 600_000, output: 100_000 });
    assert!((usd - (0.4 * 1.25 + 0.6 * 0.125 + 0.1 * 10.0)).abs() < 1e-12, "{usd}");
}

#[test]
fn a_users_file_changes_what_it_names_and_keeps_the_rest() {
    let settings = load(
        "providers:\n  openai: {concurrency: 2, tokens_per_minute: 30000}\n  lab: {base_url: \"http://gpu7:8000/v1/\", key_file: keys/lab}\n\
         models:\n  openai/gpt-5: {effort: low, price: {output: 9}}\n  lab/qwen: {context: 32768}\n\
         roles:\n  ideator: openai/gpt-5\n  implementer: [{model: lab/qwen, weight: 3}, {model: openai/gpt-5}]\n\
         embedding: lab/embed\n",
    )
    .unwrap();
    let built_in = Settings::built_in().unwrap();

    let openai = &settings.providers["openai"];
    assert_eq!((openai.concurrency, openai.tokens_per_minute), (2, Some(30_000)));
    assert_eq!(openai.base_url, built_in.providers["openai"].base_url);
    assert!(openai.needs_key);

    let lab = &settings.providers["lab"];
    assert_eq!(
        (lab.api, lab.base_url.as_str(), lab.needs_key),
        (Api::OpenaiChat, "http://gpu7:8000/v1", false)
    );
    assert!(lab.key_file.as_ref().unwrap().ends_with("keys/lab"));
    assert!(
        lab.key_file.as_ref().unwrap().is_absolute(),
        "relative to the file, not to where one is"
    );

    let gpt = &settings.models[&"openai/gpt-5".parse().unwrap()];
    let price = gpt.price.unwrap();
    assert_eq!((price.input, price.cached_input, price.output), (1.25, 0.125, 9.0));
    assert_eq!((gpt.effort.as_deref(), gpt.context), (Some("low"), Some(400_000)));

    assert_eq!(settings.roles[&Role::Ideator][0].weight, 1.0);
    let weights: Vec<(String, f64)> = settings.roles[&Role::Implementer]
        .iter()
        .map(|one| (one.model.to_string(), one.weight))
        .collect();
    assert_eq!(weights, [("lab/qwen".to_owned(), 3.0), ("openai/gpt-5".to_owned(), 1.0)]);
    assert_eq!(settings.embedding.unwrap().to_string(), "lab/embed");
}

#[test]
fn without_a_price_for_cached_tokens_they_cost_as_much_as_others() {
    let settings = load("models: {openai/new: {price: {input: 3, output: 4}}}").unwrap();
    assert_eq!(settings.models[&"openai/new".parse().unwrap()].price.unwrap().cached_input, 3.0);
}

#[test]
fn the_first_provider_that_is_set_up_gives_the_default_model() {
    let settings = Settings::built_in().unwrap();
    type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);
    let cases: [Case<'_>; 6] = [
        (&[], None),
        (
            &[("OPENAI_API_KEY", "k"), ("ANTHROPIC_API_KEY", "k")],
            Some("anthropic/claude-sonnet-4-5"),
        ),
        (&[("OPENAI_API_KEY", "k"), ("ANTHROPIC_API_KEY", " ")], Some("openai/gpt-5")),
        (&[("OPENAI_BASE_URL", "http://localhost:1/v1")], Some("openai/gpt-5")),
        (
            &[("LLAMACPP_BASE_URL", "http://x/v1"), ("DEEPSEEK_API_KEY", "k")],
            Some("deepseek/deepseek-chat"),
        ),
        (
            &[("LLAMACPP_BASE_URL", "http://x/v1"), ("VLLM_BASE_URL", "http://y/v1")],
            Some("llamacpp/default"),
        ),
    ];
    for (variables, expected) in cases {
        assert_eq!(default_model(&settings, variables).as_deref(), expected, "{variables:?}");
    }
    let own =
        load("providers: {lab: {base_url: \"http://gpu7/v1\", default_model: qwen}}").unwrap();
    assert_eq!(default_model(&own, &[]).as_deref(), Some("lab/qwen"));
    assert_eq!(
        default_model(&own, &[("GEMINI_API_KEY", "k")]).as_deref(),
        Some("gemini/gemini-2.5-pro")
    );
}

#[test]
fn a_server_without_a_key_is_set_up_by_what_the_users_file_says_of_it() {
    let cases = [
        (
            "providers: {vllm: {base_url: \"http://gpu7/v1\", default_model: qwen}}",
            Some("vllm/qwen"),
        ),
        ("providers: {ollama: {default_model: qwen3}}", Some("ollama/qwen3")),
        ("providers: {llamacpp: {base_url: \"http://gpu7/v1\"}}", Some("llamacpp/default")),
        ("providers: {llamacpp: {concurrency: 1}}", None),
        ("providers: {ollama: {base_url: \"http://gpu7/v1\"}}", None),
        ("providers: {openai: {base_url: \"http://gpu7/v1\", default_model: gpt-5-mini}}", None),
    ];
    for (text, expected) in cases {
        assert_eq!(default_model(&load(text).unwrap(), &[]).as_deref(), expected, "{text}");
    }
}

#[test]
fn each_mistake_is_named_with_its_place_and_the_remedy() {
    let cases = [
        "provider: {}",
        "providers:\n  openai:\n    concurency: 3\n",
        "providers:\n  openai:\n    api_key: sk-very-secret\n",
        "providers:\n  openai:\n    key_variable: sk-very-secret\n",
        "providers:\n  openai:\n    api: openai-response\n",
        "providers:\n  openai:\n    concurrency: 0\n",
        "providers:\n  openai:\n    concurrency: many\n",
        "providers:\n  opnai: {concurrency: 3}\n",
        "providers:\n  my lab: {base_url: \"http://x\"}\n",
        "providers:\n  lab: {base_url: \"gpu7:8000\"}\n",
        "providers:\n  lab: {base_url: \"http://x\", key_file: ~/key}\n",
        "models:\n  gpt-5: {context: 3}\n",
        "models:\n  opnai/gpt-5: {context: 3}\n",
        "models:\n  openai/new: {price: {input: 3}}\n",
        "models:\n  openai/new: {price: {input: 3, output: -1}}\n",
        "models:\n  openai/gpt-5: {temperature: 3}\n",
        "models:\n  openai/gpt-5: {effort: hihg}\n",
        "roles:\n  ideater: openai/gpt-5\n",
        "roles:\n  ideator: gemin/gemini-2.5-pro\n",
        "roles:\n  ideator: []\n",
        "roles:\n  ideator: [{model: openai/gpt-5, weight: 0}]\n",
        "roles:\n  ideator: [{modle: openai/gpt-5}]\n",
        "roles:\n  ideator: {model: openai/gpt-5}\n",
        "embedding: nowhere\n",
        "providers: [openai]",
        "providers: {openai: {}, openai: {}}",
        "providers: {",
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|text| {
            let said = load(text).map_or_else(|error| error, |_| "accepted".to_owned());
            assert!(!said.contains("very-secret"), "a key is repeated: {said}");
            format!("{text:?}\n    {said}")
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
    let missing = Settings::load(Some("no/such.yaml".as_ref())).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read the settings no/such.yaml: "), "{missing}");
}

#[test]
fn an_empty_file_changes_nothing() {
    for text in ["", "# nothing\n", "providers:\nmodels:\nroles:\n"] {
        assert_eq!(load(text).unwrap(), Settings::built_in().unwrap(), "{text:?}");
    }
}
