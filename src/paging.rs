//! Walking a list page by page: which page comes next, and when the walk is over.

use std::collections::HashSet;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::call::{self, Call, Operation, Shared};
use crate::cloud::Origin;
use crate::encode::encode;
use crate::error::{Error, ErrorKind};
use crate::page::Rows;

/// So many pages in a row may be empty and still name a next one.
const EMPTY_PAGES: u32 = 3;
/// The longest path and query that is sent. Servers of this kind stop at 8 to 16 KiB.
const URL_LIMIT: usize = 16 * 1024;
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

/// A list request: what to ask for, which pages, from where.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) operation: &'static Operation,
    /// Options but for `$top` and `$skip`, by name and value, not yet encoded.
    pub(crate) options: Vec<(String, String)>,
    pub(crate) body: Option<Arc<[u8]>>,
    pub(crate) top: Option<u64>,
    pub(crate) skip: u64,
    /// Rows a call.
    pub(crate) page_size: Option<u32>,
    pub(crate) page_sizes: PageSizes,
    /// A 404 from the service itself means that there are no (more) rows.
    pub(crate) not_found_is_end: bool,
    /// For each call of the walk, everything included.
    pub(crate) deadline: Option<Duration>,
    /// Why the request can't be sent at all.
    pub(crate) invalid: Option<String>,
}

/// How the operation pages when the caller doesn't say how many rows a page should have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PageSizes {
    /// The service chooses and names the next page in a link; this is the most it takes.
    ServiceChooses { most: u32 },
    /// The caller must ask for pages; this is the most and the default.
    CallerChooses { most: u32 },
}

impl PageSizes {
    fn most(self) -> u32 {
        match self {
            Self::ServiceChooses { most } | Self::CallerChooses { most } => most,
        }
    }
}

impl Listing {
    pub(crate) fn new(operation: &'static Operation, page_sizes: PageSizes) -> Self {
        Self {
            operation,
            options: Vec::new(),
            body: None,
            top: None,
            skip: 0,
            page_size: None,
            page_sizes,
            not_found_is_end: false,
            deadline: None,
            invalid: None,
        }
    }

    /// Keeps the first reason why the request can't be sent.
    pub(crate) fn refuse(&mut self, why: impl Into<String>) {
        self.invalid.get_or_insert_with(|| why.into());
    }

    /// The rows to ask for in the `$top`/`$skip` way of paging; `None` when links lead the way.
    fn page_rows(&self) -> Option<u64> {
        let most = u64::from(self.page_sizes.most());
        match (self.page_size, self.top, self.page_sizes) {
            (Some(rows), _, _) => Some(u64::from(rows)),
            (None, None, PageSizes::ServiceChooses { .. }) => None,
            _ => Some(most),
        }
    }

    /// The query of the call that wants these rows.
    pub(crate) fn query(&self, skip: u64, top: Option<u64>) -> String {
        let mut query = String::new();
        let mut add = |name: &str, value: &str| {
            let mark = if query.is_empty() { "" } else { "&" };
            // The dollar sign of an OData option stays readable: it needs no encoding in a query.
            let (dollar, name) = name
                .strip_prefix('$')
                .map_or(("", name), |name| ("$", name));
            query.extend([mark, dollar, &encode(name), "=", &encode(value)]);
        };
        for (name, value) in &self.options {
            add(name, value);
        }
        if let Some(top) = top {
            add("$top", &top.to_string());
        }
        if skip > 0 {
            add("$skip", &skip.to_string());
        }
        query
    }

    /// The query of the first call.
    pub(crate) fn first_query(&self) -> String {
        let rows = self
            .page_rows()
            .map(|rows| self.top.map_or(rows, |top| top.min(rows)));
        self.query(self.skip, rows)
    }

    fn check(&self) -> Result<(), Error> {
        if let Some(why) = &self.invalid {
            return Err(Error::invalid(why.clone()));
        }
        let most = self.page_sizes.most();
        if self.page_size.is_some_and(|rows| rows == 0 || rows > most) {
            return Err(Error::invalid(format!(
                "page_size must be from 1 to {most}"
            )));
        }
        for (name, _) in &self.options {
            let bare = name.trim_start_matches('$');
            if bare.trim().is_empty() || name.chars().any(char::is_control) {
                return Err(Error::invalid("a query option needs a name"));
            }
        }
        let length = self.operation.path.len() + self.query(u64::MAX, Some(u64::MAX)).len();
        if length > URL_LIMIT {
            return Err(Error::invalid(format!(
                "path and query are {length} bytes long, and the most that is sent is {URL_LIMIT}"
            ))
            .with_hint("split a long `is_in` list into several requests"));
        }
        Ok(())
    }
}

