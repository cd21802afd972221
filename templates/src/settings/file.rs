//! The shape of a settings file. All of it is optional, so that a user's file can be laid over the built-in one.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use autores_domain::Role;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

/// The entries of a map in their order, each with the place of its name.
#[derive(Debug)]
pub(super) struct Entries<T>(pub(super) Vec<(Spanned<String>, T)>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingsFile {
    pub(super) providers: Option<Entries<ProviderFile>>,
    pub(super) models: Option<Entries<ModelFile>>,
    pub(super) roles: Option<BTreeMap<Role, Spanned<ModelsFile>>>,
    pub(super) embedding: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderFile {
    pub(super) api: Option<ApiFile>,
    pub(super) base_url: Option<Spanned<String>>,
    pub(super) base_url_variable: Option<Spanned<String>>,
    pub(super) key_variable: Option<Spanned<String>>,
    pub(super) key_file: Option<Spanned<String>>,
    pub(super) needs_key: Option<bool>,
    pub(super) concurrency: Option<Spanned<u32>>,
    pub(super) requests_per_minute: Option<Spanned<u32>>,
    pub(super) tokens_per_minute: Option<Spanned<u64>>,
    pub(super) timeout_s: Option<Spanned<u64>>,
    pub(super) stall_s: Option<Spanned<u64>>,
    pub(super) tries: Option<Spanned<u32>>,
    pub(super) stream: Option<bool>,
    pub(super) json_schema: Option<bool>,
    pub(super) logprobs: Option<bool>,
    pub(super) default_model: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ApiFile {
    OpenaiChat,
    OpenaiResponses,
    Anthropic,
    Gemini,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelFile {
    pub(super) context: Option<Spanned<u64>>,
    pub(super) max_output: Option<Spanned<u64>>,
    pub(super) price: Option<Spanned<PriceFile>>,
    pub(super) temperature: Option<Spanned<f64>>,
    pub(super) effort: Option<EffortFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceFile {
    pub(super) input: Option<f64>,
    pub(super) cached_input: Option<f64>,
    pub(super) output: Option<f64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EffortFile {
    Minimal,
    Low,
    Medium,
    High,
}

impl EffortFile {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// A model, or several with weights.
#[derive(Debug)]
pub(super) struct ModelsFile(pub(super) Vec<WeightedFile>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WeightedFile {
    pub(super) model: String,
    #[serde(default = "one")]
    pub(super) weight: f64,
}

fn one() -> f64 {
    1.0
}

impl<'de> Deserialize<'de> for ModelsFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ModelsVisitor)
    }
}

struct ModelsVisitor;

impl<'de> Visitor<'de> for ModelsVisitor {
    type Value = ModelsFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a model (PROVIDER/NAME), or a list of {model: PROVIDER/NAME, weight: NUMBER}")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ModelsFile, E> {
        Ok(ModelsFile(vec![WeightedFile { model: text.to_owned(), weight: 1.0 }]))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<ModelsFile, A::Error> {
        let mut models = Vec::new();
        while let Some(model) = list.next_element()? {
            models.push(model);
        }
        Ok(ModelsFile(models))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}
