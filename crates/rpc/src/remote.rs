//! The cluster behind its gateway, asked with the key of an enrolled client.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_primitives::{Address, B256, keccak256};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use keymoot_chains::{Key, Kind, ethereum};
use keymoot_client::{Client, ClientError, Page, Ticket};
use keymoot_types::{KeyId, Path, Scheme};
use keymoot_wire::problem::Code;
use keymoot_wire::rest::{CreateSignatureBody, KeyView, SignatureView, Status};
use tokio::time::Instant;

use crate::cluster::{Account, Asked, Cluster};
use crate::codes;
use crate::refusal::{INTERNAL, RESOURCE_UNAVAILABLE, Refusal};

/// Pages of keys that are read.
const PAGES_MAX: usize = 64;
/// Requests of which it is not known what became of them; the oldest are forgotten first.
const OPEN_MAX: usize = 4096;
/// For how long the service is asked to wait at a time.
const STEP: Duration = Duration::from_secs(10);
/// It is not asked more often than this.
const PAUSE: Duration = Duration::from_millis(100);

/// An answer may have so many bytes: the largest payload in hex, or a page of a list.
const ANSWER_BYTES: usize = 8 << 20;
/// Of what a gateway says in words so many bytes are told, and of lists so many.
const WORDS_BYTES: usize = 4 << 10;
const NAMED_MAX: usize = 64;

/// A cluster, through its gateway.
pub struct Remote {
    client: Client,
    paths: Vec<Path>,
    keys: Vec<KeyId>,
    /// What was asked and may still be signed: asked again, it is the same request.
    open: Mutex<VecDeque<(Question, Ticket)>>,
}

/// Whose, of which kind, and which.
type Question = (Address, Kind, B256);

impl Remote {
    /// The accounts of a client's cluster, at these paths below each key; only of these keys, if some are named. The client
    /// should bring a check of keys: without one, the service is believed about them.
    #[must_use]
    pub fn new(client: Client, paths: Vec<Path>, keys: Vec<KeyId>) -> Self {
        Self { client: client.reading(ANSWER_BYTES), paths, keys, open: Mutex::default() }
    }

    async fn all(&self) -> Result<Vec<Account>, Refusal> {
        let (mut keys, mut page) = (Vec::new(), Page::default());
        for _ in 0..PAGES_MAX {
            let found = self.client.list_keys(&page).await.map_err(|error| of_client(&error))?;
            keys.extend(found.keys);
            match found.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => break,
            }
        }
        // Oldest first, so that the first account stays the first.
        keys.reverse();
        let ours = |key: &&KeyView| {
            !key.retired && (self.keys.is_empty() || key.id.parse().is_ok_and(|id| self.keys.contains(&id)))
        };
        Ok(keys
            .iter()
            .filter(ours)
            .flat_map(|key| self.paths.iter().filter_map(|path| account(key, path)))
            .collect())
    }

    async fn ask(&self, asked: &Asked, wait: Duration) -> Result<[u8; 64], Refusal> {
        let question = (asked.account.address, asked.payload.kind(), keccak256(asked.payload.bytes()));
        let body = CreateSignatureBody {
            key: asked.account.id.to_string(),
            path: asked.account.key.path().to_string(),
            kind: asked.payload.kind().name().to_owned(),
            payload: hex::encode(asked.payload.bytes()),
            signing: None,
        };
        let prepared = match self.ticket(&question) {
            Some(ticket) => self.client.prepare_signature_again(&body, ticket),
            None => self.client.prepare_signature(&body),
        };
        let prepared = prepared.map_err(|error| of_client(&error))?;
        // Before it leaves: from then on it may be signed.
        self.note(question, prepared.ticket());
        let deadline = Instant::now() + wait;
        let left = || deadline.saturating_duration_since(Instant::now());
        let lost = |error: ClientError| of_client(&error);
        let mut asked_at = Instant::now();
        let mut view: SignatureView = self.client.send(&prepared, left().min(STEP)).await.map_err(lost)?;
        while !view.status.is_final() && !left().is_zero() {
            // Whoever should wait and does not is not asked all the time.
            tokio::time::sleep_until((asked_at + PAUSE).min(deadline)).await;
            asked_at = Instant::now();
            view = self.client.signature(&view.id, left().min(STEP)).await.map_err(lost)?;
        }
        if !view.status.is_final() {
            return Err(pending(&view));
        }
        self.open().retain(|(known, _)| *known != question);
        let encoded = view.signature.as_ref().filter(|_| view.status == Status::Complete);
        match encoded.map(|signature| hex::decode(&signature.encoded)) {
            None => Err(ended(&view)),
            Some(Ok(bytes)) => match bytes.first_chunk::<64>() {
                Some(signature) => Ok(*signature),
                None => Err(Refusal::defect("the cluster gives a signature that is none")),
            },
            Some(Err(_)) => Err(Refusal::defect("the cluster gives a signature that is none")),
        }
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<(Question, Ticket)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ticket(&self, question: &Question) -> Option<Ticket> {
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut open = self.open();
        open.retain(|(_, ticket)| ticket.expires() > now);
        open.iter().find(|(known, _)| known == question).map(|(_, ticket)| *ticket)
    }

    fn note(&self, question: Question, ticket: Ticket) {
        let mut open = self.open();
        open.retain(|(known, _)| *known != question);
        if open.len() >= OPEN_MAX {
            open.pop_front();
        }
        open.push_back((question, ticket));
    }
}

