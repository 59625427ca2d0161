//! The names of the nodes, by the cluster document that the coordinator began with.

use std::collections::BTreeMap;

use keymoot_types::Party;
use keymoot_wire::cluster::ClusterDocument;

/// Parties and names, either way.
pub(crate) struct Names {
    names: BTreeMap<Party, String>,
}

impl Names {
    /// So many nodes, named by their numbers.
    #[cfg(test)]
    pub(crate) fn numbered(count: u16) -> Self {
        let names = (1..=count).map(|index| (Party::new(index).unwrap(), format!("node-{index}")));
        Self { names: names.collect() }
    }

    pub(crate) fn new(document: &ClusterDocument) -> Self {
        let named = document.nodes.iter();
        let named = named.filter_map(|node| Some((Party::new(node.index).ok()?, node.name.clone())));
        Self { names: named.collect() }
    }

    /// The name of a node.
    pub(crate) fn of(&self, party: Party) -> String {
        self.names.get(&party).cloned().unwrap_or_else(|| party.to_string())
    }

    /// The node of this name.
    pub(crate) fn party(&self, name: &str) -> Option<Party> {
        self.names.iter().find(|(_, known)| *known == name).map(|(party, _)| *party)
    }

    /// All of them.
    pub(crate) fn parties(&self) -> Vec<Party> {
        self.names.keys().copied().collect()
    }
}
