//! Scan history: the pages «Get scan history by definition» and «Get scan history by session».

mod model;

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::json;

use crate::call::Operation;
use crate::client::Client;
use crate::encode::check_ids;
use crate::error::Error;
use crate::paging::{Items, Listing, PageSizes, Pages};
use crate::permissions;
use crate::rate_limit::Api;

pub use model::{ScanHistoryEntry, ScanStatus, ScannedTarget};

static BY_DEFINITION: Operation = Operation::of(&permissions::SCAN_HISTORY, Api::ScanHistory);
static BY_SESSION: Operation =
    Operation::of(&permissions::SCAN_HISTORY_BY_SESSION, Api::ScanHistory);

/// The most rows of a page.
const MOST: u32 = 4_096;

/// A request for scan sessions: all those of some definitions, made by [`Client::scan_history`], or
/// some by their own ids, with their targets, made by [`Client::scan_history_by_session`].
///
/// A plain value: nothing is sent until it is iterated. It can be cloned, kept and iterated again.
/// `T` is the type of a row, [`ScanHistoryEntry`] unless [`deserialize`](Self::deserialize) says
/// otherwise. Although the service wants a `POST`, this only reads.
///
/// These APIs are a prerelease: the vendor may change them.
///
/// # Pages
///
/// The sessions of definitions are asked for with `$top` and `$skip`, as «Get scan history by
/// definition» has it, over the sessions of all definitions together. The walk ends at an empty page,
/// or at a short page after a full one. Pages are offsets into a list that changes: a session that is
/// added or removed during a walk may make it see another twice or miss one, and rows are handed out
/// as they come.
///
/// «Get scan history by session» has neither option, so that sessions by their ids are asked for
/// without them, and one call should bring them all; a link to a next page is followed if one comes.
/// [`top`](Self::top), [`skip`](Self::skip) and [`page_size`](Self::page_size) send the options all
/// the same. Nobody has confirmed that the service heeds them there. If it doesn't heed `$skip`, the
/// walk ends with [`Paging`](crate::ErrorKind::Paging) where a page comes twice.
///
/// # From a definition to its targets
///
/// A session's id is what leads from one call to the other. The row of the service's schema has it;
/// the documentation's rows by definition have none, and nobody has confirmed which it is. Where the
/// service leaves it out, [`session_id`](ScanHistoryEntry::session_id) is `None`, and there is no way
/// to the targets.
///
/// # Errors
///
/// The iterator's items are results. An error is the last item. Kinds:
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) for no ids, an empty, blank or dot id or one
/// with control characters, or a page size outside 1 to 4,096, each before anything is sent;
/// [`Paging`](crate::ErrorKind::Paging), [`Decode`](crate::ErrorKind::Decode), and those of every
/// call, listed at [`ErrorKind`](crate::ErrorKind).
///
/// # Example
///
/// ```no_run
/// use defender_endpoint::Client;
///
/// let client = Client::from_env()?;
/// let definitions = client.scan_definitions()?;
/// let mut ids = Vec::new();
/// for session in client.scan_history(definitions.iter().map(|definition| &definition.id)).top(50) {
///     let session = session?;
///     println!("{:?} {:?}", session.last_scanned, session.scan_status);
///     ids.extend(session.session_id);
/// }
/// if !ids.is_empty() {
///     for session in client.scan_history_by_session(ids) {
///         println!("{} targets", session?.scanned_targets.len());
///     }
/// }
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[must_use = "nothing is sent until the request is iterated"]
pub struct ListScanHistory<T = ScanHistoryEntry> {
    client: Client,
    listing: Listing,
    row: PhantomData<fn() -> T>,
}

impl ListScanHistory {
    pub(crate) fn by_definition<I>(client: Client, ids: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let sizes = PageSizes::CallerChooses { most: MOST };
        let ids = check_ids("scan definition", ids);
        Self::new(
            client,
            Listing::new(&BY_DEFINITION, sizes),
            "ScanDefinitionIds",
            ids,
        )
    }

    pub(crate) fn by_session<I>(client: Client, ids: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        // Its page documents no paging, so that nothing of it is sent unasked.
        let sizes = PageSizes::ServiceChooses { most: MOST };
        let ids = check_ids("scan session", ids);
        Self::new(client, Listing::new(&BY_SESSION, sizes), "SessionIds", ids)
    }

