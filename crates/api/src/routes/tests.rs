mod findings;

use super::*;
use crate::certificate::{CertificateDetail, CertificatePage, IssuedCertificate, RevokedCertificate};
use crate::{Caller, Configured, Requests, Revocations, Rules};
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use events::{Journal, JournalKey};
use http_body_util::BodyExt;
use ids::{CrlReason, DeviceId, UnixTime};
use ledger::{Ledger, NewDevice, Pools, RowKey, store::Sqlite};
use tower::ServiceExt;

/// One request for each route that everyone with the role must be let through, whatever it answers.
/// A route without a line here fails the test below.
const CASES: &[(&str, &str, &str, &str)] = &[
    ("GET", "/v1/devices", "/v1/devices", ""),
    ("POST", "/v1/devices", "/v1/devices", r#"{"device":{"id":"00aabbccdd01"}}"#),
    ("POST", "/v1/devices/import", "/v1/devices/import", r#"{"rows":[]}"#),
    ("GET", "/v1/devices/{id}", "/v1/devices/00aabbccddee", ""),
    ("POST", "/v1/devices/{id}", "/v1/devices/00aabbccddee", r#"{"set":{"owner":"kim"},"why":"test"}"#),
    ("POST", "/v1/devices/{id}/move", "/v1/devices/00aabbccddee/move", r#"{"to":"suspended","why":"test"}"#),
    ("GET", "/v1/devices/{id}/lineage", "/v1/devices/00aabbccddee/lineage", ""),
    ("GET", "/v1/cells", "/v1/cells?state=blocked&after=lte:450-08:1&limit=10", ""),
    ("GET", "/v1/cells/{cell}", "/v1/cells/lte:450-08:1a2b3c4?at=2026-01-01T00:00:00Z", ""),
    ("GET", "/v1/lines", "/v1/lines", ""),
    ("POST", "/v1/lines", "/v1/lines", r#"{"line":"L1","prefixes":["192.0.2.0/24"]}"#),
    ("POST", "/v1/lines/set", "/v1/lines/set", r#"{"line":"L1","region":"seoul"}"#),
    ("GET", "/v1/orders", "/v1/orders?device=00aabbccddee", ""),
    (
        "POST",
        "/v1/orders",
        "/v1/orders",
        r#"{"order":{"id":"W-1","device":"00aabbccddee","line":"L1","until":"2126-01-01T00:00:00Z"},"why":"test"}"#,
    ),
    ("POST", "/v1/orders/import", "/v1/orders/import", r#"{"rows":[]}"#),
    ("POST", "/v1/orders/{id}/close", "/v1/orders/W%2F1/close", r#"{"why":"test"}"#),
    ("GET", "/v1/legacy-groups", "/v1/legacy-groups", ""),
    ("POST", "/v1/legacy-groups", "/v1/legacy-groups", LEGACY),
    ("GET", "/v1/migrations", "/v1/migrations", ""),
    ("POST", "/v1/migrations", "/v1/migrations", PLAN),
    ("GET", "/v1/migrations/{name}", "/v1/migrations/m", ""),
    ("POST", "/v1/migrations/{name}/run", "/v1/migrations/m/run", r#"{"why":"test"}"#),
    ("POST", "/v1/migrations/{name}/halt", "/v1/migrations/m/halt", r#"{"why":"test"}"#),
    ("POST", "/v1/migrations/{name}/rollback", "/v1/migrations/m/rollback", r#"{"why":"test"}"#),
    ("GET", "/v1/pairs", "/v1/pairs?after=00aabbccddee-00aabbccddef", ""),
    ("POST", "/v1/pairs", "/v1/pairs", r#"{"devices":["00aabbccddee","00aabbccddef"],"why":"test"}"#),
    (
        "POST",
        "/v1/pairs/remove",
        "/v1/pairs/remove",
        r#"{"devices":["00aabbccddee","00aabbccddef"],"why":"test"}"#,
    ),
    ("GET", "/v1/policy", "/v1/policy", ""),
    ("POST", "/v1/policy", "/v1/policy", r#"{"reason":"foreign-network","mode":"observe","why":"test"}"#),
    ("POST", "/v1/policy/resume", "/v1/policy/resume", r#"{"reason":"foreign-network","why":"test"}"#),
    ("GET", "/v1/policy/readiness", "/v1/policy/readiness", ""),
    ("GET", "/v1/policy/observations", "/v1/policy/observations?limit=10", ""),
    ("GET", "/v1/events", "/v1/events?from=1", ""),
    ("POST", "/v1/events/verify", "/v1/events/verify", ""),
    ("POST", "/v1/ledger/verify", "/v1/ledger/verify", ""),
    ("GET", "/v1/certificates", "/v1/certificates", ""),
    ("POST", "/v1/certificates", "/v1/certificates", r#"{"device":"00aabbccddee","approver":"dave"}"#),
    ("POST", "/v1/certificates/import", "/v1/certificates/import", r#"{"rows":[]}"#),
    ("GET", "/v1/certificates/expiring", "/v1/certificates/expiring?within_s=60", ""),
    (
        "POST",
        "/v1/certificates/extension",
        "/v1/certificates/extension",
        r#"{"until":"2126-01-01T00:00:00Z","why":"test","approver":"dave"}"#,
    ),
    ("POST", "/v1/certificates/extension/end", "/v1/certificates/extension/end", r#"{"why":"test"}"#),
    ("GET", "/v1/certificates/{serial}", "/v1/certificates/00", ""),
    ("POST", "/v1/certificates/{serial}/revoke", "/v1/certificates/00/revoke", r#"{"why":"test"}"#),
    ("GET", "/v1/ca", "/v1/ca", ""),
    (
        "POST",
        "/v1/ca/distrust",
        "/v1/ca/distrust",
        r#"{"realm":"vendor.example","since":"2026-01-01T00:00:00Z","why":"test"}"#,
    ),
    ("GET", "/v1/ca/distrust/{realm}", "/v1/ca/distrust/vendor.example", ""),
    ("POST", "/v1/ca/trust", "/v1/ca/trust", r#"{"realm":"vendor.example","why":"test"}"#),
    ("POST", "/v1/ca/rotation", "/v1/ca/rotation", r#"{"ca":"devices","why":"test"}"#),
    (
        "POST",
        "/v1/ca/rotation/certificate",
        "/v1/ca/rotation/certificate",
        r#"{"ca":"devices","certificate":"","why":"test"}"#,
    ),
    ("GET", "/v1/sessions", "/v1/sessions", ""),
    ("GET", "/v1/sessions/brief", "/v1/sessions/brief?limit=10", ""),
    ("GET", "/v1/sessions/{id}", "/v1/sessions/1-1", ""),
    ("POST", "/v1/sessions/{id}/cut", "/v1/sessions/1-1/cut", r#"{"why":"test"}"#),
    ("GET", "/v1/findings", "/v1/findings?detector=war_driving&cell=lte:450-08:1a2b3c4&limit=10", ""),
    ("POST", "/v1/findings", "/v1/findings", r#"{"version":1,"findings":[]}"#),
    ("GET", "/v1/incidents", "/v1/incidents", ""),
    ("GET", "/v1/incidents/{number}", "/v1/incidents/1", ""),
    ("GET", "/v1/incidents/{number}/replay", "/v1/incidents/1/replay", ""),
    ("POST", "/v1/incidents/{number}/close", "/v1/incidents/1/close", r#"{"why":"test"}"#),
    ("POST", "/v1/incidents/{number}/judge", "/v1/incidents/1/judge", r#"{"genuine":"holder","why":"test"}"#),
    (
        "GET",
        "/v1/management/orders",
        "/v1/management/orders?device=00aabbccddee&all=true&after=1&limit=10",
        "",
    ),
    (
        "POST",
        "/v1/management/orders",
        "/v1/management/orders",
        r#"{"device":"00aabbccddee","task":"radio-off","why":"test"}"#,
    ),
    ("GET", "/v1/management/orders/{number}", "/v1/management/orders/1", ""),
    (
        "POST",
        "/v1/management/orders/{number}/report",
        "/v1/management/orders/1/report",
        r#"{"report":"done","text":"test"}"#,
    ),
    (
        "POST",
        "/v1/management/orders/{number}/withdraw",
        "/v1/management/orders/1/withdraw",
        r#"{"why":"test"}"#,
    ),
    ("GET", "/v1/stats", "/v1/stats", ""),
    ("POST", "/v1/backups", "/v1/backups", r#"{"to":"elsewhere","with_keys":false}"#),
    ("POST", "/v1/configuration", "/v1/configuration", "{}"),
];

/// A certificate that names no unit, for ten years.
const LEGACY: &str = r#"{"name":"old","realm":"vendor.example","certificate":"-----BEGIN CERTIFICATE-----\nMIIBkzCCATmgAwIBAgIUWFxOdmFrnVbSaW+g3pZ342iTdtowCgYIKoZIzj0EAwIw\nHzEdMBsGA1UEAwwUZmVtdG8udmVuZG9yLmV4YW1wbGUwHhcNMjYxMTMwMTYxOTM3\nWhcNMzYxMTI3MTYxOTM3WjAfMR0wGwYDVQQDDBRmZW10by52ZW5kb3IuZXhhbXBs\nZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPKq8uBBTeJ2y2aHniZ3kyuDMSy/\nk0DRWp58+w4D9eeQeGeY9qlBFjDjN48NT80ChnUdmvLBqZ/b74xQZTA7np+jUzBR\nMB0GA1UdDgQWBBRKYQRm7F8gQjFtPGY7AeEl8W4H2DAfBgNVHSMEGDAWgBRKYQRm\n7F8gQjFtPGY7AeEl8W4H2DAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gA\nMEUCIQCQm7aVA/M5zpk5RUujva0bqZgidW6neKsY+FfOr10JaAIgC2zwTjNRsn+4\nFQsky9JU2Oyb2ivF+xcUCz4QfMcGzIU=\n-----END CERTIFICATE-----","until":"2026-01-01T00:00:00Z","why":"test","approver":"dave"}"#;
const PLAN: &str = r#"{"plan":{"name":"m","group":"old","chosen":{"class":""},"canary":1,"wave":1,"window_s":3600,"halt":{"above_permille":20,"at_least":2}},"why":"test","approver":"dave"}"#;

/// What only an administrator may do, once more and by hand: the table in the code must not drift.
const ADMIN_ONLY: &[(&str, &str)] = &[
    ("POST", "/v1/devices"),
    ("POST", "/v1/devices/import"),
    ("POST", "/v1/devices/{id}"),
    ("POST", "/v1/lines"),
    ("POST", "/v1/lines/set"),
    ("POST", "/v1/orders"),
    ("POST", "/v1/orders/import"),
    ("POST", "/v1/orders/{id}/close"),
    ("POST", "/v1/legacy-groups"),
    ("POST", "/v1/migrations"),
    ("POST", "/v1/migrations/{name}/run"),
    ("POST", "/v1/migrations/{name}/rollback"),
    ("POST", "/v1/pairs"),
    ("POST", "/v1/pairs/remove"),
    ("POST", "/v1/policy"),
    ("POST", "/v1/policy/resume"),
    ("POST", "/v1/certificates"),
    ("POST", "/v1/certificates/import"),
    ("POST", "/v1/certificates/extension"),
    ("POST", "/v1/certificates/extension/end"),
    ("POST", "/v1/certificates/{serial}/revoke"),
    ("POST", "/v1/ca/distrust"),
    ("POST", "/v1/ca/trust"),
    ("POST", "/v1/ca/rotation"),
    ("POST", "/v1/ca/rotation/certificate"),
    ("POST", "/v1/incidents/{number}/judge"),
    ("POST", "/v1/management/orders"),
    ("POST", "/v1/management/orders/{number}/withdraw"),
    ("POST", "/v1/backups"),
    ("POST", "/v1/configuration"),
];

struct World {
    services: Arc<Services>,
    _folder: tempfile::TempDir,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let now = UnixTime::now();
    let key = JournalKey::create(&folder.path().join("journal.key")).unwrap();
    let public = key.public_key();
    let dir = folder.path().join("journal");
    let (journal, _) = Journal::open(&dir, "test".parse().unwrap(), key, now).unwrap();
    let store = Sqlite::open(&folder.path().join("ledger.sqlite")).unwrap();
    let pools = Pools { v4: Some("10.0.0.0/24".parse().unwrap()), v6: None };
    let (ledger, _) = Ledger::open(Box::new(store), journal, RowKey::new(&[7; 32]), pools, now).unwrap();
    ledger.add_device(NewDevice::installed("00aabbccddee".parse().unwrap()), "test", now).unwrap();
    let spec = pki::CaSpec::new("Test", "femto.test.example".parse().unwrap());
    let ca_dir = folder.path().join("ca");
    let ca = pki::Ca::create(&ca_dir, &spec, now).unwrap();
    let (_, stop) = tokio::sync::watch::channel(false);
    let rules = Rules { approvers: vec!["dave".into(), "Carol".into()], ..Rules::default() };
    let services = Services {
        ledger,
        journal_files: JournalFiles { dir, key: public, witness: None, stop },
        ca: Some(Arc::new(ca)),
        gateway: None,
        requests: Requests::default(),
        configured: Configured::new(rules, x509::Anchors::new()),
        configuration: None,
        revocations: Revocations::default(),
    };
    World { services: Arc::new(services), _folder: folder }
}

async fn ask(
    world: &World,
    caller: Option<Role>,
    method: &str,
    path: &str,
    body: &str,
) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    if let Some(role) = caller {
        request = request.extension(Caller { role, name: "carol".into() });
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = router(world.services.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[test]
fn every_route_has_an_authorization_case() {
    let cases: Vec<_> = CASES.iter().map(|(method, route, ..)| (*method, *route)).collect();
    let routes = routes();
    let known: Vec<_> = routes.iter().map(|route| (route.method.as_str(), route.path)).collect();
    assert_eq!(cases, known);
    let admin: Vec<_> =
        routes.iter().filter(|r| r.needs == Role::Admin).map(|r| (r.method.as_str(), r.path)).collect();
    assert_eq!(admin, ADMIN_ONLY);
}

#[tokio::test]
async fn each_route_lets_its_roles_through_and_nobody_else() {
    for (method, route, path, body) in CASES {
        let world = world();
        let (status, answer) = ask(&world, None, method, path, body).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{method} {path} without a caller: {answer}");
        let (status, answer) = ask(&world, Some(Role::Operator), method, path, body).await;
        let admin_only = ADMIN_ONLY.contains(&(*method, *route));
        assert_eq!(status == StatusCode::FORBIDDEN, admin_only, "operator {method} {path}: {answer}");
        let (status, answer) = ask(&world, Some(Role::Admin), method, path, body).await;
        let done = status.is_success() || status == StatusCode::NOT_FOUND || status == StatusCode::CONFLICT;
        assert!(done, "admin {method} {path}: {status} {answer}");
    }
}

#[tokio::test]
async fn an_operator_stops_a_unit_and_only_an_administrator_brings_it_back() {
    let world = world();
    let path = "/v1/devices/00aabbccddee/move";
    for state in ledger::LifeCycle::ALL {
        let body = format!(r#"{{"to":"{state}","why":"test"}}"#);
        let (status, answer) = ask(&world, Some(Role::Operator), "POST", path, &body).await;
        let stops = ["suspended", "lost", "stolen", "silent"].contains(&state.as_str());
        assert_eq!(status == StatusCode::FORBIDDEN, !stops, "{state}: {answer}");
    }
}

#[tokio::test]
async fn an_import_of_which_no_row_is_taken_begins_nothing() {
    let world = world();
    let import = |id: &str| {
        format!(
            r#"{{"rows":[{{"line":2,"unit":{{"id":"{id}","known":{{"class":"home","region":"seoul"}}}}}}]}}"#
        )
    };
    let path = "/v1/devices/import";
    let (_, answer) = ask(&world, Some(Role::Admin), "POST", path, &import("00aabbccddee")).await;
    assert!(answer.contains(r#""added":0"#) && answer.contains(r#""line":2"#), "{answer}");
    assert!(answer.contains(r#""observed":[]"#), "{answer}");
    let (_, policy) = ask(&world, Some(Role::Operator), "GET", "/v1/policy", "").await;
    assert!(!policy.contains("seoul"), "{policy}");
    let (_, answer) = ask(&world, Some(Role::Admin), "POST", path, &import("00aabbccdd02")).await;
    assert!(answer.contains(r#""observed":[{"class":"home","region":"seoul"}]"#), "{answer}");
}

#[tokio::test]
async fn whoever_sets_a_rule_hears_which_others_come_before_it() {
    let world = world();
    let rules = [
        (r#"{"class":"home"}"#, "observe", vec![]),
        (r#"{"class":"home","region":"seoul"}"#, "enforce", vec![]),
        (r#"{"region":"busan"}"#, "enforce", vec![r#"{"class":"home","region":null}"#]),
        ("{}", "enforce", vec![r#"{"class":"home","region":null}"#]),
        ("{}", "observe", vec![r#"{"class":"home","region":"seoul"}"#, r#"{"class":null,"region":"busan"}"#]),
    ];
    for (scope, mode, expected) in rules {
        let body = format!(r#"{{"reason":"foreign-network","scope":{scope},"mode":"{mode}","why":"test"}}"#);
        let (status, answer) = ask(&world, Some(Role::Admin), "POST", "/v1/policy", &body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let set: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let named: Vec<_> =
            set["overridden_by"].as_array().unwrap().iter().map(|rule| rule["scope"].to_string()).collect();
        assert_eq!(named.len(), expected.len(), "{scope} {mode}: {answer}");
        assert!(expected.iter().all(|scope| named.iter().any(|named| named == scope)), "{answer}");
        assert!(serde_json::from_str::<crate::policy::RuleSet>(&answer).is_ok());
    }
}

#[tokio::test]
async fn nobody_approves_their_own_move() {
    let world = world();
    let path = "/v1/devices/00aabbccddee/move";
    ask(&world, Some(Role::Admin), "POST", path, r#"{"to":"lost","why":"test"}"#).await;
    for own in ["Carol", "carol ", " CAROL\\t"] {
        let own = format!(r#"{{"to":"suspended","why":"found","approver":"{own}"}}"#);
        let (status, answer) = ask(&world, Some(Role::Admin), "POST", path, &own).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert!(answer.contains("nobody approves what they ask for themselves"), "{answer}");
    }
}

#[tokio::test]
async fn the_second_person_is_one_whom_the_configuration_names() {
    let world = world();
    let path = "/v1/devices/00aabbccddee/move";
    ask(&world, Some(Role::Admin), "POST", path, r#"{"to":"lost","why":"test"}"#).await;
    let by = |approver: &str| format!(r#"{{"to":"suspended","why":"found","approver":"{approver}"}}"#);
    for stranger in ["mallory", "", "Dave"] {
        let (status, answer) = ask(&world, Some(Role::Admin), "POST", path, &by(stranger)).await;
        assert_eq!(status, StatusCode::CONFLICT, "{stranger}");
        assert!(answer.contains("unknown-approver"), "{answer}");
    }
    let (status, answer) = ask(&world, Some(Role::Admin), "POST", path, &by(" dave ")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test]
async fn a_certificate_by_hand_takes_two_people_whom_its_row_and_its_event_name() {
    let world = world();
    let issue = async |approver: &str| {
        let order = format!(r#"{{"device":"00aabbccddee"{approver}}}"#);
        ask(&world, Some(Role::Admin), "POST", "/v1/certificates", &order).await
    };
    assert_eq!(issue("").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    for (approver, code) in
        [("Carol", "needs-approver"), (" CAROL ", "needs-approver"), ("kim", "unknown-approver")]
    {
        let (status, answer) = issue(&format!(r#","approver":"{approver}""#)).await;
        assert_eq!(status, StatusCode::CONFLICT, "{approver}");
        assert!(answer.contains(code), "{answer}");
    }
    assert_eq!(listed(&world, "").await.certificates, []);
    let (status, answer) = issue(r#","approver":"dave""#).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let issued: IssuedCertificate = serde_json::from_str(&answer).unwrap();
    let journal = world.services.ledger.journal();
    let mut tail = events::journal::Tail::new(&journal.dir(), 1);
    let records = std::iter::from_fn(|| tail.next_record().unwrap());
    let changes = records.filter_map(|record| record.read::<events::ledger::RowChanged>().unwrap());
    let row = changes.into_iter().find(|change| change.table == "certificate").unwrap();
    assert_eq!((row.by.as_str(), row.approver.as_deref()), ("carol", Some("dave")));
    let path = format!("/v1/certificates/{}", issued.certificate.serial);
    let (_, detail) = ask(&world, Some(Role::Operator), "GET", &path, "").await;
    let detail: CertificateDetail = serde_json::from_str(&detail).unwrap();
    assert!(matches!(detail.lineage.leave, Some(ledger::Leave::Approved(who)) if who.as_str() == "dave"));
}

#[tokio::test]
async fn an_operator_reports_a_unit_lost_and_does_not_bring_it_back() {
    let world = world();
    let path = "/v1/devices/00aabbccddee/move";
    let (status, answer) =
        ask(&world, Some(Role::Operator), "POST", path, r#"{"to":"lost","why":"test"}"#).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let back = r#"{"to":"suspended","why":"found","approver":"dave"}"#;
    let (status, answer) = ask(&world, Some(Role::Operator), "POST", path, back).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
    let (status, answer) = ask(&world, Some(Role::Admin), "POST", path, back).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test]
async fn particulars_change_one_by_one_and_null_takes_the_line_away() {
    let world = world();
    let set = async |set: &str| {
        let body = format!(r#"{{"set":{set},"why":"test","approver":"dave"}}"#);
        let (status, answer) =
            ask(&world, Some(Role::Admin), "POST", "/v1/devices/00aabbccddee", &body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let crate::device::RecordedDevice { device, unknown_line, .. } =
            serde_json::from_str(&answer).unwrap();
        assert_eq!(unknown_line, device.access_line, "no line is in the register");
        (device.owner, device.access_line.map(|line| line.to_string()))
    };
    let (kim, line) = ("kim".to_owned(), Some("L-1".to_owned()));
    assert_eq!(set(r#"{"owner":"kim"}"#).await, (kim.clone(), None));
    assert_eq!(set(r#"{"line":"L-1"}"#).await, (kim.clone(), line.clone()));
    let head = world.services.ledger.journal().head();
    assert_eq!(set(r#"{"owner":"kim"}"#).await, (kim.clone(), line));
    assert_eq!(world.services.ledger.journal().head(), head, "nothing changed, nothing is written");
    for nobody in ["", r#","approver":"carol""#] {
        let alone = format!(r#"{{"set":{{"line":null}},"why":"test"{nobody}}}"#);
        let (status, answer) =
            ask(&world, Some(Role::Admin), "POST", "/v1/devices/00aabbccddee", &alone).await;
        assert_eq!(status, StatusCode::CONFLICT, "{answer}");
        assert!(answer.contains("needs-approver"), "{answer}");
    }
    assert_eq!(set(r#"{"line":null}"#).await, (kim, None));
    let unknown = r#"{"set":{"state":"live"},"why":"test"}"#;
    let (status, _) = ask(&world, Some(Role::Admin), "POST", "/v1/devices/00aabbccddee", unknown).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_certificate_is_ordered_once_for_one_request_id_and_revoked_by_serial_or_hash() {
    let world = world();
    let order = r#"{"request_id":"r1","device":"00aabbccddee","approver":"dave"}"#;
    let first = ask(&world, Some(Role::Admin), "POST", "/v1/certificates", order).await;
    assert_eq!(first.0, StatusCode::OK, "{}", first.1);
    assert_eq!(ask(&world, Some(Role::Admin), "POST", "/v1/certificates", order).await, first);
    let issued = listed(&world, "").await.certificates;
    assert_eq!(issued.len(), 1, "the key of the answer is the one that was certified");
    assert_eq!((issued[0].waits, &issued[0].revoked), (false, &None));
    let info = &issued[0].certificate;
    for (name, why) in [(info.serial.clone(), "copied"), (info.sha256.to_string(), "again")] {
        let path = format!("/v1/certificates/{name}/revoke");
        let body = format!(r#"{{"why":"{why}","reason":"key-compromise"}}"#);
        let (status, answer) = ask(&world, Some(Role::Admin), "POST", &path, &body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let revoked: RevokedCertificate = serde_json::from_str(&answer).unwrap();
        assert_eq!((revoked.cert_sha256, revoked.device), (info.sha256, info.device));
        let reason = Some(CrlReason::KeyCompromise);
        assert_eq!((revoked.revoked.why.as_str(), revoked.revoked.reason), ("copied", reason));
        assert_eq!(listed(&world, "").await.certificates[0].revoked, Some(revoked.revoked));
    }
    let path = format!("/v1/certificates/{}/revoke", info.serial);
    let odd = r#"{"why":"copied","reason":"unspecified"}"#;
    let (status, _) = ask(&world, Some(Role::Admin), "POST", &path, odd).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let nowhere = format!("/v1/certificates/{}/revoke", "0".repeat(64));
    let (status, _) = ask(&world, Some(Role::Admin), "POST", &nowhere, r#"{"why":"test"}"#).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

async fn listed(world: &World, query: &str) -> CertificatePage {
    let path = format!("/v1/certificates{query}");
    let (status, answer) = ask(world, Some(Role::Operator), "GET", &path, "").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

/// Has the CA issue to a gateway and an OCSP responder; their serials.
fn issue_others(world: &World) -> [String; 2] {
    let (ca, now) = (world.services.ca.as_ref().unwrap(), UnixTime::now());
    let order = pki::GatewayOrder {
        names: vec!["segw.femto.test.example".into()],
        addresses: vec![],
        key: pki::KeySource::Generate(pki::KeyAlgorithm::P256),
        validity: None,
        by: "test".into(),
    };
    let issued = world.services.office().issue(|books| {
        ca.ocsp_signer(pki::Generation::first(pki::Issuing::Devices), "test", books, now)?;
        ca.issue_gateway(&order, books, now)
    });
    let gateway = issued.unwrap().info.serial;
    let rows = world.services.ledger.certificates("", 9).unwrap().rows;
    let signer = rows.into_iter().find(|row| row.kind == "ocsp_signer").unwrap().serial;
    [gateway, signer]
}

#[tokio::test]
async fn certificates_of_both_cas_are_listed_in_pages_and_shown_by_serial() {
    let world = world();
    let order = r#"{"device":"00aabbccddee","approver":"dave"}"#;
    for _ in 0..2 {
        ask(&world, Some(Role::Admin), "POST", "/v1/certificates", order).await;
    }
    issue_others(&world);
    let all = listed(&world, "").await;
    assert_eq!((all.certificates.len(), all.next), (4, None));
    let mut kinds: Vec<_> = all.certificates.iter().map(|one| one.certificate.kind.name()).collect();
    assert_eq!(kinds.pop(), Some("gateway"), "devices before gateways");
    kinds.sort();
    assert_eq!(kinds, ["device", "device", "ocsp_signer"]);
    let (mut paged, mut query) = (Vec::new(), "?limit=1".to_owned());
    loop {
        let page = listed(&world, &query).await;
        paged.extend(page.certificates);
        let Some(next) = page.next else { break };
        query = format!("?limit=1&after={next}");
    }
    assert_eq!(paged, all.certificates);
    for one in all.certificates {
        let path = format!("/v1/certificates/{}", one.certificate.serial);
        let (status, answer) = ask(&world, Some(Role::Operator), "GET", &path, "").await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let detail: CertificateDetail = serde_json::from_str(&answer).unwrap();
        assert_eq!(detail.certificate, one);
        assert!(detail.pem.starts_with("-----BEGIN CERTIFICATE-----\n"), "{}", detail.pem);
    }
    for missing in ["00", "..%2F..%2Fca", "zz", &"a".repeat(80)] {
        let path = format!("/v1/certificates/{missing}");
        let (status, answer) = ask(&world, Some(Role::Operator), "GET", &path, "").await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{answer}");
    }
    for after in ["4b", "vendors/4b", "devices/", "devices/zz"] {
        let path = format!("/v1/certificates?after={after}");
        let (status, _) = ask(&world, Some(Role::Operator), "GET", &path, "").await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{after}");
    }
}

#[tokio::test]
async fn a_gateways_and_a_responders_certificate_are_revoked_by_serial() {
    let world = world();
    for serial in issue_others(&world) {
        let path = format!("/v1/certificates/{serial}/revoke");
        let body = r#"{"why":"a new one","reason":"superseded"}"#;
        let (status, answer) = ask(&world, Some(Role::Admin), "POST", &path, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let revoked: RevokedCertificate = serde_json::from_str(&answer).unwrap();
        assert_eq!((revoked.serial, revoked.device), (serial, None));
        assert_eq!(revoked.revoked.reason, Some(CrlReason::Superseded));
    }
    let reasons = listed(&world, "").await.certificates.into_iter().map(|one| one.revoked.unwrap().why);
    assert_eq!(reasons.collect::<Vec<_>>(), ["a new one"; 2]);
}

#[tokio::test]
async fn a_certificates_row_that_was_tampered_with_is_named_and_hides_no_other() {
    let world = world();
    let [gateway, signer] = issue_others(&world);
    let database = rusqlite::Connection::open(world._folder.path().join("ledger.sqlite")).unwrap();
    let key = format!("devices/{signer}");
    assert_eq!(database.execute("UPDATE row SET body = '{}' WHERE key = ?1", [&key]).unwrap(), 1);
    let page = listed(&world, "").await;
    let serials = |page: CertificatePage| -> Vec<String> {
        page.certificates.into_iter().map(|one| one.certificate.serial).collect()
    };
    let named: Vec<_> = page.tampered.iter().map(|row| (row.table.as_str(), row.key.as_str())).collect();
    assert_eq!(named, [("certificate", key.as_str())]);
    assert_eq!(serials(page), std::slice::from_ref(&gateway));
    let first = listed(&world, "?limit=1").await;
    assert_eq!((first.certificates.len(), first.tampered.len(), &first.next), (0, 1, &Some(key.clone())));
    assert_eq!(serials(listed(&world, &format!("?limit=1&after={key}")).await), [gateway]);
}

#[tokio::test]
async fn a_request_to_cut_may_name_itself() {
    let world = world();
    let body = r#"{"request_id":"r1","why":"test"}"#;
    let (status, answer) = ask(&world, Some(Role::Admin), "POST", "/v1/sessions/1-1/cut", body).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{answer}");
}

#[tokio::test]
async fn the_same_request_id_does_it_once_and_with_another_body_it_is_a_conflict() {
    let world = world();
    let body = r#"{"request_id":"r1","device":{"id":"00aabbccdd01"}}"#;
    let first = ask(&world, Some(Role::Admin), "POST", "/v1/devices", body).await;
    assert_eq!(first.0, StatusCode::OK, "{}", first.1);
    assert_eq!(ask(&world, Some(Role::Admin), "POST", "/v1/devices", body).await, first);
    let other = body.replace("01\"", "02\"");
    let (status, answer) = ask(&world, Some(Role::Admin), "POST", "/v1/devices", &other).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(answer.contains("request-reused"), "{answer}");
}

#[tokio::test]
async fn what_nobody_serves_and_what_nobody_reads_is_a_problem_with_a_next_step() {
    let world = world();
    let (status, answer) = ask(&world, Some(Role::Admin), "GET", "/v1/nothing", "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(answer.contains(r#""code":"not-found""#) && answer.contains(r#""next":"#), "{answer}");
    let unknown = r#"{"device":{"id":"00aabbccdd01","colour":"red"}}"#;
    let (status, answer) = ask(&world, Some(Role::Admin), "POST", "/v1/devices", unknown).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let problem: Problem = serde_json::from_str(&answer).unwrap();
    assert!(problem.detail.contains("unknown field `colour`"), "{answer}");
    let (status, answer) = ask(&world, Some(Role::Admin), "DELETE", "/v1/devices", "").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    let problem: Problem = serde_json::from_str(&answer).unwrap();
    assert_eq!((problem.code.as_str(), problem.next.as_str()), ("method-not-allowed", "it takes GET, POST"));
}

#[tokio::test]
async fn a_line_is_added_once_and_changed_by_name_and_only_a_network_is_a_prefix() {
    let world = world();
    let admin = Some(Role::Admin);
    let line = r#"{"line":"L1","prefixes":["192.0.2.0/24"],"region":"seoul"}"#;
    assert_eq!(ask(&world, admin, "POST", "/v1/lines", line).await.0, StatusCode::OK);
    let again = r#"{"line":"L1","prefixes":["198.51.100.0/24"]}"#;
    assert_eq!(ask(&world, admin, "POST", "/v1/lines", again).await.0, StatusCode::CONFLICT);
    let (status, answer) = ask(&world, admin, "POST", "/v1/lines/set", again).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let changed: crate::line::ChangedLine = serde_json::from_str(&answer).unwrap();
    assert_eq!(changed.was.prefixes, ["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(changed.is.prefixes, ["198.51.100.0/24".parse().unwrap()]);
    assert_eq!(changed.is.region, "seoul");
    for (path, line) in [("/v1/lines", "L2"), ("/v1/lines/set", "L1")] {
        let host_bits = format!(r#"{{"line":"{line}","prefixes":["198.51.100.7/24"]}}"#);
        let (status, answer) = ask(&world, admin, "POST", path, &host_bits).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.contains("write 198.51.100.0/24, or 198.51.100.7/32"), "{answer}");
    }
}

#[tokio::test]
async fn a_certificate_for_an_unknown_unit_is_answered_with_how_to_add_it() {
    let world = world();
    let order = r#"{"device":"00aabbffffff","approver":"dave"}"#;
    let (status, answer) = ask(&world, Some(Role::Admin), "POST", "/v1/certificates", order).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let problem: Problem = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (problem.code.as_str(), problem.next.as_str()),
        ("not-found", "`truecell device list` has those that there are; `truecell device add` adds one")
    );
}

#[test]
fn who_is_not_found_is_looked_for_in_the_list_of_its_table() {
    let lists = [
        ("device", "truecell device list"),
        ("line", "truecell line list"),
        ("order", "truecell order list"),
        ("pair", "truecell pair list"),
        ("credential", "truecell cert list"),
        ("certificate", "truecell cert list"),
        ("distrust", "truecell ca show"),
        ("incident", "truecell incident list"),
        ("policy", "truecell policy show"),
        ("breaker", "truecell policy show"),
    ];
    for (table, list) in lists {
        let problem = Problem::from(ledger::LedgerError::NotFound { table, key: "x".into() });
        assert!(problem.next.contains(list), "{table}: {}", problem.next);
    }
}

#[tokio::test]
async fn a_limit_that_no_page_has_is_refused() {
    let world = world();
    for list in ["devices", "lines", "certificates", "sessions", "incidents", "findings"] {
        for (limit, good) in [(0, false), (1, true), (1000, true), (1001, false)] {
            let path = format!("/v1/{list}?limit={limit}");
            let (status, answer) = ask(&world, Some(Role::Operator), "GET", &path, "").await;
            assert_eq!(status.is_success(), good, "{path}: {answer}");
        }
    }
}

#[tokio::test]
async fn evidence_is_shown_with_its_incident_and_not_in_the_list() {
    let world = world();
    let new = ledger::NewIncident {
        kind: "second-claim",
        devices: vec!["00aabbccddee".parse().unwrap()],
        summary: "two holders".into(),
        evidence: serde_json::json!({"probe": {"answered": true}}),
        more: 0,
    };
    world.services.ledger.open_incident(new, "test", UnixTime::now()).unwrap();
    let of = |answer: (StatusCode, String)| serde_json::from_str::<serde_json::Value>(&answer.1).unwrap();
    let list = of(ask(&world, Some(Role::Operator), "GET", "/v1/incidents", "").await);
    assert_eq!(list["incidents"][0]["evidence"], serde_json::Value::Null);
    let one = of(ask(&world, Some(Role::Operator), "GET", "/v1/incidents/1", "").await);
    assert_eq!(one["evidence"]["probe"]["answered"], true);
}

#[tokio::test]
async fn incidents_are_found_by_state_and_unit_and_pages_go_on() {
    let world = world();
    let units = ["00aabbccddee", "00aabb000001"].map(|unit| unit.parse::<DeviceId>().unwrap());
    for number in 0..6 {
        let kind = ["lost", "stolen", "clone"][number / 2];
        let devices = vec![units[number % 2]];
        let (summary, evidence) = (String::new(), serde_json::Value::Null);
        let new = ledger::NewIncident { kind, devices, summary, evidence, more: 0 };
        world.services.ledger.open_incident(new, "test", UnixTime::now()).unwrap();
    }
    let closed = ledger::ClosedIncident::new("kim", UnixTime::now(), "seen");
    world.services.ledger.close_incident(3, closed).unwrap();
    let of = async |query: &str| {
        let path = format!("/v1/incidents?{query}");
        let (status, answer) = ask(&world, Some(Role::Operator), "GET", &path, "").await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let page: crate::incident::IncidentPage = serde_json::from_str(&answer).unwrap();
        (page.incidents.iter().map(|incident| incident.number).collect::<Vec<_>>(), page.next)
    };
    assert_eq!(of("state=closed").await, (vec![3], None));
    assert_eq!(of("state=open&device=00aabbccddee").await, (vec![1, 5], None));
    assert_eq!(of("device=00aabb000001&limit=2").await, (vec![2, 4], Some(4)));
    assert_eq!(of("device=00aabb000001&limit=2&after=4").await, (vec![6], None));
    let path = "/v1/incidents?state=over";
    assert_eq!(ask(&world, Some(Role::Operator), "GET", path, "").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_blank_reason_is_none() {
    let world = world();
    for why in ["", "  "] {
        let body = format!(r#"{{"to":"suspended","why":"{why}"}}"#);
        let (status, answer) =
            ask(&world, Some(Role::Admin), "POST", "/v1/devices/00aabbccddee/move", &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.contains("it cannot be blank"), "{answer}");
    }
}

#[tokio::test]
async fn units_whose_newest_certificate_ends_soon_are_listed_the_first_to_end_first() {
    let world = world();
    let issue = async |device: &str, days: u32| {
        let body = format!(r#"{{"device":"{device}","days":{days},"approver":"dave"}}"#);
        let (status, answer) = ask(&world, Some(Role::Admin), "POST", "/v1/certificates", &body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    };
    let (first, second, third) = ("00aabbccddee", "00aabbccdd01", "00aabbccdd02");
    for device in [second, third] {
        world
            .services
            .ledger
            .add_device(NewDevice::installed(device.parse().unwrap()), "test", UnixTime::now())
            .unwrap();
    }
    for (device, days) in [(first, 5), (second, 2), (third, 1), (third, 20)] {
        issue(device, days).await;
    }
    let expiring = async |query: &str| {
        let path = format!("/v1/certificates/expiring{query}");
        let (status, answer) = ask(&world, Some(Role::Operator), "GET", &path, "").await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        serde_json::from_str::<crate::certificate::ExpiringPage>(&answer).unwrap()
    };
    let devices = |page: &crate::certificate::ExpiringPage| {
        page.certificates.iter().map(|one| one.device.to_string()).collect::<Vec<_>>()
    };
    let page = expiring("").await;
    assert_eq!(
        (devices(&page), page.not_issuing.as_deref(), page.next.as_deref()),
        (vec![second.into(), first.into()], None, None)
    );
    assert_eq!(page.days.iter().map(|day| day.certificates).sum::<u64>(), 3, "certificates, not units");
    assert_eq!(devices(&expiring("?within_s=259200").await), [second]);
    let mut paged = Vec::new();
    let mut query = "?limit=1".to_owned();
    loop {
        let page = expiring(&query).await;
        paged.extend(devices(&page));
        let Some(next) = page.next else { break };
        query = format!("?limit=1&after={next}");
    }
    assert_eq!(paged, [second, first]);
    let (status, _) =
        ask(&world, Some(Role::Operator), "GET", "/v1/certificates/expiring?after=4b", "").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn where_no_ca_is_whoever_asks_what_ends_hears_so() {
    let world = world();
    let services = Arc::try_unwrap(world.services).unwrap_or_else(|_| panic!("shared"));
    let world = World { services: Arc::new(Services { ca: None, ..services }), ..world };
    let (_, answer) = ask(&world, Some(Role::Operator), "GET", "/v1/certificates/expiring", "").await;
    assert!(answer.contains(r#""not_issuing":"there is no embedded CA here""#), "{answer}");
    let (_, answer) = ask(&world, Some(Role::Operator), "GET", "/v1/ca", "").await;
    assert!(answer.contains(r#""ca":null"#), "{answer}");
}
