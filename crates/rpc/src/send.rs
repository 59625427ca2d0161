//! Sends transactions: priced, given a place, signed, and broadcast in the order of their places.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use keymoot_chains::Kind;
use tokio::sync::{Semaphore, watch};
use tracing::{Instrument, info, warn};

use crate::broadcast::{Fate, broadcast};
use crate::cluster::Account;
use crate::codes;
use crate::config::Config;
use crate::downstream::{Downstream, Unanswered};
use crate::errand::Errand;
use crate::fees::{self, Bounds, FILLER_GAS};
use crate::held::{Begun, Held, Purpose, Question};
use crate::kept::Kept;
use crate::left::{Left, Listener};
use crate::line::{Line, Lines, Place};
use crate::refusal::{INTERNAL, RESOURCE_UNAVAILABLE, Refusal};
use crate::told::Untold;
use crate::transaction::{Draft, Priced, quantity};
use crate::wallet::{Turn, Wallet};

/// Sends the transactions of all accounts.
pub struct Sender {
    node: Arc<Downstream>,
    wallet: Arc<Wallet>,
    chain_id: u64,
    bounds: Bounds,
    fills: bool,
    /// For how long a request that has failed is the same transaction.
    same: Duration,
    lines: Lines,
    /// Those for whose place the caller has answered: the same again is the same transaction.
    sent: Kept<Question, Sent>,
    /// Those that have failed, and may have happened or still do.
    held: Held,
    /// Those whose callers have left before they were told.
    left: Arc<Left>,
    /// One for each task that nobody waits for.
    tasks: Arc<Semaphore>,
}

/// How often a filler is tried, and the pause between.
const FILLER_TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(250);
/// More than there ever are.
const TASKS_MAX: u32 = 1 << 20;

/// A transaction that was sent.
struct Sent {
    hash: B256,
    begun: Begun,
}

/// A transaction that lacks nothing but its signature.
struct Placed {
    priced: Priced,
    begun: Begun,
    place: Place,
    turn: Turn,
}

/// How a request that has failed before stands.
enum Standing {
    /// Its transaction is there.
    Sent(B256),
    /// It has its place again.
    Placed(Box<Placed>),
    /// Another transaction is in a block at its place: it can never happen there.
    Gone,
}

impl Sender {
    pub fn new(node: Arc<Downstream>, wallet: Arc<Wallet>, config: &Config) -> Self {
        Self {
            node,
            wallet,
            chain_id: config.chain_id,
            bounds: Bounds { fee: config.fee_max, price: config.price_max, tip: config.tip_max },
            fills: config.fills,
            same: config.limits.same,
            lines: Lines::new(config.limits.lag),
            sent: Kept::default(),
            held: Held::default(),
            left: Arc::default(),
            tasks: Arc::new(Semaphore::new(TASKS_MAX as usize)),
        }
    }

    /// Sends a transaction. Whoever gives up waiting changes nothing: a place that has been taken is used or given back, and
    /// what comes of it is the answer to the same request again.
    pub async fn send(
        self: &Arc<Self>,
        account: Account,
        draft: Draft,
        errand: Errand,
        untold: &Untold,
    ) -> Result<B256, Refusal> {
        let question = Question::new(Purpose::Send, account.address, &draft);
        let outcome = match self.left.take(&question) {
            Some(outcome) => outcome,
            None => {
                let (tell, outcome) = watch::channel(None);
                let sending = self.clone().sending(account, question, draft, errand);
                tokio::spawn(async move { tell.send_replace(Some(sending.await)) }.in_current_span());
                outcome
            }
        };
        self.left.listen(question, outcome, untold).await
    }

