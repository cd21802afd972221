//! Which models a run asks: from the command line, else from the settings, else the first provider that is set up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use autores_domain::{
    Budget, Choice, LlmConfig, ModelName, Role, RunId, Selection, Vocabulary, WeightedModel,
};
use autores_templates::settings::Settings;

use crate::arguments::{
    BudgetOptions, ChoiceOption, IdeasOption, IdeatorOption, ModelOptions, SelectOption,
};
use crate::exit::{Failure, OrExit};
use crate::home::Home;

/// What is said where no model is set up.
pub(crate) const REMEDY: &str = "set ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY, or the base URL of a server \
     (OPENAI_BASE_URL, VLLM_BASE_URL, LLAMACPP_BASE_URL, OLLAMA_BASE_URL), or name a model with --model PROVIDER/NAME";

/// The value of an environment variable.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The file with the user's settings, if there is one.
pub(crate) fn settings_file(home: &Home, given: Option<&Path>) -> Option<PathBuf> {
    let usual = home.path().join("settings.yaml");
    given.map(Path::to_owned).or_else(|| usual.is_file().then_some(usual))
}

/// The settings, with the user's laid over the built-in ones.
pub(crate) fn settings(file: Option<&Path>) -> Result<Settings, Failure> {
    Settings::load(file).or_usage()
}

/// Remembers where the user's settings are, so that a run is resumed with the file that it began with.
pub(crate) fn keep_settings(home: &Home, run: &RunId, file: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let kept = kept_settings(home, run);
    // Paths in the file are relative to it, so it is found again where it was.
    let path = std::path::absolute(file)?;
    let folder = kept.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&kept, path.as_os_str().as_encoded_bytes()))
        .with_context(|| format!("cannot write {}", kept.display()))
        .or_environment()
}

/// The settings file that a run began with, if it had one.
pub(crate) fn settings_of(home: &Home, run: &RunId) -> Option<PathBuf> {
    let path = std::fs::read_to_string(kept_settings(home, run)).ok()?;
    Some(PathBuf::from(path))
}

fn kept_settings(home: &Home, run: &RunId) -> PathBuf {
    home.runs().join(run.as_str()).join("settings-file")
}

/// The models of a run; `None` if ideas come from the catalogue.
pub(crate) fn choose(
    ideator: IdeatorOption,
    options: &ModelOptions,
    settings: &Settings,
    has_catalogue: bool,
) -> Result<Option<LlmConfig>, Failure> {
    let given = given_roles(options)?;
    match ideator {
        IdeatorOption::Catalogue if given.is_empty() => return Ok(None),
        IdeatorOption::Catalogue => {
            return Err(anyhow!(
                "--ideator catalogue asks no model; leave the model out, or take --ideator llm"
            ))
            .or_usage();
        }
        IdeatorOption::Auto | IdeatorOption::Llm => {}
    }
    let roles = roles(given, settings);
    if roles.is_empty() {
        return match ideator {
            IdeatorOption::Auto | IdeatorOption::Catalogue if has_catalogue => Ok(None),
            IdeatorOption::Auto | IdeatorOption::Llm | IdeatorOption::Catalogue => {
                Err(anyhow!("no language model is set up; {REMEDY}")).or_environment()
            }
        };
    }
    let vocabulary = match options.ideas {
        IdeasOption::Free => Vocabulary::Free,
        IdeasOption::Catalogue if has_catalogue => Vocabulary::Catalogue,
        IdeasOption::Catalogue => {
            return Err(anyhow!(
                "--ideas catalogue needs a problem with a catalogue, which this one has not"
            ))
            .or_usage();
        }
    };
    let embedding = options.embedding_model.as_deref().map(str::parse).transpose().or_usage()?;
    Ok(Some(LlmConfig {
        roles,
        choice: match options.ideator_choice {
            ChoiceOption::Weights => Choice::Weights,
            ChoiceOption::Bandit => Choice::Bandit,
        },
        vocabulary,
        candidates: options.candidates,
        revisions: options.revisions,
        select: match options.select {
            SelectOption::First => Selection::First,
            SelectOption::Surprisal => Selection::Surprisal,
            SelectOption::Smallest => Selection::Smallest,
            SelectOption::Judge => Selection::Judge,
        },
        embedding: embedding.or_else(|| settings.embedding.clone()),
        keeps_transcripts: !options.no_transcripts,
        replay: None,
    }))
}

