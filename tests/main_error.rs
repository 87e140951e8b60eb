//! What a program shows that returns the crate's error from `main`: run without the variable below,
//! this binary runs itself again as such a program and reads what it says. It has no test harness,
//! since that has a `main` of its own.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

#[path = "it/support/raw.rs"]
mod raw;

use std::env;
use std::process::Command;

use defender_endpoint::filter::Filter;
use defender_endpoint::{Client, RetryPolicy, StaticToken};

use raw::{Answer, RawServer, cloud, deserted};

/// Where the API is, for the program that fails.
const URL: &str = "DEFENDER_ENDPOINT_FAILING_URL";

fn main() -> Result<(), defender_endpoint::Error> {
    if let Ok(url) = env::var(URL) {
        let client = Client::builder(StaticToken::new("a-token")?)
            .cloud(cloud(url))
            .no_proxy()
            .retry_policy(RetryPolicy::none())
            .build()?;
        for machine in client.machines().filter(Filter::raw("id eq 'private'")) {
            println!("{}", machine?.id);
        }
        return Ok(());
    }
    a_refusal_of_the_service_reads_like_a_message();
    a_broken_connection_names_its_cause();
    a_wrong_setting_says_what_to_write_instead();
    println!("ok");
    Ok(())
}

/// What the program says on standard error, line by line.
fn lines_of_failure(url: &str) -> Vec<String> {
    let output = Command::new(env::current_exe().unwrap())
        .env(URL, url)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    for syntax in [
        "{", "}", "Some(", "None", "kind:", "Inner", "Error(", "Error {", "\\\"", "\\n",
    ] {
        assert!(
            !said.contains(syntax),
            "this is no message, it has {syntax:?}:\n{said}"
        );
    }
    for private in ["private", "filter", "a-token"] {
        assert!(!said.contains(private), "{said}");
    }
    said.lines().map(str::to_owned).collect()
}

fn a_refusal_of_the_service_reads_like_a_message() {
    let body = r#"{"error":{"code":"Forbidden","message":"Missing application roles.","target":"a-target"}}"#;
    let server = RawServer::sending(Answer::new(
        403,
        &[("Content-Type", "application/json")],
        body,
    ));
    let lines = lines_of_failure(&server.url());
    assert_eq!(lines.len(), 3, "{lines:#?}");
    let first = "Error: GET /api/machines: 403 Forbidden: Missing application roles.";
    assert_eq!(lines[0], first);
    assert_eq!(lines[1], "  request id: a-target");
    assert!(lines[2].starts_with("  hint: this needs the application permission Machine.Read.All"));
}

fn a_broken_connection_names_its_cause() {
    let host = deserted();
    let lines = lines_of_failure(&format!("http://{host}"));
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert_eq!(
        lines[0],
        format!("Error: GET /api/machines: {host} refused the connection")
    );
    assert!(lines[1].starts_with("  caused by: "), "{lines:#?}");
}

fn a_wrong_setting_says_what_to_write_instead() {
    let lines = lines_of_failure("https://host/api");
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert_eq!(
        lines[0],
        "Error: the API URL has a path, a query or a fragment"
    );
    assert!(
        lines[1].starts_with("  hint: ") && lines[1].contains("https://"),
        "{lines:#?}"
    );
}
