use super::Refusal;
use super::asked::COMMON_NAME;
use super::tlv::{self, as_sequence, next_is, sequence, tagged};
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use ids::{DeviceId, DeviceName};
use x509::Certificate;

/// id-regCtrl-oldCertID (RFC 4211 §6.5).
pub(crate) const OLD_CERT_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.5.1.5");

/// The one CertReqMsg of an ir or kur (RFC 4211 §3).
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    /// The CertRequest as it stands there, for the proof of possession.
    pub(crate) cert_request: &'a [u8],
    /// The subject that the template names: content of its RDNSequence. It decides nothing, unless the certificate that
    /// protects the message is one that many units share ([`Self::unit`]).
    pub(crate) subject: Option<&'a [u8]>,
    /// The key to be certified, as DER SubjectPublicKeyInfo.
    pub(crate) public_key: Option<Vec<u8>>,
    /// The certificate that the new one replaces, if it says so.
    old: Option<OldCertificate<'a>>,
    /// The ProofOfPossession as it stands there.
    pub(crate) possession: Option<AnyRef<'a>>,
}

#[derive(Clone, Debug)]
struct OldCertificate<'a> {
    issuer: &'a [u8],
    serial: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads CertReqMessages.
    pub(crate) fn read(body: SliceReader<'a>) -> Result<Self, Refusal> {
        let mut body = body;
        let mut messages = sequence(&mut body)?;
        body.finish(())?;
        let mut message = sequence(&mut messages)?;
        if !messages.is_finished() {
            return Err(Refusal::SeveralRequests);
        }
        let cert_request = tlv::sequence_bytes(&mut message)?;
        let possession = match message.is_finished() || next_is(&message, Tag::Sequence) {
            true => None,
            false => Some(AnyRef::decode(&mut message)?),
        };
        if !message.is_finished() {
            sequence(&mut message)?;
        }
        message.finish(())?;
        Self::read_cert_request(cert_request, possession)
    }

    fn read_cert_request(cert_request: &'a [u8], possession: Option<AnyRef<'a>>) -> Result<Self, Refusal> {
        let mut fields = tlv::whole_sequence(cert_request)?;
        let id = tagged(&mut fields, Tag::Integer)?;
        let (subject, public_key) = template(sequence(&mut fields)?)?;
        let old = match fields.is_finished() {
            true => None,
            false => old_certificate(sequence(&mut fields)?)?,
        };
        fields.finish(())?;
        match id {
            [0] => Ok(Self { cert_request, subject, public_key, old, possession }),
            _ => Err(Refusal::RequestId),
        }
    }

    /// The unit that the subject of the template names by its one commonName: as `<EUI>.<realm>`, whichever realm that
    /// is, or as the EUI alone.
    pub(crate) fn unit(&self) -> Option<DeviceId> {
        let name = common_name(self.subject?).ok()??;
        let name = std::str::from_utf8(name).ok()?;
        let unit = name.parse::<DeviceName>().map(|name| name.device);
        unit.or_else(|_| name.parse()).ok()
    }

    /// A kur that says which certificate it replaces must name the one that protects it.
    pub(crate) fn check_old(&self, signer: &Certificate) -> Result<(), Refusal> {
        let is_signer = |old: &OldCertificate<'_>| {
            old.issuer == signer.issuer_der() && ids::Hex(old.serial).to_string() == signer.serial()
        };
        match &self.old {
            Some(old) if !is_signer(old) => Err(Refusal::OldCertificate),
            Some(_) | None => Ok(()),
        }
    }
}

/// Subject and public key.
type Template<'a> = (Option<&'a [u8]>, Option<Vec<u8>>);

/// The CertTemplate: its subject, and its public key. All other fields, which a client may fill
/// with the names of another CA, are passed over: name and validity come from the register.
fn template(mut fields: SliceReader<'_>) -> Result<Template<'_>, Refusal> {
    let (mut subject, mut public_key, mut last) = (None, None, None);
    while !fields.is_finished() {
        let field = AnyRef::decode(&mut fields)?;
        let Tag::ContextSpecific { number, constructed } = field.tag() else {
            return Err(Refusal::Malformed);
        };
        if last >= Some(number) || number > TagNumber::N9 {
            return Err(Refusal::Malformed);
        }
        last = Some(number);
        match (number, constructed) {
            (TagNumber::N5, true) => {
                tlv::whole_sequence(field.value())?;
                subject = Some(field.value());
            }
            (TagNumber::N6, true) => public_key = Some(as_sequence(field.value())),
            (TagNumber::N5 | TagNumber::N6, false) => return Err(Refusal::Malformed),
            (_, _) => {}
        }
    }
    Ok((subject, public_key))
}

/// The one commonName of a subject, as the octets of its text; none where there are several.
fn common_name(subject: &[u8]) -> der::Result<Option<&[u8]>> {
    let mut sets = tlv::whole_sequence(subject)?;
    let mut found = Vec::new();
    while !sets.is_finished() {
        let mut set = SliceReader::new(tagged(&mut sets, Tag::Set)?)?;
        while !set.is_finished() {
            let mut attribute = sequence(&mut set)?;
            let kind = ObjectIdentifier::decode(&mut attribute)?;
            let value = AnyRef::decode(&mut attribute)?;
            attribute.finish(())?;
            found.extend((kind == COMMON_NAME).then_some(value.value()));
        }
    }
    Ok(match found[..] {
        [one] => Some(one),
        _ => None,
    })
}

/// oldCertID among the Controls (RFC 4211 §6).
fn old_certificate<'a>(mut controls: SliceReader<'a>) -> der::Result<Option<OldCertificate<'a>>> {
    let mut old = None;
    while !controls.is_finished() {
        let mut control = sequence(&mut controls)?;
        if ObjectIdentifier::decode(&mut control)? == OLD_CERT_ID {
            let mut id = sequence(&mut control)?;
            let directory = Tag::ContextSpecific { constructed: true, number: TagNumber::N4 };
            let issuer = tagged(&mut id, directory)?;
            let serial = tagged(&mut id, Tag::Integer)?;
            id.finish(())?;
            old = Some(OldCertificate { issuer, serial });
        } else {
            control.tlv_bytes()?;
        }
        control.finish(())?;
    }
    Ok(old)
}
