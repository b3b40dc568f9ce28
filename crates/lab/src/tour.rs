//! What the gateway does about genuine units and about everyone else, act by act.

use crate::{
    Carrier, Outcome, Unit, UnitIdentity,
    carrier::{MAKE_ROOM, REALM, SERVICE},
};
use events::{
    Record, Recorded,
    admission::{ContestResolved, Refused},
    gateway::AttachFailed,
    journal::Tail,
};
use ids::{DeviceId, EventRef};
use ike::payload::NotifyType;
use ledger::LifeCycle;
use serde::Serialize;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// One thing that somebody tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Units as they should be.
    Genuine,
    /// The key of an attached unit, used a second time.
    CopiedKey,
    /// A unit that the ledger has never heard of.
    UnknownUnit,
    /// One that is out of service.
    RetiredUnit,
    /// One that was reported lost.
    LostUnit,
    /// A certificate for ten years.
    TenYearCertificate,
    /// The right unit in the wrong network.
    ForeignNetwork,
    /// A good chain that nobody ordered.
    NeverIssued,
    /// Another unit's name over a valid certificate.
    WrongIdentity,
}

/// What came of an attempt.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What was tried.
    pub act: Act,
    /// The same for people.
    pub title: &'static str,
    /// The name claimed.
    pub name: String,
    /// Where from.
    pub outer: SocketAddr,
    /// It was let in.
    pub admitted: bool,
    /// What the unit was told or got.
    pub told: String,
    /// Pings through the tunnel: answered, sent.
    pub pings: Option<(u16, u16)>,
    /// Why it was refused: stable code, from the journal.
    pub reason: Option<String>,
    /// The same for people.
    pub detail: Option<String>,
    /// The record of the journal that says so.
    pub event: Option<EventRef>,
    /// The incident that was opened.
    pub incident: Option<u64>,
    /// It ended as it must.
    pub as_it_must: bool,
}

const LINE: &str = "L-1001";
const PINGS: u16 = 3;

/// Plays all acts, telling each step as soon as it is over. The genuine units stay attached for as long
/// as the returned units live.
///
/// # Errors
/// The lab itself did not work; what the gateway does wrong is in the steps.
pub fn tour(carrier: &Carrier, tell: &mut dyn FnMut(&Step)) -> anyhow::Result<Vec<Unit>> {
    carrier.line(LINE, "127.10.0.0/16")?;
    let mut stage =
        Stage { carrier, tell, tail: Tail::new(&carrier.journal.dir(), carrier.journal.head() + 1) };
    let (identity, units) = stage.genuine()?;
    stage.copied_key(&identity, &units)?;
    stage.unknown_unit()?;
    stage.gone(Act::RetiredUnit, LifeCycle::Retired, 5)?;
    stage.gone(Act::LostUnit, LifeCycle::Lost, 6)?;
    stage.ten_years()?;
    stage.foreign_network()?;
    stage.never_issued()?;
    stage.wrong_identity(&identity)?;
    Ok(units)
}

struct Stage<'a> {
    carrier: &'a Carrier,
    tell: &'a mut dyn FnMut(&Step),
    tail: Tail,
}

/// Why somebody was refused, as the journal has it.
struct Why {
    reason: String,
    detail: String,
    event: EventRef,
    incident: Option<u64>,
}

