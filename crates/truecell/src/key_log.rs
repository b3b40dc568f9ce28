//! Keys of IKE SAs for Wireshark, written as rows of its table `ikev2_decryption_table`. Only test builds
//! with the feature `key-log` have this.

use crate::failure::Failure;
use ids::Hex;
use ike::{
    CipherSuite,
    crypto::{AwsLc, CryptoProvider, Ephemeral, IkeSaKeys},
    payload::KeyExchangeMethod,
};
use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::Arc,
};

/// Names the file; without it no key is written.
const FILE: &str = "TRUECELL_KEY_LOG";

/// The production provider, and who writes down the keys.
struct KeyLog {
    provider: AwsLc,
    file: File,
}

/// # Errors
/// The file cannot be opened.
pub(crate) fn crypto() -> Result<Arc<dyn CryptoProvider>, Failure> {
    let Some(file) = std::env::var_os(FILE) else { return Ok(Arc::new(AwsLc)) };
    let opened = append(Path::new(&file));
    let file = opened.map_err(|error| Failure::system(format!("{FILE} cannot be written"), &error))?;
    tracing::warn!("keys of IKE SAs are written down: this is a test build");
    Ok(Arc::new(KeyLog { provider: AwsLc, file }))
}

fn append(file: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(file)
}

impl CryptoProvider for KeyLog {
    fn random(&self, out: &mut [u8]) {
        self.provider.random(out);
    }

    fn key_exchange(&self, method: KeyExchangeMethod) -> Option<Box<dyn Ephemeral>> {
        self.provider.key_exchange(method)
    }

    fn log_keys(&self, keys: &IkeSaKeys<'_>) {
        if let Err(error) = (&self.file).write_all(row(keys).as_bytes()) {
            tracing::warn!(%error, "{FILE}");
        }
    }
}

/// SPIs, SK_ei, SK_er, encryption, SK_ai, SK_ar, integrity.
fn row(keys: &IkeSaKeys<'_>) -> String {
    let (i, r) = (keys.from_initiator, keys.from_responder);
    let (encr, integ) = names(keys.cipher);
    format!(
        "{},{},{},{},\"{encr}\",{},{},\"{integ}\"\n",
        keys.spi_i,
        keys.spi_r,
        Hex(i.encr),
        Hex(r.encr),
        Hex(i.integ),
        Hex(r.integ)
    )
}

/// What Wireshark calls the algorithms.
fn names(cipher: CipherSuite) -> (&'static str, &'static str) {
    const NONE: &str = "NONE [RFC4306]";
    const HMAC: &str = "HMAC_SHA2_256_128 [RFC4868]";
    match cipher {
        CipherSuite::Aes128Gcm16 => ("AES-GCM-128 with 16 octet ICV [RFC5282]", NONE),
        CipherSuite::Aes256Gcm16 => ("AES-GCM-256 with 16 octet ICV [RFC5282]", NONE),
        CipherSuite::Aes128CbcHmacSha256 => ("AES-CBC-128 [RFC3602]", HMAC),
        CipherSuite::Aes256CbcHmacSha256 => ("AES-CBC-256 [RFC3602]", HMAC),
    }
}
