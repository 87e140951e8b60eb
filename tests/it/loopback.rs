//! A server on loopback that sends any bytes it is told to and remembers what it was sent, byte by
//! byte: for what a well-behaved HTTP server can't do, and for request lines as they came.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use defender_endpoint::Cloud;

/// Nothing here waits for longer, so that a broken test ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request as it came off the wire.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Request line and headers, with their line ends.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, counted from 0.
    pub(crate) connection: usize,
}

impl Seen {
    /// `GET /path?query HTTP/1.1`
    pub(crate) fn line(&self) -> &str {
        self.head.split("\r\n").next().unwrap()
    }

    pub(crate) fn method(&self) -> &str {
        self.line().split(' ').next().unwrap()
    }

    /// Path and query as they were sent.
    pub(crate) fn target(&self) -> &str {
        self.line().split(' ').nth(1).unwrap()
    }

    /// What stands behind the question mark.
    pub(crate) fn query(&self) -> &str {
        self.target().split_once('?').map_or("", |(_, query)| query)
    }

    /// All headers in lower case and order of name, as `name: value`.
    pub(crate) fn headers(&self) -> Vec<String> {
        let lines = self
            .head
            .split("\r\n")
            .skip(1)
            .filter(|line| !line.is_empty());
        let mut headers: Vec<String> = lines
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                format!("{}: {}", name.to_ascii_lowercase(), value.trim())
            })
            .collect();
        headers.sort();
        headers
    }

    /// The value of a header that was sent exactly once.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let start = format!("{name}: ");
        let found: Vec<String> = self
            .headers()
            .iter()
            .filter_map(|h| h.strip_prefix(&start).map(str::to_owned))
            .collect();
        assert!(found.len() < 2, "{name} was sent twice: {found:?}");
        found.into_iter().next()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// What the server does with a request.
pub(crate) enum Act {
    /// Sends this and waits for the next request.
    Send(Vec<u8>),
    /// Sends this and closes the connection in order.
    SendAndClose(Vec<u8>),
    /// Sends this and says nothing more, but leaves the connection open.
    SendAndHold(Vec<u8>),
    /// Sends the head, then so many bytes of filler, as far as the client takes them.
    Flood(Vec<u8>, usize),
}

/// A running server; it ends when dropped.
pub(crate) struct Loopback {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    /// Bytes of filler that the client took.
    flooded: AtomicUsize,
    stop: AtomicBool,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loopback {
    pub(crate) fn new(act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (of_thread, act) = (Arc::clone(&shared), Arc::new(act));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.stop.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { break };
                let number = of_thread.connections.fetch_add(1, Ordering::SeqCst);
                let (shared, act) = (Arc::clone(&of_thread), Arc::clone(&act));
                // The other side may go away at any time; the test looks at what was seen.
                thread::spawn(move || drop(converse(stream, number, &shared, &*act)));
            }
        });
        Self { address, shared }
    }

    /// Sends the same to everyone.
    pub(crate) fn sending(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(move |_| Act::Send(bytes.clone()))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:port`
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen().clone()
    }

    /// The only request that was sent.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:#?}");
        seen.into_iter().next().unwrap()
    }

    /// Forgets what was seen.
    pub(crate) fn forget(&self) {
        self.shared.seen().clear();
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn flooded(&self) -> usize {
        self.shared.flooded.load(Ordering::SeqCst)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn converse(
    mut stream: TcpStream,
    connection: usize,
    shared: &Shared,
    act: &(dyn Fn(&Seen) -> Act + Send + Sync),
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer, connection)? {
        shared.seen().push(seen.clone());
        match act(&seen) {
            Act::Send(bytes) => stream.write_all(&bytes)?,
            Act::SendAndClose(bytes) => {
                stream.write_all(&bytes)?;
                return stream.shutdown(Shutdown::Both);
            }
            Act::SendAndHold(bytes) => {
                stream.write_all(&bytes)?;
                // Until the client has had enough.
                while stream.read(&mut [0; 64])? > 0 {}
                return Ok(());
            }
            Act::Flood(head, size) => {
                stream.write_all(&head)?;
                let filler = vec![b'x'; 64 * 1024];
                for _ in 0..size.div_ceil(filler.len()) {
                    stream.write_all(&filler)?;
                    shared.flooded.fetch_add(filler.len(), Ordering::SeqCst);
                }
            }
        }
    }
    Ok(())
}

/// One request; `None` when the client closed the connection between two.
fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    connection: usize,
) -> io::Result<Option<Seen>> {
    let mut chunk = [0; 16 * 1024];
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut chunk)? {
            0 => return Ok(None),
            read => buffer.extend_from_slice(&chunk[..read]),
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).expect("a head in UTF-8");
    let length = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().expect("a length"));
    while buffer.len() < end + length {
        match stream.read(&mut chunk)? {
            0 => return Ok(None),
            read => buffer.extend_from_slice(&chunk[..read]),
        }
    }
    let rest = buffer.split_off(end + length);
    let body = buffer.split_off(end);
    *buffer = rest;
    Ok(Some(Seen {
        head,
        body,
        connection,
    }))
}

/// An answer with a length and these headers.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status} Reason\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").bytes());
    }
    bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
    bytes.extend(body);
    bytes
}

/// 200 with JSON.
pub(crate) fn json(body: impl AsRef<[u8]>) -> Vec<u8> {
    answer(200, &[("Content-Type", "application/json")], body)
}

/// A cloud whose API and login authority are both here.
pub(crate) fn cloud(url: impl Into<String>) -> Cloud {
    let url = url.into();
    Cloud::COMMERCIAL.with_api_url(&url).with_authority(url)
}

/// A port on loopback where nobody listens: it was free a moment ago.
pub(crate) fn deserted() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// A listener that must not be connected to.
pub(crate) struct Forbidden(TcpListener);

impl Forbidden {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(crate) fn host(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// The backlog has every connection that was made, so that no waiting is needed.
    pub(crate) fn assert_untouched(&self) {
        let error = self.0.accept().expect_err("somebody connected");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
