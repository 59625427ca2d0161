//! A second GG20, slow and obvious, written from spec/gg20.md: it takes the messages of honest runs apart with an encoding
//! of its own, computes every challenge, checks every equation of every proof with the integers of `num-bigint`, and puts
//! the presignature and the signature together from what was said.

use std::collections::BTreeMap;

use k256::elliptic_curve::point::AffineCoordinates;
use k256::{ProjectivePoint, Scalar};
use keymoot_protocol::envelope::Kind;
use keymoot_types::Party;
use num_bigint::BigUint;

use crate::dkls::payload;
use crate::gg20::{order_for, suite, take_first};
use crate::model::encode::{self, Bytes32, Reader};
use crate::model::hashes;
use crate::net::{Mail, Order};
use crate::parties::{World, party, run_all};

const CHALLENGE: usize = 128;

/// The lengths of the suite that runs, which the specification gives for the full one.
fn lengths() -> (usize, usize, usize) {
    if suite().modulus_bits() == 3072 { (3072, 512, 1280) } else { (1024, 224, 640) }
}

fn number(reader: &mut Reader<'_>) -> BigUint {
    let bytes = reader.bytes();
    assert_ne!(bytes.first(), Some(&0), "an integer is minimal");
    BigUint::from_bytes_be(&bytes)
}

fn numbers<const N: usize>(reader: &mut Reader<'_>) -> [BigUint; N] {
    std::array::from_fn(|_| number(reader))
}

fn points<const N: usize>(reader: &mut Reader<'_>) -> [ProjectivePoint; N] {
    std::array::from_fn(|_| reader.point())
}

fn number_field(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    encode::bytes(if bytes == [0] { &[] } else { &bytes })
}

fn number_fields<'a>(all: impl IntoIterator<Item = &'a BigUint>) -> Vec<u8> {
    all.into_iter().flat_map(number_field).collect()
}

fn point_fields<'a>(all: impl IntoIterator<Item = &'a ProjectivePoint>) -> Vec<u8> {
    all.into_iter().flat_map(encode::point).collect()
}

fn scalar(number: &BigUint) -> Scalar {
    let order = BigUint::from_bytes_be(&(-Scalar::ONE).to_bytes()) + 1u8;
    hashes::modulo_q(&{
        let bytes = (number % order).to_bytes_be();
        [vec![0; 32 - bytes.len()], bytes].concat()
    })
}

/// Where a proof stands.
#[derive(Clone, Copy)]
struct Place {
    ssid: Bytes32,
    joint: Bytes32,
    round: u64,
    prover: u16,
    verifier: Option<u16>,
    number: u64,
}

fn fields(proof: &str, place: Place, statement: &[u8], commitment: &[u8]) -> Vec<Vec<u8>> {
    vec![
        encode::text(proof),
        encode::text(suite().name()),
        encode::bytes(&place.ssid),
        encode::bytes(&place.joint),
        encode::uint(place.round),
        encode::party(place.prover),
        encode::option(place.verifier.map(encode::party)),
        encode::uint(place.number),
        encode::bytes(statement),
        encode::bytes(commitment),
    ]
}

const DOMAIN: &str = "keymoot/gg20/challenge/v1";

fn challenge_bits(proof: &str, place: Place, statement: &[u8], commitment: &[u8]) -> BigUint {
    let digest = hashes::digest(DOMAIN, &fields(proof, place, statement, commitment));
    BigUint::from_bytes_be(&digest[..CHALLENGE / 8])
}

fn challenge_scalar(proof: &str, place: Place, statement: &[u8], commitment: &[u8]) -> Scalar {
    hashes::challenge(DOMAIN, &fields(proof, place, statement, commitment))
}

/// One member's moduli.
struct Keys {
    n: BigUint,
    setup: BigUint,
    s: BigUint,
    t: BigUint,
}

impl Keys {
    fn square(&self) -> BigUint {
        &self.n * &self.n
    }

