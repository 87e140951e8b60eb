//! What operations need, what a token says of itself, and the example that explains a refusal.

// The example as it is, with a `main` that nobody calls here, and what all examples have in common.
#[expect(dead_code, clippy::duplicate_mod, reason = "only its report is tested")]
#[path = "../../examples/whoami.rs"]
mod example;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use defender_endpoint::permissions::{self, OperationPermissions};
use defender_endpoint::scan_definitions::{NewScanDefinition, ScanDefinitionUpdate, SnmpAuth};
use defender_endpoint::testing::{Clock, FakeClock, Fault, Tenant, TenantBuilder};
use defender_endpoint::time::OffsetDateTime;
use defender_endpoint::{
    AccessToken, Client, Cloud, Credential, Error, ErrorKind, RetryPolicy, StaticToken,
    TokenRequest,
};
use serde_json::{Value, json};

use crate::support::planted::Planted;
use crate::support::raw::{Answer, RawServer};
use crate::support::{TOKEN, builder, retrying_with_secret};

pub(crate) const AUDIENCE: &str = "https://api.securitycenter.microsoft.com";
const AGENTS: &str = "/api/DeviceAuthenticatedScanAgents";
const NO_ROWS: &str = r#"{"value":[]}"#;

/// A token with these claims, and with the usual ones where they are left out.
pub(crate) fn token(claims: &Value) -> String {
    let in_an_hour = OffsetDateTime::now_utc() + Duration::from_secs(3_600);
    let mut all = json!({
        "aud": AUDIENCE,
        "tid": "a-tenant",
        "appid": "an-app",
        "exp": in_an_hour.unix_timestamp(),
        "name": "Ada Lovelace",
    });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let parts = [r#"{"alg":"RS256"}"#, &all.to_string(), "signed"];
    parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

/// A client with a token of these claims, for a server that answers each call alike.
pub(crate) fn client(server: &RawServer, claims: &Value) -> Client {
    let cloud = Cloud::COMMERCIAL.with_api_url(server.url());
    Client::builder(StaticToken::new(token(claims)).unwrap())
        .cloud(cloud)
        .clock(FakeClock::new())
        .no_proxy()
        .build()
        .unwrap()
}

/// The report of the example, and whether all went well.
pub(crate) fn report(client: &Client) -> (bool, String) {
    let mut out = Vec::new();
    let (asked, whose) = (example::Asked::All, example::Whose::Own);
    let all_well = example::report(client, asked, whose, &mut out).unwrap();
    (all_well, String::from_utf8(out).unwrap())
}

fn report_of(tenant: &Tenant) -> (bool, String) {
    report(&tenant.client().unwrap())
}

/// What the report of a failure says is the cause of the first.
pub(crate) fn why(client: &Client) -> String {
    let (all_well, text) = report(client);
    assert!(!all_well, "{text}");
    let why = text.lines().find_map(|line| line.strip_prefix("  why: "));
    why.unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// The error that the service sends.
pub(crate) fn refusal(status: u16, message: &str) -> Answer {
    let body = json!({ "error": { "code": "Code", "message": message } });
    let headers = [("Content-Type", "application/json")];
    Answer::new(status, &headers, body.to_string())
}

fn by_page(page: &str) -> &'static OperationPermissions {
    let mut all = permissions::all().iter();
    all.find(|operation| operation.page() == page).unwrap()
}

/// With the demo tenant's permissions changed, what the data says is missing is what the service
/// refuses, and both are what the vendor's pages say.
#[test]
fn what_the_data_says_is_missing_is_what_is_refused() {
    for (roles, machines, scans) in [
        (&[][..], false, false),
        (&["Machine.Read.All"], true, true),
        (&["Machine.ReadWrite.All"], true, false),
        (&["Machine.Read", "Alert.Read.All"], false, false),
    ] {
        let tenant = Tenant::demo_builder().roles(roles.iter().copied());
        let tenant = tenant.start().unwrap();
        let client = tenant.client().unwrap();
        let claims = client.token_claims().unwrap();
        let machine = client.machines().top(1).into_iter().next().unwrap();
        let session = client.scan_history(["x"]).into_iter().next().transpose();
        let targets = client.scan_history_by_session(["x"]).into_iter().next();
        let targets = targets.transpose();
        for (page, error, allowed) in [
            ("List machines API", machine.err(), machines),
            ("Get machine by ID API", client.machine("x").err(), machines),
            ("Get all scan agents", client.scan_agents().err(), scans),
            ("Get scan agent by ID", client.scan_agent("x").err(), scans),
            (
                "Get scan definitions",
                client.scan_definitions().err(),
                scans,
            ),
            ("Get scan history by definition", session.err(), scans),
            ("Get scan history by session", targets.err(), scans),
            (
                "Add, update, or delete a scan definition",
                client.delete_scan_definitions(["x"]).err(),
                roles.contains(&"Machine.ReadWrite.All"),
            ),
        ] {
            let case = format!("{page} with {roles:?}");
            let refused = error.is_some_and(|it| it.kind() == ErrorKind::Forbidden);
            assert_eq!(refused, !allowed, "{case}");
            assert_eq!(by_page(page).allowed_by(&claims), allowed, "{case}");
        }
        // One token for the claims and all calls.
        assert_eq!(tenant.token_requests(), 1);
    }
}

#[test]
fn a_row_of_the_data_is_the_call_that_is_made() {
    let server = RawServer::sending(Answer::json(NO_ROWS));
    let client = builder(&server.url()).build().unwrap();
    client.machines().into_iter().for_each(drop);
    client.machine("an-id").unwrap_err();
    client.scan_agents().unwrap();
    client.scan_agent("an-id").unwrap_err();
    client.scan_definitions().unwrap();
    client.scan_definition("an-id").unwrap_err();
    client.scan_history(["x"]).into_iter().for_each(drop);
    let by_session = client.scan_history_by_session(["x"]);
    by_session.into_iter().for_each(drop);
    let auth = SnmpAuth::community_string("public");
    let new = NewScanDefinition::network("x", "a-machine", ["10.0.0.1"], auth);
    client.add_scan_definition(&new).unwrap_err();
    let update = ScanDefinitionUpdate::new().active(true);
    client.update_scan_definition("an-id", &update).unwrap_err();
    client.delete_scan_definitions(["x"]).unwrap();
    let made: Vec<String> = server
        .requests()
        .iter()
        .map(|request| request.line().split('?').next().unwrap().to_owned())
        .collect();
    let rows: Vec<String> = permissions::all()
        .iter()
        .map(|row| format!("{} {}", row.method(), row.path().replace("{id}", "an-id")))
        .collect();
    let expected = [
        "GET /api/machines",
        "GET /api/machines/an-id",
        "GET /api/DeviceAuthenticatedScanAgents",
        "GET /api/DeviceAuthenticatedScanAgents/an-id",
        "GET /api/DeviceAuthenticatedScanDefinitions",
        "GET /api/DeviceAuthenticatedScanDefinitions/an-id",
        "POST /api/DeviceAuthenticatedScanDefinitions/GetScanHistoryByScanDefinitionId",
        "POST /api/DeviceAuthenticatedScanDefinitions/GetScanHistoryBySessionId",
        "POST /api/DeviceAuthenticatedScanDefinitions",
        "PATCH /api/DeviceAuthenticatedScanDefinitions/an-id",
        "POST /api/DeviceAuthenticatedScanDefinitions/BatchDelete",
    ];
    assert_eq!(made, expected);
    assert_eq!(rows, expected);
}

#[test]
fn a_token_says_what_was_granted_for_whom_and_how_long() {
    let tenant = Tenant::demo().unwrap();
    let client = tenant.client().unwrap();
    let claims = client.token_claims().unwrap();
    assert_eq!(claims.audience(), Some(AUDIENCE));
    assert_eq!(claims.tenant_id(), Some(tenant.tenant_id()));
    assert_eq!(claims.app_id(), Some(tenant.client_id()));
    assert_eq!(claims.roles(), ["Machine.Read.All"]);
    assert!(!claims.is_delegated() && claims.scopes().is_empty());
    let left = claims.expires_at().unwrap() - OffsetDateTime::now_utc();
    assert!((3_500..3_600).contains(&left.whole_seconds()), "{left}");
    // The API was not called, and its limits are untouched.
    assert_eq!(tenant.calls("/api/"), 0);
    assert_eq!(client.quota().machines.left_in_minute, 100);
}

#[test]
fn the_token_of_calls_is_there_for_calls_that_are_made_by_hand() {
    let server = RawServer::sending(Answer::json(NO_ROWS));
    let client = builder(&server.url()).build().unwrap();
    client.scan_agents().unwrap();
    let token = client.access_token().unwrap();
    let sent = server.requests();
    assert_eq!(
        sent[0].header("authorization"),
        Some(format!("Bearer {}", token.expose()))
    );
    // The API was not asked for it, and its limits are untouched.
    assert_eq!(sent.len(), 1);
    assert_eq!(client.quota().machines.left_in_minute, 100);
}

#[test]
fn a_token_that_was_refused_by_hand_is_not_handed_out_again() {
    let tenant = Tenant::demo().unwrap();
    let client = tenant.client().unwrap();
    let first = client.access_token().unwrap();
    tenant.expire_tokens();
    assert_eq!(client.access_token().unwrap().expose(), first.expose());
    client.discard_token(&first);
    let second = client.access_token().unwrap();
    assert_ne!(second.expose(), first.expose());
    // A thread that is late with the old one doesn't cost the new one.
    client.discard_token(&first);
    assert_eq!(client.access_token().unwrap().expose(), second.expose());
    assert_eq!(tenant.token_requests(), 2);
}

#[test]
fn a_token_that_runs_out_is_renewed_before_its_claims_are_read() {
    let clock = FakeClock::new();
    let tenant = Tenant::builder().clock(clock.clone()).start().unwrap();
    let client = tenant.client_builder().unwrap().clock(clock.clone());
    let client = client.build().unwrap();
    let first = client.token_claims().unwrap();
    assert_eq!(client.token_claims().unwrap(), first);
    assert_eq!(tenant.token_requests(), 1);
    clock.advance(Duration::from_secs(3_600));
    let second = client.token_claims().unwrap();
    assert!(second.expires_at() > first.expires_at());
    assert_eq!(tenant.token_requests(), 2);
}

#[test]
fn the_token_is_asked_for_once_for_its_claims() {
    let tenant = Tenant::demo().unwrap();
    let clock = FakeClock::new();
    tenant.fail(Fault::status(503).path("oauth2"));
    let client = tenant.client_builder().unwrap().clock(clock.clone());
    let client = client.on_wait(|wait| panic!("{wait}")).build().unwrap();
    let error = client.token_claims().unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Credential, Some(503))
    );
    assert!(error.is_retryable());
    assert_eq!(tenant.token_requests(), 1);
    assert_eq!(clock.now(), Duration::ZERO);
    // The caller can.
    client.token_claims().unwrap();
    assert_eq!(tenant.token_requests(), 2);
}

