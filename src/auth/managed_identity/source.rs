//! Where this machine gives tokens out: what the environment says of it, and how it is asked.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::auth::entra::check_client_id;
use crate::cloud::Origin;
use crate::encode::encode;
use crate::environment::Environment;
use crate::error::Error;
use crate::secret::Secret;

/// The metadata service of Azure's machines: an address that leads nowhere else.
const IMDS: &str = "http://169.254.169.254";
/// Where the agent of Azure Arc listens by itself.
const ARC: &str = "http://localhost:40342/metadata/identity/oauth2/token";
const TOKEN_PATH: &str = "/metadata/identity/oauth2/token";

/// An endpoint on this machine, or next to it.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// App Service, Functions, Container Apps: what they put into the environment must be shown to
    /// them.
    AppService { endpoint: Endpoint, header: Secret },
    /// A server anywhere, with the agent of Azure Arc. Its keys are in the folder.
    AzureArc { endpoint: Endpoint, folder: PathBuf },
    /// The instance metadata service of a virtual machine.
    Imds { endpoint: Endpoint },
}

/// Which of the machine's identities is meant.
#[derive(Clone, Debug)]
pub(super) enum Identity {
    SystemAssigned,
    ClientId(String),
    ObjectId(String),
    ResourceId(String),
}

/// One request, but for headers that need an answer first.
pub(super) struct Question<'a> {
    pub(super) url: String,
    pub(super) header: (&'static str, &'a str),
}

impl Source {
    /// The source that the variables name, if they name one.
    pub(super) fn named(environment: &Environment<'_>) -> Result<Option<Self>, Error> {
        let read = |name| environment.read(name);
        let endpoint = read("IDENTITY_ENDPOINT")?;
        let header = environment.secret("IDENTITY_HEADER")?;
        let metadata = read("IMDS_ENDPOINT")?;
        match (endpoint, header, metadata) {
            (Some(_), Some(_), _) if read("IDENTITY_SERVER_THUMBPRINT")?.is_some() => Err(
                unsupported("Service Fabric", "IDENTITY_SERVER_THUMBPRINT").with_hint(
                    "its endpoint has a certificate of its own, known by its thumbprint alone; use \
                     a client secret or a certificate there",
                ),
            ),
            (Some(url), Some(header), _) => Self::app_service(&url, header).map(Some),
            (Some(url), None, Some(_)) => Self::arc(&url, environment).map(Some),
            _ if read("MSI_ENDPOINT")?.is_none() => Ok(None),
            _ if read("MSI_SECRET")?.is_some() => {
                Err(unsupported("Azure Machine Learning", "MSI_SECRET")
                    .with_hint("use a client secret, a certificate or a federated token there"))
            }
            _ => Err(unsupported("Cloud Shell", "MSI_ENDPOINT").with_hint(
                "whoever is signed in there is a user: use the Azure CLI's token (`AzureCli`)",
            )),
        }
    }

    /// The source of a machine of whose environment nothing is to be known.
    pub(super) fn unnamed(environment: &Environment<'_>, has_agent: bool) -> Result<Self, Error> {
        if has_agent {
            return Self::arc(ARC, environment);
        }
        let variable = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
        match environment.read(variable)? {
            Some(url) => Self::imds(&url).map_err(|error| error.for_request(variable)),
            None => Self::imds(IMDS),
        }
    }

    fn app_service(url: &str, header: Secret) -> Result<Self, Error> {
        if !header.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            let text = "the value holds characters that a header can't carry";
            return Err(Error::config(text).for_request("IDENTITY_HEADER"));
        }
        let endpoint =
            Endpoint::read(url).map_err(|error| error.for_request("IDENTITY_ENDPOINT"))?;
        Ok(Self::AppService { endpoint, header })
    }

    fn arc(url: &str, environment: &Environment<'_>) -> Result<Self, Error> {
        let of = |error: Error| error.for_request("IDENTITY_ENDPOINT");
        let endpoint = Endpoint::read(url).map_err(of)?;
        // The agent is on this machine, and what it is shown is for nobody else.
        if !endpoint.origin.is_loopback() {
            return Err(of(Error::config(
                "the agent of Azure Arc is asked on a loopback address only",
            )));
        }
        let folder = key_folder(environment)?.ok_or_else(|| {
            Error::config("there is no agent of Azure Arc for this operating system")
        })?;
        Ok(Self::AzureArc { endpoint, folder })
    }

    /// The metadata service at this base.
    pub(super) fn imds(base: &str) -> Result<Self, Error> {
        let base = base.trim();
        if base.contains('?') {
            return Err(Error::config("the URL of the metadata service has a query"));
        }
        let endpoint = Endpoint::read(&format!("{}{TOKEN_PATH}", base.trim_end_matches('/')))?;
        Ok(Self::Imds { endpoint })
    }

    /// What is sent first.
    pub(super) fn question(&self, identity: &Identity, audience: &str) -> Question<'_> {
        let (endpoint, version, header, object, resource) = match self {
            Self::AppService { endpoint, header } => (
                endpoint,
                "2019-08-01",
                ("X-IDENTITY-HEADER", header.expose()),
                "principal_id",
                "mi_res_id",
            ),
            // The newest of the three that are documented: an agent older than it is out of support.
            Self::AzureArc { endpoint, .. } => (
                endpoint,
                "2021-02-01",
                ("Metadata", "true"),
                "object_id",
                "msi_res_id",
            ),
            Self::Imds { endpoint } => (
                endpoint,
                "2018-02-01",
                ("Metadata", "true"),
                "object_id",
                "msi_res_id",
            ),
        };
        let mut options = vec![("api-version", version), ("resource", audience)];
        options.extend(match identity {
            Identity::SystemAssigned => None,
            Identity::ClientId(id) => Some(("client_id", id.as_str())),
            Identity::ObjectId(id) => Some((object, id.as_str())),
            Identity::ResourceId(id) => Some((resource, id.as_str())),
        });
        Question {
            url: endpoint.with(&options),
            header,
        }
    }
}

