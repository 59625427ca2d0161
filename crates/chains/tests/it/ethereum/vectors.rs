//! Examples that others published, each with its source.

use keymoot_chains::{Danger, Kind, Signature, assemble, ethereum, inspect};

use super::second::{self, Authorisation, Transaction};
use super::{address_of, checksummed, keccak, key_of, local, payload, read, transaction, unhex};
use crate::local::Local;

/// EIP-155, the example. The private key is 0x46…46.
#[test]
fn the_example_of_eip_155() {
    let unsigned =
        unhex("ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080");
    let inspection = read(&unsigned).unwrap();
    assert_eq!(
        inspection.signings[0].message(),
        unhex("daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53")
    );
    let facts = transaction(&inspection.facts);
    assert_eq!((facts.transaction_type, facts.chain_id, facts.nonce), (0, Some(1), 9));
    assert_eq!(inspection.facts.outflows[0].amount.digits(), "1000000000000000000");
    assert_eq!(inspection.facts.outflows[0].to, "0x3535353535353535353535353535353535353535");
    assert_eq!(inspection.facts.fee_max.as_ref().unwrap().digits(), "420000000000000");
    assert!(inspection.facts.dangers.is_empty());
    let signed = local().round(&payload(Kind::EvmTx, &unsigned), &local().key());
    assert_eq!(
        hex::encode(signed),
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195\
         fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    );
}

/// Before EIP-155: the same fields without a chain are good on every chain.
#[test]
fn a_transaction_without_a_chain_is_a_danger() {
    let bytes = Transaction { chain: None, ..second::plain(0) };
    let inspection = read(&bytes.signing()).unwrap();
    assert_eq!(inspection.facts.dangers.iter().copied().collect::<Vec<_>>(), [Danger::AnyChain]);
    assert_eq!(transaction(&inspection.facts).chain_id, None);
}

/// go-ethereum, core/types/transaction_test.go: `emptyEip2718Tx` with its signature, its hash, and the whole encoding.
#[test]
fn go_ethereums_transaction_of_eip_2930() {
    let to: [u8; 20] = unhex("b94f5374fce5edbc8e2a8697c15331677e6ebf0b").try_into().unwrap();
    let calldata = vec![0x55, 0x44];
    let bytes = Transaction {
        nonce: 3,
        price: 1,
        gas: 25_000,
        to: Some(to),
        value: 10,
        calldata,
        ..second::plain(1)
    };
    let signature = "c9519f4f2b30335884581971573fadf60c6204f59a911df35ee8a540456b2660\
                     32f1e8e2c5dd761f9e4f88f41c8310aeaba26a8bfcdacfedfa12ec3862d37521";
    let signed =
        sealed(&bytes, "49b486f0ec0a60dfbbca2d30cb07c9e8ffb2a2ff41f29a1ab6737475f6ff69f3", signature, true);
    assert_eq!(
        hex::encode(signed),
        "01f8630103018261a894b94f5374fce5edbc8e2a8697c15331677e6ebf0b0a825544c001a0c9519f4f2b30335884581971573fadf60c62\
         04f59a911df35ee8a540456b2660a032f1e8e2c5dd761f9e4f88f41c8310aeaba26a8bfcdacfedfa12ec3862d37521"
    );
}

/// Ethereum mainnet, transaction 0x0ec0b6a2…2ee0 of EIP-1559; its hash is that of its signed bytes.
#[test]
fn a_mainnet_transaction_of_eip_1559() {
    let to: [u8; 20] = unhex("6069a6c32cf691f5982febae4faf8a6f3ab2f0f6").try_into().unwrap();
    let calldata = unhex(
        "a22cb4650000000000000000000000005eee75727d804a2b13038928d36f8b188945a57a\
         0000000000000000000000000000000000000000000000000000000000000000",
    );
    let bytes = Transaction {
        nonce: 0x42,
        tip: 0x3b9a_ca00,
        price: 0x4_a817_c800,
        gas: 44_386,
        to: Some(to),
        value: 0,
        calldata,
        ..second::plain(2)
    };
    let signature = "840cfc572845f5786e702984c2a582528cad4b49b2a10b9db1be7fca90058565\
                     25e7109ceb98168d95b09b18bbf6b685130e0562f233877d492b94eee0c5b6d1";
    let signed =
        sealed(&bytes, "0d5688ac3897124635b6cf1bc0e29d6dfebceebdc10a54d74f2ef8b56535b682", signature, false);
    assert_eq!(
        hex::encode(keccak(&signed)),
        "0ec0b6a2df4d87424e5f6ad2a654e27aaeb7dac20ae9e8385cc09087ad532ee0"
    );
}

