//! Says what a program is to the API: credential, cloud, token, permissions, and whether calls go
//! through. If they don't, it says why in words.
//!
//! Without an account: `cargo run --example whoami`. With one, set `AZURE_TENANT_ID`,
//! `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` first, or the first two alone and sign in yourself
//! with `--device-code`. The exit status is 0 if all calls went through; `--machines` and `--scans`
//! leave the other ones out.

mod shared;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use defender_endpoint::permissions::{self, OperationPermissions};
use defender_endpoint::time::{Duration, OffsetDateTime};
use defender_endpoint::{Client, Cloud, Error, ErrorKind, TokenClaims};
use lexopt::prelude::*;

const USAGE: &str = "\
Usage: whoami [--machines | --scans] [--device-code]

Asks for a token, for one machine and for the scan agents. Shows no token and no secret.

  --machines     ask for the machine alone: whether machines can be listed
  --scans        ask for the scan agents alone
  --device-code  sign in yourself, through the app that AZURE_TENANT_ID and
                 AZURE_CLIENT_ID name

The exit status is 0 if what was asked for works, 1 if not, 2 for a wrong option.";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => shared::exit_status(Err(error), USAGE),
    }
}

fn run() -> Result<bool, Box<dyn std::error::Error>> {
    let mut asked = Asked::All;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("machines") => asked = Asked::Machines,
            Long("scans") => asked = Asked::Scans,
            // Read where the client is made.
            Long("device-code") => {}
            Short('h') | Long("help") => {
                println!("{USAGE}");
                return Ok(true);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let (client, demo) = shared::client(|builder| builder)?;
    let whose = if demo.is_some() {
        Whose::Demo
    } else {
        Whose::Own
    };
    Ok(report(&client, asked, whose, &mut io::stdout().lock())?)
}

/// What has to work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    All,
    Machines,
    Scans,
}

/// Whose machines are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Own,
    Demo,
}

/// Writes all that there is to say, and returns whether all calls that were asked for went through.
pub(crate) fn report(
    client: &Client,
    asked: Asked,
    whose: Whose,
    out: &mut impl Write,
) -> io::Result<bool> {
    let cloud = client.cloud();
    line(out, "credential", client.credential().name())?;
    line(out, "API", cloud.api_url())?;
    line(out, "authority", cloud.authority())?;
    line(out, "scope", cloud.scope())?;
    writeln!(out)?;
    let claims = match client.token_claims() {
        Ok(claims) => Some(claims),
        // A token that can't be read may be good for calls.
        Err(error) if error.kind() == ErrorKind::Decode => {
            line(out, "token", error)?;
            None
        }
        Err(error) => {
            writeln!(out, "no token: FAILED\n  {error:?}")?;
            return Ok(false);
        }
    };
    if let Some(claims) = &claims {
        show_token(claims, out)?;
        writeln!(out)?;
        show_permissions(claims, out)?;
    }
    writeln!(out)?;
    let (all_well, outcome) = call_each(client, asked, claims.as_ref(), out)?;
    // The last line is what people read, and take for their own tenant's.
    let note = match whose {
        Whose::Own => "",
        Whose::Demo => " (demo tenant)",
    };
    writeln!(out, "\n{outcome}{note}")?;
    Ok(all_well)
}

fn line(out: &mut impl Write, name: &str, value: impl Display) -> io::Result<()> {
    writeln!(out, "{:12}{value}", format!("{name}:"))
}

fn show_token(claims: &TokenClaims, out: &mut impl Write) -> io::Result<()> {
    let unknown = "the token doesn't say";
    line(out, "token for", claims.audience().unwrap_or(unknown))?;
    line(out, "tenant", claims.tenant_id().unwrap_or(unknown))?;
    line(out, "app", claims.app_id().unwrap_or(unknown))?;
    let (name, granted) = granted(claims);
    let listed = match granted {
        [] => "none".to_owned(),
        granted => granted.join(", "),
    };
    line(out, name, listed)?;
    let left = claims
        .expires_at()
        .map(|end| end - OffsetDateTime::now_utc());
    line(
        out,
        "good for",
        match left {
            Some(left) if left.is_positive() => in_words(left),
            Some(left) => format!("nothing: expired {} ago by this clock", in_words(-left)),
            None => unknown.to_owned(),
        },
    )
}

/// What was granted, to the application or on behalf of a user, and how it is called.
fn granted(claims: &TokenClaims) -> (&'static str, &[String]) {
    if claims.is_delegated() {
        ("scopes", claims.scopes())
    } else {
        ("roles", claims.roles())
    }
}

fn in_words(time: Duration) -> String {
    match time.whole_minutes() {
        0..=1 => format!("{} s", time.whole_seconds()),
        minutes @ 2..=119 => format!("{minutes} min"),
        minutes => format!("{} h", minutes / 60),
    }
}

