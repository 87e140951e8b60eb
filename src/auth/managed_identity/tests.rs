//! The credential against an endpoint in memory and a clock that stands still.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::call::rig::Rig;
use crate::clock::Clock;
use crate::http::memory::{Failure, Received, Reply, Script, Service, Step};
use crate::wait::{Deadline, Observer, Wait};

const KEY: &str = "hunter2KeyOfTheAgent==";
const TOKEN: &str = r#"{"access_token":"a-token","expires_in":"3599","expires_on":"4102444800","not_before":"1","resource":"r","token_type":"Bearer"}"#;

/// A folder of the test's own, gone with it.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("defender-endpoint-arc-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn file(&self, name: &str, content: &str) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, content).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn read(variables: &[(&str, &str)], name: &str) -> Option<String> {
    let found = variables.iter().find(|(found, _)| *found == name);
    found.map(|(_, value)| (*value).to_owned())
}

fn of_variables(variables: &[(&str, &str)]) -> Result<Option<ManagedIdentity>, Error> {
    ManagedIdentity::from_variables(&Environment(&|name| Ok(read(variables, name))))
}

fn imds() -> ManagedIdentity {
    ManagedIdentity {
        source: Source::imds("http://127.0.0.1:1").unwrap(),
        identity: Identity::SystemAssigned,
    }
}

fn app_service() -> ManagedIdentity {
    let variables = [
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token"),
        ("IDENTITY_HEADER", "hunter2~a-header"),
    ];
    of_variables(&variables).unwrap().unwrap()
}

#[cfg(any(windows, target_os = "linux"))]
fn arc(folder: &Folder) -> ManagedIdentity {
    let url = "http://localhost:40342/metadata/identity/oauth2/token";
    let variables = [
        ("IDENTITY_ENDPOINT", url),
        ("IMDS_ENDPOINT", "http://localhost:40342"),
        ("ProgramData", r"C:\ProgramData"),
    ];
    let mut arc = of_variables(&variables).unwrap().unwrap();
    let Source::AzureArc { folder: place, .. } = &mut arc.source else {
        panic!("{arc:?}");
    };
    *place = folder.path().to_owned();
    arc
}

fn status(status: u16) -> Step {
    Reply::new(status).into()
}

/// What the credential makes of these answers, and how long that takes.
fn asked<S: Into<Step>>(
    credential: &ManagedIdentity,
    steps: impl IntoIterator<Item = S>,
) -> (Result<String, Error>, Rig) {
    asked_service(credential, Script::new(steps))
}

