//! How connections are secured. Everything is tried when the client is built: ureq passes over a root
//! that it can't read in silence, and panics at the first connection if a client certificate and its
//! key don't belong together.

use std::fmt;

use ureq::tls::{Certificate, ClientCert, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use zeroize::Zeroizing;

#[cfg(feature = "rustls")]
use super::roots;
use crate::error::Error;
use crate::secret::Secret;

/// What the client was told about TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    /// PEM. Wiped, since a key may be among them by mistake.
    pub(crate) roots: Option<Zeroizing<Vec<u8>>>,
    /// The variable that names their file, if one does: whoever can mend them knows that.
    pub(crate) roots_variable: Option<&'static str>,
    /// Whether those are trusted too that are there without being given.
    pub(crate) built_in_roots: bool,
    /// PEM: the chain, and the key.
    pub(crate) client_certificate: Option<Secret>,
    pub(crate) native: bool,
    pub(crate) platform_verifier: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            roots: None,
            roots_variable: None,
            built_in_roots: true,
            client_certificate: None,
            native: false,
            platform_verifier: false,
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roots = self.roots.as_ref().map(|_| format_args!("(PEM)"));
        f.debug_struct("Tls")
            .field("roots", &roots)
            .field("roots_variable", &self.roots_variable)
            .field("built_in_roots", &self.built_in_roots)
            .field("client_certificate", &self.client_certificate)
            .field("native", &self.native)
            .field("platform_verifier", &self.platform_verifier)
            .finish()
    }
}

/// What speaks TLS.
#[derive(Clone, Copy)]
enum Library {
    #[cfg(feature = "rustls")]
    Rustls,
    #[cfg(feature = "native-tls")]
    System,
}

impl Library {
    #[cfg(all(feature = "rustls", feature = "native-tls"))]
    fn of(settings: &Tls) -> Self {
        if settings.native {
            Self::System
        } else {
            Self::Rustls
        }
    }

    #[cfg(not(feature = "native-tls"))]
    fn of(_: &Tls) -> Self {
        Self::Rustls
    }

    #[cfg(not(feature = "rustls"))]
    fn of(_: &Tls) -> Self {
        Self::System
    }

    fn provider(self) -> TlsProvider {
        match self {
            #[cfg(feature = "rustls")]
            Self::Rustls => TlsProvider::Rustls,
            #[cfg(feature = "native-tls")]
            Self::System => TlsProvider::NativeTls,
        }
    }

    /// Whoever chooses the system's TLS wants the system's certificates with it.
    fn has_roots_of_its_own(self) -> bool {
        match self {
            #[cfg(feature = "rustls")]
            Self::Rustls => false,
            #[cfg(feature = "native-tls")]
            Self::System => true,
        }
    }

    fn reads(self, certificate: &Certificate<'_>) -> bool {
        let der = certificate.der();
        match self {
            #[cfg(feature = "rustls")]
            Self::Rustls => rustls::RootCertStore::empty().add(der.into()).is_ok(),
            #[cfg(feature = "native-tls")]
            Self::System => native_tls::Certificate::from_der(der).is_ok(),
        }
    }
}

/// The settings as ureq has them.
pub(super) fn config(settings: &Tls) -> Result<TlsConfig, Error> {
    let library = Library::of(settings);
    let roots = trusted(settings, library).map_err(|error| match settings.roots_variable {
        Some(variable) => error.for_request(variable),
        None => error,
    })?;
    let mut config = TlsConfig::builder()
        .provider(library.provider())
        .root_certs(roots);
    if let Some(pem) = &settings.client_certificate {
        config = config.client_cert(Some(client_certificate(pem, library)?));
    }
    Ok(config.build())
}

