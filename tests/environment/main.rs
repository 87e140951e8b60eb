//! What the environment decides. It belongs to the whole process, so that each case here runs in a
//! process of its own: this test binary again, with nothing in its environment but the case.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

#[cfg(unix)]
mod azure_cli;
mod content_for_path;
#[path = "../it/support/folder.rs"]
mod folder;
mod from_env;
mod github_actions;
mod managed_identity;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod networks;
#[path = "../it/support/raw.rs"]
mod raw;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[path = "../it/support/tls_server.rs"]
mod tls_server;
#[path = "../it/support/well_formed.rs"]
mod well_formed;

use std::env;
use std::ffi::OsStr;
use std::process::Command;

use defender_endpoint::{Client, ClientBuilder, Error, RetryPolicy, StaticToken};

#[cfg(any(feature = "rustls", feature = "native-tls"))]
use raw::Request;
use raw::{Answer, Forbidden, RawServer, cloud};

/// Says to a process that it is a child, and what it should do.
const TASK: &str = "DEFENDER_ENDPOINT_TASK";
/// Says to a child where the API is, where it doesn't read that from the variables under test.
const URL: &str = "DEFENDER_ENDPOINT_URL";

const NOTHING: &str = r#"{"value":[]}"#;
const SECRET: &str = "hunter2~of+the=environment";

/// Everything that is needed, as most cases have it.
const CREDENTIALS: [(&str, &str); 3] = [
    ("AZURE_TENANT_ID", "contoso.com"),
    ("AZURE_CLIENT_ID", "an-app"),
    ("AZURE_CLIENT_SECRET", SECRET),
];

/// No test, but what the children do.
#[test]
fn child() {
    let Ok(task) = env::var(TASK) else { return };
    if let Some(outcome) = managed_identity::task(&task) {
        return report(outcome);
    }
    if let Some(outcome) = github_actions::task(&task) {
        return report(outcome);
    }
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    if let Some(outcome) = networks::task(&task) {
        return report(outcome);
    }
    #[cfg(unix)]
    if let Some(outcome) = azure_cli::task(&task) {
        return report(outcome);
    }
    let outcome = match task.as_str() {
        "build" => Client::from_env().map(drop),
        "call" => call(|builder| builder),
        "call, no proxy" => call(ClientBuilder::no_proxy),
        "call with a name" => call(|builder| builder.user_agent("a-tool/1")),
        "debug" => ClientBuilder::from_env().map(|builder| println!("{builder:?} {builder:#?}")),
        "token" => token_call(|builder| builder),
        "token, no proxy" => token_call(ClientBuilder::no_proxy),
        "token, retries" => token_call(|builder| builder.retry_policy(RetryPolicy::default())),
        "token, proxy" => {
            token_call(|builder| builder.proxy(env::var("DEFENDER_ENDPOINT_PROXY").unwrap()))
        }
        other => panic!("{other}"),
    };
    report(outcome);
}

/// What `run` gives back.
fn report(outcome: Result<(), Error>) {
    match outcome {
        Ok(()) => println!("<went well>"),
        Err(error) => {
            println!(
                "<{:?}> {error}\n{error:?}\n{error:#?}\n<whole> {error:#}",
                error.kind()
            );
            well_formed::assert_well_formed(&error);
        }
    }
}

