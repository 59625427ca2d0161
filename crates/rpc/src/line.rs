//! The line of one account's transactions: [`Nonces`] that the chain is asked about, and that can be waited for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_primitives::{Address, B256};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::codes;
use crate::downstream::{Downstream, Unanswered};
use crate::nonces::{Chosen, LOOKED_MAX, Nonces, Resumed};
use crate::refusal::{RESOURCE_UNAVAILABLE, Refusal};
use crate::transaction::quantity;

/// The line of one account.
pub struct Line {
    account: Address,
    nonces: Mutex<Nonces>,
    news: Mutex<News>,
    /// Held by the one that asks the chain.
    asking: tokio::sync::Mutex<()>,
    changed: watch::Sender<()>,
}

/// All lines.
pub struct Lines {
    lag: Duration,
    lines: Mutex<BTreeMap<Address, Arc<Line>>>,
}

impl Lines {
    /// None yet, behind a node that may be behind for so long.
    pub fn new(lag: Duration) -> Self {
        Self { lag, lines: Mutex::default() }
    }

    /// The line of an account.
    pub fn of(&self, account: Address) -> Arc<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.entry(account).or_insert_with(|| Arc::new(Line::new(account, self.lag))).clone()
    }
}

/// What the chain does not know any more.
struct Lost {
    /// The next place when it was asked.
    known: u64,
    /// Behind the last of ours that it knows.
    next: u64,
    /// The first place that it has nothing at is empty, and this was sent there, if we have.
    missing: Option<Option<B256>>,
}

/// How fresh it is what the chain has said. Behind an address that many nodes share, one may not know yet what another was
/// told: for a while a number that is too low is not believed.
struct News {
    lag: Duration,
    /// When something was sent last.
    sent: Option<Instant>,
    /// When the chain was asked last.
    asked: Option<Instant>,
    /// A number that is too low, and since when it is the same.
    low: Option<(u64, Instant)>,
}

impl News {
    const fn new(lag: Duration) -> Self {
        Self { lag, sent: None, asked: None, low: None }
    }

    /// Whether it is so long ago that the chain was asked that something may have been lost meanwhile.
    fn is_old(&self, now: Instant) -> bool {
        self.asked.is_none_or(|asked| now.duration_since(asked) >= self.lag)
    }

    /// The chain has said a number that is too low. Whether that is more than that a node is behind: for a while it has said nothing
    /// else, or nothing was sent for a while and it knows of nothing at all, as a chain that has begun again.
    fn believes(&mut self, count: u64, now: Instant) -> bool {
        let since = match self.low {
            Some((low, since)) if low == count => since,
            _ => now,
        };
        self.low = Some((count, since));
        let is_recent = |since: Instant| now.duration_since(since) < self.lag;
        !is_recent(since) || (count == 0 && !self.sent.is_some_and(is_recent))
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
    fn new(account: Address, lag: Duration) -> Self {
        Self {
            account,
            nonces: Mutex::default(),
            news: Mutex::new(News::new(lag)),
            asking: tokio::sync::Mutex::default(),
            changed: watch::Sender::default(),
        }
    }

    fn nonces(&self) -> MutexGuard<'_, Nonces> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
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
        match self.change(|nonces| nonces.resume(nonce)) {
            Resumed::Free => Ok(Some(self.place(nonce, Chosen::Ours))),
            Resumed::Taken => Ok(None),
            Resumed::Far(first) => Err(too_far(nonce, first)),
        }
    }

    /// What was sent from here at a place.
    pub fn sent_at(&self, nonce: u64) -> Option<B256> {
        self.nonces().sent_at(nonce)
    }

    /// What was given back at a place was sent after all.
    pub fn found(&self, nonce: u64, hash: B256) {
        self.news().sent = Some(Instant::now());
        self.change(|nonces| nonces.found(nonce, hash));
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
        if is_sure && !self.news().is_old(Instant::now()) {
            return Ok(());
        }
        let count = node.count(self.account).await?;
        self.settle(node, count).await?;
        let lost = self.compare(node, count).await?;
        self.change(|nonces| {
            nonces.learn(count);
            if let Some(Lost { known, next, missing }) = lost {
                nonces.lower(next, known);
                missing.into_iter().for_each(|at| nonces.miss(count, at));
            }
        });
        self.news().asked = Some(Instant::now());
        Ok(())
    }

