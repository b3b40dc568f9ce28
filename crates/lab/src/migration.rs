//! An estate whose units all have one key gets a certificate for each, in waves, by real messages: what a migration is worth
//! when not all units come, some are not where the ledger has them, and somebody has copied the key.
//!
//! Registration authority, CA, ledger and journal are real; messages are handed over without HTTP, and the time of day is
//! the scenario's own, so that a window of a day takes no day.

use crate::{Carrier, Outcome, UnitIdentity};
use admission::Policy;
use anyhow::{Context, anyhow, bail, ensure};
use api::{Enrolments, LedgerRegister, Office, Revocations, foreign::ForeignCas};
use aws_lc_rs::rand;
use cmp::{Arrival, Asked, Confirming, Fresh, Nonce, Operator, RegistrationAuthority, Signer};
use ids::{DeviceId, Label, UnixTime};
use ike::crypto::AuthKey;
use ledger::{
    AccessLineRecord, Chosen, HaltRule, Ledger, MigrationReport, MigrationState, NewDevice, NewLegacyGroup,
    NewMigration, Wave,
};
use pki::{Ca, FileKey, KeyAlgorithm, PrivateKey};
use rcgen::{CertificateParams, DnType, KeyPair};
use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};
use x509::{Anchor, Anchors, Certificate};

/// What the scenario came to.
#[derive(Clone, Debug)]
pub struct Migrated {
    /// How far the migration is at its end.
    pub report: MigrationReport,
    /// Kinds of incidents, in their order.
    pub incidents: Vec<String>,
    /// Claims by the copied key, all from elsewhere.
    pub claims: usize,
    /// Those of them that got a certificate.
    pub stolen: usize,
    /// How often a person had it go on after it had halted.
    pub taken_on: usize,
    /// How long enrolments took, in all.
    pub enrolling: Duration,
    /// What does not hold in ledger and journal.
    pub findings: usize,
    /// Units of the canary that attached by their new certificate in the end.
    pub attached: usize,
}

/// What the ledger, and everybody, is told.
const WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Of so many units one never comes.
const SILENT: u32 = 100;
/// In this wave, of so many units one is not where the ledger has it.
const MOVED: (u32, u32) = (2, 5);
/// Claims by the copied key in each wave.
const CLAIMS: usize = 20;
/// Units that come at the same time.
const AT_ONCE: usize = 16;
/// Units that attach at the end.
const ATTACH: usize = 3;
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

/// A certificate with its issuers, and its key.
type Given = (Vec<Vec<u8>>, PrivateKey);

/// The carrier with its estate.
struct Scenario {
    carrier: Carrier,
    register: LedgerRegister,
    authority: RegistrationAuthority,
    operator: Operator,
    /// The key that all have, with its certificate.
    shared: Signer,
    /// What the canary was given.
    given: Mutex<Vec<(DeviceId, Given)>>,
}

/// Migrates an estate of so many units, with all files in `dir`, which must be empty. `wave` hears of each wave once it is over,
/// and of a halt.
///
/// # Errors
/// What could not be made, and why.
pub fn migrate(dir: &Path, units: u32, mut wave: impl FnMut(&MigrationReport)) -> anyhow::Result<Migrated> {
    let mut now = UnixTime::now();
    let scenario = Scenario::new(dir, units, now)?;
    let (name, ledger) = (name()?, scenario.carrier.ledger.clone());
    ledger.run_migration(&name, "kim", "the canary", now)?;
    let (mut claims, mut stolen, mut taken_on, mut enrolling) = (0, 0, 0, Duration::ZERO);
    loop {
        let report = ledger.migration_report(&name, now)?;
        match report.migration.state {
            MigrationState::Done => break,
            MigrationState::Halted => {
                wave(&report);
                taken_on += 1;
                ledger.run_migration(&name, "kim", "the lines are mended", now)?;
                continue;
            }
            MigrationState::Running => {}
            MigrationState::Planned | MigrationState::RolledBack => bail!("it is {}", report.migration.state),
        }
        let open = ledger.waves(&name)?.into_iter().find(Wave::is_open).context("a wave is open")?;
        let (asked, got) = scenario.copies(&ledger, &name, &open, now);
        (claims, stolen) = (claims + asked, stolen + got);
        let began = Instant::now();
        scenario.come(&open, now)?;
        enrolling += began.elapsed();
        // Nobody else comes: the window ends.
        now = now.after(WINDOW).after(ledger::CONFIRM_WAIT).after(Duration::from_secs(60));
        ledger.advance_migration(&name, now)?;
        wave(&ledger.migration_report(&name, now)?);
    }
    scenario.second_claim(&ledger, &name, now)?;
    let attached = scenario.attach()?;
    Ok(Migrated {
        report: ledger.migration_report(&name, now)?,
        incidents: ledger.incidents(0, 1000)?.rows.into_iter().map(|incident| incident.kind).collect(),
        claims,
        stolen,
        taken_on,
        enrolling,
        findings: ledger.verify()?.findings.len(),
        attached,
    })
}

