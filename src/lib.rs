//! A blocking client for the Microsoft Defender for Endpoint API: machines, scan agents, scan
//! definitions and scan history, typed, paged, and paced to the documented limits. No async
//! runtime, here or underneath.
//!
//! ```no_run
//! use defender_endpoint::Client;
//!
//! fn main() -> Result<(), defender_endpoint::Error> {
//!     let client = Client::from_env()?;
//!     for machine in client.machines() {
//!         let machine = machine?;
//!         println!("{} {}", machine.id, machine.computer_dns_name.as_deref().unwrap_or("-"));
//!     }
//!     Ok(())
//! }
//! ```
//!
//! This page is the manual: [operations](#operations), [credentials](#credentials),
//! [permissions](#permissions), [clouds](#clouds), [filters](#filters), [scans and
//! machines](#scans-and-machines), [paging and resuming](#paging-and-resuming), [reading ahead and in
//! parallel](#reading-ahead-and-in-parallel), [limits and waiting](#limits-and-waiting), [retries and
//! deadlines](#retries-and-deadlines), [errors](#errors), [writing](#writing), [TLS and
//! proxies](#tls-and-proxies), [logging](#logging), [features](#features), [sources](#sources) and
//! [versions](#versions). Pages of their own: [set-up](setup), from nothing to the first list;
//! [credentials]; the [cookbook], recipes to be copied, also for who comes from a script; [testing your own
//! tool][testing]; and [sources], with the vendor's pages sentence by sentence.
//!
#![cfg_attr(feature = "testing", doc = "[testing]: crate::testing")]
#![cfg_attr(not(feature = "testing"), doc = "[testing]: #features")]
//!
//! # Operations
//!
//! | operation | call | vendor's page |
//! | --- | --- | --- |
//! | list machines | [`client.machines()`](Client::machines) | «List machines API» |
//! | one machine; [several](Client::machines_by_id) by the call above | [`client.machine(id)`](Client::machine) | «Get machine by ID API» |
//! | list scan agents | [`client.scan_agents()`](Client::scan_agents) | «Get all scan agents» |
//! | one scan agent | [`client.scan_agent(id)`](Client::scan_agent) | «Get scan agent by ID» |
//! | list scan definitions | [`client.scan_definitions()`](Client::scan_definitions) | «Get scan definitions» |
//! | one scan definition | [`client.scan_definition(id)`](Client::scan_definition) | «Get scan definitions» |
//! | scan history by definition | [`client.scan_history(ids)`](Client::scan_history) | «Get scan history by definition» |
//! | scan history by session, with targets | [`client.scan_history_by_session(ids)`](Client::scan_history_by_session) | «Get scan history by session» |
//! | add a scan definition (feature `write`) | `client.add_scan_definition(&new)` | «Add, update, or delete a scan definition» |
//! | change a scan definition (feature `write`) | `client.update_scan_definition(id, &update)` | «Add, update, or delete a scan definition» |
//! | delete scan definitions (feature `write`) | `client.delete_scan_definitions(ids)` | «Add, update, or delete a scan definition» |
//!
//! No page tells of one scan definition by its id, which the service's schema has: the rights are those of
//! the list's. The scan APIs are a prerelease, says the vendor: they may change. They are for tenants with
//! Defender for Endpoint Plan 2 or Defender Vulnerability Management (definitions: Plan 1 too).
//!
//! Models hold the union of what the documentation, the service's own schema and recorded answers
//! show. Everything but a row's key is optional, enums are open (`Other`), keys that nobody
//! documented are kept in `extra`, and what was read can be serialised again under the service's
//! names.
//!
//! # Credentials
//!
//! [`Client::from_env`] takes the first credential that the environment names, in [this
//! order](ClientBuilder::from_env): workload identity, client certificate, client secret, GitHub Actions,
//! managed identity. Nothing is probed: no metadata service is asked and no `az` is started unless
//! `AZURE_TOKEN_CREDENTIALS` names it. [`Client::builder`] takes any of these:
//!
//! | | for |
//! | --- | --- |
//! | [`WorkloadIdentity`] | clusters and CI jobs: a federated token in a file |
//! | [`ClientAssertion`] | the same from a function of yours, or from a job of GitHub Actions |
//! | `ClientCertificate` (feature `certificate`) | an app registration with a key |
//! | [`ClientSecret`] | an app registration with a password |
//! | [`ManagedIdentity`] | virtual machines, App Service, Functions, Azure Arc |
//! | [`AzureCli`] | you, as `az login` knows you |
//! | [`DeviceCode`] | you, in a browser on any device |
//! | [`StaticToken`] | a token that was got elsewhere |
//! | [`Credential`] | a trait with one method, for everything else |
//!
//! The page [credentials] has the variables of each and its lines of code; the page [setup] leads from a tenant in which
//! nothing is prepared to the first list.
//!
//! A token is kept until five minutes before it expires, or for half of its life if that is shorter.
//! One thread renews it for all; while that fails, the old one is used for as long as it is valid, and
//! the next try comes half a minute later, or sooner by a caller with much more time. Without one, all
//! who wait for a token share the failure, unless it was one caller's own: its deadline, or a wait that
//! was broken off. A refusal, of a wrong secret for instance, stands for a minute before the same client
//! asks again, and a token endpoint that asks for a pause gets it from all threads. Token requests
//! don't count against the API's limits.
//!
//! # Permissions
//!
//! Of the API `WindowsDefenderATP`, with an administrator's consent. To list machines from a script: the application
//! permission `Machine.Read.All`, and nothing else.
//!
//! | operation | application | delegated | role of the user |
//! | --- | --- | --- | --- |
//! | machines | `Machine.Read.All` or `Machine.ReadWrite.All` | `Machine.Read` or `Machine.ReadWrite` | 'View Data' |
//! | scan agents, definitions, history | `Machine.Read.All` | `Machine.Read.All` | 'ViewData' or 'TvmViewData' |
//! | writing (feature `write`) | `Machine.ReadWrite.All` | `Machine.ReadWrite` or `Machine.Read.Write` | 'ManageSecurity' |
//!
//! The module [`permissions`] has this as data, and [`Client::token_claims`] says what the token at
//! hand was granted. A 403 names both in its hint. The example `whoami` shows all of it, and says in
//! words why a tenant refuses a call.
//!
//! # Clouds
//!
//! [`Cloud`] holds API host, login authority and token scope together: commercial with its
//! regions, GCC, GCC High and DoD. The scope of the government clouds is not documented by the
//! vendor; [`Cloud::with_scope`] sets another.
//!
//! # Filters
//!
//! The service filters machines; [`machines::field`] has a constant for each property that it can
//! filter by, with only the operators that fit its type, and combines them with `&`, `|` and `!`.
//! Values are quoted and escaped. [`Filter::raw`](filter::Filter::raw) takes any OData expression.
//!
//! ```
//! use defender_endpoint::machines::{HealthStatus, RiskScore, field};
//!
//! let filter = field::HEALTH_STATUS.ne(HealthStatus::Active)
//!     & (field::RISK_SCORE.eq(RiskScore::High) | field::COMPUTER_DNS_NAME.starts_with("srv-"));
//! assert_eq!(
//!     filter.to_string(),
//!     "healthStatus ne 'Active' and (riskScore eq 'High' or startswith(computerDnsName,'srv-'))",
//! );
//! ```
//!
//! # Scans and machines
//!
//! A scan agent runs on a machine, a definition names the agent that scans for it, a session of the
//! history names the machine that scanned. [`client.machine_of`](Client::machine_of) leads from any of them to the
//! machine with one call, and [`client.machines_by_id`](Client::machines_by_id) from many with one for every 20 of them,
//! without losing an id:
//!
//! ```no_run
//! use defender_endpoint::{Client, machines::OnMachine};
//!
//! let client = Client::from_env()?;
//! let agents = client.scan_agents()?;
//! for found in client.machines_by_id(agents.iter().filter_map(OnMachine::machine_id)) {
//!     match found? {
//!         (_, Some(machine)) => println!("{} {:?}", machine.id, machine.health_status),
//!         (id, None) => println!("{id} is not, or no longer, a machine of this tenant"),
//!     }
//! }
//! # Ok::<(), defender_endpoint::Error>(())
//! ```
//!
//! [`client.scan_history`](Client::scan_history) tells how the sessions of a definition ended, and
//! [`client.scan_history_by_session`](Client::scan_history_by_session) which targets were scanned in them. A target is an
//! address: `client.machines().filter(field::LAST_IP_ADDRESS.eq(address))` are the machines that had it
//! last. The example `scan_report` joins all of it with five calls, for up to 20 scanners.
//!
//! # Paging and resuming
//!
//! Lists are iterators of `Result`. Nothing is sent before the first `next`; a page is fetched when
//! its first row is asked for, and each row is decoded when it is asked for. After an error there
//! is nothing more, and everything that came before it has been handed out.
//! [`Items::offset`] counts rows from the list's start, so that `skip(offset)` goes on, in another
//! process too:
//!
//! ```no_run
//! # use defender_endpoint::{Client, Error, machines::Machine};
//! # fn saved() -> u64 { 0 }
//! # fn save(_: u64) {}
//! # fn store(_: Machine) {}
//! # let client = Client::from_env()?;
//! let mut machines = client.machines().skip(saved()).into_iter();
//! while let Some(machine) = machines.next() {
//!     match machine {
//!         Ok(machine) => store(machine),
//!         Err(error) => {
//!             save(machines.offset());
//!             return Err(error);
//!         }
//!     }
//! }
//! # Ok::<(), Error>(())
//! ```
//!
//! [`pages()`](machines::ListMachines::pages) hands out whole pages, for tools that write in
//! batches. [`deserialize()`](machines::ListMachines::deserialize) decodes rows into a type of
//! yours.
//!
//! The example `sync` keeps a copy of the fleet in a SQLite database that way, and the
//! [cookbook](cookbook#a-copy-of-the-fleet) has the core of it.
//!
//! A page is held in memory as it came off the wire, compressed if the service compresses it, and
//! decoded row by row: memory doesn't grow with the number of machines.
//!
//! # Reading ahead and in parallel
//!
//! A walk fetches a page when it is asked for one, and nothing while its caller is busy with the
//! last. Requests, [`Items`] and [`Pages`] are `Send`, and a client serves any number of threads,
//! so that overlap needs nothing but the standard library. The [cookbook](cookbook#reading-ahead) has both as functions to
//! be copied.
//!
//! **Reading ahead**: a thread fetches the next page while this one is stored.
//!
//! ```no_run
//! # use defender_endpoint::{Client, Error, machines::Machine};
//! # fn store(_: Vec<Machine>, _: u64) {}
//! # let client = Client::from_env()?;
//! use std::{sync::mpsc, thread};
//!
//! let mut pages = client.machines().pages();
//! thread::scope(|scope| {
//!     let (send, receive) = mpsc::sync_channel(0); // hands over, keeps nothing
//!     scope.spawn(move || pages.try_for_each(|page| send.send(page)));
//!     for page in receive {
//!         let page = page?; // an error comes as the last item, as it does without the thread
//!         store(page.items, page.next_skip);
//!     }
//!     Ok::<(), Error>(())
//! })?;
//! # Ok::<(), Error>(())
//! ```
//!
//! It is worth it wherever storing takes time. Order, offset and the number of calls stay as they
//! are, and the price is the memory of one more page: some 10 to 20 MB, when it is full and
//! decoded. If the loop ends early, so does the thread, after the call it is in. Send pages, not
//! rows: a thread that is a few rows ahead asks for a page only when the last one is nearly used up.
//!
//! **In parallel**: several threads ask for pages by their place in the list.
//!
//! ```no_run
//! # use defender_endpoint::{Client, Error, machines::Machine};
//! # fn store(_: u64, _: Result<Vec<Machine>, Error>) {}
//! # let client = Client::from_env()?;
//! use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
//! use std::thread;
//!
//! let (next, ended) = (AtomicU64::new(0), AtomicBool::new(false));
//! let work = || {
//!     while !ended.load(Relaxed) {
//!         let skip = next.fetch_add(10_000, Relaxed);
//!         let machines = client.machines().skip(skip).top(10_000).into_iter();
//!         let page: Result<Vec<_>, Error> = machines.collect();
//!         // A short page or an error is the last that anybody asks for.
//!         let full = page.as_ref().is_ok_and(|page| page.len() == 10_000);
//!         ended.fetch_or(!full, Relaxed);
//!         store(skip, page); // called by all threads, in any order
//!     }
//! };
//! thread::scope(|scope| {
//!     for _ in 0..4 {
//!         scope.spawn(work);
//!     }
//! });
//! # Ok::<(), Error>(())
//! ```
//!
//! This is for the first load of a large and quiet fleet. The places are those in a list that
//! changes, and whose order nobody promises. One page after the other, by next links too, a machine
//! that is added in front makes the walk see one twice, and one that is removed makes it miss one;
//! in parallel, either can do either, since a later page may be read first, though in a shorter time
//! less changes. So the `id` is the key, and only a machine that was missing several times is gone.
//! After an error go on at the first page that is missing. Each thread holds a page. The limits
//! hold for all threads of a client and its clones together, and so does a pause that the service
//! asks for.
//!
//! **How long a tenant takes.** What the limits alone demand, with all 1,500 calls of the hour left:
//!
//! | machines | on a page | calls | time |
//! | ---: | ---: | ---: | ---: |
//! | 1,000,000 | 10,000 | 100 | none |
//! | 1,000,000 | 1,000 | 1,000 | 9 min |
//! | 1,000,000 | 100 | 10,000 | 6 h 9 min |
//! | 10,000,000 | 10,000 | 1,000 | 9 min |
//! | 10,000,000 | 1,000 | 10,000 | 6 h 9 min |
//! | 10,000,000 | 100 | 100,000 | 66 h 9 min |
//!
//! A walk by [`page_size`](machines::ListMachines::page_size) takes a call more if its last page is
//! full, and parallel pages take up to one more for each thread. 10,000 is the default and the most.
//!
//! Beside that one waits for the service, which takes its time for each page. Reading ahead hides
//! that time behind the storing, or the other way round. Up to 100 calls, which are a million
//! machines in full pages, it is all there is to wait for, and parallel pages divide it by the number
//! of threads, as far as the service can serve them at once. In walks of up to 1,500 calls the limits
//! let one through every 0.6 seconds on average, and in longer ones every 2.4: where the threads
//! together are faster than that, they wait for the windows, and nothing helps but larger pages. A
//! wait for the hour's window can take 46 minutes, so that a walk of more than 1,500 calls needs a
//! [`max_wait`](ClientBuilder::max_wait) of an hour.
//!
//! # Limits and waiting
//!
//! Each API may be called 100 times a minute and 1,500 times an hour. The client keeps both
//! exactly, as the service counts: in any 60 and any 3,600 seconds. A burst of 100 calls goes out
//! at once; whoever goes on calling gets 245 through in two minutes and 1,500 in fourteen, and then
//! waits for the hour to pass. A full walk takes a call for 10,000 machines, so up to a million of
//! them only tools that ask for small pages ever wait.
//!
//! A call that would have to wait longer than [`max_wait`](ClientBuilder::max_wait) (5 minutes)
//! fails at once with [`ErrorKind::RateLimited`]; a daemon that would rather wait sets `Duration::MAX`. As far as is
//! known the service counts for each tenant and app registration. So several processes that call one tenant
//! with one app registration share its quota ([`RateLimits::divided_by`]), several clients of one tenant in one process
//! share a [`RateLimiter`] if they are given it, and clients of different tenants each keep their own. A new process
//! has nothing spent, whatever the one before it did: see the [cookbook](cookbook#several-processes).
//!
//! Nobody waits in silence: [`on_wait`](ClientBuilder::on_wait) is told when a wait begins and every
//! second while it lasts, with the reason and the time left, and can end it.
//! [`client.quota()`](Client::quota) says what is left in both windows of each API.
//!
//! # Retries and deadlines
//!
//! What may pass is tried again, as [`RetryPolicy`] says: three times, from 0.8 seconds doubling,
//! or as long as the service asks. After a 429 no thread calls that API until then, in any clone of
//! the client or client with the same [`RateLimiter`]. A 401 fetches one new token and is tried once
//! more. What [writes](#writing) has rules of its own. A page that turns out to be damaged while its
//! rows are handed out is fetched once more, and
//! the rows that are out already are stepped over. When tries come to an end, the error is the last
//! real one, with the number of exchanges with the API.
//!
//! [`connect_timeout`](ClientBuilder::connect_timeout), [`read_timeout`](ClientBuilder::read_timeout)
//! and [`try_timeout`](ClientBuilder::try_timeout) bound one exchange;
//! [`deadline`](ClientBuilder::deadline) bounds a call with all its waits and tries, and
//! [`deadline_in_all`](machines::ListMachines::deadline_in_all) a walk with all its calls. Nobody waits
//! first and fails then: a wait beyond `max_wait` or the deadline fails at once.
//!
//! # Errors
//!
//! One type, [`Error`]. [`kind()`](Error::kind) is what to branch on,
//! [`is_retryable()`](Error::is_retryable) says whether the same call could succeed later, and
//! [`status()`](Error::status), [`code()`](Error::code), [`message()`](Error::message) and
//! [`request_id()`](Error::request_id) hold what the service said. `Debug` is made for
//! `fn main() -> Result<(), Error>`: message, causes and a hint, a line each. Arguments are checked
//! before anything is sent.
//!
//! The service documents 404 for a list of machines when there are no recent ones. Such a 404, to the first call or
//! to one by `$skip`, ends the walk without an error, is logged as a warning, and
//! [`Items::ended_by_not_found`] tells it from an empty page. Where the service's own link has led to it, it is an
//! error: rows would be lost.
//!
//! What each 401, 403 and code of Entra means, and who mends it, is [in a table](setup#what-a-refusal-means); what a
//! service does with each kind is [another](cookbook#what-to-do-with-an-error). `{:#}` is message, causes and hint in
//! one line.
//!
//! # Writing
//!
//! With the feature `write`, and only then, a program can add, change and delete scan definitions. It is
//! off by default. A build whose `cargo tree -e features -i defender-endpoint` doesn't show it (any crate of
//! the build may turn it on) can't write, whatever its token was granted. One that writes reads as well, so
//! it wants both `Machine.ReadWrite.All` and `Machine.Read.All`: the pages of the scan family name
//! the latter alone for reading.
//!
#![cfg_attr(feature = "write", doc = "```no_run")]
#![cfg_attr(not(feature = "write"), doc = "```ignore")]
//! use std::{collections::HashSet, thread, time::Duration};
//! use defender_endpoint::scan_definitions::{NewScanDefinition, ScanDefinition, SnmpAuth};
//! use defender_endpoint::{Client, Error, ErrorKind};
//!
//! fn add(client: &Client, new: &NewScanDefinition) -> Result<ScanDefinition, Error> {
//!     let before = client.scan_definitions()?.into_iter().map(|it| it.id);
//!     let before: HashSet<String> = before.collect();
//!     match client.add_scan_definition(new) {
//!         // It was sent, and the answer was lost: look, instead of adding it a second time.
//!         Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
//!             thread::sleep(Duration::from_secs(30)); // the service may still be at it
//!             let now = client.scan_definitions().unwrap_or_default(); // the first error tells more
//!             let mut added = now.into_iter().filter(|it| !before.contains(&it.id));
//!             added.find(|it| new.is_like(it)).ok_or(error)
//!         }
//!         added => added, // or nothing was done
//!     }
//! }
//!
//! # fn secret() -> String { String::new() }
//! let client = Client::from_env()?;
//! let agent = client.scan_agent("47d41a0c-1dfd-46d3-bbea-a93dbc0bfcaa_eb663a27")?;
//! let auth = SnmpAuth::community_string(secret());
//! let targets = ["10.0.0.0/24", "10.1.0.7"];
//! let new = NewScanDefinition::network("Core switches", &agent, targets, auth).interval_in_hours(4);
//! println!("{}", add(&client, &new)?.id);
//! # Ok::<(), Error>(())
//! ```
//!
//! `update_scan_definition` sends only what is to change, and `delete_scan_definitions` deletes many with one
//! call. What can't be right is refused before anything is sent: a target that is neither an address, a
//! range nor a name, an empty password, an interval of zero. Passwords are [`Secret`]s; they are in the
//! request's body, this crate's copy of which is wiped, and in no text.
//!
//! **Nothing is written twice.** A call that writes has a connection of its own, and is tried again only
//! where it surely did nothing: there was no connection, or it broke before any of the request's body
//! was on its way; after a 429; and once after a 401, with a new token. Where the service may have had
//! the request and no answer tells, because the connection broke, it timed out or a server failed, the
//! error is [`ErrorKind::OutcomeUnknown`]: not retryable, with a hint that says how to find out. With
//! any other kind it did nothing.
//!
//! # TLS and proxies
//!
//! Only `https` is spoken, except to loopback addresses and a managed identity's endpoint, which is on
//! the machine or next to it; and redirects are never followed, so that a token doesn't leave for
//! another host. There is no switch that turns the verification of certificates off.
//!
//! The proxy is the one that the environment names (`ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`,
//! `NO_PROXY`), [`proxy`](ClientBuilder::proxy), or [none](ClientBuilder::no_proxy); it must speak
//! HTTP, and `build()` refuses any other. A managed identity's endpoint is never asked through one.
//!
//! Mozilla's root certificates are built in. Where a proxy inspects TLS, its own root is needed too:
//!
//! * `root_certificates` adds it, from PEM; with `built_in_roots(false)` nothing else is trusted.
//! * `DEFENDER_ROOT_CERTIFICATES` names a file for it, without a line of code, where a client is built with
//!   `from_env`. Variables of other programs for this, such as `SSL_CERT_FILE` and `REQUESTS_CA_BUNDLE`, are not read.
//! * `platform_verifier` (feature `platform-verifier`) or `native_tls` (feature `native-tls`) trusts what
//!   the system's administrator trusts.
//!
//! Where a gateway wants to see a certificate of the client, `client_certificate` shows it (mutual
//! TLS). That is no credential: the API knows its callers by their tokens.
//!
//! # Logging
//!
//! Through the [`log`](https://docs.rs/log) facade, with targets that begin with `defender_endpoint`:
//! `debug` for each answer of the API (method, path, status, number of the try), `info` for a wait of more
//! than a second, `warn` for a failure that is tried again, a page that is fetched again, a token that could
//! not be renewed, a list that ended with 404, and a write whose outcome is unknown. No line holds a
//! query, a token or another secret, but a path holds the id or name of the one machine, agent or definition that was
//! asked for. Lines are written by the thread that calls: in a service for several tenants its name tells them apart, where
//! threads that it starts pass it on. What
//! the service says of a failed call is in the warning about it. The transport underneath, `ureq`,
//! logs under its own name; its level `trace` shows raw bytes, tokens included: keep it off. Its
//! level `debug` shows neither path nor query nor `Authorization`, but a few headers of the answer,
//! such as `Content-Type`, `Date` and `Server`, as they came.
//!
//! # Features
//!
//! | feature | |
//! | --- | --- |
//! | `rustls` (default) | TLS in Rust with Mozilla's roots built in |
//! | `native-tls` | the system's TLS library; chosen with `ClientBuilder::native_tls`, or by being the only one |
//! | `platform-verifier` | the system's certificate verifier under `rustls`, which it turns on; chosen with `ClientBuilder::platform_verifier` |
//! | `certificate` | `ClientCertificate`: an app registration with a key |
//! | `write` | operations that change something in the tenant; without it a program can't |
//! | `testing` | [testing your own tool][testing]: a fake tenant on loopback and a fake clock |
//!
//! Features add, they never choose: turning one on changes nothing for other crates of a build.
//! Without any TLS feature only loopback addresses can be talked to, and `build()` says so.
//!
//! Features of the dependencies may be on as well, since cargo builds each of them once for the whole
//! program. Where another crate turns on `gzip` of `ureq`, pages are inflated on arrival: a page then
//! costs its plain size in memory, about 11 MB for 10,000 machines, and `body_limit` still bounds it.
//!
//! # Sources
//!
//! Nobody here has called a tenant. The page [sources] says what is known of the service and how surely, which
//! questions are open, and which code and test stand for each statement of the vendor's pages. The example `probe`
//! answers the questions in a tenant of yours.
//!
//! # Versions
//!
//! Semantic versioning: before 1.0, a release that breaks something raises the middle number. New variants and
//! fields break nothing, since all enums and structs that are handed out are `#[non_exhaustive]`. Needs
//! Rust 1.85; a newer minimum raises at least the middle number. No type of the HTTP library,
//! the limiter or any other dependency before its 1.0 is part of the public API, except those of
//! [`time`], which is re-exported; a new major version of it is a breaking release of this crate.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    any(test, defender_endpoint_fuzzing),
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod auth;
mod body;
mod call;
mod client;
mod clock;
mod cloud;
pub mod cookbook;
pub mod credentials;
mod decode;
mod encode;
mod entity;
mod environment;
mod error;
mod excerpt;
mod file;
pub mod filter;
#[cfg(any(test, defender_endpoint_fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod inflate;
pub mod machines;
mod page;
mod paging;
pub mod permissions;
mod rate_limit;
mod retry;
pub mod scan_agents;
pub mod scan_definitions;
pub mod scan_history;
mod secret;
pub mod setup;
pub mod sources;
mod sync;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod wait;
mod wire;

#[cfg(feature = "certificate")]
#[cfg_attr(docsrs, doc(cfg(feature = "certificate")))]
pub use auth::ClientCertificate;
pub use auth::{
    AccessToken, AzureCli, ClientAssertion, ClientSecret, Credential, DeviceCode, DeviceCodePrompt,
    ManagedIdentity, StaticToken, TokenClaims, TokenRequest, WorkloadIdentity,
};
pub use client::{Client, ClientBuilder};
pub use cloud::Cloud;
pub use error::{Error, ErrorKind};
pub use paging::{Items, Page, Pages};
pub use rate_limit::{Api, ApiQuota, Quota, RateLimiter, RateLimits};
pub use retry::RetryPolicy;
pub use secret::Secret;
pub use time;
pub use wait::{Wait, WaitReason};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
