//! Client credentials with an assertion that somebody else signed.

use std::fmt::{self, Debug};
use std::sync::Arc;

use crate::auth::github_actions::Issuer;
use crate::auth::{AccessToken, Credential, TokenRequest, entra};
use crate::environment::{self, Environment};
use crate::error::Error;
use crate::secret::Secret;

/// What kind of assertion it is (RFC 7523, section 2.2).
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// More than any issuer makes.
const LONGEST: usize = 32 * 1024;

/// Where assertions come from.
type Source = dyn Fn(&TokenRequest<'_>) -> Result<Secret, Error> + Send + Sync;

/// An app registration that trusts somebody else's signed word for it, so that it needs no secret of
/// its own (OAuth 2.0 client credentials with a client assertion).
///
/// The way of «Workload identity federation»: a federated identity credential of the app says by
/// issuer, subject and audience whose tokens are accepted as assertions, those of a CI job or of a
/// managed identity for instance. A job of GitHub Actions has [its own constructor](Self::github_actions).
/// A token in a file, as Kubernetes has it, is for
/// [`WorkloadIdentity`](crate::WorkloadIdentity).
///
/// The function is asked for an assertion each time that a token is due, about once an hour, and what
/// it returns is used at once and not kept. An assertion that is no JWT (three parts of base64url with
/// dots between them, at most 32 KiB) is an error before anything is sent. What the function fails
/// with is the error of the call: [`Error::credential`] makes one, and a
/// [retryable](Error::with_retryable) one is tried again like any other. The function must not call the
/// client that it is asked for: that call would wait for the token of this one, for ever.
///
/// When Entra has refused an assertion, the function is not asked again for a minute.
///
/// # Examples
///
/// A GitLab job, which finds its own token in a variable:
///
/// ```
/// use defender_endpoint::{Client, ClientAssertion, Error, Secret};
///
/// let credential = ClientAssertion::new(
///     "contoso.onmicrosoft.com",
///     "11111111-2222-3333-4444-555555555555",
///     |_| match std::env::var("ENTRA_ID_TOKEN") {
///         Ok(token) => Ok(Secret::from(token)),
///         Err(_) => Err(Error::credential("the job has no ID token")),
///     },
/// )?;
/// let client = Client::builder(credential).build()?;
/// # Ok::<(), Error>(())
/// ```
///
/// A managed identity that vouches for an app, of another tenant for instance («Configure an
/// application to trust a managed identity»). The audience is that of the commercial cloud;
/// `api://AzureADTokenExchangeUSGov` is that of GCC High and DoD.
///
/// ```
/// use defender_endpoint::{ClientAssertion, Credential, Error};
///
/// fn vouched_for(
///     managed: impl Credential + 'static,
///     tenant: &str,
///     app: &str,
/// ) -> Result<ClientAssertion, Error> {
///     ClientAssertion::new(tenant, app, move |request| {
///         let request = request.with_scope("api://AzureADTokenExchange/.default");
///         let token = managed.token(&request)?;
///         Ok(token.secret().clone())
///     })
/// }
/// ```
#[derive(Clone)]
pub struct ClientAssertion {
    tenant: String,
    client_id: String,
    assertion: Arc<Source>,
    name: &'static str,
}

impl ClientAssertion {
    /// The tenant by its id or one of its domains, the application (client) id, and where assertions
    /// come from. The function is not called yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the tenant is neither a GUID nor a
    /// domain, or when the client id is empty or holds other than letters, digits and `-`.
    pub fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        assertion: impl Fn(&TokenRequest<'_>) -> Result<Secret, Error> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let (tenant, client_id) = (tenant.into(), client_id.into());
        entra::check_tenant(&tenant)?;
        entra::check_client_id(&client_id)?;
        Ok(Self {
            tenant,
            client_id,
            assertion: Arc::new(assertion),
            name: "client assertion",
        })
    }

    /// A job of GitHub Actions vouches for the app: its ID token is asked for whenever an assertion is
    /// needed, for as long as the job runs. The client asks for it by the way of its other requests,
    /// proxy and root certificates included. [`from_env`](crate::ClientBuilder::from_env) takes this where
    /// the job's variables are there.
    ///
    /// The job, or its workflow, has `permissions: id-token: write`, and the app a federated identity
    /// credential for it: issuer `https://token.actions.githubusercontent.com`, subject
    /// `repo:OWNER/NAME:ref:refs/heads/BRANCH`, `repo:OWNER/NAME:environment:NAME` or
    /// `repo:OWNER/NAME:pull_request`, audience `api://AzureADTokenExchange`
    /// (`api://AzureADTokenExchangeUSGov` with a login authority that ends in `.us`). Source: GitHub's
    /// page «OpenID Connect reference».
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new), and [`ErrorKind::Config`](crate::ErrorKind::Config) when
    /// `ACTIONS_ID_TOKEN_REQUEST_URL` or `ACTIONS_ID_TOKEN_REQUEST_TOKEN` is missing, as in a job without
    /// that permission or in a pull request from a fork, or the URL is neither https nor loopback.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::{Client, ClientAssertion, Error};
    ///
    /// fn main() -> Result<(), Error> {
    ///     let credential = ClientAssertion::github_actions(
    ///         "contoso.onmicrosoft.com",
    ///         "11111111-2222-3333-4444-555555555555",
    ///     )?;
    ///     let client = Client::builder(credential).build()?;
    ///     println!("{} agents", client.scan_agents()?.len());
    ///     Ok(())
    /// }
    /// ```
    pub fn github_actions(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
    ) -> Result<Self, Error> {
        environment::with_process(|variables| Self::of_github_actions(tenant, client_id, variables))
    }

    pub(crate) fn of_github_actions(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        variables: &Environment<'_>,
    ) -> Result<Self, Error> {
        let issuer = Issuer::from_variables(variables)?;
        let made = Self::new(tenant, client_id, move |request| issuer.assertion(request))?;
        Ok(Self {
            name: "GitHub Actions",
            ..made
        })
    }
}

