//! A transport in memory, for tests: all of ureq runs, and below it there is no socket and no time.
//!
//! A [`Service`] answers requests. Its [`Reply`] is what the connection carries and how that goes
//! on: it is kept, closed, breaks off, falls silent, or turns out to be dead when it is used again.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Agent, Timeout};

use super::{Http, Settings};
use crate::error::Error;

/// Room for what is sent at once: the head with the longest URL.
const OUTPUT: usize = 32 * 1024;
/// Room for what has arrived; it grows by so much.
const INPUT: usize = 4 * 1024;

/// A test that sends so many is one that would never end.
const MOST_REQUESTS: usize = 10_000;

/// The other end of all connections.
pub(crate) trait Service: Send + Sync {
    /// A connection is asked for.
    fn connect(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// A request is there, complete.
    fn answer(&self, request: &Received) -> Reply;
}

impl<F: Fn(&Received) -> Reply + Send + Sync> Service for F {
    fn answer(&self, request: &Received) -> Reply {
        self(request)
    }
}

/// How a connection fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Io(io::ErrorKind),
    /// The name means nothing.
    Unresolved,
    /// Nobody answered in the time that connecting may take.
    ConnectTimeout,
    /// Nothing came for so long as nothing may come.
    ReadTimeout,
    /// The whole try took too long.
    TryTimeout,
    /// TLS says this.
    Alert(&'static str),
}

impl Failure {
    pub(crate) const REFUSED: Self = Self::Io(io::ErrorKind::ConnectionRefused);
    pub(crate) const RESET: Self = Self::Io(io::ErrorKind::ConnectionReset);

    fn error(self) -> ureq::Error {
        match self {
            Self::Io(kind) => ureq::Error::Io(kind.into()),
            Self::Unresolved => ureq::Error::HostNotFound,
            Self::ConnectTimeout => ureq::Error::Timeout(Timeout::Connect),
            Self::ReadTimeout => ureq::Error::Timeout(Timeout::PerRead),
            Self::TryTimeout => ureq::Error::Timeout(Timeout::Global),
            Self::Alert(why) => ureq::Error::Io(io::Error::new(io::ErrorKind::InvalidData, why)),
        }
    }
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Which connection it came over, counted from 0, and how many came over it before.
    pub(crate) connection: usize,
    pub(crate) earlier: usize,
    /// What the exchange may take, as ureq was told, less what little has passed since.
    pub(crate) time: Duration,
}

impl Received {
    /// The value of a header, which is there once at the most.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(header, _)| header.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    /// The token behind `Bearer`.
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// The value of an option of the query, as it was sent.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        let mut options = query.split('&').filter_map(|option| option.split_once('='));
        options
            .find(|(option, _)| *option == name)
            .map(|(_, value)| value)
    }

    /// A request, if these bytes are all of one.
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap().split(' ');
        let mut word = || words.next().unwrap().to_owned();
        let (method, target) = (word(), word());
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_owned(), value.trim().to_owned())
        });
        let request = Self {
            method,
            target,
            headers: headers.collect(),
            body: bytes[end + 4..].to_vec(),
            connection: 0,
            earlier: 0,
            time: Duration::ZERO,
        };
        let length = request.header("content-length");
        let length = length.map_or(0, |length| length.parse().unwrap());
        (request.body.len() == length).then_some(request)
    }
}

/// What the service sends, and what becomes of the connection.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    framing: Framing,
    /// How many bytes at its end are never sent.
    cut: usize,
    /// How many bytes arrive at a time.
    step: usize,
    then: Then,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    /// Chunks of this many bytes.
    Chunks(usize),
    /// The end of the connection is the body's.
    Close,
    /// The body is all that is sent.
    Bare,
}