fn show_permissions(claims: &TokenClaims, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:41}PERMISSION", "OPERATION")?;
    let mut told = BTreeSet::new();
    for operation in permissions::all() {
        // Operations of one page need the same.
        if !told.insert(operation.page()) {
            continue;
        }
        let state = match (operation.allowed_by(claims), claims.is_delegated()) {
            (true, false) => "granted".to_owned(),
            (true, true) => format!("granted, with role {}", role(operation)),
            (false, _) if is_for_writing(operation) => {
                format!("only for writing: {}", needed(operation, claims))
            }
            (false, _) => format!("missing, {}", needed(operation, claims)),
        };
        writeln!(out, "{:41}{state}", operation.page())?;
    }
    Ok(())
}

/// Whether no permission to read will do, so that programs that read don't miss it.
fn is_for_writing(operation: &OperationPermissions) -> bool {
    let mut permissions = operation.application().iter();
    permissions.all(|permission| permission.contains("Write"))
}

fn needed(operation: &OperationPermissions, claims: &TokenClaims) -> String {
    if claims.is_delegated() {
        operation.delegated().join(" or ")
    } else {
        operation.application().join(" or ")
    }
}

fn role(operation: &OperationPermissions) -> String {
    format!("'{}'", operation.roles().join("' or '"))
}

