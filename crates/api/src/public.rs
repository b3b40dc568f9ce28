//! The public listener of a node that enrols: HTTP for whoever comes, and HTTPS.
//!
//! | route | is |
//! |---|---|
//! | POST `/.well-known/cmp`, and `initialization` or `keyupdate` below it, `/pkix/` | CMP (RFC 9811), [`cmp`](::cmp) |
//! | POST `/ocsp`, GET `/ocsp/<Base64>` | OCSP (RFC 6960 appendix A, RFC 5019), [`pki::ocsp`] |
//! | GET `/crl/devices.crl`, `/crl/gateways.crl` | revocation lists (RFC 5280), made in advance |
//! | GET `/ca/root.crt`, `devices.crt`, `gateways.crt` | certificates of the CAs |
//!
//! A later generation of an issuing CA has its own: `devices-2.crl`, `devices-2.crt`.
//!
//! Over HTTPS there are the same, and EST (RFC 7030, RFC 8951, [`pki::est`]) below `/.well-known/est/`: GET `cacerts` and
//! `csrattrs` from anybody, POST `simpleenroll` and `simplereenroll` from who shows a certificate in TLS.
//!
//! Everything else is a short 404, another method 405. But for EST, TLS proves nothing here that is not proven already:
//! a CMP message carries a signature of its own (RFC 9811 §3), as do OCSP responses, lists and certificates; and
//! finding out whether a certificate counts must not begin with that question about the responder's (RFC 5280 §8).
//!
//! Everything that a peer can fill has its bound in [`Bounds`]. What needs a processor or the disk runs in few
//! threads, CMP and OCSP each in its own, and beyond a queue in front of them is answered 503 at once. While our
//! clock is not trusted nobody is judged: CMP says systemUnavail, OCSP tryLater.

mod bounds;
mod cmp;
mod crl;
mod declined;
mod document;
mod est;
mod heard;
mod ocsp;
mod signers;
mod tally;
#[cfg(test)]
mod tests;
mod tls;
mod turns;

pub use bounds::{BEGUN, Bounds, PLACES};
pub use tls::TlsIdentity;

use crate::{
    Family, Office, Revocations,
    door::Door,
    shares::{Share, Shares},
};
use ::cmp::Register;
use axum::{
    Router,
    extract::{Extension, Path, Request, State},
    http::{HeaderMap, HeaderValue, header::CONNECTION},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use crl::Lists;
use declined::Declined;
use document::Document;
use ids::{Network, UnixTime};
use pki::{
    Ca, Generation, StatusUris,
    crl::Entry,
    ocsp::{OutOfReach, Statuses},
};
use signers::Signers;
use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tally::{Tally, Told};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use turns::Turns;
use x509::Anchors;

/// The books of who was certified, also as a whole.
pub trait StatusBooks: Statuses {
    /// The revoked certificates of `issuing` whose notAfter is `ends_after` or later.
    ///
    /// # Errors
    /// [`OutOfReach`] when nobody can say now.
    fn revoked(
        &self,
        issuing: Generation,
        ends_after: UnixTime,
        now: UnixTime,
    ) -> Result<Vec<Entry>, OutOfReach>;
}

/// Our time; `None` while the clock cannot be right.
pub type Clock = Arc<dyn Fn() -> Option<UnixTime> + Send + Sync>;

/// What the listener answers from.
pub struct Sources {
    /// Whose certificates it speaks about, and who certifies those that sign its answers.
    pub ca: Arc<Ca>,
    /// Where that is done and written down.
    pub office: Office,
    /// Which certificates count.
    pub statuses: Arc<dyn StatusBooks + Send + Sync>,
    /// Who enrols and renews.
    pub register: Arc<dyn Register + Send + Sync>,
    /// Who says that a certificate was revoked.
    pub revocations: Revocations,
    /// Our time.
    pub clock: Clock,
    /// For how long a client may keep an OCSP response.
    pub ocsp_period: Duration,
    /// From thisUpdate to nextUpdate of a revocation list.
    pub crl_period: Duration,
    /// Who the listener is in TLS; absent where it answers plain HTTP alone.
    pub tls: Option<TlsIdentity>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sources({:?})", self.ca)
    }
}

