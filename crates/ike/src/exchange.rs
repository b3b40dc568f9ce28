//! The exchanges of IKEv2, one file each: what their messages hold, as types.

pub(crate) mod create_child_sa;
pub(crate) mod ike_auth;
pub(crate) mod ike_sa_init;
pub(crate) mod informational;

use crate::{
    payload::{
        Authentication, Certificate, CertificateRequest, Configuration, Delete, Identification, KeyExchange,
        Malformed, Notify, NotifyType, Payload, PayloadType, Proposal, TrafficSelector,
    },
    spis::Spis,
};
use create_child_sa::{AskedChildSa, AskedIkeSa};
use ids::Spi;

/// What a request of ours that waits for its answer was about.
pub(crate) enum Asked {
    /// An initiator's IKE_AUTH.
    Auth,
    /// An empty INFORMATIONAL (RFC 7296 §2.4).
    Liveness,
    /// The same, sent to one path alone: its answer proves that the peer is there.
    Path,
    /// DELETE of the IKE SA that carries it.
    DeleteIkeSa,
    /// DELETE of CHILD SAs, by the SPIs that we receive on.
    DeleteChildSa(Spi),
    /// CREATE_CHILD_SA of a new or renewed CHILD SA.
    ChildSa(Box<AskedChildSa>),
    /// CREATE_CHILD_SA of the IKE SA that takes over.
    IkeSa(Box<AskedIkeSa>),
    /// An initiator says that it can't authenticate the responder (RFC 7296 §2.21.2).
    AuthenticationFailed,
}

impl Asked {
    /// Nothing will come of it: the SPI that it reserved is given back.
    pub(crate) fn release(&self, spis: &mut Spis) {
        match self {
            Self::ChildSa(asked) => spis.release_esp(asked.spi_in),
            Self::IkeSa(asked) => spis.release_ike(asked.spi),
            Self::Auth
            | Self::Liveness
            | Self::Path
            | Self::DeleteIkeSa
            | Self::DeleteChildSa(_)
            | Self::AuthenticationFailed => {}
        }
    }
}

/// The payloads of one message, by kind. What may come once came at most once.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) sa: Option<Vec<Proposal>>,
    pub(crate) ke: Option<KeyExchange>,
    pub(crate) nonce: Option<Vec<u8>>,
    pub(crate) id_i: Option<Identification>,
    pub(crate) id_r: Option<Identification>,
    pub(crate) auth: Option<Authentication>,
    pub(crate) ts_i: Option<Vec<TrafficSelector>>,
    pub(crate) ts_r: Option<Vec<TrafficSelector>>,
    pub(crate) cp: Option<Configuration>,
    pub(crate) certs: Vec<Certificate>,
    pub(crate) cert_requests: Vec<CertificateRequest>,
    pub(crate) notifies: Vec<Notify>,
    pub(crate) deletes: Vec<Delete>,
    pub(crate) vendor_ids: Vec<Vec<u8>>,
    pub(crate) eap: bool,
}

impl Contents {
    /// Sorts payloads by kind.
    ///
    /// # Errors
    /// [`Malformed::Payload`] for a second payload of a kind that comes once.
    pub(crate) fn sort(payloads: Vec<Payload>) -> Result<Self, Malformed> {
        let mut contents = Self::default();
        for payload in payloads {
            contents.put(payload)?;
        }
        Ok(contents)
    }

    fn put(&mut self, payload: Payload) -> Result<(), Malformed> {
        let kind = payload.kind();
        match payload {
            Payload::Sa(value) => once(&mut self.sa, value, kind),
            Payload::Ke(value) => once(&mut self.ke, value, kind),
            Payload::Nonce(value) => once(&mut self.nonce, value, kind),
            Payload::IdI(value) => once(&mut self.id_i, value, kind),
            Payload::IdR(value) => once(&mut self.id_r, value, kind),
            Payload::Auth(value) => once(&mut self.auth, value, kind),
            Payload::TsI(value) => once(&mut self.ts_i, value, kind),
            Payload::TsR(value) => once(&mut self.ts_r, value, kind),
            Payload::Cp(value) => once(&mut self.cp, value, kind),
            Payload::Cert(value) => many(&mut self.certs, value),
            Payload::CertReq(value) => many(&mut self.cert_requests, value),
            Payload::Notify(value) => many(&mut self.notifies, value),
            Payload::Delete(value) => many(&mut self.deletes, value),
            Payload::VendorId(value) => many(&mut self.vendor_ids, value),
            Payload::Eap => {
                self.eap = true;
                Ok(())
            }
        }
    }

    /// The first notification of a kind.
    pub(crate) fn notify(&self, kind: NotifyType) -> Option<&Notify> {
        self.notifies.iter().find(|notify| notify.kind == kind)
    }

    pub(crate) fn has(&self, kind: NotifyType) -> bool {
        self.notify(kind).is_some()
    }

    /// The first error among the notifications.
    pub(crate) fn error(&self) -> Option<&Notify> {
        self.notifies.iter().find(|notify| notify.kind.is_error())
    }
}

fn once<T>(slot: &mut Option<T>, value: T, kind: PayloadType) -> Result<(), Malformed> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::Payload(kind)),
    }
}

fn many<T>(list: &mut Vec<T>, value: T) -> Result<(), Malformed> {
    list.push(value);
    Ok(())
}
