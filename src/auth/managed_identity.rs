//! A managed identity: the platform that a program runs on vouches for it.

mod arc;
mod pace;
mod source;

use std::time::Duration;

use zeroize::Zeroizing;

use crate::auth::answer::{self, TOKENS};
use crate::auth::{AccessToken, Credential, TokenRequest, entra};
use crate::body::Spares;
use crate::environment::{self, CLIENT, Environment};
use crate::error::{Error, ErrorKind, Retry};
use crate::http::{Method, Nearby, Request, Response};
use crate::secret::Secret;
use source::{Identity, Source, has_agent};

/// The endpoint is on this machine or next to it: it is there so soon, or there is none, and gives its
/// few hundred bytes within the other.
const NEARBY: Nearby = Nearby {
    connect: Duration::from_secs(2),
    exchange: Duration::from_secs(10),
};

/// The identity that Azure gives to a virtual machine, an app or a connected server. No secret has to
/// be kept anywhere.
///
/// The ways of «How to use managed identities for Azure resources on an Azure VM to acquire an access
/// token», «How to use managed identities for App Service and Azure Functions» and «Authenticate
/// against Azure resources with Azure Arc-enabled servers».
///
/// # Where tokens come from
///
/// The environment says where the program runs. The first line that fits counts:
///
/// | environment | source |
/// | --- | --- |
/// | `IDENTITY_ENDPOINT`, `IDENTITY_HEADER` and `IDENTITY_SERVER_THUMBPRINT` | Service Fabric; not supported |
/// | `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` | App Service, Functions, Container Apps |
/// | `IDENTITY_ENDPOINT` and `IMDS_ENDPOINT` | the agent of Azure Arc; system-assigned only |
/// | `MSI_ENDPOINT` and `MSI_SECRET` | Azure Machine Learning; not supported |
/// | `MSI_ENDPOINT` | Cloud Shell; not supported: the Azure CLI is signed in there |
/// | the program of Azure Arc's agent is installed | that agent, at `http://localhost:40342` |
/// | anything else | the metadata service (IMDS), at `AZURE_POD_IDENTITY_AUTHORITY_HOST` if that is set, else at Azure's fixed address |
///
/// `Debug` shows which it is. An empty variable counts as missing. Of a user-assigned identity any one
/// of its three ids will do.
///
/// The endpoint is asked directly: no proxy is used, whatever the client or the environment says, and
/// no redirect is followed. A token that comes without an expiry counts as good for ten minutes.
///
/// # The permission
///
/// The portal has no button that gives a managed identity a permission of the API: [these
/// lines](crate::setup#granting-to-what-is-there) do.
///
/// The platform keeps an identity's tokens for hours, up to a day, and hands out the same one again. A
/// role that was granted a moment ago is in none of them: until they expire, calls go on being
/// answered with 403.
///
/// # Failures that pass
///
/// The endpoint is asked up to five times, with waits of 2, 6, 14 and 30 seconds, or longer ones that
/// it asks for, up to a minute: after 408, 429 and 500 to 599, and where the exchange breaks off. Of the
/// metadata service also after 404, and after 410, which it answers while it is updated, for up to 70
/// seconds; where nobody is found at its address within 2 seconds, three tries are made. One exchange
/// takes 10 seconds at the most. The client's [`RetryPolicy`](crate::RetryPolicy) adds none to these.
/// The waits are told to [`on_wait`](crate::ClientBuilder::on_wait), which can end them, and none is
/// begun that the deadline would cut short: then, and after the last try, the error is the last real
/// one. While the old token is good, one try is enough for now, and no call waits.
///
/// # Example
///
/// ```no_run
/// use defender_endpoint::{Client, ManagedIdentity};
///
/// let client = Client::builder(ManagedIdentity::system_assigned()?).build()?;
/// for machine in client.machines() {
///     println!("{}", machine?.id);
/// }
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ManagedIdentity {
    source: Source,
    identity: Identity,
}

impl ManagedIdentity {
    /// The identity that belongs to the machine or app itself.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the environment names a source that is not
    /// supported (see above), when one of its variables is no Unicode, no absolute `http` or `https`
    /// URL, has a user name in it or can't be sent in a header, or when Azure Arc's agent would be asked
    /// on another machine. Nothing is sent.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::ManagedIdentity;
    ///
    /// println!("{:?}", ManagedIdentity::system_assigned()?);
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn system_assigned() -> Result<Self, Error> {
        Self::here(Identity::SystemAssigned)
    }

