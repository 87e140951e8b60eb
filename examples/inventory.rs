//! Lists the machines of a tenant as a table with a summary, or as JSON lines.
//!
//! Without an account: `cargo run --example inventory`. With one, set `AZURE_TENANT_ID`,
//! `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` first.

mod shared;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use defender_endpoint::Filter;
use defender_endpoint::machines::{ListMachines, Machine};
use defender_endpoint::time::OffsetDateTime;
use lexopt::prelude::*;
use shared::cell;

const USAGE: &str = "\
Usage: inventory [--json] [--top N] [--skip N] [--page-size N] [--filter EXPRESSION]

  --json               one JSON object a line, with the service's names, instead of the table
  --top N              at most N machines
  --skip N             leave out the first N machines
  --page-size N        machines a call, 1 to 10000 (default: the service's own pages)
  --filter EXPRESSION  an OData filter, such as \"riskScore eq 'High'\"";

#[derive(Default)]
struct Options {
    json: bool,
    top: Option<u64>,
    skip: u64,
    page_size: Option<u32>,
    filter: Option<String>,
}

fn main() -> ExitCode {
    shared::exit_status(run(), USAGE)
}

fn run() -> Result<(), Box<dyn Error>> {
    let Some(options) = options()? else {
        println!("{USAGE}");
        return Ok(());
    };
    let (client, _demo) = shared::client()?;
    let mut request = client.machines().skip(options.skip);
    if let Some(rows) = options.top {
        request = request.top(rows);
    }
    if let Some(rows) = options.page_size {
        request = request.page_size(rows);
    }
    if let Some(filter) = options.filter {
        request = request.filter(Filter::raw(filter));
    }
    let mut out = BufWriter::new(io::stdout().lock());
    if options.json {
        json_lines(request, &mut out)?;
    } else {
        table(request, &mut out)?;
    }
    out.flush()?;
    Ok(())
}

fn options() -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("json") => options.json = true,
            Long("top") => options.top = Some(arguments.value()?.parse()?),
            Long("skip") => options.skip = arguments.value()?.parse()?,
            Long("page-size") => options.page_size = Some(arguments.value()?.parse()?),
            Long("filter") => options.filter = Some(arguments.value()?.string()?),
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn json_lines(request: ListMachines, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    each(request, out, |machine, out| {
        serde_json::to_writer(&mut *out, machine).map_err(io::Error::from)?;
        writeln!(out)
    })
}

fn table(request: ListMachines, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut summary = Summary::default();
    row(
        out,
        [
            "NAME",
            "PLATFORM",
            "HEALTH",
            "RISK",
            "EXPOSURE",
            "LAST SEEN",
        ],
    )?;
    each(request, out, |machine, out| {
        summary.count(machine);
        row(
            out,
            [
                machine.computer_dns_name.as_deref().unwrap_or(&machine.id),
                machine.os_platform.as_deref().unwrap_or("-"),
                &text(machine.health_status.as_ref()),
                &text(machine.risk_score.as_ref()),
                &text(machine.exposure_level.as_ref()),
                &text(machine.last_seen.map(OffsetDateTime::date).as_ref()),
            ],
        )
    })?;
    summary.print(out)?;
    Ok(())
}

/// Walks the list. What came before an error is written, and the error says where to go on.
fn each<W: Write>(
    request: ListMachines,
    out: &mut W,
    mut write: impl FnMut(&Machine, &mut W) -> io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let mut machines = request.into_iter();
    while let Some(machine) = machines.next() {
        match machine {
            Ok(machine) => write(&machine, out)?,
            Err(error) => {
                out.flush()?;
                if machines.offset() > 0 {
                    eprintln!("to go on from here: --skip {}", machines.offset());
                }
                return Err(error.into());
            }
        }
    }
    Ok(())
}

/// Six columns in the 80 characters that every terminal has.
fn row(out: &mut impl Write, cells: [&str; 6]) -> io::Result<()> {
    let widths = [25, 17, 9, 7, 8, 10];
    let cells: Vec<String> = cells
        .into_iter()
        .zip(widths)
        .map(|(text, width)| cell(text, width))
        .collect();
    writeln!(out, "{}", cells.join(" ").trim_end())
}

fn text(value: Option<&impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

#[derive(Default)]
struct Summary {
    machines: usize,
    counts: [BTreeMap<String, usize>; 4],
}

impl Summary {
    fn count(&mut self, machine: &Machine) {
        self.machines += 1;
        let values = [
            text(machine.health_status.as_ref()),
            text(machine.risk_score.as_ref()),
            text(machine.os_platform.as_ref()),
            text(machine.exposure_level.as_ref()),
        ];
        for (counts, value) in self.counts.iter_mut().zip(values) {
            *counts.entry(value).or_default() += 1;
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "\n{} machines", self.machines)?;
        for (name, counts) in ["health", "risk", "platform", "exposure"]
            .iter()
            .zip(&self.counts)
        {
            let mut counts: Vec<_> = counts.iter().collect();
            counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            writeln!(out, "by {name}:")?;
            for (value, count) in counts {
                writeln!(out, "  {count:>7}  {}", cell(value, 40).trim_end())?;
            }
        }
        Ok(())
    }
}
