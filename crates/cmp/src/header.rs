use super::tlv::{self, INTEGER, OCTET_STRING, SEQUENCE, context, optional, optional_octets, tagged, tlv};
use super::{Refusal, Signer, TransactionId};
use der::asn1::{AnyRef, GeneralizedTime};
use der::{Decode, Encode, Reader, SliceReader, Tag, TagNumber};
use ids::UnixTime;
use std::time::Duration;

/// Octets of a transactionID, a senderNonce and a recipNonce, at least: 128 random bits (RFC 9810 §5.1.1).
pub const MIN_NONCE: usize = 16;
/// The same, at most.
pub const MAX_NONCE: usize = 32;
/// Octets of a sender's name, which every answer repeats.
pub const MAX_SENDER: usize = 1024;
/// How far messageTime may lie from our time, either way.
pub const MAX_SKEW: Duration = Duration::from_secs(300);

/// A PKIHeader (RFC 9810 §5.1.1) as it reads; nothing of it is verified.
#[derive(Clone, Debug)]
pub(crate) struct Header<'a> {
    /// The version, where it is one that an octet holds.
    pub(crate) version: Option<u8>,
    /// The GeneralName of the sender.
    pub(crate) sender: &'a [u8],
    pub(crate) message_time: Option<UnixTime>,
    /// The AlgorithmIdentifier of the protection.
    pub(crate) protection: Option<&'a [u8]>,
    pub(crate) sender_kid: Option<&'a [u8]>,
    pub(crate) transaction_id: Option<&'a [u8]>,
    pub(crate) sender_nonce: Option<&'a [u8]>,
    pub(crate) recip_nonce: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// recipient, recipKID, freeText and generalInfo (implicitConfirm among it) are passed over: they decide
    /// nothing here.
    pub(crate) fn decode(message: &mut SliceReader<'a>) -> der::Result<Self> {
        let mut fields = tlv::sequence(message)?;
        let version = match tagged(&mut fields, Tag::Integer)? {
            [version] => Some(*version),
            _ => None,
        };
        let sender = general_name(&mut fields)?;
        if sender.len() > MAX_SENDER {
            return Err(Tag::Sequence.value_error());
        }
        general_name(&mut fields)?;
        let message_time = message_time(&mut fields)?;
        let protection = match optional(&mut fields, TagNumber::N1)? {
            Some(mut content) => {
                let algorithm = tlv::sequence_bytes(&mut content)?;
                content.finish(Some(algorithm))?
            }
            None => None,
        };
        let sender_kid = optional_octets(&mut fields, TagNumber::N2)?;
        optional_octets(&mut fields, TagNumber::N3)?;
        let transaction_id = optional_octets(&mut fields, TagNumber::N4)?;
        let sender_nonce = optional_octets(&mut fields, TagNumber::N5)?;
        let recip_nonce = optional_octets(&mut fields, TagNumber::N6)?;
        optional(&mut fields, TagNumber::N7)?;
        optional(&mut fields, TagNumber::N8)?;
        let header = Self {
            version,
            sender,
            message_time,
            protection,
            sender_kid,
            transaction_id,
            sender_nonce,
            recip_nonce,
        };
        fields.finish(header)
    }

    /// The sender's distinguished name as DER, where it is one.
    pub(crate) fn sender_name(&self) -> Option<&'a [u8]> {
        let name = AnyRef::from_der(self.sender).ok()?;
        let directory = Tag::ContextSpecific { constructed: true, number: TagNumber::N4 };
        (der::Tagged::tag(&name) == directory).then_some(name.value())
    }

    /// The transactionID, if it has the length of one.
    pub(crate) fn transaction(&self) -> Result<TransactionId, Refusal> {
        self.transaction_id.and_then(TransactionId::new).ok_or(Refusal::TransactionId)
    }

    /// 2, or 3 (RFC 9810 §7).
    pub(crate) fn check_version(&self) -> Result<(), Refusal> {
        match self.version {
            Some(2 | 3) => Ok(()),
            Some(_) | None => Err(Refusal::Version),
        }
    }

    /// What stands in the header alone. `may_lack_time`: for a unit that has no time before it enrols.
    pub(crate) fn check(&self, may_lack_time: bool, now: UnixTime) -> Result<(), Refusal> {
        self.transaction()?;
        if !self.sender_nonce.is_some_and(has_length_of_nonce) {
            return Err(Refusal::SenderNonce);
        }
        match self.message_time {
            Some(time) if time.since(now).max(now.since(time)) <= MAX_SKEW => Ok(()),
            None if may_lack_time => Ok(()),
            Some(_) | None => Err(Refusal::Time),
        }
    }
}

/// A PKIHeader to be written; what is `None` is left out.
pub(crate) struct HeaderDraft<'a> {
    pub(crate) version: u8,
    /// Who protects the message: nobody for an answer without protection.
    pub(crate) signer: Option<&'a Signer>,
    /// GeneralName; the empty name where nobody is known.
    pub(crate) recipient: Option<&'a [u8]>,
    pub(crate) time: Option<UnixTime>,
    pub(crate) transaction_id: Option<&'a [u8]>,
    pub(crate) sender_nonce: &'a [u8],
    pub(crate) recip_nonce: Option<&'a [u8]>,
}

impl HeaderDraft<'_> {
    pub(crate) fn write(&self) -> Vec<u8> {
        let nobody = tlv(SEQUENCE, &[]);
        let subject = self.signer.map_or(nobody.as_slice(), |signer| signer.certificate().subject_der());
        let anyone = tlv(context(4), &[&nobody]);
        let octets = |number: u8, octets: Option<&[u8]>| {
            octets.map_or_else(Vec::new, |octets| tlv(context(number), &[&tlv(OCTET_STRING, &[octets])]))
        };
        let time = self.time.and_then(generalized_time);
        tlv(
            SEQUENCE,
            &[
                &tlv(INTEGER, &[&[self.version]]),
                &tlv(context(4), &[subject]),
                self.recipient.unwrap_or(&anyone),
                &time.map_or_else(Vec::new, |time| tlv(context(0), &[&time])),
                &self.signer.map_or_else(Vec::new, |signer| tlv(context(1), &[signer.algorithm()])),
                &octets(2, self.signer.and_then(|signer| signer.certificate().ski())),
                &octets(4, self.transaction_id),
                &octets(5, Some(self.sender_nonce)),
                &octets(6, self.recip_nonce),
            ],
        )
    }
}

fn generalized_time(now: UnixTime) -> Option<Vec<u8>> {
    let since = Duration::from_secs(u64::try_from(now.secs()).ok()?);
    GeneralizedTime::from_unix_duration(since).ok()?.to_der().ok()
}

/// Whether a nonce or transactionID has a length that is accepted.
pub(crate) fn has_length_of_nonce(octets: &[u8]) -> bool {
    (MIN_NONCE..=MAX_NONCE).contains(&octets.len())
}

/// The next GeneralName (RFC 5280 §4.2.1.6), unread.
fn general_name<'a>(fields: &mut SliceReader<'a>) -> der::Result<&'a [u8]> {
    let tag = fields.peek_tag()?;
    match tag.is_context_specific() {
        true => fields.tlv_bytes(),
        false => Err(tag.value_error()),
    }
}

fn message_time(fields: &mut SliceReader<'_>) -> der::Result<Option<UnixTime>> {
    let Some(mut content) = optional(fields, TagNumber::N0)? else { return Ok(None) };
    let time = GeneralizedTime::decode(&mut content)?.to_unix_duration().as_secs();
    content.finish(Some(UnixTime::from_secs(i64::try_from(time).unwrap_or(i64::MAX))))
}