/// What becomes of the connection after the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It is kept. Whoever waits for more waits in vain.
    Open,
    /// It ends in order.
    Closed,
    /// It breaks.
    Fails(Failure),
    /// It looks as if it were open: the next request over it is never seen by the service.
    Dead(Failure),
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            framing: Framing::Length,
            cut: 0,
            step: usize::MAX,
            then: Then::Open,
        }
    }

    /// 200 with this body.
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200)
            .header("Content-Type", "application/json")
            .body(body)
    }

    /// These bytes and nothing else.
    pub(crate) fn bare(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            framing: Framing::Bare,
            ..Self::new(200).body(bytes)
        }
    }

    /// The connection breaks before the first byte.
    pub(crate) fn none(failure: Failure) -> Self {
        Self::bare("").then(Then::Fails(failure))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Compresses the body, and says so.
    pub(crate) fn gzip(mut self) -> Self {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&self.body).unwrap();
        self.body = gzip.finish().unwrap();
        self.header("Content-Encoding", "gzip")
    }

    /// Sends the body in chunks.
    pub(crate) fn chunks(mut self, size: usize) -> Self {
        self.framing = Framing::Chunks(size);
        self
    }

    /// Sends the body without a length, and closes.
    pub(crate) fn until_close(mut self) -> Self {
        self.framing = Framing::Close;
        self.then(Then::Closed)
    }

    /// Leaves out so many bytes at the end, head included, and closes.
    pub(crate) fn cut(mut self, bytes: usize) -> Self {
        self.cut = bytes;
        self.then(Then::Closed)
    }

    /// Lets so many bytes arrive at a time.
    pub(crate) fn step(mut self, bytes: usize) -> Self {
        self.step = bytes;
        self
    }

    pub(crate) fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }

    /// Turns all bits of one byte of the body, counted from its end.
    pub(crate) fn flip(mut self, from_end: usize) -> Self {
        let at = self.body.len() - from_end;
        self.body[at] = !self.body[at];
        self
    }

    /// How long the body is on the wire, but for what chunks add to it.
    pub(crate) fn body_len(&self) -> usize {
        self.body.len()
    }

    /// Whether the next request may come over the same connection.
    pub(crate) fn is_kept(&self) -> bool {
        self.then == Then::Open && self.cut == 0
    }

    /// The bytes on the wire.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !matches!(self.framing, Framing::Bare) {
            write!(bytes, "HTTP/1.1 {} Reason\r\n", self.status).unwrap();
        }
        for (name, value) in &self.headers {
            write!(bytes, "{name}: {value}\r\n").unwrap();
        }
        match self.framing {
            Framing::Length => {
                write!(bytes, "Content-Length: {}\r\n\r\n", self.body.len()).unwrap();
                bytes.extend(&self.body);
            }
            Framing::Chunks(size) => {
                bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in self.body.chunks(size) {
                    write!(bytes, "{:x}\r\n", chunk.len()).unwrap();
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
            Framing::Close => {
                bytes.extend(b"\r\n");
                bytes.extend(&self.body);
            }
            Framing::Bare => bytes.extend(&self.body),
        }
        bytes.truncate(bytes.len().saturating_sub(self.cut));
        bytes
    }
}

/// A service that does one thing after the other, and breaks where it is asked for more.
pub(crate) struct Script(Mutex<VecDeque<Step>>);

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The next connection is not made.
    NoConnection(Failure),
    Answer(Reply),
}

impl From<Reply> for Step {
    fn from(reply: Reply) -> Self {
        Self::Answer(reply)
    }
}

impl Script {
    pub(crate) fn new<S: Into<Step>>(steps: impl IntoIterator<Item = S>) -> Self {
        Self(Mutex::new(steps.into_iter().map(Into::into).collect()))
    }
}

impl Service for Script {
    fn connect(&self) -> Result<(), Failure> {
        let mut steps = self.0.lock().unwrap();
        if let Some(Step::NoConnection(failure)) = steps.front() {
            let failure = *failure;
            steps.pop_front();
            return Err(failure);
        }
        Ok(())
    }

    fn answer(&self, request: &Received) -> Reply {
        match self.0.lock().unwrap().pop_front() {
            Some(Step::Answer(reply)) => reply,
            Some(step) => panic!("{request:?} came over a kept connection before {step:?}"),
            None => panic!("the script has no answer to {request:?}"),
        }
    }
}

/// A service and what it has seen. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Memory {
    service: Arc<dyn Service>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Received>,
    asked: usize,
    made: usize,
    lost: usize,
}

impl Memory {
    pub(crate) fn new(service: impl Service + 'static) -> Self {
        Self {
            service: Arc::new(service),
            seen: Arc::default(),
        }
    }

    /// The requests that reached the service, in order.
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.seen().requests.clone()
    }

    /// How many requests reached the service.
    pub(crate) fn count(&self) -> usize {
        self.seen().requests.len()
    }

    /// How many requests went into connections that were dead.
    pub(crate) fn lost(&self) -> usize {
        self.seen().lost
    }

    /// How many connections were asked for, and how many of them were made.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let seen = self.seen();
        (seen.asked, seen.made)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Http {
    /// The same transport, but that all connections lead to this service.
    pub(crate) fn in_memory(settings: &Settings, memory: &Memory) -> Result<Self, Error> {
        let http = Self::new(settings)?;
        let config = http.agent.config().clone();
        let agent = Agent::with_parts(config, memory.clone(), Nowhere);
        Ok(Self { agent, ..http })
    }
}

