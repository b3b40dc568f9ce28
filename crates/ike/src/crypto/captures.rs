//! Messages of other implementations, opened with keys that those who captured them published
//! (Wireshark's test suite). The captures are not ours to pass on, so these tests are ignored unless
//! asked for: `TRUECELL_CAPTURES=folder cargo test -p ike captures -- --ignored`.

use super::{Direction, IkeKeys, MessageCipher, known_answers::hex};
use crate::{
    header::{ExchangeType, HEADER_LEN, Header},
    message::{Sealed, open, parse_plain, write_plain},
    payload::{Payload, PayloadType, parse_chain},
    suite::CipherSuite,
};
use std::path::PathBuf;
use zeroize::Zeroizing;

struct Capture {
    file: &'static str,
    spi_i: &'static str,
    suite: CipherSuite,
    sk_ei: &'static str,
    sk_er: &'static str,
    sk_ai: &'static str,
    sk_ar: &'static str,
}

const GCM_256: Capture = Capture {
    file: "ikev2-decrypt-aes256gcm16.pcap",
    spi_i: "0158b8fb90b7623d",
    suite: CipherSuite::Aes256Gcm16,
    sk_ei: "647075bf167447a1c8683e8dbe4794b4cfe73799cc6bec34905441159ce13705c8dfb3a9",
    sk_er: "15c9eae6f94631d63068bf44bb69999abc07b3d15e915fd8f0ed99ad481efd75deb02a5e",
    sk_ai: "",
    sk_ar: "",
};

const CBC_256: Capture = Capture {
    file: "ikev2-decrypt-aes256cbc.pcapng",
    spi_i: "191ccd371a7a1f7b",
    suite: CipherSuite::Aes256CbcHmacSha256,
    sk_ei: "9096ddd2933620e8f48122c53a3f562cb0222c1cf97ce41fcc874ea2582a89ac",
    sk_er: "6718c6b2bbef2f234eac4c13832f885d87b574afd2af0111161e99b5dc61b4d4",
    sk_ai: "12d532c3e83c757906af548dfe1ccf223ca5507af77898454e2d55c8ace57a17",
    sk_ar: "30c4ead18c93024b58a86c1e3db60f550221801026853170b4cb0248d3a95329",
};

impl Capture {
    /// The IKE messages in the file, told by the initiator's SPI.
    fn messages(&self) -> Vec<Vec<u8>> {
        let folder = std::env::var_os("TRUECELL_CAPTURES").expect("TRUECELL_CAPTURES names a folder");
        let octets = std::fs::read(PathBuf::from(folder).join(self.file)).unwrap();
        let spi_i = hex(self.spi_i);
        let starts = (0..octets.len()).filter(|at| octets[*at..].starts_with(&spi_i));
        let message = |at: usize| {
            let length = octets.get(at + HEADER_LEN - 4..at + HEADER_LEN)?.try_into().ok()?;
            octets.get(at..at + u32::from_be_bytes(length) as usize).map(<[u8]>::to_vec)
        };
        starts.filter_map(message).collect()
    }

    fn cipher(&self, from_initiator: bool) -> MessageCipher {
        let key = |text| Zeroizing::new(hex(text));
        let none = || Zeroizing::new(Vec::new());
        let keys = IkeKeys {
            sk_d: none(),
            sk_ai: key(self.sk_ai),
            sk_ar: key(self.sk_ar),
            sk_ei: key(self.sk_ei),
            sk_er: key(self.sk_er),
            sk_pi: none(),
            sk_pr: none(),
        };
        let direction = if from_initiator { Direction::FromInitiator } else { Direction::FromResponder };
        MessageCipher::new(self.suite, &keys, direction)
    }

    fn read(&self, datagram: &[u8]) -> (Header, Vec<Payload>) {
        let header = Header::parse(datagram).unwrap();
        if header.exchange == ExchangeType::IKE_SA_INIT {
            let payloads = parse_plain(&header, datagram).unwrap();
            assert_eq!(write_plain(header, &payloads), datagram, "written as it came");
            return (header, payloads);
        }
        let sealed = Sealed::find(&header, datagram).unwrap();
        let chain = open(&self.cipher(header.from_initiator), datagram, &sealed).unwrap();
        (header, parse_chain(sealed.first_inner, &chain).unwrap())
    }
}

const AUTH_REQUEST: [PayloadType; 7] = [
    PayloadType::ID_I,
    PayloadType::NOTIFY,
    PayloadType::ID_R,
    PayloadType::AUTH,
    PayloadType::SA,
    PayloadType::TS_I,
    PayloadType::TS_R,
];
const AUTH_RESPONSE: [PayloadType; 6] = [
    PayloadType::ID_R,
    PayloadType::AUTH,
    PayloadType::SA,
    PayloadType::TS_I,
    PayloadType::TS_R,
    PayloadType::NOTIFY,
];

/// Opens all messages; the payload types of the protected ones begin as `expected` says.
fn opens_as(capture: &Capture, expected: &[&[PayloadType]]) {
    let messages = capture.messages();
    let read = messages.iter().map(|datagram| capture.read(datagram));
    let protected = read.filter(|(header, _)| header.exchange != ExchangeType::IKE_SA_INIT);
    let kinds: Vec<Vec<_>> =
        protected.map(|(_, payloads)| payloads.iter().map(Payload::kind).collect()).collect();
    assert_eq!(kinds.len(), expected.len());
    for (kinds, expected) in kinds.iter().zip(expected) {
        assert!(kinds.starts_with(expected), "{kinds:?}");
    }
}

#[test]
#[ignore = "needs captures that are not ours: TRUECELL_CAPTURES=folder"]
fn aes_gcm_256_messages_of_another_implementation_open() {
    opens_as(&GCM_256, &[&AUTH_REQUEST, &AUTH_RESPONSE, &[PayloadType::DELETE], &[]]);
}

#[test]
#[ignore = "needs captures that are not ours: TRUECELL_CAPTURES=folder"]
fn aes_cbc_256_messages_of_another_implementation_open() {
    opens_as(&CBC_256, &[&AUTH_REQUEST, &AUTH_RESPONSE]);
}
