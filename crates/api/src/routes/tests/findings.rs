//! Findings: what an engine says is what the API takes; what comes of it.

use super::*;
use crate::{
    cell::CellDetail,
    finding::{Detected, FindingPage, TakeFindings, TakenDetections},
    incident::{IncidentPage, IncidentView},
};
use detect::{Bounds, Change, Engine, Feed, Input, LedgerChange, Setup, Unit};
use records::row::{Access, AccessEvent, MacroCell, Row, Stamp};
use std::time::Duration;

const CELL: &str = "lte:450-08:3000001";

/// What an engine says of handsets at a cell that nobody knows, where a unit and a macro cell are known.
fn found() -> Vec<serde_json::Value> {
    let start: UnixTime = "2026-01-05T00:00:00Z".parse().unwrap();
    let at = |minute: u64| start.after(Duration::from_secs(60 * minute));
    let feed = |name: &str| Feed {
        name: name.parse().unwrap(),
        lateness: Duration::from_secs(60),
        silence: Duration::from_secs(7200),
    };
    let feeds = ["core", "ledger", "plan"].map(feed).to_vec();
    let bounds = Bounds { handsets: 16, cells: 16, waiting: 100 };
    let mut engine = Engine::new(Setup { start, feeds, bounds });
    let stamp =
        |feed: &str, seq: u8| Stamp { at: at(seq.into()), feed: feed.parse().unwrap(), seq: seq.into() };
    let unit = Unit {
        device: "00aabbccddee".parse().unwrap(),
        state: ledger::LifeCycle::Live,
        position: None,
        line: None,
        mode: None,
        cells: Vec::new(),
    };
    let change = Change::Unit { before: None, after: Some(unit) };
    let macro_cell = MacroCell {
        stamp: stamp("plan", 1),
        cell: "lte:450-08:1000001".parse().unwrap(),
        position: ids::Position::from_degrees(37.5, 127.0).unwrap(),
        radius_m: 700,
        from: start,
        to: None,
    };
    let access = |number: u8| Access {
        stamp: stamp("core", number),
        subscriber: ids::SubscriberKey::new([number; 16]),
        cell: CELL.parse().unwrap(),
        event: AccessEvent::Attach,
        peer: None,
        inner: None,
        cipher: None,
        integrity: None,
    };
    let told = [
        Input::Ledger(LedgerChange { stamp: stamp("ledger", 1), change }),
        Input::Row(Row::MacroCell(macro_cell)),
    ];
    let mut found = Vec::new();
    for input in told.into_iter().chain((2..8).map(|number| Input::Row(Row::Access(access(number))))) {
        engine.take(input, &mut found);
    }
    engine.finish(at(20), &mut found);
    found.iter().map(|found| serde_json::to_value(found).unwrap()).collect()
}

fn body(findings: &[serde_json::Value]) -> String {
    serde_json::json!({ "version": 1, "findings": findings }).to_string()
}

