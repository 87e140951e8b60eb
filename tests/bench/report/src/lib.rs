//! What every client is asked, and what it says about its run: the same for all of them.

use std::env;
use std::error::Error;
use std::fs;
use std::time::Instant;

/// What the runner asks for, in the environment of the client.
pub struct Task {
    /// The API host and login authority.
    pub url: String,
    /// The root certificate, for a server that speaks TLS.
    pub ca: Option<Vec<u8>>,
    /// What to do: `machines`, `history`, or a word that only some clients know.
    pub what: String,
    started: Instant,
}

impl Task {
    /// To be called first thing in `main`: the clock starts here.
    pub fn start() -> Result<Self, Box<dyn Error>> {
        let started = Instant::now();
        let ca = env::var_os("BENCH_CA");
        Ok(Self {
            url: env::var("BENCH_URL")?,
            ca: ca.map(fs::read).transpose()?,
            what: env::var("BENCH_WHAT")?,
            started,
        })
    }

    /// The token endpoint.
    pub fn token_url(&self) -> String {
        format!("{}/{TENANT}/oauth2/v2.0/token", self.url)
    }

    /// Nothing seen yet.
    pub fn tally(&self) -> Tally {
        Tally {
            started: self.started,
            first: None,
            rows: 0,
            checksum: 0,
        }
    }
}

/// The tenant and the app of every client.
pub const TENANT: &str = "5a1c0c1e-0000-4000-8000-000000000001";
/// See [`TENANT`].
pub const CLIENT_ID: &str = "5a1c0c1e-0000-4000-8000-000000000002";
/// See [`TENANT`].
pub const CLIENT_SECRET: &str = "bench-secret";
/// The scope that a token is asked for.
pub const SCOPE: &str = "https://api.securitycenter.microsoft.com/.default";
/// The rows of a page of history, the most that the service gives.
pub const HISTORY_PAGE: usize = 4_096;
/// The definition whose history is asked for.
pub const DEFINITION: &str = "4ad8d463-6b3a-4894-b42a-a2de9ea0a8ae";

/// The rows that were seen.
pub struct Tally {
    started: Instant,
    first: Option<u128>,
    rows: u64,
    checksum: u32,
}

impl Tally {
    /// A row, by some of its texts and the lengths of its lists. The checksum depends on the order.
    pub fn row(&mut self, texts: &[Option<&str>], lengths: &[usize]) {
        if self.first.is_none() {
            self.first = Some(self.started.elapsed().as_micros());
        }
        self.rows += 1;
        let mut crc = crc32fast::Hasher::new_with_initial(self.checksum);
        for text in texts {
            crc.update(text.unwrap_or_default().as_bytes());
        }
        for length in lengths {
            crc.update(&[*length as u8]);
        }
        self.checksum = crc.finalize();
    }

    /// Prints what the runner reads. Times are in microseconds, memory in KiB.
    pub fn print(&self) -> Result<(), Box<dyn Error>> {
        println!(
            "rows={} checksum={} wall={} first={} cpu={} peak={}",
            self.rows,
            self.checksum,
            self.started.elapsed().as_micros(),
            self.first.unwrap_or_default(),
            cpu()?,
            peak()?,
        );
        Ok(())
    }
}

/// CPU time of the whole process, threads that have ended included.
fn cpu() -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // Behind the name in brackets, which may hold anything; ticks are hundredths of a second.
    let (_, fields) = stat.rsplit_once(')').ok_or("no stat")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>);
    Ok(ticks.sum::<Result<u64, _>>()? * 10_000)
}

fn peak() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.ok_or("no peak")?.parse()?)
}
