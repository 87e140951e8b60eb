//! What is wrong with a tenant's authenticated scans: scanners that are silent, definitions that
//! failed and why or never ran, and targets that no scan has got into.
//!
//! Without an account: `cargo run --example scan_report`. With one, set `AZURE_TENANT_ID`,
//! `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` first.
//!
//! It takes five calls, however many scans there are: one for the definitions, one for the agents, one
//! for the history of all definitions (its first page, up to 4,096 sessions), one for the targets of
//! the newest sessions of all definitions, and one for the machines behind the scanners. More than
//! that only where the service splits a list. The targets are those that these sessions list: what a
//! range such as `10.0.0.0/24` holds beyond them, nobody knows.

mod shared;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use defender_endpoint::Client;
use defender_endpoint::machines::{HealthStatus, Machine, OnMachine, field};
use defender_endpoint::scan_agents::ScanAgent;
use defender_endpoint::scan_definitions::{LatestScanStatus, ScanDefinition};
use defender_endpoint::scan_history::{ScanHistoryEntry, ScanStatus, ScannedTarget};
use defender_endpoint::time::{self, Duration, OffsetDateTime};
use lexopt::prelude::*;
use serde::Serialize;
use table::cell;

const USAGE: &str = "\
Usage: scan_report [--json] [--silent-for HOURS] [--sessions N]

  --json              one JSON document: definitions, scanners, totals
  --silent-for HOURS  a scanner not seen for so long is silent (default: 24)
  --sessions N        judge targets by the newest N sessions of each definition
                      (default: 3)";

struct Options {
    json: bool,
    silent_for: Duration,
    sessions: usize,
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
    let fetched = fetch(&client, options.sessions)?;
    let report = report(&fetched, OffsetDateTime::now_utc(), options.silent_for);
    let mut out = BufWriter::new(io::stdout().lock());
    if options.json {
        serde_json::to_writer(&mut out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        print(&report, &mut out)?;
    }
    out.flush()?;
    Ok(())
}

fn options() -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options {
        json: false,
        silent_for: Duration::hours(24),
        sessions: 3,
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("json") => options.json = true,
            Long("silent-for") => {
                let hours: u32 = arguments.value()?.parse()?;
                options.silent_for = Duration::hours(hours.into());
            }
            Long("sessions") => options.sessions = arguments.value()?.parse()?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

// ---- What is fetched ----

/// What the service knows of a tenant's scans.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) definitions: Vec<ScanDefinition>,
    pub(crate) agents: Vec<ScanAgent>,
    /// Sessions by definition, without their targets.
    pub(crate) history: Vec<ScanHistoryEntry>,
    /// The newest of them by session, with their targets.
    pub(crate) sessions: Vec<ScanHistoryEntry>,
    /// The machines that the scanners run on.
    pub(crate) machines: Vec<Machine>,
}

/// Asks for all of it, with the targets of so many sessions of each definition.
pub(crate) fn fetch(client: &Client, sessions: usize) -> Result<Fetched, defender_endpoint::Error> {
    let mut fetched = Fetched {
        definitions: client.scan_definitions()?,
        agents: client.scan_agents()?,
        ..Fetched::default()
    };
    let ids = fetched.definitions.iter().map(|it| &it.id);
    if !fetched.definitions.is_empty() {
        // One page: a second call would only bring sessions that are older still.
        let page = client.scan_history(ids).pages().next().transpose()?;
        fetched.history = page.map(|page| page.items).unwrap_or_default();
    }
    let ids = newest_sessions(&fetched, sessions);
    if !ids.is_empty() {
        let sessions = client.scan_history_by_session(ids).into_iter();
        fetched.sessions = sessions.collect::<Result<_, _>>()?;
    }
    let ids = scanners_machines(&fetched);
    if !ids.is_empty() {
        let machines = client.machines().filter(field::ID.is_in(ids)).into_iter();
        fetched.machines = machines.collect::<Result<_, _>>()?;
    }
    Ok(fetched)
}

/// The ids of the newest sessions of each definition. The service may leave them out.
fn newest_sessions(fetched: &Fetched, most: usize) -> Vec<&str> {
    let definitions = fetched.definitions.iter();
    definitions
        .flat_map(|definition| newest_first(&fetched.history, definition).take(most))
        .filter_map(|session| session.session_id.as_deref())
        .collect()
}

/// The sessions of a definition. Those without a date, which the service's schema doesn't have, stay
/// in the service's order.
fn newest_first<'a>(
    history: &'a [ScanHistoryEntry],
    definition: &ScanDefinition,
) -> impl Iterator<Item = &'a ScanHistoryEntry> {
    let mut sessions: Vec<_> = history
        .iter()
        .filter(|session| is(session.scan_definition_id.as_deref(), &definition.id))
        .collect();
    sessions.sort_by_key(|session| std::cmp::Reverse(session.last_scanned));
    sessions.into_iter()
}

