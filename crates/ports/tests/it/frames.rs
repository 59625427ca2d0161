//! Frames: what a crash may leave, and what it may not.

use keymoot_ports::frames::Unwritable;
use keymoot_ports::frames::{
    Corrupt, Damage, Decoded, HEADER_BYTES, OVERHEAD_BYTES, WRITE_BYTES_MAX, decode, encode,
};
use keymoot_ports::journal::RECORD_BYTES_MAX;
use proptest::collection::vec;
use proptest::prelude::*;

type Records = Vec<Vec<u8>>;

fn must_encode(first: u64, records: &[Vec<u8>]) -> Vec<u8> {
    encode(first, records).expect("these records are within the bounds")
}

fn must_decode(bytes: &[u8]) -> Decoded<'_> {
    decode(bytes).expect("these bytes are those that were written")
}

/// Where each frame ends.
fn ends(records: &[Vec<u8>]) -> Vec<usize> {
    let mut end = 0;
    records
        .iter()
        .map(|record| {
            end += record.len() + OVERHEAD_BYTES;
            end
        })
        .collect()
}

fn some_records() -> impl Strategy<Value = Records> {
    vec(vec(any::<u8>(), 0..40), 0..8)
}

fn some_first() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..1000u64, Just(u64::MAX - 100)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cut_is_clean_or_torn_and_keeps_all_whole_records(first in some_first(), records in some_records()) {
        let (bytes, ends) = (must_encode(first, &records), ends(&records));
        for cut in 0..=bytes.len() {
            let decoded = must_decode(&bytes[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let valid_len = whole.checked_sub(1).map_or(0, |last| ends[last]);
            prop_assert_eq!(&decoded.records, &records[..whole]);
            prop_assert_eq!(decoded.valid_len, valid_len);
            prop_assert_eq!(decoded.torn, valid_len != cut);
            prop_assert_eq!(decoded.first_sequence, (whole > 0).then_some(first));
            prop_assert_eq!(decoded.next_sequence(first), first + whole as u64);
        }
    }

    /// A file system may keep the length of a write and lose its bytes. Where the cut goes through a record's checksum, it looks
    /// like damage.
    #[test]
    fn zeros_in_place_of_what_was_not_written_are_torn_and_lose_nothing_else(first in some_first(), records in some_records()) {
        let (bytes, ends) = (must_encode(first, &records), ends(&records));
        for cut in 0..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let (begin, end) = (whole.checked_sub(1).map_or(0, |last| ends[last]), ends[whole]);
            let mut zeros = bytes.clone();
            zeros[cut..].fill(0);
            // Zeros that were written are no zeros that were not; and where no record is, they are no journal.
            if whole == 0 || zeros[begin..end] == bytes[begin..end] {
                continue;
            }
            let in_a_checksum = (end - 3..end).contains(&cut);
            match decode(&zeros) {
                Ok(decoded) => {
                    prop_assert!(decoded.torn);
                    prop_assert_eq!(&decoded.records, &records[..whole]);
                }
                Err(corrupt) => prop_assert!(in_a_checksum && corrupt.at == begin, "{corrupt}, cut at {cut}"),
            }
            if cut < begin + HEADER_BYTES && cut > begin {
                zeros[end - 1] ^= 1;
                prop_assert!(decode(&zeros).is_err(), "something was written after it");
            }
        }
    }

    #[test]
    fn every_flip_is_corrupt(first in some_first(), records in some_records()) {
        let bytes = must_encode(first, &records);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let corrupt = decode(&flipped);
            let right = ends(&records).iter().filter(|end| **end <= bit / 8).max().copied().unwrap_or_default();
            prop_assert_eq!(corrupt.map_err(|corrupt| corrupt.at), Err(right), "bit {}", bit);
        }
    }

    #[test]
    fn a_flip_before_a_torn_frame_is_corrupt_and_one_inside_loses_nothing_else(
        first in some_first(), records in some_records(), cut in any::<prop::sample::Index>(),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut bytes = must_encode(first, &records);
        bytes.truncate(cut.index(bytes.len() + 1));
        prop_assume!(!bytes.is_empty());
        let clean = bytes.clone();
        let clean = must_decode(&clean);
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        match decode(&bytes) {
            Err(corrupt) => prop_assert!(corrupt.at <= bit / 8),
            Ok(decoded) => {
                prop_assert!(bit / 8 >= clean.valid_len && decoded.torn);
                prop_assert_eq!(decoded.records, clean.records);
            }
        }
    }

    #[test]
    fn frames_that_are_lost_repeated_or_swapped_are_corrupt(
        first in some_first(), records in vec(vec(any::<u8>(), 0..9), 2..6), at in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let frame = |i: usize| must_encode(first + i as u64, &records[i..=i]);
        let frames: Records = (0..records.len()).map(frame).collect();
        prop_assert_eq!(frames.concat(), must_encode(first, &records));
        let (at, to) = (at.index(frames.len() - 1), to.index(frames.len()));
        let mut repeated = frames.clone();
        repeated.insert(to, frames[at].clone());
        prop_assert!(decode(&repeated.concat()).is_err());
        let mut lost = frames.clone();
        lost.remove(at);
        // Without its first frame a journal looks like one that begins later, and says so.
        match decode(&lost.concat()) {
            Ok(decoded) => prop_assert!(at == 0 && decoded.first_sequence == Some(first + 1)),
            Err(corrupt) => prop_assert!(matches!(corrupt.why, Damage::Hole { .. }), "{}", corrupt),
        }
        let mut swapped = frames;
        swapped.swap(at, at + 1);
        prop_assert!(decode(&swapped.concat()).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..100)) {
        if let Ok(decoded) = decode(&bytes) {
            prop_assert!(decoded.valid_len <= bytes.len());
        }
    }

    #[test]
    fn appending_where_the_valid_bytes_end_goes_on(
        records in some_records(), more in some_records(), cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = must_encode(0, &records);
        bytes.truncate(cut.index(bytes.len() + 1));
        let decoded = must_decode(&bytes);
        let (next, valid_len) = (decoded.next_sequence(0), decoded.valid_len);
        let mut all: Records = decoded.records.iter().map(|record| record.to_vec()).collect();
        bytes.truncate(valid_len);
        bytes.extend(must_encode(next, &more));
        all.extend(more);
        let decoded = must_decode(&bytes);
        prop_assert_eq!(decoded.records, all);
        prop_assert!(!decoded.torn);
    }
}

