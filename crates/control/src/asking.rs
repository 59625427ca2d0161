//! From a signed request to its answer: read, judged by the table, handed to the engine, waited for.

use std::sync::Arc;
use std::time::Duration;

use keymoot_engine::message::Answer;
use keymoot_engine::outcome::Outcome;
use keymoot_engine::real::Real;
use keymoot_engine::request::{Ask, BadRequest, HttpRequest, REQUEST_MAX, SignedRequest};
use keymoot_ports::sessions::BODY_BYTES_MAX;
use keymoot_types::Millis;
use keymoot_wire::cluster::Role;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::mpc;
use keymoot_wire::problem::{Code, RETRY_METADATA};
use keymoot_wire::stop::stopped;
use tokio::time::{Instant, interval_at, sleep_until};
use tonic::Status;
use tonic::metadata::MetadataValue;

use crate::access::Caller;
use crate::answers::Read;
use crate::clock::wall_ms;
use crate::lookup;
use crate::room::Room;
use crate::task::Input;
use crate::waiting::Waiter;

/// The longest wait for an outcome.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How long the store may take for its first word on a request.
const FIRST_WORD: Duration = Duration::from_secs(6);

/// Another replica may be the one that works on it, and tells only the store: it is asked again this often.
const AGAIN: Duration = Duration::from_millis(400);

/// What was asked so lately is not asked again by somebody else.
const FRESH: Duration = Duration::from_millis(350);

const _: () = assert!(REQUEST_MAX <= BODY_BYTES_MAX, "what nodes read has room in the store");

const _: () =
    assert!(FRESH.as_millis() < AGAIN.as_millis(), "whoever asked last may ask again when its time comes");

/// Nodes may be on their way back for so long, before a caller is told that there are too few.
const GRACE: Duration = Duration::from_millis(1_500);

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Signature,
    Key,
    Retirement,
}

/// A request that may be handed to the engine.
pub(crate) struct Judged {
    pub(crate) read: Read,
    pub(crate) body: Vec<u8>,
}

/// Reads what a client signed, and refuses what nobody would serve.
pub(crate) fn judge(
    room: &Room,
    caller: &Caller,
    signed: Option<mpc::SignedRequest>,
    purpose: Purpose,
) -> Result<Judged, Status> {
    let signed = signed.ok_or_else(|| Code::RequestUnsigned.to_status("there is no signed request"))?;
    let mpc::SignedRequest { method, path, body, signature_input: input, signature } = signed;
    let signature = signature.try_into();
    let signature =
        signature.map_err(|_| Code::RequestSignatureRefused.to_status("a signature has 64 bytes"))?;
    let http = HttpRequest { method, path, body, input, signature };
    if http.parameters().is_err() {
        let words = "the parameters of the signature are not of the form that this cluster reads";
        return Err(Code::RequestSignatureRefused.to_status(words));
    }
    let body = http.to_bytes();
    if body.len() > BODY_BYTES_MAX {
        return Err(
            Code::BodyTooLarge.to_status(format!("a signed request has {BODY_BYTES_MAX} bytes at most"))
        );
    }
    let (id, signed) = SignedRequest::read_from::<Real>(&body).map_err(|_| {
        Code::UnexpectedBody.to_status("path and body are not those of a request that is served here")
    })?;
    let is_fit = match (&signed.request.ask, purpose) {
        (Ask::Sign { .. }, Purpose::Signature)
        | (Ask::Key(_), Purpose::Key)
        | (Ask::Retire { .. }, Purpose::Retirement) => true,
        (Ask::Sign { .. } | Ask::Key(_) | Ask::Retire { .. }, _) => false,
    };
    if !is_fit {
        return Err(Code::InvalidRequest.to_status("what was signed asks for something else than the call"));
    }
    signed.check_group(room.committee.group()).map_err(refused)?;
    if let Err(why @ (BadRequest::TooLong | BadRequest::Premature)) =
        signed.request.check_time(Millis(wall_ms()))
    {
        return Err(refused(why));
    }
    check_role(room, caller, &signed)?;
    room.observer.traces.note(id, &caller.trace);
    Ok(Judged { read: Read { id, signed }, body })
}

/// The least role that may ask for this, whoever carries it.
const fn least(ask: &Ask) -> Role {
    match ask {
        Ask::Sign { .. } => Role::Requester,
        Ask::Key(_) => Role::Operator,
        Ask::Retire { .. } => Role::Admin,
    }
}

fn check_role(room: &Room, caller: &Caller, signed: &SignedRequest) -> Result<(), Status> {
    let document = room.document.load();
    let client = document.client_of_key(&signed.request.client.0);
    let unknown = || Code::ClientUnknown.to_status("no client with this key is enrolled");
    let client = client.ok_or_else(unknown)?;
    if caller.peer.role() == PeerRole::Client && caller.peer.name() != client.name {
        let words = format!("{} carries a request that {} signed", caller.peer.name(), client.name);
        return Err(Code::SomebodyElsesRequest.to_status(words));
    }
    let least = least(&signed.request.ask);
    if client.role < least {
        let words = format!("{} is {}, and this is for the role {least} and above", client.name, client.role);
        return Err(Code::RoleTooLow.to_status(words));
    }
    Ok(())
}