/// The position in a list and the way to the next page.
#[derive(Debug)]
pub(crate) struct Walk {
    shared: Arc<Shared>,
    listing: Listing,
    next: Next,
    /// Rows from the list's start: those skipped and those handed out.
    offset: u64,
    /// How many of the rows wanted are still to come.
    left: Option<u64>,
    /// What the last call by `$top` asked for, and what it has brought, with the links after it.
    asked: u64,
    received: u64,
    rows_of_page: u64,
    /// Pages that were read to their end.
    pages: u64,
    /// How many exchanges the present page took.
    tries: u32,
    /// Tells whether the page that was asked for by `$skip` is the one before it over again.
    last_page: Option<u64>,
    /// The query of the present page, which has been fetched a second time.
    query: String,
    refetched: bool,
    full_page_seen: bool,
    empty_pages: u32,
    /// Hashes would do, but a walk has a hundred links at the most.
    links_seen: HashSet<String>,
    highest_skip: Option<u64>,
    not_found: bool,
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
            tries: 0,
            last_page: None,
            query: String::new(),
            refetched: false,
            full_page_seen: false,
            empty_pages: 0,
            links_seen: HashSet::new(),
            not_found: false,
        }
    }

    /// Fetches the next page; `None` at the end of the list.
    fn fetch(&mut self) -> Result<Option<Rows>, Error> {
        if self.left == Some(0) {
            self.next = Next::Nothing;
        }
        self.listing.check()?;
        let query = match &self.next {
            Next::Nothing => return Ok(None),
            Next::ByLink(query) => query.clone(),
            Next::ByOffset => {
                let rows = self
                    .listing
                    .page_rows()
                    .map(|rows| self.left.map_or(rows, |left| left.min(rows)));
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

    /// Sends the call for the present page.
    fn send(&mut self) -> Result<Option<Rows>, Error> {
        let call = Call {
            operation: self.listing.operation,
            path: self.listing.operation.path,
            query: &self.query,
            body: self.listing.body.as_deref(),
            deadline: self.listing.deadline,
        };
        match call::send(&self.shared, &call) {
            Ok(answer) => {
                self.tries = answer.tries;
                if matches!(self.next, Next::ByOffset) && !self.refetched {
                    let page = answer.fingerprint();
                    if self.last_page.replace(page) == Some(page) {
                        return Err(
                            self.lost("the same page came twice, as if $skip meant nothing")
                        );
                    }
                }
                Ok(Some(answer.rows()))
            }
            Err(error) if self.is_end(&error) => {
                log::warn!(
                    "{error}: taken as the end of the list after {} rows",
                    self.offset
                );
                self.not_found = true;
                self.next = Next::Nothing;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Fetches a page that turned out to be damaged once more, and steps over the rows of it that
    /// have been handed out.
    fn refetch(&mut self, damage: &Error) -> Result<Option<Rows>, Error> {
        log::warn!(
            "{}: {damage}; the page is fetched once more",
            self.request()
        );
        self.refetched = true;
        let Some(mut page) = self.send()? else {
            return Ok(None);
        };
        for _ in 0..self.rows_of_page {
            match page.next::<IgnoredAny>() {
                Some(row) => drop(row.map_err(|error| self.at_row(error))?),
                // The list has become shorter: what comes next is asked for by its place in it.
                None => break,
            }
        }
        Ok(Some(page))
    }

    fn is_end(&self, error: &Error) -> bool {
        self.listing.not_found_is_end
            && error.kind() == ErrorKind::NotFound
            && error.is_from_service()
    }

    /// Takes the next row of the page, counting it.
    fn take_row<T: DeserializeOwned>(&mut self, page: &mut Rows) -> Option<Result<T, Error>> {
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
    fn turn(&mut self, link: Option<&str>) -> Result<(), Error> {
        let rows = self.rows_of_page;
        self.pages = self.pages.saturating_add(1);
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
        let query = utf8_percent_encode(query, NOT_IN_QUERY).to_string();
        if query.is_empty() {
            return Err(foreign("has no query".to_owned()));
        }
        if path.len() + query.len() > URL_LIMIT {
            return Err(foreign(format!("is longer than {URL_LIMIT} bytes")));
        }
        Ok(query)
    }

    fn lost(&self, why: &str) -> Error {
        Error::new(ErrorKind::Paging, format!("{why} (at row {})", self.offset))
            .for_request(&self.request())
    }

    fn at_row(&self, error: Error) -> Error {
        error
            .in_row(self.offset)
            .with_attempts(self.tries)
            .for_request(&self.request())
    }

    fn request(&self) -> String {
        format!(
            "{} {}",
            self.listing.operation.method.as_str(),
            self.listing.operation.path
        )
    }
}

/// The value of `$skip` in a query.
fn skip_of(query: &str) -> Option<u64> {
    query.split('&').find_map(|option| {
        let (name, value) = option.split_once('=')?;
        let name = percent_encoding::percent_decode_str(name)
            .decode_utf8()
            .ok()?;
        if name.eq_ignore_ascii_case("$skip") {
            value.parse().ok()
        } else {
            None
        }
    })
}

/// The rows of a list, one after the other, over all its pages.
///
/// Nothing is sent before the first `next`. Each page is fetched when its first row is asked for,
/// and a row is decoded when it is asked for. After an error there is nothing more: what was
/// fetched before it has been handed out, and [`offset`](Items::offset) says where to go on, in
/// another process too.
///
/// # Example
///
/// ```no_run
/// use defender_endpoint::Client;
///
/// let client = Client::from_env()?;
/// let mut machines = client.machines().skip(12_000).into_iter();
/// while let Some(machine) = machines.next() {
///     match machine {
///         Ok(machine) => println!("{}", machine.id),
///         Err(error) => {
///             eprintln!("go on with --skip {}", machines.offset());
///             return Err(error);
///         }
///     }
/// }
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[must_use = "iterators are lazy: nothing is sent before the first `next`"]
pub struct Items<T> {
    walk: Walk,
    page: Option<Rows>,
    done: bool,
    rows: PhantomData<fn() -> T>,
}

impl<T> Items<T> {
    pub(crate) fn new(walk: Walk) -> Self {
        Self {
            walk,
            page: None,
            done: false,
            rows: PhantomData,
        }
    }

    /// Rows from the start of the list to here: those that were skipped and those handed out.
    ///
    /// Give it to `skip` to go on after an error or in another run. After a row that could not be
    /// decoded, `skip(offset() + 1)` steps over it.
    pub fn offset(&self) -> u64 {
        self.walk.offset
    }

    /// How many pages have been read to their end.
    pub fn pages_read(&self) -> u64 {
        self.walk.pages
    }

    /// Whether the list ended because the service answered 404, which it documents for "no recent
    /// machines", and not with a last page. A tool that deletes what it no longer sees should
    /// treat such an end with suspicion.
    pub fn ended_by_not_found(&self) -> bool {
        self.walk.not_found
    }
}

impl<T: DeserializeOwned> Iterator for Items<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.step() {
                Ok(None) => {}
                Ok(Some(row)) => return Some(Ok(row)),
                Err(error) => {
                    self.done = true;
                    self.page = None;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl<T: DeserializeOwned> Items<T> {
    /// Fetches a page, takes a row of it, or turns it over.
    fn step(&mut self) -> Result<Option<T>, Error> {
        let Some(page) = &mut self.page else {
            self.page = self.walk.fetch()?;
            self.done = self.page.is_none();
            return Ok(None);
        };
        if let Some(row) = self.walk.take_row(page) {
            return row.map(Some);
        }
        let turned = self.walk.turn(page.next_link());
        self.page = None;
        turned.map(|()| None)
    }
}

impl<T: DeserializeOwned> FusedIterator for Items<T> {}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items")
            .field("offset", &self.offset())
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

/// One page of a list, with all its rows decoded.
///
/// # Example
///
/// ```no_run
/// use defender_endpoint::{Client, Page, machines::Machine};
///
/// let client = Client::from_env()?;
/// for page in client.machines().page_size(1_000).pages() {
///     let page: Page<Machine> = page?;
///     println!("{} machines; go on with skip({})", page.items.len(), page.next_skip);
/// }
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The rows, in the service's order.
    pub items: Vec<T>,
    /// Rows from the start of the list to the end of this page: what to give to `skip` to go on
    /// behind it.
    pub next_skip: u64,
}

impl<T> IntoIterator for Page<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

/// The pages of a list, for tools that write in batches.
///
/// As lazy as [`Items`], and over after the first error too. A page that fails, even in its last
/// row, is not handed out at all: [`offset`](Pages::offset) is then where it began.
#[must_use = "iterators are lazy: nothing is sent before the first `next`"]
pub struct Pages<T> {
    walk: Walk,
    done: bool,
    /// Where the first page that was not handed out begins.
    offset: u64,
    /// The way on from the page that was handed out last failed: told at the next call.
    failure: Option<Error>,
    rows: PhantomData<fn() -> T>,
}

impl<T> Pages<T> {
    pub(crate) fn new(walk: Walk) -> Self {
        Self {
            offset: walk.offset,
            walk,
            done: false,
            failure: None,
            rows: PhantomData,
        }
    }

    /// Rows from the start of the list to the end of the last page that was handed out.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// As [`Items::ended_by_not_found`].
    pub fn ended_by_not_found(&self) -> bool {
        self.walk.not_found
    }
}

impl<T: DeserializeOwned> Pages<T> {
    fn page(&mut self) -> Result<Option<Page<T>>, Error> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        while let Some(mut rows) = self.walk.fetch()? {
            let mut items = Vec::new();
            while let Some(row) = self.walk.take_row(&mut rows) {
                items.push(row?);
            }
            let turned = self.walk.turn(rows.next_link());
            self.offset = self.walk.offset;
            if !items.is_empty() {
                self.failure = turned.err();
                return Ok(Some(Page {
                    items,
                    next_skip: self.offset,
                }));
            }
            turned?;
        }
        Ok(None)
    }
}

impl<T: DeserializeOwned> Iterator for Pages<T> {
    type Item = Result<Page<T>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let page = self.page().transpose();
        self.done = !matches!(page, Some(Ok(_)));
        page
    }
}

impl<T: DeserializeOwned> FusedIterator for Pages<T> {}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("offset", &self.offset)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
