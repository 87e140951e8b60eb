//! Which source an environment stands for, and what it is asked.

use std::collections::HashMap;

use super::*;
use crate::error::ErrorKind;

const URL: &str = "http://127.0.0.1:1/msi/token";

/// The choice of a machine with these variables.
fn choose(variables: &[(&str, &str)], has_agent: bool) -> Result<Source, Error> {
    let windows = [("ProgramData", r"C:\ProgramData")];
    let all: HashMap<_, _> = variables.iter().copied().chain(windows).collect();
    let read = |name: &str| Ok(all.get(name).map(|value| (*value).to_owned()));
    let environment = Environment(&read);
    match Source::named(&environment)? {
        Some(source) => Ok(source),
        None => Source::unnamed(&environment, has_agent),
    }
}

fn name(variables: &[(&str, &str)], has_agent: bool) -> String {
    match choose(variables, has_agent) {
        Ok(Source::AppService { .. }) => "App Service".to_owned(),
        Ok(Source::AzureArc { .. }) => "Azure Arc".to_owned(),
        Ok(Source::Imds { .. }) => "IMDS".to_owned(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.hint().is_some(), "{error}");
            error.to_string()
        }
    }
}

fn of(base: &str) -> Source {
    Source::imds(base).unwrap()
}

/// The six variables and the agent, there or not: 128 machines.
#[test]
fn the_first_source_of_the_documented_order_counts() {
    let all = [
        ("IDENTITY_ENDPOINT", URL),
        ("IDENTITY_HEADER", "a-header"),
        ("IMDS_ENDPOINT", "http://127.0.0.1:2"),
        ("MSI_ENDPOINT", "http://127.0.0.1:3"),
        ("MSI_SECRET", "a-secret"),
        ("IDENTITY_SERVER_THUMBPRINT", "a-thumbprint"),
    ];
    for there in 0..128_u32 {
        let is_there = |number: usize| there >> number & 1 == 1;
        let mut variables: Vec<_> = (0..6)
            .map(|number| {
                // What is empty is not there.
                let (name, value) = all[number];
                (name, if is_there(number) { value } else { " " })
            })
            .collect();
        let [endpoint, header, metadata, msi, secret, thumbprint, agent] =
            [0, 1, 2, 3, 4, 5, 6].map(is_there);
        let expected = if endpoint && header && thumbprint {
            "IDENTITY_SERVER_THUMBPRINT: managed identities of Service Fabric are not supported"
        } else if endpoint && header {
            "App Service"
        } else if endpoint && metadata {
            "Azure Arc"
        } else if msi && secret {
            "MSI_SECRET: managed identities of Azure Machine Learning are not supported"
        } else if msi {
            "MSI_ENDPOINT: managed identities of Cloud Shell are not supported"
        } else if agent {
            "Azure Arc"
        } else {
            "IMDS"
        };
        let possible = expected != "Azure Arc" || cfg!(any(windows, target_os = "linux"));
        if possible {
            assert_eq!(name(&variables, agent), expected, "{variables:?} {agent}");
            variables.reverse();
            variables.retain(|(_, value)| *value != " ");
            assert_eq!(name(&variables, agent), expected, "{variables:?} {agent}");
        }
    }
}

#[test]
fn only_variables_name_a_source() {
    let nothing = |_: &str| Ok(None);
    assert!(Source::named(&Environment(&nothing)).unwrap().is_none());
    let pods = |name: &str| {
        Ok((name == "AZURE_POD_IDENTITY_AUTHORITY_HOST").then(|| "http://127.0.0.1:4/".to_owned()))
    };
    let pods = Environment(&pods);
    assert!(Source::named(&pods).unwrap().is_none());
    let source = Source::unnamed(&pods, false).unwrap();
    let url = source.question(&Identity::SystemAssigned, "a").url;
    assert!(
        url.starts_with("http://127.0.0.1:4/metadata/identity/oauth2/token?"),
        "{url}"
    );
}

#[test]
fn a_variable_that_can_not_be_read_is_an_error() {
    for broken in [
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
        "IMDS_ENDPOINT",
        "MSI_ENDPOINT",
    ] {
        let read = |name: &str| match name {
            _ if name == broken => Err(Error::config(format!("{name} is not valid Unicode"))),
            _ => Ok(None),
        };
        let error = Source::named(&Environment(&read)).unwrap_err();
        assert!(error.to_string().contains(broken), "{error}");
    }
}

#[cfg(any(windows, target_os = "linux"))]
#[test]
fn arcs_agent_is_on_this_machine() {
    for (url, fits) in [
        ("http://localhost:40342/x", true),
        ("http://127.0.0.1:40342/x", true),
        ("http://[::1]:40342/x", true),
        ("http://example.com/x", false),
        ("https://example.com/x", false),
        ("http://127.0.0.1.example.com/x", false),
    ] {
        let variables = [("IDENTITY_ENDPOINT", url), ("IMDS_ENDPOINT", url)];
        let outcome = choose(&variables, false);
        assert_eq!(outcome.is_ok(), fits, "{url}");
    }
    let found = choose(&[], true).unwrap();
    let Source::AzureArc { endpoint, folder } = found else {
        panic!("{found:?}")
    };
    assert_eq!(
        endpoint.url,
        "http://localhost:40342/metadata/identity/oauth2/token"
    );
    assert!(folder.ends_with(if cfg!(windows) {
        "Tokens"
    } else {
        "/var/opt/azcmagent/tokens"
    }));
}