impl Stage<'_> {
    fn genuine(&mut self) -> anyhow::Result<(UnitIdentity, Vec<Unit>)> {
        let mut units = Vec::new();
        let mut first = None;
        for number in 1..=3 {
            self.carrier.device(id(number), LINE)?;
            let identity = self.carrier.enrol(id(number))?;
            let unit = self.carrier.attach(&identity, [127, 10, 0, number])?;
            let (answered, fastest) = unit.ping(SERVICE, PINGS);
            let told = match &unit.outcome {
                Outcome::Attached(attached) => {
                    let (took, ping) = (millis(attached.took), fastest.map(millis).unwrap_or_default());
                    format!("inner address {}, attached in {took}, ping {ping}", attached.inner)
                }
                other @ (Outcome::Refused(_) | Outcome::NoTunnel(_)) => format!("{other:?}"),
            };
            let admitted = matches!(unit.outcome, Outcome::Attached(_));
            let mut step = step(Act::Genuine, &identity.name, unit.outer);
            step.as_it_must = admitted && answered == PINGS;
            (step.admitted, step.told, step.pings) = (admitted, told, Some((answered, PINGS)));
            (self.tell)(&step);
            first.get_or_insert(identity);
            units.push(unit);
        }
        let first = first.ok_or_else(|| anyhow::anyhow!("no unit was made"))?;
        Ok((first, units))
    }

    /// The original is attached; somebody else on the same line has its key.
    fn copied_key(&mut self, identity: &UnitIdentity, units: &[Unit]) -> anyhow::Result<()> {
        let copy = self.carrier.attach(identity, [127, 10, 0, 66])?;
        let (answered_copy, _) = copy.ping(SERVICE, 1);
        let deleted = copy.wait_deleted(MAKE_ROOM + Duration::from_secs(8));
        let (answered, _) = units.first().map_or((0, None), |unit| unit.ping(SERVICE, PINGS));
        let why = self.why(|record| {
            let resolved = record.read::<ContestResolved>().ok().flatten()?;
            let detail = "another holder of the same key is attached and alive: two hold one key".into();
            Some(Why { reason: resolved.how, detail, event: record.reference(), incident: resolved.incident })
        });
        let mut step = step(Act::CopiedKey, &identity.name, copy.outer);
        step.told = format!("answered, then deleted; {answered_copy} of 1 ping passed");
        step.pings = Some((answered, PINGS));
        let is_contained = answered_copy == 0 && deleted.is_some() && answered == PINGS;
        self.finish(step, why, is_contained, "holder-alive");
        Ok(())
    }

    fn unknown_unit(&mut self) -> anyhow::Result<()> {
        let identity = self.carrier.forge(id(4))?;
        self.refused(Act::UnknownUnit, &identity, [127, 10, 0, 4], "unknown-device")
    }

    fn gone(&mut self, act: Act, state: LifeCycle, number: u8) -> anyhow::Result<()> {
        self.carrier.device(id(number), LINE)?;
        let identity = self.carrier.enrol(id(number))?;
        self.carrier.ledger.move_device(
            id(number),
            state,
            "lab",
            "the tour says so",
            None,
            ids::UnixTime::now(),
        )?;
        self.refused(act, &identity, [127, 10, 0, number], state.as_str())
    }

    fn ten_years(&mut self) -> anyhow::Result<()> {
        self.carrier.device(id(7), LINE)?;
        let identity = self.carrier.enrol_for(id(7), 3650)?;
        self.refused(Act::TenYearCertificate, &identity, [127, 10, 0, 7], "validity-too-long")
    }

    fn foreign_network(&mut self) -> anyhow::Result<()> {
        self.carrier.device(id(8), LINE)?;
        let identity = self.carrier.enrol(id(8))?;
        self.refused(Act::ForeignNetwork, &identity, [127, 66, 0, 8], "foreign-network")
    }

    fn never_issued(&mut self) -> anyhow::Result<()> {
        self.carrier.device(id(9), LINE)?;
        let identity = self.carrier.forge(id(9))?;
        self.refused(Act::NeverIssued, &identity, [127, 10, 0, 9], "mis-issued")
    }

    /// The certificate of the first unit, under the name of the second.
    fn wrong_identity(&mut self, identity: &UnitIdentity) -> anyhow::Result<()> {
        let name = format!("{}.{REALM}", id(2));
        let liar = UnitIdentity { name, ..identity.clone() };
        self.refused(Act::WrongIdentity, &liar, [127, 10, 0, 67], "identity-not-in-cert")
    }

    fn refused(
        &mut self,
        act: Act,
        identity: &UnitIdentity,
        outer: [u8; 4],
        expected: &str,
    ) -> anyhow::Result<()> {
        let unit = self.carrier.attach(identity, outer)?;
        let why = self.why(|record| reason(record, unit.outer));
        let mut step = step(act, &identity.name, unit.outer);
        let is_told_no_more = unit.outcome == Outcome::Refused(NotifyType::AUTHENTICATION_FAILED);
        step.told = match &unit.outcome {
            Outcome::Refused(notify) => notify.name().unwrap_or("an unknown notification").to_owned(),
            other @ (Outcome::Attached(_) | Outcome::NoTunnel(_)) => format!("{other:?}"),
        };
        step.admitted = matches!(unit.outcome, Outcome::Attached(_));
        self.finish(step, why, is_told_no_more, expected);
        Ok(())
    }

    fn finish(&mut self, mut step: Step, why: Option<Why>, holds: bool, expected: &str) {
        step.as_it_must = holds && why.as_ref().is_some_and(|why| why.reason == expected);
        if let Some(why) = why {
            (step.reason, step.detail) = (Some(why.reason), Some(why.detail));
            (step.event, step.incident) = (Some(why.event), why.incident);
        }
        (self.tell)(&step);
    }

    /// The next record of the journal that says why; `None` when there is none soon.
    fn why(&mut self, says: impl Fn(&Record) -> Option<Why>) -> Option<Why> {
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            match self.tail.next_record() {
                Ok(Some(record)) => {
                    if let Some(why) = says(&record) {
                        return Some(why);
                    }
                }
                Ok(None) => std::thread::park_timeout(Duration::from_millis(10)),
                Err(_) => return None,
            }
        }
        None
    }
}

fn reason(record: &Record, outer: SocketAddr) -> Option<Why> {
    let event = record.reference();
    if record.kind == Refused::KIND {
        let refused = record.read::<Refused>().ok().flatten().filter(|refused| refused.outer == outer)?;
        return Some(Why { reason: refused.reason, detail: refused.detail, event, incident: None });
    }
    let failed = record.read::<AttachFailed>().ok().flatten().filter(|failed| failed.outer == outer)?;
    Some(Why { reason: failed.reason, detail: failed.detail, event, incident: None })
}

fn step(act: Act, name: &str, outer: SocketAddr) -> Step {
    Step {
        act,
        title: act.title(),
        name: name.to_owned(),
        outer,
        admitted: false,
        told: String::new(),
        pings: None,
        reason: None,
        detail: None,
        event: None,
        incident: None,
        as_it_must: false,
    }
}

impl Act {
    /// In plain words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Genuine => "a genuine unit attaches and passes packets",
            Self::CopiedKey => "a copied key, while the original is attached",
            Self::UnknownUnit => "a unit that is in no ledger",
            Self::RetiredUnit => "a retired unit",
            Self::LostUnit => "a unit that was reported lost",
            Self::TenYearCertificate => "a certificate valid for ten years",
            Self::ForeignNetwork => "a unit outside the network of its line",
            Self::NeverIssued => "a good chain that the ledger never issued",
            Self::WrongIdentity => "another unit's name over a valid certificate",
        }
    }
}

/// The lab's units, by number.
fn id(number: u8) -> DeviceId {
    DeviceId::eui48([0x02, 0xfe, 0x70, 0, 0, number])
}

fn millis(span: Duration) -> String {
    format!("{:.2} ms", span.as_secs_f64() * 1000.0)
}
