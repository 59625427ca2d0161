//! What calls say: tokens, Safes, batches, and what is not understood. Calldata is written by hand in `second`.

use keymoot_chains::ethereum::{CALLS_MAX, DEPTH_MAX, How, Meaning};
use keymoot_chains::{Asset, Danger, Facts};

use super::second::{self, Word, call, packed};
use super::{calling, checksummed, inside, local, read, top};

const TOKEN: [u8; 20] = [0x70; 20];
const ALICE: [u8; 20] = [0xa1; 20];
const BOB: [u8; 20] = [0xb0; 20];
const SAFE: [u8; 20] = [0x5a; 20];

fn me() -> String {
    keymoot_chains::ethereum::address(&local().key()).unwrap()
}

fn dangers(facts: &Facts) -> Vec<Danger> {
    facts.dangers.iter().copied().collect()
}

/// From, to, amount of each outflow.
fn moves(facts: &Facts) -> Vec<(String, String, String)> {
    let each = facts.outflows.iter();
    each.map(|one| (one.from.clone().unwrap(), one.to.clone(), one.amount.to_string())).collect()
}

fn one_move(from: &str, to: [u8; 20], amount: u64) -> Vec<(String, String, String)> {
    vec![(from.to_owned(), checksummed(&to), amount.to_string())]
}

#[test]
fn coins_without_calldata_are_sent() {
    let facts = calling(BOB, 7, &[]);
    assert_eq!(top(&facts).meaning, Meaning::Send);
    assert_eq!((moves(&facts), dangers(&facts)), (one_move(&me(), BOB, 7), vec![]));
    assert!(calling(BOB, 0, &[]).outflows.is_empty());
}

#[test]
fn transfers_of_every_token_standard_are_outflows() {
    let token = || checksummed(&TOKEN);
    let (me, alice) = (me(), checksummed(&ALICE));
    let (a, b, n, id) = (Word::Address(ALICE), Word::Address(BOB), Word::Uint(7), Word::Uint(5));
    let five = || 5u64.into();
    let cases = [
        (call("transfer(address,uint256)", &[b.clone(), n.clone()]), &me, Asset::Erc20 { token: token() }),
        (
            call("transferFrom(address,address,uint256)", &[a.clone(), b.clone(), n.clone()]),
            &alice,
            Asset::Erc20OrErc721 { token: token() },
        ),
        (
            call(
                "safeTransferFrom(address,address,uint256,uint256,bytes)",
                &[a.clone(), b.clone(), id.clone(), n.clone(), Word::Bytes(vec![])],
            ),
            &alice,
            Asset::Erc1155 { token: token(), id: five() },
        ),
        (
            call(
                "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
                &[
                    a.clone(),
                    b.clone(),
                    Word::List(vec![id.clone()]),
                    Word::List(vec![n]),
                    Word::Bytes(vec![]),
                ],
            ),
            &alice,
            Asset::Erc1155 { token: token(), id: five() },
        ),
    ];
    for (calldata, from, asset) in cases {
        let facts = calling(TOKEN, 0, &calldata);
        assert_eq!(moves(&facts), one_move(from, BOB, 7));
        assert_eq!((&facts.outflows[0].asset, dangers(&facts)), (&asset, vec![]));
        assert_eq!(top(&facts).meaning, Meaning::TokenTransfer);
        assert_eq!(
            top(&facts).selector.as_deref(),
            Some(format!("0x{}", hex::encode(&calldata[..4])).as_str())
        );
    }
    for calldata in [
        call("safeTransferFrom(address,address,uint256)", &[a.clone(), b.clone(), id.clone()]),
        call("safeTransferFrom(address,address,uint256,bytes)", &[a, b, id, Word::Bytes(vec![])]),
    ] {
        let facts = calling(TOKEN, 0, &calldata);
        assert_eq!(moves(&facts), one_move(&alice, BOB, 1));
        assert_eq!(facts.outflows[0].asset, Asset::Erc721 { token: token(), id: five() });
    }
}

