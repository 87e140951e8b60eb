//! What is exact: instructions and allocations for each machine, counted by valgrind. The
//! difference between many pages and few, so that what a process costs anyway cancels out.

use std::cell::Cell;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

use report::HISTORY_PAGE;

use crate::client::{Client, Outcome, run};
use crate::server::{Plan, Server};
use crate::table::{Table, verdict};

const ROWS: usize = 5_000;

/// The most that passes: instructions beside `from_slice`, and bytes a machine.
const INSTRUCTIONS: f64 = 0.88;
const BYTES: f64 = 800.0;

/// Counts; with `check`, missing a figure is an error.
pub fn counts(check: bool) -> Result<(), Box<dyn Error>> {
    if !Command::new("valgrind")
        .arg("--version")
        .output()
        .is_ok_and(|out| out.status.success())
    {
        println!("skipped: instructions and allocations (no valgrind)");
        return Ok(());
    }
    let build = |client: Client| -> Result<Vec<PathBuf>, Box<dyn Error>> {
        Ok(client.build("release")?.ok_or("no program")?)
    };
    let (sdk, by_hand) = (build(Client::Sdk)?, build(Client::ByHand)?);
    let mut missed = Vec::new();
    let mut judge = |name: &'static str, value: f64, most: Option<f64>| {
        if most.is_some_and(|most| value > most) {
            missed.push(name);
        }
        verdict(value, most)
    };

    let plain = Pair::start(2 * ROWS, |pages| Plan::pages(pages, ROWS))?;
    let gzip = Pair::start(2 * ROWS, |pages| Plan::pages(pages, ROWS).gzip())?;
    let history = Pair::start(2 * HISTORY_PAGE, |pages| Plan {
        history_pages: pages,
        ..Plan::pages(0, 1)
    })?;
    let table = Table::new(&[
        "instructions a row, transport included",
        "must reach",
        "ratio",
        "this crate",
        "from_slice",
    ]);
    for (name, pair, what, most) in [
        ("machines, plain", &plain, "machines", Some(INSTRUCTIONS)),
        ("machines, gzip", &gzip, "machines", None),
        ("history as documented, plain", &history, "history", None),
    ] {
        let ours = pair.instructions(&sdk, what)?;
        let theirs = pair.instructions(&by_hand, what)?;
        table.row(&[
            name.to_owned(),
            judge("instructions", ours / theirs, most),
            format!("**{:.3}**", ours / theirs),
            format!("{ours:.0}"),
            format!("{theirs:.0}"),
        ]);
    }

    let table = Table::new(&["allocated a machine", "must reach", "this crate", "by hand"]);
    for (name, pair, most) in [("gzip", &gzip, Some(BYTES)), ("plain", &plain, None)] {
        let (ours, theirs) = (pair.allocated(&sdk)?, pair.allocated(&by_hand)?);
        table.row(&[
            format!("bytes, {name}, the page's own included"),
            judge("bytes", ours.1, most),
            format!("**{:.0}**", ours.1),
            format!("{:.0}", theirs.1),
        ]);
        table.row(&[
            format!("blocks, {name}"),
            "-".to_owned(),
            format!("**{:.1}**", ours.0),
            format!("{:.1}", theirs.0),
        ]);
    }

    let huge = |mib: usize| -> Result<f64, Box<dyn Error>> {
        let plan = Plan {
            huge: Some(mib << 20),
            piece: Some(1_400),
            ..Plan::pages(1, 1)
        };
        Ok(instructions(&sdk, &Server::start(plan)?, "machines")?.0)
    };
    let nothing = instructions(&sdk, &Server::start(Plan::pages(1, 1))?, "machines")?.0;
    let ratio = (huge(4)? - nothing) / (huge(2)? - nothing);
    println!(
        "\nAn element of 4 MiB that arrives in pieces of 1.4 kB: {ratio:.2} of the instructions of one of 2 MiB ({}).",
        judge("huge element", ratio, Some(2.5)),
    );
    if check && !missed.is_empty() {
        return Err(format!("missed: {}", missed.join(", ")).into());
    }
    Ok(())
}

/// Two servers, of one page and of three.
struct Pair {
    few: Server,
    many: Server,
    /// By how many rows they differ.
    rows: usize,
    /// Rows and checksum of the larger one, as the client saw them that ran first.
    seen: Cell<Option<(u64, u64)>>,
}

impl Pair {
    fn start(rows: usize, plan: fn(usize) -> Plan) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            few: Server::start(plan(1))?,
            many: Server::start(plan(3))?,
            rows,
            seen: Cell::new(None),
        })
    }

    fn each(&self, many: f64, few: f64) -> f64 {
        (many - few) / self.rows as f64
    }

    fn instructions(&self, program: &[PathBuf], what: &str) -> Result<f64, Box<dyn Error>> {
        let (few, _) = instructions(program, &self.few, what)?;
        let (many, outcome) = instructions(program, &self.many, what)?;
        let rows = (outcome["rows"], outcome["checksum"]);
        if self
            .seen
            .replace(Some(rows))
            .is_some_and(|seen| seen != rows)
        {
            return Err("the clients saw different rows".into());
        }
        Ok(self.each(many, few))
    }

    /// Blocks and bytes.
    fn allocated(&self, program: &[PathBuf]) -> Result<(f64, f64), Box<dyn Error>> {
        let few = allocated(program, &self.few)?;
        let many = allocated(program, &self.many)?;
        Ok((self.each(many.0, few.0), self.each(many.1, few.1)))
    }
}

fn instructions(
    program: &[PathBuf],
    server: &Server,
    what: &str,
) -> Result<(f64, Outcome), Box<dyn Error>> {
    let valgrind = [
        "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
    ];
    let (outcome, said) = run(&valgrind, program, server, what)?;
    let number = number_after(&said, "Collected :").ok_or("callgrind said no number")?;
    Ok((number, outcome))
}

fn allocated(program: &[PathBuf], server: &Server) -> Result<(f64, f64), Box<dyn Error>> {
    let valgrind = [
        "valgrind",
        "--tool=memcheck",
        "--leak-check=no",
        "--undef-value-errors=no",
    ];
    let (_, said) = run(&valgrind, program, server, "machines")?;
    let line = said.lines().find(|line| line.contains("total heap usage:"));
    let line = line.ok_or("valgrind said no heap usage")?;
    let blocks = number_after(line, "total heap usage:").ok_or("no blocks")?;
    Ok((blocks, number_after(line, "frees,").ok_or("no bytes")?))
}

fn number_after(text: &str, mark: &str) -> Option<f64> {
    let (_, rest) = text.split_once(mark)?;
    let digits: String = rest
        .split_whitespace()
        .next()?
        .chars()
        .filter(|c| c.is_ascii_digit())
        .collect();
    digits.parse().ok()
}
