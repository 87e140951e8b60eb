//! What can go wrong, said so that a person or a program can act on it.

mod answer;
mod layers;
mod text;

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use crate::excerpt::folded;

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
/// [`AzureCli`](crate::AzureCli) are checked later, by the call that needs a token. Which kinds may pass by the
/// next run, and whom the others concern, is [a table in the cookbook](crate::cookbook#what-to-do-with-an-error).
///
/// # Example
///
/// ```
/// use defender_endpoint::{Error, ErrorKind};
///
/// fn exit_status(error: &Error) -> i32 {
///     match error.kind() {
///         ErrorKind::Config | ErrorKind::NoCredential | ErrorKind::InvalidInput => 2,
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
    /// The environment names no credential: of the variables that
    /// [`from_env`](crate::ClientBuilder::from_env) reads, none is set that a person sets (`AZURE_…`, `DEFENDER_…`
    /// but the root certificates), nor `IDENTITY_ENDPOINT`; those of GitHub don't count. For a program that
    /// also works without an account; one that is named incompletely is `Config`.
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
    reach: Reach,
    /// The service spoke, not a gateway before it: the body was empty or its own error JSON.
    from_service: bool,
    hint: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// How far a request came, where no answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
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
            reach: Reach::Unsent,
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
