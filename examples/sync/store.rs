//! The database: its schema, and every statement that is sent to it.
//!
//! Each public function of [`Store`] that writes is one transaction, and leaves the database so that
//! a process that dies behind it, or anywhere in it, has nothing to clean up.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use defender_endpoint::machines::Machine;
use defender_endpoint::time::format_description::well_known::Rfc3339;
use defender_endpoint::time::{Duration, OffsetDateTime, UtcOffset};
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, TransactionBehavior};

/// What leads from one version of the schema to the next: `user_version` counts those that were
/// taken. A step that has been released is never changed, only followed by another.
///
/// Dates are text, RFC 3339 in UTC without a fraction: people and SQLite's date functions read it,
/// and in one form it sorts by time, which the service's own dates, with up to nine digits of a
/// fraction, do not.
const MIGRATIONS: [&str; 1] = ["
    PRAGMA application_id = 0x53594E43;   -- APPLICATION
    CREATE TABLE walks (
        number INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        filter TEXT NOT NULL,             -- empty: all machines
        started TEXT NOT NULL,
        stored TEXT NOT NULL,             -- when it last stored something
        ended TEXT,                       -- null: it goes on, or was given up
        counted INTEGER NOT NULL DEFAULT 0, -- 1: it came to its end, and unseen machines were marked
        next_skip INTEGER NOT NULL DEFAULT 0,
        pages INTEGER NOT NULL DEFAULT 0,
        inserted INTEGER NOT NULL DEFAULT 0,
        updated INTEGER NOT NULL DEFAULT 0,
        unchanged INTEGER NOT NULL DEFAULT 0,
        repeated INTEGER NOT NULL DEFAULT 0,
        unseen INTEGER NOT NULL DEFAULT 0,
        deleted INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE machines (               -- written only where a machine has changed
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        name TEXT,
        os TEXT,
        health TEXT,
        risk TEXT,
        last_seen TEXT,
        tags TEXT NOT NULL,               -- a JSON array, for json_each
        first_synced TEXT NOT NULL,
        changed TEXT NOT NULL,            -- when it last came with something new
        json TEXT NOT NULL                -- all of it; last, since what is behind it is slow to read
    ) STRICT;
    CREATE TABLE sightings (              -- written for each machine that a walk sees, so it is narrow
        number INTEGER PRIMARY KEY REFERENCES machines ON DELETE CASCADE,
        last_synced TEXT NOT NULL,        -- when a walk last saw it
        walk INTEGER NOT NULL,            -- the one that last saw it
        misses INTEGER NOT NULL           -- counted walks in a row that did not see it
    ) STRICT;
    CREATE VIEW fleet AS
        SELECT id, name, os, health, risk, last_seen, tags, first_synced, changed, last_synced, walk,
               misses, json
        FROM machines JOIN sightings USING (number);
"];

/// Says in the file's header that this program made it: `SYNC`. Another program's number, if you copy it.
const APPLICATION: i64 = 0x5359_4E43;

/// For how long a walk that was broken off can be taken up. The fleet goes on changing, and the
/// places in a list that the rest is asked for by mean less and less.
const FRESH: Duration = Duration::HOUR;

/// The list that is copied.
pub(crate) struct List {
    pub(crate) tenant: String,
    /// Empty for all machines.
    pub(crate) filter: String,
}

/// A walk through the list, as the database knows it.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) number: i64,
    /// Where it goes on.
    pub(crate) next_skip: u64,
    pub(crate) counts: Counts,
}

/// What a walk did, with the runs before that it went on from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) pages: i64,
    pub(crate) inserted: i64,
    pub(crate) updated: i64,
    pub(crate) unchanged: i64,
    /// Rows of machines that the walk had seen before: they count only here.
    pub(crate) repeated: i64,
    /// Machines in the database that the walk did not see, and that stay for now.
    pub(crate) unseen: i64,
    /// Those that have been missing for long enough.
    pub(crate) deleted: i64,
}

impl Counts {
    /// Machines that the walk has seen, each once.
    pub(crate) fn seen(&self) -> i64 {
        self.inserted + self.updated + self.unchanged
    }
}

/// Another process is at work on the database.
#[derive(Debug)]
pub(crate) struct AtWork;

