use crate::{
    AttachRequest, Context, Peer, Reason, Refusal, ResponderConfig, Ticket,
    auth_verified::{AuthVerified, Unverified},
    await_admission::AwaitAdmission,
    await_ike_auth::AwaitIkeAuth,
    exchange::ike_auth::IkeAuthRequest,
    handshake::Handshake,
    output::Output,
    payload::{AuthMethod, Identification},
    responder::IkeSaState,
};
use std::time::Duration;

/// Deciding, first question: IKE_AUTH is here, and who sent it was asked.
pub(crate) struct AwaitPeer {
    pub(crate) ticket: Ticket,
    pub(crate) handshake: Handshake,
    pub(crate) request: IkeAuthRequest,
}

/// How often one handshake may be judged anew after silence.
const MAX_QUESTIONS: u8 = 32;
/// How long a handshake that met silence waits for the peer's next try: charon pauses up to 76 s.
const SILENCE: Duration = Duration::from_secs(80);

impl AwaitPeer {
    pub(crate) fn on_peer(
        self: Box<Self>,
        answer: Result<Peer, Refusal>,
        config: &ResponderConfig,
        cx: &mut Context<'_>,
    ) -> Option<IkeSaState> {
        match answer {
            Ok(peer) => self.verify(peer, config, cx),
            Err(Refusal::Final) => self.refuse(Reason::PeerRefused, config, cx),
            Err(Refusal::Transient) => {
                let idi = self.request.id_i;
                stay_silent(self.handshake, Reason::PeerUnavailable, idi, cx)
            }
        }
    }

    fn refuse(
        self: Box<Self>,
        reason: Reason,
        config: &ResponderConfig,
        cx: &mut Context<'_>,
    ) -> Option<IkeSaState> {
        let idi = Some(self.request.id_i);
        let ending = self.handshake.refuse(reason, idi, &[], config.half_open.lifetime, cx)?;
        Some(IkeSaState::Deleting(Box::new(ending)))
    }

    fn verify(
        mut self: Box<Self>,
        peer: Peer,
        config: &ResponderConfig,
        cx: &mut Context<'_>,
    ) -> Option<IkeSaState> {
        if self.request.auth.method == AuthMethod::RSA_SHA1 && !peer.allow_sha1_signature {
            return self.refuse(Reason::AuthMethod, config, cx);
        }
        let certificate_ends = cx.after(peer.not_after);
        let Ok(octets) = self.handshake.octets_of_initiator(&self.request.id_i) else {
            return self.refuse(Reason::OurFault, config, cx);
        };
        let unverified = Unverified {
            id: self.request.id_i.clone(),
            certificates: std::mem::take(&mut self.request.certificates),
            authentication: self.request.auth.clone(),
            path: self.handshake.path,
            spis: self.handshake.spis,
            initial_contact: self.request.initial_contact,
        };
        match unverified.verify(peer, &octets, cx.crypto) {
            Some(auth) => Some(self.ask_admission(auth, certificate_ends, cx)),
            None => self.refuse(Reason::AuthMismatch, config, cx),
        }
    }

    fn ask_admission(
        self: Box<Self>,
        auth: AuthVerified,
        certificate_ends: std::time::Instant,
        cx: &mut Context<'_>,
    ) -> IkeSaState {
        let Self { mut handshake, request, .. } = *self;
        handshake.questions = handshake.questions.saturating_add(1);
        let ticket = Ticket::of(handshake.id, handshake.questions);
        let attach = attach_request(&handshake, &request);
        let waiting = AwaitAdmission {
            ticket,
            peer: auth.digest(),
            certificate_ends,
            cfg_request: request.cfg_request,
            child: request.child,
            handshake,
        };
        let sa = waiting.handshake.id;
        cx.out.push(Output::AskAdmission { ticket, sa, auth, request: attach });
        IkeSaState::AwaitAdmission(Box::new(waiting))
    }
}

fn attach_request(handshake: &Handshake, request: &IkeAuthRequest) -> AttachRequest {
    let child = request.child.as_ref();
    AttachRequest {
        initial_contact: request.initial_contact,
        cfg_request: request.cfg_request.clone().unwrap_or_default(),
        ts_i: child.map(|child| child.ts_i.clone()).unwrap_or_default(),
        ts_r: child.map(|child| child.ts_r.clone()).unwrap_or_default(),
        childless: child.is_none(),
        fingerprint: handshake.fingerprint.clone(),
    }
}

/// Says nothing. The handshake stands as before IKE_AUTH, so that the same message, sent again, is
/// judged anew; a peer that does so too often is forgotten.
pub(crate) fn stay_silent(
    mut handshake: Handshake,
    reason: Reason,
    idi: Identification,
    cx: &mut Context<'_>,
) -> Option<IkeSaState> {
    handshake.report(reason, Some(idi), cx);
    if handshake.questions >= MAX_QUESTIONS {
        handshake.release(cx);
        return None;
    }
    handshake.deadline = cx.now + SILENCE;
    Some(IkeSaState::HalfOpen(Box::new(AwaitIkeAuth { handshake })))
}
