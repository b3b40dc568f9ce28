use crate::{
    AskPeer, Context, ExchangeType, Header, Path, Reason, ResponderConfig, Ticket,
    await_peer::AwaitPeer,
    exchange::{Contents, ike_auth::IkeAuthRequest},
    handshake::Handshake,
    ike_sa::Received,
    output::Output,
    payload::{Malformed, Payload, PayloadType},
    responder::IkeSaState,
};

/// Half-open: IKE_SA_INIT is answered, IKE_AUTH has not come whole.
pub(crate) struct AwaitIkeAuth {
    pub(crate) handshake: Handshake,
}

impl AwaitIkeAuth {
    pub(crate) fn on_datagram(
        mut self: Box<Self>,
        path: Path,
        header: &Header,
        datagram: &[u8],
        config: &ResponderConfig,
        cx: &mut Context<'_>,
    ) -> Option<IkeSaState> {
        // Where IKE_SA_INIT came from has received our nonce and public value; nobody else need have. The port changes
        // with NAT traversal (RFC 7296 §2.23), the address does not.
        if path.peer.ip() != self.handshake.path.peer.ip() {
            cx.stats.count(Reason::OtherAddress);
            return Some(IkeSaState::HalfOpen(self));
        }
        let received = match self.handshake.keys() {
            Ok(keys) => keys.sa.receive(header, datagram, cx.now),
            Err(reason) => {
                self.handshake.report(reason, None, cx);
                self.handshake.release(cx);
                return None;
            }
        };
        if received.is_ok() && header.first_payload == PayloadType::SKF {
            self.handshake.fingerprint.saw_fragment(datagram.len());
        }
        match received {
            Ok(Received::Request(payloads)) if header.exchange == ExchangeType::IKE_AUTH => {
                self.handshake.path = path;
                self.on_ike_auth(payloads, config, cx)
            }
            Ok(Received::Request(_) | Received::Response(..)) => {
                cx.stats.count(Reason::UnexpectedExchange);
                Some(IkeSaState::HalfOpen(self))
            }
            Ok(Received::Part | Received::Again) => Some(IkeSaState::HalfOpen(self)),
            Err(reason) => {
                cx.stats.count(reason);
                Some(IkeSaState::HalfOpen(self))
            }
        }
    }

    fn on_ike_auth(
        self: Box<Self>,
        payloads: Result<Vec<Payload>, Malformed>,
        config: &ResponderConfig,
        cx: &mut Context<'_>,
    ) -> Option<IkeSaState> {
        let mut handshake = self.handshake;
        let keep = config.half_open.lifetime;
        let contents = match payloads.and_then(Contents::sort) {
            Ok(contents) => contents,
            Err(malformed) => {
                let data = unknown_critical(malformed).map(|kind| vec![kind.0]).unwrap_or_default();
                let ending = handshake.refuse(Reason::from(malformed), None, &data, keep, cx)?;
                return Some(IkeSaState::Deleting(Box::new(ending)));
            }
        };
        let request = match IkeAuthRequest::parse(contents) {
            Ok(request) => request,
            Err(refused) => {
                let ending = handshake.refuse(refused.reason, refused.id_i, &[], keep, cx)?;
                return Some(IkeSaState::Deleting(Box::new(ending)));
            }
        };
        observe(&mut handshake, &request, cx);
        handshake.questions = handshake.questions.saturating_add(1);
        let waiting = AwaitPeer { ticket: Ticket::of(handshake.id, handshake.questions), handshake, request };
        cx.out.push(Output::AskPeer { ticket: waiting.ticket, ask: waiting.question() });
        Some(IkeSaState::AwaitPeer(Box::new(waiting)))
    }
}

/// Adds what IKE_AUTH shows to the fingerprint; of one that comes again, only when it does.
fn observe(handshake: &mut Handshake, request: &IkeAuthRequest, cx: &Context<'_>) {
    let since_answered = cx.now.saturating_duration_since(handshake.answered_at);
    if handshake.questions > 0 {
        let since = since_answered.saturating_sub(handshake.fingerprint.init_to_auth);
        return handshake.fingerprint.saw_again_after(since);
    }
    handshake.saw_notifies(&request.notifies);
    let fingerprint = &mut handshake.fingerprint;
    request.vendor_ids.iter().for_each(|vendor_id| fingerprint.saw_vendor_id(vendor_id));
    if let Some(child) = &request.child {
        fingerprint.saw_child_proposals(&child.proposals);
    }
    fingerprint.init_to_auth = since_answered;
}

fn unknown_critical(malformed: Malformed) -> Option<PayloadType> {
    match malformed {
        Malformed::UnknownCritical(kind) => Some(kind),
        Malformed::Truncated
        | Malformed::Header
        | Malformed::MajorVersion(_)
        | Malformed::Payload(_)
        | Malformed::TooMany => None,
    }
}

impl AwaitPeer {
    fn question(&self) -> AskPeer {
        AskPeer {
            idi: self.request.id_i.clone(),
            certificates: self.request.certificates.clone(),
            ppk_id: self.request.ppk_id.clone(),
            path: self.handshake.path,
        }
    }
}
