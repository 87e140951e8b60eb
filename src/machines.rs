//! Machines: the pages «List machines API» and «Get machine by ID API».

mod by_id;
pub mod field;
mod model;
mod on_machine;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::call::{Operation, Shared};
use crate::client::Client;
use crate::entity::{self, Entity};
use crate::error::Error;
use crate::filter::{Filter, IntoFilter};
use crate::paging::{Items, Listing, PageSizes, Pages};
use crate::permissions;
use crate::rate_limit::Api;

pub use by_id::{MachinesById, MachinesByIdIter};
pub use model::{
    CloudProvider, DeviceValue, ExclusionReason, ExposureLevel, HealthStatus, InterfaceType,
    Machine, MachineIpAddress, ManagedBy, ManagedByStatus, OnboardingStatus, OperationalStatus,
    RiskScore, VmMetadata,
};
pub use on_machine::OnMachine;

static LIST: Operation = Operation::of(&permissions::MACHINES, Api::Machines);
static ONE: Operation = Operation::of(&permissions::MACHINE, Api::Machines);

const SIZES: PageSizes = PageSizes::ServiceChooses { most: 10_000 };

/// One machine by its id or its name.
pub(crate) fn get(shared: &Shared, id: &str) -> Result<Machine, Error> {
    entity::get(shared, &ONE, id)
}

impl Entity for Machine {
    const NAME: &'static str = "machine";

    fn is(&self, id: &str) -> bool {
        let name = self.computer_dns_name.as_deref().unwrap_or_default();
        self.id.eq_ignore_ascii_case(id) || name.eq_ignore_ascii_case(id)
    }

    fn extra(&mut self) -> &mut BTreeMap<String, Value> {
        &mut self.extra
    }
}

/// A request for machines: what to ask for. Made by [`Client::machines`].
///
/// A plain value: nothing is sent until it is iterated. It can be cloned, kept and iterated again.
/// `T` is the type of a row, [`Machine`] unless [`deserialize`](Self::deserialize) says otherwise.
///
/// # Paging
///
/// Without [`page_size`](Self::page_size) and [`top`](Self::top) the service puts up to 10,000
/// machines on a page and names the next one in a link, which is the least number of calls. With
/// either of them it sends no link, and the pages are asked for with `$top` and `$skip`; the walk
/// ends at an empty page, or at a short page after a full one.
///
/// Either way pages are offsets into a list that changes: while machines are added or merged during
/// a walk, one may be seen twice or missed. A tool that mirrors the list should treat `id` as the
/// key and delete a machine only after it was missing several times.
///
/// # What is in the list
///
/// All machines within the configured retention period, also those that were only discovered
/// ([`OnboardingStatus::CanBeOnboarded`]), and several records of one name. A token for a user
/// (delegated permission) sees only the device groups that the user may see. No machines at all
/// may be answered with 404, which ends the walk without an error, at the first page and at one that is asked
/// for by `$skip`; see [`Items::ended_by_not_found`]. A 404 for a page that the service's own link named is
/// [`NotFound`](crate::ErrorKind::NotFound).
///
/// # Errors
///
/// The iterator's items are results. An error is the last item. Kinds:
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a page size outside 1 to 10,000, a filter
/// or query option that can't be sent, or a query of more than 16 KiB, each before anything is
/// sent; [`Paging`](crate::ErrorKind::Paging) for a next link to a foreign host, with the token in it
/// or in a circle; [`Decode`](crate::ErrorKind::Decode) for a row or page that doesn't fit, such as a
/// page without `value` or with null there, which is never taken for an empty list; and those of
/// every call, listed at [`ErrorKind`](crate::ErrorKind).
///
/// # Example
///
/// ```no_run
/// use defender_endpoint::{Client, machines::{HealthStatus, field}};
///
/// let client = Client::from_env()?;
/// for machine in client.machines().filter(field::HEALTH_STATUS.ne(HealthStatus::Active)) {
///     let machine = machine?;
///     println!("{} {:?}", machine.id, machine.health_status);
/// }
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[must_use = "nothing is sent until the request is iterated"]
pub struct ListMachines<T = Machine> {
    client: Client,
    listing: Listing,
    filter: Option<Filter>,
    row: PhantomData<fn() -> T>,
}

impl ListMachines {
    pub(crate) fn new(client: Client) -> Self {
        let mut listing = Listing::new(&LIST, SIZES);
        listing.not_found_is_end = true;
        Self {
            client,
            listing,
            filter: None,
            row: PhantomData,
        }
    }
}

impl<T> ListMachines<T> {
    /// Only machines that fit. Called again, both filters must fit. Defaults to all machines.
    ///
    /// A filter that can't be sent, such as an `is_in` of nothing, is the iterator's first error.
    /// To filter with a closure on this side, write `into_iter().filter(..)`: without it the
    /// compiler may ask for the type of the closure's parameter, which would not help.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::{Client, StaticToken, filter::Filter, machines::{RiskScore, field}};
    ///
    /// let client = Client::builder(StaticToken::new("a-token")?).build()?;
    /// let typed = client.machines().filter(field::RISK_SCORE.eq(RiskScore::High));
    /// let raw = client.machines().filter(Filter::raw("riskScore eq 'High'"));
    /// assert_eq!(typed.url(), raw.url());
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    #[doc(alias = "$filter")]
    pub fn filter(mut self, filter: impl IntoFilter) -> Self {
        let filter = filter.into_filter();
        self.filter = Some(match self.filter.take() {
            Some(earlier) => earlier & filter,
            None => filter,
        });
        self
    }