fn scanners_machines(fetched: &Fetched) -> BTreeSet<&str> {
    let of_agents = fetched.agents.iter().filter_map(OnMachine::machine_id);
    let scanners = fetched.definitions.iter();
    let scanners = scanners.filter_map(|definition| definition.scanner_agent.as_ref());
    of_agents
        .chain(scanners.filter_map(OnMachine::machine_id))
        .collect()
}

/// Whether this is the id: the service is not true to its letters' case.
fn is(found: Option<&str>, id: &str) -> bool {
    found.is_some_and(|found| found.eq_ignore_ascii_case(id))
}

// ---- What it means ----

/// What there is to say, in a shape that programs can rely on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) definitions: Vec<OfDefinition>,
    pub(crate) scanners: Vec<OfScanner>,
    pub(crate) totals: Totals,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfDefinition {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) is_active: Option<bool>,
    /// The machine that scans.
    pub(crate) scanner_machine_id: Option<String>,
    pub(crate) state: State,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) latest_scan: Option<OffsetDateTime>,
    /// Why it failed, or failed in part: in the service's words, each once.
    pub(crate) reasons: Vec<String>,
    /// The targets of the newest session whose targets are known.
    pub(crate) targets: usize,
    pub(crate) failed_targets: Vec<FailedTarget>,
    /// How many sessions are known with their targets.
    pub(crate) sessions_read: usize,
    /// Targets that failed in each of these sessions that lists them.
    pub(crate) never_reached: Vec<NeverReached>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    Success,
    PartialSuccess,
    Failed,
    NeverRan,
    Unknown,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FailedTarget {
    pub(crate) target: String,
    pub(crate) error: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NeverReached {
    pub(crate) target: String,
    pub(crate) sessions: usize,
    /// Of the newest of them.
    pub(crate) error: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfScanner {
    /// The agent's id.
    pub(crate) id: Option<String>,
    pub(crate) machine_id: Option<String>,
    pub(crate) name: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) last_seen: Option<OffsetDateTime>,
    pub(crate) machine_health: Option<HealthStatus>,
    /// How many definitions it scans for.
    pub(crate) definitions: usize,
    pub(crate) is_silent: bool,
    pub(crate) reasons: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Totals {
    pub(crate) definitions: usize,
    pub(crate) failed: usize,
    pub(crate) partial: usize,
    pub(crate) never_ran: usize,
    pub(crate) scanners: usize,
    pub(crate) silent: usize,
    pub(crate) never_reached: usize,
    /// Sessions of the history, and those of which the targets are known.
    pub(crate) sessions: usize,
    pub(crate) sessions_read: usize,
}

/// Joins what was fetched. A scanner that was not seen for `silent_for` before `now` is silent.
pub(crate) fn report(fetched: &Fetched, now: OffsetDateTime, silent_for: Duration) -> Report {
    let definitions: Vec<_> = fetched
        .definitions
        .iter()
        .map(|definition| of_definition(fetched, definition))
        .collect();
    let scanners: Vec<_> = scanners(fetched)
        .into_values()
        .map(|scanner| of_scanner(scanner, &fetched.machines, now, silent_for))
        .collect();
    let count = |state| definitions.iter().filter(|it| it.state == state).count();
    let totals = Totals {
        definitions: definitions.len(),
        failed: count(State::Failed),
        partial: count(State::PartialSuccess),
        never_ran: count(State::NeverRan),
        scanners: scanners.len(),
        silent: scanners.iter().filter(|it| it.is_silent).count(),
        never_reached: definitions.iter().map(|it| it.never_reached.len()).sum(),
        sessions: fetched.history.len(),
        sessions_read: fetched.sessions.len(),
    };
    Report {
        definitions,
        scanners,
        totals,
    }
}

fn of_definition(fetched: &Fetched, definition: &ScanDefinition) -> OfDefinition {
    let newest = newest_first(&fetched.history, definition).next();
    let read: Vec<_> = newest_first(&fetched.sessions, definition).collect();
    // What is known of the newest session by its id is more than what its definition's history says.
    let same = |read: &&&ScanHistoryEntry| {
        newest.is_none_or(|newest| {
            is(
                read.session_id.as_deref(),
                newest.session_id.as_deref().unwrap_or_default(),
            )
        })
    };
    let latest = read.first().filter(same).copied().or(newest);
    let targets = read.first().map_or(&[][..], |it| &it.scanned_targets);
    let failed: Vec<_> = targets.iter().filter(|it| is_failure(it)).collect();
    let state = state(definition, latest, failed.is_empty());
    let scanner = definition.scanner_agent.as_ref();
    OfDefinition {
        id: definition.id.clone(),
        name: definition.scan_name.clone(),
        is_active: definition.is_active,
        scanner_machine_id: scanner.and_then(OnMachine::machine_id).map(str::to_owned),
        state,
        latest_scan: date_of(definition).max(latest.and_then(|it| it.last_scanned)),
        reasons: match state {
            State::Failed | State::PartialSuccess => reasons(definition, latest, &failed),
            _ => Vec::new(),
        },
        targets: targets.len(),
        failed_targets: failed.into_iter().map(failed_target).collect(),
        sessions_read: read.len(),
        never_reached: never_reached(&read),
    }
}

fn date_of(definition: &ScanDefinition) -> Option<OffsetDateTime> {
    definition.latest_scan.as_ref()?.execution_date_time
}

/// How the latest scan went, by the definition and by its history, of which either may be the newer.
fn state(
    definition: &ScanDefinition,
    latest: Option<&ScanHistoryEntry>,
    all_reached: bool,
) -> State {
    let scan = definition.latest_scan.as_ref();
    let (by_scan, by_session) = (
        scan.and_then(|it| it.status.as_ref()),
        latest.and_then(|it| it.scan_status.as_ref()),
    );
    if latest.is_none() && by_scan.is_none() && date_of(definition).is_none() {
        return State::NeverRan;
    }
    let dates = (date_of(definition), latest.and_then(|it| it.last_scanned));
    let (scan_counts, session_counts) = match dates {
        (Some(scan), Some(session)) => (scan >= session, session >= scan),
        _ => (true, true),
    };
    let by_scan = by_scan.filter(|_| scan_counts);
    let by_session = by_session.filter(|_| session_counts);
    match (by_scan, by_session) {
        (Some(LatestScanStatus::Fail), _) | (_, Some(ScanStatus::Failure)) => State::Failed,
        (_, Some(ScanStatus::PartialSuccess)) => State::PartialSuccess,
        (Some(LatestScanStatus::Success), _) | (_, Some(ScanStatus::Success)) if all_reached => {
            State::Success
        }
        (Some(LatestScanStatus::Success), _) | (_, Some(ScanStatus::Success)) => {
            State::PartialSuccess
        }
        _ => State::Unknown,
    }
}

/// What the definition, its latest session and the targets of that say went wrong.
fn reasons(
    definition: &ScanDefinition,
    latest: Option<&ScanHistoryEntry>,
    failed: &[&ScannedTarget],
) -> Vec<String> {
    let scan = definition.latest_scan.as_ref();
    let of_scan = scan.and_then(|it| it.failure_reason.as_deref());
    let of_session = latest.and_then(|it| it.general_error_message.as_deref());
    let of_targets = failed.iter().filter_map(|it| it.error_message.as_deref());
    let mut reasons: Vec<String> = Vec::new();
    for reason in of_scan.into_iter().chain(of_session).chain(of_targets) {
        if !reason.trim().is_empty() && !reasons.iter().any(|it| it == reason) {
            reasons.push(reason.to_owned());
        }
    }
    reasons
}

fn is_failure(target: &ScannedTarget) -> bool {
    target.scan_status == Some(ScanStatus::Failure)
}

/// By its address, or else by its name.
fn name_of(target: &ScannedTarget) -> Option<&str> {
    let filled = |text: &&str| !text.trim().is_empty();
    let ip = target.ip.as_deref().filter(filled);
    ip.or_else(|| target.hostname.as_deref().filter(filled))
}

fn error_of(target: &ScannedTarget) -> Option<String> {
    let error = target.error_message.as_deref()?;
    (!error.trim().is_empty()).then(|| error.to_owned())
}

fn failed_target(target: &ScannedTarget) -> FailedTarget {
    FailedTarget {
        target: name_of(target).unwrap_or("-").to_owned(),
        error: error_of(target),
    }
}

/// The targets that every one of these sessions that lists them failed to get into, newest first.
fn never_reached(sessions: &[&ScanHistoryEntry]) -> Vec<NeverReached> {
    let mut found: BTreeMap<String, Option<NeverReached>> = BTreeMap::new();
    for target in sessions.iter().flat_map(|it| &it.scanned_targets) {
        let Some(name) = name_of(target) else {
            continue;
        };
        let so_far = found.entry(name.to_lowercase()).or_insert_with(|| {
            Some(NeverReached {
                target: name.to_owned(),
                sessions: 0,
                error: error_of(target),
            })
        });
        if !is_failure(target) {
            *so_far = None;
        } else if let Some(failures) = so_far {
            failures.sessions += 1;
        }
    }
    found.into_values().flatten().collect()
}

/// A scanner as its agent tells of it, as definitions do, or both.
#[derive(Default)]
struct Scanner<'a> {
    agent: Option<&'a ScanAgent>,
    id: Option<&'a str>,
    machine_id: Option<&'a str>,
    name: Option<&'a str>,
    last_seen: Option<OffsetDateTime>,
    definitions: usize,
}

/// The scanners of the agents and of the definitions, by machine or else by agent.
fn scanners(fetched: &Fetched) -> BTreeMap<String, Scanner<'_>> {
    let key =
        |machine: Option<&str>, id: Option<&str>| machine.or(id).unwrap_or_default().to_lowercase();
    let mut scanners = BTreeMap::new();
    for agent in &fetched.agents {
        let scanner = Scanner {
            agent: Some(agent),
            id: Some(&agent.id),
            machine_id: agent.machine_id(),
            name: agent.machine_name(),
            last_seen: agent.last_seen,
            definitions: 0,
        };
        scanners.insert(key(agent.machine_id(), Some(&agent.id)), scanner);
    }
    for named in fetched
        .definitions
        .iter()
        .filter_map(|it| it.scanner_agent.as_ref())
    {
        let key = key(named.machine_id(), named.id.as_deref());
        let scanner = scanners.entry(key).or_insert_with(|| Scanner {
            id: named.id.as_deref(),
            machine_id: named.machine_id(),
            name: named.machine_name(),
            last_seen: named.last_seen,
            ..Scanner::default()
        });
        scanner.definitions += 1;
    }
    scanners
}

