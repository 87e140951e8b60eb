//! What is wrong with a tenant's authenticated scans: scanners that are silent, definitions that
//! failed and why or never ran, and, for each definition, targets that none of its newest sessions
//! (3, unless `--sessions` says otherwise) has got into.
//!
//! Without an account: `cargo run --example scan_report`. With one, set `AZURE_TENANT_ID`,
//! `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` first.
//!
//! It takes five calls for up to 20 scanners, however many scans there are: one for the definitions,
//! one for the agents, one for the history of all definitions (its first page, up to 4,096 sessions),
//! one for the targets of the newest sessions of all definitions, and one for every 20 machines behind
//! the scanners. The targets are those that these sessions list: what a range such as `10.0.0.0/24`
//! holds beyond them, nobody knows. Where the history names no sessions by their ids, no targets are
//! known at all.

mod shared;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use defender_endpoint::machines::{HealthStatus, Machine, OnMachine};
use defender_endpoint::scan_agents::ScanAgent;
use defender_endpoint::scan_definitions::{
    LatestScan, LatestScanStatus, ScanDefinition, ScannerAgent,
};
use defender_endpoint::scan_history::{ScanHistoryEntry, ScanStatus, ScannedTarget};
use defender_endpoint::time::{self, Duration, OffsetDateTime};
use defender_endpoint::{Client, ErrorKind};
use lexopt::prelude::*;
use serde::Serialize;
use table::cell;

const USAGE: &str = "\
Usage: scan_report [--json] [--silent-for HOURS] [--sessions N]

  --json              one JSON document: definitions, scanners, totals
  --silent-for HOURS  a scanner not seen for so long is silent (default: 24)
  --sessions N        judge targets by the newest N sessions of each definition
                      (default: 3)";

