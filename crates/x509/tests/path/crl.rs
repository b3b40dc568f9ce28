//! Revocation lists: what is read of them, and which say nothing (RFC 5280 section 5).

use crate::der::{fields, tlv};
use crate::world::*;
use ids::UnixTime;
use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384,
    PKCS_RSA_SHA256, RevocationReason, RevokedCertParams, SerialNumber as Number, date_time_ymd,
};
use std::time::Duration;
use x509::{Anchor, Crl, CrlError, CrlReason, MAX_ENTRIES, SerialNumber, SignatureError};

/// The fields of a TBSCertList as rcgen writes them.
const SIGNATURE: usize = 1;
const NEXT_UPDATE: usize = 4;
const REVOKED: usize = 5;
const EXTENSIONS: usize = 6;

fn serial(octets: &[u8]) -> SerialNumber {
    SerialNumber::from_octets(octets).unwrap()
}

/// A list of the day before [`now`] that counts for seven days and revokes serial number 7 for good and 9 for a time.
fn list(issuer: &Cert) -> Vec<u8> {
    let at = |days: u64| date_time_ymd(2026, 11, 30) + Duration::from_secs(days * DAY);
    let entry = |serial: &[u8], reason_code| RevokedCertParams {
        serial_number: Number::from_slice(serial),
        revocation_time: at(0),
        reason_code,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: at(0),
        next_update: at(7),
        crl_number: Number::from(5_u64),
        issuing_distribution_point: None,
        revoked_certs: vec![
            entry(&[9], Some(RevocationReason::CertificateHold)),
            entry(&[7], Some(RevocationReason::KeyCompromise)),
            entry(&[0xff, 1], None),
        ],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(&Issuer::from_params(&issuer.params, &issuer.key)).unwrap().der().to_vec()
}

fn verify(issuer: &Cert, der: &[u8]) -> Result<Crl, CrlError> {
    Crl::verify(&Anchor::from_der(&issuer.der).unwrap(), der)
}

/// What comes of a list with other fields, signed again.
fn bent(bend: impl FnOnce(&mut Vec<Vec<u8>>)) -> Result<Crl, CrlError> {
    let issuer = root("CA", |_| ());
    verify(&issuer, &issuer.sign_again(&list(&issuer), bend))
}

fn extension(oid: &[u8], is_critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if is_critical { tlv(1, &[0xff]) } else { Vec::new() };
    tlv(0x30, &[tlv(6, oid), critical, tlv(4, value)].concat())
}

/// What comes of a list with one more extension (RFC 5280 section 5.2).
fn extended(oid: &[u8], is_critical: bool, value: &[u8]) -> Result<Crl, CrlError> {
    bent(|tbs| {
        // [0] EXPLICIT around the SEQUENCE of those that are there.
        let mut all = fields(&fields(&tbs[EXTENSIONS])[0]);
        all.push(extension(oid, is_critical, value));
        tbs[EXTENSIONS] = tlv(0xa0, &tlv(0x30, &all.concat()));
    })
}

/// What comes of a list whose first entry has this extension (RFC 5280 section 5.3).
fn with_entry(oid: &[u8], is_critical: bool, value: &[u8]) -> Result<Crl, CrlError> {
    bent(|tbs| {
        let time = tlv(0x17, b"261130000000Z");
        let extensions = tlv(0x30, &extension(oid, is_critical, value));
        tbs[REVOKED] = tlv(0x30, &tlv(0x30, &[tlv(2, &[7]), time, extensions].concat()));
    })
}

const IDP: &[u8] = &[0x55, 0x1d, 28];
const DELTA: &[u8] = &[0x55, 0x1d, 27];
const REASON: &[u8] = &[0x55, 0x1d, 21];
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 29];
const NOBODY_KNOWS: &[u8] = &[0x2a, 3, 4];

#[test]
fn a_list_says_what_it_revokes_since_when_and_why() {
    for key in [key(&PKCS_ECDSA_P384_SHA384), key(&PKCS_RSA_SHA256)] {
        let issuer = root_with("CA", key, |_| ());
        let crl = verify(&issuer, &list(&issuer)).unwrap();
        let at: UnixTime = "2026-11-30T00:00:00Z".parse().unwrap();
        assert_eq!((crl.this_update(), crl.next_update()), (at, at.after(Duration::from_secs(7 * DAY))));
        assert_eq!((crl.len(), crl.covers(false), crl.covers(true)), (3, true, true));
        let found = crl.revoked(serial(&[7])).unwrap();
        assert_eq!((found.at, found.reason), (at, Some(CrlReason::KeyCompromise)));
        assert!(crl.revoked(serial(&[9])).unwrap().is_hold() && !found.is_hold());
        assert_eq!(crl.revoked(serial(&[0, 0xff, 1])).unwrap().reason, None, "an INTEGER that is positive");
        assert_eq!(crl.revoked(serial(&[8])), None);
    }
}

