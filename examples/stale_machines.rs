//! Machines that have not reported for some days, or whose sensor is impaired: a typed filter.
//!
//! `cargo run --example stale_machines -- 30`

mod shared;
mod table;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use defender_endpoint::machines::{HealthStatus, field};
use defender_endpoint::time::{Duration, OffsetDateTime};
use lexopt::prelude::*;

const USAGE: &str = "Usage: stale_machines [DAYS]\n\n  DAYS  not seen for so long (default: 14)";

fn main() -> ExitCode {
    shared::exit_status(run(), USAGE)
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut days = 14_u16;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(text) => days = text.parse()?,
            Short('h') | Long("help") => {
                println!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let (client, _demo) = shared::client(|builder| builder)?;

    let long_ago = OffsetDateTime::now_utc() - Duration::days(days.into());
    let stale = field::LAST_SEEN.lt(long_ago)
        | field::HEALTH_STATUS.is_in([
            HealthStatus::ImpairedCommunication,
            HealthStatus::NoSensorData,
            HealthStatus::NoSensorDataImpairedCommunication,
        ]);
    eprintln!("$filter={stale}");

    let mut out = std::io::stdout().lock();
    for machine in client.machines().filter(stale) {
        let machine = machine?;
        let name = machine.computer_dns_name.as_deref().unwrap_or(&machine.id);
        let seen = machine
            .last_seen
            .map_or("never".to_owned(), |seen| seen.date().to_string());
        let health = machine.health_status.unwrap_or(HealthStatus::Unknown);
        writeln!(out, "{} {seen:10} {health}", table::cell(name, 40))?;
    }
    Ok(())
}
