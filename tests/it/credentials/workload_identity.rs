//! Assertions that the platform keeps in a file (F47).

use std::fs;
use std::path::Path;
use std::time::Duration;

use defender_endpoint::testing::{Clock, FakeClock};
use defender_endpoint::{Client, Credential, Error, ErrorKind, RetryPolicy, WorkloadIdentity};

use super::client_assertion::{JWT, REFUSALS, assertion_of, client_with, refusal};
use crate::auth::{SECOND, api, login, tokens};
use crate::logs;
use crate::support::folder::Folder;
use crate::support::raw::{Answer, RawServer};

fn identity(path: &Path) -> WorkloadIdentity {
    WorkloadIdentity::new("contoso.com", "an-app", path).unwrap()
}

/// A client with the retries that it has by default, so that a test sees that none is made.
fn client(path: &Path, login: &RawServer, api: &RawServer, clock: &FakeClock) -> Client {
    client_with(identity(path), login, api)
        .clock(clock.clone())
        .retry_policy(RetryPolicy::default())
        .build()
        .unwrap()
}

/// The assertions that the token endpoint was sent.
fn assertions(login: &RawServer) -> Vec<String> {
    login.requests().iter().map(assertion_of).collect()
}

/// The error of a call for which the file has no assertion. Nothing is sent, nobody waits, and the
/// path is named.
fn refused(path: &Path) -> Error {
    let (login, api, clock) = (login(3_599), api(), FakeClock::new());
    let error = client(path, &login, &api, &clock)
        .scan_agents()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
    let named = format!("the federated token file {}: ", path.display());
    assert!(error.to_string().contains(&named), "{error}");
    assert_eq!(clock.now(), Duration::ZERO);
    assert_eq!((login.calls(), api.calls()), (0, 0));
    error
}

// --- the request

#[test]
fn the_assertion_of_the_file_is_posted_as_exactly_this_form() {
    let (folder, login, api) = (Folder::new(), login(3_599), api());
    let credential = identity(&folder.file("token", JWT));
    assert_eq!(credential.name(), "workload identity");
    let client = client_with(credential, &login, &api).build().unwrap();
    client.scan_agents().unwrap();
    let seen = login.only();
    assert_eq!(
        seen.request_line(),
        "POST /contoso.com/oauth2/v2.0/token HTTP/1.1"
    );
    assert_eq!(
        seen.text(),
        "client_id=an%2Dapp\
         &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient%2Dassertion%2Dtype%3Ajwt%2Dbearer\
         &client_assertion=eyJhbGciOiJSUzI1NiJ9%2EeyJzdWIiOiJhIn0%2Ec2lnbmF0dXJl%2D%5F\
         &grant_type=client%5Fcredentials\
         &scope=https%3A%2F%2Fapi%2Esecuritycenter%2Emicrosoft%2Ecom%2F%2Edefault"
    );
    assert_eq!(tokens(&api), ["token-1"]);
}

/// F47: what is in the file when a token is due counts, and nothing that was there before.
#[test]
fn a_file_that_is_rotated_is_read_again_at_each_renewal() {
    let (folder, login, api, clock) = (Folder::new(), login(3_600), api(), FakeClock::new());
    let path = folder.file("token", "a.b.1");
    let client = client(&path, &login, &api, &clock);
    for number in 1..=3 {
        folder.file("token", format!("a.b.{number}"));
        client.scan_agents().unwrap();
        // In between nobody reads it.
        folder.file("token", "a.b.never");
        client.scan_agents().unwrap();
        clock.advance(SECOND * 3_400);
    }
    assert_eq!(assertions(&login), ["a.b.1", "a.b.2", "a.b.3"]);
}

/// F47: as Kubernetes rotates it: a link to a file in a folder that is replaced.
#[cfg(unix)]
#[test]
fn a_file_behind_links_is_read_anew_through_them() {
    use std::os::unix::fs::symlink;

    let (folder, login, api, clock) = (Folder::new(), login(3_600), api(), FakeClock::new());
    for number in 1..=2 {
        let version = folder.path(&format!("version-{number}"));
        fs::create_dir(&version).unwrap();
        fs::write(version.join("token"), format!("a.b.{number}")).unwrap();
    }
    symlink("version-1", folder.path("..data")).unwrap();
    symlink("..data/token", folder.path("token")).unwrap();
    let client = client(&folder.path("token"), &login, &api, &clock);
    client.scan_agents().unwrap();
    symlink("version-2", folder.path("..new")).unwrap();
    fs::rename(folder.path("..new"), folder.path("..data")).unwrap();
    fs::remove_dir_all(folder.path("version-1")).unwrap();
    clock.advance(SECOND * 3_400);
    client.scan_agents().unwrap();
    assert_eq!(assertions(&login), ["a.b.1", "a.b.2"]);
}

