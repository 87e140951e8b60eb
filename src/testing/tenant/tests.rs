//! A tenant over its sockets: tokens, faults, and what it remembers.

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::testing::server::raw::{ask, ask_token, code, form, get, ids, numbered, token};

#[test]
fn a_token_is_another_each_time_and_opens_the_api() {
    let tenant = Tenant::builder()
        .token_lifetime(Duration::from_secs(600))
        .start()
        .unwrap();
    let answer = ask_token(&tenant, &form(&tenant)).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["expires_in"], 600);
    assert_eq!(answer.json()["token_type"], "Bearer");
    let (first, second) = (token(&tenant), token(&tenant));
    assert_ne!(first, second);
    for token in [&first, &second] {
        assert_eq!(get(&tenant, token, "/api/machines").unwrap().status, 200);
    }
    assert_eq!(tenant.token_requests(), 3);
}

#[test]
fn a_token_request_needs_every_parameter_right() {
    let tenant = Tenant::demo().unwrap();
    for (name, value, status, error, aadsts) in [
        ("client_secret", "wrong", 401, "invalid_client", 7_000_215),
        ("client_secret", "", 401, "invalid_client", 7_000_216),
        ("client_id", "wrong", 400, "unauthorized_client", 700_016),
        (
            "grant_type",
            "password",
            400,
            "unsupported_grant_type",
            70_003,
        ),
        ("grant_type", "", 400, "invalid_request", 900_144),
        ("scope", "", 400, "invalid_request", 900_144),
        (
            "scope",
            "https://api.securitycenter.microsoft.com",
            400,
            "invalid_scope",
            1_002_012,
        ),
    ] {
        let mut form = form(&tenant);
        form.iter_mut().find(|(key, _)| *key == name).unwrap().1 = value.to_owned();
        let answer = ask_token(&tenant, &form).unwrap();
        let json = answer.json();
        assert_eq!(
            (answer.status, json["error"].as_str()),
            (status, Some(error)),
            "{name}"
        );
        assert_eq!(json["error_codes"], json!([aadsts]));
        let description = json["error_description"].as_str().unwrap();
        assert!(
            description.starts_with(&format!("AADSTS{aadsts}: ")),
            "{description}"
        );
        assert!(json["timestamp"].as_str().unwrap().ends_with('Z'));
    }
    let other = "POST /common/oauth2/v2.0/token HTTP/1.1";
    assert_eq!(
        ask(&tenant, other, "").unwrap().json()["error_codes"],
        json!([90_002])
    );
    assert_eq!(tenant.token_requests(), 8);
    let target = format!("/{}/oauth2/v2.0/token", tenant.tenant_id());
    assert_eq!(get(&tenant, "", &target).unwrap().status, 400);
}

#[test]
fn an_assertion_needs_its_type_and_the_shape_of_a_jwt() {
    const BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    const OTHER: &str = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    let tenant = Tenant::demo().unwrap();
    for (kind, assertion, status, aadsts) in [
        (BEARER, "a.b.c", 200, None),
        (BEARER, "eyJhbGciOiJub25lIn0.e30.c2ln-_", 200, None),
        (BEARER, "a-secret", 400, Some(50_027)),
        (BEARER, "a.b", 400, Some(50_027)),
        (BEARER, "a..c", 400, Some(50_027)),
        (BEARER, "a.b.c d", 400, Some(50_027)),
        (BEARER, "", 401, Some(7_000_216)),
        (OTHER, "a.b.c", 400, Some(90_011)),
        ("", "a.b.c", 400, Some(900_144)),
    ] {
        let mut form = form(&tenant);
        form.retain(|(key, _)| *key != "client_secret");
        form.push(("client_assertion_type", kind.to_owned()));
        form.push(("client_assertion", assertion.to_owned()));
        let answer = ask_token(&tenant, &form).unwrap();
        let code = answer.json()["error_codes"][0].as_u64();
        assert_eq!((answer.status, code), (status, aadsts), "{assertion:?}");
        assert!(!answer.json().to_string().contains("a.b"), "{assertion:?}");
        // An assertion that is wrong isn't made good by the secret.
        if status == 400 {
            form.push(("client_secret", tenant.client_secret().to_owned()));
            assert_eq!(ask_token(&tenant, &form).unwrap().status, 400);
        }
    }
}

