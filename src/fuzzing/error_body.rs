//! Whatever a service or a gateway answers: its error is short, plain, and without the secret.

use std::fmt::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::is_plain_line;
use super::page::gzip;
use crate::body::Body;
use crate::error::{Error, ErrorKind};
use crate::inflate::{End, beginning};
use crate::secret::Secret;

/// What was sent, in the makes that it may have. The last one is too short to be looked for.
const SECRETS: [&str; 5] = [
    "eyJ0eXAiOiJKV1Qi.Planted-Token_~+/==",
    "12345678901",
    "-O~8Q'\"\\&<b>é</b>%2F?",
    "pass  phrase\u{a0}of four",
    "abc",
];

/// The first two bytes make the status, the third chooses the secret, the fourth how the answer
/// comes; the others are its body, in which four control characters stand for the secret: see
/// [`planted`].
pub fn error_body(input: &[u8]) {
    let Some((&[low, high, secret, form], body)) = input.split_first_chunk() else {
        return;
    };
    let status = u16::from_le_bytes([low, high]) % 700;
    let secret = SECRETS[usize::from(secret) % SECRETS.len()];
    let body = planted(body, secret);
    let sent = if form & 1 == 0 { body } else { gzip(&body) };
    let (body, end) = beginning(Body::from(&sent));
    let whole = end == End::Whole;
    assert!(body.len() <= 64 * 1024);
    // A header with an id, made of the body's first bytes.
    let id = String::from_utf8_lossy(&body[..body.len().min(usize::from(form >> 2))]).into_owned();
    let id = (form & 2 == 0).then_some(id.as_str());

    let key = Secret::from(secret);
    let error = Error::from_status(status, &body, &[&key])
        .with_whole_body(whole)
        .or_request_id(id, &[&key]);
    check(&error, status, secret);
    assert_eq!(error.kind(), kind_of(status));
    if (200..300).contains(&status) {
        assert_eq!((error.code(), error.message()), (None, None));
    }
    if error.is_from_service() {
        assert!(whole && !(200..300).contains(&status));
        assert!(body.trim_ascii().is_empty() || has_code(&body), "{body:?}");
    }

    let refusal = Error::from_token_status(status, &body, &key).or_request_id(id, &[&key]);
    check(&refusal, status, secret);
    assert_eq!(refusal.kind(), ErrorKind::Credential);
    assert!(!refusal.is_from_service());
}

/// `\x01` becomes the secret, `\x02` the secret as it is sent in a form, `\x03` in the escapes of
/// JSON, `\x04` with other blanks where it has some; and `\x05` a long text without a blank.
fn planted(body: &[u8], secret: &str) -> Vec<u8> {
    let form = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let mut escaped = String::new();
    for unit in secret.encode_utf16() {
        write!(escaped, "\\u{unit:04x}").unwrap();
    }
    let blanks = secret.replace([' ', '\u{a0}'], "\t");
    let mut text = Vec::with_capacity(body.len());
    for &byte in body {
        match byte {
            1 => text.extend(secret.bytes()),
            2 => text.extend(form.bytes()),
            3 => text.extend(escaped.bytes()),
            4 => text.extend(blanks.bytes()),
            5 => text.extend([b'x'; 290]),
            _ => text.push(byte),
        }
    }
    text
}

fn check(error: &Error, status: u16, secret: &str) {
    assert_eq!(error.status(), Some(status));
    let parts = [error.code(), error.message(), error.request_id()];
    for part in parts.into_iter().flatten() {
        assert!(!part.is_empty() && is_plain_line(part), "{part:?}");
        assert!(part.chars().count() <= 301, "{part:?}");
    }
    let line = error.to_string();
    assert!(is_plain_line(&line), "{line:?}");
    assert!(line.chars().count() <= 720, "{line:?}");
    let debug = format!("{error:?}");
    assert!(debug.starts_with(&line) && debug.lines().all(is_plain_line));
    if secret.len() >= 4 {
        let form = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        let texts = parts.into_iter().flatten().map(str::to_owned);
        for text in texts.chain([line, debug, format!("{error:#?}")]) {
            assert!(!text.contains(secret) && !text.contains(&form), "{text:?}");
            // Blanks are folded, and so they say no less.
            assert!(!folded(&text).contains(&folded(secret)), "{text:?}");
        }
    }
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn kind_of(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        429 => ErrorKind::Throttled,
        300..=399 => ErrorKind::Redirect,
        500..=599 => ErrorKind::Server,
        _ => ErrorKind::Status,
    }
}

/// The service's own error JSON has a code.
fn has_code(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let read = serde_json::from_slice::<Value>(body);
    read.is_ok_and(|read| matches!(&read["error"]["code"], Value::String(_) | Value::Number(_)))
}
