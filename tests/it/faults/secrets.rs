//! Secrets: where they must not be seen (F98 to F104).
//!
//! One random text is the token, the client secret or assertion, and the passwords of a scenario. The other side
//! repeats it wherever it can, in every form. When the scenario is over it is searched for in all that
//! was shown, logged and sent: see [`Planted`], which proves of itself that it finds what is there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use defender_endpoint::scan_definitions::{
    AuthProtocol, LinuxAuth, NewScanDefinition, PrivProtocol, ScanDefinition, ScanDefinitionUpdate,
    SnmpAuth,
};
use defender_endpoint::{
    AccessToken, Client, ClientAssertion, ClientBuilder, ClientSecret, Cloud, Credential, Error,
    ErrorKind, RateLimiter, RateLimits, RetryPolicy, Secret, StaticToken, TokenRequest,
    WorkloadIdentity,
};
use log::Level;
use serde_json::Value;

use crate::logs;
use crate::support::fixture;
use crate::support::folder::Folder;
use crate::support::planted::Planted;
use crate::support::raw::{Answer, Forbidden, RawServer, Request, cloud, deserted, gzip};
use crate::support::sources::Source;

const NOTHING: &str = r#"{"value":[]}"#;

/// Makes every call there is and looks at all that comes of it, rows and all.
fn call_all(planted: &Planted, builder: ClientBuilder) {
    planted.look_at(&builder);
    let client = builder.build().unwrap();
    calls_of_each_kind(planted, &client, true);
    let sessions = client.scan_history_by_session(["an-id"]).top(1);
    planted.look_at(&sessions);
    each(planted, sessions.into_iter(), true);
    look(planted, &client.scan_definitions(), true);
    look(planted, &client.machine("an-id"), true);
    look(planted, &client.scan_definition("an-id"), true);
    let by_id = client.machines_by_id(["an-id", "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"]);
    planted.look_at(&by_id);
    each(planted, by_id.into_iter(), true);
    planted.look_at(&client);
    planted.look_at(&client.quota());
}

/// Calls of each kind: of lists by links and by places, by `POST`, as a whole, and of one entity.
fn calls_of_each_kind(planted: &Planted, client: &Client, rows: bool) {
    planted.look_at(client);
    let machines = client.machines().page_size(1).query_option("$select", "id");
    for request in [client.machines(), machines] {
        planted.look_at(&request);
        let mut items = request.iter();
        planted.look_at(&items);
        while let Some(machine) = items.next().filter(|_| items.offset() < 3) {
            look(planted, &machine, rows);
            planted.look_at(&items);
        }
        let mut pages = request.deserialize::<Value>().pages();
        while let Some(page) = pages.next().filter(|_| pages.offset() < 3) {
            look(planted, &page, rows);
            planted.look_at(&pages);
        }
    }
    let history = client.scan_history(["an-id"]).top(1);
    planted.look_at(&history);
    each(planted, history.into_iter(), rows);
    look(planted, &client.scan_agents(), rows);
    look(planted, &client.scan_agent("an-id"), rows);
}

fn each<T: std::fmt::Debug>(
    planted: &Planted,
    mut items: impl Iterator<Item = Result<T, Error>> + std::fmt::Debug,
    rows: bool,
) {
    while let Some(item) = items.next() {
        look(planted, &item, rows);
        planted.look_at(&items);
    }
}

fn look<T: std::fmt::Debug>(planted: &Planted, outcome: &Result<T, Error>, rows: bool) {
    match outcome {
        Err(error) => planted.look_at_error(error),
        Ok(row) if rows => planted.look_at(row),
        Ok(_) => {}
    }
}

/// Makes calls of each kind to servers that give these answers, in which the secret is. Each is tried again
/// where that is right, but not as often as by default.
fn answered(planted: &Planted, answers: impl IntoIterator<Item = Answer>) {
    for answer in answers {
        let server = planted.api(RawServer::sending(answer));
        let policy = RetryPolicy::default().retries(1);
        let builder = planted.as_both(&server.url()).retry_policy(policy);
        calls_of_each_kind(planted, &builder.build().unwrap(), false);
        planted.dismiss_servers();
    }
}

/// A row of each list, as documented; the passwords of the scans are the secret.
fn tenant(planted: &Planted) -> impl FnMut(&Request) -> Answer + Send + 'static {
    let definition = definition(&planted.json());
    let definitions = format!(r#"{{"value":[{definition}]}}"#);
    move |seen| {
        let path = seen.target().split('?').next().unwrap();
        let body = match path.rsplit('/').next().unwrap() {
            "machines" if seen.number("$skip").unwrap_or(0) > 0 => NOTHING.to_owned(),
            "machines" => fixture("machines.json"),
            "an-id" if path.contains("/machines/") => fixture("machine_by_id.json"),
            "an-id" if path.contains("Definitions/") => definition.clone(),
            "DeviceAuthenticatedScanAgents" => fixture("scan_agents.json"),
            "DeviceAuthenticatedScanDefinitions" => definitions.clone(),
            "an-id" => fixture("scan_agent_by_id.json")
                .replace("4ejh675b240118fbehiuiy5b64d704b4e53d15", "an-id"),
            _ => fixture("scan_history.json"),
        };
        Answer::json(body)
    }
}

/// A scan definition with a password wherever there can be one.
fn definition(secret: &str) -> String {
    format!(
        r##"{{"id":"a-definition","scanName":"a scan","scanAuthenticationParams":{{
            "@odata.type":"#microsoft.windowsDefenderATP.api.SnmpAuthParams","type":"AuthPriv",
            "username":"a-user","authPassword":"{secret}","privPassword":"{secret}",
            "communityString":"{secret}","password":"{secret}","privateKey":"{secret}",
            "somethingNew":"{secret}"}}}}"##
    )
}

