//! Dialling a coordinator: TLS with certificates on both sides, and only that coordinator will do.

use std::sync::Arc;

use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::identity::{PeerId, PeerRole};
use keymoot_wire::tls::{self, Identity};

use crate::link::LinkFault;

/// A channel to the coordinator with this number. It connects when it is first used.
pub(crate) fn coordinator(
    number: u16,
    identity: &Arc<Identity>,
    document: &DocumentHandle,
) -> Result<tls::Link, LinkFault> {
    let now = document.load_full();
    let entry = now.coordinator(usize::from(number)).ok_or(LinkFault::Unlisted)?;
    let expected = PeerId::new(&now.cluster, PeerRole::Coordinator, &entry.name);
    let expected = expected.map_err(|_| LinkFault::Unlisted)?;
    tls::dial(&entry.address, identity, document, &expected).map_err(LinkFault::Address)
}
