//! A server on loopback that sends any bytes it is told to, breaks off as no server should, and
//! remembers what it was sent, byte by byte. mockito is for answers that are proper HTTP.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use defender_endpoint::Cloud;
use flate2::write::GzEncoder;
use flate2::{Compress, Compression, FlushCompress};
use socket2::{Domain, SockRef, Socket, Type};

/// Nothing here waits for longer, so that a broken test ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request as it came off the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Request line and headers, with their line ends.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, counted from 0.
    pub(crate) connection: usize,
}

impl Request {
    /// `GET /path?query HTTP/1.1`
    pub(crate) fn request_line(&self) -> &str {
        self.head.split("\r\n").next().unwrap()
    }

    /// The request line without the protocol: `GET /path?query`
    pub(crate) fn line(&self) -> &str {
        self.request_line().strip_suffix(" HTTP/1.1").unwrap()
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

    /// The value of an option of the query, not decoded.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let options = self.query().split('&');
        options
            .filter_map(|option| option.split_once('='))
            .find_map(|(found, value)| (found == name).then_some(value))
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.option(name).map(|digits| digits.parse().unwrap())
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

    /// The value of a header that was sent at most once.
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

/// The bytes of an answer, how fast they come, and what becomes of the connection behind them.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    bytes: Vec<u8>,
    /// So many bytes of filler behind the others, as far as the client takes them.
    flood: usize,
    /// The sizes of the pieces that are sent by themselves, over and over; none if all is one.
    pieces: Vec<usize>,
    /// Where the pieces begin. What stands before them is sent at once.
    from: usize,
    /// The pause before each piece.
    pace: Duration,
    end: End,
}

/// What becomes of the connection behind an answer.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It waits for the next request.
    Kept,
    /// It is closed in order.
    Closed,
    /// It is reset, as by a host that knows nothing of it.
    Reset,
    /// It stays open, and silent.
    Held,
}

impl Answer {
    /// Any bytes at all; then the connection is closed.
    pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            flood: 0,
            pieces: Vec::new(),
            from: 0,
            pace: Duration::ZERO,
            end: End::Closed,
        }
    }

    /// A proper answer with its length, on a connection that is kept.
    pub(crate) fn new(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let length = body.as_ref().len().to_string();
        let headers = [headers, &[("Content-Length", &length)]].concat();
        Self::with_head(status, &headers, body).kept()
    }

    /// Whose body ends where the connection does.
    pub(crate) fn without_length(
        status: u16,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Self {
        let headers = [&[("Connection", "close")], headers].concat();
        Self::with_head(status, &headers, body)
    }

    fn with_head(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let mut bytes = format!("HTTP/1.1 {status} Reason\r\n").into_bytes();
        for (name, value) in headers {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
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
        Self::gzipped(gzip(body.as_ref()))
    }

    /// 200 and what is said to be JSON, compressed.
    pub(crate) fn gzipped(bytes: impl AsRef<[u8]>) -> Self {
        let headers = [
            ("Content-Type", "application/json"),
            ("Content-Encoding", "gzip"),
        ];
        Self::new(200, &headers, bytes)
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
        Self::with_head(200, &headers, chunks).kept()
    }

    /// A head, then so many bytes of filler.
    pub(crate) fn flood(head: impl Into<Vec<u8>>, size: usize) -> Self {
        Self {
            flood: size,
            ..Self::bytes(head)
        }
    }

    /// Nothing at all: the connection is closed before the first byte.
    pub(crate) fn nothing() -> Self {
        Self::bytes("")
    }

    /// Without its last bytes: the connection is closed too soon.
    pub(crate) fn cut(mut self, bytes: usize) -> Self {
        self.bytes.truncate(self.bytes.len().saturating_sub(bytes));
        self.closed()
    }

    /// The connection is kept for the next request.
    pub(crate) fn kept(self) -> Self {
        Self {
            end: End::Kept,
            ..self
        }
    }

    /// The connection is closed behind the bytes, announced or not.
    pub(crate) fn closed(self) -> Self {
        Self {
            end: End::Closed,
            ..self
        }
    }

    /// The connection is reset behind the bytes.
    pub(crate) fn reset(self) -> Self {
        Self {
            end: End::Reset,
            ..self
        }
    }

    /// The connection stays open behind the bytes, and silent.
    pub(crate) fn held(self) -> Self {
        Self {
            end: End::Held,
            ..self
        }
    }

    /// One byte after the other, each after this pause.
    pub(crate) fn dripping(self, pace: Duration) -> Self {
        Self {
            pace,
            ..self.in_pieces([1])
        }
    }

    /// In pieces of these sizes, over and over, each sent by itself. The pause between two is no
    /// more than what keeps most of them from travelling together.
    pub(crate) fn in_pieces(self, sizes: impl Into<Vec<usize>>) -> Self {
        Self {
            pieces: sizes.into(),
            pace: Duration::from_micros(50),
            ..self
        }
    }

    /// The head at once, and of the body one byte after the other, each after this pause.
    pub(crate) fn dripping_body(self, pace: Duration) -> Self {
        let head = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        Self {
            from: head.unwrap() + 4,
            ..self.dripping(pace)
        }
    }

    /// What is sent behind the head.
    pub(crate) fn into_body(self) -> String {
        let text = String::from_utf8(self.bytes).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        body.to_owned()
    }

    /// What is sent.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn send(&self, stream: &mut TcpStream, shared: &Shared) -> io::Result<()> {
        let (at_once, mut rest) = self.bytes.split_at(self.from);
        stream.write_all(at_once)?;
        let mut sizes = self.pieces.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |size| *size);
            let (piece, behind) = rest.split_at(size.clamp(1, rest.len()));
            if !self.pieces.is_empty() {
                thread::sleep(self.pace);
            }
            stream.write_all(piece)?;
            rest = behind;
        }
        let filler = vec![b'x'; 64 * 1024];
        for _ in 0..self.flood.div_ceil(filler.len()) {
            stream.write_all(&filler)?;
            shared.flooded.fetch_add(filler.len(), Ordering::SeqCst);
        }
        Ok(())
    }
}