/// The most sessions that the service gives in one answer.
const PAGE: usize = 4_096;

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
        // One page: the newest sessions come first, as the documentation's samples have it.
        let page = client.scan_history(ids).pages().next().transpose()?;
        fetched.history = page.map(|page| page.items).unwrap_or_default();
    }
    let ids = newest_sessions(&fetched, sessions);
    if !ids.is_empty() {
        let sessions = client.scan_history_by_session(ids).into_iter();
        fetched.sessions = sessions.collect::<Result<_, _>>()?;
    }
    for looked_up in client.machines_by_id(scanners_machines(&fetched)) {
        match looked_up {
            Ok((_, machine)) => fetched.machines.extend(machine),
            // Without any recent machine there is still a report.
            Err(error) if error.kind() == ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    Ok(fetched)
}

/// The ids of the newest sessions of each definition, where the service names them.
fn newest_sessions(fetched: &Fetched, most: usize) -> Vec<&str> {
    let definitions = fetched.definitions.iter();
    definitions
        .flat_map(|definition| newest_first(&fetched.history, definition).take(most))
        .filter_map(|session| session.session_id.as_deref())
        .filter(|id| !id.trim().is_empty())
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

fn scanners_machines(fetched: &Fetched) -> impl Iterator<Item = &str> {
    let agents = fetched.agents.iter().filter_map(OnMachine::machine_id);
    let definitions = fetched.definitions.iter();
    let scanners = definitions.filter_map(|it| it.scanner_agent.as_ref());
    agents.chain(scanners.filter_map(OnMachine::machine_id))
}

/// Whether this is the id, in whatever case.
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
    /// How many targets the session of the latest scan lists; 0 where they are not known, as where
    /// no session is so new.
    pub(crate) targets: usize,
    /// Those of them that were scanned, if only in part.
    pub(crate) reached_targets: usize,
    pub(crate) failed_targets: Vec<FailedTarget>,
    /// How many sessions are known with their targets: the newest that were asked for, and any other
    /// that the history by definition has them of.
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
    /// Those that never ran although they are active.
    pub(crate) never_ran: usize,
    pub(crate) scanners: usize,
    pub(crate) silent: usize,
    /// Each target once, however many definitions have it.
    pub(crate) never_reached: usize,
    /// Sessions of the history, and those of which the targets are known.
    pub(crate) sessions: usize,
    pub(crate) sessions_read: usize,
    /// There may be more sessions: the page is full, or it has none of a definition that says it ran.
    /// A service that gives less than it has and shows neither sign would cost a call more to find out.
    pub(crate) is_cut: bool,
}

/// Joins what was fetched. A scanner that was not seen for `silent_for` before `now` is silent.
pub(crate) fn report(fetched: &Fetched, now: OffsetDateTime, silent_for: Duration) -> Report {
    let is_cut = is_cut(fetched);
    let definitions: Vec<_> = fetched
        .definitions
        .iter()
        .map(|definition| of_definition(fetched, definition, is_cut))
        .collect();
    let scanners: Vec<_> = scanners(fetched)
        .iter()
        .map(|scanner| of_scanner(scanner, &fetched.machines, now, silent_for))
        .collect();
    let count = |state| definitions.iter().filter(|it| it.state == state).count();
    let never_ran = |it: &&OfDefinition| it.state == State::NeverRan && it.is_active != Some(false);
    let never_reached = definitions.iter().flat_map(|it| &it.never_reached);
    let never_reached: BTreeSet<_> = never_reached.map(|it| it.target.to_lowercase()).collect();
    let totals = Totals {
        definitions: definitions.len(),
        failed: count(State::Failed),
        partial: count(State::PartialSuccess),
        never_ran: definitions.iter().filter(never_ran).count(),
        scanners: scanners.len(),
        silent: scanners.iter().filter(|it| it.is_silent).count(),
        never_reached: never_reached.len(),
        sessions: fetched.history.len(),
        sessions_read: definitions.iter().map(|it| it.sessions_read).sum(),
        is_cut,
    };
    Report {
        definitions,
        scanners,
        totals,
    }
}

fn is_cut(fetched: &Fetched) -> bool {
    let is_missing = |definition: &ScanDefinition| {
        latest_scan(definition).is_some()
            && newest_first(&fetched.history, definition).next().is_none()
    };
    fetched.history.len() >= PAGE || fetched.definitions.iter().any(is_missing)
}

fn of_definition(fetched: &Fetched, definition: &ScanDefinition, is_cut: bool) -> OfDefinition {
    let sessions: Vec<_> = newest_first(&fetched.history, definition)
        .map(|row| Session::of(row, &fetched.sessions))
        .collect();
    let latest = Latest::of(definition, sessions.first());
    let targets = latest.session.map_or(&[][..], |it| it.targets);
    let failed: Vec<_> = targets.iter().filter(|it| is_failure(it)).collect();
    let state = match latest.state(targets.len(), failed.len()) {
        // With sessions missing, only its own word would do.
        State::NeverRan if is_cut && definition.latest_scan.is_none() => State::Unknown,
        state => state,
    };
    let read: Vec<_> = sessions
        .iter()
        .map(|it| it.targets)
        .filter(|targets| !targets.is_empty())
        .collect();
    let scanner = definition.scanner_agent.as_ref();
    OfDefinition {
        id: definition.id.clone(),
        name: definition.scan_name.clone(),
        is_active: definition.is_active,
        scanner_machine_id: scanner.and_then(OnMachine::machine_id).map(str::to_owned),
        state,
        latest_scan: latest.date,
        reasons: match state {
            State::Failed | State::PartialSuccess => latest.reasons(&failed),
            State::Success | State::NeverRan | State::Unknown => Vec::new(),
        },
        targets: targets.len(),
        reached_targets: targets.iter().filter(|it| is_reached(it)).count(),
        failed_targets: failed.into_iter().map(failed_target).collect(),
        sessions_read: read.len(),
        never_reached: never_reached(&read),
    }
}

/// A session as the history by definition and the history by session tell of it, the latter first.
struct Session<'a> {
    date: Option<OffsetDateTime>,
    status: Option<&'a ScanStatus>,
    error: Option<&'a str>,
    targets: &'a [ScannedTarget],
}

