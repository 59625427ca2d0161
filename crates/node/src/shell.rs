//! Starts a node, keeps it going through a full disk, and stops it in order.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keymoot_engine::node::{Config, Node};
use keymoot_engine::plan::{Effect, Pipeline, Plan};
use keymoot_engine::real::Real;
use keymoot_ports::{Fault, Journal};
use keymoot_types::Party;
use keymoot_wire::cluster::{ClusterDocument, DocumentHandle};
use keymoot_wire::outbox::{Bounds, Outbox};
use keymoot_wire::seal::SealKey;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::{Limits, NodeConfig};
use crate::fault::NodeFault;
use crate::health;
use crate::link::{Lines, Link};
use crate::mail::Post;
use crate::parcel::Parcel;
use crate::perform::Hands;
use crate::rules::Rules;
use crate::scribe::Scribe;
use crate::seeds::{self, PublicSides};
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
        let place = Place::find(&config.name, &document, public)?;
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
        let (journal, limits) = (config.journal, config.limits);
        let crypto = Real::from_seed(*seeds.identity);
        let keeper = Keeper {
            name: config.name,
            document: config.document,
            public,
            place,
            seal: Arc::new(seeds.seal),
            crypto,
            journal,
            shares,
            limits,
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

/// What a node is by the cluster document.
struct Place {
    me: Party,
    config: Config,
    rules: Rules,
    seals: Arc<BTreeMap<Party, [u8; 32]>>,
    /// The digest of the document.
    digest: [u8; 32],
}

impl Place {
    /// Where a node with these secrets stands in the document.
    fn find(name: &str, document: &ClusterDocument, public: PublicSides) -> Result<Self, NodeFault> {
        let entry = document.node(name).ok_or(NodeFault::Document("it has no node of this name"))?;
        if entry.identity.0 != public.identity || entry.seal.0 != public.seal {
            return Err(NodeFault::Document("it has other keys for this node than the vault"));
        }
        let party = |index| Party::new(index).map_err(|_| NodeFault::Document("an index is no party's"));
        let me = party(entry.index)?;
        let seals = document.nodes.iter().map(|node| Ok((party(node.index)?, node.seal.0)));
        let seals = seals.collect::<Result<BTreeMap<_, _>, NodeFault>>()?;
        let roster = crate::roster::of(document)?;
        let coordinators = u16::try_from(document.coordinators.len())
            .map_err(|_| NodeFault::Document("it has too many coordinators"))?;
        let (committee, clients) = (roster.committee(), roster.clients().clone());
        let config = Config { me, committee, clients, coordinators, limits: Default::default() };
        let (rules, seals, digest) = (Rules::of(document), Arc::new(seals), document.digest());
        Ok(Self { me, config, rules, seals, digest })
    }
}

/// Keeps one node going: one life of the engine after another, until one ends for good.
struct Keeper {
    name: String,
    document: DocumentHandle,
    public: PublicSides,
    place: Place,
    seal: Arc<SealKey>,
    crypto: Real,
    journal: Arc<dyn Journal>,
    shares: Shares,
    limits: Limits,
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
                End::Renewed => match self.renew() {
                    Ok(()) => continue,
                    Err(fault) => break Err(fault),
                },
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

    /// Goes by the document of now: whom it has taken away, and what it forbids, is nothing to this node from here on.
    fn renew(&mut self) -> Result<(), NodeFault> {
        let document = self.document.load_full();
        let place = Place::find(&self.name, &document, self.public)?;
        if place.config.committee.group() != self.place.config.committee.group() {
            return Err(NodeFault::Document("it is of another group"));
        }
        if usize::from(place.config.coordinators) != self.outboxes.len() {
            return Err(NodeFault::Document("it has another number of coordinators; start the node again"));
        }
        tracing::info!(version = document.version, "the node goes by another cluster document");
        self.place = place;
        Ok(())
    }

    /// Hears nobody for a while; whether the node is to stop.
    async fn idle(&mut self, pause: Duration) -> bool {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return true,
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

    async fn revive(&mut self) -> Result<(Task<'_, Rules>, Plan<Effect<Real>>), NodeFault> {
        let journal = self.journal.replay().await.map_err(NodeFault::Journal)?;
        let records = self.shares.open_all(&journal)?;
        drop(journal);
        let count = records.len();
        let clock = Clock::start();
        let config = Config { limits: self.limits.engine, ..self.place.config.clone() };
        let group = config.committee.group();
        let rules = self.place.rules.clone();
        let (node, first) = Node::recover(self.crypto.clone(), rules, config, records, clock.now())?;
        let (workers, worked) =
            Workers::start(&self.crypto, self.limits.workers).map_err(NodeFault::Worker)?;
        let post = Post::new((self.place.me, group), Arc::clone(&self.seal), Arc::clone(&self.place.seals));
        let hands = Hands {
            post,
            workers,
            outboxes: self.outboxes.clone(),
            wakes: BTreeSet::new(),
            failed: Vec::new(),
        };
        let scribe = Scribe::new(Arc::clone(&self.journal), self.shares.clone());
        tracing::info!(records = count, "the journal is read; the node begins");
        let pipeline = Pipeline::default();
        let (heard, stop, board) = (&mut self.heard, self.stop.clone(), &*self.board);
        let goes_by = (Arc::clone(&self.document), self.place.digest);
        let task = Task {
            node,
            pipeline,
            hands,
            scribe,
            clock,
            heard,
            worked,
            stop,
            board,
            goes_by,
            is_fine: false,
        };
        Ok((task, first))
    }
}