    /// The user-assigned identity with this client id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the id is empty or holds other than
    /// letters, digits and `-`; on a server of Azure Arc, which has no user-assigned identities; and as
    /// with [`system_assigned`](Self::system_assigned).
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::ManagedIdentity;
    ///
    /// let id = "11111111-2222-3333-4444-555555555555";
    /// let credential = ManagedIdentity::by_client_id(id)?;
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn by_client_id(id: impl Into<String>) -> Result<Self, Error> {
        Self::here(Identity::client_id(id.into())?)
    }

    /// The user-assigned identity whose service principal has this object (principal) id.
    ///
    /// # Errors
    ///
    /// As with [`by_client_id`](Self::by_client_id).
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::ManagedIdentity;
    ///
    /// let id = "11111111-2222-3333-4444-555555555555";
    /// let credential = ManagedIdentity::by_object_id(id)?;
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn by_object_id(id: impl Into<String>) -> Result<Self, Error> {
        Self::here(Identity::object_id(id.into())?)
    }

    /// The user-assigned identity that is this resource of Azure.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the id doesn't begin with
    /// `/subscriptions/`, is longer than 1,024 bytes or holds control characters; on a server of Azure
    /// Arc; and as with [`system_assigned`](Self::system_assigned).
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::ManagedIdentity;
    ///
    /// let credential = ManagedIdentity::by_resource_id(
    ///     "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/a-group\
    ///      /providers/Microsoft.ManagedIdentity/userAssignedIdentities/a-name",
    /// )?;
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn by_resource_id(id: impl Into<String>) -> Result<Self, Error> {
        Self::here(Identity::resource_id(id.into())?)
    }

    /// Asks the metadata service at this base instead of the source that the environment named, if that
    /// was one that is supported: what is not has been refused before. For something that stands in for
    /// it, in a test or in a cluster. Scheme, host, port and perhaps a path before
    /// `/metadata/identity/oauth2/token`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when this is no absolute `http` or `https` URL,
    /// or has a user name, a query or a fragment.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::ManagedIdentity;
    ///
    /// let credential = ManagedIdentity::system_assigned()?.imds_url("http://127.0.0.1:8080")?;
    /// assert!(format!("{credential:?}").contains("Imds"));
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn imds_url(self, url: impl AsRef<str>) -> Result<Self, Error> {
        let source = Source::imds(url.as_ref())?;
        Ok(Self { source, ..self })
    }

    /// The managed identity for which these variables name a source: not because of what is installed,
    /// and not the metadata service, which every program that has no other could have.
    pub(crate) fn from_variables(environment: &Environment<'_>) -> Result<Option<Self>, Error> {
        let Some(source) = Source::named(environment)? else {
            return Ok(None);
        };
        // Looked at where there is a source alone: it may be the id of an app registration.
        let client_id = environment.read(CLIENT)?;
        let identity = client_id.map_or(Ok(Identity::SystemAssigned), Identity::client_id);
        let own = identity.and_then(|identity| Self::of(source, identity));
        own.map(Some).map_err(|error| error.for_request(CLIENT))
    }

    /// On this machine.
    fn here(identity: Identity) -> Result<Self, Error> {
        let source = environment::with_process(|environment| {
            Ok(match Source::named(environment)? {
                Some(source) => source,
                None => Source::unnamed(environment, has_agent(environment)?)?,
            })
        })?;
        Self::of(source, identity)
    }

    fn of(source: Source, identity: Identity) -> Result<Self, Error> {
        if matches!(source, Source::AzureArc { .. })
            && !matches!(identity, Identity::SystemAssigned)
        {
            return Err(Error::config(
                "a server of Azure Arc has its system-assigned identity and no other",
            )
            .with_hint("use `ManagedIdentity::system_assigned`, without AZURE_CLIENT_ID"));
        }
        Ok(Self { source, identity })
    }

    fn is_imds(&self) -> bool {
        matches!(self.source, Source::Imds { .. })
    }

