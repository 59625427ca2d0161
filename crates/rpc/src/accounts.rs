//! The accounts, kept at hand: applications ask for them all the time.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use alloy_primitives::Address;
use tokio::time::Instant;

use crate::cluster::{Account, Cluster};
use crate::codes;
use crate::refusal::{Refusal, UNAUTHORIZED};

/// After this time they are asked for again; meanwhile the old ones are shown.
const FRESH: Duration = Duration::from_secs(15);
/// The cluster is not asked more often than this, whatever is asked here.
const PAUSE: Duration = Duration::from_secs(1);

/// The accounts of a cluster.
pub struct Accounts {
    cluster: Arc<dyn Cluster>,
    known: RwLock<Arc<Vec<Account>>>,
    /// When they were asked for last, and why there was no answer if there was none. Held while asking.
    asked: tokio::sync::Mutex<Option<(Instant, Option<Refusal>)>>,
}

impl Accounts {
    /// None at first.
    pub fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self { cluster, known: RwLock::default(), asked: tokio::sync::Mutex::default() }
    }

    /// All of them, as they were a moment ago.
    pub async fn all(self: &Arc<Self>) -> Result<Arc<Vec<Account>>, Refusal> {
        let known = self.known();
        if known.is_empty() {
            self.refresh(PAUSE).await?;
            return Ok(self.known());
        }
        self.freshen();
        Ok(known)
    }

    /// Whether an address is known as one of theirs. Nobody is asked.
    pub fn has(&self, address: Address) -> bool {
        self.known().iter().any(|account| account.address == address)
    }

    /// The account of an address.
    pub async fn find(self: &Arc<Self>, address: Address) -> Result<Account, Refusal> {
        self.find_by("account", |account| account.address == address, || address.to_checksum(None)).await
    }

    /// The account that is the one. One that is not known may be new.
    pub async fn find_by(
        self: &Arc<Self>,
        what: &str,
        is_it: impl Fn(&Account) -> bool,
        name: impl FnOnce() -> String,
    ) -> Result<Account, Refusal> {
        if let Some(account) = self.known().iter().find(|account| is_it(account)) {
            self.freshen();
            return Ok(account.clone());
        }
        self.refresh(PAUSE).await?;
        self.known().iter().find(|account| is_it(account)).cloned().ok_or_else(|| {
            let what = format!("{} is no {what} of this signer", name());
            Refusal::new(UNAUTHORIZED, codes::NOT_OURS, what).with("help", "eth_accounts lists the accounts")
        })
    }

    /// Whether the cluster shows its keys.
    pub async fn check(&self) -> Result<(), Refusal> {
        self.refresh(PAUSE).await
    }

    /// Asks for them again, if it is time, and lets nobody wait for it: a cluster that is out of reach takes long to say so.
    fn freshen(self: &Arc<Self>) {
        if self.asked.try_lock().is_ok_and(|asked| asked.as_ref().is_none_or(|(at, _)| at.elapsed() > FRESH))
        {
            let this = self.clone();
            tokio::spawn(async move {
                if let Err(refusal) = this.refresh(FRESH).await {
                    tracing::warn!(why = refusal.message, "the accounts are those of a while ago");
                }
            });
        }
    }

    fn known(&self) -> Arc<Vec<Account>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn refresh(&self, most: Duration) -> Result<(), Refusal> {
        // Who comes while they are asked for shows the old ones, if there are some.
        let asked =
            if self.known().is_empty() { Some(self.asked.lock().await) } else { self.asked.try_lock().ok() };
        let Some(mut asked) = asked else { return Ok(()) };
        if let Some((at, failure)) = &*asked
            && at.elapsed() < most
        {
            // Whoever has waited for the same answer has it, also if it is none.
            return failure.clone().map_or(Ok(()), Err);
        }
        let outcome = match self.cluster.accounts().await {
            Ok(found) => {
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
                Ok(())
            }
            Err(refusal) => Err(refusal),
        };
        *asked = Some((Instant::now(), outcome.clone().err()));
        outcome
    }
}