    async fn sending(
        self: Arc<Self>,
        account: Account,
        question: Question,
        draft: Draft,
        mut errand: Errand,
    ) -> Result<B256, Refusal> {
        let line = self.lines.of(account.address);
        let outcome = if draft.nonce.is_some() {
            // Before the cell: of two alike in one batch, the second would hold it and wait for the first.
            errand.turn().await;
            let cell = self.sent.cell(question);
            let mut is_fresh = false;
            let sent = cell.get_or_try_init(|| {
                is_fresh = true;
                self.send_in(&line, &account, question, draft.clone(), &mut errand)
            });
            match sent.await {
                Ok(sent) if !is_fresh => self.look_after(&account, draft, sent).await,
                sent => sent.map(|sent| sent.hash),
            }
        } else {
            self.send_in(&line, &account, question, draft, &mut errand).await.map(|sent| sent.hash)
        };
        self.clear_up(line, account);
        outcome
    }

    /// A transaction, signed but not sent. Without a place of its own it gets the next one, which stays free. Until its caller
    /// has it, the same request is the same transaction: two of one payment at two places could both happen.
    pub async fn sign(
        self: &Arc<Self>,
        account: Account,
        draft: Draft,
        errand: Errand,
        untold: &Untold,
    ) -> Result<Bytes, Refusal> {
        let signing = self.clone().signing(account, draft, errand).in_current_span();
        let signed = tokio::spawn(signing).await;
        let (raw, listener) =
            signed.unwrap_or_else(|_| Err(Refusal::defect("a transaction was dropped half-way")))?;
        untold.put(listener);
        Ok(raw)
    }

    async fn signing(
        self: Arc<Self>,
        account: Account,
        draft: Draft,
        _errand: Errand,
    ) -> Result<(Bytes, Listener), Refusal> {
        let question = Question::new(Purpose::Sign, account.address, &draft);
        let slow = |_| Refusal::from(Unanswered::Silent("others wait for it".into()));
        let deciding =
            tokio::time::timeout(self.node.time(), self.held.decide(&question)).await.map_err(slow)?;
        let again = match self.held.decided(&question) {
            Some(begun) => self.signable(&account, &draft, &begun).await?,
            None => None,
        };
        // With a nonce of its own it could not happen twice.
        let is_free = draft.nonce.is_none();
        let (priced, mut begun) = match again {
            Some(again) => again,
            None => {
                let (priced, nonce) = self.next(&account, draft).await?;
                let begun = Begun::new(&priced, nonce);
                (priced, begun)
            }
        };
        if is_free {
            self.held.set(question, begun.clone());
        }
        drop(deciding);
        let turn = self.wallet.turn().await;
        let raw = self.signed(&account, &priced, begun.nonce, &turn).await;
        let raw = raw.map_err(|refusal| refusal.with("nonce", quantity(begun.nonce)))?;
        begun.is_at_large(keccak256(&raw));
        if is_free {
            self.held.set_again(question, begun.clone());
        }
        let end = move |has_heard| {
            if has_heard {
                self.held.told(&question, &begun);
            } else if is_free {
                self.held.set_again(question, begun);
            }
        };
        Ok((raw, Listener::new(end)))
    }

    /// The number of transactions of an account, with those that are on their way from here.
    pub async fn count(&self, account: Address) -> Result<u64, Refusal> {
        self.check_chain().await?;
        self.lines.of(account).peek(&self.node).await
    }

    /// Waits for what nobody waits for.
    pub async fn finish(&self) {
        // The semaphore is never closed.
        let _ = self.tasks.acquire_many(TASKS_MAX).await;
    }

    async fn next(&self, account: &Account, draft: Draft) -> Result<(Priced, u64), Refusal> {
        let chosen = draft.nonce;
        let priced = fees::price(&self.node, draft, self.bounds).await?;
        match chosen {
            Some(nonce) => Ok((priced, nonce)),
            None => Ok((priced, self.count(account.address).await?)),
        }
    }

    async fn signed(
        &self,
        account: &Account,
        priced: &Priced,
        nonce: u64,
        turn: &Turn,
    ) -> Result<Bytes, Refusal> {
        let unsigned = priced.unsigned(self.chain_id, nonce);
        self.wallet.sign(account, Kind::EvmTx, unsigned, "transaction", turn).await
    }