fn of_scanner(
    scanner: Scanner<'_>,
    machines: &[Machine],
    now: OffsetDateTime,
    silent_for: Duration,
) -> OfScanner {
    let runs_on = |machine: &&Machine| is(scanner.machine_id, &machine.id);
    let machine = machines.iter().find(runs_on);
    let mut reasons = Vec::new();
    if scanner.agent.is_none() {
        reasons.push("it is not in the list of agents".to_owned());
    }
    // The service writes "never" as a date of the year 1.
    let last_seen = scanner.last_seen.filter(|seen| seen.year() > 1);
    match last_seen.map(|seen| now - seen) {
        None => reasons.push("it was never seen".to_owned()),
        Some(silence) if silence >= silent_for => {
            reasons.push(format!("it was not seen for {}", in_words(silence)));
        }
        Some(_) => {}
    }
    match machine {
        None => reasons.push("its machine is not in the tenant".to_owned()),
        Some(machine) if machine.health_status == Some(HealthStatus::Inactive) => {
            reasons.push("its machine is inactive".to_owned());
        }
        Some(_) => {}
    }
    OfScanner {
        id: scanner.id.map(str::to_owned),
        machine_id: scanner.machine_id.map(str::to_owned),
        name: scanner.name.map(str::to_owned),
        last_seen,
        machine_health: machine.and_then(|machine| machine.health_status.clone()),
        definitions: scanner.definitions,
        is_silent: !reasons.is_empty(),
        reasons,
    }
}