/// The models that a run with no model named would ask, one of each.
pub(crate) fn usual(settings: &Settings) -> Vec<ModelName> {
    let mut models: Vec<ModelName> = roles(BTreeMap::new(), settings)
        .into_values()
        .flatten()
        .map(|weighted| weighted.model)
        .collect();
    models.sort();
    models.dedup();
    models
}

/// What is given counts before the settings, and a role of its own before all roles.
fn roles(
    given: BTreeMap<Option<Role>, Vec<WeightedModel>>,
    settings: &Settings,
) -> BTreeMap<Role, Vec<WeightedModel>> {
    let all = given.get(&None);
    let default = || {
        let model = settings.default_model(&environment)?;
        Some(vec![WeightedModel { model, weight: 1.0 }])
    };
    let of = |role: Role| {
        given
            .get(&Some(role))
            .or(all)
            .or_else(|| settings.roles.get(&role))
            .or_else(|| settings.roles.get(&Role::Ideator))
            .or_else(|| given.get(&Some(Role::Ideator)))
            .cloned()
            .or_else(default)
    };
    Role::ALL.into_iter().filter_map(|role| Some((role, of(role)?))).collect()
}

fn given_roles(
    options: &ModelOptions,
) -> Result<BTreeMap<Option<Role>, Vec<WeightedModel>>, Failure> {
    let lists = [
        (None, &options.model),
        (Some(Role::Ideator), &options.ideator_model),
        (Some(Role::Implementer), &options.implementer_model),
        (Some(Role::Judge), &options.judge_model),
        (Some(Role::Repairer), &options.repairer_model),
    ];
    let mut given = BTreeMap::new();
    for (role, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        let models = list.iter().map(|text| weighted(text)).collect::<Result<Vec<_>, _>>()?;
        given.insert(role, models);
    }
    Ok(given)
}

/// `openai/gpt-5` or `openai/gpt-5=2`.
fn weighted(text: &str) -> Result<WeightedModel, Failure> {
    let (name, weight) = match text.rsplit_once('=') {
        Some((name, weight)) => (name, weight.parse::<f64>().ok()),
        None => (text, Some(1.0)),
    };
    let weight = weight
        .filter(|weight| weight.is_finite() && *weight > 0.0)
        .ok_or_else(|| anyhow!("{text:?} has no weight above 0 after the '='"))
        .or_usage()?;
    Ok(WeightedModel { model: name.parse().or_usage()?, weight })
}

/// The budget, with what is given in place of what was there.
pub(crate) fn budget(before: Budget, options: &BudgetOptions) -> Budget {
    Budget {
        usd: options.budget_usd.or(before.usd),
        tokens: options.budget_tokens.or(before.tokens),
        accelerator_hours: options.budget_gpu_hours.or(before.accelerator_hours),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: &str) -> WeightedModel {
        weighted(text).unwrap()
    }

    #[test]
    fn a_weight_follows_the_name() {
        assert_eq!(model("openai/gpt-5=2.5").weight, 2.5);
        assert_eq!(model("openrouter/deepseek/r1").model.name(), "deepseek/r1");
        for text in ["gpt-5", "openai/gpt-5=", "openai/gpt-5=0", "openai/gpt-5=-1"] {
            assert!(weighted(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn a_role_takes_its_own_model_then_that_of_all_then_the_settings() {
        let settings = Settings {
            roles: [(Role::Ideator, vec![model("a/set")]), (Role::Judge, vec![model("a/judge")])]
                .into(),
            ..Settings::default()
        };
        let name = |given: &[(Option<Role>, &str)], role: Role| {
            let given = given.iter().map(|(role, text)| (*role, vec![model(text)])).collect();
            roles(given, &settings)[&role][0].model.to_string()
        };
        assert_eq!(name(&[], Role::Repairer), "a/set");
        assert_eq!(name(&[], Role::Judge), "a/judge");
        assert_eq!(name(&[(None, "b/all")], Role::Judge), "b/all");
        let given = [(None, "b/all"), (Some(Role::Judge), "c/own")];
        assert_eq!(name(&given, Role::Judge), "c/own");
        assert_eq!(name(&given, Role::Ideator), "b/all");
    }
}
