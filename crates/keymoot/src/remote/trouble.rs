//! What the cluster says no with, in the form in which this program says it.

use std::collections::BTreeMap;

use keymoot_client::ClientError;
use keymoot_wire::problem::{Code, Denial};
use keymoot_wire::rest::{KeyView, Status};

use super::Remote;
use crate::explain::{BAD_CONTEXT, KEY_UNCERTIFIED, UNREACHABLE, VERIFY_FAILED};
use crate::failure::{Failure, Trouble};
use crate::local::{MemberState, Reply, Wish, ask};

/// With which code the program ends.
const fn exit(code: Code) -> u8 {
    match code {
        Code::NotEnoughSigners | Code::TimeRanOut | Code::AttemptsUsedUp => 5,
        Code::Denied | Code::CheatersNamed | Code::PayloadRefused => 3,
        Code::KeyRetired | Code::Conflict | Code::NameAmbiguous => 6,
        Code::Defect => 70,
        other => match other.http_status() {
            401 | 403 => 3,
            409 => 6,
            429 | 502..=504 => 5,
            _ => 2,
        },
    }
}

/// An answer that is no result, or no answer.
pub fn of_client(error: &ClientError) -> Failure {
    if let Some(problem) = error.problem() {
        let code = problem.code.parse().unwrap_or(Code::Defect);
        let mut trouble = coded(code, &problem.detail);
        for culprit in &problem.culprits {
            trouble = trouble.branch(format!("{culprit} broke the protocol"));
        }
        return trouble.into();
    }
    let page = match error {
        ClientError::Uncertified { .. } => KEY_UNCERTIFIED,
        ClientError::OtherRequest(_) => VERIFY_FAILED,
        ClientError::Address(_)
        | ClientError::Credentials(_)
        | ClientError::Tls(_)
        | ClientError::NoCertificate
        | ClientError::Unsigned(_)
        | ClientError::Unwritable(_) => BAD_CONTEXT,
        _ => UNREACHABLE,
    };
    let mut trouble = Trouble::new(page, error.to_string());
    if matches!(error, ClientError::Uncertified { .. } | ClientError::OtherRequest(_)) {
        trouble = trouble.undone("nothing of the answer is shown or used");
    }
    if matches!(error, ClientError::NotAGateway { .. }) {
        let help = "if the gateway has a new TLS key, get the newest admission of this client and keep it with \
                    `keymoot join --finish`; if not, somebody poses as it";
        trouble = trouble.undone("nothing was sent to it").help(help);
    }
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        trouble = trouble.branch(inner.to_string());
        if is_revoked(inner) {
            let help = "the gateway is there, and says that the certificate of this client is revoked: ask the authority";
            trouble = trouble.help(help);
        }
        cause = inner.source();
    }
    trouble.into()
}

/// Whether the other side has told us so with an alert of TLS. Of that only its text comes through HTTP/2.
fn is_revoked(error: &(dyn std::error::Error + 'static)) -> bool {
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRevoked);
    error.to_string().ends_with(&alert.to_string())
}

/// Several keys have this name. A guess could be the wrong money.
pub fn ambiguous(name: &str, keys: &[KeyView]) -> Failure {
    let code = Code::NameAmbiguous;
    let what = format!("{} keys are called `{}`", keys.len(), name.escape_debug());
    let mut trouble = Trouble::coded(code.as_str(), exit(code), what);
    for key in keys {
        let state = if key.retired { "retired" } else { "in use" };
        let when = key.created_at.as_deref().unwrap_or("?");
        trouble = trouble.branch(format!("{}  {} · {state} · {when}", key.id, key.scheme));
    }
    trouble.undone("nothing was asked of any of them").help("say the id of the one that is meant").into()
}

fn coded(code: Code, detail: &str) -> Trouble {
    let what = if detail.is_empty() { code.title().to_owned() } else { detail.to_owned() };
    Trouble::coded(code.as_str(), exit(code), what).help(code.remedy())
}

/// A request that ended without a result.
pub fn of_outcome(
    id: &str,
    status: Status,
    code: Option<&str>,
    reason: Option<&str>,
    denials: &[Denial],
    culprits: &[String],
) -> Failure {
    let code = code.and_then(|code| code.parse().ok()).unwrap_or(match status {
        Status::Denied => Code::Denied,
        Status::Expired => Code::TimeRanOut,
        _ => Code::AttemptsUsedUp,
    });
    let mut trouble =
        coded(code, reason.unwrap_or_default()).request(id).undone("there is no signature and no key");
    for denial in denials {
        trouble = trouble.branch(format!("{:<8} {}", denial.node, denial.reason));
    }
    for culprit in culprits {
        trouble = trouble.branch(format!("{culprit:<8} broke the protocol"));
    }
    trouble.into()
}

impl Remote {
    /// Why a request cannot go on for want of nodes: who is there, who is not, and what to do.
    pub(super) async fn not_enough(&self, id: &str, reason: Option<&str>, for_a_key: bool) -> Failure {
        let Ok(list) = self.nodes().await else {
            return coded(Code::NotEnoughSigners, reason.unwrap_or_default()).request(id).into();
        };
        let killed = self.processes().await;
        let signers = self.document.signers();
        // A key is made by all.
        let needed = if for_a_key { signers.total() } else { signers.needed() };
        let (up, down): (Vec<_>, Vec<_>) = list.nodes.iter().partition(|node| !node.connected.is_empty());
        let names: Vec<&str> = up.iter().map(|node| node.name.as_str()).collect();
        let who = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let missed = if for_a_key { "not all nodes are there to make a key" } else { "not enough signers" };
        let what = format!("{missed}: need {needed}, reachable {} ({who})", names.len());
        let mut trouble = Trouble::coded(Code::NotEnoughSigners.as_str(), 5, what).request(id);
        for node in &down {
            let since = node.silent_ms.map_or("never heard".to_owned(), |ms| format!("down {} s", ms / 1000));
            let by = killed.get(&node.name).filter(|state| state.killed).map_or("", |_| "   (killed by you)");
            trouble = trouble.branch(format!("{:<8} {since}{by}", node.name));
        }
        // It was admitted, and goes on by itself: whoever thinks that nothing comes of it would ask for the same twice.
        trouble = trouble.undone(if for_a_key {
            "there is no key yet; the request is pending, and goes on when all are back"
        } else {
            "NOT signed yet, no presignature used; pending: signed when nodes are back"
        });
        let short = id.get(..12).unwrap_or(id);
        let start = match (down.first(), self.context.supervisor.is_some()) {
            (Some(node), true) => format!("`keymoot node start {}`, then", node.name),
            _ => "start nodes, then".to_owned(),
        };
        let help = if for_a_key {
            format!(
                "{start} `keymoot request wait {id}` waits for the key; until then `key create` with this name is refused"
            )
        } else {
            format!("{start} run the same command again; it is idempotent ({short}…)")
        };
        trouble.help(help).into()
    }

    /// The processes that a supervisor here runs, by name.
    async fn processes(&self) -> BTreeMap<String, MemberState> {
        let Some(socket) = &self.context.supervisor else { return BTreeMap::new() };
        match ask(socket, &Wish::State).await {
            Ok(Reply::State(states)) => states.into_iter().map(|state| (state.name.clone(), state)).collect(),
            _ => BTreeMap::new(),
        }
    }
}
