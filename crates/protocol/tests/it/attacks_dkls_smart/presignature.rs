//! P01, P03 and P04: presignatures used twice, for a chosen digest, and with a δ that is not what was agreed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k256::elliptic_curve::ff::Field;
use k256::{ProjectivePoint, Scalar};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::dkls23::sign::Approval;
use keymoot_protocol::dkls23::{
    Order as SignOrder, Presignature, PresignaturePool, Public, Tombstone, Unavailable, VerifyingKey,
};
use keymoot_protocol::ecdsa::EcdsaSignature;
use keymoot_protocol::transcript::Hash;
use keymoot_protocol::transcript::presignature::Rerandomiser;
use keymoot_types::{Epoch, Millis, Party, Path};

use crate::dkls::{Member, payload, take_first, verifying_key};
use crate::model::encode::{Bytes32, compressed};
use crate::model::hashes::{Source, modulo_q};
use crate::net::Order;
use crate::parties::{World, party, rng};

/// Every signer's part of one presignature, as it lies in the sealed store, and the key.
struct Stored {
    world: World,
    key: Arc<VerifyingKey>,
    parts: BTreeMap<Party, Vec<u8>>,
}

/// What the world sees of one signing.
struct Signed {
    digest: Bytes32,
    signature: EcdsaSignature,
    shift: Scalar,
    tombstones: Vec<Tombstone>,
}

impl Stored {
    fn new(seed: u64) -> Self {
        let mut world = World::new(2, 3, seed);
        let mut members: BTreeMap<Party, Member> = world.ecdsa_members();
        let mut done = world.presign(&mut members, &[party(1), party(3)], 1);
        let parts = take_first(&mut done).into_iter().map(|(party, one)| (party, one.seal().to_vec()));
        let parts = parts.collect();
        Self { key: verifying_key(&members[&party(1)], &Path::root()), world, parts }
    }

    /// A copy of the parts, which only the store can make.
    fn copy(&self) -> BTreeMap<Party, Presignature> {
        let open = |bytes: &Vec<u8>| Presignature::unseal(bytes).expect("as it was sealed");
        self.parts.iter().map(|(party, bytes)| (*party, open(bytes))).collect()
    }

    fn public(&self) -> Public {
        self.copy()[&party(1)].public().clone()
    }

    /// One signature by a copy; nobody asks whether it was burnt before.
    fn sign(&mut self, message: &[u8]) -> Signed {
        let (parts, public, payload) = (self.copy(), self.public(), payload(message));
        let order = SignOrder::new(Arc::clone(&self.key), Arc::clone(&payload), Arc::new(public.clone()));
        let order = order.expect("an order");
        let tombstones = self.copy().into_values().map(|part| part.burn(order.intent()).0).collect();
        let mut signing = self.world.ecdsa_signing(&order, parts);
        let (mut ssid, mut entropy) = (None, BTreeMap::new());
        signing.run(Order::First, |mail| {
            let header = mail.header();
            if header.round == 0 {
                let approval = Approval::decode(mail.envelope().body()).expect("an approval");
                entropy.insert(header.from, approval.entropy);
            } else {
                ssid = Some(header.session);
            }
            vec![mail]
        });
        let entropy: Vec<_> = entropy.into_values().collect();
        let digest = *payload.digest().as_bytes();
        let shift = agreed(&self.key, &public, &digest, ssid.expect("shares were sent"), &entropy).shift();
        let signature = signing.aggregator.output.expect("a signature");
        Signed { digest, signature, shift, tombstones }
    }
}

fn agreed<'a>(
    key: &'a VerifyingKey,
    public: &'a Public,
    digest: &'a Bytes32,
    ssid: Hash,
    entropy: &'a [Bytes32],
) -> Rerandomiser<'a> {
    Rerandomiser {
        ssid,
        presignature: public.id(),
        epoch: public.epoch,
        signers: &public.signers,
        public: key.group().public.into(),
        tweak: &Scalar::ZERO,
        child: key.public().into(),
        digest,
        nonce: public.nonce,
        entropy,
    }
}

fn r_of(nonce: &ProjectivePoint) -> Scalar {
    modulo_q(&compressed(nonce)[1..])
}

