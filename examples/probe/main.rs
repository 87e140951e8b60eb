//! Looks at what the service really answers in your tenant, and writes a report that can be pasted into
//! an issue: shapes and types, no names, no ids, no addresses.
//!
//! Without an account: `cargo run --example probe`. With one, set `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`
//! and `AZURE_CLIENT_SECRET` first; `Machine.Read.All` is enough. It reads only, and asks some twenty
//! times. Read the report before you paste it.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test that fails may panic"
    )
)]

mod around;
mod ask;
#[expect(dead_code, reason = "the rest is for the tests of the crate")]
mod known;
mod models;
mod operations;
mod questions;
mod report;
mod shape;
#[path = "../shared/mod.rs"]
mod shared;

use std::io;
use std::process::ExitCode;
use std::thread;

use defender_endpoint::Client;
use lexopt::prelude::*;

use ask::Asker;
use known::Schema;
use operations::Operations;
use report::Report;

const USAGE: &str = "\
Usage: probe [--rows N] [--json] [--until-429 --yes]

  --rows N     look at so many machines, at most 10000 (default 200)
  --json       write the report as JSON instead of Markdown
  --until-429  ask for a machine till the service refuses, 200 times at most, to see how it refuses
  --yes        do that really: until the limit has room again, your other programs are refused too

The report goes to stdout, what is being asked to stderr.";

pub(crate) struct Options {
    /// How many machines are looked at.
    pub(crate) rows: u64,
    json: bool,
    pub(crate) until_429: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rows: 200,
            json: false,
            until_429: false,
        }
    }
}

fn main() -> ExitCode {
    shared::exit_status(run(), USAGE)
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options(lexopt::Parser::from_env())? else {
        println!("{USAGE}");
        return Ok(());
    };
    let (client, _demo) = shared::client(|builder| builder)?;
    // Without a token there is nothing to report, but a reason to tell.
    client.access_token()?;
    let tell = |line: &str| eprintln!("{line}");
    let asker = Asker::new(&client, &tell, &thread::sleep);
    let report = probe(&client, &asker, &options)?;
    let mut out = io::stdout().lock();
    if options.json {
        report::json(&report, &mut out)?;
    } else {
        report::markdown(&report, &mut out)?;
    }
    Ok(())
}

/// `None` where only the usage is asked for.
fn options(mut parser: lexopt::Parser) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options::default();
    let mut yes = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("rows") => {
                options.rows = parser.value()?.parse()?;
                if !(1..=10_000).contains(&options.rows) {
                    return Err("--rows takes a number from 1 to 10000".into());
                }
            }
            Long("json") => options.json = true,
            Long("until-429") => options.until_429 = true,
            Long("yes") => yes = true,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    if options.until_429 && !yes {
        return Err(
            "--until-429 uses up the quota of this app registration for a minute, perhaps for an hour, \
             and all its programs are refused meanwhile: add --yes if that is fine"
                .into(),
        );
    }
    Ok(Some(options))
}

/// Asks, looks and sums up.
pub(crate) fn probe(
    client: &Client,
    asker: &Asker<'_>,
    options: &Options,
) -> Result<Report, String> {
    let schema = Schema::read(known::TEXT)?;
    let operations = Operations::ask(asker, options.rows);
    let mut reports = operations.reports(client, &schema);
    let calls_by_the_client = operations.by_the_client(client, options.rows, &mut reports);
    // The last of all: from then on everything may be refused.
    let questions = questions::answer(client, asker, &operations, &schema, options.until_429);
    Ok(Report {
        crate_version: env!("CARGO_PKG_VERSION"),
        host: operations::host(client.cloud().api_url()),
        credential: client.credential().name().to_owned(),
        raw_calls: asker.calls(),
        calls_by_the_client,
        questions,
        operations: reports,
    })
}

#[cfg(test)]
mod tests;