#[test]
fn a_receivers_hook_makes_a_transfer_opaque() {
    let (a, b, n) = (Word::Address(ALICE), Word::Address(BOB), Word::Uint(7));
    let hook = Word::Bytes(vec![1]);
    for calldata in [
        call(
            "safeTransferFrom(address,address,uint256,bytes)",
            &[a.clone(), b.clone(), n.clone(), hook.clone()],
        ),
        call(
            "safeTransferFrom(address,address,uint256,uint256,bytes)",
            &[a.clone(), b.clone(), n.clone(), n.clone(), hook.clone()],
        ),
        call(
            "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
            &[a.clone(), b.clone(), Word::List(vec![n.clone()]), Word::List(vec![n.clone()]), hook],
        ),
        // One list is longer than the other.
        call(
            "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
            &[a, b, Word::List(vec![n.clone()]), Word::List(vec![]), Word::Bytes(vec![])],
        ),
    ] {
        assert_eq!(dangers(&calling(TOKEN, 0, &calldata)), [Danger::Opaque]);
    }
}

#[test]
fn rights_to_tokens_are_allowances_and_unlimited_ones_a_danger() {
    let (a, b, n) = (Word::Address(ALICE), Word::Address(BOB), Word::Uint(7));
    let rest = [Word::Uint(1), Word::Uint(27), Word::Uint(2), Word::Uint(3)];
    let permit = |n: Word| {
        call(
            "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
            &[&[a.clone(), b.clone(), n], &rest[..]].concat(),
        )
    };
    let dai = |yes: bool| {
        call(
            "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)",
            &[&[a.clone(), b.clone(), n.clone(), n.clone(), Word::Bool(yes)], &rest[1..]].concat(),
        )
    };
    let approve = |n: Word| call("approve(address,uint256)", &[b.clone(), n]);
    let (me, alice) = (me(), checksummed(&ALICE));
    let cases = [
        (approve(n.clone()), &me, Some("7"), false),
        (approve(Word::Uint(0)), &me, Some("0"), false),
        (approve(Word::Max), &me, Some(MAX), true),
        (call("increaseAllowance(address,uint256)", &[b.clone(), n.clone()]), &me, Some("7"), false),
        (call("setApprovalForAll(address,bool)", &[b.clone(), Word::Bool(true)]), &me, None, true),
        (call("setApprovalForAll(address,bool)", &[b.clone(), Word::Bool(false)]), &me, Some("0"), false),
        (permit(n.clone()), &alice, Some("7"), false),
        (permit(Word::Max), &alice, Some(MAX), true),
        (dai(true), &alice, None, true),
        (dai(false), &alice, Some("0"), false),
    ];
    for (calldata, owner, amount, unlimited) in cases {
        let facts = calling(TOKEN, 0, &calldata);
        let allowance = &facts.allowances[0];
        assert_eq!((&allowance.owner, &allowance.token), (owner, &checksummed(&TOKEN)));
        assert_eq!(allowance.spender, checksummed(&BOB));
        assert_eq!(allowance.amount.as_ref().map(|amount| amount.digits()), amount);
        assert_eq!(allowance.unlimited, unlimited);
        assert_eq!(dangers(&facts), if unlimited { vec![Danger::UnlimitedAllowance] } else { vec![] });
        assert_eq!(top(&facts).meaning, Meaning::TokenAllowance);
    }
    let less = calling(TOKEN, 0, &call("decreaseAllowance(address,uint256)", &[b, n]));
    assert!(less.allowances.is_empty() && less.dangers.is_empty());
}

const MAX: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";

#[test]
fn unknown_or_sloppy_calldata_is_opaque() {
    let good = call("transfer(address,uint256)", &[Word::Address(BOB), Word::Uint(7)]);
    let mut dirty = good.clone();
    dirty[4] = 1;
    let mut dirty_bool = call("setApprovalForAll(address,bool)", &[Word::Address(BOB), Word::Bool(true)]);
    *dirty_bool.last_mut().unwrap() = 2;
    let trailing = [good.clone(), vec![0]].concat();
    for calldata in [vec![0], vec![1, 2, 3, 4], good[..67].to_vec(), trailing, dirty, dirty_bool] {
        let facts = calling(TOKEN, 3, &calldata);
        assert_eq!((dangers(&facts), &top(&facts).meaning), (vec![Danger::Opaque], &Meaning::Opaque));
        assert_eq!(moves(&facts), one_move(&me(), TOKEN, 3), "coins are seen all the same");
    }
}

