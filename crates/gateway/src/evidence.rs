//! What is known about one claim: from AUTH, the certificate path, IKE, and the ledger.

use crate::{
    Origins,
    hand_off::Claim,
    management::{Ours, management},
};
use admission::{
    Evidence, Facts, Fingerprint, IkeSpis, Lineage, Located, Missing, Outer, Revocation, Verdict,
};
use events::admission::Weighed;
use ids::{AccessLine, CertSha256, DeviceId, Hex, Position, UnixTime};
use ike::payload::Proposal;
use ledger::{AccessLineRecord, Credential, Device, DoubtKind, Finding, Lease, LedgerError, Profile, Tx};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};
use std::{borrow::Cow, fmt::Write, net::SocketAddr, time::Duration};
use x509::Standing;

/// What the ledger says about one claim.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) device: Option<Device>,
    pub(crate) credential: Option<Credential>,
    pub(crate) line: Option<AccessLineRecord>,
    /// Other lines that the feed says its claim and its holder are behind.
    others: Vec<AccessLineRecord>,
    pub(crate) lease: Option<Lease>,
    /// The certificate counts now though it may have ended.
    pub(crate) is_extended: bool,
    /// As what the unit has been seen.
    pub(crate) profile: Option<Profile>,
    /// What is wrong with the row that says so.
    pub(crate) tampered: Option<Finding>,
}

impl Known {
    pub(crate) fn read(
        tx: &mut Tx<'_>,
        device: DeviceId,
        cert: CertSha256,
        (outer, origins): (SocketAddr, &dyn Origins),
        now: UnixTime,
    ) -> Result<Self, LedgerError> {
        let record = tx.device(device)?;
        let line = record.as_ref().and_then(|record| record.access_line.clone());
        let lease = tx.lease(device)?;
        let places = [Some(outer), lease.as_ref().map(|lease| lease.outer)];
        let others = others(tx, places.into_iter().flatten(), line.as_ref(), origins, now)?;
        let credential = tx.credential(cert)?;
        let (profile, tampered) = tx.profile(device)?;
        let ended = credential.as_ref().filter(|credential| credential.not_after < now);
        Ok(Self {
            is_extended: ended.map_or(Ok(false), |credential| tx.is_extended(credential, now))?,
            credential,
            line: line.map(|line| tx.line(&line)).transpose()?.flatten(),
            others,
            lease,
            profile,
            tampered,
            device: record,
        })
    }

    /// Where a line ends, by the ledger.
    fn position_of(&self, line: &AccessLine) -> Option<Position> {
        self.line.iter().chain(&self.others).find(|known| known.line == *line)?.position
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            device: self.device.as_ref(),
            credential: self.credential.as_ref(),
            line: self.line.as_ref(),
            good_at: None,
            is_extended: self.is_extended,
            profile: self.profile.as_ref(),
            holder_may_go: false,
            holder_has_call: false,
        }
    }
}

/// What the ledger has of the lines that the feed names at these places, but for the unit's own. Whose row can't be believed says
/// nothing.
///
/// # Errors
/// The transient ones.
fn others(
    tx: &mut Tx<'_>,
    places: impl Iterator<Item = SocketAddr>,
    own: Option<&AccessLine>,
    origins: &dyn Origins,
    now: UnixTime,
) -> Result<Vec<AccessLineRecord>, LedgerError> {
    let mut others = Vec::new();
    for place in places {
        let Some(line) = origins.line(place, own, now).value().filter(|line| own != Some(*line)).cloned()
        else {
            continue;
        };
        match tx.line(&line) {
            Err(error) if error.is_transient() => return Err(error),
            known => others.extend(known.ok().flatten()),
        }
    }
    Ok(others)
}

/// The claim, with all that is known about it here.
/// `standing`: how the certificate stands with its CA, where that is a foreign one that is asked.
pub(crate) fn evidence(
    claim: &Claim,
    known: &Known,
    standing: Option<Standing>,
    origins: &dyn Origins,
    now: UnixTime,
) -> admission::Claim {
    let (path, auth) = (claim.authenticated.path(), claim.authenticated.auth());
    let device = claim.authenticated.device();
    admission::Claim {
        device,
        idi: String::from_utf8_lossy(&auth.idi().data).into(),
        cert_sha256: path.cert_sha256(),
        serial: path.serial().into(),
        ski: path
            .ski()
            .map_or(Evidence::Missing(Missing::NotSent), |ski| Evidence::seen(hex(ski), "x509", now)),
        revocation: revocation(known.credential.as_ref(), standing, now),
        path: path.path().into(),
        validity: path.not_after().since(path.not_before()),
        extended: path.is_extended(),
        outer: outer(auth.path().peer, known, origins, now),
        ike_spis: IkeSpis { initiator: auth.spi_i(), responder: auth.spi_r() },
        proof: Evidence::Missing(Missing::NotGathered),
        lineage: lineage(known.credential.as_ref(), now),
        fingerprint: Evidence::seen(fingerprint(&claim.request.fingerprint), "ike", now),
        place: Evidence::Missing(Missing::NotGathered),
        facts: management(device, known, &Ours::beginning(auth.spi_i(), now), origins, now),
        attestation: Evidence::Missing(Missing::NotGathered),
    }
}

