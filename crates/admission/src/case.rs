//! All that one claim was judged by. The journal keeps it where two hold one key, so that anyone can judge again.

use crate::{Claim, Facts, Holder, Modes, Policy, Verdict, judge};
use ids::{Network, UnixTime};
use ledger::{AccessLineRecord, Credential, Device, Profile};
use serde::{Deserialize, Serialize};

/// A claim with all that it was judged by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The claim.
    pub claim: Claim,
    /// Who had the lease, and what that one did.
    pub holder: Option<Holder>,
    /// [`Facts::device`].
    pub device: Option<Device>,
    /// [`Facts::credential`].
    pub credential: Option<Credential>,
    /// [`Facts::line`].
    pub line: Option<AccessLineRecord>,
    /// [`Facts::is_extended`].
    pub is_extended: bool,
    /// [`Facts::good_at`].
    pub good_at: Option<Network>,
    /// [`Facts::profile`].
    pub profile: Option<Profile>,
    /// [`Facts::holder_may_go`].
    pub holder_may_go: bool,
    /// [`Facts::holder_has_call`].
    #[serde(default)]
    pub holder_has_call: bool,
    /// What the carrier allowed.
    pub policy: Policy,
    /// Which reasons were enforced.
    pub modes: Modes,
    /// When.
    pub at: UnixTime,
}

impl Case {
    /// From what [`judge`] takes.
    pub fn new(
        claim: &Claim,
        facts: &Facts<'_>,
        holder: Option<&Holder>,
        policy: &Policy,
        modes: &Modes,
        at: UnixTime,
    ) -> Self {
        Self {
            claim: claim.clone(),
            holder: holder.cloned(),
            device: facts.device.cloned(),
            credential: facts.credential.cloned(),
            line: facts.line.cloned(),
            is_extended: facts.is_extended,
            good_at: facts.good_at,
            profile: facts.profile.cloned(),
            holder_may_go: facts.holder_may_go,
            holder_has_call: facts.holder_has_call,
            policy: policy.clone(),
            modes: modes.clone(),
            at,
        }
    }

    /// What the ledger knew.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            device: self.device.as_ref(),
            credential: self.credential.as_ref(),
            line: self.line.as_ref(),
            is_extended: self.is_extended,
            good_at: self.good_at,
            profile: self.profile.as_ref(),
            holder_may_go: self.holder_may_go,
            holder_has_call: self.holder_has_call,
        }
    }

    /// The holder was asked, or heard a moment ago, and lives.
    pub fn holder_lives(&self) -> bool {
        self.holder.as_ref().is_some_and(Holder::lives)
    }

    /// Judges it, by the rules of this version.
    pub fn judge(&self) -> Verdict {
        judge(&self.claim, &self.facts(), self.holder.as_ref(), &self.policy, &self.modes, self.at)
    }
}
