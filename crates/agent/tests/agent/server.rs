//! HTTP on the loopback: servers that answer, and those that do not.

use agent::{Http, Wire, WireError};
use cmp::MAX_MESSAGE;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// What a server does with a request: its head in lower case, its body, and where the answer goes.
type Serve = dyn Fn(&str, &[u8], &mut TcpStream) + Send + Sync;

/// A server until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new(serve: impl Fn(&str, &[u8], &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.load(Ordering::SeqCst) {
                    return;
                }
                one(stream.unwrap(), &serve);
            }
        });
        Self { address, ends, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/.well-known/cmp", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

fn one(mut stream: TcpStream, serve: &Serve) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() <= 2 {
            break;
        }
        head += &line.to_ascii_lowercase();
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    if reader.read_exact(&mut body).is_ok() {
        serve(&head, &body, &mut stream);
    }
}

/// An answer with this body.
pub(crate) fn answer(stream: &mut TcpStream, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/pkixcmp\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // The client may be gone.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
}

fn http(servers: Vec<String>) -> Http {
    Http::new(servers, Duration::from_secs(20))
}

fn write(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes());
}

#[test]
fn a_message_is_posted_as_rfc_9811_has_it_and_the_answer_is_its_body() {
    let server = Server::new(|head, body, stream| {
        assert!(head.starts_with("post /.well-known/cmp http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-type: application/pkixcmp\r\n"), "{head}");
        answer(stream, &[body, b" and back"].concat());
    });
    assert_eq!(http(vec![server.url()]).post(b"there").unwrap(), b"there and back");
}

#[test]
fn an_answer_in_chunks_is_read_and_one_beyond_the_bound_is_not() {
    let chunked = Server::new(|_, _, stream| {
        write(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/pkixcmp\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        write(stream, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    });
    assert_eq!(http(vec![chunked.url()]).post(b"").unwrap(), b"abcde");
    let most = Server::new(|_, _, stream| answer(stream, &vec![7; MAX_MESSAGE]));
    assert_eq!(http(vec![most.url()]).post(b"").unwrap().len(), MAX_MESSAGE);
    let more = Server::new(|_, _, stream| answer(stream, &vec![7; 10 * 1024 * 1024]));
    assert_eq!(http(vec![more.url()]).post(b""), Err(WireError::TooLong));
    let endless = Server::new(|_, _, stream| {
        write(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/pkixcmp\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        while stream.write_all(b"1\r\na\r\n").is_ok() {}
    });
    assert_eq!(http(vec![endless.url()]).post(b""), Err(WireError::TooLong));
    let heads = Server::new(|_, _, stream| {
        write(stream, "HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X-More: and more\r\n").is_ok() {}
    });
    assert!(matches!(http(vec![heads.url()]).post(b""), Err(WireError::Way(_))));
}

#[test]
fn another_status_another_content_and_a_redirect_are_failures() {
    let status = Server::new(|_, _, stream| write(stream, "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(http(vec![status.url()]).post(b""), Err(WireError::Http(503)));
    let html = Server::new(|_, _, stream| {
        write(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nno!\n");
    });
    assert_eq!(http(vec![html.url()]).post(b""), Err(WireError::OtherContent));
    let followed = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&followed);
    let elsewhere = Server::new(move |_, _, stream| {
        counts.fetch_add(1, Ordering::SeqCst);
        answer(stream, b"");
    });
    let location = elsewhere.url();
    let redirect = Server::new(move |_, _, stream| {
        write(stream, &format!("HTTP/1.1 307 Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"));
    });
    assert_eq!(http(vec![redirect.url()]).post(b""), Err(WireError::Http(307)));
    assert_eq!(followed.load(Ordering::SeqCst), 0);
}

#[test]
fn a_server_that_is_silent_or_slow_ends_with_the_time_and_the_next_one_is_asked() {
    let silent = Server::new(|_, _, stream| drop(stream.read(&mut [0])));
    let drips = Server::new(|_, _, stream| {
        write(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/pkixcmp\r\nContent-Length: 30000\r\n\r\n",
        );
        while stream.write_all(b"a").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let well = Server::new(|_, _, stream| answer(stream, b"well"));
    let http = Http::new(vec![silent.url(), drips.url(), well.url()], Duration::from_secs(1));
    assert!(matches!(http.post(b""), Err(WireError::Way(_))));
    assert!(matches!(http.post(b""), Err(WireError::Way(_))));
    assert_eq!(http.post(b"").unwrap(), b"well");
    assert_eq!(http.post(b"").unwrap(), b"well");
}

#[test]
fn nobody_at_the_address_is_a_failure_of_the_way() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = http(vec![format!("http://{address}/")]).post(b"").unwrap_err();
    assert_eq!(error.code(), "server-unreachable");
    assert!(matches!(http(vec![]).post(b""), Err(WireError::Way(_))));
}
