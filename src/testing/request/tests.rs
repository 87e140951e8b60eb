//! Requests that are read, and those that break a rule.

use std::io::{BufReader, Cursor};

use proptest::prelude::*;

use super::*;

/// Hands out one byte at a time, as a slow peer would.
#[derive(Debug)]
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

fn read(bytes: &[u8]) -> Result<Request, Unread> {
    read_request(&mut BufReader::new(Drip(bytes)), &mut io::sink())
}

fn status(bytes: &[u8]) -> u16 {
    match read(bytes) {
        Err(Unread::Refused(status, _)) => status,
        Err(Unread::Gone) => 0,
        Ok(_) => 200,
    }
}

#[test]
fn a_request_is_read_byte_by_byte_and_leaves_the_next_one() {
    let bytes = b"POST /a%2Fb?$top=1 HTTP/1.1\r\nhost: x\r\nContent-Length: 3\r\n\r\nabcGET / ";
    let mut input = BufReader::new(Drip(bytes));
    let request = read_request(&mut input, &mut io::sink()).unwrap();
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/a%2Fb")
    );
    assert_eq!(request.query.as_deref(), Some("$top=1"));
    assert_eq!(request.body, b"abc");
    assert_eq!(request.header("HOST"), Some("x"));
    let mut rest = String::new();
    input.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "GET / ");
}

#[test]
fn what_breaks_a_rule_is_refused_with_its_status() {
    for (bytes, expected) in [
        ("", 0),
        ("GET / HTTP/1.1\r\nHost: x\r\n", 0),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc",
            0,
        ),
        ("GET / HTTP/1.1\nHost: x\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\n\r\n", 400),
        ("\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /#a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /é HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\u{1}\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n",
            413,
        ),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            411,
        ),
    ] {
        assert_eq!(status(bytes.as_bytes()), expected, "{bytes:?}");
    }
}

#[test]
fn the_head_is_read_up_to_64_kib() {
    let head = |length: usize| {
        let rest = "GET / HTTP/1.1\r\nHost: x\r\nA: \r\n\r\n".len();
        format!(
            "GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n",
            "a".repeat(length - rest)
        )
    };
    assert_eq!(status(head(64 * 1024).as_bytes()), 200);
    assert_eq!(status(head(64 * 1024 + 1).as_bytes()), 431);
    assert_eq!(status("a".repeat(70_000).as_bytes()), 431);
}

#[test]
fn a_client_that_waits_for_permission_gets_it() {
    let bytes = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na";
    let mut output = Vec::new();
    assert!(read_request(&mut Cursor::new(bytes), &mut output).is_ok());
    assert_eq!(output, b"HTTP/1.1 100 Continue\r\n\r\n");
}

#[test]
fn gzip_is_offered_unless_its_weight_is_zero() {
    for (header, expected) in [
        ("gzip", true),
        ("br, GZIP;q=0.5", true),
        ("gzip;q=0", false),
        ("gzip; q=0.000", false),
        ("identity", false),
        ("", false),
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {header}\r\n\r\n");
        assert_eq!(
            read(head.as_bytes()).unwrap().accepts_gzip(),
            expected,
            "{header}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let line = [b"GET / HTTP/1.1\r\n", bytes.as_slice(), b"\r\n\r\n"].concat();
        let _ = read(&line);
    }
}
