//! What of a walk only the walk itself can see.

use serde_json::Value;

use super::super::listing::PageSizes;
use super::*;
use crate::call::Operation;
use crate::call::rig::Rig;
use crate::http::Method;
use crate::http::memory::{Reply, Script};
use crate::permissions;
use crate::rate_limit::Api;

static THINGS: Operation = Operation {
    method: Method::Get,
    path: "/api/things",
    api: Api::Machines,
    permissions: &permissions::MACHINES,
    writes: None,
};

#[test]
fn room_is_kept_for_the_next_page_and_given_back_at_the_end() {
    let rig = Rig::new(Script::new([Reply::json(r#"{"value":[{},{}]}"#)]));
    let listing = Listing::new(&THINGS, PageSizes::Undocumented);
    let mut walk = Walk::new(Arc::clone(&rig.shared), listing);
    let mut page = walk.fetch().unwrap().unwrap();
    while let Some(row) = walk.take_row::<Value>(&mut page) {
        row.unwrap();
    }
    walk.turn(page.next_link()).unwrap();
    assert!(walk.spares.count() > 0);
    assert!(walk.fetch().unwrap().is_none());
    walk.finish();
    assert_eq!(walk.spares.count(), 0);
}

#[test]
fn the_skip_of_a_link_is_found_under_any_of_its_names() {
    for (query, skip) in [
        ("$skip=5", Some(5)),
        ("a=1&$SKIP=5&b=2", Some(5)),
        ("%24skip=5", Some(5)),
        ("%24%73kip=18446744073709551615", Some(u64::MAX)),
        ("$skip", None),
        ("$skip=", None),
        ("$skip=-1", None),
        ("$skip=18446744073709551616", Some(u64::MAX)),
        ("$skip=%31%30", Some(10)),
        ("skip=5", None),
        ("$skiptoken=5", None),
        ("a=$skip=5", None),
        ("%FF=5", None),
        ("", None),
    ] {
        assert_eq!(skip_of(query), skip, "{query}");
    }
}
