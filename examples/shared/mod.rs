//! What the examples have in common: a client, with or without an account, and an exit status.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

use defender_endpoint::testing::Tenant;
use defender_endpoint::{Client, ClientBuilder, Cloud, DeviceCode};

/// What is said where the machines are nobody's.
pub(crate) const DEMO_NOTE: &str =
    "The environment names no credential: this is a demo tenant, served from this process.";

/// The option with which a program runs as whoever signs in.
const DEVICE_CODE: &str = "--device-code";

/// A client with the credential that the environment names, or else for a demo tenant on loopback,
/// with settings of the program's own. Keep the tenant for as long as the client is used. With
/// `--device-code` among the arguments somebody signs in, whatever credential the environment names.
pub(crate) fn client(
    settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<(Client, Option<Tenant>), Box<dyn Error>> {
    if std::env::args_os().any(|argument| argument == DEVICE_CODE) {
        return Ok((settings(of_user()?).build()?, None));
    }
    match ClientBuilder::from_env() {
        Err(error) if error.kind() == defender_endpoint::ErrorKind::NoCredential => {}
        builder => return Ok((settings(builder?).build()?, None)),
    }
    eprintln!("{DEMO_NOTE}");
    let tenant = Tenant::demo()?;
    Ok((settings(tenant.client_builder()?).build()?, Some(tenant)))
}

/// For whoever signs in, through the app that the environment names.
fn of_user() -> Result<ClientBuilder, Box<dyn Error>> {
    let value = |name| {
        let value = std::env::var(name).ok();
        value
            .map(|it| it.trim().to_owned())
            .filter(|it| !it.is_empty())
    };
    let needed = |name| value(name).ok_or_else(|| format!("{DEVICE_CODE} needs {name}"));
    let (tenant, app) = (needed("AZURE_TENANT_ID")?, needed("AZURE_CLIENT_ID")?);
    let mut cloud = match (value("DEFENDER_CLOUD"), value("DEFENDER_API_URL")) {
        (Some(name), _) => name.parse()?,
        (None, Some(url)) => Cloud::of_api_url(&url).unwrap_or_default(),
        (None, None) => Cloud::default(),
    };
    if let Some(url) = value("DEFENDER_API_URL") {
        cloud = cloud.with_api_url(url);
    }
    if let Some(url) = value("AZURE_AUTHORITY_HOST") {
        cloud = cloud.with_authority(url);
    }
    if let Some(scope) = value("DEFENDER_SCOPE") {
        cloud = cloud.with_scope(scope);
    }
    let person = DeviceCode::new(tenant, app, |prompt| eprintln!("{prompt}"))?;
    let builder = Client::builder(person).cloud(cloud);
    Ok(match value("DEFENDER_ROOT_CERTIFICATES") {
        Some(path) => builder.root_certificates(std::fs::read(path)?),
        None => builder,
    })
}

/// 0, or 1 with the error on stderr, or 2 with the usage. A reader that has seen enough, such as
/// `head`, is no error.
pub(crate) fn exit_status(result: Result<(), Box<dyn Error>>, usage: &str) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    if error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    {
        return ExitCode::SUCCESS;
    }
    if error.is::<lexopt::Error>() {
        eprintln!("{error}\n{usage}");
        return ExitCode::from(2);
    }
    match error.downcast_ref::<defender_endpoint::Error>() {
        Some(error) => eprintln!("error: {error:?}"),
        None => eprintln!("error: {error}"),
    }
    ExitCode::FAILURE
}