/// What strangers reach.
#[derive(Debug)]
pub struct Public {
    sources: Sources,
    bounds: Bounds,
    signers: Signers,
    lists: Lists,
    cmp: Turns,
    ocsp: Turns,
    tally: Tally,
    connections: Arc<Shares<Network>>,
}

/// Who is at the other end of a connection, and how much it has asked there.
#[derive(Clone, Debug)]
struct Peer {
    address: IpAddr,
    requests: Arc<AtomicUsize>,
    /// The certificates that were shown in TLS, that of the peer first, who holds its key; which is all that is known.
    shown: Arc<[Vec<u8>]>,
}

/// How often it is looked whether signers and lists must be made anew.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Where certificates of a generation say that their status is found, if `url` leads to this listener.
pub fn status_uris(url: &str, generation: Generation) -> StatusUris {
    let at = |path: String| Some(format!("{url}{path}"));
    StatusUris {
        ocsp: at("/ocsp".into()),
        crl: at(format!("/crl/{generation}.crl")),
        issuer: at(format!("/ca/{generation}.crt")),
    }
}

impl Public {
    /// `vendors`: the anchors of those whose units enrol, for each vendor's realm. Nothing can be signed before
    /// [`Self::renew`].
    pub fn new(sources: Sources, vendors: Anchors, bounds: Bounds) -> Self {
        Self {
            sources,
            signers: Signers::new(vendors),
            lists: Lists::default(),
            cmp: Turns::new(bounds.cmp_at_once, bounds.cmp_begun, bounds.cmp_waiting),
            ocsp: Turns::new(bounds.ocsp_at_once, bounds.ocsp_at_once, bounds.ocsp_waiting),
            tally: Tally::default(),
            connections: Arc::new(Shares::new(bounds.of_one_source, bounds.places)),
            bounds,
        }
    }

    /// Other vendors' units enrol from now on.
    pub fn trust(&self, vendors: Anchors) {
        self.signers.trust(vendors);
    }

    /// Has signers and lists made that are missing, or due. Waits for the disk. What does not succeed is in the
    /// log, and tried again at the next call.
    pub fn renew(&self) {
        let Some(now) = (self.sources.clock)() else { return };
        self.signers.renew(&self.sources, now);
        self.lists.renew(&self.sources, now);
    }

    /// [`Self::renew`] once a minute, and whenever a certificate was revoked, without end.
    pub async fn keep_renewed(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.sources.revocations.told() => {}
            }
            let public = self.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || public.renew()).await {
                tracing::error!(%error, "signers and lists were not looked at");
            }
        }
    }

    /// Answers on `listener` until `stop` completes; requests under way are finished.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()>) {
        let Bounds { places, head, life, .. } = self.bounds;
        let routes = router(self.clone(), Router::new());
        let enter = move |stream: &TcpStream| {
            let (peer, place) = self.enter(stream)?;
            Some((routes.clone().layer(Extension(peer)), place))
        };
        Door { places, head, life }.serve(listener, stop, enter).await;
    }

    /// As [`Self::serve`] over TLS, with EST. Nobody gets through before there is a certificate.
    pub async fn serve_tls(self: Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()>) {
        let Bounds { places, head, life, .. } = self.bounds;
        let routes = router(self.clone(), est::routes());
        let enter = move |stream: TcpStream| {
            let (peer, place) = self.enter(&stream)?;
            let (public, routes) = (self.clone(), routes.clone());
            Some(async move {
                let shaken = async { tls::accept(public.signers.tls()?, stream).await };
                let Some((stream, shown)) = timeout(head, shaken).await.ok().flatten() else {
                    public.tally.no_handshake();
                    return None;
                };
                Some((stream, routes.layer(Extension(Peer { shown, ..peer })), place))
            })
        };
        Door { places, head, life }.serve_behind(listener, stop, enter).await;
    }

    /// A peer, and the place that it takes; `None` for one that has enough of them.
    fn enter(&self, stream: &TcpStream) -> Option<(Peer, Share<Network>)> {
        let address = stream.peer_addr().ok()?.ip().to_canonical();
        let Ok(place) = self.connections.take(Network::site(address)) else {
            self.tally.turn_away();
            return None;
        };
        Some((Peer { address, requests: Arc::default(), shown: Arc::default() }, place))
    }

    /// Counters, and sizes as of now.
    pub fn families(&self) -> Vec<Family> {
        self.tally.families(self.connections.taken())
    }
}

