//! A request as callers see it: what was asked, where it stands, what came of it.

use keymoot_engine::outcome::Outcome;
use keymoot_engine::real::signed_data;
use keymoot_engine::request::{Ask, Form, RequestId, SignedRequest};
use keymoot_types::KeyId;
use keymoot_wire::cluster::ClusterDocument;
use keymoot_wire::mpc::request::{Ask as Asked, Result as Came};
use keymoot_wire::mpc::{self, Denial, KeyAsk, RequestStatus, RetireAsk, SignatureAsk};
use keymoot_wire::problem::Code;

use crate::book::Ending;
use crate::names::Names;
use crate::record::KeyRecord;

/// What is needed to put names on things.
pub(crate) struct Scribe<'a> {
    pub(crate) names: &'a Names,
    pub(crate) document: &'a ClusterDocument,
}

/// A request that was read, with its name.
pub(crate) struct Read {
    pub(crate) id: RequestId,
    pub(crate) signed: SignedRequest,
}

impl Read {
    /// The key that is to sign.
    pub(crate) const fn key(&self) -> Option<KeyId> {
        match &self.signed.request.ask {
            Ask::Sign { key, .. } | Ask::Retire { key } => Some(*key),
            Ask::Key(_) => None,
        }
    }
}

impl Scribe<'_> {
    /// The name of an enrolled client, or the id of one that is not enrolled any more.
    pub(crate) fn client(&self, id: &[u8; 32]) -> String {
        let known = self.document.client_of_key(id).map(|client| client.name.clone());
        known.unwrap_or_else(|| hex::encode(id))
    }

    /// What was asked; the rest is for others to fill in.
    pub(crate) fn asked(&self, read: &Read, key: Option<&KeyRecord>) -> mpc::Request {
        let request = &read.signed.request;
        let ask = match &request.ask {
            Ask::Retire { key } => Asked::RetireAsk(RetireAsk { key: key.to_string() }),
            Ask::Key(scheme) => {
                let name = match &read.signed.form {
                    Form::Http(http) => http.key_name().unwrap_or_default(),
                    Form::Name => String::new(),
                };
                Asked::KeyAsk(KeyAsk { name, scheme: scheme.name().to_owned() })
            }
            Ask::Sign { key: id, what } => Asked::SignatureAsk(SignatureAsk {
                key: id.to_string(),
                path: what.path.to_string(),
                kind: kind(&read.signed),
                payload: what.payload.bytes().to_vec(),
                signing: what.signing.map(u32::from),
                signed_data: key
                    .and_then(|key| signed_data(&key.key, what, self.document.bitcoin).ok())
                    .unwrap_or_default(),
            }),
        };
        mpc::Request {
            id: read.id.to_string(),
            status: RequestStatus::Pending.into(),
            created_ms: request.created.0,
            expires_ms: request.expires.0,
            client: self.client(&request.client.0),
            ask: Some(ask),
            ..mpc::Request::default()
        }
    }

    /// The outcome, put into a request.
    pub(crate) fn settled(
        &self,
        mut request: mpc::Request,
        outcome: Outcome,
        key: Option<&KeyRecord>,
        ending: Ending,
    ) -> mpc::Request {
        let problem = |request: &mut mpc::Request, status: RequestStatus, code: Code, reason: String| {
            (request.status, request.code, request.reason) =
                (status.into(), code.as_str().to_owned(), reason);
        };
        let is_unserved = outcome.is_for_want_of_scheme();
        let is_moduli = matches!(outcome, Outcome::NoModuli(_));
        match outcome {
            Outcome::Key(_) | Outcome::Retired { .. } => {
                request.status = RequestStatus::Complete.into();
                request.result = key.map(|key| Came::Key(self.key(key, 0)));
            }
            Outcome::Signed { signature, session, released } => {
                request.status = RequestStatus::Complete.into();
                let signers = released.iter().map(|(party, _)| self.names.of(*party)).collect();
                let session = session.to_string();
                request.result =
                    Some(Came::Signature(mpc::Signature { encoded: signature, signers, session }));
            }
            Outcome::Denied(denials) => {
                let (code, words) = if is_unserved {
                    (Code::SchemeNotServed, "so many nodes do not serve the scheme that too few are left")
                } else {
                    (Code::Denied, "so many nodes refuse that no quorum is left")
                };
                problem(&mut request, RequestStatus::Denied, code, words.to_owned());
                let denials = denials.into_iter();
                let said = denials.map(|(party, reason, _)| Denial { node: self.names.of(party), reason });
                request.denials = said.collect();
            }
            Outcome::Expired => {
                let words = "its time ran out before it was done".to_owned();
                problem(&mut request, RequestStatus::Expired, Code::TimeRanOut, words);
            }
            Outcome::Failed(why) | Outcome::NoModuli(why) => {
                let code = match ending.culprits.is_empty() {
                    false => Code::CheatersNamed,
                    true if is_moduli => Code::ModuliMissing,
                    true => Code::AttemptsUsedUp,
                };
                problem(&mut request, RequestStatus::Failed, code, why);
            }
        }
        request.finished_ms = ending.finished_ms;
        request.attempts = ending.attempts;
        // Where a quorum has done it, whoever was in the way is nobody's concern.
        if request.status() != RequestStatus::Complete {
            request.culprits = ending.culprits;
        }
        request
    }

    /// A key.
    pub(crate) fn key(&self, key: &KeyRecord, presignatures: u32) -> mpc::Key {
        let threshold = self.document.signers();
        mpc::Key {
            id: key.id.to_string(),
            name: key.name.clone(),
            scheme: key.details.scheme.name().to_owned(),
            public_key: key.details.public_key.clone(),
            chain_code: key.details.chain_code.to_vec(),
            epoch: key.details.epoch.0,
            threshold: u32::from(threshold.needed()),
            holders: threshold.parties().map(|party| self.names.of(party)).collect(),
            package: key.package.clone(),
            created_by: self.client(&key.creator),
            created_ms: key.created_ms,
            retired: key.retired.is_some(),
            presignatures,
        }
    }
}

/// As in "message" or "evm_tx".
fn kind(signed: &SignedRequest) -> String {
    #[derive(serde::Deserialize)]
    struct Kind {
        kind: String,
    }
    match &signed.form {
        Form::Http(http) => {
            serde_json::from_slice::<Kind>(&http.body).map(|one| one.kind).unwrap_or_default()
        }
        Form::Name => "message".to_owned(),
    }
}
