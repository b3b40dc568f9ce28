//! Who a peer is: path validation, the question whether it may attach, and its refusal.

use super::IkeThread;
use crate::{
    hand_off::{Authenticated, Claim, Refused, Work},
    identity,
};
use ike::{
    Admission, AskPeer, AttachRequest, AuthVerified, IkeSaId, Path, Peer, Reason, Refusal, Ticket,
    payload::Identification,
};
use std::time::Instant;

impl IkeThread {
    /// Path validation, here and at once: pure, no ledger.
    pub(super) fn answer_peer(&mut self, ticket: Ticket, ask: &AskPeer, now: Instant) {
        let peer = match self.clock.trusted() {
            None => Err(Refusal::Transient),
            Some(wall) => match identity::verify(&self.anchors, &self.peers, ask, wall) {
                Ok(verified) => {
                    let peer = Peer {
                        public_key_spki: verified.path.spki().to_vec(),
                        not_after: verified.path.remaining(wall),
                        allow_sha1_signature: verified.allow_sha1_signature,
                    };
                    self.state.path = Some(verified.path);
                    Ok(peer)
                }
                // One of two times is wrong: this may be a good unit.
                Err(_) if self.was_good(ask) => Err(Refusal::Transient),
                Err(error) => {
                    self.state.refusal =
                        Some(early(error.code(), error.to_string(), &ask.path, Some(&ask.idi)));
                    Err(Refusal::Final)
                }
            },
        };
        self.responder.handle_peer(ticket, peer, now);
    }

    /// It would be, had the clock not been set forward.
    fn was_good(&self, ask: &AskPeer) -> bool {
        let before = self.clock.before_jump();
        before.is_some_and(|wall| identity::verify(&self.anchors, &self.peers, ask, wall).is_ok())
    }

    /// Drop policy: a claim that finds the registrar's channel full, or older work waiting for it, is
    /// answered with silence and counted. Units retransmit.
    pub(super) fn ask_admission(
        &mut self,
        ticket: Ticket,
        sa: IkeSaId,
        auth: AuthVerified,
        request: AttachRequest,
        now: Instant,
    ) {
        let path = self.state.path.take();
        let authenticated = path.and_then(|path| Authenticated::new(path, auth));
        let claim = authenticated.map(|authenticated| Claim {
            ticket,
            sa,
            authenticated,
            request,
            came: Instant::now(),
        });
        let taken = claim.is_some_and(|claim| {
            self.state.kept.is_empty()
                && self.links.to_registrar.try_send(Work::Claim(Box::new(claim))).is_ok()
        });
        if !taken {
            self.control.claim_dropped();
            self.responder.handle_admission(ticket, Admission::Drop, now);
        }
    }

    /// Refusals of the registrar have their event from there.
    pub(super) fn refused(&mut self, path: &Path, reason: Reason, idi: Option<&Identification>) {
        let detail = self.state.refusal.take();
        let refused = match reason {
            Reason::AdmissionRefused | Reason::AdmissionUnavailable => return,
            Reason::PeerRefused => detail,
            Reason::Malformed
            | Reason::UnknownCritical
            | Reason::MajorVersion
            | Reason::NoProposalChosen
            | Reason::InvalidKe
            | Reason::PublicValue
            | Reason::EapOnly
            | Reason::NoIdentity
            | Reason::NoCertificate
            | Reason::CertificateEncoding
            | Reason::CertificateSize
            | Reason::AuthMethod
            | Reason::PeerUnavailable
            | Reason::AuthMismatch
            | Reason::HalfOpenFull
            | Reason::PrefixQuota
            | Reason::CostlyQuota
            | Reason::HalfOpenTimeout
            | Reason::UnknownSpi
            | Reason::OtherAddress
            | Reason::NotAuthentic
            | Reason::MessageId
            | Reason::UnexpectedExchange
            | Reason::OurFault => None,
        };
        let refused = refused.unwrap_or_else(|| early(reason.code(), reason.to_string(), path, idi));
        // Drop policy: what finds no room is in the counters of `ike` alone.
        if self.links.to_registrar.try_send(Work::Refused(refused)).is_err() {
            self.control.refusal_untold();
        }
    }
}

/// A refusal before admission was asked.
fn early(code: &'static str, text: String, path: &Path, idi: Option<&Identification>) -> Refused {
    Refused { code, text, outer: path.peer, idi: idi.and_then(identity::printable) }
}
