//! The crate, through its public API.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use defender_endpoint::machines::Machine;
use defender_endpoint::{Client, ClientSecret, Cloud, Page};
use report::{CLIENT_ID, CLIENT_SECRET, DEFINITION, TENANT, Tally, Task};

/// Rows of the pages that are fetched in parallel, and the time that a slow consumer takes for one.
const ROWS: u64 = 1_000;
const THINK: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn Error>> {
    let task = Task::start()?;
    let mut builder = Client::builder(ClientSecret::new(TENANT, CLIENT_ID, CLIENT_SECRET)?)
        .cloud(Cloud::COMMERCIAL.with_api_url(&task.url).with_authority(&task.url));
    if let Some(ca) = &task.ca {
        builder = builder.root_certificates(ca.clone());
    }
    let client = builder.build()?;
    let mut tally = task.tally();
    match task.what.as_str() {
        "machines" => {
            for machine in client.machines() {
                count(&mut tally, &machine?);
            }
        }
        "history" => {
            for entry in client.scan_history([DEFINITION]) {
                let entry = entry?;
                let texts = [entry.scan_definition_id.as_deref(), entry.scanner_id.as_deref()];
                tally.row(&texts, &[entry.scanned_targets.len()]);
            }
        }
        "slow-consumer" => {
            for page in client.machines().pages() {
                consume(&mut tally, page?);
            }
        }
        "read-ahead" => thread::scope(|scope| {
            let (sender, pages) = sync_channel(1);
            let walk = client.machines().pages();
            scope.spawn(move || {
                for page in walk {
                    if sender.send(page).is_err() {
                        return;
                    }
                }
            });
            for page in pages {
                consume(&mut tally, page?);
            }
            Ok::<(), defender_endpoint::Error>(())
        })?,
        "by-offset" => {
            for machine in client.machines().page_size(ROWS as u32) {
                count(&mut tally, &machine?);
            }
        }
        "parallel" => {
            for page in parallel(&client, 4)? {
                for machine in page {
                    count(&mut tally, &machine);
                }
            }
        }
        other => return Err(format!("unknown task: {other}").into()),
    }
    tally.print()
}

fn count(tally: &mut Tally, machine: &Machine) {
    let texts = [
        Some(machine.id.as_str()),
        machine.computer_dns_name.as_deref(),
        machine.agent_version.as_deref(),
    ];
    tally.row(&texts, &[machine.machine_tags.len(), machine.ip_addresses.len()]);
}

/// As slow as the service: what a database over a network does with ten thousand rows.
fn consume(tally: &mut Tally, page: Page<Machine>) {
    thread::sleep(THINK);
    for machine in page {
        count(tally, &machine);
    }
}

/// Every page of the list in its order, several at a time, until one comes short.
fn parallel(client: &Client, threads: usize) -> Result<Vec<Vec<Machine>>, Box<dyn Error>> {
    let (next, last) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let worker = || {
        let mut pages = Vec::new();
        loop {
            let page = next.fetch_add(1, Ordering::Relaxed);
            if page >= last.load(Ordering::Relaxed) {
                return Ok(pages);
            }
            let rows = client.machines().skip(page * ROWS).top(ROWS);
            let rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?;
            if (rows.len() as u64) < ROWS {
                last.fetch_min(page, Ordering::Relaxed);
            }
            pages.push((page, rows));
        }
    };
    let mut pages = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let mut pages = Vec::new();
        for worker in workers {
            let some: Result<_, defender_endpoint::Error> =
                worker.join().map_err(|_| "a worker panicked")?;
            pages.extend(some?);
        }
        Ok::<_, Box<dyn Error>>(pages)
    })?;
    pages.sort_by_key(|(page, _)| *page);
    Ok(pages.into_iter().map(|(_, rows)| rows).collect())
}
