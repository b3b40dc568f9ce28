//! Secrets of tunnels that are gone: this process's own memory is searched for them.
#![cfg(target_os = "linux")]

use crate::{
    link::{Link, UNIT, gateway_config, identity, unit_config},
    memory::{MASK, found, scrub_stack},
};
use ike::{
    CipherSuite, SuitePolicy,
    crypto::{AwsLc, CryptoProvider, Ephemeral, KeyExchangeError, Secret},
    payload::KeyExchangeMethod,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// [`AwsLc`], with every shared secret noted behind the mask.
#[derive(Default)]
struct Noting(Arc<Mutex<Vec<Vec<u8>>>>);

struct NotingKey(Box<dyn Ephemeral>, Arc<Mutex<Vec<Vec<u8>>>>);

fn masked(octets: &[u8]) -> Vec<u8> {
    octets.iter().map(|octet| octet ^ MASK).collect()
}

impl CryptoProvider for Noting {
    fn random(&self, out: &mut [u8]) {
        AwsLc.random(out);
    }

    fn key_exchange(&self, method: KeyExchangeMethod) -> Option<Box<dyn Ephemeral>> {
        Some(Box::new(NotingKey(AwsLc.key_exchange(method)?, self.0.clone())))
    }
}

impl Ephemeral for NotingKey {
    fn public_value(&self) -> &[u8] {
        self.0.public_value()
    }

    fn agree(&self, peer: &[u8]) -> Result<Secret, KeyExchangeError> {
        let secret = self.0.agree(peer)?;
        self.1.lock().unwrap().push(masked(&secret));
        Ok(secret)
    }
}

#[test]
fn tunnels_that_are_gone_have_left_no_shared_secret_and_no_key() {
    use {CipherSuite as C, KeyExchangeMethod as K};
    let suites = [
        (K::CURVE25519, C::Aes256Gcm16),
        (K::ECP_384, C::Aes128CbcHmacSha256),
        (K::MODP_2048, C::Aes256CbcHmacSha256),
    ];
    for (method, cipher) in suites {
        let noted = Noting::default();
        let secrets = noted.0.clone();
        let suites =
            SuitePolicy { ciphers: vec![cipher], key_exchanges: vec![method], ..SuitePolicy::default() };
        let mut unit = unit_config(identity(UNIT));
        unit.suites = suites.clone();
        let mut gateway = gateway_config();
        gateway.suites = suites;
        let mut link = Link::with_crypto(unit, gateway, Arc::new(noted));
        link.unit.connect(link.now);
        link.settle();
        link.unit.rekey_ike_sa(link.now);
        link.settle();
        link.unit.rekey_child_sa(link.unit_children[0].spi_in, link.now);
        link.settle();
        link.assert_children_match(1);
        for child in &link.unit_children {
            let keys = [&child.keys_in, &child.keys_out];
            let octets = keys.iter().flat_map(|keys| [&keys.encr, &keys.integ]);
            let mut secrets = secrets.lock().unwrap();
            secrets.extend(octets.filter(|octets| !octets.is_empty()).map(|octets| masked(octets)));
        }
        let secrets = std::mem::take(&mut *secrets.lock().unwrap());
        assert!(secrets.len() >= 8, "three exchanges on both sides, and keys: {}", secrets.len());
        assert!(!found(&secrets).is_empty(), "the search finds what is there");
        link.unit.close(link.now);
        link.settle();
        link.pass(Duration::from_secs(300));
        drop(link);
        // Values that the crypto libraries return by value stay there until the next calls.
        scrub_stack();
        assert_eq!(found(&secrets), [""; 0], "{method:?}, {cipher:?}");
    }
}
