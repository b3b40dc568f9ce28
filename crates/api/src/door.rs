use axum::{Router, serve::Listener};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{
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

impl Door {
    /// Answers on `listener` until `stop` completes; requests under way are finished. `router` makes the
    /// routes for one connection.
    pub(crate) async fn serve<L: Listener>(
        self,
        mut listener: L,
        stop: impl Future<Output = ()>,
        router: impl Fn(&L::Io) -> Router,
    ) {
        let places = Arc::new(Semaphore::new(self.places));
        let connections = GracefulShutdown::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.head);
        let mut stop = pin!(stop);
        loop {
            let (place, io) = tokio::select! {
                next = next(&mut listener, &places) => next,
                () = &mut stop => break,
            };
            let service = TowerToHyperService::new(router(&io));
            let connection = connections.watch(http.serve_connection(TokioIo::new(io), service));
            tokio::spawn(async move {
                let _ = timeout(self.life, connection).await;
                drop(place);
            });
        }
        drop(listener);
        connections.shutdown().await;
    }
}

/// The next connection, once there is a place for it.
async fn next<L: Listener>(
    listener: &mut L,
    places: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, L::Io) {
    let place = places.clone().acquire_owned().await.ok();
    (place, listener.accept().await.0)
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
        tokio::spawn(door.serve(listener, std::future::pending(), move |_| routes.clone()));
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
