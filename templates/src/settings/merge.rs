//! Lays a settings file over what is known already, key by key, and refuses what makes no sense.

use std::path::Path;

use autores_domain::{ModelName, WeightedModel};
use serde_saphyr::Spanned;

use super::file::{ApiFile, ModelFile, ModelsFile, PriceFile, ProviderFile, SettingsFile};
use super::{Api, Model, Price, Provider, Settings};
use crate::YamlError;
use crate::nearest::hint;

/// `folder` is where the file is, for paths in it.
pub(super) fn merge(
    mut settings: Settings,
    name: &str,
    folder: &Path,
    file: SettingsFile,
) -> Result<Settings, YamlError> {
    let at = File { name, folder };
    for (provider, entry) in file.providers.into_iter().flat_map(|entries| entries.0) {
        if entry.base_url.is_some() || entry.default_model.is_some() {
            settings.given.insert(provider.value.clone());
        }
        let known = settings.providers.remove(&provider.value);
        let merged = at.provider(&provider, known, entry)?;
        settings.providers.insert(provider.value, merged);
    }
    for (model, entry) in file.models.into_iter().flat_map(|entries| entries.0) {
        let model = at.model_name(&settings, &model, &model.value)?;
        let known = settings.models.remove(&model).unwrap_or_default();
        let merged = at.model(known, entry)?;
        settings.models.insert(model, merged);
    }
    for (role, models) in file.roles.unwrap_or_default() {
        let models = at.weighted(&settings, &models)?;
        settings.roles.insert(role, models);
    }
    if let Some(model) = &file.embedding {
        settings.embedding = Some(at.model_name(&settings, model, &model.value)?);
    }
    Ok(settings)
}

struct File<'a> {
    name: &'a str,
    folder: &'a Path,
}

