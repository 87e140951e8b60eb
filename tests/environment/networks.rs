//! Whom the system trusts, and the proxies that variables name.

use std::env;

use defender_endpoint::{Client, ClientBuilder, Error, RetryPolicy, StaticToken};

use crate::folder::Folder;
use crate::raw::{Answer, Forbidden, RawServer, cloud};
use crate::tls_server::Authority;
use crate::{URL, run};

/// Root certificates for a child that are its own.
const ROOTS: &str = "DEFENDER_ENDPOINT_ROOTS";

/// What a child with this task does, if it is one of these.
pub(crate) fn task(name: &str) -> Option<Result<(), Error>> {
    Some(match name {
        "trust, default" => call(|builder| builder),
        "trust, own roots" => call(own_roots),
        "trust, own roots alone" => call(|builder| own_roots(builder).built_in_roots(false)),
        #[cfg(feature = "rustls")]
        "short key" => call(short_key),
        #[cfg(feature = "rustls")]
        "short key, own provider" => {
            let provider = rustls::crypto::ring::default_provider();
            provider.install_default().unwrap();
            call(short_key)
        }
        #[cfg(feature = "platform-verifier")]
        "trust, platform verifier" => call(ClientBuilder::platform_verifier),
        #[cfg(feature = "platform-verifier")]
        "trust, platform verifier, own roots alone" => call(|builder| {
            let builder = own_roots(builder).built_in_roots(false);
            builder.platform_verifier()
        }),
        #[cfg(feature = "native-tls")]
        "trust, native TLS" => call(ClientBuilder::native_tls),
        #[cfg(feature = "native-tls")]
        "build, native TLS" => ClientBuilder::from_env()
            .and_then(|builder| builder.native_tls().build())
            .map(drop),
        #[cfg(feature = "native-tls")]
        "build, native TLS, own roots" => ClientBuilder::from_env()
            .and_then(|builder| own_roots(builder).native_tls().build())
            .map(drop),
        #[cfg(feature = "native-tls")]
        "trust, native TLS, own roots alone" => call(|builder| {
            let builder = own_roots(builder).built_in_roots(false);
            builder.native_tls()
        }),
        _ => return None,
    })
}

fn own_roots(builder: ClientBuilder) -> ClientBuilder {
    builder.root_certificates(env::var(ROOTS).unwrap())
}

/// A client certificate with a key that ring doesn't sign with.
#[cfg(feature = "rustls")]
fn short_key(builder: ClientBuilder) -> ClientBuilder {
    builder.client_certificate(concat!(
        include_str!("../fixtures/certificates/rsa-1024.crt"),
        include_str!("../fixtures/certificates/rsa-1024.key"),
    ))
}

fn call(settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Result<(), Error> {
    let builder = Client::builder(StaticToken::new("a-token")?)
        .cloud(cloud(env::var(URL).unwrap()))
        .retry_policy(RetryPolicy::none());
    settings(builder).build()?.scan_agents().map(drop)
}

/// Which kinds of keys are supported is told where this crate can know it.
#[cfg(feature = "rustls")]
#[test]
fn the_programs_own_crypto_provider_decides_on_kinds_of_keys() {
    for (task, said, unsaid) in [
        ("short key", "2,048", "CryptoProvider"),
        ("short key, own provider", "CryptoProvider", "2,048"),
    ] {
        let text = run(task, &[(URL, "http://127.0.0.1:1")]);
        assert!(text.contains("<Config> "), "{text}");
        assert!(text.contains(said) && !text.contains(unsaid), "{text}");
    }
}

/// The system's certificates, on systems where they are a file that a variable names: rustls' platform
/// verifier and OpenSSL both heed it.
#[cfg(all(
    target_os = "linux",
    any(feature = "platform-verifier", feature = "native-tls")
))]
mod system {
    use std::fs;
    use std::path::PathBuf;

    use super::ROOTS;
    use crate::raw::{Answer, RawServer};
    use crate::tls_server::Authority;
    use crate::{NOTHING, URL, run};

    /// What a child makes of a server of this authority, with that one alone in the system's store,
    /// and the other given by the program.
    fn trusts(task: &str, server: &Authority, system: &Authority, own: &Authority) -> bool {
        let api = RawServer::sending(Answer::json(NOTHING));
        let server = server.valid().before(&api.host());
        let store = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let store = store.join(format!("{}.pem", task.replace([' ', ','], "-")));
        fs::write(&store, system.pem()).unwrap();
        let variables = [
            (URL, server.url()),
            (ROOTS, own.pem().to_owned()),
            ("SSL_CERT_FILE", store.to_str().unwrap().to_owned()),
        ];
        let said = run(task, &variables);
        let trusted = said.contains("<went well>");
        assert_eq!(api.calls(), usize::from(trusted), "{said}");
        assert!(
            trusted || said.contains("<Tls> ") && said.contains("in the system's store"),
            "{said}"
        );
        trusted
    }

