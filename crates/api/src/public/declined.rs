use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Why a request gets no answer of its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declined {
    /// Nothing is there.
    NoRoute,
    /// The route takes another method.
    Method,
    /// The body is of another media type, or says nothing of it.
    MediaType,
    /// The body is longer than one may be.
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// The body ended before its end, or is not encoded as it says.
    Broken,
    /// Too many wait already.
    Busy,
    /// What signs, or what is to be shown, is not there yet.
    NotReady,
}

/// Seconds after which a client shall come again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

impl Declined {
    /// Stable word, for metrics.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::NoRoute => "no-route",
            Self::Method => "method",
            Self::MediaType => "media-type",
            Self::TooLarge => "too-large",
            Self::TooSlow => "too-slow",
            Self::Broken => "broken",
            Self::Busy => "busy",
            Self::NotReady => "not-ready",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Busy | Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The status, its reason as the body, and what the client does next.
    pub(super) fn response(self) -> Response {
        let status = self.status();
        let text = status.canonical_reason().unwrap_or_default().to_ascii_lowercase() + "\n";
        let mut response = (status, Body::from(text)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            // What is left of the body is not read.
            Self::TooLarge | Self::TooSlow | Self::Broken | Self::MediaType => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Busy | Self::NotReady => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            Self::NoRoute | Self::Method => {}
        }
        response
    }
}
