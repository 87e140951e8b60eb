//! Reading a request of HTTP/1.1, strictly and within limits.

use std::io::{self, BufRead, Read, Write};

use super::schema::Row;

/// Limit of a request line and its headers together.
const MAX_HEAD: u64 = 64 * 1024;
/// Limit of a request's body.
const MAX_BODY: u64 = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// As it was sent, still percent-encoded.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) body: Vec<u8>,
    headers: Vec<(String, String)>,
    /// Of HTTP/1.0: no chunks, and the connection ends with the answer.
    pub(super) old: bool,
}

impl Request {
    /// The first header of that name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.as_str())
    }

    /// Whether a comma-separated header names this word; parameters after `;` don't count.
    pub(super) fn names(&self, header: &str, word: &str) -> bool {
        let mut words = self.header(header).unwrap_or_default().split(',');
        words.any(|found| {
            let found = found.split(';').next().unwrap_or_default();
            found.trim().eq_ignore_ascii_case(word)
        })
    }

    /// Whether its `Content-Type` is JSON's, whatever the parameters.
    pub(super) fn is_json(&self) -> bool {
        let content_type = self.header("content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("application/json")
    }

    pub(super) fn accepts_gzip(&self) -> bool {
        let offers = self
            .header("accept-encoding")
            .unwrap_or_default()
            .split(',');
        offers
            .map(|offer| offer.split_once(';').unwrap_or((offer, "")))
            .any(|(name, weight)| {
                let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
                name.trim().eq_ignore_ascii_case("gzip")
                    && weight.parse().is_ok_and(|q: f32| q > 0.0)
            })
    }
}

/// Why there is no request.
#[derive(Debug)]
pub(super) enum Unread {
    /// The connection ended or failed: nobody is there to be answered.
    Gone,
    /// It broke a rule of HTTP or a limit: this is the status to answer, and the reason.
    Refused(u16, &'static str),
}

impl From<io::Error> for Unread {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

fn refused<T>(status: u16, why: &'static str) -> Result<T, Unread> {
    Err(Unread::Refused(status, why))
}

/// Reads the next request; `output` gets the interim answer to `Expect: 100-continue`.
pub(super) fn read_request(
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<Request, Unread> {
    let mut left = MAX_HEAD;
    let line = read_line(input, &mut left)?;
    let mut request = request_line(&line)?;
    loop {
        let line = read_line(input, &mut left)?;
        if line.is_empty() {
            break;
        }
        request.headers.push(header_line(&line)?);
    }
    if !request.old && request.header("host").is_none() {
        return refused(400, "the Host header is missing");
    }
    if request.header("transfer-encoding").is_some() {
        return refused(411, "a request body needs a Content-Length");
    }
    let length = content_length(&request)?;
    if length > MAX_BODY {
        return refused(413, "the request body is larger than 1 MiB");
    }
    if length > 0 && request.names("expect", "100-continue") {
        output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        output.flush()?;
    }
    let read = input.take(length).read_to_end(&mut request.body)?;
    if u64::try_from(read).is_ok_and(|read| read < length) {
        return Err(Unread::Gone);
    }
    Ok(request)
}

/// One line without its CRLF; `left` is what remains of the limit for the head.
fn read_line(input: &mut impl BufRead, left: &mut u64) -> Result<String, Unread> {
    let mut line = Vec::new();
    let read = input.take(*left).read_until(b'\n', &mut line)?;
    *left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
    if line.last() != Some(&b'\n') {
        return if *left == 0 {
            refused(431, "the head is too large")
        } else {
            Err(Unread::Gone)
        };
    }
    let Some(line) = line.strip_suffix(b"\r\n") else {
        return refused(400, "a line ends without CR");
    };
    let text = std::str::from_utf8(line).ok();
    match text.filter(|text| !text.contains(|c: char| c.is_control() && c != '\t')) {
        Some(text) => Ok(text.to_owned()),
        None => refused(400, "a header line is not text"),
    }
}

fn request_line(line: &str) -> Result<Request, Unread> {
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return refused(
            400,
            "the request line is not a method, a target and a version",
        );
    };
    let old = match version {
        "HTTP/1.1" => false,
        "HTTP/1.0" => true,
        _ if version.starts_with("HTTP/") => return refused(505, "only HTTP/1.1 is spoken here"),
        _ => return refused(400, "the request line names no version of HTTP"),
    };
    if !is_token(method) {
        return refused(400, "the method is not a word");
    }
    let fits = |c: char| c.is_ascii_graphic() && c != '#';
    if !target.starts_with('/') || !target.chars().all(fits) {
        return refused(400, "the request target is not a path of a URI");
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let (method, path) = (method.to_owned(), path.to_owned());
    Ok(Request {
        method,
        path,
        query,
        body: Vec::new(),
        headers: Vec::new(),
        old,
    })
}

fn header_line(line: &str) -> Result<(String, String), Unread> {
    match line.split_once(':') {
        Some((name, value)) if is_token(name) => Ok((name.to_owned(), value.trim().to_owned())),
        _ => refused(400, "a header line is not a name and a value"),
    }
}

/// Whether it is a word as HTTP defines it for methods and names of headers.
pub(super) fn is_token(text: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(part)
}

fn content_length(request: &Request) -> Result<u64, Unread> {
    let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("content-length");
    let mut lengths = request.headers.iter().filter(named).map(|(_, value)| value);
    let Some(first) = lengths.next() else {
        return Ok(0);
    };
    if lengths.any(|other| other != first) {
        return refused(400, "there are two different lengths");
    }
    match first.parse() {
        Ok(length) if first.bytes().all(|byte| byte.is_ascii_digit()) => Ok(length),
        _ => refused(400, "the Content-Length is not a number"),
    }
}

/// The ids of a body that holds nothing else; its name is case-sensitive.
pub(super) fn ids_in(body: &[u8], name: &str) -> Option<Vec<String>> {
    let mut body: Row = serde_json::from_slice(body).ok()?;
    let ids = body.remove(name).filter(|_| body.is_empty())?;
    let ids: Vec<String> = serde_json::from_value(ids).ok()?;
    (!ids.is_empty()).then_some(ids)
}

#[cfg(test)]
mod tests;