impl Credential for ClientAssertion {
    fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        let assertion = (self.assertion)(request)?;
        ask_with_assertion(request, &self.tenant, &self.client_id, &assertion)
    }

    fn name(&self) -> &'static str {
        self.name
    }
}

impl Debug for ClientAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAssertion")
            .field("tenant", &self.tenant)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// One token request of an app that shows who it is with an assertion, whoever signed that.
pub(super) fn ask_with_assertion(
    request: &TokenRequest<'_>,
    tenant: &str,
    client_id: &str,
    assertion: &Secret,
) -> Result<AccessToken, Error> {
    check_assertion(assertion)?;
    let form = form(client_id, assertion, request.scope());
    entra::ask(request, tenant, &form, assertion)
}

fn form<'a>(
    client_id: &'a str,
    assertion: &'a Secret,
    scope: &'a str,
) -> [(&'static str, &'a str); 5] {
    [
        ("client_id", client_id),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion.expose()),
        ("grant_type", "client_credentials"),
        ("scope", scope),
    ]
}

/// Whether this looks like a signed JWT. What is something else, a file's path for instance, is no
/// business of Entra's.
pub(crate) fn check_assertion(assertion: &Secret) -> Result<(), Error> {
    let text = assertion.expose();
    let is_part = |part: &str| {
        let mut bytes = part.bytes();
        !part.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let why = if text.is_empty() {
        "is empty"
    } else if text.len() > LONGEST {
        "is longer than 32 KiB"
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        "holds spaces, line breaks or other characters that a JWT can't have"
    } else if text.split('.').count() == 3 && text.split('.').all(is_part) {
        return Ok(());
    } else {
        "is no JWT: three parts of base64url with dots between them"
    };
    Err(Error::credential(format!("the assertion {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_that_of_client_credentials_with_an_assertion() {
        let assertion = Secret::from("a.b.c");
        assert_eq!(
            form("an-app", &assertion, "https://x/.default"),
            [
                ("client_id", "an-app"),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                ),
                ("client_assertion", "a.b.c"),
                ("grant_type", "client_credentials"),
                ("scope", "https://x/.default"),
            ]
        );
    }

    #[test]
    fn an_assertion_is_three_parts_of_base64url() {
        let longest = format!("a.{}.c", "b".repeat(LONGEST - 4));
        for assertion in ["a.b.c", "eyJhbGciOiJSUzI1NiJ9.e30.aB3-_", &longest] {
            assert!(check_assertion(&Secret::from(assertion)).is_ok());
        }
        for (assertion, why) in [
            (String::new(), "is empty"),
            (format!("{longest}d"), "is longer than 32 KiB"),
            ("a.b.c\n".to_owned(), "line breaks"),
            (" a.b.c".to_owned(), "spaces"),
            ("a.b\u{fc}.c".to_owned(), "other characters"),
            ("a.b.c\0".to_owned(), "other characters"),
            ("abc".to_owned(), "is no JWT"),
            ("a.b".to_owned(), "is no JWT"),
            ("a.b.c.d".to_owned(), "is no JWT"),
            ("a.b.".to_owned(), "is no JWT"),
            (".b.c".to_owned(), "is no JWT"),
            ("a..c".to_owned(), "is no JWT"),
            ("..".to_owned(), "is no JWT"),
            ("a.b+.c".to_owned(), "is no JWT"),
            ("a.b.c=".to_owned(), "is no JWT"),
            ("/run/a/token".to_owned(), "is no JWT"),
        ] {
            let error = check_assertion(&Secret::from(assertion.as_str())).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Credential);
            let text = error.to_string();
            assert!(text.contains(why), "{assertion:?}: {text}");
            assert!(!error.is_retryable());
        }
    }

    #[test]
    fn an_assertion_that_is_refused_is_not_shown() {
        for assertion in ["PLANTED", "PLANTED.PLANTED.", "PLANTED\n", "a.b.PLANTED="] {
            let error = check_assertion(&Secret::from(assertion)).unwrap_err();
            let texts = format!("{error} {error:?} {error:#?}");
            assert!(!texts.contains("PLANTED"), "{texts}");
        }
    }
}