/// Any bytes; the connection is kept behind them.
impl<B: Into<Vec<u8>>> From<B> for Answer {
    fn from(bytes: B) -> Self {
        Self::bytes(bytes).kept()
    }
}

pub(crate) fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut deflating = GzEncoder::new(Vec::new(), Compression::fast());
    deflating.write_all(bytes.as_ref()).unwrap();
    deflating.finish().unwrap()
}

/// So many megabytes of JSON that begins like a page and has no end, in a gzip stream of some
/// kilobytes for each.
pub(crate) fn bomb(start: &str, megabytes: usize, of: &str) -> Vec<u8> {
    let deflated = |text: &str| {
        let mut deflating = Compress::new(Compression::best(), false);
        let mut bytes = Vec::with_capacity(text.len() + 1024);
        // What is flushed in full can be repeated, so that nobody has to compress it all.
        deflating
            .compress_vec(text.as_bytes(), &mut bytes, FlushCompress::Full)
            .unwrap();
        assert_eq!(deflating.total_in(), text.len() as u64);
        bytes
    };
    let megabyte = deflated(&of.repeat((1 << 20) / of.len()));
    let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    bytes.extend(deflated(start));
    for _ in 0..megabytes {
        bytes.extend(&megabyte);
    }
    bytes
}

/// A running server; it ends when dropped, and passes on what went wrong in it.
pub(crate) struct RawServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    /// Bytes of filler that the client took.
    flooded: AtomicUsize,
    panicked: AtomicBool,
    stop: AtomicBool,
}

impl Shared {
    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Decide = dyn FnMut(&Request) -> Answer + Send;

impl RawServer {
    /// A server that asks the closure what to answer, one request at a time.
    pub(crate) fn new(answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, answer)
    }