async fn of<T: serde::de::DeserializeOwned>(world: &World, path: &str) -> T {
    let (status, answer) = ask(world, Some(Role::Operator), "GET", path, "").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

async fn take(world: &World, body: &str) -> TakenDetections {
    let (status, answer) = ask(world, Some(Role::Operator), "POST", "/v1/findings", body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test]
async fn what_an_engine_says_is_taken_once_as_it_says_it_and_is_an_incident_with_its_rows() {
    let (world, said) = (world(), found());
    assert!(!said.is_empty());
    let taken = take(&world, &body(&said)).await;
    assert_eq!((taken.taken, taken.known, taken.incidents), (said.len() as u64, 0, [1].into()));
    let again = take(&world, &body(&said)).await;
    assert_eq!((again.taken, again.known, again.incidents.len()), (0, said.len() as u64, 0));
    let page: FindingPage = of(&world, "/v1/findings").await;
    let kept: Vec<_> = page.findings.iter().map(|row| serde_json::to_value(&row.found).unwrap()).collect();
    assert_eq!(kept, said, "not a field of it is lost");
    let view: IncidentView = of(&world, "/v1/incidents/1").await;
    assert_eq!(view.findings, page.findings);
    let row = &view.findings[0].found;
    assert_eq!((&*row.detector, row.evidence[0].1), ("cell_unknown", 2));
    assert!(row.benign.iter().any(|cause| cause.contains("macro cell")));
    let cell: CellDetail = of(&world, &format!("/v1/cells/{CELL}")).await;
    assert!(cell.trust.state > crate::cell::TrustState::Unknown, "{:?}", cell.trust);
}

#[tokio::test]
async fn a_batch_with_one_bad_finding_changes_nothing_at_all() {
    let (world, said) = (world(), found());
    let changed = |name: &str, value: serde_json::Value| {
        let mut bad = said[0].clone();
        bad[name] = value;
        body(&[said[0].clone(), bad])
    };
    let bad = [
        changed("confidence", 101.into()),
        changed("detector", "Cell Unknown".into()),
        changed("cells", serde_json::json!(vec![CELL; 17])),
        changed("colour", "red".into()),
        changed("key", serde_json::json!({"tower": CELL})),
        serde_json::json!({ "version": 2, "findings": said }).to_string(),
        serde_json::json!({ "findings": said }).to_string(),
        serde_json::json!({ "version": 1, "findings": said, "more": 1 }).to_string(),
        body(&vec![said[0].clone(); TakeFindings::MOST + 1]),
    ];
    for body in &bad {
        let (status, answer) = ask(&world, Some(Role::Operator), "POST", "/v1/findings", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    }
    assert_eq!(of::<FindingPage>(&world, "/v1/findings").await.findings, []);
    assert_eq!(of::<IncidentPage>(&world, "/v1/incidents").await.incidents, []);
}

#[tokio::test]
async fn what_differs_under_an_id_that_is_taken_is_named_and_the_rest_is_taken() {
    let (world, said) = (world(), found());
    take(&world, &body(&said[..1])).await;
    let mut other = said[0].clone();
    other["confidence"] = 1.into();
    let mut new = said[0].clone();
    new["id"] = "0".repeat(32).into();
    let taken = take(&world, &body(&[other, new])).await;
    assert_eq!((taken.taken, taken.differing.len(), taken.differing[0].incident), (1, 1, 1));
}

#[tokio::test]
async fn findings_and_their_incidents_are_found_by_cell_detector_and_time_and_pages_go_on() {
    let world = world();
    let detected: Detected = serde_json::from_value(found()[0].clone()).unwrap();
    let at = |secs| UnixTime::from_secs(1_770_000_000 + secs);
    let all: Vec<_> = (0..9_i64)
        .map(|number| {
            let cell = format!("lte:450-08:{:x}", 0x300_0000 + number % 3).parse().unwrap();
            let detector = ["cell_unknown", "war_driving", "war_driving"][number as usize % 3].to_owned();
            let (id, key) = (format!("{number:032x}").parse().unwrap(), serde_json::json!({ "cell": cell }));
            let key = serde_json::from_value(key).unwrap();
            Detected { id, detector, at: at(number), key, cells: vec![cell], ..detected.clone() }
        })
        .collect();
    let request = serde_json::to_string(&TakeFindings::new(all)).unwrap();
    assert_eq!(take(&world, &request).await.incidents, [1, 2, 3].into());
    let secs = |page: &FindingPage| {
        page.findings.iter().map(|row| row.found.at.secs() - 1_770_000_000).collect::<Vec<_>>()
    };
    let page: FindingPage = of(&world, &format!("/v1/findings?from={}&to={}", at(2), at(5))).await;
    assert_eq!((secs(&page), page.next), (vec![2, 3, 4], None));
    let page: FindingPage = of(&world, "/v1/findings?cell=lte:450-08:3000001").await;
    assert_eq!(secs(&page), [1, 4, 7]);
    let (mut query, mut paged) = ("?detector=war_driving&limit=4".to_owned(), Vec::new());
    loop {
        let page: FindingPage = of(&world, &format!("/v1/findings{query}")).await;
        paged.extend(secs(&page));
        let Some(next) = page.next else { break };
        query = format!("?detector=war_driving&limit=4&after={next}");
    }
    assert_eq!(paged, [1, 2, 4, 5, 7, 8]);
    let numbers = |page: IncidentPage| page.incidents.iter().map(|one| one.number).collect::<Vec<_>>();
    assert_eq!(numbers(of(&world, "/v1/incidents?cell=lte:450-08:3000002").await), [3]);
    assert_eq!(numbers(of(&world, "/v1/incidents?detector=war_driving").await), [2, 3]);
    assert_eq!(numbers(of(&world, "/v1/incidents?detector=feed_gap").await), [0; 0]);
    let (status, _) = ask(&world, Some(Role::Operator), "GET", "/v1/findings?after=yesterday", "").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_administrator_says_what_is_behind_findings_and_the_cell_is_as_it_was() {
    let (world, said) = (world(), found());
    take(&world, &body(&said)).await;
    let (path, admin) = ("/v1/incidents/1/judge", Some(Role::Admin));
    for bad in [
        r#"{"why":"test"}"#,
        r#"{"genuine":"holder","found":"benign","why":"test"}"#,
        r#"{"found":"both","why":"test"}"#,
    ] {
        let (status, answer) = ask(&world, admin, "POST", path, bad).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    }
    let (status, answer) = ask(&world, admin, "POST", path, r#"{"genuine":"holder","why":"test"}"#).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    let benign = r#"{"found":"benign","why":"a new macro cell"}"#;
    let (status, answer) = ask(&world, admin, "POST", path, benign).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let cell: CellDetail = of(&world, &format!("/v1/cells/{CELL}")).await;
    assert_eq!(cell.trust.state, crate::cell::TrustState::Unknown);
    let view: IncidentView = of(&world, "/v1/incidents/1").await;
    assert_eq!(view.incident.closed.unwrap().found.unwrap().as_str(), "benign");
}
