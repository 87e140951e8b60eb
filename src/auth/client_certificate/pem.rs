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
mod tests {
    use proptest::prelude::*;

    use super::*;

    macro_rules! fixture {
        ($name:literal) => {
            include_bytes!(concat!("../../../tests/fixtures/certificates/", $name)).as_slice()
        };
    }

    const KEY: &[u8] = fixture!("rsa-2048.key");
    const CERTIFICATE: &[u8] = fixture!("rsa-2048.crt");

    fn thumbprint(parts: &[&[u8]]) -> String {
        let (_, thumbprint) = read(&parts.concat()).unwrap();
        let hex = thumbprint.as_ref().iter().map(|byte| format!("{byte:02X}"));
        hex.collect()
    }

    fn refused(parts: &[&[u8]]) -> (String, &'static str) {
        let problem = read(&parts.concat()).unwrap_err();
        (problem.text, problem.hint.unwrap_or_default())
    }

    /// As OpenSSL prints it.
    const THUMBPRINT: &str = "84DD480889BB04F7E3C604FE13A420FBE63D2BF27678F5A2D919F1C1BF981B9C";

    #[test]
    fn the_thumbprint_is_the_one_that_openssl_prints() {
        assert_eq!(thumbprint(&[CERTIFICATE, KEY]), THUMBPRINT);
    }

    #[test]
    fn key_and_certificate_are_found_in_any_order_and_among_other_things() {
        let pkcs1 = fixture!("rsa-2048-pkcs1.key");
        let chain = fixture!("chain.crt");
        let request =
            b"-----BEGIN CERTIFICATE REQUEST-----\n?\n-----END CERTIFICATE REQUEST-----\n";
        let names = "\u{FEFF}Bag Attributes\n  friendlyName: M\u{fc}ller -----\n".as_bytes();
        for parts in [
            &[KEY, CERTIFICATE] as &[&[u8]],
            &[pkcs1, CERTIFICATE],
            &[CERTIFICATE, pkcs1],
            &[chain, KEY, CERTIFICATE],
            &[
                names,
                request,
                CERTIFICATE,
                b"\n\n",
                names,
                KEY,
                b"\n",
                names,
            ],
            &[fixture!("rsa-2048-from-pfx.pem")],
        ] {
            assert_eq!(thumbprint(parts), THUMBPRINT);
        }
    }

    #[test]
    fn of_a_chain_the_certificate_counts_whose_key_it_is() {
        let (key, chain) = (fixture!("chain.key"), fixture!("chain.crt"));
        let text = std::str::from_utf8(chain).unwrap();
        let mut certificates: Vec<&str> = text
            .split_inclusive("-----END CERTIFICATE-----\n")
            .collect();
        certificates.reverse();
        let reversed = certificates.concat();
        for parts in [
            [chain, key],
            [key, chain],
            [key, reversed.as_bytes()],
            [reversed.as_bytes(), key],
        ] {
            assert_eq!(
                thumbprint(&parts),
                "FFCD8C9744D022FBD862D63E2B7878AA02283FD6F3FDB9797775E1A27FF86C3E"
            );
        }
    }

    #[test]
    fn lines_may_end_in_any_way() {
        let pem = [KEY, CERTIFICATE].concat();
        let text = std::str::from_utf8(&pem).unwrap();
        for end in ["\r\n", "\r", " ", "\n\n", "  \n\t"] {
            assert_eq!(
                thumbprint(&[text.replace('\n', end).as_bytes()]),
                THUMBPRINT,
                "{end:?}"
            );
        }
    }

    #[test]
    fn keys_of_each_length_that_can_sign_are_taken() {
        thumbprint(&[fixture!("rsa-3072.key"), fixture!("rsa-3072.crt")]);
        thumbprint(&[fixture!("rsa-4096.key"), fixture!("rsa-4096.crt")]);
    }

    #[test]
    fn a_certificate_of_version_1_is_taken() {
        let certificate = fixture!("rsa-2048-version-1.crt");
        assert_eq!(
            thumbprint(&[KEY, certificate]),
            "001D7AAC2403D8C9D6B9818C6511356788AF6AB05CA519D1EB9F21271279C32C"
        );
    }

    #[test]
    fn keys_of_other_lengths_are_refused_with_theirs() {
        for (key, certificate, bits) in [
            (fixture!("rsa-1024.key"), fixture!("rsa-1024.crt"), "1024"),
            (fixture!("rsa-2560.key"), fixture!("rsa-2560.crt"), "2560"),
            (fixture!("rsa-5120.key"), fixture!("rsa-5120.crt"), "5120"),
        ] {
            let (text, hint) = refused(&[key, certificate]);
            assert_eq!(
                text,
                format!("holds an RSA key of {bits} bits, not of 2048, 3072 or 4096")
            );
            assert!(hint.contains("make a key"), "{hint}");
        }
    }

    #[test]
    fn a_key_that_is_whole_and_can_not_be_used_is_not_called_damaged() {
        let (text, hint) = refused(&[fixture!("rsa-2048-exponent-3.key"), CERTIFICATE]);
        assert_eq!(text, "holds an RSA key that can't be used: TooSmall");
        assert!(hint.contains("make a new key"), "{hint}");
    }

    #[test]
    fn keys_of_other_kinds_are_refused_as_such() {
        for (key, certificate) in [
            (fixture!("ec-p256.key"), fixture!("ec-p256.crt")),
            (fixture!("ec-p256-sec1.key"), fixture!("ec-p256.crt")),
            (fixture!("ed25519.key"), fixture!("ed25519.crt")),
            (fixture!("rsa-pss.key"), fixture!("rsa-pss.crt")),
        ] {
            let (text, hint) = refused(&[key, certificate]);
            assert!(text.contains("no RSA key"), "{text}");
            assert!(hint.contains("takes RSA keys"), "{hint}");
        }
    }

