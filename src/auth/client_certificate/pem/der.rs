//! As much of DER (X.690) as it takes to find the parts of a certificate and of a key.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `[0]`, constructed.
const VERSION: u8 = 0xA0;

/// 1.2.840.113549.1.1.1
pub(super) const RSA_ENCRYPTION: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1];

/// The content of the element that the input begins with, and what comes behind it.
fn element(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, input) = length(input.strip_prefix(&[tag])?)?;
    input.split_at_checked(length)
}

fn length(input: &[u8]) -> Option<(usize, &[u8])> {
    let (first, input) = input.split_first()?;
    let (digits, input) = match first {
        0x00..=0x7F => return Some((usize::from(*first), input)),
        0x81..=0x84 => input.split_at_checked(usize::from(first & 0x0F))?,
        _ => return None,
    };
    let length = digits.iter().try_fold(0_usize, |sum, digit| {
        sum.checked_mul(256)?.checked_add(usize::from(*digit))
    });
    Some((length?, input))
}

/// What a sequence begins with, even if its end is missing or, as in a PKCS#12 file, its length
/// may be.
pub(super) fn inside(input: &[u8]) -> Option<&[u8]> {
    let input = input.strip_prefix(&[SEQUENCE])?;
    match input.strip_prefix(&[0x80]) {
        Some(inside) => Some(inside),
        None => length(input).map(|(_, inside)| inside),
    }
}

/// The public key of a certificate (RFC 5280), without the name of its algorithm.
pub(super) fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, behind) = element(SEQUENCE, certificate)?;
    if !behind.is_empty() {
        return None;
    }
    let (fields, _) = element(SEQUENCE, certificate)?;
    // Certificates of version 1 don't say so.
    let fields = element(VERSION, fields).map_or(fields, |(_, behind)| behind);
    // Serial number, signature algorithm, issuer, validity, subject.
    let before = [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE];
    let fields = before
        .iter()
        .try_fold(fields, |fields, tag| Some(element(*tag, fields)?.1))?;
    let (public_key, _) = element(SEQUENCE, fields)?;
    let (_, public_key) = element(SEQUENCE, public_key)?;
    let (public_key, _) = element(BIT_STRING, public_key)?;
    public_key.strip_prefix(&[0])
}

/// Algorithm and key of a private key in PKCS#8 (RFC 5958).
pub(super) fn pkcs8(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (key, _) = element(SEQUENCE, key)?;
    let (_version, key) = element(INTEGER, key)?;
    let (algorithm, key) = element(SEQUENCE, key)?;
    let (algorithm, _) = element(OBJECT_ID, algorithm)?;
    let (key, _) = element(OCTET_STRING, key)?;
    Some((algorithm, key))
}

/// The length of a private key in PKCS#1 (RFC 8017).
pub(super) fn modulus_bits(key: &[u8]) -> Option<usize> {
    let (key, _) = element(SEQUENCE, key)?;
    let (_version, key) = element(INTEGER, key)?;
    let (modulus, _) = element(INTEGER, key)?;
    // A zero keeps it from being negative.
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let unused = modulus.first()?.leading_zeros();
    modulus
        .len()
        .checked_mul(8)?
        .checked_sub(usize::try_from(unused).ok()?)
}
