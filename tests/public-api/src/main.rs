//! Compares the crate's public API with the listing beside this program, `api.txt`, or writes that anew.
//!
//! ```text
//! public-api-listing RUSTDOC.json api.txt            # exit status 1 if they differ
//! public-api-listing RUSTDOC.json api.txt --write
//! ```
//!
//! rustdoc's JSON is not stable. The listing's first line says which format it was made from, and another
//! one is not compared: exit status 3, which the gate reports as skipped.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::process::ExitCode;

use public_api::Builder;

/// Says that this toolchain's JSON is another one than the listing was made from.
const OTHER_FORMAT: u8 = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [json, listing] => check(json, listing),
        [json, listing, "--write"] => write(json, listing),
        _ => Err("usage: public-api-listing RUSTDOC.json api.txt [--write]".into()),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(2)
    })
}

fn check(json: &str, listing: &str) -> Result<ExitCode, Box<dyn Error>> {
    let kept = fs::read_to_string(listing)?;
    let head = head(json)?;
    if kept.lines().next() != Some(&head) {
        eprintln!("the listing was made from another format than this toolchain's: {head}");
        return Ok(ExitCode::from(OTHER_FORMAT));
    }
    let now = items(json)?;
    let now: BTreeSet<&str> = now.iter().map(String::as_str).collect();
    let kept: BTreeSet<&str> = kept.lines().skip(1).collect();
    for gone in kept.difference(&now) {
        println!("- {gone}");
    }
    for new in now.difference(&kept) {
        println!("+ {new}");
    }
    Ok(ExitCode::from(u8::from(now != kept)))
}

fn write(json: &str, listing: &str) -> Result<ExitCode, Box<dyn Error>> {
    let lines = [vec![head(json)?], items(json)?].concat();
    fs::write(listing, lines.join("\n") + "\n")?;
    Ok(ExitCode::SUCCESS)
}

/// The listing's first line.
fn head(json: &str) -> Result<String, Box<dyn Error>> {
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(json)?)?;
    Ok(format!("# rustdoc JSON {}", json["format_version"]))
}

/// A line for each public item, and for each trait of a type, derived ones too: to lose one is a breaking change.
/// What a derived impl consists of is the compiler's business and stays out.
fn items(json: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let builder = Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true);
    let by_hand = lines(builder.clone().omit_auto_derived_impls(true))?;
    let mut all = lines(builder)?;
    let by_hand: BTreeSet<String> = by_hand.into_iter().collect();
    all.retain(|line| {
        let derived = line.starts_with("impl") && !line.contains("StructuralPartialEq");
        by_hand.contains(line) || derived
    });
    Ok(all)
}

fn lines(builder: Builder) -> Result<Vec<String>, Box<dyn Error>> {
    Ok(builder.build()?.items().map(ToString::to_string).collect())
}
