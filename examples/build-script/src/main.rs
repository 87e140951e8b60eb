//! The machines that were a tenant's when this program was built: how many, and the first of them, or
//! those with the name that is given.

use std::env;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

struct Machine {
    id: &'static str,
    name: Option<&'static str>,
    platform: Option<&'static str>,
}

// `SOURCE` and `MACHINES`.
include!(concat!(env!("OUT_DIR"), "/machines.rs"));

fn main() -> ExitCode {
    match show(env::args().nth(1).as_deref()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("no machine has this name");
            ExitCode::FAILURE
        }
        // A reader that has seen enough, such as `head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether there was anything to show.
fn show(name: Option<&str>) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    let Some(name) = name else {
        writeln!(out, "{} machines, from {SOURCE}", MACHINES.len())?;
        for machine in MACHINES.iter().take(3) {
            write(&mut out, machine)?;
        }
        return Ok(true);
    };
    let mut found = false;
    for machine in named(name) {
        write(&mut out, machine)?;
        found = true;
    }
    Ok(found)
}

/// Several may have the same name, such as one that was set up anew. Case means nothing in it.
fn named(name: &str) -> impl Iterator<Item = &'static Machine> {
    MACHINES.iter().filter(move |machine| {
        let known = machine.name;
        known.is_some_and(|known| known.eq_ignore_ascii_case(name))
    })
}

/// What is no plain character stays escaped: a name must not steer the terminal.
fn write(out: &mut impl Write, machine: &Machine) -> io::Result<()> {
    let text = |text: Option<&'static str>| text.unwrap_or("-").escape_debug();
    let (name, platform) = (text(machine.name), text(machine.platform));
    writeln!(out, "{} {name} {platform}", machine.id.escape_debug())
}