impl<'a> Session<'a> {
    /// By its id, with which it was asked for: what else is in an answer by session, nobody promises.
    fn of(row: &'a ScanHistoryEntry, sessions: &'a [ScanHistoryEntry]) -> Self {
        let id = row.session_id.as_deref();
        let same = |it: &&ScanHistoryEntry| id.is_some_and(|id| is(it.session_id.as_deref(), id));
        let read = sessions.iter().find(same).unwrap_or(row);
        Self {
            date: read.last_scanned.or(row.last_scanned),
            status: read.scan_status.as_ref().or(row.scan_status.as_ref()),
            error: read
                .general_error_message
                .as_deref()
                .or(row.general_error_message.as_deref()),
            targets: &read.scanned_targets,
        }
    }
}

/// The latest scan in the definition's own words. One that never ran has it too, with nothing in it.
fn latest_scan(definition: &ScanDefinition) -> Option<&LatestScan> {
    let ran = |scan: &&LatestScan| scan.status.is_some() || scan.execution_date_time.is_some();
    definition.latest_scan.as_ref().filter(ran)
}

/// The latest scan as the definition tells of it and as its history does; where one of them is of an
/// older run, without it.
struct Latest<'a> {
    scan: Option<&'a LatestScan>,
    session: Option<&'a Session<'a>>,
    date: Option<OffsetDateTime>,
}

impl<'a> Latest<'a> {
    fn of(definition: &'a ScanDefinition, session: Option<&'a Session<'a>>) -> Self {
        let scan = latest_scan(definition);
        let of_scan = scan.and_then(|it| it.execution_date_time);
        let of_session = session.and_then(|it| it.date);
        let apart = apart(definition);
        let older = |one: Option<_>, other: Option<_>| {
            let both = one.zip(other);
            both.is_some_and(|(one, other): (OffsetDateTime, OffsetDateTime)| other - one >= apart)
        };
        Self {
            scan: scan.filter(|_| !older(of_scan, of_session)),
            session: session.filter(|_| !older(of_session, of_scan)),
            date: of_scan.max(of_session),
        }
    }

    fn state(&self, targets: usize, failed: usize) -> State {
        let scan = self.scan.and_then(|it| it.status.as_ref());
        let session = self.session.and_then(|it| it.status);
        let all_failed = targets > 0 && failed == targets;
        if self.scan.is_none() && self.session.is_none() {
            State::NeverRan
        } else if scan == Some(&LatestScanStatus::Fail)
            || session == Some(&ScanStatus::Failure)
            || all_failed
        {
            State::Failed
        } else if session == Some(&ScanStatus::PartialSuccess) || failed > 0 {
            State::PartialSuccess
        } else if scan == Some(&LatestScanStatus::Success) || session == Some(&ScanStatus::Success)
        {
            State::Success
        } else {
            State::Unknown
        }
    }

    /// What it and its targets say went wrong, each once.
    fn reasons(&self, failed: &[&ScannedTarget]) -> Vec<String> {
        let scan = self.scan.and_then(|it| it.failure_reason.as_deref());
        let session = self.session.and_then(|it| it.error);
        let targets = failed.iter().filter_map(|it| it.error_message.as_deref());
        let mut reasons: Vec<String> = Vec::new();
        for reason in scan.into_iter().chain(session).chain(targets) {
            if !reason.trim().is_empty() && !reasons.iter().any(|it| it == reason) {
                reasons.push(reason.to_owned());
            }
        }
        reasons
    }
}

/// How far apart the dates of two runs are at least. The definition and its history have different
/// dates of one and the same run, maybe of its start and of its end.
fn apart(definition: &ScanDefinition) -> Duration {
    match definition.interval_in_hours {
        Some(1) => Duration::minutes(30),
        _ => Duration::hours(1),
    }
}

fn is_failure(target: &ScannedTarget) -> bool {
    target.scan_status == Some(ScanStatus::Failure)
}

