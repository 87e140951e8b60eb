//! Which managed identity the environment names, and how it is asked for a token.

use std::env;
use std::sync::Once;

use defender_endpoint::testing::{Clock, FakeClock};
use defender_endpoint::{Client, Error, ManagedIdentity, RetryPolicy};
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::raw::{Answer, Forbidden, RawServer, cloud};
use super::{NOTHING, SECRET, URL, run};

const TOKEN: &str = r#"{"access_token":"a-token","expires_on":"4102444800","resource":"r","token_type":"Bearer","client_id":"c"}"#;
/// The audience as it stands in a query.
const RESOURCE: &str = "resource=https%3A%2F%2Fapi.securitycenter.microsoft.com";
const CALL: &str = "managed identity, call";

/// What the children do.
pub(crate) fn task(name: &str) -> Option<Result<(), Error>> {
    Some(match name {
        CALL => call(ManagedIdentity::system_assigned()),
        "managed identity by client id, call" => call(ManagedIdentity::by_client_id("an-id")),
        "managed identity by object id, call" => call(ManagedIdentity::by_object_id("an-id")),
        "managed identity, debug" => {
            ManagedIdentity::system_assigned().map(|it| println!("{it:?} {it:#?}"))
        }
        _ => return None,
    })
}

/// One call, of which all is told that is logged. Waits take no time.
fn call(credential: Result<ManagedIdentity, Error>) -> Result<(), Error> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Told).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
    let credential = elsewhere(credential?);
    println!("{credential:?} {credential:#?}");
    let clock = FakeClock::new();
    let client = Client::builder(credential)
        .cloud(cloud(env::var(URL).unwrap()))
        .clock(clock.clone())
        .retry_policy(RetryPolicy::none())
        .build()?;
    println!("{client:?}");
    let outcome = client.scan_agents().map(drop);
    println!("<{} s>", clock.now().as_secs());
    outcome
}

/// The machine's own identity is nothing for a test to ask for.
fn elsewhere(credential: ManagedIdentity) -> ManagedIdentity {
    assert!(!format!("{credential:?}").contains("//169.254."));
    credential
}

/// Prints what the crate logs, and what the transport does but for its raw bytes.
struct Told;

impl Log for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("defender_endpoint") || metadata.level() <= Level::Debug
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            println!("log: {}", record.args());
        }
    }

    fn flush(&self) {}
}

fn api() -> RawServer {
    RawServer::sending(Answer::json(NOTHING))
}

/// What a child says that makes a call with these variables, and the requests that its endpoint saw.
fn called(task: &str, variables: &[(&str, &str)]) -> String {
    let api = api();
    let api_url = api.url();
    // `run` looks for the secret.
    let said = run(task, &[variables, &[(URL, &api_url)]].concat());
    let went_well = said.contains("<went well>");
    assert_eq!(api.calls(), usize::from(went_well), "{said}");
    if went_well {
        let token = api.only().header("authorization");
        assert_eq!(token.unwrap(), "Bearer a-token");
    }
    said
}

#[test]
fn an_app_asks_the_endpoint_of_its_environment() {
    let endpoint = RawServer::sending(Answer::json(TOKEN));
    let url = format!("{}/msi/token?x=1", endpoint.url());
    // The older variables are there too, for older programs.
    let variables = [
        ("IDENTITY_ENDPOINT", url.as_str()),
        ("IDENTITY_HEADER", SECRET),
        ("MSI_ENDPOINT", "http://127.0.0.1:1"),
        ("MSI_SECRET", SECRET),
    ];
    for (task, identity) in [
        (CALL, ""),
        ("managed identity by client id, call", "&client_id=an-id"),
        ("managed identity by object id, call", "&principal_id=an-id"),
    ] {
        endpoint.forget();
        let said = called(task, &variables);
        assert!(said.contains("<went well>"), "{said}");
        assert!(said.contains("AppService") && said.contains("/msi/token"));
        let seen = endpoint.only();
        let target = format!("GET /msi/token?x=1&api-version=2019-08-01&{RESOURCE}{identity}");
        assert_eq!(seen.line(), target);
        assert_eq!(seen.header("x-identity-header").unwrap(), SECRET);
        assert_eq!(seen.header("metadata"), None);
        assert_eq!(seen.header("authorization"), None);
    }
}

