//! What machines cost in memory, through the public API. A binary of its own, since counting
//! replaces the allocator of the whole program.
//!
//! Counted are the allocations of the thread that walks the list, as requested: a buffer that grows
//! counts again with its new size. The fake tenant compresses and sends in threads of its own, whose
//! allocations don't count.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

#[path = "it/support/raw.rs"]
mod raw;

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use defender_endpoint::machines::Machine;
use defender_endpoint::testing::{FakeClock, Fault, Tenant};
use defender_endpoint::{Client, ErrorKind, Items, RetryPolicy, StaticToken};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use raw::{Answer, RawServer, bomb, cloud, gzip};

/// A machine with every documented key, three tags and two network addresses.
fn machine(number: u64) -> Value {
    // Spread over 64 bits, so that a page compresses no better than a real one.
    let noise = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let [.., a, b, c] = noise.to_be_bytes();
    let address = format!("10.{a}.{b}.{c}");
    let minute = number % 60;
    json!({
        "id": format!("{noise:016x}{:024x}", noise.rotate_left(17)),
        "mergedIntoMachineId": null,
        "isPotentialDuplication": false,
        "isExcluded": false,
        "exclusionReason": null,
        "computerDnsName": format!("ws-{number:05}.corp.contoso.com"),
        "firstSeen": format!("2024-11-05T08:{minute:02}:44.{:07}Z", noise % 10_000_000),
        "lastSeen": format!("2025-03-18T22:{minute:02}:09.{:07}Z", noise % 9_999_991),
        "osPlatform": "Windows11",
        "osVersion": null,
        "osProcessor": "x64",
        "version": "23H2",
        "lastIpAddress": address,
        "lastExternalIpAddress": format!("203.0.113.{c}"),
        "agentVersion": "10.8790.19045.5608",
        "osBuild": 22_631,
        "healthStatus": "Active",
        "deviceValue": "Normal",
        "rbacGroupId": number % 40,
        "rbacGroupName": format!("Group {}", number % 40),
        "riskScore": "Medium",
        "exposureLevel": "Low",
        "isAadJoined": true,
        "aadDeviceId": format!("{:08x}-4a59-4687-9c8d-{:012x}", noise >> 32, noise >> 16),
        "machineTags": ["workstation", format!("site-{}", number % 17), "ring-2"],
        "defenderAvStatus": "Updated",
        "onboardingStatus": "Onboarded",
        "osArchitecture": "64-bit",
        "managedBy": "Intune",
        "managedByStatus": "Success",
        "ipAddresses": [
            {
                "ipAddress": address,
                "macAddress": format!("00155D{a:02X}{b:02X}{c:02X}"),
                "type": "Ethernet",
                "operationalStatus": "Up",
            },
            {
                "ipAddress": "127.0.0.1",
                "macAddress": null,
                "type": "SoftwareLoopback",
                "operationalStatus": "Up",
            },
        ],
        "vmMetadata": null,
    })
}

/// A tenant with so many machines, and a client that has its token and a connection already.
fn tenant(machines: u64, page_size: usize) -> (Tenant, Client) {
    let tenant = Tenant::builder()
        .machines((0..machines).map(machine))
        .page_size(page_size)
        .start()
        .unwrap();
    let client = tenant.client().unwrap();
    client.scan_agents().unwrap();
    (tenant, client)
}

/// What a page of so many machines takes: to be fetched, up to its first row, and to have the others
/// decoded.
fn page_of(machines: u64) -> (AllocationInfo, AllocationInfo) {
    let (_tenant, client) = tenant(machines, 10_000);
    let mut rows = client.machines().into_iter();
    let mut first = None;
    let fetching = measure(|| first = rows.next());
    first.unwrap().unwrap();
    let decoding = measure(|| read(&mut rows, usize::MAX));
    assert_eq!(rows.offset(), machines);
    (fetching, decoding)
}

/// Takes so many rows, if there are as many, and drops them one by one.
fn read(rows: &mut Items<Machine>, most: usize) {
    for row in rows.take(most) {
        black_box(row.unwrap());
    }
}

/// From a page of 1,000 machines to one of 3,000: what one machine more costs, without what every
/// page costs.
fn each<T: Into<i128>>(small: T, large: T) -> f64 {
    f64::from(i32::try_from(large.into() - small.into()).unwrap()) / 2_000.0
}