    /// With this setting the system's roots count, and with `built_in_roots(false)` the program's own.
    fn assert_trust_of_the_system(task: &str) {
        let (system, own) = (Authority::new("System"), Authority::new("Own"));
        assert!(trusts(task, &system, &system, &own));
        assert!(!trusts(task, &own, &system, &own));
        let alone = format!("{task}, own roots alone");
        assert!(trusts(&alone, &own, &system, &own));
        assert!(!trusts(&alone, &system, &system, &own));
    }

    #[cfg(feature = "platform-verifier")]
    #[test]
    fn the_platform_verifier_trusts_whom_the_system_trusts() {
        assert_trust_of_the_system("trust, platform verifier");
    }

    #[cfg(feature = "native-tls")]
    #[test]
    fn native_tls_trusts_whom_the_system_trusts() {
        assert_trust_of_the_system("trust, native TLS");
    }

    /// Mozilla's roots are part of the program, and no file of the system's changes them.
    #[cfg(feature = "rustls")]
    #[test]
    fn without_a_setting_the_system_is_not_asked() {
        let (system, own) = (Authority::new("System"), Authority::new("Own"));
        assert!(!trusts("trust, default", &system, &system, &own));
        assert!(!trusts("trust, own roots", &system, &system, &own));
        assert!(trusts("trust, own roots", &own, &system, &own));
    }
}

/// Where a proxy inspects TLS, a program that was not made for it is helped by a variable.
#[cfg(feature = "rustls")]
#[test]
fn root_certificates_come_from_a_file_that_a_variable_names() {
    const FILE: &str = "DEFENDER_ROOT_CERTIFICATES";
    let (own, folder) = (Authority::new("Own"), Folder::new());
    let api = crate::tenant();
    let server = own.valid_for(&["127.0.0.1"]).plan(&api.host()).start();
    let call = |name: &str| {
        let file = folder.path(name).to_string_lossy().into_owned();
        let (login, url) = (api.url(), server.url());
        let hosts = [("AZURE_AUTHORITY_HOST", &login), ("DEFENDER_API_URL", &url)];
        let hosts = hosts.map(|(name, url)| (name, url.as_str()));
        crate::run_with("call", &[&hosts[..], &[(FILE, &file)]].concat())
    };
    folder.file("roots.pem", own.pem());
    let said = call("roots.pem");
    assert!(said.contains("<went well>"), "{said}");
    folder.file("other.pem", Authority::new("Other").pem());
    assert!(call("other.pem").contains("<Tls> "));
    folder.file("none.pem", "no certificate");
    let said = call("none.pem");
    assert!(
        said.contains("<Config> DEFENDER_ROOT_CERTIFICATES: the root certificates hold no PEM"),
        "{said}"
    );
    let said = call("missing.pem");
    assert!(
        said.contains("<Config> DEFENDER_ROOT_CERTIFICATES: the root certificates' file "),
        "{said}"
    );
    assert!(said.contains("missing.pem can't be read"), "{said}");
}

/// There the variable can't do what it is for, and whoever set it can't change the program.
#[cfg(feature = "native-tls")]
#[test]
fn root_certificates_of_the_environment_are_no_addition_to_the_systems() {
    let folder = Folder::new();
    let own = Authority::new("Own");
    let file = folder.file("roots.pem", own.pem());
    let variables = [
        ("DEFENDER_ROOT_CERTIFICATES", file.to_str().unwrap()),
        (ROOTS, own.pem()),
    ];
    let said = crate::run_with("build, native TLS", &variables);
    let unset = "in the system's store, and unset DEFENDER_ROOT_CERTIFICATES";
    assert!(
        said.contains("<Config> DEFENDER_ROOT_CERTIFICATES: root certificates can't be added")
            && said.contains(unset),
        "{said}"
    );
    // Those of the program come instead of them, and are its own mistake.
    let said = crate::run_with("build, native TLS, own roots", &variables);
    assert!(
        said.contains("<Config> root certificates can't be added")
            && said.contains("`built_in_roots(false)`"),
        "{said}"
    );
}

// --- proxies

fn refusing() -> RawServer {
    RawServer::new(|_| Answer::new(403, &[], "").closed())
}

/// A proxy of the environment that asks for a password, and lets through what it inspects.
#[cfg(feature = "rustls")]
#[test]
fn a_password_in_the_environment_is_decoded_and_sent() {
    let inspector = Authority::new("Inspector");
    let api = crate::tenant();
    let plan = inspector.valid_for(&["api.example"]).plan(&api.host());
    let proxy = plan.behind_a_tunnel().start();
    let variables = [
        (URL, "https://api.example".to_owned()),
        (ROOTS, inspector.pem().to_owned()),
        // The first that is set and not empty counts.
        ("ALL_PROXY", " ".to_owned()),
        (
            "HTTPS_PROXY",
            format!("http://a-user:hunter2%40%2F@{}", proxy.host()),
        ),
        ("HTTP_PROXY", "http://127.0.0.1:1".to_owned()),
    ];
    let said = run("trust, own roots", &variables);
    assert!(said.contains("<went well>"), "{said}");
    let head = proxy.tunnels().concat();
    // «a-user:hunter2@/»
    let header = "\r\nProxy-Authorization: Basic YS11c2VyOmh1bnRlcjJALw==\r\n";
    assert!(head.contains(header), "{head}");
    assert_eq!(api.only().header("proxy-authorization"), None);
}