/// One call with what the environment says, tried once.
fn call(settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Result<(), Error> {
    let builder = ClientBuilder::from_env()?.retry_policy(RetryPolicy::none());
    settings(builder).build()?.scan_agents().map(drop)
}

fn token_call(settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Result<(), Error> {
    let url = env::var(URL).unwrap();
    let builder = Client::builder(StaticToken::new("a-token")?)
        .cloud(cloud(url))
        .retry_policy(RetryPolicy::none());
    settings(builder).build()?.scan_agents().map(drop)
}

/// What a child with this task and these variables says.
fn run<V: AsRef<OsStr>>(task: &str, variables: &[(&str, V)]) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--nocapture"])
        .env_clear()
        .env(TASK, task);
    // What processes need to start on some systems, and to report coverage.
    for name in [
        "SystemRoot",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "LLVM_PROFILE_FILE",
    ] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    for (name, value) in variables {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!said.contains("hunter2"), "the secret is shown: {said}");
    assert!(said.contains('<'), "the child did nothing: {said}");
    said
}

/// The same, with credentials.
fn run_with(task: &str, variables: &[(&str, &str)]) -> String {
    run(task, &[&CREDENTIALS, variables].concat())
}

/// What a child says that must not get as far as a client.
fn refused(variables: &[(&str, &str)], words: &[&str]) -> String {
    let said = run("build", variables);
    let kinds = ["<Config> ", "<NoCredential> "];
    assert!(kinds.iter().any(|kind| said.contains(kind)), "{said}");
    for word in words {
        assert!(said.contains(word), "{said:?} doesn't say {word:?}");
    }
    said
}

/// A token endpoint and an API in one.
fn tenant() -> RawServer {
    RawServer::new(|seen| {
        Answer::json(match seen.method() {
            "POST" => r#"{"access_token":"a-token","expires_in":3599}"#,
            _ => NOTHING,
        })
    })
}

// --- what is needed

#[test]
fn what_is_missing_is_named_and_nothing_else() {
    for missing in CREDENTIALS {
        let others: Vec<_> = CREDENTIALS
            .into_iter()
            .filter(|other| *other != missing)
            .collect();
        // Empty and blank count as missing.
        for value in [None, Some(""), Some(" \t")] {
            let mut variables = others.clone();
            variables.extend(value.map(|value| (missing.0, value)));
            let said = refused(&variables, &[missing.0]);
            for (name, _) in &others {
                assert!(!said.contains(name), "{said}");
            }
        }
    }
}

/// A program that also works without an account must not take a mistake for having none.
#[test]
fn no_credential_at_all_is_told_from_one_that_is_incomplete() {
    let roots = ("DEFENDER_ROOT_CERTIFICATES", "/no/such/file");
    let blank = ("AZURE_CLIENT_SECRET", " ");
    for variables in [&[][..], &[blank], &[roots]] {
        let said = run("build", variables);
        assert!(
            said.contains("<NoCredential> the environment names no credential"),
            "{said}"
        );
        let page = "https://docs.rs/defender-endpoint/latest/defender_endpoint/setup/ ";
        assert!(said.contains(page), "{said}");
    }
    for name in [
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_AUTHORITY_HOST",
        "DEFENDER_CLOUD",
        "DEFENDER_API_URL",
        "DEFENDER_SCOPE",
    ] {
        let said = refused(&[(name, "something")], &["names no credential"]);
        assert!(said.contains("<Config> "), "{name}: {said}");
    }
    let narrowed = ("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential");
    let platform = ("IDENTITY_ENDPOINT", "http://127.0.0.1:1/x");
    for named in [narrowed, platform] {
        assert!(refused(&[named], &[]).contains("<Config> "), "{named:?}");
    }
}

#[test]
fn what_is_there_is_enough() {
    let said = run_with("build", &[]);
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    assert!(said.contains("<went well>"), "{said}");
    #[cfg(not(any(feature = "rustls", feature = "native-tls")))]
    assert!(said.contains("without TLS"), "{said}");
}

#[test]
fn the_credentials_are_those_of_the_environment() {
    let server = tenant();
    let url = server.url();
    let said = run_with(
        "call",
        &[("AZURE_AUTHORITY_HOST", &url), ("DEFENDER_API_URL", &url)],
    );
    assert!(said.contains("<went well>"), "{said}");
    let seen = server.requests();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        seen[0].request_line(),
        "POST /contoso.com/oauth2/v2.0/token HTTP/1.1"
    );
    let form = "client_id=an%2Dapp&client_secret=hunter2%7Eof%2Bthe%3Denvironment&grant_type=client%5Fcredentials";
    assert!(seen[0].text().starts_with(form), "{}", seen[0].text());
    assert_eq!(
        seen[1].request_line(),
        "GET /api/DeviceAuthenticatedScanAgents HTTP/1.1"
    );
    assert_eq!(seen[1].header("authorization").unwrap(), "Bearer a-token");
}

