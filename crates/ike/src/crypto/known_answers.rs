//! Answers that others computed: the RFCs, OpenSSL, and for whole messages an independent script.

use super::*;
use crate::{
    header::{ExchangeType, Header},
    message::{Sealed, open},
    payload::{AuthMethod, Notify, NotifyType, Payload, PayloadType, parse_chain},
    suite::{CipherSuite, IkeSuite},
};
use aws_lc_rs::{agreement, digest};
use ids::IkeSpi;

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn own(algorithm: &'static agreement::Algorithm, private: &str) -> Box<dyn Ephemeral> {
    let key = agreement::PrivateKey::from_private_key(algorithm, &hex(private)).unwrap();
    Box::new(aws_lc::Ecdh::new(key).unwrap())
}

#[test]
fn rfc_5903_section_8_1_p_256_agrees_on_the_published_secret() {
    let private = "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433";
    let own = own(&agreement::ECDH_P256, private);
    let public_i = hex(concat!(
        "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180",
        "5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
    ));
    assert_eq!(own.public_value(), public_i);
    let public_r = hex(concat!(
        "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63",
        "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
    ));
    let secret = hex("D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE");
    assert_eq!(*own.agree(&public_r).unwrap(), secret);
}

#[test]
fn rfc_5903_section_8_2_p_384_agrees_on_the_published_secret() {
    let own = own(
        &agreement::ECDH_P384,
        concat!(
            "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F16",
            "0647B67414DCE655E35B538041E649EE3FAEF896783AB194"
        ),
    );
    let public_i = hex(concat!(
        "667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E31634FE72B4C55EE6DE3AC808ACB4BDB4C88732AEE95F41AA",
        "9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144ADA024181535A0F38EEB9FCFF3C2C947DAE69B4C634573A81C",
    ));
    assert_eq!(own.public_value(), public_i);
    let public_r = hex(concat!(
        "E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571",
        "DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C",
    ));
    let secret = hex(concat!(
        "11187331C279962D93D604243FD592CB9D0A926F422E4718",
        "7521287E7156C5C4D603135569B9E9D09CF5D4A270F59746"
    ));
    assert_eq!(*own.agree(&public_r).unwrap(), secret);
}