/// ureq would pass over it, and the call would go past the proxy.
#[test]
fn a_proxy_url_in_the_environment_that_is_none_is_refused() {
    let api = Forbidden::new();
    let url = format!("http://{}", api.host());
    for name in [
        "ALL_PROXY",
        "all_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
    ] {
        for value in [
            "http://a-user:hunter2@ho st:80",
            "http://[::1",
            "ftp://host",
            // ureq would take the default port, or connect to nowhere.
            "http://host:99999",
            "http://host:0",
            "http://:80",
            "socks5://host",
        ] {
            let said = run("token", &[(URL, url.as_str()), (name, value)]);
            let start = format!("<Config> {name}: the proxy URL");
            assert!(said.contains(&start), "{said}");
            assert!(said.contains("percent-encoded"), "{said}");
        }
    }
    api.assert_untouched();
}

/// Where names differ by their case: upper before lower, and one for all before one for HTTPS.
#[cfg(not(windows))]
#[test]
fn the_first_proxy_variable_that_is_set_counts() {
    let names = [
        "ALL_PROXY",
        "all_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
    ];
    for first in 0..names.len() {
        let (proxy, other) = (refusing(), Forbidden::new());
        let mut variables = vec![(URL, "https://127.0.0.1:1".to_owned())];
        for (index, name) in names.into_iter().enumerate() {
            let value = match index {
                before if before < first => String::new(),
                same if same == first => proxy.url(),
                _ => format!("http://{}", other.host()),
            };
            variables.push((name, value));
        }
        let said = run("token", &variables);
        assert!(said.contains("<Transport> "), "{said}");
        assert_eq!(proxy.calls(), 1, "{}: {said}", names[first]);
        other.assert_untouched();
    }
}

/// The exceptions, too, are those of the name in upper case where both are set.
#[cfg(not(windows))]
#[test]
fn the_exceptions_in_upper_case_go_before_those_in_lower_case() {
    for (upper, lower, direct) in [
        ("127.0.0.1", "example.com", true),
        ("example.com", "127.0.0.1", false),
        // Set, if to nothing.
        ("", "127.0.0.1", false),
    ] {
        let proxy = refusing();
        let variables = [
            (URL, "https://127.0.0.1:1".to_owned()),
            ("HTTPS_PROXY", proxy.url()),
            ("NO_PROXY", upper.to_owned()),
            ("no_proxy", lower.to_owned()),
        ];
        let said = run("token", &variables);
        assert!(said.contains("<Transport> "), "{said}");
        assert_eq!(proxy.calls() == 0, direct, "{upper}, {lower}: {said}");
    }
}

#[cfg(unix)]
#[test]
fn a_proxy_of_the_environment_that_is_no_unicode_is_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let variables = [
        (URL, OsStr::new("http://127.0.0.1:1")),
        ("HTTPS_PROXY", OsStr::from_bytes(b"http://hunter2\xff@host")),
    ];
    let said = run("token", &variables);
    assert!(
        said.contains("<Config> ") && said.contains("HTTPS_PROXY"),
        "{said}"
    );
    // One that the program names goes before it, be it what it may.
    let variables = [
        &variables[..],
        &[("DEFENDER_ENDPOINT_PROXY", OsStr::new("http://127.0.0.1:1"))],
    ];
    assert!(!run("token, proxy", &variables.concat()).contains("<Config> "));
}

/// Domains with what is below them, in both forms; a proxy that the program names has no exceptions.
#[test]
fn exceptions_of_the_environment_are_for_its_own_proxy() {
    for (name, exceptions, direct) in [
        ("NO_PROXY", ".0.0.1", true),
        ("NO_PROXY", "*.0.0.1", true),
        ("no_proxy", "127.0.0.1", true),
        ("NO_PROXY", "0.0.1", false),
        ("NO_PROXY", "example.com, 127.0.0.1", false),
    ] {
        for (task, variable, direct) in [
            ("token", "HTTPS_PROXY", direct),
            ("token, proxy", "DEFENDER_ENDPOINT_PROXY", false),
        ] {
            let proxy = refusing();
            let variables = [
                (URL, "https://127.0.0.1:1".to_owned()),
                (variable, proxy.url()),
                (name, exceptions.to_owned()),
            ];
            let said = run(task, &variables);
            assert!(said.contains("<Transport> "), "{said}");
            assert_eq!(proxy.calls() == 0, direct, "{exceptions}: {said}");
        }
    }
}
