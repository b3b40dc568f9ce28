use crate::{Caller, Problem};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{Method, Request, Response, StatusCode, header},
};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, io, path::Path};
use tokio::net::UnixStream;
use tower::ServiceExt;

/// Asks the control API: a running daemon over its socket, or a router in this process.
#[derive(Debug)]
pub struct Client {
    via: Via,
}

#[derive(Debug)]
enum Via {
    Socket(SendRequest<Body>),
    Here(Router),
}

/// Why there is no answer of the expected kind.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The API said no, and why.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The connection ended, or what came is not what this version understands.
    #[error("{0}")]
    Broken(String),
}

impl Client {
    /// Connects to a daemon's control socket.
    ///
    /// # Errors
    /// What the system says: nobody listens there, or this user may not connect.
    pub async fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { via: Via::Socket(sender) })
    }

    /// Calls `router` in this process, as this process's user.
    pub fn here(router: Router) -> Self {
        Self { via: Via::Here(router) }
    }

    /// Reads `path`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ClientError> {
        understood(&whole(self.call(Method::GET, path, Body::empty()).await?).await?)
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(broken)?;
        understood(&whole(self.call(Method::POST, path, Body::from(body)).await?).await?)
    }

    /// Reads `path`, which answers in lines, one at a time as they come.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn lines(&mut self, path: &str) -> Result<Lines, ClientError> {
        let response = self.call(Method::GET, path, Body::empty()).await?;
        Ok(Lines { body: response.into_body(), held: Vec::new() })
    }

    async fn call(&mut self, method: Method, path: &str, body: Body) -> Result<Response<Body>, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "truecell")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(broken)?;
        let response = self.via.call(request).await?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response).await) }
    }
}

impl Via {
    async fn call(&mut self, mut request: Request<Body>) -> Result<Response<Body>, ClientError> {
        match self {
            Self::Socket(sender) => {
                sender.ready().await.map_err(broken)?;
                Ok(sender.send_request(request).await.map_err(broken)?.map(Body::new))
            }
            Self::Here(router) => {
                request.extensions_mut().insert(Caller::here());
                match router.clone().oneshot(request).await {
                    Ok(response) => Ok(response),
                    Err(never) => match never {},
                }
            }
        }
    }
}

async fn whole(response: Response<Body>) -> Result<Bytes, ClientError> {
    Ok(response.into_body().collect().await.map_err(broken)?.to_bytes())
}

fn understood<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body)
        .map_err(|error| ClientError::Broken(format!("an answer of another form: {error}")))
}

/// The problem that a refusal carries; made from its status when it carries none.
async fn refusal(response: Response<Body>) -> ClientError {
    let status = response.status();
    let body = match whole(response).await {
        Ok(body) => body,
        Err(error) => return error,
    };
    let problem = serde_json::from_slice(&body).unwrap_or_else(|_| plain(status, &body));
    ClientError::Problem(Box::new(problem))
}

fn plain(status: StatusCode, body: &[u8]) -> Problem {
    let code = if status.is_client_error() { "invalid" } else { "internal" };
    Problem::new(status, code, status.canonical_reason().unwrap_or("refused"))
        .because(String::from_utf8_lossy(body).trim())
}

fn broken(error: impl fmt::Display) -> ClientError {
    ClientError::Broken(error.to_string())
}

/// Lines of an answer that may go on without end.
#[derive(Debug)]
pub struct Lines {
    body: Body,
    held: Vec<u8>,
}

impl Lines {
    /// The next line without its LF; `None` when the answer has ended. A last line without LF is one.
    ///
    /// # Errors
    /// [`ClientError::Broken`] when the connection ends inside the answer.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        loop {
            if let Some(end) = self.held.iter().position(|octet| *octet == b'\n') {
                let rest = self.held.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.held, rest);
                line.pop();
                return Ok(Some(line));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.held.extend(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(broken(error)),
                None if self.held.is_empty() => return Ok(None),
                None => return Ok(Some(std::mem::take(&mut self.held))),
            }
        }
    }
}
