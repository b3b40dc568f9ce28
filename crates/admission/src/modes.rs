use crate::Reason;
use ledger::{Breaker, Device, Mode, PolicyRule, Scope};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How each reason to refuse is applied, by class and region, as the ledger has it at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Listed", into = "Listed")]
pub struct Modes {
    /// The ledger was read; before that, everything is enforced.
    is_read: bool,
    /// Those that say something: one for each reason and scope.
    rules: HashMap<(Reason, Scope), Mode>,
    tripped: Vec<Reason>,
}

/// The same as it is written down.
#[derive(Serialize, Deserialize)]
struct Listed {
    is_read: bool,
    rules: Vec<(Reason, Scope, Mode)>,
    tripped: Vec<Reason>,
}

impl From<Listed> for Modes {
    fn from(Listed { is_read, rules, tripped }: Listed) -> Self {
        let rules = rules.into_iter().map(|(reason, scope, mode)| ((reason, scope), mode)).collect();
        Self { is_read, rules, tripped }
    }
}

impl From<Modes> for Listed {
    fn from(Modes { is_read, rules, tripped }: Modes) -> Self {
        let mut rules: Vec<_> =
            rules.into_iter().map(|((reason, scope), mode)| (reason, scope, mode)).collect();
        rules.sort_by(|(one, scope, _), (other, wider, _)| (one.code(), scope).cmp(&(other.code(), wider)));
        Self { is_read, rules, tripped }
    }
}

/// What a reason does to one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is refused.
    Refused,
    /// It is let in, and written down.
    Observed,
    /// The same, as the reason hit too many good units at once to be believed.
    OnProbation,
}

impl Modes {
    /// From the ledger's rows; rules about reasons that this version does not know, or that are always
    /// enforced, mean nothing.
    pub fn new(rules: Vec<PolicyRule>, breakers: &[Breaker]) -> Self {
        let observable = |code: &str| Reason::from_code(code).filter(|reason| reason.may_be_observed());
        let says = |rule: &PolicyRule| rule.mode != Mode::Inherit;
        let known =
            |rule: PolicyRule| observable(&rule.reason).map(|reason| ((reason, rule.scope), rule.mode));
        let open = breakers.iter().filter(|breaker| breaker.set_back.is_none());
        let tripped = open.filter_map(|breaker| Reason::from_code(&breaker.reason));
        let rules = rules.into_iter().filter(says).filter_map(known).collect();
        let mut modes = Self { is_read: true, rules, tripped: Vec::new() };
        tripped.for_each(|reason| modes.trip(reason));
        modes
    }

    /// From now on the reason refuses no unit where it was good. Only a soft one does that.
    pub fn trip(&mut self, reason: Reason) {
        if reason.is_soft() && !self.tripped.contains(&reason) {
            self.tripped.push(reason);
        }
    }

    /// Reasons that are not believed now as they hit too many at once.
    pub fn tripped(&self) -> &[Reason] {
        &self.tripped
    }

    /// What a reason does to a unit; one that the ledger does not know is always refused. `is_home`: it comes from
    /// where it was good lately; a tripped reason is not believed there, and nowhere else.
    pub fn effect(&self, reason: Reason, device: Option<&Device>, is_home: bool) -> Effect {
        let Some(device) = device.filter(|_| reason.may_be_observed()) else { return Effect::Refused };
        if is_home && self.tripped.contains(&reason) {
            return Effect::OnProbation;
        }
        match self.mode(reason, device) {
            Mode::Observe => Effect::Observed,
            Mode::Enforce | Mode::Inherit => Effect::Refused,
        }
    }

    /// The narrowest rule decides.
    fn mode(&self, reason: Reason, device: &Device) -> Mode {
        let usual = if self.is_read { reason.usual_mode() } else { Mode::Enforce };
        let mut scopes = Scope::narrowest_first(device).into_iter();
        scopes.find_map(|scope| self.rules.get(&(reason, scope))).copied().unwrap_or(usual)
    }
}

#[cfg(test)]
mod tests;