#[test]
fn a_machine_costs_what_its_own_fields_hold() {
    let plain: usize = (0..1_000).map(|n| machine(n).to_string().len()).sum();
    assert!((1_000_000..1_200_000).contains(&plain), "{plain}");
    let (small_body, small) = page_of(1_000);
    let (large_body, large) = page_of(3_000);

    // Of the bytes, 240 are for the two addresses. Of the allocations, 21 are the fields' own; the
    // rest are for rows that the window cut, parsed twice.
    let bytes = each(small.bytes_total, large.bytes_total);
    let allocations = each(small.count_total, large.count_total);
    println!("decoding: {bytes} bytes and {allocations} allocations a machine");
    assert!(bytes <= 660.0, "{bytes} bytes a machine");
    assert!(allocations <= 21.5, "{allocations} allocations a machine");

    // The body, as it came off the wire. Nothing is outgrown: its pieces stay where they are.
    let held = each(small_body.bytes_current, large_body.bytes_current);
    let bytes = each(small_body.bytes_total, large_body.bytes_total);
    println!("the body: {held} bytes a machine held, {bytes} in all");
    assert!(held <= 300.0, "{held} bytes, of 1,100 in plain text");
    assert!(bytes <= 300.0, "{bytes} bytes a machine");
}

#[test]
fn a_walk_that_failed_holds_no_page() {
    let (tenant, client) = tenant(4_000, 2_000);
    tenant.fail(Fault::status(403).path("/api/machines").on_call(2));
    let mut rows = client.machines().into_iter();
    let held = measure(|| {
        read(&mut rows, 2_000);
        assert!(rows.next().unwrap().is_err());
    });
    assert!(held.bytes_current <= 16_384, "{held:?}");
}

#[test]
fn a_walk_holds_one_page_and_a_window() {
    let (_tenant, client) = tenant(8_000, 2_000);
    let mut rows = client.machines().into_iter();
    let first = measure(|| read(&mut rows, 2_000));
    println!("the first page: {} bytes at most", first.bytes_max);
    assert!(first.bytes_max <= 2_000 * 550, "{first:?}");
    // What the first page needed beyond what it ended with, and some kilobytes.
    let peak = i128::from(first.bytes_max) - i128::from(first.bytes_current) + 8_192;
    let mut held = first.bytes_current;
    for page in 2..=4 {
        let next = measure(|| read(&mut rows, 2_000));
        println!("page {page}: {} bytes more", next.bytes_current);
        // A walk remembers its links, and the limiter its calls; and what the transport gives back
        // in a thread of its own, which looks names up, doesn't count as given back.
        assert!(next.bytes_current <= 4_096, "page {page} keeps {next:?}");
        assert!(i128::from(next.bytes_max) <= peak, "page {page}: {next:?}");
        // Its body lies in the pieces of the page before, of which there are some.
        let spared = first.bytes_total.saturating_sub(next.bytes_total);
        assert!(spared >= 3 * 64 * 1024, "page {page} spares {spared} bytes");
        held += next.bytes_current;
    }
    held += measure(|| assert!(rows.next().is_none())).bytes_current;
    assert!(held <= 8_192, "the last page is still held: {held} bytes");
}

