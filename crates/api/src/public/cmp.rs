use super::{Declined, Peer, Public, body, tally::Told};
use ::cmp::{Arrival, Enrol, MAX_MESSAGE, Nonce, Record, Refusal, Refused, Register, Renew, TransactionId};
use aws_lc_rs::rand;
use axum::{
    body::Body,
    extract::{Extension, Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use ids::{CertSha256, Realm, UnixTime};
use std::{cell::Cell, sync::Arc};

/// Of requests and answers (RFC 9811).
const MEDIA_TYPE: &str = "application/pkixcmp";
const ROUTE: &str = "cmp";

/// Answers one PKIMessage. What CMP itself refuses is a PKIMessage with status 200; what does not get that far
/// has an HTTP status alone.
pub(super) async fn post(
    State(public): State<Arc<Public>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    match answer(public, peer, request).await {
        Ok((message, outcome)) => Told::new(ROUTE, outcome).on(pki_message(message)),
        Err(declined) => Told::declined(ROUTE, declined),
    }
}

async fn answer(
    public: Arc<Public>,
    peer: Peer,
    request: Request,
) -> Result<(Vec<u8>, &'static str), Declined> {
    let message = body(request, MEDIA_TYPE, MAX_MESSAGE, &public.bounds).await?;
    let register = public.sources.register.clone();
    let authority = public.signers.authority().ok_or(Declined::NotReady)?;
    let mut nonce = Nonce::default();
    rand::fill(&mut nonce).map_err(|_| Declined::NotReady)?;
    let clock = public.sources.clock.clone();
    let judge = move || {
        let arrival = Arrival { from: peer.address, now: clock(), nonce };
        let heard = Heard { register: &*register, refusal: Cell::new(None) };
        let answer = authority.handle(&message, &arrival, &heard);
        (answer, heard.refusal.get().map_or("served", Refusal::code))
    };
    public.cmp.run(judge).await
}

fn pki_message(message: Vec<u8>) -> Response {
    let mut response = Body::from(message).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The register, and what it was told of a refusal.
struct Heard<'a> {
    register: &'a dyn Register,
    refusal: Cell<Option<Refusal>>,
}

impl Register for Heard<'_> {
    fn find(&self, id: &TransactionId) -> Result<Option<Record>, Refusal> {
        self.register.find(id)
    }

    fn legacy(&self, certificate: CertSha256) -> Result<Option<Realm>, Refusal> {
        self.register.legacy(certificate)
    }

    fn enrol(&self, request: &Enrol<'_>, now: UnixTime) -> Result<Vec<Vec<u8>>, Refusal> {
        self.register.enrol(request, now)
    }

    fn renew(&self, request: &Renew<'_>, now: UnixTime) -> Result<Vec<Vec<u8>>, Refusal> {
        self.register.renew(request, now)
    }

    fn confirm(&self, id: &TransactionId, now: UnixTime) -> Result<(), Refusal> {
        self.register.confirm(id, now)
    }

    fn rejected(&self, id: &TransactionId, now: UnixTime) -> Result<(), Refusal> {
        self.register.rejected(id, now)
    }

    fn refused(&self, refused: &Refused) {
        self.refusal.set(Some(refused.refusal));
        self.register.refused(refused);
    }
}