    fn setup_fields(&self) -> Vec<u8> {
        number_fields([&self.setup, &self.s, &self.t])
    }

    /// s^x·t^μ.
    fn commit(&self, x: &BigUint, blind: &BigUint) -> BigUint {
        self.s.modpow(x, &self.setup) * self.t.modpow(blind, &self.setup) % &self.setup
    }

    /// (1 + m·N)·r^N.
    fn encrypt(&self, message: &BigUint, root: &BigUint) -> BigUint {
        let square = self.square();
        (BigUint::from(1u8) + message * &self.n) % &square * root.modpow(&self.n, &square) % &square
    }
}

fn fits(number: &BigUint, bits: usize) {
    assert!(number.bits() <= bits as u64, "a response is beyond its bound");
}

/// What was said in one session, and its name.
#[derive(Default)]
struct Heard {
    ssid: Bytes32,
    said: BTreeMap<(u8, Party, Option<Party>), Vec<u8>>,
}

impl Heard {
    fn listen(&mut self, mail: &Mail) {
        let header = mail.header();
        if header.kind == Kind::Body {
            if header.round > 0 {
                self.ssid = *header.session.as_bytes();
            }
            let body = mail.envelope().body().to_vec();
            self.said.insert((header.round, header.from, header.to), body);
        }
    }
}

fn keys_of(reader: &mut Reader<'_>) -> Keys {
    let [n, setup, s, t] = numbers(reader);
    Keys { n, setup, s, t }
}

/// Π^prm.
fn check_setup(place: Place, keys: &Keys, reader: &mut Reader<'_>) {
    let all = reader.list(|reader| numbers::<2>(reader));
    assert_eq!(all.len(), 128);
    let commitment = number_fields(all.iter().map(|[a, _]| a));
    let e = challenge_bits("prm/v1", place, &keys.setup_fields(), &commitment);
    for (at, [a, z]) in all.iter().enumerate() {
        let right = if e.bit(at as u64) { a * &keys.s % &keys.setup } else { a.clone() };
        assert_eq!(keys.t.modpow(z, &keys.setup), right, "repetition {at}");
    }
}

/// Π^mod, and Π^fac for each other member.
fn check_modulus(place: Place, keys: &Keys, reader: &mut Reader<'_>) {
    let w = number(reader);
    let (statement, commitment) = (number_field(&keys.n), number_field(&w));
    let digest = hashes::digest(DOMAIN, &fields("mod/v1", place, &statement, &commitment));
    let mut stream = blake3::Hasher::new_keyed(&digest).finalize_xof();
    let mut sample = || loop {
        let mut bytes = vec![0; lengths().0 / 8];
        stream.fill(&mut bytes);
        let y = BigUint::from_bytes_le(&bytes);
        if y < keys.n {
            return y;
        }
    };
    let answers = reader.list(|reader| (number(reader), reader.party(), number(reader)));
    assert_eq!(answers.len(), 128);
    for (x, signs, z) in answers {
        let y = sample();
        let with_w = if signs & 2 == 2 { &y * &w % &keys.n } else { y.clone() };
        let signed = if signs & 1 == 1 { &keys.n - with_w } else { with_w };
        assert_eq!(x.modpow(&BigUint::from(4u8), &keys.n), signed);
        assert_eq!(z.modpow(&keys.n, &keys.n), y);
    }
}

fn check_factors(place: Place, n: &BigUint, verifier: &Keys, reader: &mut Reader<'_>) {
    let (bits, slack, _) = lengths();
    let [p, q, a, b, t] = numbers(reader);
    let ([z1, z2], [w1, w2], v) = (numbers(reader), numbers(reader), number(reader));
    let statement = [number_field(n), verifier.setup_fields()].concat();
    let e = challenge_bits("fac/v1", place, &statement, &number_fields([&p, &q, &a, &b, &t]));
    [&z1, &z2].into_iter().for_each(|z| fits(z, 256 + slack + bits / 2));
    [&w1, &w2].into_iter().for_each(|w| fits(w, 256 + slack + bits));
    fits(&v, 256 + slack + bits + bits / 2);
    let m = &verifier.setup;
    assert_eq!(verifier.commit(&z1, &w1), a * p.modpow(&e, m) % m);
    assert_eq!(verifier.commit(&z2, &w2), b * q.modpow(&e, m) % m);
    let right = verifier.s.modpow(n, m).modpow(&e, m) * t % m;
    assert_eq!(q.modpow(&z1, m) * verifier.t.modpow(&v, m) % m, right);
}

