//! How many tokens a model makes of a byte, measured on what it was asked before.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use autores_domain::ModelName;

/// Before anything is measured: more than prose and code take, so that prompts fitted with it do fit.
const UNMEASURED: f64 = 0.4;

/// Prompts shorter than this say more of the provider's own words around them than of the prompt.
const SHORTEST: u64 = 400;

#[derive(Debug, Default)]
pub(crate) struct Measure {
    seen: Mutex<BTreeMap<ModelName, Seen>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    bytes: f64,
    tokens: f64,
}

impl Measure {
    pub(crate) fn record(&self, model: &ModelName, bytes: u64, tokens: u64) {
        if bytes < SHORTEST || tokens == 0 {
            return;
        }
        let mut seen = self.seen();
        let seen = seen.entry(model.clone()).or_default();
        seen.bytes += bytes as f64;
        seen.tokens += tokens as f64;
    }

    pub(crate) fn is_measured(&self, model: &ModelName) -> bool {
        self.seen().contains_key(model)
    }

    pub(crate) fn tokens_per_byte(&self, model: &ModelName) -> f64 {
        self.seen().get(model).map_or(UNMEASURED, |seen| seen.tokens / seen.bytes)
    }

    /// Tokens of a prompt, rounded up.
    pub(crate) fn tokens(&self, model: &ModelName, bytes: u64) -> u64 {
        (bytes as f64 * self.tokens_per_byte(model)).ceil() as u64
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<ModelName, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measure_follows_what_was_counted() {
        let model: ModelName = "p/m".parse().unwrap();
        let measure = Measure::default();
        assert_eq!(measure.tokens(&model, 1000), 400);
        measure.record(&model, 1000, 250);
        measure.record(&model, 3000, 950);
        assert!((measure.tokens_per_byte(&model) - 0.3).abs() < 1e-12);
        assert_eq!(measure.tokens(&"p/other".parse().unwrap(), 1000), 400);
    }

    #[test]
    fn a_prompt_of_a_few_words_measures_nothing() {
        let model: ModelName = "p/m".parse().unwrap();
        let measure = Measure::default();
        measure.record(&model, 4, 30);
        assert!(!measure.is_measured(&model));
    }
}
