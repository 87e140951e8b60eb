//! A service on loopback that serves pages which were rendered before: what is measured is the
//! client, the kernel and this loop of writes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use report::HISTORY_PAGE;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::fleet;

/// What a server serves and how.
#[derive(Clone)]
pub struct Plan {
    /// Pages of machines.
    pub pages: usize,
    /// Rows of a page.
    pub rows: usize,
    /// Pages name their next one.
    pub links: bool,
    /// Pages of history.
    pub history_pages: usize,
    /// Rows of history list their targets.
    pub targets: bool,
    /// One machine of so many bytes is all there is.
    pub huge: Option<usize>,
    pub gzip: bool,
    pub tls: bool,
    /// Before each answer of the API.
    pub think: Duration,
    /// Bytes a second and connection.
    pub pace: Option<usize>,
    /// Bytes of one write.
    pub piece: Option<usize>,
}

impl Plan {
    /// So many pages of so many machines, in plain HTTP.
    pub fn pages(pages: usize, rows: usize) -> Self {
        Self {
            pages,
            rows,
            links: true,
            history_pages: 0,
            targets: false,
            huge: None,
            gzip: false,
            tls: false,
            think: Duration::ZERO,
            pace: None,
            piece: None,
        }
    }

    pub fn gzip(self) -> Self {
        Self { gzip: true, ..self }
    }

    pub fn tls(self) -> Self {
        Self { tls: true, ..self }
    }
}

/// A server that runs until the process ends.
pub struct Server {
    pub url: String,
    /// The root certificate in PEM.
    pub ca: Option<String>,
    /// The sizes of the first page of the first kind there is: of its body, and of its text.
    pub body_size: usize,
    pub text_size: usize,
    shared: Arc<Shared>,
}

struct Shared {
    plan: Plan,
    machines: Vec<Vec<u8>>,
    history: Vec<Vec<u8>>,
    empty: Vec<u8>,
    token: Vec<u8>,
    tls: Option<Arc<ServerConfig>>,
    calls: AtomicUsize,
}

impl Server {
    pub fn start(plan: Plan) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (tls, ca) = if plan.tls {
            certificate()?
        } else {
            (None, None)
        };
        let url = format!("{}://{address}", if plan.tls { "https" } else { "http" });
        let mut sizes = (0, 0);
        let mut page = |rows: &mut dyn FnMut(&mut String), next: Option<usize>| {
            let mut text = format!(r#"{{"@odata.context":"{url}/api/$metadata","value":["#);
            rows(&mut text);
            text.push(']');
            if let Some(skip) = next {
                text += &format!(r#","@odata.nextLink":"{url}/api/machines?$skip={skip}""#);
            }
            text.push('}');
            let answer = answer(&text, plan.gzip);
            if sizes == (0, 0) {
                sizes = (answer.1, text.len());
            }
            answer.0
        };
        let machines = (0..plan.pages)
            .map(|index| {
                let last = index + 1 == plan.pages;
                let first = index * plan.rows;
                let next = (plan.links && !last).then_some(first + plan.rows);
                let mut rows = |text: &mut String| match plan.huge {
                    Some(bytes) => fleet::huge_machine(text, bytes),
                    None => rows(text, first..first + plan.rows, fleet::machine),
                };
                page(&mut rows, next)
            })
            .collect();
        let history = (0..plan.history_pages)
            .map(|index| {
                let first = index * HISTORY_PAGE;
                let row = if plan.targets {
                    fleet::history_with_targets
                } else {
                    fleet::history
                };
                let mut write = |text: &mut String| rows(text, first..first + HISTORY_PAGE, row);
                page(&mut write, None)
            })
            .collect();
        let token = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"bench-token"}"#;
        let shared = Arc::new(Shared {
            machines,
            history,
            empty: answer(r#"{"value":[]}"#, false).0,
            token: answer(token, false).0,
            tls,
            calls: AtomicUsize::new(0),
            plan,
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                // A client that has gone away is no news.
                thread::spawn(move || shared.connection(stream));
            }
        });
        let (body_size, text_size) = sizes;
        Ok(Self {
            url,
            ca,
            body_size,
            text_size,
            shared,
        })
    }

