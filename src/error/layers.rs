//! How the crate itself builds errors, each layer adding what it knows.

use std::time::Duration;

use super::{Error, ErrorKind, Inner, Reach, Retry};
use crate::excerpt::{without, without_tokens};
use crate::secret::Secret;

impl Error {
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
        self.0.reach = Reach::Unreached;
        self
    }

    /// Whether nobody was there to be asked.
    pub(crate) fn is_unreached(&self) -> bool {
        self.0.reach == Reach::Unreached
    }

    pub(crate) fn with_turned_away(mut self) -> Self {
        self.0.reach = Reach::TurnedAway;
        self
    }

    /// Some of the body of a call that writes was handed over, whatever the error looks like.
    pub(crate) fn with_sent(mut self) -> Self {
        if self.0.reach != Reach::TurnedAway {
            self.0.reach = Reach::Sent;
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
            None => self.0.reach == Reach::Sent,
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

    /// Takes what looks like a token out of what an answer said, where that may be one that nobody knows.
    pub(crate) fn without_tokens(mut self) -> Self {
        let Inner {
            text,
            code,
            message,
            request_id,
            ..
        } = &mut *self.0;
        let foreign = [code.as_mut(), message.as_mut(), request_id.as_mut()];
        for text in foreign.into_iter().flatten().chain([text]) {
            *text = without_tokens(text);
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
