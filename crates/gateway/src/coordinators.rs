//! Asks the coordinators: each request goes to the same one as long as that one answers, and to the next when
//! it does not. Sending a request twice is harmless: the same signed request has the same answer at all of
//! them.

use std::collections::hash_map::DefaultHasher;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keymoot_wire::cluster::{ClusterDocument, CoordinatorEntry, DocumentHandle};
use keymoot_wire::identity::{PeerId, PeerRole};
use keymoot_wire::problem::Code;
use keymoot_wire::tls::{Credentials, Identity, Link, dial};
use metrics::counter;
use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Response, Status};
use tracing::{debug, warn};

use crate::tokens::mint_service;

/// For how long a coordinator that did not answer is asked last; twice as long each time, up to the most.
const AVOIDED: Duration = Duration::from_secs(1);
const AVOIDED_MAX: Duration = Duration::from_secs(30);
/// What a call may take beside the time it is asked to wait, before the next coordinator is asked.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a token of ours is used before there is a new one.
const TOKEN_USE: Duration = Duration::from_secs(240);
/// The largest answer that is read: a page of keys with their packages.
pub const ANSWER_MAX: usize = 32 << 20;

/// The coordinators of the cluster document.
pub struct Coordinators {
    document: DocumentHandle,
    identity: Arc<Identity>,
    lines: Mutex<Option<Lines>>,
}

/// The ways, as a document has them. Another document has others, even where names and addresses are the same: who is at
/// the other end of an open connection may be nobody by it.
#[derive(Clone)]
struct Lines {
    document: [u8; 32],
    all: Arc<[Arc<Line>]>,
}

/// A way to one coordinator.
struct Line {
    name: String,
    link: Link,
    health: Mutex<Health>,
    token: Mutex<Option<Minted>>,
}

/// How a coordinator did of late.
#[derive(Default)]
struct Health {
    /// Calls without an answer, since the last with one.
    failures: u32,
    avoided_until: Option<Instant>,
}

#[derive(Clone)]
struct Minted {
    bearer: MetadataValue<Ascii>,
    since: Instant,
    serial: String,
}

/// What a single call needs.
#[derive(Clone)]
pub struct Via {
    channel: Channel,
    bearer: MetadataValue<Ascii>,
    trace: Option<MetadataValue<Ascii>>,
}

impl Via {
    /// For the clients of the contract.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A message with our token and the id of the request that it is for.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        if let Some(trace) = &self.trace {
            request.metadata_mut().insert(keymoot_wire::trace::HEADER, trace.clone());
        }
        request
    }
}

/// How a call is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Calls with the same bytes go to the same coordinator.
    pub sticky: &'a [u8],
    /// The id of the request in logs.
    pub trace: &'a str,
    /// For how long the coordinator is asked to wait.
    pub wait: Duration,
    /// For how long all coordinators together may take beside that.
    pub budget: Duration,
}

impl Coordinators {
    pub fn new(document: DocumentHandle, identity: Arc<Identity>) -> Self {
        Self { document, identity, lines: Mutex::default() }
    }

    /// Calls one coordinator after the other, until one answers. `ask` gets the way and how long to wait
    /// there.
    ///
    /// # Errors
    /// The first answer that is a refusal; else the last failure.
    pub async fn call<T, F, A>(&self, plan: Plan<'_>, ask: F) -> Result<T, Status>
    where
        F: Fn(Via, Duration) -> A,
        A: Future<Output = Result<Response<T>, Status>>,
    {
        let began = Instant::now();
        let end = began + plan.wait + plan.budget;
        let mut last = Code::CoordinatorsUnavailable.to_status("no coordinator could be reached");
        for line in self.in_order(plan.sticky) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let Some(line) = self.renewed(&line) else { continue };
            let wait = plan.wait.saturating_sub(began.elapsed());
            let limit = left.min(wait + PATIENCE);
            match timeout(limit, self.call_one(&line, plan.trace, wait, &ask)).await {
                Ok(Ok(answer)) => {
                    line.answered();
                    return Ok(answer);
                }
                Ok(Err(status)) if is_final(&status) => return Err(status),
                Ok(Err(status)) => {
                    debug!(coordinator = line.name, code = ?status.code(), "asking the next coordinator");
                    last = status;
                }
                Err(_) => last = Code::TookTooLong.to_status("a coordinator did not answer in time"),
            }
            line.failed();
            counter!("keymoot_gateway_failovers_total", "coordinator" => line.name.clone()).increment(1);
        }
        Err(last)
    }

    async fn call_one<T, F, A>(&self, line: &Line, trace: &str, wait: Duration, ask: &F) -> Result<T, Status>
    where
        F: Fn(Via, Duration) -> A,
        A: Future<Output = Result<Response<T>, Status>>,
    {
        let (via, serial) = self.via(line, trace)?;
        let answer = ask(via, wait).await;
        // The connection was made again with a new certificate in between, and our token was bound to the old
        // one.
        let is_stale = |status: &Status| {
            status.code() == tonic::Code::Unauthenticated && line.link.credentials().serial() != serial
        };
        match answer {
            Err(status) if is_stale(&status) => ask(self.via(line, trace)?.0, wait).await,
            answer => answer,
        }
        .map(Response::into_inner)
    }

