use crate::scenario::{Admit, Attempt};
use admission::{
    Claim, Decision, Evidence, Facts, IkeSpis, Lineage, Missing, Modes, Outer, Policy, Reason, Revocation,
    judge,
};
use ids::{AccessLine, CertSha256, IkeSpi, Sha256, UnixTime};
use ledger::{AccessLineRecord, Credential, Device, Enrolment, LifeCycle, Origin};
use serde::Serialize;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Tunnels that boxes asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attempts {
    /// How many.
    pub asked: u64,
    /// Refused.
    pub refused: u64,
    /// By which rules: those that speak, in the order in which they do, each with the ones before it taken away.
    pub layers: Vec<Refused>,
    /// When the first was refused.
    pub first: Option<UnixTime>,
    /// When the last was.
    pub last: Option<UnixTime>,
}

/// A rule that refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Its code, as in events.
    pub reason: &'static str,
    /// The same in words.
    pub text: String,
    /// How many attempts it refuses, or would, were it the first to speak.
    pub attempts: u64,
}

/// What the attempts so far came to.
#[derive(Clone, Default)]
pub(super) struct Door(Arc<Mutex<Attempts>>);

/// What somebody who copies a unit cannot show, taken as shown: one after another, to see which rule speaks next.
#[derive(Clone, Copy, Default)]
struct Granted {
    in_service: bool,
    recorded: bool,
    short: bool,
    at_home: bool,
}

/// Published: certificates were good for 10 years.
const VALIDITY: Duration = Duration::from_secs(10 * 365 * 86_400);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

impl Door {
    /// Judges by the rules of admission, as they are without any setting.
    pub(super) fn admit(&self) -> Admit {
        let door = self.clone();
        Box::new(move |attempt| door.judge(attempt))
    }

    pub(super) fn attempts(&self) -> Attempts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn judge(&self, attempt: &Attempt) -> bool {
        let reasons = reasons(attempt);
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.asked += 1;
        if reasons.is_empty() {
            return true;
        }
        attempts.refused += 1;
        attempts.first.get_or_insert(attempt.at);
        attempts.last = Some(attempt.at);
        for reason in reasons {
            match attempts.layers.iter_mut().find(|layer| layer.reason == reason.code()) {
                Some(layer) => layer.attempts += 1,
                None => attempts.layers.push(Refused {
                    reason: reason.code(),
                    text: reason.to_string(),
                    attempts: 1,
                }),
            }
        }
        false
    }
}

/// Why an attempt is refused: the rule that speaks, and those that would have, had it not.
fn reasons(attempt: &Attempt) -> Vec<Reason> {
    let (mut granted, mut reasons) = (Granted::default(), Vec::new());
    while let Some(reason) = reason(attempt, granted) {
        if reasons.contains(&reason) {
            break;
        }
        reasons.push(reason);
        match reason {
            Reason::Lost => granted.in_service = true,
            Reason::MisIssued => granted.recorded = true,
            Reason::ValidityTooLong => granted.short = true,
            Reason::ForeignNetwork => granted.at_home = true,
            Reason::UnknownDevice
            | Reason::Stolen
            | Reason::Retired
            | Reason::Suspended
            | Reason::NotInstalled
            | Reason::OthersCertificate
            | Reason::Revoked
            | Reason::Superseded
            | Reason::RevokedByIssuer
            | Reason::RevocationUnknown
            | Reason::NotExtended
            | Reason::LineUnknown
            | Reason::RowTampered
            | Reason::SecondClaim
            | Reason::Clone
            | Reason::WrongHands => break,
        }
    }
    reasons
}

/// The verdict about a certificate that whoever has the shared key of the maker got for a unit that was lost, from where the box is.
fn reason(attempt: &Attempt, granted: Granted) -> Option<Reason> {
    let cert = Sha256::of(b"issued to whoever has the key of the maker");
    let home = home(attempt);
    let state = if granted.in_service { LifeCycle::Live } else { LifeCycle::Lost };
    let device = Device {
        enrolment: Enrolment::Enrolled,
        access_line: Some(home.line.clone()),
        ..Device::new(attempt.device, state, attempt.at)
    };
    let credential = credential(attempt, cert).filter(|_| granted.recorded);
    let facts = Facts {
        device: Some(&device),
        credential: credential.as_ref(),
        line: Some(&home),
        ..Facts::default()
    };
    let claim = claim(attempt, cert, granted, &home.line);
    let modes = Modes::new(Vec::new(), &[]);
    match judge(&claim, &facts, None, &Policy::default(), &modes, attempt.at).decision {
        Decision::Refuse(reason) | Decision::Quarantine(reason) => Some(reason),
        Decision::Admit(_) | Decision::Contest | Decision::Drop(_) => None,
    }
}

/// The line of the unit, as the ledger has it since its installation.
fn home(attempt: &Attempt) -> AccessLineRecord {
    let line = attempt.device.to_string().replace(':', "-");
    let line: AccessLine =
        format!("line-{line}").parse().unwrap_or_else(|_| unreachable!("a name of letters and digits"));
    // 203.0.113.0/24 (RFC 5737): no box of the lab is in it.
    let prefix = ipnet::Ipv4Net::new(Ipv4Addr::new(203, 0, 113, 0), 24);
    let prefixes = prefix.into_iter().map(ipnet::IpNet::V4).collect();
    AccessLineRecord { line, prefixes, region: String::new(), position: None }
}

fn credential(attempt: &Attempt, cert: CertSha256) -> Option<Credential> {
    let issued = attempt.at.before(MONTH);
    Some(Credential {
        cert_sha256: cert,
        device: attempt.device,
        realm: "femto.operator.example".parse().ok()?,
        serial: "01".into(),
        spki_sha256: Sha256::of(b"a key"),
        not_before: issued,
        not_after: issued.after(VALIDITY),
        issued_at: issued,
        origin: Origin::default(),
        parent: None,
        superseded: None,
        doubt: None,
        revoked: None,
    })
}

fn claim(attempt: &Attempt, cert: CertSha256, granted: Granted, home: &AccessLine) -> Claim {
    let at = attempt.at;
    let ip = if granted.at_home { IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)) } else { attempt.outer };
    let line = if granted.at_home { Some(home.clone()) } else { attempt.line.clone() };
    Claim {
        device: attempt.device,
        idi: "femtocell".into(),
        cert_sha256: cert,
        serial: "01".into(),
        ski: Evidence::Missing(Missing::NotSent),
        revocation: Evidence::seen(Revocation::Good, "ledger", at),
        path: Box::default(),
        validity: if granted.short { MONTH } else { VALIDITY },
        extended: false,
        outer: Outer {
            address: SocketAddr::new(ip, 4500),
            class: Evidence::seen(attempt.class, "networks", at),
            line: line
                .map_or(Evidence::Missing(Missing::NoRecord), |line| Evidence::seen(line, "line-feed", at)),
            place: Evidence::Missing(Missing::NotGathered),
        },
        ike_spis: IkeSpis { initiator: IkeSpi(1), responder: IkeSpi(2) },
        proof: Evidence::Missing(Missing::NotSent),
        lineage: Evidence::seen(Lineage::Head, "ledger", at),
        fingerprint: Evidence::Missing(Missing::NotGathered),
        place: Evidence::Missing(Missing::NotGathered),
        facts: Evidence::Missing(Missing::NotGathered),
        attestation: Evidence::Missing(Missing::NotGathered),
    }
}