fn asked_service(
    credential: &ManagedIdentity,
    service: impl Service + 'static,
) -> (Result<String, Error>, Rig) {
    let rig = Rig::new(service);
    let outcome = credential.token(&rig.token_request());
    let outcome = outcome.map(|token| token.secret().expose().to_owned());
    if let Err(error) = &outcome {
        let said = format!("{error} {error:?} {error:#?}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    (outcome, rig)
}

fn passed(rig: &Rig) -> u64 {
    rig.clock.now().as_secs()
}

// --- which identities the variables name

#[test]
fn the_environment_gives_one_only_where_it_names_a_source() {
    let of = |variables: &[(&str, &str)]| of_variables(variables);
    assert!(of(&[]).unwrap().is_none());
    let pods = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1");
    assert!(of(&[pods]).unwrap().is_none());
    assert!(of(&[("IDENTITY_HEADER", "x")]).unwrap().is_none());
    let said = format!("{:?}", app_service());
    assert!(
        said.contains("AppService") && !said.contains("hunter2"),
        "{said}"
    );
    for (variables, word) in [
        (vec![("MSI_ENDPOINT", "http://127.0.0.1:1")], "Cloud Shell"),
        (
            vec![
                ("IDENTITY_ENDPOINT", "https://127.0.0.1:1"),
                ("IDENTITY_HEADER", "x"),
                ("IDENTITY_SERVER_THUMBPRINT", "x"),
            ],
            "Service Fabric",
        ),
    ] {
        let error = of(&variables).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn the_environments_client_id_names_the_identity() {
    let of = |id| {
        of_variables(&[
            ("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token"),
            ("IDENTITY_HEADER", "a-header"),
            ("AZURE_CLIENT_ID", id),
        ])
    };
    let (outcome, rig) = asked(&of("an-id").unwrap().unwrap(), [Reply::json(TOKEN)]);
    assert_eq!(outcome.unwrap(), "a-token");
    assert_eq!(rig.memory.requests()[0].option("client_id"), Some("an-id"));
    let error = of("an id").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().starts_with("AZURE_CLIENT_ID: "),
        "{error}"
    );
    // Where there is no source it is somebody else's.
    assert!(
        of_variables(&[("AZURE_CLIENT_ID", "an id")])
            .unwrap()
            .is_none()
    );
}

#[cfg(any(windows, target_os = "linux"))]
#[test]
fn arc_has_no_user_assigned_identity() {
    let folder = Folder::new();
    for identity in [
        Identity::client_id("an-id".to_owned()).unwrap(),
        Identity::object_id("an-id".to_owned()).unwrap(),
        Identity::resource_id("/subscriptions/a".to_owned()).unwrap(),
    ] {
        let error = ManagedIdentity::of(arc(&folder).source, identity).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("system-assigned"), "{error}");
    }
}

// --- what is sent

#[test]
fn the_metadata_service_is_asked_like_this() {
    let (outcome, rig) = asked(&imds(), [Reply::json(TOKEN)]);
    assert_eq!(outcome.unwrap(), "a-token");
    let sent = &rig.memory.requests()[0];
    assert_eq!((sent.method.as_str(), &sent.body[..]), ("GET", &b""[..]));
    assert_eq!(
        sent.target,
        "/metadata/identity/oauth2/token?api-version=2018-02-01\
         &resource=https%3A%2F%2Fapi.securitycenter.microsoft.com"
    );
    assert_eq!(sent.header("metadata"), Some("true"));
    for header in ["authorization", "x-identity-header", "content-type"] {
        assert_eq!(sent.header(header), None);
    }
}

#[test]
fn an_app_shows_the_header_that_it_was_given() {
    let (outcome, rig) = asked(&app_service(), [Reply::json(TOKEN)]);
    assert_eq!(outcome.unwrap(), "a-token");
    let sent = &rig.memory.requests()[0];
    assert!(
        sent.target
            .starts_with("/msi/token?api-version=2019-08-01&resource=https%3A")
    );
    assert_eq!(sent.header("x-identity-header"), Some("hunter2~a-header"));
    assert_eq!(sent.header("metadata"), None);
}

/// The lifetime counts in both forms in which it comes.
#[test]
fn an_expiry_alone_is_understood() {
    let rig = Rig::new(Script::new([Reply::json(
        r#"{"access_token":"t","expires_on":"4102444800","token_type":"Bearer"}"#,
    )]));
    let token = app_service().token(&rig.token_request()).unwrap();
    assert_eq!(token.expires_in, None);
    assert_eq!(token.expires_on.unwrap().unix_timestamp(), 4_102_444_800);
}

// --- failures

/// F49: what may pass is waited for as the vendor's table says, and another call may try again.
#[test]
fn failures_that_may_pass_follow_the_table() {
    for code in [404, 429, 500, 503] {
        let (outcome, rig) = asked(&imds(), (0..5).map(|_| status(code)));
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Credential, Some(code))
        );
        assert_eq!((error.retry(), rig.memory.count()), (Retry::Later, 5));
        assert_eq!(passed(&rig), 2 + 6 + 14 + 30, "{code}");
    }
    let (outcome, rig) = asked(
        &imds(),
        [status(404), status(503), Reply::json(TOKEN).into()],
    );
    assert_eq!(outcome.unwrap(), "a-token");
    assert_eq!(passed(&rig), 2 + 6);
}

#[test]
fn an_exchange_that_breaks_off_follows_the_table() {
    let broken = Reply::none(Failure::RESET);
    for credential in [imds(), app_service()] {
        let (outcome, rig) = asked(&credential, vec![broken.clone(); 5]);
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Transport, Retry::Later)
        );
        assert_eq!((rig.memory.count(), passed(&rig)), (5, 52));
    }
}

/// F49: an update of the metadata service is waited for as long as one may take.
#[test]
fn an_update_is_waited_for() {
    let (outcome, rig) = asked(&imds(), (0..6).map(|_| status(410)));
    let error = outcome.unwrap_err();
    assert_eq!((error.status(), error.retry()), (Some(410), Retry::Later));
    assert_eq!((rig.memory.count(), passed(&rig)), (6, 70));
    assert!(error.hint().unwrap().contains("updated"));
    // Of an app's endpoint it is nothing to wait for.
    let (outcome, rig) = asked(&app_service(), [status(410)]);
    assert_eq!(outcome.unwrap_err().retry(), Retry::Never);
    assert_eq!(passed(&rig), 0);
}

