//! Microsoft Entra's v2.0 endpoints: a form, the answer, and what an application is known by.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::auth::answer::{self, Grant};
use crate::auth::{AccessToken, TokenRequest};
use crate::body::Spares;
use crate::cloud::other_scope;
use crate::error::Error;
use crate::http::{Method, Request, Response};
use crate::secret::Secret;

/// One token request. `form` holds the members that make up the grant, among them the secret,
/// which is taken out of whatever is said about the answer.
pub(super) fn ask(
    request: &TokenRequest<'_>,
    tenant: &str,
    form: &[(&str, &str)],
    secret: &Secret,
) -> Result<AccessToken, Error> {
    grant(request, tenant, form, secret).map(|grant| grant.token)
}

/// The same with all that was granted.
pub(super) fn grant(
    request: &TokenRequest<'_>,
    tenant: &str,
    form: &[(&str, &str)],
    secret: &Secret,
) -> Result<Grant, Error> {
    let answer = post(request, tenant, "token", form)?;
    let granted = answer::grant(answer, secret, request.now());
    granted.map_err(|error| explain(of_entra(error), request.scope()))
}

/// One form to an endpoint of the tenant.
pub(super) fn post(
    request: &TokenRequest<'_>,
    tenant: &str,
    endpoint: &str,
    form: &[(&str, &str)],
) -> Result<Response, Error> {
    let url = url(request, tenant, endpoint);
    let body = encode(form);
    let answer = request.transport().send(&Request {
        method: Method::Post,
        url: &url,
        bearer: None,
        headers: &[],
        content_type: Some("application/x-www-form-urlencoded"),
        body: body.as_bytes(),
        time_left: request.time_left(),
        // The last one was an hour ago, as a rule: a connection that was kept since is dead.
        anew: true,
        writes: false,
        small: true,
        nearby: None,
        spares: &Spares::default(),
    });
    answer.map_err(|error| error.for_request(answer::TOKENS.name))
}

/// Where an endpoint of the tenant is.
pub(super) fn url(request: &TokenRequest<'_>, tenant: &str, endpoint: &str) -> String {
    format!("{}/{tenant}/oauth2/v2.0/{endpoint}", request.authority())
}

/// Adds what Entra's words mean for whoever set the application up.
pub(super) fn explain(error: Error, scope: &str) -> Error {
    match hint(error.message().unwrap_or_default(), scope) {
        Some(hint) => error.with_hint(hint),
        None if error.hint().is_some() => error,
        None => match where_to_look(error.message().unwrap_or_default()) {
            Some(hint) => error.with_hint(hint),
            None => error,
        },
    }
}

/// Adds who may have refused where it wasn't Entra, which gives a reason or an id at least.
pub(super) fn of_entra(error: Error) -> Error {
    let is_refused = matches!(error.status(), Some(401 | 403));
    let says_nothing =
        error.code().is_none() && error.message().is_none() && error.request_id().is_none();
    if is_refused && says_nothing {
        return error.with_hint(
            "this is no answer as Entra gives it: see whether a proxy or a firewall stands between",
        );
    }
    error
}