/// A place of which this variable tells.
fn unsupported(place: &str, variable: &str) -> Error {
    Error::config(format!("managed identities of {place} are not supported")).for_request(variable)
}

impl Identity {
    pub(super) fn client_id(id: String) -> Result<Self, Error> {
        check_client_id(&id).map_err(|error| error.with_hint(HINT))?;
        Ok(Self::ClientId(id))
    }

    pub(super) fn object_id(id: String) -> Result<Self, Error> {
        // Made of the same characters.
        check_client_id(&id).map_err(|_| {
            let text = "the object id is empty or holds other than letters, digits and '-'";
            Error::config(text).with_hint(HINT)
        })?;
        Ok(Self::ObjectId(id))
    }

    pub(super) fn resource_id(id: String) -> Result<Self, Error> {
        let start = "/subscriptions/";
        let found = id.get(..start.len());
        let fits = found.is_some_and(|found| found.eq_ignore_ascii_case(start));
        if !fits || id.chars().any(char::is_control) || id.len() > 1_024 {
            let text = "the resource id doesn't begin with /subscriptions/, is longer than 1024 \
                        bytes or holds control characters";
            return Err(Error::config(text).with_hint(
                "it is like /subscriptions/../resourceGroups/../providers/\
                 Microsoft.ManagedIdentity/userAssignedIdentities/..",
            ));
        }
        Ok(Self::ResourceId(id))
    }
}

const HINT: &str =
    "a user-assigned identity's overview has its client id and its object (principal) id";

/// The URL of an endpoint, in two parts: what stands in its query may be private.
#[derive(Clone)]
pub(super) struct Endpoint {
    origin: Origin,
    /// Without query.
    url: String,
    /// What stood behind the question mark, without what a request has of its own.
    query: Vec<String>,
}

/// What a request has of its own, whoever is asked.
const OPTIONS: [&str; 7] = [
    "api-version",
    "resource",
    "client_id",
    "object_id",
    "principal_id",
    "msi_res_id",
    "mi_res_id",
];

impl Endpoint {
    fn read(url: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Err(Error::config(format!("the URL {why}")).with_hint("expected http://host:port/path"))
        };
        let url = url.trim();
        let scheme = url.split("://").next().unwrap_or_default();
        if !["http", "https"]
            .iter()
            .any(|it| scheme.eq_ignore_ascii_case(it))
        {
            return wrong("is not absolute, or neither http nor https");
        }
        let (origin, rest) = match Origin::split(url) {
            Ok(parts) => parts,
            Err(why) => return wrong(why),
        };
        if !rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~/?:@!$&'()*+,;=%".contains(&byte))
        {
            return wrong("has a fragment, or characters that must be encoded");
        }
        if origin.is_https() && !cfg!(any(feature = "rustls", feature = "native-tls")) {
            return wrong("is https, and this program was built without TLS");
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let own = |option: &&str| {
            let name = option.split('=').next().unwrap_or_default();
            OPTIONS.iter().any(|it| it.eq_ignore_ascii_case(name))
        };
        let kept = query.split('&').filter(|it| !it.is_empty() && !own(it));
        Ok(Self {
            url: format!("{origin}{}", if path.is_empty() { "/" } else { path }),
            query: kept.map(str::to_owned).collect(),
            origin,
        })
    }

    /// With these options behind those that it has.
    fn with(&self, options: &[(&str, &str)]) -> String {
        let encoded = |(name, value): &(&str, &str)| format!("{name}={}", encode(value));
        let kept = self.query.iter().cloned();
        let all: Vec<String> = kept.chain(options.iter().map(encoded)).collect();
        format!("{}?{}", self.url, all.join("&"))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.url, f)
    }
}

/// Whether the agent of Azure Arc is installed. Its variables are not in every program's environment.
pub(super) fn has_agent(environment: &Environment<'_>) -> Result<bool, Error> {
    let program = if cfg!(windows) {
        let programs = environment.read("ProgramFiles")?;
        programs.map(|folder| agents(&folder).join("himds.exe"))
    } else if cfg!(target_os = "linux") {
        Some(PathBuf::from("/opt/azcmagent/bin/himds"))
    } else {
        None
    };
    Ok(program.is_some_and(|program| program.is_file()))
}

/// Where the agent puts its keys; nowhere on systems that it isn't made for.
fn key_folder(environment: &Environment<'_>) -> Result<Option<PathBuf>, Error> {
    if cfg!(windows) {
        let data = environment.read("ProgramData")?;
        return Ok(data.map(|folder| agents(&folder).join("Tokens")));
    }
    let linux = cfg!(target_os = "linux");
    Ok(linux.then(|| PathBuf::from("/var/opt/azcmagent/tokens")))
}

fn agents(folder: &str) -> PathBuf {
    Path::new(folder).join("AzureConnectedMachineAgent")
}

#[cfg(test)]
mod tests;