/// Error bodies in which the other side repeats what it was sent.
fn repeating(planted: &Planted) -> Vec<String> {
    let (raw, json, percent) = (&planted.secret, planted.json(), planted.percent());
    let small = percent.to_ascii_lowercase();
    let up_to_cut = "x".repeat(290);
    vec![
        format!(r#"{{"error":{{"code":"{json}","message":"{json}","target":"{json}"}}}}"#),
        format!(
            r#"{{"error":{{"code":"c","message":"token={percent}; {small}; {json}","target":"{percent}"}}}}"#
        ),
        format!(r#"{{"error":{{"code":"c","message":"{up_to_cut}{json}"}}}}"#),
        // JSON as text in JSON.
        serde_json::json!({ "error": { "message": format!("{{\"token\":\"{json}\"}}") } })
            .to_string(),
        format!(r#"{{"error":"no such token: {json}"}}"#),
        format!(r#"{{"Message":"no such token: {json}"}}"#),
        format!(r#"{{"{json}":{{"{json}":"{json}"}}}}"#),
        format!(r#"{{"error":{{"message":"{json}"#),
        format!("<html>Authorization: Bearer {raw}</html>"),
        format!("<html>Authorization: Bearer {}</html>", planted.html()),
        format!("{percent} {small} {raw}{raw}"),
        raw.clone(),
    ]
}

/// Error bodies that end in the middle of it, since no more than 64 KiB are read.
fn cut_repeating(planted: &Planted) -> [String; 3] {
    let forms = [planted.secret.clone(), planted.json(), planted.percent()];
    forms.map(|form| format!("{}{form}", " ".repeat(64 * 1024 - 17)))
}

/// Headers in which the other side repeats what it was sent.
fn repeating_headers(planted: &Planted) -> Vec<(&'static str, String)> {
    let (raw, percent) = (&planted.secret, planted.percent());
    vec![
        ("x-ms-request-id", raw.clone()),
        ("x-ms-request-id", percent.clone()),
        ("request-id", format!("id-{raw}")),
        ("mise-correlation-id", raw.clone()),
        ("Retry-After", raw.clone()),
        ("ETag", raw.clone()),
        ("WWW-Authenticate", format!("Bearer error=\"{raw}\"")),
        ("Set-Cookie", raw.clone()),
        ("Location", format!("/{raw}?{raw}#{raw}")),
        ("Location", format!("javascript:{raw}")),
    ]
}

/// F98, F103: no text of any value shows it where all goes well, and it is sent where it belongs
/// only: the token in the header `Authorization`, the client secret or assertion in the form.
#[test]
fn what_is_secret_is_sent_where_it_belongs_and_shown_nowhere() {
    for planted in Planted::each() {
        let api = planted.api(RawServer::new(tenant(&planted)));
        let token = format!(
            r#"{{"access_token":"{}","expires_in":3599}}"#,
            planted.json()
        );
        let login = planted.login(RawServer::sending(Answer::json(token)));
        call_all(&planted, planted.as_token(&api.url()));
        call_all(&planted, planted.as_app(&login.url(), &api.url()));

        let bearer = format!("Bearer {}", planted.secret);
        let seen = api.requests();
        assert!(seen.len() >= 14, "{}", seen.len());
        for seen in seen {
            assert_eq!(seen.header("authorization"), Some(bearer.clone()));
            assert_eq!(seen.head.matches(&planted.secret).count(), 1, "{seen:?}");
        }
        let seen = login.only();
        assert!(seen.text().contains(&planted.percent()));
        assert_eq!(seen.header("authorization"), None);
    }
}

/// F98: what holds a secret says so and nothing more, not even how long it is.
#[test]
fn a_secret_shows_nothing_of_itself() {
    for planted in Planted::each() {
        let secret = Secret::from(planted.secret.as_str());
        planted.look_at(&secret);
        planted.look_at(&Some(&secret));
        let token = AccessToken::new(secret.clone()).expires_in(Duration::from_secs(1));
        planted.look_at(&token);
        planted.look_at(&StaticToken::new(secret.clone()).unwrap());
        planted.look_at(&ClientSecret::new("contoso.com", "an-app", secret.clone()).unwrap());
        assert_eq!(format!("{secret:?}"), format!("{:?}", Secret::from("")));
        assert_eq!(format!("{secret:#?}"), format!("{:#?}", Secret::from("")));
    }
}

/// F98: settings and what they are made into show no password of a proxy, and nothing of a credential.
#[test]
fn a_configuration_shows_no_secret() {
    for planted in Planted::each() {
        let proxy = format!("http://a-user:{}@127.0.0.1:1", planted.percent());
        let limiter = RateLimiter::new(RateLimits::documented()).unwrap();
        let builder = planted
            .as_token("http://127.0.0.1:1")
            .proxy(proxy)
            .rate_limiter(limiter.clone())
            .retry_policy(RetryPolicy::none());
        planted.look_at(&builder);
        planted.look_at(&builder.clone());
        planted.look_at(&limiter);
        let client = builder.build().unwrap();
        planted.look_at(&client);
        planted.look_at(&client.machines());
        planted.look_at(&client.machines().into_iter());
        planted.look_at(&client.scan_history(["a"]).pages());
    }
}

/// F98: neither the request for a token nor the token shows what a credential of the caller's holds.
#[test]
fn a_credential_of_the_callers_is_asked_and_answers_without_showing_it() {
    #[derive(Debug)]
    struct Nosy(Arc<Planted>);
    impl Credential for Nosy {
        fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
            self.0.look_at(request);
            let token =
                AccessToken::new(self.0.secret.as_str()).expires_in(Duration::from_secs(60));
            self.0.look_at(&token);
            Ok(token)
        }
    }
    for planted in Planted::each() {
        let planted = Arc::new(planted);
        let api = planted.api(RawServer::sending(Answer::new(
            401,
            &[],
            planted.secret.as_str(),
        )));
        let builder = Client::builder(Nosy(Arc::clone(&planted)))
            .cloud(cloud(api.url()))
            .no_proxy();
        call_all(&planted, builder);
    }
}

/// F98, F100: an input that is refused is not quoted: token, client secret, URL, header or scope.
#[test]
fn what_is_refused_before_it_is_used_is_in_no_text() {
    for planted in Planted::each() {
        for spoiled in ["\n", " ", "\r\nX: y", "\u{fc}", "\0"] {
            let text = format!("{}{spoiled}", planted.secret);
            planted.look_at_error(&StaticToken::new(text.as_str()).unwrap_err());
            for (tenant, app, secret) in [
                ("contoso.com", "an-app", text.as_str()),
                (&text, "an-app", "s"),
                ("contoso.com", &text, "s"),
            ] {
                if let Err(error) = ClientSecret::new(tenant, app, secret) {
                    planted.look_at_error(&error);
                }
            }
        }
        // What people put in the wrong place.
        let builder = planted.as_token("http://127.0.0.1:1");
        let (raw, percent) = (&planted.secret, planted.percent());
        let scope = Cloud::COMMERCIAL.with_scope(format!("{raw}\n"));
        for builder in [
            builder.clone().proxy(format!("ftp://user:{percent}@host")),
            builder.clone().proxy(format!("http://user:{raw}@")),
            builder.clone().proxy(format!("{raw}\n")),
            builder.clone().user_agent(format!("{raw}\n")),
            builder.clone().cloud(scope),
        ] {
            planted.look_at_error(&builder.build().unwrap_err());
        }
        let error = raw.parse::<Cloud>().unwrap_err();
        planted.look_at_error(&error);
        for url in [
            "https://user:S@host",
            "https://S@host",
            "https://host/S",
            "https://host?S",
            "https://host#S",
            "https://host:S",
            "S://host",
            "S",
        ] {
            for secret in [raw, &percent] {
                let url = url.replace('S', secret);
                let clouds = [
                    Cloud::COMMERCIAL.with_api_url(&url),
                    Cloud::COMMERCIAL.with_authority(&url),
                ];
                for cloud in clouds {
                    // What stands where a password does is one.
                    if url.contains('@') {
                        planted.look_at(&cloud);
                        planted.look_at(&builder.clone().cloud(cloud.clone()));
                    }
                    planted.look_at_error(&builder.clone().cloud(cloud).build().unwrap_err());
                }
            }
        }
        let client = builder.build().unwrap();
        for id in [format!("{raw}\n"), format!("{raw}\0"), raw.repeat(600)] {
            planted.look_at_error(&client.scan_agent(&id).unwrap_err());
            planted.look_at_error(&client.machine(&id).unwrap_err());
            planted.look_at_error(&client.scan_definition(&id).unwrap_err());
            if let Some(Err(error)) = client.machines_by_id([&id]).into_iter().next() {
                planted.look_at_error(&error);
            }
            if let Some(Err(error)) = client.scan_history([&id]).into_iter().next() {
                planted.look_at_error(&error);
            }
        }
        let machines = client
            .machines()
            .query_option(format!("{raw}\n"), raw.as_str());
        planted.look_at_error(&machines.into_iter().next().unwrap().unwrap_err());
    }
}

/// A definition for each place that a secret can be sent in, and an update with the last of them.
fn to_be_sent(secret: &str) -> (Vec<NewScanDefinition>, ScanDefinitionUpdate) {
    let (md5, aes) = (AuthProtocol::Md5, PrivProtocol::Aes);
    let snmp = [
        SnmpAuth::community_string(secret),
        SnmpAuth::auth_no_priv("a-user", md5.clone(), secret),
        SnmpAuth::auth_priv("a-user", md5.clone(), secret, aes.clone(), "another"),
        SnmpAuth::auth_priv("a-user", md5, "another", aes, secret),
    ];
    let linux = [
        LinuxAuth::password("a-user", secret),
        LinuxAuth::private_key("a-user", secret),
    ];
    let (name, scanner, targets) = ("a scan", "a-machine", ["10.0.0.1"]);
    let update = ScanDefinitionUpdate::new().linux_auth(linux[1].clone());
    let snmp = snmp.map(|auth| NewScanDefinition::network(name, scanner, targets, auth));
    let linux = linux.map(|auth| NewScanDefinition::linux(name, scanner, targets, auth));
    (snmp.into_iter().chain(linux).collect(), update)
}

/// Adds and changes definitions at servers that give these answers, none of which can be used. The secret
/// is in the body, each time in another place.
fn written(planted: &Planted, answers: impl IntoIterator<Item = Answer>) {
    let (definitions, update) = to_be_sent(&planted.secret);
    planted.look_at(&definitions);
    planted.look_at(&update);
    for (answer, new) in answers.into_iter().zip(definitions.iter().cycle()) {
        // Of a token endpoint's requests the body is left out of the search.
        let server = planted.login(RawServer::sending(answer));
        let builder = Client::builder(StaticToken::new("a-token").unwrap());
        let builder = planted.settings(builder, &server.url(), &server.url());
        let policy = RetryPolicy::default().retries(1);
        let client = builder.retry_policy(policy).build().unwrap();
        planted.look_at_error(&client.add_scan_definition(new).unwrap_err());
        let updated = client.update_scan_definition("an-id", &update);
        planted.look_at_error(&updated.unwrap_err());
        assert!(server.calls() >= 2);
        for request in server.requests() {
            assert!(request.text().contains(&planted.json()), "{request:?}");
        }
        planted.dismiss_servers();
    }
}

/// F99: a secret that is sent with a definition is in the body of that call alone, whatever the service
/// makes of it.
#[test]
fn a_scans_password_is_in_no_text_where_the_service_repeats_what_it_was_sent() {
    for planted in Planted::each() {
        let mut answers = Vec::new();
        for body in repeating(&planted) {
            let statuses = [200, 400, 429, 503];
            answers.extend(statuses.map(|status| Answer::new(status, &[], &body)));
        }
        answers.extend(cut_repeating(&planted).map(|body| Answer::new(400, &[], body)));
        // As the key that leads to the fault.
        let key = planted.json();
        answers.extend([
            Answer::json(format!(r#"{{"{key}":{{"id":tru}}}}"#)),
            Answer::json(format!(r#"{{"value":[{{"{key}":{{"id":tru}}}}]}}"#)),
        ]);
        for (name, value) in repeating_headers(&planted) {
            let statuses = [204, 302, 400];
            answers.extend(statuses.map(|status| Answer::new(status, &[(name, &value)], "")));
        }
        written(&planted, answers);
    }
}

/// F99: passwords and community strings are in the model for those who ask for them, redacted in
/// `Debug`, and not serialised. The same goes for keys that nobody knows yet.
#[test]
fn a_scans_password_is_in_no_text_and_not_serialised() {
    for planted in Planted::each() {
        let definition = definition(&planted.json());
        let server = planted.api(RawServer::sending(Answer::json(format!(
            r#"{{"value":[{definition}]}}"#
        ))));
        let client = Client::builder(StaticToken::new("t").unwrap())
            .cloud(cloud(server.url()))
            .no_proxy()
            .build()
            .unwrap();
        planted.look_at(&client.scan_definitions().unwrap());
        let read: ScanDefinition = serde_json::from_str(&definition).unwrap();
        planted.look_at(&read);
        planted.look_at_text(serde_json::to_string(&read).unwrap());
        planted.look_at_text(serde_json::to_string_pretty(&vec![read.clone()]).unwrap());
        planted.look_at(&serde_json::to_value(&read).unwrap());
        let parameters = read.scan_authentication_params.unwrap();
        planted.look_at(&parameters);
        planted.look_at(&parameters.extra);
        planted.look_at_text(serde_json::to_string(&parameters).unwrap());
        for held in [
            &parameters.auth_password,
            &parameters.priv_password,
            &parameters.community_string,
            &parameters.password,
            &parameters.private_key,
        ] {
            assert_eq!(
                held.as_ref().map(Secret::expose),
                Some(planted.secret.as_str())
            );
        }
        assert_eq!(
            parameters.extra.get("somethingNew"),
            Some(&Value::from(planted.secret.as_str()))
        );
    }
}

/// F99, F100: a definition that doesn't fit is an error that says where, and quotes no value.
#[test]
fn a_scans_password_is_in_no_text_where_the_definition_does_not_fit() {
    for planted in Planted::each() {
        let secret = planted.json();
        let whole = definition(&secret);
        let password = format!(r#""authPassword":"{secret}""#);
        for body in [
            whole.replace(r#""id":"a-definition","#, ""),
            whole.replace(r#""a scan""#, "17"),
            whole.replace(r#""a-user""#, "[1]"),
            whole.replace(&password, &format!(r#""authPassword":["{secret}"]"#)),
            whole.replace(&password, &format!(r#""authPassword":{{"a":"{secret}"}}"#)),
            whole.replace(r#""privPassword":"#, r#""authPassword":"#),
            whole.replace(r#""communityString":"#, r#"communityString":"#),
            whole.replace(r#""type":"AuthPriv","#, r#""type":"#),
            whole.replace(r#""a scan""#, &format!(r#""a scan","isActive":"{secret}""#)),
            whole.replace(
                r#""a scan""#,
                &format!(r#""a scan","intervalInHours":"{secret}""#),
            ),
            whole.replace(
                r#""a scan""#,
                &format!(r#""a scan","latestScan":"{secret}""#),
            ),
            whole[..whole.len() - 40].to_owned(),
        ] {
            assert_ne!(body, whole);
            let server = planted.api(RawServer::sending(Answer::json(format!(
                r#"{{"value":[{body}]}}"#
            ))));
            let client = Client::builder(StaticToken::new("t").unwrap())
                .cloud(cloud(server.url()))
                .no_proxy()
                .build()
                .unwrap();
            planted.look_at_error(&client.scan_definitions().unwrap_err());
        }
    }
}

/// F98, F100, F101: every status may come with a body that repeats what was sent.
#[test]
fn an_answer_of_any_status_that_repeats_it_is_told_without_it() {
    // One secret is enough for all of them; the others meet the statuses that differ.
    let planted = Planted::plain();
    let bodies = repeating(&planted);
    let two = [bodies[0].clone(), bodies[8].clone()];
    let asked = AtomicU16::new(0);
    let server = planted.api(RawServer::new(move |_| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        Answer::new(200 + number / 2, &[], &two[usize::from(number % 2)])
    }));
    let builder = planted.as_token(&server.url());
    let client = builder.retry_policy(RetryPolicy::none()).build().unwrap();
    for status in 200..=599 {
        for _ in 0..2 {
            let error = client.scan_agents().unwrap_err();
            assert!(status == 200 || error.status() == Some(status), "{error:?}");
            planted.look_at_error(&error);
        }
    }
    assert_eq!(server.calls(), 800);
    for planted in Planted::each() {
        let bodies = repeating(&planted);
        for status in [200, 302, 401, 404, 429, 500] {
            answered(
                &planted,
                bodies.iter().map(|body| Answer::new(status, &[], body)),
            );
        }
        let cut = cut_repeating(&planted);
        answered(&planted, cut.map(|body| Answer::new(403, &[], body)));
    }
}

/// F98, F100, F101: so may headers, with a success and with a failure.
#[test]
fn an_answer_whose_headers_repeat_it_is_told_without_it() {
    for planted in Planted::each() {
        for status in [200, 302, 403, 404, 429] {
            let body = if status == 200 { NOTHING } else { "" };
            for (name, value) in repeating_headers(&planted) {
                answered(&planted, [Answer::new(status, &[(name, &value)], body)]);
            }
        }
    }
}

/// F98, F100: what kind of thing came is told, but not if its name is the secret. (The transport logs
/// these headers under its own name at `debug`, as they come.)
#[test]
fn an_answer_whose_kind_is_the_secret_is_told_without_it() {
    for planted in Planted::each().map(Planted::not_in_lines_of_others) {
        for kind in [
            planted.secret.clone(),
            planted.percent(),
            format!("text/{}", planted.secret),
            format!("text/html; charset={}", planted.secret),
        ] {
            for name in ["Content-Type", "Content-Encoding", "Server", "Date"] {
                for status in [200, 500] {
                    let answer = Answer::new(status, &[(name, &kind)], "<html>");
                    answered(&planted, [answer.clone()]);
                    written(&planted, [answer]);
                }
            }
        }
    }
}

/// Nor is an assertion, or a file with one, that is refused before it is sent; nor a token that was
/// given for a path.
#[test]
fn an_assertion_that_is_refused_before_it_is_sent_is_in_no_text() {
    let (tenant, app) = ("contoso.com", "an-app");
    let folder = Folder::new();
    for planted in Planted::each() {
        let nobody = planted.foreign_host();
        let cloud = cloud(format!("http://{}", nobody.host()));
        for spoiled in ["{}\nx", "{}.", "{}=", "{}\u{fc}", "\u{feff}{}", "{}\0"] {
            let text = spoiled.replace("{}", &planted.secret);
            let file = WorkloadIdentity::new(tenant, app, folder.file("token", &text)).unwrap();
            let function =
                ClientAssertion::new(tenant, app, move |_| Ok(Secret::from(text.as_str())));
            let function = Client::builder(function.unwrap());
            for builder in [Client::builder(file), function] {
                call_all(&planted, builder.cloud(cloud.clone()).no_proxy());
            }
        }
    }
    let planted = Planted::assertion();
    for path in [
        format!("eyJ{}", planted.secret),
        format!(" eyJ{}\n", planted.secret),
    ] {
        let error = WorkloadIdentity::new(tenant, app, path).unwrap_err();
        planted.look_at_error(&error);
    }
}

/// F98, F100: a redirect is not followed, and told without what it repeats, be it the host it names.
/// The foreign host gets no connection.
#[test]
fn a_redirect_that_repeats_it_is_told_without_it_and_not_followed() {
    for planted in Planted::each() {
        let foreign = planted.foreign_host();
        let (host, raw) = (foreign.host(), &planted.secret);
        for place in [
            format!("http://{host}/{raw}?{raw}#{raw}"),
            format!("http://{raw}@{host}/"),
            format!("http://a-user:{raw}@{host}/"),
            format!("https://{raw}/"),
            format!("https://{raw}.example/"),
            format!("https://host.example.{raw}:8443/x"),
        ] {
            for status in [301, 302, 303, 307, 308] {
                let redirect = Answer::new(status, &[("Location", &place)], "");
                answered(&planted, [redirect.clone()]);
                let login = planted.login(RawServer::sending(redirect));
                let api = planted.api(RawServer::sending(Answer::json(NOTHING)));
                let client = planted.as_app(&login.url(), &api.url());
                planted.look_at_error(&client.build().unwrap().scan_agents().unwrap_err());
                assert_eq!(api.calls(), 0);
            }
        }
    }
}

/// F98, F100: an answer that is no list is told by its place and what was expected there, and without
/// the value, which serde's own text quotes.
#[test]
fn an_answer_of_the_wrong_shape_is_told_without_the_value() {
    for planted in Planted::each() {
        let secret = planted.json();
        let bodies = [
            format!(r#"{{"value":"{secret}"}}"#),
            format!(r#"{{"value":["{secret}"]}}"#),
            format!(r#"{{"value":[{{"id":["{secret}"]}}]}}"#),
            format!(r#"{{"value":[{{"id":{{"{secret}":"{secret}"}}}}]}}"#),
            format!(r#"{{"value":[{{"id":"a","lastSeen":"{secret}"}}]}}"#),
            format!(
                r#"{{"value":[{{"id":"a","isActive":"{secret}","intervalInHours":"{secret}"}}]}}"#
            ),
            format!(r#"{{"value":[{{"id":"a","firstSeen":17,"x":"{secret}"}}]}}"#),
            // As the key that leads to the fault.
            format!(r#"{{"value":[{{"{secret}":{{"id":tru}}}}]}}"#),
            format!(r#"{{"value":[{{"id":"a","{secret}":[{{"{secret}":nul}}]}}]}}"#),
            format!(r#"{{"value":[],"{secret}":}}"#),
            format!(r#"{{"{secret}":1,"id":tru}}"#),
            format!(r#"{{"value":[]}}{secret}"#),
            format!(r#"{{"value":[] {secret}"#),
            format!(r#"{{"{secret}"#),
            format!(r#"{{"value":[],"value":"{secret}"}}"#),
            format!(r#"{{"value":[],"@odata.nextLink":["{secret}"]}}"#),
            format!(r#"{{"id":{{"a":"{secret}"}}}}"#),
            planted.secret.clone(),
        ];
        answered(&planted, bodies.iter().map(Answer::json));
        answered(&planted, bodies.iter().map(Answer::gzip));
    }
}

/// F98, F100, F103: nor does a next link bring it into an error, nor into a request line. The
/// foreign host that a link names gets no connection.
#[test]
fn a_next_link_that_repeats_it_is_refused_without_showing_it() {
    for planted in Planted::each() {
        let foreign = planted.foreign_host();
        let (host, raw, percent) = (foreign.host(), &planted.secret, planted.percent());
        for link in [
            format!("/api/machines?$skip={raw}"),
            format!("/api/machines?$skip=1&$token={percent}"),
            format!(
                "/api/machines?$skip=1&$token={}",
                percent.to_ascii_lowercase()
            ),
            format!("?$skip=1&{raw}"),
            format!("/api/machines?$skip=0&t={raw}"),
            format!("http://{host}/api/machines?token={raw}"),
            format!("http://{raw}@{host}/api/machines?a=b"),
            format!("https://{raw}/api/machines?a=b"),
            format!("https://{raw}.example/api/machines?a=b"),
            format!("/{raw}?a=b"),
            format!("javascript:{raw}"),
            raw.clone(),
        ] {
            let link = serde_json::to_string(&link).unwrap();
            let page = format!(r#"{{"value":[{{"id":"a"}}],"@odata.nextLink":{link}}}"#);
            answered(&planted, [Answer::json(page)]);
        }
    }
}

/// F103: a link that holds the token is refused, as one that leads to somewhere else is: request lines
/// are in the logs of everybody on the way.
#[test]
fn a_next_link_that_holds_the_token_is_not_followed() {
    let planted = Planted::short();
    let link = format!("/api/machines?$skip=1&t={}", planted.percent());
    let page = format!(r#"{{"value":[{{"id":"a"}}],"@odata.nextLink":"{link}"}}"#);
    let server = planted.api(RawServer::sending(Answer::json(page)));
    let client = planted.as_token(&server.url()).build().unwrap();
    let mut machines = client.machines().into_iter();
    assert_eq!(machines.next().unwrap().unwrap().id, "a");
    let error = machines.next().unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::Paging, false)
    );
    assert!(error.to_string().contains("holds the token"), "{error}");
    planted.look_at_error(&error);
    assert_eq!(server.calls(), 1);
    // A short one, as tests have it, may stand in any link.
    let server = RawServer::pages([
        r#"{"value":[{"id":"a"}],"@odata.nextLink":"/api/machines?$skiptoken=1"}"#,
        NOTHING,
    ]);
    let client = Client::builder(StaticToken::new("token").unwrap())
        .cloud(cloud(server.url()))
        .no_proxy();
    assert_eq!(
        client
            .build()
            .unwrap()
            .machines()
            .into_iter()
            .map(Result::unwrap)
            .count(),
        1
    );
}

/// F98, F100, F101: nor do pages that lead in circles, by links and by offsets.
#[test]
fn a_walk_in_circles_is_told_without_it() {
    for planted in Planted::each() {
        let secret = planted.json();
        for link in [
            "/api/machines?$skip=1",
            "/api/machines?a",
            "/api/machines?$skip=0",
        ] {
            let page =
                format!(r#"{{"value":[{{"id":"a","x":"{secret}"}}],"@odata.nextLink":"{link}"}}"#);
            answered(&planted, [Answer::json(page)]);
            let empty = format!(r#"{{"x":"{secret}","value":[],"@odata.nextLink":"{link}"}}"#);
            answered(&planted, [Answer::json(empty)]);
        }
        let full = format!(r#"{{"value":[{{"id":"{secret}"}}]}}"#);
        answered(&planted, [Answer::json(full)]);
    }
}

/// F98, F100, F101: nor do answers that are no HTTP, cut short or damaged.
#[test]
fn an_exchange_that_breaks_off_is_told_without_it() {
    for planted in Planted::each() {
        let (raw, json) = (&planted.secret, planted.json());
        let whole = format!(r#"{{"x":"{json}","value":[{{"id":"a","y":"{json}"}}]}}"#);
        let mut damaged = gzip(&whole);
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x55;
        let mut wrong_sum = gzip(&whole);
        let end = wrong_sum.len();
        wrong_sum[end - 6] ^= 0x55;
        answered(
            &planted,
            [
                Answer::nothing(),
                Answer::nothing().reset(),
                Answer::bytes(raw.clone()),
                Answer::bytes(format!(
                    "HTTP/1.1 200 {raw}\r\nContent-Length: 9999\r\n\r\n{raw}"
                )),
                Answer::bytes(format!("HTTP/1.1 {raw} OK\r\n\r\n")),
                Answer::bytes(format!("HTTP/{raw} 200 OK\r\n\r\n")),
                Answer::bytes(format!("HTTP/1.1 200 OK\r\n{raw}\r\n\r\n")),
                Answer::bytes(format!("HTTP/1.1 200 OK\r\nx {raw}: y\r\n\r\n")),
                Answer::bytes(format!(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{raw}\r\n"
                )),
                Answer::json(&whole).cut(5),
                Answer::json(&whole).cut(5).reset(),
                Answer::gzip(&whole).cut(9),
                Answer::gzipped(&damaged),
                Answer::gzipped(&wrong_sum),
                Answer::gzipped([b"\x1f\x8b", raw.as_bytes()].concat()),
                Answer::new(500, &[("Content-Encoding", "gzip")], &damaged),
                Answer::new(401, &[("Content-Encoding", "gzip")], gzip(raw)),
            ],
        );
        let refusing = format!("http://{}", deserted());
        call_all(&planted, planted.as_token(&refusing));
        call_all(&planted, planted.as_app(&refusing, &refusing));
    }
    // What the transport logs is told of a length, and is in the manual.
    for planted in Planted::each().map(Planted::not_in_lines_of_others) {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            planted.secret
        );
        answered(&planted, [Answer::bytes(answer)]);
    }
}

/// F98, F100, F101: nor does one that takes too long, whatever came of it.
#[test]
fn an_exchange_that_takes_too_long_is_told_without_it() {
    for planted in Planted::each() {
        let begun = format!(
            "HTTP/1.1 200 OK\r\nX: {0}\r\nContent-Length: 9999\r\n\r\n{0}",
            planted.secret
        );
        for answer in [Answer::nothing(), Answer::bytes(begun)] {
            let server = planted.api(RawServer::sending(answer.held()));
            let client = planted.as_token(&server.url());
            let client = client
                .read_timeout(Duration::from_millis(20))
                .build()
                .unwrap();
            planted.look_at_error(&client.scan_agents().unwrap_err());
            planted.look_at_error(&client.scan_agent("an-id").unwrap_err());
            planted.look_at_error(&client.machines().into_iter().next().unwrap().unwrap_err());
        }
    }
}

/// F98, F100, F101: nor does a connection that can't be secured.
#[cfg(feature = "rustls")]
#[test]
fn a_connection_that_is_not_secure_is_told_without_it() {
    use crate::support::tls_server::Authority;

    let authority = Authority::new("Trusted");
    for planted in Planted::each() {
        for (identity, root) in [
            (authority.valid(), None),
            (
                authority.valid_for(&["other.example"]),
                Some(authority.pem()),
            ),
            (authority.expired(), Some(authority.pem())),
        ] {
            let behind = Forbidden::new();
            let server = identity.before(&behind.host());
            let url = server.url();
            for builder in [planted.as_token(&url), planted.as_app(&url, &url)] {
                let builder = match root {
                    Some(root) => builder.root_certificates(root),
                    None => builder,
                };
                let client = builder
                    .connect_timeout(Duration::from_secs(2))
                    .build()
                    .unwrap();
                planted.look_at_error(&client.scan_agents().unwrap_err());
            }
            behind.assert_untouched();
        }
        let plain = planted.api(RawServer::sending(Answer::bytes(planted.secret.as_str())));
        let url = format!("https://{}", deserted());
        call_all(&planted, planted.as_token(&url));
        assert_eq!(plain.calls(), 0);
    }
}

/// F98, F100, F101: nor do refusals that come again and again, with tokens that are fetched anew.
#[test]
fn a_token_that_is_refused_again_and_again_is_in_no_text() {
    for planted in Planted::each() {
        let json = planted.json();
        let asked = AtomicUsize::new(0);
        let login = planted.login(RawServer::new(move |_| {
            // Each is another one.
            let number = asked.fetch_add(1, Ordering::SeqCst);
            Answer::json(format!(
                r#"{{"access_token":"{json}{number}","expires_in":3599}}"#
            ))
        }));
        let mut known = Vec::new();
        let api = planted.api(RawServer::new(move |seen| {
            let token = seen.header("authorization").unwrap();
            known.push(token.clone());
            // The last that were refused, the one before this among them.
            let last = known[known.len().saturating_sub(2)..].join(", ");
            let headers = [
                ("WWW-Authenticate", token.as_str()),
                ("x-ms-request-id", &last),
            ];
            let body = serde_json::json!({ "error": { "code": last, "message": last } });
            Answer::new(401, &headers, format!("{body}"))
        }));
        let builder = planted.as_app(&login.url(), &api.url());
        call_all(&planted, builder);
        assert!(login.calls() >= 8 && api.calls() >= 14);
    }
}

/// F98, F101: nor does a wait that the service asks for, as it is told to `on_wait` and logged.
#[test]
fn a_wait_is_told_without_it() {
    for planted in Planted::each() {
        let before = logs::count();
        let json = planted.json();
        for (status, after) in [
            (429, "30"),
            (503, "7"),
            (429, "99999"),
            (429, &planted.secret),
        ] {
            let body = format!(
                r#"{{"error":{{"code":"429","message":"{json}: try again in 12 seconds"}}}}"#
            );
            answered(
                &planted,
                [Answer::new(status, &[("Retry-After", after)], body)],
            );
        }
        let waited = |line: &logs::Line| line.text.starts_with("waiting: ");
        assert!(logs::since(before).iter().any(waited));
    }
}

/// F98, F100, F101: the token endpoint may repeat the client secret or assertion, in every form and
/// place, and its answers are never quoted.
#[test]
fn a_client_secret_is_in_no_text_where_the_token_endpoint_repeats_it() {
    for planted in Planted::each() {
        let secret = planted.json();
        let api = planted.api(RawServer::sending(Answer::json(NOTHING)));
        let mut bodies = repeating(&planted);
        bodies.extend(cut_repeating(&planted));
        bodies.extend([
            format!(r#"{{"error":"{secret}","error_description":"{secret}","correlation_id":"{secret}"}}"#),
            format!(r#"{{"error":"c","error_description":"AADSTS7000215: '{secret}' is wrong","trace_id":"{secret}"}}"#),
            format!(r#"{{"error":"c","error_description":"client_secret={}"}}"#, planted.percent()),
            format!(r#"{{"error":"c","error_description":"{}{secret}"}}"#, "x".repeat(285)),
            format!(r#"{{"error":"c","error_description":["{secret}"]}}"#),
            format!(r#"{{"access_token":["{secret}"]}}"#),
            format!(r#"{{"access_token":"t","expires_in":"{secret}"}}"#),
            format!(r#"{{"access_token":"t","token_type":"{secret}"}}"#),
            format!(r#"{{"access_token":"{secret}","token_type":"{secret}"}}"#),
            format!(r#"{{"access_token":"{secret}\r\n"}}"#),
            format!(r#"{{"access_token":"{secret}","expires_in":-1}}"#),
            format!(r#"{{"access_token":"{secret}"#),
        ]);
        for body in bodies {
            for status in [200, 302, 400, 401, 429, 500] {
                let raw = planted.secret.as_str();
                let headers = [
                    ("x-ms-request-id", raw),
                    ("Location", raw),
                    ("Retry-After", raw),
                ];
                let login = planted.login(RawServer::sending(Answer::new(status, &headers, &body)));
                let builder = planted.as_app(&login.url(), &api.url());
                let client = builder.build().unwrap();
                planted.look_at_error(&client.scan_agents().unwrap_err());
                planted.look_at(&client);
            }
        }
        assert_eq!(api.calls(), 0);
    }
}

/// F98, F100: nor is it where the token endpoint says nothing, or no HTTP.
#[test]
fn a_client_secret_is_in_no_text_where_the_token_endpoint_breaks_off() {
    for planted in Planted::each() {
        let api = planted.api(RawServer::sending(Answer::json(NOTHING)));
        let token = format!(
            r#"{{"access_token":"{}","expires_in":3599}}"#,
            planted.json()
        );
        for answer in [
            Answer::nothing(),
            Answer::nothing().reset(),
            Answer::bytes(planted.secret.as_str()),
            Answer::bytes(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{}",
                planted.secret
            )),
            Answer::json(&token).cut(20),
            Answer::gzip(&token).cut(9),
        ] {
            let login = planted.login(RawServer::sending(answer));
            call_all(&planted, planted.as_app(&login.url(), &api.url()));
        }
        assert_eq!(api.calls(), 0);
    }
}

/// F98, F100, F101: nor is a proxy's password, whatever the proxy answers.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_proxys_password_is_in_no_text() {
    for planted in Planted::each() {
        // Plain http to loopback would go past the proxy.
        let builder = planted.as_token("https://127.0.0.1:1");
        let url = |host: &str| format!("http://a-user:{}@{host}", planted.percent());
        for status in [200, 302, 403, 407, 502] {
            let body = planted.secret.clone();
            let headers = [("Proxy-Authenticate", body.as_str()), ("Location", &body)];
            let answer = Answer::new(status, &headers, &body).closed();
            let proxy = planted.proxy(RawServer::sending(answer));
            call_all(&planted, builder.clone().proxy(url(&proxy.host())));
            let seen = proxy.requests();
            assert!(seen.iter().all(|seen| seen.method() == "CONNECT") && !seen.is_empty());
            assert!(
                seen.iter()
                    .all(|seen| seen.header("proxy-authorization").is_some())
            );
        }
        for answer in [
            Answer::nothing().reset(),
            Answer::bytes(planted.secret.as_str()),
            Answer::bytes(format!("HTTP/1.1 {} OK\r\n\r\n", planted.secret)),
        ] {
            let proxy = planted.proxy(RawServer::sending(answer));
            call_all(&planted, builder.clone().proxy(url(&proxy.host())));
        }
        call_all(&planted, builder.proxy(url(&deserted().to_string())));
    }
}

/// F101: what the crate logs of a renewal that failed is useful, and holds neither secret nor token.
#[test]
fn a_failed_renewal_is_logged_without_secret_and_token() {
    for planted in Planted::each() {
        let clock = defender_endpoint::testing::FakeClock::new();
        let secret = planted.secret.clone();
        let first = serde_json::json!({ "access_token": secret, "expires_in": 3_600 }).to_string();
        let asked = AtomicUsize::new(0);
        let login = planted.login(RawServer::new(move |_| {
            if asked.fetch_add(1, Ordering::SeqCst) == 0 {
                return Answer::json(&first);
            }
            let body = serde_json::json!({
                "error": "a-teapot",
                "error_description": format!("{secret} is not tea"),
            });
            Answer::new(418, &[], body.to_string())
        }));
        let api = planted.api(RawServer::sending(Answer::json(NOTHING)));
        let builder = planted.as_app(&login.url(), &api.url());
        let client = builder.clock(clock.clone()).build().unwrap();
        let before = logs::count();
        client.scan_agents().unwrap();
        clock.advance(Duration::from_secs(3_400));
        client.scan_agents().unwrap();
        let told = |line: &&logs::Line| line.level == Level::Warn && line.text.contains("a-teapot");
        let lines = logs::since(before);
        let line = lines.iter().find(told).expect("the failure is logged");
        assert!(line.target.starts_with("defender_endpoint"), "{line:?}");
        assert!(line.text.contains("the old one is used: "), "{line:?}");
        assert!(line.text.contains("*** is not tea"), "{line:?}");
        planted.look_at_text(&line.text);
    }
}

/// F101: the lines that the scenarios above are searched in are there: the crate's own down to
/// `debug`, and those of the transport, which name neither path nor query. That the transport's `trace`
/// shows all is in the manual, and the header is marked for those who print headers.
#[test]
fn the_crates_lines_are_clean_and_the_transports_trace_is_warned_of() {
    let planted = Planted::short();
    let before = logs::count();
    let server = planted.api(RawServer::sending(Answer::new(
        503,
        &[],
        planted.secret.as_str(),
    )));
    let client = planted.as_token(&server.url()).build().unwrap();
    let path = format!("/api/DeviceAuthenticatedScanAgents/{}", server.port());
    client.scan_agent(server.port().to_string()).unwrap_err();
    let (own, others): (Vec<_>, Vec<_>) = logs::since(before)
        .into_iter()
        .partition(|line| line.target.starts_with("defender_endpoint"));
    for level in [Level::Warn, Level::Info, Level::Debug] {
        let is_it = |line: &logs::Line| line.level == level && line.text.contains(&path);
        assert!(
            own.iter().any(is_it) || level == Level::Info,
            "{level}: {own:#?}"
        );
    }
    let host = server.host();
    assert!(
        others.iter().any(|line| line.text.contains(&host)),
        "{others:#?}"
    );
    assert!(
        !others.iter().any(|line| line.text.contains(&path)),
        "{others:#?}"
    );
    planted.look_at_text(path);

    let manual = Source::of("src/lib.rs").text.replace("\n//! ", " ");
    assert!(manual.contains("its level `trace` shows raw bytes, tokens included: keep it off"));
    let transport = Source::of("src/http.rs").own_lines().concat();
    assert!(transport.contains(".set_sensitive(true)"));
}

/// A secret of one letter does not turn each such letter of a text into stars.
#[test]
fn a_one_letter_secret_leaves_texts_alone() {
    let refusal = r#"{"error":"invalid_client","error_description":"AADSTS7000215: x"}"#;
    let login = RawServer::sending(Answer::new(401, &[], refusal));
    let cloud = Cloud::COMMERCIAL
        .with_api_url(login.url())
        .with_authority(login.url());
    let client = Client::builder(ClientSecret::new("contoso.com", "an-app", "A").unwrap())
        .cloud(cloud)
        .no_proxy()
        .build()
        .unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_eq!(error.message(), Some("AADSTS7000215: x"));
    assert_eq!(login.calls(), 1);
}

/// F102: a panic in a credential of the caller's takes nothing of the crate's with it: neither its
/// message nor what the hook prints holds a secret, and other calls go on.
#[test]
fn a_panic_while_a_token_is_fetched_shows_no_secret_and_leaves_the_client_whole() {
    #[derive(Debug)]
    struct Clumsy {
        secret: Secret,
        falls: AtomicUsize,
    }
    impl Credential for Clumsy {
        fn token(&self, _: &TokenRequest<'_>) -> Result<AccessToken, Error> {
            let left = self.falls.fetch_sub(1, Ordering::SeqCst);
            assert!(left == 0, "the vault fell over: {self:?}");
            Ok(AccessToken::new(self.secret.clone()))
        }
    }
    for planted in Planted::each() {
        let api = planted.api(RawServer::sending(Answer::json(NOTHING)));
        let credential = Clumsy {
            secret: Secret::from(planted.secret.as_str()),
            falls: AtomicUsize::new(1),
        };
        let builder = Client::builder(credential)
            .cloud(cloud(api.url()))
            .no_proxy();
        let client = builder.build().unwrap();
        let (fell, printed) = panicking(|| client.scan_agents());
        planted.look_at_text(fell);
        planted.look_at_text(&printed);
        assert!(printed.contains("the vault fell over"), "{printed}");
        planted.look_at(&client);
        client.scan_agents().unwrap();
        assert_eq!(api.calls(), 1);
    }
}

/// F102: nor does one in a closure that hears of waits.
#[test]
fn a_panic_while_a_call_waits_shows_no_secret_and_leaves_the_client_whole() {
    for planted in Planted::each() {
        let answers = [
            Answer::new(503, &[], planted.secret.as_str()),
            Answer::json(NOTHING),
        ];
        let api = planted.api(RawServer::script(answers));
        let client = planted.as_token(&api.url());
        let client = client
            .on_wait(|wait| panic!("no time: {wait}"))
            .build()
            .unwrap();
        let (fell, printed) = panicking(|| client.scan_agents());
        planted.look_at_text(fell);
        planted.look_at_text(&printed);
        assert!(printed.contains("no time"), "{printed}");
        client.scan_agents().unwrap();
        assert_eq!(api.calls(), 2);
    }
}

/// The message of the panic, and what a hook that prints all there is has to say of it.
fn panicking<T>(act: impl FnOnce() -> T) -> (String, String) {
    static PRINTED: Mutex<Vec<(std::thread::ThreadId, String)>> = Mutex::new(Vec::new());
    static HOOK: Once = Once::new();
    let here = std::thread::current().id();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let trace = std::backtrace::Backtrace::force_capture();
            let text = format!("{panic} {panic:?} {trace}");
            let printed = (std::thread::current().id(), text);
            PRINTED
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(printed);
            others(panic);
        }));
    });
    let Err(payload) = catch_unwind(AssertUnwindSafe(act)) else {
        panic!("it did not panic");
    };
    let message = payload.downcast_ref::<String>().expect("a message").clone();
    let all = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    let printed = all.iter().filter(|(thread, _)| *thread == here);
    (message, printed.map(|(_, text)| text.as_str()).collect())
}

/// F102 (stand-in): the crate starts no process to which a secret could be an argument, and has no
/// `expect`, `unwrap` or `panic!` whose text could hold one. There is nothing to run, so its source is
/// read: no process, and the lints that keep it so, allowed in tests alone.
#[test]
fn the_crate_starts_nothing_but_the_azure_cli_and_has_no_panic_of_its_own() {
    let lints = Source::of("Cargo.toml").text;
    for lint in [
        "unwrap_used",
        "expect_used",
        "panic",
        "indexing_slicing",
        "todo",
    ] {
        assert!(lints.contains(&format!("\n{lint} = \"warn\"\n")), "{lint}");
    }
    let (mut files, mut behind) = (0, false);
    for source in Source::all() {
        if source.is_for_tests() {
            continue;
        }
        files += 1;
        let path = &source.path;
        // The Azure CLI is another program: the one file that starts it may name it.
        let starts = path == "src/auth/azure_cli/program.rs";
        // What programs of others do with `std::process`, such as a status, may be shown in comments.
        let own = source.own_lines().join("\n");
        assert!(starts || !own.contains("std::process"), "{path}");
        assert!(starts || !own.contains("process::Command"), "{path}");
        assert!(!own.contains("process::exit"), "{path}");
        assert!(!own.contains("process::abort"), "{path}");
        // The fake tenant's secrets are none.
        if path.starts_with("src/testing/") {
            continue;
        }
        for line in source.own_lines() {
            behind |= path == "src/client.rs" && line.starts_with("    pub(crate) fn walk(");
            for word in [
                ".unwrap()",
                ".expect(",
                "panic!(",
                "unreachable!(",
                "todo!(",
            ] {
                assert!(!line.contains(word), "{path}: {line}");
            }
        }
    }
    assert!(files > 30, "{files} files were read");
    assert!(behind, "what stands behind an item for tests is not read");
}

/// F104 (stand-in): memory that was given back can't be looked at without `unsafe`, which is forbidden
/// here. What wipes secrets is of the type that does so: the crate's one type for secrets holds it, and
/// each text that is made of a secret or holds one until it is read is in it. The rest (core
/// dumps, swap, copies of the caller's) is not promised, as the type's documentation says.
#[test]
fn texts_that_hold_a_secret_are_of_the_type_that_wipes_them() {
    let secret = Source::of("src/secret.rs").text;
    assert!(secret.contains("struct Secret(Zeroizing<String>)"));
    let documentation = secret.replace("\n/// ", " ");
    assert!(documentation.contains("as far as that can be done: copies that the caller, the allocator or the operating system made are not reached"));
    // The header; the files of assertions and keys; the form and the answer of the token endpoint.
    for (path, least) in [
        ("src/http.rs", 1),
        ("src/file.rs", 1),
        ("src/auth/entra.rs", 1),
        ("src/auth/answer.rs", 1),
        // What the Azure CLI prints.
        ("src/auth/azure_cli/program.rs", 4),
        ("src/auth/azure_cli/answer.rs", 1),
        // The body of a definition that is sent.
        ("src/scan_definitions/write/fields.rs", 1),
    ] {
        let source = Source::of(path);
        let made = source.own_lines().concat();
        let made = made.matches("Zeroizing::new(").count();
        assert!(made >= least, "{path}: {made}");
    }
    // Nothing else in the crate takes the text out of a secret to keep it.
    let mut behind = false;
    for source in Source::all() {
        if source.is_for_tests() {
            continue;
        }
        let path = &source.path;
        for line in source.own_lines() {
            behind |= path == "src/client.rs" && line.starts_with("    pub(crate) fn walk(");
            let copied = [
                "expose().to_owned()",
                "expose().to_string()",
                "expose().into()",
                "expose().clone",
            ];
            assert!(
                !copied.iter().any(|copy| line.contains(copy)),
                "{path}: {line}"
            );
        }
    }
    assert!(behind, "what stands behind an item for tests is not read");
}
