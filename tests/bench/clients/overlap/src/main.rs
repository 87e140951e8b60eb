//! The crate beside itself: the ways through a list of the example `pipeline`, by its own functions.

#[rustfmt::skip] // formatted where it stands
#[expect(dead_code, reason = "its `main` and options are not used")]
#[path = "../../../../../examples/pipeline.rs"]
mod pipeline;

use std::cell::RefCell;
use std::error::Error;
use std::thread;
use std::time::Duration;

use defender_endpoint::machines::Machine;
use defender_endpoint::{Client, ClientSecret, Cloud};
use report::{CLIENT_ID, CLIENT_SECRET, TENANT, Task};

/// Rows of a page.
const ROWS: u32 = 1_000;
/// What a consumer takes for a page that is as slow as the service.
const SLOW: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn Error>> {
    let task = Task::start()?;
    let secret = ClientSecret::new(TENANT, CLIENT_ID, CLIENT_SECRET)?;
    let cloud = Cloud::COMMERCIAL
        .with_api_url(&task.url)
        .with_authority(&task.url);
    let client = Client::builder(secret).cloud(cloud).build()?;
    let tally = RefCell::new(task.tally());
    let fast = |machines: Vec<Machine>, _| {
        for machine in machines {
            tally.borrow_mut().row(&[Some(machine.id.as_str())], &[]);
        }
        Ok(())
    };
    let slow = |machines: Vec<Machine>, next_skip| {
        thread::sleep(SLOW);
        fast(machines, next_skip)
    };
    match task.what.as_str() {
        "slow-consumer" => pipeline::one_by_one(client.machines().pages(), slow)?,
        "read-ahead" => pipeline::read_ahead(client.machines().pages(), slow)?,
        "by-offset" => {
            let pages = client.machines().page_size(ROWS).pages();
            pipeline::one_by_one(pages, fast)?;
        }
        "parallel" => pipeline::parallel(&client, 0, ROWS, 4, fast)?,
        other => return Err(format!("unknown task: {other}").into()),
    }
    tally.into_inner().print()
}
