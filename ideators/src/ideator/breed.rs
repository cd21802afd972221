//! Breeds sets of techniques: fresh ones, mutations and crosses. Pure, given its random numbers.

use std::collections::{BTreeMap, BTreeSet};

use autores_domain::{
    FaultClass, Idea, IdeaId, Member, Operator, Outcome, Population, TechniqueUse,
};
use autores_templates::catalogue::{Catalogue, Technique};
use rand::Rng;
use rand::seq::{IndexedRandom, IteratorRandom};

/// Techniques by name with their knobs: equal sets are the same idea, whatever their order.
pub(super) type Genome = BTreeMap<String, BTreeMap<String, String>>;

/// Draws that fall on something known before another way is taken.
const TRIES: usize = 64;

/// What is known of the sets tried so far.
pub(super) struct Known {
    tried: BTreeSet<Genome>,
    /// Sets of technique names whose edits conflict; a larger set conflicts too.
    conflicts: Vec<BTreeSet<String>>,
    /// How often each technique was used.
    uses: BTreeMap<String, usize>,
}

impl Known {
    pub(super) fn of(population: &Population) -> Self {
        let mut known =
            Self { tried: BTreeSet::new(), conflicts: Vec::new(), uses: BTreeMap::new() };
        for member in &population.members {
            known.add(genome(&member.idea));
            let names = names(&genome(&member.idea));
            if let Outcome::Failed(fault) = &member.outcome
                && fault.class == FaultClass::Patch
                // A technique that does not apply by itself conflicts with nothing.
                && names.len() > 1
            {
                known.conflicts.push(names);
            }
        }
        known
    }

    pub(super) fn add(&mut self, genome: Genome) {
        for name in genome.keys() {
            *self.uses.entry(name.clone()).or_default() += 1;
        }
        self.tried.insert(genome);
    }

    fn is_new(&self, genome: &Genome) -> bool {
        let names = names(genome);
        !genome.is_empty()
            && !self.tried.contains(genome)
            && !self.conflicts.iter().any(|conflict| conflict.is_subset(&names))
    }

    fn uses(&self, technique: &str) -> usize {
        self.uses.get(technique).copied().unwrap_or(0)
    }
}

/// A set that was not tried, with how it was made; `None` if none was found.
pub(super) fn breed(
    operator: Operator,
    parents: &[&Member],
    shown: &[&Member],
    catalogue: &Catalogue,
    known: &Known,
    rng: &mut impl Rng,
) -> Option<(Operator, Genome)> {
    let attempt = |operator: Operator, rng: &mut _| match operator {
        Operator::Fresh => fresh(catalogue, known, rng),
        Operator::Explore => explore(shown, catalogue, known, rng),
        Operator::Exploit => exploit(parents, catalogue, rng),
    };
    // Where nothing new is left of the kind that is asked for, anything new is better than no idea.
    [operator, Operator::Explore]
        .into_iter()
        .flat_map(|operator| std::iter::repeat_n(operator, TRIES))
        .filter_map(|operator| attempt(operator, rng).map(|genome| (operator, genome)))
        .find(|(_, genome)| known.is_new(genome))
}

/// One technique that nobody used, as its source recommends it; once all were used, any with other knobs.
fn fresh(catalogue: &Catalogue, known: &Known, rng: &mut impl Rng) -> Option<Genome> {
    let unused = catalogue.iter().filter(|technique| known.uses(&technique.name) == 0).choose(rng);
    match unused {
        Some(technique) => Some([(technique.name.clone(), defaults(technique))].into()),
        None => catalogue
            .iter()
            .choose(rng)
            .map(|technique| [(technique.name.clone(), random_knobs(technique, rng))].into()),
    }
}

/// A technique as rare as possible among what is shown and overall, sometimes with a second one beside it.
fn explore(
    shown: &[&Member],
    catalogue: &Catalogue,
    known: &Known,
    rng: &mut impl Rng,
) -> Option<Genome> {
    let seen: BTreeSet<&str> = shown
        .iter()
        .flat_map(|member| &member.idea.techniques)
        .map(|t| t.technique.as_str())
        .collect();
    let rarity = |technique: &Technique| {
        (known.uses(&technique.name), seen.contains(technique.name.as_str()))
    };
    let rarest = catalogue.iter().map(rarity).min()?;
    let technique = catalogue.iter().filter(|t| rarity(t) == rarest).choose(rng)?;
    let knobs = if rarest.0 == 0 { defaults(technique) } else { random_knobs(technique, rng) };
    let mut genome: Genome = [(technique.name.clone(), knobs)].into();
    // Where every technique was tried alone, pairs are what is new.
    if rarest.0 > 0 && rng.random_bool(0.5) {
        let other = catalogue.iter().choose(rng)?;
        genome.entry(other.name.clone()).or_insert_with(|| random_knobs(other, rng));
    }
    Some(genome)
}

