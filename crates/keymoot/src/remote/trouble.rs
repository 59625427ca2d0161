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
        Code::NotEnoughSigners | Code::ModuliMissing | Code::TimeRanOut | Code::AttemptsUsedUp => 5,
        Code::Denied | Code::SchemeNotServed | Code::CheatersNamed | Code::PayloadRefused => 3,
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
pub fn of_client(error: &ClientError) -> Trouble {
    if let Some(problem) = error.problem() {
        let code = problem.code.parse().unwrap_or(Code::Defect);
        let mut trouble = coded(code, &problem.detail);
        for culprit in &problem.culprits {
            trouble = trouble.branch(format!("{culprit} broke the protocol"));
        }
        return trouble;
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
            trouble =
                trouble.undone("nothing was sent over this connection: this client is not let in").help(help);
        }
        cause = inner.source();
    }
    trouble
}

/// The same of a question: whatever became of it, nothing is signed or changed by it.
pub fn of_question(error: &ClientError) -> Trouble {
    let trouble = of_client(error).or_undone("it was a question: nothing was signed or changed");
    match error.code() {
        // There is no signed request that could be sent again.
        Some(
            Code::CoordinatorsUnavailable | Code::StoreUnavailable | Code::ShuttingDown | Code::TookTooLong,
        ) => trouble.help("`keymoot doctor` says who does not answer, and what starts it; then ask again"),
        _ => trouble,
    }
}

/// The same of a signed request, which may have been sent several times.
pub fn of_request(error: &ClientError, again: &str) -> Trouble {
    let trouble = of_client(error);
    match (error, error.code().map(Code::http_status)) {
        (_, Some(status)) if (400..500).contains(&status) => {
            trouble.or_undone("the request was refused: nothing came of it")
        }
        // They have said it all.
        (ClientError::NotAGateway { .. } | ClientError::Revoked(_), _) => trouble,
        _ if trouble.exit_code() == 5 => {
            let undone =
                "nothing has come back, and the request may be pending: a try of it may have arrived";
            trouble.or_undone(undone).help(again)
        }
        _ => trouble,
    }
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

/// A signature waits for moduli, which the nodes make by themselves.
pub(super) fn no_moduli(id: &str, reason: Option<&str>, culprits: &[String]) -> Failure {
    let short = id.get(..12).unwrap_or(id);
    let mut trouble = coded(Code::ModuliMissing, reason.unwrap_or_default()).request(id);
    for culprit in culprits {
        trouble = trouble.branch(format!("{culprit:<8} broke the protocol when they were to be made"));
    }
    let help = format!(
        "they are made once, by all nodes, which takes a minute or some: --wait 180 waits for them; the same command again is \
         idempotent ({short}…)"
    );
    trouble
        .undone("NOT signed yet, no presignature used; pending: signed when they are made")
        .help(help)
        .into()
}

/// The nearest of some names, if one is near.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = |known: &&str| strsim::damerau_levenshtein(name, known) <= 1 + name.chars().count() / 4;
    known.filter(near).min_by_key(|known| strsim::damerau_levenshtein(name, known))
}

impl Remote {
    /// Why a question has no answer; and where `keymoot up` has to run for one, what starts it.
    pub(super) fn unanswered(&self, error: &ClientError) -> Failure {
        self.with_start(of_question(error))
    }

    /// Why there is no outcome of a signed request, and what asks for it again.
    pub(super) fn undecided(&self, error: &ClientError, again: &str) -> Failure {
        self.with_start(of_request(error, again))
    }

    fn with_start(&self, trouble: Trouble) -> Failure {
        match self.context.what_starts_it().filter(|_| trouble.code() == UNREACHABLE.code) {
            Some(help) => trouble.branch("what runs its processes has ended").help(help).into(),
            None => trouble.into(),
        }
    }

    /// There is no key of this name or id. Perhaps there is one of nearly the same.
    pub(super) async fn no_key(&self, key: &str, error: &ClientError) -> Failure {
        let trouble = of_question(error);
        let keys = self.keys().await.unwrap_or_default();
        match nearest(key, keys.iter().map(|key| key.name.as_str()).filter(|name| !name.is_empty())) {
            Some(near) => {
                trouble.help(format!("did you mean `{near}`? `keymoot key list` shows all keys")).into()
            }
            None => trouble.into(),
        }
    }

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

#[cfg(test)]
mod tests {
    use keymoot_client::ClientError;
    use keymoot_wire::problem::{Code, Problem};

    use super::{nearest, of_question, of_request};
    use crate::failure::Trouble;

    fn told(trouble: &Trouble) -> String {
        trouble.document().to_string()
    }

    fn problem(code: Code) -> ClientError {
        ClientError::Problem(Box::new(Problem::new(code, "why")))
    }

    #[test]
    fn a_question_is_not_told_to_send_a_signed_request_again() {
        for code in [Code::CoordinatorsUnavailable, Code::TookTooLong, Code::NoSuchKey, Code::NoSuchRequest] {
            let told = told(&of_question(&problem(code)));
            assert!(
                !told.contains("signed request") && told.contains("nothing was signed or changed"),
                "{told}"
            );
        }
    }

    #[test]
    fn what_may_be_pending_is_said_to_be_and_what_was_refused_is_not() {
        let again = "the same command again";
        let lost = told(&of_request(&ClientError::TookTooLong, again));
        assert!(lost.contains("may be pending") && lost.contains(again), "{lost}");
        let lost = told(&of_request(&problem(Code::CoordinatorsUnavailable), again));
        assert!(lost.contains("may be pending") && lost.contains(again), "{lost}");
        let refused = told(&of_request(&problem(Code::RoleTooLow), again));
        assert!(refused.contains("was refused") && !refused.contains(again), "{refused}");
    }

    #[test]
    fn a_name_that_is_nearly_one_suggests_it() {
        let names = ["hot", "savings", "cold"];
        for (typed, near) in [("hto", Some("hot")), ("saving", Some("savings")), ("bob", None), ("", None)] {
            assert_eq!(nearest(typed, names.into_iter()), near, "{typed}");
        }
    }
}