impl Signed {
    /// s, r and m − s·δ of s·(k + δ) = m + r·x, where s is as it was before it was made low.
    fn equation(&self, public: &Public) -> (Scalar, Scalar, Scalar) {
        let nonce = ProjectivePoint::from(public.nonce) + ProjectivePoint::GENERATOR * self.shift;
        let (r, s) = (r_of(&nonce), modulo_q(self.signature.s()));
        assert_eq!(r, modulo_q(self.signature.r()), "δ is the one that was agreed");
        let is_flipped = (compressed(&nonce)[0] ^ self.signature.recovery_id()) & 1 == 1;
        let s = if is_flipped { -s } else { s };
        (s, r, modulo_q(&self.digest) - s * self.shift)
    }
}

#[test]
fn p01_with_the_log_off_two_signatures_give_the_key_away() {
    let mut stored = Stored::new(570);
    let public = stored.public();
    let (first, second) = (stored.sign(b"pay one"), stored.sign(b"pay two"));
    let ((s1, r1, m1), (s2, r2, m2)) = (first.equation(&public), second.equation(&public));
    // Two equations in k and x; everything else is on the chain or was sent in the clear.
    let x = (s1 * m2 - s2 * m1) * (s2 * r1 - s1 * r2).invert().unwrap();
    let key = *stored.key.public();
    assert_eq!(ProjectivePoint::GENERATOR * x, key, "anybody has the key");

    // With the log, whatever copy of the presignature comes back.
    for (part, tombstone) in stored.copy().into_values().zip(first.tombstones) {
        let (id, mut pool) = (part.id(), PresignaturePool::restore([tombstone]));
        assert_eq!(pool.add(part, Millis(9)), Err(Unavailable::Spent));
        assert_eq!(pool.burn(id, Hash::from_bytes([7; 32]), Millis(1)).err(), Some(Unavailable::Spent));
    }
    // And within one run of the node.
    let (mut pool, part) = (PresignaturePool::default(), stored.copy().remove(&party(1)).unwrap());
    let id = part.id();
    pool.add(part, Millis(9)).unwrap();
    assert!(pool.burn(id, Hash::from_bytes([7; 32]), Millis(1)).is_ok());
    assert_eq!(pool.burn(id, Hash::from_bytes([8; 32]), Millis(1)).err(), Some(Unavailable::Spent));
}

/// φ, u and v of each signer.
fn shares(stored: &Stored) -> Vec<[Scalar; 3]> {
    let scalars = |bytes: &Vec<u8>| {
        // Three scalars of nine and 32 bytes, then the entropy, as long.
        let end = &bytes[bytes.len() - 4 * 41..];
        [0, 1, 2].map(|i| modulo_q(&end[41 * i + 9..41 * (i + 1)]))
    };
    stored.parts.values().map(scalars).collect()
}

/// What a signature would be if the digest were the caller's: R + δ·G, s = Σ(h·φ + r·v) / Σ(u + δ·φ).
fn sign_digest(shares: &[[Scalar; 3]], nonce: &ProjectivePoint, shift: Scalar, digest: Scalar) -> Scalar {
    let r = r_of(&(nonce + &(ProjectivePoint::GENERATOR * shift)));
    let w: Scalar = shares.iter().map(|[phi, _, v]| digest * phi + r * v).sum();
    let u: Scalar = shares.iter().map(|[phi, u, _]| shift * phi + u).sum();
    w * u.invert().unwrap()
}

fn verifies(key: &ProjectivePoint, digest: &Bytes32, nonce: &ProjectivePoint, s: &Scalar) -> bool {
    let public = secp256k1::PublicKey::from_slice(&Secp256k1::encode_point(key)).unwrap();
    let compact = EcdsaSignature::new(nonce, s).unwrap().to_compact();
    let signature = secp256k1::ecdsa::Signature::from_compact(&compact).unwrap();
    let message = secp256k1::Message::from_digest(*digest);
    secp256k1::global::SECP256K1.verify_ecdsa(message, &signature, &public).is_ok()
}