impl Cluster for Remote {
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<Account>, Refusal>> {
        self.all().boxed()
    }

    fn sign<'a>(&'a self, asked: &'a Asked, wait: Duration) -> BoxFuture<'a, Result<[u8; 64], Refusal>> {
        self.ask(asked, wait).boxed()
    }
}

impl<C: Cluster> Cluster for Arc<C> {
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<Account>, Refusal>> {
        self.as_ref().accounts()
    }

    fn sign<'a>(&'a self, asked: &'a Asked, wait: Duration) -> BoxFuture<'a, Result<[u8; 64], Refusal>> {
        self.as_ref().sign(asked, wait)
    }
}

/// The account of a key at a path, worked out here. `None` for keys that have none.
fn account(key: &KeyView, path: &Path) -> Option<Account> {
    let scheme: Scheme = key.scheme.parse().ok()?;
    let public = hex::decode(&key.public_key).ok()?;
    let chain_code: [u8; 32] = hex::decode(&key.chain_code).ok()?.try_into().ok()?;
    let found = Key::new(scheme, &public, chain_code).ok()?.at(path.clone()).ok()?;
    let address = ethereum::address(&found)?.parse().ok()?;
    Some(Account { address, id: key.id.parse().ok()?, name: key.name.clone(), key: found })
}

/// No answer, or one that says no.
fn of_client(error: &ClientError) -> Refusal {
    if let Some(problem) = error.problem() {
        let code = problem.code.parse().unwrap_or(Code::Defect);
        let refusal = Refusal::of_code(code, &words(&problem.detail));
        return blaming(refusal, &problem.culprits);
    }
    match error {
        ClientError::TookTooLong => Refusal::of_code(Code::TookTooLong, ""),
        ClientError::Uncertified { .. } => Refusal::new(INTERNAL, "E2608", error.to_string()),
        _ => {
            let mut what = format!("the cluster cannot be reached: {error}");
            let mut cause = std::error::Error::source(error);
            while let Some(inner) = cause {
                what = format!("{what}: {inner}");
                cause = inner.source();
            }
            Refusal::new(INTERNAL, codes::UNREACHABLE, what)
        }
    }
}

/// A request that goes on in the cluster.
fn pending(view: &SignatureView) -> Refusal {
    let help = "send the same again: it is the same request, and is signed once";
    let code = view.code.as_deref().and_then(|code| code.parse::<Code>().ok());
    let refusal = match code {
        Some(code) => Refusal::of_code(code, &reason(view)).numbered(RESOURCE_UNAVAILABLE),
        None => Refusal::new(RESOURCE_UNAVAILABLE, codes::PENDING, "the signature is not ready yet"),
    };
    refusal.with("request", words(&view.id)).with("help", help)
}

/// A request that ended without a signature.
fn ended(view: &SignatureView) -> Refusal {
    let code = view.code.as_deref().and_then(|code| code.parse().ok()).unwrap_or(match view.status {
        Status::Denied => Code::Denied,
        Status::Expired => Code::TimeRanOut,
        Status::Complete => Code::Defect,
        Status::Failed | Status::Pending => Code::AttemptsUsedUp,
    });
    let mut refusal = Refusal::of_code(code, &reason(view)).with("request", words(&view.id));
    if !view.denials.is_empty() {
        let denials = view.denials.iter().take(NAMED_MAX);
        let denials = denials.map(
            |denial| serde_json::json!({ "node": words(&denial.node), "reason": words(&denial.reason) }),
        );
        refusal = refusal.with("denials", denials.collect::<Vec<_>>());
    }
    blaming(refusal, &view.culprits)
}

