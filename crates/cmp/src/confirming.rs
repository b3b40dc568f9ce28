use super::confirmation::acceptance;
use super::operator::Awaited;
use super::reply::{Reply, Response};
use super::tlv::{context, tlv};
use super::{AnswerError, Nonce, Operator, Signer, SignerError, TransactionId};
use ids::UnixTime;

/// A certConf, and what its answer must be. Sent again, it is made anew with another nonce.
#[derive(Clone, Debug)]
pub struct Confirming {
    message: Vec<u8>,
    transaction: TransactionId,
    nonce: Nonce,
}

impl Confirming {
    /// `by`: who protected the request. `certificate`: the one offered, as DER. `offered`: the authority's nonce in its
    /// offer. `time`: the authority's, as far as the unit knows it. `nonce`: 16 octets, drawn anew.
    ///
    /// # Errors
    /// [`SignerError`]: the key does not sign, or the certificate is none that is offered here.
    pub fn new(
        by: &Signer,
        transaction: &TransactionId,
        offered: &[u8],
        certificate: &[u8],
        time: UnixTime,
        nonce: Nonce,
    ) -> Result<Self, SignerError> {
        let content = acceptance(certificate).ok_or(SignerError::NoCertificate)?;
        let header = by.header(Some(time), transaction.octets(), &nonce, Some(offered));
        let protected = [header, tlv(context(24), &[&content])].concat();
        let message = by.protect(&protected).ok_or(SignerError::Fails)?;
        Ok(Self { message, transaction: transaction.clone(), nonce })
    }

    /// The PKIMessage to be sent.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The authority's time, when the answer is pkiConf: the certificate is in use from now on.
    ///
    /// # Errors
    /// [`AnswerError`], see there.
    pub fn read(
        &self,
        operator: &Operator,
        answer: &[u8],
        earliest: UnixTime,
    ) -> Result<UnixTime, AnswerError> {
        let awaited = Awaited { transaction: &self.transaction, nonce: &self.nonce, earliest };
        let authentic = operator.authenticate(answer, awaited)?;
        let time = authentic.time;
        match authentic.reply {
            Reply::PkiConf => Ok(time),
            Reply::Error(failure) => Err(AnswerError::Refused { failure, time }),
            Reply::Ip(Response::Granted(_) | Response::Rejected(_))
            | Reply::Kup(Response::Granted(_) | Response::Rejected(_)) => Err(AnswerError::OtherBody),
        }
    }
}
