use crate::IntakeError;
use admission::Outer;
use detect::{Change, Session};
use events::{
    Record,
    admission::{Admitted, ContestResolved, Contested, Voided},
    gateway::{NodeStarted, PathChanged, SessionClosed},
};
use ids::{DeviceId, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

/// Who is attached, by unit, and who waits beside a holder until it is known who stays.
pub(super) type Attached = BTreeMap<DeviceId, Sides>;

/// The session that has the lease, and one that may get it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sides {
    holder: Option<(SessionId, Session)>,
    newcomer: Option<(SessionId, Session)>,
}

/// What concerns a session of the claim that led to it.
#[derive(Deserialize)]
struct Claimed {
    outer: Outer,
}

/// What a record says of sessions.
pub(super) fn changes(record: &Record, attached: &mut Attached) -> Result<Vec<Change>, IntakeError> {
    if let Some(Admitted { device, session, outer, inner, line, claim, .. }) = record.read()? {
        let session = (session, of(device, outer, &inner, &claim, line)?);
        return Ok(holds(device, Some(session), attached));
    }
    if let Some(Contested { device, newcomer, newcomer_outer, inner, claim, .. }) = record.read()? {
        let session = (newcomer, of(device, newcomer_outer, &inner, &claim, None)?);
        attached.entry(device).or_default().newcomer = Some(session);
        return Ok(Vec::new());
    }
    if let Some(ContestResolved { device, stays, goes, .. }) = record.read()? {
        return Ok(resolved(device, stays, goes, attached));
    }
    if let Some(SessionClosed { device, session, .. }) = record.read()? {
        return Ok(ended(device, session, attached));
    }
    if let Some(Voided { device, session }) = record.read()? {
        return Ok(ended(device, session, attached));
    }
    if let Some(PathChanged { device, session, to, .. }) = record.read()? {
        return Ok(moved(device, session, to, attached));
    }
    if record.read::<NodeStarted>()?.is_some() {
        let devices: Vec<_> = attached.keys().copied().collect();
        let gone = devices.into_iter().flat_map(|device| holds(device, None, attached)).collect();
        attached.clear();
        return Ok(gone);
    }
    Ok(Vec::new())
}

/// As cells and the core see it. A unit without an inner address of its own has its outer one.
fn of(
    device: DeviceId,
    outer: SocketAddr,
    inner: &[IpAddr],
    claim: &RawValue,
    line: Option<ids::AccessLine>,
) -> Result<Session, IntakeError> {
    let Claimed { outer: seen } = serde_json::from_str(claim.get())?;
    let line = line.or_else(|| seen.line.value().cloned());
    let inner = inner.first().copied().unwrap_or(outer.ip());
    Ok(Session { device, inner, outer: outer.ip(), line, class: seen.class.value().copied() })
}

/// From now on that session has the lease, or none.
fn holds(device: DeviceId, session: Option<(SessionId, Session)>, attached: &mut Attached) -> Vec<Change> {
    let sides = attached.entry(device).or_default();
    let before = std::mem::replace(&mut sides.holder, session).map(|(_, session)| session);
    let after = sides.holder.as_ref().map(|(_, session)| session.clone());
    if sides.holder.is_none() && sides.newcomer.is_none() {
        attached.remove(&device);
    }
    if before == after { Vec::new() } else { vec![Change::Session { before, after }] }
}

fn resolved(
    device: DeviceId,
    stays: Option<SessionId>,
    goes: SessionId,
    attached: &mut Attached,
) -> Vec<Change> {
    let Some(newcomer) = attached.get_mut(&device).and_then(|sides| sides.newcomer.take()) else {
        return Vec::new();
    };
    if stays == Some(newcomer.0) {
        holds(device, Some(newcomer), attached)
    } else {
        ended(device, goes, attached)
    }
}

fn ended(device: DeviceId, session: SessionId, attached: &mut Attached) -> Vec<Change> {
    let Some(sides) = attached.get_mut(&device) else { return Vec::new() };
    sides.newcomer.take_if(|(id, _)| *id == session);
    match &sides.holder {
        Some((id, _)) if *id != session => Vec::new(),
        Some(_) | None => holds(device, None, attached),
    }
}

fn moved(device: DeviceId, session: SessionId, to: SocketAddr, attached: &mut Attached) -> Vec<Change> {
    let holder = attached.get(&device).and_then(|sides| sides.holder.clone());
    match holder {
        Some((id, was)) if id == session => {
            let now = Session { outer: to.ip(), ..was };
            holds(device, Some((id, now)), attached)
        }
        Some(_) | None => Vec::new(),
    }
}
