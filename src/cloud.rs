//! Which hosts serve a tenant: the API, the login authority and the token's audience.

mod origin;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::error::Error;

pub(crate) use origin::Origin;

const LOGIN: &str = "https://login.microsoftonline.com";
const LOGIN_US: &str = "https://login.microsoftonline.us";
const SCOPE: &str = "https://api.securitycenter.microsoft.com/.default";
const SCOPE_GCC: &str = "https://api-gcc.securitycenter.microsoft.us/.default";
const SCOPE_GOV: &str = "https://api-gov.securitycenter.microsoft.us/.default";

/// What other tools ask for where the vendor documents no audience and this crate takes the host's.
pub(crate) fn other_scope(scope: &str) -> Option<&'static str> {
    match scope {
        SCOPE_GCC => Some("https://securitycenter.onmicrosoft.com/windowsatpservice/.default"),
        SCOPE_GOV => Some("https://securitycenter.onmicrosoft.us/windowsatpservice/.default"),
        _ => None,
    }
}

/// Every host that serves the API, with the authority and scope that go with it. The first of a
/// cloud is the one its constant names.
const HOSTS: &[(&str, Cloud)] = &[
    ("api.securitycenter.microsoft.com", Cloud::COMMERCIAL),
    ("api-us.securitycenter.microsoft.com", Cloud::US),
    ("api-eu.securitycenter.microsoft.com", Cloud::EU),
    ("api-uk.securitycenter.microsoft.com", Cloud::UK),
    ("api-au.securitycenter.microsoft.com", Cloud::AU),
    ("api.security.microsoft.com", Cloud::COMMERCIAL),
    ("us.api.security.microsoft.com", Cloud::US),
    ("eu.api.security.microsoft.com", Cloud::EU),
    ("uk.api.security.microsoft.com", Cloud::UK),
    ("au.api.security.microsoft.com", Cloud::AU),
    ("swa.api.security.microsoft.com", Cloud::COMMERCIAL),
    ("ina.api.security.microsoft.com", Cloud::COMMERCIAL),
    ("aea.api.security.microsoft.com", Cloud::COMMERCIAL),
    ("api.securitycenter.windows.com", Cloud::COMMERCIAL),
    ("api-gcc.securitycenter.microsoft.us", Cloud::GCC),
    ("api-gov.securitycenter.microsoft.us", Cloud::GCC_HIGH),
];

/// API host, login authority and token scope in one choice.
///
/// The hosts are those of «Supported Microsoft Defender for Endpoint APIs» and «Microsoft Defender
/// for Endpoint for US Government customers». The default is [`Cloud::COMMERCIAL`]. A regional
/// constant only chooses a server closer to the data; the authority and the scope stay the same.
///
/// The newer hosts (`api.security.microsoft.com`, `eu.api.security.microsoft.com` and so on) are
/// reached with [`with_api_url`](Cloud::with_api_url); they want the same token as the older ones.
///
/// # Example
///
/// ```
/// use defender_endpoint::{Client, Cloud, StaticToken};
///
/// let client = Client::builder(StaticToken::new("a-token")?)
///     .cloud(Cloud::EU.with_api_url("https://eu.api.security.microsoft.com"))
///     .build()?;
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a setting does nothing until a client is built with it"]
pub struct Cloud {
    api_url: Cow<'static, str>,
    authority: Cow<'static, str>,
    scope: Cow<'static, str>,
}

impl Cloud {
    /// The commercial cloud, nearest server: `api.securitycenter.microsoft.com`.
    pub const COMMERCIAL: Self =
        Self::fixed("https://api.securitycenter.microsoft.com", LOGIN, SCOPE);
    /// The commercial cloud, United States: `api-us.securitycenter.microsoft.com`.
    pub const US: Self = Self::fixed("https://api-us.securitycenter.microsoft.com", LOGIN, SCOPE);
    /// The commercial cloud, European Union: `api-eu.securitycenter.microsoft.com`.
    pub const EU: Self = Self::fixed("https://api-eu.securitycenter.microsoft.com", LOGIN, SCOPE);
    /// The commercial cloud, United Kingdom: `api-uk.securitycenter.microsoft.com`.
    pub const UK: Self = Self::fixed("https://api-uk.securitycenter.microsoft.com", LOGIN, SCOPE);
    /// The commercial cloud, Australia: `api-au.securitycenter.microsoft.com`.
    pub const AU: Self = Self::fixed("https://api-au.securitycenter.microsoft.com", LOGIN, SCOPE);
    /// US Government Community Cloud: `api-gcc.securitycenter.microsoft.us`, login in the
    /// commercial cloud.
    ///
    /// The scope is the API host's. The vendor does not document the audience for the government
    /// clouds, and tools in the field differ: where a token is refused with 403, try
    /// `https://securitycenter.onmicrosoft.com/windowsatpservice/.default` with
    /// [`with_scope`](Cloud::with_scope), or in the variable `DEFENDER_SCOPE`.
    pub const GCC: Self = Self::fixed(
        "https://api-gcc.securitycenter.microsoft.us",
        LOGIN,
        SCOPE_GCC,
    );
    /// US Government GCC High: `api-gov.securitycenter.microsoft.us`, login at
    /// `login.microsoftonline.us`.
    ///
    /// The scope is the API host's, unconfirmed as with [`GCC`](Cloud::GCC); the alternative is
    /// `https://securitycenter.onmicrosoft.us/windowsatpservice/.default`.
    pub const GCC_HIGH: Self = Self::fixed(
        "https://api-gov.securitycenter.microsoft.us",
        LOGIN_US,
        SCOPE_GOV,
    );
    /// US Department of Defense: the hosts of [`GCC_HIGH`](Cloud::GCC_HIGH), its scope just as
    /// unconfirmed.
    pub const DOD: Self = Self::GCC_HIGH;