impl fmt::Display for AtWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another run is at work on this database: nothing was done")
    }
}

impl Error for AtWork {}

/// Whether the same call may succeed later: somebody else has the database now.
pub(crate) fn is_retryable(error: &(dyn Error + 'static)) -> bool {
    let code = error
        .downcast_ref::<rusqlite::Error>()
        .and_then(rusqlite::Error::sqlite_error_code);
    error.is::<AtWork>()
        || matches!(
            code,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        )
}

/// Those of [`Connection::open`] but for the one that takes a name for a URI.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE
    .union(OpenFlags::SQLITE_OPEN_CREATE)
    .union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Refuses the names under which SQLite keeps nothing, or something else than the file of that name.
pub(crate) fn check_name(file: &Path) -> Result<(), &'static str> {
    let name = file.as_os_str().as_encoded_bytes();
    if name.is_empty() {
        return Err("the name of the database is empty");
    }
    // SQLite may be built so that it reads URIs whatever the flags say.
    if name == b":memory:" || name.starts_with(b"file:") {
        return Err("the database must be a file: put ./ before a name that begins like this");
    }
    Ok(())
}

/// The database, for the one process that writes to it.
pub(crate) struct Store {
    database: Connection,
    /// Only held. It is the system's lock on a file beside the database, so that it ends with the
    /// process, whichever way that ends: no lease to wait for, no stale row to remove. A lock on the
    /// database itself would keep readers out for as long as a walk takes.
    _lock: Option<Connection>,
}

impl Store {
    /// Opens or makes the database.
    ///
    /// [`AtWork`] if another process has it; a text if it isn't one of this program.
    pub(crate) fn open(file: &Path) -> Result<Self, Box<dyn Error>> {
        let lock = lock(file)?;
        Self::prepare(Connection::open_with_flags(file, FLAGS)?, Some(lock))
    }

    #[cfg(test)]
    pub(crate) fn in_memory() -> Result<Self, Box<dyn Error>> {
        Self::prepare(Connection::open_in_memory()?, None)
    }

    fn prepare(mut database: Connection, lock: Option<Connection>) -> Result<Self, Box<dyn Error>> {
        migrate(&mut database)?;
        // Who reads sees the last page that was stored, and keeps nobody from storing the next.
        database.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        // A power failure may undo the last transactions, but only from the last one backwards, and
        // each holds its own place in the list. A kill undoes none.
        database.pragma_update(None, "synchronous", "NORMAL")?;
        database.pragma_update(None, "foreign_keys", true)?;
        Ok(Self {
            database,
            _lock: lock,
        })
    }

    /// How many machines the database has.
    pub(crate) fn machines(&self) -> rusqlite::Result<i64> {
        let all = "SELECT count(*) FROM machines";
        self.database.query_row(all, [], |row| row.get(0))
    }

