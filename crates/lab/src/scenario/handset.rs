use super::{
    draws::Share,
    event::Guard,
    names::Person,
    word::{Omits, Strip},
};

/// What handsets and the records of IMS are like: it follows from who has it, so nothing is kept of any.
#[derive(Clone, Debug)]
pub(super) struct Makes {
    pub(super) seed: u64,
    /// Makes whose IMS is never encrypted.
    pub(super) plain: Share,
    /// Who keeps records of IMS, since when, of which share of handsets, and what it leaves out.
    pub(super) keepers: Vec<(u64, Share, Omits)>,
}

impl Makes {
    /// How somebody's handset is protected at an honest cell, as records say it.
    pub(super) fn guard(&self, who: Person, at: u64) -> Guard {
        let spread = who.spread(self.seed, 4);
        let plain = Guard::default().with(Guard::NO_AGREEMENT, self.plain.has(spread as u32));
        let mine =
            self.keepers.iter().filter(|(since, share, _)| *since <= at && share.has((spread >> 32) as u32));
        mine.fold(plain, |guard, (.., omits)| match omits {
            Omits::Ealg => guard.with(Guard::NO_ALGORITHM, true),
            Omits::SecAgree => guard.with(Guard::NO_AGREEMENT, true),
        })
    }
}

/// What a box takes.
pub(super) fn stripped(guard: Guard, strips: &[Strip]) -> Guard {
    strips.iter().fold(guard, |guard, strip| {
        let bit = match strip {
            Strip::Ims => Guard::NO_AGREEMENT,
            Strip::ImsNull => Guard::NULL,
            Strip::Nas => Guard::NO_NAS,
        };
        guard.with(bit, true)
    })
}
