//! What a coordinator that begins looks after: keys that were made and not written down, because whoever made them was
//! stopped between the two. The store knows them.

use std::collections::BTreeSet;
use std::sync::Arc;

use keymoot_wire::problem::Code;
use tonic::Status;

use crate::lookup;
use crate::room::Room;

/// Documents of one page.
const PAGE: usize = 100;

/// Looks through all requests for keys once. What cannot be mended now is mended when somebody looks at it, or at the next
/// start.
pub(crate) async fn mend(room: Arc<Room>) {
    if let Err(status) = keys(&room).await {
        tracing::warn!(reason = status.message(), "not all keys could be looked after");
    }
}

async fn keys(room: &Arc<Room>) -> Result<(), Status> {
    let (mut known, mut before) = (BTreeSet::new(), None::<(u64, String)>);
    loop {
        let from = before.as_ref().map(|(order, id)| (*order, id.as_str()));
        let found = room.book.keys(from, PAGE).await.map_err(lookup::unavailable)?;
        known.extend(found.items.iter().map(|key| key.request.clone()));
        before = found.next;
        if before.is_none() {
            break;
        }
    }
    loop {
        let from = before.as_ref().map(|(order, id)| (*order, id.as_str()));
        let found = room.book.keygens(from, PAGE).await.map_err(lookup::unavailable)?;
        for id in found.items.into_iter().filter(|id| !known.contains(id)) {
            match look(room, &id).await {
                Ok(()) => {}
                // One that says nothing sensible keeps no other from being mended.
                Err(status) if Code::of_status(&status) == Code::Defect => {
                    tracing::error!(
                        request = id,
                        reason = status.message(),
                        "a request for a key is passed over"
                    );
                }
                Err(status) => return Err(status),
            }
        }
        before = found.next;
        if before.is_none() {
            return Ok(());
        }
    }
}

/// To look at it writes it down.
async fn look(room: &Arc<Room>, id: &str) -> Result<(), Status> {
    match lookup::find(room, lookup::request_id(id)?).await {
        Ok(found) => lookup::status(room, &found).await.map(drop),
        // It was written down, and not admitted then.
        Err(status) if Code::of_status(&status) == Code::NoSuchRequest => Ok(()),
        Err(status) => Err(status),
    }
}
