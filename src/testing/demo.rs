//! The rows of the demo tenant: the same every time, and with everything that real fleets surprise
//! with. Here is what all of them are made with.

mod fleet;
mod scans;
mod sessions;

use std::sync::OnceLock;

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

pub(super) use fleet::machines;
#[cfg(feature = "write")]
pub(super) use scans::ORG;
pub(super) use scans::{scan_agents, scan_definitions};
pub(super) use sessions::scan_history;

/// How .NET writes "never".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The moment from which all dates are counted back, in whole seconds.
fn start() -> OffsetDateTime {
    static START: OnceLock<OffsetDateTime> = OnceLock::new();
    *START.get_or_init(|| {
        let now = OffsetDateTime::now_utc();
        now.replace_nanosecond(0).unwrap_or(now)
    })
}

/// A moment that many minutes ago, with the given number of fraction digits: .NET cuts zeros off,
/// so that every number up to seven occurs.
fn ago(minutes: u64, digits: usize) -> String {
    let minutes = i64::try_from(minutes).unwrap_or(0);
    // At least a second back, since the fraction comes on top; more, so that seconds differ too.
    let seconds = 1 + minutes % 53;
    let moment = start() - Duration::minutes(minutes) - Duration::seconds(seconds);
    let text = moment.format(&Rfc3339).unwrap_or_default();
    let fraction = match digits {
        0 => "",
        digits => ".7358214".get(..=digits).unwrap_or(".7358214"),
    };
    text.replace('Z', &format!("{fraction}Z"))
}

const DAY: u64 = 24 * 60;
/// Where a discovered machine was seen that is the target of a scan, too.
const PRINTER_IN_FLEET: &str = "10.2.7.22";

/// A number that looks random and is not: the finaliser of `SplitMix64` over the machine's number.
fn mixed(n: usize, salt: u64) -> u64 {
    let mut x = u64::try_from(n)
        .unwrap_or(0)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ salt;
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn below(n: usize, salt: u64, limit: u64) -> u64 {
    mixed(n, salt) % limit.max(1)
}

fn pick<T: Copy + Default>(n: usize, salt: u64, list: &[T]) -> T {
    let length = u64::try_from(list.len()).unwrap_or(0);
    let index = usize::try_from(below(n, salt, length)).unwrap_or(0);
    list.get(index).copied().unwrap_or_default()
}

fn machine_id(n: usize) -> String {
    let (a, b, c) = (mixed(n, 1 << 8), mixed(n, 2 << 8), mixed(n, 3 << 8));
    format!("{a:016x}{b:016x}{:08x}", c >> 32)
}

fn guid(n: usize, salt: u64) -> String {
    let (high, low) = (mixed(n, salt << 16), mixed(n, salt << 24));
    let (a, b, c) = (high >> 32, high >> 16 & 0xFFFF, high & 0xFFF);
    format!(
        "{a:08x}-{b:04x}-4{c:03x}-a{:03x}-{:012x}",
        low >> 48 & 0xFFF,
        low & 0xFFFF_FFFF_FFFF
    )
}

#[cfg(test)]
mod tests;
