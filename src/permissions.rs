//! Permissions: what each operation needs, in the vendor's words, as data.
//!
//! A 403 names what its operation needs, and an administrator wants to know before the first one. A
//! token says itself what it was granted, see [`Client::token_claims`](crate::Client::token_claims):
//!
//! ```
//! use defender_endpoint::{Client, Error, permissions};
//!
//! /// Says which operations will be refused for want of a permission.
//! fn check(client: &Client) -> Result<(), Error> {
//!     let claims = client.token_claims()?;
//!     for operation in permissions::all() {
//!         if !operation.allowed_by(&claims) {
//!             println!("{} needs {operation}", operation.page());
//!         }
//!     }
//!     Ok(())
//! }
//! ```

use std::fmt;

use crate::auth::TokenClaims;
use crate::http::Method;

/// What one operation needs, as the vendor's page about it says.
///
/// A call needs any one of the [application](Self::application) permissions, or, on behalf of a user,
/// any one of the [delegated](Self::delegated) ones and a user who has any one of the
/// [roles](Self::roles). All are of the API `WindowsDefenderATP`, and want an administrator's
/// consent. `Display` says it in words.
///
/// # Example
///
/// ```
/// use defender_endpoint::permissions;
///
/// let machines = permissions::all().iter().find(|it| it.page() == "List machines API").unwrap();
/// assert_eq!((machines.method(), machines.path()), ("GET", "/api/machines"));
/// assert_eq!(machines.application(), ["Machine.Read.All", "Machine.ReadWrite.All"]);
/// assert_eq!(machines.delegated(), ["Machine.Read", "Machine.ReadWrite"]);
/// assert_eq!(machines.roles(), ["View Data"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationPermissions {
    page: &'static str,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    application: &'static [&'static str],
    delegated: &'static [&'static str],
    roles: &'static [&'static str],
}

impl OperationPermissions {
    /// The title of the vendor's page about the operation, such as `List machines API`.
    pub const fn page(&self) -> &'static str {
        self.page
    }

    /// `GET`, `POST`, or of an operation that writes also `PATCH`.
    pub const fn method(&self) -> &'static str {
        self.method.as_str()
    }

    /// The path, where `{id}` stands for an id.
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// The application permissions, any one of which will do. A token has them as its
    /// [roles](TokenClaims::roles).
    pub const fn application(&self) -> &'static [&'static str] {
        self.application
    }

    /// The delegated permissions, any one of which will do if the user has one of the
    /// [roles](Self::roles). A token has them as its [scopes](TokenClaims::scopes).
    pub const fn delegated(&self) -> &'static [&'static str] {
        self.delegated
    }

    /// The permissions of a Defender role (page «Create and manage roles») of which a user needs
    /// any one. No token tells whether the user has them.
    pub const fn roles(&self) -> &'static [&'static str] {
        self.roles
    }

    /// Whether a token has a permission for this operation. The service may refuse it all the same:
    /// for the user's role, the audience, or the tenant's licence.
    ///
    /// For people and diagnostics: see [`TokenClaims`]. A program that wants to know whether it may
    /// call an operation calls it.
    pub fn allowed_by(&self, claims: &TokenClaims) -> bool {
        let (granted, needed) = if claims.is_delegated() {
            (claims.scopes(), self.delegated)
        } else {
            (claims.roles(), self.application)
        };
        granted.iter().any(|it| needed.contains(&it.as_str()))
    }
}

/// `the application permission Machine.Read.All, or the delegated permission Machine.Read.All with
/// the role 'ViewData' or 'TvmViewData'`
impl fmt::Display for OperationPermissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let application = self.application.join(" or ");
        let delegated = self.delegated.join(" or ");
        let roles = self.roles.join("' or '");
        write!(
            f,
            "the application permission {application}, or the delegated permission {delegated} \
             with the role '{roles}'"
        )
    }
}

/// All operations of this crate; those that write are there with the feature `write`.
pub fn all() -> &'static [OperationPermissions] {
    ALL
}

/// In the order of the manual's table.
const ALL: &[OperationPermissions] = &[
    MACHINES,
    MACHINE,
    SCAN_AGENTS,
    SCAN_AGENT,
    SCAN_DEFINITIONS,
    SCAN_DEFINITION,
    SCAN_HISTORY,
    SCAN_HISTORY_BY_SESSION,
    #[cfg(feature = "write")]
    ADD_SCAN_DEFINITION,
    #[cfg(feature = "write")]
    UPDATE_SCAN_DEFINITION,
    #[cfg(feature = "write")]
    DELETE_SCAN_DEFINITIONS,
];

