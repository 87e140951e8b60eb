//! A token from the Azure CLI, which is asked as another program.

mod answer;
mod program;

use std::time::Duration;

use crate::auth::{AccessToken, Credential, TokenRequest, check_tenant};
use crate::error::{Error, ErrorKind, Retry};
use program::{found, run};

/// `az` starts Python and loads its extensions anew each time: seconds, and many on a slow machine.
const TIME_LIMIT: Duration = Duration::from_secs(30);

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
/// a process group of its own, and with the environment of this process but for `AZURE_CLIENT_SECRET`,
/// `AZURE_CLIENT_CERTIFICATE_PASSWORD` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`. What takes longer than the [time limit](Self::time_limit)
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

const INSTALL: &str = "install it so that `az` is in a folder of PATH, or use another credential";

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

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: &str = "https://api.securitycenter.microsoft.com/.default";

    #[test]
    fn arguments_are_a_list_in_which_nothing_turns_into_an_option() {
        let plain = [
            "account",
            "get-access-token",
            "-o",
            "json",
            "--scope",
            SCOPE,
        ];
        assert_eq!(AzureCli::new().arguments(SCOPE).unwrap(), plain);
        let of_tenant = AzureCli::new().tenant("contoso.com").arguments(SCOPE);
        assert_eq!(of_tenant.unwrap()[6..], ["--tenant", "contoso.com"]);
        for name in [
            "Pay as you go",
            "11111111-2222-3333-4444-555555555555",
            "büro_1.x",
        ] {
            let arguments = AzureCli::new().subscription(name).arguments(SCOPE);
            assert_eq!(arguments.unwrap()[6..], ["--subscription", name]);
        }
    }

    #[test]
    fn settings_that_cannot_be_used_are_refused() {
        let refused = |cli: AzureCli, scope| {
            let error = cli.arguments(scope).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{cli:?} {scope}");
            assert!(!error.is_retryable());
        };
        for tenant in [
            "",
            "common",
            "-a.com",
            "--debug",
            "a/b.com",
            "@file.com",
            "a.com\n",
        ] {
            refused(AzureCli::new().tenant(tenant), SCOPE);
        }
        for name in [
            "", " ", "-x", "--debug", "@file", "a;b", "a&b", "%PATH%", "a\"b", "a\nb", "$(a)",
        ] {
            refused(AzureCli::new().subscription(name), SCOPE);
        }
        for scope in ["", "-x", "--debug", "@/etc/passwd", "a\nb", "a\0b"] {
            refused(AzureCli::new(), scope);
        }
        refused(AzureCli::new().time_limit(Duration::ZERO), SCOPE);
        refused(
            AzureCli::new().tenant("contoso.com").subscription("a"),
            SCOPE,
        );
    }

    #[test]
    fn only_a_time_limit_that_was_hit_is_worth_another_call() {
        let limit = too_late(Duration::from_secs(30), false);
        assert_eq!(limit.kind(), ErrorKind::Credential);
        assert_eq!(limit.retry(), Retry::Later);
        assert!(limit.is_retryable() && limit.to_string().contains("30s"));
        let deadline = too_late(Duration::from_secs(1), true);
        assert_eq!(deadline.kind(), ErrorKind::Timeout);
        assert!(deadline.is_retryable());
    }
}
