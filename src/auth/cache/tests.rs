//! The cache against a clock that stands still and a credential that does as it is told.

use super::*;
use crate::call::rig::Rig;
use crate::http::memory::{Script, Step};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rig() -> Rig {
    Rig::new(Script::new([] as [Step; 0]))
}

fn ask(rig: &Rig) -> Result<String, Error> {
    let token = rig
        .shared
        .tokens
        .bearer(&rig.token_request(), Deadline::after(None, &rig.clock))?;
    Ok(token.expose().to_owned())
}

#[test]
fn a_token_without_an_expiry_is_used_until_it_is_refused() {
    let rig = rig();
    assert_eq!(ask(&rig).unwrap(), "token-1");
    rig.clock.advance(secs(1_000_000_000));
    assert_eq!(ask(&rig).unwrap(), "token-1");
    rig.shared.tokens.refuse(&Secret::from("another"));
    assert_eq!(ask(&rig).unwrap(), "token-1");
    rig.shared.tokens.refuse(&Secret::from("token-1"));
    assert_eq!(ask(&rig).unwrap(), "token-2");
    assert_eq!(rig.tokens.asked(), 2);
}
