//! Starts a node, keeps it going through a full disk, and stops it in order.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keymoot_engine::node::{Config, Node};
use keymoot_engine::plan::{Effect, Pipeline, Plan};
use keymoot_engine::real::Real;
use keymoot_ports::{Fault, Journal};
use keymoot_types::Scheme;
use keymoot_wire::outbox::{Bounds, Outbox};
use keymoot_wire::seal::SealKey;
use keymoot_wire::stop::stopped;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::{Limits, NodeConfig};
use crate::decisions::Decisions;
use crate::fault::NodeFault;
use crate::follow::Follow;
use crate::health;
use crate::link::{Lines, Link};
use crate::mail::Post;
use crate::parcel::Parcel;
use crate::perform::Hands;
use crate::scribe::Scribe;
use crate::seeds::{self, PublicSides};
use crate::seeker::Seeker;
use crate::shares::Shares;
use crate::status::{Board, JournalState, Status};
use crate::task::{End, Heard, Task};
use crate::worker::Workers;

/// The pauses between two looks whether there is room on the disk again.
const FULL_MIN: Duration = Duration::from_millis(250);
const FULL_MAX: Duration = Duration::from_secs(2);

/// How long a link may take to hang up.
const HANG_UP: Duration = Duration::from_secs(1);

/// A node.
pub struct NodeShell;

/// A node that runs.
pub struct NodeHandle {
    stop: watch::Sender<bool>,
    board: Arc<Board>,
    health: Option<SocketAddr>,
    task: JoinHandle<Result<(), NodeFault>>,
}

impl NodeHandle {
    /// Has the node stop: it notes that it does, makes everything durable, and hangs up.
    pub fn stop(&self) {
        // Nobody listens any more if it has ended already.
        let _ = self.stop.send(true);
    }

    /// What [`NodeHandle::stop`] does, for whoever waits in [`NodeHandle::join`].
    pub fn stopper(&self) -> impl Fn() + Send + Sync + 'static {
        let stop = self.stop.clone();
        move || {
            // As there.
            let _ = stop.send(true);
        }
    }

    /// Waits until the node has ended.
    ///
    /// # Errors
    /// Why it has ended without being told to.
    pub async fn join(self) -> Result<(), NodeFault> {
        self.task.await.unwrap_or(Err(NodeFault::Died))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.board.status()
    }

    /// Where it tells how it is.
    #[must_use]
    pub const fn health_address(&self) -> Option<SocketAddr> {
        self.health
    }
}

impl NodeShell {
    /// Starts a node: reads its journal, dials the coordinators, and begins.
    ///
    /// # Errors
    /// Something in the configuration cannot be. What is in the journal is found out later: see [`NodeHandle::join`].
    pub async fn start(config: NodeConfig) -> Result<NodeHandle, NodeFault> {
        let document = config.document.load_full();
        let seeds = seeds::recall(&config.vault).map_err(NodeFault::Vault)?;
        let public = PublicSides {
            identity: Real::from_seed(*seeds.identity).public_bytes(),
            seal: seeds.seal.public(),
        };
        let follow = Follow::new(config.name.clone(), public, Arc::clone(&config.document))?;
        let coordinators = document.coordinators.iter().map(|coordinator| coordinator.name.clone());
        let board = Arc::new(Board::new(&config.name, coordinators));
        let (stop, stopped) = watch::channel(false);
        let health = match config.health {
            Some(health) => {
                let (listener, bound) = health::listen(&health).await?;
                tokio::spawn(health::serve(listener, Arc::clone(&board), health.metrics, stopped.clone()));
                Some(bound)
            }
            None => None,
        };
        let (heard_in, heard) = mpsc::channel(config.limits.heard.max(1));
        let lines = Arc::new(Lines {
            name: config.name.clone(),
            document: Arc::clone(&config.document),
            identity: config.identity,
            board: Arc::clone(&board),
            heard: heard_in,
            stop: stopped.clone(),
        });
        let outboxes: Vec<Arc<Outbox<Parcel>>> =
            document.coordinators.iter().map(|_| Arc::new(Outbox::new(Bounds::default()))).collect();
        let links = outboxes.iter().zip(0..).map(|(outbox, number)| {
            let (outbox, lines) = (Arc::clone(outbox), Arc::clone(&lines));
            tokio::spawn(Link { number, outbox, lines }.run())
        });
        let links: Vec<JoinHandle<()>> = links.collect();
        let shares = Shares::new(config.vault);
        let (journal, limits, schemes) = (config.journal, config.limits, config.schemes);
        let crypto = Real::from_seed(*seeds.identity).on(document.bitcoin);
        let keeper = Keeper {
            follow,
            seal: Arc::new(seeds.seal),
            crypto,
            journal,
            shares,
            limits,
            schemes,
            outboxes,
            heard,
            stop: stopped,
            board: Arc::clone(&board),
            end: stop.clone(),
            links,
        };
        Ok(NodeHandle { stop, board, health, task: tokio::spawn(keeper.run()) })
    }
}