/// F49: what will not pass is told at once.
#[test]
fn a_refusal_is_final() {
    for code in [302, 400, 401, 403, 405] {
        for credential in [imds(), app_service()] {
            let (outcome, rig) = asked(&credential, [status(code)]);
            let error = outcome.unwrap_err();
            assert_eq!((error.status(), error.retry()), (Some(code), Retry::Never));
            assert_eq!((rig.memory.count(), passed(&rig)), (1, 0));
        }
    }
}

/// F49: where there is no endpoint that is soon known, and what there is instead is said.
#[test]
fn a_machine_without_an_endpoint_is_told_so() {
    for failure in [Failure::ConnectTimeout, Failure::REFUSED] {
        let steps = vec![Step::NoConnection(failure); 3];
        let (outcome, rig) = asked(&imds(), steps);
        let error = outcome.unwrap_err();
        assert_eq!(error.retry(), Retry::Later);
        let said = error.to_string();
        assert!(
            said.contains("seems to have no managed identity endpoint"),
            "{said}"
        );
        assert!(error.hint().unwrap().contains("client secret"), "{error:?}");
        assert_eq!(rig.memory.connections(), (3, 0));
        assert_eq!(passed(&rig), 2 + 6);
    }
    let (outcome, _) = asked(
        &imds(),
        vec![Step::NoConnection(Failure::ConnectTimeout); 3],
    );
    assert!(
        outcome
            .unwrap_err()
            .to_string()
            .ends_with("no connection to 127.0.0.1:1 within 2s")
    );
}

#[test]
fn an_identity_that_is_not_assigned_is_explained() {
    let body = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    let refusal = || Reply::new(400).body(body);
    let (outcome, _) = asked(&imds(), [refusal()]);
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (Some("invalid_request"), Some("Identity not found"))
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("no system-assigned identity")
    );
    let other = ManagedIdentity {
        identity: Identity::client_id("an-id".to_owned()).unwrap(),
        ..imds()
    };
    let (outcome, _) = asked(&other, [refusal()]);
    assert!(
        outcome
            .unwrap_err()
            .hint()
            .unwrap()
            .contains("not assigned")
    );
    // Entra speaks through the endpoint.
    let body = r#"{"error":"invalid_resource","error_description":"AADSTS500011: The resource"}"#;
    let (outcome, _) = asked(&imds(), [Reply::new(400).body(body)]);
    assert!(outcome.unwrap_err().hint().unwrap().contains("audience"));
}

#[test]
fn a_wait_that_is_asked_for_is_kept_up_to_a_minute() {
    let throttled = |seconds| Reply::new(429).header("Retry-After", seconds);
    let (outcome, rig) = asked(
        &imds(),
        [throttled("40"), throttled("1"), Reply::json(TOKEN)],
    );
    assert_eq!(outcome.unwrap(), "a-token");
    assert_eq!(passed(&rig), 40 + 6);
    let (outcome, rig) = asked(&imds(), [throttled("3600")]);
    let error = outcome.unwrap_err();
    assert_eq!((passed(&rig), error.retry()), (0, Retry::Later));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3_600)));
}

#[test]
fn a_deadline_ends_the_tries_with_the_last_real_error() {
    let rig = Rig::new(Script::new([status(404), status(503)]));
    let request = rig.token_request();
    let deadline = Deadline::after(Some(Duration::from_secs(5)), &rig.clock);
    let error = imds().token(&request.until(deadline)).unwrap_err();
    assert_eq!((error.status(), error.retry()), (Some(503), Retry::Later));
    assert_eq!((rig.memory.count(), passed(&rig)), (2, 2));
    let left: Vec<_> = rig
        .memory
        .requests()
        .iter()
        .map(|sent| sent.time.as_secs_f64().round())
        .collect();
    assert_eq!(left, [5.0, 3.0], "each try has what is left");
}

/// Two seconds to be there, ten for the rest: a minute of silence would be five, tries and all.
#[test]
fn an_exchange_has_ten_seconds() {
    for credential in [imds(), app_service()] {
        let late = Reply::none(Failure::TryTimeout);
        let (outcome, rig) = asked(&credential, vec![late; 5]);
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Timeout, Retry::Later)
        );
        assert!(error.to_string().ends_with("within 10s"), "{error}");
        let seen = rig.memory.requests();
        assert_eq!(seen.len(), 5);
        for sent in seen {
            let seconds = sent.time.as_secs_f64();
            assert!(seconds > 5.0 && seconds <= 10.0, "{seconds}");
        }
    }
}

/// The caller has a good token, and does not wait for another.
#[test]
fn an_early_renewal_is_one_try() {
    let rig = Rig::new(Script::new([status(503)]));
    let error = imds().token(&rig.token_request().early(true)).unwrap_err();
    assert_eq!((error.status(), error.retry()), (Some(503), Retry::Later));
    assert_eq!((rig.memory.count(), passed(&rig)), (1, 0));
}

