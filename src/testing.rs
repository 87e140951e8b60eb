//! Testing your own tool: a fake tenant on loopback, and a clock that stands still.
//!
//! Turn the feature on where tests are built, and only there:
//!
//! ```toml
//! [dev-dependencies]
//! defender-endpoint = { version = "0.1", features = ["testing"] }
//! ```
//!
//! [`Tenant`] is a service and a token endpoint on a loopback port, in threads of this process. It
//! pages both ways, understands every filter that the typed fields can write and answers 400 to
//! what it can't read, sends gzip where it is offered, and remembers each call. It is made from rows
//! of your own, or with [`Tenant::demo`] from a fleet of 347 varied machines.
//!
//! ```
//! use defender_endpoint::machines::{Machine, RiskScore, field};
//! use defender_endpoint::testing::Tenant;
//!
//! let mut risky = Machine::new("1e5b");
//! risky.risk_score = Some(RiskScore::High);
//! let tenant = Tenant::builder().machines([risky, Machine::new("2f6c")]).start()?;
//!
//! let client = tenant.client()?;
//! let found = client.machines().filter(field::RISK_SCORE.eq(RiskScore::High)).into_iter().count();
//! assert_eq!(found, 1);
//! assert_eq!(tenant.calls("/api/machines"), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A bad day
//!
//! A [`Fault`] makes chosen calls fail, so that a test can see what your tool does then:
//!
//! ```
//! use defender_endpoint::ErrorKind;
//! use defender_endpoint::testing::{Fault, Tenant};
//!
//! let tenant = Tenant::demo()?; // pages of 100 machines
//! tenant.fail(Fault::status(403).path("/api/machines").on_call(3));
//!
//! let client = tenant.client()?;
//! let mut machines = client.machines().into_iter();
//! let seen = machines.by_ref().take_while(|machine| machine.is_ok()).count();
//! assert_eq!(seen, 200);
//! assert_eq!(machines.offset(), 200); // where to go on
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An iterator fetches a page when its first row is asked for, and none ahead. So what a test does
//! between two `next`s, to the fleet or to the service, happens exactly between two pages:
//!
//! ```
//! use defender_endpoint::machines::Machine;
//! use defender_endpoint::testing::{Fault, Tenant};
//!
//! let fleet = |ids: std::ops::Range<u32>| ids.map(|id| Machine::new(id.to_string()));
//! let tenant = Tenant::builder().machines(fleet(0..6)).page_size(2).start()?;
//!
//! let client = tenant.client()?;
//! let mut machines = client.machines().into_iter();
//! assert_eq!(machines.by_ref().take(2).count(), 2); // 0 and 1
//! tenant.set_machines(fleet(1..6))?; // 0 goes, and the others move up
//! tenant.fail(Fault::status(403).on_call(2)); // not the next page, but the one behind it
//! let page = machines.by_ref().take(2).collect::<Result<Vec<_>, _>>()?;
//! assert_eq!([&*page[0].id, &*page[1].id], ["3", "4"]); // 2 is not seen
//! assert!(machines.next().is_some_and(|machine| machine.is_err()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Several customers
//!
//! All tenants have the same ids and the same secret, if nothing else is said. With ids of their own
//! ([`TenantBuilder::tenant_id`], [`TenantBuilder::client_id`]) they refuse each other's credentials, so
//! that a test can see whether your tool mixes up its customers. Tokens are refused in any case.
//!
//! # A whole program
//!
//! A program that makes its client with [`from_env`](crate::Client::from_env), such as a build script, is tried as a
//! process of its own, with these variables and no others:
//!
//! ```
//! use defender_endpoint::testing::Tenant;
//!
//! let tenant = Tenant::demo()?;
//! let variables = [
//!     ("DEFENDER_API_URL", tenant.url()),
//!     ("AZURE_AUTHORITY_HOST", tenant.authority()),
//!     ("AZURE_TENANT_ID", tenant.tenant_id()),
//!     ("AZURE_CLIENT_ID", tenant.client_id()),
//!     ("AZURE_CLIENT_SECRET", tenant.client_secret()),
//! ];
//! let program = "PROGRAM"; // env!("CARGO_BIN_EXE_name") in a test of a package
//! let mut command = std::process::Command::new(program);
//! command.env_clear().envs(variables);
//! // assert!(command.status()?.success());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A job of GitHub Actions has, instead of the secret, `ACTIONS_ID_TOKEN_REQUEST_TOKEN` and an
//! `ACTIONS_ID_TOKEN_REQUEST_URL` that the tenant serves as well:
//! `Fault::body(200, "application/json", r#"{"value":"eyJh.eyJz.c2ln"}"#).path("/idtoken").always()`.
//!
//! # Without a secret
//!
//! The token endpoint takes any JWT as a client assertion, whoever signed it, so that the path of a CI
//! job or of a pod can be rehearsed with [`ClientAssertion`](crate::ClientAssertion) or
//! [`WorkloadIdentity`](crate::WorkloadIdentity), with the tenant's ids:
//!
//! ```
//! use defender_endpoint::testing::Tenant;
//! use defender_endpoint::{Client, ClientAssertion, Secret};
//!
//! let tenant = Tenant::demo()?;
//! let job = ClientAssertion::new(tenant.tenant_id(), tenant.client_id(), |_| {
//!     Ok(Secret::from("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvOmEvYiJ9.c2lnbmF0dXJl"))
//! })?;
//! let client = Client::builder(job).cloud(tenant.cloud()).no_proxy().build()?;
//! assert_eq!(client.scan_agents()?.len(), 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Other operations
//!
//! A call that your tool makes by hand, with [`Client::access_token`](crate::Client::access_token), can
//! be tested too: [`Fault::body`] serves a path that the tenant doesn't know, which answers 404
//! otherwise. It doesn't look at the token.
//!
//! ```
//! use defender_endpoint::testing::{Fault, Tenant};
//!
//! let tenant = Tenant::demo()?;
//! let alerts = r#"{"value":[{"id":"da637472900382838869_1364969609"}]}"#;
//! tenant.fail(Fault::body(200, "application/json", alerts).path("/api/alerts").always());
//!
//! // In your tool, with the address in its configuration:
//! let token = tenant.client()?.access_token()?;
//! let config = ureq::Agent::config_builder().proxy(None).max_redirects(0);
//! let mut answer = config
//!     .build()
//!     .new_agent()
//!     .get(format!("{}/api/alerts?$top=1", tenant.url()))
//!     .header("Authorization", format!("Bearer {}", token.expose()))
//!     .call()?;
//! assert_eq!(answer.body_mut().read_to_string()?, alerts);
//! assert_eq!(tenant.exchanges().last().and_then(|call| call.query("$top")).as_deref(), Some("1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A tool that writes
//!
//! With the feature `write` the tenant adds, changes and deletes scan definitions, for an application
//! that may. A fault can lose the answer to a write that was done, so that a test can see whether your
//! tool finds that out instead of doing it twice:
//!
//! ```
//! use defender_endpoint::ErrorKind;
//! use defender_endpoint::scan_definitions::{NewScanDefinition, SnmpAuth};
//! use defender_endpoint::testing::{Fault, Tenant};
//!
//! let roles = ["Machine.Read.All", "Machine.ReadWrite.All"];
//! let tenant = Tenant::demo_builder().roles(roles).start()?;
//! let client = tenant.client()?;
//! let agent = client.scan_agents()?.remove(0);
//! let auth = SnmpAuth::community_string("hunter2");
//! let new = NewScanDefinition::network("Edge switches", &agent, ["10.9.0.0/24"], auth);
//!
//! tenant.fail(Fault::disconnect().method("POST").path("ScanDefinitions"));
//! let error = client.add_scan_definition(&new).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
//!
//! let definitions = client.scan_definitions()?;
//! assert!(definitions.iter().any(|definition| new.is_like(definition))); // it was done
//! let writes = tenant.exchanges().into_iter().filter(|call| call.method() == "POST");
//! assert_eq!(writes.filter(|call| !call.is_token_request()).count(), 1); // and not tried again
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Time
//!
//! With a [`FakeClock`], whoever waits for the rate limit moves the clock on instead, so that a
//! test of an hour takes no time. A [`RateLimiter`](crate::RateLimiter) that clients share has a
//! clock of its own: make it with
//! [`new_with_clock`](crate::RateLimiter::new_with_clock).
//!
//! ```
//! use std::time::Duration;
//! use defender_endpoint::testing::{Clock, FakeClock, Tenant};
//!
//! let tenant = Tenant::demo()?;
//! let clock = FakeClock::new();
//! let client = tenant.client_builder()?.clock(clock.clone()).build()?;
//! for _ in 0..101 {
//!     client.scan_agents()?;
//! }
//! assert_eq!(clock.now(), Duration::from_secs(60));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod builder;
mod clock;
mod condition;
mod definitions;
mod demo;
mod exchange;
mod fault;
mod filter;
mod history;
mod lexer;
mod odata;
mod remembered;
mod reply;
mod request;
mod schema;
mod server;
mod service;
mod tenant;
mod token;

pub use crate::clock::Clock;
pub use builder::TenantBuilder;
pub use clock::FakeClock;
pub use exchange::Exchange;
pub use fault::Fault;
pub use tenant::Tenant;
