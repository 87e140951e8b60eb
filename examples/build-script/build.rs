//! Fetches the machines of a tenant when the program is built, and writes them as Rust source for
//! `main.rs`: the model for a build script that embeds a list of the service.
//!
//! Without an account: `cargo run --manifest-path examples/build-script/Cargo.toml`. With one, set
//! `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` first, or what another credential takes.
//!
//! | variable | |
//! | --- | --- |
//! | `ASSETS_REFRESH` | any other value than at the last build asks the service again, such as `$(date +%F)` for once a day, or `${{ github.run_id }}` for once a run: the variables with which GitHub gives a job its token are not named to cargo, since one is secret and the other is new in each job |
//! | `ASSETS_REQUIRED` | `1` lets the build fail where the service gives no whole list; for releases, together with `ASSETS_REFRESH` |
//!
//! Once it has named what it depends on, cargo runs a build script only when some of that has changed. So
//! the service is asked at the first build, when a variable changes that leads to it, and when
//! `ASSETS_REFRESH` does; and a build in between costs nothing and needs no network. Cargo repeats the
//! warnings of the last run till then.
//!
//! A build never waits longer than [`IN_ALL`]. Where the service can't be asked, refuses or has no machine,
//! there is a warning, and the last whole list of the same tenant is taken, which is kept in cargo's folder
//! for this script until `cargo clean`. Where there is none, the list is empty. The next build doesn't ask by itself,
//! so that a day without network is no day of slow builds: see `ASSETS_REFRESH`.
//!
//! No secret is written anywhere. Cargo writes down the value of each variable that is named to it, in plain
//! text and in the target folder, which CI systems like to keep; so a variable that holds a secret is not
//! named. To have a new secret tried, change `ASSETS_REFRESH`. The list itself is in the target folder: a CI cache of
//! that must not be given to pull requests from forks.
//!
//! In a package of one's own the feature `demo` goes, with what stands behind `#[cfg(feature = "demo")]`, so that
//! an environment without a credential gives an empty list, and never invented machines.
//!
//! Ten thousand machines take this script less than a second as cargo builds it, without optimisation, and
//! the compiler one second. A hundred thousand take the compiler a quarter of a minute: so many are better
//! written as a file that the program parses, with `include_str!`.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(feature = "demo")]
use defender_endpoint::testing::Tenant;
use defender_endpoint::{Client, ClientBuilder, ErrorKind, RetryPolicy};
use serde::{Deserialize, Serialize};

/// The whole fetch, however many pages it takes, with all waits and tries.
const IN_ALL: Duration = Duration::from_secs(60);
/// A page, so that the reason of a failure is told before the time is over.
const A_CALL: Duration = Duration::from_secs(40);
/// A single wait. A build is not worth more patience: there is a list already, or soon another build.
const A_WAIT: Duration = Duration::from_secs(15);

const REFRESH: &str = "ASSETS_REFRESH";
const REQUIRED: &str = "ASSETS_REQUIRED";

/// What the SDK reads: of a credential and its cloud, of a managed identity, and of the way there.
const VARIABLES: [&str; 26] = [
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TOKEN_CREDENTIALS",
    "AZURE_AUTHORITY_HOST",
    "DEFENDER_CLOUD",
    "DEFENDER_API_URL",
    "DEFENDER_SCOPE",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "DEFENDER_ROOT_CERTIFICATES",
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Those whose values are secrets. A URL is one too where it has a user and a password.
const SECRET: [&str; 3] = ["AZURE_CLIENT_SECRET", "IDENTITY_HEADER", "MSI_SECRET"];

/// What tells one tenant's list from another's. Who is signed in to the Azure CLI is in none of them, unless
/// `AZURE_TENANT_ID` is set beside it.
const WHOSE: [&str; 4] = [
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "DEFENDER_CLOUD",
    "DEFENDER_API_URL",
];

/// The fields of a machine that the program wants, in a type of its own.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Machine {
    pub(crate) id: String,
    computer_dns_name: Option<String>,
    os_platform: Option<String>,
}

/// Who is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Service,
    #[cfg(feature = "demo")]
    Demo,
}

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Box<dyn Error>> {
    name_dependencies();
    let folder =
        PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is missing, which cargo sets")?);
    let is_required = value(REQUIRED).is_some_and(|value| value != "0");
    let source = Source::of_environment(is_required);
    let (source, machines) = match source.list() {
        Ok(machines) => {
            replace(&folder.join(source.file()), &serde_json::to_vec(&machines)?)?;
            if source != Source::Service {
                let of = source.name();
                tell(
                    "warning",
                    &format!("no credential is named: these are the machines of {of}"),
                );
            }
            (source.name(), machines)
        }
        Err(failure) if is_required => {
            let why = reason(&*failure);
            tell(
                "error",
                &format!("{REQUIRED} is set, and there is no list of machines: {why}"),
            );
            return Ok(());
        }
        Err(failure) => {
            let why = reason(&*failure);
            let kept = source.kept(&folder);
            let instead = match &kept {
                Some(kept) => kept.to_string(),
                None => "the list is empty".to_owned(),
            };
            tell(
                "warning",
                &format!("{instead}; set {REFRESH} to another value to ask again: {why}"),
            );
            kept.map_or(("nobody", Vec::new()), |kept| (kept.of, kept.machines))
        }
    };
    replace(
        &folder.join("machines.rs"),
        rust(source, &machines)?.as_bytes(),
    )?;
    Ok(())
}