fn trusted(settings: &Tls, library: Library) -> Result<RootCerts, Error> {
    let of_the_system = settings.platform_verifier || library.has_roots_of_its_own();
    let Some(pem) = &settings.roots else {
        return match settings.built_in_roots {
            false => Err(Error::config(
                "no root certificate is trusted: there are none but the built-in ones",
            )
            .with_hint("give some with `root_certificates`, or leave out `built_in_roots(false)`")),
            true if of_the_system => Ok(RootCerts::PlatformVerifier),
            true => Ok(RootCerts::WebPki),
        };
    };
    if of_the_system && settings.built_in_roots {
        let error = Error::config("root certificates can't be added to the system's");
        return Err(error.with_hint(match settings.roots_variable {
            Some(variable) => {
                format!("install them in the system's store, and unset {variable}")
            }
            None => "install them in the system's store, or trust them alone with \
                     `built_in_roots(false)`"
                .to_owned(),
        }));
    }
    let roots = own_roots(pem, library)?;
    #[cfg(feature = "rustls")]
    if settings.built_in_roots {
        let all: Vec<_> = roots.into_iter().chain(roots::built_in()).collect();
        return Ok(RootCerts::new_with_certs(&all));
    }
    Ok(RootCerts::new_with_certs(&roots))
}

fn own_roots(pem: &[u8], library: Library) -> Result<Vec<Certificate<'static>>, Error> {
    let what = "the root certificates";
    let mut roots = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(root)) => roots.push(root),
            Ok(_) => {}
            Err(_) => return Err(damaged(what)),
        }
    }
    if roots.is_empty() {
        let error = Error::config(format!("{what} hold no PEM certificate"));
        // As Windows exports one, by default.
        let is_der = pem.starts_with(&[0x30]);
        return Err(error.with_hint(if is_der {
            "DER is turned into PEM with `openssl x509 -inform der -in root.cer -out root.pem`"
        } else {
            "expected at least one section that begins with -----BEGIN CERTIFICATE-----"
        }));
    }
    check(&roots, what, library)?;
    Ok(roots)
}

/// That each can be used, which is more than that the PEM around it can be read.
fn check(certificates: &[Certificate<'_>], of: &str, library: Library) -> Result<(), Error> {
    let bad = certificates
        .iter()
        .position(|certificate| !library.reads(certificate));
    bad.map_or(Ok(()), |index| {
        let text = format!("certificate {} of {of} is no X.509 certificate", index + 1);
        Err(Error::config(text))
    })
}

fn damaged(what: &str) -> Error {
    Error::config(format!("{what} can't be read: damaged PEM"))
}

fn client_certificate(pem: &Secret, library: Library) -> Result<ClientCert, Error> {
    let what = "the client certificate";
    let text = pem.expose();
    // The first is PKCS#8, the other what OpenSSL wrote before that.
    if ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| text.contains(mark))
    {
        return Err(Error::config(format!("the key of {what} is encrypted"))
            .with_hint("`openssl pkey -in KEY -out PLAIN` writes it without its passphrase"));
    }
    let (mut chain, mut keys) = (Vec::new(), Vec::new());
    for item in parse_pem(text.as_bytes()) {
        match item {
            Ok(PemItem::Certificate(certificate)) => chain.push(certificate),
            Ok(PemItem::PrivateKey(key)) => keys.push(key),
            Ok(_) => {}
            Err(_) => return Err(damaged(what)),
        }
    }
    let expected = "expected in PEM: the certificate, those between it and its root, and its key";
    if chain.is_empty() {
        return Err(Error::config(format!("{what} holds no PEM certificate")).with_hint(expected));
    }
    check(&chain, what, library)?;
    let (Some(key), None) = (keys.pop(), keys.pop()) else {
        let text = format!("{what} comes with no private key, or with several");
        return Err(Error::config(text).with_hint(expected));
    };
    match library {
        #[cfg(feature = "rustls")]
        Library::Rustls => fits_rustls(text, &chain)?,
        #[cfg(feature = "native-tls")]
        Library::System => fits_system(text)?,
    }
    Ok(ClientCert::new_with_certs(&chain, key))
}

fn unusable_certificate() -> Error {
    Error::config("the client certificate can't be used")
}

fn unusable_key() -> Error {
    Error::config(
        "the key of the client certificate is damaged, or of a kind that is not supported",
    )
}

fn foreign_key() -> Error {
    Error::config("the key doesn't belong to the client certificate")
        .with_hint("the key's own certificate comes first, before the others of its chain")
}