/// How it went in a word or two, and in more of them.
type Outcome = (&'static str, String);

/// What asks for it alone, what it shows, a page, the call that it documents, and whether that is made
/// whatever the token says.
struct Probe {
    family: Asked,
    shows: &'static str,
    page: &'static str,
    call: fn(&Client) -> Result<Outcome, Error>,
    always: bool,
}

/// One call of each family: for one machine in any case, since the service's own answer is worth
/// more than what a token says, and for the scan agents if they are allowed.
const PROBES: [Probe; 2] = [
    Probe {
        family: Asked::Machines,
        shows: "listing machines",
        page: "List machines API",
        call: one_machine,
        always: true,
    },
    Probe {
        family: Asked::Scans,
        shows: "scans",
        page: "Get all scan agents",
        call: scan_agents,
        always: false,
    },
];

/// Whether all went well, and the last line.
fn call_each(
    client: &Client,
    asked: Asked,
    claims: Option<&TokenClaims>,
    out: &mut impl Write,
) -> io::Result<(bool, String)> {
    let mut all_well = true;
    let mut outcomes = Vec::new();
    for probe in PROBES {
        let Probe { page, call, .. } = probe;
        if asked != Asked::All && asked != probe.family {
            continue;
        }
        let always = probe.always || asked == probe.family;
        let mut rows = permissions::all().iter();
        let operation = rows.find(|row| row.page() == page);
        let operation = operation.ok_or_else(|| io::Error::other(format!("no row of {page}")))?;
        if !always && claims.is_some_and(|claims| !operation.allowed_by(claims)) {
            writeln!(out, "{page}: not called, a permission is missing")?;
            continue;
        }
        match call(client) {
            Ok((word, outcome)) => {
                outcomes.push(format!("{}: {word}", probe.shows));
                writeln!(out, "{page}: went through, {outcome}")?;
            }
            Err(error) => {
                all_well = false;
                outcomes.push(format!("{}: doesn't work", probe.shows));
                writeln!(out, "{page}: FAILED\n  {error:?}")?;
                if let Some(why) = explain(&error, operation, claims, client) {
                    writeln!(out, "  why: {why}")?;
                }
            }
        }
    }
    Ok((all_well, outcomes.join("; ")))
}

fn one_machine(client: &Client) -> Result<Outcome, Error> {
    let mut machines = client.machines().top(1).into_iter();
    let (word, outcome) = match machines.next().transpose()? {
        Some(_) => ("works", "with a machine"),
        None if machines.ended_by_not_found() => (
            "answers, but has none",
            "but 404 says that there are no machines: was Defender ever set up?",
        ),
        None => ("works", "without a machine"),
    };
    Ok((word, outcome.to_owned()))
}

fn scan_agents(client: &Client) -> Result<Outcome, Error> {
    let agents = client.scan_agents()?;
    Ok(("works", format!("with {} scan agents", agents.len())))
}

/// Why the service refused a token, as far as that token tells. The first cause that there is hides
/// all others, so that after a change it is worth to look again.
fn explain(
    error: &Error,
    operation: &OperationPermissions,
    claims: Option<&TokenClaims>,
    client: &Client,
) -> Option<String> {
    let cloud = client.cloud();
    let refused = error.kind() == ErrorKind::Forbidden;
    if !refused && error.kind() != ErrorKind::Unauthorized {
        return None;
    }
    let is_anonymous = error.code().is_none() && error.request_id().is_none();
    if is_anonymous && error.message().is_some() {
        return Some(
            "this is no answer as the service gives it: a proxy or a firewall on the way may refuse it"
                .to_owned(),
        );
    }
    let Some(claims) = claims else {
        return Some(
            "the token can't be read here, so that only the service's words can tell".to_owned(),
        );
    };
    if let Some(audience) = other_audience(claims, cloud) {
        return Some(format!(
            "the token is for another audience, {audience}: ask for one with the scope {}, or set \
             the scope of this cloud",
            cloud.scope()
        ));
    }
    if claims
        .expires_at()
        .is_some_and(|end| end <= OffsetDateTime::now_utc())
    {
        return Some(
            "the token has expired by this machine's clock: get a new one, and look at the clock"
                .to_owned(),
        );
    }
    // What no token can show.
    let mut others = match other_scope(cloud) {
        Some(scope) => format!(
            "; or the scope, which is not documented for this cloud: try DEFENDER_SCOPE={scope}"
        ),
        None => String::new(),
    };
    if is_anonymous {
        others.push_str("; or a proxy or a firewall, since the answer gives no reason");
    }
    if !refused {
        let message = error.message().unwrap_or_default();
        return Some(if message.contains("Account mode is inactive") {
            format!(
                "the tenant's Defender was never set up, or its licence has ended: an administrator \
                 opens {}, Settings, Endpoints, once, and looks at the licences",
                portal(cloud)
            )
        } else if message.contains("No Tvm license") {
            "the tenant has no licence for vulnerability management, which scans need; machines may be \
             listed all the same"
                .to_owned()
        } else {
            format!(
                "the token looks right, so that the tenant is the likely cause: without a licence for \
                 this API, or before Defender is set up, the service answers 401 too. It may also be a \
                 tenant of another cloud or region than {}{others}",
                cloud.api_url()
            )
        });
    }
    let (name, granted) = granted(claims);
    Some(if operation.allowed_by(claims) && claims.is_delegated() {
        format!(
            "the permission is there, so that it is the user: who needs {} in a role of Microsoft \
             Defender, and sees the own device groups alone{others}",
            role(operation)
        )
    } else if operation.allowed_by(claims) {
        format!(
            "the permission is there, so that it is no consent that is missing: the service's message \
             may name a licence or a feature of the tenant; where calls of another API go through, it \
             is this one's{others}"
        )
    } else if granted.is_empty() {
        let remedy = remedy(operation, claims, client.credential().name());
        format!("the token has no {name} at all, as without an administrator's consent: {remedy}")
    } else {
        let (needed, remedy) = (
            needed(operation, claims),
            remedy(operation, claims, client.credential().name()),
        );
        format!("the token has other {name} than {needed}: {remedy}")
    })
}

/// What would give the token the permission, which depends on whose it is.
fn remedy(operation: &OperationPermissions, claims: &TokenClaims, credential: &str) -> String {
    let needed = needed(operation, claims);
    match credential {
        "managed identity" => format!(
            "an administrator has to assign {needed} to the identity, for which the manual's page \
             `setup` has the command; it shows when the token that the platform keeps has expired"
        ),
        "Azure CLI" => {
            "the app is the Azure CLI's own, to which no consent of yours applies: use an \
             app registration of your own, and `whoami --device-code`"
                .to_owned()
        }
        _ => format!(
            "add {needed} of the API WindowsDefenderATP to the app registration, have an \
             administrator consent, and ask again with a new token"
        ),
    }
}

/// Where Defender is looked after. GCC's tenants use the commercial one.
fn portal(cloud: &Cloud) -> &'static str {
    if cloud.authority() == Cloud::GCC_HIGH.authority() {
        "security.microsoft.us"
    } else {
        "security.microsoft.com"
    }
}

/// What else to ask for where the scope is the API host's, which nobody has confirmed.
fn other_scope(cloud: &Cloud) -> Option<&'static str> {
    if cloud.scope() == Cloud::GCC.scope() {
        Some("https://securitycenter.onmicrosoft.com/windowsatpservice/.default")
    } else if cloud.scope() == Cloud::GCC_HIGH.scope() {
        Some("https://securitycenter.onmicrosoft.us/windowsatpservice/.default")
    } else {
        None
    }
}

/// The token's audience if it is not the one that the scope asks for. One that is no URL is the
/// API's id, which says nothing here.
fn other_audience<'a>(claims: &'a TokenClaims, cloud: &Cloud) -> Option<&'a str> {
    let wanted = cloud.scope().trim_end_matches("/.default");
    let same = |one: &str, other: &str| one.trim_end_matches('/') == other.trim_end_matches('/');
    claims
        .audience()
        .filter(|audience| audience.contains("://") && !same(audience, wanted))
}
