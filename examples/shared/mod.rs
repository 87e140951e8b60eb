//! What the examples have in common: a client, with or without an account, and an exit status.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

use defender_endpoint::testing::Tenant;
use defender_endpoint::{Client, ClientBuilder};

/// A client with the credential that the environment names, or else for a demo tenant on loopback,
/// with settings of the program's own. Keep the tenant for as long as the client is used.
pub(crate) fn client(
    settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<(Client, Option<Tenant>), Box<dyn Error>> {
    match ClientBuilder::from_env() {
        Err(error) if error.kind() == defender_endpoint::ErrorKind::NoCredential => {}
        builder => return Ok((settings(builder?).build()?, None)),
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
