//! Walks against a service in memory: every call, page and row is counted.

use crate::call::rig::Rig;
use crate::http::memory::{Reply, Script};

#[test]
fn a_list_that_ends_on_its_first_page_is_one_call() {
    let page = r#"{"value":[{"id":"a"},{"id":"b"}]}"#;
    let rig = Rig::new(Script::new([Reply::json(page).gzip().chunks(9)]));
    let mut machines = rig.client().machines().into_iter();
    let ids: Vec<String> = machines
        .by_ref()
        .map(|machine| machine.unwrap().id)
        .collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!((machines.offset(), machines.pages_read()), (2, 1));
    let targets: Vec<_> = rig
        .memory
        .requests()
        .into_iter()
        .map(|sent| sent.target)
        .collect();
    assert_eq!(targets, ["/api/machines"]);
}
