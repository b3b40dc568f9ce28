use crate::accept::{Accept, Listen};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{future::ready, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// What those who connect to one listener may hold of this process. Who finds no place waits in the
/// kernel's queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    /// Connections at a time, each a file descriptor.
    pub(crate) places: usize,
    /// How long the head of a request may take; as long a connection may be idle before it.
    pub(crate) head: Duration,
    /// How long a connection may last, whatever it does.
    pub(crate) life: Duration,
}

/// Octets of the head of a request: an OCSP request of 8 KiB in Base64, and 5 KiB for the rest.
const HEAD_OCTETS: usize = 16 * 1024;
/// Fields in it.
const HEAD_FIELDS: usize = 64;

impl Door {
    /// Answers on `listener` until `stop` completes; requests under way are finished. `enter` makes the
    /// routes for one connection, with what is held for as long as it lasts, or turns it away.
    pub(crate) async fn serve<L: Listen, H: Send + 'static>(
        self,
        listener: L,
        stop: impl Future<Output = ()>,
        enter: impl Fn(&L::Io) -> Option<(Router, H)>,
    ) {
        let enter = move |io: L::Io| {
            let (router, held) = enter(&io)?;
            Some(ready(Some((io, router, held))))
        };
        self.serve_behind(listener, stop, enter).await;
    }

    /// As [`Self::serve`], where a connection has yet to become one that HTTP is spoken on: `enter` turns it away at
    /// once, or says what it becomes, in as long as it takes; that does not keep others waiting.
    pub(crate) async fn serve_behind<L, S, H, F>(
        self,
        listener: L,
        stop: impl Future<Output = ()>,
        enter: impl Fn(L::Io) -> Option<F>,
    ) where
        L: Listen,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        H: Send + 'static,
        F: Future<Output = Option<(S, Router, H)>> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(self.places));
        let connections = GracefulShutdown::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.head);
        http.max_buf_size(HEAD_OCTETS).max_headers(HEAD_FIELDS);
        let mut stop = pin!(stop);
        let mut listener = Accept::new(listener);
        loop {
            let (place, io) = tokio::select! {
                next = next(&mut listener, &places) => next,
                () = &mut stop => break,
            };
            let Some(entered) = enter(io) else { continue };
            let (http, watcher) = (http.clone(), connections.watcher());
            let served = async move {
                let Some((io, router, held)) = entered.await else { return };
                let service = TowerToHyperService::new(router);
                let _ = watcher.watch(http.serve_connection(TokioIo::new(io), service)).await;
                drop(held);
            };
            tokio::spawn(async move {
                let _ = timeout(self.life, served).await;
                drop(place);
            });
        }
        drop(listener);
        connections.shutdown().await;
    }
}

/// The next connection, once there is a place for it.
async fn next<L: Listen>(
    listener: &mut Accept<L>,
    places: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, L::Io) {
    let place = places.clone().acquire_owned().await.ok();
    (place, listener.next().await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::net::SocketAddr;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(3600);
    /// Far beyond [`SHORT`]: a connection that is still open then is not ended at all.
    const FAR: Duration = Duration::from_secs(20);

    async fn open(door: Door) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/", get(async || "here\n"))
            .route("/never", get(async || std::future::pending::<&str>().await));
        let enter = move |_: &TcpStream| Some((routes.clone(), ()));
        tokio::spawn(door.serve(listener, std::future::pending(), enter));
        address
    }

    /// What comes until the server ends the connection, after `said`.
    async fn heard_after(said: &str, address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = String::new();
        timeout(FAR, stream.read_to_string(&mut heard)).await.expect("the connection is ended").unwrap();
        heard
    }

    #[tokio::test]
    async fn whoever_says_nothing_or_never_ends_a_head_is_not_waited_for() {
        let address = open(Door { places: 8, head: SHORT, life: LONG }).await;
        for said in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: here\r\n"] {
            assert!(!heard_after(said, address).await.contains("here"), "{said:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_asks_nothing_more_is_ended_after_its_answer() {
        let address = open(Door { places: 8, head: SHORT, life: LONG }).await;
        let heard = heard_after("GET / HTTP/1.1\r\nHost: here\r\n\r\n", address).await;
        assert!(heard.starts_with("HTTP/1.1 200") && heard.ends_with("here\n"), "{heard}");
    }

    #[tokio::test]
    async fn whoever_is_turned_away_takes_no_place() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let turned_away = std::sync::atomic::AtomicUsize::new(0);
        let enter = move |_: &TcpStream| {
            let is_first = turned_away.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 3;
            (!is_first).then(|| (Router::new().route("/", get(async || "here\n")), ()))
        };
        let door = Door { places: 1, head: SHORT, life: LONG };
        tokio::spawn(door.serve(listener, std::future::pending(), enter));
        for _ in 0..3 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let heard = timeout(FAR, stream.read(&mut [0; 1])).await.expect("it is ended");
            assert_eq!(heard.unwrap_or(0), 0);
        }
        assert!(heard_after("GET / HTTP/1.1\r\nHost: here\r\n\r\n", address).await.ends_with("here\n"));
    }

    #[tokio::test]
    async fn no_connection_outlives_its_time() {
        let address = open(Door { places: 8, head: LONG, life: SHORT }).await;
        assert_eq!(heard_after("GET /never HTTP/1.1\r\nHost: here\r\n\r\n", address).await, "");
    }

    #[tokio::test]
    async fn the_place_of_a_connection_that_is_over_is_free_again() {
        let address = open(Door { places: 1, head: SHORT, life: LONG }).await;
        let _idle = TcpStream::connect(address).await.unwrap();
        let heard = heard_after("GET / HTTP/1.1\r\nHost: here\r\n\r\n", address).await;
        assert!(heard.ends_with("here\n"), "{heard}");
    }
}
