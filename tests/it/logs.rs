//! Keeps what the crate logs, at every level, for the tests of this binary, and what ureq logs at
//! its debug level (its trace level is documented to show everything). There can be only one logger
//! in a process: whoever needs log lines takes them from here.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// One line, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) target: String,
    pub(crate) level: Level,
    pub(crate) text: String,
}

struct Collector(Mutex<Vec<Line>>);

static COLLECTOR: Collector = Collector(Mutex::new(Vec::new()));

impl Log for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("defender_endpoint")
            || metadata.target().starts_with("ureq") && metadata.level() <= Level::Debug
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = Line {
                target: record.target().to_owned(),
                level: record.level(),
                text: record.args().to_string(),
            };
            kept().push(line);
        }
    }

    fn flush(&self) {}
}

/// From here on lines are kept.
pub(crate) fn start() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&COLLECTOR).expect("this is the only logger");
        log::set_max_level(LevelFilter::Trace);
    });
}

/// How many lines there are so far.
pub(crate) fn count() -> usize {
    kept().len()
}

/// The lines behind so many, those of tests that run at the same time among them.
pub(crate) fn since(count: usize) -> Vec<Line> {
    kept()[count..].to_vec()
}

fn kept() -> MutexGuard<'static, Vec<Line>> {
    COLLECTOR.0.lock().unwrap_or_else(PoisonError::into_inner)
}