/// F47: a line break at the end is no part of the assertion, nor is other white space around it.
#[test]
fn white_space_around_the_assertion_is_not_sent() {
    let folder = Folder::new();
    for content in ["{}\n", "{}\r\n", " \t{}  ", "\n\n{}\n\n"] {
        let (login, api) = (login(3_599), api());
        let path = folder.file("token", content.replace("{}", JWT));
        let client = client(&path, &login, &api, &FakeClock::new());
        client.scan_agents().unwrap();
        assert_eq!(assertions(&login), [JWT]);
    }
}

/// F47: as large as a file may be, and one byte more.
#[test]
fn a_file_of_64_kib_is_read_and_a_larger_one_is_refused() {
    let folder = Folder::new();
    let room = 64 * 1024 - JWT.len();
    let (login, api) = (login(3_599), api());
    let path = folder.file("token", format!("{JWT}{}", " ".repeat(room)));
    let client = client(&path, &login, &api, &FakeClock::new());
    client.scan_agents().unwrap();
    assert_eq!(assertions(&login), [JWT]);
    let path = folder.file("token", format!("{JWT}{}", " ".repeat(room + 1)));
    let error = refused(&path);
    assert!(error.to_string().contains("longer than 64 KiB"), "{error}");
}

// --- what is checked before

/// F47: a file that isn't there yet is no mistake, but a path that can't be one is.
#[test]
fn settings_that_can_not_be_right_are_refused() {
    WorkloadIdentity::new("contoso.com", "an-app", "/not/there").unwrap();
    let jwt = format!("{JWT}\n");
    let long = "eyJhbGci ".repeat(200);
    for (tenant, app, path, words) in [
        ("common", "an-app", "/a/token", "tenant"),
        ("contoso.com/x", "an-app", "/a/token", "tenant"),
        ("contoso.com", "an app", "/a/token", "client id"),
        ("contoso.com", "an-app", "", "token file is empty"),
        ("contoso.com", "an-app", JWT, "token file is a token"),
        ("contoso.com", "an-app", &jwt, "token file is a token"),
        ("contoso.com", "an-app", &long, "longer than 1,024 bytes"),
        ("contoso.com", "an-app", "eyJhb\nc", "line breaks"),
        ("contoso.com", "an-app", "-----BEGIN eyJhb", "is a PEM text"),
    ] {
        let error = WorkloadIdentity::new(tenant, app, path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = format!("{error} {error:?} {error:#?}");
        assert!(text.contains(words) && !text.contains("eyJ"), "{text}");
    }
}

// --- what goes wrong

/// F47: missing. Said with the path at once, and the file is looked for again by the next call.
#[test]
fn a_file_that_is_missing_is_named_and_found_once_it_is_there() {
    let folder = Folder::new();
    let path = folder.path("token");
    let error = refused(&path);
    assert!(error.to_string().ends_with(": it is not there"), "{error}");
    assert!(error.hint().unwrap().contains("mounted"));
    assert!(error.is_retryable());
    refused(&folder.path("no-folder/token"));

    let (login, api, clock) = (login(3_599), api(), FakeClock::new());
    let client = client(&path, &login, &api, &clock);
    client.scan_agents().unwrap_err();
    folder.file("token", JWT);
    client.scan_agents().unwrap();
    assert_eq!(clock.now(), Duration::ZERO);
    assert_eq!(assertions(&login), [JWT]);
}

/// F47: empty or blank, as a file is that is just being written.
#[test]
fn a_file_that_is_empty_is_named_and_read_once_it_is_written() {
    let folder = Folder::new();
    for content in ["", "\n", " \t\r\n "] {
        let path = folder.file("token", content);
        let error = refused(&path);
        assert!(error.to_string().ends_with(": it is empty"), "{error}");
        assert!(error.is_retryable());

        let (login, api, clock) = (login(3_599), api(), FakeClock::new());
        let client = client(&path, &login, &api, &clock);
        client.scan_agents().unwrap_err();
        folder.file("token", JWT);
        client.scan_agents().unwrap();
        assert_eq!(assertions(&login), [JWT]);
    }
}

/// F47: anything else than a JWT is never sent, and nothing of it is shown.
#[test]
fn a_file_that_holds_something_else_is_named_and_not_quoted() {
    let folder = Folder::new();
    let large = "hunter2.".repeat(10_000);
    for (content, why) in [
        (&b"hunter2"[..], "no JWT"),
        (b"hunter2.hunter2.", "no JWT"),
        (br#"{"access_token":"hunter2"}"#, "no JWT"),
        (b"hunter2.b.c\nhunter2.b.c\n", "line breaks"),
        (b"hunter2\0.b.c", "other characters"),
        (b"\xef\xbb\xbfhunter2.b.c", "other characters"),
        (b"hunter2\xff\xfe\x80.b.c", "other than text"),
        (b"\x1f\x8b\x08hunter2\x00\x9c", "other than text"),
        (large.as_bytes(), "longer than 64 KiB"),
    ] {
        let error = refused(&folder.file("token", content));
        assert!(!error.is_retryable(), "{error}");
        let text = format!("{error} {error:?} {error:#?}");
        assert!(text.contains(why) && !text.contains("hunter2"), "{text}");
    }
}

/// F47: a folder where the file should be.
#[test]
fn a_directory_is_no_file() {
    let folder = Folder::new();
    let path = folder.path("token");
    fs::create_dir(&path).unwrap();
    let error = refused(&path);
    assert!(error.to_string().ends_with(": it can't be read"), "{error}");
    assert!(format!("{error:?}").contains("caused by: not a regular file"));
    assert!(!error.is_retryable());
}

/// F47: a pipe would hold the call up until somebody writes, and a device may have no end.
#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_not_waited_for() {
    use crate::support::within;
    use std::process::Command;

    let folder = Folder::new();
    let pipe = folder.path("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    for path in [pipe, "/dev/zero".into(), "/dev/null".into()] {
        let error = within(SECOND * 20, move || refused(&path));
        assert!(format!("{error:?}").contains("not a regular file"));
    }
}

/// F47: while the old token lasts, it bridges a file that is gone; that is logged with the path.
#[test]
fn the_old_token_serves_while_the_file_is_missing() {
    logs::start();
    let (folder, login, api, clock) = (Folder::new(), login(3_600), api(), FakeClock::new());
    let path = folder.file("token", JWT);
    let client = client(&path, &login, &api, &clock);
    client.scan_agents().unwrap();
    fs::remove_file(&path).unwrap();
    clock.advance(SECOND * 3_400);
    let before = logs::count();
    client.scan_agents().unwrap();
    let lines = logs::since(before);
    let named = path.display().to_string();
    let told = |line: &logs::Line| line.text.contains(&named) && line.level == log::Level::Warn;
    assert!(lines.iter().any(told), "{lines:?}");
    clock.advance(SECOND * 200);
    let error = client.scan_agents().unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("the token has expired") && text.contains(&named),
        "{text}"
    );
    assert_eq!(tokens(&api), ["token-1"; 2]);
    assert_eq!(login.calls(), 1);
}

