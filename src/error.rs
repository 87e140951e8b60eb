//! What can go wrong, said so that a person or a program can act on it.

mod answer;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::excerpt::{folded, without};
use crate::secret::Secret;

/// The error of every fallible call of this crate.
///
/// One word wide. [`kind`](Error::kind) is for programs to branch on; `Display` is one line that
/// says what failed, for which request and what the service answered; [`source`](StdError::source)
/// leads to the cause underneath, which `Display` does not repeat. `Debug` is made for
/// `fn main() -> Result<(), defender_endpoint::Error>`: the message, its causes and a hint, a line
/// each. `{:#}` is the same in one line, for logs and `cargo::warning`; `{:#?}` shows the fields instead.
///
/// No token, secret, credential header, query or body of a token answer is in any of these texts.
/// What the service says of a failed call is: its message, up to 300 characters. Where it repeats the
/// token or secret that it was sent, `***` stands instead: as it is, percent-encoded as in a URL or a
/// form, escaped as in JSON or JSON within JSON, or with the character references of HTML by number and
/// those for `&`, `<`, `>` and quotes. Other encodings, such as Base64, are not recognised, and secrets
/// of fewer than 4 bytes are not looked for.
///
/// # Example
///
/// ```
/// use defender_endpoint::{Client, ErrorKind, StaticToken};
///
/// let client = Client::builder(StaticToken::new("a-token")?).build()?;
/// let error = client.scan_agent("").unwrap_err(); // refused before anything is sent
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// assert!(!error.is_retryable());
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

/// What sort of failure an [`Error`] is.
///
/// Every call of an operation can fail with any of these but `Paging`, which comes from lists, and
/// `Config` and `NoCredential`, which come from building a client or a credential. Only the settings of
/// [`AzureCli`](crate::AzureCli) are checked later, by the call that needs a token.
///
/// # Example
///
/// ```
/// use defender_endpoint::{Error, ErrorKind};
///
/// fn exit_status(error: &Error) -> i32 {
///     match error.kind() {
///         ErrorKind::Config | ErrorKind::InvalidInput => 2,
///         ErrorKind::Unauthorized | ErrorKind::Forbidden => 3,
///         _ if error.is_retryable() => 75,
///         _ => 1,
///     }
/// }
/// # assert_eq!(exit_status(&Error::credential("no")), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client can't be built like this: a setting, an environment variable or a certificate.
    Config,
    /// The environment names no credential: none of the variables is set that
    /// [`from_env`](crate::ClientBuilder::from_env) reads. For a program that also works without an account;
    /// one that is named incompletely is `Config`.
    NoCredential,
    /// An argument was refused before anything was sent.
    InvalidInput,
    /// No token could be had: the credential has none, or the token endpoint refused. Where that
    /// could not be reached at all, the kind says how: `Timeout`, `Transport` or `Tls`.
    Credential,
    /// The service answered 401: the token is not accepted, or the tenant has no licence.
    Unauthorized,
    /// The service answered 403: a permission is missing, or the token is for another audience.
    Forbidden,
    /// The service answered 404.
    NotFound,
    /// The service answered 429: too many calls. Also, with no attempts, a call that would have had
    /// to wait too long for the pause that the service asked for in an earlier answer.
    Throttled,
    /// A call would have had to wait for the client's own rate limiter longer than `max_wait`, or
    /// beyond its deadline.
    RateLimited,
    /// The service answered 500 to 599.
    Server,
    /// The service answered with another status that is no success.
    Status,
    /// Something took longer than its timeout allows.
    Timeout,
    /// The exchange failed below HTTP, or what came was not HTTP, or it was cut short.
    Transport,
    /// The connection could not be secured: the certificate was not accepted, for instance.
    Tls,
    /// The service answered with a redirect, which is never followed.
    Redirect,
    /// The answer is larger than the body limit allows.
    TooLarge,
    /// The answer is not the JSON that was expected.
    Decode,
    /// The pages don't add up: a link to a foreign host or another path, one that leads in circles,
    /// the same page again, more than three empty ones in a row, more rows than can be counted, or a
    /// machine among those of certain ids that has none of them.
    Paging,
    /// A wait was broken off by the caller.
    Cancelled,
    /// A call that writes (feature `write`) was sent, and no answer says what became of it: the
    /// connection broke off, it timed out, what came was not HTTP, a server failed (408, 500 to 599), a
    /// redirect came that may follow the work (301, 302 or 303), or the answer of an accepted call can't
    /// be used.
    ///
    /// It may have done its work, so it is never tried again by itself and is not
    /// [retryable](Error::is_retryable): the [hint](Error::hint) says how to find out. Status, code,
    /// message and request id are there as far as they came. With any other kind of error a call that
    /// writes did nothing.
    OutcomeUnknown,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    request: Option<Box<str>>,
    text: String,
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    attempts: u32,
    retry: Retry,
    way: Way,
    /// The service spoke, not a gateway before it: the body was empty or its own error JSON.
    from_service: bool,
    hint: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// How far a request came, where no answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Not to the service; or nobody cares, since it changes nothing.
    Unsent,
    /// There was no connection: nobody was there to be asked.
    Unreached,
    /// The certificate of this side was refused, or missed, which comes before any look at a request.
    TurnedAway,
    /// Some of its body was handed over.
    Sent,
}

