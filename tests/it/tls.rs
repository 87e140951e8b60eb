//! A server that begins a TLS 1.2 handshake and shows a certificate, which is all that is needed to
//! see what a client makes of it. It has no private key and never gets any further.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

/// The root that the leaves are signed with. Made for these tests, as all that follows.
pub(crate) const ROOT: &str = "\
-----BEGIN CERTIFICATE-----
MIIBkDCCATWgAwIBAgIUU39uflobCPcBi5UIJuusXhlHJpkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJVGVzdCByb290MCAXDTI2MTEyMjAzMDUyN1oYDzIxMjYxMDI5
MDMwNTI3WjAUMRIwEAYDVQQDDAlUZXN0IHJvb3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARJ5q/Cukv2cfjxeKQsiNppwIqA64S+6I4jthAjP+Gcne0cQGwSfW7L
CWak9yN+74cUkCMDG0jLmM4xtSniGE3/o2MwYTAdBgNVHQ4EFgQUAliS4B/hn6EW
aHFgpbjlkAIzj84wHwYDVR0jBBgwFoAUAliS4B/hn6EWaHFgpbjlkAIzj84wDwYD
VR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAgQwCgYIKoZIzj0EAwIDSQAwRgIh
APB8ka555bX0WNOkG47l1KEQRAPUap96aEUkydKrd7gGAiEAlhvR7tG8xb8ZH1Hg
bDpqVyZCgyWZ8pcRHJueabNDwSA=
-----END CERTIFICATE-----
";

/// For 127.0.0.1, from 2020 to 2120.
pub(crate) const GOOD: &str = "\
-----BEGIN CERTIFICATE-----
MIIBizCCATCgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlUZXN0IHJv
b3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMA8xDTALBgNVBAMM
BGxlYWYwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQJhOMwscO3QLcUB/1kcIfb
yTKFi8RQCnUdbkml4/Mcg82wVEi/RvryiSZahZE/2k7fQPYAWZU+AS9LxrCPkTQE
o3YwdDAPBgNVHREECDAGhwR/AAABMAwGA1UdEwEB/wQCMAAwEwYDVR0lBAwwCgYI
KwYBBQUHAwEwHQYDVR0OBBYEFISaJ7gTLpA+vwrVtP3e/YgHXb63MB8GA1UdIwQY
MBaAFAJYkuAf4Z+hFmhxYKW45ZACM4/OMAoGCCqGSM49BAMCA0kAMEYCIQCmxuDM
KMg1I8U5pGkDiVlmq3D2BnK2pO1gy64g+gIavQIhAI3V5JXmM/HZmcv2hhaj6Pi/
GFovVEXR4ucfdkHE3H8E
-----END CERTIFICATE-----
";

/// For another name.
pub(crate) const OTHER: &str = "\
-----BEGIN CERTIFICATE-----
MIIBlDCCATmgAwIBAgIBAjAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlUZXN0IHJv
b3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMA8xDTALBgNVBAMM
BGxlYWYwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQJhOMwscO3QLcUB/1kcIfb
yTKFi8RQCnUdbkml4/Mcg82wVEi/RvryiSZahZE/2k7fQPYAWZU+AS9LxrCPkTQE
o38wfTAYBgNVHREEETAPgg1vdGhlci5leGFtcGxlMAwGA1UdEwEB/wQCMAAwEwYD
VR0lBAwwCgYIKwYBBQUHAwEwHQYDVR0OBBYEFISaJ7gTLpA+vwrVtP3e/YgHXb63
MB8GA1UdIwQYMBaAFAJYkuAf4Z+hFmhxYKW45ZACM4/OMAoGCCqGSM49BAMCA0kA
MEYCIQDxdv/uJqtl+tcoAflXImGv/wnih3mM/n0zG5Prxo7N9wIhAMJE6toxPrOk
XRBreLefuBw9F21mdSpJeupVj205Uk6+
-----END CERTIFICATE-----
";

/// For 127.0.0.1, until 2001.
pub(crate) const EXPIRED: &str = "\
-----BEGIN CERTIFICATE-----
MIIBiDCCAS6gAwIBAgIBAzAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlUZXN0IHJv
b3QwHhcNMDAwMTAxMDAwMDAwWhcNMDEwMTAxMDAwMDAwWjAPMQ0wCwYDVQQDDARs
ZWFmMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAECYTjMLHDt0C3FAf9ZHCH28ky
hYvEUAp1HW5JpePzHIPNsFRIv0b68okmWoWRP9pO30D2AFmVPgEvS8awj5E0BKN2
MHQwDwYDVR0RBAgwBocEfwAAATAMBgNVHRMBAf8EAjAAMBMGA1UdJQQMMAoGCCsG
AQUFBwMBMB0GA1UdDgQWBBSEmie4Ey6QPr8K1bT93v2IB12+tzAfBgNVHSMEGDAW
gBQCWJLgH+GfoRZocWCluOWQAjOPzjAKBggqhkjOPQQDAgNIADBFAiBxpUs+PAeO
0bZQM3HCvvermXW26LJPm3OC7bB7i3SLRQIhAIbDoLZG8B647NRTKaPCJp5Z+K8S
JJPS7W7ZdhuzMWML
-----END CERTIFICATE-----
";

/// The key of the leaves, which protects nothing.
pub(crate) const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg70Q+M+9fAPtPk06l
nt4JteHAo3eyCPJw+Jn7Jo0gC7OhRANCAAQJhOMwscO3QLcUB/1kcIfbyTKFi8RQ
CnUdbkml4/Mcg82wVEi/RvryiSZahZE/2k7fQPYAWZU+AS9LxrCPkTQE
-----END PRIVATE KEY-----
";

/// Shows this certificate to one client and lets it react.
pub(crate) fn showing(certificate: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let flight = flight(&der(certificate));
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut buffer = [0; 4096];
        if stream.read(&mut buffer).is_ok() && stream.write_all(&flight).is_ok() {
            while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
        }
    });
    address
}

/// All that the server says first: hello, certificate, key exchange, done.
fn flight(certificate: &[u8]) -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    hello.extend([0xC0, 0x2B, 0]); // ECDHE, ECDSA, AES-128-GCM; no compression
    let chain = with_length(&with_length(certificate));
    let mut exchange = vec![3, 0, 0x1D, 32]; // X25519
    exchange.extend([9; 32]);
    let signature = [0x30, 6, 2, 1, 1, 2, 1, 1];
    exchange.extend([4, 3, 0, 8]); // ECDSA with SHA-256
    exchange.extend(signature);
    let mut messages = Vec::new();
    for (kind, body) in [(2, hello), (11, chain), (12, exchange), (14, Vec::new())] {
        messages.push(kind);
        messages.extend(with_length(&body));
    }
    let mut record = vec![22, 3, 3];
    record.extend(u16::try_from(messages.len()).unwrap().to_be_bytes());
    record.extend(messages);
    record
}

/// Behind its length in three bytes.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length[1..], bytes].concat()
}

/// What a PEM text holds.
fn der(pem: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let base64 = pem
        .lines()
        .filter(|line| !line.starts_with('-'))
        .flat_map(str::bytes);
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for digit in base64.filter(|digit| *digit != b'=') {
        let value = DIGITS.iter().position(|known| *known == digit).unwrap();
        bits = bits << 6 | u32::try_from(value).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xFF).try_into().unwrap());
        }
    }
    bytes
}
