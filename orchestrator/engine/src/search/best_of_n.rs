//! Fresh ideas only: the control that every search must beat.

use autores_domain::{Brief, Operator, Population, Room, SearchStrategy};
use rand::{Rng, RngCore};

/// Asks for fresh ideas and learns nothing from results.
#[derive(Debug, Clone, Copy)]
pub struct BestOfN;

impl SearchStrategy for BestOfN {
    fn propose(&self, _: &Population, room: Room, rng: &mut dyn RngCore) -> Vec<Brief> {
        (0..room.count).map(|_| fresh(rng)).collect()
    }
}

pub(super) fn fresh(rng: &mut dyn RngCore) -> Brief {
    Brief {
        operator: Operator::Fresh,
        parents: Vec::new(),
        shown: Vec::new(),
        count: 1,
        seed: rng.random(),
    }
}
