//! Three ways through a long list: a page after the other, with a page of read-ahead, or several
//! pages at once. Prints machine ids in the list's order.
//!
//! `cargo run --example pipeline -- --read-ahead` and
//! `cargo run --example pipeline -- --parallel 4 --page-size 50`. The functions [`read_ahead`] and
//! [`parallel`] are made to be copied; the manual's chapter «Reading ahead and in parallel» says
//! when either is worth it.

mod shared;

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroU8;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use defender_endpoint::machines::Machine;
use defender_endpoint::{Client, Pages};
use lexopt::prelude::*;

const USAGE: &str = "\
Usage: pipeline [--read-ahead | --parallel N] [--page-size N] [--skip N]

  --read-ahead   fetch the next page while this one is stored
  --parallel N   fetch N pages at once; 4 is a good number
  --page-size N  machines a call, 1 to 10000 (default: the service's own pages, 10000 in parallel)
  --skip N       leave out the first N machines";

/// The most machines that the service puts on a page.
const FULL_PAGE: u32 = 10_000;

enum Way {
    OneByOne,
    ReadAhead,
    Parallel(usize),
}

struct Options {
    way: Way,
    page_size: Option<u32>,
    skip: u64,
}

fn main() -> ExitCode {
    shared::exit_status(run(), USAGE)
}

fn run() -> Result<(), Box<dyn Error>> {
    let Some(Options {
        way,
        page_size,
        skip,
    }) = options()?
    else {
        println!("{USAGE}");
        return Ok(());
    };
    let (client, _demo) = shared::client(|builder| builder)?;
    let mut request = client.machines().skip(skip);
    if let Some(machines) = page_size {
        request = request.page_size(machines);
    }

    let begun = Instant::now();
    let mut store = Store::new(io::stdout().lock(), skip);
    let page = |machines, next_skip| store.page(machines, next_skip);
    let outcome = match way {
        Way::OneByOne => one_by_one(request.pages(), page),
        Way::ReadAhead => read_ahead(request.pages(), page),
        Way::Parallel(threads) => {
            let size = page_size.unwrap_or(FULL_PAGE);
            parallel(&client, skip, size, threads, page)
        }
    };
    store.out.flush()?;
    eprintln!(
        "{} machines, {} pages, {:.1} seconds",
        store.seen.len(),
        store.pages,
        begun.elapsed().as_secs_f32()
    );
    if outcome.is_err() && store.next_skip > 0 {
        eprintln!("to go on from here: --skip {}", store.next_skip);
    }
    outcome
}

fn options() -> Result<Option<Options>, lexopt::Error> {
    let (mut way, mut page_size, mut skip) = (Way::OneByOne, None, 0);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("read-ahead") => way = Way::ReadAhead,
            Long("parallel") => {
                way = Way::Parallel(arguments.value()?.parse::<NonZeroU8>()?.get().into());
            }
            Long("page-size") => page_size = Some(arguments.value()?.parse()?),
            Long("skip") => skip = arguments.value()?.parse()?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(Options {
        way,
        page_size,
        skip,
    }))
}

/// For comparison: while a page is stored nothing is fetched.
pub(crate) fn one_by_one(
    pages: Pages<Machine>,
    mut store: impl FnMut(Vec<Machine>, u64) -> io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    for page in pages {
        let page = page?;
        store(page.items, page.next_skip)?;
    }
    Ok(())
}

/// Fetches the next page while this one is stored.
///
/// `store` gets a page's machines, and where to go on behind them. When it fails, or a page does,
/// everything before has been stored.
pub(crate) fn read_ahead(
    mut pages: Pages<Machine>,
    mut store: impl FnMut(Vec<Machine>, u64) -> io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    thread::scope(|scope| {
        // A channel without room: one page is being stored, one waits to be taken or is fetched.
        let (send, receive) = mpsc::sync_channel(0);
        // Ends with the list, behind an error, or when nobody takes pages any more.
        scope.spawn(move || pages.try_for_each(|page| send.send(page)));
        for page in receive {
            let page = page?;
            store(page.items, page.next_skip)?;
        }
        Ok(())
    })
}

/// Fetches pages of `size` machines in several threads, and stores them in the list's order.
///
/// `store` gets a page's machines, and where to go on behind them. Pages that come before their
/// turn wait in memory. The first error stops all threads; every page before the one that failed
/// has been stored then. A list that became shorter meanwhile, so that a page in the middle is short, is an
/// error too: what lies behind it has no place any more. So is a 404 behind the first rows: it is documented
/// for an empty list, and not for the end of one.
pub(crate) fn parallel(
    client: &Client,
    start: u64,
    size: u32,
    threads: usize,
    mut store: impl FnMut(Vec<Machine>, u64) -> io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let rows = u64::from(size);
    let (next, ended) = (AtomicU64::new(start), AtomicBool::new(false));
    let work = |send: mpsc::SyncSender<_>| {
        while !ended.load(Ordering::Relaxed) {
            let skip = next.fetch_add(rows, Ordering::Relaxed);
            let page = client.machines().page_size(size).skip(skip).top(rows);
            let mut rows_of = page.into_iter();
            let page: Result<Vec<_>, _> = rows_of.by_ref().collect();
            // Behind a short page is nothing, and all before it have been taken by somebody.
            if !page.as_ref().is_ok_and(|page| page.len() as u64 == rows) {
                ended.store(true, Ordering::Relaxed);
            }
            if send
                .send((skip, page, rows_of.ended_by_not_found()))
                .is_err()
            {
                return;
            }
        }
    };
    thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel(0);
        for _ in 0..threads.max(1) {
            let (work, send) = (&work, send.clone());
            scope.spawn(move || work(send));
        }
        drop(send); // the loop below lasts for as long as there is a sender
        let (mut early, mut due) = (BTreeMap::new(), start);
        for (skip, page, not_found) in receive {
            early.insert(skip, (page, not_found));
            // A short page is the last that is due: nothing begins where it ends.
            while let Some((page, not_found)) = early.remove(&due) {
                let page: Vec<_> = page?;
                due = due.saturating_add(page.len() as u64);
                if !page.is_empty() {
                    store(page, due)?;
                }
                if not_found && due > 0 {
                    let text = format!("404 behind row {due}, as if the list ended there");
                    return Err(text.into());
                }
            }
        }
        for (page, _) in early.split_off(&due).into_values() {
            if !page?.is_empty() {
                let text = "a page in the middle is short: the list became shorter meanwhile";
                return Err(text.into());
            }
        }
        Ok(())
    })
}

/// Stands for a database: keeps each machine once, by its id, and how far it came.
pub(crate) struct Store<W: Write> {
    pub(crate) out: BufWriter<W>,
    pub(crate) seen: HashSet<String>,
    pub(crate) pages: u64,
    pub(crate) next_skip: u64,
}

impl<W: Write> Store<W> {
    pub(crate) fn new(out: W, next_skip: u64) -> Self {
        Self {
            out: BufWriter::new(out),
            seen: HashSet::new(),
            pages: 0,
            next_skip,
        }
    }

    pub(crate) fn page(&mut self, machines: Vec<Machine>, next_skip: u64) -> io::Result<()> {
        for machine in machines {
            // A fleet changes while it is listed: a machine may turn up on two pages.
            if !self.seen.contains(&machine.id) {
                writeln!(self.out, "{}", machine.id)?;
                self.seen.insert(machine.id);
            }
        }
        self.pages += 1;
        self.next_skip = next_skip;
        Ok(())
    }
}
