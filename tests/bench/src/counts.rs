//! What is exact: instructions and allocations for each machine, counted by valgrind. The
//! difference between many pages and few, so that what a process costs anyway cancels out.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

use crate::client::{Client, run};
use crate::server::{HISTORY_PAGE, Plan, Server};
use crate::table::{Table, verdict};

const ROWS: usize = 5_000;

/// The most instructions beside `from_slice`, bytes and allocations a machine that pass.
const INSTRUCTIONS: f64 = 0.88;
const BYTES: f64 = 800.0;

/// Counts; with `check`, missing a figure is an error.
pub fn counts(check: bool) -> Result<(), Box<dyn Error>> {
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|out| out.status.success()) {
        println!("skipped: instruction counts (no valgrind)");
        return Ok(());
    }
    let build = |client: Client| -> Result<Vec<PathBuf>, Box<dyn Error>> {
        Ok(client.build("release")?.ok_or("no program")?)
    };
    let (sdk, by_hand) = (build(Client::Sdk)?, build(Client::ByHand)?);
    let mut missed = Vec::new();
    let mut judge = |name: &'static str, value: f64, most: f64| {
        if value > most {
            missed.push(name);
        }
        verdict(value, Some(most))
    };

    let plain = Pair::start(|pages| Plan::pages(pages, ROWS))?;
    let idle = plain.instructions(&by_hand, "drain")?;
    let ours = plain.instructions(&sdk, "machines")? - idle;
    let theirs = plain.instructions(&by_hand, "machines")? - idle;
    let table = Table::new(&["parse only, instructions a row", "must reach", "ratio", "this crate", "from_slice"]);
    table.row(&[
        "machines, plain".to_owned(),
        judge("instructions", ours / theirs, INSTRUCTIONS),
        format!("**{:.3}**", ours / theirs),
        format!("{ours:.0}"),
        format!("{theirs:.0}"),
    ]);
    let history = Pair {
        few: Server::start(Plan { history_pages: 1, ..Plan::pages(0, 1) })?,
        many: Server::start(Plan { history_pages: 3, ..Plan::pages(0, 1) })?,
        rows: 2 * HISTORY_PAGE,
    };
    let ours = history.instructions(&sdk, "history")?;
    let theirs = history.instructions(&by_hand, "history")?;
    table.row(&[
        "history, plain, with the transport".to_owned(),
        "-".to_owned(),
        format!("**{:.3}**", ours / theirs),
        format!("{ours:.0}"),
        format!("{theirs:.0}"),
    ]);

    let gzip = Pair::start(|pages| Plan::pages(pages, ROWS).gzip())?;
    let table = Table::new(&["allocated a machine", "must reach", "this crate", "by hand"]);
    for (name, pair, most) in [("gzip", &gzip, Some(BYTES)), ("plain", &plain, None)] {
        let (ours, theirs) = (pair.allocated(&sdk)?, pair.allocated(&by_hand)?);
        table.row(&[
            format!("bytes, {name}, the page's own included"),
            most.map_or_else(|| "-".to_owned(), |most| judge("bytes", ours.1, most)),
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

    let ours = Pair::start(|pages| Plan::pages(pages, ROWS).gzip())?.instructions(&sdk, "machines")?;
    let theirs = gzip.instructions(&by_hand, "machines")?;
    println!("\nWith transport and inflating, gzip: {ours:.0} instructions a machine, by hand {theirs:.0}.");

    let huge = |mib: usize| -> Result<f64, Box<dyn Error>> {
        let plan = Plan { huge: Some(mib << 20), piece: Some(1_400), ..Plan::pages(1, 1) };
        instructions(&sdk, &Server::start(plan)?, "machines")
    };
    let nothing = instructions(&sdk, &Server::start(Plan::pages(1, 1))?, "machines")?;
    let ratio = (huge(4)? - nothing) / (huge(2)? - nothing);
    println!(
        "\nAn element of 4 MiB that arrives in pieces of 1.4 kB: {ratio:.2} of the instructions of one of 2 MiB ({}).",
        judge("huge element", ratio, 2.5),
    );
    if check && !missed.is_empty() {
        return Err(format!("missed: {}", missed.join(", ")).into());
    }
    Ok(())
}

/// Two servers that differ in their number of rows.
struct Pair {
    few: Server,
    many: Server,
    rows: usize,
}

impl Pair {
    fn start(plan: fn(usize) -> Plan) -> Result<Self, Box<dyn Error>> {
        let (few, many) = (Server::start(plan(1))?, Server::start(plan(3))?);
        Ok(Self { few, many, rows: 2 * ROWS })
    }

    fn each(&self, many: f64, few: f64) -> f64 {
        (many - few) / self.rows as f64
    }

    fn instructions(&self, program: &[PathBuf], what: &str) -> Result<f64, Box<dyn Error>> {
        let few = instructions(program, &self.few, what)?;
        Ok(self.each(instructions(program, &self.many, what)?, few))
    }

    /// Blocks and bytes.
    fn allocated(&self, program: &[PathBuf]) -> Result<(f64, f64), Box<dyn Error>> {
        let (few, many) = (allocated(program, &self.few)?, allocated(program, &self.many)?);
        Ok((self.each(many.0, few.0), self.each(many.1, few.1)))
    }
}

fn instructions(program: &[PathBuf], server: &Server, what: &str) -> Result<f64, Box<dyn Error>> {
    let valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let (_, said) = run(&valgrind, program, server, what)?;
    Ok(number_after(&said, "Collected :").ok_or("callgrind said no number")?)
}

fn allocated(program: &[PathBuf], server: &Server) -> Result<(f64, f64), Box<dyn Error>> {
    let valgrind = ["valgrind", "--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"];
    let (_, said) = run(&valgrind, program, server, "machines")?;
    let line = said.lines().find(|line| line.contains("total heap usage:"));
    let line = line.ok_or("valgrind said no heap usage")?;
    let blocks = number_after(line, "total heap usage:").ok_or("no blocks")?;
    Ok((blocks, number_after(line, "frees,").ok_or("no bytes")?))
}

fn number_after(text: &str, mark: &str) -> Option<f64> {
    let (_, rest) = text.split_once(mark)?;
    let digits: String = rest.split_whitespace().next()?.chars().filter(|c| c.is_ascii_digit()).collect();
    digits.parse().ok()
}