#[test]
fn only_the_very_ca_that_may_speaks_for_itself() {
    let (issuer, other) = (root("CA", |_| ()), root("Another", |_| ()));
    let namesake = root("CA", |_| ());
    let der = list(&issuer);
    assert_eq!(verify(&other, &der).unwrap_err(), CrlError::OtherIssuer);
    let mismatch = CrlError::Signature(SignatureError::Mismatch);
    assert_eq!(verify(&namesake, &der).unwrap_err(), mismatch);
    let silent = root("CA", |params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    let by_silent = silent.sign_again(&der, |_| ());
    assert_eq!(verify(&silent, &by_silent).unwrap_err(), CrlError::KeyUsage);
    let mut altered = der.clone();
    // The 7 that is revoked becomes an 8.
    let place = der.windows(3).rposition(|octets| octets == [2, 1, 7]).unwrap();
    altered[place + 2] = 8;
    assert_eq!(verify(&issuer, &altered).unwrap_err(), mismatch);
}

#[test]
fn the_algorithm_must_be_the_same_inside_and_outside() {
    let p384 = [&[0x30, 10, 6, 8][..], &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3]].concat();
    assert_eq!(bent(|tbs| tbs[SIGNATURE] = p384).unwrap_err(), CrlError::Malformed);
}

#[test]
fn a_list_of_version_1_counts_and_one_without_an_end_does_not() {
    let crl = bent(|tbs| {
        tbs.pop();
        tbs.remove(REVOKED);
        tbs.remove(0);
    });
    assert!(crl.unwrap().is_empty());
    assert_eq!(bent(|tbs| tbs[0] = tlv(2, &[0])).unwrap_err(), CrlError::Malformed);
    assert_eq!(bent(|tbs| tbs[0] = tlv(2, &[2])).unwrap_err(), CrlError::Malformed);
    assert_eq!(bent(|tbs| drop(tbs.remove(NEXT_UPDATE))).unwrap_err(), CrlError::NoNextUpdate);
    let nothing_behind = bent(|tbs| tbs.truncate(NEXT_UPDATE));
    assert_eq!(nothing_behind.unwrap_err(), CrlError::NoNextUpdate);
}

#[test]
fn a_list_that_leaves_something_out_says_nothing() {
    let incomplete = |result: Result<Crl, CrlError>| assert_eq!(result.unwrap_err(), CrlError::Incomplete);
    for is_critical in [true, false] {
        incomplete(extended(DELTA, is_critical, &tlv(2, &[1])));
        let point = tlv(0xa0, &tlv(0xa0, &tlv(0x86, b"http://crl.example/part")));
        incomplete(extended(IDP, is_critical, &tlv(0x30, &point)));
        incomplete(extended(IDP, is_critical, &tlv(0x30, &tlv(0x83, &[6, 0x40]))));
        incomplete(extended(IDP, is_critical, &tlv(0x30, &tlv(0x84, &[0xff]))));
        incomplete(extended(IDP, is_critical, &tlv(0x30, &tlv(0x85, &[0xff]))));
        let both = [tlv(0x81, &[0xff]), tlv(0x82, &[0xff])].concat();
        incomplete(extended(IDP, is_critical, &tlv(0x30, &both)));
        let name = tlv(0x30, &tlv(0x82, b"other.example"));
        incomplete(with_entry(CERTIFICATE_ISSUER, is_critical, &name));
    }
}

#[test]
fn a_list_of_one_kind_of_certificates_is_about_those_alone() {
    let covers = |idp: &[u8]| {
        let crl = extended(IDP, true, &tlv(0x30, idp)).unwrap();
        (crl.covers(false), crl.covers(true))
    };
    assert_eq!(covers(&[]), (true, true));
    assert_eq!(covers(&tlv(0x81, &[0xff])), (true, false));
    assert_eq!(covers(&tlv(0x82, &[0xff])), (false, true));
}

#[test]
fn what_is_critical_and_not_understood_makes_the_list_useless() {
    assert_eq!(extended(NOBODY_KNOWS, true, &[5, 0]).unwrap_err(), CrlError::CriticalExtension);
    assert!(extended(NOBODY_KNOWS, false, &[5, 0]).is_ok());
    assert_eq!(with_entry(NOBODY_KNOWS, true, &[5, 0]).unwrap_err(), CrlError::CriticalExtension);
    assert!(with_entry(NOBODY_KNOWS, false, &[5, 0]).is_ok());
    assert_eq!(extended(IDP, false, &[5, 0]).unwrap_err(), CrlError::Malformed);
}

#[test]
fn remove_from_crl_and_reasons_that_are_none_make_a_complete_list_malformed() {
    let reason = |code: u8| with_entry(REASON, false, &tlv(0x0a, &[code]));
    assert_eq!(reason(8).unwrap_err(), CrlError::Malformed);
    assert_eq!(reason(7).unwrap_err(), CrlError::Malformed);
    assert_eq!(reason(1).unwrap().revoked(serial(&[7])).unwrap().reason, Some(CrlReason::KeyCompromise));
}

