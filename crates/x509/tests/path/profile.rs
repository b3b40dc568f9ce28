//! Chains of our own profile, each with one thing about it, and what comes of it: devices, gateways and registration
//! authorities. What stands in the other files of this folder is not repeated.

mod authorities;
mod chains;
mod constraints;
mod encodings;
mod extensions;
mod gateways;
mod names;
mod numbers_and_times;
mod usages;

use crate::world::*;
use rcgen::{CertificateParams, CustomExtension};
use x509::{PathError, Place};

type Outcome = Result<(), PathError>;

/// What is bent, the clause that says what must come of it, the judgement, and what must come of it.
type Row = (&'static str, &'static str, fn(&World) -> Outcome, Outcome);

const DEVICE: Place = Place::EndEntity;
const ISSUER: Place = Place::Issuer;

/// A device's certificate by the issuing CA.
fn device(world: &World, bend: impl FnOnce(&mut CertificateParams)) -> Outcome {
    world.bent(bend).map(drop)
}

/// The issuing CA's own certificate, above a device's.
fn issuer(world: &World, bend: impl FnOnce(&mut CertificateParams)) -> Outcome {
    world.bent_issuer(bend).map(drop)
}

/// A device's certificate by the issuing CA, some fields of which a library would not write so.
fn device_again(world: &World, bend: impl FnOnce(&mut Vec<Vec<u8>>)) -> Outcome {
    let device = world.issuing.device(|_| {});
    let again = world.issuing.sign_again(&device.der, bend);
    world.verify(NAME, &[&again, &world.issuing.der]).map(drop)
}

/// The same for the issuing CA's own certificate.
fn issuer_again(world: &World, bend: impl FnOnce(&mut Vec<Vec<u8>>)) -> Outcome {
    let device = world.issuing.device(|_| {});
    let again = world.root.sign_again(&world.issuing.der, bend);
    world.verify(NAME, &[&device.der, &again]).map(drop)
}

fn extension(oid: &[u64], is_critical: bool, value: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, value.to_vec());
    extension.set_criticality(is_critical);
    extension
}

#[test]
fn chains_of_our_own_profile_come_out_as_the_table_says() {
    let world = World::new();
    let tables = [
        authorities::ROWS,
        chains::ROWS,
        constraints::ROWS,
        encodings::ROWS,
        extensions::ROWS,
        gateways::ROWS,
        names::ROWS,
        numbers_and_times::ROWS,
        usages::ROWS,
    ];
    let rows = tables.concat();
    let others: Vec<String> = rows
        .iter()
        .map(|(what, clause, judge, expected)| (what, clause, judge(&world), expected))
        .filter(|(_, _, outcome, expected)| outcome != *expected)
        .map(|(what, clause, outcome, expected)| format!("{what} ({clause}): {outcome:?}, not {expected:?}"))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
    let statement = include_str!("../../../../docs/pics.md");
    let stated = format!("**{} chains of our own profile**", rows.len());
    assert!(statement.contains(&stated), "docs/pics.md lacks: {stated}");
}