/// Where the certificate stands in the line of renewals.
fn lineage(credential: Option<&Credential>, now: UnixTime) -> Evidence<Lineage> {
    let Some(credential) = credential else { return Evidence::Missing(Missing::NoRecord) };
    let is_forked = credential.doubt.as_ref().is_some_and(|doubt| doubt.kind == DoubtKind::Unsure);
    let stands = match &credential.superseded {
        _ if is_forked => Lineage::Forked,
        Some(superseded) => Lineage::Superseded { by: superseded.by },
        None => Lineage::Head,
    };
    Evidence::seen(stands, "ledger", now)
}

/// Where a unit is. Whom the feed of lines does not know there may be behind the prefixes of its own line. Where the ledger has where
/// the line ends, that is the place, whatever databases say of the address.
pub(crate) fn outer(address: SocketAddr, known: &Known, origins: &dyn Origins, now: UnixTime) -> Outer {
    let (class, place) = origins.source(address.ip());
    let own = known.line.as_ref().filter(|own| own.covers(address.ip()) == Some(true));
    let of_unit = known.device.as_ref().and_then(|device| device.access_line.as_ref());
    let line = match (origins.line(address, of_unit, now), own) {
        (Evidence::Missing(_), Some(own)) => Evidence::seen(own.line.clone(), "ledger", now),
        (line @ (Evidence::Known(_) | Evidence::Missing(_)), _) => line,
    };
    let position = line.value().and_then(|line| known.position_of(line));
    let place =
        position.map_or(place, |position| Evidence::seen(Located { position, radius_km: 0 }, "line", now));
    Outer { address, class, line, place }
}

/// The ledger's record is what says that a certificate counts no more; beside it, the foreign CA that issued it.
pub(crate) fn revocation(
    credential: Option<&Credential>,
    standing: Option<Standing>,
    now: UnixTime,
) -> Evidence<Revocation> {
    let by_us = credential.and_then(|credential| credential.revoked.clone());
    match (by_us, standing) {
        (Some(revoked), _) => Evidence::seen(Revocation::Revoked(revoked), "ledger", now),
        (None, Some(standing)) => Evidence::seen(by_issuer(standing), "issuer", now),
        (None, None) if credential.is_some() => Evidence::seen(Revocation::Good, "ledger", now),
        (None, None) => Evidence::Missing(Missing::NoRecord),
    }
}

fn by_issuer(standing: Standing) -> Revocation {
    match standing {
        Standing::Good { .. } => Revocation::Good,
        Standing::Revoked(revoked) => {
            Revocation::RevokedByIssuer { at: revoked.at, reason: revoked.reason_code().map(Into::into) }
        }
        Standing::Asking => Revocation::Asking,
        Standing::Unknown { since, grace_until } => Revocation::Unknown { since, grace_until },
    }
}

fn hex(octets: &[u8]) -> Box<str> {
    Hex(octets).to_string().into()
}

fn fingerprint(seen: &ike::ObservedFingerprint) -> Fingerprint {
    Fingerprint {
        vendor_ids: seen.vendor_ids.iter().map(|octets| hex(octets)).collect(),
        proposals: seen.proposals.iter().chain(&seen.child_proposals).map(proposal).collect(),
        notifies: seen.notifies.iter().map(|kind| kind.0).collect(),
        fragment_sizes: seen.fragment_sizes.clone().into(),
        nonce_length: seen.nonce_length,
        retransmissions: seen.retransmissions,
        first_retransmission_ms: seen.first_retransmission.map(milliseconds),
        key_exchange: seen.key_exchange.map(|method| method.0),
        init_to_auth_us: u64::try_from(seen.init_to_auth.as_micros()).unwrap_or(u64::MAX),
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn proposal(proposal: &Proposal) -> Box<str> {
    let mut text = format!("{}.{}:", proposal.number, proposal.protocol.0);
    for transform in &proposal.transforms {
        // Writing to a String does not fail.
        let _ = write!(text, " {}:{}", transform.kind.0, transform.id);
        let _ = transform.key_len.map_or(Ok(()), |bits| write!(text, "/{bits}"));
    }
    text.into()
}

/// The claim as it stands in the journal.
pub(crate) fn as_written(claim: &admission::Claim) -> Box<RawValue> {
    to_raw_value(claim).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// What a verdict stands on, as it stands in the journal.
pub(crate) fn weighed(verdict: &Verdict) -> Weighed {
    let names = |names: &[&'static str]| names.iter().map(|name| Cow::Borrowed(*name)).collect();
    Weighed {
        conclusion: verdict.conclusion.map(|conclusion| conclusion.code().into()),
        used: names(&verdict.used),
        missing: names(&verdict.missing),
        observed: verdict.observed.iter().map(|reason| reason.code().into()).collect(),
        on_probation: verdict.on_probation,
    }
}

/// The claim as it stands in an incident.
pub(crate) fn as_json(claim: &admission::Claim) -> Value {
    serde_json::to_value(claim).unwrap_or(Value::Null)
}
