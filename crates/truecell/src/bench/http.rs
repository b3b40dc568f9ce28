//! HTTP as a bench needs it: POST on a connection that is kept.

use super::work::Work;
use anyhow::{Context, anyhow, bail};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

/// Has `one` done for each of `all`, `at_once` at the same time, each over a connection that is kept from one to the next.
/// How long each took.
///
/// # Errors
/// The first of `one`.
pub(super) fn side_by_side<T: Sync>(
    server: SocketAddr,
    at_once: u32,
    all: &[T],
    work: &mut Work,
    one: impl Fn(&T, &mut Http) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<Vec<Duration>> {
    let (next, took) = (AtomicUsize::new(0), Mutex::new((Vec::with_capacity(all.len()), work)));
    let one_after_another = || {
        let mut http = Http::new(server);
        while let Some(this) = all.get(next.fetch_add(1, Relaxed)) {
            let began = Instant::now();
            one(this, &mut http)?;
            let (took, work) = &mut *took.lock().unwrap_or_else(PoisonError::into_inner);
            took.push(began.elapsed());
            work.one_done();
        }
        anyhow::Ok(())
    };
    thread::scope(|threads| {
        let threads: Vec<_> = (0..at_once).map(|_| threads.spawn(one_after_another)).collect();
        threads.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow!("a client panicked"))?)
    })?;
    Ok(took.into_inner().unwrap_or_else(PoisonError::into_inner).0)
}

/// A server, and the connection to it while there is one.
pub(super) struct Http {
    server: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Http {
    fn new(server: SocketAddr) -> Self {
        Self { server, connection: None }
    }

    /// The body of the answer.
    ///
    /// # Errors
    /// What the system says, or an answer other than 200.
    pub(super) fn post(&mut self, path: &str, media_type: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(self.server)?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            }
        };
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
        );
        connection.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        let (is_kept, answer) = read(&mut connection)?;
        self.connection = is_kept.then_some(connection);
        Ok(answer)
    }
}

/// Whether the connection may be used again, and the body.
fn read(connection: &mut BufReader<TcpStream>) -> anyhow::Result<(bool, Vec<u8>)> {
    let (mut length, mut is_kept, mut status) = (None, true, String::new());
    connection.read_line(&mut status)?;
    loop {
        let mut line = String::new();
        connection.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        match line.split_once(": ") {
            Some(("content-length", value)) => length = Some(value.parse::<usize>()?),
            Some(("connection", "close")) => is_kept = false,
            Some(_) => {}
            None => break,
        }
    }
    if !status.contains(" 200 ") {
        bail!("the server says {}", status.trim_end());
    }
    let mut body = vec![0; length.context("an answer without length")?];
    connection.read_exact(&mut body)?;
    Ok((is_kept, body))
}
