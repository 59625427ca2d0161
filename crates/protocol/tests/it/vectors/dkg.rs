//! Key generations published by the Zcash Foundation: the same sharing as ours, with other messages around it.
//!
//! Their proofs of knowledge are not reproduced: ours are bound to our sessions.

use std::collections::BTreeMap;

use frost_core::keys::{KeyPackage, PublicKeyPackage, SigningShare, VerifyingShare};
use frost_core::{Identifier, VerifyingKey};
use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1, group::Group};
use keymoot_protocol::derive::output_key;
use keymoot_protocol::frost::Suite;
use keymoot_protocol::vss::{Commitments, Polynomial, lagrange};
use keymoot_types::Party;
use serde::Deserialize;

use super::{Hex, must_load};
use crate::parties::party;

const ED25519: &str = include_str!("../../../vectors/zf_dkg_ed25519.json");
const TAPROOT: &str = include_str!("../../../vectors/zf_dkg_secp256k1_tr.json");

#[derive(Deserialize)]
struct Vector {
    inputs: Inputs,
}

#[derive(Deserialize)]
struct Inputs {
    verifying_key: Hex,
    #[serde(rename = "1")]
    first: Member,
    #[serde(rename = "2")]
    second: Member,
    #[serde(rename = "3")]
    third: Member,
}

#[derive(Deserialize)]
struct Member {
    identifier: u16,
    signing_key: Hex,
    coefficient: Hex,
    vss_commitments: Vec<Hex>,
    /// The share received by this member, by its dealer.
    signing_shares: BTreeMap<String, Hex>,
    verifying_share: Hex,
    signing_share: Hex,
}

impl Member {
    fn party(&self) -> Party {
        party(self.identifier)
    }

    fn polynomial<C: Curve>(&self) -> Polynomial<C> {
        Polynomial::from_coefficients(vec![
            self.signing_key.must_scalar::<C>(),
            self.coefficient.must_scalar::<C>(),
        ])
    }

    fn commitments<C: Curve>(&self) -> Commitments<C> {
        Commitments::new(self.vss_commitments.iter().map(Hex::must_point::<C>).collect())
    }
}

/// Everybody deals; every dealt share is that of the vector and lies on its dealer's commitments.
fn deals_as_published<C: Curve>(members: &[Member; 3]) {
    for dealer in members {
        let (polynomial, commitments) = (dealer.polynomial::<C>(), dealer.commitments::<C>());
        assert!(polynomial.commit() == commitments);
        assert!(polynomial.constant() == dealer.signing_key.must_scalar::<C>());
        for recipient in members.iter().filter(|member| member.identifier != dealer.identifier) {
            let share = polynomial.share_of(recipient.party());
            let published = &recipient.signing_shares[&dealer.identifier.to_string()];
            assert_eq!(C::encode_scalar(&share).as_slice(), published.0);
            assert!(commitments.at(recipient.party()) == C::Point::generator() * share);
        }
    }
}

/// The sum of all sharings, before and after what the suite does to it, is the published key.
fn sums_up_as_published<S: Suite>(members: &[Member; 3], verifying_key: &Hex) {
    let all: Vec<_> = members.iter().map(Member::commitments::<S>).collect();
    let sum = Commitments::sum(all.iter());
    let quorum = [party(1), party(3)];
    let interpolated = quorum
        .iter()
        .fold(S::Point::identity(), |acc, one| acc + sum.at(*one) * lagrange::<S>(&quorum, *one).unwrap());
    assert!(interpolated == sum.constant(), "the sum is a sharing of the key");

    let library = |point: &S::Point| VerifyingShare::deserialize(S::encode_point(point).as_ref()).unwrap();
    let name = |member: &Member| Identifier::<S::Zf>::try_from(member.identifier).unwrap();
    let key = VerifyingKey::<S::Zf>::deserialize(S::encode_point(&sum.constant()).as_ref()).unwrap();
    let shares = members.iter().map(|member| (name(member), library(&sum.at(member.party())))).collect();
    let public = S::to_output_key(PublicKeyPackage::new(shares, key, Some(2)), None);
    assert_eq!(public.verifying_key().serialize().unwrap(), verifying_key.0);
    for member in members {
        let own = members
            .iter()
            .fold(S::Scalar::from(0), |sum, dealer| sum + dealer.polynomial::<S>().share_of(member.party()));
        assert!(sum.at(member.party()) == S::Point::generator() * own);
        let secret = SigningShare::deserialize(&S::encode_scalar(&own)).unwrap();
        let package = KeyPackage::new(name(member), secret, library(&sum.at(member.party())), key, 2);
        let package = S::to_output_share(package, None);
        assert_eq!(package.signing_share().serialize(), member.signing_share.0);
        assert_eq!(package.verifying_share().serialize().unwrap(), member.verifying_share.0);
        assert_eq!(public.verifying_shares()[&name(member)].serialize().unwrap(), member.verifying_share.0);
        assert_eq!(package.verifying_key(), public.verifying_key());
    }
    let output = output_key::<S>(S::SCHEME, &sum.constant(), None).unwrap();
    assert!(verifying_key.0.ends_with(&output), "the published key is our output key");
}

fn must_split(json: &str) -> ([Member; 3], Hex) {
    let Vector { inputs } = must_load(json);
    ([inputs.first, inputs.second, inputs.third], inputs.verifying_key)
}

#[test]
fn zf_dkg_ed25519_is_reproduced() {
    let (members, verifying_key) = must_split(ED25519);
    deals_as_published::<Ed25519>(&members);
    sums_up_as_published::<Ed25519>(&members, &verifying_key);
}

#[test]
fn zf_dkg_secp256k1_tr_is_reproduced_with_its_empty_script_tree() {
    let (members, verifying_key) = must_split(TAPROOT);
    deals_as_published::<Secp256k1>(&members);
    sums_up_as_published::<Secp256k1>(&members, &verifying_key);
}

#[test]
fn zf_dkg_ed25519_key_is_untweaked() {
    let (members, verifying_key) = must_split(ED25519);
    let all: Vec<_> = members.iter().map(Member::commitments::<Ed25519>).collect();
    let sum = Commitments::sum(all.iter());
    assert_eq!(sum.constant(), verifying_key.must_point::<Ed25519>());
    for member in &members {
        assert_eq!(sum.at(member.party()), member.verifying_share.must_point::<Ed25519>());
    }
}
