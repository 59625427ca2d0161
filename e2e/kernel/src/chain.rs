//! Blocks of regtest, found at once.

use bitcoin::block::{Header, Version};
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::script::Builder;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Witness, absolute, transaction,
};

/// Regtest: every second hash is good enough.
const BITS: u32 = 0x207f_ffff;
/// What a block pays to its finder in the beginning.
const REWARD: Amount = Amount::from_sat(5_000_000_000);

/// Where the next block goes.
#[derive(Clone)]
pub struct Chain {
    tip: BlockHash,
    time: u32,
    height: i64,
}

impl Chain {
    /// At the first block.
    pub fn new() -> Self {
        let first = genesis_block(Network::Regtest);
        Self { tip: first.block_hash(), time: first.header.time, height: 0 }
    }

    /// The next block: it pays its reward here and has these transactions in it. Their fees are given up.
    pub fn mine(&mut self, pays: ScriptBuf, transactions: Vec<Transaction>) -> Block {
        self.height += 1;
        self.time += 600;
        let mut block = Block {
            header: Header {
                version: Version::from_consensus(0x2000_0000),
                prev_blockhash: self.tip,
                merkle_root: TxMerkleNode::all_zeros(),
                time: self.time,
                bits: CompactTarget::from_consensus(BITS),
                nonce: 0,
            },
            txdata: vec![coinbase(self.height, pays)],
        };
        block.txdata.extend(transactions);
        if block.txdata.len() > 1 {
            commit(&mut block);
        }
        if let Some(root) = block.compute_merkle_root() {
            block.header.merkle_root = root;
        }
        let target = block.header.target();
        while !target.is_met_by(block.block_hash()) {
            block.header.nonce += 1;
        }
        self.tip = block.block_hash();
        block
    }
}

/// BIP-34: it begins with the height. Shorter ones are refused.
fn coinbase(height: i64, pays: ScriptBuf) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: Builder::new().push_int(height).push_int(0).into_script(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: REWARD, script_pubkey: pays }],
    }
}

/// BIP-141: the coinbase commits to all witnesses.
fn commit(block: &mut Block) {
    const RESERVED: [u8; 32] = [0; 32];
    let Some(root) = block.witness_root() else { return };
    let commitment = Block::compute_witness_commitment(&root, &RESERVED);
    let Some(coinbase) = block.txdata.first_mut() else { return };
    let mut data = vec![0xaa, 0x21, 0xa9, 0xed];
    data.extend(commitment.to_byte_array());
    let data: bitcoin::script::PushBytesBuf = data.try_into().unwrap_or_default();
    coinbase.output.push(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new_op_return(data) });
    if let Some(input) = coinbase.input.first_mut() {
        input.witness = Witness::from_slice(&[RESERVED]);
    }
}