    /// A request that has no signature, by what is said of it. A stolen coordinator may have one all the same, also when it says
    /// that the nodes refuse; so the same request again has to be the same transaction.
    fn failed(&self, question: Question, begun: &Begun, refusal: Refusal) -> Refusal {
        self.held.keep(question, begun.clone());
        refusal.with("nonce", quantity(begun.nonce))
    }

    /// A node that was not there at the start may be of another chain.
    async fn check_chain(&self) -> Result<(), Refusal> {
        let (found, wanted) = (self.node.chain().await?, self.chain_id);
        if found == wanted {
            return Ok(());
        }
        let what = format!("the node behind is of chain {found}, and the signer is for chain {wanted}");
        Err(Refusal::new(INTERNAL, codes::NOT_STARTED, what))
    }

    async fn send_in(
        self: &Arc<Self>,
        line: &Arc<Line>,
        account: &Account,
        question: Question,
        draft: Draft,
        errand: &mut Errand,
    ) -> Result<Sent, Refusal> {
        self.check_chain().await?;
        if let Some(begun) = self.held.take(&question) {
            errand.turn().await;
            match self.resume(line, &draft, &begun).await {
                Err(refusal) => {
                    self.held.keep(question, begun);
                    return Err(refusal);
                }
                Ok(Standing::Sent(hash)) => {
                    line.found(begun.nonce, hash);
                    return Ok(Sent { hash, begun });
                }
                Ok(Standing::Placed(placed)) => {
                    errand.pass_on();
                    return self.send_at(line, account, question, *placed).await;
                }
                Ok(Standing::Gone) => {}
            }
        }
        let chosen = draft.nonce;
        let priced = fees::price(&self.node, draft, self.bounds).await?;
        errand.turn().await;
        // First among those who ask the cluster, then a place: whoever waits here can still take one that comes free.
        let waiting = line.wait();
        let turn = self.wallet.turn().await;
        let place = match chosen {
            Some(nonce) => {
                drop(waiting);
                line.choose(&self.node, nonce).await?
            }
            None => line.take(&self.node, waiting).await?,
        };
        errand.pass_on();
        let begun = Begun::new(&priced, place.nonce());
        self.send_at(line, account, question, Placed { priced, begun, place, turn }).await
    }

    /// How a request that has failed before stands now. It is never moved to another place while it could still happen at
    /// its own. There it is the same transaction, or after a while one with a new price: only one of them can happen.
    async fn resume(&self, line: &Arc<Line>, draft: &Draft, held: &Begun) -> Result<Standing, Refusal> {
        if let Some(hash) = self.known(held).await? {
            return Ok(Standing::Sent(hash));
        }
        let (priced, begun) = self.priced(draft, held).await?;
        let waiting = line.wait();
        let turn = self.wallet.turn().await;
        let place = match draft.nonce {
            Some(nonce) => Some(line.choose(&self.node, nonce).await?),
            None => line.resume(&self.node, begun.nonce, waiting).await?,
        };
        match place {
            Some(place) => Ok(Standing::Placed(Box::new(Placed { priced, begun, place, turn }))),
            None if self.is_gone(line, held).await? => Ok(Standing::Gone),
            None => Err(displaced(held, other(line, held))),
        }
    }

    /// The one of its transactions that the node knows.
    async fn known(&self, begun: &Begun) -> Result<Option<B256>, Refusal> {
        for hash in &begun.hashes {
            if self.node.knows(*hash).await? {
                return Ok(Some(*hash));
            }
        }
        Ok(None)
    }

    /// The same transaction as before, or after a while one with a new price.
    async fn priced(&self, draft: &Draft, held: &Begun) -> Result<(Priced, Begun), Refusal> {
        if !held.is_older(self.same) {
            return Ok((held.priced(draft.clone()), held.clone()));
        }
        let priced = fees::price(&self.node, draft.clone(), self.bounds).await?;
        let begun = held.clone().anew(&priced);
        Ok((priced, begun))
    }

