//! A fleet that changes from day to day, the same way each time, to try the program with.

use defender_endpoint::machines::{HealthStatus, Machine, RiskScore};
use defender_endpoint::time::{Duration, OffsetDateTime};

/// Machines of the first day.
const FIRST: u32 = 240;
/// Machines that each later day brings.
const NEW: u32 = 7;
/// The first day, counted from 1970.
const EPOCH: i64 = 20_454;

/// The machines of that day, in the service's order.
pub(crate) fn fleet(day: u32) -> Vec<Machine> {
    let numbers = 0..FIRST.saturating_add(NEW.saturating_mul(day));
    numbers
        .filter(|number| is_there(*number, day))
        .map(|number| machine(number, day))
        .collect()
}

/// Of each ten machines two go for good and one for a day, ten by ten from day 1 on.
fn is_there(number: u32, day: u32) -> bool {
    let turn = number / 10;
    match number % 10 {
        _ if turn == 0 => true,
        3 | 4 => day < turn,
        7 => day != turn,
        _ => true,
    }
}

fn machine(number: u32, day: u32) -> Machine {
    // Each reports on every third day, and what it is rated as holds from one report to the next.
    let reported = day.saturating_sub(number.wrapping_add(day) % 3);
    let rating = number.wrapping_add(reported) % 12;
    let at = Duration::days(EPOCH + i64::from(reported)) + Duration::minutes(i64::from(number));
    // Scatters them: the ids of real machines come in no order.
    let hash = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut machine = Machine::new(format!("{hash:016x}{number:024x}"));
    machine.computer_dns_name = Some(format!("ws-{number:04}.contoso.com"));
    machine.os_platform = Some(
        if number % 5 == 0 {
            "Ubuntu"
        } else {
            "Windows11"
        }
        .to_owned(),
    );
    machine.health_status = Some(HealthStatus::Active);
    machine.risk_score = Some(if rating == 0 {
        RiskScore::High
    } else {
        RiskScore::Low
    });
    machine.last_seen = Some(OffsetDateTime::UNIX_EPOCH + at);
    if number % 8 == 0 {
        machine.machine_tags = vec!["prod".to_owned()];
    }
    machine
}