    /// Names in a body are case-sensitive.
    fn new(
        client: Client,
        mut listing: Listing,
        key: &str,
        ids: Result<Vec<String>, String>,
    ) -> Self {
        match ids {
            Ok(ids) => listing.body = Some(json!({ key: ids }).to_string().into_bytes().into()),
            Err(why) => listing.refuse(why),
        }
        Self {
            client,
            listing,
            row: PhantomData,
        }
    }
}

impl<T> ListScanHistory<T> {
    /// At most so many sessions in all. Defaults to all.
    #[doc(alias = "$top")]
    pub fn top(mut self, sessions: u64) -> Self {
        self.listing.top = Some(sessions);
        self
    }

    /// Leaves out the first sessions of the list. Defaults to 0.
    #[doc(alias = "$skip")]
    pub fn skip(mut self, sessions: u64) -> Self {
        self.listing.skip = sessions;
        self
    }

    /// Sessions a call, 1 to 4,096. Defaults to 4,096 for those of definitions. For those by their own
    /// ids nothing is asked for by default, and [`top`](Self::top) is asked for in pages of 4,096.
    #[doc(alias = "$top")]
    pub fn page_size(mut self, sessions: u32) -> Self {
        self.listing.page_size = Some(sessions);
        self
    }

    /// How long each call, which brings one page, may take in all: waiting, token, tries and body.
    /// Zero is refused by the iterator. Defaults to the client's
    /// [`deadline`](crate::ClientBuilder::deadline).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.listing.set_deadline(deadline);
        self
    }

    /// How long the walk may take as a whole, from its first call on, for a program that must be done in
    /// time. A call that begins later fails with [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) before
    /// anything is sent, and one that is under way then ends; rows that have come are handed out first. The time
    /// that the caller takes for them counts. Zero is refused by the iterator. Defaults to none.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # let client = defender_endpoint::Client::from_env()?;
    /// use std::time::Duration;
    ///
    /// for session in client.scan_history(["4ad8d463-6b3a-4894-b42a-a2de9ea0a8ae"]).deadline_in_all(Duration::from_secs(60)) {
    ///     println!("{:?}", session?.scan_status);
    /// }
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn deadline_in_all(mut self, deadline: Duration) -> Self {
        self.listing.set_deadline_in_all(deadline);
        self
    }

    /// Decodes each row into a type of the caller's, as
    /// [`ListMachines::deserialize`](crate::machines::ListMachines::deserialize) does.
    pub fn deserialize<U: DeserializeOwned>(self) -> ListScanHistory<U> {
        ListScanHistory {
            client: self.client,
            listing: self.listing,
            row: PhantomData,
        }
    }

    /// The URL of the first call, as it would be sent. The ids are in the body.
    ///
    /// # Example
    ///
    /// ```
    /// # let client = defender_endpoint::Client::builder(defender_endpoint::StaticToken::new("t")?).build()?;
    /// assert!(client.scan_history(["an-id"]).top(1).url().ends_with("ByScanDefinitionId?$top=1"));
    /// assert!(client.scan_history_by_session(["an-id"]).url().ends_with("/GetScanHistoryBySessionId"));
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn url(&self) -> String {
        self.client.url_of(&self.listing)
    }

    /// The sessions page by page.
    pub fn pages(self) -> Pages<T> {
        Pages::new(self.client.walk(self.listing))
    }
}

impl<T: DeserializeOwned> ListScanHistory<T> {
    /// Like [`into_iter`](IntoIterator::into_iter), without consuming the request.
    pub fn iter(&self) -> Items<T> {
        Items::new(self.client.walk(self.listing.clone()))
    }
}

impl<T: DeserializeOwned> IntoIterator for ListScanHistory<T> {
    type Item = Result<T, Error>;
    type IntoIter = Items<T>;

    fn into_iter(self) -> Items<T> {
        self.iter()
    }
}

impl<T: DeserializeOwned> IntoIterator for &ListScanHistory<T> {
    type Item = Result<T, Error>;
    type IntoIter = Items<T>;

    fn into_iter(self) -> Items<T> {
        self.iter()
    }
}

impl<T> Clone for ListScanHistory<T> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            listing: self.listing.clone(),
            row: PhantomData,
        }
    }
}

impl<T> fmt::Debug for ListScanHistory<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListScanHistory")
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}
