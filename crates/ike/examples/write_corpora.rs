//! Writes the fuzz corpora of messages, payloads and fragments anew: what our encoder makes, and
//! mutations of it. Drawn from a seed: the same octets each time.
#![allow(clippy::unwrap_used, reason = "a tool of the developers")]

use ids::{IkeSpi, Spi};
use ike::{
    CipherSuite, ExchangeType, Header, SuitePolicy,
    crypto::{CryptoProvider, SeededProvider},
    fuzz,
    payload::*,
    write_plain,
};
use std::{fs, path::PathBuf};

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

fn main() {
    write_payloads();
    write_messages();
    write_fragments();
}

/// Every kind of payload with plausible contents, and its name.
fn payloads() -> Vec<(&'static str, Payload)> {
    let policy = SuitePolicy::default();
    let certificate = vec![0x30; 300];
    let selectors = vec![TrafficSelector::ALL_V4, TrafficSelector::ALL_V6];
    let attribute = |kind, value: &[u8]| Attribute { kind, value: value.to_vec() };
    let configuration = Configuration {
        kind: ConfigurationType::REQUEST,
        attributes: vec![
            attribute(AttributeType::INTERNAL_IP4_ADDRESS, &[]),
            attribute(AttributeType::INTERNAL_IP6_ADDRESS, &[0; 17]),
            attribute(AttributeType::EXTERNAL_SOURCE_IP4_NAT_INFO, &[192, 0, 2, 1, 0x11, 0x94]),
        ],
    };
    let authorities = vec![1; 40];
    let encoding = CertEncoding::X509_SIGNATURE;
    vec![
        ("sa-ike", Payload::Sa(policy.offer_ike(&[]))),
        ("sa-rekey", Payload::Sa(policy.offer_ike(&[1; 8]))),
        ("sa-esp", Payload::Sa(policy.offer_esp(Spi(0xc0ff_ee01), true))),
        ("ke", Payload::Ke(KeyExchange { method: KeyExchangeMethod::CURVE25519, data: vec![9; 32] })),
        ("idi", Payload::IdI(Identification::fqdn("00a0c6123456.femto.example"))),
        ("idr", Payload::IdR(Identification::fqdn("segw.example"))),
        ("cert", Payload::Cert(Certificate { encoding, data: certificate })),
        ("certreq", Payload::CertReq(CertificateRequest { encoding, authorities })),
        ("auth", Payload::Auth(Authentication { method: AuthMethod::DIGITAL_SIGNATURE, data: vec![10; 80] })),
        ("nonce", Payload::Nonce(vec![11; 32])),
        ("notify", Payload::notify(NotifyType::NAT_DETECTION_SOURCE_IP, &[12; 20])),
        ("notify-spi", Payload::Notify(Notify::about_esp(NotifyType::REKEY_SA, Spi(0xc0ff_ee02)))),
        ("delete-ike", Payload::Delete(Delete::IkeSa)),
        ("delete-esp", Payload::Delete(Delete::Esp(vec![Spi(0x1000), Spi(0x1001)]))),
        ("vendor-id", Payload::VendorId(b"vendor".to_vec())),
        ("tsi", Payload::TsI(selectors.clone())),
        ("tsr", Payload::TsR(selectors)),
        ("cp", Payload::Cp(configuration)),
        ("eap", Payload::Eap),
    ]
}

fn header(exchange: ExchangeType, message_id: u32) -> Header {
    Header {
        spi_i: IkeSpi(0x0102_0304_0506_0708),
        spi_r: IkeSpi(0),
        first_payload: PayloadType::NONE,
        exchange,
        from_initiator: true,
        is_response: false,
        message_id,
    }
}

/// Files of one target, and mutations of each: octets changed, cut off, doubled.
struct Writer {
    target: &'static str,
    draws: SeededProvider,
}

