//! What all requests share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::accounts::Accounts;
use crate::budget::Budget;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::downstream::Downstream;
use crate::refusal::Refusal;
use crate::send::Sender;
use crate::wallet::Wallet;
use keymoot_wire::problem::Code;

/// What all requests share.
pub struct App {
    pub config: Config,
    pub node: Arc<Downstream>,
    pub accounts: Arc<Accounts>,
    pub wallet: Arc<Wallet>,
    pub sender: Arc<Sender>,
    /// All bodies of requests in progress.
    pub bodies: Budget,
    places: Arc<Semaphore>,
}

impl App {
    pub fn new(config: Config, node: Downstream, cluster: Arc<dyn Cluster>) -> Arc<Self> {
        let node = Arc::new(node.bounded(config.limits.answers_bytes));
        let wallet = Arc::new(Wallet::new(cluster.clone(), config.limits.signings, config.wait));
        let sender = Sender::new(node.clone(), wallet.clone(), &config);
        let places = Arc::new(Semaphore::new(config.limits.requests));
        Arc::new(Self {
            accounts: Arc::new(Accounts::new(cluster)),
            node,
            wallet,
            sender: Arc::new(sender),
            bodies: Budget::new(config.limits.bodies_bytes),
            places,
            config,
        })
    }

    /// A place among the requests in progress.
    ///
    /// # Errors
    /// There are as many as there may be.
    pub fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let full = |_| Refusal::of_code(Code::Busy, "as many requests are in progress as there is room for");
        self.places.clone().try_acquire_owned().map_err(full)
    }

    /// Waits until no request is in progress, also of callers that have left, but not for longer than this.
    pub async fn finish(&self, grace: Duration) {
        let all = u32::try_from(self.config.limits.requests).unwrap_or(u32::MAX);
        let finish = async {
            let _ = self.places.acquire_many(all).await;
            self.sender.finish().await;
        };
        // Whatever still goes on is cut off; places that were taken are gone with the process.
        let _ = tokio::time::timeout(grace, finish).await;
    }
}
