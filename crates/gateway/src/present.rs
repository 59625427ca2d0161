//! From the words of the contract to those of the REST interface.

use keymoot_wire::mpc;
use keymoot_wire::problem::Denial;
use keymoot_wire::rest::{
    AddressView, AddressesView, AskView, EventView, KeyView, ParticipantView, RequestView, SessionView,
    SignatureView, SignedView, Status, ThresholdView, XpubView, rfc3339,
};

/// A key.
pub fn key(key: mpc::Key) -> KeyView {
    let total = u32::try_from(key.holders.len()).unwrap_or(u32::MAX);
    KeyView {
        threshold: ThresholdView { needed: key.threshold, total },
        id: key.id,
        name: key.name,
        scheme: key.scheme,
        public_key: hex::encode(key.public_key),
        chain_code: hex::encode(key.chain_code),
        epoch: key.epoch,
        holders: key.holders,
        package: hex::encode(key.package),
        created_by: key.created_by,
        created_at: rfc3339(key.created_ms),
        created_ms: moment(key.created_ms),
        retired: key.retired,
        presignatures: key.presignatures,
    }
}

/// Addresses of a key.
pub fn addresses(found: mpc::GetAddressesResponse) -> AddressesView {
    let address = |one: mpc::ChainAddress| AddressView {
        chain: one.chain,
        network: text(one.network),
        form: one.form,
        address: one.address,
    };
    AddressesView {
        key: found.key,
        path: found.path,
        public_key: hex::encode(found.public_key),
        addresses: found.addresses.into_iter().map(address).collect(),
    }
}

/// An extended public key.
pub fn xpub(found: mpc::GetXpubResponse) -> XpubView {
    XpubView {
        key: found.key,
        xpub: found.xpub,
        fingerprint: hex::encode(found.fingerprint),
        descriptors: found.descriptors,
    }
}

/// Where a request stands. What is not known here is not final.
pub fn status(request: &mpc::Request) -> Status {
    match request.status() {
        mpc::RequestStatus::Complete => Status::Complete,
        mpc::RequestStatus::Denied => Status::Denied,
        mpc::RequestStatus::Expired => Status::Expired,
        mpc::RequestStatus::Failed => Status::Failed,
        mpc::RequestStatus::Pending | mpc::RequestStatus::Unspecified => Status::Pending,
    }
}

/// A request of any kind.
pub fn request(request: mpc::Request) -> RequestView {
    let status = status(&request);
    let (made, signature, signers) = match request.result {
        Some(mpc::request::Result::Key(made)) => (Some(key(made)), None, Vec::new()),
        Some(mpc::request::Result::Signature(made)) => (None, Some(signed(&made.encoded)), made.signers),
        None => (None, None, Vec::new()),
    };
    RequestView {
        id: request.id,
        status,
        ask: ask(request.ask),
        key: made,
        signature,
        signers,
        reason: text(request.reason),
        code: text(request.code),
        culprits: request.culprits,
        denials: request.denials.into_iter().map(denial).collect(),
        attempts: request.attempts,
        client: request.client,
        created_at: rfc3339(request.created_ms),
        created_ms: moment(request.created_ms),
        expires_at: rfc3339(request.expires_ms),
        expires_ms: moment(request.expires_ms),
        finished_at: rfc3339(request.finished_ms),
        finished_ms: moment(request.finished_ms),
    }
}

/// A request for a signature; `None` if it is for something else.
pub fn signature(request: mpc::Request) -> Option<SignatureView> {
    let status = status(&request);
    let Some(mpc::request::Ask::SignatureAsk(ask)) = request.ask else { return None };
    let (signature, signers, session) = match request.result {
        Some(mpc::request::Result::Signature(made)) => {
            (Some(signed(&made.encoded)), made.signers, text(made.session))
        }
        _ => (None, Vec::new(), None),
    };
    Some(SignatureView {
        id: request.id,
        status,
        kind: ask.kind,
        key: ask.key,
        path: ask.path,
        signing: ask.signing,
        signature,
        signed_data: hex::encode(ask.signed_data),
        signers,
        session,
        reason: text(request.reason),
        code: text(request.code),
        culprits: request.culprits,
        denials: request.denials.into_iter().map(denial).collect(),
        attempts: request.attempts,
        client: request.client,
        created_at: rfc3339(request.created_ms),
        created_ms: moment(request.created_ms),
        expires_at: rfc3339(request.expires_ms),
        expires_ms: moment(request.expires_ms),
        finished_at: rfc3339(request.finished_ms),
        finished_ms: moment(request.finished_ms),
    })
}

