//! Measures the crate beside what a user would write or pick instead. See README.md.

mod client;
mod counts;
mod fleet;
mod footprint;
mod server;
mod speed;
mod table;

use std::error::Error;

use server::{Plan, Server};

const USAGE: &str = "\
Usage: bench speed [--rounds N] [--only WORDS]   time and memory, in turns (default: 7 rounds)
       bench footprint [--rounds N]              crates, clean builds, binaries (default: 3 rounds)
       bench counts [--check]                    instructions and allocations, by valgrind
       bench serve [--pages N] [--gzip]          pages and no client, for a profiler";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).map(String::as_str)
    };
    match arguments.first().map(String::as_str) {
        Some("speed") => {
            let rounds = value("--rounds").unwrap_or("7").parse()?;
            speed::speed(rounds, value("--only").unwrap_or_default())
        }
        Some("footprint") => footprint::footprint(value("--rounds").unwrap_or("3").parse()?),
        Some("serve") => {
            let pages = value("--pages").unwrap_or("2").parse()?;
            serve(pages, arguments.iter().any(|argument| argument == "--gzip"))
        }
        Some("counts") => counts::counts(arguments.iter().any(|argument| argument == "--check")),
        _ => Err(USAGE.into()),
    }
}

/// Serves until it is ended, and says how a client finds it.
fn serve(pages: usize, gzip: bool) -> Result<(), Box<dyn Error>> {
    let plan = Plan {
        history_pages: pages,
        gzip,
        ..Plan::pages(pages, 10_000)
    };
    let server = Server::start(plan)?;
    println!(
        "export BENCH_URL={} BENCH_WHAT=machines # or history",
        server.url
    );
    loop {
        std::thread::park();
    }
}
