//! PSBTs of the BIPs, and what one field more or less makes of them.

use base64ct::{Base64, Encoding};
use bitcoin::Psbt;

use super::{Fault, List, Lists, read};

fn vectors(of: &str) -> Vec<Vec<u8>> {
    let all: serde_json::Value = serde_json::from_str(include_str!("../../../vectors/psbt.json")).unwrap();
    let each = all[of].as_array().unwrap().iter();
    each.map(|one| Base64::decode_vec(one.as_str().unwrap()).unwrap()).collect()
}

#[test]
fn valid_vectors_are_read_and_written_again() {
    for bytes in [vectors("bip174_valid"), vectors("bip371_valid")].concat() {
        let read = read(&bytes).unwrap();
        assert_eq!((read.version, &read.psbt), (0, &Psbt::deserialize(&bytes).unwrap()));
        assert_eq!(Psbt::deserialize(&read.lists.encode()).unwrap(), read.psbt);
    }
    for bytes in vectors("bip370_valid") {
        let read = read(&bytes).unwrap();
        let second = psbt_v2::v2::Psbt::deserialize(&bytes).unwrap();
        assert_eq!(psbt_v2::v2::Psbt::deserialize(&read.lists.encode()).unwrap(), second);
        assert_eq!(read.version, 2);
        let unsigned = &read.psbt.unsigned_tx;
        assert_eq!(unsigned.lock_time, second.determine_lock_time().unwrap());
        assert_eq!(unsigned.version, second.global.tx_version);
        for (ours, theirs) in unsigned.input.iter().zip(&second.inputs) {
            assert_eq!(ours.previous_output.txid, theirs.previous_txid);
            assert_eq!(ours.previous_output.vout, theirs.spent_output_index);
            assert_eq!(ours.sequence, theirs.sequence.unwrap_or(bitcoin::Sequence::MAX));
        }
        for (ours, theirs) in unsigned.output.iter().zip(&second.outputs) {
            assert_eq!((ours.value, &ours.script_pubkey), (theirs.amount, &theirs.script_pubkey));
        }
    }
}

#[test]
fn invalid_vectors_are_refused() {
    let all = [vectors("bip174_invalid"), vectors("bip371_invalid")].concat();
    assert_eq!(all.len(), 15);
    for (place, bytes) in all.iter().enumerate() {
        let refused = read(bytes).err();
        assert!(matches!(refused, Some(Fault::NotAPsbt | Fault::Fields)), "{place}: {refused:?}");
    }
}

fn base() -> Lists {
    vectors("bip370_valid")
        .iter()
        .map(|bytes| read(bytes).unwrap().lists)
        .find(|lists| lists.inputs.len() == 1)
        .unwrap()
}

fn fault(change: impl Fn(&mut Lists)) -> Option<Fault> {
    let mut lists = base();
    change(&mut lists);
    read(&lists.encode()).err()
}

/// BIP-370, "Test Vectors": invalid PSBTs lack one of these fields, or have another version's.
#[test]
fn fields_of_the_other_version_and_missing_ones_are_refused() {
    assert_eq!(fault(|_| {}), None);
    for of in [0x02, 0x04, 0x05] {
        assert_eq!(fault(|lists| drop(lists.global.remove([of].as_slice()))), Some(Fault::Fields), "{of}");
    }
    for of in [0x0e, 0x0f] {
        assert_eq!(fault(|lists| drop(lists.inputs[0].remove([of].as_slice()))), Some(Fault::Fields), "{of}");
    }
    for of in [0x03, 0x04] {
        assert_eq!(
            fault(|lists| drop(lists.outputs[0].remove([of].as_slice()))),
            Some(Fault::Fields),
            "{of}"
        );
    }
    assert_eq!(fault(|lists| drop(lists.global.insert(vec![0], vec![]))), Some(Fault::Fields));
    let plain = read(&vectors("bip371_valid")[0]).unwrap().lists;
    let added = |change: &dyn Fn(&mut Lists)| {
        let mut lists = plain.clone();
        change(&mut lists);
        read(&lists.encode()).err()
    };
    for of in 0x02..=0x06 {
        assert_eq!(added(&|lists| drop(lists.global.insert(vec![of], vec![1]))), Some(Fault::Fields));
    }
    for of in 0x0e..=0x12 {
        assert_eq!(added(&|lists| drop(lists.inputs[0].insert(vec![of], vec![1]))), Some(Fault::Fields));
    }
    for of in 0x03..=0x04 {
        assert_eq!(added(&|lists| drop(lists.outputs[0].insert(vec![of], vec![1]))), Some(Fault::Fields));
    }
}

