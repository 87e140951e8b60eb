//! From page to page: which one comes next, and when the walk is over.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::listing::{Listing, URL_LIMIT};
use crate::body::{Fingerprint, Spares};
use crate::call::{self, Call, Sent, Shared};
use crate::cloud::Origin;
use crate::error::{Error, ErrorKind, Retry};
use crate::page::Rows;
use crate::wait::Deadline;

/// So many pages in a row may be empty and still name a next one.
const EMPTY_PAGES: u32 = 3;
/// What a query can't carry as it is. Everything else of a link's query goes back as it came.
const NOT_IN_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'#')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The position in a list and the way to the next page.
#[derive(Debug)]
pub(crate) struct Walk {
    shared: Arc<Shared>,
    listing: Listing,
    next: Next,
    /// Rows from the list's start: those skipped and those handed out.
    pub(super) offset: u64,
    /// How many of the rows wanted are still to come.
    left: Option<u64>,
    /// What the last call by `$top` asked for, and what it has brought, with the links after it.
    asked: u64,
    received: u64,
    rows_of_page: u64,
    /// Pages that were read to their end.
    pub(super) pages: u64,
    /// Of the pages before, for the next one.
    spares: Spares,
    /// How many exchanges the present page took.
    tries: u32,
    /// What was sent for it.
    sent: Option<Sent>,
    /// Of the present page and of the one before it, where both are asked for by `$skip`: tell
    /// whether it is the same over again.
    this_page: Option<Fingerprint>,
    last_page: Option<Fingerprint>,
    /// The query of the present page.
    query: String,
    /// The present page was damaged and has been fetched a second time.
    refetched: bool,
    full_page_seen: bool,
    empty_pages: u32,
    /// Hashes would do, but a walk has a hundred links at the most.
    links_seen: HashSet<String>,
    highest_skip: Option<u64>,
    pub(super) not_found: bool,
    /// Of the whole walk; begins with its first call.
    end: Option<Deadline>,
}

#[derive(Debug)]
enum Next {
    ByOffset,
    ByLink(String),
    Nothing,
}

impl Walk {
    pub(crate) fn new(shared: Arc<Shared>, listing: Listing) -> Self {
        Self {
            offset: listing.skip,
            left: listing.top,
            highest_skip: Some(listing.skip),
            shared,
            listing,
            next: Next::ByOffset,
            asked: 0,
            received: 0,
            rows_of_page: 0,
            pages: 0,
            spares: Spares::default(),
            tries: 0,
            sent: None,
            this_page: None,
            last_page: None,
            query: String::new(),
            refetched: false,
            full_page_seen: false,
            empty_pages: 0,
            links_seen: HashSet::new(),
            not_found: false,
            end: None,
        }
    }

    /// There is nothing more to come: gives back the room that was kept for it.
    pub(super) fn finish(&mut self) {
        self.spares = Spares::default();
        self.sent = None;
    }

    /// Fetches the next page; `None` at the end of the list.
    pub(super) fn fetch(&mut self) -> Result<Option<Rows>, Error> {
        if self.left == Some(0) {
            self.next = Next::Nothing;
        }
        self.listing.check()?;
        let query = match &self.next {
            Next::Nothing => return Ok(None),
            Next::ByLink(query) => query.clone(),
            Next::ByOffset => {
                let rows = self.listing.page_rows(self.left);
                self.asked = rows.unwrap_or(0);
                self.received = 0;
                self.highest_skip = Some(self.offset);
                self.listing.query(self.offset, rows)
            }
        };
        self.rows_of_page = 0;
        self.refetched = false;
        self.query = query;
        self.send()
    }

    /// What the next call may take: its own deadline, or what is left of the whole walk's.
    fn time(&mut self) -> Result<Option<Duration>, Error> {
        let in_all = self.listing.deadline_in_all;
        let clock = &*self.shared.clock;
        let end = *self
            .end
            .get_or_insert_with(|| Deadline::after(in_all, clock));
        end.check(clock)?;
        let own = self.listing.deadline.or(self.shared.deadline);
        Ok(match (own, end.left(clock)) {
            (Some(own), Some(left)) => Some(own.min(left)),
            (own, left) => own.or(left),
        })
    }

