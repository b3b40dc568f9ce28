//! The exchanges of IKEv2, one file each (RFC 7296 §1.2 to §1.4).

pub(crate) mod create_child_sa;
pub(crate) mod ike_auth;
pub(crate) mod ike_sa_init;
pub(crate) mod informational;
