use ids::{CellKey, SubscriberKey};
use serde::{Deserialize, Serialize};

row! {
    /// A handset registers with IMS, by which texts and calls go: what a P-CSCF writes down of each REGISTER.
    Ims;
    needs {
        /// Whose handset.
        subscriber: SubscriberKey,
        /// What happened.
        event: ImsEvent,
        /// Security was agreed (RFC 3329, TS 33.203 §7): the protection between handset and core holds.
        sec_agree: bool,
    }
    may {
        /// The cell that serves the handset, of P-Access-Network-Info.
        cell: CellKey,
        /// How what follows is encrypted, by Security-Server.
        ealg: Ealg,
        /// How it is protected against change.
        alg: Alg,
    }
}

/// What becomes of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImsEvent {
    /// It is made or renewed.
    Register,
    /// It ends.
    Deregister,
}

/// Encryption between handset and P-CSCF (TS 33.203 Annex H).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ealg {
    /// None: who is on the way reads it.
    Null,
    /// DES-EDE3 in CBC mode.
    DesEde3Cbc,
    /// AES in CBC mode.
    AesCbc,
    /// AES-GCM.
    AesGcm,
}

/// Integrity protection between handset and P-CSCF (TS 33.203 Annex H).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Alg {
    /// None of its own, as beside AES-GCM.
    #[serde(rename = "null")]
    Null,
    /// HMAC-MD5-96.
    #[serde(rename = "hmac-md5-96")]
    HmacMd5,
    /// HMAC-SHA-1-96.
    #[serde(rename = "hmac-sha-1-96")]
    HmacSha1,
    /// AES-GMAC.
    #[serde(rename = "aes-gmac")]
    AesGmac,
}

impl Ims {
    pub(super) fn wrong(&self) -> Option<&'static str> {
        let has_algorithm = self.ealg.is_some() || self.alg.is_some();
        (has_algorithm && !self.sec_agree).then_some("without `sec_agree` there is no `ealg` and no `alg`")
    }
}
