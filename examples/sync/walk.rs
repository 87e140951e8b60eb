//! The walk: pages from the service into the database, and what the end of the list proves.

use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use defender_endpoint::machines::ListMachines;
use defender_endpoint::time::OffsetDateTime;

use crate::store::{Counts, List, Store, Walk};

/// When a machine is taken for gone.
pub(crate) struct Rules {
    /// After so many walks in a row that did not see it.
    pub(crate) misses: NonZeroU32,
    /// An end that proves nothing counts like any other.
    pub(crate) allow_fewer: bool,
}

/// Why the end of a walk says nothing about the machines that it did not see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Doubt {
    /// There were no machines.
    Empty,
    /// There were less than half of those that the database has.
    Shrunk,
    /// The list ended with 404, which the service documents for "no recent machines".
    NotFound,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the list was empty",
            Self::Shrunk => "the list had less than half of the machines that the database has",
            Self::NotFound => "the list ended with 404",
        })
    }
}

#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) number: i64,
    pub(crate) counts: Counts,
    /// No machine was marked as unseen, and none deleted, for this reason.
    pub(crate) doubt: Option<Doubt>,
}

/// Walks through the list, from its start or from where the last run was broken off, and stores it.
///
/// The next page is fetched while one is stored. `stored` hears of each page that is in the database
/// for good. After an error, and after a kill, all pages before it are; nothing has to be undone, so
/// that there is no handler for signals either. After an error of the database it returns when the call
/// that is under way has ended.
pub(crate) fn run(
    store: &mut Store,
    request: ListMachines,
    list: &List,
    rules: &Rules,
    now: impl Fn() -> OffsetDateTime,
    mut stored: impl FnMut(&Walk),
) -> Result<Outcome, Box<dyn Error>> {
    let mut walk = store.begin(list, now())?;
    let mut pages = request.skip(walk.next_skip).pages();
    let ended_by_not_found = thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel(0); // hands over, keeps nothing
        let reader = scope.spawn(move || {
            // Ends with the list, behind an error, or when nobody takes pages any more.
            let _ = pages.try_for_each(|page| send.send(page));
            pages.ended_by_not_found()
        });
        for page in receive {
            let page = page?;
            store.page(&mut walk, &page.items, page.next_skip, now())?;
            stored(&walk);
        }
        let ended_by_not_found = reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok::<bool, Box<dyn Error>>(ended_by_not_found)
    })?;
    // An answer without machines, or with few, is what a fault, a filter with a slip or a lost permission
    // looks like. It may come in the middle of a walk, too, and what a run before it saw proves nothing
    // about the rest. Of what was seen in it, or before it, everything is stored all the same.
    let seen = walk.counts.seen();
    let doubt = if rules.allow_fewer {
        None
    } else if ended_by_not_found {
        Some(Doubt::NotFound)
    } else if seen == 0 {
        Some(Doubt::Empty)
    } else {
        (seen.saturating_mul(2) < store.machines()?).then_some(Doubt::Shrunk)
    };
    let number = walk.number;
    let misses = doubt.is_none().then_some(rules.misses.get());
    let counts = store.end(walk, misses, now())?;
    Ok(Outcome {
        number,
        counts,
        doubt,
    })
}

#[cfg(test)]
mod tests;
