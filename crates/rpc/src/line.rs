//! The line of one account's transactions: [`Nonces`] that the chain is asked about, and that can be waited for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_primitives::{Address, B256};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::downstream::{Downstream, Unanswered};
use crate::nonces::{Chosen, Nonces};
use crate::refusal::Refusal;

/// Behind an address that many nodes share, one may not know yet what another was told. For so long after the last
/// transaction a lower number is not believed.
const LAG: Duration = Duration::from_secs(15);

/// The line of one account.
pub struct Line {
    account: Address,
    nonces: Mutex<Nonces>,
    /// When something was sent last.
    since: Mutex<Option<Instant>>,
    /// Held by the one that asks the chain.
    asking: tokio::sync::Mutex<()>,
    changed: watch::Sender<()>,
}

/// All lines.
#[derive(Default)]
pub struct Lines(Mutex<BTreeMap<Address, Arc<Line>>>);

impl Lines {
    /// The line of an account.
    pub fn of(&self, account: Address) -> Arc<Line> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.entry(account).or_insert_with(|| Arc::new(Line::new(account))).clone()
    }
}

/// Somebody who will take a place soon.
pub struct Waiting(Arc<Line>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.change(|nonces| nonces.wait(false));
    }
}

/// A place. Dropped without another word, it is given back.
pub struct Place {
    line: Arc<Line>,
    nonce: u64,
    chosen: Chosen,
    /// What may have been sent.
    at_large: Option<B256>,
    is_settled: bool,
}

impl Line {
    fn new(account: Address) -> Self {
        Self {
            account,
            nonces: Mutex::default(),
            since: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            changed: watch::Sender::default(),
        }
    }

    fn nonces(&self) -> MutexGuard<'_, Nonces> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Nonces) -> T) -> T {
        let changed = change(&mut self.nonces());
        // After the lock is free again: those who are woken look at once.
        self.changed.send_replace(());
        changed
    }

    /// Says that a place will be taken soon.
    pub fn wait(self: &Arc<Self>) -> Waiting {
        self.change(|nonces| nonces.wait(true));
        Waiting(self.clone())
    }

    /// The next place.
    pub async fn take(self: &Arc<Self>, node: &Downstream, _: Waiting) -> Result<Place, Refusal> {
        let _asking = self.asking(node).await?;
        self.ask(node).await?;
        let taken = self.change(Nonces::take);
        let nonce = taken.ok_or_else(|| Refusal::field("nonce", "is used up: the account has no more"))?;
        Ok(self.place(nonce, Chosen::Ours))
    }

    /// A place that the caller has chosen.
    pub async fn choose(self: &Arc<Self>, node: &Downstream, nonce: u64) -> Result<Place, Refusal> {
        let _asking = self.asking(node).await?;
        self.ask(node).await?;
        let chosen = self.change(|nonces| nonces.choose(nonce));
        if chosen == Chosen::Busy {
            let what =
                "is that of a transaction that is on its way: wait for what becomes of it, or say none";
            return Err(Refusal::field("nonce", what));
        }
        Ok(self.place(nonce, chosen))
    }

    /// A place that was given back, once more. `None`: others have it.
    pub async fn resume(
        self: &Arc<Self>,
        node: &Downstream,
        nonce: u64,
        _: Waiting,
    ) -> Result<Option<Place>, Refusal> {
        let _asking = self.asking(node).await?;
        self.ask(node).await?;
        let is_free = self.change(|nonces| nonces.resume(nonce));
        Ok(is_free.then(|| self.place(nonce, Chosen::Ours)))
    }

    /// What was sent from here at a place.
    pub fn sent_at(&self, nonce: u64) -> Option<B256> {
        self.nonces().sent_at(nonce)
    }

    /// What the next place would be.
    pub async fn peek(&self, node: &Downstream) -> Result<u64, Refusal> {
        let _asking = self.asking(node).await?;
        self.ask(node).await?;
        Ok(self.nonces().peek().unwrap_or_default())
    }

    /// An empty place that has to be filled.
    pub fn claim_empty(self: &Arc<Self>) -> Option<Place> {
        let claimed = self.change(Nonces::claim_empty);
        claimed.map(|nonce| self.place(nonce, Chosen::Ours))
    }

    /// Asks the chain about what is in doubt.
    pub async fn clear_up(&self, node: &Downstream) -> Result<(), Refusal> {
        if self.nonces().doubtful().is_empty() {
            return Ok(());
        }
        // Whoever asks already finds it out.
        let Ok(_asking) = self.asking.try_lock() else { return Ok(()) };
        self.settle(node, node.count(self.account).await?).await
    }

    /// Waits for those who ask before, but not for long: behind a node that is silent, all would wait for each other.
    async fn asking(&self, node: &Downstream) -> Result<tokio::sync::MutexGuard<'_, ()>, Refusal> {
        let slow = |_| Unanswered::Silent("others wait for it".into()).into();
        tokio::time::timeout(node.time(), self.asking.lock()).await.map_err(slow)
    }

    /// Asks the chain, if that is needed to know what comes next.
    async fn ask(&self, node: &Downstream) -> Result<(), Refusal> {
        let is_sure = {
            let nonces = self.nonces();
            !nonces.is_unsure() && nonces.doubtful().is_empty()
        };
        if is_sure {
            return Ok(());
        }
        let count = node.count(self.account).await?;
        self.settle(node, count).await?;
        let (known, last) = {
            let nonces = self.nonces();
            (nonces.next().filter(|_| nonces.is_idle()), nonces.last())
        };
        // Fewer than we have sent: the node lags behind, or it has lost some, or the chain has begun again.
        let count = match (known, last) {
            (Some(known), Some((_, hash)))
                if count < known && (self.is_recent() || node.knows(hash).await?) =>
            {
                known
            }
            _ => count,
        };
        self.change(|nonces| nonces.learn(count));
        Ok(())
    }

    /// What is in doubt was sent if the chain has so many transactions of this account, or knows this one.
    async fn settle(&self, node: &Downstream, count: u64) -> Result<(), Refusal> {
        let doubtful = self.nonces().doubtful();
        for (nonce, hash) in doubtful {
            let was_sent = count > nonce || node.knows(hash).await?;
            self.change(|nonces| if was_sent { nonces.sent(nonce, hash) } else { nonces.give_back(nonce) });
        }
        Ok(())
    }

    fn is_recent(&self) -> bool {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() < LAG)
    }

    fn place(self: &Arc<Self>, nonce: u64, chosen: Chosen) -> Place {
        Place { line: self.clone(), nonce, chosen, at_large: None, is_settled: false }
    }
}