fn name() -> anyhow::Result<Label> {
    Ok("estate".parse()?)
}

fn unit(number: u32) -> DeviceId {
    let [a, b, c, d] = number.to_be_bytes();
    DeviceId::eui48([2, 0, a, b, c, d])
}

fn number(unit: DeviceId) -> u32 {
    unit.octets().iter().skip(2).fold(0, |number, octet| number << 8 | u32::from(*octet))
}

/// Each unit's line has an address of its own.
fn home(unit: DeviceId) -> IpAddr {
    Ipv4Addr::from_bits(Ipv4Addr::new(100, 64, 0, 0).to_bits() + number(unit)).into()
}

impl Scenario {
    fn new(dir: &Path, units: u32, now: UnixTime) -> anyhow::Result<Self> {
        let carriers = dir.join("carrier");
        std::fs::create_dir(&carriers)?;
        let carrier = Carrier::start(&carriers)?;
        let shared = shared()?;
        estate(&carrier.ledger, units, shared.certificate(), now)?;
        let ca = Arc::new(Ca::open(carrier.ca.directory())?);
        let office = Office { ledger: carrier.ledger.clone(), policy: Policy::default() };
        let signer = office.registration_authority(&ca, now)?;
        let authority = RegistrationAuthority::new(signer, Anchors::new(), ca.device_anchors()?);
        let operator = Operator::new(ca.realm().clone(), Anchor::from_der(ca.root())?);
        let enrolments = Enrolments {
            ledger: carrier.ledger.clone(),
            ca,
            configured: api::Configured::default(),
            vendors: Arc::new(ForeignCas::new(dir.join("crl"), Vec::new(), Vec::new(), now)),
            revocations: Revocations::default(),
            gateway: None,
            has_room: Arc::new(|| true),
        };
        let (register, given) = (enrolments.open()?, Mutex::default());
        Ok(Self { carrier, register, authority, operator, shared, given })
    }

    /// The units of a wave come, as far as they do.
    fn come(&self, wave: &Wave, now: UnixTime) -> anyhow::Result<()> {
        let next = AtomicUsize::new(0);
        let one_after_another = || {
            while let Some(unit) = wave.units.get(next.fetch_add(1, Relaxed)) {
                let (silent, moved) =
                    (number(*unit).is_multiple_of(SILENT), (wave.number, number(*unit) % MOVED.1));
                if silent {
                    continue;
                }
                let has_moved = moved == (MOVED.0, 1);
                let from = if has_moved { ELSEWHERE } else { home(*unit) };
                match (self.enrol(*unit, from, now)?, has_moved) {
                    (Some(got), false) if wave.number == 0 => {
                        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
                        given.push((*unit, got));
                    }
                    (Some(_), false) | (None, true) => {}
                    (got, _) => bail!("{unit} from {from} in wave {}: {}", wave.number, got.is_some()),
                }
            }
            Ok(())
        };
        thread::scope(|threads| {
            let all: Vec<_> = (0..AT_ONCE).map(|_| threads.spawn(one_after_another)).collect();
            all.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow!("a unit panicked"))?)
        })
    }

    /// Somebody has copied the key, and claims the serials of units of this wave and of others: how many, and how many of
    /// them they got.
    fn copies(&self, ledger: &Ledger, name: &Label, open: &Wave, now: UnixTime) -> (usize, usize) {
        let waves = ledger.waves(name).unwrap_or_default();
        let others = waves.iter().filter(|wave| wave.number != open.number).flat_map(|wave| &wave.units);
        let claimed: Vec<_> =
            open.units.iter().take(CLAIMS / 2).chain(others.take(CLAIMS / 2)).copied().collect();
        let got = claimed.iter().filter(|unit| {
            // From behind another subscriber's line, too.
            let from = if number(**unit).is_multiple_of(2) {
                ELSEWHERE
            } else {
                home(crate::migration::unit(number(**unit) + 1))
            };
            self.enrol(**unit, from, now).is_ok_and(|got| got.is_some())
        });
        (claimed.len(), got.count())
    }

    /// Long after the canary had its certificates somebody comes once more for one of its units, from behind its line.
    fn second_claim(&self, ledger: &Ledger, name: &Label, now: UnixTime) -> anyhow::Result<()> {
        let canary = ledger.waves(name)?.into_iter().next().context("there is a canary")?;
        let unit = *canary
            .units
            .iter()
            .find(|unit| !number(**unit).is_multiple_of(SILENT))
            .context("one has come")?;
        ensure!(self.enrol(unit, home(unit), now)?.is_none(), "a second claim got a certificate");
        Ok(())
    }

    /// From ir to pkiConf; none where it was refused.
    fn enrol(&self, unit: DeviceId, from: IpAddr, now: UnixTime) -> anyhow::Result<Option<Given>> {
        let private = PrivateKey::generate(KeyAlgorithm::P256)?;
        let key = FileKey::new(&private)?;
        let fresh = Fresh { transaction: nonce()?, nonce: nonce()? };
        let asked = Asked::ir_by_shared(&self.operator, &self.shared, unit, &key, Some(now), fresh)?;
        let say = |message: &[u8]| {
            let arrival = Arrival { from, now: Some(now), nonce: nonce()? };
            anyhow::Ok(self.authority.handle(message, &arrival, &self.register))
        };
        let answer = say(asked.message())?;
        let offer = match asked.read(&self.operator, &answer, UnixTime::from_secs(0)) {
            Ok(offer) => offer,
            Err(cmp::AnswerError::Refused { failure, .. })
                if failure == Some(cmp::FailureInfo::NOT_AUTHORIZED) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let certificate = offer.chain.first().context("an offer without a certificate")?;
        let confirming =
            Confirming::new(&self.shared, &offer.transaction, &offer.nonce, certificate, now, nonce()?)?;
        confirming.read(&self.operator, &say(confirming.message())?, offer.time)?;
        Ok(Some((offer.chain, private)))
    }

    /// Some of the canary attach by what they were given.
    fn attach(&self) -> anyhow::Result<usize> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let mut attached = 0;
        for (place, (unit, (chain, key))) in given.iter().take(ATTACH).enumerate() {
            let name = format!("{unit}.{}", self.operator.realm());
            let key = Arc::new(AuthKey::from_pkcs8(key.pkcs8())?);
            let outer = [127, 14, 0, 1 + u8::try_from(place)?];
            let line = self.carrier.ledger.device(*unit)?.and_then(|device| device.access_line);
            let prefix = Ipv4Addr::from(outer).to_string().parse::<IpAddr>()?.into();
            self.carrier.ledger.set_line(
                &line.context("it has a line")?,
                |line| line.prefixes = vec![prefix],
                "lab",
                UnixTime::now(),
            )?;
            let identity = UnitIdentity { name, chain: chain.clone(), key };
            let unit = self.carrier.attach(&identity, outer)?;
            attached += usize::from(matches!(unit.outcome, Outcome::Attached(_)));
            unit.close();
        }
        Ok(attached)
    }
}

