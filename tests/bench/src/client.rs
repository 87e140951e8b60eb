//! The clients: how each is built and run.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::server::Server;

/// A program that reads the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// This crate.
    Sdk,
    /// What a user would write: ureq, the whole body, `from_slice`.
    ByHand,
    /// `reqwest::blocking` with `.json()`.
    Reqwest,
    /// Python with `requests`.
    Requests,
    /// This crate on a fake clock.
    Million,
    /// This crate, reading ahead or in parallel.
    Overlap,
}

impl Client {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sdk | Self::Million | Self::Overlap => "this crate",
            Self::ByHand => "by hand",
            Self::Reqwest => "reqwest",
            Self::Requests => "requests",
        }
    }

    /// The package; Python has none.
    pub fn package(self) -> Option<&'static str> {
        match self {
            Self::Sdk => Some("sdk"),
            Self::Million => Some("million"),
            Self::Overlap => Some("overlap"),
            Self::ByHand => Some("by-hand"),
            Self::Reqwest => Some("with-reqwest"),
            Self::Requests => None,
        }
    }

    /// Builds it and says how to start it; `None` if this machine can't.
    pub fn build(self, profile: &str) -> Result<Option<Vec<PathBuf>>, Box<dyn Error>> {
        let Some(package) = self.package() else {
            return python();
        };
        let target = target();
        cargo_build(package, profile, &target)?;
        Ok(Some(vec![binary(package, profile, &target)]))
    }
}

pub fn cargo() -> Command {
    Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
}

/// One build, in a call of its own, so that no features of others get in.
pub fn cargo_build(package: &str, profile: &str, target: &Path) -> Result<(), Box<dyn Error>> {
    let status = cargo()
        .args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            package,
            "--profile",
            profile,
        ])
        .current_dir(home())
        .env("CARGO_TARGET_DIR", target)
        // A cache would take what is measured away.
        .env("RUSTC_WRAPPER", "")
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{package} does not build").into())
    }
}

pub fn binary(package: &str, profile: &str, target: &Path) -> PathBuf {
    let folder = if profile == "dev" { "debug" } else { profile };
    target.join(folder).join(package)
}

pub fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn target() -> PathBuf {
    let folder =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| home().join("target"), PathBuf::from);
    std::path::absolute(&folder).unwrap_or(folder)
}

/// A virtual environment with the pinned `requests`, made when it is needed first.
fn python() -> Result<Option<Vec<PathBuf>>, Box<dyn Error>> {
    let folder = target().join("python");
    let (python, scripts) = (folder.join("bin/python"), home().join("clients/requests"));
    if !python.exists() {
        let made = Command::new("python3")
            .args(["-m", "venv"])
            .arg(&folder)
            .status();
        if !made.is_ok_and(|status| status.success()) {
            println!("skipped: requests (no python3 with venv)");
            return Ok(None);
        }
    }
    let installed = Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ])
        .arg(scripts.join("requirements.txt"))
        .status()?;
    if !installed.success() {
        println!("skipped: requests (it can't be installed)");
        return Ok(None);
    }
    Ok(Some(vec![python, scripts.join("client.py")]))
}

/// What a client said about its run: names and numbers.
pub type Outcome = HashMap<String, u64>;

/// Runs a client against a server; before it, what its command line begins with (valgrind, say).
pub fn run(
    before: &[&str],
    program: &[PathBuf],
    server: &Server,
    what: &str,
) -> Result<(Outcome, String), Box<dyn Error>> {
    let line: Vec<_> = before
        .iter()
        .map(Path::new)
        .chain(program.iter().map(PathBuf::as_path))
        .collect();
    let (first, rest) = line.split_first().ok_or("no program")?;
    let mut command = Command::new(first);
    command
        .args(rest)
        .env("BENCH_URL", &server.url)
        .env("BENCH_WHAT", what);
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        command
            .env_remove(name)
            .env_remove(name.to_ascii_lowercase());
    }
    if let Some(ca) = &server.ca {
        let file = target().join("ca.pem");
        std::fs::write(&file, ca)?;
        command.env("BENCH_CA", file);
    }
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()?;
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if !output.status.success() {
        return Err(format!("{program:?} {what}: {said}{complained}").into());
    }
    let outcome = said
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, number)| Ok((name.to_owned(), number.parse()?)))
        .collect::<Result<_, std::num::ParseIntError>>()?;
    Ok((outcome, complained.into_owned()))
}
