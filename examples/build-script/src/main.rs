//! The machines that were a tenant's when this program was built: how many, and the first of them, or
//! those with the name that is given.

use std::env;
use std::process::ExitCode;

struct Machine {
    id: &'static str,
    name: Option<&'static str>,
    platform: Option<&'static str>,
}

// `SOURCE` and `MACHINES`.
include!(concat!(env!("OUT_DIR"), "/machines.rs"));

fn main() -> ExitCode {
    let Some(name) = env::args().nth(1) else {
        println!("{} machines, from {SOURCE}", MACHINES.len());
        MACHINES.iter().take(3).for_each(print);
        return ExitCode::SUCCESS;
    };
    let mut found = named(&name).peekable();
    if found.peek().is_none() {
        eprintln!("no machine has this name");
        return ExitCode::FAILURE;
    }
    found.for_each(print);
    ExitCode::SUCCESS
}

/// Several may have the same name, such as one that was set up anew. Case means nothing in it.
fn named(name: &str) -> impl Iterator<Item = &'static Machine> {
    MACHINES.iter().filter(move |machine| {
        let known = machine.name.unwrap_or_default();
        known.eq_ignore_ascii_case(name)
    })
}

/// What is no plain character stays escaped: a name must not steer the terminal.
fn print(machine: &Machine) {
    let text = |text: Option<&'static str>| text.unwrap_or("-").escape_debug();
    let (name, platform) = (text(machine.name), text(machine.platform));
    println!("{} {name} {platform}", machine.id.escape_debug());
}
