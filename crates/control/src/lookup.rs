//! Where a request stands, by the store, which knows what was admitted and how it ended. To look takes no lease and writes
//! nothing.

use std::sync::Arc;

use keymoot_engine::outcome::Outcome;
use keymoot_engine::real::Real;
use keymoot_engine::request::{Ask, RequestId, SignedRequest};
use keymoot_engine::words::{Hash, Wire};
use keymoot_ports::Fault;
use keymoot_ports::sessions::Standing;
use keymoot_wire::mpc;
use keymoot_wire::problem::Code;
use tonic::Status;

use crate::answers::{Read, Scribe};
use crate::book::Ending;
use crate::record::KeyRecord;
use crate::room::Room;

/// The store does not answer.
pub(crate) fn unavailable(fault: Fault) -> Status {
    match fault {
        Fault::Unavailable { .. } | Fault::Full => {
            tracing::warn!(error = &fault as &dyn std::error::Error, "the store does not answer");
            Code::StoreUnavailable.to_status(fault.to_string())
        }
        Fault::Corrupt { .. } | Fault::Refused(_) => {
            tracing::error!(error = &fault as &dyn std::error::Error, "the store is not what it should be");
            Code::Defect.to_status(fault.to_string())
        }
    }
}

/// The id of a request, from its text.
pub(crate) fn request_id(text: &str) -> Result<RequestId, Status> {
    let digits =
        text.strip_prefix("req_").filter(|digits| digits.bytes().all(|digit| !digit.is_ascii_uppercase()));
    let mut bytes = [0; 32];
    let is_id = digits.is_some_and(|digits| hex::decode_to_slice(digits, &mut bytes).is_ok());
    let wrong = || Code::InvalidRequest.to_status("the id of a request is req_ and 64 lower-case hex digits");
    is_id.then(|| RequestId(Hash::from_bytes(bytes))).ok_or_else(wrong)
}

/// A request that was admitted, with what the store knows of it.
pub(crate) struct Found {
    pub(crate) read: Read,
    pub(crate) standing: Standing,
}

/// A request that was admitted.
pub(crate) async fn find(room: &Room, id: RequestId) -> Result<Found, Status> {
    let standing = room.sessions.recall(*id.0.as_bytes()).await.map_err(unavailable)?;
    let standing =
        standing.ok_or_else(|| Code::NoSuchRequest.to_status(format!("there is no request {id}")))?;
    read(id, standing)
}

/// Reads what was admitted under this name.
pub(crate) fn read(id: RequestId, standing: Standing) -> Result<Found, Status> {
    let (found, signed) = SignedRequest::read_from::<Real>(&standing.body)
        .map_err(|_| Code::Defect.to_status(format!("what was admitted as {id} cannot be read")))?;
    if found != id {
        return Err(Code::Defect.to_status(format!("what was admitted as {id} is another request")));
    }
    Ok(Found { read: Read { id, signed }, standing })
}

/// Where a request stood when it was found.
pub(crate) async fn status(room: &Arc<Room>, found: &Found) -> Result<mpc::Request, Status> {
    let Found { read, standing } = found;
    let Some(outcome) = &standing.outcome else { return pending(room, read).await };
    let outcome = Outcome::decode(outcome)
        .map_err(|_| Code::Defect.to_status("the outcome in the store cannot be read"))?;
    settled(room, read, outcome, Ending::from_bytes(&standing.note)).await
}

/// How a request ended that has ended.
pub(crate) async fn ending(room: &Room, id: RequestId) -> Result<Ending, Status> {
    if let Some(recent) = room.book.recent_ending(id) {
        return Ok(recent);
    }
    let standing = room.sessions.recall(*id.0.as_bytes()).await.map_err(unavailable)?;
    Ok(standing.map(|standing| Ending::from_bytes(&standing.note)).unwrap_or_default())
}

/// The key that is to sign, if it is known here.
async fn key_of(room: &Room, read: &Read) -> Result<Option<Arc<KeyRecord>>, Status> {
    match read.key() {
        Some(key) => room.book.key(key).await.map_err(unavailable),
        None => Ok(None),
    }
}

/// How many nodes a request needs.
pub(crate) fn needed(room: &Room, read: &Read) -> u16 {
    let threshold = room.committee.threshold();
    match read.signed.request.ask {
        Ask::Key(_) => threshold.total(),
        Ask::Sign { .. } => threshold.needed(),
        // So many that those who are left are no quorum.
        Ask::Retire { .. } => threshold.total() - threshold.needed() + 1,
    }
}

/// A request that goes on. If it cannot go on now because nodes or their moduli are missing, it says so.
pub(crate) async fn pending(room: &Arc<Room>, read: &Read) -> Result<mpc::Request, Status> {
    let key = key_of(room, read).await?;
    let document = room.document.load_full();
    let scribe = Scribe { names: &room.names, document: &document };
    let mut request = scribe.asked(read, key.as_deref());
    request.attempts = room.observer.tally(read.id).attempts;
    if let Some(words) = room.shortage(needed(room, read)) {
        (request.code, request.reason) = (Code::NotEnoughSigners.as_str().to_owned(), words);
    } else if let Some(words) = key.and_then(|key| missing_moduli(room, read, &key)) {
        (request.code, request.reason) = (Code::ModuliMissing.as_str().to_owned(), words);
        request.culprits = room.observer.named(&room.observer.spoilers());
    }
    Ok(request)
}

/// Why a signature cannot be made for want of moduli, in words.
fn missing_moduli(room: &Room, read: &Read, key: &KeyRecord) -> Option<String> {
    let is_about_them =
        matches!(read.signed.request.ask, Ask::Sign { .. }) && key.details.scheme.has_moduli();
    if is_about_them { room.missing_moduli(needed(room, read)) } else { None }
}

/// A request with its outcome, if the outcome proves itself: whoever has stolen a replica can write to the store as well.
/// Before that, nothing is made of it.
pub(crate) async fn settled(
    room: &Arc<Room>,
    read: &Read,
    outcome: Outcome,
    ending: Ending,
) -> Result<mpc::Request, Status> {
    let signing = key_of(room, read).await?;
    if !room.book.is_proven(read, &outcome, signing.as_deref()) {
        return Err(Code::Defect.to_status("the outcome in the store does not prove itself"));
    }
    let key = match &outcome {
        Outcome::Key(package) => room.book.note_key(read, package).await.map_err(unavailable)?,
        Outcome::Retired { .. } => {
            room.book.settled(read, &outcome).await.map_err(unavailable)?;
            key_of(room, read).await?
        }
        _ => signing.clone(),
    };
    let document = room.document.load_full();
    let scribe = Scribe { names: &room.names, document: &document };
    let asked = scribe.asked(read, signing.as_deref());
    Ok(scribe.settled(asked, outcome, key.as_deref(), ending))
}