    /// Whether another transaction of ours is in a block at a place. If it is somebody else's, it may be this one as well, which
    /// somebody else has sent.
    async fn is_gone(&self, line: &Line, begun: &Begun) -> Result<bool, Refusal> {
        match other(line, begun) {
            Some(other) => Ok(self.node.has_mined(other).await?),
            None => Ok(false),
        }
    }

    /// What was decided for one that is only signed, unless it can never happen any more.
    async fn signable(
        &self,
        account: &Account,
        draft: &Draft,
        held: &Begun,
    ) -> Result<Option<(Priced, Begun)>, Refusal> {
        if self.known(held).await?.is_some() {
            // It has happened, and whoever asks for it has not been told.
            return Ok(Some((held.priced(draft.clone()), held.clone())));
        }
        let line = self.lines.of(account.address);
        if self.is_gone(&line, held).await? {
            return Ok(None);
        }
        if self.count(account.address).await? > held.nonce {
            return Err(displaced(held, other(&line, held)));
        }
        self.priced(draft, held).await.map(Some)
    }

    /// What was sent is given to the node again, if it does not know it any more.
    async fn look_after(&self, account: &Account, draft: Draft, sent: &Sent) -> Result<B256, Refusal> {
        if self.node.knows(sent.hash).await? {
            return Ok(sent.hash);
        }
        let turn = self.wallet.turn().await;
        let raw = self.signed(account, &sent.begun.priced(draft), sent.begun.nonce, &turn).await?;
        let hash = keccak256(&raw);
        match broadcast(&self.node, &raw, hash).await {
            Fate::Sent => Ok(hash),
            Fate::Rejected(refusal) | Fate::Lost(refusal) | Fate::Unknown(refusal) => Err(refusal),
        }
    }

    async fn send_at(
        self: &Arc<Self>,
        line: &Arc<Line>,
        account: &Account,
        question: Question,
        placed: Placed,
    ) -> Result<Sent, Refusal> {
        let Placed { priced, mut begun, mut place, turn } = placed;
        let nonce = place.nonce();
        // If there is no signature, the place goes back with its drop.
        let raw = self.signed(account, &priced, nonce, &turn).await;
        let raw = raw.map_err(|refusal| self.failed(question, &begun, refusal))?;
        drop(turn);
        place.signed();
        self.mend(line, account);
        place.turn().await;
        let hash = keccak256(&raw);
        begun.is_at_large(hash);
        place.is_at_large(hash);
        let fate = broadcast(&self.node, &raw, hash).await;
        let address = account.address;
        match fate {
            Fate::Sent => {
                place.sent(hash);
                info!(account = %address, nonce, %hash, "sent");
                Ok(Sent { hash, begun })
            }
            // It was out, and a node that lies has it. The next transaction takes its place, or the same again.
            Fate::Rejected(refusal) => {
                self.held.keep(question, begun);
                place.give_back();
                warn!(account = %address, nonce, why = refusal.message, "the node does not take a transaction");
                Err(refusal.with("nonce", quantity(nonce)))
            }
            Fate::Lost(refusal) => {
                self.held.keep(question, begun);
                place.lose();
                warn!(account = %address, nonce, %hash, "another transaction seems to have this place");
                Err(refusal.with("nonce", quantity(nonce)))
            }
            // In doubt, with its drop.
            Fate::Unknown(refusal) => {
                self.held.keep(question, begun);
                warn!(account = %address, nonce, %hash, "it is not known whether a transaction was sent");
                Err(refusal.with("nonce", quantity(nonce)))
            }
        }
    }