fn blaming(refusal: Refusal, culprits: &[String]) -> Refusal {
    if culprits.is_empty() {
        return refusal;
    }
    refusal.with("culprits", culprits.iter().take(NAMED_MAX).map(|name| words(name)).collect::<Vec<_>>())
}

fn reason(view: &SignatureView) -> String {
    words(view.reason.as_deref().unwrap_or_default())
}

/// What a gateway has said, or the beginning of it.
fn words(text: &str) -> String {
    text[..text.floor_char_boundary(WORDS_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use keymoot_wire::problem::{Denial, Problem};

    use super::*;
    use crate::refusal::{UNAUTHORIZED, USER_REJECTED};

    fn view(status: Status) -> SignatureView {
        SignatureView {
            id: "req_1".into(),
            status,
            kind: "evm_tx".into(),
            key: "key_1".into(),
            path: "m".into(),
            signing: None,
            signature: None,
            signed_data: String::new(),
            signers: Vec::new(),
            session: None,
            reason: None,
            code: None,
            culprits: Vec::new(),
            denials: Vec::new(),
            attempts: 0,
            client: "alice".into(),
            created_at: None,
            created_ms: None,
            expires_at: None,
            expires_ms: None,
            finished_at: None,
            finished_ms: None,
        }
    }

    #[test]
    fn a_denial_is_the_users_own_no_and_has_the_words_of_the_nodes() {
        let denial = Denial { node: "node-1".into(), reason: "policy".into() };
        let refusal = ended(&SignatureView { denials: vec![denial], ..view(Status::Denied) });
        assert_eq!((refusal.number, refusal.code()), (USER_REJECTED, "E2101"));
        assert_eq!(refusal.more["denials"][0]["node"], "node-1");
        assert_eq!(refusal.more["request"], "req_1");
        let retired = ended(&SignatureView { code: Some("E2106".into()), ..view(Status::Denied) });
        assert_eq!((retired.number, retired.code()), (UNAUTHORIZED, "E2106"));
    }

    #[test]
    fn of_what_a_gateway_says_so_much_is_told_as_a_caller_can_use() {
        let long = "ä".repeat(WORDS_BYTES);
        let mut told = view(Status::Denied);
        (told.id, told.reason) = (long.clone(), Some(long.clone()));
        told.denials = vec![Denial { node: long.clone(), reason: long.clone() }; NAMED_MAX * 2];
        told.culprits = vec![long.clone(); NAMED_MAX * 2];
        let mut problem = Problem::new(Code::Busy, long);
        problem.culprits.clone_from(&told.culprits);
        let lists = WORDS_BYTES * NAMED_MAX;
        for (refusal, most) in [
            (ended(&told), 3 * lists + 3 * WORDS_BYTES),
            (pending(&told), WORDS_BYTES + 1000),
            (of_client(&ClientError::Problem(Box::new(problem))), lists + 2 * WORDS_BYTES),
        ] {
            assert!(refusal.to_json("t").to_string().len() <= most);
        }
    }

    #[test]
    fn what_goes_on_in_the_cluster_is_unavailable_and_not_refused() {
        let waiting = pending(&view(Status::Pending));
        assert_eq!((waiting.number, waiting.code()), (RESOURCE_UNAVAILABLE, "E2110"));
        let alone = pending(&SignatureView { code: Some("E2104".into()), ..view(Status::Pending) });
        assert_eq!((alone.number, alone.code()), (RESOURCE_UNAVAILABLE, "E2104"));
        assert_eq!(ended(&view(Status::Expired)).code(), "E2102");
        assert_eq!(ended(&view(Status::Failed)).code(), "E2103");
    }

    #[test]
    fn a_problem_keeps_its_code_and_silence_has_one() {
        let problem = |code| of_client(&ClientError::Problem(Box::new(Problem::new(code, "why"))));
        assert_eq!(
            (problem(Code::RoleTooLow).number, problem(Code::RoleTooLow).code()),
            (UNAUTHORIZED, "E3101")
        );
        assert_eq!(problem(Code::Busy).number, -32005);
        let cause = std::io::Error::other("refused");
        let silent = of_client(&ClientError::Connect { gateway: "https://g:1".into(), cause });
        assert_eq!((silent.number, silent.code()), (INTERNAL, "E5901"));
        assert!(silent.message.ends_with("refused"));
    }
}