fn in_words(time: Duration) -> String {
    match time.whole_hours() {
        0..=71 => format!("{} h", time.whole_hours()),
        hours => format!("{} days", hours / 24),
    }
}

// ---- How it is shown ----

pub(crate) fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    row(
        out,
        [
            ("SCANNER", 30),
            ("LAST SEEN", 17),
            ("MACHINE", 20),
            ("STATE", 8),
        ],
    )?;
    for scanner in &report.scanners {
        let health = scanner.machine_health.as_ref();
        let health = health.map_or_else(|| "-".to_owned(), ToString::to_string);
        let id = scanner.id.as_deref().or(scanner.machine_id.as_deref());
        row(
            out,
            [
                (scanner.name.as_deref().or(id).unwrap_or("-"), 30),
                (&date(scanner.last_seen), 17),
                (&health, 20),
                (if scanner.is_silent { "silent" } else { "ok" }, 8),
            ],
        )?;
        for reason in &scanner.reasons {
            note(out, reason)?;
        }
    }
    writeln!(out)?;
    row(
        out,
        [
            ("DEFINITION", 30),
            ("LATEST SCAN", 17),
            ("STATE", 12),
            ("TARGETS REACHED", 18),
        ],
    )?;
    for definition in &report.definitions {
        print_definition(definition, out)?;
    }
    print_totals(&report.totals, out)
}

