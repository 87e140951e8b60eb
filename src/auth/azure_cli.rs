//! A token from the Azure CLI, which is asked as another program.

use std::env;
use std::io::{ErrorKind as IoErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::auth::answer::{expiry, known};
use crate::auth::{AccessToken, Credential, TokenRequest, check_tenant, check_token};
use crate::error::{Error, ErrorKind, Retry};
use crate::excerpt::{excerpt, without, without_tokens};
use crate::secret::Secret;

/// `az` starts Python and loads its extensions anew each time: seconds, and many on a slow machine.
const TIME_LIMIT: Duration = Duration::from_secs(30);
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
const NOT_ITS_OWN: [&str; 2] = ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PASSWORD"];

/// The user who is signed in to the Azure CLI, for tools that people run by hand.
///
/// Each token is asked of `az account get-access-token`, which takes seconds: the program starts
/// anew each time. The client keeps the token until shortly before it expires, so that a run of up
/// to an hour asks once.
///
/// The token is a *delegated* one: it can do what the app of the Azure CLI was granted and the user
/// may do, and [the table](crate#permissions) has what an operation needs. Whether Entra gives that app
/// a token for this API is [not known](crate::credentials#azure-cli). A service principal that is
/// signed in to the Azure CLI has the permissions of its app.
///
/// A script that runs once can do without: it takes [a token that the shell
/// got](crate::credentials#ready-made-token). That also shows in a moment whether there is one to be had.
///
/// # How it is run
///
/// `az` (on Windows `az.cmd`) is looked for in the folders of `PATH` whose paths are absolute, and
/// nowhere else: not in the current folder either. It is started with a list of arguments and without
/// a shell (a `.cmd` file is run by Windows' own), from `/` or `%SystemRoot%`, with nothing to read, in
/// a process group of its own, and with the environment of this process but for `AZURE_CLIENT_SECRET` and
/// `AZURE_CLIENT_CERTIFICATE_PASSWORD`. What takes longer than the [time limit](Self::time_limit)
/// is killed, on Unix with all that it has started, if the system has the utility `kill`.
///
/// The scope is the client's. The login authority is not: choose it with `az cloud set`.
///
/// # Errors
///
/// Of the calls that need a token, since nothing is looked at before:
///
/// * [`ErrorKind::Config`](crate::ErrorKind::Config): a setting can't be used, see there. Nothing is
///   started.
/// * [`ErrorKind::Credential`](crate::ErrorKind::Credential): the Azure CLI is not installed, is
///   older than 2.54.0, nobody is signed in, Entra wants another sign-in or refuses, or what it prints is no
///   token. The [hint](crate::Error::hint) says what to do. Up to 300 characters of its error
///   output are in the message, without what looks like a token; of its output, nothing is. Only
///   where it took longer than the time limit the error is retryable, by another call.
/// * [`ErrorKind::Timeout`](crate::ErrorKind::Timeout): the deadline of the call came first.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use defender_endpoint::{AzureCli, Client};
///
/// let credential = AzureCli::new()
///     .tenant("contoso.onmicrosoft.com")
///     .time_limit(Duration::from_secs(60));
/// let client = Client::builder(credential).build()?;
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AzureCli {
    tenant: Option<String>,
    subscription: Option<String>,
    time_limit: Duration,
}

impl Default for AzureCli {
    fn default() -> Self {
        Self {
            tenant: None,
            subscription: None,
            time_limit: TIME_LIMIT,
        }
    }
}

impl AzureCli {
    /// The tenant and user that the Azure CLI uses by itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another tenant, by its id or one of its domains, for users who are in several.
    ///
    /// One that is neither fails with [`ErrorKind::Config`](crate::ErrorKind::Config) when the token
    /// is asked for, and so does a tenant beside a subscription, which the Azure CLI doesn't take.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Another subscription, by its id or its name: the tenant and user are the ones with which the
    /// Azure CLI knows it.
    ///
    /// Of letters, digits, spaces, `-`, `_` and `.`, with a letter or digit in front. Others fail
    /// with [`ErrorKind::Config`](crate::ErrorKind::Config) when the token is asked for; give the id
    /// of a subscription whose name is different.
    pub fn subscription(mut self, subscription: impl Into<String>) -> Self {
        self.subscription = Some(subscription.into());
        self
    }

    /// How long the Azure CLI may take: 30 seconds by default, since it starts anew each time, and slowly
    /// on a slow machine. The deadline of a call bounds it too.
    ///
    /// Zero fails with [`ErrorKind::Config`](crate::ErrorKind::Config) when the token is asked for.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// What `az` is called with. Nothing here can be taken for an option or, with an `@` in front,
    /// for a file to be read.
    fn arguments(&self, scope: &str) -> Result<Vec<String>, Error> {
        if self.time_limit.is_zero() {
            return Err(Error::config("the time limit of the Azure CLI is zero"));
        }
        if scope.is_empty() || scope.starts_with(['-', '@']) || scope.chars().any(char::is_control)
        {
            return Err(Error::config(
                "the Azure CLI can't be asked for this scope: it is empty, begins with '-' or '@', \
                 or holds control characters",
            ));
        }
        let mut arguments = vec![
            "account",
            "get-access-token",
            "-o",
            "json",
            "--scope",
            scope,
        ];
        if let Some(tenant) = &self.tenant {
            check_tenant(tenant)?;
            // A domain may begin like an option.
            if tenant.starts_with('-') {
                return Err(Error::config("the tenant begins with '-'"));
            }
            arguments.extend(["--tenant", tenant]);
        }
        if let Some(subscription) = &self.subscription {
            check_subscription(subscription)?;
            if self.tenant.is_some() {
                return Err(Error::config(
                    "the Azure CLI takes a tenant or a subscription, not both",
                )
                .with_hint("a subscription has its tenant: leave the other out"));
            }
            arguments.extend(["--subscription", subscription]);
        }
        Ok(arguments.into_iter().map(str::to_owned).collect())
    }

    /// What it means that `az` ended like this.
    fn read(&self, scope: &str, output: &Output) -> Result<AccessToken, Error> {
        let token = token_of(&output.stdout);
        // Should it be in the error output too, it is taken out of that.
        let secret = token.as_ref().map(|token| token.secret.clone());
        let secret = secret.unwrap_or_else(|| Secret::from(""));
        let errors = output.errors();
        // First the token that is known, since it may hold what ends others.
        let clean = Zeroizing::new(without(&errors, &secret).into_owned());
        let said = excerpt(&without_tokens(&clean), &[&secret]);
        if output.code != Some(0) {
            return Err(self.refusal(scope, output.code, &errors, said.as_deref()));
        }
        let Some(token) = token else {
            let what = if output.stdout.trim_ascii().is_empty() {
                "nothing"
            } else {
                "something else than the JSON of a token"
            };
            let text = format!("the Azure CLI ended well, but printed {what}");
            return Err(
                Error::credential(with_words(text, said.as_deref())).with_hint(format!(
                    "see what `az account get-access-token --scope {scope}` does"
                )),
            );
        };
        let bearer = token.kind.as_deref().unwrap_or("Bearer");
        if !bearer.eq_ignore_ascii_case("bearer") {
            return Err(Error::credential(
                "the token of the Azure CLI is not of type Bearer",
            ));
        }
        check_token(&token.secret)?;
        // The other date, `expiresOn`, is a local time that doesn't say where.
        let moment = known(token.expires_on).ok_or_else(|| {
            Error::credential(
                "the Azure CLI is older than 2.54.0: it doesn't say when its token expires",
            )
            .with_hint(UPGRADE)
        })?;
        Ok(AccessToken::new(token.secret).expires_on(expiry(&moment)?))
    }

    /// Why there is no token, by all that the program said, of which a part may be shown.
    fn refusal(&self, scope: &str, code: Option<i32>, errors: &str, said: Option<&str>) -> Error {
        let (why, hint) = if matches!(code, Some(NOT_FOUND | NOT_FOUND_ON_WINDOWS)) {
            (NOT_INSTALLED, Some(INSTALL.to_owned()))
        } else if let Some(number) = entra_code(errors) {
            // The program's own advice is to sign in again, whether that helps or not.
            let hint = self.advice(number, scope);
            ("Entra gave the Azure CLI no token", hint)
        } else if errors.contains("unrecognized arguments") {
            ("the Azure CLI is too old", Some(UPGRADE.to_owned()))
        } else if errors.contains("az login") {
            let hint = self.sign_in(None);
            ("nobody is signed in to the Azure CLI", Some(hint))
        } else {
            ("the Azure CLI failed", None)
        };
        let how = match code {
            Some(code) => format!("{why} (exit code {code})"),
            None => format!("{why} (ended by a signal)"),
        };
        let error = Error::credential(with_words(how, said));
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// What to do about Entra's refusals, by their numbers. Only for people: Entra may change them.
    fn advice(&self, number: &str, scope: &str) -> Option<String> {
        match number {
            "65001" | "65002" => Some(
                "the API may not admit the Azure CLI's own app: use an app registration of your own, \
                 with a device code for instance"
                    .to_owned(),
            ),
            // Another factor, a device or a place that conditional access wants; a sign-in that has
            // expired or was revoked.
            "50072" | "50074" | "50076" | "50078" | "50079" | "50097" | "50132" | "50133"
            | "50158" | "50173" | "53000" | "53001" | "53003" | "70008" | "70043" | "70044"
            | "500133" | "700082" | "700084" => Some(self.sign_in(Some(scope))),
            "50001" | "500011" => Some(
                "the tenant doesn't know this audience: check the scope, and the cloud (`az cloud show`)"
                    .to_owned(),
            ),
            "90002" => Some(
                "there is no such tenant: check its id, and the cloud (`az cloud show`)".to_owned(),
            ),
            _ => None,
        }
    }

    fn sign_in(&self, scope: Option<&str>) -> String {
        let option = |name: &str, value: Option<&str>| {
            value.map_or_else(String::new, |value| format!(" --{name} {value}"))
        };
        let tenant = option("tenant", self.tenant.as_deref());
        format!("run `az login{tenant}{}`", option("scope", scope))
    }
}

impl Credential for AzureCli {
    fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        let scope = request.scope();
        let arguments = self.arguments(scope)?;
        let left = request.time_left().unwrap_or(Duration::MAX);
        let time = self.time_limit.min(left);
        if left.is_zero() {
            return Err(too_late(time, true));
        }
        match run(&found()?, &arguments, time)? {
            Some(output) => self.read(scope, &output),
            None => Err(too_late(time, left < self.time_limit)),
        }
    }

    fn name(&self) -> &'static str {
        "Azure CLI"
    }
}