    /// The same, where this listens.
    pub(crate) fn on(
        listener: TcpListener,
        answer: impl FnMut(&Request) -> Answer + Send + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let answer: Arc<Mutex<Decide>> = Arc::new(Mutex::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.stop.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { break };
                let number = of_thread.connections.fetch_add(1, Ordering::SeqCst);
                let (shared, answer) = (Arc::clone(&of_thread), Arc::clone(&answer));
                thread::spawn(move || {
                    let talk = AssertUnwindSafe(|| converse(stream, number, &shared, &answer));
                    // The other side may go away at any time; the test looks at what was seen.
                    if catch_unwind(talk).is_err() {
                        shared.panicked.store(true, Ordering::SeqCst);
                    }
                });
            }
        });
        Self { address, shared }
    }

    /// Sends the same to everyone.
    pub(crate) fn sending(answer: impl Into<Answer>) -> Self {
        let answer = answer.into();
        Self::new(move |_| answer.clone())
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

    /// `127.0.0.1:port`
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests().clone()
    }

    /// What was asked, method, path and query each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let requests = self.shared.requests();
        requests.iter().map(|it| it.line().to_owned()).collect()
    }

    /// What was asked so far, counted.
    pub(crate) fn calls(&self) -> usize {
        self.shared.requests().len()
    }

    /// Waits until so much was asked, while other threads ask. The test sees whether it was in vain.
    pub(crate) fn await_calls(&self, calls: usize) {
        let since = Instant::now();
        while self.calls() < calls && since.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The only request that was sent.
    pub(crate) fn only(&self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.into_iter().next().unwrap()
    }

    /// Forgets what was seen.
    pub(crate) fn forget(&self) {
        self.shared.requests().clear();
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn flooded(&self) -> usize {
        self.shared.flooded.load(Ordering::SeqCst)
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if !thread::panicking() {
            let panicked = self.shared.panicked.load(Ordering::SeqCst);
            assert!(!panicked, "the server panicked");
        }
    }
}

fn converse(
    mut stream: TcpStream,
    connection: usize,
    shared: &Shared,
    answer: &Mutex<Decide>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer, connection)? {
        shared.requests().push(request.clone());
        let answer = {
            let mut decide = answer.lock().unwrap_or_else(PoisonError::into_inner);
            decide(&request)
        };
        answer.send(&mut stream, shared)?;
        match answer.end {
            End::Kept => {}
            End::Closed => {
                stream.shutdown(Shutdown::Write)?;
                // What is closed with bytes unread is reset.
                while stream.read(&mut [0; 64])? > 0 {}
                return Ok(());
            }
            End::Reset => return SockRef::from(&stream).set_linger(Some(Duration::ZERO)),
            End::Held => {
                // Until the client has had enough.
                while stream.read(&mut [0; 64])? > 0 {}
                return Ok(());
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
) -> io::Result<Option<Request>> {
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
    Ok(Some(Request {
        head,
        body,
        connection,
    }))
}

/// A cloud whose API and login authority are both here.
pub(crate) fn cloud(url: impl Into<String>) -> Cloud {
    let url = url.into();
    Cloud::COMMERCIAL.with_api_url(&url).with_authority(url)
}

/// A port on loopback where nobody listens, and nobody else will: this process keeps it to its end.
pub(crate) fn deserted() -> SocketAddr {
    let (address, socket) = kept_port();
    std::mem::forget(socket);
    address
}

/// A port on loopback where nobody listens before the socket does.
pub(crate) fn kept_port() -> (SocketAddr, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap();
    (address.as_socket().unwrap(), socket)
}

/// A host on loopback that answers no attempt to connect, as if it were not there: the queue of
/// connections that it would accept is full. Linux says nothing then, for as long as it stays full;
/// other systems may refuse the connection.
pub(crate) struct Silent {
    listener: Socket,
    _queued: Vec<Socket>,
}

impl Silent {
    pub(crate) fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let (mut queued, mut unanswered) = (Vec::new(), 0);
        // Once may be for want of time; twice is for want of room.
        while unanswered < 2 {
            assert!(queued.len() < 64, "the queue does not fill");
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            match socket.connect_timeout(&address, Duration::from_millis(100)) {
                Ok(()) => {
                    queued.push(socket);
                    unanswered = 0;
                }
                Err(_) => unanswered += 1,
            }
        }
        Self {
            listener,
            _queued: queued,
        }
    }

    /// `127.0.0.1:port`
    pub(crate) fn host(&self) -> String {
        let address = self.listener.local_addr().unwrap();
        address.as_socket().unwrap().to_string()
    }
}

/// A host that nobody may connect to.
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

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// The backlog has every connection that was made, so that no waiting is needed.
    pub(crate) fn assert_untouched(&self) {
        let error = self.0.accept().expect_err("somebody connected");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
