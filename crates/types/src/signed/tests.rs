use proptest::prelude::*;

use super::*;

const GROUP: &str = "grp_000102030405060708090a0b0c0d0e0f";

fn example() -> Parameters {
    Parameters {
        created: 1_700_000_000,
        expires: 1_700_000_900,
        nonce: [0xab; 16],
        keyid: [0x01; 32],
        algorithm: Algorithm::Ed25519,
        tag: format!("keymoot/{GROUP}"),
    }
}

/// Composed by hand after RFC 9421, 2.5: a line for each covered component in order, its name quoted, a colon and a
/// space, its value; then `@signature-params` with the parameters as they stand in the header; no line break at the
/// end. `@method` and `@path` are derived components (2.2.1, 2.2.6), `content-digest` is a field (2.1), whose digest
/// here is that of the empty body: e3b0c442….
#[test]
fn the_signature_base_is_composed_as_rfc_9421_says() {
    let digest = content_digest(&[
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
        0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);
    assert_eq!(digest, "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    let expected = concat!(
        "\"@method\": POST\n",
        "\"@path\": /v1/signatures\n",
        "\"content-digest\": sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\n",
        "\"@signature-params\": (\"@method\" \"@path\" \"content-digest\");created=1700000000;expires=1700000900",
        ";nonce=\"abababababababababababababababab\"",
        ";keyid=\"0101010101010101010101010101010101010101010101010101010101010101\"",
        ";alg=\"ed25519\";tag=\"keymoot/grp_000102030405060708090a0b0c0d0e0f\"",
    );
    assert_eq!(base("POST", "/v1/signatures", &digest, &example()).unwrap(), expected);
}

#[test]
fn parameters_read_only_their_own_print() {
    let text = example().to_string();
    assert_eq!(Parameters::parse(&text), Ok(example()));
    let refused = |from: &str, to: &str, error: SignedTextError| {
        assert!(text.contains(from), "{from}");
        assert_eq!(Parameters::parse(&text.replacen(from, to, 1)), Err(error), "{from} -> {to}");
    };
    let of = SignedTextError::Parameter;
    refused("\"@path\" ", "", SignedTextError::Components);
    refused("\"@method\" \"@path\"", "\"@path\" \"@method\"", SignedTextError::Components);
    refused("(\"@method\"", "( \"@method\"", SignedTextError::Components);
    refused(
        ";created=1700000000;expires=1700000900",
        ";expires=1700000900;created=1700000000",
        of("created"),
    );
    refused(";created", "; created", of("created"));
    refused("created=17", "created=017", of("created"));
    refused("created=17", "created=+17", of("created"));
    refused("created=17", "created=-17", of("created"));
    refused("created=1700000000", "created=", of("created"));
    refused("created=1700000000", "created=1700000000.5", of("expires"));
    refused("created=1700000000", "created=18446744073709551616", of("created"));
    refused("expires=1700000900", "expires=1000000000000000", of("expires"));
    refused("created=1700000000", "created=1700000000;created=1700000000", of("expires"));
    refused("nonce=\"ab", "nonce=\"AB", of("nonce"));
    refused("nonce=\"ab", "nonce=\"", of("nonce"));
    refused("nonce=\"ab", "nonce=\"abab", of("nonce"));
    refused("nonce=\"ab", "nonce=\"abc", of("nonce"));
    refused("nonce=\"", "nonce=", of("nonce"));
    refused("keyid=\"01", "keyid=\"0g", of("keyid"));
    refused("ed25519", "Ed25519", of("alg"));
    refused("ed25519", "rsa-pss-sha512", of("alg"));
    refused("ed25519", "hmac-sha256", of("alg"));
    refused("keymoot/grp", "other/grp", of("tag"));
    refused("keymoot/grp_", "keymoot/key_", of("tag"));
    refused("0f\"", "0F\"", of("tag"));
    refused("0f\"", "0f\" ", SignedTextError::Trailing);
    refused("0f\"", "0f\";x=1", SignedTextError::Trailing);
    refused("0f\"", "0f", of("tag"));
    assert_eq!(Parameters::parse(&" ".repeat(513)), Err(SignedTextError::TooLong));
}

#[test]
fn a_request_lives_for_one_second_to_fifteen_minutes() {
    let living = |created, expires| Parameters { created, expires, ..example() }.check();
    assert_eq!(living(5, 6), Ok(()));
    assert_eq!(living(5, 905), Ok(()));
    assert_eq!(living(5, 906), Err(SignedTextError::Lifetime));
    assert_eq!(living(5, 5), Err(SignedTextError::Lifetime));
    assert_eq!(living(5, 4), Err(SignedTextError::Lifetime));
    assert_eq!(living(u64::MAX - 1, u64::MAX), Err(SignedTextError::Parameter("expires")));
}

#[test]
fn no_component_can_smuggle_a_line_into_the_base() {
    let digest = content_digest(&[7; 32]);
    let base = |method: &str, path: &str, digest: &str| base(method, path, digest, &example()).unwrap_err();
    for method in ["", "post", "POST\n", "POST\n\"@path\": /", "P OST", "ABCDEFGHIJKLMNOPQ"] {
        assert_eq!(base(method, "/", &digest), SignedTextError::Method, "{method}");
    }
    let long = format!("/{}", "a".repeat(512));
    for path in ["", "v1", "/v1?x=1", "/v1#x", "/a b", "/a\n", "/ä", "/\u{7f}", long.as_str()] {
        assert_eq!(base("POST", path, &digest), SignedTextError::Path, "{path}");
    }
    for other in [
        "",
        "sha-256=::",
        "sha-512=:AAAA:",
        &digest.replace("sha-256", "SHA-256"),
        &format!("{digest}, {digest}"),
    ] {
        assert_eq!(base("POST", "/", other), SignedTextError::ContentDigest, "{other}");
    }
}

#[test]
fn a_content_digest_has_one_spelling() {
    let digest = content_digest(&[0xff; 32]);
    assert_eq!(parse_content_digest(&digest), Ok([0xff; 32]));
    // The last letter before the padding carries two bits that are not used.
    for other in [
        digest.replace("8=:", "9=:"),
        digest.replace("=:", ":"),
        format!("{digest} "),
        digest.replace('/', "_"),
    ] {
        assert_ne!(other, digest);
        assert!(parse_content_digest(&other).is_err(), "{other}");
    }
}

proptest! {
    #[test]
    fn every_valid_value_reads_back(
        created in 0u64..INTEGER_MAX - LIFETIME_MAX,
        lifetime in 1..=LIFETIME_MAX,
        nonce: [u8; 16],
        keyid: [u8; 32],
        is_ed25519: bool,
        group: [u8; 16],
    ) {
        let algorithm = if is_ed25519 { Algorithm::Ed25519 } else { Algorithm::EcdsaP256Sha256 };
        let tag = tag(GroupId::new(group));
        let parameters = Parameters { created, expires: created + lifetime, nonce, keyid, algorithm, tag };
        prop_assert_eq!(Parameters::parse(&parameters.to_string()), Ok(parameters));
    }

    #[test]
    fn what_reads_prints_the_same(text in r#"(\("@method" "@path" "content-digest"\))?(;[a-z]{3,7}=("[a-f0-9]{0,64}"|[0-9]{1,16})){0,7}"#) {
        if let Ok(parameters) = Parameters::parse(&text) {
            prop_assert_eq!(parameters.to_string(), text);
        }
    }

    #[test]
    fn no_text_panics(text: String) {
        let _ = Parameters::parse(&text);
        let _ = parse_content_digest(&text);
        let _ = base(&text, &text, &text, &example());
    }
}
