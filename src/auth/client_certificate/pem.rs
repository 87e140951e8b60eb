//! A private key and its certificate out of a PEM text. Of what is in it nothing is ever shown.

mod der;

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

#[cfg(test)]
mod tests;
