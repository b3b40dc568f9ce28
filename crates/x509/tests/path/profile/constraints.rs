//! Name constraints of issuers (RFC 5280 §4.2.1.10).

use super::*;
use rcgen::{CidrSubnet, DistinguishedName, DnType, GeneralSubtree, NameConstraints};

fn subtrees(names: &[&str]) -> Vec<GeneralSubtree> {
    names.iter().map(|name| GeneralSubtree::DnsName((*name).into())).collect()
}

/// What comes of a device under an issuer with these dNSName constraints.
fn dns_names(world: &World, permitted: &[&str], excluded: &[&str]) -> Outcome {
    constrained(world, subtrees(permitted), subtrees(excluded))
}

fn constrained(world: &World, permitted: Vec<GeneralSubtree>, excluded: Vec<GeneralSubtree>) -> Outcome {
    let constraints = NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded };
    issuer(world, |params| params.name_constraints = Some(constraints))
}

/// The same with the content of NameConstraints as DER.
fn raw(world: &World, is_critical: bool, content: &[u8]) -> Outcome {
    let value = crate::der::tlv(0x30, content);
    issuer(world, |params| params.custom_extensions = vec![extension(&[2, 5, 29, 30], is_critical, &value)])
}

/// A dNSName as `GeneralSubtree`, with what stands behind its base.
fn subtree(name: &str, behind: &[u8]) -> Vec<u8> {
    let base = crate::der::tlv(0x82, name.as_bytes());
    crate::der::tlv(0x30, &[base.as_slice(), behind].concat())
}