#[test]
fn a_wrong_secret_is_asked_about_once() {
    let login = RawServer::sending(Answer::new(
        401,
        &[("Content-Type", "application/json")],
        r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret."}"#,
    ));
    let client = retrying_with_secret(&login.url(), &login.url(), &FakeClock::new());
    let client = client.build().unwrap();
    for _ in 0..2 {
        let error = client.token_claims().unwrap_err();
        assert_eq!(error.code(), Some("invalid_client"));
    }
    assert_eq!(login.requests().len(), 1);
}

#[test]
fn a_token_that_is_opaque_says_nothing_and_is_good_for_calls() {
    let server = RawServer::sending(Answer::json(NO_ROWS));
    let client = builder(&server.url()).build().unwrap();
    let error = client.token_claims().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("opaque"), "{error}");
    assert!(!format!("{error:?} {error:#?}").contains(TOKEN));
    let (all_well, text) = report(&client);
    assert!(
        all_well && text.contains("token:      the access token is opaque"),
        "{text}"
    );
    assert!(text.contains("Get all scan agents: went through"), "{text}");
}

/// Whatever a token is like, nothing of it is in what is said of it.
#[test]
fn no_token_is_shown_where_its_claims_are_read_or_can_not_be() {
    for planted in Planted::each() {
        // The secret is the whole token, its signature, or the name of its user.
        let opaque = planted.secret.clone();
        let encoded = URL_SAFE_NO_PAD.encode(&opaque);
        let signed = format!(
            "{}.{encoded}",
            token(&json!({})).rsplit_once('.').unwrap().0
        );
        let named = token(&json!({ "name": opaque, "upn": opaque, "roles": ["R"] }));
        let broken = format!("a.{encoded}.b");
        for token in [opaque, signed, named, broken] {
            let server = planted.api(RawServer::sending(refusal(403, "No.")));
            let cloud = Cloud::COMMERCIAL.with_api_url(server.url());
            let client = Client::builder(StaticToken::new(token).unwrap()).cloud(cloud);
            let client = client.no_proxy().build().unwrap();
            match client.token_claims() {
                Ok(claims) => planted.look_at(&claims),
                Err(error) => planted.look_at_error(&error),
            }
            planted.look_at_error(&client.scan_agents().unwrap_err());
            planted.look_at_text(report(&client).1);
        }
    }
}