    /// How many calls of the API there were since this was asked last.
    pub fn calls(&self) -> usize {
        self.shared.calls.swap(0, Ordering::Relaxed)
    }
}

fn rows(text: &mut String, range: std::ops::Range<usize>, write: fn(&mut String, usize)) {
    let first = range.start;
    for row in range {
        if row > first {
            text.push(',');
        }
        write(text, row);
    }
}

/// Head and body of an answer, and the body's size.
fn answer(text: &str, gzip: bool) -> (Vec<u8>, usize) {
    let mut body = text.as_bytes().to_vec();
    let mut encoding = "";
    if gzip {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(&body).expect("into memory");
        body = encoder.finish().expect("into memory");
        encoding = "Content-Encoding: gzip\r\n";
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; odata.metadata=minimal\r\n{encoding}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let size = body.len();
    ([head.into_bytes(), body].concat(), size)
}

impl Shared {
    fn connection(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        match &self.tls {
            Some(config) => {
                let connection =
                    ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                self.serve(StreamOwned::new(connection, stream))
            }
            None => self.serve(stream),
        }
    }

    fn serve(&self, stream: impl Read + Write) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let mut length = 0;
            loop {
                let mut header = String::new();
                stream.read_line(&mut header)?;
                let header = header.trim().to_ascii_lowercase();
                if header.is_empty() {
                    break;
                }
                if let Some(value) = header.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
            }
            io::copy(&mut stream.by_ref().take(length), &mut io::sink())?;
            let target = line.split(' ').nth(1).unwrap_or_default();
            let answer = if target.contains("/oauth2/") {
                &self.token
            } else {
                self.calls.fetch_add(1, Ordering::Relaxed);
                thread::sleep(self.plan.think);
                self.page(target)
            };
            self.write(stream.get_mut(), answer)?;
        }
    }

    fn page(&self, target: &str) -> &[u8] {
        let skip = target
            .split(['?', '&'])
            .find_map(|option| option.strip_prefix("$skip=")?.parse().ok())
            .unwrap_or(0);
        let (pages, rows) = if target.starts_with("/api/machines") {
            (&self.machines, self.plan.rows)
        } else {
            (&self.history, HISTORY_PAGE)
        };
        let whole = skip % rows == 0;
        pages
            .get(skip / rows)
            .filter(|_| whole)
            .unwrap_or(&self.empty)
    }

    fn write(&self, stream: &mut impl Write, answer: &[u8]) -> io::Result<()> {
        let piece = self.plan.piece.or(self.plan.pace.map(|_| 16 * 1024));
        let begun = Instant::now();
        let mut written = 0;
        for piece in answer.chunks(piece.unwrap_or(answer.len())) {
            stream.write_all(piece)?;
            written += piece.len();
            if let Some(pace) = self.plan.pace {
                let due = Duration::from_secs_f64(written as f64 / pace as f64);
                thread::sleep(due.saturating_sub(begun.elapsed()));
            }
        }
        stream.flush()
    }
}

/// A root and a leaf for 127.0.0.1 that live as long as this process.
fn certificate() -> io::Result<(Option<Arc<ServerConfig>>, Option<String>)> {
    let other = io::Error::other::<rcgen::Error>;
    let root_key = rcgen::KeyPair::generate().map_err(other)?;
    let mut root = rcgen::CertificateParams::default();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = root.self_signed(&root_key).map_err(other)?.pem();
    let issuer = rcgen::Issuer::new(root, root_key);
    let key = rcgen::KeyPair::generate().map_err(other)?;
    let leaf = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).map_err(other)?;
    let leaf = leaf.signed_by(&key, &issuer).map_err(other)?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![leaf.der().clone()], key)
        })
        .map_err(io::Error::other)?;
    Ok((Some(Arc::new(config)), Some(ca)))
}
