//! A million machines in one walk under the documented limits, which wait in a time of their own.

use std::error::Error;

use defender_endpoint::testing::{Clock as _, FakeClock};
use defender_endpoint::{Client, ClientSecret, Cloud};
use report::{CLIENT_ID, CLIENT_SECRET, TENANT, Task};

fn main() -> Result<(), Box<dyn Error>> {
    let task = Task::start()?;
    let clock = FakeClock::new();
    let mut builder = Client::builder(ClientSecret::new(TENANT, CLIENT_ID, CLIENT_SECRET)?)
        .cloud(
            Cloud::COMMERCIAL
                .with_api_url(&task.url)
                .with_authority(&task.url),
        )
        .clock(clock.clone());
    if let Some(ca) = &task.ca {
        builder = builder.root_certificates(ca.clone());
    }
    let client = builder.build()?;
    let mut tally = task.tally();
    for machine in client.machines() {
        let machine = machine?;
        tally.row(&[Some(machine.id.as_str())], &[]);
    }
    print!("waited={} ", clock.now().as_micros());
    tally.print()
}
