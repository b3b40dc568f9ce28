use super::{
    Declined, Public, body,
    document::{Dates, Document},
    tally::Told,
};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use ids::UnixTime;
use pki::ocsp::{Answer, Answered, MAX_REQUEST, Refusal, from_path};
use std::sync::Arc;

const REQUEST: &str = "application/ocsp-request";
const RESPONSE: &str = "application/ocsp-response";
const ROUTE: &str = "ocsp";

/// Answers an OCSPRequest in the body (RFC 6960 A.1).
pub(super) async fn post(State(public): State<Arc<Public>>, request: Request) -> Response {
    match body(request, REQUEST, MAX_REQUEST, &public.bounds).await {
        Ok(request) => answer(public, request.to_vec(), None).await,
        Err(declined) => Told::declined(ROUTE, declined),
    }
}

/// Answers an OCSPRequest in the path, which a cache may keep unless it has a nonce (RFC 5019 §5, §6.2).
pub(super) async fn get(State(public): State<Arc<Public>>, request: Request) -> Response {
    let asked = request.uri().path().strip_prefix("/ocsp/").unwrap_or_default();
    match from_path(asked) {
        Ok(der) => answer(public, der, Some(request.headers().clone())).await,
        Err(refusal) => Told::new(ROUTE, refusal.word()).on(response(refusal.to_der().to_vec())),
    }
}

/// `cached`: the head of a request whose answer a cache may keep.
async fn answer(public: Arc<Public>, request: Vec<u8>, cached: Option<HeaderMap>) -> Response {
    let Some(now) = (public.sources.clock)() else {
        return Told::new(ROUTE, "clock-unsure").on(response(Refusal::OutOfReach.to_der().to_vec()));
    };
    let Some(responder) = public.signers.responder() else {
        return Told::declined(ROUTE, Declined::NotReady);
    };
    let statuses = public.sources.statuses.clone();
    match public.ocsp.run(move |_| responder.answer(&request, &*statuses, now)).await {
        Ok(answer) => told(answer, cached.as_ref(), now),
        Err(declined) => Told::declined(ROUTE, declined),
    }
}

fn told(Answer { der, outcome }: Answer, cached: Option<&HeaderMap>, now: UnixTime) -> Response {
    let word = outcome.map_or_else(Refusal::word, |_| "served");
    let response = match (outcome, cached) {
        (Ok(Answered { has_nonce: false, next_update, .. }), Some(asked)) => {
            let dates = Dates { from: now, until: next_update };
            // A copy from a cache is good for as long again.
            Document::new(RESPONSE, der, Some(dates)).answer(asked, next_update.since(now) / 2)
        }
        (Ok(_) | Err(_), _) => response(der),
    };
    Told::new(ROUTE, word).on(response)
}

/// One that is of use to nobody else.
fn response(der: Vec<u8>) -> Response {
    let mut response = Body::from(der).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(RESPONSE));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
