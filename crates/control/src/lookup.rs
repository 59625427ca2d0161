//! Where a request stands: by the book, which knows the request, and by the store, which knows its outcome.

use std::sync::Arc;

use keymoot_engine::outcome::Outcome;
use keymoot_engine::real::{Real, key_details};
use keymoot_engine::request::{Ask, RequestId, SignedRequest};
use keymoot_engine::words::{Hash, Wire};
use keymoot_ports::{Fault, sessions};
use keymoot_wire::mpc;
use keymoot_wire::problem::Code;
use tonic::Status;

use crate::answers::{Read, Scribe};
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

/// A request that was admitted, with its body.
pub(crate) async fn find(room: &Room, id: RequestId) -> Result<(Read, Vec<u8>), Status> {
    let body = room.book.body(id).await.map_err(unavailable)?;
    let body = body.ok_or_else(|| Code::NoSuchRequest.to_status(format!("there is no request {id}")))?;
    let (found, signed) = SignedRequest::read_from::<Real>(&body)
        .map_err(|_| Code::Defect.to_status("the document of the request cannot be read"))?;
    if found != id {
        return Err(Code::Defect.to_status("the document of the request is another's"));
    }
    Ok((Read { id, signed }, body))
}

/// Where a request stands now.
pub(crate) async fn status(room: &Arc<Room>, read: &Read, body: &[u8]) -> Result<mpc::Request, Status> {
    let (owner, ttl) = &room.owner;
    // Of what was admitted before, this changes nothing and says how it ended.
    let admission = room.sessions.admit(*read.id.0.as_bytes(), body, owner, *ttl).await;
    match admission.map_err(unavailable)? {
        sessions::Admission::Fresh { .. } | sessions::Admission::Open { .. } => pending(room, read).await,
        sessions::Admission::Finished(outcome) => {
            let outcome = Outcome::decode(&outcome)
                .map_err(|_| Code::Defect.to_status("the outcome in the store cannot be read"))?;
            settled(room, read, body, outcome).await
        }
    }
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

/// A request that goes on. If it cannot go on now because nodes are missing, it says so.
pub(crate) async fn pending(room: &Arc<Room>, read: &Read) -> Result<mpc::Request, Status> {
    let key = key_of(room, read).await?;
    let document = room.document.load_full();
    let scribe = Scribe { names: &room.names, document: &document };
    let mut request = scribe.asked(read, key.as_deref());
    request.attempts = room.observer.attempts(read.id);
    if let Some(words) = room.shortage(needed(room, read)) {
        (request.code, request.reason) = (Code::NotEnoughSigners.as_str().to_owned(), words);
    }
    Ok(request)
}

/// A request with its outcome, if the outcome proves itself: whoever has stolen a replica can write to the store as well.
pub(crate) async fn settled(
    room: &Arc<Room>,
    read: &Read,
    body: &[u8],
    outcome: Outcome,
) -> Result<mpc::Request, Status> {
    let key = match &outcome {
        Outcome::Key(package) => {
            let details = key_details(package, &room.committee);
            let details = details.ok_or_else(|| Code::Defect.to_status("the key in the store is none"))?;
            match room.book.key(details.id).await.map_err(unavailable)? {
                Some(known) => Some(known),
                None => room.book.note_key(read.id, body, package).await.map_err(unavailable)?,
            }
        }
        Outcome::Retired { .. } => {
            room.book.settled(read.id, &outcome.encode()).await.map_err(unavailable)?;
            key_of(room, read).await?
        }
        _ => key_of(room, read).await?,
    };
    let signing = key.as_deref().map(|key| &key.key).filter(|_| read.key().is_some());
    if !outcome.is_proven::<Real>((read.id, &read.signed.request), &room.committee, signing) {
        return Err(Code::Defect.to_status("the outcome in the store does not prove itself"));
    }
    let ending = room.book.ending(read.id).await.map_err(unavailable)?.unwrap_or_default();
    let document = room.document.load_full();
    let scribe = Scribe { names: &room.names, document: &document };
    let asked = scribe.asked(read, key.as_deref().filter(|_| read.key().is_some()));
    Ok(scribe.settled(asked, outcome, key.as_deref(), ending))
}