/// F45: a tenant that the environment gives is checked like any other, and never part of a URL.
#[test]
fn a_tenant_of_the_environment_is_a_guid_or_a_domain() {
    let [_, app, secret] = CREDENTIALS;
    for tenant in [
        "common",
        "..",
        "../contoso.com",
        "contoso.com/x",
        "contoso.com?x",
    ] {
        let variables = [("AZURE_TENANT_ID", tenant), app, secret];
        refused(&variables, &["AZURE_TENANT_ID", "tenant"]);
    }
}

#[test]
fn a_value_that_makes_no_sense_names_its_variable() {
    let [tenant, app, secret] = CREDENTIALS;
    refused(
        &[tenant, ("AZURE_CLIENT_ID", "an app"), secret],
        &["AZURE_CLIENT_ID", "client id"],
    );
    for secret in ["hunter2\nhunter2", "hunter2\n"] {
        let variables = [tenant, app, ("AZURE_CLIENT_SECRET", secret)];
        refused(&variables, &["AZURE_CLIENT_SECRET", "client secret"]);
    }
    let variables = [&CREDENTIALS[..], &[("DEFENDER_CLOUD", "hunter2")]].concat();
    refused(&variables, &["DEFENDER_CLOUD", "gcc-high"]);
    for (name, words) in [
        ("DEFENDER_API_URL", "the API URL"),
        ("AZURE_AUTHORITY_HOST", "the login authority"),
    ] {
        for url in [
            "contoso.com",
            "http://contoso.com",
            "https://u:hunter2@contoso.com",
            "https://contoso.com/hunter2",
        ] {
            refused(&[&CREDENTIALS[..], &[(name, url)]].concat(), &[words]);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_unicode_names_its_variable() {
    use std::os::unix::ffi::OsStrExt;

    let broken = OsStr::from_bytes(b"hunter2\xff");
    let all = CREDENTIALS.map(|(name, _)| name);
    let others = [
        "AZURE_AUTHORITY_HOST",
        "DEFENDER_CLOUD",
        "DEFENDER_API_URL",
        "DEFENDER_SCOPE",
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        "DEFENDER_ROOT_CERTIFICATES",
    ];
    for name in all.into_iter().chain(others) {
        let mut variables = CREDENTIALS
            .map(|(name, value)| (name, OsStr::new(value)))
            .to_vec();
        variables.push((name, broken));
        let said = run("build", &variables);
        assert!(said.contains("<Config> ") && said.contains(name), "{said}");
        assert!(said.contains("Unicode"), "{said}");
    }
}

#[test]
fn the_secret_is_in_no_debug_text() {
    // `run` looks for it.
    let said = run_with("debug", &[]);
    assert!(
        said.contains("contoso.com") && said.contains("<went well>"),
        "{said}"
    );
}

#[test]
fn a_builder_from_the_environment_takes_more_settings() {
    let server = tenant();
    let url = server.url();
    let variables = [
        ("AZURE_AUTHORITY_HOST", url.as_str()),
        ("DEFENDER_API_URL", &url),
    ];
    run_with("call with a name", &variables);
    for seen in server.requests() {
        assert!(
            seen.header("user-agent")
                .unwrap()
                .starts_with("a-tool/1 defender-endpoint/")
        );
    }
}

// --- which hosts

/// Who a child with these variables wants to talk to, seen from the proxy that it must use: the
/// login authority, and the API.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn hosts(variables: &[(&str, &str)]) -> (String, String) {
    let to = |seen: &Request| seen.request_line().split(' ').nth(1).unwrap().to_owned();
    let refusing = RawServer::new(|_| Answer::new(502, &[], "").closed());
    run_with(
        "call",
        &[variables, &[("HTTPS_PROXY", &refusing.url())]].concat(),
    );
    let authority = to(&refusing.only());

    // A login authority on loopback, so that the call goes on to the API.
    let (login, proxy) = (tenant(), proxy());
    let more = [
        ("HTTPS_PROXY", proxy.url()),
        ("AZURE_AUTHORITY_HOST", login.url()),
    ];
    let more = more.each_ref().map(|(name, value)| (*name, value.as_str()));
    run_with("call", &[variables, &more].concat());
    (authority, to(proxy.requests().last().unwrap()))
}

/// The scope that a child with these variables asks for.
fn scope(variables: &[(&str, &str)]) -> String {
    let login = RawServer::sending(Answer::new(400, &[], ""));
    run_with(
        "call",
        &[variables, &[("AZURE_AUTHORITY_HOST", login.url().as_str())]].concat(),
    );
    let form = login.only().text().to_owned();
    let (_, scope) = form.split_once("&scope=").unwrap();
    percent_encoding::percent_decode_str(scope)
        .decode_utf8()
        .unwrap()
        .into_owned()
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
const COMMERCIAL: &str = "https://api.securitycenter.microsoft.com/.default";
#[cfg(any(feature = "rustls", feature = "native-tls"))]
const GCC: &str = "https://api-gcc.securitycenter.microsoft.us/.default";
#[cfg(any(feature = "rustls", feature = "native-tls"))]
const GOV: &str = "https://api-gov.securitycenter.microsoft.us/.default";

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_cloud_by_name_selects_api_authority_and_scope() {
    for (name, api, authority, expected) in [
        ("", "api.securitycenter.microsoft.com", "com", COMMERCIAL),
        (
            "commercial",
            "api.securitycenter.microsoft.com",
            "com",
            COMMERCIAL,
        ),
        (
            "us",
            "api-us.securitycenter.microsoft.com",
            "com",
            COMMERCIAL,
        ),
        (
            "eu",
            "api-eu.securitycenter.microsoft.com",
            "com",
            COMMERCIAL,
        ),
        (
            "uk",
            "api-uk.securitycenter.microsoft.com",
            "com",
            COMMERCIAL,
        ),
        (
            "au",
            "api-au.securitycenter.microsoft.com",
            "com",
            COMMERCIAL,
        ),
        ("gcc", "api-gcc.securitycenter.microsoft.us", "com", GCC),
        ("gcc-high", "api-gov.securitycenter.microsoft.us", "us", GOV),
        ("dod", "api-gov.securitycenter.microsoft.us", "us", GOV),
        (
            " GCC-High\n",
            "api-gov.securitycenter.microsoft.us",
            "us",
            GOV,
        ),
    ] {
        let variables = [("DEFENDER_CLOUD", name)];
        let authority = format!("login.microsoftonline.{authority}:443");
        assert_eq!(
            hosts(&variables),
            (authority, format!("{api}:443")),
            "{name}"
        );
        assert_eq!(scope(&variables), expected, "{name}");
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn an_api_url_of_the_vendors_list_selects_authority_and_scope() {
    for (host, authority, expected) in [
        ("api.security.microsoft.com", "com", COMMERCIAL),
        ("eu.api.security.microsoft.com", "com", COMMERCIAL),
        ("swa.api.security.microsoft.com", "com", COMMERCIAL),
        ("api.securitycenter.windows.com", "com", COMMERCIAL),
        ("api-gcc.securitycenter.microsoft.us", "com", GCC),
        ("api-gov.securitycenter.microsoft.us", "us", GOV),
        // Not on the list: the default's.
        ("api.example.com", "com", COMMERCIAL),
    ] {
        let url = format!("https://{host}/");
        let variables = [("DEFENDER_API_URL", url.as_str())];
        let authority = format!("login.microsoftonline.{authority}:443");
        assert_eq!(
            hosts(&variables),
            (authority, format!("{host}:443")),
            "{host}"
        );
        assert_eq!(scope(&variables), expected, "{host}");
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_cloud_by_name_outweighs_the_host_of_the_api_url() {
    let variables = [
        ("DEFENDER_CLOUD", "gcc"),
        ("DEFENDER_API_URL", "https://api.security.microsoft.com"),
    ];
    let expected = (
        "login.microsoftonline.com:443",
        "api.security.microsoft.com:443",
    );
    assert_eq!(
        hosts(&variables),
        (expected.0.to_owned(), expected.1.to_owned())
    );
    assert_eq!(scope(&variables), GCC);
}

#[test]
fn a_scope_of_its_own_outweighs_the_clouds() {
    let url = "http://127.0.0.1:1";
    let variables = [
        ("DEFENDER_API_URL", url),
        ("DEFENDER_SCOPE", " api://an-audience/.default "),
    ];
    assert_eq!(scope(&variables), "api://an-audience/.default");
    let variables = [("DEFENDER_API_URL", url), ("DEFENDER_SCOPE", " ")];
    assert_eq!(
        scope(&variables),
        "https://api.securitycenter.microsoft.com/.default"
    );
}

#[test]
fn a_slash_behind_the_authority_is_not_doubled() {
    let server = tenant();
    let (url, slashed) = (server.url(), format!("{}/", server.url()));
    for authority in [&url, &slashed] {
        server.forget();
        let variables = [
            ("AZURE_AUTHORITY_HOST", authority.as_str()),
            ("DEFENDER_API_URL", &slashed),
        ];
        let said = run_with("call", &variables);
        assert!(said.contains("<went well>"), "{said}");
        let targets: Vec<_> = server
            .requests()
            .iter()
            .map(|seen| seen.target().to_owned())
            .collect();
        assert_eq!(
            targets,
            [
                "/contoso.com/oauth2/v2.0/token",
                "/api/DeviceAuthenticatedScanAgents"
            ]
        );
    }
}

// --- proxies

/// A proxy that lets nobody through.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn proxy() -> RawServer {
    RawServer::new(|_| Answer::new(403, &[], "").closed())
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn lines(server: &RawServer) -> Vec<String> {
    server
        .requests()
        .iter()
        .map(|seen| seen.request_line().to_owned())
        .collect()
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn the_proxy_of_the_environment_is_used() {
    for name in [
        "ALL_PROXY",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "all_proxy",
        "https_proxy",
        "http_proxy",
    ] {
        let (api, proxy) = (Forbidden::new(), proxy());
        let url = format!("https://{}", api.host());
        let said = run("token", &[(URL, url), (name, proxy.url())]);
        assert!(
            said.contains("<Transport> ") && said.contains("403"),
            "{said}"
        );
        assert_eq!(
            lines(&proxy),
            [format!("CONNECT {} HTTP/1.1", api.host())],
            "{name}"
        );
        // The token is for the API, not for the proxy.
        assert_eq!(proxy.requests()[0].header("authorization"), None);
        api.assert_untouched();
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn tokens_are_fetched_through_the_proxy_too() {
    let proxy = proxy();
    let variables = [
        ("AZURE_AUTHORITY_HOST", "https://127.0.0.1:1"),
        ("DEFENDER_API_URL", "https://127.0.0.1:2"),
        ("HTTPS_PROXY", &proxy.url()),
    ];
    let said = run_with("call", &variables);
    assert!(
        said.contains("token request: ") && said.contains("through the proxy"),
        "{said}"
    );
    assert_eq!(lines(&proxy), ["CONNECT 127.0.0.1:1 HTTP/1.1"]);
}

#[test]
fn plain_http_to_loopback_goes_past_every_proxy() {
    let (api, proxy) = (tenant(), Forbidden::new());
    let proxy_url = format!("http://{}", proxy.host());
    for task in ["token", "token, proxy"] {
        let variables = [
            (URL, &api.url()),
            ("ALL_PROXY", &proxy_url),
            ("DEFENDER_ENDPOINT_PROXY", &proxy_url),
        ];
        assert!(run(task, &variables).contains("<went well>"));
    }
    proxy.assert_untouched();
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_proxy_that_speaks_no_http_is_refused() {
    for url in ["socks5://127.0.0.1:1", "socks4://127.0.0.1:1"] {
        let said = run("build", &[&CREDENTIALS[..], &[("ALL_PROXY", url)]].concat());
        assert!(
            said.contains("<Config> ") && said.contains("ALL_PROXY: the proxy URL"),
            "{said}"
        );
        assert!(said.contains("expected http://"), "{said}");
    }
}

#[test]
fn no_proxy_ignores_the_environment() {
    let (api, proxy) = (tenant(), Forbidden::new());
    let proxy_url = format!("http://{}", proxy.host());
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy"] {
        let said = run("token, no proxy", &[(URL, &api.url()), (name, &proxy_url)]);
        assert!(said.contains("<went well>"), "{said}");
    }
    assert_eq!(api.requests().len(), 4);
    api.forget();
    let url = api.url();
    let variables = [
        ("AZURE_AUTHORITY_HOST", url.as_str()),
        ("DEFENDER_API_URL", &url),
        ("ALL_PROXY", &proxy_url),
    ];
    let said = run_with("call, no proxy", &variables);
    assert!(said.contains("<went well>"), "{said}");
    assert_eq!(api.requests().len(), 2, "token and call");
    proxy.assert_untouched();
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn the_exceptions_of_the_environment_are_kept() {
    for (exceptions, direct) in [
        ("127.0.0.1", true),
        ("*", true),
        ("example.com,127.0.0.1", true),
        ("example.com", false),
        ("", false),
    ] {
        let proxy = proxy();
        let variables = [
            (URL, "https://127.0.0.1:1".to_owned()),
            ("ALL_PROXY", proxy.url()),
            ("NO_PROXY", exceptions.to_owned()),
        ];
        let said = run("token", &variables);
        assert!(said.contains("<Transport> "), "{said}");
        assert_eq!(proxy.requests().is_empty(), direct, "{exceptions}");
        assert_eq!(said.contains("through the proxy"), !direct, "{said}");
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_proxy_of_the_programs_own_outweighs_the_environment() {
    let (api, own, other) = (Forbidden::new(), proxy(), Forbidden::new());
    let variables = [
        (URL, format!("https://{}", api.host())),
        ("DEFENDER_ENDPOINT_PROXY", own.url()),
        ("ALL_PROXY", format!("http://{}", other.host())),
    ];
    let said = run("token, proxy", &variables);
    assert!(said.contains("<Transport> "), "{said}");
    assert_eq!(own.requests().len(), 1);
    api.assert_untouched();
    other.assert_untouched();
}

/// F13: a proxy of the environment that refuses is named with its answer and without its password,
/// and is not asked again.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_proxys_password_in_the_environment_is_not_shown() {
    for (status, task) in [(407, "token, retries"), (502, "token")] {
        let proxy = RawServer::new(move |_| Answer::new(status, &[], "").closed());
        let url = format!("http://a-user:hunter2@{}", proxy.host());
        // `run` looks for the password.
        let said = run(
            task,
            &[(URL, "https://127.0.0.1:1".to_owned()), ("ALL_PROXY", url)],
        );
        assert!(said.contains("<Transport> "), "{said}");
        let through = format!("through the proxy {}", proxy.host());
        assert!(said.contains(&through), "{said}");
        assert!(said.contains(&status.to_string()), "{said}");
        assert!(proxy.only().header("proxy-authorization").is_some());
    }
}

/// F13: a proxy of the environment that is down is named too, without its password.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_proxy_of_the_environment_that_is_down_is_named() {
    let proxy = raw::deserted();
    let url = format!("http://a-user:hunter2@{proxy}");
    let variables = [(URL, "https://127.0.0.1:1".to_owned()), ("ALL_PROXY", url)];
    let said = run("token", &variables);
    let named = format!("through the proxy {proxy} refused the connection");
    assert!(
        said.contains("<Transport> ") && said.contains(&named),
        "{said}"
    );
}