/// What ureq does at the first connection, and expects to go well.
#[cfg(feature = "rustls")]
fn fits_rustls(pem: &str, chain: &[Certificate<'_>]) -> Result<(), Error> {
    use rustls::crypto::{CryptoProvider, ring};
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::sign::CertifiedKey;

    let chain = chain
        .iter()
        .map(|certificate| CertificateDer::from(certificate.der()).into_owned());
    let own;
    let (provider, kinds) = if let Some(provider) = CryptoProvider::get_default() {
        let kinds =
            "those are supported that the program's own default `CryptoProvider` of rustls takes";
        (provider.as_ref(), kinds)
    } else {
        own = ring::default_provider();
        let kinds = "RSA of 2,048, 3,072 or 4,096 bits, ECDSA of the curves P-256 and P-384 and \
                     Ed25519 are supported";
        (&own, kinds)
    };
    let unusable_key = || unusable_key().with_hint(kinds);
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| unusable_key())?;
    match CertifiedKey::from_der(chain.collect(), key, provider) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(foreign_key()),
        // Of the first in the chain: it was an X.509 certificate a moment ago.
        Err(rustls::Error::InvalidCertificate(_)) => Err(unusable_certificate().with_hint(
            "it must be of X.509 version 3, without critical extensions of kinds of its own",
        )),
        Err(_) => Err(unusable_key()),
    }
}

/// What ureq does at the first connection. Which kinds of keys it takes is each system's own.
#[cfg(feature = "native-tls")]
fn fits_system(pem: &str) -> Result<(), Error> {
    use native_tls::{Identity, TlsConnector};

    let key = blocks(pem, "PRIVATE KEY");
    if key.is_empty() {
        let text = "the system's TLS takes the key of a client certificate in PKCS#8 alone";
        return Err(Error::config(text)
            .with_hint("`openssl pkcs8 -topk8 -nocrypt -in KEY -out PKCS8` writes it as such"));
    }
    let chain = blocks(pem, "CERTIFICATE");
    let identity = Identity::from_pkcs8(chain.as_bytes(), key.as_bytes()).map_err(|_| {
        unusable_key().with_hint(
            "which kinds are supported is up to the system; or it is another certificate's key",
        )
    })?;
    let mut connector = TlsConnector::builder();
    connector.identity(identity);
    // OpenSSL alone looks this early, and also refuses here what its security level forbids.
    connector.build().map(drop).map_err(|why| {
        if why.to_string().contains("mismatch") {
            foreign_key()
        } else {
            unusable_certificate().with_hint("the system may forbid keys that are so short")
        }
    })
}

/// The blocks of this kind, each as it stands in the PEM.
#[cfg(feature = "native-tls")]
fn blocks(pem: &str, kind: &str) -> Zeroizing<String> {
    let (begin, end) = (
        format!("-----BEGIN {kind}-----"),
        format!("-----END {kind}-----"),
    );
    let mut found = Zeroizing::new(String::with_capacity(pem.len()));
    for rest in pem.split(&begin).skip(1) {
        let inside = rest.split(&end).next().unwrap_or_default();
        for part in [begin.as_str(), inside, end.as_str(), "\n"] {
            found.push_str(part);
        }
    }
    found
}

#[cfg(all(test, feature = "rustls"))]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// What is trusted with these settings, each root in DER.
    fn roots_with(settings: &Tls) -> Vec<Vec<u8>> {
        match trusted(settings, Library::Rustls).unwrap() {
            RootCerts::Specific(roots) => roots.iter().map(|root| root.der().to_vec()).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn own_roots_come_to_those_that_are_built_in_unless_these_are_off() {
        let key = KeyPair::generate().unwrap();
        let root = CertificateParams::default().self_signed(&key).unwrap();
        let own = root.der().to_vec();
        let mut settings = Tls {
            roots: Some(Zeroizing::new(root.pem().into_bytes())),
            ..Tls::default()
        };
        let built_in = roots::built_in().map(|root| root.der().to_vec());
        let both: Vec<_> = [own.clone()].into_iter().chain(built_in).collect();
        assert!(both.len() > 100, "{}", both.len());
        assert_eq!(roots_with(&settings), both);
        settings.built_in_roots = false;
        assert_eq!(roots_with(&settings), [own]);
        let default = trusted(&Tls::default(), Library::Rustls).unwrap();
        assert!(matches!(default, RootCerts::WebPki), "{default:?}");
    }
}
