//! Copies the machines of a tenant into a SQLite database, and keeps the copy up to date.
//!
//! `cargo run --example sync -- --database /tmp/fleet.db`. Without an account it copies a demo fleet,
//! which changes from one `--demo-day` to the next. With one, set `AZURE_TENANT_ID`,
//! `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` first.
//!
//! Made to be run by a timer, and to be copied: `store.rs` has the SQL, `walk.rs` what a walk through
//! the list means. It may be killed at any moment, by Ctrl-C too: there is no handler, since each page
//! is stored in one transaction with the place behind it, and the next run goes on from there if it
//! comes within an hour.
//!
//! Exit status: 0 the copy is up to date; 75 (`EX_TEMPFAIL`) something that may pass, such as an outage or
//! another run at work: the timer comes again anyway, and nobody need hear of it (in a unit of systemd:
//! `SuccessExitStatus=75`); 1 something that a person must look at; 2 wrong usage.

#[path = "../shared/mod.rs"]
mod shared;

mod demo;
mod store;
mod walk;

use std::env;
use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use defender_endpoint::filter::Filter;
use defender_endpoint::time::OffsetDateTime;
use defender_endpoint::{Client, ErrorKind};
use indicatif::ProgressBar;
use lexopt::prelude::*;
use store::{List, Store};
use walk::{Outcome, Rules};

