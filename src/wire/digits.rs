//! The pieces of dates and durations: each takes its piece off the front of the text.

/// A number of exactly `count` digits.
pub(super) fn digits<T: TryFrom<u32>>(text: &mut &[u8], count: usize) -> Option<T> {
    let (digits, rest) = text.split_at_checked(count)?;
    let mut value = 0_u32;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value = value.checked_mul(10)?.checked_add(u32::from(digit))?;
    }
    *text = rest;
    T::try_from(value).ok()
}

/// One of these bytes.
pub(super) fn byte(text: &mut &[u8], wanted: &[u8]) -> Option<()> {
    let (first, rest) = text.split_first()?;
    if !wanted.contains(first) {
        return None;
    }
    *text = rest;
    Some(())
}

/// The fraction of a second in nanoseconds, 0 if there is none.
pub(super) fn fraction(text: &mut &[u8]) -> Option<u32> {
    if byte(text, b".").is_none() {
        return Some(0);
    }
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let missing = u32::try_from(9_usize.checked_sub(count)?).ok()?;
    digits::<u32>(text, count)?.checked_mul(10_u32.checked_pow(missing)?)
}
