use super::*;

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

struct Vector {
    suite: Suite,
    /// AES key and salt.
    encryption: &'static str,
    spi: u32,
    sequence: u64,
    extended: bool,
    iv: &'static str,
    plain: &'static str,
    sealed: &'static str,
}

/// draft-mcgrew-gcm-test-01 section 4: the first case (ESN) and the AES-256 one.
const GCM_IN_ESP: [Vector; 2] = [
    Vector {
        suite: Suite::Aes128Gcm16,
        encryption: "4c80cdef bb5d10da 906ac73c 3613a634 2e443b68",
        spi: 0x0000_4321,
        sequence: 0x8765_4321_0000_0000,
        extended: true,
        iv: "4956ed7e 3b244cfe",
        plain: "45000048 699a0000 80114db7 c0a80102 c0a80101 0a9bf156 38d30100 00010000 00000000 \
                045f7369 70045f75 64700373 69700963 79626572 63697479 02646b00 00210001 01020201",
        sealed: "fecf537e 729d5b07 dc30df52 8dd22b76 8d1b9873 6696a6fd 348509fa 13ceac34 cfa2436f \
                 14a3f3cf 65925bf1 f4a13c5d 15b21e18 84f5ff62 47aeabb7 86b93bce 61bc17d7 68fd9732 \
                 45901814 8f6cbe72 2fd04796 562dfdb4",
    },
    Vector {
        suite: Suite::Aes256Gcm16,
        encryption: "abbccdde f0011223 34455667 78899aab abbccdde f0011223 34455667 78899aab 11223344",
        spi: 0x4a2c_bfe3,
        sequence: 2,
        extended: false,
        iv: "01020304 05060708",
        plain: "45000030 69a64000 80062690 c0a80102 9389155e 0a9e008b 2dc57ee0 00000000 70024000 \
                20bf0000 020405b4 01010402 01020201",
        sealed: "ff425c9b 724599df 7a3bcd51 0194e00d 6a78107f 1b0b1cbf 06efae9d 65a5d763 748a6379 \
                 85771d34 7f054565 9f14e99d ef842d8e b335f4ee cfdbf831 824b4c49 15956c96",
    },
];

#[test]
fn gcm_opens_the_published_packets_and_no_altered_one() {
    for vector in GCM_IN_ESP {
        let header = Header { spi: Spi(vector.spi), sequence: vector.sequence, extended: vector.extended };
        let keys = Keys::new(vector.suite, &octets(vector.encryption), &[]).unwrap();
        let packet = [&header.on_wire()[..], &octets(vector.iv), &octets(vector.sealed)].concat();
        let mut opener = Opener::new(keys);
        assert_eq!(opener.open(header, &mut packet.clone()).unwrap(), octets(vector.plain));
        for at in 8..packet.len() {
            let mut altered = packet.clone();
            altered[at] ^= 1;
            assert_eq!(opener.open(header, &mut altered), Err(NotAuthentic), "octet {at}");
        }
        let other = Header { sequence: vector.sequence ^ (1 << 32), ..header };
        assert_eq!(opener.open(other, &mut packet.clone()).is_err(), vector.extended, "ESN is covered");
    }
}

/// RFC 3602 section 4, cases 5 and 7 less their own framing: the ciphertext of AES-128-CBC.
#[test]
fn cbc_decrypts_what_rfc_3602_encrypted() {
    let aes = octets("90d382b4 10eeba7a d938c46c ec1a82bf");
    let iv: [u8; 16] = octets("e96e8c08 ab465763 fd098d45 dd3ff893").try_into().unwrap();
    let mut text = octets(
        "f663c25d 325c18c6 a9453e19 4e120849 a4870b66 cc6b9965 330013b4 898dc856 a4699e52 3a55db08 \
         0b59ec3a 8e4b7e52 775b07d1 db34ed9c 538ab50c 551b874a a269add0 47ad2d59 13ac19b7 cfbad4a6",
    );
    let keys = Keys::new(Suite::Aes128CbcHmacSha256, &aes, &[0; 32]).unwrap();
    let key = DecryptingKey::cbc(cbc_key(&keys).unwrap()).unwrap();
    key.decrypt(&mut text, DecryptionContext::Iv128(FixedLength::from(iv))).unwrap();
    let plain = octets(
        "08000ebd a70a0000 8e9c083d b95b0700 08090a0b 0c0d0e0f 10111213 14151617 18191a1b 1c1d1e1f \
         20212223 24252627 28292a2b 2c2d2e2f 30313233 34353637 01020304 05060708 090a0b0c 0d0e0e01",
    );
    assert_eq!(text, plain);
}

/// RFC 4868 section 2.7.2.1, test case AUTH256-1.
#[test]
fn hmac_is_cut_to_128_bits() {
    let keys = Keys::new(Suite::Aes128CbcHmacSha256, &[0; 16], &[0x0b; 32]).unwrap();
    let header = Header { spi: Spi(1), sequence: 1, extended: false };
    let tag = icv(&hmac_key(&keys), header, b"Hi There");
    assert_eq!(tag.as_ref()[..ICV_LEN], octets("198a607e b44bfbc6 9903a0f1 cf2bbdc5"));
}

#[test]
fn cbc_ivs_never_repeat_and_say_nothing() {
    let keys = Keys::new(Suite::Aes256CbcHmacSha256, &[7; 32], &[8; 32]).unwrap();
    let mut sealer = Sealer::new(keys);
    let mut seal = |sequence| {
        let mut out = Vec::new();
        let header = Header { spi: Spi(9), sequence, extended: true };
        sealer.seal(header, &mut out, |out| out.extend([0; 16])).unwrap();
        out[8..24].to_vec()
    };
    let (first, second) = (seal(1), seal(2));
    assert_ne!(first, second);
    assert!(first.iter().zip(&second).filter(|(a, b)| a != b).count() > 8);
}

#[test]
fn keys_of_a_wrong_length_are_refused_and_never_printed() {
    assert!(Keys::new(Suite::Aes128Gcm16, &[0; 16], &[]).is_err());
    assert!(Keys::new(Suite::Aes128Gcm16, &[0; 20], &[0; 32]).is_err());
    assert!(Keys::new(Suite::Aes256CbcHmacSha256, &[0; 32], &[0; 20]).is_err());
    let keys = Keys::new(Suite::Aes128Gcm16, &[0xab; 20], &[]).unwrap();
    assert_eq!(format!("{keys:?}"), "Keys { suite: Aes128Gcm16, .. }");
}