/// F47: a refusal stands for a minute, as any does, whatever becomes of the file; then what is there
/// is sent.
#[test]
fn a_refused_assertion_is_followed_by_the_next_one_after_a_minute() {
    let (folder, api, clock) = (Folder::new(), api(), FakeClock::new());
    let login = RawServer::script([
        refusal("AADSTS700024", "a.b.old"),
        Answer::json(r#"{"access_token":"t","expires_in":3599}"#),
    ]);
    let path = folder.file("token", "a.b.old");
    let client = client(&path, &login, &api, &clock);
    let error = client.scan_agents().unwrap_err();
    assert!(error.hint().unwrap().contains("has expired"));
    folder.file("token", "a.b.new");
    clock.advance(SECOND * 59);
    client.scan_agents().unwrap_err();
    assert_eq!(assertions(&login), ["a.b.old"]);
    clock.advance(SECOND);
    client.scan_agents().unwrap();
    assert_eq!(assertions(&login), ["a.b.old", "a.b.new"]);
}

#[test]
fn the_usual_refusals_of_the_files_assertion_have_a_hint_and_do_not_show_it() {
    let folder = Folder::new();
    let path = folder.file("token", format!("{JWT}\n"));
    for (code, word) in REFUSALS {
        let (login, api) = (RawServer::sending(refusal(code, JWT)), api());
        let client = client(&path, &login, &api, &FakeClock::new());
        let error = client.scan_agents().unwrap_err();
        assert!(error.hint().unwrap().contains(word), "{error:?}");
        let text = format!("{error} {error:?} {error:#?}");
        assert!(text.contains("'***'") && !text.contains("eyJ"), "{text}");
        assert_eq!(login.calls(), 1);
    }
}
