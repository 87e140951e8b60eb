//! A job of GitHub Actions, whose ID token vouches for an app registration.

use std::env;

use defender_endpoint::testing::{Fault, Tenant};
use defender_endpoint::{Client, ClientAssertion, Credential, Error};

use crate::raw::{Answer, Forbidden, RawServer, cloud};
use crate::{CREDENTIALS, refused, run};

const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
const REQUEST: (&str, &str) = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "hunter2-of-the-job");
const URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";

/// What a child with this task does, if it is this one.
pub(crate) fn task(name: &str) -> Option<Result<(), Error>> {
    (name == "github").then(|| {
        let credential = ClientAssertion::github_actions("contoso.com", "an-app")?;
        println!("<{}> {credential:?} {credential:#?}", credential.name());
        let client = Client::builder(credential)
            .cloud(cloud(env::var("DEFENDER_API_URL").unwrap()))
            .build()?;
        client.access_token().map(drop)
    })
}

/// GitHub, Entra and the API in one.
fn service(github: impl Fn() -> Answer + Send + 'static) -> RawServer {
    RawServer::new(move |seen| match seen.method() {
        "GET" if seen.target().starts_with("/idtoken") => github(),
        "POST" => Answer::json(r#"{"access_token":"a-token","expires_in":3599}"#),
        _ => Answer::json(r#"{"value":[]}"#),
    })
}

fn with(service: &RawServer, query: &str, task: &str) -> String {
    let [tenant, client, _] = CREDENTIALS;
    let (url, own) = (service.url(), format!("{}/idtoken{query}", service.url()));
    let hosts = [("AZURE_AUTHORITY_HOST", &url), ("DEFENDER_API_URL", &url)];
    let hosts = hosts.map(|(name, url)| (name, url.as_str()));
    let job = [(URL, own.as_str()), REQUEST, ("GITHUB_ACTIONS", "true")];
    run(task, &[&[tenant, client][..], &hosts, &job].concat())
}

#[test]
fn a_job_of_github_vouches_for_the_app() {
    let service = service(|| Answer::json(format!(r#"{{"count":1,"value":"{JWT}"}}"#)));
    for (query, sent) in [
        ("?api-version=2.0", "?api-version=2.0&audience="),
        ("", "?audience="),
    ] {
        for task in ["call", "github"] {
            service.forget();
            let said = with(&service, query, task);
            assert!(said.contains("<went well>"), "{said}");
            assert_eq!(said.contains("<GitHub Actions> "), task == "github");
            let seen = service.requests();
            let audience = "api%3A%2F%2FAzureADTokenExchange";
            assert_eq!(seen[0].line(), format!("GET /idtoken{sent}{audience}"));
            assert_eq!(
                seen[0].header("authorization").unwrap(),
                format!("Bearer {}", REQUEST.1)
            );
            let form = seen[1].text().replace("%2E", ".");
            assert!(form.contains(&format!("client_assertion={JWT}&")), "{form}");
        }
    }
}

#[test]
fn what_github_answers_instead_is_told_without_the_jobs_token() {
    for (answer, said) in [
        (
            Answer::new(403, &[], r#"{"message":"no hunter2-of-the-job here"}"#),
            "403 Forbidden: no *** here",
        ),
        (
            Answer::json(r#"{"value":7}"#),
            "GitHub's ID token: the answer is not the JSON of an ID token",
        ),
        (
            Answer::json(r#"{"value":"hunter2"}"#),
            "GitHub's ID token: the assertion is no JWT",
        ),
        (
            Answer::new(500, &[], ""),
            "GitHub's ID token: the token request was refused: 500",
        ),
    ] {
        let answer = std::sync::Mutex::new(Some(answer));
        let service = service(move || match answer.lock().unwrap().take() {
            Some(answer) => answer,
            None => Answer::new(500, &[], ""),
        });
        // `run` looks for the token.
        let text = with(&service, "", "call");
        assert!(text.contains("<Credential> "), "{text}");
        assert!(text.contains(said), "{text}");
        assert!(service.requests().iter().all(|seen| seen.method() == "GET"));
    }
}

#[test]
fn a_job_without_the_permission_hears_of_it() {
    let [tenant, client, _] = CREDENTIALS;
    let at_github = ("GITHUB_ACTIONS", "true");
    let missing = "GitHub Actions: ACTIONS_ID_TOKEN_REQUEST_URL is missing";
    refused(&[tenant, client, at_github], &[missing, "id-token: write"]);
    let said = refused(&[tenant, client], &["client secret: "]);
    assert!(!said.contains("GitHub"), "{said}");
    // A pull request from a fork has neither secrets nor a token.
    assert!(
        refused(&[at_github], &[missing.split(' ').next().unwrap()]).contains("<NoCredential> ")
    );
    let url = (URL, "https://github.example/idtoken");
    let half = "ACTIONS_ID_TOKEN_REQUEST_TOKEN is missing";
    let said = refused(
        &[tenant, client, url],
        &[
            "<Config> the environment names no credential",
            half,
            "id-token: write",
        ],
    );
    assert!(!said.contains(&format!("{URL}: ")), "{said}");
    for (url, why) in [
        ("http://github.example/idtoken", "isn't loopback"),
        ("https://github.example/id token", "must be encoded"),
        ("https://github.example/#", "a fragment"),
        ("github.example", "no scheme"),
    ] {
        let said = refused(&[tenant, client, (URL, url), REQUEST], &[why]);
        assert!(
            said.contains(&format!("<Config> {URL}: the URL ")),
            "{said}"
        );
    }
}

/// The whole path with the crate's own fake: the issuer is a fault, since the tenant doesn't have one.
#[test]
fn a_job_can_be_rehearsed_with_the_fake_tenant() {
    let id_token = format!(r#"{{"count":1,"value":"{JWT}"}}"#);
    let tenant = Tenant::builder().start().unwrap();
    let issuer = Fault::body(200, "application/json", id_token).path("/idtoken");
    tenant.fail(issuer.always());
    let own = format!("{}/idtoken?api-version=2.0", tenant.url());
    let variables = [
        ("AZURE_TENANT_ID", tenant.tenant_id()),
        ("AZURE_CLIENT_ID", tenant.client_id()),
        ("AZURE_AUTHORITY_HOST", tenant.authority()),
        ("DEFENDER_API_URL", tenant.url()),
        (URL, &own),
        REQUEST,
        ("GITHUB_ACTIONS", "true"),
    ];
    let said = run("call", &variables);
    assert!(said.contains("<went well>"), "{said}");
    let calls = tenant.exchanges();
    let calls: Vec<_> = calls
        .iter()
        .map(|call| (call.method(), call.status()))
        .collect();
    let good = Some(200);
    assert_eq!(calls, [("GET", good), ("POST", good), ("GET", good)]);
}

/// The advice is about what is missing, and no permission is where GitHub has set its variables.
#[test]
fn the_permission_is_advised_where_it_is_missing() {
    let at_github = ("GITHUB_ACTIONS", "true");
    let url = (URL, "https://github.example/idtoken");
    let missing = "GitHub Actions: AZURE_TENANT_ID, AZURE_CLIENT_ID are missing";
    for variables in [&[url, REQUEST, at_github][..], &[url, REQUEST]] {
        let said = refused(variables, &["<NoCredential> ", missing, "overview has"]);
        assert!(!said.contains("id-token: write"), "{said}");
    }
    let [tenant, client, secret] = CREDENTIALS;
    let choice = |name| ("AZURE_TOKEN_CREDENTIALS", name);
    let by_name = [tenant, client, choice("WorkloadIdentityCredential")];
    let leave = "out of the environment";
    for more in [&[at_github][..], &[url]] {
        let variables = [&by_name[..], more].concat();
        refused(&variables, &["GitHub Actions: ", "id-token: write", leave]);
    }
    for variables in [
        &by_name[..],
        &[client, secret, at_github, choice("EnvironmentCredential")],
    ] {
        let said = refused(variables, &[leave]);
        assert!(!said.contains("id-token: write"), "{said}");
    }
}

/// The ways are told apart in one line too.
#[test]
fn the_reasons_can_be_read_in_one_line() {
    let said = refused(&[("GITHUB_ACTIONS", "true")], &[]);
    let (_, line) = said.split_once("<whole> ").unwrap();
    let line = line.lines().next().unwrap();
    let (_, others) = line.split_once(". The others: ").unwrap();
    let starts = others
        .split("; ")
        .map(|way| way.split([':', ',', '(']).next().unwrap());
    assert_eq!(
        starts.map(str::trim_end).collect::<Vec<_>>(),
        [
            "workload identity",
            "client certificate",
            "GitHub Actions",
            "managed identity",
            "on a virtual machine or an Azure Arc server",
            "to be yourself"
        ]
    );
}

/// GitHub's own variables go before those of the machine that the job runs on, and are a choice by name.
#[test]
fn a_job_goes_before_a_managed_identity() {
    let service = service(|| Answer::json(format!(r#"{{"count":1,"value":"{JWT}"}}"#)));
    let (url, own) = (service.url(), format!("{}/idtoken", service.url()));
    let endpoint = format!("{url}/msi/token");
    let [tenant, client, _] = CREDENTIALS;
    let variables = [
        tenant,
        client,
        ("AZURE_AUTHORITY_HOST", &url),
        ("DEFENDER_API_URL", &url),
        ("IDENTITY_ENDPOINT", &endpoint),
        ("IDENTITY_HEADER", "a-header"),
        (URL, &own),
    ];
    let by_name = ("AZURE_TOKEN_CREDENTIALS", "WorkloadIdentityCredential");
    for more in [&[REQUEST][..], &[REQUEST, by_name]] {
        service.forget();
        let said = run("call", &[&variables[..], more].concat());
        assert!(said.contains("<went well>"), "{said}");
        assert!(service.requests()[0].target().starts_with("/idtoken"));
    }
    // Without the half that GitHub sets too, it is no reason to stop.
    service.forget();
    run("call", &variables);
    assert!(service.requests()[0].target().starts_with("/msi/token"));
}

/// However the scheme is written: a proxy of the environment would see the job's token.
#[test]
fn plain_http_to_loopback_goes_past_the_proxy() {
    let service = service(|| Answer::json(format!(r#"{{"count":1,"value":"{JWT}"}}"#)));
    let proxy = Forbidden::new();
    let (url, through) = (service.url(), format!("http://{}", proxy.host()));
    let own = format!("{}/idtoken", url.replace("http://", "HTTP://"));
    let [tenant, client, _] = CREDENTIALS;
    let variables = [
        tenant,
        client,
        ("AZURE_AUTHORITY_HOST", url.as_str()),
        ("DEFENDER_API_URL", &url),
        ("ALL_PROXY", &through),
        (URL, &own),
        REQUEST,
    ];
    let said = run("call", &variables);
    assert!(said.contains("<went well>"), "{said}");
    proxy.assert_untouched();
}

/// Who names a secret means that.
#[test]
fn a_secret_goes_before_the_job() {
    let service = service(|| Answer::new(500, &[], ""));
    let (url, own) = (service.url(), format!("{}/idtoken", service.url()));
    let variables = [
        ("AZURE_AUTHORITY_HOST", url.as_str()),
        ("DEFENDER_API_URL", &url),
        (URL, &own),
        REQUEST,
    ];
    let said = run("call", &[&CREDENTIALS[..], &variables].concat());
    assert!(said.contains("<went well>"), "{said}");
}
