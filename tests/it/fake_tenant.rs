//! The fake tenant, as tests of other programs use it.

use std::io::ErrorKind as IoError;
use std::thread;
use std::time::Duration;

use defender_endpoint::scan_definitions::{NewScanDefinition, SnmpAuth};
use defender_endpoint::testing::{FakeClock, Fault, Tenant, TenantBuilder};
use defender_endpoint::{
    Client, ClientAssertion, ClientSecret, Credential, Error, ErrorKind, RetryPolicy, Secret,
    StaticToken, WorkloadIdentity,
};

use crate::credentials::client_assertion::JWT;
use crate::support::folder::Folder;
use crate::support::within;

/// For what must end soon and may be kept waiting by a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// A timeout that is to come.
const SHORT: Duration = Duration::from_millis(50);

const A: [&str; 3] = ["0f4b7c9e-52d1-4a86-b3f0-9e1d6c8a2b75", "app-of-a", "a~1"];
const B: [&str; 3] = ["7d3a9f10-6b2e-4c58-a1d4-3e8f5b0c9d26", "app-of-b", "b~2"];

fn customer([tenant, client, secret]: [&str; 3]) -> TenantBuilder {
    let builder = Tenant::demo_builder().tenant_id(tenant).client_id(client);
    builder.secret(secret)
}

/// A client of this tenant with any credential.
fn client_with(credential: impl Credential + 'static, tenant: &Tenant) -> Client {
    let builder = Client::builder(credential).cloud(tenant.cloud());
    builder.no_proxy().clock(FakeClock::new()).build().unwrap()
}

fn agents_with(credential: impl Credential + 'static, tenant: &Tenant) -> Result<usize, Error> {
    let agents = client_with(credential, tenant).scan_agents()?;
    Ok(agents.len())
}

// --- several customers

#[test]
fn a_tenant_takes_no_other_tenants_credential() {
    let (a, b) = (customer(A).start().unwrap(), customer(B).start().unwrap());
    assert_eq!([a.tenant_id(), a.client_id(), a.client_secret()], A);
    for tenant in [&a, &b] {
        assert_eq!(
            agents_with(tenant.credential().unwrap(), tenant).unwrap(),
            5
        );
        let claims = tenant.client().unwrap().token_claims().unwrap();
        assert_eq!(claims.tenant_id(), Some(tenant.tenant_id()));
        assert_eq!(claims.app_id(), Some(tenant.client_id()));
    }
    for (mixed_up, code) in [
        (A, "AADSTS90002"),
        ([B[0], A[1], A[2]], "AADSTS700016"),
        ([B[0], B[1], A[2]], "AADSTS7000215"),
    ] {
        let [tenant, client, secret] = mixed_up;
        let credential = ClientSecret::new(tenant, client, secret).unwrap();
        let error = agents_with(credential, &b).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential, "{error}");
        assert!(error.to_string().contains(code), "{error}");
    }
}

#[test]
fn a_tenant_takes_no_other_tenants_token() {
    for (a, b) in [
        (customer(A), customer(B)),
        // Alike but for the tokens.
        (Tenant::demo_builder(), Tenant::demo_builder()),
    ] {
        let (a, b) = (a.start().unwrap(), b.start().unwrap());
        let token = a.client().unwrap().access_token().unwrap();
        let token = || StaticToken::new(token.expose()).unwrap();
        // It has one that it takes.
        assert_eq!(agents_with(b.credential().unwrap(), &b).unwrap(), 5);
        assert_eq!(agents_with(token(), &a).unwrap(), 5);
        assert_eq!(agents_with(token(), &b).unwrap_err().status(), Some(401));
    }
}

#[test]
fn ids_are_the_same_in_any_case() {
    let tenant = customer(A).start().unwrap();
    let [id, client, secret] = A;
    let (id, client) = (id.to_uppercase(), client.to_uppercase());
    let credential = ClientSecret::new(id, client, secret).unwrap();
    assert_eq!(agents_with(credential, &tenant).unwrap(), 5);
}

#[test]
fn an_id_that_no_credential_takes_does_not_start() {
    for (builder, said) in [
        (Tenant::builder().tenant_id("contoso"), "tenant"),
        (Tenant::builder().client_id("an app"), "client id"),
    ] {
        let error = builder.start().unwrap_err();
        assert_eq!(error.kind(), IoError::InvalidInput);
        assert!(error.to_string().contains(said), "{error}");
    }
    Tenant::builder().tenant_id("contoso.com").start().unwrap();
}

