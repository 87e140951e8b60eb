//! Writing an answer of HTTP/1.1, whole or not.

use std::io::{self, Write};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::request::{self, Request};

/// Bytes in one chunk of an answer.
const CHUNK: usize = 64 * 1024;

/// How much of an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    /// The head promises everything, the body ends half-way, the connection closes.
    Cut,
    /// The connection closes without an answer.
    Nothing,
    /// The connection stays open without an answer, until the other side or the server closes it.
    Silence,
}

impl Delivery {
    /// Whether the peer sees so much as a status.
    pub(super) fn has_head(self) -> bool {
        matches!(self, Self::Whole | Self::Cut)
    }
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Chunks instead of a `Content-Length`.
    pub(super) chunked: bool,
    pub(super) delivery: Delivery,
}

impl Reply {
    pub(super) fn new(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self {
            status,
            headers,
            body,
            chunked: false,
            delivery: Delivery::Whole,
        }
    }

    /// Status 204: there is nothing to be said.
    #[cfg(feature = "write")]
    pub(super) fn no_content() -> Self {
        Self {
            headers: Vec::new(),
            ..Self::new(204, "", Vec::new())
        }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Writes an answer; `request` is missing if there was none to be read. Tells whether the
/// connection can be used again.
pub(super) fn write_reply(
    output: &mut impl Write,
    reply: &Reply,
    request: Option<&Request>,
) -> io::Result<bool> {
    if !reply.delivery.has_head() {
        return Ok(false);
    }
    let Reply {
        status, ref body, ..
    } = *reply;
    let old = request.is_some_and(|request| request.old);
    let chunked = reply.chunked && !old;
    let bodiless = matches!(status, 204 | 304);
    let keep = reply.delivery == Delivery::Whole
        && !old
        && request.is_some_and(|request| !request.names("connection", "close"));

    write!(
        output,
        "HTTP/1.1 {status} {}\r\nDate: {}\r\n",
        reason(status),
        now()
    )?;
    for (name, value) in &reply.headers {
        let framing = ["connection", "content-length", "transfer-encoding"];
        if request::is_token(name)
            && !framing
                .iter()
                .any(|framing| name.eq_ignore_ascii_case(framing))
        {
            let value: String = value.chars().filter(|c| !c.is_control()).collect();
            write!(output, "{name}: {value}\r\n")?;
        }
    }
    if chunked && !bodiless {
        write!(output, "Transfer-Encoding: chunked\r\n")?;
    } else if !bodiless {
        // An empty body can only be cut if the head promises at least one byte.
        let cut = usize::from(reply.delivery == Delivery::Cut);
        write!(output, "Content-Length: {}\r\n", body.len().max(cut))?;
    }
    if !keep {
        write!(output, "Connection: close\r\n")?;
    }
    write!(output, "\r\n")?;

    if !bodiless && request.is_none_or(|request| request.method != "HEAD") {
        write_body(output, reply, chunked)?;
    }
    output.flush()?;
    Ok(keep)
}

/// Half of it where the answer is to be cut.
fn write_body(output: &mut impl Write, reply: &Reply, chunked: bool) -> io::Result<()> {
    let body = &reply.body;
    let half = body.get(..body.len() / 2).unwrap_or_default();
    match (reply.delivery, chunked) {
        (Delivery::Whole, false) => output.write_all(body),
        (Delivery::Whole, true) => {
            for chunk in body.chunks(CHUNK) {
                write!(output, "{:x}\r\n", chunk.len())?;
                output.write_all(chunk)?;
                output.write_all(b"\r\n")?;
            }
            output.write_all(b"0\r\n\r\n")
        }
        (_, false) => output.write_all(half),
        (_, true) => {
            write!(output, "{:x}\r\n", body.len().max(1))?;
            output.write_all(half)
        }
    }
}

/// The time as HTTP writes it.
fn now() -> String {
    let now = OffsetDateTime::now_utc()
        .format(&Rfc2822)
        .unwrap_or_default();
    now.replace("+0000", "GMT")
}

/// The usual words for a status.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply, request: &[u8]) -> (String, bool) {
        let mut output = Vec::new();
        let keep = write_reply(
            &mut output,
            reply,
            Some(&request::read_request(&mut &*request, &mut io::sink()).unwrap()),
        )
        .unwrap();
        (String::from_utf8(output).unwrap(), keep)
    }

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    #[test]
    fn a_body_is_framed_by_its_length_or_by_chunks() {
        let mut reply = Reply::new(200, "text/plain", b"abcd".to_vec());
        let (text, keep) = written(&reply, GET);
        assert!(
            keep && text.starts_with("HTTP/1.1 200 OK\r\nDate: "),
            "{text}"
        );
        assert!(text.contains(" GMT\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nabcd"));
        reply.chunked = true;
        let (text, keep) = written(&reply, GET);
        assert!(
            keep && text.ends_with("chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"),
            "{text}"
        );
        let (text, keep) = written(&reply, b"GET / HTTP/1.0\r\n\r\n");
        assert!(!keep && text.ends_with("\r\n\r\nabcd"), "{text}");
        let (text, _) = written(&reply, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(text.ends_with("chunked\r\n\r\n"), "{text}");
        let close = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n";
        assert!(!written(&reply, close).1);
    }

    #[test]
    fn a_cut_body_always_ends_before_its_promise() {
        for (body, chunked, end) in [
            (
                "abcd",
                false,
                "Content-Length: 4\r\nConnection: close\r\n\r\nab",
            ),
            ("", false, "Content-Length: 1\r\nConnection: close\r\n\r\n"),
            ("abcd", true, "\r\n\r\n4\r\nab"),
            ("", true, "\r\n\r\n1\r\n"),
        ] {
            let mut reply = Reply::new(200, "text/plain", body.as_bytes().to_vec());
            (reply.chunked, reply.delivery) = (chunked, Delivery::Cut);
            let (text, keep) = written(&reply, GET);
            assert!(!keep && text.ends_with(end), "{text}");
        }
    }

    #[test]
    fn a_header_cannot_break_out_of_its_line_or_change_the_framing() {
        let reply = Reply::new(200, "text/plain", Vec::new())
            .header("X-A", "1\r\nX-B: 2")
            .header("X C", "3")
            .header("content-length", "9");
        let (text, _) = written(&reply, GET);
        assert!(
            text.contains("X-A: 1X-B: 2\r\nContent-Length: 0\r\n\r\n"),
            "{text}"
        );
    }
}