#[test]
fn the_model_verifies_all_that_a_generation_proves() {
    let mut world = World::new(2, 3, 960);
    let (place, mut heard) = (world.place(None), Heard::default());
    let mut seats = world.generation_seats(&place);
    run_all(&mut seats, Order::First, |mail| {
        heard.listen(&mail);
        vec![mail]
    });
    let ssid = heard.ssid;
    let (mut all, mut parts) = (BTreeMap::new(), Vec::new());
    for index in 1..=3 {
        let body = &heard.said[&(2, party(index), None)];
        let opening = [encode::bytes(&ssid), encode::uint(1), encode::party(index), encode::bytes(body)];
        let commitment = hashes::digest("keymoot/commitment/v1", &opening);
        assert_eq!(Reader(&heard.said[&(1, party(index), None)]).bytes32(), commitment);
        let mut reader = Reader(body);
        let (_, share) = (reader.bytes32(), reader.bytes32());
        let keys = keys_of(&mut reader);
        let place = Place { ssid, joint: ssid, round: 2, prover: index, verifier: None, number: 0 };
        check_setup(place, &keys, &mut reader);
        reader.end();
        parts.push((index, share));
        all.insert(index, keys);
    }
    let parts = encode::by_party(parts.iter().map(|(index, share)| (*index, share)));
    let joint =
        hashes::digest("keymoot/joint/v1", &[encode::text("gg20/auxiliary"), encode::bytes(&ssid), parts]);
    for index in 1..=3 {
        let mut reader = Reader(&heard.said[&(3, party(index), None)]);
        let place = Place { ssid, joint, round: 3, prover: index, verifier: None, number: 0 };
        check_modulus(place, &all[&index], &mut reader);
        let checked = reader.list(|reader| {
            let to = reader.party();
            let place = Place { verifier: Some(to), ..place };
            check_factors(place, &all[&index].n, &all[&to], reader);
            to
        });
        assert_eq!(checked, (1..=3).filter(|to| *to != index).collect::<Vec<_>>());
        reader.end();
    }
}

/// What one signer offers in round 1.
struct Offer {
    nonce: BigUint,
    mask: BigUint,
    base: ProjectivePoint,
    nonce_commitment: [ProjectivePoint; 2],
    mask_commitment: [ProjectivePoint; 2],
    entropy: Bytes32,
}

fn read_offer(reader: &mut Reader<'_>) -> Offer {
    Offer {
        nonce: number(reader),
        mask: number(reader),
        base: reader.point(),
        nonce_commitment: points(reader),
        mask_commitment: points(reader),
        entropy: reader.bytes32(),
    }
}

/// Π^enc-elg.
fn check_encryption(
    place: Place,
    (prover, verifier): (&Keys, &Keys),
    (ciphertext, base, commitment): (&BigUint, &ProjectivePoint, &[ProjectivePoint; 2]),
    reader: &mut Reader<'_>,
) {
    let (bits, slack, _) = lengths();
    let [s, d, t] = numbers(reader);
    let proof_points: [ProjectivePoint; 2] = points(reader);
    let (z1, w, z2, z3) = (number(reader), reader.scalar(), number(reader), number(reader));
    let statement = [
        number_field(&prover.n),
        verifier.setup_fields(),
        number_field(ciphertext),
        point_fields([base]),
        point_fields(commitment),
    ];
    let first = [number_fields([&s, &d, &t]), point_fields(&proof_points)].concat();
    let e = challenge_bits("enc-elg/v1", place, &statement.concat(), &first);
    fits(&z1, 256 + slack);
    fits(&z3, 256 + slack + bits);
    let (square, g) = (prover.square(), ProjectivePoint::GENERATOR);
    assert_eq!(d * ciphertext.modpow(&e, &square) % &square, prover.encrypt(&z1, &z2));
    assert_eq!(*base * w + g * scalar(&z1), proof_points[0] + commitment[1] * scalar(&e));
    assert_eq!(g * w, proof_points[1] + commitment[0] * scalar(&e));
    assert_eq!(verifier.commit(&z1, &z3), t * s.modpow(&e, &verifier.setup) % &verifier.setup);
}

