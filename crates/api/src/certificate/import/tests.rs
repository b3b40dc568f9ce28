use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use x509::Anchor;

type Authority = CertifiedIssuer<'static, KeyPair>;

const DEVICE: &str = "00aabbccddee";
const NAME: &str = "00aabbccddee.femto.vendor.example";

fn now() -> UnixTime {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

/// Valid for the month of `now`.
fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 11, 15);
    params.not_after = rcgen::date_time_ymd(2026, 12, 14);
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(&[]);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn root(name: &str) -> Authority {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

fn below(root: &Authority) -> Authority {
    CertifiedIssuer::signed_by(authority_params("Issuing CA"), KeyPair::generate().unwrap(), root).unwrap()
}

fn anchors(realms: &[(&str, &Authority)]) -> Anchors {
    let mut anchors = Anchors::new();
    for (realm, root) in realms {
        anchors.insert(realm.parse().unwrap(), Anchor::from_der(root.der()).unwrap());
    }
    anchors
}

fn issued(params: &CertificateParams, issuer: &Authority) -> String {
    params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap().pem()
}

fn row(chain: String) -> ForeignCertificate {
    ForeignCertificate { from: "unit.pem".into(), device: DEVICE.parse().unwrap(), chain }
}

#[test]
fn a_path_to_the_realms_anchor_makes_a_credential_that_says_that_it_was_imported() {
    let (root, other) = (root("Vendor"), root("Other"));
    let issuing = below(&root);
    let chain = issued(&params(&[NAME]), &issuing) + &issuing.pem();
    let anchors = anchors(&[("femto.vendor.example", &root), ("femto.other.example", &other)]);
    let row = row(chain);
    let verified = row.verified(&anchors, now()).unwrap();
    let made = credential(&verified, now());
    assert_eq!((made.device.to_string().as_str(), made.origin), (DEVICE, Origin::Imported));
    assert_eq!(made.realm.to_string(), "femto.vendor.example");
    assert_eq!((made.issued_at, made.not_after), (now(), "2026-12-14T00:00:00Z".parse().unwrap()));
    let odd: Vec<_> = row.warnings(&verified).map(|warning| (warning.from, warning.what)).collect();
    assert_eq!(odd, [("unit.pem".to_owned(), "it has no keyUsage".to_owned())]);
}

#[test]
fn a_certificate_that_proves_nothing_about_its_unit_is_refused_in_plain_words() {
    let (vendor, other) = (root("Vendor"), root("Other"));
    let issuing = below(&vendor);
    let anchors = anchors(&[("femto.vendor.example", &vendor), ("femto.other.example", &other)]);
    let of = |names: &[&str], issuer: &Authority| issued(&params(names), issuer);
    let dated = |from: i32, to: i32| {
        let mut params = params(&[NAME]);
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(from, 1, 1), rcgen::date_time_ymd(to, 1, 1));
        issued(&params, &vendor)
    };
    for (chain, why) in [
        (String::new(), "no certificate in PEM"),
        (of(&[], &vendor), "it has no dNSName"),
        (
            of(&["00aabbccddef.femto.vendor.example"], &vendor),
            "its dNSName is 00aabbccddef.femto.vendor.example",
        ),
        (of(&[NAME, "x.example"], &vendor), "not 00aabbccddee.<realm>"),
        (of(&["00aabbccddee.femto.unknown.example"], &vendor), "no anchor is configured for the realm"),
        (of(&["00aabbccddee.femto.other.example"], &vendor), "the chain leads to another realm's anchor"),
        (of(&[NAME], &root("Vendor")), "a signature of the chain does not verify"),
        (of(&[NAME], &root("Nobody")), "no path leads to an anchor of the realm"),
        (of(&[NAME], &issuing), "no path leads to an anchor of the realm"),
        (issuing.pem() + &of(&[NAME], &issuing), "it has no dNSName"),
        (dated(2024, 2026), "the end-entity certificate has expired"),
        (dated(2027, 2028), "the end-entity certificate is not yet valid"),
    ] {
        let refused = row(chain).verified(&anchors, now()).unwrap_err();
        assert!(refused.contains(why), "{why}: {refused}");
    }
}
