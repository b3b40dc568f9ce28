//! HTTP as a bench needs it: POST on a connection that is kept.

use anyhow::{Context, bail};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

/// A server, and the connection to it while there is one.
pub(super) struct Http {
    server: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Http {
    pub(super) fn new(server: SocketAddr) -> Self {
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
