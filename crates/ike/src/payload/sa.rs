use super::{KeyExchangeMethod, Malformed, PayloadType, patch_length};
use crate::reader::Reader;

/// Protocol ID (RFC 7296 §3.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProtocolId(pub u8);

impl ProtocolId {
    /// No protocol: a notification without SPI.
    pub const NONE: Self = Self(0);
    /// IKE.
    pub const IKE: Self = Self(1);
    /// AH: never negotiated here.
    pub const AH: Self = Self(2);
    /// ESP.
    pub const ESP: Self = Self(3);
}

/// Transform Type (RFC 7296 §3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransformType(pub u8);

impl TransformType {
    /// Encryption algorithm.
    pub const ENCR: Self = Self(1);
    /// Pseudorandom function.
    pub const PRF: Self = Self(2);
    /// Integrity algorithm.
    pub const INTEG: Self = Self(3);
    /// Key exchange method.
    pub const KE: Self = Self(4);
    /// Sequence numbers (RFC 9827).
    pub const SN: Self = Self(5);
}

/// Transform ids of type ENCR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encr(pub u16);

impl Encr {
    /// AES-CBC (RFC 3602); needs a key length.
    pub const AES_CBC: Self = Self(12);
    /// AES-GCM with a 16-octet ICV (RFC 4106, RFC 5282); needs a key length.
    pub const AES_GCM_16: Self = Self(20);
}

/// Transform ids of type PRF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prf(pub u16);

impl Prf {
    /// HMAC-SHA-256 (RFC 4868).
    pub const HMAC_SHA2_256: Self = Self(5);
    /// HMAC-SHA-384 (RFC 4868).
    pub const HMAC_SHA2_384: Self = Self(6);
}

/// Transform ids of type INTEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Integ(pub u16);

impl Integ {
    /// None, said beside an AEAD (RFC 7296 §3.3.3).
    pub const NONE: Self = Self(0);
    /// HMAC-SHA-256, 128 bits of it (RFC 4868).
    pub const HMAC_SHA2_256_128: Self = Self(12);
}

/// Transform ids of type SN (RFC 9827 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceNumbers(pub u16);

impl SequenceNumbers {
    /// 32-bit sequence numbers.
    pub const SEQUENTIAL_32: Self = Self(0);
    /// Extended, 64-bit sequence numbers.
    pub const SEQUENTIAL_64: Self = Self(1);
}

/// One transform of a proposal (RFC 7296 §3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transform {
    /// What it is for.
    pub kind: TransformType,
    /// Which algorithm, in the number space of `kind`.
    pub id: u16,
    /// Key Length attribute, in bits.
    pub key_len: Option<u16>,
    /// It carries attributes we don't know, or one twice, so it can't be chosen (§3.3.6).
    pub has_unknown_attribute: bool,
}

impl Transform {
    /// A transform without key length.
    pub const fn new(kind: TransformType, id: u16) -> Self {
        Self { kind, id, key_len: None, has_unknown_attribute: false }
    }

    /// An encryption transform with its key length in bits.
    pub const fn encr(encr: Encr, key_len: u16) -> Self {
        Self { kind: TransformType::ENCR, id: encr.0, key_len: Some(key_len), has_unknown_attribute: false }
    }

    /// A key exchange transform.
    pub const fn ke(method: KeyExchangeMethod) -> Self {
        Self::new(TransformType::KE, method.0)
    }
}

/// One proposal (RFC 7296 §3.3.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proposal {
    /// Counts from 1 in an offer; repeated in the answer.
    pub number: u8,
    /// What is negotiated.
    pub protocol: ProtocolId,
    /// Empty in IKE_SA_INIT, 8 octets when an IKE SA is rekeyed, 4 for ESP.
    pub spi: Vec<u8>,
    /// Alternatives, in order of preference within each type.
    pub transforms: Vec<Transform>,
}

impl Proposal {
    /// The transforms of one type, in order.
    pub fn of(&self, kind: TransformType) -> impl Iterator<Item = &Transform> {
        self.transforms.iter().filter(move |transform| transform.kind == kind)
    }
}