/// Cross the parents, turn a knob, add a technique or leave one out.
fn exploit(parents: &[&Member], catalogue: &Catalogue, rng: &mut impl Rng) -> Option<Genome> {
    let first = genome(&parents.first()?.idea);
    let second = parents.get(1).map(|member| genome(&member.idea));
    match (rng.random_range(0..100), second) {
        (0..50, Some(second)) => Some(cross(first, second, rng)),
        (0..75, _) => turn_knob(first, catalogue, rng),
        (75..90, _) => add(first, catalogue, rng),
        (_, _) => leave_out(first, rng),
    }
}

/// All techniques of both parents; where both have one, the knobs of either.
fn cross(mut first: Genome, second: Genome, rng: &mut impl Rng) -> Genome {
    for (name, knobs) in second {
        if !first.contains_key(&name) || rng.random_bool(0.5) {
            first.insert(name, knobs);
        }
    }
    first
}

/// One step up or down on one knob.
fn turn_knob(mut genome: Genome, catalogue: &Catalogue, rng: &mut impl Rng) -> Option<Genome> {
    let knobs: Vec<(&str, &autores_templates::catalogue::Knob)> = catalogue
        .iter()
        .filter(|technique| genome.contains_key(&technique.name))
        .flat_map(|technique| technique.knobs.iter().map(|knob| (technique.name.as_str(), knob)))
        .filter(|(_, knob)| knob.values.len() > 1)
        .collect();
    let (technique, knob) = knobs.choose(rng)?;
    let value = genome.get_mut(*technique)?.get_mut(&knob.name)?;
    let at = knob.values.iter().position(|known| known == value)?;
    let up = at + 1 < knob.values.len() && (at == 0 || rng.random_bool(0.5));
    *value = knob.values[if up { at + 1 } else { at - 1 }].clone();
    Some(genome)
}

fn add(mut genome: Genome, catalogue: &Catalogue, rng: &mut impl Rng) -> Option<Genome> {
    let technique =
        catalogue.iter().filter(|technique| !genome.contains_key(&technique.name)).choose(rng)?;
    genome.insert(technique.name.clone(), defaults(technique));
    Some(genome)
}

fn leave_out(mut genome: Genome, rng: &mut impl Rng) -> Option<Genome> {
    let name = genome.keys().choose(rng)?.clone();
    genome.remove(&name);
    Some(genome)
}

fn defaults(technique: &Technique) -> BTreeMap<String, String> {
    technique.knobs.iter().map(|knob| (knob.name.clone(), knob.default.clone())).collect()
}

fn random_knobs(technique: &Technique, rng: &mut impl Rng) -> BTreeMap<String, String> {
    technique
        .knobs
        .iter()
        .map(|knob| {
            let value = knob.values.choose(rng).unwrap_or(&knob.default);
            (knob.name.clone(), value.clone())
        })
        .collect()
}

/// The techniques of an idea.
pub(super) fn genome(idea: &Idea) -> Genome {
    idea.techniques.iter().map(|used| (used.technique.clone(), used.knobs.clone())).collect()
}

/// The genome as it stands in an idea: in the order of the names, so that equal sets give equal patches.
pub(super) fn techniques(genome: &Genome) -> Vec<TechniqueUse> {
    genome
        .iter()
        .map(|(technique, knobs)| TechniqueUse {
            technique: technique.clone(),
            knobs: knobs.clone(),
        })
        .collect()
}

fn names(genome: &Genome) -> BTreeSet<String> {
    genome.keys().cloned().collect()
}

/// The members with these ids, in that order.
pub(super) fn members<'a>(population: &'a Population, ids: &[IdeaId]) -> Vec<&'a Member> {
    ids.iter()
        .filter_map(|id| population.members.iter().find(|member| member.idea.id == *id))
        .collect()
}
