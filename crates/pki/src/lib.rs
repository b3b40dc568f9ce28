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
//! - **Gateway profile.** dNSNames and addresses as ordered, id-kp-ipsecIKE and serverAuth (for
//!   older peers), at most [`LONGEST_GATEWAY`].
//! - **Names come from the order**, never from a request: a request proves possession of its key
//!   and may only agree with the name.
//! - **Intent before effect.** The books permit it, then `pending/<serial>.json`, then the intent event, then the signature,
//!   `issued/<..>/<serial>.pem`, the ledger's credential and the outcome event, then the pending file
//!   goes. [`Ca::open`] finishes what has a certificate and undoes what has none, and names both. A
//!   certificate that the books refuse to record is thrown away: nobody has seen it.
//! - **Keys** are PKCS#8 in files of mode 0600, wiped from memory after use; whatever else can sign
//!   (a PKCS#11 token) takes their place by implementing [`CaKey`].
//!
//! Not here yet: revocation lists, OCSP, CMP and EST.

mod books;
mod ca;
mod error;
mod file;
mod issue;
mod issuing;
mod key;
mod order;
mod profile;
mod shelf;

pub use books::{Books, Intent, OffTheBooks, Outcome};
pub use ca::{Ca, CaSpec, Settled};
pub use error::PkiError;
pub use file::replace as replace_file;
pub use issue::Issued;
pub use key::{CaKey, FileKey, KeyAlgorithm, PrivateKey};
pub use order::{DeviceOrder, GatewayOrder, KeySource};
pub use profile::{BACKDATE, DEFAULT_VALIDITY, LONGEST_GATEWAY};
pub use shelf::{CertificateInfo, Kind, certificate_pem};
