//! One request over plain HTTP to a server that may be anybody's: it can hold nothing up, and give nothing but octets.

use axum::{
    body::Bytes,
    http::{Request, StatusCode, Uri, header},
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    str::FromStr,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    task::{AbortHandle, spawn_blocking},
    time::timeout,
};

/// Names that are being looked up, for all CAs together: each takes a thread that others wait for, too.
static LOOK_UPS: Semaphore = Semaphore::const_new(2);
/// Octets of a response's head, at most.
const MAX_HEAD: usize = 16 * 1024;

/// An `http` URL. Lists and answers have signatures of their own, so nothing else is needed; and finding out whether a
/// certificate counts must not begin with that question about a server's (RFC 5280 §8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    host: String,
    port: u16,
    /// With its query.
    path: String,
}

/// The text is no `http` URL of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no URL as in http://crl.vendor.example/ca.crl")]
pub struct NoHttpUrl;

/// What a request may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// From the first look-up of a name to the last octet.
    pub(crate) time: Duration,
    /// Of the body.
    pub(crate) octets: usize,
}

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("it took longer than {} s", .0.as_secs_f32())]
    Slow(Duration),
    #[error("its name has no address: {0}")]
    NoAddress(io::Error),
    #[error("{0} is an inner address of units")]
    Barred(IpAddr),
    #[error("it cannot be reached: {0}")]
    Unreachable(io::Error),
    #[error("it does not speak HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("it sends more than {0} octets")]
    TooLarge(usize),
}

impl FromStr for HttpUrl {
    type Err = NoHttpUrl;

    fn from_str(text: &str) -> Result<Self, NoHttpUrl> {
        let uri: Uri = text.parse().map_err(|_| NoHttpUrl)?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let host = authority.map(|authority| authority.host()).filter(|host| !host.is_empty());
        let (Some("http"), Some(host)) = (uri.scheme_str(), host) else { return Err(NoHttpUrl) };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self { host: host.to_owned(), port: uri.port_u16().unwrap_or(80), path: path.to_owned() })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.path)
    }
}

/// GETs `url`, or POSTs an OCSP request there. Redirects are answers like any other that is not 200; `barred` are
/// addresses that nobody is asked at, whatever a name leads to.
pub(crate) async fn fetch(
    url: &HttpUrl,
    ocsp_request: Option<Vec<u8>>,
    bounds: Bounds,
    barred: &[IpNet],
) -> Result<Vec<u8>, FetchError> {
    let exchange = exchange(url, ocsp_request, bounds.octets, barred);
    timeout(bounds.time, exchange).await.unwrap_or(Err(FetchError::Slow(bounds.time)))
}

async fn exchange(
    url: &HttpUrl,
    ocsp_request: Option<Vec<u8>>,
    octets: usize,
    barred: &[IpNet],
) -> Result<Vec<u8>, FetchError> {
    let stream = connect(url, barred).await?;
    let mut builder = http1::Builder::new();
    let (mut sender, connection) =
        builder.max_buf_size(MAX_HEAD).handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await?;
    let _connection = EndedWith(tokio::spawn(connection).abort_handle());
    let response = sender.send_request(request(url, ocsp_request)).await?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let body = Limited::new(response.into_body(), octets).collect().await;
    body.map(|body| body.to_bytes().to_vec()).map_err(|error| match error.downcast::<hyper::Error>() {
        Ok(error) => FetchError::Http(*error),
        Err(other) if other.is::<LengthLimitError>() => FetchError::TooLarge(octets),
        Err(other) => FetchError::Unreachable(io::Error::other(other)),
    })
}

/// Every address that the name has must be allowed: a name that leads inside once may do so again.
async fn connect(url: &HttpUrl, barred: &[IpNet]) -> Result<TcpStream, FetchError> {
    let host = url.host.trim_start_matches('[').trim_end_matches(']');
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::from((address, url.port))],
        Err(_) => look_up(host.to_owned(), url.port).await.map_err(FetchError::NoAddress)?,
    };
    let is_barred = |ip: &IpAddr| barred.iter().any(|net| net.contains(ip));
    if let Some(ip) = addresses.iter().map(|address| address.ip().to_canonical()).find(is_barred) {
        return Err(FetchError::Barred(ip));
    }
    TcpStream::connect(&addresses[..]).await.map_err(FetchError::Unreachable)
}

/// The system's resolver takes a thread for as long as it likes, whether or not somebody still waits.
async fn look_up(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    let place = LOOK_UPS.acquire().await.map_err(io::Error::other)?;
    let look_up = move || {
        let _place = place;
        (host.as_str(), port).to_socket_addrs().map(Iterator::collect)
    };
    spawn_blocking(look_up).await.map_err(io::Error::other)?
}

fn request(url: &HttpUrl, ocsp_request: Option<Vec<u8>>) -> Request<Full<Bytes>> {
    let method = if ocsp_request.is_some() { "POST" } else { "GET" };
    let body = Full::new(Bytes::from(ocsp_request.unwrap_or_default()));
    let mut request = Request::new(body);
    *request.method_mut() = method.parse().unwrap_or_default();
    *request.uri_mut() = url.path.parse().unwrap_or_default();
    let host = if url.port == 80 { url.host.clone() } else { format!("{}:{}", url.host, url.port) };
    let headers = request.headers_mut();
    headers.extend(host.parse().ok().map(|host| (header::HOST, host)));
    if method == "POST" {
        // RFC 6960 appendix A.1.
        let kind = header::HeaderValue::from_static("application/ocsp-request");
        headers.insert(header::CONTENT_TYPE, kind);
    }
    request
}

/// A task that ends with this value.
struct EndedWith(AbortHandle);

impl Drop for EndedWith {
    fn drop(&mut self) {
        self.0.abort();
    }
}
