//! A list that survives being broken off: prints machine ids, and keeps in a file how far it came.
//!
//! `cargo run --example resume -- --state /tmp/machines.offset`, and once more. The demo tenant
//! fails in the third page of the first run; the second run prints the rest.

mod shared;

use std::error::Error;
use std::fs;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use defender_endpoint::testing::Fault;
use lexopt::prelude::*;

const USAGE: &str = "\
Usage: resume --state FILE

  --state FILE  where to keep how many machines have been printed; removed when all have been";

fn main() -> ExitCode {
    shared::exit_status(run(), USAGE)
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut state: Option<PathBuf> = None;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("state") => state = Some(arguments.value()?.into()),
            Short('h') | Long("help") => {
                println!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let state = state.ok_or_else(|| lexopt::Error::from("--state is missing"))?;
    let done = load(&state)?;

    let (client, demo) = shared::client(|builder| builder)?;
    if let (Some(tenant), 0) = (&demo, done) {
        tenant.fail(Fault::status(403).path("/api/machines").on_call(3));
    }

    let mut out = BufWriter::new(io::stdout().lock());
    let mut machines = client.machines().skip(done).into_iter();
    while let Some(machine) = machines.next() {
        match machine {
            Ok(machine) => writeln!(out, "{}", machine.id)?,
            Err(error) => {
                // First what was printed, then how much that was: never the other way round.
                out.flush()?;
                save(&state, machines.offset())?;
                eprintln!(
                    "broken off after {} machines; run it again",
                    machines.offset()
                );
                return Err(error.into());
            }
        }
    }
    out.flush()?;
    match fs::remove_file(&state) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn load(state: &Path) -> Result<u64, Box<dyn Error>> {
    match fs::read_to_string(state) {
        Ok(text) => text
            .trim()
            .parse()
            .map_err(|_| format!("{} holds no number of machines", state.display()).into()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// By renaming, so that the file is whole at all times.
fn save(state: &Path, done: u64) -> io::Result<()> {
    let new = state.with_extension("new");
    fs::write(&new, done.to_string())?;
    fs::rename(new, state)
}