#[test]
fn a_wait_can_be_broken_off() {
    let rig = Rig::new(Script::new([status(503)]));
    let observer = Observer::new(|wait: &Wait| {
        assert_eq!(wait.reason, crate::WaitReason::Token);
        ControlFlow::Break(())
    });
    let request = rig.token_request().heard_by(Some(&observer));
    let error = imds().token(&request).unwrap_err();
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::Cancelled, false)
    );
    assert!(format!("{error:?}").contains("503"), "{error:?}");
    assert_eq!((rig.memory.count(), passed(&rig)), (1, 0));
}

/// The call's own retries don't multiply these.
#[test]
fn a_call_tries_no_more_than_its_credential() {
    let mut rig = Rig::new(|_: &Received| Reply::new(503));
    let clock: Arc<dyn Clock> = Arc::new(rig.clock.clone());
    let credential: Arc<dyn Credential> = Arc::new(imds());
    rig.set().tokens = crate::auth::TokenCache::new(credential, clock);
    let error = rig.client().scan_agents().unwrap_err();
    assert_eq!((error.status(), error.attempts()), (Some(503), 0));
    assert!(error.is_retryable());
    assert_eq!((rig.memory.count(), passed(&rig)), (5, 52));
    assert_eq!(rig.client().credential().name(), "managed identity");
}

#[test]
fn a_header_that_comes_back_is_in_no_text() {
    for body in [
        r#"{"error":"hunter2~a-header","error_description":"not hunter2~a-header"}"#,
        r#"{"access_token":["hunter2~a-header"]}"#,
        "hunter2~a-header",
    ] {
        for code in [200, 400] {
            // `asked` looks for it.
            let (outcome, _) = asked(&app_service(), [Reply::new(code).body(body)]);
            outcome.unwrap_err();
        }
    }
}

// --- the challenge of Azure Arc

/// An agent that has its key in this folder.
#[cfg(any(windows, target_os = "linux"))]
fn agent(file: &Path) -> impl Service + 'static {
    let challenge = format!("Basic realm={}", file.display());
    move |sent: &Received| {
        assert_eq!(sent.header("metadata"), Some("true"));
        match sent.header("authorization") {
            None => Reply::new(401).header("WWW-Authenticate", &challenge),
            Some(proof) if proof == format!("Basic {KEY}") => Reply::json(TOKEN),
            Some(_) => Reply::new(401),
        }
    }
}

#[cfg(any(windows, target_os = "linux"))]
#[test]
fn arcs_key_is_shown_to_the_agent_that_asks_for_it() {
    let folder = Folder::new();
    let file = folder.file("1-2.key", &format!("{KEY}\n"));
    let (outcome, rig) = asked_service(&arc(&folder), agent(&file));
    assert_eq!(outcome.unwrap(), "a-token");
    let sent = rig.memory.requests();
    assert_eq!((sent.len(), passed(&rig)), (2, 0));
    let target = "/metadata/identity/oauth2/token?api-version=2021-02-01&resource=";
    assert!(sent.iter().all(|sent| sent.target.starts_with(target)));
    assert_eq!(sent[0].target, sent[1].target);
    // Each time anew: the agent deletes what was used.
    folder.file("1-2.key", "another");
    let (outcome, _) = asked_service(&arc(&folder), agent(&file));
    let error = outcome.unwrap_err();
    assert_eq!((error.status(), error.retry()), (Some(401), Retry::Never));
    assert!(error.hint().unwrap().contains("its own key"), "{error:?}");
}

/// Whoever gives a token without having seen the key has not shown that it is the agent.
#[cfg(any(windows, target_os = "linux"))]
#[test]
fn a_token_that_took_no_key_is_refused() {
    let (outcome, rig) = asked(&arc(&Folder::new()), [Reply::json(TOKEN)]);
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Credential, Retry::Never)
    );
    assert!(error.to_string().contains("did not ask for its key"));
    assert_eq!((rig.memory.count(), passed(&rig)), (1, 0));
}

/// F50: a challenge that names another file gets nothing, and is not asked again.
#[cfg(any(windows, target_os = "linux"))]
#[test]
fn a_challenge_for_another_file_is_not_followed() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let outside = elsewhere.file("a.key", KEY);
    let large = folder.file("large.key", &KEY.repeat(200));
    let gone = folder.path().join("gone.key");
    for file in [outside, large, gone] {
        let (outcome, rig) = asked_service(&arc(&folder), agent(&file));
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Credential, Retry::Never)
        );
        assert!(error.to_string().starts_with("token request: "), "{error}");
        assert_eq!((rig.memory.count(), passed(&rig)), (1, 0));
    }
}

