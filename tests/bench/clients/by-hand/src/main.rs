//! The lines that a user would write by hand: ureq, the whole body, `from_slice`.

use std::error::Error;

use models::{Machine, Page, ScanHistoryEntry, Token};
use report::{CLIENT_ID, CLIENT_SECRET, DEFINITION, HISTORY_PAGE, SCOPE, Task};
use ureq::Agent;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let task = Task::start()?;
    let mut config = Agent::config_builder();
    if let Some(ca) = &task.ca {
        let roots = RootCerts::new_with_certs(&[Certificate::from_pem(ca)?]);
        config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
    }
    let agent = config.build().new_agent();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("scope", SCOPE),
    ];
    let token: Token = agent
        .post(task.token_url())
        .send_form(form)?
        .body_mut()
        .read_json()?;
    let bearer = format!("Bearer {}", token.access_token);
    let mut tally = task.tally();
    match task.what.as_str() {
        "machines" => {
            let mut next = Some(format!("{}/api/machines", task.url));
            while let Some(url) = next {
                let body = whole(agent.get(url).header("Authorization", &bearer).call()?)?;
                let page: Page<Machine> = serde_json::from_slice(&body)?;
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
            let ids = format!(r#"{{"ScanDefinitionIds":["{DEFINITION}"]}}"#);
            let mut skip = 0;
            loop {
                let url = format!(
                    "{}/api/DeviceAuthenticatedScanDefinitions/GetScanHistoryByScanDefinitionId\
                     ?$top={HISTORY_PAGE}&$skip={skip}",
                    task.url
                );
                let post = agent.post(url).header("Authorization", &bearer);
                let body = whole(post.content_type("application/json").send(&ids)?)?;
                let page: Page<ScanHistoryEntry> = serde_json::from_slice(&body)?;
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

fn whole(response: Response<ureq::Body>) -> Result<Vec<u8>, ureq::Error> {
    let body = response.into_body().into_with_config();
    body.limit(64 * 1024 * 1024).read_to_vec()
}
