//! A listener on loopback with one thread for each connection, which stops when it is dropped.

use std::io::{self, BufReader, BufWriter, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::reply::{self, Delivery, Reply};
use super::request::{self, Request, Unread};

/// What is served.
pub(super) trait Handler: Send + Sync {
    fn answer(&self, request: &Request) -> Reply;

    /// The answer to something that is not a request.
    fn refuse(&self, status: u16, why: &str) -> Reply;
}

#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    open: Arc<Mutex<Open>>,
    accepting: Option<JoinHandle<()>>,
}

/// The connections that are alive, each with its number.
#[derive(Debug, Default)]
struct Open {
    stopped: bool,
    next: u64,
    connections: Vec<(u64, TcpStream)>,
}

impl Server {
    pub(super) fn start(listener: TcpListener, handler: Arc<dyn Handler>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let open = Arc::new(Mutex::new(Open::default()));
        let shared = Arc::clone(&open);
        let accepting = thread::Builder::new()
            .name("fake tenant".to_owned())
            .spawn(move || accept(&listener, &shared, &handler))?;
        Ok(Self {
            address,
            open,
            accepting: Some(accepting),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        {
            let mut open = lock(&self.open);
            open.stopped = true;
            for (_, connection) in &open.connections {
                // Ends reads and writes that its thread may be blocked in.
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
        // Only a connection wakes a thread that waits for one.
        let woken = TcpStream::connect_timeout(&self.address, Duration::from_secs(5)).is_ok();
        if let Some(accepting) = self.accepting.take().filter(|_| woken) {
            let _ = accepting.join();
        }
    }
}

/// A thread that panicked leaves nothing half-done behind here.
fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Open {
    /// Notes a connection, so that a stop can end it; not after the stop.
    fn admit(&mut self, connection: &TcpStream) -> Option<u64> {
        let copy = connection.try_clone().ok().filter(|_| !self.stopped)?;
        self.next += 1;
        self.connections.push((self.next, copy));
        Some(self.next)
    }

    fn forget(&mut self, number: u64) {
        self.connections.retain(|(other, _)| *other != number);
    }
}

fn accept(listener: &TcpListener, open: &Arc<Mutex<Open>>, handler: &Arc<dyn Handler>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for connection in listener.incoming() {
        if lock(open).stopped {
            break;
        }
        threads.retain(|thread| !thread.is_finished());
        let Ok(connection) = connection else {
            continue;
        };
        let Some(number) = lock(open).admit(&connection) else {
            continue;
        };
        let (shared, handler) = (Arc::clone(open), Arc::clone(handler));
        let thread = thread::Builder::new().name(format!("fake tenant {number}"));
        let thread = thread.spawn(move || {
            serve(&connection, handler.as_ref());
            lock(&shared).forget(number);
        });
        match thread {
            Ok(thread) => threads.push(thread),
            Err(_) => lock(open).forget(number),
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
}

/// Answers the requests of one connection until either side ends it.
fn serve(connection: &TcpStream, handler: &dyn Handler) {
    let _ = connection.set_nodelay(true);
    let mut input = BufReader::new(connection);
    let mut output = BufWriter::with_capacity(64 * 1024, connection);
    loop {
        match request::read_request(&mut input, &mut output) {
            Ok(request) => {
                let reply = handler.answer(&request);
                if reply.delivery == Delivery::Silence {
                    hold(connection);
                    break;
                }
                match reply::write_reply(&mut output, &reply, Some(&request)) {
                    Ok(true) => {}
                    Ok(false) | Err(_) => break,
                }
            }
            Err(Unread::Gone) => break,
            Err(Unread::Refused(status, why)) => {
                if reply::write_reply(&mut output, &handler.refuse(status, why), None).is_ok() {
                    drain(connection);
                }
                break;
            }
        }
    }
    // The registry holds a second handle, so that dropping this one would not end the connection.
    let _ = connection.shutdown(Shutdown::Both);
}

/// Reads what a refused peer is still sending: closing over unread bytes resets the connection,
/// and the peer would lose the answer.
fn drain(connection: &TcpStream) {
    const ENOUGH: u64 = 16 * 1024 * 1024;
    if connection.shutdown(Shutdown::Write).is_ok() {
        let _ = io::copy(&mut Read::take(connection, ENOUGH), &mut io::sink());
    }
}

/// Waits until the peer gives up, or the server stops and shuts the connection down.
fn hold(mut connection: &TcpStream) {
    let _ = io::copy(&mut connection, &mut io::sink());
}

#[cfg(test)]
pub(super) mod raw;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::Ipv4Addr;
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    #[derive(Debug)]
    struct Big;

    impl Handler for Big {
        fn answer(&self, request: &Request) -> Reply {
            let length = if request.path == "/big" {
                50_000_000
            } else {
                3
            };
            let mut reply = Reply::new(200, "text/plain", vec![b'x'; length]);
            if request.path == "/silent" {
                reply.delivery = Delivery::Silence;
            }
            reply
        }

        fn refuse(&self, status: u16, why: &str) -> Reply {
            Reply::new(status, "text/plain", why.as_bytes().to_vec())
        }
    }

    fn start() -> (Server, String) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = Server::start(listener, Arc::new(Big)).unwrap();
        let url = format!("http://{}", server.address);
        (server, url)
    }

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    const SILENT: &[u8] = b"GET /silent HTTP/1.1\r\nHost: x\r\n\r\n";

    #[test]
    fn one_connection_carries_many_requests_also_ahead_of_their_answers() {
        let (_server, url) = start();
        let mut connection = raw::connect(&url);
        assert_eq!(raw::exchange(&mut connection, GET).unwrap().body, b"xxx");
        assert_eq!(
            raw::exchange(&mut connection, &[GET, GET].concat())
                .unwrap()
                .body,
            b"xxx"
        );
        assert_eq!(raw::exchange(&mut connection, b"").unwrap().body, b"xxx");
    }

    #[test]
    fn a_refused_peer_gets_its_answer_though_it_is_still_sending() {
        let (_server, url) = start();
        let mut connection = raw::connect(&url);
        let answer = raw::exchange(&mut connection, &vec![b'a'; 4_000_000]).unwrap();
        assert_eq!(answer.status, 431);
        assert!(raw::exchange(&mut connection, GET).is_none());
    }

    #[test]
    fn a_drop_ends_idle_and_busy_connections_and_the_listener() {
        let (server, url) = start();
        let mut idle = raw::connect(&url);
        assert!(raw::exchange(&mut idle, GET).is_some());
        let half = raw::connect(&url);
        half.get_ref().write_all(b"GET / HT").unwrap();
        // Its answer is larger than any socket buffer, and nobody reads it.
        let stuck = raw::connect(&url);
        stuck
            .get_ref()
            .write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();

        let silent = raw::connect(&url);
        silent.get_ref().write_all(&[SILENT, GET].concat()).unwrap();

        let (done, dropped) = mpsc::channel();
        let dropping = thread::spawn(move || {
            drop(server);
            done.send(()).unwrap();
        });
        assert!(
            dropped.recv_timeout(Duration::from_secs(20)).is_ok(),
            "the drop hangs"
        );
        dropping.join().unwrap();
        assert!(raw::exchange(&mut idle, GET).is_none());
        assert!(TcpStream::connect(url.strip_prefix("http://").unwrap()).is_err());
    }

    #[test]
    fn many_connections_are_served_at_once_and_forgotten() {
        let (server, url) = start();
        thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| {
                    let mut connection = raw::connect(&url);
                    assert!(raw::exchange(&mut connection, GET).is_some());
                    let close = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
                    assert!(raw::exchange(&mut connection, close).is_some());
                    assert!(raw::exchange(&mut connection, b"").is_none());
                    // This one gives up without an answer.
                    let silent = raw::connect(&url);
                    silent.get_ref().write_all(SILENT).unwrap();
                });
            }
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        while !lock(&server.open).connections.is_empty() {
            assert!(
                Instant::now() < deadline,
                "closed connections are still held"
            );
            thread::yield_now();
        }
    }
}