#[test]
fn a_contract_that_is_created_is_a_danger() {
    let bytes = second::Transaction { to: None, calldata: vec![0x60], ..second::plain(2) };
    let facts = read(&bytes.signing()).unwrap().facts;
    assert_eq!(dangers(&facts), [Danger::Creation]);
    assert_eq!(super::transaction(&facts).call, None);
    // Nonce 9: keccak(rlp([sender, 9])).
    let mut stream = rlp::RlpStream::new_list(2);
    let sender = hex::decode(&me()[2..]).unwrap();
    stream.append(&sender).append(&9u8);
    let created: [u8; 20] = super::keccak(&stream.out())[12..].try_into().unwrap();
    assert_eq!(moves(&facts), one_move(&me(), created, 1));
}

/// `execTransaction` of a Safe.
fn exec(to: [u8; 20], value: u64, calldata: &[u8], operation: u128, gas_price: u128) -> Vec<u8> {
    let zero = Word::Address([0; 20]);
    call(
        "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
        &[
            Word::Address(to),
            Word::Uint(u128::from(value)),
            Word::Bytes(calldata.to_vec()),
            Word::Uint(operation),
            Word::Uint(0),
            Word::Uint(0),
            Word::Uint(gas_price),
            zero.clone(),
            zero,
            Word::Bytes(vec![1; 65]),
        ],
    )
}

#[test]
fn a_safes_transaction_is_unwrapped() {
    let transfer = call("transfer(address,uint256)", &[Word::Address(BOB), Word::Uint(7)]);
    let facts = calling(SAFE, 0, &exec(TOKEN, 5, &transfer, 0, 0));
    let safe = checksummed(&SAFE);
    let expected = [one_move(&safe, TOKEN, 5), one_move(&safe, BOB, 7)].concat();
    assert_eq!((moves(&facts), dangers(&facts)), (expected, vec![]));
    let Meaning::SafeTransaction { operation: 0, call, .. } = &top(&facts).meaning else {
        panic!("{facts:?}")
    };
    assert_eq!((call.how, &call.from, &call.meaning), (How::Call, &safe, &Meaning::TokenTransfer));
    assert_eq!(dangers(&calling(SAFE, 0, &exec(TOKEN, 0, &transfer, 0, 1))), [Danger::GasRefund]);
    assert_eq!(dangers(&calling(SAFE, 0, &exec(TOKEN, 0, &transfer, 2, 0))), [Danger::Opaque]);
}

/// The shape of the theft at Bybit, February 2025: a Safe delegates to an unknown contract, with calldata that looks like
/// a transfer of tokens. The real one wrote a new address over the wallet's code.
#[test]
fn the_bybit_shape_is_no_transfer_but_a_delegatecall() {
    let looks_like_a_transfer = call("transfer(address,uint256)", &[Word::Address(BOB), Word::Uint(0)]);
    assert_eq!(hex::encode(&looks_like_a_transfer[..4]), "a9059cbb");
    let facts = calling(SAFE, 0, &exec([0x96; 20], 0, &looks_like_a_transfer, 1, 0));
    assert_eq!(dangers(&facts), [Danger::Opaque, Danger::Delegatecall]);
    assert!(facts.outflows.is_empty(), "nothing that could pass for a payment");
    let inner = inside(top(&facts))[0];
    assert_eq!((inner.how, &inner.meaning), (How::Delegatecall, &Meaning::Opaque));
    assert_eq!(inner.selector.as_deref(), Some("0xa9059cbb"));
    assert_eq!(inner.to, checksummed(&[0x96; 20]));
    let json = serde_json::to_value(&facts).unwrap();
    assert_eq!(json["dangers"], serde_json::json!(["opaque", "delegatecall"]));
    assert_eq!(json["detail"]["call"]["meaning"]["call"]["how"], "delegatecall");
}