    /// One try.
    fn ask(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        let question = self.source.question(&self.identity, request.audience());
        let answer = send(request, &question.url, &[question.header])?;
        let (answer, secret) = match &self.source {
            Source::AppService { header, .. } => (answer, header.clone()),
            Source::AzureArc { folder, .. } if answer.status == 401 => {
                let key = arc::key(answer.challenge.as_deref(), folder)
                    .map_err(|error| error.for_request(TOKENS.name))?;
                let proof = Zeroizing::new(format!("Basic {}", key.expose()));
                let headers = [question.header, ("Authorization", proof.as_str())];
                (send(request, &question.url, &headers)?, key)
            }
            // Another's answer, perhaps: the agent gives no token before it has seen its key.
            Source::AzureArc { .. } if answer.status == 200 => {
                return Err(
                    Error::credential("the Azure Arc agent did not ask for its key")
                        .for_request(TOKENS.name)
                        .with_hint("what answers may not be the agent: check IDENTITY_ENDPOINT"),
                );
            }
            // These are shown no secret.
            Source::AzureArc { .. } | Source::Imds { .. } => (answer, Secret::from("")),
        };
        answer::grant(answer, &secret, request.now()).map(|grant| grant.token)
    }

    /// Adds what a failure means here, and what can be done about it.
    fn explain(&self, error: Error, scope: &str) -> Error {
        let hint = match (&self.source, error.status()) {
            (Source::Imds { .. }, None) if error.is_unreached() => {
                return error
                    .behind("this machine seems to have no managed identity endpoint")
                    .with_hint(
                        "managed identities are there on Azure's machines and apps and on servers of \
                         Azure Arc; elsewhere use a client secret, a certificate, a federated token \
                         or the Azure CLI",
                    );
            }
            (Source::AzureArc { .. }, None) if error.is_unreached() => {
                "check that Azure Arc's agent runs (`azcmagent show`), and IDENTITY_ENDPOINT"
            }
            (Source::AppService { .. }, None) if error.is_unreached() => {
                "check IDENTITY_ENDPOINT, which the platform sets when the program starts"
            }
            (Source::AzureArc { .. }, Some(401)) => "the agent did not accept its own key",
            (Source::Imds { .. }, Some(404 | 410)) => {
                "the metadata service is being updated, or what answers is none of Azure's"
            }
            (_, Some(400)) => match self.identity {
                Identity::SystemAssigned => {
                    "as a rule the machine or app has no system-assigned identity: turn it on, or \
                     name the user-assigned one that is meant (`by_client_id`)"
                }
                _ => {
                    "as a rule this identity is not assigned to the machine or app: assign it, and \
                     check the id"
                }
            },
            _ => return entra::explain(error, scope),
        };
        // Entra's own refusal comes through, and says more.
        entra::explain(error.with_hint(hint), scope)
    }
}

/// One request, to this machine or next to it.
fn send(
    request: &TokenRequest<'_>,
    url: &str,
    headers: &[(&'static str, &str)],
) -> Result<Response, Error> {
    let answer = request.transport().send(&Request {
        method: Method::Get,
        url,
        bearer: None,
        headers,
        content_type: None,
        body: &[],
        time_left: request.time_left(),
        anew: true,
        writes: false,
        small: true,
        nearby: Some(NEARBY),
        spares: &Spares::default(),
    });
    answer.map_err(|error| error.for_request(TOKENS.name))
}

impl Credential for ManagedIdentity {
    fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        let begun = request.clock.now();
        let mut tries = 0;
        loop {
            let error = match self.ask(request) {
                Ok(token) => return Ok(token),
                Err(error) => self.explain(error, request.scope()),
            };
            tries += 1;
            // Whoever asked for the token has no more tries to add to these.
            let retry = if pace::may_pass(self.is_imds(), &error) {
                Retry::Later
            } else {
                Retry::Never
            };
            if request.early {
                // The call has a good token, and need not wait for another.
                return Err(error.with_retry(retry));
            }
            let passed = request.clock.now().saturating_sub(begun);
            let Some(wait) = pace::next(self.is_imds(), tries, passed, &error) else {
                return Err(error.with_retry(retry));
            };
            log::warn!("{error}; next try in {wait:.1?}");
            let error = error.with_retry(retry);
            match request.pause(wait) {
                Ok(()) => {}
                Err(ended) if ended.kind() == ErrorKind::Cancelled => {
                    return Err(ended.with_source(error));
                }
                // That the deadline comes first is no news about the endpoint.
                Err(_) => return Err(error),
            }
        }
    }

    fn name(&self) -> &'static str {
        "managed identity"
    }
}

#[cfg(test)]
mod tests;
