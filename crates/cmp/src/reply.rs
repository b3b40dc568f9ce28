use super::message::ReadBody;
use super::tlv::{self, optional, sequence, tagged};
use super::{FailureInfo, Refusal};
use der::asn1::AnyRef;
use der::{Reader, SliceReader, Tag, TagNumber, Tagged};

/// The bodies that a registration authority sends to a unit that enrols.
#[derive(Clone, Debug)]
pub(crate) enum Reply<'a> {
    /// ip with its one response.
    Ip(Response<'a>),
    /// kup, the same.
    Kup(Response<'a>),
    /// pkiConf.
    PkiConf,
    /// error, with the first bit that it names.
    Error(Option<FailureInfo>),
}

/// A CertResponse (RFC 9810 §5.3.4) to certReqId 0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Response<'a> {
    /// The certificate, as DER.
    Granted(&'a [u8]),
    /// A rejection, with the first bit that it names.
    Rejected(Option<FailureInfo>),
}

impl<'a> ReadBody<'a> for Reply<'a> {
    /// Numbers of PKIBody (RFC 9810 §5.1.2).
    fn read(body: AnyRef<'a>) -> Result<Self, Refusal> {
        let Tag::ContextSpecific { constructed: true, number } = body.tag() else {
            return Err(Refusal::Malformed);
        };
        let mut content = SliceReader::new(body.value())?;
        match number.value() {
            1 => Response::read(content).map(Self::Ip),
            8 => Response::read(content).map(Self::Kup),
            19 => {
                tagged(&mut content, Tag::Null)?;
                Ok(content.finish(Self::PkiConf)?)
            }
            23 => {
                let mut error = sequence(&mut content)?;
                let (_, failure) = status(&mut error)?;
                Ok(content.finish(Self::Error(failure))?)
            }
            0..=26 => Err(Refusal::Body),
            _ => Err(Refusal::Malformed),
        }
    }
}

impl<'a> Response<'a> {
    /// Reads a CertRepMessage. caPubs are passed over: a unit learns no root here (RFC 9810 §8.9).
    fn read(mut content: SliceReader<'a>) -> Result<Self, Refusal> {
        let mut message = sequence(&mut content)?;
        content.finish(())?;
        optional(&mut message, TagNumber::N1)?;
        let mut responses = sequence(&mut message)?;
        message.finish(())?;
        let mut response = sequence(&mut responses)?;
        if !responses.is_finished() {
            return Err(Refusal::SeveralRequests);
        }
        let id = tagged(&mut response, Tag::Integer)?;
        let (status, failure) = status(&mut response)?;
        match (id, status) {
            ([0], ACCEPTED | GRANTED_WITH_MODS) => Ok(Self::Granted(certificate(&mut response)?)),
            ([0] | [0xff], REJECTION) => Ok(Self::Rejected(failure)),
            ([0], _) => Err(Refusal::Body),
            (_, _) => Err(Refusal::RequestId),
        }
    }
}

const ACCEPTED: u8 = 0;
const GRANTED_WITH_MODS: u8 = 1;
const REJECTION: u8 = 2;

/// The certificate of a CertifiedKeyPair; what stands behind it is passed over.
fn certificate<'a>(response: &mut SliceReader<'a>) -> Result<&'a [u8], Refusal> {
    let mut pair = sequence(response)?;
    let mut choice = optional(&mut pair, TagNumber::N0)?.ok_or(Refusal::Malformed)?;
    let certificate = tlv::sequence_bytes(&mut choice)?;
    Ok(choice.finish(certificate)?)
}

/// A PKIStatusInfo (RFC 9810 §5.2.3): status, and the first bit of failInfo. Its text is passed over.
fn status(reader: &mut SliceReader<'_>) -> Result<(u8, Option<FailureInfo>), Refusal> {
    let mut fields = sequence(reader)?;
    let [status] = tagged(&mut fields, Tag::Integer)? else { return Err(Refusal::Malformed) };
    if tlv::next_is(&fields, Tag::Sequence) {
        sequence(&mut fields)?;
    }
    let failure = match tlv::next_is(&fields, Tag::BitString) {
        true => FailureInfo::of_bit_string(tagged(&mut fields, Tag::BitString)?),
        false => None,
    };
    Ok(fields.finish((*status, failure))?)
}