    /// Takes up the walk that was broken off, or begins one.
    pub(crate) fn begin(
        &mut self,
        list: &List,
        now: OffsetDateTime,
    ) -> Result<Walk, Box<dyn Error>> {
        let change = self
            .database
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        // With the tenant in the key of all that is below one file could hold several. But then each
        // query of each reader would have to name one, and one that forgets it mixes customers.
        let other: Option<String> = change
            .query_row(
                "SELECT tenant FROM walks WHERE tenant <> ?1 LIMIT 1",
                [&list.tenant],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(other) = other {
            return Err(format!(
                "the database belongs to the tenant {other}, and this is {}: nothing was done",
                list.tenant
            )
            .into());
        }
        let newest = change
            .query_row(
                "SELECT number, next_skip, pages, inserted, updated, unchanged, repeated, stored
                 FROM walks
                 WHERE number = (SELECT max(number) FROM walks) AND ended IS NULL AND filter = ?1",
                [&list.filter],
                |row| Ok((walk(row)?, row.get::<_, String>(7)?)),
            )
            .optional()?;
        if let Some((walk, stored)) = newest {
            let age = now - OffsetDateTime::parse(&stored, &Rfc3339)?;
            // Less than a second before, since what is stored has no fraction. A date from the
            // future is of a clock that was set, and says nothing.
            if (Duration::ZERO..=FRESH).contains(&age) {
                return Ok(walk);
            }
        }
        change.execute(
            "INSERT INTO walks (tenant, filter, started, stored) VALUES (?1, ?2, ?3, ?3)",
            (&list.tenant, &list.filter, written(now)?),
        )?;
        let number = change.last_insert_rowid();
        change.commit()?;
        Ok(Walk {
            number,
            next_skip: 0,
            counts: Counts::default(),
        })
    }

    /// Stores a page, and that the walk goes on behind it.
    pub(crate) fn page(
        &mut self,
        walk: &mut Walk,
        machines: &[Machine],
        next_skip: u64,
        now: OffsetDateTime,
    ) -> Result<(), Box<dyn Error>> {
        let mut counts = walk.counts;
        let now = written(now)?;
        let change = self
            .database
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut find = change.prepare(
                "SELECT number, walk = ?2, json = ?3 FROM machines JOIN sightings USING (number)
                 WHERE id = ?1",
            )?;
            let mut insert = change.prepare(
                "INSERT INTO machines (id, name, os, health, risk, last_seen, tags, json,
                                       first_synced, changed)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
            )?;
            let mut update = change.prepare(
                "UPDATE machines
                 SET name = ?2, os = ?3, health = ?4, risk = ?5, last_seen = ?6, tags = ?7,
                     json = ?8, changed = ?9
                 WHERE id = ?1",
            )?;
            let mut see = change.prepare(
                "INSERT OR REPLACE INTO sightings (number, last_synced, walk, misses)
                 VALUES (?1, ?2, ?3, 0)",
            )?;
            for machine in machines {
                // Always the same text for the same machine: keys have an order of their own.
                let json = serde_json::to_string(machine)?;
                let values = (
                    &machine.id,
                    &machine.computer_dns_name,
                    &machine.os_platform,
                    machine.health_status.as_ref().map(ToString::to_string),
                    machine.risk_score.as_ref().map(ToString::to_string),
                    machine.last_seen.map(written).transpose()?,
                    serde_json::to_string(&machine.machine_tags)?,
                    &json,
                    &now,
                );
                let known: Option<(i64, bool, bool)> = find
                    .query_row((&machine.id, walk.number, &json), |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                    })
                    .optional()?;
                let (number, count) = match known {
                    None => {
                        insert.execute(values)?;
                        (change.last_insert_rowid(), &mut counts.inserted)
                    }
                    Some((number, seen, same)) => {
                        if !same {
                            update.execute(values)?;
                        }
                        let count = match (seen, same) {
                            (true, _) => &mut counts.repeated,
                            (false, true) => &mut counts.unchanged,
                            (false, false) => &mut counts.updated,
                        };
                        (number, count)
                    }
                };
                see.execute((number, &now, walk.number))?;
                *count += 1;
            }
        }
        counts.pages += 1;
        let moved = change.execute(
            "UPDATE walks
             SET stored = ?3, next_skip = ?4, pages = ?5, inserted = ?6, updated = ?7,
                 unchanged = ?8, repeated = ?9
             WHERE number = ?1 AND next_skip = ?2 AND ended IS NULL
               AND number = (SELECT max(number) FROM walks)",
            (
                walk.number,
                i64::try_from(walk.next_skip)?,
                &now,
                i64::try_from(next_skip)?,
                counts.pages,
                counts.inserted,
                counts.updated,
                counts.unchanged,
                counts.repeated,
            ),
        )?;
        is_mine(moved)?;
        change.commit()?;
        walk.next_skip = next_skip;
        walk.counts = counts;
        Ok(())
    }

    /// Ends a walk that came to the end of the list. With a number of misses, machines that it did not
    /// see are marked, and those that have been missing so many times are deleted.
    pub(crate) fn end(
        &mut self,
        mut walk: Walk,
        misses: Option<u32>,
        now: OffsetDateTime,
    ) -> Result<Counts, Box<dyn Error>> {
        let change = self
            .database
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(misses) = misses {
            // Machines that a broken-off part of the same walk saw have its number, too.
            let missing = change.execute(
                "UPDATE sightings SET misses = misses + 1 WHERE walk <> ?1",
                [walk.number],
            )?;
            let deleted = change.execute(
                "DELETE FROM machines WHERE number IN
                     (SELECT number FROM sightings WHERE walk <> ?1 AND misses >= ?2)",
                (walk.number, misses),
            )?;
            walk.counts.deleted = i64::try_from(deleted)?;
            walk.counts.unseen = i64::try_from(missing)? - walk.counts.deleted;
        }
        let ended = change.execute(
            "UPDATE walks
             SET stored = ?3, ended = ?3, counted = ?4, unseen = ?5, deleted = ?6
             WHERE number = ?1 AND next_skip = ?2 AND ended IS NULL
               AND number = (SELECT max(number) FROM walks)",
            (
                walk.number,
                i64::try_from(walk.next_skip)?,
                written(now)?,
                misses.is_some(),
                walk.counts.unseen,
                walk.counts.deleted,
            ),
        )?;
        is_mine(ended)?;
        change.commit()?;
        Ok(walk.counts)
    }
}