/// What shells end with where there is no such program: here what the script `az` starts is missing.
const NOT_FOUND: i32 = 127;
const NOT_FOUND_ON_WINDOWS: i32 = 9009;
const NOT_INSTALLED: &str = "the Azure CLI is not installed, or not whole";
const INSTALL: &str = "install it so that `az` is in a folder of PATH, or use another credential";
const UPGRADE: &str = "run `az upgrade`: 2.54.0 or newer is needed";

/// As the Azure SDKs have it. What goes beyond is no part of an id.
fn check_subscription(subscription: &str) -> Result<(), Error> {
    let fits = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    if subscription.starts_with(char::is_alphanumeric) && subscription.chars().all(fits) {
        return Ok(());
    }
    Err(Error::config(
        "the subscription holds other than letters, digits, spaces, '-', '_' and '.', or begins with \
         none of the first two",
    )
    .with_hint("give the subscription's id instead of its name"))
}

fn too_late(time: Duration, by_deadline: bool) -> Error {
    if by_deadline {
        let text = "the deadline came before the Azure CLI was done";
        return Error::new(ErrorKind::Timeout, text).with_retryable(true);
    }
    // Trying again within the call would take as long once more, and three times by default.
    Error::credential(format!("the Azure CLI was not done after {time:?}"))
        .with_retry(Retry::Later)
        .with_hint("see how long `az account get-access-token` takes, or set another `time_limit`")
}

