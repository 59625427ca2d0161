//! Looks around from time to time: whether the store answers, whether nodes are there, whether the cluster document still
//! knows those that are connected.

use std::sync::Arc;
use std::time::Duration;

use keymoot_ports::{Address, Name, Role, Ttl, registry};
use keymoot_wire::cluster::ClusterDocument;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::clock::stopped;
use crate::room::Room;
use crate::roster;
use crate::task::Input;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// How long the store may take to be there.
const STORE: Duration = Duration::from_secs(2);

/// So many looks are between two announcements of this coordinator.
const ANNOUNCE: u32 = 6;

/// Looks around until the coordinator stops. `address` is where it serves, by the cluster document.
pub(crate) async fn beat(room: Arc<Room>, health: HealthReporter, address: String) {
    let mut stop = room.stop.clone();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count: u32 = 0;
    let mut seen: Option<Arc<ClusterDocument>> = None;
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            _ = ticks.tick() => {}
        }
        let has_store = matches!(timeout(STORE, room.sessions.orphans(1)).await, Ok(Ok(_)));
        let is_serving = room.note_store(has_store);
        let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        health.set_service_status("", status).await;
        drop_strangers(&room).await;
        let document = room.document.load_full();
        if seen.as_ref().is_none_or(|seen| !Arc::ptr_eq(&document, seen)) {
            go_by(&room, &document).await;
            seen = Some(document);
        }
        if count.is_multiple_of(ANNOUNCE) {
            announce(&room, &address).await;
        }
        count = count.wrapping_add(1);
    }
    health.set_service_status("", ServingStatus::NotServing).await;
    // Nodes are to go to the other coordinators at once.
    room.nodes.keep(|_| false);
}

/// Ends the streams of nodes that a newer document does not know any more, at least not with their key.
async fn drop_strangers(room: &Room) {
    let document = room.document.load_full();
    for party in room.nodes.keep(|peer| peer.is_known_to(&document).is_ok()) {
        tracing::warn!(node = room.names.of(party), "the cluster document does not know this node any more");
        // Nobody to tell when the coordinator stops.
        let _ = room.hear(Input::Gone(party)).await;
    }
}

/// Whoever is enrolled by a newer document may ask at once.
async fn go_by(room: &Room, document: &ClusterDocument) {
    match roster::of(document) {
        Ok(roster) => {
            tracing::info!(version = document.version, "the coordinator goes by this cluster document");
            // Nobody to tell when the coordinator stops.
            let _ = room.hear(Input::Clients(roster.clients().clone())).await;
        }
        Err(error) => {
            tracing::error!(%error, "the cluster document makes no roster; the one before counts on")
        }
    }
}

async fn announce(room: &Room, address: &str) {
    let member = || {
        let (name, role) = (Name::new(&room.name).ok()?, Role::new("coordinator").ok()?);
        Some(registry::Member { name, role, address: Address::new(address).ok()? })
    };
    let (Some(member), Ok(ttl)) = (member(), Ttl::new(room.limits.presence)) else { return };
    if !matches!(timeout(STORE, room.registry.announce(&member, ttl)).await, Ok(Ok(()))) {
        tracing::warn!("this coordinator cannot announce itself in the registry");
    }
}