/// Whether and how a try that ended like this may be followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    Never,
    /// The first time at once: a kept-alive connection was dead, and a new one will do.
    AtOnce,
    /// After a growing wait.
    BackOff,
    /// After a wait, one time only.
    Once,
    /// Not within this call: who failed has tried again already. Another call may go better.
    Later,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            request: None,
            text: text.into(),
            status: None,
            code: None,
            message: None,
            request_id: None,
            retry_after: None,
            attempts: 0,
            retry: Retry::Never,
            way: Way::Unsent,
            from_service: false,
            hint: None,
            source: None,
        }))
    }

    /// For implementations of [`Credential`](crate::Credential): no token could be had.
    ///
    /// The message must not hold a secret; of its line breaks and control characters spaces are left.
    /// Not retryable unless said so with [`with_retryable`](Self::with_retryable).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::{Error, ErrorKind};
    ///
    /// let broken = std::io::Error::other("the vault is sealed");
    /// let error = Error::credential("the vault gave no token").with_source(broken);
    /// assert_eq!(error.kind(), ErrorKind::Credential);
    /// assert_eq!(error.to_string(), "the vault gave no token");
    /// ```
    pub fn credential(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Credential, folded(&message.into()))
    }

    /// Adds the cause underneath, which [`source`](StdError::source) then gives. Its texts are
    /// shown by `Debug`, so they must not hold a secret.
    ///
    /// # Example
    ///
    /// ```
    /// use std::error::Error as _;
    ///
    /// let error = defender_endpoint::Error::credential("no token").with_source(std::fmt::Error);
    /// assert!(error.source().is_some_and(|cause| cause.is::<std::fmt::Error>()));
    /// ```
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Says whether a later try could succeed, which [`is_retryable`](Self::is_retryable) then
    /// gives.
    ///
    /// # Example
    ///
    /// ```
    /// let error = defender_endpoint::Error::credential("the vault is busy").with_retryable(true);
    /// assert!(error.is_retryable());
    /// ```
    pub fn with_retryable(self, retryable: bool) -> Self {
        self.with_retry(if retryable {
            Retry::BackOff
        } else {
            Retry::Never
        })
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The HTTP status of the answer, where there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The service's own error code, such as `ResourceNotFound` or Entra's `invalid_client`.
    ///
    /// Texts are for people: the service documents `TooManyRequests` and sends `429`. Branch on
    /// [`kind`](Self::kind) or [`status`](Self::status).
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The service's own message.
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// The id under which the service's support finds the request.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the service, or the client's own limiter, asked to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What could be done about it, where that is known: the permission that is missing, the
    /// setting to change. `Debug` shows it too, `Display` doesn't.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// How many exchanges with the API this call took: 0 when none was begun.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether the same call could succeed later, unchanged. A call that writes did nothing then, so
    /// that making it again does not do it twice.
    pub fn is_retryable(&self) -> bool {
        self.0.retry != Retry::Never
    }

    // What follows is how the crate itself builds errors, each layer adding what it knows.

    pub(crate) fn config(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, text)
    }

    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, text)
    }

    pub(crate) fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    pub(crate) fn retry(&self) -> Retry {
        self.0.retry
    }

    pub(crate) fn with_unreached(mut self) -> Self {
        self.0.way = Way::Unreached;
        self
    }

    /// Whether nobody was there to be asked.
    pub(crate) fn is_unreached(&self) -> bool {
        self.0.way == Way::Unreached
    }

    pub(crate) fn with_turned_away(mut self) -> Self {
        self.0.way = Way::TurnedAway;
        self
    }

    /// Some of the body of a call that writes was handed over, whatever the error looks like.
    pub(crate) fn with_sent(mut self) -> Self {
        if self.0.way != Way::TurnedAway {
            self.0.way = Way::Sent;
        }
        self
    }

    /// The head of an answer had come, with this status, which is a success.
    pub(crate) fn of_accepted(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self.behind(&format!(
            "it was accepted with {status}, but the answer can't be used"
        ))
    }

    /// Whether the service may have had the request, and have done what it says.
    pub(crate) fn may_have_acted(&self) -> bool {
        match self.0.status {
            // What has been done may be seen elsewhere. 307 and 308 ask for the same request there.
            Some(301..=303) => true,
            // Refused. A gateway's 408 may come after all of it has been passed on.
            Some(300..=407 | 409..=499) => false,
            Some(_) => true,
            None => self.0.way == Way::Sent,
        }
    }

    /// Nobody knows whether the call did its work, and `find_out` is how to learn it.
    pub(crate) fn with_outcome_unknown(mut self, find_out: &str) -> Self {
        // To ask for less is of no use here.
        let why = self.0.hint.take();
        let why = why.filter(|_| self.0.kind != ErrorKind::TooLarge);
        self.0.kind = ErrorKind::OutcomeUnknown;
        self.0.retry = Retry::Never;
        self.0.retry_after = None;
        let hint = match why {
            Some(why) => format!("{why}; {find_out}"),
            None => find_out.to_owned(),
        };
        self.behind("the outcome is unknown").with_hint(hint)
    }

    /// What came was not whole, and may be when it is fetched again.
    pub(crate) fn is_damage(&self) -> bool {
        let cut = self.0.kind == ErrorKind::Transport && self.is_retryable();
        cut || self.0.retry == Retry::Once
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Names the request, unless a layer below has named a more exact one.
    pub(crate) fn for_request(mut self, request: &str) -> Self {
        self.0.request.get_or_insert_with(|| request.into());
        self
    }

    /// Puts what it came to before what happened.
    pub(crate) fn behind(mut self, consequence: &str) -> Self {
        self.0.text = format!("{consequence}: {}", self.0.text);
        self
    }

    /// Says where in a list the fault is, if it is one of the list's rows.
    pub(crate) fn in_row(mut self, row: u64) -> Self {
        if self.0.kind == ErrorKind::Decode {
            self.0.text = format!("at row {row} of the list, counted from 0: {}", self.0.text);
        }
        self
    }

    /// Takes a secret out of all that was made of foreign text: a message, a host's name, a key.
    pub(crate) fn without(mut self, secret: &Secret) -> Self {
        let Inner {
            text,
            code,
            message,
            request_id,
            hint,
            ..
        } = &mut *self.0;
        let foreign = [
            code.as_mut(),
            message.as_mut(),
            request_id.as_mut(),
            hint.as_mut(),
        ];
        for text in foreign.into_iter().flatten().chain([text]) {
            *text = without(text, secret).into_owned();
        }
        self
    }

    /// A body of which some was lost may have been anybody's.
    pub(crate) fn with_whole_body(mut self, whole: bool) -> Self {
        self.0.from_service &= whole;
        self
    }

    pub(crate) fn is_from_service(&self) -> bool {
        self.0.from_service
    }

    /// The same failure once more, for a second caller that was waiting for it.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

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
        if !f.alternate() {
            return Ok(());
        }
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
    let line: String = answer::status_line(status).split_whitespace().collect();
    line.starts_with(code)
        || line
            .to_ascii_lowercase()
            .ends_with(&code.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credentials_own_words_are_one_line() {
        let error = Error::credential("the vault\n  said:\u{7}no\u{202e}");
        assert_eq!(error.to_string(), "the vault said: no");
    }
}
