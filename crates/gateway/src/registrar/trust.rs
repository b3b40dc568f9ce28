//! What an attach says of the cells of its unit.
//!
//! Trust is in who serves a cell, and whoever is refused serves nothing: what is known of him says nothing of the one who does, or
//! strangers with copied keys could take the trust from every cell of the carrier from their chair. So only what is known of the
//! service itself lowers it: who was let in by mistake, a holder that is found out, or one beside another whom nothing confirms that
//! a copy of the key cannot bring.

use super::Registrar;
use admission::{Appraisal, Conclusion};
use ids::{EventRef, UnixTime};
use ledger::{
    Device, Grade, Item, LedgerError, Tx,
    trust::{Said, SignalKind, TrustEvidence},
};

/// How a claim ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was let in.
    In,
    /// It was not.
    Out,
}

/// What it says of the unit's cells. `is_observed`: it was let in though a reason speaks against it.
fn kinds(
    end: End,
    conclusion: Option<Conclusion>,
    (own, other): (&Appraisal, Option<&Appraisal>),
    is_observed: bool,
) -> Vec<SignalKind> {
    let serves_in_wrong_hands = other.is_some_and(Appraisal::is_in_wrong_hands);
    match (end, conclusion) {
        (End::In, Some(Conclusion::HolderIsClone)) => vec![SignalKind::HolderClone],
        (End::In, Some(Conclusion::GenuineKeyUntrusted)) => vec![SignalKind::KeyUntrusted],
        (End::Out, Some(Conclusion::GenuineKeyUntrusted)) if serves_in_wrong_hands => {
            vec![SignalKind::KeyUntrusted]
        }
        // Whoever shows a key from anywhere does not make the unit at home one of two.
        (End::Out, Some(Conclusion::Undecided)) if other.is_some_and(is_confirmed) && !is_confirmed(own) => {
            Vec::new()
        }
        (_, Some(Conclusion::Undecided)) => vec![SignalKind::Contested],
        // The ceiling keeps the copy there.
        (End::Out, Some(Conclusion::HolderIsClone)) => vec![SignalKind::HolderClone],
        (End::Out, Some(Conclusion::NewcomerIsClone)) if other.is_some_and(|other| !is_confirmed(other)) => {
            vec![SignalKind::NewcomerClone]
        }
        (
            End::Out,
            Some(Conclusion::NewcomerIsClone | Conclusion::GenuineKeyUntrusted | Conclusion::Reconnect)
            | None,
        ) => Vec::new(),
        (End::In, _) if is_observed || own.total() < 0 => vec![SignalKind::Observed],
        (End::In, _) => good(own),
    }
}

/// Something speaks for it that no copy of the key can bring.
fn is_confirmed(side: &Appraisal) -> bool {
    good(side).len() > 1
}

fn good(own: &Appraisal) -> Vec<SignalKind> {
    let confirms = [
        (Item::Line, SignalKind::LineConfirmed),
        (Item::Trail, SignalKind::TrailConfirmed),
        (Item::Management, SignalKind::FactsConfirmed),
        (Item::Attestation, SignalKind::Attested),
    ];
    let is_good = |item| own.of(item).is_some_and(|mark| mark.grade == Grade::Good);
    let confirmed = confirms.into_iter().filter(|(item, _)| is_good(*item)).map(|(_, kind)| kind);
    std::iter::once(SignalKind::Attached).chain(confirmed).collect()
}

/// What is told of the cells.
pub(super) struct Attach<'a> {
    pub(super) end: End,
    pub(super) conclusion: Option<Conclusion>,
    pub(super) own: &'a Appraisal,
    pub(super) other: Option<&'a Appraisal>,
    pub(super) is_observed: bool,
    pub(super) evidence: TrustEvidence,
}

impl Registrar {
    /// Tells the cells of a unit what an attach says of them. In steady state it changes nothing.
    ///
    /// # Errors
    /// The transient ones.
    pub(super) fn tell_cells(
        &self,
        tx: &mut Tx<'_>,
        device: &Device,
        attach: Attach<'_>,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let Attach { end, conclusion, own, other, is_observed, evidence } = attach;
        let kinds = kinds(end, conclusion, (own, other), is_observed);
        if kinds.is_empty() || device.cells.is_empty() {
            return Ok(());
        }
        let detail = conclusion.map_or("", Conclusion::code);
        tx.cell_signals(device, &kinds, &Said::now("admission", evidence, detail, now), now)
    }
}

/// Where an admission is written down.
pub(super) fn record(event: &EventRef) -> TrustEvidence {
    TrustEvidence::Event(event.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::Mark;

    fn side(item: Item, grade: Grade) -> Appraisal {
        Appraisal::new([Mark { item, grade, before_fork: true }])
    }

    #[test]
    fn a_stranger_who_is_refused_costs_nothing_and_one_who_was_let_in_does() {
        let (bad, home) = (side(Item::Line, Grade::Bad), side(Item::Line, Grade::Good));
        let (untrusted, clone) = (Conclusion::GenuineKeyUntrusted, Conclusion::NewcomerIsClone);
        let refused = |conclusion, other| kinds(End::Out, Some(conclusion), (&bad, other), false);
        for conclusion in [untrusted, clone] {
            assert_eq!(refused(conclusion, None), [], "he serves nothing");
            assert_eq!(refused(conclusion, Some(&home)), [], "the unit is known by more than its key");
        }
        let unknown = side(Item::Fingerprint, Grade::Good);
        assert_eq!(
            refused(clone, Some(&unknown)),
            [SignalKind::NewcomerClone],
            "which one serves is less sure"
        );
        assert_eq!(
            refused(untrusted, Some(&bad)),
            [SignalKind::KeyUntrusted],
            "who serves is in wrong hands"
        );
        assert_eq!(kinds(End::In, Some(untrusted), (&bad, None), true), [SignalKind::KeyUntrusted]);
        assert_eq!(
            kinds(End::Out, None, (&bad, None), false),
            [],
            "a unit that is suspended says nothing of its own cells"
        );
        assert_eq!(kinds(End::In, None, (&bad, None), false), [SignalKind::Observed]);
    }

    #[test]
    fn a_key_that_is_shown_from_anywhere_beside_the_unit_at_home_leaves_its_cells_as_they_are() {
        let home = side(Item::Line, Grade::Good);
        let (nobody, undecided) = (Appraisal::default(), Some(Conclusion::Undecided));
        let told = |own, other| kinds(End::Out, undecided, (own, other), false);
        assert_eq!(told(&nobody, Some(&home)), []);
        assert_eq!(told(&home, Some(&home)), [SignalKind::Contested]);
        assert_eq!(told(&nobody, Some(&nobody)), [SignalKind::Contested]);
        assert_eq!(told(&home, None), [SignalKind::Contested], "the one at home waits outside");
    }

    #[test]
    fn what_no_copy_can_bring_is_told_beside_the_attach_itself() {
        let mark = |item, grade| Mark { item, grade, before_fork: true };
        let own = Appraisal::new([mark(Item::Line, Grade::Good), mark(Item::Fingerprint, Grade::Bad)]);
        let told = kinds(End::In, Some(Conclusion::Reconnect), (&own, None), false);
        assert_eq!(told, [SignalKind::Attached, SignalKind::LineConfirmed]);
        assert_eq!(kinds(End::In, None, (&Appraisal::default(), None), false), [SignalKind::Attached]);
    }
}