const USAGE: &str = "\
Usage: sync --database FILE [--filter EXPRESSION] [--page-size N] [--misses N] [--allow-fewer]
       sync --database FILE --list

  --database FILE      the SQLite database; made if there is none. No URI, and not in memory
  --filter EXPRESSION  copy only these, an OData filter such as \"riskScore eq 'High'\"; with another
                       filter than last time, what does not fit any more counts as missing; if that
                       is more than half, with --allow-fewer alone
  --page-size N        machines a call, 1 to 10000 (default: the service's own pages)
  --misses N           delete a machine when N walks in a row did not see it (default: 3)
  --allow-fewer        believe a list without machines, one with less than half of those in the
                       database, or one that ended with 404, too
  --list               print what is in the database, tab separated: id, misses, first and last synced,
                       name, os, health, risk, last seen, tags

Without an account:
  --demo-day N         the demo fleet of that day: 0 (default), 1, 2, ...
  --die-after-page N   abort the process behind the Nth page of this run";

/// `EX_TEMPFAIL` of sysexits.h: try again later.
const TRY_AGAIN: u8 = 75;

struct Options {
    database: PathBuf,
    filter: Option<String>,
    page_size: Option<u32>,
    rules: Rules,
    list: bool,
    demo_day: Option<u32>,
    die_after_page: Option<NonZeroU32>,
}

fn main() -> ExitCode {
    let result = run();
    let may_pass = result.as_ref().is_err_and(|error| may_pass(&**error));
    let status = shared::exit_status(result, USAGE);
    if may_pass {
        return ExitCode::from(TRY_AGAIN);
    }
    status
}

fn may_pass(error: &(dyn Error + 'static)) -> bool {
    let service = error.downcast_ref::<defender_endpoint::Error>();
    service.is_some_and(defender_endpoint::Error::is_retryable) || store::is_retryable(error)
}

fn run() -> Result<(), Box<dyn Error>> {
    let Some(options) = options(lexopt::Parser::from_env())? else {
        println!("{USAGE}");
        return Ok(());
    };
    if options.list {
        let mut out = BufWriter::new(io::stdout().lock());
        store::list(&options.database, &mut out)?;
        out.flush()?;
        return Ok(());
    }
    // First of all, so that a second run stops before it has made a call.
    let mut store = Store::open(&options.database)?;
    let outcome = sync(&mut store, &options)?;
    report(&outcome, &options.database)?;
    Ok(())
}

fn sync(store: &mut Store, options: &Options) -> Result<Outcome, Box<dyn Error>> {
    // Drawn on stderr, and only if that is a terminal.
    let bar = ProgressBar::new_spinner();
    let waiting = bar.clone();
    let (client, demo) = shared::client(|builder| {
        builder.on_wait(move |wait| {
            waiting.set_message(wait.to_string());
            waiting.tick();
            ControlFlow::Continue(())
        })
    })?;
    let is_demo = options.demo_day.is_some() || options.die_after_page.is_some();
    match &demo {
        Some(tenant) => tenant.set_machines(demo::fleet(options.demo_day.unwrap_or(0)))?,
        None if is_demo => {
            let what = "--demo-day and --die-after-page are for the demo tenant";
            return Err(lexopt::Error::from(what).into());
        }
        None => {}
    }
    let list = List {
        tenant: tenant_id(&client, env::var("AZURE_TENANT_ID").ok())?,
        filter: options.filter.clone().unwrap_or_default(),
    };
    let mut request = client.machines();
    if let Some(machines) = options.page_size {
        request = request.page_size(machines);
    }
    if let Some(filter) = &options.filter {
        request = request.filter(Filter::raw(filter));
    }
    let mut left = options.die_after_page.map(NonZeroU32::get);
    let outcome = walk::run(
        store,
        request,
        &list,
        &options.rules,
        OffsetDateTime::now_utc,
        |walk| {
            bar.set_message(format!(
                "{} machines, {} pages",
                walk.next_skip, walk.counts.pages
            ));
            bar.tick();
            left = left.map(|pages| pages.saturating_sub(1));
            if left == Some(0) {
                process::abort();
            }
        },
    );
    bar.finish_and_clear();
    outcome
}

/// The tenant that the database belongs to: as the token says. As the program was told only where the
/// token can't be read, since most credentials ignore the variable, and their tenant may change under it.
fn tenant_id(client: &Client, told: Option<String>) -> Result<String, Box<dyn Error>> {
    let id = match client.token_claims() {
        Ok(claims) => claims.tenant_id().map(str::to_owned),
        Err(error) if error.kind() == ErrorKind::Decode => None,
        Err(error) => return Err(error.into()),
    };
    let given = |id: &String| !id.trim().is_empty();
    let id = id.filter(given).or(told.filter(given));
    let id = id.ok_or("the token does not say for which tenant it is: set AZURE_TENANT_ID")?;
    Ok(id.trim().to_ascii_lowercase())
}

fn report(outcome: &Outcome, database: &Path) -> io::Result<()> {
    let counts = outcome.counts;
    writeln!(
        io::stdout(),
        "walk {}: {} inserted, {} updated, {} unchanged, {} unseen, {} deleted",
        outcome.number,
        counts.inserted,
        counts.updated,
        counts.unchanged,
        counts.unseen,
        counts.deleted,
    )?;
    if let Some(doubt) = outcome.doubt {
        eprintln!(
            "{doubt}: that does not prove that machines are gone, so none of {} was marked as unseen \
             (--allow-fewer takes it at its word)",
            database.display()
        );
    }
    Ok(())
}

fn options(mut arguments: lexopt::Parser) -> Result<Option<Options>, lexopt::Error> {
    let mut database = None;
    let (mut filter, mut page_size, mut list) = (None, None, false);
    let (mut misses, mut allow_fewer) = (NonZeroU32::MIN.saturating_add(2), false);
    let (mut demo_day, mut die_after_page) = (None, None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("database") => {
                let file = PathBuf::from(arguments.value()?);
                store::check_name(&file)?;
                database = Some(file);
            }
            Long("filter") => filter = Some(arguments.value()?.string()?),
            Long("page-size") => page_size = Some(arguments.value()?.parse()?),
            Long("misses") => misses = arguments.value()?.parse()?,
            Long("allow-fewer") => allow_fewer = true,
            Long("list") => list = true,
            Long("demo-day") => demo_day = Some(arguments.value()?.parse()?),
            Long("die-after-page") => die_after_page = Some(arguments.value()?.parse()?),
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(Options {
        database: database.ok_or("--database is missing")?,
        filter,
        page_size,
        rules: Rules {
            misses,
            allow_fewer,
        },
        list,
        demo_day,
        die_after_page,
    }))
}

#[cfg(test)]
mod tests;