    /// What the chain has lost, by what it says. If it says fewer than we have sent, it is behind, or it has lost some, or it has
    /// begun again.
    async fn compare(&self, node: &Downstream, count: u64) -> Result<Option<Lost>, Refusal> {
        let found = {
            let nonces = self.nonces();
            let known = nonces.next().filter(|_| nonces.is_used(count));
            known.map(|known| (known, nonces.is_idle(), nonces.sent_at(count), nonces.sent_beyond(count)))
        };
        let Some((known, is_idle, at, beyond)) = found else {
            self.news().low = None;
            return Ok(None);
        };
        if !self.news().believes(count, Instant::now()) {
            return Ok(None);
        }
        let is_missing = match at {
            Some(hash) => !node.knows(hash).await?,
            None => true,
        };
        // What is on its way from here comes after it; and of so many that the node does not know, others may be known.
        let is_certain = is_idle && beyond.len() < LOOKED_MAX;
        let next = match self.last_known(node, beyond).await? {
            Some(next) if is_idle => next,
            None if is_certain && is_missing => count,
            None if is_certain => count.saturating_add(1),
            Some(_) | None => known,
        };
        Ok(Some(Lost { known, next, missing: is_missing.then_some(at) }))
    }

    /// Behind the last of these that the node knows.
    async fn last_known(&self, node: &Downstream, sent: Vec<(u64, B256)>) -> Result<Option<u64>, Refusal> {
        for (place, hash) in sent {
            if node.knows(hash).await? {
                return Ok(place.checked_add(1));
            }
        }
        Ok(None)
    }

    /// What is in doubt was sent if the chain has so many transactions of this account, or knows this one.
    async fn settle(&self, node: &Downstream, count: u64) -> Result<(), Refusal> {
        let doubtful = self.nonces().doubtful();
        for (nonce, hash) in doubtful {
            let was_sent = count > nonce || node.knows(hash).await?;
            if was_sent {
                self.news().sent = Some(Instant::now());
            }
            self.change(|nonces| if was_sent { nonces.sent(nonce, hash) } else { nonces.give_back(nonce) });
        }
        Ok(())
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
        self.line.news().sent = Some(Instant::now());
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
        if self.at_large.is_some() {
            self.line.news().sent = Some(Instant::now());
        }
        self.line.change(|nonces| match (self.chosen, self.at_large) {
            (Chosen::Ours, None) => nonces.give_back(nonce),
            (Chosen::Ours, Some(hash)) => nonces.doubt(nonce, hash),
            (Chosen::Ahead, None) => nonces.leave(nonce),
            (Chosen::Ahead, Some(_)) | (Chosen::Taken | Chosen::Busy, _) => {}
        });
    }
}

/// A place that was given back lies behind others that nobody has taken again.
fn too_far(nonce: u64, first: u64) -> Refusal {
    let what = format!("it has nonce {nonce}, and the account has no transaction yet from {first} on");
    Refusal::new(RESOURCE_UNAVAILABLE, codes::PENDING, what)
        .with("nonce", quantity(nonce))
        .with("help", "send those that failed before it again first, in their order; then it has its turn")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_number_that_is_too_low_is_believed_when_it_stays_so() {
        const LAG: Duration = Duration::from_secs(15);
        let mut news = News::new(LAG);
        assert!(news.is_old(Instant::now()) && news.believes(0, Instant::now()), "nothing was sent");
        // Somebody sends all the time.
        let mut believed = Vec::new();
        for second in 0..40 {
            news.sent = Some(Instant::now());
            if news.believes(if second < 20 { 0 } else { 7 }, Instant::now()) {
                believed.push(second);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(believed, (15..20).chain(35..40).collect::<Vec<_>>());
        // Nobody sends any more: a chain that knows of nothing has begun again, and a node that knows less may be behind.
        tokio::time::advance(LAG).await;
        assert!(!news.believes(8, Instant::now()) && news.believes(0, Instant::now()));
        news.asked = Some(Instant::now());
        assert!(!news.is_old(Instant::now()) && news.is_old(Instant::now() + LAG));
    }
}
