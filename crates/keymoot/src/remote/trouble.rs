//! What the cluster says no with, in the form in which this program says it.

use keymoot_client::ClientError;
use keymoot_wire::problem::{Code, Denial};
use keymoot_wire::rest::{KeyView, Status};

use super::Remote;
use super::lack::Purpose;
use crate::explain::{BAD_CONTEXT, KEY_UNCERTIFIED, UNREACHABLE, VERIFY_FAILED};
use crate::failure::{Failure, Trouble};

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
    if is_strange(error) {
        let help = "whoever is there is not let in by us or does not let us in: compare the address and both clocks, and get the \
                    newest admission of this client; if they are right, somebody poses as the gateway";
        trouble = trouble.undone("nothing was sent to it").help(help);
    }
    if matches!(error, ClientError::Revoked(_)) {
        let help = "the gateway is there, and says that the certificate of this client is revoked: ask the authority";
        trouble =
            trouble.undone("nothing was sent over this connection: this client is not let in").help(help);
    }
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        trouble = trouble.branch(inner.to_string());
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

/// The same of a signed request that is sent, and may have been sent several times.
pub fn of_request(error: &ClientError, again: &str) -> Trouble {
    let trouble = of_client(error);
    match (error, error.code().map(Code::http_status)) {
        _ if error.code() == Some(Code::RequestOutOfTime) => trouble.or_undone(
            "the time of this request is over; an earlier try may have been signed: `keymoot request list --status any`",
        ),
        (_, Some(status)) if settles(error) && (400..500).contains(&status) => {
            trouble.or_undone("the gateway says that the request was refused: nothing came of it")
        }
        // That is said of us and not of the request, which may have come through before.
        (_, Some(status)) if (400..500).contains(&status) => trouble.or_undone(
            "this try was refused, says the gateway; what came of an earlier one, if there was one, may be pending",
        ),
        // What to do they have said.
        _ if is_off(error) => {
            trouble.undone("nothing was sent over the last connection; an earlier try, if there was one, may be pending")
        }
        _ if trouble.exit_code() == 5 => {
            let undone =
                "nothing has come back, and the request may be pending: a try of it may have arrived";
            trouble.or_undone(undone).help(again)
        }
        _ => trouble,
    }
}

/// The same of a request that was admitted, and whose outcome was asked for: it goes on, whatever is said to whoever asks.
pub fn of_wait(error: &ClientError, id: &str, again: &str) -> Trouble {
    let trouble = of_client(error).request(id);
    if error.code() == Some(Code::NoSuchRequest) {
        return trouble
            .undone("the request was admitted, and is not known any more: whoever asks again asks anew");
    }
    let trouble = trouble.undone("the request was admitted: it may be pending, or done");
    // Whoever is not let in has to mend that first, and is told how.
    if trouble.exit_code() == 5 && !is_off(error) { trouble.help(again) } else { trouble }
}

/// Whether TLS came to nothing: whoever is there is not let in by us or does not let us in.
fn is_strange(error: &ClientError) -> bool {
    let is_tls = |cause: &std::io::Error| cause.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    matches!(error, ClientError::Connect { cause, .. } if is_tls(cause))
}

/// Whether something has to be mended before the same can be sent again.
fn is_off(error: &ClientError) -> bool {
    is_strange(error) || matches!(error, ClientError::NotAGateway { .. } | ClientError::Revoked(_))
}