#[test]
fn a_multisend_shows_its_calls_and_stays_a_delegatecall() {
    let transfer = call("transfer(address,uint256)", &[Word::Address(BOB), Word::Uint(7)]);
    let packed_calls = [packed(0, TOKEN, 0, &transfer), packed(0, ALICE, 3, &[])].concat();
    let send = |bytes: Vec<u8>| exec([0x38; 20], 0, &call("multiSend(bytes)", &[Word::Bytes(bytes)]), 1, 0);
    let facts = calling(SAFE, 0, &send(packed_calls.clone()));
    assert_eq!(dangers(&facts), [Danger::Delegatecall]);
    let safe = checksummed(&SAFE);
    assert_eq!(moves(&facts), [one_move(&safe, BOB, 7), one_move(&safe, ALICE, 3)].concat());
    assert_eq!(inside(inside(top(&facts))[0]).len(), 2);
    // Not delegated to, it is MultiSend's own business.
    let own = exec([0x38; 20], 0, &call("multiSend(bytes)", &[Word::Bytes(packed_calls.clone())]), 0, 0);
    assert_eq!(dangers(&calling(SAFE, 0, &own)), [Danger::Opaque]);
    for wrong in [packed_calls[..packed_calls.len() - 1].to_vec(), packed(2, TOKEN, 0, &[]), vec![0; 84]] {
        assert!(dangers(&calling(SAFE, 0, &send(wrong))).contains(&Danger::Opaque));
    }
}

#[test]
fn multicalls_are_unwrapped() {
    let transfer = call("transfer(address,uint256)", &[Word::Address(BOB), Word::Uint(7)]);
    let bytes = Word::Bytes(transfer.clone());
    let each = Word::Tuple(vec![Word::Address(TOKEN), bytes.clone()]);
    let three = Word::Tuple(vec![Word::Address(TOKEN), Word::Bool(true), bytes.clone()]);
    let valued = Word::Tuple(vec![Word::Address(TOKEN), Word::Bool(false), Word::Uint(2), bytes.clone()]);
    let list = |word: &Word| Word::List(vec![word.clone(), word.clone()]);
    let cases = [
        (call("multicall(bytes[])", &[list(&bytes)]), How::Itself, true, 2),
        (call("multicall(uint256,bytes[])", &[Word::Uint(9), list(&bytes)]), How::Itself, true, 2),
        (call("aggregate((address,bytes)[])", &[list(&each)]), How::Call, false, 2),
        (call("tryAggregate(bool,(address,bytes)[])", &[Word::Bool(true), list(&each)]), How::Call, false, 2),
        (call("aggregate3((address,bool,bytes)[])", &[list(&three)]), How::Call, false, 2),
        (call("aggregate3Value((address,bool,uint256,bytes)[])", &[list(&valued)]), How::Call, false, 4),
    ];
    for (calldata, how, is_mine, flows) in cases {
        let facts = calling(SAFE, 0, &calldata);
        let inner = inside(top(&facts));
        assert_eq!((inner.len(), inner[0].how), (2, how));
        let from = if is_mine { me() } else { checksummed(&SAFE) };
        assert!(inner.iter().all(|call| call.meaning == Meaning::TokenTransfer && call.from == from));
        assert_eq!((facts.outflows.len(), dangers(&facts)), (flows, vec![]));
    }
}

#[test]
fn calls_are_counted_and_nesting_ends() {
    let batch = |inner: &[u8], times: usize| {
        call("multicall(bytes[])", &[Word::List(vec![Word::Bytes(inner.to_vec()); times])])
    };
    let transfer = call("transfer(address,uint256)", &[Word::Address(BOB), Word::Uint(7)]);
    assert_eq!(dangers(&calling(SAFE, 0, &batch(&transfer, CALLS_MAX - 1))), []);
    assert_eq!(dangers(&calling(SAFE, 0, &batch(&transfer, CALLS_MAX))), [Danger::Opaque]);
    let nested = |depth: usize| (0..depth).fold(transfer.clone(), |inner, _| batch(&inner, 1));
    assert_eq!(dangers(&calling(SAFE, 0, &nested(DEPTH_MAX))), []);
    assert_eq!(dangers(&calling(SAFE, 0, &nested(DEPTH_MAX + 1))), [Danger::Opaque]);
}
