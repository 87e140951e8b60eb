//! Shows scan agents, scan definitions and the history of their scans, as tables or JSON lines.
//!
//! Without an account: `cargo run --example scans`. With one, set `AZURE_TENANT_ID`,
//! `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` first.

mod shared;
mod table;

use std::error::Error;
use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use defender_endpoint::scan_agents::ScanAgent;
use defender_endpoint::scan_definitions::ScanDefinition;
use defender_endpoint::scan_history::{ListScanHistory, ScanHistoryEntry};
use defender_endpoint::time::OffsetDateTime;
use lexopt::prelude::*;
use serde::Serialize;
use table::cell;

const USAGE: &str = "\
Usage: scans [--json] [--top N] [--skip N] [--page-size N] [DEFINITION-ID ...]

  --json         one JSON object a line; its key `kind` is agent, definition or history
  --top N        at most N rows of history
  --skip N       leave out the first N rows of history
  --page-size N  rows of history a call, 1 to 4096

The history is that of the definitions named, or of all.";

#[derive(Default)]
struct Options {
    json: bool,
    top: Option<u64>,
    skip: u64,
    page_size: Option<u32>,
    ids: Vec<String>,
}

fn main() -> ExitCode {
    shared::exit_status(run(), USAGE)
}

fn run() -> Result<(), Box<dyn Error>> {
    let Some(options) = options()? else {
        println!("{USAGE}");
        return Ok(());
    };
    let (client, _demo) = shared::client(|builder| builder)?;
    let agents = client.scan_agents()?;
    let definitions = client.scan_definitions()?;
    let ids = match options.ids.as_slice() {
        [] => definitions
            .iter()
            .map(|definition| definition.id.clone())
            .collect(),
        named => named.to_vec(),
    };
    let history = (!ids.is_empty()).then(|| {
        let mut request = client.scan_history(ids).skip(options.skip);
        if let Some(rows) = options.top {
            request = request.top(rows);
        }
        if let Some(rows) = options.page_size {
            request = request.page_size(rows);
        }
        request
    });
    let mut out = BufWriter::new(io::stdout().lock());
    if options.json {
        json_lines(&mut out, "agent", &agents)?;
        json_lines(&mut out, "definition", &definitions)?;
        for entry in rows(history) {
            json_lines(&mut out, "history", &[entry?])?;
        }
    } else {
        print_agents(&mut out, &agents)?;
        print_definitions(&mut out, &definitions)?;
        row(
            &mut out,
            [("\nSCANNED", 18), ("STATUS", 15), ("DEFINITION", 43)],
        )?;
        for entry in rows(history) {
            print_entry(&mut out, &entry?)?;
        }
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
            Short('h') | Long("help") => return Ok(None),
            Value(id) => options.ids.push(id.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

/// The history, or nothing where there is no definition to ask about.
fn rows(
    request: Option<ListScanHistory>,
) -> impl Iterator<Item = Result<ScanHistoryEntry, defender_endpoint::Error>> {
    request.into_iter().flatten()
}

/// A row with its kind before the service's own keys.
#[derive(Serialize)]
struct Line<'a, T> {
    kind: &'static str,
    #[serde(flatten)]
    row: &'a T,
}

fn json_lines<T: Serialize>(
    out: &mut impl Write,
    kind: &'static str,
    rows: &[T],
) -> io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut *out, &Line { kind, row })?;
        writeln!(out)?;
    }
    Ok(())
}

fn print_agents(out: &mut impl Write, agents: &[ScanAgent]) -> io::Result<()> {
    row(
        out,
        [
            ("AGENT", 30),
            ("LAST SEEN", 17),
            ("SCANNER", 12),
            ("DEFENDER", 19),
        ],
    )?;
    for agent in agents {
        row(
            out,
            [
                (agent.computer_dns_name.as_deref().unwrap_or(&agent.id), 30),
                (&date(agent.last_seen), 17),
                (agent.scanner_software_version.as_deref().unwrap_or("-"), 12),
                (agent.mde_client_version.as_deref().unwrap_or("-"), 19),
            ],
        )?;
    }
    Ok(())
}

fn print_definitions(out: &mut impl Write, definitions: &[ScanDefinition]) -> io::Result<()> {
    row(
        out,
        [
            ("\nDEFINITION", 24),
            ("TYPE", 8),
            ("TARGET", 20),
            ("LATEST SCAN", 17),
            ("", 8),
        ],
    )?;
    for definition in definitions {
        let latest = definition.latest_scan.as_ref();
        row(
            out,
            [
                (
                    definition.scan_name.as_deref().unwrap_or(&definition.id),
                    23,
                ),
                (&text(definition.scan_type.as_ref()), 8),
                (definition.target.as_deref().unwrap_or("-"), 20),
                (&date(latest.and_then(|scan| scan.execution_date_time)), 17),
                (&text(latest.and_then(|scan| scan.status.as_ref())), 8),
            ],
        )?;
        if let Some(reason) = latest.and_then(|scan| scan.failure_reason.as_deref()) {
            writeln!(out, "  {}", cell(reason, 76).trim_end())?;
        }
    }
    Ok(())
}

fn print_entry(out: &mut impl Write, entry: &ScanHistoryEntry) -> io::Result<()> {
    row(
        out,
        [
            (&date(entry.last_scanned), 17),
            (&text(entry.scan_status.as_ref()), 15),
            (entry.scan_definition_id.as_deref().unwrap_or("-"), 43),
        ],
    )
}

fn row<const N: usize>(out: &mut impl Write, cells: [(&str, usize); N]) -> io::Result<()> {
    let cells = cells.map(|(text, width)| match text.strip_prefix('\n') {
        Some(text) => format!("\n{}", cell(text, width - 1)),
        None => cell(text, width),
    });
    writeln!(out, "{}", cells.join(" ").trim_end())
}

fn text(value: Option<&impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// To the minute, which is what a person wants to know.
fn date(moment: Option<OffsetDateTime>) -> String {
    moment.map_or_else(
        || "never".to_owned(),
        |moment| {
            format!(
                "{} {:02}:{:02}Z",
                moment.date(),
                moment.hour(),
                moment.minute()
            )
        },
    )
}