#[test]
fn a_cluster_has_its_metadata_service_elsewhere() {
    let endpoint = RawServer::sending(Answer::json(TOKEN));
    let url = format!("{}/", endpoint.url());
    let said = called(CALL, &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &url)]);
    assert!(said.contains("<went well>"), "{said}");
    assert!(said.contains("Imds"), "{said}");
    let seen = endpoint.only();
    let target = format!("GET /metadata/identity/oauth2/token?api-version=2018-02-01&{RESOURCE}");
    assert_eq!(seen.line(), target);
    assert_eq!(seen.header("metadata").unwrap(), "true");
}

/// F48: no proxy of the environment is between a program and the endpoint on its machine, be that
/// `http` or `https`.
#[test]
fn no_proxy_of_the_environment_is_used() {
    let endpoint = RawServer::sending(Answer::json(TOKEN));
    let proxy = Forbidden::new();
    let proxy_url = format!("http://{}", proxy.host());
    let proxies = [
        "ALL_PROXY",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "http_proxy",
        "https_proxy",
    ]
    .map(|name| (name, proxy_url.as_str()));
    let app = format!("{}/msi/token", endpoint.url());
    let base = endpoint.url();
    let of_app = [
        ("IDENTITY_ENDPOINT", app.as_str()),
        ("IDENTITY_HEADER", "h"),
    ];
    let of_arc = [
        ("IDENTITY_ENDPOINT", app.as_str()),
        ("IMDS_ENDPOINT", &base),
    ];
    let of_pod = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", base.as_str())];
    let mut sources = vec![&of_app[..], &of_pod[..]];
    if cfg!(any(windows, target_os = "linux")) {
        sources.push(&of_arc[..]);
    }
    for source in sources {
        endpoint.forget();
        let data = [("ProgramData", r"C:\ProgramData")];
        let said = called(CALL, &[source, &proxies, &data].concat());
        // The agent of Azure Arc would want to see its key.
        let end = match source {
            source if source == of_arc => "the Azure Arc agent did not ask for its key",
            _ => "<went well>",
        };
        assert!(said.contains(end), "{said}");
        assert_eq!(endpoint.calls(), 1);
    }
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    {
        let https = format!("https://{}/msi/token", super::raw::deserted());
        let source = [
            ("IDENTITY_ENDPOINT", https.as_str()),
            ("IDENTITY_HEADER", "h"),
        ];
        let said = called(CALL, &[&source[..], &proxies].concat());
        assert!(said.contains("refused the connection"), "{said}");
        assert!(!said.contains("through the proxy"), "{said}");
    }
    proxy.assert_untouched();
}

/// F49: what the endpoint of an app answers is tried again or told at once, by its status.
#[test]
fn an_apps_endpoint_is_tried_again_where_that_can_help() {
    for (status, tries, seconds) in [(429, 5, 52), (500, 5, 52), (400, 1, 0), (404, 1, 0)] {
        let endpoint = RawServer::sending(Answer::new(status, &[], ""));
        let url = format!("{}/msi/token", endpoint.url());
        let variables = [
            ("IDENTITY_ENDPOINT", url.as_str()),
            ("IDENTITY_HEADER", SECRET),
        ];
        let said = called(CALL, &variables);
        assert!(
            said.contains("<Credential> ") && said.contains(&status.to_string()),
            "{said}"
        );
        assert!(said.contains(&format!("<{seconds} s>")), "{said}");
        assert_eq!(endpoint.calls(), tries);
        assert_eq!(said.contains("next try in"), tries > 1, "{said}");
    }
}

