//! A private key and its certificate out of a PEM text. Of what is in it nothing is ever shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Digest, SHA256, digest};
use ring::error::KeyRejected;
use ring::signature::{KeyPair as _, RsaKeyPair};
use zeroize::Zeroizing;

use crate::error::Error;

/// Those that can sign here, in bits.
const SIZES: [usize; 3] = [2_048, 3_072, 4_096];

/// Why a text is not taken: goes on where a sentence has named the text.
#[derive(Debug)]
pub(super) struct Problem {
    text: String,
    hint: Option<&'static str>,
}

impl Problem {
    fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            hint: None,
        }
    }

    fn hint(self, hint: &'static str) -> Self {
        Self {
            hint: Some(hint),
            ..self
        }
    }

    /// The error about the text that goes by this name.
    pub(super) fn of(self, name: &str) -> Error {
        let error = Error::config(format!("{name} {}", self.text));
        match self.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

fn damaged(what: &str) -> Problem {
    Problem::new(format!("is damaged: {what}")).hint("copy the whole of it anew, without changes")
}

/// Where the key could be read but not used, a copy of it does no better. Of the key there is nothing
/// in these words.
fn rejected(why: KeyRejected) -> Problem {
    match why.to_string().as_str() {
        "InvalidEncoding" => damaged("the private key in it is none"),
        why => Problem::new(format!("holds an RSA key that can't be used: {why}")).hint(
            "if it was copied whole, make a new key, with the public exponent 65537, and upload its \
             certificate",
        ),
    }
}

fn no_rsa_key() -> Problem {
    Problem::new("holds a private key that is no RSA key in PKCS#8 or PKCS#1")
        .hint("Entra takes RSA keys: make one, and upload its certificate")
}

fn encrypted() -> Problem {
    Problem::new("holds a private key that is encrypted").hint(
        "take the password off with `openssl pkey -in encrypted.pem -out key.pem`, and put the \
         certificate behind the key",
    )
}

/// The private key, and the SHA-256 thumbprint of the certificate that belongs to it.
pub(super) fn read(pem: &[u8]) -> Result<(RsaKeyPair, Digest), Problem> {
    let text = match std::str::from_utf8(pem) {
        Ok(text) if text.contains("-----BEGIN ") => text,
        Ok(_) => return Err(binary(pem).unwrap_or_else(|| no_pem(pem))),
        Err(_) => return Err(binary(pem).unwrap_or_else(no_utf8)),
    };
    let sections = sections(text)?;
    let mut keys = sections
        .iter()
        .filter(|section| section.label.ends_with("PRIVATE KEY"));
    let Some(key) = keys.next() else {
        return Err(Problem::new("holds no private key")
            .hint("the certificate and its private key are put into one text"));
    };
    if keys.next().is_some() {
        return Err(Problem::new("holds more than one private key"));
    }
    let key = private_key(key)?;
    let mut certificates = sections
        .iter()
        .filter(|section| ["CERTIFICATE", "X509 CERTIFICATE"].contains(&section.label))
        .peekable();
    if certificates.peek().is_none() {
        return Err(Problem::new("holds no certificate")
            .hint("the certificate and its private key are put into one text"));
    }
    for certificate in certificates {
        let der = certificate.der()?;
        let public_key = der::public_key(&der);
        let public_key = public_key.ok_or_else(|| damaged("a certificate in it is none"))?;
        if public_key == key.public_key().as_ref() {
            return Ok((key, digest(&SHA256, &der)));
        }
    }
    Err(
        Problem::new("holds a private key that belongs to none of its certificates")
            .hint("put together the certificate and the key that was made for it"),
    )
}

/// What is no PEM, if it is something that people have instead.
fn binary(bytes: &[u8]) -> Option<Problem> {
    const INTEGER_0: [u8; 3] = [2, 1, 0];
    const INTEGER_3: [u8; 3] = [2, 1, 3];
    let inside = der::inside(bytes)?;
    if inside.starts_with(&INTEGER_3) {
        let problem = Problem::new("is a PKCS#12 file (.pfx, .p12), and not PEM");
        Some(problem.hint(
            "turn it into PEM with `openssl pkcs12 -in certificate.pfx -out certificate.pem -nodes`",
        ))
    } else if inside.starts_with(&INTEGER_0) {
        let problem = Problem::new("is a private key in DER, and not PEM");
        Some(problem.hint(
            "turn it into PEM with `openssl pkey -inform der -in key.der -out key.pem`, and put the \
             certificate behind it",
        ))
    } else if der::public_key(bytes).is_some() {
        let problem = Problem::new("is a certificate in DER, and not PEM");
        Some(problem.hint(
            "turn it into PEM with `openssl x509 -inform der -in certificate.der -out \
             certificate.pem`, and put the private key behind it",
        ))
    } else {
        None
    }
}

fn no_pem(text: &[u8]) -> Problem {
    if text.trim_ascii().is_empty() {
        return Problem::new("is empty");
    }
    Problem::new("is not PEM: nothing in it begins with -----BEGIN")
}

fn no_utf8() -> Problem {
    Problem::new("is not text in UTF-8")
        .hint("PEM is ASCII; PowerShell may have written it as UTF-16")
}

/// What stands between a BEGIN and its END.
struct Section<'a> {
    label: &'a str,
    body: &'a str,
}

