//! Solana, against web3.js's example, Anza's own message types, and another Ed25519.

use keymoot_chains::solana::{Fault, Meaning, TransactionFacts, address};
use keymoot_chains::{Danger, Detail, Inspection, Kind, Payload, Unreadable, inspect};
use keymoot_types::Scheme;
use proptest::prelude::*;
use solana_message::compiled_instruction::CompiledInstruction;
use solana_message::{Address, Hash, Message, MessageHeader, VersionedMessage, v0};

use base64ct::{Base64, Encoding};

use crate::local::Local;

const SYSTEM: [u8; 32] = [0; 32];

fn local() -> Local {
    Local::new(Scheme::FrostEd25519, [8; 32])
}

fn payload(bytes: &[u8]) -> Payload {
    Payload::new(Kind::SolTx, bytes.to_vec()).unwrap()
}

fn detail(inspection: &Inspection) -> &TransactionFacts {
    match &inspection.facts.detail {
        Detail::SolTx(facts) => facts,
        other => panic!("{other:?}"),
    }
}

fn read(bytes: &[u8]) -> Result<Inspection, Unreadable> {
    inspect(&payload(bytes), &local().key())
}

fn fault(bytes: &[u8]) -> Fault {
    match read(bytes) {
        Err(Unreadable::Chain(keymoot_chains::Fault::Solana(fault))) => fault,
        other => panic!("{other:?}"),
    }
}

/// solana-web3.js 1, test/transaction.test.ts, "parse wire format and serialize": the seed is 32 times 8.
#[test]
fn the_transaction_of_web3_js() {
    let wire = "AVuErQHaXv0SG0/PchunfxHKt8wMRfMZzqV0tkC5qO6owYxWU2v871AoWywGoFQr4z+q/7mE8lIufNl/kxj+nQ0BAAEDE5j2LG0aRXxRump\
                LXz29L2n8qTIWIY3ImX5Ba9F9k8r9Q5/Mtmcn8onFxt47xKj+XdXXd3C8j/FcPu7csUrz/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
                AAAAAAxJrndgN4IFTxep3s6kO0ROug7bEsbx0xxuDkqEvwUusBAgIAAQwCAAAAMQAAAAAAAAA=";
    let wire = Base64::decode_vec(wire).unwrap();
    let inspection = read(&wire[65..]).unwrap();
    assert_eq!(local().round(&payload(&wire[65..]), &local().key()), wire);
    let facts = detail(&inspection);
    assert_eq!(
        (facts.version, facts.blockhash.as_str()),
        (None, "EETubP5AKHgjPAhzPAFcb8BAY1hMH639CWCFTqi3hq1k")
    );
    assert_eq!(Some(&facts.fee_payer), address(&local().key()).as_ref());
    assert_eq!(facts.instructions[0].program, "11111111111111111111111111111111");
    let outflow = &inspection.facts.outflows[0];
    assert_eq!(outflow.to, "J3dxNj7nDRRqRRXuEMynDG57DkZK4jYRuv3Garmb1i99");
    assert_eq!((outflow.from.as_ref(), outflow.amount.digits()), (Some(&facts.fee_payer), "49"));
    assert_eq!(inspection.facts.fee_max.as_ref().unwrap().digits(), "5000");
    assert!(inspection.facts.dangers.is_empty());
}

/// A message of Anza's types, with our key in front. Accounts: us, two others, the system program, the compute budget.
fn anza(version_0: bool, signers: u8, instructions: Vec<CompiledInstruction>) -> VersionedMessage {
    let ours: [u8; 32] = local().public().try_into().unwrap();
    let budget = bs58::decode("ComputeBudget111111111111111111111111111111").into_vec().unwrap();
    let keys = [ours, [21; 32], [22; 32], SYSTEM, budget.try_into().unwrap()];
    let header = MessageHeader {
        num_required_signatures: signers,
        num_readonly_signed_accounts: 0,
        num_readonly_unsigned_accounts: 2,
    };
    let account_keys = keys.map(Address::new_from_array).to_vec();
    let recent_blockhash = Hash::new_from_array([7; 32]);
    if version_0 {
        let address_table_lookups = vec![];
        VersionedMessage::V0(v0::Message {
            header,
            account_keys,
            recent_blockhash,
            instructions,
            address_table_lookups,
        })
    } else {
        VersionedMessage::Legacy(Message { header, account_keys, recent_blockhash, instructions })
    }
}