fn with_words(text: String, said: Option<&str>) -> String {
    match said {
        Some(said) => format!("{text}: {said}"),
        None => text,
    }
}

/// The number of Entra's first refusal in a text: `50076` of `AADSTS50076: Due to a ...`.
fn entra_code(text: &str) -> Option<&str> {
    let (_, code) = text.split_once("AADSTS")?;
    code.split(|c: char| !c.is_ascii_digit()).next()
}

#[derive(Deserialize)]
struct CliToken {
    #[serde(rename = "accessToken")]
    secret: Secret,
    #[serde(rename = "tokenType")]
    kind: Option<String>,
    /// Seconds since 1970; since 2.54.0.
    expires_on: Option<Value>,
}

/// The token in what was printed. Warnings may stand before the JSON, some of which begin like it, and
/// whatever stands behind it doesn't matter.
fn token_of(stdout: &[u8]) -> Option<CliToken> {
    let mut rest = stdout;
    loop {
        let line = rest.split(|byte| *byte == b'\n').next()?;
        if line.trim_ascii_start().starts_with(b"{") {
            let json = serde_json::Deserializer::from_slice(rest);
            if let Some(Ok(token)) = json.into_iter().next() {
                return Some(token);
            }
        }
        rest = rest.get(line.len().saturating_add(1)..)?;
    }
}

/// What a run of `az` came to. The texts are wiped, since the token is in one of them.
struct Output {
    /// None if it was a signal that ended it.
    code: Option<i32>,
    stdout: Zeroizing<Vec<u8>>,
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
    fn errors(&self) -> Zeroizing<String> {
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
fn found() -> Result<PathBuf, Error> {
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
fn run(az: &Path, arguments: &[String], time: Duration) -> Result<Option<Output>, Error> {
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
                Ok((Pipe::Stdout, piece)) => {
                    output.stdout.extend_from_slice(&piece);
                    if output.stdout.len() > ROOM {
                        return Err(Error::credential(
                            "the Azure CLI printed more than 64 KiB, which is no token",
                        ));
                    }
                }
                // What doesn't fit is read all the same, so that nobody waits for it to be.
                Ok((Pipe::Stderr, piece)) => output.keep(&piece),
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
mod tests;
