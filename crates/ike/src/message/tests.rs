use super::*;
use crate::{
    crypto::{Direction, IkeKeys, SeededProvider},
    header::ExchangeType,
    payload::{Notify, NotifyType},
    suite::{CipherSuite, IkeSuite},
};
use ids::IkeSpi;
use proptest::prelude::*;

fn cipher(suite: CipherSuite) -> MessageCipher {
    let suite = IkeSuite {
        cipher: suite,
        prf: crate::crypto::PrfAlgorithm::HmacSha256,
        key_exchange: crate::payload::KeyExchangeMethod::CURVE25519,
    };
    let keys = IkeKeys::derive(&suite, &[7; 32], (&[1; 32], &[2; 32]), (IkeSpi(1), IkeSpi(2)));
    MessageCipher::new(suite.cipher, &keys, Direction::FromInitiator)
}

fn header() -> Header {
    Header {
        spi_i: IkeSpi(1),
        spi_r: IkeSpi(2),
        first_payload: PayloadType::NONE,
        exchange: ExchangeType::IKE_AUTH,
        from_initiator: true,
        is_response: false,
        message_id: 1,
    }
}

fn payloads(octets: usize) -> Vec<Payload> {
    vec![Payload::Notify(Notify::new(NotifyType::COOKIE, &vec![9; octets])), Payload::VendorId(b"v".to_vec())]
}

fn reassemble(datagrams: &[Vec<u8>], cipher: &MessageCipher) -> Option<Vec<Payload>> {
    let mut reassembly = Reassembly::default();
    let mut whole = None;
    for datagram in datagrams {
        let header = Header::parse(datagram).unwrap();
        let sealed = Sealed::find(&header, datagram).unwrap();
        let plain = open(cipher, datagram, &sealed).unwrap();
        let chain = match sealed.fragment {
            None => Some((sealed.first_inner, plain)),
            Some(number) => reassembly.take(&sealed, number, plain),
        };
        whole = whole.or(chain);
    }
    whole.map(|(first, chain)| parse_chain(first, &chain).unwrap())
}

proptest! {
    #[test]
    fn fragments_in_any_order_and_repeated_make_the_message_again(
        octets in 0usize..6000, limit in 200usize..1400, suite in 0usize..4, order in any::<u64>(),
    ) {
        let suite = CipherSuite::ALL[suite];
        let crypto = SeededProvider::new(1);
        let sent = payloads(octets);
        let mut datagrams = Sealer::new(cipher(suite)).seal(header(), &sent, Some(limit), &crypto);
        prop_assert!(datagrams.iter().all(|datagram| datagram.len() <= limit));
        datagrams.extend(datagrams.clone());
        let count = datagrams.len();
        for index in 0..count {
            datagrams.swap(index, (order as usize).wrapping_mul(index + 7) % count);
        }
        prop_assert_eq!(reassemble(&datagrams, &cipher(suite)), Some(sent));
    }

    #[test]
    fn one_changed_bit_anywhere_is_noticed(bit in 0usize..8 * 120, suite in 0usize..4) {
        let suite = CipherSuite::ALL[suite];
        let crypto = SeededProvider::new(1);
        let mut datagram = Sealer::new(cipher(suite)).seal(header(), &payloads(40), None, &crypto).remove(0);
        let sealed = Sealed::find(&header_of(&datagram), &datagram).unwrap();
        let index = bit / 8 % datagram.len();
        datagram[index] ^= 1 << (bit % 8);
        prop_assert!(open(&cipher(suite), &datagram, &sealed).is_err());
    }
}

fn header_of(datagram: &[u8]) -> Header {
    Header::parse(datagram).unwrap()
}

#[test]
fn a_part_of_a_longer_set_begins_anew_and_one_of_a_shorter_set_is_left_out() {
    let sealed = Sealed { first_inner: PayloadType::NOTIFY, start: 36, fragment: None };
    let mut reassembly = Reassembly::default();
    let part = |number, total| FragmentNumber { number, total };
    assert_eq!(reassembly.take(&sealed, part(1, 2), vec![1]), None);
    assert_eq!(reassembly.take(&sealed, part(1, 3), vec![1]), None);
    assert_eq!(reassembly.take(&sealed, part(2, 2), vec![2]), None);
    assert_eq!(reassembly.take(&sealed, part(2, 3), vec![2]), None);
    assert_eq!(reassembly.take(&sealed, part(3, 3), vec![3]), Some((PayloadType::NOTIFY, vec![1, 2, 3])));
    assert_eq!(reassembly.take(&sealed, part(1, 65), vec![1]), None);
}

#[test]
fn section_4_line_22_reassembly_is_bounded_in_count_and_octets() {
    let sealed = Sealed { first_inner: PayloadType::NOTIFY, start: 36, fragment: None };
    let mut reassembly = Reassembly::default();
    for number in 1..=63 {
        assert_eq!(reassembly.take(&sealed, FragmentNumber { number, total: 64 }, vec![0; 1000]), None);
    }
    assert!(reassembly.octets <= MAX_MESSAGE, "{}", reassembly.octets);
}
