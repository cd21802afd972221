//! Known techniques of the field, combined, mutated and crossed: a search without a language model,
//! and the control that one must beat.

use std::sync::Arc;

use async_trait::async_trait;
use autores_domain::{Brief, Ideator, Member, Population, Proposal};
use autores_templates::catalogue::{Catalogue, Technique};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::breed::{self, Genome, Known};

/// Proposes sets of the catalogue's techniques.
#[derive(Debug, Clone)]
pub struct CatalogueIdeator {
    catalogue: Arc<Catalogue>,
}

impl CatalogueIdeator {
    /// An ideator that knows these techniques.
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue }
    }

    fn proposal(&self, parents: &[&Member], genome: &Genome) -> Proposal {
        let used: Vec<(&Technique, String)> = genome
            .iter()
            .filter_map(|(name, knobs)| {
                let technique = self.catalogue.get(name)?;
                let knobs: Vec<String> =
                    knobs.iter().map(|(knob, value)| format!("{knob}={value}")).collect();
                let label = if knobs.is_empty() {
                    name.clone()
                } else {
                    format!("{name}({})", knobs.join(", "))
                };
                Some((technique, label))
            })
            .collect();
        let join = |texts: Vec<String>, by: &str| texts.join(by);
        // Where nothing new could be made of them, the idea is not theirs.
        let parents = parents
            .iter()
            .filter(|parent| {
                breed::genome(&parent.idea).keys().any(|name| genome.contains_key(name))
            })
            .map(|parent| parent.idea.id.clone())
            .collect();
        Proposal {
            title: join(used.iter().map(|(_, label)| label.clone()).collect(), " + "),
            hypothesis: join(
                used.iter().map(|(t, _)| t.hypothesis.trim().to_owned()).collect(),
                " ",
            ),
            plan: format!(
                "Apply to the base code: {}.",
                join(
                    used.iter().map(|(t, label)| format!("{} [{label}]", t.title)).collect(),
                    "; "
                )
            ),
            parents,
            origin: "catalogue".into(),
            sources: used.iter().map(|(t, _)| t.source.trim().to_owned()).collect(),
            techniques: breed::techniques(genome),
        }
    }
}

#[async_trait]
impl Ideator for CatalogueIdeator {
    fn at_once(&self) -> usize {
        1
    }

    async fn propose(
        &self,
        brief: &Brief,
        population: &Population,
    ) -> Result<Vec<Proposal>, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(brief.seed);
        let mut known = Known::of(population);
        let parents = breed::members(population, &brief.parents);
        let shown = breed::members(population, &brief.shown);
        let mut proposals = Vec::new();
        for _ in 0..brief.count {
            let bred =
                breed::breed(brief.operator, &parents, &shown, &self.catalogue, &known, &mut rng);
            let Some(genome) = bred else { break };
            proposals.push(self.proposal(&parents, &genome));
            known.add(genome);
        }
        if proposals.is_empty() {
            return Err(format!(
                "the catalogue of {} techniques gave no untried combination for an {} brief",
                self.catalogue.len(),
                brief.operator.as_str()
            ));
        }
        Ok(proposals)
    }
}
