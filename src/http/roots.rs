//! Mozilla's roots as certificates.
//!
//! ureq knows its built-in roots or those that it is given, as certificates, but not both: to add
//! some, the built-in ones have to be given too. `webpki-roots`, where ureq has them from, keeps of
//! each root only what verifying a chain takes: name, key and constraints. rustls reads nothing else
//! of a root either and checks no signature on it, so that what is missing is filled in here. The
//! crate that has the real certificates would be one more in every program.

use rustls::pki_types::TrustAnchor;
use ureq::tls::Certificate;
use webpki_roots::TLS_SERVER_ROOTS;

const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;

/// The number of X.509 version 3.
const VERSION_3: &[u8] = &[0x02, 1, 2];
const SERIAL_NUMBER: &[u8] = &[0x02, 1, 1];
/// `ecdsa-with-SHA256`, whatever the key is.
const ALGORITHM: &[u8] = &[
    SEQUENCE, 10, 0x06, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02,
];
const NOT_BEFORE: &[u8] = b"\x17\x0D000101000000Z";
const NOT_AFTER: &[u8] = b"\x18\x0F99991231235959Z";
/// The extension's name, and that it is critical.
const NAME_CONSTRAINTS: &[u8] = &[0x06, 3, 0x55, 0x1D, 0x1E, 0x01, 1, 0xFF];

/// The roots that are built in, in a form that can be given to ureq.
pub(super) fn built_in() -> impl Iterator<Item = Certificate<'static>> {
    TLS_SERVER_ROOTS
        .iter()
        .map(|root| Certificate::from_der(&certificate(root)).to_owned())
}

/// A certificate that stands for this root.
fn certificate(root: &TrustAnchor<'_>) -> Vec<u8> {
    let name = der(SEQUENCE, &[&root.subject]);
    let key = der(SEQUENCE, &[&root.subject_public_key_info]);
    let extensions = root.name_constraints.as_ref().map(|constraints| {
        let value = der(OCTET_STRING, &[&der(SEQUENCE, &[constraints])]);
        let extension = der(SEQUENCE, &[NAME_CONSTRAINTS, &value]);
        der(EXTENSIONS, &[&der(SEQUENCE, &[&extension])])
    });
    let signed = [
        &der(VERSION, &[VERSION_3]),
        SERIAL_NUMBER,
        ALGORITHM,
        &name,
        &der(SEQUENCE, &[NOT_BEFORE, NOT_AFTER]),
        &name,
        &key,
        &extensions.unwrap_or_default(),
    ];
    let signature = der(BIT_STRING, &[&[0]]);
    der(SEQUENCE, &[&der(SEQUENCE, &signed), ALGORITHM, &signature])
}

/// One value in DER: its kind, its length, and what it holds.
fn der(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes().into_iter();
    let length: Vec<u8> = length.skip_while(|byte| *byte == 0).collect();
    let mut value = vec![kind];
    match length.as_slice() {
        [] => value.push(0),
        [short @ ..=0x7F] => value.push(*short),
        long => {
            value.push(long.iter().fold(0x80, |head, _| head + 1));
            value.extend(long);
        }
    }
    value.extend(content);
    value
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, GeneralSubtree, IsCa, Issuer, KeyPair, NameConstraints,
    };
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::crypto::ring;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;

    #[test]
    fn every_root_that_is_built_in_is_the_same_root_as_a_certificate() {
        let mut store = RootCertStore::empty();
        for certificate in built_in() {
            store.add(CertificateDer::from(certificate.der())).unwrap();
        }
        assert_eq!(store.roots, TLS_SERVER_ROOTS);
        assert!(store.len() > 100, "{}", store.len());
        let constrained = |root: &&TrustAnchor<'_>| root.name_constraints.is_some();
        assert!(
            store.roots.iter().find(constrained).is_some(),
            "the constraints are no longer tried"
        );
    }

    #[test]
    fn a_chain_is_verified_with_a_root_that_was_made_here_and_its_constraints_hold() {
        let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("example".to_owned())],
            excluded_subtrees: Vec::new(),
        });
        let mut real = RootCertStore::empty();
        real.add(params.self_signed(&key).unwrap().der().clone())
            .unwrap();
        let mut made = RootCertStore::empty();
        made.add(certificate(&real.roots[0]).into()).unwrap();
        assert_eq!(made.roots, real.roots);

        let provider = ring::default_provider().into();
        let verifier = WebPkiServerVerifier::builder_with_provider(made.into(), provider);
        let verifier = verifier.build().unwrap();
        let issuer = Issuer::new(params, key);
        for (name, verified) in [("api.example", true), ("api.elsewhere", false)] {
            let key = KeyPair::generate().unwrap();
            let server = CertificateParams::new([name.to_owned()]).unwrap();
            let server = server.signed_by(&key, &issuer).unwrap();
            let name = ServerName::try_from(name).unwrap();
            let now = UnixTime::now();
            let outcome = verifier.verify_server_cert(server.der(), &[], &name, &[], now);
            assert_eq!(outcome.is_ok(), verified, "{name:?}: {outcome:?}");
        }
    }

    #[test]
    fn a_length_takes_as_many_bytes_as_it_must() {
        for (length, head) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (255, &[4, 0x81, 255]),
            (256, &[4, 0x82, 1, 0]),
            (65_536, &[4, 0x83, 1, 0, 0]),
        ] {
            let content = vec![7; length];
            let (one, rest) = content.split_at(length / 2);
            assert_eq!(der(OCTET_STRING, &[one, rest]), [head, &content].concat());
        }
    }
}
