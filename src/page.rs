//! A page's body, decoded item by item.
//!
//! The body is held as it came off the wire. It is inflated and checked for UTF-8 a stretch at a
//! time into a window of text, and rows are parsed out of the window one by one, when the caller
//! asks for them. So a page costs its wire size and a window, not a vector of ten thousand
//! structs, and its first row is there before the rest has been looked at.

use std::fmt;
use std::io::BufRead;
#[cfg(feature = "write")]
use std::io::Read as _;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Deserializer;

use crate::body::Body;
use crate::decode;
use crate::error::{Error, ErrorKind, Retry};
use crate::excerpt::shortened;
use crate::http::too_large;
use crate::inflate::{CHUNK, Inflate};

/// An element that is cut and has this size is not parsed again before twice as much is there:
/// otherwise a huge one would be parsed once a stretch.
const DOUBLE_FROM: usize = 32 * 1024;
/// The largest element: one row, one key, one value that is skipped.
const ELEMENT_LIMIT: usize = 16 * 1024 * 1024;

/// What can be done about an answer that is not the service's.
const SIGN_IN_PAGE: &str =
    "a sign-in page of a proxy or network answers like this: check the API URL and the proxy";

const VALUE: &str = "value";
const NEXT_LINK: &str = "@odata.nextLink";

/// The rows of one page, to be taken one after the other.
pub(crate) struct Rows {
    window: Window,
    part: Part,
    taken: u64,
    has_value: bool,
    has_link: bool,
    next_link: Option<String>,
}

/// Where in the page's object the parser stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Start,
    FirstMember,
    Member,
    AfterMember,
    FirstRow,
    Row,
    AfterRow,
    End,
}

impl Rows {
    /// `limit` bounds the inflated size; `content_type` is only for the error text.
    pub(crate) fn new(body: Body, limit: u64, content_type: Option<&str>) -> Self {
        Self {
            window: Window::new(body, limit, content_type),
            part: Part::Start,
            taken: 0,
            has_value: false,
            has_link: false,
            next_link: None,
        }
    }

    /// The link to the next page: known once the rows have come to their end.
    pub(crate) fn next_link(&self) -> Option<&str> {
        self.next_link.as_deref()
    }

