//! EST, and what else HTTPS is for, with `curl` and `openssl` as the clients; says so and passes by where one is not
//! installed.

use super::{
    openssl::run,
    world::{FAR, World, heard, order},
};
use crate::public::Bounds;
use cmp::Stage;
use ids::UnixTime;
use pki::{KeyAlgorithm, OffTheBooks, PrivateKey};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        client::ResolvesClientCert,
        crypto::aws_lc_rs,
        sign::{CertifiedKey, SingleCertAndKey},
        version::{TLS12, TLS13},
    },
};

const NAME: &str = "pki.femto.example";
const ENROL: &str = "simpleenroll";
const REENROL: &str = "simplereenroll";

impl World {
    /// Status and media type, as curl tells them; the body is in `answer`.
    fn curl_tls(&self, path: &str, more: &[&str]) -> Option<String> {
        let port = self.tls.port();
        let (url, host) = (format!("https://{NAME}:{port}{path}"), format!("{NAME}:{port}:127.0.0.1"));
        let common = ["-sS", "--max-time", "60", "--cacert", "root.pem", "--resolve", &host, &url];
        let told = ["-o", "answer", "-w", "%{http_code} %{content_type}"];
        Some(run("curl", &[&common[..], &told, more].concat(), self.path())?.1)
    }

    /// Asks for `operation` by the certificate in `by.pem`, with a body of a file.
    fn ask(&self, operation: &str, by: Option<&str>, body: &str) -> Option<String> {
        let (path, body) = (format!("/.well-known/est/{operation}"), format!("@{body}"));
        let mut more = vec!["-H", "Content-Type: application/pkcs10", "--data-binary", &body];
        let shown = by.map(|by| (format!("{by}.pem"), format!("{by}.key")));
        if let Some((certificate, key)) = &shown {
            more.extend(["--cert", certificate, "--key", key]);
        }
        self.curl_tls(&path, &more)
    }

    /// `name.b64`, a request by the key in `name.key` that asks for another's names.
    fn request(&self, name: &str, more: &[&str]) -> Option<()> {
        let (key, der, out) = (format!("{name}.key"), format!("{name}.der"), format!("{name}.b64"));
        let new = ["req", "-new", "-key", &key, "-subj", "/CN=00aabbccddff.femto.example", "-outform", "DER"];
        let names = ["-addext", "subjectAltName=DNS:00aabbccddff.femto.example", "-out", &der];
        let (ok, text) = self.openssl(&[&new[..], &names, more].concat())?;
        assert!(ok, "{text}");
        self.openssl(&["base64", "-in", &der, "-out", &out]).map(drop)
    }

    /// The certificates of the answer as PEM, into `name.pem`; and how many there are.
    fn certificates(&self, name: &str) -> usize {
        let (ok, text) = self.openssl(&["base64", "-d", "-in", "answer", "-out", "answer.der"]).unwrap();
        assert!(ok, "{text}");
        let (ok, text) =
            self.openssl(&["pkcs7", "-inform", "DER", "-in", "answer.der", "-print_certs"]).unwrap();
        assert!(ok, "{text}");
        std::fs::write(self.path().join(format!("{name}.pem")), &text).unwrap();
        text.matches("BEGIN CERTIFICATE").count()
    }

    fn answer(&self) -> Vec<u8> {
        std::fs::read(self.path().join("answer")).unwrap()
    }
}