fn instruction(program: u8, accounts: &[u8], input: &[u8]) -> CompiledInstruction {
    CompiledInstruction { program_id_index: program, accounts: accounts.to_vec(), data: input.to_vec() }
}

fn transfer(from: u8, to: u8, lamports: u64) -> CompiledInstruction {
    instruction(3, &[from, to], &[2u32.to_le_bytes().as_slice(), &lamports.to_le_bytes()].concat())
}

fn limit(units: u32) -> CompiledInstruction {
    instruction(4, &[], &[&[2], units.to_le_bytes().as_slice()].concat())
}

fn price(micro_lamports: u64) -> CompiledInstruction {
    instruction(4, &[], &[&[3], micro_lamports.to_le_bytes().as_slice()].concat())
}

fn name(key: &[u8; 32]) -> String {
    bs58::encode(key).into_string()
}

proptest! {
    #[test]
    fn transfers_are_read_as_anza_writes_them(
        version_0: bool,
        moves in prop::collection::vec((0u8..3, 0u8..3, any::<u64>()), 1..5),
        budget in prop::option::of((0u32..1_400_000, any::<u64>())),
        signers in 1u8..4,
    ) {
        let mut instructions: Vec<_> = moves.iter().map(|(from, to, amount)| transfer(*from, *to, *amount)).collect();
        if let Some((units, micro)) = budget {
            instructions.extend([limit(units), price(micro)]);
        }
        let message = anza(version_0, signers, instructions);
        let bytes = message.serialize();
        let inspection = read(&bytes).unwrap();
        let keys: Vec<[u8; 32]> = message.static_account_keys().iter().map(|key| key.to_bytes()).collect();
        prop_assert_eq!(detail(&inspection).version, version_0.then_some(0));
        prop_assert_eq!(inspection.facts.outflows.len(), moves.len());
        for (shown, (from, to, amount)) in inspection.facts.outflows.iter().zip(&moves) {
            prop_assert_eq!(shown.from.as_ref(), Some(&name(&keys[usize::from(*from)])));
            prop_assert_eq!(&shown.to, &name(&keys[usize::from(*to)]));
            prop_assert_eq!(shown.amount.digits(), amount.to_string());
        }
        let (units, micro) = budget.unwrap_or_default();
        let fee = 5_000 * u128::from(signers) + (u128::from(units) * u128::from(micro)).div_ceil(1_000_000);
        prop_assert_eq!(inspection.facts.fee_max.as_ref().unwrap().digits(), fee.to_string());
        let signed = local().round(&payload(&bytes), &local().key());
        prop_assert_eq!(signed[0], signers);
        prop_assert!(signed[65..1 + 64 * usize::from(signers)].iter().all(|byte| *byte == 0), "others sign for themselves");
        prop_assert_eq!(&signed[1 + 64 * usize::from(signers)..], &bytes);
        let public = ed25519_compact::PublicKey::from_slice(&local().public()).unwrap();
        let signature = ed25519_compact::Signature::from_slice(&signed[1..65]).unwrap();
        prop_assert!(public.verify(&bytes, &signature).is_ok());
    }

    /// What we read, Anza reads, and writes as it was; what Anza reads soundly, we refuse for our own reasons only.
    #[test]
    fn both_readers_take_the_same_messages(at in any::<prop::sample::Index>(), byte: u8, cut in 0usize..4, version_0: bool) {
        let message = anza(version_0, 2, vec![transfer(0, 1, 5), limit(9), instruction(4, &[1, 2], &[9; 200])]);
        let mut bytes = message.serialize();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut / 2);
        agree(&bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0x80), any::<u8>()], 0..300)) {
        agree(&bytes);
    }
}

