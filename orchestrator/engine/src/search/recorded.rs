//! The briefs of a run that is repeated.

use autores_domain::{Brief, IdeaId, Population, Room, RunId, SearchStrategy};
use rand::RngCore;

/// Asks for what another run asked for, and goes on as a strategy does where that one ended.
pub struct Recorded {
    briefs: Vec<Brief>,
    then: Box<dyn SearchStrategy>,
}

impl Recorded {
    /// The briefs of the other run, by number, as those of run `run`.
    pub fn new(briefs: Vec<Brief>, run: &RunId, then: Box<dyn SearchStrategy>) -> Self {
        let own = |idea: &mut IdeaId| idea.run = run.clone();
        let renamed = |mut brief: Brief| {
            brief.parents.iter_mut().for_each(own);
            brief.shown.iter_mut().for_each(own);
            brief
        };
        Self { briefs: briefs.into_iter().map(renamed).collect(), then }
    }
}

impl SearchStrategy for Recorded {
    fn propose(&self, population: &Population, room: Room, rng: &mut dyn RngCore) -> Vec<Brief> {
        match self.briefs.get(room.first as usize) {
            Some(brief) => vec![brief.clone()],
            None => self.then.propose(population, room, rng),
        }
    }
}
