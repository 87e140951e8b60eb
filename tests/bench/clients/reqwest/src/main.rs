//! The same with `reqwest::blocking` and `.json()`.

use std::error::Error;

use models::{Machine, Page, ScanHistoryEntry, Token};
use report::{CLIENT_ID, CLIENT_SECRET, DEFINITION, HISTORY_PAGE, SCOPE, Task};
use reqwest::Certificate;
use reqwest::blocking::Client;

fn main() -> Result<(), Box<dyn Error>> {
    let task = Task::start()?;
    let mut builder = Client::builder().no_proxy();
    if let Some(ca) = &task.ca {
        builder = builder.tls_certs_only([Certificate::from_pem(ca)?]);
    }
    let client = builder.build()?;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("scope", SCOPE),
    ];
    let token: Token = client.post(task.token_url()).form(&form).send()?.json()?;
    let mut tally = task.tally();
    match task.what.as_str() {
        "machines" => {
            let mut next = Some(format!("{}/api/machines", task.url));
            while let Some(url) = next {
                let page: Page<Machine> = client
                    .get(url)
                    .bearer_auth(&token.access_token)
                    .send()?
                    .error_for_status()?
                    .json()?;
                for machine in page.value {
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
                next = page.next_link;
            }
        }
        "history" => {
            let mut skip = 0;
            loop {
                let page: Page<ScanHistoryEntry> = client
                    .post(format!(
                        "{}/api/DeviceAuthenticatedScanDefinitions/GetScanHistoryByScanDefinitionId\
                         ?$top={HISTORY_PAGE}&$skip={skip}",
                        task.url
                    ))
                    .bearer_auth(&token.access_token)
                    .header("Content-Type", "application/json")
                    .body(format!(r#"{{"ScanDefinitionIds":["{DEFINITION}"]}}"#))
                    .send()?
                    .error_for_status()?
                    .json()?;
                if page.value.is_empty() {
                    break;
                }
                skip += page.value.len();
                for entry in page.value {
                    let texts = [
                        entry.scan_definition_id.as_deref(),
                        entry.scanner_id.as_deref(),
                    ];
                    tally.row(&texts, &[entry.scanned_targets.len()]);
                }
            }
        }
        other => return Err(format!("unknown task: {other}").into()),
    }
    tally.print()
}
