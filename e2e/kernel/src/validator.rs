//! Bitcoin Core's kernel: the code with which its nodes decide.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use bitcoin::BlockHash;
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::Hash;
use bitcoinkernel::prelude::*;
use bitcoinkernel::{
    Block, BlockValidationStateRef, ChainType, ChainstateManager, Context, ContextBuilder, ValidationMode,
    disable_logging,
};

/// What it says of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Valid,
    Invalid,
}

type Said = Arc<Mutex<Option<Verdict>>>;

/// A chain that begins with regtest's first block.
pub struct Validator {
    // Ended in this order.
    manager: ChainstateManager,
    _context: Context,
    said: Said,
}

impl Validator {
    /// Begins, with its files below this folder.
    pub fn start(folder: &Path) -> Result<Self> {
        disable_logging();
        let said = Said::default();
        let hears = Arc::clone(&said);
        let context = ContextBuilder::new()
            .chain_type(ChainType::Regtest)
            .with_block_checked_validation(move |_: Block, state: BlockValidationStateRef<'_>| {
                let verdict = match state.mode() {
                    ValidationMode::Valid => Some(Verdict::Valid),
                    ValidationMode::Invalid => Some(Verdict::Invalid),
                    ValidationMode::InternalError => None,
                };
                *hears.lock().unwrap_or_else(PoisonError::into_inner) = verdict;
            })
            .build()?;
        let place =
            |name: &str| folder.join(name).to_str().map(str::to_owned).context("a folder has no plain name");
        let manager = ChainstateManager::new(&context, &place("kernel")?, &place("kernel/blocks")?)?;
        Ok(Self { manager, _context: context, said })
    }

    /// What it says of a block, which becomes the tip if it is valid.
    pub fn judge(&self, block: &bitcoin::Block) -> Result<Verdict> {
        self.said().take();
        self.manager.process_block(&Block::new(&serialize(block))?);
        match self.said().take() {
            Some(verdict) => Ok(verdict),
            None => bail!("the kernel has not looked at the block"),
        }
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Option<Verdict>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last valid block.
    pub fn height(&self) -> i32 {
        self.manager.active_chain().height()
    }

    /// Its name.
    pub fn tip(&self) -> BlockHash {
        BlockHash::from_byte_array(self.manager.active_chain().tip().block_hash().to_bytes())
    }
}
