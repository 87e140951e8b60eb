//! What an error shows of itself: one line, its causes, and for `main` what can be done about it.

use std::error::Error as StdError;
use std::fmt;

use super::answer::status_line;
use super::{Error, Inner, Retry};
use crate::excerpt::folded;

impl StdError for Inner {
    /// The cause itself: deriving this would give the `Arc` around it, which is an error too, and
    /// nobody could downcast it.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

/// Its own layer in one line.
impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(request) = &self.request {
            write!(f, "{request}: ")?;
        }
        f.write_str(&self.text)?;
        // «403 Forbidden, Forbidden» says it twice.
        let said = |code: &String| self.status.is_some_and(|status| repeats(status, code));
        let code = self.code.as_ref().filter(|code| !said(code));
        match (code, &self.message) {
            (Some(code), Some(message)) => write!(f, ", {code}: {message}")?,
            (Some(text), None) => write!(f, ", {text}")?,
            (None, Some(text)) => write!(f, ": {text}")?,
            (None, None) => {}
        }
        if self.attempts > 1 {
            write!(f, " (after {} attempts)", self.attempts)?;
        }
        if f.alternate() {
            self.write_rest(f)
        } else {
            Ok(())
        }
    }
}

impl Inner {
    /// In the same line, behind its own layer: the causes, and what could be done about it.
    fn write_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {}", folded(&error.to_string()))?;
            cause = error.source();
        }
        if let Some(id) = &self.request_id {
            write!(f, "; request id: {id}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "; hint: {}", folded(hint)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return fmt::Debug::fmt(&self.0, f);
        }
        write!(f, "{self}")?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, "\n  caused by: {error}")?;
            cause = error.source();
        }
        if let Some(id) = &self.0.request_id {
            write!(f, "\n  request id: {id}")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("request", &self.request)
            .field("text", &self.text)
            .field("status", &self.status)
            .field("code", &self.code)
            .field("message", &self.message)
            .field("request_id", &self.request_id)
            .field("retry_after", &self.retry_after)
            .field("attempts", &self.attempts)
            .field("retryable", &(self.retry != Retry::Never))
            .field("hint", &self.hint)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// Whether a code only repeats the status, which the text names: `NotFound` or `404` after
/// `404 Not Found`.
fn repeats(status: u16, code: &str) -> bool {
    let line: String = status_line(status).split_whitespace().collect();
    line.starts_with(code)
        || line
            .to_ascii_lowercase()
            .ends_with(&code.to_ascii_lowercase())
}