// --- silence

/// A client without retries, which gives up soon.
fn impatient(tenant: &Tenant) -> Client {
    let builder = tenant.client_builder().unwrap().read_timeout(SHORT);
    builder.retry_policy(RetryPolicy::none()).build().unwrap()
}

#[test]
fn a_silent_tenant_is_left_after_the_timeout_and_works_again() {
    within(PATIENCE, || {
        let tenant = Tenant::demo().unwrap();
        tenant.fail(Fault::silence().path("Agents").empty_body());
        let error = impatient(&tenant).scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert_eq!(tenant.client().unwrap().scan_agents().unwrap().len(), 5);
        let calls = tenant.exchanges().into_iter();
        let calls = calls.filter(|call| !call.is_token_request());
        let statuses: Vec<_> = calls.map(|call| call.status()).collect();
        assert_eq!(statuses, [None, Some(200)]);

        tenant.fail(Fault::silence().path("oauth2"));
        let error = impatient(&tenant).scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    });
}

#[test]
fn what_a_silent_tenant_is_told_to_write_is_written() {
    within(PATIENCE, || {
        let roles = ["Machine.Read.All", "Machine.ReadWrite.All"];
        let tenant = Tenant::demo_builder().roles(roles).start().unwrap();
        let client = tenant.client().unwrap();
        let agent = client.scan_agents().unwrap().remove(0);
        let auth = SnmpAuth::community_string("hunter2");
        let new = NewScanDefinition::network("Edge", &agent, ["10.9.0.0/24"], auth);
        tenant.fail(Fault::silence().method("POST").path("ScanDefinitions"));
        let error = impatient(&tenant).add_scan_definition(&new).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
        let definitions = client.scan_definitions().unwrap();
        assert!(definitions.iter().any(|definition| new.is_like(definition)));
    });
}

#[test]
fn a_silent_tenant_that_is_dropped_lets_its_clients_go() {
    within(PATIENCE, || {
        let tenant = Tenant::demo().unwrap();
        tenant.fail(Fault::silence().always());
        // With a minute's timeout, which is never waited for.
        let builder = tenant.client_builder().unwrap();
        let client = builder.retry_policy(RetryPolicy::none()).build().unwrap();
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let client = client.clone();
                thread::spawn(move || client.scan_agents().unwrap_err())
            })
            .collect();
        while tenant.calls("Agents") < 3 {
            thread::yield_now();
        }
        assert!(!calls.iter().any(thread::JoinHandle::is_finished));
        // It joins its threads.
        drop(tenant);
        for call in calls {
            let error = call.join().unwrap();
            assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
        }
    });
}

// --- without a secret

#[test]
fn an_assertion_of_anybody_opens_the_tenant() {
    let (tenant, folder) = (customer(A).start().unwrap(), Folder::new());
    let [id, client, _] = A;
    let assertion = |text: &'static str, client| {
        ClientAssertion::new(id, client, move |_| Ok(Secret::from(text))).unwrap()
    };
    assert_eq!(agents_with(assertion(JWT, client), &tenant).unwrap(), 5);
    let file = folder.file("token", JWT);
    let identity = WorkloadIdentity::new(id, client, file).unwrap();
    assert_eq!(agents_with(identity, &tenant).unwrap(), 5);

    // All but the proof is checked as ever.
    let error = agents_with(assertion(JWT, B[1]), &tenant).unwrap_err();
    assert!(error.to_string().contains("AADSTS700016"), "{error}");
    let shown = format!("{tenant:?} {:?}", tenant.exchanges());
    assert!(!shown.contains("eyJ"), "{shown}");
    assert!(tenant.exchanges()[0].body().is_empty());
}

// --- other operations

#[test]
fn a_fault_serves_a_path_that_the_tenant_does_not_know() {
    let tenant = Tenant::demo().unwrap();
    let token = tenant.client().unwrap().access_token().unwrap();
    let agent = ureq::Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false)
        .build()
        .new_agent();
    let ask = || {
        let get = agent.get(format!("{}/api/alerts", tenant.url()));
        let get = get.header("Authorization", format!("Bearer {}", token.expose()));
        let mut answer = get.call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), text)
    };
    assert_eq!(ask().0, 404);
    tenant.fail(Fault::body(200, "application/json", "{}").path("/api/alerts"));
    assert_eq!(ask(), (200, "{}".to_owned()));
    assert_eq!(ask().0, 404);
    assert_eq!(tenant.calls("/api/alerts"), 3);
}
