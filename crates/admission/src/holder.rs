//! Who has the lease of a unit that another claims, and what it did when it was asked whether it lives.

use crate::Claim;
use ids::{Network, SessionId};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, time::Duration};

/// Who has the unit's lease while another claims it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its session.
    pub session: SessionId,
    /// Its claim, with where it is and what is known of it now; `None` when this process did not see it.
    pub claim: Option<Claim>,
    /// Whether it lives.
    pub probe: Probe,
    /// Where it is; `None` when its session is not here.
    pub outer: Option<SocketAddr>,
    /// How long ago it was last asked, for this or another claim.
    pub asked_ago: Option<Duration>,
    /// How long ago something came out of its tunnel.
    pub heard_ago: Option<Duration>,
}

/// Who was heard within this lives, and is nowhere else by now: a unit takes longer to start at another place.
const LIVELY: Duration = Duration::from_secs(60);

impl Holder {
    /// It is known to live: it has answered, or was heard a moment ago.
    pub(crate) fn lives(&self) -> bool {
        match self.probe {
            Probe::Answered => true,
            Probe::NotAsked => self.heard_ago.is_some_and(|ago| ago < LIVELY),
            Probe::Silent | Probe::Unreachable | Probe::MadeRoom => false,
        }
    }

    /// Whether the claim comes from where the holder is: the same address, or the same /64 of IPv6, and no other line
    /// behind the same CGNAT. A unit that authenticates anew does.
    pub(crate) fn is_near(&self, claim: &Claim) -> bool {
        let from = Network::site(claim.outer.address.ip());
        let is_same = self.outer.is_some_and(|outer| Network::site(outer.ip()) == from);
        let own = self.claim.as_ref().and_then(|own| own.outer.line.value());
        let is_other_line = own.is_some_and(|own| claim.outer.is_behind(own) == Some(false));
        is_same && !is_other_line
    }
}

/// What a holder said when asked whether it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Nobody asked.
    NotAsked,
    /// It answered, and did not make room in its time.
    Answered,
    /// It answered nothing.
    Silent,
    /// There was no way to ask it, or its session ended otherwise.
    Unreachable,
    /// It deleted its own session in its time.
    MadeRoom,
}
