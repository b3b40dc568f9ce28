//! A gateway's certificate, as a unit sees it.

use super::*;
use rcgen::{
    BasicConstraints, CidrSubnet, ExtendedKeyUsagePurpose as Purpose, GeneralSubtree, IsCa, KeyUsagePurpose,
    NameConstraints, SanType,
};
use std::net::IpAddr;
use x509::{AnchorSet, GatewayName, verify_gateway};

const GATEWAY: &str = "segw.femto.example";

fn ask(anchors: &AnchorSet, name: GatewayName, chain: &[&[u8]]) -> Outcome {
    verify_gateway(anchors, &name, chain, now()).map(drop)
}

/// A gateway's certificate by the issuing CA, asked for by name.
fn by_name(world: &World, bend: impl FnOnce(&mut CertificateParams)) -> Outcome {
    by(world, GatewayName::Fqdn(GATEWAY.to_owned()), bend)
}

fn by(world: &World, name: GatewayName, bend: impl FnOnce(&mut CertificateParams)) -> Outcome {
    let gateway = world.issuing.device(|params| {
        params.subject_alt_names = vec![dns(GATEWAY)];
        bend(params);
    });
    ask(world.anchors.of(&realm(REALM)).unwrap(), name, &[&gateway.der, &world.issuing.der])
}

/// A gateway with this iPAddress, asked for by that one.
fn by_address(world: &World, has: &str, asked: &str) -> Outcome {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    by(world, GatewayName::Address(address(asked)), |params| {
        params.subject_alt_names = vec![SanType::IpAddress(address(has))];
    })
}

pub(super) const ROWS: &[Row] = &[
    (
        "a gateway with its name among others",
        "RFC 4945 §3.1: one of them is equal",
        |world| {
            by_name(world, |params| {
                params.subject_alt_names.insert(0, SanType::IpAddress([192, 0, 2, 1].into()));
                params.subject_alt_names.insert(0, dns("other.femto.example"));
            })
        },
        Ok(()),
    ),
    (
        "a gateway with a wildcard",
        "RFC 4945 §3.1: the identity itself",
        |world| by_name(world, |params| params.subject_alt_names = vec![dns("*.femto.example")]),
        Err(PathError::NameMismatch),
    ),
    (
        "a gateway with a common name alone",
        "our profile: the subject is not read for a name",
        |world| by_name(world, |params| params.subject_alt_names.clear()),
        Err(PathError::NoName),
    ),
    (
        "a gateway with a name, asked for by address",
        "RFC 4945 §3.1: the same kind",
        |world| by(world, GatewayName::Address([192, 0, 2, 1].into()), |_| {}),
        Err(PathError::NameMismatch),
    ),
    (
        "a gateway whose dNSName is its address as text",
        "RFC 4945 §3.1: the same kind",
        |world| {
            by(world, GatewayName::Address([192, 0, 2, 1].into()), |params| {
                params.subject_alt_names = vec![dns("192.0.2.1")];
            })
        },
        Err(PathError::NameMismatch),
    ),
    (
        "a gateway with an IPv6 address",
        "RFC 4945 §3.1",
        |world| by_address(world, "2001:db8::1", "2001:db8::1"),
        Ok(()),
    ),
    (
        "a gateway with an IPv4 address, asked for as mapped",
        "RFC 4945 §3.1: ID_IPV4_ADDR is not ID_IPV6_ADDR",
        |world| by_address(world, "192.0.2.1", "::ffff:192.0.2.1"),
        Err(PathError::NameMismatch),
    ),
    (
        "a web server's certificate for a gateway",
        "RFC 4945 §5.1.3.12",
        |world| by_name(world, |params| params.extended_key_usages = vec![Purpose::ServerAuth]),
        Err(PathError::ExtendedKeyUsage(DEVICE)),
    ),
    (
        "a CA with a gateway's name",
        "our profile: no CA",
        |world| by_name(world, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        Err(PathError::CaAsEndEntity),
    ),
    (
        "a gateway that may not sign",
        "RFC 4945 §5.1.3.2",
        |world| by_name(world, |params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]),
        Err(PathError::KeyUsage(DEVICE)),
    ),
    (
        "a gateway that has expired",
        "RFC 5280 §6.1.3 a",
        |world| by_name(world, |params| valid(params, -30, -1)),
        Err(PathError::Expired(DEVICE)),
    ),
    (
        "a gateway whose address its issuer may not certify",
        "RFC 5280 §4.2.1.10",
        |world| {
            let network = CidrSubnet::V4([192, 0, 2, 0], [255, 255, 255, 0]);
            let excluded_subtrees = vec![GeneralSubtree::IpAddress(network)];
            let issuing = world.root.ca("Bent CA", |params| {
                params.name_constraints =
                    Some(NameConstraints { permitted_subtrees: vec![], excluded_subtrees });
            });
            let address = SanType::IpAddress([192, 0, 2, 1].into());
            let gateway = issuing.device(|params| params.subject_alt_names = vec![dns(GATEWAY), address]);
            let set = world.anchors.of(&realm(REALM)).unwrap();
            ask(set, GatewayName::Fqdn(GATEWAY.to_owned()), &[&gateway.der, &issuing.der])
        },
        Err(PathError::NameConstraint),
    ),
    (
        "a gateway where no anchor is configured",
        "RFC 5280 §6.1.1 d",
        |world| {
            let gateway = world.issuing.device(|params| params.subject_alt_names = vec![dns(GATEWAY)]);
            let chain: [&[u8]; 3] = [&gateway.der, &world.issuing.der, &world.root.der];
            ask(&AnchorSet::new(), GatewayName::Fqdn(GATEWAY.to_owned()), &chain)
        },
        Err(PathError::Untrusted),
    ),
];