fn is_reached(target: &ScannedTarget) -> bool {
    let status = target.scan_status.as_ref();
    status.is_some_and(|it| [ScanStatus::Success, ScanStatus::PartialSuccess].contains(it))
}

fn is_filled(text: &&str) -> bool {
    !text.trim().is_empty()
}

/// By its address, or else by its name.
fn name_of(target: &ScannedTarget) -> Option<&str> {
    let ip = target.ip.as_deref().filter(is_filled);
    ip.or_else(|| target.hostname.as_deref().filter(is_filled))
}

fn error_of(target: &ScannedTarget) -> Option<String> {
    let error = target.error_message.as_deref().filter(is_filled);
    error.map(str::to_owned)
}

fn failed_target(target: &ScannedTarget) -> FailedTarget {
    FailedTarget {
        target: name_of(target).unwrap_or("-").to_owned(),
        error: error_of(target),
    }
}

/// The targets that every one of these sessions that lists them failed to get into; newest first.
fn never_reached(sessions: &[&[ScannedTarget]]) -> Vec<NeverReached> {
    let mut found: BTreeMap<String, Option<NeverReached>> = BTreeMap::new();
    for targets in sessions {
        // A session may list one more than once.
        let mut counted = BTreeSet::new();
        for target in *targets {
            let Some(name) = name_of(target) else {
                continue;
            };
            let key = name.to_lowercase();
            let so_far = found.entry(key.clone()).or_insert_with(|| {
                Some(NeverReached {
                    target: name.to_owned(),
                    sessions: 0,
                    error: error_of(target),
                })
            });
            if !is_failure(target) {
                *so_far = None;
            } else if let Some(failures) = so_far {
                failures.sessions += usize::from(counted.insert(key));
            }
        }
    }
    found.into_values().flatten().collect()
}

/// A scanner as its agent tells of it, or else as a definition does.
struct Scanner<'a> {
    is_listed: bool,
    id: Option<&'a str>,
    machine_id: Option<&'a str>,
    name: Option<&'a str>,
    last_seen: Option<OffsetDateTime>,
    definitions: usize,
}

impl Scanner<'_> {
    fn is(&self, named: &ScannerAgent) -> bool {
        let pairs = [
            (self.machine_id, named.machine_id()),
            (self.id, named.id.as_deref()),
            (self.name, named.machine_name()),
        ];
        // What both have, the surest first.
        let both = pairs
            .into_iter()
            .find_map(|(one, other)| one.filter(is_filled).zip(other.filter(is_filled)));
        both.is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
    }
}

/// The scanners of the agents, and those that only definitions name.
fn scanners(fetched: &Fetched) -> Vec<Scanner<'_>> {
    let agents = fetched.agents.iter();
    let mut scanners: Vec<_> = agents
        .map(|agent| Scanner {
            is_listed: true,
            id: Some(&agent.id),
            machine_id: agent.machine_id(),
            name: agent.machine_name(),
            last_seen: agent.last_seen,
            definitions: 0,
        })
        .collect();
    let definitions = fetched.definitions.iter();
    for named in definitions.filter_map(|it| it.scanner_agent.as_ref()) {
        if let Some(known) = scanners.iter_mut().find(|it| it.is(named)) {
            known.definitions += 1;
        } else {
            scanners.push(Scanner {
                is_listed: false,
                id: named.id.as_deref(),
                machine_id: named.machine_id(),
                name: named.machine_name(),
                last_seen: named.last_seen,
                definitions: 1,
            });
        }
    }
    scanners
}

