//! Whole messages: plain ones of IKE_SA_INIT, and those under SK or SKF (RFC 7296 §3.14, RFC 7383).

use crate::{
    crypto::{CryptoProvider, MessageCipher, NotAuthentic},
    header::{HEADER_LEN, Header},
    payload::{GenericHeader, Malformed, Payload, PayloadType, parse_chain, write_chain},
    reader::Reader,
};

/// Longest IKE datagram that is looked at: 8 certificates of 4 KiB and the rest.
pub const MAX_MESSAGE: usize = 40_000;

/// A message without protection, such as both of IKE_SA_INIT.
///
/// # Errors
/// [`Malformed`]
pub fn parse_plain(header: &Header, datagram: &[u8]) -> Result<Vec<Payload>, Malformed> {
    parse_chain(header.first_payload, datagram.get(HEADER_LEN..).ok_or(Malformed::Truncated)?)
}

/// Writes a message without protection.
pub fn write_plain(mut header: Header, payloads: &[Payload]) -> Vec<u8> {
    let mut chain = Vec::new();
    header.first_payload = write_chain(payloads, &mut chain);
    let mut out = Vec::with_capacity(HEADER_LEN + chain.len());
    header.write(u32_len(HEADER_LEN + chain.len()), &mut out);
    out.extend_from_slice(&chain);
    out
}

/// Where the sealed octets of a protected message are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Type of the first payload inside; in a fragment but the first it is NONE.
    pub first_inner: PayloadType,
    /// Offset of the IV in the datagram.
    pub start: usize,
    /// For SKF: which part of how many.
    pub fragment: Option<FragmentNumber>,
}

/// Fragment Number and Total Fragments (RFC 7383 §2.5); `1 <= number <= total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentNumber {
    /// Counts from 1.
    pub number: u16,
    /// Fragments in all.
    pub total: u16,
}

impl Sealed {
    /// Finds the SK or SKF payload, which must be the only one.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn find(header: &Header, datagram: &[u8]) -> Result<Self, Malformed> {
        let kind = header.first_payload;
        let malformed = Malformed::Payload(kind);
        let mut reader = Reader::new(datagram.get(HEADER_LEN..).ok_or(Malformed::Truncated)?);
        let generic = GenericHeader::parse(&mut reader)?;
        if HEADER_LEN + GenericHeader::LEN + generic.body_len != datagram.len() {
            return Err(malformed);
        }
        let start = HEADER_LEN + GenericHeader::LEN;
        match kind {
            PayloadType::SK => Ok(Self { first_inner: generic.next, start, fragment: None }),
            PayloadType::SKF => {
                let fragment = FragmentNumber { number: reader.u16()?, total: reader.u16()? };
                if fragment.number == 0 || fragment.number > fragment.total {
                    return Err(malformed);
                }
                Ok(Self { first_inner: generic.next, start: start + 4, fragment: Some(fragment) })
            }
            _ => Err(malformed),
        }
    }
}

/// Seals messages of one direction of one IKE SA; counts what it has sealed, so that no GCM IV
/// repeats.
pub(crate) struct Sealer {
    cipher: MessageCipher,
    sealed: u64,
}

impl Sealer {
    pub(crate) fn new(cipher: MessageCipher) -> Self {
        Self { cipher, sealed: 0 }
    }

    /// The cipher, as long as nothing has been sealed with it.
    #[cfg(feature = "key-log")]
    pub(crate) fn unused(&self) -> Option<&MessageCipher> {
        (self.sealed == 0).then_some(&self.cipher)
    }

    /// One datagram, or several fragments when it would be longer than `limit` (RFC 7383 §2.5.1).
    pub(crate) fn seal(
        &mut self,
        header: Header,
        payloads: &[Payload],
        limit: Option<usize>,
        crypto: &dyn CryptoProvider,
    ) -> Vec<Vec<u8>> {
        let mut chain = Vec::with_capacity(512);
        let first_inner = write_chain(payloads, &mut chain);
        self.seal_chain(header, first_inner, &chain, limit, crypto)
    }

