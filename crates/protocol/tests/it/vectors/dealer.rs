//! A dealer who knows the whole key, for tests only: vectors give secrets that no key generation would draw.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Committee;
use keymoot_protocol::derive::output_key;
use keymoot_protocol::envelope::Kind;
use keymoot_protocol::frost::{Commitments, SignatureShare, SigningKey, Suite};
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::key::{GroupKey, KeyShare};
use keymoot_protocol::transcript::Hash;
use keymoot_protocol::vss::Polynomial;
use keymoot_types::{Epoch, KeyId, Party, Path, Secret};

use crate::net::{Mail, Node, Order};
use crate::parties::{Signing, World, signing_keys};

/// Splits a key along the polynomial with these coefficients, and has everybody certify the result.
pub fn deal<S: Suite>(
    committee: &Arc<Committee>,
    identities: &BTreeMap<Party, Arc<IdentityKey>>,
    coefficients: Vec<S::Scalar>,
    merkle_root: Option<[u8; 32]>,
) -> Vec<KeyShare<S>> {
    let threshold = committee.threshold();
    assert_eq!(coefficients.len(), usize::from(threshold.needed()), "a polynomial of the committee's degree");
    let polynomial = Polynomial::<S>::from_coefficients(coefficients);
    let commitments = polynomial.commit();
    let mut group = GroupKey::<S> {
        scheme: S::SCHEME,
        committee: Arc::clone(committee),
        key: KeyId::new([2; 16]),
        epoch: Epoch::FIRST,
        public: commitments.constant(),
        shares: threshold.parties().map(|party| commitments.at(party)).collect(),
        chain_code: [3; 32],
        merkle_root,
        output_key: output_key::<S>(S::SCHEME, &commitments.constant(), merkle_root.as_ref())
            .expect("a usable key"),
        session: Hash::from_bytes([4; 32]),
        view: Hash::from_bytes([5; 32]),
        certificate: vec![],
    };
    let digest = group.digest();
    group.certificate = identities.values().map(|identity| identity.sign(&digest)).collect();
    group.verify(committee).expect("a dealt key is certified");
    let group = Arc::new(group);
    let share =
        |party| KeyShare::new(party, Secret::new(polynomial.share_of(party)), Arc::clone(&group), &digest);
    threshold.parties().map(|party| share(party).expect("a dealt share belongs to its key")).collect()
}

/// A key split among two of three, ready to sign.
pub fn deal_two_of_three<S: Suite>(
    world: &mut World,
    secret: S::Scalar,
    merkle_root: Option<[u8; 32]>,
) -> Vec<Arc<SigningKey<S>>> {
    let slope = S::random(&mut world.rng);
    signing_keys(
        &deal::<S>(&world.committee, &world.identities, vec![secret, slope], merkle_root),
        &Path::root(),
    )
}

/// What went over the wire in one signing, and what came of it.
pub struct Signed<S: Suite> {
    pub commitments: BTreeMap<Party, Commitments<S>>,
    pub shares: BTreeMap<Party, SignatureShare<S>>,
    pub signature: [u8; 64],
}

/// Lets everybody be honest, and listens.
pub fn must_sign<S: Suite>(mut signing: Signing<S>) -> Signed<S> {
    let mut commitments = BTreeMap::new();
    let mut shares = BTreeMap::new();
    signing.run(Order::First, |mail: Mail| {
        let envelope = mail.envelope();
        match (envelope.header.round, envelope.header.kind) {
            (0, Kind::Body) => {
                let message = Commitments::<S>::decode(envelope.body()).expect("round 0 carries commitments");
                commitments.insert(mail.from, message);
            }
            (1, Kind::Body) => {
                let message = SignatureShare::<S>::decode(envelope.body()).expect("round 1 carries a share");
                shares.insert(mail.from, message);
            }
            (round, kind) => panic!("signing has no {kind:?} in round {round}"),
        }
        vec![mail]
    });
    assert!(signing.signers.values().all(Node::is_done), "every signer has answered");
    let signature = signing.aggregator.output.expect("an honest signing succeeds");
    Signed { commitments, shares, signature }
}
