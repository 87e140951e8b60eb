//! Lists as iterators: rows one by one, or page by page.

mod listing;
mod walk;

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::page::Rows;

pub(crate) use listing::{Listing, PageSizes};
pub(crate) use walk::Walk;

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

    /// An error about the row that was handed out last, with what is known of its call.
    pub(crate) fn of_row(&self, error: Error) -> Error {
        self.walk.of_page(error)
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
                    self.finish();
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl<T: DeserializeOwned> Items<T> {
    fn finish(&mut self) {
        self.done = true;
        self.page = None;
        self.walk.finish();
    }

    /// Fetches a page, takes a row of it, or turns it over.
    fn step(&mut self) -> Result<Option<T>, Error> {
        let Some(page) = &mut self.page else {
            self.page = self.walk.fetch()?;
            if self.page.is_none() {
                self.finish();
            }
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
/// row, is not handed out at all: [`offset`](Pages::offset) is then where it began. How all other rows
/// of such a page are had is a recipe: [past a row that can't be
/// read](crate::cookbook#past-a-row-that-cant-be-read).
///
/// To ask the walk for its end, lend it to the loop: `for page in pages.by_ref()`.
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
        if !matches!(page, Some(Ok(_))) {
            self.done = true;
            self.walk.finish();
        }
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

#[cfg(test)]
mod tests;
#[cfg(test)]
mod under_fire;