pub(crate) const MACHINES: OperationPermissions =
    of_machines("List machines API", Method::Get, "/api/machines");

pub(crate) const MACHINE: OperationPermissions =
    of_machines("Get machine by ID API", Method::Get, "/api/machines/{id}");

pub(crate) const SCAN_AGENTS: OperationPermissions = of_scans(
    "Get all scan agents",
    Method::Get,
    "/api/DeviceAuthenticatedScanAgents",
);

pub(crate) const SCAN_AGENT: OperationPermissions = of_scans(
    "Get scan agent by ID",
    Method::Get,
    "/api/DeviceAuthenticatedScanAgents/{id}",
);

pub(crate) const SCAN_DEFINITIONS: OperationPermissions = of_scans(
    "Get scan definitions",
    Method::Get,
    "/api/DeviceAuthenticatedScanDefinitions",
);

// No page tells of it: that of the list is the nearest.
pub(crate) const SCAN_DEFINITION: OperationPermissions = of_scans(
    "Get scan definitions",
    Method::Get,
    "/api/DeviceAuthenticatedScanDefinitions/{id}",
);

pub(crate) const SCAN_HISTORY: OperationPermissions = of_scans(
    "Get scan history by definition",
    Method::Post,
    "/api/DeviceAuthenticatedScanDefinitions/GetScanHistoryByScanDefinitionId",
);

pub(crate) const SCAN_HISTORY_BY_SESSION: OperationPermissions = of_scans(
    "Get scan history by session",
    Method::Post,
    "/api/DeviceAuthenticatedScanDefinitions/GetScanHistoryBySessionId",
);

#[cfg(feature = "write")]
pub(crate) const ADD_SCAN_DEFINITION: OperationPermissions = of_writing(
    "Add, update, or delete a scan definition",
    Method::Post,
    "/api/DeviceAuthenticatedScanDefinitions",
);

#[cfg(feature = "write")]
pub(crate) const UPDATE_SCAN_DEFINITION: OperationPermissions = of_writing(
    "Add, update, or delete a scan definition",
    Method::Patch,
    "/api/DeviceAuthenticatedScanDefinitions/{id}",
);

#[cfg(feature = "write")]
pub(crate) const DELETE_SCAN_DEFINITIONS: OperationPermissions = of_writing(
    "Add, update, or delete a scan definition",
    Method::Post,
    "/api/DeviceAuthenticatedScanDefinitions/BatchDelete",
);

/// What the pages on machines say.
const fn of_machines(
    page: &'static str,
    method: Method,
    path: &'static str,
) -> OperationPermissions {
    OperationPermissions {
        page,
        method,
        path,
        application: &["Machine.Read.All", "Machine.ReadWrite.All"],
        delegated: &["Machine.Read", "Machine.ReadWrite"],
        roles: &["View Data"],
    }
}

/// What the pages on reading scans say.
const fn of_scans(page: &'static str, method: Method, path: &'static str) -> OperationPermissions {
    OperationPermissions {
        page,
        method,
        path,
        application: &["Machine.Read.All"],
        delegated: &["Machine.Read.All"],
        roles: &["ViewData", "TvmViewData"],
    }
}

