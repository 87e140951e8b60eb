//! The program `az`: where it is, and how it is run without trusting what is around it.

use std::env;
use std::io::{ErrorKind as IoErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::INSTALL;
use crate::error::Error;

/// Nobody waits longer, and clocks can count it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);
/// So much is kept of each output, in bytes. A token's JSON is some thousands.
const ROOM: usize = 64 * 1024;
/// So much is read at once, in bytes.
const PIECE: usize = 4 * 1024;
/// How often it is looked whether the program has ended.
const LOOK: Duration = Duration::from_millis(10);
/// For what is in the pipes when the program has ended, where another one holds them open.
const LINGER: Duration = Duration::from_secs(1);
/// Other credentials' secrets are nothing that the program needs.
const NOT_ITS_OWN: [&str; 3] = [
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
];

/// What a run of `az` came to. The texts are wiped, since the token is in one of them.
pub(super) struct Output {
    /// None if it was a signal that ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: Zeroizing<Vec<u8>>,
    stderr: Zeroizing<Vec<u8>>,
    /// The beginning of the error output is lost.
    cut: bool,
}

impl Output {
    fn new() -> Self {
        // With room for all of it at once: where a text grows, it leaves copies behind.
        let text = || Zeroizing::new(Vec::with_capacity(ROOM + PIECE));
        Self {
            code: None,
            stdout: text(),
            stderr: text(),
            cut: false,
        }
    }

    #[cfg(test)]
    pub(super) fn of(code: Option<i32>, stdout: &[u8], stderr: &[u8]) -> Self {
        Self {
            code,
            stdout: Zeroizing::new(stdout.to_vec()),
            stderr: Zeroizing::new(stderr.to_vec()),
            cut: false,
        }
    }

    fn add(&mut self, pipe: Pipe, piece: &[u8]) -> Result<(), Error> {
        match pipe {
            Pipe::Stdout => {
                self.stdout.extend_from_slice(piece);
                if self.stdout.len() > ROOM {
                    return Err(Error::credential(
                        "the Azure CLI printed more than 64 KiB, which is no token",
                    ));
                }
            }
            // What doesn't fit is read all the same, so that nobody waits for it to be.
            Pipe::Stderr => self.keep(piece),
        }
        Ok(())
    }

    /// Keeps the end of the error output, where the program says what it ends with.
    fn keep(&mut self, piece: &[u8]) {
        self.stderr.extend_from_slice(piece);
        let over = self.stderr.len().saturating_sub(ROOM);
        if over > 0 {
            self.stderr.drain(..over);
            self.cut = true;
        }
    }

    /// What the program says went wrong: warnings and the like may stand before it.
    pub(super) fn errors(&self) -> Zeroizing<String> {
        let mut stderr = self.stderr.as_slice();
        if self.cut {
            // The rest of a line may be the rest of a token, which nothing shows to be one.
            let end = stderr.iter().position(|byte| *byte == b'\n');
            stderr = end.and_then(|end| stderr.get(end..)).unwrap_or_default();
        }
        let text = Zeroizing::new(String::from_utf8_lossy(stderr).into_owned());
        let error = text.match_indices("ERROR:").find(|(at, _)| {
            let before = text.get(..*at).unwrap_or_default();
            before.is_empty() || before.ends_with('\n')
        });
        match error.and_then(|(at, _)| text.get(at..)) {
            Some(error) => Zeroizing::new(error.to_owned()),
            None => text,
        }
    }
}

const NAME: &str = if cfg!(windows) { "az.cmd" } else { "az" };

/// Where `az` is. Folders of `PATH` that depend on the current one hold what anybody put there.
pub(super) fn found() -> Result<PathBuf, Error> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).filter(|folder| folder.is_absolute());
    let mut files = folders.map(|folder| folder.join(NAME));
    files.find(|file| is_program(file)).ok_or_else(|| {
        Error::credential("the Azure CLI is not installed: no folder of PATH holds it")
            .with_hint(INSTALL)
    })
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

/// A folder into which only administrators can put a program.
fn trusted_folder() -> Result<PathBuf, Error> {
    if cfg!(not(windows)) {
        return Ok(PathBuf::from("/"));
    }
    let root = env::var_os("SystemRoot").map(PathBuf::from);
    root.filter(|folder| folder.is_absolute()).ok_or_else(|| {
        Error::credential("the Azure CLI can't be run: SystemRoot is not set, or no absolute path")
    })
}

