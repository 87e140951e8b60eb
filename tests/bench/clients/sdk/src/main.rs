//! The crate, through its public API.

use std::error::Error;

use defender_endpoint::{Client, ClientSecret, Cloud};
use report::{CLIENT_ID, CLIENT_SECRET, DEFINITION, TENANT, Task};

fn main() -> Result<(), Box<dyn Error>> {
    let task = Task::start()?;
    let mut builder = Client::builder(ClientSecret::new(TENANT, CLIENT_ID, CLIENT_SECRET)?).cloud(
        Cloud::COMMERCIAL
            .with_api_url(&task.url)
            .with_authority(&task.url),
    );
    if let Some(ca) = &task.ca {
        builder = builder.root_certificates(ca.clone());
    }
    let client = builder.build()?;
    let mut tally = task.tally();
    match task.what.as_str() {
        "machines" => {
            for machine in client.machines() {
                let machine = machine?;
                let texts = [
                    Some(machine.id.as_str()),
                    machine.computer_dns_name.as_deref(),
                    machine.agent_version.as_deref(),
                ];
                tally.row(
                    &texts,
                    &[machine.machine_tags.len(), machine.ip_addresses.len()],
                );
            }
        }
        "history" => {
            for entry in client.scan_history([DEFINITION]) {
                let entry = entry?;
                let texts = [
                    entry.scan_definition_id.as_deref(),
                    entry.scanner_id.as_deref(),
                ];
                tally.row(&texts, &[entry.scanned_targets.len()]);
            }
        }
        other => return Err(format!("unknown task: {other}").into()),
    }
    tally.print()
}
