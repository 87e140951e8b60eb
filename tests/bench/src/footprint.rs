//! What it costs to build and to ship: the same program, on each of the three.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::process::Command;

use crate::client::{Client, binary, cargo, cargo_build, home, target};
use crate::table::{Table, median, spread, verdict};

/// The program on one of the three.
struct Footprint {
    package: &'static str,
    crates: usize,
    /// Seconds, of each round.
    release: Vec<f64>,
    debug: Vec<f64>,
    /// Megabytes.
    size: f64,
    small: f64,
}

/// Builds everything so many times, in turns: what else the machine does makes a build cost more.
pub fn footprint(rounds: usize) -> Result<(), Box<dyn Error>> {
    // Else whoever is built first pays for the downloads.
    let fetched = cargo()
        .args(["fetch", "--quiet", "--locked"])
        .current_dir(home())
        .status()?;
    if !fetched.success() {
        return Err("cargo fetch failed".into());
    }
    let mut all = [
        Footprint::of(Client::Sdk)?,
        Footprint::of(Client::ByHand)?,
        Footprint::of(Client::Reqwest)?,
    ];
    for _ in 0..rounds.max(1) {
        for program in &mut all {
            let (cpu, _) = program.build("dev")?;
            program.debug.push(cpu);
        }
        for program in &mut all {
            let (cpu, size) = program.build("release")?;
            program.release.push(cpu);
            program.size = size;
        }
    }
    for program in &mut all {
        program.small = program.build("small")?.1;
    }
    let [ours, by_hand, reqwest] = &all;
    let table = Table::new(&[
        "measure",
        "beside",
        "must reach",
        "ratio",
        "lowest to highest",
        "this crate",
        "the other",
    ]);
    let row = |name: &str, other: &Footprint, most, of: fn(&Footprint) -> Vec<f64>, unit: &str| {
        let (us, them) = (of(ours), of(other));
        let ratios: Vec<_> = us.iter().zip(&them).map(|(us, them)| us / them).collect();
        let ratio = median(&ratios);
        table.row(&[
            name.to_owned(),
            other.package.replace('-', " "),
            verdict(ratio, most),
            format!("**{ratio:.2}**"),
            spread(&ratios),
            format!("{:.1} {unit}", median(&us)),
            format!("{:.1} {unit}", median(&them)),
        ]);
    };
    for (name, of) in [
        (
            "clean build, release, CPU",
            (|p: &Footprint| p.release.clone()) as fn(&Footprint) -> Vec<f64>,
        ),
        ("clean build, debug, CPU", |p| p.debug.clone()),
    ] {
        row(name, reqwest, Some(0.45), of, "s");
        row(name, by_hand, Some(1.25), of, "s");
    }
    row(
        "binary, release, stripped",
        reqwest,
        Some(0.55),
        |p| vec![p.size],
        "MB",
    );
    row(
        "binary, release, stripped",
        by_hand,
        None,
        |p| vec![p.size],
        "MB",
    );
    row(
        "binary, small profile",
        reqwest,
        None,
        |p| vec![p.small],
        "MB",
    );
    row(
        "binary, small profile",
        by_hand,
        None,
        |p| vec![p.small],
        "MB",
    );
    println!(
        "\nSmall profile: {:.2} MB ({} MB). Crates: {} ({}), by hand {}, with reqwest {}.",
        ours.small,
        verdict(ours.small, Some(2.0)),
        ours.crates,
        verdict(ours.crates as f64, Some(58.0)),
        by_hand.crates,
        reqwest.crates,
    );
    Ok(())
}

impl Footprint {
    fn of(client: Client) -> Result<Self, Box<dyn Error>> {
        let package = client.package().ok_or("no package")?;
        Ok(Self {
            package,
            crates: crates(package)?,
            release: Vec::new(),
            debug: Vec::new(),
            size: 0.0,
            small: 0.0,
        })
    }

    /// From nothing; the CPU time it took, and the size of what came out.
    fn build(&self, profile: &str) -> Result<(f64, f64), Box<dyn Error>> {
        let folder = target().join("footprint");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let before = children()?;
        cargo_build(self.package, profile, &folder)?;
        let cpu = children()? - before;
        let file = binary(self.package, profile, &folder);
        // Sizes are told without symbols, which only some profiles leave in.
        let stripped = file.with_extension("stripped");
        let strip = Command::new("strip")
            .arg("-o")
            .arg(&stripped)
            .arg(&file)
            .status()?;
        if !strip.success() {
            return Err("strip failed".into());
        }
        Ok((cpu, fs::metadata(&stripped)?.len() as f64 / 1e6))
    }
}

/// The crates that a program takes on, not counting the client and its helpers.
fn crates(package: &str) -> Result<usize, Box<dyn Error>> {
    let output = cargo()
        .args([
            "tree", "--locked", "-e", "normal", "--prefix", "none", "--format", "{p}", "-p",
            package,
        ])
        .current_dir(home())
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let own = [package, "report", "models", "defender-endpoint"];
    let all: BTreeSet<_> = text
        .lines()
        .filter_map(|line| Some((line.split(' ').next()?, line.split(' ').nth(1)?)))
        .filter(|(name, _)| !own.contains(name))
        .collect();
    Ok(all.len())
}

/// CPU time of the processes that this one has waited for, in seconds.
fn children() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no stat")?;
    let ticks = fields
        .split_whitespace()
        .skip(13)
        .take(2)
        .map(str::parse::<u32>);
    Ok(ticks.sum::<Result<u32, _>>()? as f64 / 100.0)
}
