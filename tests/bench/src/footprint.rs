//! What it costs to build and to ship: the same program, on each of the three.

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::fs;
use std::process::Command;

use crate::client::{Client, binary, cargo_build, home, target};
use crate::table::{Table, verdict};

struct Footprint {
    crates: usize,
    release: f64,
    debug: f64,
    size: f64,
    small: f64,
}

pub fn footprint() -> Result<(), Box<dyn Error>> {
    let ours = measure(Client::Sdk)?;
    let by_hand = measure(Client::ByHand)?;
    let reqwest = measure(Client::Reqwest)?;
    let table = Table::new(&["measure", "beside", "must reach", "ratio", "this crate", "the other"]);
    let row = |name: &str, beside: &str, most, unit: &str, ours: f64, theirs: f64| {
        let ratio = ours / theirs;
        table.row(&[
            name.to_owned(),
            beside.to_owned(),
            verdict(ratio, most),
            format!("**{ratio:.2}**"),
            format!("{ours:.2} {unit}"),
            format!("{theirs:.2} {unit}"),
        ]);
    };
    row("clean build, release, CPU", "reqwest", Some(0.45), "s", ours.release, reqwest.release);
    row("clean build, release, CPU", "by hand", Some(1.25), "s", ours.release, by_hand.release);
    row("clean build, debug, CPU", "reqwest", Some(0.45), "s", ours.debug, reqwest.debug);
    row("clean build, debug, CPU", "by hand", Some(1.25), "s", ours.debug, by_hand.debug);
    row("binary, release, stripped", "reqwest", Some(0.55), "MB", ours.size, reqwest.size);
    row("binary, release, stripped", "by hand", None, "MB", ours.size, by_hand.size);
    row("binary, small profile", "reqwest", None, "MB", ours.small, reqwest.small);
    row("binary, small profile", "by hand", None, "MB", ours.small, by_hand.small);
    println!(
        "\nSmall profile: {:.2} MB ({} MB). Crates: {} ({}), by hand {}, reqwest {}.",
        ours.small,
        verdict(ours.small, Some(2.0)),
        ours.crates,
        verdict(ours.crates as f64, Some(58.0)),
        by_hand.crates,
        reqwest.crates,
    );
    Ok(())
}

fn measure(client: Client) -> Result<Footprint, Box<dyn Error>> {
    let package = client.package().ok_or("no package")?;
    let build = |profile: &str| -> Result<(f64, f64), Box<dyn Error>> {
        let folder = target().join("footprint").join(package);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let before = children()?;
        cargo_build(package, profile, &folder)?;
        let cpu = children()? - before;
        let file = binary(package, profile, &folder);
        // Sizes are told without symbols, which only some profiles leave in.
        let stripped = file.with_extension("stripped");
        let strip = Command::new("strip").arg("-o").arg(&stripped).arg(&file).status()?;
        if !strip.success() {
            return Err("strip failed".into());
        }
        Ok((cpu, fs::metadata(&stripped)?.len() as f64 / 1e6))
    };
    let (debug, _) = build("dev")?;
    let (_, small) = build("small")?;
    let (release, size) = build("release")?;
    Ok(Footprint { crates: crates(package)?, release, debug, size, small })
}

/// The crates that a program takes on, not counting the client and its helpers.
fn crates(package: &str) -> Result<usize, Box<dyn Error>> {
    let output = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .args(["tree", "--locked", "-e", "normal", "--prefix", "none", "--format", "{p}", "-p", package])
        .current_dir(home())
        .output()?;
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
    let ticks = fields.split_whitespace().skip(13).take(2).map(str::parse::<u32>);
    Ok(ticks.sum::<Result<u32, _>>()? as f64 / 100.0)
}
