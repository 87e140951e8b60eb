//! Time and memory, this crate beside the others, in turns.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use crate::client::{Client, Outcome, run};
use crate::server::{Plan, Server};
use crate::table::{Table, median, spread, verdict};

/// One comparison: the same pages, read by several clients in turns.
struct Case {
    name: &'static str,
    plan: Plan,
    /// Which time counts.
    time: &'static str,
    profile: &'static str,
    /// How many turns, of the rounds that were asked for.
    turns: fn(usize) -> usize,
    /// The first is what the others are compared with.
    sides: Vec<Side>,
}

struct Side {
    client: Client,
    what: &'static str,
    /// The most that the first side's time may be, over this side's.
    most: Option<f64>,
}

fn side(client: Client, what: &'static str) -> Side {
    Side {
        client,
        what,
        most: None,
    }
}

fn beside(client: Client, what: &'static str, most: f64) -> Side {
    Side {
        client,
        what,
        most: Some(most),
    }
}

fn cases() -> Vec<Case> {
    use Client::{ByHand, Overlap, Requests, Reqwest, Sdk};
    let case = |name, plan, sides| Case {
        name,
        plan,
        time: "wall",
        profile: "release",
        turns: |rounds| rounds,
        sides,
    };
    let walk = || Plan::pages(20, 10_000);
    let quiet = || Plan {
        think: Duration::from_millis(500),
        ..Plan::pages(8, 1_000)
    };
    vec![
        case(
            "200,000 machines, plain",
            walk(),
            vec![
                side(Sdk, "machines"),
                beside(Reqwest, "machines", 0.72),
                beside(ByHand, "machines", 0.78),
                beside(Requests, "machines", 0.23),
            ],
        ),
        case(
            "200,000 machines, gzip",
            walk().gzip(),
            vec![
                side(Sdk, "machines"),
                beside(Reqwest, "machines", 0.74),
                side(ByHand, "machines"),
                side(Requests, "machines"),
            ],
        ),
        case(
            "200,000 machines, TLS",
            walk().tls(),
            vec![
                side(Sdk, "machines"),
                beside(Reqwest, "machines", 0.68),
                side(ByHand, "machines"),
            ],
        ),
        case(
            "200,000 machines, TLS and gzip",
            walk().tls().gzip(),
            vec![
                side(Sdk, "machines"),
                side(Reqwest, "machines"),
                side(ByHand, "machines"),
            ],
        ),
        Case {
            turns: |rounds| rounds.div_ceil(3),
            ..case(
                "50,000 machines, gzip, a link of 100 Mbit/s",
                Plan {
                    pace: Some(12_500_000),
                    ..Plan::pages(5, 10_000)
                }
                .gzip(),
                vec![
                    side(Sdk, "machines"),
                    side(Reqwest, "machines"),
                    side(ByHand, "machines"),
                ],
            )
        },
        case(
            "368,640 rows of history as documented, plain",
            // Within the calls of a minute: the next one would wait for the limit.
            Plan {
                history_pages: 90,
                ..Plan::pages(0, 1)
            },
            vec![
                side(Sdk, "history"),
                beside(ByHand, "history", 0.72),
                side(Reqwest, "history"),
            ],
        ),
        case(
            "81,920 rows of history with targets, plain",
            Plan {
                history_pages: 20,
                targets: true,
                ..Plan::pages(0, 1)
            },
            vec![
                side(Sdk, "history"),
                side(ByHand, "history"),
                side(Reqwest, "history"),
            ],
        ),
        Case {
            time: "first",
            turns: |rounds| rounds * 5,
            ..case(
                "first machine from a cold start, TLS, a page of 100",
                Plan::pages(1, 100).tls().gzip(),
                vec![
                    side(Sdk, "machines"),
                    beside(ByHand, "machines", 1.1),
                    side(Reqwest, "machines"),
                ],
            )
        },
        Case {
            profile: "dev",
            turns: |rounds| rounds * 2,
            ..case(
                "opt-level 0, a page of 10,000",
                Plan::pages(1, 10_000),
                vec![side(Sdk, "machines"), beside(ByHand, "machines", 1.0)],
            )
        },
        Case {
            turns: |rounds| rounds.div_ceil(3),
            ..case(
                "read ahead, a slow service (500 ms a page) and a consumer as slow",
                quiet(),
                vec![
                    side(Overlap, "read-ahead"),
                    beside(Overlap, "slow-consumer", 0.6),
                ],
            )
        },
        Case {
            turns: |rounds| rounds.div_ceil(3),
            ..case(
                "four pages at once, a slow service (500 ms a page)",
                Plan {
                    pages: 16,
                    links: false,
                    ..quiet()
                },
                vec![
                    side(Overlap, "parallel"),
                    beside(Overlap, "by-offset", 0.32),
                ],
            )
        },
    ]
}

