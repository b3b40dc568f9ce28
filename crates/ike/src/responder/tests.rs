//! The responder against a peer that holds the keys and departs from the protocol in one point at a time.
#![allow(clippy::disallowed_methods, reason = "a test begins at some time")]

use super::*;
use crate::{
    Grant, LocalIdentity,
    exchange::Contents,
    fuzz::{
        lie::Lie,
        peer::{Peer as LyingPeer, Proof},
        toy::{Toy, ToyKey},
    },
    message::{parse_plain, write_plain},
    payload::{
        AttributeType, Configuration, Delete, Notify, NotifyType, Payload, PayloadType, TrafficSelector,
    },
    reason::Answer,
};
use std::{net::Ipv4Addr, time::Duration};

const INNER: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 7);
const HONEST: Lie = Lie::NONE;

fn lie(how: u8, which: u8) -> Lie {
    Lie { how, which }
}

mod hostile;

/// One peer and the responder, which is told that whoever authenticates may attach.
struct Line {
    responder: Responder,
    peer: LyingPeer,
    now: Instant,
    path: Path,
    peers: Result<(), Refusal>,
    admission: Admission,
    /// What the responder sent.
    sent: Vec<Vec<u8>>,
    /// What the responder said, opened.
    said: Vec<(Header, Contents)>,
    events: Vec<Event>,
    asked: usize,
    installed: usize,
}

impl Line {
    fn new() -> Self {
        Self::with_crypto(Arc::new(Toy::new(1)))
    }

    fn with_crypto(crypto: Arc<dyn CryptoProvider>) -> Self {
        let now = Instant::now();
        let key = b"segw".to_vec();
        let identity = LocalIdentity {
            id: Identification::fqdn("segw.example"),
            certificates: vec![key.clone()],
            key: Arc::new(ToyKey(key)),
        };
        let path = Path {
            local: "198.51.100.1:4500".parse().unwrap(),
            peer: "192.0.2.1:40123".parse().unwrap(),
            encapsulated: true,
        };
        Self {
            responder: Responder::new(ResponderConfig::new(identity, vec![]), crypto, now),
            peer: LyingPeer::new(0, true, Arc::new(Toy::new(2))),
            now,
            path,
            peers: Ok(()),
            admission: Admission::Grant(grant()),
            sent: vec![],
            said: vec![],
            events: vec![],
            asked: 0,
            installed: 0,
        }
    }

    fn attached() -> Self {
        let mut line = Self::new();
        line.init();
        line.auth(HONEST);
        assert!(line.stands());
        line
    }

    fn init(&mut self) {
        let datagram = self.peer.init(HONEST);
        self.deliver(&[datagram]);
    }

    /// Whether the peer has proven itself.
    fn auth(&mut self, lie: Lie) -> Proof {
        let (datagrams, proof) = self.peer.auth(lie);
        self.deliver(&datagrams);
        proof
    }

    fn stands(&self) -> bool {
        self.responder.stats().established_now == 1
    }