    /// One way to each coordinator of the document, for what is asked of all of them.
    pub fn all(&self, trace: &str) -> Vec<(String, Result<Via, Status>)> {
        let lines = self.lines();
        lines.iter().map(|line| (line.name.clone(), self.via(line, trace).map(|(via, _)| via))).collect()
    }

    /// The names of all coordinators.
    pub fn names(&self) -> Vec<String> {
        self.document.load().coordinators.iter().map(|entry| entry.name.clone()).collect()
    }

    /// The way to the coordinator of this name.
    pub fn to(&self, name: &str, trace: &str) -> Option<Via> {
        let lines = self.lines();
        let line = lines.iter().find(|line| line.name == name)?;
        self.via(line, trace).ok().map(|(via, _)| via)
    }

    fn via(&self, line: &Line, trace: &str) -> Result<(Via, String), Status> {
        let credentials = line.link.credentials();
        let bearer = self.bearer(line, &credentials)?;
        let channel = line.link.channel();
        let via = Via { channel, bearer, trace: trace.parse().ok() };
        Ok((via, credentials.serial().to_owned()))
    }

    fn bearer(&self, line: &Line, credentials: &Credentials) -> Result<MetadataValue<Ascii>, Status> {
        let mut token = line.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(minted) = &*token
            && minted.since.elapsed() < TOKEN_USE
            && minted.serial == credentials.serial()
        {
            return Ok(minted.bearer.clone());
        }
        let text = mint_service(credentials).map_err(|error| {
            warn!(%error, "no token for the coordinators can be made");
            Code::Defect.to_status("no token for the coordinators can be made")
        })?;
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {text}")
            .parse()
            .map_err(|_| Code::Defect.to_status("the token has odd letters"))?;
        bearer.set_sensitive(true);
        let serial = credentials.serial().to_owned();
        *token = Some(Minted { bearer: bearer.clone(), since: Instant::now(), serial });
        Ok(bearer)
    }

    /// The ways, as the document of the moment has them. Those of the document before are given up, and their
    /// connections end with the calls that go over them now.
    fn lines(&self) -> Arc<[Arc<Line>]> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let document = self.document.load();
        if let Some(known) = &*lines
            && known.document == document.digest()
        {
            return known.all.clone();
        }
        let dialled = document.coordinators.iter().filter_map(|entry| self.dial(&document, entry));
        let all: Arc<[Arc<Line>]> = dialled.collect();
        *lines = Some(Lines { document: document.digest(), all: all.clone() });
        all
    }

    /// The way to the same coordinator as the document of the moment has it: calls may take longer than a document
    /// lasts. `None` if there is none any more.
    fn renewed(&self, line: &Arc<Line>) -> Option<Arc<Line>> {
        self.lines().iter().find(|one| one.name == line.name).cloned()
    }

    fn dial(&self, document: &ClusterDocument, entry: &CoordinatorEntry) -> Option<Arc<Line>> {
        let expected = PeerId::new(&document.cluster, PeerRole::Coordinator, &entry.name).ok()?;
        match dial(&entry.address, &self.identity, &self.document, &expected) {
            Ok(link) => {
                let name = entry.name.clone();
                Some(Arc::new(Line { name, link, health: Mutex::default(), token: Mutex::default() }))
            }
            Err(error) => {
                warn!(%error, coordinator = entry.name, "a coordinator cannot be dialled");
                None
            }
        }
    }

    /// By rendezvous hashing, so that when one comes or goes only its own requests move; those that did not
    /// answer just now come last.
    fn in_order(&self, sticky: &[u8]) -> Vec<Arc<Line>> {
        let mut lines = self.lines().to_vec();
        let now = Instant::now();
        lines.sort_by_cached_key(|line| {
            let mut hasher = DefaultHasher::new();
            (sticky, &line.name).hash(&mut hasher);
            (line.is_avoided(now), hasher.finish())
        });
        lines
    }
}

impl Line {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self) {
        *self.health() = Health::default();
    }

    fn failed(&self) {
        let mut health = self.health();
        let avoided = AVOIDED.saturating_mul(1 << health.failures.min(5)).min(AVOIDED_MAX);
        health.failures = health.failures.saturating_add(1);
        health.avoided_until = Some(Instant::now() + avoided);
    }

    fn is_avoided(&self, now: Instant) -> bool {
        self.health().avoided_until.is_some_and(|until| until > now)
    }
}

/// Whether another coordinator would say the same.
fn is_final(status: &Status) -> bool {
    // Made here, by the transport: the coordinator said nothing.
    if std::error::Error::source(status).is_some() {
        return false;
    }
    // It is there, but its store is not, or it stops, or it has no room, or does not let us in.
    !matches!(
        status.code(),
        tonic::Code::Unavailable
            | tonic::Code::ResourceExhausted
            | tonic::Code::DeadlineExceeded
            | tonic::Code::Cancelled
            | tonic::Code::Unknown
            | tonic::Code::Internal
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_ends_it_and_a_failure_does_not() {
        for code in [Code::Conflict, Code::InvalidRequest, Code::NoSuchKey, Code::RequestSignatureRefused] {
            assert!(is_final(&code.to_status("no")), "{code}");
        }
        for code in [Code::CoordinatorsUnavailable, Code::StoreUnavailable, Code::Busy, Code::ShuttingDown] {
            assert!(!is_final(&code.to_status("not now")), "{code}");
        }
        assert!(!is_final(&Status::from_error(Box::new(std::io::Error::other("broken pipe")))));
    }
}