/// Resolves nothing: names don't matter here.
#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

impl Connector for Memory {
    type Out = Connection;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Connection>, ureq::Error> {
        self.seen().asked += 1;
        self.service.connect().map_err(Failure::error)?;
        let mut seen = self.seen();
        let number = seen.made;
        seen.made += 1;
        drop(seen);
        Ok(Some(Connection {
            memory: self.clone(),
            number,
            secure: details.needs_tls(),
            requests: 0,
            buffers: Room::new(),
            time: None,
            sent: Vec::new(),
            to_come: Vec::new(),
            arrived: 0,
            step: usize::MAX,
            then: Then::Open,
        }))
    }
}

/// One connection. It takes requests one at a time, as HTTP/1.1 without pipelining has them.
#[derive(Debug)]
pub(crate) struct Connection {
    memory: Memory,
    number: usize,
    secure: bool,
    requests: usize,
    buffers: Room,
    time: Option<Duration>,
    /// What came of the present request.
    sent: Vec<u8>,
    /// The present answer, and how much of it has arrived.
    to_come: Vec<u8>,
    arrived: usize,
    step: usize,
    then: Then,
}

impl Connection {
    /// Lets the service answer, once its request is there.
    fn ask(&mut self) -> Result<(), ureq::Error> {
        if let Then::Dead(failure) = self.then {
            self.memory.seen().lost += 1;
            self.then = Then::Fails(failure);
            return Err(failure.error());
        }
        let Some(mut request) = Received::read(&self.sent) else {
            return Ok(());
        };
        self.sent.clear();
        request.connection = self.number;
        request.earlier = self.requests;
        request.time = self.time.take().unwrap_or_default();
        self.requests += 1;
        let mut seen = self.memory.seen();
        seen.requests.push(request.clone());
        assert!(seen.requests.len() < MOST_REQUESTS, "this has no end");
        drop(seen);
        let reply = self.memory.service.answer(&request);
        self.to_come = reply.bytes();
        self.arrived = 0;
        self.step = reply.step;
        self.then = reply.then;
        Ok(())
    }
}

/// What ureq reads from and writes to. Its own are cleared byte by byte in a debug build, which a
/// test of thousands of connections would feel.
struct Room {
    input: Vec<u8>,
    consumed: usize,
    filled: usize,
    progress: bool,
    output: Vec<u8>,
}

impl Room {
    fn new() -> Self {
        Self {
            input: vec![0; INPUT],
            consumed: 0,
            filled: 0,
            progress: false,
            output: vec![0; OUTPUT],
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").finish_non_exhaustive()
    }
}

impl Buffers for Room {
    fn output(&mut self) -> &mut [u8] {
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        &self.input[self.consumed..self.filled]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.input.copy_within(self.consumed..self.filled, 0);
        self.filled -= self.consumed;
        self.consumed = 0;
        if self.filled == self.input.len() {
            self.input.resize(self.filled + INPUT, 0);
        }
        &mut self.input[self.filled..]
    }

    fn input_appended(&mut self, amount: usize) {
        self.filled += amount;
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.consumed += amount;
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        (&mut self.input[self.filled..], &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.consumed < self.filled && self.progress
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.time.get_or_insert(*timeout.after);
        self.sent.extend(&self.buffers.output()[..amount]);
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if !self.sent.is_empty() {
            self.ask()?;
        }
        let rest = &self.to_come[self.arrived..];
        if rest.is_empty() {
            return match self.then {
                Then::Closed => Ok(false),
                Then::Fails(failure) => Err(failure.error()),
                Then::Open | Then::Dead(_) => Err(ureq::Error::Timeout(timeout.for_read().reason)),
            };
        }
        let room = self.buffers.input_append_buf();
        let amount = rest.len().min(room.len()).min(self.step);
        room[..amount].copy_from_slice(&rest[..amount]);
        self.buffers.input_appended(amount);
        self.arrived += amount;
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.arrived == self.to_come.len() && matches!(self.then, Then::Open | Then::Dead(_))
    }

    fn is_tls(&self) -> bool {
        self.secure
    }
}

#[cfg(test)]
mod tests;
