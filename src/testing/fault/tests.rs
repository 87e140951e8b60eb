//! Which calls a fault strikes.

use super::*;

/// The statuses with which calls of these paths are struck, 0 for none.
fn struck(faults: &[Fault], paths: &[&str]) -> Vec<u16> {
    let mut faults = faults.to_vec();
    let status = |effect| match effect {
        Some(Effect::Answer(answer)) => answer.status,
        Some(Effect::Deliver(_)) => 1,
        None => 0,
    };
    paths
        .iter()
        .map(|path| status(strike(&mut faults, "GET", path)))
        .collect()
}

const API: &str = "/api/machines";
const TOKEN: &str = "/t/oauth2/v2.0/token";

#[test]
fn without_selectors_the_next_api_call_is_struck_once() {
    assert_eq!(
        struck(&[Fault::status(503)], &[TOKEN, API, API]),
        [0, 503, 0]
    );
}

#[test]
fn a_path_chooses_and_on_call_counts_only_matching_calls() {
    let fault = Fault::status(503).path("oauth2").on_call(2);
    assert_eq!(
        struck(&[fault], &[TOKEN, API, TOKEN, TOKEN]),
        [0, 0, 503, 0]
    );
    assert_eq!(
        struck(&[Fault::disconnect().on_call(0)], &[API, API]),
        [1, 0]
    );
}

#[test]
fn a_method_chooses_and_on_call_counts_only_its_calls() {
    let mut faults = vec![
        Fault::status(503)
            .method("POST")
            .path("machines")
            .on_call(2),
    ];
    let mut strikes = |method, path| strike(&mut faults, method, path).is_some();
    assert!(!strikes("POST", API) && !strikes("GET", API) && !strikes("POST", TOKEN));
    assert!(!strikes("PATCH", API) && strikes("POST", API) && !strikes("POST", API));
}

#[test]
fn times_are_calls_in_a_row_and_always_does_not_end() {
    let paths = [API; 5];
    let fault = Fault::status(500).on_call(2).times(3);
    assert_eq!(struck(&[fault], &paths), [0, 500, 500, 500, 0]);
    assert_eq!(struck(&[Fault::status(500).always()], &paths), [500; 5]);
    assert_eq!(struck(&[Fault::status(500).times(0)], &paths), [0; 5]);
}

#[test]
fn faults_for_the_same_call_strike_in_their_order() {
    let faults = [
        Fault::status(500),
        Fault::status(502),
        Fault::status(504).on_call(4),
    ];
    assert_eq!(struck(&faults, &[API; 5]), [500, 502, 0, 504, 0]);
}

#[test]
fn a_status_that_is_no_final_answer_becomes_500() {
    for status in [0, 100, 199, 600, u16::MAX] {
        assert_eq!(struck(&[Fault::status(status)], &[API]), [500]);
    }
}

#[test]
fn a_wait_is_rounded_up_to_whole_seconds() {
    let Effect::Answer(answer) = Fault::throttled(Duration::from_millis(7_001)).effect else {
        panic!("not an answer");
    };
    assert_eq!(answer.headers, [("Retry-After".to_owned(), "8".to_owned())]);
    assert!(answer.message.unwrap().ends_with("again in 8 seconds."));
    assert_eq!(whole_seconds(Duration::MAX), u64::MAX);
}