    /// The next row. After an error there is none. A retryable error means that the body is
    /// damaged and may be whole when it is fetched again.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Option<Result<T, Error>> {
        match self.advance() {
            Ok(false) => None,
            Ok(true) => {
                let row = self.window.element("the row");
                self.part = Part::AfterRow;
                self.taken += 1;
                Some(row.map_err(|error| self.fail(error)))
            }
            Err(error) => Some(Err(self.fail(error))),
        }
    }

    fn fail(&mut self, error: Error) -> Error {
        self.part = Part::End;
        error
    }

    /// Goes to the beginning of the next row, or to the end of the page.
    fn advance(&mut self) -> Result<bool, Error> {
        loop {
            if self.part == Part::End {
                return Ok(false);
            }
            let next = self.window.peek()?;
            self.part = match (self.part, next) {
                (Part::Start, Some(b'{')) => self.step(Part::FirstMember),
                (Part::Start, _) => return Err(self.window.no_page()),
                (Part::FirstMember | Part::Member, Some(b'"')) => self.member()?,
                (Part::FirstMember | Part::AfterMember, Some(b'}')) => {
                    self.window.take_byte();
                    self.end()?
                }
                (Part::AfterMember, Some(b',')) => self.step(Part::Member),
                (Part::FirstRow | Part::Row, Some(b'{')) => return Ok(true),
                (Part::FirstRow | Part::AfterRow, Some(b']')) => self.step(Part::AfterMember),
                (Part::AfterRow, Some(b',')) => self.step(Part::Row),
                (Part::FirstRow | Part::Row, Some(b)) if b != b']' => {
                    let text = format!("row {} is not a JSON object", self.taken.saturating_add(1));
                    return Err(Error::new(ErrorKind::Decode, text));
                }
                (_, None) => return Err(damaged("it ends before its closing bracket")),
                (part, Some(_)) => return Err(self.window.unexpected(part)),
            };
        }
    }

    fn step(&mut self, part: Part) -> Part {
        self.window.take_byte();
        part
    }

    fn member(&mut self) -> Result<Part, Error> {
        let key: String = self.window.element("the page")?;
        if self.window.peek()? != Some(b':') {
            return Err(match self.window.peek()? {
                None => damaged("it ends before its closing bracket"),
                Some(_) => self.window.unexpected(Part::AfterMember),
            });
        }
        self.window.take_byte();
        match key.as_str() {
            VALUE if self.has_value => Err(twice(VALUE)),
            NEXT_LINK if self.has_link => Err(twice(NEXT_LINK)),
            VALUE => {
                self.has_value = true;
                match self.window.peek()? {
                    Some(b'[') => Ok(self.step(Part::FirstRow)),
                    None => Err(damaged("it ends before its closing bracket")),
                    Some(_) => Err(Error::new(
                        ErrorKind::Decode,
                        "the key `value` is not an array",
                    )),
                }
            }
            NEXT_LINK => {
                self.has_link = true;
                let link: Option<String> = self.window.element("the next link")?;
                self.next_link = link.filter(|link| !link.is_empty());
                Ok(Part::AfterMember)
            }
            _ => {
                self.window.element::<IgnoredAny>("the page")?;
                Ok(Part::AfterMember)
            }
        }
    }

    fn end(&mut self) -> Result<Part, Error> {
        if self.window.peek()?.is_some() {
            return Err(Error::new(
                ErrorKind::Decode,
                "there is text behind the page's JSON",
            ));
        }
        if !self.has_value {
            // «No rows» must never be made of an answer that doesn't say so.
            return Err(Error::new(ErrorKind::Decode, "the page has no key `value`"));
        }
        Ok(Part::End)
    }
}

#[cfg(any(test, defender_endpoint_fuzzing))]
impl Rows {
    /// Takes so many bytes of the body at a time.
    pub(crate) fn with_step(mut self, step: usize) -> Self {
        self.window.step = step;
        self
    }

