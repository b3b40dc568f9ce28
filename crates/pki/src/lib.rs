//! The carrier's embedded CA: a root, an issuing CA under it, and certificates for devices and
//! gateways in the profile of TS 33.310 as this product narrows it.
//!
//! - **Hierarchy.** Root (its path length is exactly what stands below), optional intermediates, two
//!   issuing CAs of path length 0 with critical nameConstraints: one can only name devices of its
//!   realm, the other only gateways inside their domain. Only their keys are needed to issue;
//!   `root.key` may be moved off the machine.
//! - **Device profile.** Serial of 126 random bits, exactly one dNSName, keyUsage critical
//!   digitalSignature, extKeyUsage id-kp-ipsecIKE, cA=FALSE, SKI and AKI, 30 days in all. notBefore
//!   is [`BACKDATE`] before the order, for units whose clock is a little slow; notAfter counts from
//!   there, so that the whole is never longer than ordered. How long it may be is the carrier's
//!   policy, the one by which admission judges it later: [`Books::may_issue`] says so.
//! - **Registration authority profile.** No name but its subject, id-kp-cmcRA alone, 398 days.
//! - **Gateway profile.** dNSNames and addresses as ordered, id-kp-ipsecIKE and serverAuth (for
//!   older peers), at most [`LONGEST_GATEWAY`].
//! - **Names come from the order**, never from a request: a request proves possession of its key
//!   and may only agree with the name.
//! - **Books.** The CA keeps no file of what it issues: it asks the [`Books`], signs, makes the check that a peer will make,
//!   and has them write the certificate down, all within one transaction that the caller began. Whoever commits that may hand
//!   the certificate out, and nobody before. What was signed and not committed never left the process's memory.
//! - **Keys** are PKCS#8 in files of mode 0600, encrypted where a passphrase is configured and wiped from memory after use, or
//!   in a PKCS#11 token ([`CaKeys`]). The CA signs by [`CaKey`] alone. A key that cannot be had now (a passphrase, a token) keeps
//!   the CA from signing, and is looked for again; one that is missing or another's keeps it from being opened.
//! - **Generations.** An issuing CA gets another key from the CA above ([`Ca::prepare`], [`certify`], [`Ca::take_up`]). The one
//!   of before goes on signing lists and certifying OCSP's signers, for what it certified, until its key is taken away.
//!
//! - **Status.** [`ocsp`] answers whether a certificate counts, [`Ca::crl`](crl) lists those that do not. Certificates
//!   say where both are found once [`Ca::set_status_uris`] was told, and nothing of it otherwise.
//! - **CMP** is the crate `cmp`; here is what binds its registration authority to the CA
//!   ([`Ca::registration_authority`], [`Ca::device_anchors`]). EST is [`est`].

mod books;
mod ca;
mod certificate;
pub mod crl;
mod error;
pub mod est;
mod file;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod generation;
mod hierarchy;
mod issue;
mod issuing;
mod key;
pub mod ocsp;
mod order;
mod percent;
mod profile;
mod registration_authority;
mod rotate;
mod status_uris;

pub use books::{Books, OffTheBooks, Particulars};
pub use ca::{Ca, CaSpec};
pub use certificate::{CertificateInfo, Kind, certificate_pem, read_certificate};
pub use error::PkiError;
pub use file::replace as replace_file;
pub use generation::{Generation, NoGeneration};
pub use hierarchy::Level;
pub use issue::Issued;
pub use issuing::Issuing;
pub use key::{
    CaKey, CaKeys, FileKey, KeyAlgorithm, KeyError, KeyPlace, KeysAbove, NoSource, NoTokenUri, PrivateKey,
    SecretSource, TokenUri,
};
pub use order::{DeviceOrder, GatewayOrder, KeySource};
pub use profile::{BACKDATE, DEFAULT_VALIDITY, LONGEST_GATEWAY, OCSP_SIGNER_VALIDITY};
pub use rotate::{Examined, Wanted, certify};
pub use status_uris::StatusUris;