/// Lines, units, the group of their key, and the plan.
fn estate(ledger: &Ledger, units: u32, shared: &Certificate, now: UnixTime) -> anyhow::Result<()> {
    let line = |number: u32| {
        let (line, prefix) = (format!("line-{number}").parse()?, home(unit(number)).into());
        anyhow::Ok(AccessLineRecord { line, prefixes: vec![prefix], region: String::new(), position: None })
    };
    let lines: Vec<_> = (0..units).map(line).collect::<Result<_, _>>()?;
    ledger.add_lines(&lines, "lab", now)?;
    let device = |number: u32| NewDevice {
        access_line: lines.get(number as usize).map(|line| line.line.clone()),
        region: format!("region-{}", number % 7),
        class: "home".into(),
        ..NewDevice::installed(unit(number))
    };
    ledger.import(
        (0..units).map(|number| (0, device(number))),
        ledger::Differing::Refuse,
        "lab",
        now,
        |_| (),
    )?;
    let group = NewLegacyGroup {
        name: "one-key".parse()?,
        realm: "vendor.example".parse()?,
        spki_sha256: ids::Sha256::of(shared.spki()),
        certificate: shared.sha256(),
        subject: shared.subject(),
        until: now.after(Duration::from_secs(300 * 24 * 3600)),
    };
    ledger.name_legacy_group(group, "kim", "one key for all", Some("lee"), now)?;
    let new = NewMigration {
        name: name()?,
        group: "one-key".parse()?,
        chosen: Chosen::Class("home".into()),
        canary: (units / 20).clamp(1, 50),
        wave: (units / 6).clamp(1, 1000),
        window_s: WINDOW.as_secs(),
        halt: HaltRule { above_permille: 20, at_least: 4 },
    };
    let planned = ledger.plan_migration(&new, ("kim", "one key for all", Some("lee")), false, now)?;
    ensure!(planned.left_out.is_empty(), "{:?}", planned.left_out.first());
    Ok(())
}

/// One key and one certificate for all, for ten years, which names none of them.
fn shared() -> anyhow::Result<Signer> {
    let private = PrivateKey::generate(KeyAlgorithm::P256)?;
    let key = KeyPair::try_from(private.pkcs8())?;
    let mut params = CertificateParams::new(["femto.vendor.example".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "femto.vendor.example");
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2030, 1, 1));
    let certificate = params.self_signed(&key)?;
    Ok(Signer::new(Box::new(FileKey::new(&private)?), vec![certificate.der().to_vec()])?)
}

fn nonce() -> anyhow::Result<Nonce> {
    let mut nonce = Nonce::default();
    rand::fill(&mut nonce).map_err(|_| anyhow!("no randomness"))?;
    Ok(nonce)
}