#[test]
fn where_a_number_stands_there_twice_the_entry_that_is_final_counts() {
    let entry = |reason: u8| {
        let extensions = tlv(0x30, &extension(REASON, false, &tlv(0x0a, &[reason])));
        tlv(0x30, &[tlv(2, &[7]), tlv(0x17, b"261130000000Z"), extensions].concat())
    };
    for order in [[6, 1], [1, 6]] {
        let crl = bent(|tbs| tbs[REVOKED] = tlv(0x30, &order.map(entry).concat())).unwrap();
        assert_eq!(crl.revoked(serial(&[7])).unwrap().reason, Some(CrlReason::KeyCompromise));
    }
}

#[test]
fn cut_off_or_with_more_behind_it_a_list_says_nothing() {
    let issuer = root("CA", |_| ());
    let der = list(&issuer);
    for end in 0..der.len() {
        assert!(verify(&issuer, &der[..end]).is_err(), "{end}");
    }
    assert_eq!(verify(&issuer, &[der, vec![0]].concat()).unwrap_err(), CrlError::Malformed);
}

#[test]
fn a_list_has_as_many_entries_as_may_be_and_no_more_and_sixteen_mib() {
    let entry = |number: usize| {
        let number = u32::try_from(number + (1 << 30)).unwrap().to_be_bytes();
        tlv(0x30, &[tlv(2, &number), tlv(0x17, b"261130000000Z")].concat())
    };
    let of =
        |count: usize| bent(|tbs| tbs[REVOKED] = tlv(0x30, &(0..count).flat_map(entry).collect::<Vec<u8>>()));
    let crl = of(MAX_ENTRIES).unwrap();
    assert_eq!(crl.len(), MAX_ENTRIES);
    assert!(crl.revoked(serial(&(1_u32 << 30).to_be_bytes())).is_some());
    assert_eq!(of(MAX_ENTRIES + 1).unwrap_err(), CrlError::TooLarge);
    let issuer = root("CA", |_| ());
    assert_eq!(verify(&issuer, &vec![0; x509::MAX_CRL + 1]).unwrap_err(), CrlError::TooLarge);
    assert_eq!(verify(&issuer, &vec![0; x509::MAX_CRL]).unwrap_err(), CrlError::Malformed);
}

#[test]
fn a_list_is_older_by_its_number_and_by_its_time() {
    let numbered = |number: u8| {
        bent(|tbs| {
            let value = extension(&[0x55, 0x1d, 20], false, &tlv(2, &[number]));
            tbs[EXTENSIONS] = tlv(0xa0, &tlv(0x30, &value));
        })
        .unwrap()
    };
    let unnumbered = bent(|tbs| drop(tbs.pop())).unwrap();
    let (four, five) = (numbered(4), numbered(5));
    assert!(four.is_older_than(&five) && !five.is_older_than(&four) && !five.is_older_than(&five));
    assert!(!unnumbered.is_older_than(&five) && !five.is_older_than(&unnumbered));
    let earlier = bent(|tbs| tbs[3] = tlv(0x17, b"261129235959Z")).unwrap();
    assert!(earlier.is_older_than(&five));
}

/// Inputs of the fuzz target: name, how many certificates are revoked where the list counts, octets.
pub(crate) fn seeds(behind_ca: fn(&Cert, &[u8]) -> Vec<u8>) -> Vec<(&'static str, Option<usize>, Vec<u8>)> {
    let issuer = root("CA", |_| ());
    let der = list(&issuer);
    let bent = |bend: &dyn Fn(&mut Vec<Vec<u8>>)| behind_ca(&issuer, &issuer.sign_again(&der, bend));
    let extended = |oid: &[u8], value: &[u8]| {
        bent(&|tbs| tbs[EXTENSIONS] = tlv(0xa0, &tlv(0x30, &extension(oid, true, value))))
    };
    let mut unsigned = der.clone();
    *unsigned.last_mut().unwrap() ^= 1;
    vec![
        ("three", Some(3), behind_ca(&issuer, &der)),
        ("version-1-empty", Some(0), bent(&|tbs| *tbs = [&tbs[1..REVOKED]].concat())),
        ("user-certs", Some(3), extended(IDP, &tlv(0x30, &tlv(0x81, &[0xff])))),
        ("no-next-update", None, bent(&|tbs| drop(tbs.remove(NEXT_UPDATE)))),
        ("delta", None, extended(DELTA, &tlv(2, &[1]))),
        ("indirect", None, extended(IDP, &tlv(0x30, &tlv(0x84, &[0xff])))),
        ("critical", None, extended(NOBODY_KNOWS, &[5, 0])),
        ("bad-signature", None, behind_ca(&issuer, &unsigned)),
        ("of-another", None, behind_ca(&root("Another", |_| ()), &der)),
        ("cut-off", None, behind_ca(&issuer, &der[..100])),
        ("more-behind-it", None, behind_ca(&issuer, &[der, vec![0]].concat())),
    ]
}
