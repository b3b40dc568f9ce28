//! What is written about the shadow mode, and read of it.

use super::{Breaker, Mode, Observation, Observed, PolicyRule, Scope, SetBack};
use crate::{Device, Ledger, LedgerError, Page, Row, Tx, transaction::Because};
use ids::{DeviceId, UnixTime};
use std::collections::BTreeSet;

impl Tx<'_> {
    /// Those that have neither a rule nor a unit yet.
    fn new_scopes(&mut self, scopes: &BTreeSet<Scope>) -> Result<BTreeSet<Scope>, LedgerError> {
        let rules: Vec<PolicyRule> = self.all(None)?;
        let mut new = BTreeSet::new();
        for scope in scopes {
            if !rules.iter().any(|rule| rule.scope == *scope) && !self.has_units_in(scope)? {
                new.insert(scope.clone());
            }
        }
        Ok(new)
    }

    /// All rules, and all breakers that ever tripped.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn policy(&mut self) -> Result<(Vec<PolicyRule>, Vec<Breaker>), LedgerError> {
        Ok((self.all(None)?, self.all(None)?))
    }

    /// Every unit that would be refused.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn observations(&mut self) -> Result<Vec<Observation>, LedgerError> {
        self.all(Some(("state", Observation::STANDS)))
    }

    /// A unit attached, and would have been refused for these reasons; for none, now. Times of reasons that
    /// stood before stay.
    ///
    /// # Errors
    /// As [`Self::device`]; also [`LedgerError::Journal`].
    pub fn observe(&mut self, device: DeviceId, reasons: &[&str], now: UnixTime) -> Result<(), LedgerError> {
        let before = self.row::<Observation>(&device.to_string())?.map(|(before, _)| before.reasons);
        let before = before.unwrap_or_default();
        let stood = |reason: &str| before.iter().find(|observed| observed.reason == reason);
        let reasons: Vec<_> = reasons
            .iter()
            .map(|reason| Observed {
                reason: (*reason).to_owned(),
                since: stood(reason).map_or(now, |observed| observed.since),
            })
            .collect();
        if reasons == before {
            return Ok(());
        }
        self.put_row(&Observation { device, reasons }, &Because::new("admission", "judged"), now).map(drop)
    }

    /// A reason hit so many good units at once that it refuses none of them at its home from now on. A row that was
    /// tampered with does not keep it from being written; says then what is wrong with that one.
    ///
    /// # Errors
    /// As [`Self::observe`].
    pub fn trip(&mut self, breaker: &Breaker, now: UnixTime) -> Result<Option<LedgerError>, LedgerError> {
        self.put_row_anyway(breaker, &Because::new("admission", "it hit too many good units at once"), now)
    }

    fn set_mode(
        &mut self,
        reason: &str,
        scope: &Scope,
        mode: Mode,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<PolicyRule, LedgerError> {
        let (why, by) = (because.why.to_owned(), because.by.to_owned());
        let rule = PolicyRule { reason: reason.to_owned(), scope: scope.clone(), mode, why, by, since: now };
        let known = self.row::<PolicyRule>(&rule.key())?.map(|(known, _)| known);
        if let Some(known) = known.filter(|known| known.mode == mode) {
            return Ok(known);
        }
        self.put_row(&rule, because, now)?;
        Ok(rule)
    }

    fn has_units_in(&mut self, scope: &Scope) -> Result<bool, LedgerError> {
        self.finds_any::<Device>("scope", &scope.entry())
    }
}

impl Ledger {
    /// Says how a reason is applied to the units of a scope.
    ///
    /// # Errors
    /// The transient ones.
    pub fn set_mode(
        &self,
        reason: &str,
        scope: &Scope,
        mode: Mode,
        by: &str,
        why: &str,
        now: UnixTime,
    ) -> Result<PolicyRule, LedgerError> {
        self.change(|tx| tx.set_mode(reason, scope, mode, &Because::new(by, why), now))
    }

    /// Observes `reasons` for the units of each scope that has neither a unit nor a rule yet; says which
    /// those were.
    ///
    /// # Errors
    /// The transient ones.
    pub fn begin_observed(
        &self,
        scopes: &BTreeSet<Scope>,
        reasons: &[&str],
        by: &str,
        now: UnixTime,
    ) -> Result<BTreeSet<Scope>, LedgerError> {
        self.rely_on_index::<Device>()?;
        self.change(|tx| {
            let begun = tx.new_scopes(scopes)?;
            for scope in &begun {
                for reason in reasons {
                    tx.set_mode(reason, scope, Mode::Observe, &Because::new(by, "imported"), now)?;
                }
            }
            Ok(begun)
        })
    }

    /// Those of which [`Self::begin_observed`] would begin with something observed. Changes nothing.
    ///
    /// # Errors
    /// The transient ones.
    pub fn would_begin_observed(&self, scopes: &BTreeSet<Scope>) -> Result<BTreeSet<Scope>, LedgerError> {
        self.rely_on_index::<Device>()?;
        self.begin()?.new_scopes(scopes)
    }

    /// A reason is applied again.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when its breaker has not tripped, and the transient ones.
    pub fn set_back(&self, reason: &str, by: &str, why: &str, now: UnixTime) -> Result<Breaker, LedgerError> {
        self.change(|tx| {
            let stands = tx.row::<Breaker>(reason)?.map(|(breaker, _)| breaker);
            let stands = stands.filter(|breaker| breaker.set_back.is_none());
            let not_found = || LedgerError::NotFound { table: Breaker::TABLE, key: reason.to_owned() };
            let mut breaker = stands.ok_or_else(not_found)?;
            breaker.set_back = Some(SetBack { at: now, by: by.to_owned(), why: why.to_owned() });
            tx.put_row(&breaker, &Because::new(by, why), now)?;
            Ok(breaker)
        })
    }

    /// All rules, and all breakers that ever tripped.
    ///
    /// # Errors
    /// The transient ones.
    pub fn policy(&self) -> Result<(Page<PolicyRule>, Page<Breaker>), LedgerError> {
        Ok((self.every(None)?, self.every(None)?))
    }

    /// Up to `limit` units that would be refused, with keys behind `after`, by identity.
    ///
    /// # Errors
    /// The transient ones.
    pub fn observations(&self, after: &str, limit: usize) -> Result<Page<Observation>, LedgerError> {
        self.list(Some(("state", Observation::STANDS)), after, limit)
    }
}