#[test]
fn p03_a_chosen_digest_is_a_forgery() {
    let (stored, mut rng) = (Stored::new(571), rng(572));
    let (shares, public, key) = (shares(&stored), stored.public(), *stored.key.public());
    // The nonce is known before the digest is chosen, as that of a presignature is. The target is a message of ours.
    let nonce = ProjectivePoint::from(public.nonce);
    let (target, scale) = (*payload(b"all of it, to me").digest().as_bytes(), Scalar::random(&mut rng));
    let (r, r_target) = (r_of(&nonce), r_of(&(nonce * scale)));
    let chosen = modulo_q(&target) * r * r_target.invert().unwrap();
    let s = sign_digest(&shares, &nonce, Scalar::ZERO, chosen);
    assert!(verifies(&key, &chosen.to_bytes().into(), &nonce, &s), "the service has signed something else");
    let forge = |s: Scalar, r: Scalar| s * r_target * (r * scale).invert().unwrap();
    assert!(verifies(&key, &target, &(nonce * scale), &forge(s, r)), "and the target with it");

    // Where δ is a hash of the digest, the same request gets a signature that scales to nothing.
    let entropy = [rng.bytes32(), rng.bytes32()];
    let digest: Bytes32 = chosen.to_bytes().into();
    let shift = agreed(&stored.key, &public, &digest, Hash::from_bytes([5; 32]), &entropy).shift();
    let (s, shifted) =
        (sign_digest(&shares, &nonce, shift, chosen), nonce + ProjectivePoint::GENERATOR * shift);
    assert!(verifies(&key, &digest, &shifted, &s), "an honest signature of what was asked");
    let r = r_of(&shifted);
    for (scaled, nonce) in
        [(forge(s, r), nonce * scale), (forge(s, r), shifted * scale), (forge(s, r_target), nonce)]
    {
        assert!(!verifies(&key, &target, &nonce, &scaled));
    }
}

#[test]
fn p04_delta_depends_on_every_field() {
    let point = |factor: u64| ProjectivePoint::GENERATOR * Scalar::from(factor);
    let (points, tweaks) =
        ([2, 3, 4, 5].map(point).map(|point| point.to_affine()), [Scalar::from(6u64), Scalar::from(7u64)]);
    let (signers, fewer) = ([party(1), party(2)], [party(1), party(3)]);
    let (entropy, swapped) = ([[1; 32], [2; 32]], [[2; 32], [1; 32]]);
    let mut flipped = entropy;
    flipped[1][31] ^= 1;
    let hash = |byte| Hash::from_bytes([byte; 32]);
    let digests = [[8; 32], [9; 32]];
    // A field that is added has to be set here, and then changed below.
    let honest = || Rerandomiser {
        ssid: hash(1),
        presignature: hash(2),
        epoch: Epoch(3),
        signers: &signers,
        public: points[0],
        tweak: &tweaks[0],
        child: points[1],
        digest: &digests[0],
        nonce: points[2],
        entropy: &entropy,
    };
    let changed = [
        Rerandomiser { ssid: hash(3), ..honest() },
        Rerandomiser { presignature: hash(3), ..honest() },
        // Two names that change places are not the same.
        Rerandomiser { ssid: hash(2), presignature: hash(1), ..honest() },
        Rerandomiser { epoch: Epoch(4), ..honest() },
        Rerandomiser { signers: &fewer, ..honest() },
        Rerandomiser { signers: &signers[..1], ..honest() },
        Rerandomiser { public: points[3], ..honest() },
        Rerandomiser { tweak: &tweaks[1], ..honest() },
        Rerandomiser { child: points[3], ..honest() },
        Rerandomiser { public: points[1], child: points[0], ..honest() },
        Rerandomiser { digest: &digests[1], ..honest() },
        Rerandomiser { nonce: points[3], ..honest() },
        Rerandomiser { entropy: &swapped, ..honest() },
        Rerandomiser { entropy: &flipped, ..honest() },
        Rerandomiser { entropy: &entropy[..1], ..honest() },
    ];
    let shifts = changed.iter().map(Rerandomiser::shift).chain([honest().shift()]);
    let shifts: BTreeSet<_> = shifts.map(|shift| shift.to_bytes()).collect();
    assert_eq!(shifts.len(), changed.len() + 1, "all of them differ");
    assert_eq!(honest().shift(), honest().shift());
}
