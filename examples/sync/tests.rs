#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use defender_endpoint::StaticToken;
use defender_endpoint::testing::Tenant;

use super::*;

const A: &str = "aaaaaaaa-0000-0000-0000-000000000000";
const B: &str = "BBBBBBBB-0000-0000-0000-000000000000";

fn tenant(id: &str) -> Tenant {
    Tenant::builder().tenant_id(id).start().unwrap()
}

#[test]
fn the_tenant_is_the_one_that_the_token_names_whatever_the_variable_says() {
    let told = || Some("contoso.com".to_owned());
    let mut store = Store::in_memory().unwrap();
    for (id, is_first) in [(A, true), (B, false)] {
        let tenant = tenant(id);
        let found = tenant_id(&tenant.client().unwrap(), told()).unwrap();
        assert_eq!(found, id.to_ascii_lowercase());
        let list = List {
            tenant: found,
            filter: String::new(),
        };
        let walk = store.begin(&list, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(walk.is_ok(), is_first, "{id}");
    }
}

#[test]
fn the_variable_counts_where_the_token_says_nothing() {
    let tenant = tenant(A);
    let token = StaticToken::new("opaque").unwrap();
    let client = Client::builder(token).cloud(tenant.cloud());
    let client = client.no_proxy().build().unwrap();
    let told = |id: &str| tenant_id(&client, Some(id.to_owned()));
    assert_eq!(told("Contoso.com").unwrap(), "contoso.com");
    assert!(told(" ").is_err());
    assert!(tenant_id(&client, None).is_err());
}

#[test]
fn a_token_that_is_refused_is_an_error_and_no_reason_for_the_variable() {
    let (a, b) = (tenant(A), tenant(B));
    // Of a client of another tenant.
    let client = b.client_builder().unwrap().cloud(a.cloud());
    let client = client.build().unwrap();
    assert!(tenant_id(&client, Some("contoso.com".to_owned())).is_err());
}

#[test]
fn a_database_that_would_not_be_kept_is_wrong_usage() {
    let read = |name: &str| options(lexopt::Parser::from_args(["--database", name]));
    for name in [
        "",
        ":memory:",
        "file:fleet.db",
        "file::memory:?cache=shared",
    ] {
        assert!(read(name).is_err(), "{name}");
    }
    for name in [
        "fleet.db",
        "./:memory:",
        "files/fleet.db",
        "./file:fleet.db",
    ] {
        assert!(read(name).is_ok(), "{name}");
    }
}