#[test]
fn rfc_7748_section_6_1_x25519_agrees_on_the_published_secret() {
    let own = own(&agreement::X25519, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    assert_eq!(own.public_value(), hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
    let of_bob = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    let secret = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_eq!(*own.agree(&of_bob).unwrap(), secret);
}

#[test]
fn section_4_line_21_x25519_points_of_small_order_are_refused() {
    let small = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for point in small {
        let own = AwsLc.key_exchange(KeyExchangeMethod::CURVE25519).unwrap();
        assert!(own.agree(&hex(point)).is_err(), "{point}");
    }
}

/// Python's `pow(2, x * y, p)` with p from the formula of RFC 3526 §3.
#[test]
fn group_14_agrees_with_another_implementation() {
    let pair = |first: u8, step: i16| {
        let fill = move |out: &mut [u8]| {
            out.iter_mut().zip(0i16..).for_each(|(octet, i)| *octet = (i16::from(first) + step * i) as u8);
        };
        Box::new(modp::Modp2048::new(fill).unwrap())
    };
    let (x, y) = (pair(0, 1), pair(0xfe, -1));
    let is_sha256_of = |octets: &[u8], expected| {
        assert_eq!(digest::digest(&digest::SHA256, octets).as_ref(), hex(expected));
    };
    is_sha256_of(x.public_value(), "d43451b651d55795ff86ec96d6451fb4fbd0e7d5acc2bb254f51d3f10dffc346");
    is_sha256_of(y.public_value(), "8babbb3b7de04a4794116c8a90361238bb1caa0feee05b0547f77391f3ade4b3");
    let of_y = y.public_value().to_vec();
    let secret = x.agree(&of_y).unwrap();
    is_sha256_of(&secret, "f5f5d89a5ae57f0ab86302e7569a51291ae6029a2d9d935687e54c1a6ed15cc9");
}

#[test]
fn rfc_4231_test_cases_1_2_and_6() {
    let cases: [(Vec<u8>, &[u8], &str, &str); 3] = [
        (
            vec![0x0b; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
        ),
    ];
    for (key, data, sha256, sha384) in cases {
        assert_eq!(*PrfAlgorithm::HmacSha256.key(&key).apply(&[data]), hex(sha256));
        assert_eq!(*PrfAlgorithm::HmacSha384.key(&key).apply(&[data]), hex(sha384));
    }
}

const SPI_I: IkeSpi = IkeSpi(0x0102_0304_0506_0708);
const SPI_R: IkeSpi = IkeSpi(0x1112_1314_1516_1718);

/// Nonces 00..1f and 20..3f, shared secret 64..83 (hexadecimal).
fn inputs() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    ((0..32).collect(), (32..64).collect(), (100..132).collect())
}

fn keys(prf: PrfAlgorithm, cipher: CipherSuite) -> IkeKeys {
    let (ni, nr, secret) = inputs();
    let suite = IkeSuite { cipher, prf, key_exchange: KeyExchangeMethod::CURVE25519 };
    IkeKeys::derive(&suite, &skeyseed(prf, (&ni, &nr), &secret), (&ni, &nr), (SPI_I, SPI_R))
}

#[test]
fn section_4_line_26_keys_of_ike_and_child_sas_are_those_of_rfc_7296_sections_2_14_to_2_18() {
    let (ni, nr, secret) = inputs();
    let nonces = (ni.as_slice(), nr.as_slice());
    let expected = [
        (
            PrfAlgorithm::HmacSha256,
            "e8ad17928bd1da562a88640cfbd8875397f3d2fa7cb33871060d78f39875b0e0",
            "d722fb8c56f4d90bca885254f8ccd235c6faffe0a081117539057ab7406ae9c6",
            "bba5c05ee162bb986f3a9aafa23983798074fffb85c01c9be8ca7dba13a71d87",
            "450c0bee843453a5f3034c8d7b9f5ebd592b9e6318452829dfbeca93a1efc955",
        ),
        (
            PrfAlgorithm::HmacSha384,
            "1ad01e59552787bd6795a9fb133ddfd7f14c29ab6ed87183725aeaecf103d797",
            "84c81d7c5a02959f4ef3a33ec7425017509e9765b46cf5c09e8cc56340bed910",
            "3452b2111f9de4a6d4de5d2ad916a8720dbe60611bd704b683ed574aa14119d6",
            "cb2d373da650f4f400adce3560520efbcb38de9b4c3e1168bd5097e6775074a5",
        ),
    ];
    for (prf, sk_d, child, child_pfs, rekeyed) in expected {
        let keys = keys(prf, CipherSuite::Aes256CbcHmacSha256);
        assert_eq!(keys.sk_d[..32], hex(sk_d));
        assert_eq!(child_keymat(prf, &keys.sk_d, &[], nonces, 72)[..32], hex(child));
        assert_eq!(child_keymat(prf, &keys.sk_d, &secret, nonces, 72)[..32], hex(child_pfs));
        assert_eq!(rekeyed_skeyseed(prf, &keys.sk_d, &secret, nonces)[..32], hex(rekeyed));
    }
}

/// One INITIAL_CONTACT under SK, Message ID 1, sealed by Python's `cryptography`.
const SEALED: [(CipherSuite, &str); 4] = [
    (
        CipherSuite::Aes128Gcm16,
        "2900002500000000000000\
         0194846fe6718c6f965dc152f48c97c4bc37a2210cc2b7f945ea",
    ),
    (
        CipherSuite::Aes256Gcm16,
        "2900002500000000000000\
         0124289ec1b9a304462dfe0e7595817b81d9010a19ae45f36383",
    ),
    (
        CipherSuite::Aes128CbcHmacSha256,
        "29000034a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5\
         21357580d5e0ecbd189f2207f1e4431ba482d68de973b8807b1f94d7a78e8107",
    ),
    (
        CipherSuite::Aes256CbcHmacSha256,
        "29000034a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5\
         a82d13ffa494e032b8419b49675ffdc88442c461a6ce4e7b0a8491544d100bb4",
    ),
];

#[test]
fn messages_that_another_implementation_sealed_open_and_ours_are_the_same_octets() {
    for (suite, payload) in SEALED {
        let payload = hex(payload);
        let mut datagram = Vec::new();
        let header = Header {
            spi_i: SPI_I,
            spi_r: SPI_R,
            first_payload: PayloadType::SK,
            exchange: ExchangeType::IKE_AUTH,
            from_initiator: true,
            is_response: false,
            message_id: 1,
        };
        header.write(28 + u32::try_from(payload.len()).unwrap(), &mut datagram);
        datagram.extend_from_slice(&payload);

        let keys = keys(PrfAlgorithm::HmacSha256, suite);
        let cipher = MessageCipher::new(suite, &keys, Direction::FromInitiator);
        let sealed = Sealed::find(&header, &datagram).unwrap();
        let chain = open(&cipher, &datagram, &sealed).unwrap();
        let expected = Payload::Notify(Notify::new(NotifyType::INITIAL_CONTACT, &[]));
        assert_eq!(parse_chain(sealed.first_inner, &chain), Ok(vec![expected]), "{suite:?}");

        let mut ours = datagram[..sealed.start].to_vec();
        cipher.seal(&mut ours, &chain, 1, &FixedIv).unwrap();
        assert_eq!(ours, datagram, "{suite:?}");
    }
}

/// Draws a5 only.
struct FixedIv;

impl CryptoProvider for FixedIv {
    fn random(&self, out: &mut [u8]) {
        out.fill(0xa5);
    }

    fn key_exchange(&self, _method: KeyExchangeMethod) -> Option<Box<dyn Ephemeral>> {
        None
    }
}

#[test]
fn section_4_line_2_method_1_as_openssl_signs_it_verifies_only_where_allowed() {
    let spki = include_bytes!("../../tests/auth/rsa2048.spki.der");
    let data = include_bytes!("../../tests/auth/rsa2048.sha1.sig").to_vec();
    let auth = Authentication { method: AuthMethod::RSA_SHA1, data };
    assert!(AwsLc.verify_auth(spki, &auth, b"signed octets", true));
    assert!(!AwsLc.verify_auth(spki, &auth, b"signed octets", false));
    assert!(!AwsLc.verify_auth(spki, &auth, b"other octets", true));
}
