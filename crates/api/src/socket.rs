use crate::Caller;
use axum::{
    Router,
    extract::{ConnectInfo, Request, connect_info::Connected},
    middleware::{self, Next},
    response::Response,
    serve::IncomingStream,
};
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};
use tokio::net::UnixListener;

/// Who is at the other end of a connection, as the kernel recorded it at connect time.
#[derive(Clone, Copy, Debug)]
struct Peer {
    uid: Option<u32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self { uid: stream.io().peer_cred().ok().map(|peer| peer.uid()) }
    }
}

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

/// Answers on the control socket until `stop` completes; requests under way are finished.
///
/// # Errors
/// What the system says about the listener.
pub async fn serve<F>(listener: UnixListener, router: Router, stop: F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let service = router.layer(middleware::from_fn(identify));
    axum::serve(listener, service.into_make_service_with_connect_info::<Peer>())
        .with_graceful_shutdown(stop)
        .await
}

/// Names the caller by the connection's credentials. Without them the request stays without a
/// caller, and no route lets it through.
async fn identify(ConnectInfo(peer): ConnectInfo<Peer>, mut request: Request, next: Next) -> Response {
    if let Some(uid) = peer.uid {
        let own = rustix::process::geteuid().as_raw();
        request.extensions_mut().insert(Caller::of_peer(uid, own));
    }
    next.run(request).await
}