/// Keeps one node going: one life of the engine after another, until one ends for good.
struct Keeper {
    follow: Follow,
    seal: Arc<SealKey>,
    crypto: Real,
    journal: Arc<dyn Journal>,
    shares: Shares,
    limits: Limits,
    schemes: BTreeSet<Scheme>,
    outboxes: Vec<Arc<Outbox<Parcel>>>,
    heard: mpsc::Receiver<Heard>,
    stop: watch::Receiver<bool>,
    board: Arc<Board>,
    end: watch::Sender<bool>,
    links: Vec<JoinHandle<()>>,
}

impl Keeper {
    async fn run(mut self) -> Result<(), NodeFault> {
        let mut pause = FULL_MIN;
        let result = loop {
            let began = Instant::now();
            match self.live().await {
                End::Stopped => break Ok(()),
                End::Failed(fault) => break Err(fault),
                End::Renewed => continue,
                End::Full => {}
            }
            // A node that cannot write does not speak. Nobody has to come: when there is room again, it goes on.
            self.board.journal(JournalState::Full);
            tracing::error!("the disk of the journal is full; this node says nothing until there is room");
            pause = if began.elapsed() > FULL_MAX * 2 { FULL_MIN } else { (pause * 2).min(FULL_MAX) };
            if self.idle(pause).await {
                break Ok(());
            }
        };
        if let Err(fault) = &result {
            tracing::error!(error = fault as &dyn std::error::Error, "the node has ended");
        }
        self.board.journal(JournalState::Ended);
        self.end.send_replace(true);
        for link in self.links {
            // A link that does not end in time is cut off with the process.
            let _ = tokio::time::timeout(HANG_UP, link).await;
        }
        result
    }

    /// Hears nobody for a while; whether the node is to stop.
    async fn idle(&mut self, pause: Duration) -> bool {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = stopped(&mut self.stop) => return true,
                () = &mut over => return false,
                Some(_) = self.heard.recv() => {}
            }
        }
    }

    /// One life of the engine, from the journal to its end.
    async fn live(&mut self) -> End {
        match self.revive().await {
            Ok((task, first)) => task.run(first).await,
            Err(NodeFault::Journal(Fault::Full)) => End::Full,
            Err(fault) => End::Failed(fault),
        }
    }

    async fn revive(&mut self) -> Result<(Task<'_>, Plan<Effect<Real>>), NodeFault> {
        let journal = self.journal.replay().await.map_err(NodeFault::Journal)?;
        let records = self.shares.open_all(&journal)?;
        drop(journal);
        let count = records.len();
        let clock = Clock::start();
        // It may have changed while nobody looked.
        self.follow.look()?;
        let place = &self.follow.place;
        let (limits, schemes) = (self.limits.engine, self.schemes.clone());
        let config = Config { limits, schemes, ..place.config.clone() };
        let group = config.committee.group();
        let (crypto, rules, now) = (self.crypto.clone(), place.rules.clone(), clock.now());
        // A long journal is not to keep links and heartbeats waiting.
        let recovery =
            tokio::task::spawn_blocking(move || Node::recover(crypto, rules, config, records, now));
        let (node, first) = recovery.await.map_err(|_| NodeFault::Died)??;
        let (workers, worked) =
            Workers::start(&self.crypto, self.limits.workers).map_err(NodeFault::Worker)?;
        let (seeker, sought) = Seeker::start(&self.crypto).map_err(NodeFault::Worker)?;
        let place = &self.follow.place;
        let post = Post::new((place.me, group), Arc::clone(&self.seal), Arc::clone(&place.seals));
        let hands = Hands {
            post,
            workers,
            seeker,
            outboxes: self.outboxes.clone(),
            wakes: BTreeSet::new(),
            failed: Vec::new(),
        };
        let scribe = Scribe::new(Arc::clone(&self.journal), self.shares.clone());
        tracing::info!(records = count, "the journal is read; the node begins");
        let pipeline = Pipeline::default();
        let (heard, stop, board) = (&mut self.heard, self.stop.clone(), &*self.board);
        let task = Task {
            node,
            pipeline,
            hands,
            scribe,
            clock,
            heard,
            worked,
            sought,
            stop,
            board,
            follow: &mut self.follow,
            trace: String::new(),
            decisions: Decisions::default(),
            is_fine: false,
        };
        Ok((task, first))
    }
}
