//! What the examples have in common: a client, with or without an account, and an exit status.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

use defender_endpoint::testing::Tenant;
use defender_endpoint::{Client, ClientBuilder};

/// What `from_env` reads. Whoever sets one of these means a tenant, and hears what else is missing.
const NAMES: [&str; 11] = [
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TOKEN_CREDENTIALS",
    "AZURE_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "DEFENDER_CLOUD",
    "DEFENDER_API_URL",
    "DEFENDER_SCOPE",
];

/// A client with the credential that the environment names, or else for a demo tenant on loopback,
/// with settings of the program's own. Keep the tenant for as long as the client is used.
pub(crate) fn client(
    settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<(Client, Option<Tenant>), Box<dyn Error>> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if NAMES.into_iter().any(is_set) {
        return Ok((settings(ClientBuilder::from_env()?).build()?, None));
    }
    eprintln!(
        "The environment names no credential: this is a demo tenant, served from this process."
    );
    let tenant = Tenant::demo()?;
    Ok((settings(tenant.client_builder()?).build()?, Some(tenant)))
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
