//! From a reply to proposals, those that were not made before. Never asks again itself.

use autores_domain::{Brief, Idea, IdeaId, ModelName, Population, Proposal, Vocabulary};

use crate::knowledge::{Knowledge, was_tried};
use crate::novelty::{self, Candidate, Fingerprint, SAME_WORDS};
use crate::reply::ideas::{self, Draft};

/// The ideas of a reply.
#[derive(Debug)]
pub(super) enum Read {
    /// At least one is new; the others are left out.
    New(Vec<Proposal>),
    /// Each was tried before; the report says which idea it repeats.
    Known { proposals: Vec<Proposal>, report: String },
}

/// Reads a reply; what is wrong with it is said in words for its writer.
pub(super) fn read(
    reply: &str,
    origin: &ModelName,
    brief: &Brief,
    population: &Population,
    knowledge: &Knowledge,
) -> Result<Read, String> {
    let drafts = ideas::parse(reply).map_err(|refused| refused.to_string())?;
    let drafts = match knowledge.llm().vocabulary {
        // In words, techniques are no more than names.
        Vocabulary::Free => in_words(drafts)?,
        Vocabulary::Catalogue => resolved(drafts, knowledge)?,
    };
    let mut new: Vec<Draft> = Vec::new();
    let mut known: Vec<(Draft, &Idea)> = Vec::new();
    for draft in drafts {
        match twin(&draft, population) {
            Some(twin) => known.push((draft, twin)),
            None if new.iter().any(|other| is_same(&draft, other)) => {}
            None => new.push(draft),
        }
    }
    let proposals = |drafts: Vec<Draft>| -> Vec<Proposal> {
        let wanted = drafts.into_iter().take(brief.count.max(1) as usize);
        wanted.map(|draft| proposal(draft, origin, brief)).collect()
    };
    if !new.is_empty() {
        return Ok(Read::New(proposals(new)));
    }
    let mut report = String::new();
    for (draft, twin) in &known {
        report +=
            &format!("{:?} repeats {} {:?}: {}\n", draft.title, twin.id, twin.title, twin.plan);
    }
    report += "\nThat was tried already. Propose something else.";
    Ok(Read::Known {
        proposals: proposals(known.into_iter().map(|(draft, _)| draft).collect()),
        report,
    })
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
