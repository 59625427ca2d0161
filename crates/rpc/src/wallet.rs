//! Has payloads signed. They are read here before the cluster is asked, so that nothing is used up for what no node would
//! sign, and every signature is verified before it is handed out.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use keymoot_chains::{Kind, Payload, Signature, Unfit, assemble, inspect};
use keymoot_wire::problem::Code;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cluster::{Account, Asked, Cluster};
use crate::codes;
use crate::kept::Kept;
use crate::refusal::{INTERNAL, INVALID_PARAMS, Refusal};

/// Whose, of which kind, and which.
type Question = (Address, Kind, B256);

/// Asks the cluster.
pub struct Wallet {
    cluster: Arc<dyn Cluster>,
    signed: Kept<Question, [u8; 64]>,
    places: Arc<Semaphore>,
    wait: Duration,
}

/// A place among those who ask at once.
pub struct Turn(
    #[allow(dead_code, reason = "held, and given back when it is dropped")] Option<OwnedSemaphorePermit>,
);

impl Wallet {
    /// So many ask at once, each for so long.
    pub fn new(cluster: Arc<dyn Cluster>, most: usize, wait: Duration) -> Self {
        Self { cluster, signed: Kept::default(), places: Arc::new(Semaphore::new(most)), wait }
    }

    /// Waits for a place.
    pub async fn turn(&self) -> Turn {
        // The semaphore is never closed.
        Turn(self.places.clone().acquire_owned().await.ok())
    }

    /// What a kind of payload is when it is signed: see `keymoot_chains::assemble`.
    pub async fn sign(
        &self,
        account: &Account,
        kind: Kind,
        bytes: Vec<u8>,
        field: &str,
        _: &Turn,
    ) -> Result<Bytes, Refusal> {
        let payload = readable(account, kind, bytes, field)?;
        let cell = self.signed.cell((account.address, kind, keccak256(payload.bytes())));
        let asked = Asked { account: account.clone(), payload };
        let mut fresh = None;
        let kept = cell.get_or_try_init(|| async {
            let signature = self.cluster.sign(&asked, self.wait).await?;
            fresh = Some(put_together(&asked, signature)?);
            Ok::<_, Refusal>(signature)
        });
        let signature = *kept.await?;
        fresh.map_or_else(|| put_together(&asked, signature), Ok)
    }
}

/// Verifies, too.
fn put_together(asked: &Asked, signature: [u8; 64]) -> Result<Bytes, Refusal> {
    let signed = assemble(&asked.payload, &asked.account.key, &[Signature(signature)]);
    signed.map(Bytes::from).map_err(|error| unfit(&error))
}

/// The payload, if it is one that is signed.
pub fn readable(account: &Account, kind: Kind, bytes: Vec<u8>, field: &str) -> Result<Payload, Refusal> {
    let refused = |error: keymoot_chains::Unreadable| {
        let what = format!("`{field}` cannot be signed: {error}");
        Refusal::new(INVALID_PARAMS, Code::PayloadRefused.as_str(), what).with("field", field)
    };
    let payload = Payload::new(kind, bytes).map_err(refused)?;
    inspect(&payload, &account.key).map_err(refused)?;
    Ok(payload)
}

fn unfit(error: &Unfit) -> Refusal {
    let what = format!("the signature of the cluster is not used: {error}");
    Refusal::new(INTERNAL, codes::UNVERIFIED, what)
}