/// Runs the program for so long at most; `None` where it was not done by then.
pub(super) fn run(
    az: &Path,
    arguments: &[String],
    time: Duration,
) -> Result<Option<Output>, Error> {
    let mut command = command(az, arguments)?;
    let failed = |error| {
        Error::credential(format!("the Azure CLI could not be run ({})", az.display()))
            .with_source(error)
    };
    let begun = Instant::now();
    let mut running = Running(command.spawn().map_err(failed)?);
    let (send, pieces) = mpsc::sync_channel(4);
    forward(running.0.stdout.take(), Pipe::Stdout, send.clone()).map_err(failed)?;
    forward(running.0.stderr.take(), Pipe::Stderr, send).map_err(failed)?;

    let mut output = Output::new();
    let mut time = time.min(LONGEST);
    let (mut open, mut status) = (true, None);
    while open || status.is_none() {
        let left = time.saturating_sub(begun.elapsed());
        if left.is_zero() {
            // What has ended may have left another program behind that holds its pipes.
            break;
        }
        if open {
            match pieces.recv_timeout(left.min(LOOK)) {
                Ok((pipe, piece)) => output.add(pipe, &piece)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
        } else {
            thread::sleep(left.min(LOOK));
        }
        if status.is_none() {
            status = running.0.try_wait().map_err(failed)?;
            if status.is_some() {
                time = time.min(begun.elapsed().saturating_add(LINGER));
            }
        }
    }
    Ok(status.map(|status| {
        output.code = status.code();
        output
    }))
}

fn command(az: &Path, arguments: &[String]) -> Result<Command, Error> {
    let mut command = Command::new(az);
    command
        .args(arguments)
        .current_dir(trusted_folder()?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for name in NOT_ITS_OWN {
        command.env_remove(name);
    }
    // `az` is a script that starts the program proper: together they can be ended.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    Ok(command)
}

#[derive(Clone, Copy)]
enum Pipe {
    Stdout,
    Stderr,
}

type Piece = (Pipe, Zeroizing<Vec<u8>>);

/// Reads a pipe on a thread, until its end or until nobody wants to have it. Where another program holds
/// the pipe open, the thread lasts as long as that one.
fn forward(
    from: Option<impl Read + Send + 'static>,
    pipe: Pipe,
    to: SyncSender<Piece>,
) -> std::io::Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    let read = move || {
        let mut buffer = Zeroizing::new([0; PIECE]);
        loop {
            let piece = match from.read(buffer.as_mut_slice()) {
                Ok(length) => buffer.get(..length).unwrap_or_default(),
                Err(error) if error.kind() == IoErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let piece = Zeroizing::new(piece.to_vec());
            if piece.is_empty() || to.send((pipe, piece)).is_err() {
                break;
            }
        }
    };
    thread::Builder::new().spawn(read).map(drop)
}

/// A program that doesn't outlive the wait for it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        // The group first: its number is the child's for as long as that has not been waited for.
        end_group(self.0.id());
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends what the program has started. The standard library can't, but a utility of the system can.
#[cfg(unix)]
fn end_group(id: u32) {
    let kill = ["/bin/kill", "/usr/bin/kill"].map(Path::new);
    let Some(kill) = kill.into_iter().find(|file| is_program(file)) else {
        return;
    };
    let _ = Command::new(kill)
        .args(["-s", "KILL", "--", &format!("-{id}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

#[cfg(not(unix))]
fn end_group(_id: u32) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_of_errors_the_end_is_kept_without_the_rest_of_a_line() {
        let kept = |pieces: &[&str]| {
            let mut output = Output::new();
            for piece in pieces.iter().flat_map(|text| text.as_bytes().chunks(PIECE)) {
                output.keep(piece);
            }
            assert!(output.stderr.len() <= ROOM && output.stderr.capacity() <= ROOM + PIECE);
            output.errors().to_string()
        };
        let warnings = "a warning\n".repeat(ROOM / 10);
        let error = "ERROR: AADSTS50076: MFA\n";
        assert_eq!(kept(&[&warnings, &warnings, error]), error);
        // A token of which the beginning is lost is not known to be one.
        let token = "PLANTED".repeat(ROOM / 7);
        assert_eq!(kept(&["ERROR: ", &token, "-and-more"]), "");
        assert_eq!(kept(&["ERROR: ", &token, "-and-more\nover"]), "\nover");
        assert_eq!(kept(&["whole"]), "whole");
    }
}
