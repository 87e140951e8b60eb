//! A job of GitHub Actions, whose ID token vouches for an app registration.

use std::env;

use defender_endpoint::testing::{Fault, Tenant};
use defender_endpoint::{Client, ClientAssertion, Credential, Error};

use crate::raw::{Answer, RawServer, cloud};
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
            Answer::new(403, &[], "no hunter2-of-the-job here"),
            "id-token: write",
        ),
        (
            Answer::json(r#"{"value":7}"#),
            "not the JSON of an ID token",
        ),
        (
            Answer::json(r#"{"value":"hunter2"}"#),
            "the assertion is no JWT",
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
    refused(
        &[tenant, client, url],
        &["<Config> ", half, "id-token: write"],
    );
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
