//! A page's body, decoded item by item.
//!
//! The body is held as it came off the wire. It is inflated and checked for UTF-8 a stretch at a
//! time into a window of text, and rows are parsed out of the window one by one, when the caller
//! asks for them. So a page costs its wire size and a window, not a vector of ten thousand
//! structs, and its first row is there before the rest has been looked at.

#[cfg(feature = "write")]
mod text;
mod window;

use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny};

use crate::body::Body;
use crate::error::{Error, ErrorKind, Retry};
use window::Window;

#[cfg(feature = "write")]
pub(crate) use text::any_text;

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

impl Part {
    /// What should come here.
    fn expected(self) -> &'static str {
        match self {
            Self::FirstMember | Self::Member => "a key",
            Self::FirstRow | Self::Row => "a row",
            Self::AfterRow => "`,` or `]` after a row",
            _ => "`:`, `,` or `}` in the page's object",
        }
    }
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
                (part, Some(_)) => return Err(self.window.unexpected(part.expected())),
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
                Some(_) => self.window.unexpected(Part::AfterMember.expected()),
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
        self.window.set_step(step);
        self
    }

    /// The bytes that the window has room for.
    pub(crate) fn room(&self) -> usize {
        self.window.room()
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

/// The whole of a body that is one entity and no page, as text.
pub(crate) fn whole_text(
    body: Body,
    limit: u64,
    content_type: Option<&str>,
) -> Result<String, Error> {
    Window::new(body, limit, content_type).into_text()
}

#[cfg(test)]
mod tests;
