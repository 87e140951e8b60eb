//! A list request as a value: what to ask for, and the query that says so.

use std::sync::Arc;
use std::time::Duration;

use crate::call::Operation;
use crate::encode::encode;
use crate::error::Error;

/// The longest path and query that is sent. Servers of this kind stop at 8 to 16 KiB.
pub(super) const URL_LIMIT: usize = 16 * 1024;

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
    /// For the whole walk.
    pub(crate) deadline_in_all: Option<Duration>,
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
    /// No paging is documented; a next link is followed all the same.
    Undocumented,
}

impl PageSizes {
    fn most(self) -> u32 {
        match self {
            Self::ServiceChooses { most } | Self::CallerChooses { most } => most,
            Self::Undocumented => u32::MAX,
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
            deadline_in_all: None,
            invalid: None,
        }
    }

    pub(crate) fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = Some(self.checked(deadline));
    }

    pub(crate) fn set_deadline_in_all(&mut self, deadline: Duration) {
        self.deadline_in_all = Some(self.checked(deadline));
    }

    fn checked(&mut self, deadline: Duration) -> Duration {
        if deadline.is_zero() {
            self.refuse("the deadline is zero");
        }
        deadline
    }

    /// Keeps the first reason why the request can't be sent.
    pub(crate) fn refuse(&mut self, why: impl Into<String>) {
        self.invalid.get_or_insert_with(|| why.into());
    }

    /// The rows to ask for in the `$top`/`$skip` way of paging, of those that are still wanted;
    /// `None` when links lead the way.
    pub(super) fn page_rows(&self, left: Option<u64>) -> Option<u64> {
        let by_links = !matches!(self.page_sizes, PageSizes::CallerChooses { .. });
        if by_links && self.page_size.is_none() && self.top.is_none() {
            return None;
        }
        let rows = u64::from(self.page_size.unwrap_or(self.page_sizes.most()));
        Some(left.map_or(rows, |left| left.min(rows)))
    }

    /// Only some columns of the rows are asked for, so that different rows may look alike.
    pub(super) fn is_trimmed(&self) -> bool {
        let mut names = self
            .options
            .iter()
            .map(|(name, _)| name.trim_start_matches('$'));
        names.any(|name| name.eq_ignore_ascii_case("select"))
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
        self.query(self.skip, self.page_rows(self.top))
    }

    /// Path and query of the longest call.
    fn length(&self) -> usize {
        self.operation.path.len() + self.query(u64::MAX, Some(u64::MAX)).len()
    }

    pub(crate) fn is_too_long(&self) -> bool {
        self.length() > URL_LIMIT
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
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
        if self.is_too_long() {
            return Err(Error::invalid(format!(
                "path and query are {} bytes long, and the most that is sent is {URL_LIMIT}",
                self.length()
            ))
            .with_hint("split a long `is_in` list into several requests"));
        }
        Ok(())
    }
}