    #[test]
    fn an_encrypted_key_is_refused_with_the_command_that_decrypts_it() {
        for key in [
            fixture!("rsa-2048-encrypted.key"),
            fixture!("rsa-2048-encrypted-pkcs1.key"),
        ] {
            let (text, hint) = refused(&[key, CERTIFICATE]);
            assert_eq!(text, "holds a private key that is encrypted");
            assert!(hint.contains("openssl pkey -in"), "{hint}");
        }
    }

    #[test]
    fn what_is_no_pem_is_refused_with_the_command_that_makes_it_pem() {
        let utf16: Vec<u8> = [0xFF, 0xFE]
            .into_iter()
            .chain(CERTIFICATE.iter().flat_map(|byte| [*byte, 0]))
            .collect();
        for (text, file, hint) in [
            ("PKCS#12", fixture!("rsa-2048.pfx"), "openssl pkcs12 -in"),
            (
                "PKCS#12",
                b"\x30\x80\x02\x01\x03\x30\x80",
                "openssl pkcs12 -in",
            ),
            (
                "certificate in DER",
                fixture!("rsa-2048.crt.der"),
                "openssl x509 -inform der",
            ),
            (
                "private key in DER",
                fixture!("rsa-2048.key.der"),
                "openssl pkey -inform der",
            ),
            ("not text in UTF-8", &utf16, "UTF-16"),
            ("not text in UTF-8", b"\x30\xFF", "UTF-16"),
            ("is empty", b"", ""),
            ("is empty", b" \r\n", ""),
            ("is not PEM", b"/etc/certificate.pem", ""),
            ("is not PEM", b"0", ""),
        ] {
            let (found, command) = refused(&[file]);
            assert!(found.contains(text), "{found}");
            assert!(command.contains(hint), "{command}");
        }
    }

    #[test]
    fn what_lacks_a_part_is_refused() {
        let other = fixture!("rsa-3072.crt");
        let elliptic = fixture!("ec-p256.crt");
        for (text, parts) in [
            ("holds no private key", &[CERTIFICATE] as &[&[u8]]),
            ("holds no certificate", &[KEY]),
            ("holds more than one private key", &[KEY, CERTIFICATE, KEY]),
            (
                "holds a private key that belongs to none of its certificates",
                &[KEY, other, elliptic],
            ),
        ] {
            assert_eq!(refused(parts).0, text);
        }
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let pem = [KEY, CERTIFICATE].concat();
        let text = std::str::from_utf8(&pem).unwrap();
        let label = "-----END PRIVATE KEY-----";
        let cut = &text[..text.len() - 30];
        for (damage, text) in [
            ("has no END", cut.to_owned()),
            ("has no END", text.replace(label, "")),
            (
                "not that of its BEGIN",
                text.replace(label, "-----END CERTIFICATE-----"),
            ),
            (
                "not that of its BEGIN",
                text.replace(label, "-----END PRIVATE KEY"),
            ),
            ("not base64", text.replace('\n', "\\n")),
            ("not base64", text.replace("MII", "M_I")),
            ("not base64", text.replace(label, &format!("AAA{label}"))),
            (
                "the private key in it is none",
                text.replacen("MII", "AAA", 1),
            ),
            (
                "a certificate in it is none",
                text.replace("MIIDH", "AAADH"),
            ),
        ] {
            let (found, hint) = refused(&[text.as_bytes()]);
            assert!(
                found.starts_with("is damaged: ") && found.contains(damage),
                "{found}: {text}"
            );
            assert!(hint.contains("copy"), "{hint}");
        }
    }

    #[test]
    fn a_certificate_that_goes_on_behind_its_end_is_refused() {
        let mut der = fixture!("rsa-2048.crt.der").to_vec();
        der.extend([0; 3]);
        let certificate = format!(
            "-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----",
            STANDARD.encode(der)
        );
        let (text, _) = refused(&[KEY, certificate.as_bytes()]);
        assert!(text.contains("a certificate in it is none"), "{text}");
    }

    proptest! {
        /// Nothing panics, and what is cut is never taken.
        #[test]
        fn any_change_is_taken_or_refused(at in 0_usize..4_000, byte: u8, length in 0_usize..4) {
            for pem in [
                [KEY, CERTIFICATE].concat(),
                fixture!("rsa-2048.crt.der").to_vec(),
                fixture!("rsa-2048.pfx").to_vec(),
            ] {
                let at = at % (pem.len() - 1);
                prop_assert!(read(&pem[..at]).is_err());
                let mut pem = pem;
                let end = (at + length).min(pem.len());
                pem.splice(at..end, [byte]);
                drop(read(&pem));
            }
        }

        #[test]
        fn any_der_is_read_or_not(der: Vec<u8>, at in 0_usize..900, byte: u8) {
            for key in [false, true] {
                let whole = if key { fixture!("rsa-2048.key.der") } else { fixture!("rsa-2048.crt.der") };
                let mut changed = whole.to_vec();
                changed[at % 100] = byte;
                for der in [&der, &changed, &whole[..at % whole.len()].to_vec()] {
                    let bits = der::pkcs8(der).and_then(|(_, key)| der::modulus_bits(key));
                    prop_assert!(bits.is_none_or(|bits| bits <= 8 * der.len()));
                    prop_assert!(der::public_key(der).is_none_or(|key| key.len() < der.len()));
                    prop_assert!(der::inside(der).is_none_or(|inside| inside.len() < der.len()));
                }
            }
        }
    }
}