impl File<'_> {
    fn provider(
        &self,
        name: &Spanned<String>,
        known: Option<Provider>,
        entry: ProviderFile,
    ) -> Result<Provider, YamlError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.value.is_empty() || !name.value.chars().all(plain) {
            let why = format!(
                "{:?} is not a provider's name; expected letters, digits, '-', '_' and '.'",
                name.value
            );
            return Err(self.wrong(name, why));
        }
        let base_url = match (&entry.base_url, &known) {
            (Some(url), _) => Some(self.url(url)?),
            (None, Some(known)) => Some(known.base_url.clone()),
            (None, None) => None,
        };
        let Some(base_url) = base_url else {
            let near = hint(&name.value, super::ORDER);
            let why = format!("provider {} is new, so it needs a base_url{near}", name.value);
            return Err(self.wrong(name, why));
        };
        let was = known.unwrap_or_else(|| usual(base_url.clone()));
        Ok(Provider {
            api: entry.api.map_or(was.api, Api::from),
            base_url,
            base_url_variable: self.variable(entry.base_url_variable)?.or(was.base_url_variable),
            key_variable: self.variable(entry.key_variable)?.or(was.key_variable),
            key_file: match entry.key_file {
                Some(path) => Some(self.key_file(&path)?),
                None => was.key_file,
            },
            needs_key: entry.needs_key.unwrap_or(was.needs_key),
            concurrency: self
                .at_least_1("concurrency", entry.concurrency)?
                .unwrap_or(was.concurrency),
            requests_per_minute: self
                .at_least_1("requests_per_minute", entry.requests_per_minute)?
                .or(was.requests_per_minute),
            tokens_per_minute: self
                .at_least_1("tokens_per_minute", entry.tokens_per_minute)?
                .or(was.tokens_per_minute),
            timeout_s: self.at_least_1("timeout_s", entry.timeout_s)?.unwrap_or(was.timeout_s),
            stall_s: self.at_least_1("stall_s", entry.stall_s)?.unwrap_or(was.stall_s),
            tries: self.at_least_1("tries", entry.tries)?.unwrap_or(was.tries),
            stream: entry.stream.unwrap_or(was.stream),
            json_schema: entry.json_schema.unwrap_or(was.json_schema),
            logprobs: entry.logprobs.unwrap_or(was.logprobs),
            default_model: match entry.default_model {
                Some(model) => Some(self.default_model(&name.value, &model)?),
                None => was.default_model,
            },
        })
    }

    fn url(&self, url: &Spanned<String>) -> Result<String, YamlError> {
        let text = url.value.trim_end_matches('/');
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        match rest {
            Some(rest) if !rest.is_empty() && !rest.contains(char::is_whitespace) => {
                Ok(text.to_owned())
            }
            Some(_) | None => {
                let why = format!("{:?} is no address; expected http://… or https://…", url.value);
                Err(self.wrong(url, why))
            }
        }
    }

    // What was written may be a key by mistake, so it is not repeated.
    fn variable(&self, name: Option<Spanned<String>>) -> Result<Option<String>, YamlError> {
        let is_name = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match name {
            Some(name) if is_name(&name.value) => Ok(Some(name.value)),
            Some(name) => Err(self.wrong(
                &name,
                "this must be the name of an environment variable, such as OPENAI_API_KEY; \
                 keys and addresses themselves are not written here",
            )),
            None => Ok(None),
        }
    }

    fn key_file(&self, path: &Spanned<String>) -> Result<std::path::PathBuf, YamlError> {
        if path.value.is_empty() || path.value.starts_with('~') {
            let why = format!(
                "key_file {:?} is no path; write it from / on, or relative to this file's folder",
                path.value
            );
            return Err(self.wrong(path, why));
        }
        Ok(self.folder.join(&path.value))
    }

    fn default_model(&self, provider: &str, model: &Spanned<String>) -> Result<String, YamlError> {
        match format!("{provider}/{}", model.value).parse::<ModelName>() {
            Ok(_) => Ok(model.value.clone()),
            Err(error) => Err(self.wrong(model, error.to_string())),
        }
    }

    fn model(&self, was: Model, entry: ModelFile) -> Result<Model, YamlError> {
        let price = match entry.price {
            Some(price) => Some(self.price(was.price, &price)?),
            None => was.price,
        };
        let temperature = match entry.temperature {
            Some(at) if !(0.0..=2.0).contains(&at.value) => {
                return Err(self.wrong(&at, "temperature must be between 0 and 2"));
            }
            Some(at) => Some(at.value),
            None => was.temperature,
        };
        Ok(Model {
            context: self.at_least_1("context", entry.context)?.or(was.context),
            max_output: self.at_least_1("max_output", entry.max_output)?.or(was.max_output),
            price,
            temperature,
            effort: entry.effort.map(|effort| effort.as_str().to_owned()).or(was.effort),
        })
    }

    fn price(&self, was: Option<Price>, price: &Spanned<PriceFile>) -> Result<Price, YamlError> {
        let PriceFile { input, cached_input, output } = price.value;
        let given = [input, cached_input, output];
        if given.iter().flatten().any(|usd| !(usd.is_finite() && *usd >= 0.0)) {
            let why = "a price must be a number of at least 0: US dollars per million tokens";
            return Err(self.wrong(price, why));
        }
        let input = input.or(was.map(|was| was.input));
        let output = output.or(was.map(|was| was.output));
        let (Some(input), Some(output)) = (input, output) else {
            return Err(
                self.wrong(price, "a price needs input and output, US dollars per million tokens")
            );
        };
        let cached_input = cached_input.or(was.map(|was| was.cached_input)).unwrap_or(input);
        Ok(Price { input, cached_input, output })
    }

    fn weighted(
        &self,
        settings: &Settings,
        models: &Spanned<ModelsFile>,
    ) -> Result<Vec<WeightedModel>, YamlError> {
        if models.value.0.is_empty() {
            return Err(self.wrong(
                models,
                "a role needs at least one model; leave it out to take the ideator's",
            ));
        }
        let mut weighted = Vec::new();
        for one in &models.value.0 {
            let model = self.model_name(settings, models, &one.model)?;
            if !(one.weight.is_finite() && one.weight > 0.0) {
                return Err(
                    self.wrong(models, format!("the weight of {model} must be more than 0"))
                );
            }
            weighted.push(WeightedModel { model, weight: one.weight });
        }
        Ok(weighted)
    }

    fn model_name<T>(
        &self,
        settings: &Settings,
        at: &Spanned<T>,
        text: &str,
    ) -> Result<ModelName, YamlError> {
        let model: ModelName = text.parse().map_err(|error| self.wrong(at, format!("{error}")))?;
        if settings.providers.contains_key(model.provider()) {
            return Ok(model);
        }
        let known = || settings.providers.keys().map(String::as_str);
        let why = format!(
            "{text} is of no known provider; known are {}{}",
            known().collect::<Vec<_>>().join(", "),
            hint(model.provider(), known())
        );
        Err(self.wrong(at, why))
    }

    fn at_least_1<N: Copy + PartialEq + Default>(
        &self,
        key: &str,
        value: Option<Spanned<N>>,
    ) -> Result<Option<N>, YamlError> {
        match value {
            Some(value) if value.value == N::default() => {
                Err(self.wrong(&value, format!("{key} must be at least 1")))
            }
            value => Ok(value.map(|value| value.value)),
        }
    }

    fn wrong<T>(&self, at: &Spanned<T>, message: impl Into<String>) -> YamlError {
        YamlError::at(self.name, at.referenced, message)
    }
}

/// A provider of which only the address is known.
fn usual(base_url: String) -> Provider {
    Provider {
        api: Api::OpenaiChat,
        base_url,
        base_url_variable: None,
        key_variable: None,
        key_file: None,
        needs_key: false,
        concurrency: 4,
        requests_per_minute: None,
        tokens_per_minute: None,
        timeout_s: 600,
        stall_s: 120,
        tries: 5,
        stream: true,
        json_schema: false,
        logprobs: false,
        default_model: None,
    }
}

impl From<ApiFile> for Api {
    fn from(api: ApiFile) -> Self {
        match api {
            ApiFile::OpenaiChat => Self::OpenaiChat,
            ApiFile::OpenaiResponses => Self::OpenaiResponses,
            ApiFile::Anthropic => Self::Anthropic,
            ApiFile::Gemini => Self::Gemini,
        }
    }
}