#[test]
fn damage_is_told_with_its_place() {
    let records: Records = vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()];
    let (a, b) = (must_encode(5, &records[..1]), must_encode(6, &records[1..2]));
    let end = a.len();
    let why = |bytes: &[u8]| decode(bytes).expect_err("these bytes are damaged");
    let hole = must_encode(8, &records[2..]);
    assert_eq!(
        why(&[&*a, &*hole].concat()).to_string(),
        format!("the frame at byte {end} is damaged: records 6 to 8 (exclusive) are missing")
    );
    let repeated = Corrupt { at: end, why: Damage::Repeated { expected: 6, found: 5 } };
    assert_eq!(why(&[&*a, &*a].concat()), repeated);
    let mut last = [&*a, &*b].concat();
    last[end + HEADER_BYTES] ^= 1;
    assert_eq!(why(&last), Corrupt { at: end, why: Damage::Payload { sequence: 6 } });
    let mut length = [&*a, &*b].concat();
    length[end + 10] ^= 1;
    assert_eq!(why(&length), Corrupt { at: end, why: Damage::Header }, "a wrong length is not a torn frame");
    let zeros = [&*a, &[0; 40], &[1]].concat();
    assert_eq!(why(&zeros), Corrupt { at: end, why: Damage::Header }, "something was written after them");
    let stray = [&*a, &[9; 14]].concat();
    assert_eq!(why(&stray), Corrupt { at: end, why: Damage::Stray { expected: 6 } });
    let stray = [&*a, &[9, 9, 9]].concat();
    assert_eq!(why(&stray), Corrupt { at: end, why: Damage::Stray { expected: 6 } });
}

#[test]
fn the_format_is_as_specified() {
    // From Python: zlib.crc32 of the twelve bytes, and of these with the payload.
    let frame = must_encode(1, &[b"abc".to_vec()]);
    let header = [1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0];
    assert_eq!(frame[..12], header);
    assert_eq!(frame[12..16], HEADER_SUM.to_le_bytes());
    assert_eq!(frame[16..19], *b"abc");
    assert_eq!(frame[19..], FRAME_SUM.to_le_bytes());
}

const HEADER_SUM: u32 = 0xf2c525ee;
const FRAME_SUM: u32 = 0x95a55a42;

#[test]
fn what_cannot_be_written_is_not() {
    assert_eq!(encode(0, &[vec![0; RECORD_BYTES_MAX + 1]]), Err(Unwritable::TooLong));
    assert_eq!(encode(u64::MAX, &[Vec::new()]), Err(Unwritable::NoNumbersLeft));
    let last = must_encode(u64::MAX - 1, &[Vec::new()]);
    assert_eq!(must_decode(&last).next_sequence(0), u64::MAX);
    assert_eq!(must_decode(&[]), Decoded::default());
    let longest = [vec![7; RECORD_BYTES_MAX]];
    assert_eq!(must_decode(&must_encode(0, &longest)).records, longest);
}

/// What is left of the longest write is taken for that, and no more.
#[test]
fn no_more_zeros_are_forgiven_than_one_write_may_have() {
    let mut bytes = must_encode(5, &[b"a record".to_vec()]);
    let end = bytes.len();
    bytes.resize(end + WRITE_BYTES_MAX, 0);
    let decoded = decode(&bytes).expect("an unfinished write");
    assert!(decoded.torn && decoded.valid_len == end);
    bytes.push(0);
    assert_eq!(decode(&bytes), Err(Corrupt { at: end, why: Damage::Header }));
}