/// The two of RFC 9811, and what RFC 9483 §6.1 adds for ir and kur: the message says which it is.
const CMP_PATHS: [&str; 4] =
    ["/.well-known/cmp", "/.well-known/cmp/initialization", "/.well-known/cmp/keyupdate", "/pkix/"];

/// The routes beside `others`; each request must carry its [`Peer`] as an extension.
fn router(public: Arc<Public>, others: Router<Arc<Public>>) -> Router {
    let mut routes = CMP_PATHS.into_iter().fold(others, |routes, path| routes.route(path, post(cmp::post)));
    routes = routes
        .route("/ocsp", post(ocsp::post))
        .route("/ocsp/{*request}", get(ocsp::get))
        .route("/crl/{file}", get(crl::get))
        .route("/ca/{file}", get(certificate));
    let counted = middleware::from_fn_with_state(public.clone(), counted);
    let other = |declined: Declined| async move || Told::declined("other", declined);
    routes
        .fallback(other(Declined::NoRoute))
        .method_not_allowed_fallback(other(Declined::Method))
        .layer(counted)
        .with_state(public)
}

/// A CA's certificate changes with the CA only.
const CERTIFICATE_KEPT: Duration = Duration::from_secs(24 * 3600);

async fn certificate(
    Path(file): Path<String>,
    State(public): State<Arc<Public>>,
    headers: HeaderMap,
) -> Response {
    let ca = &public.sources.ca;
    let der = match file.strip_suffix(".crt") {
        Some("root") => Some(ca.root().to_vec()),
        Some(name) => name.parse().ok().and_then(|generation| ca.generation_der(generation)),
        None => None,
    };
    let Some(der) = der else { return Told::declined("other", Declined::NoRoute) };
    let document = Document::new("application/pkix-cert", der, None);
    Told::new("ca", "served").on(document.answer(&headers, CERTIFICATE_KEPT))
}

/// Counts what became of a request, and ends the connection behind the last that one may have.
async fn counted(
    State(public): State<Arc<Public>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let told = response.extensions().get().copied().unwrap_or(Told::new("other", "other"));
    public.tally.count(told);
    if peer.requests.fetch_add(1, Ordering::Relaxed) + 1 >= public.bounds.requests {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The body of a request of this media type (RFC 9110 §8.3), if it comes whole, in time, and is no longer than
/// `octets`. What is too long is not read on.
async fn body(
    request: Request,
    media_type: &str,
    octets: usize,
    bounds: &Bounds,
) -> Result<axum::body::Bytes, Declined> {
    use http_body_util::{BodyExt, LengthLimitError, Limited};
    if !is_of(media_type, request.headers()) {
        return Err(Declined::MediaType);
    }
    let body = request.into_body();
    if axum::body::HttpBody::size_hint(&body).lower() > octets as u64 {
        return Err(Declined::TooLarge);
    }
    match tokio::time::timeout(bounds.body, Limited::new(body, octets).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Declined::TooLarge),
        Ok(Err(_)) => Err(Declined::Broken),
        Err(_) => Err(Declined::TooSlow),
    }
}

fn is_of(media_type: &str, headers: &HeaderMap) -> bool {
    let value = headers.get(axum::http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
}

impl IntoResponse for Declined {
    fn into_response(self) -> Response {
        self.response()
    }
}
