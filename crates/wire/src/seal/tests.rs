use keymoot_types::SessionId;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::*;

const GROUP: GroupId = GroupId::new([1; 16]);

fn party(index: u16) -> Party {
    Party::new(index).unwrap()
}

/// The key of this party.
fn key(index: u16) -> SealKey {
    SealKey::from_seed(&[u8::try_from(index).unwrap(); 32])
}

/// The document knows parties 1 to 3.
fn known(from: Party) -> Option<[u8; 32]> {
    (from.index() <= 3).then(|| key(from.index()).public())
}

fn header(from: u16, to: u16) -> Header {
    let session = SessionId::new([2; 16]);
    Header { group: GROUP, from: party(from), to: party(to), session, round: 3, sequence: 4 }
}

fn sealed(header: &Header, plain: &[u8]) -> Vec<u8> {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let recipient = key(header.to.index()).public();
    key(header.from.index()).seal(header, &recipient, plain, &mut rng).unwrap()
}

fn open(me: u16, bytes: &[u8]) -> Result<(Header, Vec<u8>), SealError> {
    let opened = key(me).open((GROUP, party(me)), known, bytes)?;
    Ok((opened.header, opened.plain.to_vec()))
}

#[test]
fn the_recipient_opens_what_was_sealed_for_it() {
    for plain in [&b""[..], b"x", &[7; 5000]] {
        let bytes = sealed(&header(1, 2), plain);
        assert_eq!(bytes.len(), plain.len() + OVERHEAD);
        assert_eq!(open(2, &bytes), Ok((header(1, 2), plain.to_vec())));
    }
}

#[test]
fn the_same_mail_sealed_twice_looks_different() {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let mut seal = || key(1).seal(&header(1, 2), &key(2).public(), &[0; 64], &mut rng).unwrap();
    let (one, other) = (seal(), seal());
    assert_eq!(one[..HEADER_LENGTH], other[..HEADER_LENGTH]);
    assert_ne!(one[HEADER_LENGTH..][..32], other[HEADER_LENGTH..][..32]);
    assert_ne!(one[HEADER_LENGTH + 32..], other[HEADER_LENGTH + 32..]);
}

#[test]
fn nobody_else_opens_it() {
    let bytes = sealed(&header(1, 2), b"secret");
    assert_eq!(open(3, &bytes), Err(SealError::NotForUs(party(2))));
    // Even if the relay says that it is.
    let mut diverted = bytes;
    diverted[20] = 3;
    assert_eq!(open(3, &diverted), Err(SealError::Broken(party(1))));
}

#[test]
fn only_the_sender_seals_in_its_name() {
    // Party 3 says that it is party 1.
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let forged = key(3).seal(&header(1, 2), &key(2).public(), b"", &mut rng).unwrap();
    assert_eq!(open(2, &forged), Err(SealError::Broken(party(1))));
    let stranger = sealed(&header(4, 2), b"");
    assert_eq!(open(2, &stranger), Err(SealError::Stranger(party(4))));
    // HPKE's base mode, in which anybody may seal.
    let associated = header(1, 2).to_bytes();
    let recipient = PublicKey::from_bytes(&key(2).public()).unwrap();
    let mut body = b"forged".to_vec();
    let (encapsulation, tag) = hpke::single_shot_seal_in_place_detached::<Aead, Kdf, Dhkem, _>(
        &OpModeS::Base,
        &recipient,
        INFO,
        &mut body,
        &associated,
        &mut Chance(&mut rng),
    )
    .unwrap();
    let bytes = [&associated[..], &encapsulation.to_bytes(), &body, &tag.to_bytes()].concat();
    assert_eq!(open(2, &bytes), Err(SealError::Broken(party(1))));
}

#[test]
fn mail_that_is_thrown_back_does_not_open() {
    let bytes = sealed(&header(1, 2), b"secret");
    assert_eq!(open(1, &bytes), Err(SealError::NotForUs(party(2))));
    // From 2 to 1, says the relay: HPKE's shared secret is the same for both, but not for this header.
    let mut turned = bytes.clone();
    (turned[18], turned[20]) = (2, 1);
    assert_eq!(open(1, &turned), Err(SealError::Broken(party(2))));
    let mut own = bytes;
    own[20] = 1;
    assert_eq!(open(1, &own), Err(SealError::Reflected));
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let to_self = key(1).seal(&header(1, 1), &key(1).public(), b"", &mut rng);
    assert_eq!(to_self, Err(SealError::Reflected));
}

