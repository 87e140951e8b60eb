//! The retry table, cell by cell.

use proptest::prelude::*;
use time::Duration as Span;
use time::format_description::well_known::Rfc3339;

use super::*;
use crate::error::ErrorKind;
use crate::secret::Secret;

const LONG: Duration = LONGEST_PAUSE;

fn none() -> Secret {
    Secret::from("")
}

fn policy() -> RetryPolicy {
    RetryPolicy::default()
}

/// The wait after each try until the last, with the least and the greatest chance.
fn waits(error: &Error) -> Vec<(u64, u64)> {
    let mut waits = Vec::new();
    // Further than any policy here goes, so that retries without an end fail.
    for attempt in 1..=10 {
        let wait = |chance| match next(policy(), attempt, error, chance, LONG) {
            Decision::After(wait) => Some(u64::try_from(wait.as_millis()).unwrap()),
            Decision::Stop => None,
        };
        match (wait(0.0), wait(1.0)) {
            (Some(least), Some(most)) => waits.push((least, most)),
            (None, None) => return waits,
            other => panic!("chance decides whether there is a retry: {other:?}"),
        }
    }
    panic!("retries have no end: {waits:?}")
}

const GROWING: [(u64, u64); 3] = [(400, 800), (800, 1_600), (1_600, 3_200)];

#[test]
fn statuses_that_may_pass_are_tried_again_and_no_others() {
    for status in 100..=599 {
        let expected: &[(u64, u64)] = match status {
            204 => &GROWING[..1],
            408 | 429 | 500 | 502 | 503 | 504 => &GROWING,
            _ => &[],
        };
        assert_eq!(
            waits(&Error::from_status(status, b"", &[&none()])),
            expected,
            "{status}"
        );
    }
}

#[test]
fn token_endpoints_are_tried_again_by_the_same_table() {
    for status in 201..=599 {
        let expected: &[(u64, u64)] = match status {
            204 => &GROWING[..1],
            408 | 429 | 500 | 502 | 503 | 504 => &GROWING,
            _ => &[],
        };
        assert_eq!(
            waits(&Error::from_token_status(status, b"", &none())),
            expected,
            "{status}"
        );
    }
}

#[test]
fn each_kind_of_retry_has_its_waits() {
    let failed = |retry| Error::new(ErrorKind::Transport, "x").with_retry(retry);
    assert_eq!(waits(&failed(Retry::Never)), []);
    assert_eq!(waits(&failed(Retry::BackOff)), GROWING);
    assert_eq!(
        waits(&failed(Retry::AtOnce)),
        [(0, 0), GROWING[1], GROWING[2]]
    );
    assert_eq!(waits(&failed(Retry::Once)), GROWING[..1]);
}

#[test]
fn without_retries_nothing_is_tried_again() {
    for retry in [Retry::AtOnce, Retry::BackOff, Retry::Once] {
        let error = Error::new(ErrorKind::Transport, "x").with_retry(retry);
        assert_eq!(
            next(RetryPolicy::none(), 1, &error, 0.5, LONG),
            Decision::Stop
        );
    }
}

#[test]
fn a_policy_is_off_when_it_has_no_retries_and_only_then() {
    assert!(RetryPolicy::none().is_off());
    assert!(policy().retries(0).is_off());
    assert!(!policy().is_off());
    assert!(!policy().retries(1).is_off());
}

#[test]
fn a_delay_of_zero_is_refused_and_the_shortest_is_not() {
    let zero = Duration::ZERO;
    for refused in [
        policy().base_delay(zero),
        policy().max_delay(zero),
        policy().base_delay(zero).max_delay(zero),
    ] {
        let error = refused.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{refused:?}");
    }
    let shortest = Duration::from_nanos(1);
    for taken in [
        policy(),
        RetryPolicy::none(),
        policy().base_delay(shortest).max_delay(shortest),
    ] {
        assert!(taken.check().is_ok(), "{taken:?}");
    }
}

#[test]
fn the_doubling_stops_at_the_most_and_never_overflows() {
    let busy = Error::from_status(503, b"", &[&none()]);
    let patient = policy().retries(u32::MAX);
    for attempt in [8, 31, 32, 33, 1_000, u32::MAX - 1] {
        assert_eq!(
            next(patient, attempt, &busy, 1.0, LONG),
            Decision::After(Duration::from_secs(60)),
            "{attempt}"
        );
    }
    let endless = patient.base_delay(Duration::MAX).max_delay(Duration::MAX);
    assert_eq!(next(endless, 5, &busy, 1.0, Duration::MAX), Decision::Stop);
}

#[test]
fn the_longer_of_back_off_and_the_services_word_counts() {
    let asked = |seconds| {
        Error::from_status(429, b"", &[&none()])
            .with_retry_after(Some(Duration::from_secs(seconds)))
    };
    let after = |seconds| next(policy(), 1, &asked(seconds), 1.0, LONG);
    assert_eq!(after(0), Decision::After(Duration::from_millis(800)));
    assert_eq!(after(7), Decision::After(Duration::from_secs(7)));
    assert_eq!(
        after(300),
        Decision::After(Duration::from_secs(300)),
        "beyond max_delay"
    );
}

