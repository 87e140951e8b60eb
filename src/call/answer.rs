//! The answer to a call that went well, and what was sent for it.

use std::cmp::Reverse;
use std::iter;

use crate::body::{Body, Fingerprint};
use crate::error::Error;
use crate::excerpt::{holds, shows};
use crate::page::{self, Rows};
use crate::secret::Secret;

/// The answer to a call that went well: status 200, or any success of a call that writes. No `Debug`: the
/// body is the tenant's data.
pub(crate) struct Answer {
    #[cfg(feature = "write")]
    pub(crate) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) body: Body,
    pub(super) body_limit: u64,
    /// How many exchanges it took.
    pub(crate) tries: u32,
    pub(super) sent: Sent,
}

impl Answer {
    /// The body as a page of rows, and what was sent for it.
    pub(crate) fn rows(self) -> (Rows, Sent) {
        let rows = Rows::new(self.body, self.body_limit, self.content_type.as_deref());
        (rows, self.sent)
    }

    /// Differs, in all likelihood, where the rows do.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.body.fingerprint()
    }

    /// The body as text, of which nothing is expected but that it is no page for people.
    #[cfg(feature = "write")]
    pub(crate) fn any_text(self) -> (Result<String, Error>, Sent) {
        let text = page::any_text(self.body, self.body_limit, self.content_type.as_deref());
        (text, self.sent)
    }

    /// The body as the text of one entity, and what was sent for it.
    pub(crate) fn text(self) -> (Result<String, Error>, Sent) {
        let text = page::whole_text(self.body, self.body_limit, self.content_type.as_deref());
        (text, self.sent)
    }
}

/// What was sent for an answer, which may repeat it, while no text of ours may: the token, the one
/// that was refused before it and may be good elsewhere, and secrets of the body. The longest is first:
/// taken out before it, one that begins like it would leave the rest of it behind.
#[derive(Clone, Debug)]
pub(crate) struct Sent(Vec<Secret>);

impl Sent {
    pub(super) fn new(bearer: &Secret, refused: Option<&Secret>, in_body: &[Secret]) -> Self {
        let all = iter::once(bearer).chain(refused).chain(in_body);
        let mut secrets: Vec<Secret> = all.cloned().collect();
        secrets.sort_by_key(|secret| Reverse(secret.expose().len()));
        Self(secrets)
    }

    /// Whether foreign text shows any of it.
    pub(super) fn is_shown_by(&self, text: &str) -> bool {
        self.0.iter().any(|secret| shows(text, secret))
    }

    /// Whether foreign text holds the whole of one.
    pub(crate) fn is_held_by(&self, text: &str) -> bool {
        self.0.iter().any(|secret| holds(text, secret))
    }

    pub(super) fn secrets(&self) -> Vec<&Secret> {
        self.0.iter().collect()
    }

    /// Takes it out of an error that tells of the answer.
    pub(crate) fn out_of(&self, error: Error) -> Error {
        self.0.iter().fold(error, Error::without)
    }
}
