//! The stretch of a body's text in which the parser works: it is inflated, checked for UTF-8 and
//! bounded here, whatever is read of it.

use std::io::BufRead as _;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Deserializer;

use super::{SIGN_IN_PAGE, damaged, empty};
use crate::body::Body;
use crate::decode;
use crate::error::{Error, ErrorKind, Retry};
use crate::excerpt::shortened;
use crate::http::too_large;
use crate::inflate::{CHUNK, Inflate};

/// An element that is cut and has this size is not parsed again before twice as much is there:
/// otherwise a huge one would be parsed once a stretch.
pub(super) const DOUBLE_FROM: usize = 32 * 1024;
/// The largest element: one row, one key, one value that is skipped.
pub(super) const ELEMENT_LIMIT: usize = 16 * 1024 * 1024;

/// The stretch of text in which the parser works.
pub(super) struct Window {
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
    pub(super) fn new(body: Body, limit: u64, content_type: Option<&str>) -> Self {
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

    /// All of the body, which must begin like a JSON object.
    pub(super) fn into_text(mut self) -> Result<String, Error> {
        while !self.ended {
            self.take_stretch()?;
        }
        let text = self.rest().trim_start();
        if text.starts_with('{') && !is_wide(text) {
            Ok(self.text)
        } else {
            Err(self.no_page())
        }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte that is no white space; `None` at the end of the body.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Error> {
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
    pub(super) fn take_byte(&mut self) {
        self.at += 1;
    }

    /// Parses one value. Where the window cuts it, more text is fetched and it is parsed anew.
    pub(super) fn element<T: DeserializeOwned>(&mut self, what: &str) -> Result<T, Error> {
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
    pub(super) fn no_page(&self) -> Error {
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

    pub(super) fn unexpected(&self, expected: &str) -> Error {
        if is_wide(self.rest()) {
            return self.nonsense.error(Nonsense::WIDE);
        }
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

#[cfg(any(test, defender_endpoint_fuzzing))]
impl Window {
    pub(super) fn set_step(&mut self, step: usize) {
        self.step = step;
    }

    /// The bytes that there is room for.
    pub(super) fn room(&self) -> usize {
        self.text.capacity() + self.carried.capacity()
    }

    #[cfg(test)]
    pub(super) fn inflated(&self) -> u64 {
        self.inflated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_fetched_for_an_element_below_the_cap_and_no_more_at_it() {
        let window = |size| {
            let mut window = Window::new("\"}]}".into(), u64::MAX, None);
            window.text = "x".repeat(size);
            window
        };
        let mut below = window(ELEMENT_LIMIT - 1);
        assert!(below.refill().unwrap());
        assert!(below.text.ends_with("x\"}]}"));
        let error = window(ELEMENT_LIMIT).refill().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
}
