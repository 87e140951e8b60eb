//! A server on loopback that answers exactly as it is told, also as no server should, and
//! remembers what it was asked. mockito is for answers that are proper HTTP.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

/// No read of the server waits longer: a test that hangs ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Method, path and query as they were sent: `GET /api/machines?$top=1`.
    pub(crate) line: String,
    /// By name in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    /// The value of an option of the query, not decoded.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let (_, query) = self.line.split_once('?')?;
        let options = query.split('&').filter_map(|option| option.split_once('='));
        options
            .into_iter()
            .find_map(|(found, value)| (found == name).then_some(value))
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.option(name).map(|digits| digits.parse().unwrap())
    }
}

/// The bytes of an answer, and what becomes of the connection behind them.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    bytes: Vec<u8>,
    hold: bool,
}

impl Answer {
    /// Any bytes at all; then the connection is closed.
    pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            hold: false,
        }
    }

    /// A proper answer with its length.
    pub(crate) fn new(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let length = body.as_ref().len().to_string();
        let headers = [headers, &[("Content-Length", &length)]].concat();
        Self::without_length(status, &headers, body)
    }

    /// Whose body ends where the connection does.
    pub(crate) fn without_length(
        status: u16,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Self {
        let mut bytes = format!("HTTP/1.1 {status} Whatever\r\nConnection: close\r\n").into_bytes();
        for (name, value) in headers {
            bytes.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body.as_ref());
        Self::bytes(bytes)
    }

    /// 200 and JSON.
    pub(crate) fn json(body: impl AsRef<[u8]>) -> Self {
        Self::new(200, &[("Content-Type", "application/json")], body)
    }

    /// 200 and JSON, compressed.
    pub(crate) fn gzip(body: impl AsRef<[u8]>) -> Self {
        let headers = [
            ("Content-Type", "application/json"),
            ("Content-Encoding", "gzip"),
        ];
        Self::new(200, &headers, gzip(body.as_ref()))
    }

    /// 200 and JSON, in chunks of so many bytes.
    pub(crate) fn chunked(body: impl AsRef<[u8]>, size: usize) -> Self {
        let mut chunks = Vec::new();
        for chunk in body.as_ref().chunks(size) {
            chunks.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            chunks.extend(chunk);
            chunks.extend(b"\r\n");
        }
        chunks.extend(b"0\r\n\r\n");
        let headers = [
            ("Content-Type", "application/json"),
            ("Transfer-Encoding", "chunked"),
        ];
        Self::without_length(200, &headers, chunks)
    }

    /// Without its last bytes: the connection breaks.
    pub(crate) fn cut(mut self, bytes: usize) -> Self {
        self.bytes.truncate(self.bytes.len().saturating_sub(bytes));
        self
    }

    /// The connection stays open behind the bytes, and silent.
    pub(crate) fn held(mut self) -> Self {
        self.hold = true;
        self
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut deflating = GzEncoder::new(Vec::new(), Compression::fast());
    deflating.write_all(bytes).unwrap();
    deflating.finish().unwrap()
}

/// The server. It ends when it is dropped.
pub(crate) struct RawServer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl RawServer {
    /// A server that asks the closure what to answer.
    pub(crate) fn new(answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::default();
        let ended = Arc::default();
        let thread = std::thread::spawn({
            let (seen, ended) = (Arc::clone(&seen), Arc::clone(&ended));
            move || serve(&listener, &seen, &ended, answer)
        });
        Self {
            address,
            seen,
            ended,
            thread: Some(thread),
        }
    }

    /// A server that gives these answers one after the other, and the last of them for ever.
    pub(crate) fn script<I>(answers: I) -> Self
    where
        I: IntoIterator<Item = Answer>,
    {
        let answers: Vec<Answer> = answers.into_iter().collect();
        let mut left = answers.into_iter().peekable();
        Self::new(move |_| {
            let answer = left.peek().cloned().unwrap();
            if left.len() > 1 {
                left.next();
            }
            answer
        })
    }

    /// A script of pages of JSON.
    pub(crate) fn pages<B: AsRef<[u8]>>(bodies: impl IntoIterator<Item = B>) -> Self {
        Self::script(bodies.into_iter().map(Answer::json))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// What was asked, method, path and query each.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests()
            .into_iter()
            .map(|request| request.line)
            .collect()
    }

    /// What was asked so far, counted.
    pub(crate) fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        let outcome = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            outcome.unwrap().expect("the server panicked");
        }
    }
}

fn serve(
    listener: &TcpListener,
    seen: &Mutex<Vec<Request>>,
    ended: &AtomicBool,
    mut answer: impl FnMut(&Request) -> Answer,
) {
    let mut held = Vec::new();
    for stream in listener.incoming() {
        if ended.load(Ordering::SeqCst) {
            return;
        }
        let mut stream = stream.unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let Some(request) = read_request(&mut stream) else {
            continue;
        };
        seen.lock().unwrap().push(request.clone());
        let answer = answer(&request);
        // The client may have had enough already.
        let _ = stream.write_all(&answer.bytes);
        if answer.hold {
            held.push(stream);
        } else {
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read(&mut [0]);
        }
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => bytes.extend(&buffer[..read]),
            _ => return None,
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let (line, fields) = text.split_once("\r\n").unwrap();
    let headers: BTreeMap<String, String> = fields
        .lines()
        .filter_map(|field| field.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |digits| digits.parse().unwrap());
    let mut body = bytes[head + 4..].to_vec();
    while body.len() < length {
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => body.extend(&buffer[..read]),
            _ => return None,
        }
    }
    Some(Request {
        line: line.strip_suffix(" HTTP/1.1").unwrap().to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}

/// A host that nobody may connect to.
pub(crate) struct Forbidden(TcpListener);

impl Forbidden {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// A connection would wait here even if nobody had accepted it.
    pub(crate) fn assert_untouched(&self) {
        let connection = self.0.accept();
        assert!(connection.is_err(), "somebody came: {connection:?}");
    }
}

#[test]
fn a_connection_to_the_forbidden_host_is_noticed() {
    let forbidden = Forbidden::new();
    forbidden.assert_untouched();
    drop(TcpStream::connect(("127.0.0.1", forbidden.port())).unwrap());
    assert!(std::panic::catch_unwind(|| forbidden.assert_untouched()).is_err());
}