    /// Does something that nobody waits for, but for the end of the signer.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // There are always some left.
        let permit = self.tasks.clone().try_acquire_owned();
        tokio::spawn(async move {
            let _permit = permit;
            task.await;
        });
    }

    /// Finds out what is in doubt, and sees to what stays empty. Nobody waits for it.
    fn clear_up(self: &Arc<Self>, line: Arc<Line>, account: Account) {
        let this = self.clone();
        self.spawn(async move {
            // What cannot be found out now is found out before the next place is given.
            let _ = line.clear_up(&this.node).await;
            this.mend(&line, &account);
        });
    }

    /// Sees to places that stay empty while others wait behind them.
    fn mend(self: &Arc<Self>, line: &Arc<Line>, account: &Account) {
        while let Some(place) = line.claim_empty() {
            if !self.fills {
                place.give_up();
                continue;
            }
            let (this, line, account) = (self.clone(), line.clone(), account.clone());
            self.spawn(async move {
                this.fill(&account, place).await;
                // Whatever came of it, the next transaction or this finds out.
                let _ = line.clear_up(&this.node).await;
            });
        }
    }

    /// Fills an empty place with a transaction that does nothing. The one that was to be there may be signed by now, and its
    /// caller was told that it was not sent; so it must never be, and no other may be signed a second time for this place.
    async fn fill(&self, account: &Account, mut place: Place) {
        let nonce = place.nonce();
        let raw = match self.filler(account, nonce).await {
            Ok(raw) => raw,
            Err(refusal) => {
                let why = refusal.message;
                warn!(account = %account.address, nonce, why, "a place stays empty until the next transaction");
                return place.give_up();
            }
        };
        place.turn().await;
        let hash = keccak256(&raw);
        place.is_at_large(hash);
        match broadcast(&self.node, &raw, hash).await {
            Fate::Sent => {
                place.sent(hash);
                info!(account = %account.address, nonce, %hash, "filled an empty place");
            }
            Fate::Rejected(_) => place.give_up(),
            Fate::Lost(_) => place.lose(),
            Fate::Unknown(_) => drop(place),
        }
    }

    /// A transaction that does nothing, signed for a place. What fails for a passing reason is tried again.
    async fn filler(&self, account: &Account, nonce: u64) -> Result<Bytes, Refusal> {
        let gas = Some(FILLER_GAS);
        let draft = Draft { from: account.address, to: Some(account.address), gas, ..Draft::default() };
        let mut tries = 0;
        loop {
            tries += 1;
            let raw = async {
                let priced = fees::price(&self.node, draft.clone(), self.bounds.of_filler()).await?;
                let turn = self.wallet.turn().await;
                self.signed(account, &priced, nonce, &turn).await
            };
            match raw.await {
                Err(refusal) if refusal.is_passing() && tries < FILLER_TRIES => {
                    tokio::time::sleep(PAUSE).await
                }
                outcome => return outcome,
            }
        }
    }
}

/// Another transaction of ours that has the place of one.
fn other(line: &Line, begun: &Begun) -> Option<B256> {
    line.sent_at(begun.nonce).filter(|other| !begun.hashes.contains(other))
}

/// Another transaction has the place of one that may still happen there.
fn displaced(begun: &Begun, other: Option<B256>) -> Refusal {
    let nonce = begun.nonce;
    let refusal = match other {
        Some(other) => Refusal::new(
            RESOURCE_UNAVAILABLE,
            codes::PENDING,
            format!("another transaction has nonce {nonce} by now, and is in no block yet"),
        )
        .with("other", format!("0x{}", hex::encode(other)))
        .with("help", "send the same again when the other one is in a block: it is paid once"),
        None => Refusal::new(
            INTERNAL,
            codes::IN_DOUBT,
            format!("somebody else seems to have used nonce {nonce}, which this transaction has"),
        )
        .with("help", "look at what has this nonce on the chain; if it is another, say a nonce to send anew"),
    };
    let refusal = refusal.with("nonce", quantity(nonce));
    match begun.hashes.first() {
        Some(hash) => refusal.with("hash", format!("0x{}", hex::encode(hash))),
        None => refusal,
    }
}