/// Π^aff-g.
fn check_affine(
    place: Place,
    (prover, verifier): (&Keys, &Keys),
    ([ciphertext, product, mask], point): ([&BigUint; 3], &ProjectivePoint),
    reader: &mut Reader<'_>,
) {
    let (bits, slack, mask_bits) = lengths();
    let [a, by] = numbers(reader);
    let commitments: [BigUint; 4] = numbers(reader);
    let bx = reader.point();
    let [z1, z2, z3, z4] = numbers(reader);
    let [w, wy] = numbers(reader);
    let statement = [
        number_fields([&verifier.n, &prover.n]),
        verifier.setup_fields(),
        number_fields([ciphertext, product, mask]),
        point_fields([point]),
    ];
    let first = [number_fields([&a, &by]), number_fields(&commitments), point_fields([&bx])].concat();
    let e = challenge_bits("aff-g/v1", place, &statement.concat(), &first);
    fits(&z1, 256 + slack);
    fits(&z2, mask_bits + slack);
    [&z3, &z4].into_iter().for_each(|z| fits(z, 256 + slack + bits));
    let (theirs, ours, m) = (verifier.square(), prover.square(), &verifier.setup);
    let left = ciphertext.modpow(&z1, &theirs) * verifier.encrypt(&z2, &w) % &theirs;
    assert_eq!(left, a * product.modpow(&e, &theirs) % &theirs);
    assert_eq!(prover.encrypt(&z2, &wy), by * mask.modpow(&e, &ours) % &ours);
    assert_eq!(ProjectivePoint::GENERATOR * scalar(&z1), bx + *point * scalar(&e));
    let [commit_alpha, commit_x, commit_beta, commit_y] = commitments;
    assert_eq!(verifier.commit(&z1, &z3), commit_alpha * commit_x.modpow(&e, m) % m);
    assert_eq!(verifier.commit(&z2, &z4), commit_beta * commit_y.modpow(&e, m) % m);
}

/// Π^elog.
fn check_exponent(
    place: Place,
    (commitment, base): (&[ProjectivePoint; 2], &ProjectivePoint),
    (other, power): (&ProjectivePoint, &ProjectivePoint),
    reader: &mut Reader<'_>,
) {
    let g = ProjectivePoint::GENERATOR;
    let first: [ProjectivePoint; 3] = points(reader);
    let (z, u) = (reader.scalar(), reader.scalar());
    let statement =
        [point_fields([&g]), point_fields(commitment), point_fields([base, other, power])].concat();
    let e = challenge_scalar("elog/v1", place, &statement, &point_fields(&first));
    assert_eq!(g * z, first[0] + commitment[0] * e);
    assert_eq!(g * u + *base * z, first[1] + commitment[1] * e);
    assert_eq!(*other * u, first[2] + *power * e);
}

/// A batch that the model has followed: the points of R, R̄ and S, for each presignature.
struct Followed {
    nonce: ProjectivePoint,
    shares: Vec<[ProjectivePoint; 2]>,
    entropy: Vec<Bytes32>,
}