    const fn fixed(api_url: &'static str, authority: &'static str, scope: &'static str) -> Self {
        Self {
            api_url: Cow::Borrowed(api_url),
            authority: Cow::Borrowed(authority),
            scope: Cow::Borrowed(scope),
        }
    }

    /// The cloud that a host of the API belongs to, with that host as its API URL; `None` for any
    /// other URL.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::Cloud;
    ///
    /// let cloud = Cloud::of_api_url("https://swa.api.security.microsoft.com").unwrap();
    /// assert_eq!(cloud.scope(), Cloud::COMMERCIAL.scope());
    /// assert!(Cloud::of_api_url("https://example.com").is_none());
    /// ```
    pub fn of_api_url(url: &str) -> Option<Self> {
        let origin = Origin::of_base(url).ok().filter(Origin::is_default_https)?;
        let (_, cloud) = HOSTS.iter().find(|(host, _)| *host == origin.host())?;
        Some(cloud.clone().with_api_url(url))
    }

    /// Another API host: `https://`, a host and perhaps a port, nothing else (`http://` for a
    /// loopback address). Checked when the client is built. Defaults to the cloud's own.
    pub fn with_api_url(mut self, url: impl Into<String>) -> Self {
        self.api_url = Cow::Owned(url.into());
        self
    }

    /// Another login authority, such as `https://login.microsoftonline.us`; the same rules as for
    /// the API URL, checked when the client is built. Defaults to the cloud's own.
    pub fn with_authority(mut self, url: impl Into<String>) -> Self {
        self.authority = Cow::Owned(url.into());
        self
    }

    /// Another token scope: the audience with `/.default` behind it. Defaults to the cloud's own.
    ///
    /// The audience is not the API host: the newer hosts want a token for
    /// `https://api.securitycenter.microsoft.com` too, and answer 403 to any other.
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Cow::Owned(scope.into());
        self
    }

    /// Where the API is.
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// Where tokens come from.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What tokens are asked for.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Where administrators of its tenants look after Defender: GCC's use the commercial portal.
    pub(crate) fn portal(&self) -> &'static str {
        if self.authority.trim_end_matches('/') == LOGIN_US {
            "security.microsoft.us"
        } else {
            "security.microsoft.com"
        }
    }

    /// The checked API origin.
    pub(crate) fn api_origin(&self) -> Result<Origin, Error> {
        Origin::of_base(&self.api_url)
            .map_err(|why| Error::config(format!("the API URL {why}")).with_hint(BASE_HINT))
    }

    /// The checked login origin, without a slash at its end.
    pub(crate) fn authority_origin(&self) -> Result<Origin, Error> {
        Origin::of_base(&self.authority).map_err(|why| {
            Error::config(format!("the login authority {why}")).with_hint(LOGIN_HINT)
        })
    }

    /// Whether the scope can be asked for: it is sent in a form body, and may be any text but an empty one.
    pub(crate) fn check_scope(&self) -> Result<(), Error> {
        if self.scope.trim().is_empty() || self.scope.chars().any(char::is_control) {
            return Err(Error::config(
                "the token scope is empty or holds control characters",
            ));
        }
        Ok(())
    }
}

const LOGIN_HINT: &str = "give scheme and host only, such as https://login.microsoftonline.com";
const BASE_HINT: &str =
    "give scheme and host only, such as https://api.securitycenter.microsoft.com";

impl Default for Cloud {
    fn default() -> Self {
        Self::COMMERCIAL
    }
}

/// Without the user names and passwords that a URL holds which is going to be refused.
impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let harmless = |url: &str| match url.rsplit_once('@') {
            Some((_, place)) => format!("***@{place}"),
            None => url.to_owned(),
        };
        f.debug_struct("Cloud")
            .field("api_url", &harmless(&self.api_url))
            .field("authority", &harmless(&self.authority))
            .field("scope", &self.scope)
            .finish()
    }
}

/// The names that `DEFENDER_CLOUD` takes: `commercial`, `us`, `eu`, `uk`, `au`, `gcc`, `gcc-high`
/// and `dod`, in any case.
///
/// # Example
///
/// ```
/// use defender_endpoint::Cloud;
///
/// assert_eq!("gcc-high".parse::<Cloud>()?, Cloud::GCC_HIGH);
/// assert!("moon".parse::<Cloud>().is_err());
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
impl FromStr for Cloud {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "commercial" => Self::COMMERCIAL,
            "us" => Self::US,
            "eu" => Self::EU,
            "uk" => Self::UK,
            "au" => Self::AU,
            "gcc" => Self::GCC,
            "gcc-high" => Self::GCC_HIGH,
            "dod" => Self::DOD,
            _ => {
                return Err(Error::config(
                    "no such cloud: expected commercial, us, eu, uk, au, gcc, gcc-high or dod",
                ));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn where_no_audience_is_documented_there_is_another_to_try() {
        for (cloud, host) in [
            (Cloud::GCC, "com"),
            (Cloud::GCC_HIGH, "us"),
            (Cloud::DOD, "us"),
        ] {
            let other =
                format!("https://securitycenter.onmicrosoft.{host}/windowsatpservice/.default");
            assert_eq!(other_scope(cloud.scope()), Some(&*other));
        }
        assert_eq!(other_scope(Cloud::EU.scope()), None);
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
}
