use super::reply::Reply;
use super::{AnswerError, MAX_SKEW, Message, Nonce, TransactionId, header, protection};
use ids::{Realm, UnixTime};
use x509::{Anchor, AnchorSet, Anchors, verify_registration_authority};

/// What a unit knows of the carrier before it enrols.
#[derive(Clone, Debug)]
pub struct Operator {
    realm: Realm,
    root: AnchorSet,
    anchors: Anchors,
}

/// What an answer must repeat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awaited<'a> {
    pub(crate) transaction: &'a TransactionId,
    pub(crate) nonce: &'a Nonce,
    /// The latest time that was seen before.
    pub(crate) earliest: UnixTime,
}

/// An answer that is authentic.
#[derive(Clone, Debug)]
pub(crate) struct Authentic<'a> {
    pub(crate) reply: Reply<'a>,
    pub(crate) time: UnixTime,
    /// The senderNonce.
    pub(crate) nonce: &'a [u8],
    /// The extraCerts, that which protects the answer first.
    pub(crate) certificates: Vec<&'a [u8]>,
}

impl Operator {
    /// `realm`: in which the operator names its units. `root`: to which its registration authority and its units'
    /// certificates lead.
    pub fn new(realm: Realm, root: Anchor) -> Self {
        let (mut set, mut anchors) = (AnchorSet::new(), Anchors::new());
        set.insert(root.clone());
        anchors.insert(realm.clone(), root);
        Self { realm, root: set, anchors }
    }

    /// Where the operator names its units.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// The root, for the realm.
    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    pub(crate) fn is_root(&self, der: &[u8]) -> bool {
        let sha256 = ids::CertSha256::of(der);
        self.root.iter().any(|root| root.certificate().sha256() == sha256)
    }

    /// Whether an answer repeats what it must, and a registration authority under the root signed it.
    pub(crate) fn authenticate<'a>(
        &self,
        answer: &'a [u8],
        awaited: Awaited<'_>,
    ) -> Result<Authentic<'a>, AnswerError> {
        let message: Message<'a, Reply<'a>> =
            Message::read(answer).map_err(|unreadable| AnswerError::Message(unreadable.refusal))?;
        if let (Reply::Error(failure), None) = (&message.body, message.protection) {
            return Err(AnswerError::Unsigned(*failure));
        }
        protection::check_algorithm(&message).map_err(AnswerError::Message)?;
        let (time, nonce) = check_header(&message.header, awaited)?;
        let (signer, certificates) = protection::chain(&message).map_err(AnswerError::Message)?;
        verify_registration_authority(&self.root, &certificates, time)
            .map_err(|error| AnswerError::Message(super::Refusal::Path(error)))?;
        protection::verify(&message, &signer).map_err(AnswerError::Message)?;
        Ok(Authentic { reply: message.body, time, nonce, certificates })
    }
}

/// Its time and its senderNonce.
fn check_header<'a>(
    header: &header::Header<'a>,
    awaited: Awaited<'_>,
) -> Result<(UnixTime, &'a [u8]), AnswerError> {
    let ours = header.transaction_id == Some(awaited.transaction.octets())
        && header.recip_nonce == Some(awaited.nonce.as_slice());
    if !ours {
        return Err(AnswerError::OtherMessage);
    }
    let nonce = header.sender_nonce.filter(|nonce| header::has_length_of_nonce(nonce));
    let nonce = nonce.ok_or(AnswerError::Message(super::Refusal::SenderNonce))?;
    let time = header.message_time.ok_or(AnswerError::NoTime)?;
    match time.after(MAX_SKEW) < awaited.earliest {
        true => Err(AnswerError::Early(time)),
        false => Ok((time, nonce)),
    }
}