fn follow(
    heard: &Heard,
    keys: &BTreeMap<u16, Keys>,
    signers: [u16; 2],
    weighted: &BTreeMap<u16, ProjectivePoint>,
    public: ProjectivePoint,
) -> Vec<Followed> {
    let ssid = heard.ssid;
    let body = |round, from: u16, to: Option<u16>| Reader(&heard.said[&(round, party(from), to.map(party))]);
    let offers: BTreeMap<_, _> =
        signers.iter().map(|from| (*from, body(1, *from, None).list(read_offer))).collect();
    let mut shares: BTreeMap<u16, Vec<(ProjectivePoint, [BigUint; 4])>> = BTreeMap::new();
    for (from, to) in [(signers[0], signers[1]), (signers[1], signers[0])] {
        let place =
            |round, verifier, number| Place { ssid, joint: ssid, round, prover: from, verifier, number };
        let pair = (&keys[&from], &keys[&to]);
        let mut item = 0;
        body(2, from, Some(to)).list(|reader| {
            let offer = &offers[&from][item];
            let number = 2 * item as u64;
            let nonce = (&offer.nonce, &offer.base, &offer.nonce_commitment);
            check_encryption(place(2, Some(to), number), pair, nonce, reader);
            let mask = (&offer.mask, &offer.base, &offer.mask_commitment);
            check_encryption(place(2, Some(to), number + 1), pair, mask, reader);
            item += 1;
        });
        item = 0;
        let said = body(3, from, None).list(|reader| {
            let (offer, point) = (&offers[&from][item], reader.point());
            let statement = (&offer.mask_commitment, &offer.base);
            let powers = (&ProjectivePoint::GENERATOR, &point);
            check_exponent(place(3, None, item as u64), statement, powers, reader);
            let products = reader.list(|reader| numbers::<4>(reader)).remove(0);
            item += 1;
            (point, products)
        });
        item = 0;
        body(4, from, Some(to)).list(|reader| {
            let (nonce, (gamma, [d, f, d_key, f_key])) = (&offers[&to][item].nonce, &said[item]);
            let number = 2 * item as u64;
            check_affine(place(4, Some(to), number), pair, ([nonce, d, f], gamma), reader);
            let with_key = ([nonce, d_key, f_key], &weighted[&from]);
            check_affine(place(4, Some(to), number + 1), pair, with_key, reader);
            item += 1;
        });
        shares.insert(from, said);
    }
    sums(heard, signers, &offers, &shares, public)
}

fn sums(
    heard: &Heard,
    signers: [u16; 2],
    offers: &BTreeMap<u16, Vec<Offer>>,
    shares: &BTreeMap<u16, Vec<(ProjectivePoint, [BigUint; 4])>>,
    public: ProjectivePoint,
) -> Vec<Followed> {
    let count = offers[&signers[0]].len();
    let gammas: Vec<ProjectivePoint> =
        (0..count).map(|item| signers.iter().map(|from| shares[from][item].0).sum()).collect();
    let mut all: Vec<Vec<(Scalar, ProjectivePoint, ProjectivePoint)>> = vec![Vec::new(); count];
    for from in signers {
        let mut item = 0;
        Reader(&heard.said[&(5, party(from), None)]).list(|reader| {
            let (delta, nonce, key) = (reader.scalar(), reader.point(), reader.point());
            let offer = &offers[&from][item];
            let (ssid, number) = (heard.ssid, item as u64);
            let place = Place { ssid, joint: ssid, round: 5, prover: from, verifier: None, number };
            let statement = (&offer.nonce_commitment, &offer.base);
            check_exponent(place, statement, (&gammas[item], &nonce), reader);
            all[item].push((delta, nonce, key));
            item += 1;
        });
        assert_eq!(heard.said[&(6, party(from), None)], encode::text("presigned"));
    }
    let followed = all.into_iter().zip(&gammas).enumerate().map(|(item, (sums, gamma))| {
        let delta: Scalar = sums.iter().map(|(delta, ..)| delta).sum();
        let nonce: ProjectivePoint = sums.iter().map(|(_, nonce, _)| nonce).sum();
        let key: ProjectivePoint = sums.iter().map(|(_, _, key)| key).sum();
        assert_eq!((ProjectivePoint::GENERATOR * delta, public * delta), (nonce, key), "it adds up");
        let inverse = delta.invert().expect("not zero");
        let shares = sums.iter().map(|(_, nonce, key)| [*nonce * inverse, *key * inverse]).collect();
        let entropy = signers.iter().map(|from| offers[from][item].entropy).collect();
        Followed { nonce: *gamma * inverse, shares, entropy }
    });
    followed.collect()
}

