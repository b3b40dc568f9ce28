use crate::{Caller, Problem, door::Door};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Extension, Request},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
    time::Duration,
};
use tokio::{
    net::{UnixListener, UnixStream},
    time::timeout,
};

/// Opens the control socket at `path`, mode 0660, for `group` if one is given. Replaces what a dead
/// process left there: call it only while holding the lock of the data directory.
///
/// # Errors
/// What the system says: a folder not writable, a group that may not be given.
pub fn bind(path: &Path, group: Option<u32>) -> io::Result<UnixListener> {
    // The socket gets its mode and group in a folder that nobody else can enter, so that there is no
    // moment in which a stranger could connect.
    let nursery = path.with_extension("new");
    let _ = fs::remove_dir_all(&nursery);
    fs::DirBuilder::new().mode(0o700).create(&nursery)?;
    let bound = bind_in(&nursery.join("sock"), path, group);
    let _ = fs::remove_dir_all(&nursery);
    bound
}

fn bind_in(new: &Path, path: &Path, group: Option<u32>) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(new)?;
    if group.is_some() {
        std::os::unix::fs::chown(new, None, group)?;
    }
    fs::set_permissions(new, fs::Permissions::from_mode(0o660))?;
    fs::rename(new, path)?;
    Ok(listener)
}

/// Followers of the journal stay for as long as they like.
const DOOR: Door = Door { places: 64, head: Duration::from_secs(10), life: Duration::MAX };
/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(10);
/// Longest body, in octets; the routes take no longer one either.
const BODY_SIZE: usize = 2 << 20;

/// Answers on the control socket until `stop` completes; requests under way are finished.
pub async fn serve(listener: UnixListener, router: Router, stop: impl Future<Output = ()>) {
    let whole = middleware::from_fn(|request, next| whole(BODY, request, next));
    let router = router.layer(whole);
    DOOR.serve(listener, stop, move |stream| identified(&router, stream)).await;
}

/// The routes for a caller who is named by the connection's credentials, as the kernel recorded them at
/// connect time. Without them requests stay without a caller, and no route lets them through.
fn identified(router: &Router, stream: &UnixStream) -> Router {
    let own = rustix::process::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) => router.clone().layer(Extension(Caller::of_peer(peer.uid(), own))),
        Err(_) => router.clone(),
    }
}

/// Hands a request on once its body is there: nobody holds a place by sending one that never ends.
async fn whole(within: Duration, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match timeout(within, to_bytes(body, BODY_SIZE)).await {
        Ok(Ok(body)) => next.run(Request::from_parts(head, Body::from(body))).await,
        Ok(Err(error)) => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body", "the body cannot be taken")
            .because(error)
            .next(format!("send at most {BODY_SIZE} octets at a time"))
            .into_response(),
        Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "body", "the body did not come in time")
            .next(format!("send it within {} s", within.as_secs()))
            .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Bytes, routing::post};
    use http_body_util::channel::Channel;
    use tower::ServiceExt;

    async fn status_of(body: Body) -> StatusCode {
        let short = Duration::from_millis(20);
        let whole = middleware::from_fn(move |request, next| whole(short, request, next));
        let routes = Router::new().route("/", post(async |_: Bytes| ())).layer(whole);
        let answer = routes.oneshot(Request::post("/").body(body).unwrap());
        timeout(Duration::from_secs(20), answer).await.expect("there is an answer").unwrap().status()
    }

    #[tokio::test]
    async fn a_body_that_never_ends_or_is_too_long_is_refused() {
        assert_eq!(status_of(Body::from("{}")).await, StatusCode::OK);
        let (_open, unfinished) = Channel::<Bytes, io::Error>::new(1);
        assert_eq!(status_of(Body::new(unfinished)).await, StatusCode::REQUEST_TIMEOUT);
        let long = Body::from(vec![b' '; BODY_SIZE + 1]);
        assert_eq!(status_of(long).await, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