/// Recovers whose it is, and has the product assemble it for that key.
fn sealed(bytes: &Transaction, digest: &str, signature: &str, parity: bool) -> Vec<u8> {
    let signature: [u8; 64] = unhex(signature).try_into().unwrap();
    let public = k256::ecdsa::VerifyingKey::recover_from_prehash(
        &unhex(digest),
        &k256::ecdsa::Signature::from_slice(&signature).unwrap(),
        k256::ecdsa::RecoveryId::new(parity, false),
    );
    let key = key_of(public.unwrap().to_encoded_point(true).as_bytes());
    let payload = payload(Kind::EvmTx, &bytes.signing());
    assert_eq!(hex::encode(inspect(&payload, &key).unwrap().signings[0].message()), digest);
    assemble(&payload, &key, &[Signature(signature)]).unwrap()
}

/// ethereumjs, packages/tx/test/eip4844.spec.ts: hash and sender of an unsigned blob transaction.
#[test]
fn ethereumjs_transaction_of_eip_4844() {
    let mut slot_owner = [0; 20];
    slot_owner[19] = 1;
    let blob = unhex("01624652859a6e98ffc1608e2af0147ca4e86e1ce27672d8d3f3c9d4ffd6ef7e").try_into().unwrap();
    let bytes = Transaction {
        nonce: 1,
        tip: 10,
        price: 42,
        gas: 123_457,
        to: Some([0; 20]),
        value: 0,
        access: vec![(slot_owner, vec![[0; 32]])],
        blob_price: 10_000_000,
        blobs: vec![blob],
        ..second::plain(3)
    };
    let secret =
        unhex("45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8").try_into().unwrap();
    let local = Local::new(keymoot_types::Scheme::Dkls23, secret);
    let inspection = inspect(&payload(Kind::EvmTx, &bytes.signing()), &local.key()).unwrap();
    assert_eq!(
        hex::encode(inspection.signings[0].message()),
        "02560c5173b0d793ce019cfa515ece6a04a4b3f3d67eab67fbca78dd92d4ed76"
    );
    let facts = transaction(&inspection.facts);
    assert_eq!(facts.from.to_lowercase(), "0xa94f5374fce5edbc8e2a8697c15331677e6ebf0b");
    assert_eq!((facts.blobs, facts.access_list), (1, 1));
    // 123457 gas at 42 wei, and 2¹⁷ blob gas at 10,000,000.
    assert_eq!(
        inspection.facts.fee_max.as_ref().unwrap().digits(),
        (123_457 * 42 + (10_000_000u64 << 17)).to_string()
    );
}

/// viem, src/utils/authorization/hashAuthorization.test.ts: what an account signs for EIP-7702.
#[test]
fn viems_authorisation_of_eip_7702() {
    let delegate: [u8; 20] = unhex("be95c3f554e9fc85ec51be69a3d807a0d55bcf2c").try_into().unwrap();
    let vectors = [
        (1, 40, "5919da563810a99caf657d42bd10905adbd28b3b89b8a4577efa471e5e4b3914"),
        (0, 0, "70f22b957bc18cbaa757a12cc3e5fa5268b98b24afe15a35a76e6874748a8bfa"),
    ];
    let account = k256::ecdsa::SigningKey::from_bytes(&[9; 32].into()).unwrap();
    for (chain, nonce, hash) in vectors {
        assert_eq!(hex::encode(keccak(&Authorisation::signing(chain, delegate, nonce))), hash);
        let (signature, id) = account.sign_prehash_recoverable(&unhex(hash)).unwrap();
        let one = Authorisation {
            chain,
            delegate,
            nonce,
            parity: id.is_y_odd(),
            r: signature.r().to_bytes().to_vec(),
            s: signature.s().to_bytes().to_vec(),
        };
        let bytes = Transaction { authorisations: vec![one], ..second::plain(4) };
        let inspection = read(&bytes.signing()).unwrap();
        let shown = &transaction(&inspection.facts).authorisations[0];
        let expected = checksummed(&address_of(account.verifying_key().to_encoded_point(true).as_bytes()));
        assert_eq!(shown.authority.as_ref(), Some(&expected));
        assert_eq!((shown.delegate.as_str(), shown.nonce), (checksummed(&delegate).as_str(), nonce));
        assert!(inspection.facts.dangers.contains(&Danger::Authorisation));
        assert_eq!(inspection.facts.dangers.contains(&Danger::AuthorisationOnAnyChain), chain == 0);
    }
}

/// ERC-55, its test cases: the address of a transaction's receiver is shown in mixed case.
#[test]
fn the_addresses_of_erc_55() {
    for text in [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ] {
        let to = unhex(text).try_into().unwrap();
        let facts = super::calling(to, 1, &[]);
        assert_eq!((facts.outflows[0].to.as_str(), checksummed(&to).as_str()), (text, text));
    }
}

/// EIP-155's private key has this well-known address.
#[test]
fn the_address_of_a_key_is_that_of_its_point_at_the_path() {
    let local = local();
    assert_eq!(ethereum::address(&local.key()).unwrap(), "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F");
    let path = "m/3/14".parse().unwrap();
    let child = crate::local::compressed(&local.child(&path));
    let key = local.key().at(path).unwrap();
    assert_eq!(ethereum::address(&key).unwrap(), checksummed(&address_of(&child)));
    assert_eq!(ethereum::address(&Local::new(keymoot_types::Scheme::FrostTaproot, [1; 32]).key()), None);
}