    /// At most so many machines in all. `top(1)` is one call for one machine. Defaults to all.
    #[doc(alias = "$top")]
    pub fn top(mut self, machines: u64) -> Self {
        self.listing.top = Some(machines);
        self
    }

    /// Leaves out the first machines of the list, to go on where an earlier walk stopped: see
    /// [`Items::offset`]. Defaults to 0.
    #[doc(alias = "$skip")]
    pub fn skip(mut self, machines: u64) -> Self {
        self.listing.skip = machines;
        self
    }

    /// Machines a call, 1 to 10,000. Defaults to the service's own pages (10,000).
    ///
    /// Smaller pages cost calls, of which there are 100 a minute; they are for callers that write
    /// in batches or have little memory.
    #[doc(alias = "$top")]
    pub fn page_size(mut self, machines: u32) -> Self {
        self.listing.page_size = Some(machines);
        self
    }

    /// An OData option that the documentation of machines doesn't settle, such as `$orderby` or
    /// `$select`. Sent as given, percent-encoded; may be called several times. Whether the service obeys is
    /// not known: [sort](crate::cookbook#newest-first) what must be in an order.
    ///
    /// A `$select` that leaves out `id` fits no [`Machine`]: use it with
    /// [`deserialize`](Self::deserialize).
    ///
    /// `$top`, `$skip` and `$filter` are refused by the iterator, as
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): they have methods.
    ///
    /// # Example
    ///
    /// ```
    /// # let client = defender_endpoint::Client::builder(defender_endpoint::StaticToken::new("t")?).build()?;
    /// let newest_first = client.machines().query_option("$orderby", "lastSeen desc");
    /// assert!(newest_first.url().ends_with("/api/machines?$orderby=lastSeen%20desc"));
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn query_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        let bare = name.trim().trim_start_matches('$').to_ascii_lowercase();
        if matches!(bare.as_str(), "top" | "skip" | "filter") {
            self.listing.refuse(format!(
                "query_option does not take {name}: use the method `{bare}`"
            ));
        }
        self.listing.options.push((name, value.into()));
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
    /// for machine in client.machines().deadline_in_all(Duration::from_secs(60)) {
    ///     println!("{}", machine?.id);
    /// }
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn deadline_in_all(mut self, deadline: Duration) -> Self {
        self.listing.set_deadline_in_all(deadline);
        self
    }

    /// Decodes each row into a type of the caller's, with the fields that it wants.
    ///
    /// The service sends null for most properties now and then, lists too, where [`Machine`] has an empty
    /// list: every field but the id is best an `Option`. See [only some
    /// fields](crate::cookbook#only-some-fields), with `$select`.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # let client = defender_endpoint::Client::from_env()?;
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "camelCase")]
    /// struct Name {
    ///     computer_dns_name: Option<String>,
    /// }
    ///
    /// for row in client.machines().deserialize::<Name>() {
    ///     println!("{:?}", row?.computer_dns_name);
    /// }
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn deserialize<U: DeserializeOwned>(self) -> ListMachines<U> {
        ListMachines {
            client: self.client,
            listing: self.listing,
            filter: self.filter,
            row: PhantomData,
        }
    }

    /// The URL of the first call, as it would be sent; without the filter if that can't be.
    ///
    /// # Example
    ///
    /// ```
    /// # let client = defender_endpoint::Client::builder(defender_endpoint::StaticToken::new("t")?).build()?;
    /// let url = client.machines().skip(20_000).top(5).url();
    /// assert_eq!(url, "https://api.securitycenter.microsoft.com/api/machines?$top=5&$skip=20000");
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn url(&self) -> String {
        self.client.url_of(&self.complete())
    }

    /// The machines page by page, for tools that write in batches.
    pub fn pages(self) -> Pages<T> {
        Pages::new(self.client.walk(self.complete()))
    }

    fn complete(&self) -> Listing {
        let mut listing = self.listing.clone();
        match self.filter.as_ref().map(Filter::checked) {
            Some(Ok(filter)) => listing
                .options
                .insert(0, ("$filter".to_owned(), filter.to_owned())),
            Some(Err(why)) => listing.refuse(format!("the filter can't be sent: {why}")),
            None => {}
        }
        listing
    }
}

impl<T: DeserializeOwned> ListMachines<T> {
    /// Like [`into_iter`](IntoIterator::into_iter), without consuming the request.
    pub fn iter(&self) -> Items<T> {
        Items::new(self.client.walk(self.complete()))
    }
}

impl<T: DeserializeOwned> IntoIterator for ListMachines<T> {
    type Item = Result<T, Error>;
    type IntoIter = Items<T>;

    fn into_iter(self) -> Items<T> {
        self.iter()
    }
}

impl<T: DeserializeOwned> IntoIterator for &ListMachines<T> {
    type Item = Result<T, Error>;
    type IntoIter = Items<T>;

    fn into_iter(self) -> Items<T> {
        self.iter()
    }
}

impl<T> Clone for ListMachines<T> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            listing: self.listing.clone(),
            filter: self.filter.clone(),
            row: PhantomData,
        }
    }
}

impl<T> fmt::Debug for ListMachines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListMachines")
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}