const ISSUED: &str = "200 application/pkcs7-mime; smime-type=certs-only";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_enrols_by_the_vendors_certificate_renews_by_ours_and_hears_the_same_answer_twice() {
    let world = World::new().await;
    world.write();
    let Some(()) = world.request("new", &[]) else { return };
    world.request("next", &[]).unwrap();
    let Some(told) = world.ask(ENROL, Some("vendor"), "new.b64") else { return };
    assert_eq!(told, ISSUED);
    assert_eq!(world.certificates("new"), 1, "its own alone");
    let first = world.answer();
    assert_eq!(world.ask(ENROL, Some("vendor"), "new.b64").unwrap(), ISSUED);
    assert_eq!(world.answer(), first);

    std::fs::copy(world.path().join("ca/devices.pem"), world.path().join("between.pem")).unwrap();
    let verify = ["verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "between.pem", "new.pem"];
    let (ok, text) = world.openssl(&verify).unwrap();
    assert!(ok, "{text}");
    let names = ["x509", "-in", "new.pem", "-noout", "-subject", "-ext", "subjectAltName"];
    let (_, text) = world.openssl(&names).unwrap();
    assert!(text.contains("DNS:00aabbccddee.femto.example") && !text.contains("00aabbccddff"), "{text}");

    assert_eq!(world.ask(REENROL, Some("new"), "next.b64").unwrap(), ISSUED);
    let second = world.answer();
    assert_ne!(first, second);
    assert_eq!(world.ask(REENROL, Some("new"), "next.b64").unwrap(), ISSUED);
    assert_eq!(world.answer(), second);
    assert_eq!(world.stages(), [Stage::Confirmed; 2]);
    // What was asked by one certificate is answered to no other.
    assert!(world.ask(REENROL, Some("unit"), "next.b64").unwrap().starts_with("403"));
    assert_eq!(world.counted("est", "transaction-in-use"), 1);
    assert_eq!(world.counted("est", "served"), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anybody_is_told_the_cas_and_what_a_request_should_be_and_the_rest_is_there_too() {
    let world = World::new().await;
    world.write();
    let Some(told) = world.curl_tls("/.well-known/est/cacerts", &[]) else { return };
    assert_eq!(told, ISSUED);
    assert_eq!(world.certificates("all"), 2, "the root, and who issues");
    let (ok, text) = world.openssl(&["verify", "-CAfile", "all.pem", "unit.pem"]).unwrap();
    assert!(ok, "{text}");
    let root = std::fs::read_to_string(world.path().join("root.pem")).unwrap();
    assert!(std::fs::read_to_string(world.path().join("all.pem")).unwrap().contains(root.trim()));

    assert_eq!(world.curl_tls("/.well-known/est/csrattrs", &[]).unwrap(), "200 application/csrattrs");
    world.openssl(&["base64", "-d", "-in", "answer", "-out", "attributes"]).unwrap();
    let (ok, text) = world.openssl(&["asn1parse", "-inform", "DER", "-in", "attributes"]).unwrap();
    let named = ["id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256"];
    assert!(ok && named.iter().all(|name| text.contains(name)), "{text}");

    let ir = ["-H", "Content-Type: application/pkixcmp", "--data-binary", "nothing"];
    assert_eq!(world.curl_tls("/.well-known/cmp", &ir).unwrap(), "200 application/pkixcmp");
    assert_eq!(world.curl_tls("/crl/devices.crl", &[]).unwrap(), "200 application/pkix-crl");
    for path in ["cacerts", "csrattrs", ENROL, REENROL] {
        let plain = world.get(&format!("/.well-known/est/{path}")).await;
        assert_eq!(plain.status(), 404, "{path}");
    }
    assert!(world.curl_tls("/.well-known/est/simpleenroll", &[]).unwrap().starts_with("405"));
    assert!(world.curl_tls("/.well-known/est/label/cacerts", &[]).unwrap().starts_with("404"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_by_none_or_the_wrong_certificate_is_refused_and_not_told_why() {
    let world = World::new().await;
    world.write();
    let Some(()) = world.request("new", &[]) else { return };
    for (operation, by, code) in [
        (ENROL, None, "est-no-certificate"),
        (REENROL, None, "est-no-certificate"),
        (ENROL, Some("unit"), "realm-unknown"),
        (REENROL, Some("vendor"), "realm-unknown"),
    ] {
        let before = world.counted("est", code);
        let Some(told) = world.ask(operation, by, "new.b64") else { return };
        assert_eq!(told, "403 ", "{operation} {by:?}");
        assert!(world.answer().is_empty());
        assert_eq!(
            world.counted("est", code),
            before + 1,
            "{operation} {by:?} {:?}",
            world.public.families()
        );
    }
    let refused = world.register.refused.lock().unwrap().clone();
    assert!(refused.len() == 4 && refused.iter().all(|refused| refused.who.is_none()));
    *world.clock.is_unsure.lock().unwrap() = true;
    assert!(world.ask(ENROL, Some("vendor"), "new.b64").unwrap().starts_with("503"));
    *world.clock.is_unsure.lock().unwrap() = false;
    assert_eq!(world.stages(), []);
    // Ours renews also once it has expired; a vendor's does not enrol then.
    *world.clock.ahead.lock().unwrap() = Duration::from_secs(31 * 24 * 3600);
    assert_eq!(world.ask(ENROL, Some("vendor"), "new.b64").unwrap(), "403 ");
    assert_eq!(world.stages(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_proves_nothing_is_a_bad_request() {
    let world = World::new().await;
    world.write();
    let Some(()) = world.request("new", &[]) else { return };
    world.request("next", &["-sha1"]).unwrap();
    world.request("vendor", &[]).unwrap();
    let good = std::fs::read_to_string(world.path().join("new.b64")).unwrap();
    let write = |name: &str, body: &[u8]| std::fs::write(world.path().join(name), body).unwrap();
    write("cut", &good.as_bytes()[..good.len() / 2]);
    write("words", b"MIIB, and so on");
    for (body, code) in [
        ("cut", "est-request"),
        ("words", "est-request"),
        ("new.der", "est-request"),
        ("next.b64", "est-algorithm"),
        ("vendor.b64", "template-same-key"),
    ] {
        let Some(told) = world.ask(ENROL, Some("vendor"), body) else { return };
        assert_eq!((told.as_str(), world.answer().len()), ("400 ", 0), "{body}");
        assert!(world.counted("est", code) >= 1, "{body}");
    }
    assert!(world.register.refused.lock().unwrap().iter().all(|refused| refused.who.is_some()));
    write("large", &vec![b'A'; 10 << 20]);
    assert!(world.ask(ENROL, Some("vendor"), "large").unwrap().starts_with("413"));
    let other = ["-H", "Content-Type: application/pkixcmp", "--data-binary", "@new.b64"];
    assert!(world.curl_tls("/.well-known/est/simpleenroll", &other).unwrap().starts_with("415"));
    // Whitespace, wherever it is, says nothing.
    write("spaced", good.replace('\n', " \r\n\t").as_bytes());
    assert_eq!(world.ask(ENROL, Some("vendor"), "spaced").unwrap(), ISSUED);
    assert_eq!(world.stages(), [Stage::Confirmed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_sees_tls_by_the_cas_certificate_no_older_version_and_no_session_resumed() {
    let world = World::new().await;
    world.write();
    let at = world.tls.to_string();
    let connect = ["s_client", "-connect", &at, "-servername", NAME, "-CAfile", "root.pem"];
    let more = ["-verify_hostname", NAME, "-verify_return_error", "-brief"];
    for version in ["-tls1_3", "-tls1_2"] {
        let Some((ok, text)) = world.openssl(&[&connect[..], &more, &[version]].concat()) else { return };
        assert!(ok && text.contains("Verification: OK"), "{text}");
    }
    let (ok, text) = world.openssl(&[&connect[..], &["-tls1_1"]].concat()).unwrap();
    assert!(!ok, "{text}");
    let (_, text) = world.openssl(&[&connect[..], &["-tls1_2", "-reconnect"]].concat()).unwrap();
    assert!(text.matches("New, TLSv1.2").count() > 1 && !text.contains("Reused"), "{text}");
}

/// The certificate of one with the key of another: what rustls itself would not send.
fn forged(world: &World, version: &'static tokio_rustls::rustls::SupportedProtocolVersion) -> ClientConfig {
    let issued = world.vendor.issue(&order(), &mut OffTheBooks, UnixTime::now()).unwrap();
    let other = PrivateKey::generate(KeyAlgorithm::P256).unwrap();
    let provider = aws_lc_rs::default_provider();
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(other.pkcs8().to_vec());
    let key = provider.key_provider.load_private_key(key.into()).unwrap();
    let chain = issued.chain.into_iter().map(Into::into).collect();
    let shown: Arc<dyn ResolvesClientCert> = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
    let mut roots = RootCertStore::empty();
    roots.add(world.ca.root().to_vec().into()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(provider));
    let config = config.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
    config.with_client_cert_resolver(shown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_a_certificate_and_has_not_its_key_is_not_heard() {
    let world = World::new().await;
    for version in [&TLS13, &TLS12] {
        let connector = TlsConnector::from(Arc::new(forged(&world, version)));
        let stream = TcpStream::connect(world.tls).await.unwrap();
        let tls = timeout(FAR, connector.connect(NAME.try_into().unwrap(), stream)).await.unwrap();
        // A client of TLS 1.3 is through before the server has looked.
        let Ok(mut tls) = tls else { continue };
        let _ = tls.write_all(b"GET /.well-known/est/cacerts HTTP/1.0\r\n\r\n").await;
        let mut heard = Vec::new();
        let ended = timeout(FAR, tls.read_to_end(&mut heard)).await.expect("it is ended");
        assert!(ended.is_err() && heard.is_empty(), "{}", String::from_utf8_lossy(&heard));
    }
    assert_eq!(failures(&world), 2);
}

fn failures(world: &World) -> u64 {
    let families = world.public.families();
    families.iter().find(|family| family.name == "enrol_tls_failures").unwrap().samples[0].1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_ends_a_handshake_is_not_waited_for_and_its_place_is_free_again() {
    let head = Duration::from_millis(200);
    let world = World::with(Bounds { head, places: 1, ..Bounds::default() }).await;
    // A record of a ClientHello of 512 octets, and no more.
    for said in [&b""[..], &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(world.tls).await.unwrap();
        stream.write_all(said).await.unwrap();
        // At most an alert.
        let mut octets = Vec::new();
        let _ = timeout(FAR, stream.read_to_end(&mut octets)).await.expect("it is ended");
        assert!(octets.len() < 16, "{octets:?}");
    }
    assert_eq!(failures(&world), 3);
    // Behind a handshake, a head has its time too.
    let head = heard(TcpStream::connect(world.tls).await.unwrap()).await;
    assert!(head.body.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_there_is_a_certificate_nobody_gets_through_and_an_old_one_is_made_anew() {
    let world = World::of(Bounds::default(), false).await;
    let mut stream = TcpStream::connect(world.tls).await.unwrap();
    let mut octets = Vec::new();
    let _ = timeout(FAR, stream.read_to_end(&mut octets)).await.expect("it is ended");
    assert!(octets.is_empty());
    let own = || world.public.signers.tls().map(|config| Arc::as_ptr(&config));
    assert_eq!(own(), None);
    world.public.renew();
    let first = own();
    assert!(first.is_some());
    world.public.renew();
    assert_eq!(own(), first);
    *world.clock.ahead.lock().unwrap() = Duration::from_secs(21 * 24 * 3600);
    let kept = world.public.signers.tls();
    world.public.renew();
    assert!(own().is_some() && own() != first);
    drop(kept);
}
