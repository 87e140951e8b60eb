//! TLS before any other server on loopback: takes it off and passes on what is inside, both ways. The
//! certificates come from an authority that the test makes, and that nobody else knows.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ALL_VERSIONS, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
};

/// Nothing here waits for longer, so that a broken test ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where all these servers are.
const HOST: &str = "127.0.0.1";

/// What signs certificates.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    /// What stands between a certificate and the root.
    chain: Vec<Shown>,
}

/// A certificate, in both forms.
#[derive(Clone)]
struct Shown {
    der: CertificateDer<'static>,
    pem: String,
}

impl From<&rcgen::Certificate> for Shown {
    fn from(certificate: &rcgen::Certificate) -> Self {
        Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
        }
    }
}

impl Authority {
    /// A root.
    pub(crate) fn new(name: &str) -> Self {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
            chain: Vec::new(),
        }
    }

    /// An authority that this one vouches for.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let mut chain = vec![Shown::from(&certificate)];
        chain.extend(self.chain.iter().cloned());
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
            chain,
        }
    }

    /// What a client has to be given that shall trust it.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// In order, for where these servers are.
    pub(crate) fn valid(&self) -> Identity {
        self.issue(&[HOST], |_| {})
    }

    /// In order, for others.
    pub(crate) fn valid_for(&self, names: &[&str]) -> Identity {
        self.issue(names, |_| {})
    }

    /// Out of date since 2001.
    pub(crate) fn expired(&self) -> Identity {
        self.issue(&[HOST], |params| {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        })
    }

    /// Of the far future.
    pub(crate) fn not_yet_valid(&self) -> Identity {
        self.issue(&[HOST], |params| {
            params.not_before = date_time_ymd(3000, 1, 1);
            params.not_after = date_time_ymd(3001, 1, 1);
        })
    }

    fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let mut chain = vec![Shown::from(&certificate)];
        chain.extend(self.chain.iter().cloned());
        Identity {
            chain,
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// What a server or a client shows, and the key to prove that it is its own.
pub(crate) struct Identity {
    chain: Vec<Shown>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Shows its own certificate alone, as many a badly set up server.
    pub(crate) fn without_chain(mut self) -> Self {
        self.chain.truncate(1);
        self
    }

    /// Shows a certificate that isn't its own.
    pub(crate) fn with_key_of(mut self, other: Self) -> Self {
        self.key = other.key;
        self
    }

    /// The key, which protects nothing.
    pub(crate) fn key_pem(&self) -> String {
        KeyPair::try_from(&self.key).unwrap().serialize_pem()
    }

    /// The chain, its own certificate first.
    pub(crate) fn chain_pem(&self) -> String {
        self.chain.iter().map(|shown| shown.pem.as_str()).collect()
    }

    /// All that a client has to be given that shall show it.
    pub(crate) fn pem(&self) -> String {
        self.chain_pem() + &self.key_pem()
    }

    pub(crate) fn key_der(&self) -> &[u8] {
        self.key.secret_der()
    }

    /// A server with TLS before the one at this address, `127.0.0.1:port`.
    pub(crate) fn before(self, inner: &str) -> TlsServer {
        self.plan(inner).start()
    }

    pub(crate) fn plan(self, inner: &str) -> Plan {
        Plan {
            identity: self,
            inner: inner.parse().unwrap(),
            versions: ALL_VERSIONS.to_vec(),
            end: End::InOrder,
            is_proxy: false,
            clients: None,
        }
    }
}

/// What becomes of the connection when the server behind closes it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// TLS says that this was the end.
    InOrder,
    /// The connection is closed without a word, as who cuts it would.
    Cut,
    /// Bytes that are no record of this connection.
    Garbage,
    /// TLS says that something went wrong here.
    Alert,
}

/// How a server shall be.
pub(crate) struct Plan {
    identity: Identity,
    inner: SocketAddr,
    versions: Vec<&'static SupportedProtocolVersion>,
    end: End,
    is_proxy: bool,
    /// The root of those that it lets in; everybody without one.
    clients: Option<String>,
}

