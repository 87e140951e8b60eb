//! Machines by several ids, in as few calls as their filter allows.

use std::fmt;
use std::iter::FusedIterator;
use std::time::Duration;
use std::vec;

use super::{ListMachines, Machine, field};
use crate::client::Client;
use crate::encode::distinct_ids;
use crate::error::{Error, ErrorKind};

/// The most ids of a call. How long a filter may be is not documented: this many make a URL of 1,334
/// bytes.
const MOST: u32 = 20;

/// A request for the machines with certain ids. Made by [`Client::machines_by_id`].
///
/// A plain value: nothing is sent until it is iterated. It can be cloned, kept and iterated again.
/// Each call is one of «List machines API», for up to [`ids_per_call`](Self::ids_per_call) machines
/// with the filter `id eq '..' or id eq '..'`, so that 100 machines cost 5 calls instead of 100.
///
/// Every id that was given comes back once, in the order given, with its machine, or `None` if the
/// service has none. Ids are matched without regard to ASCII case: two that differ in case alone are both
/// asked for, and both come back with the same machine. A token for a user (delegated permission)
/// sees only the device groups that the user may see: a machine outside of them is `None` too.
///
/// Machines are found by their ids only, neither by the computer's name, which
/// [`Client::machine`] takes, nor by a scan agent's id.
///
/// # Errors
///
/// The iterator's items are results. An error is the last item. Kinds:
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) for an id that is empty, blank, `.` or `..`, or
/// holds control characters or more than 1,024 bytes, or for more or fewer ids per call than there may
/// be, each before anything is sent; [`NotFound`](crate::ErrorKind::NotFound) for any 404, so that machines
/// that exist don't pass for missing; [`Paging`](crate::ErrorKind::Paging) for a machine that was not asked for, as if the
/// service had not looked at the filter; and the others of [`ListMachines`].
///
/// # Example
///
/// ```no_run
/// # let client = defender_endpoint::Client::from_env()?;
/// for looked_up in client.machines_by_id(["1e5bc9d7e413ddd7902c2932e418702b84d0cc07", "eb663a27"]) {
///     let (id, machine) = looked_up?;
///     match machine {
///         Some(machine) => println!("{id} {:?}", machine.health_status),
///         None => println!("{id} is no machine"),
///     }
/// }
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
///
/// # Example: the machines of all scanners
///
/// What has no id of a machine is left out by [`OnMachine::machine_id`](super::OnMachine::machine_id).
///
/// ```no_run
/// use std::collections::HashMap;
/// use defender_endpoint::Error;
/// use defender_endpoint::machines::{Machine, OnMachine};
///
/// # let client = defender_endpoint::Client::from_env()?;
/// let agents = client.scan_agents()?;
/// let machines: HashMap<String, Option<Machine>> = client
///     .machines_by_id(agents.iter().filter_map(OnMachine::machine_id))
///     .into_iter()
///     .collect::<Result<_, Error>>()?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is sent until the request is iterated"]
pub struct MachinesById {
    /// What each call is made of: the list, yet without the filter.
    list: ListMachines,
    /// Each once, also one that can't be sent: what is left to do would be told without it.
    ids: Vec<String>,
    ids_per_call: u32,
}

impl MachinesById {
    pub(crate) fn new<I>(client: Client, ids: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut list = ListMachines::new(client);
        // As the end of a list it would be «none» for every id of a call.
        list.listing.not_found_is_end = false;
        let (ids, refusal) = distinct_ids("machine", ids);
        if let Some(why) = refusal {
            list.listing.refuse(why);
        }
        Self {
            list,
            ids,
            ids_per_call: MOST,
        }
    }

    /// Ids a call, 1 to 20. Defaults to 20.
    ///
    /// Fewer cost more calls, of which there are 100 a minute. One at a time tells which machine's
    /// row it is that can't be decoded. Ids that are so long that the URL would have more than 16 KiB
    /// are asked for with more calls than this says.
    pub fn ids_per_call(mut self, ids: u32) -> Self {
        self.ids_per_call = ids;
        self
    }

    /// How long each call may take in all, as [`ListMachines::deadline`] says. Defaults to the
    /// client's [`deadline`](crate::ClientBuilder::deadline).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.list = self.list.deadline(deadline);
        self
    }

    /// Like [`into_iter`](IntoIterator::into_iter), without consuming the request.
    pub fn iter(&self) -> MachinesByIdIter {
        self.clone().into_iter()
    }
}

impl IntoIterator for MachinesById {
    type Item = Result<(String, Option<Machine>), Error>;
    type IntoIter = MachinesByIdIter;

    fn into_iter(self) -> MachinesByIdIter {
        MachinesByIdIter {
            request: self,
            handed_out: 0,
            batch: Vec::new().into_iter(),
            failed: false,
        }
    }
}