#[test]
fn the_model_follows_presigning_and_signing() {
    let mut world = World::new(2, 3, 961);
    let members = world.gg20_members();
    let (indices, mut heard) = ([1u16, 3], Heard::default());
    let signers = indices.map(party);
    let session = world.new_session();
    let mut seats = world.gg20_presign_seats(&members, &signers, (session, 2));
    run_all(&mut seats, Order::First, |mail| {
        heard.listen(&mail);
        vec![mail]
    });
    // The table, as it is stored: suite, committee, and the numbers of each member.
    let keys: BTreeMap<u16, Keys> = {
        let table = members[&party(1)].auxiliary.table().encode();
        let tokens = crate::tokens::parse(&table);
        let long = |token: &crate::tokens::Token| match token {
            crate::tokens::Token::Field(1, bytes) if bytes.len() > 64 => Some(BigUint::from_bytes_be(bytes)),
            _ => None,
        };
        let all: Vec<_> = tokens.iter().filter_map(long).collect();
        assert_eq!(all.len(), 12);
        let member = |four: &[BigUint]| {
            let [n, setup, s, t] = four else { panic!("four numbers") };
            Keys { n: n.clone(), setup: setup.clone(), s: s.clone(), t: t.clone() }
        };
        (1..).zip(all.chunks(4).map(member)).collect()
    };
    // Lagrange for 1 and 3 at 0: 3/2 and −1/2.
    let group = members[&party(1)].share.group();
    let half = Scalar::from(2u64).invert().expect("two is a unit");
    let weighted = BTreeMap::from([
        (1, *group.share_of(party(1)).expect("a share") * (Scalar::from(3u64) * half)),
        (3, *group.share_of(party(3)).expect("a share") * -half),
    ]);
    let followed = follow(&heard, &keys, indices, &weighted, group.public);
    assert_eq!(followed.len(), 2);
    let mut done: BTreeMap<_, _> =
        seats.into_iter().map(|(party, seat)| (party, seat.output.expect("a batch"))).collect();
    for (one, path) in followed.iter().zip(["m", "m/9/2"]) {
        let presignatures = take_first(&mut done);
        let public = presignatures[&party(1)].public().clone();
        assert_eq!(public.nonce, one.nonce);
        let shares: Vec<_> =
            public.nonces.iter().zip(&public.keys).map(|(nonce, key)| [*nonce, *key]).collect();
        assert_eq!(shares, one.shares);
        assert_eq!(public.entropy.iter().map(|hash| *hash.as_bytes()).collect::<Vec<_>>(), one.entropy);
        let payload = payload(b"followed by the model");
        let order = order_for(&members[&party(1)], &path.parse().expect("a path"), &payload, &presignatures);
        let (mut signing, mut heard) = (world.gg20_signing(&order, presignatures), Heard::default());
        signing.run(Order::First, |mail| {
            heard.listen(&mail);
            vec![mail]
        });
        let signature = signing.aggregator.output.expect("a signature");
        let share = |index| Reader(&heard.said[&(1, party(index), None)]).scalar();
        let s = share(1) + share(3);
        let compact = signature.to_compact();
        let found: Scalar = hashes::modulo_q(&compact[32..]);
        assert!(found == s || found == -s, "s is the sum of the shares");
        assert_ne!(signature.to_compact()[..32], public.nonce.x()[..], "R was re-randomised");
    }
}
