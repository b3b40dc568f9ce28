//! What those get who want something else than an answer.

use super::world::{FAR, World, heard, post};
use crate::public::Bounds;
use cmp::{Asked, Fresh, MAX_MESSAGE, Operator, Signer};
use ids::{DeviceId, UnixTime};
use pki::{DeviceOrder, FileKey, KeyAlgorithm, KeySource, OffTheBooks, PrivateKey, ocsp::MAX_REQUEST};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use x509::Anchor;

const CMP: &str = "application/pkixcmp";
const OCSP: &str = "application/ocsp-request";
const SHORT: Duration = Duration::from_millis(20);

fn head(path: &str, media_type: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: here\r\nContent-Type: {media_type}\r\n{more}\r\n\r\n")
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_before_it_comes_and_ends_the_connection() {
    let world = World::new().await;
    for (path, media_type, most) in [("/pkix/", CMP, MAX_MESSAGE), ("/ocsp", OCSP, MAX_REQUEST)] {
        for octets in [most + 1, 10 << 20] {
            // Not one octet of it is sent.
            let said = head(path, media_type, &format!("Content-Length: {octets}"));
            let heard = world.hear(said.as_bytes()).await;
            assert_eq!((heard.status(), heard.field("connection")), (413, Some("close")), "{path} {octets}");
        }
        let chunked = head(path, media_type, "Transfer-Encoding: chunked");
        let body = format!("{:x}\r\n{}", most + 1, "x".repeat(most + 1));
        let heard = world.hear((chunked + &body).as_bytes()).await;
        assert_eq!(heard.status(), 413, "{path}, which does not say how long it is");
        assert_eq!(world.post(path, media_type, &vec![b'x'; most]).await.status(), 200, "{path}");
    }
    assert_eq!((world.counted("cmp", "too-large"), world.counted("ocsp", "too-large")), (3, 3));
}

#[tokio::test]
async fn a_body_of_ten_mebibytes_is_not_read() {
    let world = World::new().await;
    let (mut from, mut to) = world.connect().await.into_split();
    let said = head("/pkix/", CMP, &format!("Content-Length: {}", 10 << 20));
    to.write_all(said.as_bytes()).await.unwrap();
    let sent = tokio::spawn(async move {
        let mut sent = 0_usize;
        while to.write_all(&[b'x'; 4096]).await.is_ok() && sent < 10 << 20 {
            sent += 4096;
        }
        sent
    });
    // Its end, or that nobody listens any more.
    let _ = timeout(FAR, from.read_to_end(&mut Vec::new())).await.expect("the connection is ended");
    let sent = timeout(FAR, sent).await.unwrap().unwrap();
    assert!(sent < 10 << 20, "all of it was taken");
    assert_eq!(world.counted("cmp", "too-large"), 1);
}

#[tokio::test]
async fn whoever_sends_slowly_is_not_waited_for() {
    let bounds = Bounds { head: SHORT, body: SHORT, ..Bounds::default() };
    let world = World::with(bounds).await;
    for said in ["", "POST /pk", "POST /pkix/ HTTP/1.1\r\nHost: here\r\n"] {
        assert_ne!(world.hear(said.as_bytes()).await.status(), 200, "{said:?}");
    }
    for (path, media_type, route) in [("/pkix/", CMP, "cmp"), ("/ocsp", OCSP, "ocsp")] {
        let said = head(path, media_type, "Content-Length: 100") + "some";
        assert_eq!(world.hear(said.as_bytes()).await.status(), 408, "{path}");
        let said = head(path, media_type, "Transfer-Encoding: chunked") + "4\r\nsome\r\n";
        assert_eq!(world.hear(said.as_bytes()).await.status(), 408, "{path}");
        assert_eq!(world.counted(route, "too-slow"), 2);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_badly_encoded_is_refused() {
    let world = World::new().await;
    let said = head("/pkix/", CMP, "Transfer-Encoding: chunked") + "zz\r\nsome\r\n";
    assert_eq!(world.hear(said.as_bytes()).await.status(), 400);
    let mut stream = world.connect().await;
    stream.write_all((head("/pkix/", CMP, "Content-Length: 100") + "some").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_ne!(heard(stream).await.status(), 200);
    assert_eq!(world.register.refused.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let world = World::new().await;
    let long = format!("GET / HTTP/1.1\r\nHost: here\r\nX: {}\r\n\r\n", "x".repeat(16 * 1024));
    assert_eq!(world.hear(long.as_bytes()).await.status(), 431);
    let many = format!("GET / HTTP/1.1\r\nHost: here\r\n{}\r\n", "X: y\r\n".repeat(64));
    assert_eq!(world.hear(many.as_bytes()).await.status(), 431);
}

#[tokio::test]
async fn two_thousand_connections_from_one_address_leave_room_for_others() {
    let world = World::new().await;
    let own = Bounds::default().of_one_source;
    let mut idle = Vec::new();
    for _ in 0..own {
        idle.push(world.connect().await);
    }
    for _ in own..2000 {
        let mut stream = world.connect().await;
        let read = timeout(FAR, stream.read(&mut [0; 1])).await.expect("it is turned away");
        assert_eq!(read.unwrap_or(0), 0);
    }
    let connections = |world: &World| world.public.families()[0].samples[0].1;
    assert_eq!(connections(&world), own as u64);
    assert_eq!(world.public.families()[1].samples[0].1, (2000 - own) as u64);
    let other = async |source| {
        let mut stream: TcpStream = world.connect_from(source).await;
        stream.write_all(b"GET /ca/root.crt HTTP/1.0\r\n\r\n").await.unwrap();
        heard(stream).await.status()
    };
    assert_eq!(other("127.0.0.2").await, 200);
    drop(idle);
    while connections(&world) > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(other("127.0.0.1").await, 200, "what was given up is free");
}

#[tokio::test]
async fn a_connection_has_so_many_requests_and_no_more() {
    let world = World::with(Bounds { requests: 3, ..Bounds::default() }).await;
    let asked = "GET /ca/root.crt HTTP/1.1\r\nHost: here\r\n\r\n".repeat(10);
    let heard = world.hear(asked.as_bytes()).await;
    let all = [heard.head.as_bytes(), &heard.body].concat();
    let answers = all.windows(15).filter(|octets| octets == b"HTTP/1.1 200 OK").count();
    assert_eq!((answers, world.counted("ca", "served")), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cmp_that_waits_is_bounded_and_ocsp_does_not_wait_behind_it() {
    let bounds = Bounds { cmp_at_once: 1, cmp_begun: 1, cmp_waiting: 2, ..Bounds::default() };
    let world = World::with(bounds).await;
    world.register.shut(true);
    let asked = async |from| {
        let mut stream = world.connect_from(from).await;
        stream.write_all(&post("/pkix/", CMP, b"\x30\x00")).await.unwrap();
        stream
    };
    let mut waiting = Vec::new();
    for number in 1..=3 {
        waiting.push(asked("127.0.0.1").await);
        while world.public.cmp.held() < number {
            tokio::task::yield_now().await;
        }
    }
    // One is at work and two wait: there is no place for a fourth.
    let refused = heard(asked("127.0.0.2").await).await;
    assert_eq!((refused.status(), refused.field("retry-after")), (503, Some("10")));
    assert_eq!(world.counted("cmp", "busy"), 1);
    let request = world.ocsp_request(&world.unit.info.serial);
    assert!(world.post("/ocsp", OCSP, &request).await.body.len() > 200);
    // Who goes leaves its place to another.
    drop(waiting.pop());
    while world.public.cmp.held() > 2 {
        tokio::task::yield_now().await;
    }
    waiting.push(asked("127.0.0.2").await);
    world.register.shut(false);
    for stream in waiting {
        assert_eq!(heard(stream).await.status(), 200);
    }
    assert_eq!(world.counted("cmp", "cmp-malformed"), 3);
}

impl World {
    /// A unit with a certificate of its vendor asks for one of ours.
    fn ir(&self, number: u8) -> Vec<u8> {
        let (device, now) = (DeviceId::eui64([number; 8]), UnixTime::now());
        let key = KeySource::Generate(KeyAlgorithm::P256);
        let order = DeviceOrder { device, key, validity: None, by: "test".into() };
        let issued = self.vendor.issue(&order, &mut OffTheBooks, now).unwrap();
        let key = Box::new(FileKey::new(&issued.private_key.unwrap()).unwrap());
        let vendor = Signer::new(key, issued.chain).unwrap();
        let new = FileKey::new(&PrivateKey::generate(KeyAlgorithm::P256).unwrap()).unwrap();
        let operator = Operator::new(self.ca.realm().clone(), Anchor::from_der(self.ca.root()).unwrap());
        let fresh = Fresh { transaction: [number; 16], nonce: [number; 16] };
        Asked::ir(&operator, &vendor, &new, Some(now), fresh).unwrap().message().to_vec()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_the_register_keeps_nobody_else_from_it() {
    let world = World::with(Bounds { cmp_at_once: 1, cmp_begun: 3, ..Bounds::default() }).await;
    world.register.wait_for(3);
    let [first, second, third] = [1, 2, 3].map(|number| world.ir(number));
    let ask = async |message: &[u8]| world.post("/pkix/", CMP, message).await.status();
    let answers = tokio::join!(ask(&first), ask(&second), ask(&third));
    assert_eq!(answers, (200, 200, 200));
    assert_eq!(world.counted("cmp", "served"), 3);
}