#[test]
fn what_would_take_too_long_is_not_waited_for() {
    let busy = Error::from_status(503, b"", &[&none()]);
    let room = Duration::from_millis(800);
    assert_eq!(
        next(policy(), 1, &busy, 1.0, room),
        Decision::After(room),
        "just fits"
    );
    let less = Duration::from_nanos(799_999_999);
    assert_eq!(next(policy(), 1, &busy, 1.0, less), Decision::Stop);
    let asked = busy.with_retry_after(Some(Duration::from_secs(u64::MAX)));
    assert_eq!(next(policy(), 1, &asked, 1.0, LONG), Decision::Stop);
}

#[test]
fn an_hour_is_waited_for_and_no_longer_however_much_room_there_is() {
    let after = |asked| {
        let busy = Error::from_status(503, b"", &[&none()]).with_retry_after(Some(asked));
        next(policy(), 1, &busy, 1.0, Duration::MAX)
    };
    assert_eq!(after(LONG), Decision::After(LONG));
    let more = LONG + Duration::from_nanos(1);
    assert_eq!(after(more), Decision::Stop);
}

fn now() -> OffsetDateTime {
    OffsetDateTime::parse("2026-11-22T10:00:00Z", &Rfc3339).unwrap()
}

#[test]
fn retry_after_is_read_as_seconds_or_as_a_date() {
    let seconds = |text| asked_wait(Some(text), None, now()).map(|wait| wait.as_secs());
    for (text, expected) in [
        ("0", Some(0)),
        ("8", Some(8)),
        (" 8 ", Some(8)),
        ("1000000000", Some(1_000_000_000)),
        ("99999999999999999999999", Some(u64::MAX)),
        ("Sun, 22 Nov 2026 10:00:30 GMT", Some(30)),
        ("Sun, 22 Nov 2026 09:59:00 GMT", Some(0)),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("1e9", None),
        ("abc", None),
        ("", None),
        ("Sun, 22 Nov 2026", None),
    ] {
        assert_eq!(seconds(text), expected, "{text:?}");
    }
    assert_eq!(asked_wait(None, None, now()), None);
}

#[test]
fn a_date_is_relative_to_the_services_own() {
    // The clock here is an hour slow.
    let date = Some("Sun, 22 Nov 2026 11:00:00 GMT");
    let wait = asked_wait(Some("Sun, 22 Nov 2026 11:00:20 GMT"), date, now());
    assert_eq!(wait, Some(Duration::from_secs(20)));
    let garbage = Some("yesterday");
    let wait = asked_wait(Some("Sun, 22 Nov 2026 10:00:20 GMT"), garbage, now());
    assert_eq!(wait, Some(Duration::from_secs(20)));
}

#[test]
fn the_wait_in_a_message_is_found() {
    let text = "API calls quota exceeded! Maximum allowed 30 per 00:01:00 for the key \
                Destination+TenantID+AppID. You can send requests again in 8 seconds.";
    assert_eq!(wait_in_words(text), Some(Duration::from_secs(8)));
    assert_eq!(
        wait_in_words("again in 1 second"),
        Some(Duration::from_secs(1))
    );
    for text in [
        "",
        "again in ",
        "again in a moment",
        "again in 8 minutes",
        "again in seconds",
    ] {
        assert_eq!(wait_in_words(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_header_and_no_message_makes_a_panic(
        header in ".{0,40}",
        date in proptest::option::of(".{0,40}"),
        message in "(again in )?[0-9]{0,30} ?(seconds)?.{0,5}",
    ) {
        let _ = asked_wait(Some(&header), date.as_deref(), now());
        let _ = wait_in_words(&message);
    }

    #[test]
    fn any_two_dates_give_a_wait(until in -4_000_000_000_i64..4_000_000_000, sent in -4_000_000_000_i64..4_000_000_000) {
        let at = |seconds| {
            let date = OffsetDateTime::UNIX_EPOCH + Span::seconds(seconds);
            date.format(&Rfc2822).unwrap()
        };
        // RFC 2822 knows no year before 1900.
        prop_assume!(until > -2_000_000_000 && sent > -2_000_000_000);
        let wait = asked_wait(Some(&at(until)), Some(&at(sent)), now()).unwrap();
        prop_assert_eq!(wait.as_secs(), u64::try_from(until - sent).unwrap_or(0));
    }

    #[test]
    fn a_wait_is_never_longer_than_there_is_room(
        attempt in 1..100_u32,
        chance in -1.0..2.0_f64,
        room in 0..200_000_u64,
        asked in proptest::option::of(any::<u64>()),
    ) {
        let room = Duration::from_millis(room);
        let error = Error::from_status(503, b"", &[&none()])
            .with_retry_after(asked.map(Duration::from_secs));
        if let Decision::After(wait) = next(policy().retries(99), attempt, &error, chance, room) {
            prop_assert!(wait <= room && wait >= Duration::from_millis(400));
        }
    }
}
