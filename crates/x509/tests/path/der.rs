//! DER by hand, for certificates that no library writes.

use crate::world::Cert;
use rcgen::SigningKey;

/// Tag, shortest length (X.690 §10.1) and content.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    match content.len() {
        0..128 => [&[tag, length[3]], content].concat(),
        128..256 => [&[tag, 0x81, length[3]], content].concat(),
        256..65_536 => [&[tag, 0x82, length[2], length[3]], content].concat(),
        _ => [&[tag, 0x83, length[1], length[2], length[3]], content].concat(),
    }
}

/// Splits what [`tlv`] made: content, and what stands behind it.
fn split(octets: &[u8]) -> (&[u8], &[u8]) {
    let (header, length) = match octets[1] {
        short @ 0..128 => (2, usize::from(short)),
        long => {
            let count = usize::from(long & 0x7f);
            (2 + count, octets[2..2 + count].iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)))
        }
    };
    (&octets[header..header + length], &octets[header + length..])
}

/// The fields of a SEQUENCE, each with its header.
pub(crate) fn fields(sequence: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut fields) = (split(sequence).0, Vec::new());
    while !rest.is_empty() {
        let behind = split(rest).1;
        fields.push(rest[..rest.len() - behind.len()].to_vec());
        rest = behind;
    }
    fields
}

/// The first field of an unbent TBSCertificate (RFC 5280 §4.1), and the others behind it.
pub(crate) const VERSION: usize = 0;
pub(crate) const SERIAL: usize = 1;
pub(crate) const ISSUER: usize = 3;
pub(crate) const VALIDITY: usize = 4;
pub(crate) const SUBJECT: usize = 5;
pub(crate) const EXTENSIONS: usize = 7;

impl Cert {
    /// What `signed`, a certificate by this CA, becomes with other fields in its TBSCertificate, signed again.
    pub(crate) fn sign_again(&self, signed: &[u8], bend: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
        let whole = fields(signed);
        let mut tbs = fields(&whole[0]);
        bend(&mut tbs);
        let tbs = tlv(0x30, &tbs.concat());
        let signature = self.key.sign(&tbs).unwrap();
        tlv(0x30, &[tbs, whole[1].clone(), tlv(3, &[&[0], signature.as_slice()].concat())].concat())
    }
}
