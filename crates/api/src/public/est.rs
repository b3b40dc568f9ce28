use super::{
    CERTIFICATE_KEPT, Declined, Peer, Public, body, document::Document, heard::Heard, tally::Told,
    turns::Turn,
};
use ::cmp::{FailureInfo, Refusal};
use axum::{
    Router,
    body::Body,
    extract::{Extension, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use pki::est::{self, Asked, MAX_BODY, Operation};
use std::sync::Arc;

const REQUEST: &str = "application/pkcs10";
const CERTIFICATES: &str = "application/pkcs7-mime; smime-type=certs-only";
const ATTRIBUTES: &str = "application/csrattrs";
const ROUTE: &str = "est";

/// EST's own (RFC 7030 §3.2.2), where TLS says who the client is.
pub(super) fn routes() -> Router<Arc<Public>> {
    let enrol = |operation| {
        async move |State(public): State<Arc<Public>>, Extension(peer): Extension<Peer>, request| {
            enrol(operation, public, peer, request).await
        }
    };
    Router::new()
        .route("/.well-known/est/cacerts", get(certificates))
        .route("/.well-known/est/csrattrs", get(attributes))
        .route("/.well-known/est/simpleenroll", post(enrol(Operation::Enrol)))
        .route("/.well-known/est/simplereenroll", post(enrol(Operation::Reenrol)))
}

async fn certificates(State(public): State<Arc<Public>>, headers: HeaderMap) -> Response {
    match public.sources.ca.est_certificates() {
        Ok(all) => document(CERTIFICATES, all, &headers),
        Err(_) => Told::declined(ROUTE, Declined::NotReady),
    }
}

async fn attributes(headers: HeaderMap) -> Response {
    document(ATTRIBUTES, est::attributes(), &headers)
}

fn document(media_type: &'static str, text: String, headers: &HeaderMap) -> Response {
    let document = Document::new(media_type, text.into_bytes(), None);
    Told::new(ROUTE, "served").on(document.answer(headers, CERTIFICATE_KEPT))
}

/// The certificate, or a status that says no more than RFC 7030 §4.2.3 wants.
async fn enrol(operation: Operation, public: Arc<Public>, peer: Peer, request: Request) -> Response {
    match answer(operation, public, peer, request).await {
        Ok(Ok(certificate)) => Told::new(ROUTE, "served").on(issued(certificate)),
        Ok(Err(refusal)) => Told::new(ROUTE, refusal.code()).on(refused(refusal)),
        Err(declined) => Told::declined(ROUTE, declined),
    }
}

async fn answer(
    operation: Operation,
    public: Arc<Public>,
    peer: Peer,
    request: Request,
) -> Result<Result<String, Refusal>, Declined> {
    let body = body(request, REQUEST, MAX_BODY, &public.bounds).await?;
    let authority = public.signers.authority().ok_or(Declined::NotReady)?;
    let (register, clock) = (public.sources.register.clone(), public.sources.clock.clone());
    let judge = move |turn: &Turn| {
        let chain: Vec<_> = peer.shown.iter().map(Vec::as_slice).collect();
        let asked = Asked { operation, chain: &chain, body: &body, from: peer.address, now: clock() };
        est::answer(authority.askers(), &asked, &Heard::new(&*register, turn))
    };
    public.cmp.run(judge).await
}

fn issued(certificate: String) -> Response {
    let mut response = Body::from(certificate).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CERTIFICATES));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 400 for what is wrong with the request by itself, 403 for everything about who asks. No 401: there is no other
/// way to say who one is.
fn refused(refusal: Refusal) -> Response {
    let status = match (refusal, refusal.failure_info()) {
        (_, FailureInfo::SYSTEM_UNAVAIL) => return Declined::NotReady.response(),
        (_, FailureInfo::SYSTEM_FAILURE) => StatusCode::INTERNAL_SERVER_ERROR,
        (Refusal::Path(_), _) => StatusCode::FORBIDDEN,
        (
            _,
            FailureInfo::BAD_DATA_FORMAT
            | FailureInfo::BAD_ALG
            | FailureInfo::BAD_POP
            | FailureInfo::BAD_CERT_TEMPLATE,
        ) => StatusCode::BAD_REQUEST,
        (_, _) => StatusCode::FORBIDDEN,
    };
    let mut response = status.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