/// F11: a body of some kilobytes that inflates to hundreds of megabytes costs the limit in time and
/// next to nothing in memory: its own size, a window, and the row at hand.
#[test]
fn a_bomb_costs_no_more_memory_than_a_page() {
    let row = format!(r#"{{"id":"{}"}},"#, "x".repeat(1_000));
    for (of, rows) in [(row.as_str(), 10_000), (" ", 0)] {
        let bomb = bomb(r#"{"value":["#, 300, of);
        let size = u64::try_from(bomb.len()).unwrap();
        let server = RawServer::sending(Answer::gzipped(bomb));
        let client = Client::builder(StaticToken::new("a-token").unwrap())
            .cloud(cloud(server.url()))
            .no_proxy()
            .retry_policy(RetryPolicy::none())
            .body_limit(32 << 20)
            .build()
            .unwrap();
        let mut items = client.machines().deserialize::<IgnoredAny>().into_iter();
        let mut kind = None;
        let cost = measure(|| {
            for row in items.by_ref() {
                kind = row.err().map(|error| error.kind());
            }
        });
        assert_eq!(kind, Some(ErrorKind::TooLarge));
        assert!(items.offset() >= rows, "{} rows", items.offset());
        println!("32 MiB out of {size} bytes: {} at most", cost.bytes_max);
        assert!(cost.bytes_max <= size + 1_000_000, "{cost:?}");
    }
}

/// A body of any make and of up to some megabytes: a beginning, pieces over and over, and an end.
/// Half of them are pages with one huge row; compressed or not, damaged or not.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let huge = select(vec![
        (r#"{"value":[{"id":"a","ipAddresses":[{}"#, ",{}", "]}]}"),
        (
            r#"{"value":[{"id":"a","machineTags":["x""#,
            r#","x""#,
            "]}]}",
        ),
        (r#"{"value":[{"id":"a","new":[[]"#, ",[]", "]}]}"),
        (r#"{"value":[{"id":"a","computerDnsName":""#, "é", r#""}]}"#),
        (r#"{"id":"a","new":[0"#, ",0", "]}"),
    ]);
    let huge = (huge, 1..1_000_000_usize).prop_map(|((head, piece, tail), times)| {
        [head, &piece.repeat(times), tail].concat().into_bytes()
    });
    let head = select(vec![
        "",
        "{\"value\":[",
        "{\"new\":",
        "{\"id\":\"a\",\"x\":",
    ]);
    let known = select(vec![
        r#"{"id":"a"},"#,
        r#"{"id":"#,
        "[",
        "[[],[]],",
        "\"",
        "\\u0041",
        "0,",
        " ",
        "x",
    ]);
    let piece = prop_oneof![
        known.prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 1..40),
    ];
    let pieces = prop::collection::vec((piece, 1..20_000_usize), 0..4);
    let odd = (head, pieces, select(vec!["", "]}", "\"}"]));
    let odd = odd.prop_map(|(head, pieces, tail)| {
        let pieces = pieces.iter().map(|(piece, times)| piece.repeat(*times));
        let mut body = head.as_bytes().to_vec();
        pieces.for_each(|piece| body.extend(piece));
        body.extend(tail.as_bytes());
        body
    });
    let harm = prop::option::of((any::<Index>(), any::<u8>()));
    let body = prop_oneof![huge, odd];
    (body, any::<bool>(), harm).prop_map(|(body, packed, harm)| {
        let mut body = if packed { gzip(body) } else { body };
        if let (Some((at, byte)), false) = (harm, body.is_empty()) {
            let at = at.index(body.len());
            body[at] ^= byte;
        }
        body
    })
}

/// The limit of a body's inflated size.
const LIMIT: u64 = 32 * 1024;
/// Two letters of text can become an object of more than a hundred bytes, in a list that grows.
const MOST: u64 = 256 * LIMIT;

/// Whatever a page, an entity or an error is, it takes no more memory than its limit allows, and next
/// to none when the walk is over.
#[test]
fn any_body_takes_bounded_memory() {
    let answer = Arc::new(Mutex::new(Answer::nothing()));
    let of_server = Arc::clone(&answer);
    let server = RawServer::new(move |_| of_server.lock().unwrap().clone());
    let client = Client::builder(StaticToken::new("a-token").unwrap())
        .cloud(cloud(server.url()))
        .clock(FakeClock::new())
        .no_proxy()
        .max_wait(Duration::MAX)
        .body_limit(LIMIT)
        .build()
        .unwrap();
    let mut runner = TestRunner::new(Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    });
    let status = select(vec![200, 200, 200, 400]);
    let outcome = runner.run(&(any_body(), status), |(body, status)| {
        *answer.lock().unwrap() = Answer::new(status, &[], &body);
        let walk = || {
            let mut rows = client.machines().into_iter();
            rows.by_ref().for_each(|row| drop(black_box(row)));
        };
        let agent = || drop(black_box(client.scan_agent("a")));
        for (used, what) in [(measure(walk), "page"), (measure(agent), "agent")] {
            let told = format!("a {what} of {} bytes on the wire: {used:?}", body.len());
            prop_assert!(used.bytes_max <= MOST, "{}", told);
            // The connection has buffers and stays.
            prop_assert!(used.bytes_current <= 320 * 1024, "{}", told);
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