impl Writer {
    fn new(target: &'static str) -> Self {
        fs::create_dir_all(corpus(target)).unwrap();
        Self { target, draws: SeededProvider::new(target.len() as u64) }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        self.file(name, bytes);
        let mut changed = bytes.to_vec();
        for _ in 0..3 {
            let at = self.draw(changed.len());
            changed[at] ^= 1 << self.draw(8);
        }
        self.file(&format!("bent-{name}"), &changed);
        self.file(&format!("cut-{name}"), &bytes[..self.draw(bytes.len())]);
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        fs::write(corpus(self.target).join(name), bytes).unwrap();
    }

    fn draw(&self, below: usize) -> usize {
        let mut octets = [0; 4];
        self.draws.random(&mut octets);
        u32::from_be_bytes(octets) as usize % below.max(1)
    }
}

fn write_payloads() {
    let writer = Writer::new("payload");
    for (name, payload) in payloads() {
        let datagram = write_plain(header(ExchangeType::IKE_AUTH, 1), std::slice::from_ref(&payload));
        writer.write(name, &[&[payload.kind().0], &datagram[ike::HEADER_LEN..]].concat());
    }
    // An unknown payload before a notification: skipped, and with the critical bit refused.
    let unknown = |critical: u8| [200, 41, critical, 0, 6, 0xaa, 0xbb, 0, 0, 0, 8, 0, 0, 0x40, 0];
    writer.file("unknown", &unknown(0));
    writer.file("unknown-critical", &unknown(0x80));
}

fn write_messages() {
    let writer = Writer::new("message");
    let named = |names: &[&str]| -> Vec<Payload> {
        payloads().into_iter().filter(|(name, _)| names.contains(name)).map(|(_, payload)| payload).collect()
    };
    let init = named(&["sa-ike", "ke", "nonce", "notify", "vendor-id"]);
    writer.write("ike-sa-init", &write_plain(header(ExchangeType::IKE_SA_INIT, 0), &init));
    let auth = named(&["idi", "cert", "certreq", "auth", "sa-esp", "tsi", "tsr", "cp"]);
    let rekey = named(&["sa-esp", "nonce", "ke", "tsi", "tsr", "notify-spi"]);
    let delete = named(&["delete-ike"]);
    for (suite, name) in CipherSuite::ALL.into_iter().zip(["gcm256", "gcm128", "cbc256", "cbc128"]) {
        let seal = |exchange, message_id, payloads: &[Payload], limit| {
            fuzz::seal(suite, header(exchange, message_id), payloads, limit, &writer.draws)
        };
        writer.write(&format!("ike-auth-{name}"), &seal(ExchangeType::IKE_AUTH, 1, &auth, None)[0]);
        writer.write(&format!("rekey-{name}"), &seal(ExchangeType::CREATE_CHILD_SA, 2, &rekey, None)[0]);
        writer.write(&format!("delete-{name}"), &seal(ExchangeType::INFORMATIONAL, 3, &delete, None)[0]);
        writer.write(&format!("probe-{name}"), &seal(ExchangeType::INFORMATIONAL, 4, &[], None)[0]);
        writer.file(&format!("fragment-{name}"), &seal(ExchangeType::IKE_AUTH, 1, &auth, Some(548))[0]);
    }
}

fn write_fragments() {
    let writer = Writer::new("fragments");
    let part = |number: u8, total: u8| [&[number, total, 41, 4], [number; 4].as_slice()].concat();
    let parts = |numbers: &[u8], total| numbers.iter().flat_map(|n| part(*n, total)).collect::<Vec<_>>();
    writer.write("in-order", &parts(&[1, 2, 3], 3));
    writer.write("backwards", &parts(&[4, 3, 2, 1], 4));
    writer.write("repeated", &parts(&[1, 1, 2, 2], 2));
    writer.write("grows", &[parts(&[1], 2), parts(&[1, 2, 3], 3)].concat());
    writer.write("shrinks", &[parts(&[1], 3), parts(&[1, 2], 2)].concat());
    writer.write("too-many", &parts(&[1, 2, 3], 65));
    let long = |number: u8| [&[number, 64, 41, 255], [number; 255].as_slice()].concat();
    writer.write("too-long", &(1..=4).flat_map(long).collect::<Vec<_>>());
}
