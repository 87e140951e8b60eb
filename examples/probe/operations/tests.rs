use super::*;
use crate::around::tests::answer;
use crate::known;

#[test]
fn a_link_is_told_by_the_kind_of_its_host() {
    let url = "https://api.securitycenter.microsoft.com";
    for (link, expected) in [
        (
            "https://API.securitycenter.microsoft.com/api/machines?$skip=1",
            Leads::Home,
        ),
        ("?$skip=1", Leads::Home),
        (
            "https://api-eu.securitycenter.microsoft.com/x",
            Leads::Known,
        ),
        (
            "https://api-eu.securitycenter.microsoft.com.evil.example",
            Leads::Foreign,
        ),
        ("http://api.securitycenter.microsoft.com/", Leads::Foreign),
    ] {
        assert_eq!(leads(link, url), expected, "{link}");
    }
    assert_eq!(host(url), url);
    assert_eq!(host("http://127.0.0.1:80"), "loopback");
    assert_eq!(
        host("https://proxy.contoso.com"),
        "a host that is none of the API's"
    );
}

#[test]
fn of_a_context_only_words_of_the_schema_are_shown() {
    let schema = Schema::read(known::TEXT).unwrap();
    let url = "https://api.securitycenter.microsoft.com";
    let told = |fragment: &str| {
        let context = format!("{url}/api/$metadata{fragment}");
        context_in_words(&context, url, &schema)
    };
    assert_eq!(
        told("#Machines/$entity"),
        "the same host, `#Machines/$entity`"
    );
    assert_eq!(told(""), "the same host, without a `#`");
    let collection = "#Collection(microsoft.windowsDefenderATP.api.AuthScanHistoryContract)";
    assert_eq!(told(collection), format!("the same host, `{collection}`"));
    let other = "the same host, something else behind the `#`";
    assert_eq!(told("#Machines('1e5b')"), other);
    assert_eq!(told("#Contoso"), other);
}

#[test]
fn rows_are_found_in_every_form() {
    let of = |json: Value| {
        let answer = answer(200, &[], json);
        let (form, rows) = parts(&answer);
        (form, rows.len(), around::envelope(&answer, form).join(" "))
    };
    let row = json!({ "id": "a" });
    assert_eq!(
        of(json!({ "@odata.context": "x", "value": [row, row], "pc 1": 1 })),
        (Form::List, 2, "@odata.context * value".to_owned())
    );
    assert_eq!(
        of(json!({ "value": row })),
        (Form::InValue, 1, "value".to_owned())
    );
    assert_eq!(
        of(json!({ "@odata.context": "x", "id": "a" })),
        (Form::Bare, 1, "@odata.context".to_owned())
    );
    assert_eq!(of(json!([row, 1])), (Form::BareList, 1, String::new()));
    assert_eq!(
        of(json!({ "value": "x" })),
        (Form::None, 0, "value".to_owned())
    );
    assert_eq!(of(json!("x")), (Form::None, 0, String::new()));
}

#[test]
fn a_session_is_found_in_every_spelling() {
    let of = |row: Value| session(row.as_object().unwrap());
    for row in [
        json!({ "sessionId": "s" }),
        json!({ "SessionIds": "s" }),
        json!({ "SessionIds": ["s"] }),
    ] {
        assert_eq!(of(row).as_deref(), Some("s"));
    }
    for row in [
        json!({}),
        json!({ "sessionId": " " }),
        json!({ "SessionIds": [] }),
    ] {
        assert_eq!(of(row), None);
    }
}
