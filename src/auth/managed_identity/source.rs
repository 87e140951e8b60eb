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
        let header = read("IDENTITY_HEADER")?;
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

    fn app_service(url: &str, header: String) -> Result<Self, Error> {
        let header = Secret::from(header);
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
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::error::ErrorKind;

    const URL: &str = "http://127.0.0.1:1/msi/token";

    /// The choice of a machine with these variables.
    fn choose(variables: &[(&str, &str)], has_agent: bool) -> Result<Source, Error> {
        let windows = [("ProgramData", r"C:\ProgramData")];
        let all: HashMap<_, _> = variables.iter().copied().chain(windows).collect();
        let read = |name: &str| Ok(all.get(name).map(|value| (*value).to_owned()));
        let environment = Environment(&read);
        match Source::named(&environment)? {
            Some(source) => Ok(source),
            None => Source::unnamed(&environment, has_agent),
        }
    }

    fn name(variables: &[(&str, &str)], has_agent: bool) -> String {
        match choose(variables, has_agent) {
            Ok(Source::AppService { .. }) => "App Service".to_owned(),
            Ok(Source::AzureArc { .. }) => "Azure Arc".to_owned(),
            Ok(Source::Imds { .. }) => "IMDS".to_owned(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Config, "{error}");
                assert!(error.hint().is_some(), "{error}");
                error.to_string()
            }
        }
    }

    fn of(base: &str) -> Source {
        Source::imds(base).unwrap()
    }

    /// The six variables and the agent, there or not: 128 machines.
    #[test]
    fn the_first_source_of_the_documented_order_counts() {
        let all = [
            ("IDENTITY_ENDPOINT", URL),
            ("IDENTITY_HEADER", "a-header"),
            ("IMDS_ENDPOINT", "http://127.0.0.1:2"),
            ("MSI_ENDPOINT", "http://127.0.0.1:3"),
            ("MSI_SECRET", "a-secret"),
            ("IDENTITY_SERVER_THUMBPRINT", "a-thumbprint"),
        ];
        for there in 0..128_u32 {
            let is_there = |number: usize| there >> number & 1 == 1;
            let mut variables: Vec<_> = (0..6)
                .map(|number| {
                    // What is empty is not there.
                    let (name, value) = all[number];
                    (name, if is_there(number) { value } else { " " })
                })
                .collect();
            let [endpoint, header, metadata, msi, secret, thumbprint, agent] =
                [0, 1, 2, 3, 4, 5, 6].map(is_there);
            let expected = if endpoint && header && thumbprint {
                "IDENTITY_SERVER_THUMBPRINT: managed identities of Service Fabric are not supported"
            } else if endpoint && header {
                "App Service"
            } else if endpoint && metadata {
                "Azure Arc"
            } else if msi && secret {
                "MSI_SECRET: managed identities of Azure Machine Learning are not supported"
            } else if msi {
                "MSI_ENDPOINT: managed identities of Cloud Shell are not supported"
            } else if agent {
                "Azure Arc"
            } else {
                "IMDS"
            };
            let possible = expected != "Azure Arc" || cfg!(any(windows, target_os = "linux"));
            if possible {
                assert_eq!(name(&variables, agent), expected, "{variables:?} {agent}");
                variables.reverse();
                variables.retain(|(_, value)| *value != " ");
                assert_eq!(name(&variables, agent), expected, "{variables:?} {agent}");
            }
        }
    }

    #[test]
    fn only_variables_name_a_source() {
        let nothing = |_: &str| Ok(None);
        assert!(Source::named(&Environment(&nothing)).unwrap().is_none());
        let pods = |name: &str| {
            Ok((name == "AZURE_POD_IDENTITY_AUTHORITY_HOST")
                .then(|| "http://127.0.0.1:4/".to_owned()))
        };
        let pods = Environment(&pods);
        assert!(Source::named(&pods).unwrap().is_none());
        let source = Source::unnamed(&pods, false).unwrap();
        let url = source.question(&Identity::SystemAssigned, "a").url;
        assert!(
            url.starts_with("http://127.0.0.1:4/metadata/identity/oauth2/token?"),
            "{url}"
        );
    }

    #[test]
    fn a_variable_that_can_not_be_read_is_an_error() {
        for broken in [
            "IDENTITY_ENDPOINT",
            "IDENTITY_HEADER",
            "IMDS_ENDPOINT",
            "MSI_ENDPOINT",
        ] {
            let read = |name: &str| match name {
                _ if name == broken => Err(Error::config(format!("{name} is not valid Unicode"))),
                _ => Ok(None),
            };
            let error = Source::named(&Environment(&read)).unwrap_err();
            assert!(error.to_string().contains(broken), "{error}");
        }
    }

    #[cfg(any(windows, target_os = "linux"))]
    #[test]
    fn arcs_agent_is_on_this_machine() {
        for (url, fits) in [
            ("http://localhost:40342/x", true),
            ("http://127.0.0.1:40342/x", true),
            ("http://[::1]:40342/x", true),
            ("http://example.com/x", false),
            ("https://example.com/x", false),
            ("http://127.0.0.1.example.com/x", false),
        ] {
            let variables = [("IDENTITY_ENDPOINT", url), ("IMDS_ENDPOINT", url)];
            let outcome = choose(&variables, false);
            assert_eq!(outcome.is_ok(), fits, "{url}");
        }
        let found = choose(&[], true).unwrap();
        let Source::AzureArc { endpoint, folder } = found else {
            panic!("{found:?}")
        };
        assert_eq!(
            endpoint.url,
            "http://localhost:40342/metadata/identity/oauth2/token"
        );
        assert!(folder.ends_with(if cfg!(windows) {
            "Tokens"
        } else {
            "/var/opt/azcmagent/tokens"
        }));
    }

    #[test]
    fn each_source_is_asked_in_its_own_words() {
        let audience = "https://api.securitycenter.microsoft.com";
        let encoded = "https%3A%2F%2Fapi.securitycenter.microsoft.com";
        let app = choose(
            &[
                ("IDENTITY_ENDPOINT", URL),
                ("IDENTITY_HEADER", " a-header\n"),
            ],
            false,
        )
        .unwrap();
        let imds = of(IMDS);
        let arc = Source::AzureArc {
            endpoint: Endpoint::read(ARC).unwrap(),
            folder: PathBuf::new(),
        };
        for (source, start, header) in [
            (
                &app,
                format!("{URL}?api-version=2019-08-01"),
                ("X-IDENTITY-HEADER", "a-header"),
            ),
            (
                &imds,
                format!("{IMDS}/metadata/identity/oauth2/token?api-version=2018-02-01"),
                ("Metadata", "true"),
            ),
            (
                &arc,
                "http://localhost:40342/metadata/identity/oauth2/token?api-version=2021-02-01"
                    .to_owned(),
                ("Metadata", "true"),
            ),
        ] {
            let question = source.question(&Identity::SystemAssigned, audience);
            assert_eq!(question.url, format!("{start}&resource={encoded}"));
            assert_eq!(question.header, header);
        }
        let id = || "an-id".to_owned();
        for (source, identity, option) in [
            (&app, Identity::client_id(id()), "&client_id=an-id"),
            (&app, Identity::object_id(id()), "&principal_id=an-id"),
            (
                &app,
                Identity::resource_id("/subscriptions/a b&c".to_owned()),
                "&mi_res_id=%2Fsubscriptions%2Fa%20b%26c",
            ),
            (&imds, Identity::client_id(id()), "&client_id=an-id"),
            (&imds, Identity::object_id(id()), "&object_id=an-id"),
            (
                &imds,
                Identity::resource_id("/Subscriptions/ä".to_owned()),
                "&msi_res_id=%2FSubscriptions%2F%C3%A4",
            ),
        ] {
            let url = source.question(&identity.unwrap(), audience).url;
            assert!(
                url.ends_with(&format!("&resource={encoded}{option}")),
                "{url}"
            );
        }
    }

    #[test]
    fn a_query_of_the_endpoints_own_is_kept_where_it_does_not_contradict() {
        for (url, expected) in [
            ("http://h/t", "http://h/t?a=1"),
            ("http://H", "http://h/?a=1"),
            ("http://h:80/t?", "http://h/t?a=1"),
            ("http://h:81/t?x=1&y", "http://h:81/t?x=1&y&a=1"),
            ("http://h/t?x=a?b&&", "http://h/t?x=a?b&a=1"),
            (
                "http://h/t?api-version=1&x=1&RESOURCE=2&client_id=3",
                "http://h/t?x=1&a=1",
            ),
            (" http://h/t\n", "http://h/t?a=1"),
            ("HTTP://h/a/../b%20c", "http://h/a/../b%20c?a=1"),
        ] {
            let endpoint = Endpoint::read(url).unwrap();
            assert_eq!(endpoint.with(&[("a", "1")]), expected, "{url}");
        }
    }

    #[test]
    fn an_endpoint_is_an_absolute_url_without_user_info() {
        for url in [
            "",
            "127.0.0.1:1/x",
            "//127.0.0.1/x",
            "/msi/token",
            "ftp://127.0.0.1/x",
            "file:///x",
            "http:/x",
            "http:///x",
            "http://hunter2@127.0.0.1/x",
            "http://u:hunter2@127.0.0.1/x",
            "http://127.0.0.1:0/x",
            "http://127.0.0.1:x/x",
            "http://127.0.0.1/x#hunter2",
            "http://127.0.0.1/x hunter2",
            "http://127.0.0.1/x\r\nhunter2: y",
            "http://127.0.0.1\\@hunter2.example/",
            "http://127.0.0.1/ä",
            "http://127.0.0.1/\"<>",
        ] {
            let error = Endpoint::read(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(
                !format!("{error:?} {error:#?}").contains("hunter2"),
                "{error:?}"
            );
        }
        let error = choose(
            &[("IDENTITY_ENDPOINT", "x"), ("IDENTITY_HEADER", "y")],
            false,
        )
        .unwrap_err();
        assert!(
            error.to_string().starts_with("IDENTITY_ENDPOINT: the URL"),
            "{error}"
        );
        for base in [
            "127.0.0.1",
            "http://u@127.0.0.1",
            "http://127.0.0.1?x",
            "http://127.0.0.1#x",
        ] {
            assert!(Source::imds(base).is_err(), "{base}");
        }
        assert!(Source::imds(" http://127.0.0.1:1/a/ ").is_ok());
    }

    #[test]
    fn a_header_that_can_not_be_sent_is_refused_without_showing_it() {
        for header in [
            "hunter2\r\nX: y",
            "hunter2 hunter2",
            "hunter2\u{e9}",
            "hunter2\u{7f}",
        ] {
            let error = Source::app_service(URL, header.to_owned()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let said = format!("{error} {error:?} {error:#?}");
            assert!(
                said.contains("IDENTITY_HEADER") && !said.contains("hunter2"),
                "{said}"
            );
        }
    }

    #[test]
    fn an_identity_is_checked() {
        for id in ["", " ", "a b", "a&b", "a\n", "ä"] {
            for refused in [
                Identity::client_id(id.to_owned()),
                Identity::object_id(id.to_owned()),
            ] {
                assert_eq!(refused.unwrap_err().kind(), ErrorKind::Config, "{id:?}");
            }
        }
        let long = format!("/subscriptions/{}", "x".repeat(1_024));
        for id in [
            "",
            "subscriptions/x",
            "/subscription",
            "/subscriptions/a\nb",
            &long,
        ] {
            assert!(Identity::resource_id(id.to_owned()).is_err(), "{id:?}");
        }
    }

    #[test]
    fn what_is_private_is_not_shown() {
        let app = Source::app_service("http://127.0.0.1:1/x?key=hunter2", "hunter2".to_owned());
        let said = format!("{0:?} {0:#?}", app.unwrap());
        assert!(
            said.contains("AppService") && said.contains("http://127.0.0.1:1/x"),
            "{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
    }
}
