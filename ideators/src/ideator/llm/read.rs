//! From a reply to proposals, those that were not made before. Never asks again itself.

use autores_domain::{Brief, Idea, IdeaId, ModelName, Population, Proposal, Vocabulary};

use crate::knowledge::{Knowledge, was_tried};
use crate::novelty::{self, Candidate, Fingerprint, SAME_WORDS};
use crate::reply::ideas::{self, Draft};

/// The ideas of a reply that are proposed, by their places in it.
#[derive(Debug)]
pub(super) enum Read {
    /// These are new; the others are left out.
    New(Vec<usize>),
    /// Each was tried before; the report says which idea it repeats.
    Known { taken: Vec<usize>, report: String },
}

/// The drafts of a reply; what is wrong with it is said in words for its writer.
pub(super) fn drafts(reply: &str, knowledge: &Knowledge) -> Result<Vec<Draft>, String> {
    let drafts = ideas::parse(reply).map_err(|refused| refused.to_string())?;
    match knowledge.llm().vocabulary {
        // In words, techniques are no more than names.
        Vocabulary::Free => in_words(drafts),
        Vocabulary::Catalogue => resolved(drafts, knowledge),
    }
}

/// Which of the drafts are new among what was tried.
pub(super) fn judge(drafts: &[Draft], brief: &Brief, population: &Population) -> Read {
    let mut new: Vec<usize> = Vec::new();
    let mut known: Vec<(usize, &Idea)> = Vec::new();
    for (at, draft) in drafts.iter().enumerate() {
        match twin(draft, population) {
            Some(twin) => known.push((at, twin)),
            None if new.iter().any(|other| is_same(draft, &drafts[*other])) => {}
            None => new.push(at),
        }
    }
    if !new.is_empty() {
        new.truncate(wanted(brief));
        return Read::New(new);
    }
    let mut report = String::new();
    for (at, twin) in &known {
        let title = &drafts[*at].title;
        report += &format!("{title:?} repeats {} {:?}: {}\n", twin.id, twin.title, twin.plan);
    }
    report += "\nThat was tried already. Propose something else.";
    let mut taken: Vec<usize> = known.into_iter().map(|(at, _)| at).collect();
    taken.truncate(wanted(brief));
    Read::Known { taken, report }
}

/// The drafts that are taken where all are new.
pub(super) fn usual(drafts: &[Draft], brief: &Brief) -> Vec<usize> {
    let mut taken: Vec<usize> = Vec::new();
    for (at, draft) in drafts.iter().enumerate() {
        if !taken.iter().any(|other| is_same(draft, &drafts[*other])) {
            taken.push(at);
        }
    }
    taken.truncate(wanted(brief));
    taken
}

pub(super) fn proposals(
    drafts: &[Draft],
    taken: &[usize],
    origin: &ModelName,
    brief: &Brief,
) -> Vec<Proposal> {
    let taken = taken.iter().filter_map(|at| drafts.get(*at));
    taken.map(|draft| proposal(draft.clone(), origin, brief)).collect()
}

fn wanted(brief: &Brief) -> usize {
    brief.count.max(1) as usize
}

fn in_words(drafts: Vec<Draft>) -> Result<Vec<Draft>, String> {
    let planned: Vec<Draft> = drafts
        .into_iter()
        .map(|draft| Draft { techniques: Vec::new(), ..draft })
        .filter(|draft| !draft.plan.trim().is_empty())
        .collect();
    if planned.is_empty() {
        return Err(
            "no idea has a plan; say in \"plan\" what is to be changed in the code".to_owned()
        );
    }
    Ok(planned)
}

/// The drafts that name techniques of the catalogue; the first mistake, if there is none.
fn resolved(drafts: Vec<Draft>, knowledge: &Knowledge) -> Result<Vec<Draft>, String> {
    let mut mistake = None;
    let mut known = Vec::new();
    for draft in drafts {
        if draft.techniques.is_empty() {
            mistake.get_or_insert_with(|| {
                format!("idea {:?} names no technique; use only those listed", draft.title)
            });
            continue;
        }
        match ideas::resolve(draft, knowledge.catalogue()) {
            Ok(draft) => known.push(draft),
            Err(unresolved) => {
                mistake.get_or_insert_with(|| unresolved.to_string());
            }
        }
    }
    match mistake {
        Some(mistake) if known.is_empty() => Err(mistake),
        Some(_) | None => Ok(known),
    }
}

fn twin<'a>(draft: &Draft, population: &'a Population) -> Option<&'a Idea> {
    let twin = novelty::twin(&Candidate::from(draft), earlier(population))?;
    idea(population, &twin.idea)
}

fn earlier(population: &Population) -> impl Iterator<Item = &Idea> {
    let members = population.members.iter().filter(|member| was_tried(&member.outcome));
    members.map(|member| &member.idea)
}

fn idea<'a>(population: &'a Population, id: &IdeaId) -> Option<&'a Idea> {
    population.members.iter().map(|member| &member.idea).find(|idea| idea.id == *id)
}

fn is_same(one: &Draft, other: &Draft) -> bool {
    let print = |draft| Fingerprint::of(&Candidate::from(draft));
    print(one).similarity(&print(other)) >= SAME_WORDS
}

fn proposal(draft: Draft, origin: &ModelName, brief: &Brief) -> Proposal {
    Proposal {
        operator: brief.operator,
        title: draft.title,
        hypothesis: draft.hypothesis,
        plan: draft.plan,
        parents: brief.parents.clone(),
        origin: origin.to_string(),
        sources: draft.sources,
        techniques: draft.techniques,
    }
}