impl Place {
    /// Its number.
    pub const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Says that its transaction is signed.
    pub fn signed(&self) {
        self.line.change(|nonces| nonces.signed(self.nonce));
    }

    /// Waits until everything before it was sent or given up. A place that a caller has chosen elsewhere has no turn.
    pub async fn turn(&self) {
        if self.chosen == Chosen::Ours {
            let mut changed = self.line.changed.subscribe();
            // The line is there as long as the place is, and so it does not end.
            let _ = changed.wait_for(|()| self.line.nonces().is_turn(self.nonce)).await;
        }
    }

    /// From here on it may have been sent.
    pub fn is_at_large(&mut self, hash: B256) {
        self.at_large = Some(hash);
    }

    /// It was sent.
    pub fn sent(mut self, hash: B256) {
        self.is_settled = true;
        *self.line.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.line.change(|nonces| match self.chosen {
            Chosen::Ours => nonces.sent(self.nonce, hash),
            Chosen::Ahead | Chosen::Taken | Chosen::Busy => nonces.note(self.nonce, hash),
        });
    }

    /// It was not sent, and will not be.
    pub fn give_back(mut self) {
        self.at_large = None;
    }

    /// Somebody else seems to have used it, and so it is nobody's here.
    pub fn lose(mut self) {
        self.is_settled = true;
        match self.chosen {
            Chosen::Ours => self.line.change(|nonces| nonces.lose(self.nonce)),
            Chosen::Ahead | Chosen::Taken | Chosen::Busy => {}
        }
    }

    /// Nobody fills it: whoever waits behind it need not.
    pub fn give_up(mut self) {
        self.is_settled = true;
        self.line.change(|nonces| nonces.give_up(self.nonce));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let nonce = self.nonce;
        self.line.change(|nonces| match (self.chosen, self.at_large) {
            (Chosen::Ours, None) => nonces.give_back(nonce),
            (Chosen::Ours, Some(hash)) => nonces.doubt(nonce, hash),
            (Chosen::Ahead, None) => nonces.leave(nonce),
            (Chosen::Ahead, Some(_)) | (Chosen::Taken | Chosen::Busy, _) => {}
        });
    }
}