/// F50: where something answers like Azure Arc's agent and names any other file, that is not read: the
/// challenge gets no second request.
#[cfg(any(windows, target_os = "linux"))]
#[test]
fn a_challenge_gets_no_file_from_elsewhere() {
    let folder = env::temp_dir().join(format!("defender-endpoint-env-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("a.key");
    std::fs::write(&file, SECRET).unwrap();
    for realm in [
        file.display().to_string(),
        "/var/opt/azcmagent/tokens/../a.key".to_owned(),
        "/etc/passwd".to_owned(),
    ] {
        let challenge = format!("Basic realm={realm}");
        let headers = [("WWW-Authenticate", challenge.as_str())];
        let endpoint = RawServer::sending(Answer::new(401, &headers, ""));
        let url = format!("{}/metadata/identity/oauth2/token", endpoint.url());
        let variables = [
            ("IDENTITY_ENDPOINT", url.as_str()),
            ("IMDS_ENDPOINT", url.as_str()),
            ("ProgramData", r"C:\ProgramData"),
        ];
        let said = called(CALL, &variables);
        assert!(said.contains("AzureArc"), "{said}");
        assert!(
            said.contains("<Credential> ") && said.contains("no key directly in"),
            "{said}"
        );
        let seen = endpoint.only();
        let target =
            format!("GET /metadata/identity/oauth2/token?api-version=2021-02-01&{RESOURCE}");
        assert_eq!(seen.line(), target);
        assert_eq!(seen.header("authorization"), None);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_not_supported_is_said_before_anything_is_sent() {
    let endpoint = Forbidden::new();
    let url = format!("http://{}/msi/token", endpoint.host());
    let url = url.as_str();
    for (variables, words) in [
        (
            &[
                ("IDENTITY_ENDPOINT", url),
                ("IDENTITY_HEADER", SECRET),
                ("IDENTITY_SERVER_THUMBPRINT", "a-thumbprint"),
            ][..],
            ["Service Fabric", "hint: "],
        ),
        (&[("MSI_ENDPOINT", url)], ["Cloud Shell", "Azure CLI"]),
        (
            &[("MSI_ENDPOINT", url), ("MSI_SECRET", SECRET)],
            ["Azure Machine Learning", "hint: "],
        ),
    ] {
        let said = called(CALL, variables);
        assert!(said.contains("<Config> "), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    endpoint.assert_untouched();
}

#[test]
fn a_variable_that_makes_no_sense_is_named() {
    let of = |name, value| match name {
        "IDENTITY_ENDPOINT" => vec![(name, value), ("IDENTITY_HEADER", SECRET)],
        "IDENTITY_HEADER" => vec![("IDENTITY_ENDPOINT", "http://127.0.0.1:1/x"), (name, value)],
        _ => vec![(name, value)],
    };
    for (name, value) in [
        ("IDENTITY_ENDPOINT", "127.0.0.1:1/hunter2"),
        ("IDENTITY_ENDPOINT", "http://hunter2@127.0.0.1:1"),
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:1/x hunter2"),
        ("IDENTITY_HEADER", "hunter2 hunter2"),
        ("IDENTITY_HEADER", "hunter2\nhunter2"),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "hunter2"),
        (
            "AZURE_POD_IDENTITY_AUTHORITY_HOST",
            "http://127.0.0.1:1?hunter2",
        ),
    ] {
        let said = run("managed identity, debug", &of(name, value));
        assert!(said.contains(&format!("<Config> {name}: ")), "{said}");
    }
}

/// No client is made: this looks at what would be asked.
#[test]
fn a_machine_of_which_nothing_is_known_has_the_metadata_service() {
    let said = run("managed identity, debug", &[("IDENTITY_HEADER", SECRET)]);
    let installed = cfg!(windows) || std::fs::exists("/opt/azcmagent/bin/himds").unwrap();
    assert!(installed || said.contains("Imds"), "{said}");
    assert!(said.contains("<went well>"), "{said}");
}

/// The endpoint repeats what it was sent, in an error and in an answer that makes no sense.
#[test]
fn the_header_is_in_no_text_and_no_log() {
    for answer in [
        Answer::new(
            503,
            &[],
            format!(r#"{{"error":"{SECRET}","error_description":"a {SECRET}"}}"#),
        ),
        Answer::new(
            400,
            &[("x-ms-request-id", SECRET)],
            format!(r#"{{"error":"{SECRET}"}}"#),
        ),
        Answer::json(format!(r#"{{"access_token":["{SECRET}"]}}"#)),
        Answer::new(
            302,
            &[("Location", &format!("http://127.0.0.1/{SECRET}"))],
            "",
        ),
    ] {
        let endpoint = RawServer::sending(answer);
        let url = format!("{}/msi/token", endpoint.url());
        let variables = [
            ("IDENTITY_ENDPOINT", url.as_str()),
            ("IDENTITY_HEADER", SECRET),
        ];
        // `run` looks for it.
        let said = called(CALL, &variables);
        assert!(
            said.contains("<Credential> ") && said.contains("log: "),
            "{said}"
        );
        assert_eq!(
            endpoint.requests()[0].header("x-identity-header").unwrap(),
            SECRET
        );
    }
}
