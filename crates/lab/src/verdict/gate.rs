//! What the registrar does about the claims on one unit, with the rules that it has.

use admission::{Claim, Decision, Facts, Holder, Modes, Policy, Probe, Verdict, appearance, judge};
use ids::{AccessLine, CertSha256, DeviceId, Epoch, Network, SessionId, Sha256, UnixTime};
use ledger::{Credential, Device, LifeCycle, Origin, Profile};
use std::{net::IpAddr, time::Duration};

/// As in the gateway: where a unit was good counts for so long.
const GOOD_FOR: Duration = Duration::from_secs(48 * 3600);

/// All that the gateway knows about one unit.
pub(super) struct Gate {
    pub(super) device: Device,
    credential: Credential,
    profile: Profile,
    good: Option<(UnixTime, IpAddr)>,
    policy: Policy,
    modes: Modes,
}

/// Who has the lease, and what it does when it is asked.
pub(super) struct Held {
    pub(super) claim: Claim,
    pub(super) does: Probe,
}

impl Gate {
    pub(super) fn new(line: &AccessLine, now: UnixTime) -> Self {
        let device = device(line.clone(), now);
        Self {
            credential: credential(device.id, Sha256([7; 32]), now),
            profile: Profile::new(device.id),
            device,
            good: None,
            policy: Policy::default(),
            modes: Modes::new(Vec::new(), &[]),
        }
    }

    /// Judges a claim, asks the holder where that is called for, and keeps who was let in.
    pub(super) fn attach(&mut self, claim: &Claim, held: Option<Held>, now: UnixTime) -> Verdict {
        let mut holder = held.map(|held| (holder(held.claim), held.does));
        let mut verdict = self.judge(claim, holder.as_ref().map(|(holder, _)| holder), now);
        if let (Decision::Contest, Some((holder, does))) = (verdict.decision, &mut holder) {
            holder.probe = *does;
            verdict = self.judge(claim, Some(holder), now);
        }
        if let Decision::Admit(_) = verdict.decision {
            let seen = appearance(claim, &self.facts(now), verdict.own.marks(), now);
            seen.map(|seen| self.profile.note(seen));
            if verdict.observed.is_empty() {
                self.good = Some((now, claim.outer.address.ip()));
            }
        }
        verdict
    }

    /// One that is attached, by what is known now.
    pub(super) fn review(&self, claim: &Claim, now: UnixTime) -> Verdict {
        self.judge(claim, None, now)
    }

    /// It has another certificate, and the one before counts no more.
    pub(super) fn enrol_anew(&mut self, cert: CertSha256, now: UnixTime) {
        self.credential = credential(self.device.id, cert, now);
    }

    pub(super) fn cert(&self) -> CertSha256 {
        self.credential.cert_sha256
    }

    fn judge(&self, claim: &Claim, holder: Option<&Holder>, now: UnixTime) -> Verdict {
        judge(claim, &self.facts(now), holder, &self.policy, &self.modes, now)
    }

    /// What two were judged by, as the journal has it.
    pub(super) fn case(&self, claim: &Claim, held: Held, now: UnixTime) -> admission::Case {
        let holder = Holder { probe: held.does, ..holder(held.claim) };
        admission::Case::new(claim, &self.facts(now), Some(&holder), &self.policy, &self.modes, now)
    }

    fn facts(&self, now: UnixTime) -> Facts<'_> {
        let good = self.good.filter(|(at, _)| now.since(*at) < GOOD_FOR);
        Facts {
            device: Some(&self.device),
            credential: Some(&self.credential),
            line: None,
            is_extended: false,
            good_at: good.map(|(_, home)| Network::of(home)),
            profile: Some(&self.profile),
            holder_may_go: true,
            holder_has_call: false,
        }
    }
}

fn holder(claim: Claim) -> Holder {
    Holder {
        session: SessionId { epoch: Epoch(1), number: 1 },
        outer: Some(claim.outer.address),
        claim: Some(claim),
        probe: Probe::NotAsked,
        asked_ago: None,
        heard_ago: None,
    }
}

fn device(line: AccessLine, now: UnixTime) -> Device {
    let id = DeviceId::eui48([2, 0, 0, 0, 0, 1]);
    Device {
        enrolment: ledger::Enrolment::Enrolled,
        access_line: Some(line),
        ..Device::new(id, LifeCycle::Live, now)
    }
}

#[allow(clippy::expect_used, reason = "a name of ours")]
fn credential(device: DeviceId, cert_sha256: CertSha256, now: UnixTime) -> Credential {
    Credential {
        cert_sha256,
        device,
        realm: "femto.operator.example".parse().expect("a realm"),
        serial: "01".into(),
        spki_sha256: Sha256([8; 32]),
        not_before: now,
        not_after: now.after(Duration::from_secs(30 * 86_400)),
        issued_at: now,
        origin: Origin::Issued,
        parent: None,
        superseded: None,
        doubt: None,
        revoked: None,
    }
}