fn print_definition(definition: &OfDefinition, out: &mut impl Write) -> io::Result<()> {
    let state = match definition.state {
        State::Success => "success",
        State::PartialSuccess => "partly",
        State::Failed => "FAILED",
        State::NeverRan => "never ran",
        State::Unknown => "unknown",
    };
    let targets = match definition.targets {
        0 => "-".to_owned(),
        all => format!("{} of {all}", all - definition.failed_targets.len()),
    };
    row(
        out,
        [
            (definition.name.as_deref().unwrap_or(&definition.id), 30),
            (&date(definition.latest_scan), 17),
            (state, 12),
            (&targets, 18),
        ],
    )?;
    for reason in &definition.reasons {
        note(out, reason)?;
    }
    for target in &definition.never_reached {
        let error = target.error.as_deref().unwrap_or("no reason given");
        note(
            out,
            &format!(
                "{} never reached in {} sessions: {error}",
                target.target, target.sessions
            ),
        )?;
    }
    Ok(())
}

fn print_totals(totals: &Totals, out: &mut impl Write) -> io::Result<()> {
    let Totals {
        definitions,
        failed,
        partial,
        never_ran,
        scanners,
        silent,
        never_reached,
        sessions,
        sessions_read,
    } = totals;
    writeln!(out, "\n{scanners} scanners: {silent} silent")?;
    writeln!(
        out,
        "{definitions} definitions: {failed} failed, {partial} failed in part, {never_ran} never ran"
    )?;
    writeln!(
        out,
        "{sessions} sessions, {sessions_read} with their targets: {never_reached} never reached"
    )?;
    if *sessions > 0 && *sessions_read == 0 {
        writeln!(
            out,
            "The service names no session by its id, so that targets are not known."
        )?;
    }
    Ok(())
}

/// A line that belongs to the row above it.
fn note(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "  {}", cell(text, 78).trim_end())
}

fn row<const N: usize>(out: &mut impl Write, cells: [(&str, usize); N]) -> io::Result<()> {
    let cells = cells.map(|(text, width)| cell(text, width));
    writeln!(out, "{}", cells.join(" ").trim_end())
}

/// To the minute, which is what a person wants to know.
fn date(moment: Option<OffsetDateTime>) -> String {
    moment.map_or_else(
        || "never".to_owned(),
        |moment| {
            let (hour, minute) = (moment.hour(), moment.minute());
            format!("{} {hour:02}:{minute:02}Z", moment.date())
        },
    )
}