/// `application/x-www-form-urlencoded`; wiped after use, since it holds the secret.
fn encode(form: &[(&str, &str)]) -> Zeroizing<String> {
    // With room for all, so that it doesn't move and leave copies behind: each byte of a value may
    // become three.
    let room = |(name, value): &(&str, &str)| name.len() + 3 * value.len() + 2;
    let room = form.iter().map(room).sum();
    let mut body = Zeroizing::new(String::with_capacity(room));
    for (name, value) in form {
        if !body.is_empty() {
            body.push('&');
        }
        body.push_str(name);
        body.push('=');
        body.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    body
}

const NO_DEFAULT: &str = "the scope (DEFENDER_SCOPE) is not valid: it should end in /.default";
const UNKNOWN_AUDIENCE: &str = "the tenant doesn't know this audience: check the scope (DEFENDER_SCOPE) \
    and the cloud (DEFENDER_CLOUD)";

/// What to do about the refusals that people meet. Only for people: Entra may change its codes.
const HINTS: [(&str, &str); 22] = [
    (
        "AADSTS7000215",
        "the client secret is wrong: give its value, not its id",
    ),
    (
        "AADSTS7000222",
        "the client secret has expired: add a new one to the app registration",
    ),
    (
        "AADSTS700027",
        "the application doesn't know the key that signed the assertion, or its certificate has \
         expired: upload the certificate to the app registration, or renew it",
    ),
    (
        "AADSTS700024",
        "the assertion has expired or is not valid yet: check the clock of whoever signs it (of this \
         machine, for a certificate), and that it is renewed",
    ),
    (
        "AADSTS700016",
        "the tenant has no such application: check client id and tenant; an app of another tenant \
         needs this one's consent first",
    ),
    (
        "AADSTS7000229",
        "the application has no service principal in this tenant: ask an administrator of it to make \
         one (`az ad sp create --id` with the client id), and for consent",
    ),
    (
        "AADSTS90002",
        "there is no such tenant here: check its id, and the cloud (DEFENDER_CLOUD=gcc-high for a \
         tenant of GCC High)",
    ),
    ("AADSTS500011", UNKNOWN_AUDIENCE),
    ("AADSTS50001", UNKNOWN_AUDIENCE),
    (
        "AADSTS900382",
        "the tenant is in another cloud than the login authority: set DEFENDER_CLOUD, gcc-high for \
         a tenant of GCC High, and register the app in that tenant",
    ),
    ("AADSTS70011", NO_DEFAULT),
    ("AADSTS1002012", NO_DEFAULT),
    (
        "AADSTS70021",
        "no federated identity credential of the app fits the assertion: compare issuer, subject \
         and audience",
    ),
    (
        "AADSTS700211",
        "no federated identity credential of the app has the assertion's issuer",
    ),
    (
        "AADSTS700212",
        "no federated identity credential of the app has the assertion's audience, which is \
         api://AzureADTokenExchange as a rule",
    ),
    (
        "AADSTS700213",
        "no federated identity credential of the app has the assertion's subject",
    ),
    (
        "AADSTS50027",
        "the assertion is no JWT that is accepted: check that it comes from the issuer that the app \
         trusts, unchanged",
    ),
    (
        "AADSTS7000218",
        "the app registration doesn't allow public client flows: turn them on under Authentication",
    ),
    (
        "AADSTS53003",
        "Conditional Access blocks this way to sign in: ask an administrator of the tenant, of an app \
         without a user about the policies for workload identities",
    ),
    (
        "AADSTS50105",
        "the app admits only who is assigned to it: ask an administrator to assign you to its \
         enterprise application",
    ),
    (
        "AADSTS7000112",
        "the application is disabled in this tenant: ask an administrator to enable its enterprise \
         application",
    ),
    (
        "AADSTS65001",
        "nobody has consented to the application's permissions: ask an administrator for consent",
    ),
];

/// What to do about this message, which came where a token of this scope was asked for.
fn hint(message: &str, scope: &str) -> Option<String> {
    let code = message
        .split([':', ' '])
        .find(|word| word.starts_with("AADSTS"))?;
    let (_, hint) = HINTS.iter().find(|(known, _)| *known == code)?;
    let other = other_scope(scope).filter(|_| *hint == UNKNOWN_AUDIENCE);
    Some(match other {
        Some(other) => format!(
            "{hint}; of this cloud the scope is not documented, and {other} is another to try"
        ),
        None => (*hint).to_owned(),
    })
}

/// Where the refusals are explained of which nothing is known here.
fn where_to_look(message: &str) -> Option<String> {
    let (_, code) = message.split_once("AADSTS")?;
    let end = code.find(|c: char| !c.is_ascii_digit());
    let (number, _) = code.split_at_checked(end.unwrap_or(code.len()))?;
    let is_code = (4..=8).contains(&number.len());
    is_code.then(|| {
        format!(
            "https://login.microsoftonline.com/error?code={number} explains it; with the Trace ID an \
             administrator finds it in Entra's sign-in logs"
        )
    })
}

/// A GUID or a domain: the tenant becomes part of a path.
pub(crate) fn check_tenant(tenant: &str) -> Result<(), Error> {
    let hex =
        |group: &str, length| group.len() == length && group.bytes().all(|b| b.is_ascii_hexdigit());
    let groups: Vec<&str> = tenant.split('-').collect();
    let guid = groups.len() == 5
        && groups
            .iter()
            .zip([8, 4, 4, 4, 12])
            .all(|(group, length)| hex(group, length));
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let domain = tenant.len() <= 253 && tenant.contains('.') && tenant.split('.').all(label);
    if guid || domain {
        return Ok(());
    }
    Err(Error::config("the tenant is neither a GUID nor a domain")
        .with_hint("the directory (tenant) id stands on the app registration's overview"))
}

/// Application ids are GUIDs today; that much is left to Entra.
pub(crate) fn check_client_id(client_id: &str) -> Result<(), Error> {
    if !client_id.is_empty()
        && client_id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return Ok(());
    }
    Err(
        Error::config("the client id is empty or holds other than letters, digits and '-'")
            .with_hint("the application (client) id stands on the app registration's overview"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cloud;

    fn hint(message: &str) -> Option<String> {
        super::hint(message, Cloud::COMMERCIAL.scope())
    }

    #[test]
    fn a_tenant_is_a_guid_or_a_domain() {
        for tenant in [
            "11111111-aaaa-BBBB-cccc-222222222222",
            "contoso.com",
            "a-b.onmicrosoft.com",
        ] {
            assert!(check_tenant(tenant).is_ok(), "{tenant}");
        }
        for tenant in [
            "",
            " ",
            "contoso",
            "common",
            "..",
            ".",
            ".com",
            "contoso.",
            "a..b",
            "contoso.com/x",
            "contoso.com?x=1",
            "contoso.com#",
            "a%2Fb.com",
            "11111111-aaaa-bbbb-cccc-22222222222",
            "con toso.com",
            "contoso.com\n",
            "ü.com",
            "../contoso.com",
            "a.b\\c",
        ] {
            assert!(check_tenant(tenant).is_err(), "{tenant:?}");
        }
    }

    #[test]
    fn the_form_decodes_to_what_was_given() {
        let secret = "a+b &c=d%e~ü'\"\u{0}";
        let body = encode(&[("client_secret", secret), ("scope", "s")]);
        let (name, value) = body.split('&').next().unwrap().split_once('=').unwrap();
        assert_eq!(name, "client_secret");
        assert_eq!(
            percent_encoding::percent_decode_str(value)
                .decode_utf8()
                .unwrap(),
            secret
        );
        assert!(body.ends_with("&scope=s"));
    }

    #[test]
    fn the_longest_form_never_moves() {
        let secret = "+".repeat(10_000);
        let body = encode(&[("client_secret", &secret), ("scope", "s")]);
        let most = body.len() + 16;
        assert!(body.len() > 30_000 && body.capacity() <= most);
    }

    #[test]
    fn well_known_refusals_come_with_a_hint() {
        assert!(
            hint("AADSTS7000215: Invalid client secret provided.")
                .unwrap()
                .contains("value")
        );
        assert!(hint("AADSTS7000222: expired").unwrap().contains("expired"));
        assert!(hint("AADSTS700027: x").unwrap().contains("upload"));
        assert!(hint("AADSTS700024: x").unwrap().contains("clock"));
        for (code, advice) in [
            ("AADSTS90002", "DEFENDER_CLOUD=gcc-high"),
            ("AADSTS900382", "DEFENDER_CLOUD"),
            ("AADSTS1002012", "/.default"),
            ("AADSTS50105", "assign"),
            ("AADSTS7000112", "enable"),
            ("AADSTS7000229", "az ad sp create"),
            ("AADSTS53003", "workload identities"),
        ] {
            assert!(
                hint(&format!("{code}: x")).unwrap().contains(advice),
                "{code}"
            );
        }
        assert!(hint("AADSTS1: something else").is_none());
        assert!(hint("").is_none());
    }

    #[test]
    fn a_code_that_is_unknown_has_a_page_of_its_own() {
        let explained = |message: &str| {
            let body = message.as_bytes();
            let error = Error::from_token_status(400, body, &Secret::from("s"));
            explain(error, Cloud::COMMERCIAL.scope())
        };
        let said = |message: &str| {
            let error = explained(&format!(
                r#"{{"error":"x","error_description":"{message}"}}"#
            ));
            error.hint().map(str::to_owned)
        };
        for (message, number) in [
            ("AADSTS650052: The app needs access.", "650052"),
            ("Refused (AADSTS53011)", "53011"),
            ("AADSTS900023", "900023"),
        ] {
            let hint = said(message).unwrap();
            let page = format!("https://login.microsoftonline.com/error?code={number} ");
            assert!(hint.starts_with(&page), "{hint}");
        }
        // What is no number doesn't get into an address.
        for message in ["AADSTS", "AADSTSx", "AADSTS123456789", "AADSTS1", "No."] {
            assert_eq!(said(message), None, "{message}");
        }
        // Whoever knows more has said it already.
        let error = Error::credential("no").with_hint("assign it");
        let error = explain(error, Cloud::COMMERCIAL.scope());
        assert_eq!(error.hint(), Some("assign it"));
    }

    #[test]
    fn an_audience_that_is_unknown_has_another_to_try_where_it_is_not_documented() {
        let of =
            |code: &str, cloud: &Cloud| super::hint(&format!("{code}: x"), cloud.scope()).unwrap();
        for code in ["AADSTS500011", "AADSTS50001"] {
            for (cloud, host) in [(Cloud::GCC, "com"), (Cloud::GCC_HIGH, "us")] {
                let other = format!(
                    " https://securitycenter.onmicrosoft.{host}/windowsatpservice/.default "
                );
                let advice = of(code, &cloud);
                assert!(advice.contains(&other), "{advice}");
            }
            let advice = of(code, &Cloud::EU);
            assert!(advice.ends_with("the cloud (DEFENDER_CLOUD)"), "{advice}");
        }
        // It is no answer to anything else.
        let advice = of("AADSTS70011", &Cloud::GCC);
        assert!(!advice.contains("windowsatpservice"), "{advice}");
    }
}