fn of_scanner(
    scanner: &Scanner<'_>,
    machines: &[Machine],
    now: OffsetDateTime,
    silent_for: Duration,
) -> OfScanner {
    let runs_on = |machine: &&Machine| is(scanner.machine_id, &machine.id);
    let machine = machines.iter().find(runs_on);
    let mut reasons = Vec::new();
    if !scanner.is_listed {
        reasons.push("it is not in the list of agents".to_owned());
    }
    match scanner.last_seen.map(|seen| now - seen) {
        None => reasons.push("it was never seen".to_owned()),
        Some(silence) if silence >= silent_for => {
            reasons.push(format!("it was not seen for {}", in_words(silence)));
        }
        Some(_) => {}
    }
    match machine {
        None if scanner.machine_id.is_none() => {
            reasons.push("its machine is not named".to_owned());
        }
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
        last_seen: scanner.last_seen,
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
            ("MACHINE", 18),
            ("SCANS", 5),
            ("STATE", 6),
        ],
    )?;
    for scanner in &report.scanners {
        let health = scanner.machine_health.as_ref();
        let health = health.map_or_else(|| "-".to_owned(), ToString::to_string);
        let name = scanner.name.as_deref().filter(is_filled);
        let id = scanner.id.as_deref().or(scanner.machine_id.as_deref());
        row(
            out,
            [
                (name.or(id).unwrap_or("-"), 30),
                (&date(scanner.last_seen, "never"), 17),
                (&health, 18),
                (&scanner.definitions.to_string(), 5),
                (if scanner.is_silent { "silent" } else { "ok" }, 6),
            ],
        )?;
        notes(out, &scanner.reasons)?;
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
        all => format!("{} of {all}", definition.reached_targets),
    };
    let name = definition.name.as_deref().filter(is_filled);
    let no_date = match definition.state {
        State::NeverRan => "never",
        _ => "-",
    };
    row(
        out,
        [
            (name.unwrap_or(&definition.id), 30),
            (&date(definition.latest_scan, no_date), 17),
            (state, 12),
            (&targets, 18),
        ],
    )?;
    if definition.is_active == Some(false) {
        notes(out, &["it is inactive".to_owned()])?;
    }
    notes(out, &definition.reasons)?;
    let never_reached: Vec<_> = definition.never_reached.iter().map(in_a_line).collect();
    notes(out, &never_reached)
}

fn in_a_line(it: &NeverReached) -> String {
    let sessions = many(it.sessions, "session");
    let error = it.error.as_deref().unwrap_or("no reason given");
    format!("{} never reached in {sessions}: {error}", it.target)
}

fn many(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn print_totals(it: &Totals, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\n{}: {} silent",
        many(it.scanners, "scanner"),
        it.silent
    )?;
    writeln!(
        out,
        "{}: {} failed, {} failed in part, {} never ran",
        many(it.definitions, "definition"),
        it.failed,
        it.partial,
        it.never_ran
    )?;
    writeln!(
        out,
        "{}, {} read with their targets: {} never reached",
        many(it.sessions, "session"),
        it.sessions_read,
        many(it.never_reached, "target")
    )?;
    if it.is_cut {
        writeln!(out, "There may be more sessions than these.")?;
    }
    if it.sessions > 0 && it.sessions_read == 0 {
        writeln!(
            out,
            "No session came with its targets, so that these are not known."
        )?;
    }
    Ok(())
}

/// Lines that belong to the row above them. A subnet may have hundreds.
fn notes(out: &mut impl Write, notes: &[String]) -> io::Result<()> {
    const MOST: usize = 5;
    for note in notes.iter().take(MOST) {
        writeln!(out, "  {}", cell(note, 78).trim_end())?;
    }
    match notes.len() {
        0..=MOST => Ok(()),
        all => writeln!(out, "  and {} more: --json has them all", all - MOST),
    }
}

fn row<const N: usize>(out: &mut impl Write, cells: [(&str, usize); N]) -> io::Result<()> {
    let cells = cells.map(|(text, width)| cell(text, width));
    writeln!(out, "{}", cells.join(" ").trim_end())
}

/// To the minute, which is what a person wants to know.
fn date(moment: Option<OffsetDateTime>, none: &str) -> String {
    moment.map_or_else(
        || none.to_owned(),
        |moment| {
            let (hour, minute) = (moment.hour(), moment.minute());
            format!("{} {hour:02}:{minute:02}Z", moment.date())
        },
    )
}
