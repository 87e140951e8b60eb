//! The Azure CLI, as far as nothing is started. What it does is in the test binary `environment`, since
//! PATH belongs to the whole process.

use std::time::Duration;

use defender_endpoint::{AzureCli, Client, Cloud, Credential, ErrorKind};

use crate::support::raw::Forbidden;

/// F45, F46: a setting that can't be an argument is refused before anything is started or sent.
#[test]
fn a_setting_that_cannot_be_used_is_refused_before_anything_is_started() {
    let cli = AzureCli::new;
    let default = Cloud::COMMERCIAL;
    for (cli, cloud) in [
        (cli().tenant("contoso"), default.clone()),
        (cli().tenant("--debug"), default.clone()),
        (cli().tenant("../contoso.com"), default.clone()),
        (cli().subscription("--debug"), default.clone()),
        (cli().subscription("@/etc/passwd"), default.clone()),
        (cli().subscription("a; b"), default.clone()),
        (
            cli().tenant("contoso.com").subscription("a"),
            default.clone(),
        ),
        (cli().time_limit(Duration::ZERO), default.clone()),
        (cli(), default.clone().with_scope("--debug")),
        (cli(), default.with_scope("@/etc/passwd")),
    ] {
        let shown = format!("{cli:?} {}", cloud.scope());
        let (login, api) = (Forbidden::new(), Forbidden::new());
        let cloud = cloud
            .with_authority(format!("http://{}", login.host()))
            .with_api_url(format!("http://{}", api.host()));
        let client = Client::builder(cli)
            .cloud(cloud)
            .no_proxy()
            .build()
            .unwrap();
        let error = client.scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{shown}: {error:?}");
        assert!(!error.is_retryable(), "{shown}");
        assert_eq!(error.attempts(), 0, "{shown}");
        login.assert_untouched();
        api.assert_untouched();
    }
}

#[test]
fn it_says_what_it_is() {
    assert_eq!(AzureCli::new().name(), "Azure CLI");
    let shown = format!("{:?}", AzureCli::default().tenant("contoso.com"));
    assert!(
        shown.contains("contoso.com") && shown.contains("30s"),
        "{shown}"
    );
}