pub(super) const ROWS: &[Row] = &[
    (
        "the realm in capitals is permitted",
        "RFC 5280 §7.2: case is not told apart",
        |world| dns_names(world, &["FEMTO.Example"], &[]),
        Ok(()),
    ),
    (
        "the realm in capitals is excluded",
        "RFC 5280 §7.2: case is not told apart",
        |world| dns_names(world, &[], &["FEMTO.Example"]),
        Err(PathError::NameConstraint),
    ),
    (
        "the device's whole name is permitted",
        "§4.2.1.10: zero labels may be added",
        |world| dns_names(world, &[NAME], &[]),
        Ok(()),
    ),
    (
        "the device's whole name is excluded",
        "§4.2.1.10: zero labels may be added",
        |world| dns_names(world, &[], &[NAME]),
        Err(PathError::NameConstraint),
    ),
    (
        "the name of another device is permitted",
        "§4.2.1.10",
        |world| dns_names(world, &["00aabbccddef.femto.example"], &[]),
        Err(PathError::NameConstraint),
    ),
    (
        "another device's name is excluded",
        "§4.2.1.10",
        |world| dns_names(world, &[], &["00aabbccddef.femto.example"]),
        Ok(()),
    ),
    (
        "a label below the realm is excluded",
        "§4.2.1.10",
        |world| dns_names(world, &[], &["x.femto.example"]),
        Ok(()),
    ),
    ("the top domain is permitted", "§4.2.1.10", |world| dns_names(world, &["example"], &[]), Ok(())),
    (
        "the end of a label is permitted",
        "§4.2.1.10: labels are added, not letters",
        |world| dns_names(world, &["xample"], &[]),
        Err(PathError::NameConstraint),
    ),
    (
        "a dot stands before the realm that is permitted",
        "§4.2.1.10 has it for URIs alone; read as names below it",
        |world| dns_names(world, &[".femto.example"], &[]),
        Ok(()),
    ),
    (
        "a dot stands before the realm that is excluded",
        "§4.2.1.10 has it for URIs alone; read as names below it",
        |world| dns_names(world, &[], &[".femto.example"]),
        Err(PathError::NameConstraint),
    ),
    (
        "a dot stands behind the realm that is permitted",
        "RFC 1034 §3.5: preferred name syntax",
        |world| dns_names(world, &["femto.example."], &[]),
        Err(PathError::NameConstraint),
    ),
    (
        "a dot stands behind a realm that is excluded",
        "a constraint that cannot be read refuses",
        |world| dns_names(world, &[], &["other.example."]),
        Err(PathError::NameConstraint),
    ),
    ("everything is permitted", "§4.2.1.10: zero labels", |world| dns_names(world, &[""], &[]), Ok(())),
    (
        "everything is excluded",
        "§4.2.1.10: zero labels",
        |world| dns_names(world, &[], &[""]),
        Err(PathError::NameConstraint),
    ),
    (
        "one of two that are permitted fits",
        "§6.1.4 g: the union within one certificate",
        |world| dns_names(world, &["other.example", REALM], &[]),
        Ok(()),
    ),
    (
        "the realm is permitted and the device excluded",
        "§4.2.1.10: excluded wins",
        |world| dns_names(world, &[REALM], &[NAME]),
        Err(PathError::NameConstraint),
    ),
    (
        "addresses alone are permitted",
        "§4.2.1.10: only that form is constrained",
        |world| {
            let network = CidrSubnet::V4([192, 0, 2, 0], [255, 255, 255, 0]);
            constrained(world, vec![GeneralSubtree::IpAddress(network)], vec![])
        },
        Ok(()),
    ),
    (
        "mail alone is permitted",
        "§4.2.1.10: only that form is constrained",
        |world| constrained(world, vec![GeneralSubtree::Rfc822Name("femto.example".into())], vec![]),
        Ok(()),
    ),
    (
        "an organisation is excluded",
        "§4.2.1.10: what is not processed refuses",
        |world| {
            let mut organisation = DistinguishedName::new();
            organisation.push(DnType::OrganizationName, "Another");
            constrained(world, vec![], vec![GeneralSubtree::DirectoryName(organisation)])
        },
        Err(PathError::NameConstraint),
    ),
    (
        "constraints that are not critical",
        "§4.2.1.10: CAs must mark them; they count all the same",
        |world| raw(world, false, &crate::der::tlv(0xa0, &subtree("other.example", &[]))),
        Err(PathError::NameConstraint),
    ),
    (
        "constraints that are not critical and fit",
        "§4.2.1.10",
        |world| raw(world, false, &crate::der::tlv(0xa0, &subtree(REALM, &[]))),
        Ok(()),
    ),
    (
        "constraints with a minimum of 1",
        "§4.2.1.10: must be 0",
        |world| raw(world, true, &crate::der::tlv(0xa0, &subtree(REALM, &[0x80, 1, 1]))),
        Err(PathError::Malformed(ISSUER)),
    ),
    (
        "constraints with a maximum",
        "§4.2.1.10: must be absent",
        |world| raw(world, true, &crate::der::tlv(0xa1, &subtree("other.example", &[0x81, 1, 9]))),
        Err(PathError::Malformed(ISSUER)),
    ),
    (
        "an upper CA's constraints",
        "§6.1.4 g: for every certificate below",
        |world| below_another(world, &["other.example"], &[REALM]),
        Err(PathError::NameConstraint),
    ),
    (
        "constraints of two CAs that both fit",
        "§6.1.4 g: the intersection along the path",
        |world| below_another(world, &["example"], &[REALM]),
        Ok(()),
    ),
    (
        "a lower CA that permits itself more",
        "§6.1.4 g: the intersection along the path",
        |world| below_another(world, &["a.femto.example"], &["example"]),
        Err(PathError::NameConstraint),
    ),
];

/// What comes of a device under two CAs that permit these names.
fn below_another(world: &World, upper: &[&str], lower: &[&str]) -> Outcome {
    let permit = |params: &mut CertificateParams, names: &[&str]| {
        params.name_constraints =
            Some(NameConstraints { permitted_subtrees: subtrees(names), excluded_subtrees: vec![] });
    };
    let upper = world.root.ca("Upper CA", |params| permit(params, upper));
    let lower = upper.ca("Lower CA", |params| permit(params, lower));
    let device = lower.device(|_| {});
    world.verify(NAME, &[&device.der, &lower.der, &upper.der]).map(drop)
}
