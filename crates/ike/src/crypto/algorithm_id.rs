use super::SignatureHash;

/// The AlgorithmIdentifier before a digital signature (RFC 7427 §3 and Appendix A), without the
/// ones that nothing here accepts: SHA-1, and PSS whose hashes or salt length differ from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureAlgorithm {
    /// ecdsa-with-SHA2; parameters absent (RFC 5758 §3.2).
    Ecdsa(SignatureHash),
    /// sha2WithRSAEncryption; parameters NULL or absent (RFC 4055 §5).
    RsaPkcs1(SignatureHash),
    /// id-RSASSA-PSS, MGF1 with the same hash, salt as long as the hash (RFC 4055 §3.1).
    RsaPss(SignatureHash),
}

const HASHES: [SignatureHash; 3] = [SignatureHash::Sha256, SignatureHash::Sha384, SignatureHash::Sha512];

/// 1.2.840.10045.4.3; the hash is the last arc, 2 to 4.
const ECDSA_WITH_SHA2: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03";
/// 1.2.840.113549.1.1, PKCS #1; 11 to 13 are the signatures, 10 PSS and 8 MGF1.
const PKCS_1: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01";
/// 2.16.840.1.101.3.4.2; the hash is the last arc, 1 to 3.
const SHA2: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02";

const INTEGER: u8 = 0x02;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const HASH_FIELD: u8 = 0xa0;
const MASK_FIELD: u8 = 0xa1;
const SALT_FIELD: u8 = 0xa2;
const TRAILER_FIELD: u8 = 0xa3;

impl SignatureAlgorithm {
    /// Reads exactly one AlgorithmIdentifier in DER; `None` for one that can't be accepted.
    pub(crate) fn parse(der: &[u8]) -> Option<Self> {
        let (oid, parameters) = Der(der).only(SEQUENCE)?.identifier()?;
        match oid.split_last()? {
            (arc, ECDSA_WITH_SHA2) if parameters.is_empty() => Some(Self::Ecdsa(nth_hash(*arc, 2)?)),
            (10, PKCS_1) => Some(Self::RsaPss(pss_hash(parameters)?)),
            (arc, PKCS_1) if parameters.is_null_or_absent() => Some(Self::RsaPkcs1(nth_hash(*arc, 11)?)),
            _ => None,
        }
    }

    /// The DER that goes before a signature of ours: as RFC 7427 Appendix A spells it.
    pub(crate) fn to_der(self) -> Vec<u8> {
        let (prefix, first_arc, hash, tail): (_, _, _, &[u8]) = match self {
            Self::Ecdsa(hash) => (ECDSA_WITH_SHA2, 2, hash, &[]),
            Self::RsaPkcs1(hash) => (PKCS_1, 11, hash, &[NULL, 0]),
            Self::RsaPss(hash) => return pss_der(hash),
        };
        let arc = first_arc + position(hash);
        element(SEQUENCE, &[&element(OID, &[prefix, &[arc]]), tail])
    }
}

fn nth_hash(arc: u8, first: u8) -> Option<SignatureHash> {
    HASHES.get(usize::from(arc.checked_sub(first)?)).copied()
}

fn position(hash: SignatureHash) -> u8 {
    match hash {
        SignatureHash::Sha256 => 0,
        SignatureHash::Sha384 => 1,
        SignatureHash::Sha512 => 2,
    }
}

fn digest_len(hash: SignatureHash) -> u8 {
    32 + 16 * position(hash)
}

/// RSASSA-PSS-params. The defaults of its fields are SHA-1 ones, so all but the trailer must be there.
fn pss_hash(mut parameters: Der<'_>) -> Option<SignatureHash> {
    let mut fields = parameters.take(SEQUENCE)?;
    let hash = hash_identifier(fields.take(HASH_FIELD)?)?;
    let (mask, mask_hash) = fields.take(MASK_FIELD)?.only(SEQUENCE)?.identifier()?;
    let salt = fields.take(SALT_FIELD)?.only(INTEGER)?;
    let trailer_is_default =
        fields.is_empty() || fields.take(TRAILER_FIELD)?.only(INTEGER).is_some_and(|one| one.0 == [1]);
    let same_hash = hash_identifier(mask_hash)? == hash;
    let fits = same_hash
        && mask.split_last() == Some((&8, PKCS_1))
        && salt.0 == [digest_len(hash)]
        && trailer_is_default
        && fields.is_empty()
        && parameters.is_empty();
    fits.then_some(hash)
}

fn hash_identifier(field: Der<'_>) -> Option<SignatureHash> {
    let (oid, parameters) = field.only(SEQUENCE)?.identifier()?;
    let (arc, prefix) = oid.split_last()?;
    (prefix == SHA2 && parameters.is_null_or_absent()).then(|| nth_hash(*arc, 1))?
}

