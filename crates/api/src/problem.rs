use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a request was not done, as RFC 9457 writes it, with a stable code and the next step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Stable, for programs.
    pub code: String,
    /// What happened.
    pub title: String,
    /// Why; may be empty.
    #[serde(default)]
    pub detail: String,
    /// What a person does next; may be empty.
    #[serde(default)]
    pub next: String,
}

impl Problem {
    /// Media type of the body.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A problem without detail and next step yet.
    pub fn new(status: StatusCode, code: &str, title: impl Into<String>) -> Self {
        let (detail, next) = (String::new(), String::new());
        Self { status: status.as_u16(), code: code.into(), title: title.into(), detail, next }
    }

    /// Adds why.
    #[must_use]
    pub fn because(mut self, why: impl fmt::Display) -> Self {
        self.detail = why.to_string();
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next = step.into();
        self
    }

    /// The request itself says something that cannot be.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", what)
    }

    /// There is no such thing.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", what)
    }

    /// It contradicts what is there.
    pub fn conflict(code: &str, what: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, what)
    }

    /// The caller's role does not reach.
    pub fn forbidden(what: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", what)
    }

    /// Something that we need is out of reach now.
    pub fn unavailable(code: &str, what: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, what)
    }

    /// We broke.
    pub fn ours(what: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", what)
            .next("look at the log of this time, and report it with the log")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, Self::MEDIA_TYPE)], body).into_response()
    }
}

/// The longest refusal that is read: those of the framework are a sentence.
const SENTENCE: usize = 4 * 1024;

/// Gives refusals that the framework makes by itself (a body that does not parse, a path that names
/// nothing) the form of all others.
pub(crate) async fn framed(response: Response) -> Response {
    let is_ours = |value: &HeaderValue| value.as_bytes().starts_with(b"application/");
    let status = response.status();
    if !status.is_client_error() || response.headers().get(header::CONTENT_TYPE).is_some_and(is_ours) {
        return response;
    }
    let text = axum::body::to_bytes(response.into_body(), SENTENCE).await.unwrap_or_default();
    Problem::new(status, "invalid", "the request is not one that this version understands")
        .because(String::from_utf8_lossy(&text))
        .next("correct what is named")
        .into_response()
}
