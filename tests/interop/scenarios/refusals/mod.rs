//! Who is refused for good learns AUTHENTICATION_FAILED and nothing else; the journal has the reason.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use interop::carrier::{Carrier, Unit};
use interop::certificate::{Authority, KeyKind, write};
use interop::charon::{Charon, PROMPT};
use interop::internet::Host;
use interop::scene::Scene;
use interop::truecell::{Event, SERVICE_V4, device_name};

use crate::FEMTOCELL;

const LIAR: &str = include_str!("liar.conf");

/// A realm of units whose certificates come from elsewhere.
const VENDOR: &str = "femto.vendor.example";
const VENDOR_REALM: &str = "[[realm]]\nname = \"femto.vendor.example\"\nanchors = [\"vendor.pem\"]";

/// What a unit was refused for: the journal's reason code, and which of the two kinds of record has it.
#[derive(Clone, Copy)]
enum Expected {
    /// It proved to hold its key.
    Refused(&'static str),
    /// It proved nothing.
    Failed(&'static str),
}

impl Expected {
    fn is(self, event: &Event, host: &Host) -> bool {
        let (kind, reason) = match self {
            Self::Refused(reason) => ("admission.refused", reason),
            Self::Failed(reason) => ("gateway.attach_failed", reason),
        };
        let outer = event.body["outer"].as_str().unwrap_or_default();
        event.kind == kind && event.body["reason"] == reason && outer.starts_with(&host.v4.to_string())
    }
}

/// Lets the unit try, and returns it for a look whether it tries again.
fn refused(carrier: &Carrier<'_>, role: &str, unit: &Unit, conf: &str, expected: Expected) -> Result<Charon> {
    let host = carrier.access("femto")?;
    let charon = carrier.charon(role, &host, unit, conf, "")?;
    charon.wait_for_log("received AUTHENTICATION_FAILED notify error", 1, PROMPT).context(role.to_owned())?;
    let event = carrier
        .gateway
        .wait_for_event(role, PROMPT, |event| expected.is(event, &host))
        .with_context(|| format!("{role} from {}", host.v4))?;
    ensure!(!event.body["detail"].as_str().unwrap_or_default().is_empty(), "{event:?}");
    let answer =
        charon.log().lines().rfind(|line| line.contains("parsed IKE_AUTH response")).map(str::to_owned);
    ensure!(
        answer.is_some_and(|line| line.ends_with("[ N(AUTH_FAILED) ]")),
        "the peer learned more: {}",
        charon.log()
    );
    Ok(charon)
}

const TEN_YEARS: Duration = Duration::from_secs(3_650 * 86_400);

fn vendors(vendor: &Authority, id: &str) -> Result<Unit> {
    let name = format!("{id}.{VENDOR}");
    Ok(Unit { credential: vendor.issue(&name, KeyKind::P256)?, name })
}

/// Units that may not attach, and why.
fn all_refused(carrier: &Carrier<'_>, vendor: &Authority) -> Result<Vec<Charon>> {
    use Expected::{Failed, Refused};
    let gateway = &carrier.gateway;
    let mut tried = Vec::new();
    let mut try_it = |role: &str, unit: &Unit, conf: &str, expected: Expected| -> Result<()> {
        tried.push(refused(carrier, role, unit, conf, expected)?);
        Ok(())
    };
    for (n, state) in ["retired", "lost", "suspended"].into_iter().enumerate() {
        let id = format!("00aabb00000{n}");
        let unit = carrier.unit(&id)?;
        gateway.run(&["device", "move", &id, state, "--why", "a test"])?;
        try_it(state, &unit, FEMTOCELL, Refused(state))?;
    }
    let unknown = vendors(vendor, "00aabb000010")?;
    try_it("unknown", &unknown, FEMTOCELL, Refused("unknown-device"))?;

    gateway.add_device("00aabb000011", &[])?;
    try_it("mis-issued", &vendors(vendor, "00aabb000011")?, FEMTOCELL, Refused("mis-issued"))?;

    gateway.add_device("00aabb000012", &[])?;
    let name = format!("00aabb000012.{VENDOR}");
    let ten_years = Unit { credential: vendor.issue_until(&name, KeyKind::P256, TEN_YEARS)?, name };
    gateway.import("00aabb000012", &ten_years.credential)?;
    try_it("ten-years", &ten_years, FEMTOCELL, Refused("validity-too-long"))?;

    gateway.run(&["line", "add", "KT/1", "192.0.2.0/24"])?;
    gateway.add_device("00aabb000013", &["--line", "KT/1"])?;
    let elsewhere =
        Unit { name: device_name("00aabb000013"), credential: gateway.issue("00aabb000013", &[])? };
    try_it("elsewhere", &elsewhere, FEMTOCELL, Refused("foreign-network"))?;

    let liar = Unit { name: device_name("00aabb000013"), ..carrier.unit("00aabb000014")? };
    try_it("liar", &liar, LIAR, Failed("identity-not-in-cert"))?;

    let name = device_name("00aabb000014");
    let foreign = Unit { credential: Authority::root("Nobody")?.issue(&name, KeyKind::P256)?, name };
    try_it("foreign-ca", &foreign, FEMTOCELL, Failed("cert-untrusted"))?;

    let name = device_name("00aabb000014");
    let other_realm = Unit { credential: vendor.issue(&name, KeyKind::P256)?, name };
    try_it("other-realm", &other_realm, FEMTOCELL, Failed("realm-of-other-anchor"))?;
    Ok(tried)
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn who_may_not_attach_learns_nothing_more_the_journal_says_why_and_nobody_tries_again() {
    Scene::play("refused", |scene| {
        let vendor = Authority::root("Vendor root")?;
        write(&scene.dir("gateway")?, "vendor.pem", vendor.anchor())?;
        let carrier = Carrier::new(scene, VENDOR_REALM)?;
        let tried = all_refused(&carrier, &vendor)?;
        ensure!(carrier.gateway.sessions()?.is_empty());
        let mut kinds: Vec<_> = carrier.gateway.incidents()?.into_iter().map(|one| one.kind).collect();
        kinds.sort();
        assert_eq!(kinds, ["lost", "mis-issued"]);
        for charon in &tried {
            let attempts = charon.log().matches("generating IKE_SA_INIT request 0").count();
            assert_eq!(attempts, 1, "charon with keyingtries=0 came back after AUTHENTICATION_FAILED");
        }
        carrier.gateway.verify()
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn the_tunnel_of_a_unit_that_is_reported_lost_is_cut_within_five_seconds_and_stays_so() {
    Carrier::with("lost", "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "")?;
        charon.wait_for_tunnel()?;
        host.ping(SERVICE_V4)?;
        let reported = Instant::now();
        carrier.gateway.run(&["device", "lost", "00aabbccddee", "--why", "a test"])?;
        charon.wait_for_log("received DELETE for IKE_SA", 1, Duration::from_secs(5))?;
        ensure!(reported.elapsed() < Duration::from_secs(5), "{:?}", reported.elapsed());
        // Its configuration has it try again at once, which is told from a cut for other reasons.
        charon.wait_for_log("received AUTHENTICATION_FAILED notify error", 1, PROMPT)?;
        ensure!(host.no_ping(SERVICE_V4) && carrier.gateway.sessions()?.is_empty());
        let kinds: Vec<_> = carrier.gateway.incidents()?.into_iter().map(|one| one.kind).collect();
        assert_eq!(kinds, ["lost"]);
        Ok(())
    });
}
