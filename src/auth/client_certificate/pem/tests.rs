//! Keys and certificates in every form that people have, whole and damaged.

use proptest::prelude::*;

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/fixtures/certificates/", $name)).as_slice()
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
    let request = b"-----BEGIN CERTIFICATE REQUEST-----\n?\n-----END CERTIFICATE REQUEST-----\n";
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
