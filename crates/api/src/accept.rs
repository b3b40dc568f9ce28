//! Connections taken in from a listener, also while the system has no room for one more.

use std::{
    io,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    time::sleep,
};

/// A socket that connections come in by.
pub(crate) trait Listen: Send {
    /// One of them.
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next one.
    ///
    /// # Errors
    /// What the system says: of that connection, or that it has no descriptor or memory for one.
    fn next(&self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

impl Listen for TcpListener {
    type Io = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        Ok(self.accept().await?.0)
    }
}

impl Listen for UnixListener {
    type Io = UnixStream;

    async fn next(&self) -> io::Result<UnixStream> {
        Ok(self.accept().await?.0)
    }
}

/// How long it is left alone when the system has no room: whoever connects waits in the kernel's queue.
const PAUSE: Duration = Duration::from_millis(500);

/// For so long it must not have failed before it is worth a word again.
const QUIET: Duration = Duration::from_secs(60);

/// Takes connections from one listener.
pub(crate) struct Accept<L> {
    listener: L,
    pause: Duration,
    /// When it failed last.
    failed: Option<Instant>,
}

impl<L: Listen> Accept<L> {
    pub(crate) fn new(listener: L) -> Self {
        Self { listener, pause: PAUSE, failed: None }
    }

    /// The next connection, however long it takes. What is wrong is said once, until it was right for a while.
    pub(crate) async fn next(&mut self) -> L::Io {
        loop {
            match self.listener.next().await {
                Ok(io) => return io,
                Err(error) if is_of_connection(error.kind()) => {}
                Err(error) => self.wait(&error).await,
            }
        }
    }

    async fn wait(&mut self, error: &io::Error) {
        let before = self.failed.replace(Instant::now());
        if before.is_none_or(|failed| failed.elapsed() > QUIET) {
            let next = "see who holds connections to this process, and its limit of open files (LimitNOFILE)";
            tracing::error!(%error, next, "no connection is taken in; units attach and tunnels go on");
        }
        sleep(self.pause).await;
    }
}

/// It concerns one connection, which is over: the next may be there already.
fn is_of_connection(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::io::DuplexStream;

    /// Answers with these, the last first.
    struct Scripted(Mutex<Vec<io::Result<DuplexStream>>>);

    impl Listen for Scripted {
        type Io = DuplexStream;

        async fn next(&self) -> io::Result<DuplexStream> {
            self.0.lock().unwrap().pop().unwrap()
        }
    }

    #[tokio::test]
    async fn without_a_descriptor_it_pauses_until_there_is_one() {
        let full = || Err(io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error()));
        let aborted = Err(io::ErrorKind::ConnectionAborted.into());
        let one = || Ok(tokio::io::duplex(1).0);
        let script = Scripted(Mutex::new(vec![one(), full(), full(), one(), aborted]));
        let mut accept = Accept { pause: Duration::from_millis(30), ..Accept::new(script) };
        let mut never = Accept { pause: Duration::MAX, ..Accept::new(Scripted(Mutex::new(vec![full()]))) };
        accept.next().await;
        assert!(accept.failed.is_none(), "another's connection was aborted");
        let began = Instant::now();
        accept.next().await;
        assert!(began.elapsed() >= 2 * accept.pause, "{:?}", began.elapsed());
        let waits = tokio::time::timeout(Duration::from_millis(1), never.next()).await;
        assert!(waits.is_err() && never.failed.is_some());
    }
}
