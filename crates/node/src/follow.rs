//! Going by the cluster document: what a node is by the one of now, and what another one changes for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_engine::node::Config;
use keymoot_types::Party;
use keymoot_wire::cluster::{ClusterDocument, DocumentHandle};

use crate::fault::NodeFault;
use crate::rules::Rules;
use crate::seeds::PublicSides;

/// What a node is by the cluster document.
pub(crate) struct Place {
    pub(crate) me: Party,
    pub(crate) config: Config,
    pub(crate) rules: Rules,
    pub(crate) seals: Arc<BTreeMap<Party, [u8; 32]>>,
}

impl Place {
    /// Where a node with these secrets stands in the document.
    pub(crate) fn find(
        name: &str,
        document: &ClusterDocument,
        public: PublicSides,
    ) -> Result<Self, NodeFault> {
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
        // What its operator has said comes when the engine begins.
        let (schemes, limits) = Default::default();
        let config = Config { me, committee, clients, schemes, coordinators, limits };
        Ok(Self { me, config, rules: Rules::of(document), seals: Arc::new(seals) })
    }
}

/// What another document changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing.
    Nothing,
    /// Who may ask, and for what.
    Rules,
    /// Who the members are, or how to reach them: the engine begins again.
    Members,
}

/// A node's place, kept up to date.
pub(crate) struct Follow {
    name: String,
    public: PublicSides,
    handle: DocumentHandle,
    seen: Arc<ClusterDocument>,
    pub(crate) place: Place,
}

impl Follow {
    /// Begins with the document of now.
    pub(crate) fn new(name: String, public: PublicSides, handle: DocumentHandle) -> Result<Self, NodeFault> {
        let seen = handle.load_full();
        let place = Place::find(&name, &seen, public)?;
        Ok(Self { name, public, handle, seen, place })
    }

    /// Whether the document is the one that was looked at last. Costs nothing.
    pub(crate) fn is_current(&self) -> bool {
        Arc::ptr_eq(&self.seen, &self.handle.load())
    }

    /// Takes up the document of now.
    pub(crate) fn look(&mut self) -> Result<News, NodeFault> {
        let document = self.handle.load_full();
        let before = std::mem::replace(&mut self.seen, Arc::clone(&document));
        if before.digest() == document.digest() {
            return Ok(News::Nothing);
        }
        let mut place = Place::find(&self.name, &document, self.public)?;
        if place.config.committee.group() != self.place.config.committee.group() {
            return Err(NodeFault::Document("it is of another group"));
        }
        let coordinators = self.place.config.coordinators;
        if place.config.coordinators != coordinators {
            // There is one line for each, from the start on. Those that are there are enough to go on with.
            tracing::warn!(
                had = coordinators,
                has = place.config.coordinators,
                "the document has another number of coordinators; start the node again to reach all"
            );
            place.config.coordinators = coordinators;
        }
        tracing::info!(version = document.version, "the node goes by another cluster document");
        let is_same =
            place.config.committee == self.place.config.committee && place.seals == self.place.seals;
        self.place = place;
        Ok(if is_same { News::Rules } else { News::Members })
    }
}
