//! Lists the machines of a tenant as a table with a summary, as JSON lines, or as CSV.
//!
//! Without an account: `cargo run --example inventory`. With one, set `AZURE_TENANT_ID`,
//! `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` first. The exit status is 1 where a call failed, or
//! where the service says by 404 that there are no machines.

mod shared;
mod table;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

use defender_endpoint::filter::Filter;
use defender_endpoint::machines::{ListMachines, Machine};
use defender_endpoint::time::OffsetDateTime;
use defender_endpoint::time::format_description::well_known::Rfc3339;
use defender_endpoint::{Client, Items};
use indicatif::ProgressBar;
use lexopt::prelude::*;
use table::cell;

const USAGE: &str = "\
Usage: inventory [--json | --csv] [--top N] [--skip N] [--page-size N] [--filter EXPRESSION]

  --json               one JSON object a line, with the service's names, instead of the table
  --csv                one row a machine with the columns that most people want, for a spreadsheet
  --top N              at most N machines
  --skip N             leave out the first N machines
  --page-size N        machines a call, 1 to 10000 (default: the service's own pages)
  --filter EXPRESSION  an OData filter, such as \"riskScore eq 'High'\"
  --device-code        sign in yourself; AZURE_TENANT_ID and AZURE_CLIENT_ID name the app";

/// The columns of `--csv`, by the service's names.
pub(crate) const COLUMNS: [&str; 12] = [
    "id",
    "computerDnsName",
    "osPlatform",
    "version",
    "healthStatus",
    "onboardingStatus",
    "riskScore",
    "exposureLevel",
    "rbacGroupName",
    "lastIpAddress",
    "lastSeen",
    "machineTags",
];

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Format {
    #[default]
    Table,
    JsonLines,
    Csv,
}

#[derive(Default)]
struct Options {
    format: Format,
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
    let progress = Progress {
        client,
        bar: bar.clone(),
    };
    let mut out = BufWriter::new(BesideBar {
        out: io::stdout().lock(),
        bar,
    });
    write(options.format, request, &progress, &mut out)?;
    out.flush()?;
    if demo.is_some() {
        // Once more behind all rows, so that nobody takes them for the own ones.
        eprintln!("{}", shared::DEMO_NOTE);
    }
    Ok(())
}

/// Writes the whole list.
pub(crate) fn write(
    format: Format,
    request: ListMachines,
    progress: &Progress,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    match format {
        Format::Table => print_table(request, progress, out),
        Format::JsonLines => json_lines(request, progress, out),
        Format::Csv => csv(request, progress, out),
    }
}

fn options() -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("json") => options.format = Format::JsonLines,
            Long("csv") => options.format = Format::Csv,
            Long("top") => options.top = Some(arguments.value()?.parse()?),
            Long("skip") => options.skip = arguments.value()?.parse()?,
            Long("page-size") => options.page_size = Some(arguments.value()?.parse()?),
            Long("filter") => options.filter = Some(arguments.value()?.string()?),
            // Read where the client is made.
            Long("device-code") => {}
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn json_lines(
    request: ListMachines,
    progress: &Progress,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    each(request, progress, out, Write::flush, |machine, out| {
        serde_json::to_writer(&mut *out, machine).map_err(io::Error::from)?;
        writeln!(out)
    })
}

fn csv(
    request: ListMachines,
    progress: &Progress,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let mut table = csv::Writer::from_writer(out);
    table.write_record(COLUMNS)?;
    each(
        request,
        progress,
        &mut table,
        csv::Writer::flush,
        |machine, table| table.write_record(cells(machine)).map_err(as_io),
    )?;
    table.flush()?;
    Ok(())
}

/// The error underneath: `From` would hide that a reader such as `head` has gone.
fn as_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

/// What belongs into [`COLUMNS`]. What is absent is an empty cell.
pub(crate) fn cells(machine: &Machine) -> [String; 12] {
    fn given(value: Option<&impl Display>) -> String {
        guarded(&value.map(ToString::to_string).unwrap_or_default())
    }
    let last_seen = machine.last_seen.and_then(|at| at.format(&Rfc3339).ok());
    [
        guarded(&machine.id),
        given(machine.computer_dns_name.as_ref()),
        given(machine.os_platform.as_ref()),
        given(machine.version.as_ref()),
        given(machine.health_status.as_ref()),
        given(machine.onboarding_status.as_ref()),
        given(machine.risk_score.as_ref()),
        given(machine.exposure_level.as_ref()),
        given(machine.rbac_group_name.as_ref()),
        given(machine.last_ip_address.as_ref()),
        last_seen.unwrap_or_default(),
        guarded(&machine.machine_tags.join(";")),
    ]
}

/// Whoever names a device writes into the cell: a spreadsheet must not run it as a formula, nor what
/// stands behind a semicolon, where it splits there.
fn guarded(cell: &str) -> String {
    let parts = cell.split(';').map(|part| {
        let is_formula = part.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
        format!("{}{part}", if is_formula { "'" } else { "" })
    });
    parts.collect::<Vec<_>>().join(";")
}

fn print_table(
    request: ListMachines,
    progress: &Progress,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
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
    each(request, progress, out, Write::flush, |machine, out| {
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

/// Walks the list. What came before an error is written, and the error says where to go on. An end by a
/// 404, which is documented for a tenant without recent machines, is an error too.
fn each<W>(
    request: ListMachines,
    progress: &Progress,
    out: &mut W,
    flush: impl Fn(&mut W) -> io::Result<()>,
    mut write: impl FnMut(&Machine, &mut W) -> io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let mut machines = request.into_iter();
    while let Some(machine) = machines.next() {
        match machine {
            Ok(machine) => {
                write(&machine, out)?;
                progress.show(&machines);
            }
            Err(error) => {
                flush(out)?;
                if machines.offset() > 0 {
                    eprintln!("to go on from here: --skip {}", machines.offset());
                }
                return Err(error.into());
            }
        }
    }
    progress.bar.finish_and_clear();
    if machines.ended_by_not_found() {
        flush(out)?;
        // A fault looks the same, and a file without machines like a fleet that is gone.
        let text = format!(
            "404 behind row {}, as if the list ended there: a tenant in which Defender was never set up \
             answers like this",
            machines.offset()
        );
        return Err(text.into());
    }
    Ok(())
}

/// What a person wants to see of a long list: rows, pages, and what the limits leave.
pub(crate) struct Progress {
    pub(crate) client: Client,
    pub(crate) bar: ProgressBar,
}

impl Progress {
    fn show(&self, machines: &Items<Machine>) {
        // A look now and then is enough, and none costs anything where no bar is drawn.
        if self.bar.is_hidden() || machines.offset() % 50 != 0 {
            return;
        }
        let left = self.client.quota().machines;
        self.bar.set_message(format!(
            "{} machines, {} pages; calls left: {} this minute, {} this hour",
            machines.offset(),
            machines.pages_read(),
            left.left_in_minute,
            left.left_in_hour,
        ));
        self.bar.tick();
    }
}

/// Standard output that makes room for itself where the bar is on the same terminal.
struct BesideBar<W> {
    out: W,
    bar: ProgressBar,
}

impl<W: Write> Write for BesideBar<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bar.suspend(|| self.out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Six columns in the 80 characters that every terminal has.
fn row(out: &mut impl Write, cells: [&str; 6]) -> io::Result<()> {
    let widths = [24, 17, 9, 7, 8, 10];
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
