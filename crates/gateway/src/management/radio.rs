//! When a radio is to be turned off by a verdict, by what its box is known, and what facts say of such an order later.
//!
//! Who was found out has the unit's key, and what management knows is the unit's name: it may see the very box, or the unit
//! itself, at home. An order that meets the unit itself would do what the copy came for. So one is made only where all of
//! this is known since the session began:
//!
//! - the radio is on;
//! - the tunnel that the box sees is the one that was found out, or, where it says nothing of a tunnel, it hears none of the
//!   cells of the unit's line. Who hears one of these is at home, whatever else it says;
//! - nobody else with the key is attached: management systems that do not look by what the box is known would turn off whoever
//!   speaks to them next.
//!
//! What a copy can do with that: it can have its own radio turned off. Telling management the unit's own tunnel makes it one
//! that was not found out; telling its own, or that it hears other cells, while the unit is away, orders what is withdrawn
//! once the unit is let in, or is heard at home. What it cannot do is to be in the way for longer than
//! [`Policy::emergency_call`](admission::Policy::emergency_call) by telling of emergency calls.

use super::{Ours, UnitSays};
use ids::{IkeSpi, UnixTime};
use ledger::management::{ManagementOrder, OnlyIf, Task};
use std::time::Duration;

/// What management may have said of a box before its claim was refused, to be of that box.
pub(crate) const BEFORE_CLAIM: Duration = Duration::from_secs(900);

/// By what the box is known whose radio is to be turned off, as its tunnel was found out; `None` where it is not to be.
/// `others`: somebody else with the unit's key is attached.
pub(crate) fn only_if(found_out: &Ours, says: &UnitSays, others: bool) -> Option<OnlyIf> {
    let since = found_out.since;
    says.radio.filter(|radio| radio.on && radio.seen_at > since && !others)?;
    let heard = says.neighbours.filter(|heard| heard.seen_at > since).map(|heard| heard.as_at_line);
    let is_seen =
        says.tunnel.as_ref().filter(|seen| seen.seen_at > since).map(|seen| found_out.is_seen_by(seen));
    match (is_seen, heard) {
        (_, Some(true)) | (Some(Some(false) | None), _) | (None, None) => None,
        (Some(Some(true)), Some(false) | None) => found_out.ike_spis.last().copied().map(OnlyIf::Tunnel),
        (None, Some(false)) => Some(OnlyIf::HearsOtherCells),
    }
}

/// An emergency call goes on by the radio of the box that has this tunnel, or may: it was said within that time.
pub(crate) fn call_goes_on(tunnel: &Ours, says: &UnitSays, now: UnixTime, within: Duration) -> bool {
    let is_anothers = says.tunnel.as_ref().and_then(|seen| tunnel.is_seen_by(seen)) == Some(false);
    let call = says.radio.filter(|radio| radio.emergency_call && radio.seen_at.after(within) > now);
    call.is_some() && !is_anothers
}

/// What facts say of an order that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It is done.
    Done,
    /// Another box speaks for the unit now.
    AnotherBox,
    /// The emergency call is over.
    CallIsOver,
}

/// `spis`: of the IKE SA of the box that it is for, if it is known by that.
pub(crate) fn shown(
    order: &ManagementOrder,
    spis: &[IkeSpi],
    says: &UnitSays,
    now: UnixTime,
) -> Option<Shown> {
    let since = order.at;
    let heard = says.neighbours.filter(|heard| heard.seen_at > since);
    let tunnel = says.tunnel.filter(|seen| seen.seen_at > since).and_then(|seen| seen.ike_spi);
    let is_at_line = order.only_if.is_some() && heard.is_some_and(|heard| heard.as_at_line);
    let is_other =
        matches!(order.only_if, Some(OnlyIf::Tunnel(_))) && tunnel.is_some_and(|spi| !spis.contains(&spi));
    let radio = says.radio.filter(|radio| radio.seen_at > since);
    let waits = order.waits_until.is_some_and(|until| now < until);
    match (order.task, radio) {
        (Task::RadioOff, _) if is_at_line || is_other => Some(Shown::AnotherBox),
        (Task::RadioOff, Some(radio)) if !radio.on => Some(Shown::Done),
        (Task::RadioOff, Some(radio)) if waits && !radio.emergency_call => Some(Shown::CallIsOver),
        (Task::RadioOn, Some(radio)) if radio.on => Some(Shown::Done),
        (Task::RadioOff | Task::RadioOn | Task::EnrolAnew, _) => None,
    }
}

#[cfg(test)]
mod tests;