/// An encoded signature. Only those of ECDSA have 65 bytes.
fn signed(encoded: &[u8]) -> SignedView {
    let (r, s, recid) = match encoded {
        [numbers @ .., recid] if numbers.len() == 64 => {
            let (r, s) = numbers.split_at(32);
            (Some(hex::encode(r)), Some(hex::encode(s)), Some(*recid))
        }
        _ => (None, None, None),
    };
    SignedView { r, s, recid, encoded: hex::encode(encoded) }
}

fn ask(ask: Option<mpc::request::Ask>) -> AskView {
    match ask {
        Some(mpc::request::Ask::KeyAsk(ask)) => AskView::Key { name: ask.name, scheme: ask.scheme },
        Some(mpc::request::Ask::SignatureAsk(ask)) => AskView::Signature {
            key: ask.key,
            path: ask.path,
            kind: ask.kind,
            payload: hex::encode(ask.payload),
            signing: ask.signing,
        },
        Some(mpc::request::Ask::RetireAsk(ask)) => AskView::Retire { key: ask.key },
        None => AskView::Unknown,
    }
}

fn denial(denial: mpc::Denial) -> Denial {
    Denial { node: denial.node, reason: denial.reason }
}

/// A session of this coordinator.
pub fn session(session: mpc::Session, coordinator: &str) -> SessionView {
    let participant =
        |one: mpc::Participant| ParticipantView { node: one.node, round: one.round, complete: one.complete };
    SessionView {
        id: session.id,
        kind: session.kind,
        request: text(session.request),
        participants: session.participants.into_iter().map(participant).collect(),
        age_ms: session.age_ms,
        left_ms: session.left_ms,
        coordinator: coordinator.to_owned(),
    }
}

/// Something that happened in a session.
pub fn event(event: mpc::SessionEvent) -> EventView {
    EventView {
        what: event.what,
        session: event.session,
        kind: event.kind,
        request: text(event.request),
        node: text(event.node),
        round: event.round,
        detail: text(event.detail),
        members: event.members,
        at: rfc3339(event.wall_ms),
        at_ms: moment(event.wall_ms),
    }
}

/// The contract writes an empty text for "none".
fn text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// The contract writes 0 for "never".
const fn moment(ms: u64) -> Option<u64> {
    if ms == 0 { None } else { Some(ms) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ecdsa_signatures_have_r_s_and_a_recovery_id() {
        let mut encoded = vec![0x11; 32];
        encoded.extend([0x22; 32]);
        let frost = signed(&encoded);
        assert_eq!((frost.r, frost.recid, frost.encoded.len()), (None, None, 128));
        encoded.push(1);
        let ecdsa = signed(&encoded);
        assert_eq!(ecdsa.r.unwrap(), "11".repeat(32));
        assert_eq!(ecdsa.s.unwrap(), "22".repeat(32));
        assert_eq!((ecdsa.recid, ecdsa.encoded.len()), (Some(1), 130));
    }

    #[test]
    fn a_request_for_a_key_is_no_request_for_a_signature() {
        let ask = mpc::request::Ask::KeyAsk(mpc::KeyAsk { name: "hot".into(), scheme: "dkls23".into() });
        let asked = mpc::Request { ask: Some(ask), ..mpc::Request::default() };
        assert_eq!(signature(asked.clone()), None);
        let shown = request(asked);
        assert_eq!((shown.status, shown.reason, shown.created_ms), (Status::Pending, None, None));
    }
}