fn pss_der(hash: SignatureHash) -> Vec<u8> {
    let hash_id = element(SEQUENCE, &[&element(OID, &[SHA2, &[1 + position(hash)]]), &[NULL, 0]]);
    let mask = element(SEQUENCE, &[&element(OID, &[PKCS_1, &[8]]), &hash_id]);
    let salt = element(INTEGER, &[&[digest_len(hash)]]);
    let fields =
        [element(HASH_FIELD, &[&hash_id]), element(MASK_FIELD, &[&mask]), element(SALT_FIELD, &[&salt])];
    element(SEQUENCE, &[&element(OID, &[PKCS_1, &[10]]), &element(SEQUENCE, &[&fields.concat()])])
}

/// One DER element; what is written here is shorter than 128 octets.
fn element(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    let length = u8::try_from(contents.len()).unwrap_or(u8::MAX);
    [&[tag, length], contents.as_slice()].concat()
}

/// Reads DER elements with lengths in the short form: no AlgorithmIdentifier here needs another.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    fn is_null_or_absent(self) -> bool {
        self.is_empty() || self.0 == [NULL, 0]
    }

    /// The contents of the next element, which must have `tag`.
    fn take(&mut self, tag: u8) -> Option<Self> {
        let ([found, length], rest) = self.0.split_first_chunk()?;
        let (contents, rest) = rest.split_at_checked(usize::from(*length))?;
        self.0 = rest;
        (*found == tag && *length < 0x80).then_some(Self(contents))
    }

    /// The contents of the one element there is.
    fn only(mut self, tag: u8) -> Option<Self> {
        let contents = self.take(tag)?;
        self.is_empty().then_some(contents)
    }

    /// Inside an AlgorithmIdentifier: its object identifier, and the rest.
    fn identifier(mut self) -> Option<(&'a [u8], Self)> {
        let oid = self.take(OID)?;
        Some((oid.0, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all() -> impl Iterator<Item = SignatureAlgorithm> {
        let kinds = [SignatureAlgorithm::Ecdsa, SignatureAlgorithm::RsaPkcs1, SignatureAlgorithm::RsaPss];
        kinds.into_iter().flat_map(|kind| HASHES.map(kind))
    }

    #[test]
    fn what_is_written_is_read_back() {
        for algorithm in all() {
            assert_eq!(SignatureAlgorithm::parse(&algorithm.to_der()), Some(algorithm));
        }
    }

    #[test]
    fn rfc_7427_appendix_a_spells_them_so() {
        let ecdsa = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
        let rsa = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00";
        assert_eq!(SignatureAlgorithm::Ecdsa(SignatureHash::Sha256).to_der(), ecdsa);
        assert_eq!(SignatureAlgorithm::RsaPkcs1(SignatureHash::Sha512).to_der(), rsa);
        let pss = SignatureAlgorithm::RsaPss(SignatureHash::Sha256).to_der();
        assert_eq!(pss[..4], [0x30, 0x41, 0x06, 0x09]);
        assert_eq!(pss[pss.len() - 5..], [0xa2, 0x03, 0x02, 0x01, 32]);
    }

    #[test]
    fn pss_with_its_default_trailer_written_out_is_the_same_algorithm() {
        let mut der = SignatureAlgorithm::RsaPss(SignatureHash::Sha384).to_der();
        let parameters = 2 + 11; // outer header, object identifier
        der[1] += 5;
        der[parameters + 1] += 5;
        der.extend_from_slice(&[TRAILER_FIELD, 3, INTEGER, 1, 1]);
        let read = SignatureAlgorithm::parse(&der);
        assert_eq!(read, Some(SignatureAlgorithm::RsaPss(SignatureHash::Sha384)));
        *der.last_mut().unwrap() = 2;
        assert_eq!(SignatureAlgorithm::parse(&der), None);
    }

    #[test]
    fn section_4_line_2_sha_1_and_pss_by_default_are_refused() {
        let refused: [&[u8]; 5] = [
            b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00", // sha1WithRSAEncryption
            b"\x30\x09\x06\x07\x2a\x86\x48\xce\x3d\x04\x01",                 // ecdsa-with-SHA1
            b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x00", // PSS, all defaults
            b"\x30\x0c\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x05\x00",     // ECDSA with NULL
            b"\x30\x05\x06\x03\x2b\x65\x70",                                 // Ed25519
        ];
        for der in refused {
            assert_eq!(SignatureAlgorithm::parse(der), None, "{der:02x?}");
        }
    }

    proptest! {
        #[test]
        fn one_changed_octet_never_gives_another_algorithm_but_by_its_own_arc(
            which in 0usize..9, at in any::<proptest::sample::Index>(), octet in any::<u8>(),
        ) {
            let algorithm = all().nth(which).unwrap();
            let mut der = algorithm.to_der();
            let at = at.index(der.len());
            let before = std::mem::replace(&mut der[at], octet);
            match SignatureAlgorithm::parse(&der) {
                None => prop_assert!(before != octet),
                Some(read) => prop_assert_eq!(read.to_der(), der),
            }
        }
    }
}
