//! The manual's page of recipes: what tools do with the crate, in a form to be copied. It holds no
//! code. It is long so that there is one page to search in.
//!
//! What stands in [the manual](crate) is not said again here. Most recipes are functions that take a
//! [`Client`](crate::Client), which [`Client::from_env`](crate::Client::from_env) makes; each is compiled,
//! and most are run against the fake tenant, whenever the crate is tested. They go together in one file:
//! `Error` is the crate's, and `Box<dyn std::error::Error>`, written in full, what goes up where a recipe does more than
//! call the service.
//!
//! | lists | |
//! | --- | --- |
//! | [CSV](#csv) | for a spreadsheet |
//! | [JSON lines](#json-lines) | for another program |
//! | [Only some fields](#only-some-fields) | rows of your own type |
//! | [Newest first](#newest-first) | in an order of your own |
//! | [A machine by its name](#a-machine-by-its-name) | short names, and several machines of one name |
//! | [By tag, group and time](#by-tag-group-and-time) | what the service filters, and what it can't |
//!
//! | batches and copies | |
//! | --- | --- |
//! | [Batches](#batches) | a transaction for each |
//! | [Past a row that can't be read](#past-a-row-that-cant-be-read) | one bad row, and all others |
//! | [A copy of the fleet](#a-copy-of-the-fleet) | what is new, changed and gone |
//!
//! | time | |
//! | --- | --- |
//! | [Reading ahead](#reading-ahead) | fetch while storing |
//! | [Pages in parallel](#pages-in-parallel) | the first load of a large fleet |
//! | [Progress](#progress) | for whoever watches |
//! | [Shutting down](#shutting-down) | within a second |
//! | [A deadline for a whole walk](#a-deadline-for-a-whole-walk) | for jobs that must end |
//!
//! | services | |
//! | --- | --- |
//! | [Several processes](#several-processes) | one quota for all of them |
//! | [Several tenants](#several-tenants) | side by side |
//! | [A new secret](#a-new-secret) | without a new quota |
//! | [A service](#a-service) | tenants, rounds and a stop, together |
//! | [Two clients of one tenant](#two-clients-of-one-tenant) | one quota, other settings |
//! | [Quota as metrics](#quota-as-metrics) | for a dashboard |
//! | [What to do with an error](#what-to-do-with-an-error) | the next run, a person, or a bug; exit codes |
//!
//! | beyond | |
//! | --- | --- |
//! | [Another operation](#another-operation) | what the crate doesn't have |
//! | [Testing your own tool](#testing-your-own-tool) | without network and without waiting |
//! | [In a build script](#in-a-build-script) | a list that is compiled in |
//! | [From a script](#from-a-script) | coming from ureq by hand, Python or PowerShell |
//!
//! # CSV
//!
//! For people with a spreadsheet. The columns are chosen one by one, with the crate `csv`: a whole
//! [`Machine`](crate::machines::Machine) can't be one of its records, since it holds lists and objects. What is
//! written may be a walk, or machines that were [sorted](#newest-first) or chosen before.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::io::Write;
//!
//! use defender_endpoint::time::format_description::well_known::Rfc3339;
//! use defender_endpoint::{Error, machines::Machine};
//!
//! /// Returns how many there were. Who gives a walk asks for its `ended_by_not_found` behind it.
//! fn write_csv(
//!     machines: impl IntoIterator<Item = Result<Machine, Error>>,
//!     out: impl Write,
//! ) -> Result<u64, Box<dyn std::error::Error>> {
//!     let mut table = csv::Writer::from_writer(out);
//!     table.write_record(["id", "name", "platform", "health", "lastSeen", "tags"])?;
//!     let mut rows = 0;
//!     for machine in machines {
//!         table.write_record(cells(machine?))?;
//!         rows += 1;
//!     }
//!     table.flush()?;
//!     Ok(rows)
//! }
//!
//! fn cells(machine: Machine) -> [String; 6] {
//!     let last_seen = machine.last_seen.and_then(|at| at.format(&Rfc3339).ok());
//!     [
//!         guarded(machine.id),
//!         guarded(machine.computer_dns_name.unwrap_or_default()),
//!         guarded(machine.os_platform.unwrap_or_default()),
//!         guarded(machine.health_status.map(|it| it.to_string()).unwrap_or_default()),
//!         last_seen.unwrap_or_default(),
//!         guarded(machine.machine_tags.join(";")),
//!     ]
//! }
//!
//! /// Whoever names a device writes into the cell: a spreadsheet must not run it as a formula, nor what
//! /// stands behind a semicolon, where it splits there.
//! fn guarded(cell: String) -> String {
//!     let parts = cell.split(';').map(|part| match part.chars().next() {
//!         Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n') => format!("'{part}"),
//!         _ => part.to_owned(),
//!     });
//!     parts.collect::<Vec<_>>().join(";")
//! }
//! # use defender_endpoint::testing::{Fault, Tenant};
//! # use defender_endpoint::{machines::HealthStatus, time::OffsetDateTime};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let mut phone = Machine::new("1e5b");
//! #     phone.computer_dns_name = Some("=HYPERLINK(\"http://203.0.113.9\")".to_owned());
//! #     phone.health_status = Some(HealthStatus::Active);
//! #     phone.last_seen = Some(OffsetDateTime::UNIX_EPOCH);
//! #     phone.machine_tags = ["vip", "a, b", "=1+1", "c;@2"].map(str::to_owned).to_vec();
//! #     let tenant = Tenant::builder().machines([phone, Machine::new("2f6c")]).start()?;
//! #     let client = tenant.client()?;
//! #     let whole = "id,name,platform,health,lastSeen,tags\n\
//! #         1e5b,\"'=HYPERLINK(\"\"http://203.0.113.9\"\")\",,Active,1970-01-01T00:00:00Z,\"vip;a, b;'=1+1;c;'@2\"\n\
//! #         2f6c,,,,,\n";
//! #     let mut out = Vec::new();
//! #     assert_eq!(write_csv(client.machines(), &mut out)?, 2);
//! #     assert_eq!(String::from_utf8(out)?, whole);
//! #     let collected = client.machines().into_iter().collect::<Result<Vec<_>, _>>()?;
//! #     let mut out = Vec::new();
//! #     assert_eq!(write_csv(collected.into_iter().map(Ok), &mut out)?, 2);
//! #     assert_eq!(String::from_utf8(out)?, whole);
//! #     tenant.fail(Fault::status(403).path("/api/machines"));
//! #     assert!(write_csv(client.machines(), Vec::new()).is_err());
//! #     tenant.fail(Fault::status(404).empty_body().path("/api/machines"));
//! #     let mut machines = client.machines().into_iter();
//! #     assert_eq!(write_csv(machines.by_ref(), Vec::new())?, 0);
//! #     assert!(machines.ended_by_not_found());
//! #     Ok(())
//! # }
//! ```
//!
//! * `write_csv(client.machines(), out)` is the whole fleet, and `write_csv(newest_first(&client)?.into_iter().map(Ok), out)`
//!   a sorted one.
//! * Names and tags are text that others choose, so a cell, or a tag, that a spreadsheet would run as a formula
//!   gets an apostrophe in front. For a file that only programs read, leave `guarded` out, or better write
//!   [JSON lines](#json-lines).
//! * Dates are RFC 3339, in UTC, as `Rfc3339` writes them: `Display` of a date is for people, and no
//!   program reads it.
//! * A tag may hold a `;` itself, and then nothing tells one tag from two.
//! * Excel takes the file for UTF-8 only if it begins with `\u{feff}`: `out.write_all("\u{feff}".as_bytes())?`
//!   before the first row. Where it splits at semicolons, `csv::WriterBuilder` has `delimiter(b';')`.
//! * An error leaves half a table: write to another name, and rename the file when it is whole, as
//!   [the program](#the-program) does. It refuses a table of no rows too, and a walk that ended by a 404: that is documented
//!   for no machines and comes by a fault too, and must not take the place of yesterday's.
//! * A reader that has gone, such as `head`, is a `csv::ErrorKind::Io` within the error, or an error of `io` if it is
//!   seen by the last `flush`.
//!
//! The example `inventory` does this with `--csv`.
//!
//! # JSON lines
//!
//! For another program, or to look at a fleet later: a machine a line, with the service's own names.
//! What was written can be read back as the same [`Machine`](crate::machines::Machine), keys included that
//! the crate doesn't know.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::io::{self, BufRead, Write};
//!
//! use defender_endpoint::{Client, Error, machines::Machine};
//!
//! /// Returns how many there were. Who gives a walk asks for its `ended_by_not_found` behind it.
//! fn write_lines(
//!     machines: impl IntoIterator<Item = Result<Machine, Error>>,
//!     mut out: impl Write,
//! ) -> Result<u64, Box<dyn std::error::Error>> {
//!     let mut rows = 0;
//!     for machine in machines {
//!         serde_json::to_writer(&mut out, &machine?).map_err(io::Error::from)?;
//!         writeln!(out)?;
//!         rows += 1;
//!     }
//!     out.flush()?;
//!     Ok(rows)
//! }
//!
//! fn print_lines(client: &Client, out: impl Write) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut machines = client.machines().into_iter();
//!     match write_lines(machines.by_ref(), out) {
//!         Ok(_) if machines.ended_by_not_found() => Err("404, as if there were no machines".into()),
//!         Ok(_) => Ok(()),
//!         Err(error) => match error.downcast_ref::<io::Error>().map(io::Error::kind) {
//!             Some(io::ErrorKind::BrokenPipe) => Ok(()), // the reader, such as `head`, has what it wants
//!             _ => Err(error),
//!         },
//!     }
//! }
//!
//! fn read_lines(input: impl BufRead) -> Result<Vec<Machine>, Box<dyn std::error::Error>> {
//!     let lines = input.lines();
//!     lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect()
//! }
//! # use defender_endpoint::testing::{Fault, Tenant};
//! # use serde_json::value::RawValue;
//! #
//! # struct Gone(io::ErrorKind);
//! #
//! # impl Write for Gone {
//! #     fn write(&mut self, _: &[u8]) -> io::Result<usize> {
//! #         Err(self.0.into())
//! #     }
//! #     fn flush(&mut self) -> io::Result<()> {
//! #         Ok(())
//! #     }
//! # }
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::demo()?;
//! #     let client = tenant.client()?;
//! #     let mut out = Vec::new();
//! #     print_lines(&client, &mut out)?;
//! #     let fleet: Vec<Machine> = client.machines().into_iter().collect::<Result<_, _>>()?;
//! #     assert_eq!(fleet.len(), 347);
//! #     assert_eq!(read_lines(&*out)?, fleet);
//! #     for (raw, machine) in client.machines().deserialize::<Box<RawValue>>().into_iter().zip(&fleet) {
//! #         assert_eq!(&serde_json::from_str::<Machine>(raw?.get())?, machine);
//! #     }
//! #     assert!(print_lines(&client, Gone(io::ErrorKind::BrokenPipe)).is_ok());
//! #     assert!(print_lines(&client, Gone(io::ErrorKind::StorageFull)).is_err());
//! #     tenant.fail(Fault::status(403).path("/api/machines"));
//! #     assert!(print_lines(&client, Vec::new()).is_err());
//! #     tenant.fail(Fault::status(404).empty_body().path("/api/machines"));
//! #     assert!(print_lines(&client, Vec::new()).is_err());
//! #     Ok(())
//! # }
//! ```
//!
//! * Give it a `BufWriter`, such as `BufWriter::new(io::stdout().lock())`, since a line is written in many small pieces.
//! * A 404 to the first call is an error, as in [the program](#the-program).
//! * A line has all keys, in the crate's order, and null for what is absent. The row as the service sent it,
//!   byte for byte, is `client.machines().deserialize::<Box<serde_json::value::RawValue>>()`, with the feature
//!   `raw_value` of `serde_json`.
//! * To compare two files with `diff`, sort the lines: they begin with the id, and the list's order is
//!   promised by nobody.
//!
//! # Only some fields
//!
//! For rows of your own type, with the fields that you want. Nothing is forgiven there that a
//! [`Machine`](crate::machines::Machine) forgives: every field but the id can be null, lists too, so all of
//! them are `Option`s. `#[serde(default)]` doesn't help, since it is for keys that are missing.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::io::Write;
//!
//! use defender_endpoint::Client;
//! use defender_endpoint::machines::RiskScore;
//!
//! #[derive(serde::Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct Row {
//!     id: String,
//!     computer_dns_name: Option<String>,
//!     risk_score: Option<RiskScore>, // the crate's own types can be used
//!     machine_tags: Option<Vec<String>>, // a plain `Vec` is an error at the first null
//!     last_seen: Option<String>, // text: dates without a zone, and of the year 1, have been seen
//! }
//!
//! /// As CSV, with `guarded` of that recipe.
//! fn write_rows(client: &Client, out: impl Write) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut table = csv::Writer::from_writer(out);
//!     table.write_record(["id", "name", "risk", "tags", "lastSeen"])?;
//!     let mut rows = client
//!         .machines()
//!         .query_option("$select", "id,computerDnsName,riskScore,machineTags,lastSeen")
//!         .deserialize::<Row>()
//!         .into_iter();
//!     for row in rows.by_ref() {
//!         let row = row?;
//!         table.write_record([
//!             guarded(row.id),
//!             guarded(row.computer_dns_name.unwrap_or_default()),
//!             guarded(row.risk_score.map(|it| it.to_string()).unwrap_or_default()),
//!             guarded(row.machine_tags.unwrap_or_default().join(";")),
//!             guarded(row.last_seen.unwrap_or_default()),
//!         ])?;
//!     }
//!     table.flush()?;
//!     if rows.ended_by_not_found() { Err("404, as if there were no machines".into()) } else { Ok(()) }
//! }
//! # fn guarded(cell: String) -> String { cell }
//! # use defender_endpoint::testing::{Fault, Tenant};
//! # use serde_json::json;
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let bare = json!({ "id": "1e5b", "machineTags": null, "lastSeen": "0001-01-01T00:00:00" });
//! #     let tagged = json!({ "id": "2f6c", "riskScore": "High", "machineTags": ["a", "b"] });
//! #     let tenant = Tenant::builder().machines([bare, tagged]).start()?;
//! #     let mut out = Vec::new();
//! #     write_rows(&tenant.client()?, &mut out)?;
//! #     assert_eq!(
//! #         String::from_utf8(out)?,
//! #         "id,name,risk,tags,lastSeen\n1e5b,,,,0001-01-01T00:00:00\n2f6c,,High,a;b,\n",
//! #     );
//! #     let asked = tenant.exchanges().into_iter().rev().find_map(|call| call.query("$select"));
//! #     assert!(asked.is_some_and(|columns| columns.starts_with("id,")));
//! #     tenant.fail(Fault::status(404).empty_body().path("/api/machines"));
//! #     assert!(write_rows(&tenant.client()?, Vec::new()).is_err());
//! #     // What the text below says of `serialize`.
//! #     #[derive(serde::Serialize)]
//! #     struct Listed { id: &'static str, tags: Vec<&'static str> }
//! #     let listed = Listed { id: "1e5b", tags: vec!["a", "b"] };
//! #     assert!(csv::Writer::from_writer(Vec::new()).serialize(listed).is_err());
//! #     Ok(())
//! # }
//! ```
//!
//! * `table.serialize(row)` of `csv` writes the headers by itself, but refuses a type that holds a list: join the list to a
//!   text first, as here.
//! * Whether the service obeys `$select` here is not documented, and reports differ. The type is right either
//!   way, since it ignores what it doesn't name; if the service answers 400, leave the option out.
//! * Keep the `id`: it is the key, and rows without it may look alike.
//!
//! # Newest first
//!
//! For any order at all: collect, and sort. The order of the list is promised by nobody.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::cmp::Reverse;
//!
//! use defender_endpoint::{Client, Error, machines::Machine};
//!
//! fn newest_first(client: &Client) -> Result<Vec<Machine>, Error> {
//!     let machines: Result<Vec<Machine>, Error> = client.machines().into_iter().collect();
//!     let mut machines = machines?;
//!     machines.sort_by_key(|machine| Reverse(machine.last_seen));
//!     Ok(machines) // those that were never seen are last
//! }
//! # use defender_endpoint::testing::Tenant;
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::demo()?;
//! #     let machines = newest_first(&tenant.client()?)?;
//! #     assert!(machines.is_sorted_by(|a, b| a.last_seen >= b.last_seen));
//! #     assert_eq!(machines.len(), 347);
//! #     Ok(())
//! # }
//! ```
//!
//! * 10,000 machines take some 10 to 20 MB. With a [smaller type](#only-some-fields), or a filter such as
//!   `field::LAST_SEEN.gt(a_week_ago)`, it is less.
//! * `query_option("$orderby", "lastSeen desc")` is sent as it stands, but whether the service obeys is known by
//!   nobody here: sort all the same.
//!
//! # A machine by its name
//!
//! For a name out of a ticket. [`Client::machine`](crate::Client::machine) takes a name too, but gives one machine
//! where several have it, as after a reinstallation, and the short form of a full name may find none. A
//! filter finds them all:
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::cmp::Reverse;
//!
//! use defender_endpoint::machines::{Machine, field};
//! use defender_endpoint::{Client, Error, ErrorKind};
//!
//! /// All machines of that name, the one that was seen last in front.
//! fn by_name(client: &Client, name: &str) -> Result<Vec<Machine>, Error> {
//!     let mut wanted = field::COMPUTER_DNS_NAME.eq(name);
//!     if !name.contains('.') {
//!         // `srv-1` is `srv-1.contoso.com` too, and `srv-10` is neither.
//!         wanted = wanted | field::COMPUTER_DNS_NAME.starts_with(format!("{name}."));
//!     }
//!     let found: Result<Vec<_>, Error> = client.machines().filter(wanted).into_iter().collect();
//!     let mut found = found?;
//!     if found.is_empty() { // a look-up of another kind, which may mind upper and lower case less
//!         match client.machine(name) {
//!             Ok(machine) => found.push(machine),
//!             Err(error) if error.kind() == ErrorKind::NotFound => {}
//!             Err(error) => return Err(error),
//!         }
//!     }
//!     found.sort_by_key(|machine| Reverse(machine.last_seen));
//!     Ok(found)
//! }
//! # use defender_endpoint::testing::{Fault, Tenant};
//! # use serde_json::json;
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let machine = |id, name, day| {
//! #         json!({ "id": id, "computerDnsName": name, "lastSeen": format!("2026-11-{day}T00:00:00Z") })
//! #     };
//! #     let fleet = [
//! #         machine("a", "srv-1", "01"),
//! #         machine("b", "srv-1.contoso.com", "03"),
//! #         machine("c", "srv-10.contoso.com", "02"),
//! #         machine("d", "srv-1.contoso.com", "04"),
//! #     ];
//! #     let tenant = Tenant::builder().machines(fleet).start()?;
//! #     let client = tenant.client()?;
//! #     let ids = |name| -> Result<Vec<String>, Error> {
//! #         Ok(by_name(&client, name)?.into_iter().map(|machine| machine.id).collect())
//! #     };
//! #     assert_eq!(ids("srv-1")?, ["d", "b", "a"]);
//! #     assert_eq!(ids("srv-1.contoso.com")?, ["d", "b"]);
//! #     assert_eq!(ids("SRV-10.contoso.com")?, ["c"]);
//! #     assert!(ids("srv")?.is_empty());
//! #     tenant.fail(Fault::status(403).path("/api/machines/"));
//! #     assert!(by_name(&client, "srv").is_err());
//! #     Ok(())
//! # }
//! ```
//!
//! * Of several, [`merged_into_machine_id`](crate::machines::Machine::merged_into_machine_id) and
//!   [`is_potential_duplication`](crate::machines::Machine::is_potential_duplication) tell which are records
//!   of the same device.
//! * Whether the filter, or the look-up by name, minds upper and lower case is not documented: give the name as the list
//!   shows it. To be sure, collect the list once and compare with `eq_ignore_ascii_case`.
//! * A machine that has gone from the list has gone for a filter, too.
//!
//! # By tag, group and time
//!
//! For a part of the fleet. The service filters by tags, by a group's number and by time; the name of a
//! group it only tells.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use defender_endpoint::machines::{Machine, field};
//! use defender_endpoint::time::{self, OffsetDateTime};
//! use defender_endpoint::{Client, Error};
//!
//! /// Machines with that tag, in that group, that have reported within a week.
//! fn in_use(client: &Client, tag: &str, group: &str) -> Result<Vec<Machine>, Error> {
//!     let a_week_ago = OffsetDateTime::now_utc() - time::Duration::weeks(1);
//!     let wanted = field::MACHINE_TAGS.any_eq(tag) & field::LAST_SEEN.ge(a_week_ago);
//!     let mut found = Vec::new();
//!     for machine in client.machines().filter(wanted) {
//!         let machine = machine?;
//!         if machine.rbac_group_name.as_deref() == Some(group) {
//!             found.push(machine);
//!         }
//!     }
//!     Ok(found)
//! }
//! # use defender_endpoint::testing::Tenant;
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let machine = |id: &str, tag: &str, group: &str, days: i64| {
//! #         let mut machine = Machine::new(id);
//! #         machine.machine_tags = vec![tag.to_owned()];
//! #         machine.rbac_group_name = Some(group.to_owned());
//! #         machine.last_seen = Some(OffsetDateTime::now_utc() - time::Duration::days(days));
//! #         machine
//! #     };
//! #     let fleet = [
//! #         machine("a", "pci", "Servers", 1),
//! #         machine("b", "pci", "Servers", 30),
//! #         machine("c", "pci", "Kiosks", 1),
//! #         machine("d", "vip", "Servers", 1),
//! #     ];
//! #     let tenant = Tenant::builder().machines(fleet).start()?;
//! #     let found = in_use(&tenant.client()?, "pci", "Servers")?;
//! #     assert_eq!(found.iter().map(|machine| machine.id.as_str()).collect::<Vec<_>>(), ["a"]);
//! #     Ok(())
//! # }
//! ```
//!
//! * With the group's number, `field::RBAC_GROUP_ID.eq(140)` saves the rows of all others; any machine of
//!   the group has it in [`rbac_group_id`](crate::machines::Machine::rbac_group_id).
//! * `last_seen` is the last full report, which comes about once a day: thresholds of less than two days find
//!   healthy machines.
//! * A machine that has no such property fits `ne` and no other comparison, so one that was never seen is in
//!   neither half of `ge` and `lt`.
//!
//! # Batches
//!
//! For databases that take many rows at once. A page is what one call brings, up to 10,000 machines;
//! smaller batches are cut out of it, since a smaller page costs calls.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use defender_endpoint::{Client, machines::Machine};
//!
//! fn in_batches(
//!     client: &Client,
//!     mut insert: impl FnMut(&[Machine]) -> Result<(), Box<dyn std::error::Error>>,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     for page in client.machines().pages() {
//!         for batch in page?.items.chunks(500) {
//!             insert(batch)?; // a transaction
//!         }
//!     }
//!     Ok(())
//! }
//! # use defender_endpoint::testing::Tenant;
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::builder().machines((0..1_234).map(|n| Machine::new(n.to_string()))).start()?;
//! #     let mut sizes = Vec::new();
//! #     in_batches(&tenant.client()?, |batch| Ok(sizes.push(batch.len())))?;
//! #     assert_eq!(sizes, [500, 500, 234]);
//! #     assert_eq!(tenant.calls("/api/machines"), 1);
//! #     Ok(())
//! # }
//! ```
//!
//! * A machine can come twice in one walk: insert or replace, by the id.
//! * [`Page::next_skip`](crate::Page::next_skip), stored in the transaction of a page, is where a run goes on that
//!   was broken off, with [`skip`](crate::machines::ListMachines::skip). Use it within minutes or not at all: it is
//!   a place in a list that changes, and a million machines are no more than 100 calls.
//!
//! # Past a row that can't be read
//!
//! For a job that must go on. A row that doesn't fit [`Machine`](crate::machines::Machine) ends a walk, and
//! a page with such a row is not handed out. As `RawValue`, with the feature `raw_value` of `serde_json`, a row
//! is the text that came, and is decoded by itself:
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use defender_endpoint::{Client, Error, machines::Machine};
//! use serde_json::value::RawValue;
//!
//! #[derive(serde::Deserialize)]
//! struct Id { id: String }
//!
//! /// The machines, and the ids of the rows that are none as this version of the crate knows them.
//! fn whatever_can_be_read(client: &Client) -> Result<(Vec<Machine>, Vec<String>), Error> {
//!     let (mut machines, mut bad) = (Vec::new(), Vec::new());
//!     for row in client.machines().deserialize::<Box<RawValue>>() {
//!         let row = row?;
//!         match serde_json::from_str::<Machine>(row.get()) {
//!             Ok(machine) => machines.push(machine),
//!             Err(_) => { // its text quotes the value: better not in a log
//!                 let id = serde_json::from_str(row.get()).map(|row: Id| row.id);
//!                 bad.push(id.unwrap_or_else(|_| "without an id".to_owned()));
//!             }
//!         }
//!     }
//!     Ok((machines, bad))
//! }
//! # use defender_endpoint::testing::{Fault, Tenant};
//! # use serde_json::json;
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let rows = [json!({ "id": "1e5b" }), json!({ "id": "2f6c", "osPlatform": [7] }), json!({ "id": "3a" })];
//! #     let tenant = Tenant::builder().machines(rows).start()?;
//! #     let client = tenant.client()?;
//! #     let (machines, bad) = whatever_can_be_read(&client)?;
//! #     assert_eq!((machines.len(), bad), (2, vec!["2f6c".to_owned()]));
//! #     assert!(client.machines().pages().any(|page| page.is_err()));
//! #     let error = client.machine("2f6c").err().map(|error| error.to_string()).unwrap_or_default();
//! #     assert!(error.contains("osPlatform"), "{error}");
//! #     let page = |rows: &str| Fault::body(200, "application/json", format!("{{\"value\":[{rows}]}}"));
//! #     // What no `Value` holds is no row of a walk of `Value`, and one row here.
//! #     let odd = r#"{"id":"a","osPlatform":"\ud800"},{"id":"b","new":1e400},{},{"id":"c"}"#;
//! #     tenant.fail(page(odd).path("/api/machines").times(2));
//! #     let mut values = client.machines().deserialize::<serde_json::Value>().into_iter();
//! #     assert!(values.next().is_some_and(|row| row.is_err()));
//! #     let (machines, bad) = whatever_can_be_read(&client)?;
//! #     assert_eq!((machines.len(), bad), (1, ["a", "b", "without an id"].map(str::to_owned).to_vec()));
//! #     // What ends the walk all the same.
//! #     let large = format!("{{\"id\":\"{}\"}}", "a".repeat(17 << 20));
//! #     for rows in ["null", "7", r#"{"id":"a",}"#, "{\"id\":\"\n\"}", &*large] {
//! #         tenant.fail(page(rows).path("/api/machines"));
//! #         let found = whatever_can_be_read(&client);
//! #         assert!(found.is_err_and(|error| error.kind() != defender_endpoint::ErrorKind::NotFound));
//! #     }
//! #     Ok(())
//! # }
//! ```
//!
//! * Tell somebody of the bad ones: `client.machine(id)` fails with an error that names the key, and
//!   not its value, which is what a bug report needs.
//! * Count them as seen, where [a copy](#a-copy-of-the-fleet) is kept.
//! * What ends the walk all the same: a row that is no object, text that is no JSON or no UTF-8, and a row of
//!   more than 16 MiB. To step over such a row, keep the walk ([`Items`](crate::Items)) and go on with
//!   `skip(offset() + 1)`, which takes a call for each.
//! * As [`Value`](serde_json::Value) not every row fits: half a surrogate pair (`"\ud800"`) and a number such as
//!   `1e400` are no `Value`, and end the walk.
//!
//! # A copy of the fleet
//!
//! For a database that mirrors the tenant. Mark and sweep: each walk stores what it sees, counts who was
//! not seen, and takes a machine out only after several misses, and after the service was asked for
//! it by its id. A list that lacks a machine once proves nothing: a fleet changes while it is read.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::collections::{HashMap, HashSet};
//!
//! use defender_endpoint::{Client, Error, machines::Machine};
//!
//! const MISSES: u32 = 3;
//!
//! /// What is stored of a machine: the row, and how many walks in a row did not see it.
//! struct Stored { machine: Machine, misses: u32 }
//!
//! /// A walk from the list's start. Returns who was taken out.
//! fn sync(client: &Client, store: &mut HashMap<String, Stored>) -> Result<Vec<String>, Error> {
//!     let before = store.len();
//!     let mut seen = HashSet::new();
//!     let mut pages = client.machines().pages();
//!     for page in pages.by_ref() {
//!         for machine in page? { // after an error all that came is stored, and nobody counted as missing
//!             seen.insert(machine.id.clone());
//!             store.insert(machine.id.clone(), Stored { machine, misses: 0 });
//!         }
//!     }
//!     // A 404, or much less than last time: a fault, or a right that was lost, rather than a fleet.
//!     if pages.ended_by_not_found() || seen.len() < before.div_ceil(2) {
//!         return Ok(Vec::new());
//!     }
//!     let (mut missed, mut gone) = (Vec::new(), Vec::new());
//!     for (id, stored) in store.iter_mut().filter(|(id, _)| !seen.contains(*id)) {
//!         stored.misses += 1;
//!         if stored.misses >= MISSES {
//!             missed.push(id.clone());
//!         }
//!     }
//!     for asked in client.machines_by_id(&missed) { // a call for 20
//!         match asked? {
//!             (id, Some(machine)) => { store.insert(id, Stored { machine, misses: 0 }); }
//!             (id, None) => { store.remove(&id); gone.push(id) }
//!         }
//!     }
//!     Ok(gone)
//! }
//! # use defender_endpoint::testing::{Fault, Tenant};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let fleet = |ids: &str| ids.chars().map(Machine::new).collect::<Vec<_>>();
//! #     let tenant = Tenant::builder().machines(fleet("abcd")).page_size(2).start()?;
//! #     let client = tenant.client()?;
//! #     let mut store = HashMap::new();
//! #     assert!(sync(&client, &mut store)?.is_empty());
//! #     tenant.set_machines(fleet("acde"))?;
//! #     for _ in 1..MISSES {
//! #         assert!(sync(&client, &mut store)?.is_empty());
//! #     }
//! #     tenant.fail(Fault::status(404).empty_body().path("/api/machines"));
//! #     assert!(sync(&client, &mut store)?.is_empty());
//! #     tenant.set_machines(fleet("a"))?;
//! #     assert!(sync(&client, &mut store)?.is_empty());
//! #     tenant.set_machines(fleet(""))?;
//! #     assert!(sync(&client, &mut store)?.is_empty());
//! #     assert!(store.values().all(|stored| stored.misses < MISSES));
//! #     tenant.set_machines(fleet("acde"))?;
//! #     tenant.fail(Fault::status(403).path("/api/machines").on_call(2));
//! #     assert!(sync(&client, &mut store).is_err());
//! #     assert_eq!(store.get("b").map(|stored| stored.misses), Some(MISSES - 1));
//! #     assert_eq!(sync(&client, &mut store)?, ["b"]);
//! #     assert_eq!(store.len(), 4);
//! #     assert!(store.values().all(|stored| stored.machine.id != "b"));
//! #     Ok(())
//! # }
//! ```
//!
//! * Only a whole walk counts the missing: one that [goes on](#batches) where another was broken off has not seen the
//!   machines before. `skip` behind the end of a list that became shorter is an empty list and no error.
//! * `for page in pages.by_ref()` keeps the walk, so that its end can be asked; `for page in pages` eats it.
//! * The guard of one half catches an empty list, or one that lost more than half, and no more: a filter, a user
//!   who sees fewer groups or another tenant's credential may pass it, and the look-up by id asks with the
//!   same rights. Keep tenant and filter beside the copy, and refuse a run whose
//!   [`token_claims()`](crate::Client::token_claims) name another tenant.
//! * Where a fleet really became that small, let a person confirm it.
//! * Three misses are three runs: make it a time, such as a week, where runs are close to each other.
//! * `Machine` can be compared: what is equal needs no update.
//!
//! The example `sync` does this on SQLite, killed at any moment; it deletes after its misses without asking by id.
//!
//! # Reading ahead
//!
//! For a store that takes its time: the next page is fetched meanwhile. The whole of the
//! [manual's](crate#reading-ahead-and-in-parallel) short form, which gives the walk back, so that its end can be
//! asked.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::{io, panic, sync::mpsc, thread};
//!
//! use defender_endpoint::{Page, Pages, machines::Machine};
//!
//! /// When `store` fails, or a page does, everything before has been stored.
//! fn read_ahead(
//!     mut pages: Pages<Machine>,
//!     mut store: impl FnMut(Page<Machine>) -> io::Result<()>,
//! ) -> Result<Pages<Machine>, Box<dyn std::error::Error>> {
//!     // Lines are logged on the thread that calls: it has the name of this one, such as the tenant's.
//!     let name = thread::current().name().unwrap_or("reader").to_owned();
//!     thread::scope(|scope| {
//!         let (send, receive) = mpsc::sync_channel(0); // hands over, keeps nothing
//!         let reader = thread::Builder::new().name(name).spawn_scoped(scope, move || {
//!             // Ends with the list, behind an error, or when nobody takes pages any more.
//!             let _ = pages.try_for_each(|page| send.send(page));
//!             pages
//!         })?;
//!         for page in receive {
//!             store(page?)?;
//!         }
//!         reader.join().map_err(|panic| panic::resume_unwind(panic))
//!     })
//! }
//! # use defender_endpoint::testing::{Fault, Tenant};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::demo()?; // pages of 100
//! #     let client = tenant.client()?;
//! #     let mut stored = 0;
//! #     let pages = read_ahead(client.machines().pages(), |page| Ok(stored += page.items.len()))?;
//! #     assert_eq!((stored, pages.offset(), pages.ended_by_not_found()), (347, 347, false));
//! #
//! #     tenant.fail(Fault::status(403).path("/api/machines").on_call(3));
//! #     stored = 0;
//! #     assert!(read_ahead(client.machines().pages(), |page| Ok(stored += page.items.len())).is_err());
//! #     assert_eq!(stored, 200);
//! #
//! #     let full = read_ahead(client.machines().pages(), |_| Err(io::Error::other("the disk is full")));
//! #     assert_eq!(full.err().map(|error| error.to_string()).as_deref(), Some("the disk is full"));
//! #
//! #     tenant.fail(Fault::status(404).empty_body().path("/api/machines"));
//! #     assert!(read_ahead(client.machines().pages(), |_| Ok(()))?.ended_by_not_found());
//! #
//! #     // A wait is told of on the thread that calls.
//! #     let (tell, told) = mpsc::channel();
//! #     let named = tenant.client_builder()?.on_wait(move |_| {
//! #         let _ = tell.send(thread::current().name().map(str::to_owned));
//! #         std::ops::ControlFlow::Break(())
//! #     });
//! #     let pages = named.build()?.machines().pages();
//! #     tenant.fail(Fault::throttled(std::time::Duration::from_secs(60)).path("/api/machines"));
//! #     let contoso = move || assert!(read_ahead(pages, |_| Ok(())).is_err());
//! #     assert!(thread::Builder::new().name("contoso".to_owned()).spawn(contoso)?.join().is_ok());
//! #     assert_eq!(told.recv()?.as_deref(), Some("contoso"));
//! #     Ok(())
//! # }
//! ```
//!
//! * When it fails, it returns as soon as the call has ended that the thread is in. Where that is too
//!   long, see [shutting down](#shutting-down).
//!
//! # Pages in parallel
//!
//! For the first load of a large and quiet fleet; [the manual](crate#reading-ahead-and-in-parallel) says when it is
//! worth it, and what a list that changes does to it. Pages are stored in the list's order.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::collections::BTreeMap;
//! use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
//! use std::{io, sync::mpsc, thread};
//!
//! use defender_endpoint::{Client, machines::Machine};
//!
//! /// Returns how many machines there were. The first error stops all threads.
//! fn parallel(
//!     client: &Client,
//!     size: u32, // of a page: 10,000 is the most, and takes the fewest calls
//!     threads: usize,
//!     mut store: impl FnMut(Vec<Machine>) -> io::Result<()>,
//! ) -> Result<u64, Box<dyn std::error::Error>> {
//!     let rows = u64::from(size);
//!     let (next, ended) = (AtomicU64::new(0), AtomicBool::new(false));
//!     let work = |send: mpsc::SyncSender<_>| {
//!         while !ended.load(Relaxed) {
//!             let skip = next.fetch_add(rows, Relaxed);
//!             let page = client.machines().page_size(size).skip(skip).top(rows);
//!             let mut rows_of = page.into_iter();
//!             let page: Result<Vec<_>, _> = rows_of.by_ref().collect();
//!             // Behind a short page is nothing, and all before it have been taken by somebody.
//!             if !page.as_ref().is_ok_and(|page| page.len() as u64 == rows) {
//!                 ended.store(true, Relaxed);
//!             }
//!             if send.send((skip, page, rows_of.ended_by_not_found())).is_err() {
//!                 return; // the store has failed
//!             }
//!         }
//!     };
//!     thread::scope(|scope| {
//!         let (send, receive) = mpsc::sync_channel(0);
//!         for _ in 0..threads.max(1) {
//!             let (work, send) = (&work, send.clone());
//!             scope.spawn(move || work(send));
//!         }
//!         drop(send); // the loop below lasts for as long as there is a sender
//!         let (mut early, mut due) = (BTreeMap::new(), 0);
//!         for (skip, page, not_found) in receive {
//!             early.insert(skip, (page?, not_found));
//!             while let Some((page, not_found)) = early.remove(&due) {
//!                 due += page.len() as u64;
//!                 if !page.is_empty() {
//!                     store(page)?;
//!                 }
//!                 if not_found && due > 0 { // documented for an empty list, and not for the end of one
//!                     return Err(format!("404 behind {due} machines, as if the list ended there").into());
//!                 }
//!             }
//!         }
//!         if !early.values().all(|(page, _)| page.is_empty()) {
//!             return Err("a page in the middle is short: the list became shorter meanwhile".into());
//!         }
//!         Ok(due)
//!     })
//! }
//! # use defender_endpoint::testing::{Fault, Tenant};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::demo()?;
//! #     let client = tenant.client()?;
//! #     let whole: Vec<Machine> = client.machines().into_iter().collect::<Result<_, _>>()?;
//! #     for (size, threads) in [(50, 4), (347, 2), (10_000, 1), (1, 8)] {
//! #         let mut stored = Vec::new();
//! #         let limits = defender_endpoint::RateLimits::new(10_000, 10_000);
//! #         let client = tenant.client_builder()?.rate_limits(limits).build()?;
//! #         let count = parallel(&client, size, threads, |page| Ok(stored.extend(page)))?;
//! #         assert!(stored == whole && count == 347, "{size} {threads}");
//! #     }
//! #     tenant.fail(Fault::status(403).path("/api/machines").on_call(3));
//! #     assert!(parallel(&client, 50, 4, |_| Ok(())).is_err());
//! #     let full = parallel(&client, 50, 4, |_| Err(io::Error::other("the disk is full")));
//! #     assert_eq!(full.err().map(|error| error.to_string()).as_deref(), Some("the disk is full"));
//! #     tenant.fail(Fault::status(404).empty_body().path("/api/machines").on_call(1));
//! #     assert!(parallel(&client, 100, 1, |_| Ok(())).is_ok_and(|count| count == 0));
//! #     for (call, rows) in [(3, 200), (5, 347)] { // in the middle, and behind the last page
//! #         tenant.fail(Fault::status(404).empty_body().path("/api/machines").on_call(call));
//! #         let mut stored = 0;
//! #         let found = parallel(&client, 100, 1, |page| Ok(stored += page.len()));
//! #         let error = found.err().map(|error| error.to_string()).unwrap_or_default();
//! #         assert_eq!(error, format!("404 behind {rows} machines, as if the list ended there"));
//! #         assert_eq!(stored, rows);
//! #     }
//! #     Ok(())
//! # }
//! ```
//!
//! * Pages that come before their turn wait in memory.
//! * A 404 to the first call is an empty list, as documented; for [a copy](#a-copy-of-the-fleet) walk page by page.
//!
//! # Progress
//!
//! For whoever watches. Nobody says how many machines there are, so show what is behind, and last time's count as
//! a guess of the whole. Write to stderr, so that stdout can go into a file, and only if it is a
//! terminal.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::io::{self, IsTerminal};
//!
//! use defender_endpoint::{Client, Error};
//!
//! fn with_progress(client: &Client, last_time: Option<u64>) -> Result<u64, Error> {
//!     let of = last_time.map(|machines| format!(" of about {machines}")).unwrap_or_default();
//!     let watched = io::stderr().is_terminal();
//!     let mut machines = client.machines().into_iter();
//!     while let Some(machine) = machines.next() {
//!         drop(machine?); // store it
//!         if watched && machines.offset() % 1_000 == 0 {
//!             let left = client.quota().machines.left_in_hour;
//!             let (rows, pages) = (machines.offset(), machines.pages_read());
//!             eprint!("\r{rows}{of} machines, {pages} pages, {left} calls left this hour ");
//!         }
//!     }
//!     Ok(machines.offset()) // next time's guess
//! }
//! # use defender_endpoint::testing::Tenant;
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::demo()?;
//! #     assert_eq!(with_progress(&tenant.client()?, Some(300))?, 347);
//! #     Ok(())
//! # }
//! ```
//!
//! * Most of the time goes by between two pages, where no row comes: say "waiting for page 3" before the first
//!   `next`, or read ahead and tick in `recv_timeout`, as [below](#the-walk-alone).
//! * [`on_wait`](crate::ClientBuilder::on_wait) tells of waits for the limits, once a second while they last: overwrite
//!   a line with it, or print one only where [`elapsed`](crate::Wait::elapsed) is zero.
//! * The example `inventory` has a bar.
//!
//! # Shutting down
//!
//! For a service that has a second to end in. An exchange that is under way can't be broken off: a service that is
//! silent is waited for until [`read_timeout`](crate::ClientBuilder::read_timeout), 60 seconds if nothing else is said, for
//! a page, a machine or a token alike. So all of the work is in a thread that nobody waits for, and `main` returns:
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
//! use std::sync::mpsc::{self, RecvTimeoutError};
//! use std::{io, thread, time::Duration};
//!
//! static STOP: AtomicBool = AtomicBool::new(false); // set by a signal handler
//!
//! /// What the work came to, or nothing if it was stopped before: then return from `main`.
//! fn until_stop<T: Send + 'static>(
//!     name: &str,
//!     work: impl FnOnce() -> T + Send + 'static,
//! ) -> io::Result<Option<T>> {
//!     let (send, receive) = mpsc::channel();
//!     thread::Builder::new().name(name.to_owned()).spawn(move || send.send(work()))?;
//!     while !STOP.load(Relaxed) {
//!         match receive.recv_timeout(Duration::from_millis(100)) {
//!             Ok(done) => return Ok(Some(done)),
//!             Err(RecvTimeoutError::Timeout) => {}
//!             Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the work panicked")),
//!         }
//!     }
//!     Ok(None)
//! }
//! # use defender_endpoint::testing::{Fault, Tenant};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::demo()?;
//! #     let client = tenant.client()?;
//! #     let name = || thread::current().name().map(str::to_owned);
//! #     let asked = client.clone();
//! #     let done = until_stop("contoso", move || (asked.machines().into_iter().count(), name()))?;
//! #     assert_eq!(done, Some((347, Some("contoso".to_owned()))));
//! #     // Whatever the call is, a service that is silent is not waited for.
//! #     type Work = fn(&defender_endpoint::Client) -> bool;
//! #     let calls: [(&str, Work); 3] = [
//! #         ("/api/machines", |client| client.machines_by_id(["1e5b"]).into_iter().all(|it| it.is_ok())),
//! #         ("/api/machines/", |client| client.machine("1e5b").is_ok()),
//! #         ("oauth2", |client| client.access_token().is_ok()),
//! #     ];
//! #     for (path, call) in calls {
//! #         STOP.store(false, Relaxed);
//! #         tenant.clear_faults();
//! #         tenant.clear();
//! #         tenant.fail(Fault::silence().path(path));
//! #         let client = tenant.client()?;
//! #         let begun = std::time::Instant::now();
//! #         let done = thread::scope(|scope| {
//! #             scope.spawn(|| {
//! #                 while tenant.calls(path) == 0 {
//! #                     thread::yield_now();
//! #                 }
//! #                 STOP.store(true, Relaxed);
//! #             });
//! #             until_stop("contoso", move || call(&client))
//! #         })?;
//! #         assert!(done.is_none() && begun.elapsed() < Duration::from_secs(30), "{path}"); // of 60
//! #     }
//! #     Ok(())
//! # }
//! ```
//!
//! * The work ends wherever it is, so its store must survive a kill at any moment. It must anyway, for the day on which
//!   nobody asks: a transaction for each page, as in the example `sync`, and files that get their names when they are whole.
//! * `main` must return after that, and not wait for the thread: no `thread::scope`, and no `join` before the end.
//! * What sets `STOP` is a crate such as `ctrlc`, which hears of SIGTERM only with its feature `termination`, or
//!   `signal-hook`.
//!
//! ## The walk alone
//!
//! Where something has to be done behind a page, such as a last line in a log, only the walk is in such a thread, and a
//! wait of the client's own ends by `on_wait`. With the same `STOP`:
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::ops::ControlFlow;
//! use std::sync::atomic::Ordering::Relaxed;
//! use std::sync::mpsc::{self, RecvTimeoutError};
//! use std::{io, thread, time::Duration};
//!
//! use defender_endpoint::{Client, ClientBuilder, Error, Page, Pages, machines::Machine};
//! # use std::sync::atomic::AtomicBool;
//! # static STOP: AtomicBool = AtomicBool::new(false);
//!
//! fn that_stops(builder: ClientBuilder) -> Result<Client, Error> {
//!     let goes_on = |stop| if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
//!     builder.on_wait(move |_| goes_on(STOP.load(Relaxed))).build()
//! }
//!
//! /// The walk that has come to its end, or nothing if it was stopped before.
//! fn walk_until_stop(
//!     client: &Client,
//!     mut store: impl FnMut(Page<Machine>) -> io::Result<()>,
//! ) -> Result<Option<Pages<Machine>>, Box<dyn std::error::Error>> {
//!     let mut pages = client.machines().pages();
//!     let (send, receive) = mpsc::sync_channel(0);
//!     let name = thread::current().name().unwrap_or("reader").to_owned(); // for its lines in the log
//!     let reader = thread::Builder::new().name(name).spawn(move || {
//!         let _ = pages.try_for_each(|page| send.send(page));
//!         pages
//!     })?;
//!     while !STOP.load(Relaxed) {
//!         match receive.recv_timeout(Duration::from_millis(100)) {
//!             Ok(Err(_)) if STOP.load(Relaxed) => break, // a wait that was broken off
//!             Ok(page) => store(page?)?,
//!             Err(RecvTimeoutError::Timeout) => {}
//!             Err(RecvTimeoutError::Disconnected) => {
//!                 return reader.join().map(Some).map_err(|_| "the reader panicked".into());
//!             }
//!         }
//!     }
//!     Ok(None) // the reader is left to itself: the end of the process is its end
//! }
//! # use defender_endpoint::testing::{Fault, Tenant};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::demo()?;
//! #     let client = that_stops(tenant.client_builder()?)?;
//! #     let mut stored = 0;
//! #     let pages = walk_until_stop(&client, |page| Ok(stored += page.items.len()))?;
//! #     assert!(stored == 347 && pages.is_some_and(|pages| !pages.ended_by_not_found()));
//! #     tenant.fail(Fault::status(403).path("/api/machines").on_call(2));
//! #     assert!(walk_until_stop(&client, |_| Ok(())).is_err());
//! #
//! #     // A stop that comes while a wait is being told of ends in nothing, and in no error.
//! #     let (tell, told) = mpsc::channel();
//! #     let stopped = tenant.client_builder()?.on_wait(move |_| {
//! #         let _ = tell.send(thread::current().name().map(str::to_owned));
//! #         STOP.store(true, Relaxed);
//! #         ControlFlow::Break(())
//! #     });
//! #     let stopped = stopped.build()?;
//! #     tenant.fail(Fault::throttled(Duration::from_secs(60)).path("/api/machines"));
//! #     let contoso = move || assert!(walk_until_stop(&stopped, |_| Ok(())).is_ok_and(|it| it.is_none()));
//! #     assert!(thread::Builder::new().name("contoso".to_owned()).spawn(contoso)?.join().is_ok());
//! #     assert_eq!(told.recv()?.as_deref(), Some("contoso"));
//! #
//! #     // A service that is silent is not waited for.
//! #     STOP.store(false, Relaxed);
//! #     tenant.clear_faults();
//! #     tenant.clear();
//! #     tenant.fail(Fault::silence().path("/api/machines"));
//! #     let begun = std::time::Instant::now();
//! #     let pages = thread::scope(|scope| {
//! #         scope.spawn(|| {
//! #             while tenant.calls("/api/machines") == 0 {
//! #                 thread::yield_now();
//! #             }
//! #             STOP.store(true, Relaxed);
//! #         });
//! #         walk_until_stop(&client, |_| Ok(()))
//! #     })?;
//! #     assert!(pages.is_none() && begun.elapsed() < Duration::from_secs(30)); // of the 60 of a call
//! #
//! #     STOP.store(false, Relaxed);
//! #     tenant.clear_faults();
//! #     stored = 0;
//! #     let pages = walk_until_stop(&client, |page| {
//! #         stored += page.items.len();
//! #         Ok(STOP.store(true, Relaxed))
//! #     })?;
//! #     assert!(stored == 100 && pages.is_none());
//! #     // A pause that the service asks for is broken off as soon as it begins.
//! #     tenant.fail(Fault::throttled(Duration::from_secs(60)).path("/api/machines"));
//! #     let error = client.machines().into_iter().find_map(Result::err);
//! #     assert!(error.is_some_and(|error| error.kind() == defender_endpoint::ErrorKind::Cancelled));
//! #     Ok(())
//! # }
//! ```
//!
//! * This is the walk only. What comes behind it, such as a look-up by id, a token or the next tenant, blocks as any call
//!   does: look at `STOP` before each, or have it in the thread as well, as above.
//! * `on_wait` is asked once a second: a wait that is under way at the stop ends within a second more.
//! * A page is stored whole or not at all: keep `store` short, or look at `STOP` within it, between
//!   [batches](#batches).
//!
//! # A deadline for a whole walk
//!
//! For jobs that must end, such as a step of a pipeline. [`deadline`](crate::machines::ListMachines::deadline) bounds
//! each call, which brings one page, and
//! [`deadline_in_all`](crate::machines::ListMachines::deadline_in_all) all of them together.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use defender_endpoint::{Client, Error, machines::Machine};
//!
//! fn all_within(client: &Client, time: Duration) -> Result<Vec<Machine>, Error> {
//!     client.machines().deadline_in_all(time).into_iter().collect()
//! }
//! # use defender_endpoint::{ErrorKind, testing::{Fault, Tenant}};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::demo()?;
//! #     let (client, minute) = (tenant.client()?, Duration::from_secs(60));
//! #     assert_eq!(all_within(&client, minute)?.len(), 347);
//! #     tenant.fail(Fault::throttled(minute * 2).path("/api/machines").on_call(3));
//! #     assert!(all_within(&client, minute).is_err_and(|error| error.kind() == ErrorKind::Throttled));
//! #     Ok(())
//! # }
//! ```
//!
//! * A wait for which there is no time fails at once: for quota, for a pause that the service asks for, or before
//!   another try.
//! * A part of the list looks like a list: give out nothing, or say that it is a part.
//!
//! # Several processes
//!
//! For processes that run at the same time on one app registration, and that call the same tenant. The service counts
//! them together, and they know nothing of each other, so each takes its share. If each process has its own customers,
//! don't divide: as far as is known the service counts each tenant for itself.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use defender_endpoint::{Client, ClientBuilder, Error, RateLimits};
//!
//! /// A client for one of so many processes.
//! fn share(processes: u32) -> Result<Client, Error> {
//!     ClientBuilder::from_env()?
//!         .rate_limits(RateLimits::documented().divided_by(processes))
//!         .max_wait(Duration::from_secs(60)) // rather the next run than a long wait
//!         .build()
//! }
//! # share(3)?;
//! # Ok::<(), Error>(())
//! ```
//!
//! * A process that starts has nothing spent, whatever the one before it did. One that crashes and is started again
//!   at once can spend the quota of the hour within minutes: give the supervisor a pause.
//! * While a new version takes over, the old one still runs: then there are twice as many.
//! * If the shares are too large all the same, nothing is lost: the service answers 429, and the client waits
//!   as long as it is told to.
//!
//! # Several tenants
//!
//! For a service with several customers, or one with several tenants of its own. Each has a credential, a client,
//! and so a limiter of its own: a 429 makes all callers of a limiter pause, and on one that is shared a
//! busy tenant would stop all others. (That the service counts each tenant and app for itself is to be
//! read in its 429 only, whose key is said to be made of both.) How one app registration serves them all is in
//! [one app, many tenants](crate::setup#one-app-many-tenants).
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::{io, sync::mpsc, thread};
//!
//! use defender_endpoint::{Client, Error};
//!
//! /// Whether the token is for the tenant that is meant, by its GUID: asked before the first row is stored.
//! fn is_of(client: &Client, tenant_id: &str) -> Result<bool, Error> {
//!     let claims = client.token_claims()?;
//!     Ok(claims.tenant_id().is_some_and(|id| id.eq_ignore_ascii_case(tenant_id)))
//! }
//!
//! /// All tenants at the same time; one that fails is no matter of the others.
//! fn count(tenants: Vec<(String, Client)>) -> io::Result<Vec<(String, Result<usize, Error>)>> {
//!     let (send, receive) = mpsc::channel();
//!     for (name, client) in tenants {
//!         let send = send.clone();
//!         // Lines are logged on the thread that calls: let the logger print its name.
//!         thread::Builder::new().name(name.clone()).spawn(move || {
//!             let mut machines = client.machines().into_iter();
//!             let count = machines.try_fold(0, |count, machine| machine.map(|_| count + 1));
//!             let _ = send.send((name, count));
//!         })?;
//!     }
//!     drop(send); // the list below is whole when all threads have sent theirs
//!     Ok(receive.into_iter().collect())
//! }
//! # use defender_endpoint::{ErrorKind, testing::{Fault, Tenant}};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let id = "0f4b7c9e-52d1-4a86-b3f0-9e1d6c8a2b75";
//! #     let (one, other) = (Tenant::demo()?, Tenant::demo_builder().tenant_id(id).start()?);
//! #     assert!(is_of(&other.client()?, id)? && is_of(&other.client()?, &id.to_uppercase())?);
//! #     assert!(is_of(&one.client()?, one.tenant_id())?);
//! #     assert!(!is_of(&one.client()?, id)? && !is_of(&one.client()?, "contoso.com")?);
//! #     let mixed_up = Client::builder(one.credential()?).cloud(other.cloud()).no_proxy().build()?;
//! #     assert!(is_of(&mixed_up, one.tenant_id()).is_err_and(|error| error.kind() == ErrorKind::Credential));
//! #     let clients = [("mixed up", mixed_up), ("one", one.client()?), ("other", other.client()?)];
//! #     let clients = clients.map(|(name, client)| (name.to_owned(), client)).to_vec();
//! #     other.fail(Fault::status(403).path("/api/machines").always());
//! #     let mut counts = count(clients)?;
//! #     counts.sort_by(|a, b| a.0.cmp(&b.0));
//! #     let kinds = counts.iter().map(|(_, count)| count.as_ref().map_err(Error::kind).copied());
//! #     let kinds: Vec<Result<usize, ErrorKind>> = kinds.collect();
//! #     assert_eq!(kinds, [Err(ErrorKind::Credential), Ok(347), Err(ErrorKind::Forbidden)]);
//! #     Ok(())
//! # }
//! ```
//!
//! * The credential decides whose machines they are: keep it, its client and its rows together under one key, and
//!   never give the credential of one to the [`Cloud`](crate::Cloud) of another. A mix-up of two customers' settings is
//!   seen by `is_of`, at the start and after each [new secret](#a-new-secret); in a test, give fake tenants a `tenant_id`
//!   each. A domain such as `contoso.com` is in no token: write tenants down as GUIDs.
//! * One app registration can serve many tenants, if it is multi-tenant and each tenant's administrator has
//!   consented: `ClientSecret::new(tenant_id, app_id, secret)` once for each tenant id.
//! * A credential in code reads no variable. For the cloud of the environment give the builder
//!   `.cloud(std::env::var("DEFENDER_CLOUD")?.parse::<Cloud>()?)`.
//! * Errors, waits and log lines name no tenant: add the name where you print them, or take it from the thread.
//! * A thread that one of these threads starts has its own name, or none: pass the name on, as
//!   [reading ahead](#reading-ahead) does.
//! * A thread that panics sends nothing: who is missing in the list has failed.
//!
//! # A new secret
//!
//! A client reads its secret once, so another secret is another client. Keep the tenant's limiter from the start, and give
//! it to each of them, or a quota begins anew of which the service knows nothing:
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use defender_endpoint::{Client, ClientBuilder, Error, RateLimiter};
//!
//! /// The client of a tenant, at the start and with each secret after that; with the tenant's one limiter.
//! fn renewed(settings: ClientBuilder, limiter: &RateLimiter) -> Result<Client, Error> {
//!     settings.rate_limiter(limiter.clone()).build()
//! }
//! # use defender_endpoint::{ErrorKind, RateLimits, testing::Tenant};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::demo()?;
//! #     let limiter = RateLimiter::new(RateLimits::documented())?;
//! #     renewed(tenant.client_builder()?, &limiter)?.scan_agents()?;
//! #     let new = renewed(tenant.client_builder()?, &limiter)?;
//! #     new.scan_agents()?;
//! #     assert_eq!(new.quota().scan_agents.left_in_minute, 98);
//! #     let wrong = defender_endpoint::ClientSecret::new(tenant.tenant_id(), tenant.client_id(), "expired")?;
//! #     let wrong = Client::builder(wrong).cloud(tenant.cloud()).no_proxy();
//! #     let error = renewed(wrong, &limiter)?.scan_agents().err();
//! #     assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Credential));
//! #     Ok(())
//! # }
//! ```
//!
//! * The time for it is an error of kind [`Credential`](crate::ErrorKind::Credential) that is not retryable, or a new secret
//!   in the vault. A walk that is under way goes on with the old client.
//! * Rows, and what is stored, belong to the tenant and not to the secret.
//!
//! # A service
//!
//! The parts together: a thread for each tenant, which checks whose token it is, makes a round, and waits for the next
//! one; after an error too. `main` returns when it is to stop. With `is_of` of [several tenants](#several-tenants), and
//! with the `STOP` of [shutting down](#shutting-down):
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::sync::atomic::Ordering::Relaxed;
//! use std::time::{Duration, Instant};
//! use std::{io, thread};
//!
//! use defender_endpoint::{Client, Error};
//! # use std::sync::atomic::AtomicBool;
//! # static STOP: AtomicBool = AtomicBool::new(false);
//! # fn is_of(client: &Client, tenant_id: &str) -> Result<bool, Error> {
//! #     let claims = client.token_claims()?;
//! #     Ok(claims.tenant_id().is_some_and(|id| id.eq_ignore_ascii_case(tenant_id)))
//! # }
//!
//! struct Customer {
//!     name: String,
//!     id: String, // a GUID
//!     client: Client, // whose `on_wait` looks at `STOP`
//! }
//!
//! /// Until `STOP`. `round` is a walk into the store of this tenant alone, and the sweep behind it.
//! fn serve<R>(customers: Vec<Customer>, every: Duration, round: R) -> io::Result<()>
//! where
//!     R: Fn(&Customer) -> Result<(), Box<dyn std::error::Error>> + Clone + Send + 'static,
//! {
//!     let mut workers = Vec::new();
//!     for customer in customers {
//!         let (name, round) = (customer.name.clone(), round.clone());
//!         workers.push(thread::Builder::new().name(name).spawn(move || work(&customer, every, round))?);
//!     }
//!     while !STOP.load(Relaxed) {
//!         if workers.iter().any(|worker| worker.is_finished()) && !STOP.load(Relaxed) {
//!             return Err(io::Error::other("a worker panicked")); // whoever supervises starts the service again
//!         }
//!         thread::sleep(Duration::from_millis(100));
//!     }
//!     Ok(()) // whoever is in a call is left to itself: the end of the process is its end
//! }
//!
//! fn work<R>(customer: &Customer, every: Duration, round: R)
//! where
//!     R: Fn(&Customer) -> Result<(), Box<dyn std::error::Error>>,
//! {
//!     while !STOP.load(Relaxed) {
//!         let pause = match check(customer).and_then(|()| round(customer)) {
//!             Ok(()) => every,
//!             Err(_) if STOP.load(Relaxed) => return, // a wait that was broken off
//!             Err(error) => {
//!                 eprintln!("{}: {error:#}", customer.name); // message, causes and hint
//!                 let after = error.downcast_ref::<Error>().and_then(Error::retry_after);
//!                 after.map_or(every, |wait| wait.max(every))
//!             }
//!         };
//!         let begun = Instant::now();
//!         while begun.elapsed() < pause && !STOP.load(Relaxed) {
//!             thread::sleep(pause.min(Duration::from_millis(100)));
//!         }
//!     }
//! }
//!
//! fn check(customer: &Customer) -> Result<(), Box<dyn std::error::Error>> {
//!     if is_of(&customer.client, &customer.id)? { Ok(()) } else { Err("a token of another tenant".into()) }
//! }
//! # use std::collections::HashMap;
//! # use std::sync::{Arc, Mutex, PoisonError};
//! # use defender_endpoint::machines::Machine;
//! # use defender_endpoint::testing::{Fault, Tenant};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let id = |n: u32| format!("0f4b7c9e-52d1-4a86-b3f0-9e1d6c8a2b7{n}");
//! #     let fleet = |ids: &str| ids.chars().map(Machine::new).collect::<Vec<_>>();
//! #     let start = |n, ids| Tenant::builder().tenant_id(id(n)).machines(fleet(ids)).start();
//! #     let (one, other, third) = (start(1, "abc")?, start(2, "de")?, start(3, "xyz")?);
//! #     let customer = |name: &str, n, client| Customer { name: name.to_owned(), id: id(n), client };
//! #     let _ = thread::spawn(|| {
//! #         thread::sleep(Duration::from_secs(30)); // so that a mistake is a failure, and no test without end
//! #         STOP.store(true, Relaxed);
//! #     });
//! #     let panics = |_: &Customer| std::panic::resume_unwind(Box::new("as planned"));
//! #     assert!(serve(vec![customer("one", 1, one.client()?)], Duration::ZERO, panics).is_err());
//! #     let customers = vec![
//! #         customer("one", 1, one.client()?),
//! #         customer("other", 2, other.client()?),
//! #         customer("mixed up", 4, third.client()?),
//! #     ];
//! #     // A round fails, and the next one comes.
//! #     one.fail(Fault::status(403).path("/api/machines").on_call(2));
//! #     type Rounds = HashMap<String, Vec<Vec<String>>>;
//! #     let stored = Arc::new(Mutex::new(Rounds::new()));
//! #     let store = Arc::clone(&stored);
//! #     serve(customers, Duration::from_millis(1), move |customer| {
//! #         assert_eq!(thread::current().name(), Some(customer.name.as_str()));
//! #         let ids: Result<Vec<_>, _> = customer.client.machines().into_iter().map(|it| it.map(|it| it.id)).collect();
//! #         let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
//! #         store.entry(customer.name.clone()).or_default().push(ids?);
//! #         let enough = |name| store.get(name).is_some_and(|rounds| rounds.len() >= 2);
//! #         Ok(STOP.fetch_or(enough("one") && enough("other"), Relaxed)).map(drop)
//! #     })?;
//! #     let stored = stored.lock().unwrap_or_else(PoisonError::into_inner);
//! #     let rounds = |name: &str, ids: &[&str]| {
//! #         stored.get(name).is_some_and(|rounds| rounds.len() >= 2 && rounds.iter().all(|round| round == ids))
//! #     };
//! #     assert!(rounds("one", &["a", "b", "c"]) && rounds("other", &["d", "e"]), "{stored:?}");
//! #     assert!(one.calls("/api/machines") >= 3);
//! #     assert!(!stored.contains_key("mixed up") && third.calls("/api/machines") == 0);
//! #     Ok(())
//! # }
//! ```
//!
//! | what is yours to add | |
//! | --- | --- |
//! | the round | one database file per tenant: copy `store.rs` and `walk.rs` of the example `sync` as they are, with their folders, which hold the tests; a round is `Store::open` and `walk::run`, whose end is the sweep. In memory it is `sync` of [a copy of the fleet](#a-copy-of-the-fleet), which asks by id before it deletes |
//! | a clean stop in the middle of a walk | [the walk alone](#the-walk-alone); without it a walk ends with the process, as by a kill |
//! | settings | a list of names, GUIDs and secrets, and a client of each; [one app, many tenants](crate::setup#one-app-many-tenants) |
//! | a new secret | [a new secret](#a-new-secret) |
//! | figures | [quota as metrics](#quota-as-metrics) |
//!
//! # Two clients of one tenant
//!
//! For two sorts of work with settings of their own, such as a patient job and an impatient page. Clones of a client
//! share everything; clients that are made apart share the limits of one app registration through a
//! [`RateLimiter`](crate::RateLimiter):
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use defender_endpoint::{Client, ClientBuilder, Error, RateLimiter, RateLimits};
//!
//! fn patient_and_impatient(
//!     settings: impl Fn() -> Result<ClientBuilder, Error>, // such as `ClientBuilder::from_env`
//! ) -> Result<(Client, Client), Error> {
//!     let limiter = RateLimiter::new(RateLimits::documented())?;
//!     let job = settings()?.rate_limiter(limiter.clone()).max_wait(Duration::MAX).build()?;
//!     let page = settings()?.rate_limiter(limiter).deadline(Duration::from_secs(5)).build()?;
//!     Ok((job, page))
//! }
//! # use defender_endpoint::testing::Tenant;
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::demo()?;
//! #     let (job, page) = patient_and_impatient(|| tenant.client_builder())?;
//! #     job.scan_agents()?;
//! #     assert_eq!(page.quota().scan_agents.left_in_minute, 99);
//! #     Ok(())
//! # }
//! ```
//!
//! * Callers are served in the order in which they asked. A job that spends all calls leaves none to the page, which
//!   then fails at once: shares of [`divided_by`](crate::RateLimits::divided_by) keep some for it.
//! * Each has a token of its own, which costs nothing.
//!
//! # Quota as metrics
//!
//! For a dashboard that shows a shortage before it hurts. [`Client::quota`](crate::Client::quota) is what this process
//! knows; nothing is sent. A pause that the service asked for is counted where it begins, in `on_wait`:
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::fmt::Write as _;
//! use std::ops::ControlFlow;
//! use std::sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}};
//!
//! use defender_endpoint::{Api, Client, ClientBuilder, WaitReason};
//!
//! fn counting(builder: ClientBuilder, pauses: &Arc<AtomicU64>) -> ClientBuilder {
//!     let pauses = Arc::clone(pauses);
//!     builder.on_wait(move |wait| {
//!         if wait.reason == WaitReason::Throttled && wait.elapsed().is_zero() {
//!             pauses.fetch_add(1, Relaxed); // each wait is told every second, and is zero once
//!         }
//!         ControlFlow::Continue(())
//!     })
//! }
//!
//! /// Of one tenant, known by its id, since a label must not hold quotes.
//! fn metrics(tenant: &str, client: &Client, pauses: &AtomicU64) -> Result<String, std::fmt::Error> {
//!     let quota = client.quota();
//!     let mut text = String::new();
//!     for (api, left) in [
//!         (Api::Machines, quota.machines),
//!         (Api::ScanAgents, quota.scan_agents),
//!         (Api::ScanDefinitions, quota.scan_definitions),
//!         (Api::ScanHistory, quota.scan_history),
//!     ] {
//!         let labels = format!("tenant=\"{tenant}\",api=\"{api}\"");
//!         let (minute, hour) = (left.left_in_minute, left.left_in_hour);
//!         writeln!(text, "defender_calls_left{{{labels},window=\"minute\"}} {minute}")?;
//!         writeln!(text, "defender_calls_left{{{labels},window=\"hour\"}} {hour}")?;
//!         let wait = left.next_call_in.as_secs_f64();
//!         writeln!(text, "defender_next_call_seconds{{{labels}}} {wait}")?;
//!     }
//!     writeln!(text, "defender_pauses_total{{tenant=\"{tenant}\"}} {}", pauses.load(Relaxed))?;
//!     Ok(text)
//! }
//! # use std::time::Duration;
//! # use defender_endpoint::testing::{FakeClock, Fault, Tenant};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::demo()?;
//! #     let pauses = Arc::default();
//! #     let client = counting(tenant.client_builder()?.clock(FakeClock::new()), &pauses).build()?;
//! #     client.scan_agents()?;
//! #     let text = metrics("0f4b", &client, &pauses)?;
//! #     let line = "defender_calls_left{tenant=\"0f4b\",api=\"scan agents\",window=\"hour\"} 1499\n";
//! #     assert!(text.contains(line), "{text}");
//! #     let line = "defender_next_call_seconds{tenant=\"0f4b\",api=\"machines\"} 0\n";
//! #     assert!(text.contains(line), "{text}");
//! #     tenant.fail(Fault::throttled(Duration::from_secs(30)).times(2));
//! #     tenant.fail(Fault::status(503)); // a wait too, and no pause
//! #     client.scan_agents()?;
//! #     let text = metrics("0f4b", &client, &pauses)?;
//! #     assert!(text.ends_with("defender_pauses_total{tenant=\"0f4b\"} 2\n"), "{text}");
//! #     Ok(())
//! # }
//! ```
//!
//! * A client has one `on_wait`: what [stops](#the-walk-alone) it and what counts go into the same one.
//! * Several calls that wait out the same pause count one each.
//! * Calls and retries are counted by nobody but the log: a line at `debug` for each answer, one at `warn` for each
//!   that is [tried again](crate#logging). [`Error::attempts`](crate::Error::attempts) counts those of a call that failed.
//!
//! # What to do with an error
//!
//! For a service, which can't ask. Three things can be done: try again at the next run, call somebody, or mend
//! the program; and one error is no matter at all. [`is_retryable`](crate::Error::is_retryable) says which errors belong to
//! the first; the client has tried those again already, for as long as it may.
//!
//! | [`ErrorKind`](crate::ErrorKind) | next run | call somebody | mend the program | no matter |
//! | --- | --- | --- | --- | --- |
//! | `Throttled`, `RateLimited` | yes, after [`retry_after`](crate::Error::retry_after) | if it is so at each run: others use the same app registration | a wait that could be borne: `max_wait` | |
//! | `Timeout`, `Transport` | yes | if it lasts: the network, or the service | | |
//! | `Server` | 500, 502, 503, 504 | if it lasts, with the [`request_id`](crate::Error::request_id); others, such as 501, at once | | |
//! | `Status` | 408, 204 | others: what is [said](crate::Error::message) with it | | |
//! | `Credential` | if the token endpoint failed or asked for a pause | a secret that has expired, an app that is gone | | |
//! | `Unauthorized` | | a licence, a tenant, a token of another cloud | | |
//! | `Forbidden` | | the permission that the [`hint`](crate::Error::hint) names | | |
//! | `Tls` | | a certificate, or a proxy that inspects | | |
//! | `Redirect` | | a gateway or a proxy before the service | the host | |
//! | `NotFound` | of a list, whose own link led nowhere | | it is an answer: what was asked for is not there | |
//! | `Decode` | if the answer was damaged | an HTML page: a gateway or a proxy | a row that this version [doesn't know](#past-a-row-that-cant-be-read) | |
//! | `Paging` | it may pass, though it is not called retryable | if it lasts | an own `query_option` that the service misreads | |
//! | `TooLarge` | | | a smaller `page_size`, or a larger `body_limit` | |
//! | `Config`, `NoCredential`, `InvalidInput` | | the one who set it up | a wrong argument | |
//! | `Cancelled` | | | | you did it: no error, if you wanted to stop |
//! | `OutcomeUnknown` | [look first](crate#writing), never again blindly | | | |
//!
//! A program that is started by cron, systemd or a CI job says it with its exit status: 75 is what `sysexits.h` calls
//! a temporary failure.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::process::ExitCode;
//!
//! use defender_endpoint::{Error, ErrorKind};
//!
//! fn exit_code(error: &Error) -> u8 {
//!     match error.kind() {
//!         ErrorKind::Config | ErrorKind::NoCredential | ErrorKind::InvalidInput => 2,
//!         _ if error.is_retryable() => 75,
//!         _ => 1,
//!     }
//! }
//!
//! fn report(result: Result<(), Error>) -> ExitCode {
//!     let Err(error) = result else {
//!         return ExitCode::SUCCESS;
//!     };
//!     eprintln!("{error:?}"); // message, causes, request id and hint, a line each
//!     if let Some(wait) = error.retry_after() {
//!         eprintln!("  not before {} s have passed", wait.as_secs());
//!     }
//!     ExitCode::from(exit_code(&error))
//! }
//! # use defender_endpoint::{RetryPolicy, testing::{Fault, Tenant}};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::demo()?;
//! #     let client = tenant.client_builder()?.retry_policy(RetryPolicy::none()).build()?;
//! #     let html = "<html>Sign in to the proxy</html>";
//! #     for (fault, code) in [
//! #         (Fault::throttled(std::time::Duration::from_secs(60)), 75),
//! #         (Fault::status(500), 75),
//! #         (Fault::status(408), 75),
//! #         (Fault::status(204).empty_body(), 75),
//! #         (Fault::disconnect(), 75),
//! #         (Fault::status(503).path("oauth2"), 75),
//! #         (Fault::status(501), 1),
//! #         (Fault::status(409), 1),
//! #         (Fault::status(401).path("oauth2"), 1),
//! #         (Fault::status(403), 1),
//! #         (Fault::status(404), 1),
//! #         (Fault::status(307).header("Location", "https://example.com/"), 1),
//! #         (Fault::body(200, "text/html", html), 1),
//! #     ] {
//! #         let tenant = Tenant::demo()?;
//! #         let shown = format!("{fault:?}");
//! #         tenant.fail(fault.always());
//! #         let client = tenant.client_builder()?.retry_policy(RetryPolicy::none()).build()?;
//! #         let error = client.scan_agent("an-agent").err();
//! #         assert_eq!(error.as_ref().map(exit_code), Some(code), "{shown} {error:?}");
//! #     }
//! #     assert_eq!(client.scan_agent("").err().as_ref().map(exit_code), Some(2));
//! #     assert_eq!(format!("{:?}", report(client.scan_agent("").map(drop))), format!("{:?}", ExitCode::from(2)));
//! #     Ok(())
//! # }
//! ```
//!
//! * An unattended program keeps `max_wait` at its five minutes, or sets less, and lets the next run come after
//!   `retry_after`; `Duration::MAX` is for one that has nothing else to do.
//! * Kinds may be added: end the `match` with `_`.
//!
//! # Another operation
//!
//! For what the crate doesn't have, such as alerts: the client's token, and a request of one's own.
//! `ureq` is in the tree already (`ureq = { version = "3", default-features = false, features = ["rustls"] }`); any
//! other HTTP client does as well.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use defender_endpoint::{Client, Secret};
//! use serde_json::Value;
//!
//! /// The newest alerts; the token needs `Alert.Read.All`.
//! fn alerts(client: &Client, agent: &ureq::Agent) -> Result<Value, Box<dyn std::error::Error>> {
//!     let url = format!("{}/api/alerts?$top=10", client.cloud().api_url());
//!     let get = |token: &Secret| {
//!         agent.get(&url).header("Authorization", format!("Bearer {}", token.expose())).call()
//!     };
//!     let token = client.access_token()?; // before each call: it may have been renewed
//!     let mut answer = get(&token)?;
//!     if answer.status().as_u16() == 401 { // it was refused early: once more with a new one, and no third time
//!         client.discard_token(&token);
//!         answer = get(&client.access_token()?)?;
//!     }
//!     match answer.status().as_u16() {
//!         200 => {
//!             let body = answer.body_mut().with_config().limit(64 * 1024 * 1024).read_to_string()?;
//!             Ok(serde_json::from_str(&body)?)
//!         }
//!         429 => {
//!             let after = answer.headers().get("Retry-After").and_then(|wait| wait.to_str().ok());
//!             Err(format!("too many calls; again after {} s", after.unwrap_or("some")).into())
//!         }
//!         status => Err(format!("GET /api/alerts: {status}").into()),
//!     }
//! }
//!
//! fn agent() -> ureq::Agent {
//!     let config = ureq::Agent::config_builder()
//!         .max_redirects(0) // nobody else gets the token
//!         .max_redirects_will_error(false)
//!         .http_status_as_error(false)
//!         .timeout_connect(Some(Duration::from_secs(10)))
//!         .timeout_global(Some(Duration::from_secs(60)));
//! #   let config = config.proxy(None);
//!     config.build().into()
//! }
//! # use defender_endpoint::testing::{Fault, Tenant};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let tenant = Tenant::demo()?;
//! #     let (client, agent) = (tenant.client()?, agent());
//! #     let body = r#"{"value": [{"id": "da6"}]}"#;
//! #     let answer = || Fault::body(200, "application/json", body).path("/api/alerts");
//! #     tenant.fail(answer());
//! #     let found = alerts(&client, &agent)?;
//! #     assert_eq!(found.pointer("/value/0/id").and_then(Value::as_str), Some("da6"));
//! #     tenant.fail(Fault::throttled(Duration::from_secs(7)).path("/api/alerts"));
//! #     let error = alerts(&client, &agent).err().map(|error| error.to_string()).unwrap_or_default();
//! #     assert_eq!(error, "too many calls; again after 7 s");
//! #     for status in [307, 403] {
//! #         tenant.fail(Fault::status(status).header("Location", "http://127.0.0.1:9/").path("/api/alerts"));
//! #         let error = alerts(&client, &agent).err().map(|error| error.to_string());
//! #         assert_eq!(error, Some(format!("GET /api/alerts: {status}")));
//! #     }
//! #     // A refused token is replaced, once.
//! #     tenant.clear();
//! #     let first = client.access_token()?;
//! #     tenant.fail(Fault::unauthorized().path("/api/alerts"));
//! #     tenant.fail(answer());
//! #     assert!(alerts(&client, &agent).is_ok());
//! #     assert!((tenant.calls("/api/alerts"), tenant.token_requests()) == (2, 1));
//! #     assert!(client.access_token()?.expose() != first.expose());
//! #     tenant.fail(Fault::unauthorized().path("/api/alerts").always());
//! #     let error = alerts(&client, &agent).err().map(|error| error.to_string());
//! #     assert_eq!(error.as_deref(), Some("GET /api/alerts: 401"));
//! #     assert_eq!(tenant.calls("/api/alerts"), 4);
//! #     Ok(())
//! # }
//! ```
//!
//! * Limits, retries, pages, and errors with a hint are your own matter then. The page of an operation says how often it
//!   may be called.
//! * Of a next link take only the query, and send it to the host that you know: the token goes with it.
//! * The body of an error may hold anything: don't print it unread.
//!
//! # Testing your own tool
//!
//! For tests that need no network, no account and no time: the feature `testing`, and what
//! [its page][testing-page] shows. A function that takes a `&Client` can be tested as it is, and so can the settings, if they
//! are a function from a `ClientBuilder` to another that is given its `RateLimiter`: a test puts its clock in between. What
//! is often forgotten:
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use defender_endpoint::machines::Machine;
//! use defender_endpoint::testing::{Clock, FakeClock, Fault, Tenant};
//! use defender_endpoint::{Client, ClientBuilder, Error, ErrorKind, RateLimiter, RateLimits, RetryPolicy};
//!
//! /// The tool's settings: its `main` gives `ClientBuilder::from_env()?` and `RateLimiter::new(..)?`.
//! fn settings(builder: ClientBuilder, limiter: &RateLimiter) -> ClientBuilder {
//!     builder.user_agent("asset-sync/1.4").rate_limiter(limiter.clone())
//! }
//!
//! /// The tool under test.
//! fn ids(client: &Client) -> Result<Vec<String>, Error> {
//!     client.machines().into_iter().map(|machine| Ok(machine?.id)).collect()
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let fleet = |ids: &str| ids.chars().map(Machine::new).collect::<Vec<_>>();
//!     let clock = FakeClock::new(); // given to all three, so that nobody waits
//!     let tenant = Tenant::builder().machines(fleet("abcd")).page_size(2).clock(clock.clone()).start()?;
//!     let limiter = RateLimiter::new_with_clock(RateLimits::documented(), clock.clone())?;
//!     let client = settings(tenant.client_builder()?.clock(clock.clone()), &limiter).build()?;
//!
//!     // A fleet that changes between two pages: one that went makes the walk miss another.
//!     let mut pages = client.machines().pages();
//!     let first = pages.next().transpose()?.map(|page| page.items.len());
//!     tenant.set_machines(fleet("bcd"))?;
//!     let rest: usize = pages.map(|page| page.map_or(0, |page| page.items.len())).sum();
//!     assert_eq!((first, rest), (Some(2), 1)); // a and b, then d: where is c?
//!
//!     // The second page fails: once, which nobody notices, and for good.
//!     tenant.fail(Fault::status(503).path("/api/machines").on_call(2));
//!     assert_eq!(ids(&client)?, ["b", "c", "d"]);
//!     tenant.fail(Fault::status(403).path("/api/machines").on_call(2));
//!     assert!(ids(&client).is_err());
//!
//!     // The token is refused in the middle of the day, and by its age an hour later.
//!     tenant.expire_tokens();
//!     assert_eq!(ids(&client)?.len(), 3);
//!     clock.advance(Duration::from_secs(3_600));
//!     assert_eq!(ids(&client)?.len(), 3);
//!     assert_eq!(tenant.token_requests(), 3);
//!
//!     // The service asks for a pause of a minute: it passes on the clock that stands still.
//!     let before = clock.now();
//!     tenant.fail(Fault::throttled(Duration::from_secs(60)).path("/api/machines"));
//!     assert_eq!(ids(&client)?.len(), 3);
//!     assert!(clock.now() - before >= Duration::from_secs(60));
//!
//!     // Fifty walks of two calls spend the minute's quota: without a fake clock the next one waits for real.
//!     let before = clock.now();
//!     for _ in 0..=50 {
//!         ids(&client)?;
//!     }
//!     assert!(clock.now() > before);
//!
//!     // The service is silent: the one wait that a clock doesn't shorten.
//!     tenant.fail(Fault::silence().path("/api/machines"));
//!     let settings = settings(tenant.client_builder()?.clock(clock.clone()), &limiter);
//!     let hasty = settings.read_timeout(Duration::from_millis(50)).retry_policy(RetryPolicy::none()).build()?;
//!     assert_eq!(ids(&hasty).err().map(|error| error.kind()), Some(ErrorKind::Timeout));
//!     Ok(())
//! }
//! ```
//!
//! * A thread that reads ahead asks when it likes: `set_machines` between two pages is certain only where one thread
//!   does both.
//! * A fault can serve what the tenant doesn't know: `Fault::body(200, ..).path("/api/alerts")`, as
//!   [above](#another-operation).
//! * The transport's timeouts run in real time, whatever the clock says: hence the `read_timeout` of some milliseconds.
//! * A program with a `main`, such as one that makes its client with `from_env`, is tried as [a whole
//!   program][whole-program].
//! * `tenant.exchanges()` has each call with its query and body: what was asked is a part of what to test.
//!
//! # In a build script
//!
//! For a list that is compiled into a program. The example `build-script` is a package of its own, to be copied whole;
//! these are the lines that matter:
//!
//! ```toml
//! [build-dependencies]   # nothing of it is in the program
//! defender-endpoint = "0.1"
//! serde_json = "1"
//! ```
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::{env, fs, io, path::Path, time::Duration};
//!
//! use defender_endpoint::{Client, ClientBuilder, Error, ErrorKind, machines::Machine};
//!
//! /// What tells one list from another; nothing secret, since cargo writes the values down.
//! const WHOSE: [&str; 3] = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "DEFENDER_CLOUD"];
//!
//! fn script() -> Result<(), Box<dyn std::error::Error>> { // your `main`
//!     for name in ["ASSETS_REFRESH"].iter().chain(&WHOSE) { // the first is your own
//!         println!("cargo::rerun-if-env-changed={name}");
//!     }
//!     // Another tenant's list must never stand in for this one's.
//!     let kept = WHOSE.map(|name| env::var(name).unwrap_or_default()).join("-") + ".json";
//!     let builder = ClientBuilder::from_env().map(|builder| builder.max_wait(Duration::from_secs(15)));
//!     let fetched = builder.and_then(ClientBuilder::build).and_then(|client| fetch(&client));
//!     if let Some(warning) = warning(&fetched) {
//!         println!("cargo::warning={warning}");
//!     }
//!     let machines = this_or_last(fetched, &Path::new(&env::var("OUT_DIR")?).join(kept))?;
//!     println!("cargo::rustc-env=MACHINES={}", machines.len());
//!     Ok(())
//! }
//!
//! fn fetch(client: &Client) -> Result<Vec<Machine>, Error> {
//!     let whole = client.machines().deadline_in_all(Duration::from_secs(60)); // nobody waits for ever for a build
//!     whole.into_iter().collect()
//! }
//!
//! fn warning(fetched: &Result<Vec<Machine>, Error>) -> Option<String> {
//!     match fetched {
//!         Ok(machines) if machines.is_empty() => Some("no machines: the last list is used".to_owned()),
//!         Ok(_) => None,
//!         Err(error) if error.kind() == ErrorKind::NoCredential => None, // no account here at all, as in a fork
//!         Err(error) => Some(format!("{error:#}")), // one line; of several cargo shows the first
//!     }
//! }
//!
//! fn this_or_last(fetched: Result<Vec<Machine>, Error>, kept: &Path) -> io::Result<Vec<Machine>> {
//!     if let Some(machines) = fetched.ok().filter(|machines| !machines.is_empty()) {
//!         let mut new = kept.as_os_str().to_owned();
//!         new.push(".new");
//!         fs::write(&new, serde_json::to_vec(&machines)?)?;
//!         fs::rename(new, kept)?; // only a whole list has the name of one
//!     }
//!     let kept = fs::read(kept).ok().and_then(|json| serde_json::from_slice(&json).ok());
//!     Ok(kept.unwrap_or_default()) // there was none yet, or none that can be read
//! }
//! # use defender_endpoint::testing::{Fault, Tenant};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let _ = script; // it would call out, if the environment names a credential
//! #     let folder = env::temp_dir().join(format!("defender-cookbook-build-{}", std::process::id()));
//! #     fs::create_dir_all(&folder)?;
//! #     let kept = folder.join("contoso.com-app-.json");
//! #     let tenant = Tenant::demo()?;
//! #     let client = tenant.client()?;
//! #     let fetched = fetch(&client);
//! #     assert_eq!(warning(&fetched), None);
//! #     assert_eq!(this_or_last(fetched, &kept)?.len(), 347);
//! #     for (status, text) in [(403, "GET /api/machines: 403"), (404, "no machines")] {
//! #         tenant.fail(Fault::status(status).empty_body().path("/api/machines"));
//! #         let fetched = fetch(&client);
//! #         assert!(warning(&fetched).is_some_and(|warning| warning.starts_with(text) && !warning.contains('\n')));
//! #         assert_eq!(this_or_last(fetched, &kept)?.len(), 347);
//! #     }
//! #     // Where the environment names a credential, nothing is asserted of one that doesn't.
//! #     if let Err(error) = ClientBuilder::from_env().map(drop) {
//! #         let is_none = error.kind() == ErrorKind::NoCredential;
//! #         assert_eq!(warning(&Err(error)).is_none(), is_none);
//! #     }
//! #     // Where the name is taken by a folder, nothing is written, and no half a file is left.
//! #     fs::create_dir(folder.join("contoso.com-app-.json.new"))?;
//! #     assert!(this_or_last(fetch(&client), &kept).is_err());
//! #     assert_eq!(serde_json::from_slice::<Vec<Machine>>(&fs::read(&kept)?)?.len(), 347);
//! #     // Half a file, of an older form of the script.
//! #     fs::write(&kept, "[{\"id\":")?;
//! #     tenant.fail(Fault::status(403).path("/api/machines"));
//! #     assert!(this_or_last(fetch(&client), &kept)?.is_empty());
//! #     fs::remove_dir_all(folder)?;
//! #     Ok(())
//! # }
//! ```
//!
//! * Never name `AZURE_CLIENT_SECRET`, or a proxy with a password, in `rerun-if-env-changed`: cargo writes the values
//!   of what is named there into the target folder, in plain text, and a CI cache takes them along.
//! * The list itself is in `target` too: give no cache of that folder to pull requests from forks.
//! * The service is not asked at each build, but when a variable changes: `ASSETS_REFRESH=$(date +%F)`, or in the `env:` of a
//!   workflow `ASSETS_REFRESH: ${{ github.run_id }}`, for each run of it.
//! * An empty list, or none at all, must not replace the last good one, and where there is no network the build goes on.
//! * A value of `DEFENDER_API_URL` is another list too: the example has all variables that tell one from another.
//! * [`NoCredential`](crate::ErrorKind::NoCredential) is the kind of a machine that has no account at all, such as a
//!   contributor's: nothing to warn of. With `AZURE_TOKEN_CREDENTIALS` set it is an error of kind `Config`.
//! * Text goes into source code by `{:?}`, which escapes what would end the literal.
//! * A build-dependency is built without optimisation even in a release build, and nothing of it is in the program.
//!
//! # From a script
//!
//! For what exists already and shall become a program. The three scripts below do the same, as most do: a token, pages,
//! a file. Beside each: what takes the place of its lines, and what it did wrong without a word. The
//! [program](#the-program) that replaces any of them comes last.
//!
//! | in all of them | here |
//! | --- | --- |
//! | tenant, app and secret in variables | `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`, and [`Client::from_env`](crate::Client::from_env) |
//! | `POST …/oauth2/token` with `resource=`, or `…/oauth2/v2.0/token` with `scope=` | nothing: the credential does it, the second way |
//! | the API's host in a variable | `DEFENDER_CLOUD`, or the host alone, without `/api`, in `DEFENDER_API_URL` |
//! | the loop over `@odata.nextLink` | `for machine in client.machines()` |
//! | `$filter=…` in the URL, with quotes and encoding | [`filter`](crate::machines::ListMachines::filter), typed, or as it was with [`Filter::raw`](crate::filter::Filter::raw) |
//! | `$select=…` | [own rows](#only-some-fields) |
//! | `$top`, `$skip` | [`top`](crate::machines::ListMachines::top), [`skip`](crate::machines::ListMachines::skip) |
//! | a job with OIDC that has a secret left over from before | `AZURE_CLIENT_SECRET` goes before it: take it away, or set `AZURE_TOKEN_CREDENTIALS=WorkloadIdentityCredential` |
//! | a pause after a 429, and after each page to be safe | nothing |
//! | a counter that is printed | [progress](#progress), on stderr |
//!
//! What they do wrong, and seldom shows:
//!
//! * A token is good for an hour or so. A script that fetches it once ends with a 401 in the middle of a long walk.
//! * A 429 or a 503 that isn't looked for is an end; one that is tried again at once makes it worse.
//! * An answer that has no `value`, an error's for instance, counts as an empty page: the file is short, and
//!   says nothing of it.
//! * A connection that breaks in the middle leaves half a file under the name of a whole one.
//! * The token goes to whatever host the next link names.
//! * Null where a text or a list was expected ends the run at the first such machine, which may come with the next
//!   device that is onboarded.
//! * A file that holds what came before an error looks like a smaller fleet. Whoever compares it with yesterday's
//!   deletes machines: see [a copy of the fleet](#a-copy-of-the-fleet).
//!
//! ## From ureq by hand
//!
//! ```text
//! let token: Value = ureq::post(format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"))
//!     .send_form([("grant_type", "client_credentials"), ("client_id", app), ("client_secret", secret),
//!                 ("scope", "https://api.securitycenter.microsoft.com/.default")])?
//!     .body_mut().read_json()?;
//! let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
//! let mut next = Some("https://api.securitycenter.microsoft.com/api/machines".to_owned());
//! while let Some(url) = next {
//!     let page: Value = ureq::get(url).header("Authorization", &bearer).call()?.body_mut().read_json()?;
//!     for machine in page["value"].as_array().unwrap_or(&vec![]) {
//!         writeln!(out, "{}", machine)?;
//!     }
//!     next = page["@odata.nextLink"].as_str().map(str::to_owned);
//! }
//! ```
//!
//! | line | here | without a word |
//! | --- | --- | --- |
//! | `ureq::get`, `ureq::post` | the client's transport, with timeouts | none is set: a silent service is waited for without end |
//! | `call()?` | tried again, or an [`Error`](crate::Error) with kind, message, request id and hint | the service's message is lost: an error has the status only |
//! | `read_json()` | row by row, out of the compressed page | bodies of more than 10 MB are refused, and a full page has about 11 |
//! | `page["value"].as_array().unwrap_or(..)` | a missing `value` is an error | it is an empty page |
//! | `machine["lastSeen"].as_str()` | [`Machine::last_seen`](crate::machines::Machine::last_seen), a date | a slip in the name is null |
//! | a crate for retries around it | [`retry_policy`](crate::ClientBuilder::retry_policy) | what a 429 asks for isn't known to it |
//!
//! ## From Python
//!
//! ```text
//! token = requests.post(f"https://login.microsoftonline.com/{tenant}/oauth2/token", data={
//!     "grant_type": "client_credentials", "client_id": app, "client_secret": secret,
//!     "resource": "https://api.securitycenter.microsoft.com"}).json()["access_token"]
//! url, machines = "https://api.securitycenter.microsoft.com/api/machines", []
//! while url:
//!     r = requests.get(url, headers={"Authorization": f"Bearer {token}"})
//!     if r.status_code == 429:
//!         time.sleep(60); continue
//!     machines += r.json().get("value", [])
//!     url = r.json().get("@odata.nextLink")
//! for m in machines:
//!     print(json.dumps(m))
//! ```
//!
//! | line | here | without a word |
//! | --- | --- | --- |
//! | `requests.get(url)` | timeouts are set | there is none: it can hang for ever |
//! | no `raise_for_status()` | an error | a 403 is the end of the list, with status 0 |
//! | `.json()["access_token"]` | [`ErrorKind::Credential`](crate::ErrorKind::Credential) with Entra's message | `KeyError: 'access_token'` |
//! | `time.sleep(60)` | as long as the service asks, for all threads | it may ask for much more, and the loop never ends |
//! | `.get("value", [])` | a missing `value` is an error | it is an empty page |
//! | `machines +=` | rows as they are asked for | all of the fleet in memory, several times |
//! | `print(json.dumps(m))` | [JSON lines](#json-lines); the row as it came with `deserialize::<Box<RawValue>>()`, since a `Value` sorts the keys | |
//! | `csv.DictWriter` | [CSV](#csv) | formulas |
//! | `msal`'s `acquire_token_for_client` | nothing: tokens are kept and renewed | |
//! | `azure.identity`'s `DefaultAzureCredential` | [`from_env`](crate::ClientBuilder::from_env), with the same names of variables | what no variable names is not tried: a metadata service, the Azure CLI |
//! | `verify="proxy.pem"`, `REQUESTS_CA_BUNDLE` | `DEFENDER_ROOT_CERTIFICATES`, or [`root_certificates`](crate#tls-and-proxies): this one is not read | a bundle takes the place of the roots, this is added to them |
//! | `verify=False` | nothing, on purpose | anybody between reads the token |
//! | `ThreadPoolExecutor` | [pages in parallel](#pages-in-parallel) | 429s |
//!
//! ## From PowerShell
//!
//! ```text
//! $body = @{ grant_type = 'client_credentials'; client_id = $app; client_secret = $secret
//!            resource = 'https://api.securitycenter.microsoft.com' }
//! $token = (Invoke-RestMethod -Method Post -Uri "https://login.microsoftonline.com/$tenant/oauth2/token" -Body $body).access_token
//! $url = 'https://api.securitycenter.microsoft.com/api/machines'
//! $machines = @()
//! while ($url) {
//!     $page = Invoke-RestMethod -Uri $url -Headers @{ Authorization = "Bearer $token" }
//!     $machines += $page.value
//!     $url = $page.'@odata.nextLink'
//! }
//! $machines | Export-Csv machines.csv -NoTypeInformation
//! ```
//!
//! | line | here | without a word |
//! | --- | --- | --- |
//! | `Invoke-RestMethod` in a loop | `client.machines()` | an error is printed, and unless `$ErrorActionPreference` is `Stop`, `$page` is the last one: the loop goes round for ever with the same link; in the first round the file is empty |
//! | `-MaximumRetryCount`, `Start-Sleep` | nothing | |
//! | `$page.value` | a missing `value` is an error | it is nothing, and nothing is added |
//! | `$machines +=` | rows as they are asked for | the array is copied for each page |
//! | `Select-Object …`, then `Export-Csv` | [CSV](#csv), with the script's headers in `write_record`: who reads the file knows columns by name | a slip in a name is an empty column |
//! | `Export-Csv` | [CSV](#csv) | tags and addresses become `System.Object[]`; in Windows PowerShell, names lose what isn't ASCII; formulas |
//! | `ConvertTo-Json` | [JSON lines](#json-lines) | nothing is deeper than two levels unless `-Depth` says so |
//! | `Where-Object lastSeen -gt …` | [`filter`](#by-tag-group-and-time), by the service | text is compared, unless it was made a date |
//! | `Get-MsalToken`, `Get-AzAccessToken` | [`from_env`](crate::ClientBuilder::from_env), with a credential of the app; a user's sign-in is [another](crate::setup#as-yourself) | a token that was fetched once ends after an hour or so |
//! | `-Proxy`, or the system's proxy, which Windows PowerShell takes by itself | `HTTPS_PROXY`, or [`proxy`](crate::ClientBuilder::proxy): the system's settings are not read | |
//! | roots in the system's store | `DEFENDER_ROOT_CERTIFICATES`, or the feature `platform-verifier` and [`platform_verifier`](crate#tls-and-proxies) | |
//! | `-SkipCertificateCheck` | nothing, on purpose | anybody between reads the token |
//! | a scheduled task's "last run result" | [the exit status](#what-to-do-with-an-error) | with `-File` 0, whatever was printed |
//!
//! ## The program
//!
//! A whole file, or the last one and an exit status; with `write_csv` of [CSV](#csv), or `write_lines` of
//! [JSON lines](#json-lines) in its place, and `exit_code` of [what to do with an error](#what-to-do-with-an-error). No
//! machines, and a walk that ended by a 404, are refused before anything has the name of the file, and what a run that
//! failed has written, `machines.csv.part`, is removed.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::fs::{self, File};
//! use std::{io::BufWriter, path::Path, process::ExitCode};
//!
//! use defender_endpoint::{Client, Error, machines::ListMachines};
//! # use std::io::Write;
//! # use defender_endpoint::{ErrorKind, machines::Machine};
//! # fn write_csv(
//! #     machines: impl IntoIterator<Item = Result<Machine, Error>>,
//! #     mut out: impl Write,
//! # ) -> Result<u64, Box<dyn std::error::Error>> {
//! #     let mut rows = 0;
//! #     for machine in machines {
//! #         writeln!(out, "{}", machine?.id)?;
//! #         out.flush()?;
//! #         rows += 1;
//! #     }
//! #     Ok(rows)
//! # }
//! # fn exit_code(error: &Error) -> u8 {
//! #     match error.kind() {
//! #         ErrorKind::Config | ErrorKind::NoCredential | ErrorKind::InvalidInput => 2,
//! #         _ if error.is_retryable() => 75,
//! #         _ => 1,
//! #     }
//! # }
//!
//! fn export(list: ListMachines, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut part = file.as_os_str().to_owned();
//!     part.push(".part"); // behind the whole name: `machines.csv` and `machines.json` have one each
//!     let part = Path::new(&part);
//!     let written = write_part(list, part).and_then(|()| Ok(fs::rename(part, file)?));
//!     if written.is_err() {
//!         let _ = fs::remove_file(part); // it looks like a smaller fleet
//!     }
//!     written
//! }
//!
//! fn write_part(list: ListMachines, part: &Path) -> Result<(), Box<dyn std::error::Error>> {
//!     let out = File::create(part)?;
//!     let mut machines = list.into_iter();
//!     let rows = write_csv(machines.by_ref(), BufWriter::new(&out))?;
//!     if rows == 0 || machines.ended_by_not_found() {
//!         return Err("no whole list of machines: the last file stays".into());
//!     }
//!     out.sync_all()?; // before the name, so that a crash leaves no empty file of that name
//!     Ok(())
//! }
//!
//! fn report_of(file: &Path, exported: Result<(), Box<dyn std::error::Error>>) -> (String, u8) {
//!     match exported.map_err(|error| error.downcast::<Error>()) {
//!         Ok(()) => (String::new(), 0),
//!         Err(Ok(error)) => (format!("{error:?}"), exit_code(&error)), // a line each: causes, and a hint
//!         Err(Err(error)) => (format!("{}: {error}", file.display()), 1), // of the disk, of `csv`
//!     }
//! }
//!
//! fn program() -> ExitCode { // your `main`
//!     let file = Path::new("machines.csv");
//!     let exported = Client::from_env().map_err(Into::into).and_then(|client| export(client.machines(), file));
//!     let (text, code) = report_of(file, exported);
//!     eprint!("{text}{}", if text.is_empty() { "" } else { "\n" });
//!     ExitCode::from(code)
//! }
//! # use defender_endpoint::testing::{Fault, Tenant};
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let _ = program; // it would call out, if the environment names a credential
//! #     let folder = std::env::temp_dir().join(format!("defender-cookbook-{}", std::process::id()));
//! #     fs::create_dir_all(&folder)?;
//! #     let file = folder.join("machines.csv");
//! #     let tenant = Tenant::demo()?;
//! #     let client = tenant.client_builder()?.retry_policy(defender_endpoint::RetryPolicy::none()).build()?;
//! #     assert_eq!(report_of(&file, export(client.machines(), &file)), (String::new(), 0));
//! #     let whole = fs::read_to_string(&file)?;
//! #     assert_eq!(whole.lines().count(), 347);
//! #     let left = || -> Result<usize, Box<dyn std::error::Error>> { Ok(fs::read_dir(&folder)?.count()) };
//! #     for (status, call, expected) in [(403, 3, 1), (503, 3, 75), (404, 1, 1)] {
//! #         tenant.fail(Fault::status(status).empty_body().path("/api/machines").on_call(call));
//! #         let (text, code) = report_of(&file, export(client.machines(), &file));
//! #         assert!(code == expected && !text.is_empty(), "{status} {code} {text}");
//! #         assert_eq!((fs::read_to_string(&file)?, left()?), (whole.clone(), 1));
//! #     }
//! #     // By `$skip`, a 404 in the middle ends the walk without an error.
//! #     tenant.fail(Fault::status(404).empty_body().path("/api/machines").on_call(3));
//! #     let skipping = client.machines().page_size(100);
//! #     assert_eq!(report_of(&file, export(skipping, &file)).1, 1);
//! #     assert_eq!((fs::read_to_string(&file)?, left()?), (whole.clone(), 1));
//! #     tenant.set_machines(Vec::<Machine>::new())?; // 200, and no rows
//! #     let (text, code) = report_of(&file, export(client.machines(), &file));
//! #     assert!(code == 1 && text.ends_with("machines.csv: no whole list of machines: the last file stays"), "{text}");
//! #     assert_eq!((fs::read_to_string(&file)?, left()?), (whole, 1));
//! #     let invalid = client.scan_agent("").map(drop).map_err(Into::into);
//! #     assert_eq!(report_of(&file, invalid).1, 2);
//! #     // What isn't the crate's is shown for people, with the name of the file.
//! #     let nowhere = folder.join("missing").join("machines.csv");
//! #     let (text, code) = report_of(&nowhere, export(client.machines(), &nowhere));
//! #     assert!(code == 1 && text.contains("machines.csv: ") && !text.contains("Os {"), "{text}");
//! #     fs::remove_dir_all(folder)?;
//! #     Ok(())
//! # }
//! ```
//!
//! The first run of both side by side should give the same ids. Old and new output are compared in one line each, in bash,
//! where the first column is the id (`Export-Csv` puts each cell in quotes, and a carriage return behind the last):
//!
//! ```text
//! diff <(tail -n +2 old.csv | cut -d, -f1 | tr -d '"\r' | sort) <(tail -n +2 machines.csv | cut -d, -f1 | sort)
//! diff <(jq -r .id old.jsonl | sort) <(jq -r .id machines.jsonl | sort)
//! ```
//!
//! In PowerShell, whatever the quotes and the columns:
//! `Compare-Object (Import-Csv old.csv).id (Import-Csv machines.csv).id`. Where they differ, the list has changed between
//! the two, or one of them left something out.
//!
#![cfg_attr(feature = "testing", doc = "[testing-page]: crate::testing")]
#![cfg_attr(not(feature = "testing"), doc = "[testing-page]: crate#features")]
#![cfg_attr(
    feature = "testing",
    doc = "[whole-program]: crate::testing#a-whole-program"
)]
#![cfg_attr(not(feature = "testing"), doc = "[whole-program]: crate#features")]
