//! What honest clients get.

use super::world::{FAR, World, heard};
use crate::public::Bounds;
use cmp::Refusal;
use ids::CrlReason;
use pki::{
    Generation, Issuing,
    ocsp::{Responder, Status},
};
use std::{sync::Arc, time::Duration};
use tokio::{io::AsyncWriteExt, time::timeout};

/// OCSPResponse of these statuses without a signature (RFC 6960 §4.2.1).
const MALFORMED_REQUEST: [u8; 5] = [0x30, 3, 0x0a, 1, 1];
const TRY_LATER: [u8; 5] = [0x30, 3, 0x0a, 1, 3];

const CMP: &str = "application/pkixcmp";
const OCSP: &str = "application/ocsp-request";

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = octets.chunks(3).flat_map(|three| {
        let bits =
            three.iter().fold(0, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - three.len()));
        (0..4).map(move |digit| match digit <= three.len() {
            true => char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]),
            false => '=',
        })
    });
    digits.collect()
}

#[tokio::test]
async fn each_route_takes_its_method_and_its_media_type_alone() {
    let world = World::new().await;
    for (path, media_type, status) in [
        ("/.well-known/cmp", CMP, 200),
        ("/.well-known/cmp/initialization", CMP, 200),
        ("/.well-known/cmp/keyupdate", CMP, 200),
        ("/.well-known/cmp/p/name", CMP, 404),
        ("/pkix/", CMP, 200),
        ("/pkix/", "APPLICATION/PKIXCMP; charset=none", 200),
        ("/ocsp", OCSP, 200),
        ("/.well-known/cmp", OCSP, 415),
        ("/.well-known/cmp", "", 415),
        ("/ocsp", CMP, 415),
        ("/crl/devices.crl", CMP, 405),
        ("/.well-known/est/cacerts", CMP, 404),
        ("/v1/devices", "application/json", 404),
    ] {
        let heard = world.post(path, media_type, b"nothing").await;
        assert_eq!(heard.status(), status, "{path} {media_type}: {}", heard.head);
    }
    for (path, status) in [
        ("/crl/devices.crl", 200),
        ("/crl/gateways.crl", 200),
        ("/ca/root.crt", 200),
        ("/ca/devices.crt", 200),
        ("/ca/gateways.crt", 200),
        ("/.well-known/cmp", 405),
        ("/ocsp", 405),
        ("/", 404),
        ("/crl/root.crl", 404),
        ("/ca/root.key", 404),
        ("/ca/../ca/root.key", 404),
        ("/metrics", 404),
    ] {
        let heard = world.get(path).await;
        assert_eq!(heard.status(), status, "{path}: {}", heard.head);
        assert!(status == 200 || heard.body.len() < 32, "{path}");
    }
    assert_eq!(world.get("/.well-known/cmp").await.field("allow"), Some("POST"));
    assert_eq!((world.counted("other", "no-route"), world.counted("cmp", "media-type")), (8, 2));
}

#[tokio::test]
async fn what_cmp_refuses_is_a_pki_message_and_counted_by_its_code() {
    let world = World::new().await;
    let heard = world.post("/.well-known/cmp", CMP, b"\x30\x00").await;
    assert_eq!((heard.status(), heard.field("content-type")), (200, Some(CMP)));
    assert_eq!((heard.body[0], heard.field("cache-control")), (0x30, Some("no-store")));
    assert_eq!(world.counted("cmp", Refusal::Malformed.code()), 1);
    let refused = world.register.refused.lock().unwrap();
    assert_eq!((refused.len(), refused[0].from.to_string().as_str()), (1, "127.0.0.1"));
}

#[tokio::test]
async fn two_answers_never_have_one_nonce() {
    let world = World::new().await;
    let first = world.post("/pkix/", CMP, b"\x30\x00").await.body;
    let second = world.post("/pkix/", CMP, b"\x30\x00").await.body;
    // senderNonce [5] OCTET STRING of 16 octets.
    let nonce = |answer: &[u8]| {
        let at = answer.windows(4).position(|four| four == [0xa5, 0x12, 0x04, 0x10]).unwrap() + 4;
        answer[at..at + 16].to_vec()
    };
    assert_ne!(nonce(&first), nonce(&second));
}

#[tokio::test]
async fn while_the_clock_is_not_trusted_nobody_is_judged() {
    let world = World::new().await;
    *world.clock.is_unsure.lock().unwrap() = true;
    let request = world.ocsp_request(&world.unit.info.serial);
    assert_eq!(world.post("/ocsp", OCSP, &request).await.body, TRY_LATER);
    assert_eq!(world.counted("ocsp", "clock-unsure"), 1);
    assert_eq!(world.get("/crl/devices.crl").await.status(), 503);
}

#[tokio::test]
async fn without_signers_clients_shall_come_again() {
    let unsigned = World::of(Bounds::default(), false).await;
    let request = unsigned.ocsp_request(&unsigned.unit.info.serial);
    for heard in [
        unsigned.post("/pkix/", CMP, b"\x30\x00").await,
        unsigned.post("/ocsp", OCSP, &request).await,
        unsigned.get("/crl/devices.crl").await,
    ] {
        assert_eq!((heard.status(), heard.field("retry-after")), (503, Some("10")));
    }
}