#[test]
fn a_403_names_what_is_needed_and_what_the_token_has() {
    let server = RawServer::sending(refusal(403, "Missing application roles."));
    let client = client(
        &server,
        &json!({ "roles": ["Machine.Isolate", "Alert.Read.All"] }),
    );
    let error = client.scan_definitions().unwrap_err();
    let hint = error.hint().unwrap();
    assert_eq!(
        hint.split("; ").take(2).collect::<Vec<_>>(),
        [
            "this needs the application permission Machine.Read.All, or the delegated permission \
             Machine.Read.All with the role 'ViewData' or 'TvmViewData'",
            "the token has the roles Machine.Isolate, Alert.Read.All",
        ]
    );
    assert_eq!(error.message(), Some("Missing application roles."));
}

#[test]
fn a_client_says_which_hosts_and_scope_it_uses() {
    let cloud = Cloud::GCC
        .with_api_url("HTTPS://Host.Example:443/")
        .with_scope("s/.default");
    let client = Client::builder(StaticToken::new(TOKEN).unwrap()).cloud(cloud);
    let client = client.build().unwrap();
    assert_eq!(client.cloud().api_url(), "https://host.example");
    assert_eq!(client.cloud().authority(), Cloud::GCC.authority());
    assert_eq!(client.cloud().scope(), "s/.default");
}

