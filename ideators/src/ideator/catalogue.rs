//! Known techniques of the field, combined, mutated and crossed: a search without a language model,
//! and the control that one must beat.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use autores_domain::{Answered, Brief, Ideator, Operator, Population, Proposal, Refusal};
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

    fn proposal(&self, operator: Operator, brief: &Brief, genome: &Genome) -> Proposal {
        let used: Vec<(&Technique, String)> = genome
            .iter()
            .filter_map(|(name, knobs)| Some((self.catalogue.get(name)?, label(name, knobs))))
            .collect();
        let each = |text: &dyn Fn(&Technique, &str) -> String| -> Vec<String> {
            used.iter().map(|(technique, label)| text(technique, label)).collect()
        };
        Proposal {
            operator,
            title: each(&|_, label| label.to_owned()).join(" + "),
            hypothesis: each(&|technique, _| technique.hypothesis.trim().to_owned()).join(" "),
            plan: format!(
                "Apply to the base code: {}.",
                each(&|technique, label| format!("{} [{label}]", technique.title)).join("; ")
            ),
            // Where nothing new could be made of the parents, the idea is not theirs.
            parents: match operator {
                Operator::Exploit => brief.parents.clone(),
                Operator::Fresh | Operator::Explore => Vec::new(),
            },
            origin: "catalogue".into(),
            sources: each(&|technique, _| technique.source.trim().to_owned()),
            techniques: breed::techniques(genome),
        }
    }
}

/// `muon(rate=0.02)`, or the name alone where there are no knobs.
fn label(name: &str, knobs: &BTreeMap<String, String>) -> String {
    let knobs: Vec<String> = knobs.iter().map(|(knob, value)| format!("{knob}={value}")).collect();
    if knobs.is_empty() { name.to_owned() } else { format!("{name}({})", knobs.join(", ")) }
}

impl CatalogueIdeator {
    fn bred(&self, brief: &Brief, population: &Population) -> Result<Vec<Proposal>, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(brief.seed);
        let mut known = Known::of(population);
        let parents = breed::members(population, &brief.parents);
        let shown = breed::members(population, &brief.shown);
        let mut proposals = Vec::new();
        for _ in 0..brief.count {
            let bred =
                breed::breed(brief.operator, &parents, &shown, &self.catalogue, &known, &mut rng);
            let Some((operator, genome)) = bred else { break };
            proposals.push(self.proposal(operator, brief, &genome));
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

#[async_trait]
impl Ideator for CatalogueIdeator {
    fn at_once(&self) -> usize {
        1
    }

    async fn propose(
        &self,
        _number: u32,
        brief: &Brief,
        population: &Population,
    ) -> Answered<Result<Vec<Proposal>, Refusal<String>>> {
        Answered::free(self.bred(brief, population).map_err(Refusal::Failed))
    }
}