/// Whether it is said of the request itself, so that no more is to come of it. What is said of us, or lost on its way, settles
/// nothing.
pub fn settles(error: &ClientError) -> bool {
    error.code().is_some_and(|code| {
        matches!(code, Code::NoSuchRequest | Code::RequestOutOfTime)
            || (matches!(code.http_status(), 400 | 404 | 409 | 413 | 415 | 422) && !code.is_passing())
    })
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

pub(super) fn coded(code: Code, detail: &str) -> Trouble {
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
    purpose: Purpose,
) -> Failure {
    let code = code.and_then(|code| code.parse().ok()).unwrap_or(match status {
        Status::Denied => Code::Denied,
        Status::Expired => Code::TimeRanOut,
        _ => Code::AttemptsUsedUp,
    });
    let mut trouble = coded(code, reason.unwrap_or_default()).request(id).undone(purpose.failed());
    for denial in denials {
        trouble = trouble.branch(format!("{:<8} {}", denial.node, denial.reason));
    }
    for culprit in culprits {
        trouble = trouble.branch(format!("{culprit:<8} broke the protocol"));
    }
    trouble.into()
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

    /// Why the outcome of an admitted request is not known, and what asks for it again.
    pub(super) fn unfinished(&self, error: &ClientError, id: &str, again: &str) -> Failure {
        self.with_start(of_wait(error, id, again))
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
}

#[cfg(test)]
mod tests {
    use std::io;

    use keymoot_client::ClientError;
    use keymoot_wire::problem::{Code, Problem};

    use super::{nearest, of_client, of_question, of_request, of_wait};
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
        // Of a role it is said of us; the payload is the request itself.
        let role = told(&of_request(&problem(Code::RoleTooLow), again));
        assert!(role.contains("this try was refused") && role.contains("may be pending"), "{role}");
        let refused = told(&of_request(&problem(Code::PayloadRefused), again));
        assert!(refused.contains("nothing came of it") && refused.contains("the gateway says"), "{refused}");
    }

    #[test]
    fn whoever_cannot_connect_any_more_is_told_what_to_mend_and_what_may_be_pending() {
        let again = "the same command again";
        let gateway = "https://127.0.0.1:1".to_owned();
        let cause = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let cause = io::Error::new(io::ErrorKind::InvalidData, cause);
        let strange = ClientError::Connect { gateway, cause };
        for told in [told(&of_request(&strange, again)), told(&of_wait(&strange, "req_1", again))] {
            assert!(told.contains("may be pending") && told.contains("poses as the gateway"), "{told}");
        }
        let late = told(&of_request(&problem(Code::RequestOutOfTime), again));
        assert!(late.contains("may have been signed") && !late.contains("nothing came of it"), "{late}");
    }

    #[test]
    fn what_was_admitted_goes_on_whatever_is_said_when_its_outcome_is_asked_for() {
        let again = "the same command again";
        let shut = io::Error::other("shut");
        let lost = [ClientError::TookTooLong, ClientError::Ended(shut), problem(Code::TooManyRequests)];
        for error in lost.into_iter().chain([problem(Code::RoleTooLow), problem(Code::NoSuchRequest)]) {
            let told = told(&of_wait(&error, "req_1", again));
            assert!(told.contains("was admitted") && told.contains("req_1"), "{told}");
            assert!(!told.contains("nothing came of it") && !told.contains("was a question"), "{told}");
        }
    }

    #[test]
    fn that_we_are_revoked_is_believed_of_a_gateway_and_of_nobody_who_has_not_shown_that_it_is_one() {
        let alert = || {
            let alert = rustls::AlertDescription::CertificateRevoked;
            io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert))
        };
        let proven = told(&of_client(&ClientError::Revoked(alert())));
        assert!(proven.contains("the gateway is there, and says"), "{proven}");
        let gateway = "https://127.0.0.1:1".to_owned();
        let anybody = told(&of_client(&ClientError::Connect { gateway, cause: alert() }));
        assert!(
            anybody.contains("poses as the gateway") && !anybody.contains("the gateway is there"),
            "{anybody}"
        );
    }

    #[test]
    fn a_name_that_is_nearly_one_suggests_it() {
        let names = ["hot", "savings", "cold"];
        for (typed, near) in [("hto", Some("hot")), ("saving", Some("savings")), ("bob", None), ("", None)] {
            assert_eq!(nearest(typed, names.into_iter()), near, "{typed}");
        }
    }
}