/// Tells cargo when to run this again. It writes down the value of each variable that is named here, to
/// compare it: one that holds a secret now is left out, and only noticed when another one changes.
fn name_dependencies() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in [REFRESH, REQUIRED].iter().chain(&VARIABLES) {
        let is_secret = |value: String| SECRET.contains(name) || value.contains('@');
        if !value(name).is_some_and(is_secret) {
            println!("cargo::rerun-if-env-changed={name}");
        }
    }
}

/// Of a variable; blank is missing.
fn value(name: &str) -> Option<String> {
    let value = env::var_os(name)?.to_string_lossy().into_owned();
    Some(value).filter(|value| !value.trim().is_empty())
}

/// A walk to the end of a list of one machine or more, or nothing. By id, since a list that changes meanwhile may show a machine
/// twice, and since the order of the service means nothing to the program.
pub(crate) fn walk(client: &Client) -> Result<Vec<Machine>, Failure> {
    let rows = client.machines().deadline_in_all(IN_ALL);
    let mut rows = rows.deserialize::<Machine>().into_iter();
    let mut machines = BTreeMap::new();
    for row in rows.by_ref() {
        let machine = row?;
        machines.insert(machine.id.clone(), machine);
    }
    if rows.ended_by_not_found() {
        return Err("the service answered 404, as if there were no recent machines".into());
    }
    // What a lost permission or a fault looks like, too: it must not replace the last good list.
    if machines.is_empty() {
        return Err("the list has no machines".into());
    }
    Ok(machines.into_values().collect())
}

fn bounded(builder: ClientBuilder) -> ClientBuilder {
    builder
        .user_agent("asset-list")
        .deadline(A_CALL)
        .max_wait(A_WAIT)
        .retry_policy(RetryPolicy::default().retries(2))
}

impl Source {
    #[cfg(feature = "demo")]
    fn of_environment(is_required: bool) -> Self {
        // What is required is the service's own list. A credential that is named incompletely is a mistake,
        // and no reason for the demo.
        match ClientBuilder::from_env() {
            Err(error) if error.kind() == ErrorKind::NoCredential && !is_required => Self::Demo,
            _ => Self::Service,
        }
    }

    #[cfg(not(feature = "demo"))]
    fn of_environment(_: bool) -> Self {
        Self::Service
    }

    fn list(self) -> Result<Vec<Machine>, Failure> {
        match self {
            Self::Service => walk(&bounded(ClientBuilder::from_env()?).build()?),
            #[cfg(feature = "demo")]
            Self::Demo => {
                let tenant = Tenant::demo()?;
                walk(&bounded(tenant.client_builder()?).build()?)
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Service => "the service",
            #[cfg(feature = "demo")]
            Self::Demo => "the demo tenant",
        }
    }

    /// Where its last whole list is: another tenant's must never stand in for it.
    fn file(self) -> String {
        match self {
            Self::Service => {
                let mut hasher = DefaultHasher::new();
                WHOSE.map(value).hash(&mut hasher);
                format!("service-{:016x}.json", hasher.finish())
            }
            #[cfg(feature = "demo")]
            Self::Demo => "demo.json".to_owned(),
        }
    }

    /// The last whole list. What an older form of this script left, and can't be read, is none.
    fn kept(self, folder: &Path) -> Option<Kept> {
        let read = |source: Self| {
            let mut file = File::open(folder.join(source.file())).ok()?;
            let mut json = Vec::new();
            file.read_to_end(&mut json).ok()?;
            Some(Kept {
                of: source.name(),
                machines: serde_json::from_slice(&json).ok()?,
                age: file
                    .metadata()
                    .ok()?
                    .modified()
                    .ok()?
                    .elapsed()
                    .unwrap_or_default(),
            })
        };
        let own = read(self);
        // The demo shows what an outage looks like.
        #[cfg(feature = "demo")]
        let own = own.or_else(|| read(Self::Demo));
        own
    }
}

/// A list of an earlier build.
struct Kept {
    of: &'static str,
    machines: Vec<Machine>,
    age: Duration,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (of, count, hours) = (self.of, self.machines.len(), self.age.as_secs() / 3_600);
        write!(
            f,
            "the last list of {of} is taken, {count} machines, {hours} hours old"
        )
    }
}

/// The list as Rust source. `escape_default` leaves ASCII without quotes, backslashes and control characters
/// of its own: whatever the service sends, it stays within the literal.
fn rust(source: &str, machines: &[Machine]) -> Result<String, fmt::Error> {
    let literal = |text: &str| format!("\"{}\"", text.escape_default());
    let optional = |text: Option<&str>| match text {
        Some(text) => format!("Some({})", literal(text)),
        None => "None".to_owned(),
    };
    let mut rust = format!("const SOURCE: &str = {};\n", literal(source));
    rust.push_str("static MACHINES: &[Machine] = &[\n");
    for machine in machines {
        writeln!(
            rust,
            "    Machine {{ id: {}, name: {}, platform: {} }},",
            literal(&machine.id),
            optional(machine.computer_dns_name.as_deref()),
            optional(machine.os_platform.as_deref()),
        )?;
    }
    rust.push_str("];\n");
    Ok(rust)
}

/// By renaming, so that the file is whole at all times.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(new, path)
}

/// An error with its causes, and what could be done about it. That there is no account is said in short: many who
/// build a program have none.
fn reason(error: &(dyn Error + Send + Sync + 'static)) -> String {
    match error.downcast_ref::<defender_endpoint::Error>() {
        Some(error) if error.kind() == ErrorKind::NoCredential => {
            "the environment names no credential".to_owned()
        }
        Some(error) => format!("{error:#}"),
        None => error.to_string(),
    }
}

/// One line for cargo to show. A line break would begin another instruction to it.
fn tell(how: &str, text: &str) {
    let text = text.replace(char::is_control, " ");
    println!("cargo::{how}={text}");
}