    /// The same of payloads that are written already.
    pub(crate) fn seal_chain(
        &mut self,
        header: Header,
        first_inner: PayloadType,
        chain: &[u8],
        limit: Option<usize>,
        crypto: &dyn CryptoProvider,
    ) -> Vec<Vec<u8>> {
        let whole = HEADER_LEN + GenericHeader::LEN + self.cipher.sealed_len(chain.len());
        match limit {
            Some(limit) if whole > limit => self.seal_fragments(header, first_inner, chain, limit, crypto),
            _ => self.seal_part(header, first_inner, chain, None, crypto).into_iter().collect(),
        }
    }

    fn seal_fragments(
        &mut self,
        header: Header,
        first_inner: PayloadType,
        chain: &[u8],
        limit: usize,
        crypto: &dyn CryptoProvider,
    ) -> Vec<Vec<u8>> {
        let room = self.cipher.plain_len(limit.saturating_sub(HEADER_LEN + GenericHeader::LEN + 4)).max(64);
        let total = u16::try_from(chain.len().div_ceil(room)).unwrap_or(u16::MAX);
        let parts = chain.chunks(room).zip(1..=total);
        parts
            .filter_map(|(part, number)| {
                let first_inner = if number == 1 { first_inner } else { PayloadType::NONE };
                self.seal_part(header, first_inner, part, Some(FragmentNumber { number, total }), crypto)
            })
            .collect()
    }

    fn seal_part(
        &mut self,
        mut header: Header,
        first_inner: PayloadType,
        plain: &[u8],
        fragment: Option<FragmentNumber>,
        crypto: &dyn CryptoProvider,
    ) -> Option<Vec<u8>> {
        let numbers =
            fragment.map_or(Vec::new(), |f| [f.number.to_be_bytes(), f.total.to_be_bytes()].concat());
        header.first_payload = if fragment.is_some() { PayloadType::SKF } else { PayloadType::SK };
        let body = GenericHeader::LEN + numbers.len() + self.cipher.sealed_len(plain.len());
        let mut out = Vec::with_capacity(HEADER_LEN + body);
        header.write(u32_len(HEADER_LEN + body), &mut out);
        out.extend_from_slice(&[first_inner.0, 0]);
        out.extend_from_slice(&u16::try_from(body).ok()?.to_be_bytes());
        out.extend_from_slice(&numbers);
        self.sealed += 1;
        self.cipher.seal(&mut out, plain, self.sealed, crypto)?;
        Some(out)
    }
}

/// Opens the sealed octets of one datagram; the result is a chain, or a part of one.
pub(crate) fn open(
    cipher: &MessageCipher,
    datagram: &[u8],
    sealed: &Sealed,
) -> Result<Vec<u8>, NotAuthentic> {
    cipher.open(datagram, sealed.start)
}

/// Collects the authenticated fragments of one message.
///
/// Bounded: [`Self::MAX_FRAGMENTS`] fragments and [`MAX_MESSAGE`] octets; the holder bounds the time.
#[derive(Default)]
pub(crate) struct Reassembly {
    first_inner: Option<PayloadType>,
    parts: Vec<Option<Vec<u8>>>,
    octets: usize,
}

impl Reassembly {
    pub(crate) const MAX_FRAGMENTS: u16 = 64;

    /// Takes one part; returns the whole chain once no part is missing.
    ///
    /// A part that says more fragments than the ones before begins anew, one that says fewer is
    /// left out, and so is one seen before (RFC 7383 §2.6).
    pub(crate) fn take(
        &mut self,
        sealed: &Sealed,
        number: FragmentNumber,
        part: Vec<u8>,
    ) -> Option<(PayloadType, Vec<u8>)> {
        let total = usize::from(number.total);
        if number.total > Self::MAX_FRAGMENTS || total < self.parts.len() {
            return None;
        }
        if total > self.parts.len() {
            *self = Self { first_inner: None, parts: vec![None; total], octets: 0 };
        }
        let slot = self.parts.get_mut(usize::from(number.number) - 1)?;
        if slot.is_some() || self.octets + part.len() > MAX_MESSAGE {
            return None;
        }
        self.octets += part.len();
        *slot = Some(part);
        if number.number == 1 {
            self.first_inner = Some(sealed.first_inner);
        }
        if self.parts.iter().any(Option::is_none) {
            return None;
        }
        let parts: Vec<_> = std::mem::take(&mut self.parts).into_iter().flatten().collect();
        Some((self.first_inner?, parts.concat()))
    }
}

fn u32_len(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