#[test]
fn every_single_bit_counts() {
    let bytes = sealed(&header(1, 2), b"a share");
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = open(2, &flipped).unwrap_err();
        match bit / 8 {
            0 => assert!(matches!(error, SealError::Version(_)), "{bit}: {error}"),
            1..=16 => assert_eq!(error, SealError::OtherGroup, "{bit}"),
            17..=20 => {} // Sender and recipient: depends on whom it makes of them.
            _ => assert_eq!(error, SealError::Broken(party(1)), "{bit}"),
        }
    }
}

#[test]
fn mail_of_one_session_is_no_mail_of_another() {
    let bytes = sealed(&header(1, 2), b"");
    let refused = |other: Header| {
        let altered = [&other.to_bytes()[..], &bytes[HEADER_LENGTH..]].concat();
        open(2, &altered).unwrap_err()
    };
    assert_eq!(
        refused(Header { session: SessionId::new([3; 16]), ..header(1, 2) }),
        SealError::Broken(party(1))
    );
    assert_eq!(refused(Header { round: 4, ..header(1, 2) }), SealError::Broken(party(1)));
    assert_eq!(refused(Header { sequence: 5, ..header(1, 2) }), SealError::Broken(party(1)));
    assert_eq!(refused(Header { group: GroupId::new([9; 16]), ..header(1, 2) }), SealError::OtherGroup);
}

#[test]
fn what_is_cut_off_does_not_open() {
    let bytes = sealed(&header(1, 2), b"0123456789");
    for length in 0..bytes.len() {
        let error = open(2, &bytes[..length]).unwrap_err();
        let expected = if length < OVERHEAD { SealError::TooShort } else { SealError::Broken(party(1)) };
        assert_eq!(error, expected, "{length}");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert_eq!(open(2, &longer), Err(SealError::Broken(party(1))));
}

#[test]
fn four_mebibytes_are_the_limit() {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let mut seal = |length| key(1).seal(&header(1, 2), &key(2).public(), &vec![0; length], &mut rng);
    assert!(open(2, &seal(PLAIN_MAX).unwrap()).is_ok());
    assert_eq!(seal(PLAIN_MAX + 1), Err(SealError::TooLong));
    let mut bytes = sealed(&header(1, 2), b"");
    bytes.resize(OVERHEAD + PLAIN_MAX + 1, 0);
    assert_eq!(open(2, &bytes), Err(SealError::TooLong));
}

#[test]
fn a_key_of_small_order_seals_nothing() {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    assert_eq!(key(1).seal(&header(1, 2), &[0; 32], b"", &mut rng), Err(SealError::WeakKey));
    let mut bytes = sealed(&header(1, 2), b"");
    bytes[HEADER_LENGTH..][..32].fill(0);
    assert_eq!(open(2, &bytes), Err(SealError::Broken(party(1))));
}

#[test]
fn mail_passes_once() {
    let bytes = sealed(&header(1, 2), b"once");
    let mut sequence = Sequence::default();
    assert!(sequence.admit(&open(2, &bytes).unwrap().0));
    assert!(!sequence.admit(&open(2, &bytes).unwrap().0));
}

/// A.2 of RFC 9180 has this suite: `skRm` and `pkRm` of its authenticated test vector (A.2.3) come from this `ikmR`.
#[test]
fn a_seed_gives_the_key_pair_of_rfc_9180() {
    let seed = hex::decode("64835d5ee64aa7aad57c6f2e4f758f7696617f8829e70bc9ac7a5ef95d1c756c").unwrap();
    let public = SealKey::from_seed(&seed.try_into().unwrap()).public();
    assert_eq!(hex::encode(public), "1a478716d63cb2e16786ee93004486dc151e988b34b475043d3e0175bdb01c44");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), is_close: bool) {
        if is_close {
            let good = header(1, 2).to_bytes();
            let length = bytes.len().min(good.len());
            bytes[..length].copy_from_slice(&good[..length]);
        }
        prop_assert!(open(2, &bytes).is_err());
    }

    #[test]
    fn whatever_is_sealed_opens_as_it_was(plain: Vec<u8>, session: [u8; 16], round: u16, sequence: u64) {
        let header = Header { session: SessionId::new(session), round, sequence, ..header(3, 1) };
        prop_assert_eq!(open(1, &sealed(&header, &plain)), Ok((header, plain)));
    }
}