fn refused(why: BadRequest) -> Status {
    let code = match why {
        BadRequest::Malformed => Code::UnexpectedBody,
        BadRequest::Expired | BadRequest::Premature | BadRequest::TooLong => Code::RequestOutOfTime,
        BadRequest::Elsewhere => Code::RequestSignatureRefused,
    };
    code.to_status(why.to_string())
}

/// How long to wait, at most.
pub(crate) fn patience(wait_ms: u64) -> Duration {
    Duration::from_millis(wait_ms).min(WAIT_MAX)
}

/// Hands a request to the engine and waits for its answer: at least until it is admitted, and then for its outcome as long
/// as the caller wants.
pub(crate) async fn follow(
    room: &Arc<Room>,
    judged: &Judged,
    wait: Duration,
) -> Result<mpc::Request, Status> {
    if *room.stop.borrow() {
        return Err(Code::ShuttingDown.to_status(format!("{} is stopping", room.name)));
    }
    let full = || busy("too many requests are waited for", 500);
    let mut waiter = room.waiting.enter(judged.read.id, &judged.body).ok_or_else(full)?;
    ask(room, judged, &waiter).await?;
    match outcome(room, judged, &mut waiter, Instant::now(), wait).await? {
        Some(outcome) => {
            let ending = lookup::ending(room, judged.read.id).await?;
            lookup::settled(room, &judged.read, outcome, ending).await
        }
        None => lookup::pending(room, &judged.read).await,
    }
}

/// Asks the engine, unless somebody who waits for the same has just done it.
async fn ask(room: &Room, judged: &Judged, waiter: &Waiter) -> Result<(), Status> {
    if !waiter.asks(FRESH) {
        return Ok(());
    }
    let Read { signed, .. } = &judged.read;
    let keygen = matches!(signed.request.ask, Ask::Key(_)).then_some(signed.request.created.0);
    let asked = Input::Asked { from: waiter.number(), body: judged.body.clone(), keygen };
    room.hear_of(asked, judged.body.len()).await
}

/// Waits until a request is admitted, and then for its outcome; `None` if there is none in time, or cannot be one now.
async fn outcome(
    room: &Room,
    judged: &Judged,
    waiter: &mut Waiter,
    began: Instant,
    wait: Duration,
) -> Result<Option<Outcome>, Status> {
    let needed = lookup::needed(room, &judged.read);
    let (mut is_admitted, mut short_since) = (false, None);
    let mut again = interval_at(Instant::now() + AGAIN, AGAIN);
    let mut stop = room.stop.clone();
    loop {
        let until = began + if is_admitted { wait } else { FIRST_WORD };
        tokio::select! {
            biased;
            answer = waiter.next() => {
                if let Some(outcome) = heard(answer)? {
                    return Ok(Some(outcome));
                }
                is_admitted = true;
            }
            () = sleep_until(until) => {
                let words = "the store has not taken the request in; it may still do so";
                return if is_admitted { Ok(None) } else { Err(Code::StoreUnavailable.to_status(words)) };
            }
            () = stopped(&mut stop) => {
                return if is_admitted { Ok(None) } else { heard(None) };
            }
            now = again.tick() => {
                if room.shortage(needed).is_none() || !is_admitted {
                    short_since = None;
                } else if now.duration_since(*short_since.get_or_insert(now)) >= GRACE {
                    return Ok(None);
                }
                ask(room, judged, waiter).await?;
            }
        }
    }
}

/// What an answer of the engine means to a caller; an outcome, if it is the last word.
fn heard(answer: Option<Answer>) -> Result<Option<Outcome>, Status> {
    match answer {
        Some(Answer::Pending) => Ok(None),
        Some(Answer::Final(outcome)) => Ok(Some(outcome)),
        Some(Answer::Busy(after)) => Err(busy("as many requests are worked on as there is room for", after)),
        Some(Answer::Conflict) => Err(Code::Conflict.to_status("the nonce was used for another request")),
        Some(Answer::Refused(why)) if why == BadRequest::Expired.to_string() => {
            Err(Code::RequestOutOfTime.to_status(why))
        }
        Some(Answer::Refused(why)) => Err(Code::RequestSignatureRefused.to_status(why)),
        None => Err(Code::ShuttingDown.to_status("the coordinator is stopping")),
    }
}

/// Too much to do. The caller is told when to come again, in milliseconds.
fn busy(words: &str, after: u64) -> Status {
    let mut status = Code::Busy.to_status(words);
    let seconds = after.div_ceil(1_000).max(1);
    status.metadata_mut().insert(RETRY_METADATA, MetadataValue::from(seconds));
    status
}
