//! Tells an idea that was tried before in other words, so that nothing is spent on it twice. Never
//! takes two values of one hyper-parameter for the same idea.

mod fingerprint;
mod words;

use std::cmp::Ordering;

use autores_domain::{Idea, IdeaId, Proposal, TechniqueUse};

pub use fingerprint::Fingerprint;

use crate::reply::ideas::Draft;

/// Texts at least this similar say the same, in [`Fingerprint::similarity`].
///
/// Chosen on the pairs in this module's tests: of 19 rewordings 18 reach it, of 25 pairs that only
/// sound alike none does.
pub const SAME_WORDS: f64 = 0.45;
/// Embeddings whose cosine is at least this say the same, with the embedding models of the large
/// providers; others may need another value.
pub const SAME_MEANING: f64 = 0.92;

/// What an idea is recognised by.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its title.
    pub title: &'a str,
    /// Its plan.
    pub plan: &'a str,
    /// The techniques it consists of.
    pub techniques: &'a [TechniqueUse],
}

impl<'a> From<&'a Idea> for Candidate<'a> {
    fn from(idea: &'a Idea) -> Self {
        Self { title: &idea.title, plan: &idea.plan, techniques: &idea.techniques }
    }
}

impl<'a> From<&'a Proposal> for Candidate<'a> {
    fn from(proposal: &'a Proposal) -> Self {
        Self { title: &proposal.title, plan: &proposal.plan, techniques: &proposal.techniques }
    }
}

impl<'a> From<&'a Draft> for Candidate<'a> {
    fn from(draft: &'a Draft) -> Self {
        Self { title: &draft.title, plan: &draft.plan, techniques: &draft.techniques }
    }
}

/// An earlier idea that says the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Twin {
    /// The idea.
    pub idea: IdeaId,
    /// How similar it is, up to 1.
    pub similarity: f64,
}

/// The earlier idea that is most like the candidate, if it says the same: the same techniques with
/// the same values, or nearly the same words with the same numbers and in the same direction.
pub fn twin<'a>(
    candidate: &Candidate<'_>,
    earlier: impl IntoIterator<Item = &'a Idea>,
) -> Option<Twin> {
    let candidate = Fingerprint::of(candidate);
    let measured = earlier.into_iter().map(|idea| Twin {
        similarity: candidate.similarity(&Fingerprint::of(&idea.into())),
        idea: idea.id.clone(),
    });
    most_similar(measured.filter(|twin| twin.similarity >= SAME_WORDS))
}

/// The earlier idea whose embedding is nearest to the candidate's, if it is at least this near.
///
/// An embedding hardly sees numbers: ask [`Fingerprint::contradicts`] before it is believed.
pub fn twin_by_embedding(
    candidate: &[f32],
    earlier: &[(IdeaId, Vec<f32>)],
    threshold: f64,
) -> Option<Twin> {
    let measured = earlier.iter().filter_map(|(idea, vector)| {
        Some(Twin { similarity: cosine(candidate, vector)?, idea: idea.clone() })
    });
    most_similar(measured.filter(|twin| twin.similarity >= threshold))
}

/// The cosine of the angle between two vectors; `None` for vectors of different lengths, without a
/// direction, or with values that are no numbers.
pub fn cosine(one: &[f32], other: &[f32]) -> Option<f64> {
    if one.len() != other.len() {
        return None;
    }
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let cosine = dot(one, other) / (dot(one, one).sqrt() * dot(other, other).sqrt());
    cosine.is_finite().then(|| cosine.clamp(-1.0, 1.0))
}

/// The first of those that are most similar.
fn most_similar(twins: impl Iterator<Item = Twin>) -> Option<Twin> {
    twins.reduce(|best, twin| match twin.similarity.total_cmp(&best.similarity) {
        Ordering::Greater => twin,
        Ordering::Less | Ordering::Equal => best,
    })
}

#[cfg(test)]
mod tests;