fn agree(bytes: &[u8]) {
    let theirs = wincode::deserialize_exact::<VersionedMessage>(bytes).ok();
    let theirs = theirs.filter(|message| message.sanitize().is_ok() && message.serialize() == bytes);
    match (read(bytes), theirs) {
        (Ok(_), theirs) => assert!(theirs.is_some(), "{bytes:02x?}"),
        (Err(refused), Some(message)) => {
            let reason = match refused {
                Unreadable::Chain(keymoot_chains::Fault::Solana(fault)) => fault,
                other => panic!("{other}"),
            };
            match reason {
                Fault::NotASigner => {
                    let signers = usize::from(message.header().num_required_signatures);
                    let ours = local().public();
                    assert!(message.static_account_keys()[..signers].iter().all(|key| key.as_ref() != ours));
                }
                Fault::Lookups => {
                    assert!(message.address_table_lookups().is_some_and(|list| !list.is_empty()))
                }
                Fault::Version(1) => assert!(matches!(message, VersionedMessage::V1(_))),
                Fault::Repeated => {
                    let keys = message.static_account_keys();
                    let distinct: std::collections::BTreeSet<_> =
                        keys.iter().map(|key| key.to_bytes()).collect();
                    assert!(distinct.len() < keys.len());
                }
                other => panic!("{other}: {bytes:02x?}"),
            }
        }
        (Err(_), None) => {}
    }
}

#[test]
fn instructions_that_are_not_understood_are_a_danger() {
    for one in [
        instruction(3, &[0, 1], &[4, 0, 0, 0]),
        instruction(3, &[0], &[2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
        instruction(3, &[0, 1, 2], &[2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
        instruction(3, &[0, 1], &[2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        instruction(3, &[0, 1], &[]),
        instruction(4, &[], &[2, 1]),
        instruction(4, &[], &[]),
        instruction(2, &[0, 1], &[2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        let inspection = read(&anza(false, 1, vec![transfer(0, 1, 5), one]).serialize()).unwrap();
        assert_eq!(inspection.facts.dangers.iter().copied().collect::<Vec<_>>(), [Danger::Opaque]);
        assert_eq!((inspection.facts.outflows.len(), inspection.facts.fee_max.as_ref()), (1, None));
        assert_eq!(detail(&inspection).instructions[1].meaning, Meaning::Opaque);
    }
    for twice in [[limit(1), limit(1)], [price(1), price(1)]] {
        assert_eq!(read(&anza(false, 1, twice.to_vec()).serialize()).unwrap().facts.dangers.len(), 1);
    }
}

#[test]
fn a_price_without_a_limit_is_for_the_most_there_can_be() {
    let facts = read(&anza(false, 1, vec![price(10)]).serialize()).unwrap().facts;
    assert_eq!(facts.fee_max.unwrap().digits(), "5014");
}

#[test]
fn messages_that_cannot_be_are_refused() {
    let good = anza(false, 1, vec![transfer(0, 1, 5)]).serialize();
    let with = |place: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[place] = byte;
        fault(&bytes)
    };
    assert_eq!(with(0, 0x81), Fault::Version(1));
    assert_eq!(with(0, 0), Fault::Accounts, "nobody signs");
    assert_eq!(with(0, 4), Fault::Accounts, "more signers and readers than accounts");
    assert_eq!(with(1, 1), Fault::Accounts, "who pays must be writable");
    assert_eq!(with(4, 9), Fault::NotASigner);
    assert_eq!(fault(&good[..good.len() - 1]), Fault::NotAMessage);
    assert_eq!(fault(&[good.clone(), vec![0]].concat()), Fault::NotAMessage);
    assert_eq!(fault(&[]), Fault::NotAMessage);
    // Five accounts, written in two bytes.
    let long = [&good[..3], &[0x85, 0x00], &good[4..]].concat();
    assert_eq!(fault(&long), Fault::NotAMessage);
    for (program, account) in [(0, 1), (5, 1), (3, 5)] {
        let one = instruction(program, &[account], &[]);
        assert_eq!(fault(&anza(false, 1, vec![one]).serialize()), Fault::Accounts);
    }
    let mut twice = good.clone();
    twice.copy_within(36..68, 68);
    assert_eq!(fault(&twice), Fault::Repeated);
    let mut lookup = anza(true, 1, vec![transfer(0, 1, 5)]).serialize();
    *lookup.last_mut().unwrap() = 1;
    lookup.extend([[9; 32].as_slice(), &[1, 0, 0]].concat());
    assert_eq!(fault(&lookup), Fault::Lookups);
}

#[test]
fn keys_of_another_curve_are_refused() {
    for scheme in [Scheme::Dkls23, Scheme::FrostTaproot] {
        let key = Local::new(scheme, [8; 32]).key();
        let refused = inspect(&payload(&anza(false, 1, vec![]).serialize()), &key);
        assert_eq!(refused, Err(Unreadable::WrongScheme { scheme, kind: "sol_tx" }));
        assert_eq!(address(&key), None);
    }
}