impl IntoIterator for &MachinesById {
    type Item = Result<(String, Option<Machine>), Error>;
    type IntoIter = MachinesByIdIter;

    fn into_iter(self) -> MachinesByIdIter {
        self.iter()
    }
}

impl fmt::Debug for MachinesById {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachinesById")
            .field("ids", &self.ids.len())
            .field("ids_per_call", &self.ids_per_call)
            .finish_non_exhaustive()
    }
}

/// Ids with their machines, one after the other: what [`MachinesById`] is iterated with.
///
/// Nothing is sent before the first `next`. What a call brings is handed out once all of it is
/// there. After an error there is nothing more: what was fetched before it has been handed out, and
/// [`remaining`](Self::remaining) says what to go on with.
///
/// # Example
///
/// ```no_run
/// # let client = defender_endpoint::Client::from_env()?;
/// # let ids = ["1e5bc9d7"];
/// let mut machines = client.machines_by_id(ids).into_iter();
/// for looked_up in machines.by_ref() {
///     match looked_up {
///         Ok((id, machine)) => println!("{id} {}", machine.is_some()),
///         Err(error) => eprintln!("{error}"),
///     }
/// }
/// let rest = client.machines_by_id(machines.remaining()); // nothing, unless there was an error
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[must_use = "iterators are lazy: nothing is sent before the first `next`"]
pub struct MachinesByIdIter {
    request: MachinesById,
    /// How many of the request's ids.
    handed_out: usize,
    /// Of the ids behind those.
    batch: vec::IntoIter<Option<Machine>>,
    failed: bool,
}

impl MachinesByIdIter {
    /// The ids that have not been handed out, in the order given: what to give to
    /// [`Client::machines_by_id`] to go on after an error.
    pub fn remaining(&self) -> &[String] {
        let ids = self.request.ids.get(self.handed_out..);
        ids.unwrap_or_default()
    }

    /// Asks for the ids of the next call: a machine or none for each, nothing when there are no more.
    fn fetch(&mut self) -> Result<Vec<Option<Machine>>, Error> {
        if !(1..=MOST).contains(&self.request.ids_per_call) {
            let why = format!("ids_per_call must be from 1 to {MOST}");
            return Err(Error::invalid(why));
        }
        self.request.list.listing.check()?;
        let (ids, request) = self.next_call();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut machines = vec![None; ids.len()];
        let mut rows = request.into_iter();
        while let Some(row) = rows.next() {
            let row = row.map_err(|error| match error.kind() {
                ErrorKind::NotFound => error.with_hint(
                    "404 is documented for no recent machines, and was reported for a tenant that was \
                     never set up; an empty list would be the answer for ids without machines; \
                     `Client::machine` asks for one of them",
                ),
                _ => error,
            })?;
            let mut was_asked_for = false;
            for (id, machine) in ids.iter().zip(&mut machines) {
                if row.id.eq_ignore_ascii_case(id) {
                    was_asked_for = true;
                    // The very id counts more than one that differs in case.
                    let better = |it: &Machine| it.id != *id && row.id == *id;
                    if machine.as_ref().is_none_or(better) {
                        *machine = Some(row.clone());
                    }
                }
            }
            if !was_asked_for {
                // The next rows would be the rest of the tenant's.
                return Err(rows.of_row(Error::new(
                    ErrorKind::Paging,
                    "the answer holds a machine that was not asked for, as if the filter meant nothing",
                )));
            }
        }
        Ok(machines)
    }

    /// The ids that the next call can carry, and that call.
    fn next_call(&self) -> (&[String], ListMachines) {
        let most = usize::try_from(self.request.ids_per_call).unwrap_or(usize::MAX);
        let mut ids = self.remaining();
        ids = ids.get(..most).unwrap_or(ids);
        loop {
            let request = self.request.list.clone().filter(field::ID.is_in(ids));
            match ids.split_last() {
                // One id always fits.
                Some((_, fewer)) if !fewer.is_empty() && request.complete().is_too_long() => {
                    ids = fewer;
                }
                _ => return (ids, request),
            }
        }
    }
}

impl Iterator for MachinesByIdIter {
    type Item = Result<(String, Option<Machine>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.batch.len() == 0 {
            match self.fetch() {
                Ok(machines) => self.batch = machines.into_iter(),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        let machine = self.batch.next()?;
        let id = self.remaining().first()?.clone();
        self.handed_out += 1;
        Some(Ok((id, machine)))
    }
}

impl FusedIterator for MachinesByIdIter {}

impl fmt::Debug for MachinesByIdIter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachinesByIdIter")
            .field("handed_out", &self.handed_out)
            .field("remaining", &self.remaining().len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