/// Prints the machines of a database, a line each, in the order of their ids. Needs no lock.
pub(crate) fn list(file: &Path, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(file, flags)?;
    let mut machines = database.prepare(
        "SELECT id, misses, first_synced, last_synced, ifnull(name, ''), ifnull(os, ''),
                ifnull(health, ''), ifnull(risk, ''), ifnull(last_seen, ''), tags
         FROM fleet ORDER BY id",
    )?;
    let mut rows = machines.query([])?;
    while let Some(row) = rows.next()? {
        let misses: i64 = row.get(1)?;
        write!(out, "{}\t{misses}", cell(row, 0)?)?;
        for column in 2..10 {
            write!(out, "\t{}", cell(row, column)?)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Names are free text: nothing in them ends a line or moves a cursor.
fn cell(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    let text: String = row.get(column)?;
    Ok(text.replace(char::is_control, " "))
}

/// Takes the lock beside the database, or says that somebody has it.
fn lock(file: &Path) -> Result<Connection, Box<dyn Error>> {
    let mut name = OsString::from(file);
    name.push("-lock");
    let lock = Connection::open_with_flags(name, FLAGS)?;
    // Enough for two that begin at once and look at the file in the same moment.
    lock.busy_timeout(std::time::Duration::from_millis(50))?;
    // Nothing is ever written to it. The file stays: who removes one may remove another's lock.
    match lock.execute_batch("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE") {
        Ok(()) => Ok(lock),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            Err(AtWork.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Brings the schema up to date; refuses what this program did not make.
fn migrate(database: &mut Connection) -> Result<(), Box<dyn Error>> {
    let change = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let number = |sql| change.query_row(sql, [], |row| row.get::<_, i64>(0));
    let version = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let is_new = (version, application, tables) == (0, 0, 0);
    if !is_new && application != APPLICATION {
        return Err("this is a database of another program: nothing was done".into());
    }
    let missing = usize::try_from(version).ok();
    let Some(missing) = missing.and_then(|done| MIGRATIONS.get(done..)) else {
        return Err(format!(
            "the database has version {version}, and this program knows {}: nothing was done",
            MIGRATIONS.len()
        )
        .into());
    };
    if missing.is_empty() {
        return Ok(());
    }
    for step in missing {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len())?)?;
    change.commit()?;
    Ok(())
}

/// A walk is moved on only from where this process left it, and only the newest. Behind the lock nobody
/// else can have moved it; this is for a lock file that somebody removed.
fn is_mine(changed: usize) -> io::Result<()> {
    if changed == 1 {
        return Ok(());
    }
    Err(io::Error::other(
        "somebody else has been at this walk: nothing more of it was stored",
    ))
}

fn walk(row: &Row<'_>) -> rusqlite::Result<Walk> {
    let next_skip = u64::try_from(row.get::<_, i64>(1)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(1, Type::Integer, error.into())
    })?;
    Ok(Walk {
        number: row.get(0)?,
        next_skip,
        counts: Counts {
            pages: row.get(2)?,
            inserted: row.get(3)?,
            updated: row.get(4)?,
            unchanged: row.get(5)?,
            repeated: row.get(6)?,
            ..Counts::default()
        },
    })
}

/// A date as the schema has them.
fn written(date: OffsetDateTime) -> Result<String, Box<dyn Error>> {
    let whole = date.to_offset(UtcOffset::UTC).replace_nanosecond(0)?;
    Ok(whole.format(&Rfc3339)?)
}

#[cfg(test)]
pub(crate) mod tests;
