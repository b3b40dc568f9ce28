use super::tlv::{self, optional, sequence};
use super::{Confirmation, Header, Refusal, Request};
use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use x509::MAX_CERTIFICATES;

/// Octets of a PKIMessage: the largest chain of certificates that [`x509`] looks at, and 8 KiB for the rest.
pub const MAX_MESSAGE: usize = 32 * 1024;

/// A PKIMessage (RFC 9810 §5.1) as it reads; nothing of it is verified. `B`: the bodies that its reader knows.
#[derive(Clone, Debug)]
pub(crate) struct Message<'a, B = Body<'a>> {
    pub(crate) header: Header<'a>,
    pub(crate) body: B,
    /// header and body as they stand there: content of the ProtectedPart (§5.1.3).
    pub(crate) protected: &'a [u8],
    /// Content of PKIProtection.
    pub(crate) protection: Option<&'a [u8]>,
    /// The extraCerts, in the order in which they came; [`MAX_CERTIFICATES`] at most.
    pub(crate) extra_certs: Vec<&'a [u8]>,
}

/// The bodies that one end reads.
pub(crate) trait ReadBody<'a>: Sized {
    /// `body`: the PKIBody with its tag.
    fn read(body: AnyRef<'a>) -> Result<Self, Refusal>;
}

/// The bodies that a unit sends to enrol, and its refusal of what we sent.
#[derive(Clone, Debug)]
pub(crate) enum Body<'a> {
    Ir(Request<'a>),
    Kur(Request<'a>),
    CertConf(Confirmation<'a>),
    Error,
}

/// A message that is not read to its end, and whom to tell.
#[derive(Clone, Debug)]
pub(crate) struct Unreadable<'a> {
    pub(crate) refusal: Refusal,
    pub(crate) header: Option<Box<Header<'a>>>,
}

impl<'a, B: ReadBody<'a>> Message<'a, B> {
    /// Reads exactly one PKIMessage (TS 33.310 clause 9.5.2), of [`MAX_MESSAGE`] octets at most.
    pub(crate) fn read(octets: &'a [u8]) -> Result<Self, Unreadable<'a>> {
        let nobody = |refusal: Refusal| Unreadable { refusal, header: None };
        if octets.len() > MAX_MESSAGE {
            return Err(nobody(Refusal::TooLarge));
        }
        let mut whole = SliceReader::new(octets).map_err(|error| nobody(error.into()))?;
        let content = tlv::tagged(&mut whole, Tag::Sequence).map_err(|error| nobody(error.into()))?;
        let mut fields = SliceReader::new(content).map_err(|error| nobody(error.into()))?;
        let header = Header::decode(&mut fields).map_err(|error| nobody(error.into()))?;
        let read = match whole.is_finished() {
            true => Self::read_behind(header.clone(), content, fields),
            false => Err(Refusal::SeveralMessages),
        };
        read.map_err(|refusal| Unreadable { refusal, header: Some(Box::new(header)) })
    }

    fn read_behind(
        header: Header<'a>,
        content: &'a [u8],
        mut fields: SliceReader<'a>,
    ) -> Result<Self, Refusal> {
        header.check_version()?;
        let body = AnyRef::decode(&mut fields)?;
        let octets = usize::try_from(fields.position()).map_err(|_| Refusal::Malformed)?;
        let protected = content.get(..octets).ok_or(Refusal::Malformed)?;
        let protection = match optional(&mut fields, TagNumber::N0)? {
            Some(mut content) => {
                let signature = tlv::whole_bit_string(&mut content)?;
                content.finish(Some(signature))?
            }
            None => None,
        };
        let extra_certs = match optional(&mut fields, TagNumber::N1)? {
            Some(content) => certificates(content)?,
            None => Vec::new(),
        };
        fields.finish(())?;
        Ok(Self { body: B::read(body)?, header, protected, protection, extra_certs })
    }
}

fn certificates(mut content: SliceReader<'_>) -> Result<Vec<&[u8]>, Refusal> {
    let mut list = sequence(&mut content)?;
    content.finish(())?;
    let mut certificates = Vec::new();
    while !list.is_finished() {
        if certificates.len() >= MAX_CERTIFICATES {
            return Err(Refusal::TooManyCertificates);
        }
        certificates.push(tlv::sequence_bytes(&mut list)?);
    }
    Ok(certificates)
}

impl<'a> ReadBody<'a> for Body<'a> {
    /// Numbers of PKIBody (RFC 9810 §5.1.2). cr is for certificates beside the first, which nobody has here.
    fn read(body: AnyRef<'a>) -> Result<Self, Refusal> {
        let Tag::ContextSpecific { constructed: true, number } = body.tag() else {
            return Err(Refusal::Malformed);
        };
        let content = SliceReader::new(body.value())?;
        match number.value() {
            0 => Request::read(content).map(Self::Ir),
            7 => Request::read(content).map(Self::Kur),
            23 => Ok(Self::Error),
            24 => Confirmation::read(content).map(Self::CertConf),
            1..=26 => Err(Refusal::Body),
            _ => Err(Refusal::Malformed),
        }
    }
}