    /// The bytes that the window has room for.
    pub(crate) fn room(&self) -> usize {
        self.window.text.capacity() + self.window.carried.capacity()
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

fn twice(key: &str) -> Error {
    Error::new(
        ErrorKind::Decode,
        format!("the page has the key `{key}` twice"),
    )
}

/// Nothing came, with a status that promised something. It may be an accident.
pub(crate) fn empty() -> Error {
    Error::new(ErrorKind::Decode, "the body is empty").with_retry(Retry::Once)
}

/// The page did not arrive whole; fetched again, it may.
pub(crate) fn damaged(why: &str) -> Error {
    Error::new(ErrorKind::Transport, format!("the body is damaged: {why}")).with_retryable(true)
}

/// The stretch of text in which the parser works.
struct Window {
    source: Inflate,
    limit: u64,
    inflated: u64,
    /// How much is taken from the body at a time.
    step: usize,
    /// Bytes that begin a character whose end has not come yet.
    carried: Vec<u8>,
    text: String,
    at: usize,
    /// The first text is there, and a byte order mark has been taken off it.
    begun: bool,
    ended: bool,
    content_type: Option<String>,
    /// What is said of such a body, and whether it may be another the next time.
    nonsense: Nonsense,
}

/// What is no text, or no JSON from its first byte on.
#[derive(Clone, Copy)]
struct Nonsense(Retry);

impl Nonsense {
    const NO_UTF8: &str = "the body is not valid UTF-8";
    /// See [`is_wide`].
    const WIDE: &str = "the body is not valid UTF-8: it looks like UTF-16";

    fn of(body: &Body) -> Self {
        // Said to be compressed and not even the beginning of that, it is damaged.
        let damaged = body.said_compressed && !body.is_gzip();
        Self(if damaged { Retry::Once } else { Retry::Never })
    }

    fn error(self, what: impl Into<String>) -> Error {
        Error::new(ErrorKind::Decode, what).with_retry(self.0)
    }
}

impl Window {
    fn new(body: Body, limit: u64, content_type: Option<&str>) -> Self {
        Self {
            nonsense: Nonsense::of(&body),
            source: Inflate::new(body),
            limit,
            inflated: 0,
            step: CHUNK,
            carried: Vec::new(),
            text: String::new(),
            at: 0,
            begun: false,
            ended: false,
            content_type: content_type.map(str::to_owned),
        }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte that is no white space; `None` at the end of the body.
    fn peek(&mut self) -> Result<Option<u8>, Error> {
        loop {
            let blank = |byte: &u8| is_blank(char::from(*byte));
            let rest = self.rest().as_bytes();
            if let Some(blanks) = rest.iter().position(|byte| !blank(byte)) {
                let byte = rest.get(blanks).copied();
                self.at += blanks;
                return Ok(byte);
            }
            self.at = self.text.len();
            if !self.refill()? {
                return Ok(None);
            }
        }
    }

    /// Steps over the byte that [`peek`](Self::peek) showed, which is always an ASCII one.
    fn take_byte(&mut self) {
        self.at += 1;
    }

    /// Parses one value. Where the window cuts it, more text is fetched and it is parsed anew.
    fn element<T: DeserializeOwned>(&mut self, what: &str) -> Result<T, Error> {
        loop {
            let text = self.rest();
            let mut stream = Deserializer::from_str(text).into_iter::<T>();
            let parsed = stream.next();
            let end = stream.byte_offset();
            match parsed {
                // A number that ends where the window does may go on in the next stretch.
                Some(Ok(value)) if end < text.len() || is_closed(text) => {
                    self.at += end;
                    return Ok(value);
                }
                Some(Err(error)) => {
                    // Whether it is cut is asked of the text alone: the error may come from a
                    // caller's own type, which knows nothing of windows.
                    let mut whole = Deserializer::from_str(text).into_iter::<IgnoredAny>();
                    match whole.next() {
                        Some(Err(cut)) if decode::is_cut(text, &cut) => {}
                        Some(Err(syntax)) => return Err(decode::unfit(text, &syntax, what)),
                        _ => return Err(decode::unfit(text, &error, what)),
                    }
                }
                _ => {}
            }
            if !self.refill()? {
                return Err(damaged("it ends within a value"));
            }
        }
    }

    /// Drops what has been parsed and takes in more of the body. False at its end.
    fn refill(&mut self) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        self.text.drain(..self.at);
        self.at = 0;
        let left = self.text.len();
        if left >= ELEMENT_LIMIT {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("one element of the page is larger than {ELEMENT_LIMIT} bytes"),
            ));
        }
        let wanted = if left >= DOUBLE_FROM {
            left.saturating_mul(2)
        } else {
            left.saturating_add(1)
        };
        let wanted = wanted.min(ELEMENT_LIMIT);
        while self.text.len() < wanted && !self.ended {
            self.take_stretch()?;
        }
        Ok(self.text.len() > left)
    }

    fn take_stretch(&mut self) -> Result<(), Error> {
        let bytes = match self.source.fill_buf() {
            Ok(bytes) => bytes.get(..self.step).unwrap_or(bytes),
            Err(error) => {
                return Err(damaged("the compressed data is broken or cut").with_source(error));
            }
        };
        self.ended = bytes.is_empty();
        if self.ended && !self.carried.is_empty() {
            return Err(damaged("it ends within a character"));
        }
        // A character that was begun is completed byte by byte: it has four of them at the most.
        let bytes = if self.carried.is_empty() {
            bytes
        } else {
            bytes.get(..1).unwrap_or_default()
        };
        let taken = bytes.len();
        self.inflated = self.inflated.saturating_add(taken as u64);
        if self.inflated > self.limit {
            return Err(too_large(self.limit));
        }
        if self.carried.is_empty() {
            let (text, rest) =
                split_text(bytes).ok_or_else(|| self.nonsense.error(Nonsense::NO_UTF8))?;
            self.text.push_str(text);
            self.carried.extend_from_slice(rest);
        } else {
            self.carried.extend_from_slice(bytes);
            let (text, rest) =
                split_text(&self.carried).ok_or_else(|| self.nonsense.error(Nonsense::NO_UTF8))?;
            self.text.push_str(text);
            self.carried.drain(..self.carried.len() - rest.len());
        }
        self.source.consume(taken);
        if !self.begun && !self.text.is_empty() {
            self.begun = true;
            if self.text.starts_with('\u{FEFF}') {
                self.text.drain(..'\u{FEFF}'.len_utf8());
            }
        }
        Ok(())
    }