    fn deliver(&mut self, datagrams: &[Vec<u8>]) {
        for datagram in datagrams {
            self.responder.handle_datagram(self.path, datagram, self.now);
            self.drain();
            while self.responder.take_turn(self.now) {
                self.drain();
            }
        }
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        self.responder.handle_timeout(self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.responder.poll_output() {
            match output {
                Output::Transmit { datagram, .. } => self.hear(&datagram),
                Output::AskPeer { ticket, ask } => {
                    self.asked += 1;
                    let peer = Peer {
                        public_key_spki: ask.certificates[0].clone(),
                        not_after: Duration::from_secs(86_400),
                        allow_sha1_signature: false,
                    };
                    self.responder.handle_peer(ticket, self.peers.map(|()| peer), self.now);
                }
                Output::AskAdmission { ticket, .. } => {
                    self.responder.handle_admission(ticket, self.admission.clone(), self.now);
                }
                Output::InstallChildSa { .. } => self.installed += 1,
                Output::Event(event) => self.events.push(event),
                Output::RemoveChildSa { .. } | Output::Keepalive { .. } => {}
            }
        }
    }

    fn hear(&mut self, datagram: &[u8]) {
        self.sent.push(datagram.to_vec());
        let header = Header::parse(datagram).unwrap();
        self.peer.on_datagram(datagram);
        if let Some((_, contents)) = self.peer.read(&header, datagram) {
            self.said.push((header, contents));
        }
    }

    /// The one answer since it was last asked for.
    fn answer(&mut self) -> Contents {
        assert_eq!(self.said.len(), 1, "one answer");
        self.said.remove(0).1
    }

    fn notify(&mut self) -> Notify {
        let mut answer = self.answer();
        assert_eq!(answer.notifies.len(), 1);
        assert!(
            answer.sa.is_none() && answer.id_r.is_none() && answer.cp.is_none() && answer.certs.is_empty()
        );
        answer.notifies.remove(0)
    }
}

fn grant() -> Grant {
    Grant {
        inner_v4: Some(INNER),
        inner_v6: None,
        dns: vec![],
        ts_r: [TrafficSelector::addresses([10, 0, 0, 0].into(), [10, 0, 255, 255].into())].into(),
        auth_lifetime: Duration::from_secs(86_400),
        expires_in: Duration::from_secs(86_400),
    }
}

#[test]
fn section_4_line_3_no_shared_key_null_eap_raw_key_or_url_authenticates() {
    let lies = [
        (lie(13, 0), Reason::AuthMethod, "a shared key"),
        (lie(13, 1), Reason::AuthMethod, "NULL"),
        (lie(1, 2), Reason::EapOnly, "no AUTH payload"),
        (lie(7, 0), Reason::EapOnly, "an EAP payload beside AUTH"),
        (lie(13, 4), Reason::CertificateEncoding, "hash and URL"),
        (lie(13, 5), Reason::CertificateEncoding, "a raw key"),
    ];
    for (lie, reason, what) in lies {
        let mut line = Line::new();
        line.init();
        line.auth(lie);
        assert_eq!(line.notify(), Notify::new(NotifyType::AUTHENTICATION_FAILED, &[]), "{what}");
        assert_eq!(line.responder.stats().refused(reason), 1, "{what}");
        assert_eq!((line.asked, line.installed), (0, 0), "nobody is asked, nothing is fetched: {what}");
    }
}

#[test]
fn section_4_line_35_whoever_has_not_proven_itself_learns_authentication_failed_and_no_more() {
    let mut refused = 0;
    for how in 1..16 {
        for which in 0..16 {
            let mut line = Line::new();
            line.init();
            if line.auth(lie(how, which)).is_some() {
                continue;
            }
            assert!(!line.stands(), "lie {how} about {which}");
            assert_eq!(line.installed, 0);
            assert_eq!(line.notify(), Notify::new(NotifyType::AUTHENTICATION_FAILED, &[]), "{how} {which}");
            refused += 1;
        }
    }
    assert!(refused >= 50, "{refused} lies leave no proof");
}

#[test]
fn section_4_line_35_a_reason_that_the_peer_may_know_says_nothing_of_who_it_is() {
    for reason in Reason::ALL {
        let says_more =
            !matches!(reason.answer(), Answer::Silence | Answer::Notify(NotifyType::AUTHENTICATION_FAILED));
        let before_it_says_who_it_is = matches!(
            reason,
            Reason::UnknownCritical | Reason::MajorVersion | Reason::NoProposalChosen | Reason::InvalidKe
        );
        assert!(!says_more || before_it_says_who_it_is, "{reason:?}");
    }
}

#[test]
fn section_4_line_26_a_child_sa_is_never_renewed_without_a_key_exchange_of_its_own() {
    let mut line = Line::attached();
    line.said.clear();
    let without_ke = lie(1, 3);
    let datagrams = line.peer.create_child_sa(true, without_ke);
    line.deliver(&datagrams);
    assert_eq!(line.notify().kind, NotifyType::NO_PROPOSAL_CHOSEN);
    assert_eq!(line.installed, 1, "the first one alone");
    let datagrams = line.peer.create_child_sa(true, HONEST);
    line.deliver(&datagrams);
    assert!(line.answer().ke.is_some());
    assert_eq!(line.installed, 2);
}

#[test]
fn what_neither_side_was_granted_is_no_child_sa() {
    let (only_ts_i, only_ts_r) = (lie(12, 0x40), lie(12, 0x80));
    for outside in [only_ts_i, only_ts_r, lie(12, 0)] {
        let mut line = Line::attached();
        line.said.clear();
        let datagrams = line.peer.create_child_sa(false, outside);
        line.deliver(&datagrams);
        assert_eq!(line.notify().kind, NotifyType::TS_UNACCEPTABLE);
        assert_eq!(line.installed, 1, "the first one alone");
    }
}

#[test]
fn section_4_line_29_transport_mode_is_never_agreed_to() {
    let wants_transport_mode = lie(5, 9);
    let mut line = Line::new();
    line.init();
    line.auth(wants_transport_mode);
    let answer = line.answer();
    assert!(answer.sa.is_some() && !answer.has(NotifyType::USE_TRANSPORT_MODE), "tunnel mode is what stands");
    let datagrams = line.peer.create_child_sa(false, wants_transport_mode);
    line.deliver(&datagrams);
    let answer = line.answer();
    assert!(answer.sa.is_some() && !answer.has(NotifyType::USE_TRANSPORT_MODE));
    assert_eq!(line.installed, 2);
}

#[test]
fn section_4_line_31_what_is_not_authentic_ends_nothing() {
    let mut line = Line::attached();
    let header = line.said.remove(0).0;
    let plain = Header { from_initiator: true, exchange: ExchangeType::INFORMATIONAL, ..header };
    let lies = [
        Payload::notify(NotifyType::AUTHENTICATION_FAILED, &[]),
        Payload::notify(NotifyType::INVALID_IKE_SPI, &[]),
        Payload::notify(NotifyType::INVALID_SYNTAX, &[]),
        Payload::Delete(Delete::IkeSa),
    ];
    for (is_response, payload) in
        [false, true].into_iter().flat_map(|way| lies.iter().map(move |lie| (way, lie)))
    {
        for message_id in 0..4 {
            let header = Header { is_response, message_id, ..plain };
            line.deliver(&[write_plain(header, std::slice::from_ref(payload))]);
        }
    }
    let mut bent = line.peer.delete(0);
    *bent[0].last_mut().unwrap() ^= 1;
    line.deliver(&bent);
    assert!(line.stands() && line.said.is_empty(), "not even answered");
    let honest = line.peer.delete(0);
    line.deliver(&honest);
    assert!(!line.stands(), "the same, authentic");
}

#[test]
fn section_4_line_31_the_question_whether_a_peer_lives_is_an_empty_informational() {
    let mut line = Line::attached();
    line.said.clear();
    let dpd_after = line.responder.config.times.dpd_after;
    line.pass(dpd_after);
    let (header, contents) = line.said.remove(0);
    assert_eq!((header.exchange, header.is_response), (ExchangeType::INFORMATIONAL, false));
    assert!(contents.notifies.is_empty() && contents.deletes.is_empty() && contents.vendor_ids.is_empty());
}

#[test]
fn section_4_line_33_an_unknown_payload_is_passed_over_and_a_critical_one_is_refused_by_name() {
    let mut line = Line::attached();
    line.said.clear();
    let passed_over = line.peer.inform(vec![], lie(0x10, 0));
    line.deliver(&passed_over);
    let answer = line.answer();
    assert!(answer.notifies.is_empty());
    let critical = line.peer.inform(vec![], lie(0x30, 0));
    line.deliver(&critical);
    assert_eq!(line.notify(), Notify::new(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[200]));
    assert!(line.stands());
}

#[test]
fn section_4_line_34_the_reply_has_the_units_own_address_and_says_truly_where_it_is_seen() {
    let mut line = Line::new();
    line.init();
    line.auth(HONEST);
    let Some(Configuration { attributes, .. }) = line.answer().cp else { panic!("no CFG_REPLY") };
    let said: Vec<_> = attributes.iter().map(|one| (one.kind, one.value.as_slice())).collect();
    let expected: [(AttributeType, &[u8]); 2] = [
        (AttributeType::INTERNAL_IP4_ADDRESS, &[10, 64, 0, 7]),
        // 192.0.2.1, port 40123.
        (AttributeType::EXTERNAL_SOURCE_IP4_NAT_INFO, &[192, 0, 2, 1, 0x9c, 0xbb]),
    ];
    assert_eq!(said, expected, "neither the address that it wished for, nor IPv6, which it has none of");
}

#[test]
fn section_4_line_22_fragments_wait_for_the_rest_a_while_and_no_longer() {
    let in_fragments = lie(0x40, 0);
    for (wait, is_whole) in [(14, true), (16, false)] {
        let mut line = Line::attached();
        line.said.clear();
        let datagrams = line.peer.create_child_sa(false, in_fragments);
        assert!(datagrams.len() > 1);
        line.deliver(&datagrams[..1]);
        line.pass(Duration::from_secs(wait));
        line.deliver(&datagrams[1..]);
        assert_eq!(line.installed == 2, is_whole, "after {wait} s");
        line.deliver(&datagrams);
        assert_eq!(line.installed, 2, "sent again, all of it");
    }
}

#[test]
fn a_public_value_of_a_wrong_length_is_not_answered_and_nothing_is_kept() {
    let mut line = Line::new();
    let request = line.peer.init(HONEST);
    let header = Header::parse(&request).unwrap();
    let mut payloads = parse_plain(&header, &request).unwrap();
    payloads.iter_mut().for_each(|payload| {
        if let Payload::Ke(value) = payload {
            value.data.pop();
        }
    });
    line.deliver(&[write_plain(header, &payloads)]);
    assert!(line.said.is_empty());
    assert_eq!(line.responder.held(), (0, 0, 0));
    assert_eq!(line.responder.stats().half_open_now, 0);
    assert_eq!(line.responder.stats().refused(Reason::PublicValue), 1);
}

#[test]
fn what_is_longer_than_any_honest_message_is_not_looked_at() {
    let refused = |length: usize| {
        let mut line = Line::new();
        line.init();
        let mut datagram = line.peer.auth(HONEST).0.remove(0);
        datagram.resize(length, 0);
        datagram[24..28].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
        datagram[30..32].copy_from_slice(&u16::try_from(length - 28).unwrap().to_be_bytes());
        line.deliver(&[datagram]);
        [Reason::NotAuthentic, Reason::Malformed].map(|reason| line.responder.stats().refused(reason))
    };
    assert_eq!(refused(MAX_MESSAGE), [1, 0]);
    assert_eq!(refused(MAX_MESSAGE + 1), [0, 1]);
}
