//! Writes the fuzz corpora of messages, payloads, fragments and sequences anew: what our encoder makes, and
//! mutations of it. Drawn from a seed: the same octets each time.
#![allow(clippy::unwrap_used, reason = "a tool of the developers")]

use ids::{IkeSpi, Spi};
use ike::{
    CipherSuite, ExchangeType, Header, SuitePolicy,
    crypto::{CryptoProvider, SeededProvider},
    fuzz::{self, Step},
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
    write_sequences();
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

/// Every kind of notification that is read, with the data that belongs to it.
fn notifies() -> Vec<(NotifyType, Vec<u8>)> {
    let method = KeyExchangeMethod::ECP_256.0.to_be_bytes().to_vec();
    let hash = vec![12; 20];
    vec![
        (NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![200]),
        (NotifyType::INVALID_MAJOR_VERSION, vec![2]),
        (NotifyType::INVALID_SYNTAX, Vec::new()),
        (NotifyType::NO_PROPOSAL_CHOSEN, Vec::new()),
        (NotifyType::INVALID_KE_PAYLOAD, method),
        (NotifyType::AUTHENTICATION_FAILED, Vec::new()),
        (NotifyType::NO_ADDITIONAL_SAS, Vec::new()),
        (NotifyType::INTERNAL_ADDRESS_FAILURE, Vec::new()),
        (NotifyType::TS_UNACCEPTABLE, Vec::new()),
        (NotifyType::TEMPORARY_FAILURE, Vec::new()),
        (NotifyType::CHILD_SA_NOT_FOUND, Vec::new()),
        (NotifyType::INITIAL_CONTACT, Vec::new()),
        (NotifyType::NAT_DETECTION_SOURCE_IP, hash.clone()),
        (NotifyType::NAT_DETECTION_DESTINATION_IP, hash),
        (NotifyType::COOKIE, vec![13; 17]),
        (NotifyType::REKEY_SA, Vec::new()),
        (NotifyType::AUTH_LIFETIME, 86_400_u32.to_be_bytes().to_vec()),
        (NotifyType::CHILDLESS_IKEV2_SUPPORTED, Vec::new()),
        (NotifyType::IKEV2_FRAGMENTATION_SUPPORTED, Vec::new()),
        (NotifyType::SIGNATURE_HASH_ALGORITHMS, vec![0, 2, 0, 3, 0, 4]),
        (NotifyType::PPK_IDENTITY, b"\x01ppk".to_vec()),
        (NotifyType(40_960), vec![14; 9]),
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
    for (kind, data) in notifies() {
        let name =
            format!("notify-{}", kind.name().unwrap_or("UNKNOWN").to_ascii_lowercase().replace('_', "-"));
        let datagram = write_plain(header(ExchangeType::INFORMATIONAL, 1), &[Payload::notify(kind, &data)]);
        writer.file(&name, &[&[PayloadType::NOTIFY.0], &datagram[ike::HEADER_LEN..]].concat());
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
        for (number, fragment) in (1..).zip(seal(ExchangeType::IKE_AUTH, 1, &auth, Some(548))) {
            writer.file(&format!("fragment-{number}-{name}"), &fragment);
        }
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

/// A step: what, who, how, which.
type Quad = (Step, u8, u8, u8);

const ASKED: [Quad; 2] = [(Step::Init, 0, 0, 0), (Step::Auth, 0, 0, 0)];
const KNOWN: Quad = (Step::Tell, 0, 0, 0);
const GRANTED: Quad = (Step::Tell, 0, 3, 0);
const ATTACH: [Quad; 4] = [ASKED[0], ASKED[1], KNOWN, GRANTED];
/// To the next timeout.
const DUE: Quad = (Step::Time, 0, 0, 0);
/// The responder is told to renew its CHILD SAs, and its IKE SA.
const RENEW_CHILD: Quad = (Step::Order, 0, 2, 0);
const RENEW_IKE: Quad = (Step::Order, 0, 3, 0);
const PROBE: Quad = (Step::Order, 0, 0, 0);
const ANSWER: Quad = (Step::Answer, 0, 0, 0);

fn write_sequences() {
    let writer = Writer::new("responder");
    let sequence = |configuration: u8, steps: &[Quad]| -> Vec<u8> {
        let octets = steps.iter().flat_map(|(what, who, how, which)| [*what as u8, *who, *how, *which]);
        [configuration, 1].into_iter().chain(octets).collect()
    };
    for (name, steps) in attaches() {
        writer.write(&format!("attach-{name}"), &sequence(0, &steps));
    }
    let cookie = [&ASKED[..1], &ATTACH].concat();
    writer.write("attach-cookie", &sequence(1, &cookie));
    writer.write("attach-without-fragments", &sequence(2, &ATTACH));
    for (name, steps) in tunnels() {
        writer.write(&format!("tunnel-{name}"), &sequence(0, &[&ATTACH, steps.as_slice()].concat()));
    }
    // Each lie in each message, and its honest form afterwards.
    let messages = [Step::Auth, Step::CreateChildSa, Step::RekeyChildSa, Step::RekeyIkeSa, Step::Probe];
    for (message, name) in messages.into_iter().zip(["auth", "create", "rekey-child", "rekey-ike", "probe"]) {
        let before = if message == Step::Auth { &ATTACH[..1] } else { &ATTACH };
        for lie in 1..16_u8 {
            let told: Vec<Quad> = (0..6).map(|which| (message, 0, lie, which)).collect();
            let steps = [before, &told, &[KNOWN, GRANTED, (message, 0, 0, 0)]].concat();
            writer.file(&format!("lie-{name}-{lie}"), &sequence(0, &steps));
        }
        let unknown: Vec<Quad> = [0x10, 0x30, 0x50, 0x90, 0xd0].map(|lie| (message, 0, lie, 40)).to_vec();
        writer.file(&format!("unknown-{name}"), &sequence(0, &[before, &unknown].concat()));
    }
}

/// The ways that end with IKE_AUTH.
fn attaches() -> Vec<(&'static str, Vec<Quad>)> {
    let [init, auth] = ASKED;
    let tell = |how| (Step::Tell, 0, how, 0);
    let again = |who, how, which| (Step::Again, who, how, which);
    let wait = |seconds| (Step::Time, 0, seconds, 0);
    vec![
        ("honest", ATTACH.to_vec()),
        ("refused-peer", vec![init, auth, tell(1), auth]),
        ("refused", vec![init, auth, KNOWN, tell(4), again(0, 0, 0), wait(31)]),
        ("judged-anew", vec![init, auth, tell(2), auth, KNOWN, tell(5), again(0, 0, 0), KNOWN, GRANTED]),
        ("too-late", vec![init, auth, KNOWN, wait(31), GRANTED, tell(0)]),
        ("told-twice", vec![init, auth, KNOWN, KNOWN, GRANTED, GRANTED, tell(4), tell(6), tell(7)]),
        ("told-the-wrong-answer", vec![init, auth, GRANTED, tell(4), KNOWN, tell(1), GRANTED]),
        (
            "replayed",
            [&ATTACH[..], &[again(4, 0, 0), again(8, 0, 0), again(8, 0, 1), again(8, 0, 0)]].concat(),
        ),
        (
            "reflected",
            [&ATTACH[..], &[again(0, 1, 0), again(0, 1, 1), again(8, 5, 0), again(0, 4, 0)]].concat(),
        ),
        ("reordered", vec![(Step::Init, 0x80, 0, 0), auth, again(0, 0, 0), auth, KNOWN, GRANTED]),
        (
            "fragments",
            vec![init, (Step::Auth, 0x80, 0x80, 0), again(0, 0, 1), again(0, 0, 0), again(0, 0, 2), KNOWN],
        ),
        (
            "of-many",
            (0..9).flat_map(|who| [(Step::Init, who % 3, 0, 0), (Step::Auth, who % 3, 0, 0)]).collect(),
        ),
        (
            "of-three",
            (0..3)
                .flat_map(|who| [(Step::Init, who, 0, 0), (Step::Auth, who, 0, 0), KNOWN, GRANTED])
                .collect(),
        ),
        ("of-one-three-times", [ATTACH, ATTACH, ATTACH].concat()),
        ("soon-over", vec![init, auth, KNOWN, (Step::Tell, 0, 3, 240), wait(40)]),
        ("without-address", vec![init, auth, KNOWN, (Step::Tell, 0, 3, 1)]),
    ]
}

/// What may happen in a tunnel.
fn tunnels() -> Vec<(&'static str, Vec<Quad>)> {
    let say = |what| (what, 0, 0, 0);
    let order = |how| (Step::Order, 0, how, 0);
    let delete = |how| (Step::Delete, 0, how, 0);
    let again = |how, which| (Step::Again, 8, how, which);
    vec![
        ("child", vec![say(Step::CreateChildSa), say(Step::RekeyChildSa), delete(1)]),
        ("children", vec![say(Step::CreateChildSa); 20]),
        ("renewed", vec![say(Step::RekeyIkeSa), (Step::Delete, 0x40, 0, 0), say(Step::CreateChildSa)]),
        ("renewed-often", vec![say(Step::RekeyIkeSa); 20]),
        ("renewed-by-us", vec![RENEW_IKE, ANSWER, ANSWER, RENEW_CHILD, ANSWER, ANSWER]),
        ("crossing-child", vec![RENEW_CHILD, say(Step::RekeyChildSa), ANSWER, ANSWER, ANSWER]),
        (
            "crossing-ike",
            vec![
                RENEW_IKE,
                say(Step::RekeyIkeSa),
                (Step::Answer, 0x40, 0, 0),
                say(Step::Probe),
                ANSWER,
                ANSWER,
            ],
        ),
        (
            "crossing-both",
            vec![RENEW_CHILD, say(Step::RekeyIkeSa), ANSWER, RENEW_IKE, say(Step::CreateChildSa), ANSWER],
        ),
        (
            "wrong-answer",
            vec![RENEW_CHILD, (Step::Answer, 0, 10, 0), RENEW_IKE, (Step::Answer, 0, 11, 4), DUE, ANSWER],
        ),
        (
            "refused-answer",
            vec![RENEW_CHILD, (Step::Answer, 0, 5, 7), ANSWER, RENEW_IKE, (Step::Answer, 0, 5, 3), DUE],
        ),
        (
            "other-methods",
            vec![(Step::Order, 0, 5, 1), say(Step::RekeyChildSa), say(Step::RekeyIkeSa), RENEW_CHILD, ANSWER],
        ),
        ("deletes", vec![delete(2), delete(3), delete(1), delete(1), delete(0), delete(0)]),
        ("deleted-while-renewed", vec![RENEW_IKE, delete(0), ANSWER, DUE, DUE]),
        ("closed", vec![order(1), say(Step::CreateChildSa), ANSWER, order(1)]),
        ("closed-while-renewed", vec![RENEW_IKE, order(1), ANSWER, ANSWER, DUE, DUE]),
        ("probed", vec![PROBE, PROBE, ANSWER, order(4)]),
        ("probed-while-renewed", vec![PROBE, say(Step::RekeyIkeSa), ANSWER, ANSWER]),
        ("silent", vec![PROBE, DUE, DUE, DUE, DUE, (Step::Time, 0, 200, 0)]),
        ("asked-at-times", vec![DUE, ANSWER, DUE, ANSWER, DUE, ANSWER, DUE, ANSWER]),
        (
            "elsewhere",
            vec![
                (Step::Probe, 4, 0, 0),
                (Step::Probe, 8, 0, 0),
                again(0, 1),
                (Step::CreateChildSa, 0x0c, 0, 0),
            ],
        ),
        (
            "message-ids",
            vec![(Step::Probe, 0x10, 0, 0), (Step::Probe, 0x20, 0, 0), (Step::CreateChildSa, 0x10, 0, 0)],
        ),
        ("bent", (2..30).map(|how| again(how, how % 4)).collect()),
        (
            "foreign-orders",
            vec![order(6), (Step::Order, 0, 2, 9), (Step::Order, 0, 0, 200), (Step::Order, 0, 1, 200)],
        ),
        ("expired", vec![(Step::Time, 0, 255, 7)]),
    ]
}