const KEY_LENGTH: u16 = 0x8000 | 14; // AF bit and attribute type (RFC 7296 §3.3.5)
const MAX_PROPOSALS: usize = 32;
const MAX_TRANSFORMS: usize = 64;
const MALFORMED: Malformed = Malformed::Payload(PayloadType::SA);

pub(super) fn parse(body: &[u8]) -> Result<Vec<Proposal>, Malformed> {
    let mut reader = Reader::new(body);
    let mut proposals = Vec::new();
    loop {
        let (last, mut substructure) = substructure(&mut reader, 2)?;
        proposals.push(parse_proposal(&mut substructure)?);
        if proposals.len() > MAX_PROPOSALS {
            return Err(MALFORMED);
        }
        if last {
            return if reader.is_empty() { Ok(proposals) } else { Err(MALFORMED) };
        }
    }
}

/// Reads `last substruct`, reserved, length; the first is 0 for the last one, else `more`.
fn substructure<'a>(reader: &mut Reader<'a>, more: u8) -> Result<(bool, Reader<'a>), Malformed> {
    let (marker, _reserved) = (reader.u8()?, reader.u8()?);
    let length = usize::from(reader.u16()?).checked_sub(4).ok_or(MALFORMED)?;
    if marker != 0 && marker != more {
        return Err(MALFORMED);
    }
    Ok((marker == 0, Reader::new(reader.bytes(length)?)))
}

fn parse_proposal(reader: &mut Reader<'_>) -> Result<Proposal, Malformed> {
    let (number, protocol) = (reader.u8()?, ProtocolId(reader.u8()?));
    let (spi_len, count) = (reader.u8()?, usize::from(reader.u8()?));
    let spi = reader.bytes(usize::from(spi_len))?.to_vec();
    if count > MAX_TRANSFORMS {
        return Err(MALFORMED);
    }
    let mut transforms = Vec::with_capacity(count);
    for index in 1..=count {
        let (last, mut substructure) = substructure(reader, 3)?;
        if last != (index == count) {
            return Err(MALFORMED);
        }
        transforms.push(parse_transform(&mut substructure)?);
    }
    if reader.is_empty() { Ok(Proposal { number, protocol, spi, transforms }) } else { Err(MALFORMED) }
}

fn parse_transform(reader: &mut Reader<'_>) -> Result<Transform, Malformed> {
    let [kind, _reserved] = reader.array()?;
    let mut transform = Transform::new(TransformType(kind), reader.u16()?);
    while !reader.is_empty() {
        let (attribute, value) = (reader.u16()?, reader.u16()?);
        match attribute {
            KEY_LENGTH if transform.key_len.is_none() => transform.key_len = Some(value),
            short if short & 0x8000 != 0 => transform.has_unknown_attribute = true,
            _ => {
                reader.bytes(usize::from(value))?;
                transform.has_unknown_attribute = true;
            }
        }
    }
    Ok(transform)
}

pub(super) fn write(proposals: &[Proposal], out: &mut Vec<u8>) {
    for (index, proposal) in proposals.iter().enumerate() {
        let start = out.len();
        out.extend_from_slice(&[if index + 1 == proposals.len() { 0 } else { 2 }, 0, 0, 0]);
        write_proposal(proposal, out);
        patch_length(out, start);
    }
}

fn write_proposal(proposal: &Proposal, out: &mut Vec<u8>) {
    let octet = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    out.extend_from_slice(&[proposal.number, proposal.protocol.0]);
    out.extend_from_slice(&[octet(proposal.spi.len()), octet(proposal.transforms.len())]);
    out.extend_from_slice(&proposal.spi);
    for (index, transform) in proposal.transforms.iter().enumerate() {
        let start = out.len();
        out.extend_from_slice(&[if index + 1 == proposal.transforms.len() { 0 } else { 3 }, 0, 0, 0]);
        out.extend_from_slice(&[transform.kind.0, 0]);
        out.extend_from_slice(&transform.id.to_be_bytes());
        if let Some(key_len) = transform.key_len {
            out.extend_from_slice(&KEY_LENGTH.to_be_bytes());
            out.extend_from_slice(&key_len.to_be_bytes());
        }
        patch_length(out, start);
    }
}
