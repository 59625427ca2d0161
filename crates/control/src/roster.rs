//! Members and clients as the engine wants them, from the cluster document.

use keymoot_engine::roster::{Roster, RosterClient, RosterError};
use keymoot_wire::cluster::{ClientKey, ClusterDocument};

/// Who is in the document, by its indices.
pub(crate) fn of(document: &ClusterDocument) -> Result<Roster, RosterError> {
    let threshold = document.signers();
    let identities = threshold.parties().filter_map(|party| document.node_of_index(party.index()));
    let identities: Vec<[u8; 32]> = identities.map(|node| node.identity.0).collect();
    let clients = document.clients.iter().map(|client| match &client.key {
        ClientKey::Ed25519 { public } => RosterClient::Ed25519(public.0),
        ClientKey::P256 { public } => RosterClient::P256(public.0.to_vec()),
    });
    Roster::new(document.group_id(), threshold, &identities, &clients.collect::<Vec<_>>())
}
