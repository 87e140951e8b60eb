//! What a fake tenant remembers of a call.

use std::time::Duration;

use super::request::Request;
use super::{odata, remembered, token};

/// One call that a [`Tenant`](super::Tenant) got, and the status it answered.
///
/// Headers are not kept, of a token request the body isn't either, and of other bodies no value that
/// may be a secret is: neither the client secret nor a token nor a scan's credentials are in here.
///
/// # Example
///
/// ```no_run
/// # fn run(tenant: &defender_endpoint::testing::Tenant) {
/// // ... after the program under test has listed the machines:
/// let calls = tenant.exchanges();
/// let list = calls.iter().find(|call| call.path() == "/api/machines").unwrap();
/// assert_eq!(list.method(), "GET");
/// assert_eq!(list.query("$filter").as_deref(), Some("riskScore eq 'High'"));
/// assert_eq!(list.status(), Some(200));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Exchange {
    method: String,
    path: String,
    query: Option<String>,
    body: String,
    status: Option<u16>,
    at: Duration,
}

impl Exchange {
    pub(super) fn new(request: &Request, status: Option<u16>, at: Duration) -> Self {
        let secret = token::is_token_path(&request.path);
        let body = if secret {
            String::new()
        } else {
            remembered::text(&request.body)
        };
        Self {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            body,
            status,
            at,
        }
    }

    /// The HTTP method, such as `GET`.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # fn run(tenant: &defender_endpoint::testing::Tenant) {
    /// assert!(tenant.exchanges().iter().all(|call| ["GET", "POST"].contains(&call.method())));
    /// # }
    /// ```
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path as it was sent, still percent-encoded.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # fn run(tenant: &defender_endpoint::testing::Tenant) {
    /// assert_eq!(tenant.exchanges()[0].path(), "/api/DeviceAuthenticatedScanAgents/a%2Fb");
    /// # }
    /// ```
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query as it was sent, without the `?`.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # fn run(tenant: &defender_endpoint::testing::Tenant) {
    /// assert_eq!(tenant.exchanges()[0].raw_query(), Some("$top=10&$skip=20"));
    /// # }
    /// ```
    pub fn raw_query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The decoded value of a query parameter; `None` if it was not sent or isn't
    /// percent-encoded UTF-8.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # fn run(tenant: &defender_endpoint::testing::Tenant) {
    /// assert_eq!(tenant.exchanges()[0].query("$top").as_deref(), Some("10"));
    /// # }
    /// ```
    pub fn query(&self, name: &str) -> Option<String> {
        let mut parameters = odata::parameters(self.query.as_deref());
        parameters
            .find(|(found, _)| found.as_deref() == Some(name))?
            .1
    }

    /// The text of the request's body; empty for a token request, whose body holds the secret, and
    /// for a body that is no JSON object.
    ///
    /// It is not the bytes that were sent, but the JSON in them, written anew: without blanks, its names
    /// maybe in another order, a name that occurs twice once. `***` stands for the passwords, community
    /// strings and keys of a scan, and for the value of any name that the service doesn't know.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # fn run(tenant: &defender_endpoint::testing::Tenant) {
    /// assert_eq!(tenant.exchanges()[0].body(), r#"{"ScanDefinitionIds":["4ad8d463"]}"#);
    /// # }
    /// ```
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The status that was answered; `None` if a [`Fault`](super::Fault) dropped the connection or
    /// left the call without an answer.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # fn run(tenant: &defender_endpoint::testing::Tenant) {
    /// let failed = tenant.exchanges().iter().filter(|call| call.status() != Some(200)).count();
    /// assert_eq!(failed, 1);
    /// # }
    /// ```
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// When it was answered (or came, if it never is), by the tenant's clock
    /// ([`TenantBuilder::clock`](super::TenantBuilder::clock)).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # fn run(tenant: &defender_endpoint::testing::Tenant) {
    /// let calls = tenant.exchanges();
    /// assert!(calls[100].at() - calls[0].at() >= std::time::Duration::from_secs(60));
    /// # }
    /// ```
    pub fn at(&self) -> Duration {
        self.at
    }

    /// Whether this was a call of the token endpoint.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # fn run(tenant: &defender_endpoint::testing::Tenant) {
    /// let mut calls = tenant.exchanges();
    /// calls.retain(|call| !call.is_token_request());
    /// # }
    /// ```
    pub fn is_token_request(&self) -> bool {
        token::is_token_path(&self.path)
    }
}
