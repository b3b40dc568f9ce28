use super::{Declined, Peer, Public, body, heard::Heard, tally::Told, turns::Turn};
use ::cmp::{Arrival, MAX_MESSAGE, Nonce, Refusal};
use aws_lc_rs::rand;
use axum::{
    body::Body,
    extract::{Extension, Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

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
    let judge = move |turn: &Turn| {
        let arrival = Arrival { from: peer.address, now: clock(), nonce };
        let heard = Heard::new(&*register, turn);
        let answer = authority.handle(&message, &arrival, &heard);
        (answer, heard.refusal().map_or("served", Refusal::code))
    };
    public.cmp.run(judge).await
}

fn pki_message(message: Vec<u8>) -> Response {
    let mut response = Body::from(message).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