    /// The body doesn't begin like a page: say what it is instead.
    fn no_page(&self) -> Error {
        if self.rest().trim_start_matches(is_blank).is_empty() {
            return empty();
        }
        if is_wide(self.rest()) {
            return self.nonsense.error(Nonsense::WIDE);
        }
        let what = match &self.content_type {
            Some(kind) => {
                format!(
                    "the body is no page of JSON (its content type is {})",
                    shortened(kind)
                )
            }
            None => "the body is no page of JSON".to_owned(),
        };
        self.nonsense.error(what).with_hint(SIGN_IN_PAGE)
    }

    fn unexpected(&self, part: Part) -> Error {
        if is_wide(self.rest()) {
            return self.nonsense.error(Nonsense::WIDE);
        }
        let expected = match part {
            Part::FirstMember | Part::Member => "a key",
            Part::FirstRow | Part::Row => "a row",
            Part::AfterRow => "`,` or `]` after a row",
            _ => "`:`, `,` or `}` in the page's object",
        };
        let read = u64::try_from(self.rest().len() + self.carried.len()).unwrap_or(0);
        let at = self.inflated.saturating_sub(read);
        Error::new(
            ErrorKind::Decode,
            format!("the page is no valid JSON at byte {at}: expected {expected}"),
        )
    }
}

/// The blanks of JSON, which are fewer than those of ASCII.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Whether a value that fills the window is known to end there. A caller's own type may have been
/// content with a part of it.
fn is_closed(text: &str) -> bool {
    text.ends_with(['}', ']', '"']) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The text in these bytes, and at their end those of a character that is not complete. `None`
/// where they are not UTF-8.
fn split_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Some((text, &[])),
        Err(error) => error,
    };
    let (text, rest) = bytes.split_at(error.valid_up_to());
    match std::str::from_utf8(text) {
        Ok(text) if error.error_len().is_none() => Some((text, rest)),
        _ => None,
    }
}

/// Whether this is no JSON but the beginning of one in an encoding of two or four bytes for each
/// letter: without a mark in front, such a text is UTF-8 too, with a NUL beside every letter.
fn is_wide(text: &str) -> bool {
    text.bytes().take(2).any(|byte| byte == 0)
}

/// A body that may be anything but a page for people, as text: as much of it as can be inflated and is
/// within the limit, with a mark for what is no UTF-8.
#[cfg(feature = "write")]
pub(crate) fn any_text(
    body: Body,
    limit: u64,
    content_type: Option<&str>,
) -> Result<String, Error> {
    let mut bytes = Vec::new();
    // Where the compression is broken, what came before that is there.
    let _ = Inflate::new(body).take(limit).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let is_html = content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    if text.trim_start().starts_with('<') || is_html && !text.trim().is_empty() {
        let what = "the body is a page for a browser, not the service's";
        return Err(Error::new(ErrorKind::Decode, what).with_hint(SIGN_IN_PAGE));
    }
    Ok(text.to_owned())
}

/// The whole of a body that is one entity and no page, as text.
pub(crate) fn whole_text(
    body: Body,
    limit: u64,
    content_type: Option<&str>,
) -> Result<String, Error> {
    let mut window = Window::new(body, limit, content_type);
    while !window.ended {
        window.take_stretch()?;
    }
    let text = window.rest().trim_start();
    if text.starts_with('{') && !is_wide(text) {
        Ok(window.text)
    } else {
        Err(window.no_page())
    }
}

#[cfg(test)]
mod tests;
