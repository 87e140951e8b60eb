//! The clouds' hosts, and which URLs may be sent a token.

use super::*;

#[test]
fn a_base_url_is_scheme_host_and_port() {
    for (url, expected) in [
        (
            "https://API.securitycenter.microsoft.com/",
            "https://api.securitycenter.microsoft.com",
        ),
        ("https://host:443", "https://host"),
        ("https://host:8443", "https://host:8443"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:80/", "http://[::1]"),
    ] {
        assert_eq!(Origin::of_base(url).unwrap().to_string(), expected, "{url}");
    }
}

#[test]
fn anything_else_in_a_base_url_is_refused() {
    for url in [
        "",
        "host",
        "//host",
        "ftp://host",
        "https://",
        "https://host/path",
        "https://host?query",
        "https://host#fragment",
        "https://user@host",
        "https://user:password@host",
        "https://good.example@evil.example",
        "https://host\\@evil.example",
        "https://host :443",
        "https://host:",
        "https://host:0",
        "https://host:+80",
        "https://host:99999",
        "https://h\u{f6}st",
        &format!("https://{}x", "long.".repeat(51)),
        "https://.",
        "https://..",
        "https://a..b",
        "https://.a",
        "https://a..",
        "https://[::1",
        "http://example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
    ] {
        assert!(Origin::of_base(url).is_err(), "{url}");
    }
}

#[test]
fn every_host_of_the_table_is_accepted_and_only_exactly() {
    for (host, cloud) in HOSTS {
        let found = Cloud::of_api_url(&format!("https://{host}")).unwrap();
        assert_eq!(
            (found.authority(), found.scope()),
            (cloud.authority(), cloud.scope())
        );
    }
    for url in [
        "https://api.security.microsoft.com:8443",
        "https://api.security.microsoft.com.",
        "https://evil-api.security.microsoft.com",
        "https://api.security.microsoft.com.evil.example",
    ] {
        assert!(Cloud::of_api_url(url).is_none(), "{url}");
    }
}

#[test]
fn each_constant_is_reached_by_its_name_and_its_url() {
    for name in [
        "commercial",
        "US",
        "eu",
        "uk",
        "au",
        "gcc",
        "GCC-High",
        "dod",
    ] {
        let cloud: Cloud = name.parse().unwrap();
        assert_eq!(Cloud::of_api_url(cloud.api_url()).unwrap(), cloud, "{name}");
    }
}