impl Section<'_> {
    fn der(&self) -> Result<Zeroizing<Vec<u8>>, Problem> {
        // Room for all of it, so that no part of a key is left behind where it was before.
        let mut digits = Zeroizing::new(String::with_capacity(self.body.len()));
        digits.extend(self.body.split_ascii_whitespace());
        let mut der = Zeroizing::new(vec![0; base64::decoded_len_estimate(digits.len())]);
        let length = STANDARD
            .decode_slice(digits.as_bytes(), &mut der)
            .map_err(|_| damaged("something in it is not base64"))?;
        der.truncate(length);
        Ok(der)
    }
}

/// What stands outside of the sections, such as the names that OpenSSL writes, is stepped over. Line
/// breaks that became spaces on their way, as in a variable of the environment, do no harm.
fn sections(text: &str) -> Result<Vec<Section<'_>>, Problem> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, section)) = rest.split_once("-----BEGIN ") {
        let (label, body, end) = section
            .split_once("-----END ")
            .and_then(|(section, end)| {
                let (label, body) = section.split_once("-----")?;
                Some((label, body, end))
            })
            .filter(|(_, body, _)| !body.contains("-----BEGIN "))
            .ok_or_else(|| damaged("a BEGIN in it has no END"))?;
        rest = end
            .strip_prefix(label)
            .and_then(|end| end.strip_prefix("-----"))
            .ok_or_else(|| damaged("an END in it is not that of its BEGIN"))?;
        found.push(Section { label, body });
    }
    Ok(found)
}

fn private_key(section: &Section<'_>) -> Result<RsaKeyPair, Problem> {
    // `Proc-Type: 4,ENCRYPTED` is how the oldest form says it.
    if section.label == "ENCRYPTED PRIVATE KEY" || section.body.contains("4,ENCRYPTED") {
        return Err(encrypted());
    }
    if !["PRIVATE KEY", "RSA PRIVATE KEY"].contains(&section.label) {
        return Err(no_rsa_key());
    }
    let der = section.der()?;
    let broken = || damaged("the private key in it is none");
    let pkcs1 = match section.label {
        "PRIVATE KEY" => match der::pkcs8(&der).ok_or_else(broken)? {
            (der::RSA_ENCRYPTION, key) => key,
            _ => return Err(no_rsa_key()),
        },
        _ => der.as_slice(),
    };
    let bits = der::modulus_bits(pkcs1).ok_or_else(broken)?;
    if !SIZES.contains(&bits) {
        let text = format!("holds an RSA key of {bits} bits, not of 2048, 3072 or 4096");
        return Err(
            Problem::new(text).hint("make a key of such a length, and upload its certificate")
        );
    }
    RsaKeyPair::from_der(pkcs1).map_err(rejected)
}

/// As much of DER (X.690) as it takes to find the parts of a certificate and of a key.
mod der {
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
}

#[cfg(test)]
mod tests;