    /// The call for the present page.
    fn call(&self, deadline: Option<Duration>) -> Call<'_> {
        Call {
            operation: self.listing.operation,
            path: self.listing.operation.path,
            query: &self.query,
            body: self.listing.body.as_deref(),
            secrets: &[],
            deadline,
            spares: &self.spares,
        }
    }

    /// Sends the call for the present page.
    fn send(&mut self) -> Result<Option<Rows>, Error> {
        let time = self
            .time()
            .map_err(|error| error.for_request(&self.name()))?;
        match call::send(&self.shared, &self.call(time)) {
            Ok(answer) => {
                self.tries = answer.tries;
                let by_offset = matches!(self.next, Next::ByOffset) && !self.listing.is_trimmed();
                self.this_page = by_offset.then(|| answer.fingerprint());
                let (rows, sent) = answer.rows();
                self.sent = Some(sent);
                if by_offset && self.this_page == self.last_page {
                    return Err(self.lost("the same page came twice, as if $skip meant nothing"));
                }
                Ok(Some(rows))
            }
            Err(error) if self.says_no_rows(&error) => self.end(error),
            Err(error) => Err(error),
        }
    }

    /// Ends the walk because of a 404 that says that there are no rows, or none behind those that came. Of a
    /// page that the service's own link has named, or that has been there already, it is not believed:
    /// rows would be lost.
    fn end(&mut self, error: Error) -> Result<Option<Rows>, Error> {
        if self.refetched || matches!(self.next, Next::ByLink(_)) {
            return Err(error.with_retry(Retry::Later).with_hint(
                "the list has gone on here before: go on with skip(offset()), or begin anew",
            ));
        }
        log::warn!(
            "{error}: taken as the end of the list after {} rows",
            self.offset
        );
        self.not_found = true;
        self.next = Next::Nothing;
        Ok(None)
    }

    /// Fetches a page that turned out to be damaged once more, and steps over the rows of it that
    /// have been handed out.
    fn refetch(&mut self, damage: &Error) -> Result<Option<Rows>, Error> {
        log::warn!("{}: {damage}; the page is fetched once more", self.name());
        self.refetched = true;
        let before = self.tries;
        let sent = self.send().map_err(|error| {
            let tries = before.saturating_add(error.attempts());
            error.with_attempts(tries)
        });
        let Some(mut page) = sent? else {
            return Ok(None);
        };
        self.tries = self.tries.saturating_add(before);
        let first = self.offset.saturating_sub(self.rows_of_page);
        for row in first..self.offset {
            match page.next::<IgnoredAny>() {
                Some(outcome) => drop(outcome.map_err(|error| self.of_page(error.in_row(row)))?),
                // The list has become shorter: what comes next is asked for by its place in it.
                None => break,
            }
        }
        Ok(Some(page))
    }

    /// How texts name the calls.
    fn name(&self) -> String {
        self.call(None).name()
    }

    fn says_no_rows(&self, error: &Error) -> bool {
        self.listing.not_found_is_end
            && error.kind() == ErrorKind::NotFound
            && error.is_from_service()
    }

    /// Takes the next row of the page, counting it.
    pub(super) fn take_row<T: DeserializeOwned>(
        &mut self,
        page: &mut Rows,
    ) -> Option<Result<T, Error>> {
        if self.left == Some(0) {
            return None;
        }
        let mut row = page.next::<T>()?;
        let damage = row.as_ref().err().filter(|damage| damage.is_damage());
        if let Some(damage) = damage.filter(|_| self.may_refetch()) {
            match self.refetch(damage) {
                Ok(Some(fetched)) => {
                    *page = fetched;
                    row = page.next::<T>()?;
                }
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
        if row.is_ok() {
            self.rows_of_page += 1;
            self.offset = self.offset.saturating_add(1);
            self.left = self.left.map(|left| left.saturating_sub(1));
        }
        Some(row.map_err(|error| self.at_row(error)))
    }

    fn may_refetch(&self) -> bool {
        !self.refetched && !self.shared.retry_policy.is_off()
    }

    /// A page has been read to its end: decides what comes after it.
    pub(super) fn turn(&mut self, link: Option<&str>) -> Result<(), Error> {
        let rows = self.rows_of_page;
        self.pages = self.pages.saturating_add(1);
        // Only a page that is whole can come again: two that were cut may look the same.
        self.last_page = self.this_page.take();
        self.received = self.received.saturating_add(rows);
        self.next = match link {
            _ if self.left == Some(0) || self.not_found => Next::Nothing,
            Some(link) => {
                self.empty_pages = if rows == 0 { self.empty_pages + 1 } else { 0 };
                if self.empty_pages > EMPTY_PAGES {
                    return Err(self.lost(
                        "more than three empty pages in a row, each with a link to a next one",
                    ));
                }
                Next::ByLink(self.follow(link)?)
            }
            None if self.asked == 0 || self.received == 0 => Next::Nothing,
            None if self.received >= self.asked => {
                self.full_page_seen = true;
                Next::ByOffset
            }
            // A page that is short after a full one is the last. A first short page proves
            // nothing: a service that caps `$top` answers just like that.
            None if self.full_page_seen => Next::Nothing,
            None => Next::ByOffset,
        };
        if matches!(self.next, Next::ByOffset) && self.offset == u64::MAX {
            return Err(self.lost("the list has more rows than can be counted"));
        }
        Ok(())
    }

    /// Checks a next link and returns its query. Nothing else of it is used: the request goes to
    /// the configured origin and the operation's own path.
    fn follow(&mut self, link: &str) -> Result<String, Error> {
        let query = self.query_of(link)?;
        let skip = skip_of(&query);
        let stuck = match (skip, self.highest_skip) {
            (Some(skip), Some(highest)) => skip <= highest,
            _ => false,
        };
        if stuck || !self.links_seen.insert(query.clone()) {
            return Err(self.lost("the next link leads back to rows that have been read"));
        }
        self.highest_skip = skip.or(self.highest_skip);
        Ok(query)
    }

    fn query_of(&self, link: &str) -> Result<String, Error> {
        let foreign =
            |what: String| self.lost(&format!("the next link {what}, and nothing was sent there"));
        // The query decides nothing, and may hold what an origin can't.
        let (place, query) = link.split_at(link.find(['?', '#']).unwrap_or(link.len()));
        let path = self.listing.operation.path;
        let named = if place.is_empty() {
            path
        } else if place.starts_with('/') && !place.starts_with("//") {
            place
        } else {
            let (origin, named) = Origin::split(place).map_err(|why| foreign(why.to_owned()))?;
            if !origin.may_answer_for(&self.shared.origin) {
                return Err(foreign(format!("names another host ({})", origin.host())));
            }
            named
        };
        if !named.eq_ignore_ascii_case(path) {
            return Err(foreign("has another path".to_owned()));
        }
        let query = query.strip_prefix('?').unwrap_or_default();
        let query = query.split('#').next().unwrap_or_default();
        let as_it_came = query;
        let query = utf8_percent_encode(query, NOT_IN_QUERY).to_string();
        if query.is_empty() {
            return Err(foreign("has no query".to_owned()));
        }
        if path.len() + query.len() > URL_LIMIT {
            return Err(foreign(format!("is longer than {URL_LIMIT} bytes")));
        }
        // Request lines are in the logs of everybody on the way.
        if (self.sent.as_ref()).is_some_and(|sent| sent.is_held_by(as_it_came)) {
            return Err(foreign("holds the token that was sent".to_owned()));
        }
        Ok(query)
    }

    fn lost(&self, why: &str) -> Error {
        let text = format!("{why} (at row {})", self.offset);
        self.of_page(Error::new(ErrorKind::Paging, text))
    }

    fn at_row(&self, error: Error) -> Error {
        self.of_page(error.in_row(self.offset))
    }

    /// An error about what the present page holds, which may be the token that was sent for it: as a
    /// link's host, as a key.
    pub(super) fn of_page(&self, error: Error) -> Error {
        let error = match &self.sent {
            Some(sent) => sent.out_of(error),
            None => error,
        };
        error.with_attempts(self.tries).for_request(&self.name())
    }
}

/// The value of `$skip` in a query. One that is too large to be counted is the largest: a link that
/// keeps it makes no progress either.
fn skip_of(query: &str) -> Option<u64> {
    let decoded = |text| percent_decode_str(text).decode_utf8().ok();
    query.split('&').find_map(|option| {
        let (name, value) = option.split_once('=')?;
        if !decoded(name)?.eq_ignore_ascii_case("$skip") {
            return None;
        }
        let digits = decoded(value)?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().unwrap_or(u64::MAX))
    })
}

#[cfg(test)]
mod tests;