#[test]
fn counts_versions_and_sizes_are_checked() {
    let set = |of: u8, value: Vec<u8>| fault(move |lists| drop(lists.global.insert(vec![of], value.clone())));
    assert_eq!(set(0xfb, vec![1, 0, 0, 0]), Some(Fault::Version(1)));
    assert_eq!(set(0xfb, vec![3, 0, 0, 0]), Some(Fault::Version(3)));
    assert_eq!(set(0xfb, vec![2]), Some(Fault::Fields));
    assert_eq!(set(0x04, vec![0]), Some(Fault::Size));
    assert_eq!(set(0x05, vec![0]), Some(Fault::Size));
    assert_eq!(set(0x04, vec![2]), Some(Fault::NotAPsbt));
    assert_eq!(set(0x04, vec![0xfd, 1, 0]), Some(Fault::Fields), "a length in too many bytes");
    // A library that takes this number for an amount of memory ends here.
    assert_eq!(set(0x04, vec![0xff; 9]), Some(Fault::Size));
    assert_eq!(set(0x05, vec![0xff; 9]), Some(Fault::Size));
    let empty = [b"psbt\xff".as_slice(), &[0; 3000]].concat();
    assert_eq!(read(&empty).err(), Some(Fault::Size));
}

fn asking(list: &mut List, time: Option<u32>, height: Option<u32>) {
    for (of, at) in [(0x11, time), (0x12, height)] {
        list.remove([of].as_slice());
        if let Some(at) = at {
            list.insert(vec![of], at.to_le_bytes().to_vec());
        }
    }
}

/// BIP-370, "Determining Lock Time", on two inputs.
#[test]
fn lock_times_are_determined_as_bip_370_says() {
    let decided = |one: (Option<u32>, Option<u32>), other: (Option<u32>, Option<u32>)| {
        let mut lists = base();
        lists.global.insert(vec![0x04], vec![2]);
        lists.global.insert(vec![0x03], 7u32.to_le_bytes().to_vec());
        let mut second = lists.inputs[0].clone();
        second.insert(vec![0x0f], 9u32.to_le_bytes().to_vec());
        lists.inputs.push(second);
        asking(&mut lists.inputs[0], one.0, one.1);
        asking(&mut lists.inputs[1], other.0, other.1);
        read(&lists.encode()).map(|read| read.psbt.unsigned_tx.lock_time.to_consensus_u32())
    };
    let (early, late) = (Some(1_657_048_459), Some(1_657_048_460));
    assert_eq!(decided((None, None), (None, None)), Ok(7));
    assert_eq!(decided((None, Some(10_000)), (None, None)), Ok(10_000));
    assert_eq!(decided((None, Some(10_000)), (None, Some(9_000))), Ok(10_000));
    assert_eq!(decided((early, Some(10_000)), (late, Some(9_000))), Ok(10_000));
    assert_eq!(decided((early, Some(10_000)), (late, None)), Ok(1_657_048_460));
    assert_eq!(decided((early, None), (None, None)), Ok(1_657_048_459));
    assert_eq!(decided((early, None), (None, Some(10_000))), Err(Fault::LockTime));
    assert_eq!(decided((Some(499_999_999), None), (None, None)), Err(Fault::Fields));
    assert_eq!(decided((None, Some(500_000_000)), (None, None)), Err(Fault::Fields));
}
