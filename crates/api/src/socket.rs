use crate::{
    Caller, Problem, Role,
    door::Door,
    shares::{NoPlace, Share, Shares},
};
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
    sync::Arc,
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
/// Of these, for one user at most: a few people, and programs that follow the journal.
const OF_ONE_USER: usize = 24;
/// And for all users together; what is left is for root and the gateway's own user.
const OF_ALL_USERS: usize = 48;
/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(10);
/// Longest body, in octets; the routes take no longer one either.
const BODY_SIZE: usize = 2 << 20;

/// Answers on the control socket until `stop` completes; requests under way are finished.
pub async fn serve(listener: UnixListener, router: Router, stop: impl Future<Output = ()>) {
    let whole = middleware::from_fn(|request, next| whole(BODY, request, next));
    let router = router.layer(whole);
    let shares = Arc::new(Shares::new(OF_ONE_USER, OF_ALL_USERS));
    let own = rustix::process::geteuid().as_raw();
    let enter = move |stream: &UnixStream| identified(&router, stream.peer_cred().ok()?.uid(), own, &shares);
    DOOR.serve(listener, stop, enter).await;
}

/// The routes for a caller who is named by the connection's credentials, as the kernel recorded them at
/// connect time, and the place that it takes. Whoever has none, or no place left, is turned away.
fn identified(
    router: &Router,
    uid: u32,
    own: u32,
    shares: &Arc<Shares<u32>>,
) -> Option<(Router, Option<Share<u32>>)> {
    let caller = Caller::of_peer(uid, own);
    let share = if caller.role == Role::Admin { None } else { Some(place(shares, uid)?) };
    Some((router.clone().layer(Extension(caller)), share))
}

fn place(shares: &Arc<Shares<u32>>, uid: u32) -> Option<Share<u32>> {
    let taken = shares.take(uid);
    match &taken {
        Err(NoPlace::All) => tracing::debug!(uid, "all places of users are taken: turned away"),
        Err(NoPlace::OfOne { places, is_first: true }) => {
            tracing::warn!(uid, connections = places, "no more connections of this user are taken");
        }
        Ok(_) | Err(NoPlace::OfOne { is_first: false, .. }) => {}
    }
    taken.ok()
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

    #[test]
    fn operators_never_take_the_places_of_administrators() {
        let (shares, routes) = (Arc::new(Shares::new(OF_ONE_USER, OF_ALL_USERS)), Router::new());
        let enter = |uid| identified(&routes, uid, 990, &shares);
        let held: Vec<_> =
            (1000..1100).flat_map(|uid| (0..DOOR.places).filter_map(move |_| enter(uid))).collect();
        assert!(held.len() < DOOR.places, "{}", held.len());
        let admins: Vec<_> = [0, 990].into_iter().cycle().take(DOOR.places).filter_map(enter).collect();
        assert_eq!(admins.len(), DOOR.places);
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