/// Runs everything whose name holds `only`.
pub fn speed(rounds: usize, only: &str) -> Result<(), Box<dyn Error>> {
    let mut programs = HashMap::new();
    let cases: Vec<_> = cases()
        .into_iter()
        .filter(|case| case.name.contains(only))
        .collect();
    for case in &cases {
        for side in &case.sides {
            if let Entry::Vacant(place) = programs.entry((side.client, case.profile)) {
                place.insert(side.client.build(case.profile)?);
            }
        }
    }
    if cases.is_empty() && !"memory".contains(only) {
        return Err(format!("nothing is named «{only}»").into());
    }
    let table = Table::new(&[
        "measure",
        "beside",
        "must reach",
        "ratio",
        "lowest to highest",
        "ratio of CPU",
        "this crate",
        "the other",
    ]);
    for case in cases {
        let (name, turns) = (case.name, (case.turns)(rounds).max(1));
        for line in compare(case, turns, &programs).map_err(|error| format!("{name}: {error}"))? {
            table.row(&line);
        }
    }
    memory(only)
}

fn compare(
    case: Case,
    turns: usize,
    programs: &HashMap<(Client, &str), Option<Vec<PathBuf>>>,
) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
    let server = Server::start(case.plan)?;
    let sides: Vec<_> = case
        .sides
        .iter()
        .filter_map(|side| Some((side, programs.get(&(side.client, case.profile))?.as_ref()?)))
        .collect();
    let mut outcomes: Vec<Vec<Outcome>> = vec![Vec::new(); sides.len()];
    // Once without counting, which also fills the caches; then in turns.
    for turn in 0..=turns {
        for place in 0..sides.len() {
            let index = if turn % 2 == 0 {
                place
            } else {
                sides.len() - 1 - place
            };
            let (side, program) = sides[index];
            let (outcome, _) = run(&[], program, &server, side.what)?;
            if turn > 0 {
                outcomes[index].push(outcome);
            }
        }
    }
    same_rows(&outcomes)?;
    let pick = |side: &[Outcome], name: &str| -> Vec<f64> {
        side.iter().map(|outcome| outcome[name] as f64).collect()
    };
    let ours = (pick(&outcomes[0], case.time), pick(&outcomes[0], "cpu"));
    Ok(sides
        .iter()
        .zip(&outcomes)
        .skip(1)
        .map(|((side, _), theirs)| {
            let theirs = (pick(theirs, case.time), pick(theirs, "cpu"));
            let time = ratios(&ours.0, &theirs.0);
            // Hundredths of a second say nothing about a short run.
            let cpu = if median(&theirs.1) < 200_000.0 {
                "-".to_owned()
            } else {
                format!("{:.2}", median(&ratios(&ours.1, &theirs.1)))
            };
            let ratio = median(&time);
            let other = match side.client {
                Client::Overlap => side.what.replace('-', " "),
                client => client.name().to_owned(),
            };
            vec![
                case.name.to_owned(),
                other,
                verdict(ratio, side.most),
                format!("**{ratio:.2}**"),
                spread(&time),
                cpu,
                milliseconds(&ours.0),
                milliseconds(&theirs.0),
            ]
        })
        .collect())
}