#[test]
fn each_source_is_asked_in_its_own_words() {
    let audience = "https://api.securitycenter.microsoft.com";
    let encoded = "https%3A%2F%2Fapi.securitycenter.microsoft.com";
    let app = choose(
        &[
            ("IDENTITY_ENDPOINT", URL),
            ("IDENTITY_HEADER", " a-header\n"),
        ],
        false,
    )
    .unwrap();
    let imds = of(IMDS);
    let arc = Source::AzureArc {
        endpoint: Endpoint::read(ARC).unwrap(),
        folder: PathBuf::new(),
    };
    for (source, start, header) in [
        (
            &app,
            format!("{URL}?api-version=2019-08-01"),
            ("X-IDENTITY-HEADER", "a-header"),
        ),
        (
            &imds,
            format!("{IMDS}/metadata/identity/oauth2/token?api-version=2018-02-01"),
            ("Metadata", "true"),
        ),
        (
            &arc,
            "http://localhost:40342/metadata/identity/oauth2/token?api-version=2021-02-01"
                .to_owned(),
            ("Metadata", "true"),
        ),
    ] {
        let question = source.question(&Identity::SystemAssigned, audience);
        assert_eq!(question.url, format!("{start}&resource={encoded}"));
        assert_eq!(question.header, header);
    }
    let id = || "an-id".to_owned();
    for (source, identity, option) in [
        (&app, Identity::client_id(id()), "&client_id=an-id"),
        (&app, Identity::object_id(id()), "&principal_id=an-id"),
        (
            &app,
            Identity::resource_id("/subscriptions/a b&c".to_owned()),
            "&mi_res_id=%2Fsubscriptions%2Fa%20b%26c",
        ),
        (&imds, Identity::client_id(id()), "&client_id=an-id"),
        (&imds, Identity::object_id(id()), "&object_id=an-id"),
        (
            &imds,
            Identity::resource_id("/Subscriptions/ä".to_owned()),
            "&msi_res_id=%2FSubscriptions%2F%C3%A4",
        ),
    ] {
        let url = source.question(&identity.unwrap(), audience).url;
        assert!(
            url.ends_with(&format!("&resource={encoded}{option}")),
            "{url}"
        );
    }
}

#[test]
fn a_query_of_the_endpoints_own_is_kept_where_it_does_not_contradict() {
    for (url, expected) in [
        ("http://h/t", "http://h/t?a=1"),
        ("http://H", "http://h/?a=1"),
        ("http://h:80/t?", "http://h/t?a=1"),
        ("http://h:81/t?x=1&y", "http://h:81/t?x=1&y&a=1"),
        ("http://h/t?x=a?b&&", "http://h/t?x=a?b&a=1"),
        (
            "http://h/t?api-version=1&x=1&RESOURCE=2&client_id=3",
            "http://h/t?x=1&a=1",
        ),
        (" http://h/t\n", "http://h/t?a=1"),
        ("HTTP://h/a/../b%20c", "http://h/a/../b%20c?a=1"),
    ] {
        let endpoint = Endpoint::read(url).unwrap();
        assert_eq!(endpoint.with(&[("a", "1")]), expected, "{url}");
    }
}

#[test]
fn an_endpoint_is_an_absolute_url_without_user_info() {
    for url in [
        "",
        "127.0.0.1:1/x",
        "//127.0.0.1/x",
        "/msi/token",
        "ftp://127.0.0.1/x",
        "file:///x",
        "http:/x",
        "http:///x",
        "http://hunter2@127.0.0.1/x",
        "http://u:hunter2@127.0.0.1/x",
        "http://127.0.0.1:0/x",
        "http://127.0.0.1:x/x",
        "http://127.0.0.1/x#hunter2",
        "http://127.0.0.1/x hunter2",
        "http://127.0.0.1/x\r\nhunter2: y",
        "http://127.0.0.1\\@hunter2.example/",
        "http://127.0.0.1/ä",
        "http://127.0.0.1/\"<>",
    ] {
        let error = Endpoint::read(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
    }
    let error = choose(
        &[("IDENTITY_ENDPOINT", "x"), ("IDENTITY_HEADER", "y")],
        false,
    )
    .unwrap_err();
    assert!(
        error.to_string().starts_with("IDENTITY_ENDPOINT: the URL"),
        "{error}"
    );
    for base in [
        "127.0.0.1",
        "http://u@127.0.0.1",
        "http://127.0.0.1?x",
        "http://127.0.0.1#x",
    ] {
        assert!(Source::imds(base).is_err(), "{base}");
    }
    assert!(Source::imds(" http://127.0.0.1:1/a/ ").is_ok());
}

#[test]
fn a_header_that_can_not_be_sent_is_refused_without_showing_it() {
    for header in [
        "hunter2\r\nX: y",
        "hunter2 hunter2",
        "hunter2\u{e9}",
        "hunter2\u{7f}",
    ] {
        let error = Source::app_service(URL, Secret::from(header)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let said = format!("{error} {error:?} {error:#?}");
        assert!(
            said.contains("IDENTITY_HEADER") && !said.contains("hunter2"),
            "{said}"
        );
    }
}

#[test]
fn an_identity_is_checked() {
    for id in ["", " ", "a b", "a&b", "a\n", "ä"] {
        for refused in [
            Identity::client_id(id.to_owned()),
            Identity::object_id(id.to_owned()),
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Config, "{id:?}");
        }
    }
    let long = format!("/subscriptions/{}", "x".repeat(1_024));
    for id in [
        "",
        "subscriptions/x",
        "/subscription",
        "/subscriptions/a\nb",
        &long,
    ] {
        assert!(Identity::resource_id(id.to_owned()).is_err(), "{id:?}");
    }
}

#[test]
fn what_is_private_is_not_shown() {
    let app = Source::app_service("http://127.0.0.1:1/x?key=hunter2", Secret::from("hunter2"));
    let said = format!("{0:?} {0:#?}", app.unwrap());
    assert!(
        said.contains("AppService") && said.contains("http://127.0.0.1:1/x"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}