#[tokio::test]
async fn an_ocsp_response_by_get_may_be_kept_and_one_by_post_or_about_nothing_may_not() {
    let world = World::new().await;
    let request = world.ocsp_request(&world.unit.info.serial);
    let kept = world.get(&format!("/ocsp/{}", base64(&request))).await;
    assert_eq!((kept.status(), kept.field("content-type")), (200, Some("application/ocsp-response")));
    // successful (0), and responseBytes.
    assert!(kept.body.windows(3).any(|three| three == [0x0a, 1, 0]) && kept.body.len() > 200);
    let control = kept.field("cache-control").unwrap();
    assert!(
        control.starts_with("max-age=1799, public, no-transform, must-revalidate")
            || control.starts_with("max-age=1800"),
        "{control}"
    );
    let date = |name| httpdate::parse_http_date(kept.field(name).unwrap()).unwrap();
    assert_eq!(date("expires").duration_since(date("last-modified")).unwrap(), Duration::from_secs(3600));
    assert!(kept.field("etag").unwrap().len() > 16);
    let percent = base64(&request).replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
    assert!(world.get(&format!("/ocsp/{percent}")).await.body.len() > 200);

    let posted = world.post("/ocsp", OCSP, &request).await;
    assert!(posted.body.len() > 200);
    assert_eq!((posted.field("cache-control"), posted.field("etag")), (Some("no-store"), None));
    for bad in ["x", "%", "%zz", "MA==", "a/b//c", &"A".repeat(12_000)] {
        let heard = world.get(&format!("/ocsp/{bad}")).await;
        assert_eq!((heard.status(), heard.body.as_slice()), (200, &MALFORMED_REQUEST[..]), "{bad}");
        assert_eq!(heard.field("cache-control"), Some("no-store"));
    }
    *world.known.is_out_of_reach.lock().unwrap() = true;
    let heard = world.get(&format!("/ocsp/{}", base64(&request))).await;
    assert_eq!((heard.body.as_slice(), heard.field("cache-control")), (&TRY_LATER[..], Some("no-store")));
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let world = World::new().await;
    let request = base64(&world.ocsp_request(&world.unit.info.serial));
    for path in ["/crl/devices.crl", "/ca/root.crt", &format!("/ocsp/{request}")] {
        let got = world.get(path).await;
        let said = format!("HEAD {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        let head = world.hear(said.as_bytes()).await;
        assert_eq!((head.status(), head.body.len()), (200, 0), "{path}");
        assert_eq!(head.field("content-type"), got.field("content-type"));
        // ECDSA signatures differ by an octet or two.
        let length =
            |heard: &super::world::Heard| heard.field("content-length").unwrap().parse::<i64>().unwrap();
        assert!((length(&head) - i64::try_from(got.body.len()).unwrap()).abs() <= 4, "{path}");
    }
}

#[tokio::test]
async fn the_certificates_of_the_cas_are_there_as_der() {
    let world = World::new().await;
    assert_eq!(world.get("/ca/root.crt").await.body, world.ca.root());
    let got = world.get("/ca/devices.crt").await;
    assert_eq!(
        (got.body.as_slice(), got.field("content-type")),
        (&world.unit.chain[1][..], Some("application/pkix-cert"))
    );
    assert_eq!(
        world.get("/ca/gateways.crt").await.body,
        world.ca.generation_der(Generation::first(Issuing::Gateways)).unwrap()
    );
}

#[tokio::test]
async fn a_list_is_kept_until_a_revocation_and_then_made_anew_with_a_greater_number() {
    let world = World::new().await;
    let first = world.get("/crl/devices.crl").await;
    assert_eq!(first.field("content-type"), Some("application/pkix-crl"));
    let etag = first.field("etag").unwrap();
    let said = format!("GET /crl/devices.crl HTTP/1.0\r\nIf-None-Match: {etag}\r\n\r\n");
    let known = world.hear(said.as_bytes()).await;
    assert_eq!((known.status(), known.body.len()), (304, 0));
    world.public.renew();
    assert_eq!(world.get("/crl/devices.crl").await.body, first.body);

    let revoked = Status::Revoked { at: ids::UnixTime::now(), reason: Some(CrlReason::KeyCompromise) };
    world.known.statuses.lock().unwrap().insert(world.unit.info.serial.clone(), revoked);
    world.public.sources.revocations.tell();
    world.public.renew();
    assert_eq!(world.get("/crl/devices.crl").await.body, first.body, "at most one a minute");
    *world.clock.ahead.lock().unwrap() = Duration::from_secs(61);
    *world.known.is_out_of_reach.lock().unwrap() = true;
    world.public.renew();
    assert_eq!(world.get("/crl/devices.crl").await.body, first.body, "the books are out of reach");
    *world.known.is_out_of_reach.lock().unwrap() = false;
    world.public.renew();
    let second = world.get("/crl/devices.crl").await.body;
    assert_ne!(second, first.body);
    world.public.renew();
    assert_eq!(world.get("/crl/devices.crl").await.body, second, "once is enough");
    // INTEGER of 6 octets in cRLNumber (2.5.29.20), which is the time in milliseconds.
    let number = |list: &[u8]| {
        let at = list.windows(5).position(|five| five == [0x06, 3, 0x55, 0x1d, 20]).unwrap() + 5;
        assert_eq!(list[at..at + 4], [4, 8, 2, 6]);
        list[at + 4..at + 10].to_vec()
    };
    assert!(number(&second) > number(&first.body));
    let serial = world.unit.certificate_serial();
    assert!(second.windows(serial.len()).any(|octets| octets == serial));
}

trait Serial {
    fn certificate_serial(&self) -> Vec<u8>;
}

impl Serial for pki::Issued {
    fn certificate_serial(&self) -> Vec<u8> {
        let pairs = self.info.serial.as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_revocation_is_answered_at_once_by_ocsp() {
    let world = World::new().await;
    let request = world.ocsp_request(&world.unit.info.serial);
    // certStatus: good is [0] NULL, revoked [1] (RFC 6960 §4.2.1).
    let is_good = |body: &[u8]| body.windows(2).any(|two| two == [0x80, 0]);
    assert!(is_good(&world.post("/ocsp", OCSP, &request).await.body));
    let revoked = Status::Revoked { at: ids::UnixTime::now(), reason: None };
    world.known.statuses.lock().unwrap().insert(world.unit.info.serial.clone(), revoked);
    assert!(!is_good(&world.post("/ocsp", OCSP, &request).await.body));
}

#[tokio::test]
async fn signers_are_replaced_in_good_time_and_after_a_clock_that_was_wrong() {
    let world = World::new().await;
    let signers = || {
        let (authority, responder) = (world.public.signers.authority(), world.public.signers.responder());
        (authority.unwrap().signer().certificate().serial(), responder.unwrap())
    };
    type Signers = (String, Arc<Responder>);
    let is_same = |one: &Signers, other: &Signers| (one.0 == other.0, Arc::ptr_eq(&one.1, &other.1));
    let day = Duration::from_secs(24 * 3600);
    let set = |ahead| {
        *world.clock.ahead.lock().unwrap() = ahead;
        world.public.renew();
    };
    let first = signers();
    set(6 * day);
    assert_eq!(is_same(&first, &signers()), (true, true));
    set(8 * day);
    let second = signers();
    assert_eq!(is_same(&first, &second), (true, false), "halfway of 14 days");
    set(309 * day);
    let third = signers();
    assert_eq!(is_same(&second, &third), (false, false), "90 days before the end of 398");
    set(Duration::ZERO);
    assert!(!is_same(&third, &signers()).1, "made by a clock that was ahead");
    let request = world.ocsp_request(&world.unit.info.serial);
    assert!(world.post("/ocsp", OCSP, &request).await.body.len() > 200);
}

#[tokio::test]
async fn several_requests_on_one_connection_are_answered_in_order() {
    let world = World::new().await;
    let request = world.ocsp_request(&world.unit.info.serial);
    let mut stream = world.connect().await;
    let posted = |body: &[u8]| {
        let head = format!(
            "POST /ocsp HTTP/1.1\r\nHost: here\r\nContent-Type: {OCSP}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let last = "GET /ca/root.crt HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
    stream.write_all(&[posted(&request), posted(b"bad"), last.as_bytes().to_vec()].concat()).await.unwrap();
    let heard = timeout(FAR, heard(stream)).await.unwrap();
    let all = [heard.head.as_bytes(), &heard.body].concat();
    let count = |what: &[u8]| all.windows(what.len()).filter(|octets| *octets == what).count();
    assert_eq!(count(b"HTTP/1.1 200 OK\r\n"), 3);
    assert!(all.ends_with(world.ca.root()));
    assert_eq!((world.counted("ocsp", "served"), world.counted("ocsp", "ocsp-malformed")), (1, 1));
}

#[tokio::test]
async fn chunked_bodies_and_http_1_0_are_served() {
    let world = World::new().await;
    let request = world.ocsp_request(&world.unit.info.serial);
    let (a, b) = request.split_at(20);
    let head = format!(
        "POST /ocsp HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Type: {OCSP}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunk = |octets: &[u8]| [format!("{:x}\r\n", octets.len()).as_bytes(), octets, b"\r\n"].concat();
    let said = [head.as_bytes(), &chunk(a), &chunk(b), b"0\r\n\r\n"].concat();
    assert!(world.hear(&said).await.body.len() > 200);
    let head =
        format!("POST /ocsp HTTP/1.0\r\nContent-Type: {OCSP}\r\nContent-Length: {}\r\n\r\n", request.len());
    let heard = world.hear(&[head.as_bytes(), &request].concat()).await;
    assert!(heard.head.starts_with("HTTP/1.0 200") && heard.body.len() > 200, "{}", heard.head);
}