/// All clients must have seen the same rows in the same order, every time.
fn same_rows(outcomes: &[Vec<Outcome>]) -> Result<(), Box<dyn Error>> {
    let mut seen = outcomes
        .iter()
        .flatten()
        .map(|outcome| (outcome["rows"], outcome["checksum"]));
    let first = seen.next().ok_or("no rounds")?;
    match seen.find(|other| *other != first) {
        None if first.0 > 0 => Ok(()),
        None => Err("no rows".into()),
        Some(other) => Err(format!("different rows: {first:?} and {other:?}").into()),
    }
}

fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter()
        .zip(theirs)
        .map(|(ours, theirs)| ours / theirs)
        .collect()
}

fn milliseconds(microseconds: &[f64]) -> String {
    let middle = median(microseconds) / 1_000.0;
    if middle < 100.0 {
        format!("{middle:.1} ms")
    } else {
        format!("{middle:.0} ms")
    }
}

/// The peak of the whole process, one page and a hundred.
fn memory(only: &str) -> Result<(), Box<dyn Error>> {
    const MIB: f64 = 1024.0;
    if !"memory".contains(only) {
        return Ok(());
    }
    let program = |client: Client| -> Result<Vec<PathBuf>, Box<dyn Error>> {
        Ok(client.build("release")?.ok_or("no program")?)
    };
    let (sdk, million) = (program(Client::Sdk)?, program(Client::Million)?);
    let (by_hand, reqwest) = (program(Client::ByHand)?, program(Client::Reqwest)?);
    let table = Table::new(&[
        "peak memory of the process",
        "must reach",
        "this crate",
        "by hand",
        "reqwest",
    ]);
    let row = |name: String, server: &Server, most: f64| -> Result<(), Box<dyn Error>> {
        let mut seen = Vec::new();
        let mut peak = |program: &[PathBuf]| -> Result<f64, Box<dyn Error>> {
            let mut outcomes = Vec::new();
            for _ in 0..3 {
                outcomes.push(run(&[], program, server, "machines")?.0);
            }
            let highest = outcomes.iter().map(|outcome| outcome["peak"]).max();
            seen.push(outcomes);
            Ok(highest.unwrap_or_default() as f64 / MIB)
        };
        let (ours, by_hand, reqwest) = (peak(&sdk)?, peak(&by_hand)?, peak(&reqwest)?);
        same_rows(&seen)?;
        table.row(&[
            name,
            format!("{} MiB", verdict(ours, Some(most))),
            format!("**{ours:.1} MiB**"),
            format!("{by_hand:.1} MiB"),
            format!("{reqwest:.1} MiB"),
        ]);
        Ok(())
    };
    let mib = |bytes: usize| bytes as f64 / MIB / MIB;
    let server = Server::start(Plan::pages(1, 10_000).tls().gzip())?;
    let text = mib(server.text_size);
    let name = format!(
        "1 page, TLS, gzip ({:.1} MiB, of {text:.1})",
        mib(server.body_size)
    );
    row(name, &server, 8.0)?;
    let hundred = Server::start(Plan::pages(100, 10_000).tls().gzip())?;
    row("100 pages, TLS, gzip".to_owned(), &hundred, 8.0)?;
    let server = Server::start(Plan::pages(1, 10_000))?;
    let most = (mib(server.text_size) + 6.0).floor();
    row(
        format!("1 page, not compressed ({:.1} MiB)", mib(server.text_size)),
        &server,
        most,
    )?;
    let server = Server::start(Plan::pages(20, 10_000))?;
    row("20 pages, not compressed".to_owned(), &server, most)?;

    hundred.calls();
    let (outcome, _) = run(&[], &million, &hundred, "machines")?;
    println!(
        "\nA million machines under the documented limits, on a fake clock: {} machines in {} calls of the API; \
         the quota demanded {:.0} s of waiting; peak memory {:.1} MiB; {:.1} s of wall time.",
        outcome["rows"],
        hundred.calls(),
        outcome["waited"] as f64 / 1e6,
        outcome["peak"] as f64 / MIB,
        outcome["wall"] as f64 / 1e6,
    );
    Ok(())
}
