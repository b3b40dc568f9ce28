use super::*;
use crate::{Caller, Configured, LedgerBooks, Requests, Rules};
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use events::{Journal, JournalKey};
use http_body_util::BodyExt;
use ids::UnixTime;
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
    ("GET", "/v1/lines", "/v1/lines", ""),
    ("POST", "/v1/lines", "/v1/lines", r#"{"line":"L1","prefixes":["192.0.2.0/24"]}"#),
    ("POST", "/v1/lines/set", "/v1/lines/set", r#"{"line":"L1","region":"seoul"}"#),
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
    ("POST", "/v1/certificates", "/v1/certificates", r#"{"device":"00aabbccddee"}"#),
    ("POST", "/v1/certificates/import", "/v1/certificates/import", r#"{"rows":[]}"#),
    ("GET", "/v1/certificates/{serial}", "/v1/certificates/00", ""),
    ("POST", "/v1/certificates/{serial}/revoke", "/v1/certificates/00/revoke", r#"{"why":"test"}"#),
    ("GET", "/v1/sessions", "/v1/sessions", ""),
    ("GET", "/v1/sessions/brief", "/v1/sessions/brief?limit=10", ""),
    ("GET", "/v1/sessions/{id}", "/v1/sessions/1-1", ""),
    ("POST", "/v1/sessions/{id}/cut", "/v1/sessions/1-1/cut", r#"{"why":"test"}"#),
    ("GET", "/v1/incidents", "/v1/incidents", ""),
    ("GET", "/v1/incidents/{number}", "/v1/incidents/1", ""),
    ("GET", "/v1/stats", "/v1/stats", ""),
    ("POST", "/v1/backups", "/v1/backups", r#"{"to":"elsewhere","with_keys":false}"#),
    ("POST", "/v1/configuration", "/v1/configuration", "{}"),
];

/// What only an administrator may do, once more and by hand: the table in the code must not drift.
const ADMIN_ONLY: &[(&str, &str)] = &[
    ("POST", "/v1/devices"),
    ("POST", "/v1/devices/import"),
    ("POST", "/v1/devices/{id}"),
    ("POST", "/v1/lines"),
    ("POST", "/v1/lines/set"),
    ("POST", "/v1/pairs"),
    ("POST", "/v1/pairs/remove"),
    ("POST", "/v1/policy"),
    ("POST", "/v1/policy/resume"),
    ("POST", "/v1/certificates"),
    ("POST", "/v1/certificates/import"),
    ("POST", "/v1/certificates/{serial}/revoke"),
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
    pki::Ca::create(&ca_dir, &spec, now).unwrap();
    let books = LedgerBooks { ledger: ledger.clone(), policy: Default::default() };
    let (ca, _) = pki::Ca::open(&ca_dir, &books, now).unwrap();
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
async fn nobody_approves_their_own_move() {
    let world = world();
    let path = "/v1/devices/00aabbccddee/move";
    ask(&world, Some(Role::Admin), "POST", path, r#"{"to":"lost","why":"test"}"#).await;
    for own in ["Carol", "carol ", " CAROL\\t"] {
        let own = format!(r#"{{"to":"suspended","why":"found","approver":"{own}"}}"#);
        let (status, answer) = ask(&world, Some(Role::Admin), "POST", path, &own).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert!(answer.contains("nobody approves their own move"), "{answer}");
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
        let body = format!(r#"{{"set":{set},"why":"test"}}"#);
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
    assert_eq!(set(r#"{"line":null}"#).await, (kim, None));
    let unknown = r#"{"set":{"state":"live"},"why":"test"}"#;
    let (status, _) = ask(&world, Some(Role::Admin), "POST", "/v1/devices/00aabbccddee", unknown).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_certificate_is_ordered_once_for_one_request_id_and_revoked_by_serial_or_hash() {
    let world = world();
    let order = r#"{"request_id":"r1","device":"00aabbccddee"}"#;
    let first = ask(&world, Some(Role::Admin), "POST", "/v1/certificates", order).await;
    assert_eq!(first.0, StatusCode::OK, "{}", first.1);
    assert_eq!(ask(&world, Some(Role::Admin), "POST", "/v1/certificates", order).await, first);
    let issued = world.services.ca.as_ref().unwrap().list(None, 10).unwrap();
    assert_eq!(issued.len(), 1, "the key of the answer is the one that was certified");
    for name in [issued[0].serial.clone(), issued[0].sha256.to_string()] {
        let path = format!("/v1/certificates/{name}/revoke");
        let (status, answer) = ask(&world, Some(Role::Admin), "POST", &path, r#"{"why":"copied"}"#).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let revoked: ledger::Credential = serde_json::from_str(&answer).unwrap();
        assert_eq!(revoked.cert_sha256, issued[0].sha256);
        assert_eq!(revoked.revoked.unwrap().why, "copied");
    }
    let nowhere = format!("/v1/certificates/{}/revoke", "0".repeat(64));
    let (status, _) = ask(&world, Some(Role::Admin), "POST", &nowhere, r#"{"why":"test"}"#).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
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
    let order = r#"{"device":"00aabbffffff"}"#;
    let (status, answer) = ask(&world, Some(Role::Admin), "POST", "/v1/certificates", order).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let problem: Problem = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (problem.code.as_str(), problem.next.as_str()),
        ("not-found", "add it with `truecell device add`")
    );
}

#[tokio::test]
async fn a_limit_that_no_page_has_is_refused() {
    let world = world();
    for list in ["devices", "lines", "certificates", "sessions", "incidents"] {
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