#[cfg(any(windows, target_os = "linux"))]
#[test]
fn a_challenge_that_makes_no_sense_is_refused() {
    let folder = Folder::new();
    for challenge in [
        None,
        Some("Basic"),
        Some("Bearer realm=x"),
        Some("Basic realm="),
    ] {
        let reply = Reply::new(401);
        let reply = match challenge {
            Some(text) => reply.header("WWW-Authenticate", text),
            None => reply,
        };
        let (outcome, rig) = asked(&arc(&folder), [reply]);
        assert!(outcome.unwrap_err().to_string().contains("Azure Arc agent"));
        assert_eq!(rig.memory.count(), 1);
    }
}

#[cfg(any(windows, target_os = "linux"))]
#[test]
fn arcs_failures_that_pass_are_tried_again_challenge_and_all() {
    let folder = Folder::new();
    let file = folder.file("a.key", KEY);
    let challenge = format!("Basic realm={}", file.display());
    let challenge = || Reply::new(401).header("WWW-Authenticate", &challenge);
    let steps = [
        Reply::new(503),
        challenge(),
        Reply::new(500),
        challenge(),
        Reply::json(TOKEN),
    ];
    let (outcome, rig) = asked(&arc(&folder), steps);
    assert_eq!(outcome.unwrap(), "a-token");
    assert_eq!((rig.memory.count(), passed(&rig)), (5, 2 + 6));
    let (outcome, rig) = asked(&arc(&folder), vec![Step::NoConnection(Failure::REFUSED); 5]);
    assert!(outcome.unwrap_err().hint().unwrap().contains("agent runs"));
    assert_eq!(passed(&rig), 52);
}

#[cfg(any(windows, target_os = "linux"))]
#[test]
fn arcs_key_is_in_no_text() {
    let folder = Folder::new();
    let file = folder.file("a.key", KEY);
    let challenge = format!("Basic realm={}", file.display());
    let body = format!(r#"{{"error":"{KEY}","error_description":"{KEY} is no good"}}"#);
    let steps = [
        Reply::new(401).header("WWW-Authenticate", &challenge),
        Reply::new(403).body(body),
    ];
    // `asked` looks for it.
    let (outcome, _) = asked(&arc(&folder), steps);
    assert_eq!(outcome.unwrap_err().code(), Some("***"));
}

#[test]
fn nobody_else_is_shown_a_key_for_a_challenge() {
    let folder = Folder::new();
    let file = folder.file("a.key", KEY);
    let challenge = format!("Basic realm={}", file.display());
    for credential in [imds(), app_service()] {
        let reply = Reply::new(401).header("WWW-Authenticate", &challenge);
        let (outcome, rig) = asked(&credential, [reply]);
        assert_eq!(outcome.unwrap_err().status(), Some(401));
        assert_eq!(rig.memory.count(), 1);
    }
}

#[test]
fn redirects_are_not_followed() {
    let reply = Reply::new(307).header("Location", "http://127.0.0.2/elsewhere");
    let (outcome, rig) = asked(&imds(), [reply]);
    assert!(outcome.unwrap_err().hint().unwrap().contains("127.0.0.2"));
    assert_eq!(rig.memory.count(), 1);
}

/// A test that asked the real metadata service would reach, on a machine of Azure's, the machine's own
/// identity. Its address stands in one line of the crate, and whatever test makes such a credential
/// leads it elsewhere.
#[test]
fn no_test_asks_the_real_metadata_service() {
    let address = ["169.254", "169.254"].join(".");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = |folder: &str| {
        let mut found = Vec::new();
        sources(&root.join(folder), &mut found);
        found
    };
    let own = all("src");
    let lines = own.iter().flat_map(|(_, text)| text.lines());
    let found: Vec<&str> = lines.filter(|line| line.contains(&address)).collect();
    assert_eq!(found, [format!("const IMDS: &str = \"http://{address}\";")]);
    let makers: Vec<_> = all("tests")
        .into_iter()
        .filter(|(_, text)| {
            text.contains("ManagedIdentity::") || text.contains("ManagedIdentityCredential")
        })
        .collect();
    assert!(!makers.is_empty());
    for (path, text) in makers {
        let made = text.matches("fn elsewhere(").count();
        let calls = text.matches("elsewhere(").count() - made;
        assert!(made == 1 && calls > 0, "{} asks here", path.display());
    }
}

fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}