/// What the page on writing says. It has `Machine.Read.Write`, which other pages of the API call
/// `Machine.ReadWrite`.
#[cfg(feature = "write")]
const fn of_writing(
    page: &'static str,
    method: Method,
    path: &'static str,
) -> OperationPermissions {
    OperationPermissions {
        page,
        method,
        path,
        application: &["Machine.ReadWrite.All"],
        delegated: &["Machine.ReadWrite", "Machine.Read.Write"],
        roles: &["ManageSecurity"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: &str = include_str!("lib.rs");
    const README: &str = include_str!("../README.md");
    const CLIENT: &str = include_str!("client.rs");

    fn quoted(names: &[&str], quote: char) -> String {
        let names: Vec<String> = names
            .iter()
            .map(|name| format!("{quote}{name}{quote}"))
            .collect();
        names.join(" or ")
    }

    /// Application, delegated and roles, as a table writes them.
    fn in_cells(it: &OperationPermissions) -> [String; 3] {
        [
            quoted(it.application, '`'),
            quoted(it.delegated, '`'),
            quoted(it.roles, '\''),
        ]
    }

    /// The cells of the first table behind a heading, without its own two rows.
    fn table<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
        let lines = text.lines().map(|line| line.trim_start_matches("//! "));
        lines
            .skip_while(|line| *line != heading)
            .skip_while(|line| !line.starts_with('|'))
            .take_while(|line| line.starts_with('|'))
            .skip(2)
            .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
            .collect()
    }

    /// Each row stands for operations that need the same: for none, or twice, is wrong too.
    fn assert_each_once(rows: &[String]) {
        let mut wanted: Vec<[String; 3]> = all().iter().map(in_cells).collect();
        wanted.sort();
        wanted.dedup();
        let mut wanted: Vec<String> = wanted.iter().map(|cells| cells.join("; ")).collect();
        let mut found = rows.to_vec();
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_row_in_words() {
        assert_eq!(
            MACHINES.to_string(),
            "the application permission Machine.Read.All or Machine.ReadWrite.All, or the delegated \
             permission Machine.Read or Machine.ReadWrite with the role 'View Data'"
        );
        assert_eq!(
            SCAN_HISTORY.to_string(),
            "the application permission Machine.Read.All, or the delegated permission \
             Machine.Read.All with the role 'ViewData' or 'TvmViewData'"
        );
    }

    #[test]
    fn no_row_is_without_a_way_in_and_none_is_there_twice() {
        for it in all() {
            for names in [it.application, it.delegated, it.roles] {
                assert!(!names.is_empty() && !names.contains(&""), "{it:?}");
            }
            let same =
                |other: &&OperationPermissions| (other.method, other.path) == (it.method, it.path);
            assert_eq!(all().iter().filter(same).count(), 1, "{it:?}");
        }
    }

    #[test]
    fn the_manuals_table_says_what_the_data_says() {
        let rows = table(MANUAL, "# Permissions");
        let rows: Vec<String> = rows.iter().map(|row| row[1..].join("; ")).collect();
        assert_each_once(&rows);
        // And each operation is in the table of operations, under its page.
        let operations = table(MANUAL, "# Operations");
        let pages: Vec<&str> = operations.iter().map(|row| row[2]).collect();
        let wanted: Vec<String> = all().iter().map(|it| format!("«{}»", it.page)).collect();
        assert_eq!(pages, wanted);
    }

    #[test]
    fn the_readmes_table_says_what_the_data_says() {
        let rows = table(README, "## Permissions");
        let rows: Vec<String> = rows
            .iter()
            .map(|row| format!("{}; {}", row[1], row[2].replacen(", ", "; ", 1)))
            .collect();
        assert_each_once(&rows);
    }

    #[test]
    fn the_documentation_of_each_method_says_what_the_data_says() {
        for it in all() {
            let page = format!("«{}»", it.page);
            // The documentation of a method stands before its name.
            let mut items = CLIENT.split("\n    pub fn ");
            let call = format!("`{} {}`", it.method(), it.path);
            let item = items
                .find(|item| item.contains(&page) && item.contains(&call))
                .unwrap();
            let lines = item.lines().map(str::trim);
            let docs: Vec<&str> = lines.filter_map(|line| line.strip_prefix("/// ")).collect();
            let docs = docs.join(" ");
            let [application, delegated, roles] = in_cells(it);
            for text in [
                call,
                format!(
                    "Application permission {application}; delegated {delegated} with the role {roles}."
                ),
            ] {
                assert!(docs.contains(&text), "{text}: {docs}");
            }
        }
    }

    #[test]
    fn a_token_is_judged_by_what_is_its_own_kind() {
        let claims = TokenClaims::of_payload;
        for (payload, machines, scans) in [
            (r#"{"roles":["Machine.Read.All"]}"#, true, true),
            (
                r#"{"roles":["Alert.Read.All","Machine.ReadWrite.All"]}"#,
                true,
                false,
            ),
            (r#"{"roles":["Machine.Isolate"]}"#, false, false),
            (r#"{"roles":["machine.read.all"]}"#, false, false),
            (r#"{"roles":["Machine.Read"]}"#, false, false),
            ("{}", false, false),
            (r#"{"scp":"openid Machine.Read"}"#, true, false),
            (r#"{"scp":"Machine.Read.All"}"#, false, true),
            (
                r#"{"scp":"Machine.ReadWrite Machine.Read.All"}"#,
                true,
                true,
            ),
            // The roles of a user's token are the user's, and no permissions of the application.
            (
                r#"{"scp":"openid","roles":["Machine.Read.All"]}"#,
                false,
                false,
            ),
        ] {
            let claims = claims(payload).unwrap();
            assert_eq!(MACHINES.allowed_by(&claims), machines, "{payload}");
            assert_eq!(SCAN_AGENT.allowed_by(&claims), scans, "{payload}");
        }
    }
}