#[test]
fn the_fleet_can_change_between_two_pages() {
    let tenant = numbered(3).page_size(2).start().unwrap();
    let token = token(&tenant);
    assert_eq!(
        ids(&get(&tenant, &token, "/api/machines").unwrap()),
        ["0", "1"]
    );
    tenant
        .set_machines([json!({ "id": "1" }), json!({ "id": "2" })])
        .unwrap();
    assert!(ids(&get(&tenant, &token, "/api/machines?$skip=2").unwrap()).is_empty());
    let error = tenant.set_machines([json!({}), json!(5)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 1 of machines doesn't serialise to an object"
    );
    assert_eq!(
        ids(&get(&tenant, &token, "/api/machines").unwrap()),
        ["1", "2"]
    );
}

#[test]
fn faults_answer_drop_or_cut_and_then_everything_works_again() {
    let tenant = numbered(500).start().unwrap();
    let token = token(&tenant);
    tenant.clear();
    tenant.fail(Fault::throttled(Duration::from_secs(8)));
    tenant.fail(Fault::unauthorized());
    tenant.fail(Fault::body(502, "text/html", "<html>"));
    tenant.fail(Fault::status(404).empty_body());
    tenant.fail(Fault::status(403).code("DisabledFeature").message("off"));
    tenant.fail(Fault::disconnect().on_call(6));
    tenant.fail(Fault::cut_body().on_call(7));
    let next = || get(&tenant, &token, "/api/machines");

    let answer = next().unwrap();
    assert_eq!(code(&answer), (429, "429".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("8"));
    assert_eq!(code(&next().unwrap()), (401, "Unauthorized".to_owned()));
    let answer = next().unwrap();
    assert_eq!(
        (answer.header("content-type"), &*answer.body),
        (Some("text/html"), &b"<html>"[..])
    );
    let answer = next().unwrap();
    assert_eq!((answer.status, answer.body.len()), (404, 0));
    assert_eq!(code(&next().unwrap()), (403, "DisabledFeature".to_owned()));
    assert!(next().is_none());
    assert!(next().is_none());
    assert_eq!(ids(&next().unwrap()).len(), 500);

    let statuses: Vec<_> = tenant.exchanges().iter().map(Exchange::status).collect();
    let expected = [429, 401, 502, 404, 403, 0, 200, 200].map(|s| (s > 0).then_some(s));
    assert_eq!(statuses, expected);
    tenant.fail(Fault::status(503).always());
    assert_eq!(next().unwrap().status, 503);
    assert_eq!(next().unwrap().status, 503);
    tenant.clear_faults();
    assert_eq!(next().unwrap().status, 200);
}

#[test]
fn faults_of_the_token_endpoint_speak_its_language() {
    let tenant = Tenant::demo().unwrap();
    tenant.fail(Fault::status(503).path("oauth2"));
    tenant.fail(Fault::status(400).code("invalid_scope").path("token"));
    let first = ask_token(&tenant, &form(&tenant)).unwrap();
    assert_eq!(
        (first.status, first.json()["error"].as_str()),
        (503, Some("temporarily_unavailable"))
    );
    let second = ask_token(&tenant, &form(&tenant)).unwrap();
    assert_eq!(
        (second.status, second.json()["error"].as_str()),
        (400, Some("invalid_scope"))
    );
    assert_eq!(ask_token(&tenant, &form(&tenant)).unwrap().status, 200);
}

#[test]
fn no_exchange_and_no_debug_text_holds_a_secret() {
    let builder = Tenant::builder()
        .secret("canary")
        .scan_definitions([json!({ "k": "canary" })]);
    assert!(!format!("{builder:?}").contains("canary"));
    let tenant = builder.start().unwrap();
    assert_eq!(tenant.client_secret(), "canary");
    let token = token(&tenant);
    get(&tenant, &token, "/api/DeviceAuthenticatedScanDefinitions").unwrap();
    let shown = format!("{tenant:?} {:?}", tenant.exchanges());
    assert!(
        !shown.contains("canary") && !shown.contains(&token),
        "{shown}"
    );
    let calls = tenant.exchanges();
    assert!(calls[0].is_token_request() && calls[0].body().is_empty());
    assert!(!calls[1].is_token_request());
}

#[test]
fn a_tenant_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Tenant>();
    shared::<TenantBuilder>();
    shared::<Fault>();
    shared::<Exchange>();
    let tenant = Tenant::demo().unwrap();
    let token = token(&tenant);
    tenant.fail(Fault::status(500).times(8));
    let failed: usize = std::thread::scope(|scope| {
        let work =
            || (0..8).filter(|_| get(&tenant, &token, "/api/machines").unwrap().status == 500);
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(move || work().count()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!((failed, tenant.calls("machines")), (8, 64));
}

#[test]
fn settings_that_make_no_sense_do_not_start() {
    for builder in [
        Tenant::builder().page_size(0),
        Tenant::builder().max_top(0),
        Tenant::builder().machines([5]),
        Tenant::builder().scan_agents(["x"]),
        Tenant::builder().scan_definitions([[1]]),
        Tenant::builder().scan_history([None::<u8>]),
        Tenant::builder().tenant_id(""),
        Tenant::builder().tenant_id("contoso"),
        Tenant::builder().client_id(""),
        Tenant::builder().client_id("an app"),
    ] {
        assert_eq!(builder.start().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