impl Plan {
    /// Speaks this version alone.
    pub(crate) fn only(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    pub(crate) fn ending(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// A proxy that inspects: it is asked for a tunnel to another host, and puts itself in its place.
    pub(crate) fn behind_a_tunnel(mut self) -> Self {
        self.is_proxy = true;
        self
    }

    /// Lets nobody in who has no certificate of this authority.
    pub(crate) fn for_clients_of(mut self, authority: &Authority) -> Self {
        self.clients = Some(authority.pem.clone());
        self
    }

    pub(crate) fn start(self) -> TlsServer {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = provider.key_provider.load_private_key(self.identity.key);
        // Unchecked: the key may be another's.
        let chain = self.identity.chain.into_iter().map(|shown| shown.der);
        let shown = CertifiedKey::new(chain.collect(), key.unwrap());
        let clients = self.clients.map_or_else(
            || Arc::new(NoClientAuth) as _,
            |root| {
                let mut roots = RootCertStore::empty();
                let root = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
                roots.add(root).unwrap();
                WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
                    .build()
                    .unwrap()
            },
        );
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        let listener = TcpListener::bind((HOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            config: Arc::new(config),
            inner: self.inner,
            end: self.end,
            is_proxy: self.is_proxy,
            connections: AtomicUsize::new(0),
            handshakes: AtomicUsize::new(0),
            tunnels: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.stop.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { break };
                of_thread.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&of_thread);
                // The client may go away at any time; the test looks at what it makes of it.
                thread::spawn(move || drop(converse(stream, &shared)));
            }
        });
        TlsServer { address, shared }
    }
}

/// A running server; it ends when dropped.
pub(crate) struct TlsServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    config: Arc<ServerConfig>,
    inner: SocketAddr,
    end: End,
    is_proxy: bool,
    connections: AtomicUsize,
    handshakes: AtomicUsize,
    tunnels: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl TlsServer {
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// `127.0.0.1:port`
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// What it was told by those who asked for a tunnel, in order.
    pub(crate) fn tunnels(&self) -> Vec<String> {
        let tunnels = self.shared.tunnels.lock();
        tunnels.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connections whose client accepted the certificate.
    pub(crate) fn handshakes(&self) -> usize {
        self.shared.handshakes.load(Ordering::SeqCst)
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    if shared.is_proxy {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let tunnels = shared.tunnels.lock();
        tunnels.unwrap_or_else(PoisonError::into_inner).push(head);
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    }
    let mut tls = ServerConnection::new(Arc::clone(&shared.config)).map_err(io::Error::other)?;
    tls.set_buffer_limit(None);
    while tls.is_handshaking() {
        if let Err(error) = tls.complete_io(&mut stream) {
            // What TLS said last must arrive, so that what the client sent meanwhile is read: closing
            // before would be a reset.
            stream.shutdown(Shutdown::Write)?;
            io::copy(&mut stream, &mut io::sink())?;
            return Err(error);
        }
    }
    shared.handshakes.fetch_add(1, Ordering::SeqCst);
    let mut inner = TcpStream::connect(shared.inner)?;
    inner.set_nodelay(true)?;
    let tls = Arc::new(Mutex::new(tls));
    let answers = thread::spawn({
        let (tls, stream, inner) = (Arc::clone(&tls), stream.try_clone()?, inner.try_clone()?);
        let end = shared.end;
        move || drop(pass_answers(inner, stream, &tls, end))
    });
    let outcome = pass_requests(&mut stream, &mut inner, &tls);
    // The client is gone: nobody waits for the rest of an answer.
    inner.shutdown(Shutdown::Both)?;
    answers.join().expect("the answers were passed on");
    outcome
}

/// Takes TLS off what the client sends, until it goes away.
fn pass_requests(
    stream: &mut TcpStream,
    inner: &mut TcpStream,
    tls: &Mutex<ServerConnection>,
) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let mut read = 0;
    loop {
        let mut bytes = &buffer[..read];
        // The handshake may have brought the beginning of the first request with it.
        loop {
            let mut plain = Vec::new();
            let mut tls = tls.lock().unwrap_or_else(PoisonError::into_inner);
            if !bytes.is_empty() {
                tls.read_tls(&mut bytes)?;
                tls.process_new_packets().map_err(io::Error::other)?;
            }
            let outcome = tls.reader().read_to_end(&mut plain);
            inner.write_all(&plain)?;
            match outcome {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The client said that this was all.
                outcome => return outcome.map(drop),
            }
            if bytes.is_empty() {
                break;
            }
        }
        read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
    }
}

/// Puts TLS on what the server behind sends, until it closes the connection.
fn pass_answers(
    mut inner: TcpStream,
    mut stream: TcpStream,
    tls: &Mutex<ServerConnection>,
    end: End,
) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = inner.read(&mut buffer)?;
        let mut tls = tls.lock().unwrap_or_else(PoisonError::into_inner);
        if read == 0 {
            match end {
                End::InOrder => tls.send_close_notify(),
                End::Cut => {}
                End::Garbage => {
                    let record = [&[23, 3, 3, 0, 32][..], &[0x55; 32]].concat();
                    stream.write_all(&record)?;
                }
                // It is what TLS says to what is no record at all.
                End::Alert => {
                    tls.read_tls(&mut &b"GET / HTTP/1.1"[..])?;
                    tls.process_new_packets().expect_err("no record");
                }
            }
        }
        tls.writer().write_all(&buffer[..read])?;
        while tls.wants_write() {
            tls.write_tls(&mut stream)?;
        }
        if read == 0 {
            return stream.shutdown(Shutdown::Write);
        }
    }
}
