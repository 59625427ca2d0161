//! RFC 8032, section 7.1. Identities and Ed25519 group keys verify under it.
//!
//! An identity signs digests only, so the published signatures are verified and not made.

use keymoot_protocol::identity::{IdentityKey, IdentityPublic};
use serde::Deserialize;

use super::{Hex, must_load};
use crate::parties::Checked;

#[derive(Deserialize)]
struct Row {
    name: String,
    secret_key: Hex,
    public_key: Hex,
    message: Hex,
    signature: Hex,
}

fn rows() -> Vec<Row> {
    must_load(include_str!("../../../vectors/rfc8032.json"))
}

#[test]
fn rfc8032_seeds_grow_the_published_identities() {
    for row in rows() {
        let public = IdentityKey::from_seed(row.secret_key.must_array()).public();
        assert_eq!(public.as_bytes().as_slice(), row.public_key.0, "{}", row.name);
        assert_eq!(IdentityPublic::from_bytes(row.public_key.must_array()), Some(public), "{}", row.name);
    }
}

#[test]
fn rfc8032_signatures_verify_strictly_and_no_changed_one_does() {
    use keymoot_protocol::curve::Ed25519;
    for row in rows() {
        let (key, mut signature) = (row.public_key.must_array(), row.signature.must_array());
        assert!(Ed25519::verifies(&key, &row.message.0, &signature), "{}", row.name);
        signature[40] ^= 1;
        assert!(!Ed25519::verifies(&key, &row.message.0, &signature), "{}", row.name);
    }
}