// What follows is the example.

#[test]
fn the_report_of_a_tenant_in_order() {
    let tenant = Tenant::demo().unwrap();
    let (all_well, text) = report_of(&tenant);
    assert!(all_well, "{text}");
    for line in [
        "credential: client secret".to_owned(),
        format!("API:        {}", tenant.url()),
        format!("tenant:     {}", tenant.tenant_id()),
        format!("app:        {}", tenant.client_id()),
        "roles:      Machine.Read.All".to_owned(),
        "good for:   59 min".to_owned(),
        "Get scan agent by ID                     granted".to_owned(),
        "List machines API: went through, with a machine".to_owned(),
        "Get all scan agents: went through, with 5 scan agents".to_owned(),
    ] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
    assert_eq!(
        (tenant.calls("/api/machines"), tenant.calls(AGENTS)),
        (1, 1)
    );
    assert_eq!(tenant.token_requests(), 1);
    assert!(!text.contains("eyJ") && !text.contains(tenant.client_secret()));
    for line in text.lines() {
        assert!(line.len() <= 80, "{line}");
    }
}

#[test]
fn the_report_of_an_application_without_consent_says_so() {
    let tenant = Tenant::demo_builder().roles([""; 0]).start().unwrap();
    let (all_well, text) = report_of(&tenant);
    assert!(!all_well);
    for part in [
        "roles:      none\n",
        "List machines API                        missing, Machine.Read.All or Machine.ReadWrite.All\n",
        "List machines API: FAILED\n  GET /api/machines: 403 Forbidden",
        "  why: the token has no roles at all, as without an administrator's consent: add \
         Machine.Read.All or Machine.ReadWrite.All of the API WindowsDefenderATP to the app \
         registration",
        "Get all scan agents: not called, a permission is missing\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(tenant.calls(AGENTS), 0);
}

#[test]
fn the_report_of_an_application_with_one_of_two_families_is_in_order() {
    let tenant = Tenant::demo_builder().roles(["Machine.ReadWrite.All"]);
    let tenant = tenant.start().unwrap();
    let (all_well, text) = report_of(&tenant);
    assert!(all_well, "{text}");
    assert!(
        text.contains("Get all scan agents                      missing, Machine.Read.All\n"),
        "{text}"
    );
    assert!(text.contains("Get all scan agents: not called"), "{text}");
}

/// Who lists machines need not mind that scans are refused, and who only reads that nothing can be
/// written.
#[test]
fn the_report_is_in_order_where_what_was_asked_for_works() {
    let tenant = Tenant::demo().unwrap();
    tenant.fail(Fault::status(403).path(AGENTS).always());
    let client = tenant.client().unwrap();
    let of = |asked| {
        let mut out = Vec::new();
        let well = example::report(&client, asked, example::Whose::Own, &mut out).unwrap();
        (well, String::from_utf8(out).unwrap())
    };
    let scans = "scans: doesn't work";
    for (asked, well, end) in [
        (
            example::Asked::All,
            false,
            format!("listing machines: works; {scans}"),
        ),
        (
            example::Asked::Machines,
            true,
            "listing machines: works".to_owned(),
        ),
        (example::Asked::Scans, false, scans.to_owned()),
    ] {
        let (outcome, text) = of(asked);
        assert_eq!(
            (outcome, text.lines().last()),
            (well, Some(&*end)),
            "{text}"
        );
        let line =
            "Add, update, or delete a scan definition only for writing: Machine.ReadWrite.All";
        assert!(text.lines().any(|it| it == line), "{text}");
    }
    // What was asked for by name is called whatever the token says.
    let tenant = Tenant::demo_builder().roles([""; 0]).start().unwrap();
    let mut out = Vec::new();
    let client = tenant.client().unwrap();
    let (asked, whose) = (example::Asked::Scans, example::Whose::Own);
    assert!(!example::report(&client, asked, whose, &mut out).unwrap());
    assert_eq!(
        (tenant.calls(AGENTS), tenant.calls("/api/machines")),
        (1, 0)
    );
}

#[test]
fn the_report_tells_a_missing_licence_from_a_bad_token() {
    let tenant = Tenant::demo().unwrap();
    let licence = "Unauthorized request - reason of failure: No Tvm license";
    tenant.fail(Fault::unauthorized().path(AGENTS).message(licence).always());
    let (all_well, text) = report_of(&tenant);
    assert!(!all_well);
    assert!(text.contains("List machines API: went through"), "{text}");
    assert!(text.contains(licence), "{text}");
    assert!(
        text.contains("  why: the tenant has no licence for vulnerability management"),
        "{text}"
    );

    let tenant = Tenant::demo().unwrap();
    tenant.fail(Fault::status(403).path(AGENTS));
    let (_, text) = report_of(&tenant);
    assert!(
        text.contains("  why: the permission is there, so that it is no consent"),
        "{text}"
    );
}

#[test]
fn the_report_finds_the_first_cause_of_a_refusal_in_the_token() {
    let hour_ago = OffsetDateTime::now_utc() - Duration::from_secs(3_600);
    let all = json!(["Machine.Read.All"]);
    for (status, claims, cause) in [
        (
            403,
            json!({ "aud": "https://graph.microsoft.com", "roles": [] }),
            "the token is for another audience, https://graph.microsoft.com: ask for one with the \
             scope https://api.securitycenter.microsoft.com/.default",
        ),
        (
            401,
            json!({ "aud": "https://graph.microsoft.com/", "roles": all }),
            "the token is for another audience",
        ),
        (
            401,
            json!({ "roles": all, "exp": hour_ago.unix_timestamp() }),
            "the token has expired by this machine's clock",
        ),
        (401, json!({ "roles": all }), "the token looks right"),
        (
            401,
            json!({ "roles": all, "exp": null }),
            "the token looks right",
        ),
        (
            403,
            json!({ "roles": ["Machine.Isolate"] }),
            "the token has other roles than Machine.Read.All or Machine.ReadWrite.All",
        ),
        (
            403,
            json!({ "scp": "openid" }),
            "the token has other scopes than Machine.Read or Machine.ReadWrite",
        ),
        (403, json!({ "scp": "" }), "the token has no scopes at all"),
        (
            403,
            json!({ "scp": "Machine.Read" }),
            "the permission is there, so that it is the user: who needs 'View Data'",
        ),
        // An audience that is an id, or written a little otherwise, is none to find fault with.
        (
            403,
            json!({ "aud": "fc780465-0000-4000-8000-000000000000", "roles": all }),
            "the permission is there, so that it is no consent",
        ),
        (
            403,
            json!({ "aud": format!("{AUDIENCE}/"), "roles": all }),
            "the permission is there, so that it is no consent",
        ),
    ] {
        let server = RawServer::sending(refusal(status, "No."));
        let why = why(&client(&server, &claims));
        assert!(why.starts_with(cause), "{status} {claims}: {why}");
    }
    let server = RawServer::sending(refusal(403, "No."));
    let opaque = builder(&server.url()).build().unwrap();
    assert!(why(&opaque).starts_with("the token can't be read here"));
}

/// A managed identity has no app registration, and the Azure CLI's is the vendor's.
#[test]
fn the_report_gives_each_credential_advice_that_can_be_followed() {
    #[derive(Debug)]
    struct Named(&'static str, String);
    impl Credential for Named {
        fn token(&self, _: &TokenRequest<'_>) -> Result<AccessToken, Error> {
            Ok(AccessToken::new(self.1.as_str()))
        }
        fn name(&self) -> &'static str {
            self.0
        }
    }
    for (name, advice) in [
        ("client secret", "to the app registration"),
        ("workload identity", "to the app registration"),
        ("managed identity", "to the identity"),
        ("Azure CLI", "use an app registration of your own"),
    ] {
        for claims in [
            json!({ "roles": [] }),
            json!({ "roles": ["Machine.Isolate"] }),
        ] {
            let server = RawServer::sending(refusal(403, "No."));
            let client = Client::builder(Named(name, token(&claims)))
                .cloud(Cloud::COMMERCIAL.with_api_url(server.url()))
                .clock(FakeClock::new())
                .no_proxy()
                .build()
                .unwrap();
            let why = why(&client);
            assert!(why.contains(advice), "{name}: {why}");
            let registers = why.contains("to the app registration");
            assert_eq!(registers, advice.contains("to the app"), "{name}: {why}");
        }
    }
}

#[test]
fn the_report_of_a_users_token_names_scopes_and_the_role_of_the_user() {
    let server = RawServer::sending(Answer::json(NO_ROWS));
    let claims = json!({ "scp": "Machine.Read openid", "exp": 1_700_000_000 });
    let (all_well, text) = report(&client(&server, &claims));
    assert!(all_well, "{text}");
    for part in [
        "scopes:     Machine.Read, openid\n",
        "List machines API                        granted, with role 'View Data'\n",
        "Get all scan agents                      missing, Machine.Read.All\n",
        "good for:   nothing: expired ",
        "List machines API: went through, without a machine\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("Ada"), "{text}");
}

#[test]
fn the_report_of_a_tenant_that_fails_otherwise_leaves_the_cause_to_the_error() {
    let no_token = |change: fn(TenantBuilder) -> TenantBuilder, fault: Fault| {
        let tenant = change(Tenant::demo_builder()).start().unwrap();
        tenant.fail(fault);
        let client = tenant.client_builder().unwrap();
        let client = client.retry_policy(RetryPolicy::none()).build().unwrap();
        let (all_well, text) = report(&client);
        assert!(!all_well && !text.contains("why: "), "{text}");
        (tenant.calls("/api/"), text)
    };
    let (calls, text) = no_token(|it| it, Fault::status(401).path("oauth2"));
    assert!(
        text.contains("no token: FAILED\n  the token request was refused: 401"),
        "{text}"
    );
    assert!(
        text.contains("  hint: the client secret is wrong"),
        "{text}"
    );
    assert_eq!(calls, 0);
    let (calls, text) = no_token(|it| it, Fault::status(503).path("/api/machines"));
    assert!(
        text.contains("List machines API: FAILED\n  GET /api/machines: 503"),
        "{text}"
    );
    assert!(text.contains("Get all scan agents: went through"), "{text}");
    assert_eq!(calls, 2);

    let tenant = Tenant::demo().unwrap();
    tenant.fail(Fault::status(404).path("/api/machines"));
    let (all_well, text) = report_of(&tenant);
    assert!(
        all_well && text.contains("404 says that there are no machines"),
        "{text}"
    );
    let end = text.lines().last().unwrap();
    assert!(
        end.starts_with("listing machines: answers, but has none; "),
        "{end}"
    );
}

/// Whoever forgot to export the variables must not take the demo's machines for the own ones.
#[test]
fn the_reports_last_line_says_that_it_is_the_demo_tenants() {
    let tenant = Tenant::demo().unwrap();
    let client = tenant.client().unwrap();
    for (whose, end) in [
        (example::Whose::Own, "listing machines: works"),
        (
            example::Whose::Demo,
            "listing machines: works (demo tenant)",
        ),
    ] {
        let mut out = Vec::new();
        assert!(example::report(&client, example::Asked::Machines, whose, &mut out).unwrap());
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().last(), Some(end));
    }
}
