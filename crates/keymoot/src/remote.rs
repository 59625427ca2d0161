//! The cluster, as a command sees it: through the gateway of its context, as the client of its context.

mod certificate;
mod lack;
mod pending;
mod requests;
#[cfg(test)]
mod tests;
mod trouble;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use keymoot_client::{
    Bearer, Client, ClientConfig, ClientError, KeyRefusal, LIFETIME, Page, Prepared, Reply, Retry, Ticket,
};
use keymoot_types::Scheme;
use keymoot_wire::cluster::{ClusterDocument, DocumentHandle, PolicyName};
use keymoot_wire::problem::Code;
use keymoot_wire::rest::{
    CreateSignatureBody, EventView, KeyView, NodeList, ReadyView, RequestView, SessionList, SignatureView,
    Status, TokenView, VersionView,
};
use keymoot_wire::signed::SigningKey;
use keymoot_wire::tls::{CredentialFiles, Identity};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::cli::Given;
use crate::compose::watch;
use crate::context::{Context, Contexts};
use crate::explain::{BAD_CONTEXT, FILE_DAMAGED, PENDING};
use crate::failure::{Failure, MODULI_MISSING, NOT_ENOUGH_SIGNERS, Trouble};
use crate::place::{self, AUTHORITY, CERTIFICATE, REQUEST_KEY, TLS_KEY};
use certificate::Certificates;
pub use lack::Purpose;
use lack::no_moduli;
use pending::{Pending, Wanted};
pub use requests::settled;
pub use trouble::ambiguous;
use trouble::{of_client, of_question, settles};

/// How long the service is asked to wait at a time. Short first: what cannot be done now is said soon.
const FIRST: Duration = Duration::from_secs(1);
const NEXT: Duration = Duration::from_secs(10);
/// How long we wait in all.
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon it is asked again while nodes are missing.
const AGAIN: Duration = Duration::from_millis(500);
/// How often a person at a terminal wants it to be tried again: a gateway that is not there should be told soon.
const SOON: Retry = Retry {
    tries: 8,
    pause: Duration::from_millis(50),
    pause_max: Duration::from_millis(500),
    total: Duration::from_secs(3),
};
/// Events that wait to be shown.
const EVENTS_MAX: usize = 1024;
/// Keys are asked for so many at a time: as many as the service gives.
const KEYS: u32 = 200;
/// Pages of a list that are read.
const PAGES_MAX: usize = 64;
/// Signatures of one payload that are asked for at a time.
const AT_ONCE: usize = 8;

/// A signature that is asked for.
pub struct Asked<'a> {
    pub key: &'a KeyView,
    pub path: &'a str,
    pub kind: &'a str,
    pub payload: &'a [u8],
}

/// Why there is no signature.
enum Unsigned {
    /// There will be none.
    Settled(Failure),
    /// There is none yet, or nobody knows: it may still be signed.
    Open(Failure),
}

impl Unsigned {
    /// Whoever sent it may send the same again, unless the request itself was answered.
    fn by(error: &ClientError, failure: Failure) -> Self {
        if settles(error) { Self::Settled(failure) } else { Self::Open(failure) }
    }

    /// The same of a request that was admitted: what is said to a question about it does not end it, unless nobody knows it.
    fn since(error: &ClientError, failure: Failure) -> Self {
        let is_unknown = error.code() == Some(Code::NoSuchRequest);
        if is_unknown { Self::Settled(failure) } else { Self::Open(failure) }
    }
}

impl From<Unsigned> for Failure {
    fn from(unsigned: Unsigned) -> Self {
        match unsigned {
            Unsigned::Settled(failure) | Unsigned::Open(failure) => failure,
        }
    }
}

/// Has a client that lives long go by the cluster document and the certificate of the moment.
pub struct Follower {
    directory: PathBuf,
    document: DocumentHandle,
    identity: Arc<Identity>,
}

impl Follower {
    /// Takes up what is new in the files, whenever they change. It does not end.
    pub async fn follow(self) {
        let mut changes = watch::documents(&self.directory);
        loop {
            changes.changed().await;
            watch::reload(&self.directory, &self.document, &self.identity, None);
        }
    }
}

/// The cluster of a context.
pub struct Remote {
    pub context: Context,
    pub document: ClusterDocument,
    client: Client,
    follower: Follower,
    /// How long to wait for an outcome, also while nodes are missing. `None`: as long as is usual, and not for nodes.
    wait: Option<Duration>,
}

impl Remote {
    /// The cluster that the command line or the environment means.
    pub fn open(given: &Given) -> Result<Self, Failure> {
        keymoot_wire::install_providers();
        Self::of(Contexts::of_environment().find(given.context.as_deref())?)
    }

    /// The same, as patient as programs are.
    pub fn open_patiently(given: &Given) -> Result<Self, Failure> {
        keymoot_wire::install_providers();
        Self::with(Contexts::of_environment().find(given.context.as_deref())?, Retry::default())
    }

    /// The cluster of a context. Connects with its first question.
    pub fn of(context: Context) -> Result<Self, Failure> {
        Self::with(context, SOON)
    }

    fn with(context: Context, retry: Retry) -> Result<Self, Failure> {
        let directory = &context.directory;
        let document = place::document(directory)?;
        let moves = context.gateway.is_none();
        let gateway = match (&context.gateway, document.gateways.first()) {
            (Some(gateway), _) => gateway.clone(),
            (None, Some(first)) => first.address.clone(),
            (None, None) => return Err(Trouble::new(BAD_CONTEXT, "the cluster has no gateway").into()),
        };
        let files = CredentialFiles {
            certificate: directory.join(CERTIFICATE),
            key: directory.join(TLS_KEY),
            authority: directory.join(AUTHORITY),
        };
        let refused = |error| {
            let what = format!("the certificate in `{}` cannot be used", directory.display());
            let help =
                "bring the directory of this client back whole; if it is lost, join anew with `keymoot join`";
            Failure::from(
                Trouble::new(BAD_CONTEXT, what).undone("nothing was sent").help(help).because(error),
            )
        };
        let identity = Identity::open(files).map_err(refused)?;
        let handle = document.clone().into_handle();
        let follower = Follower { directory: directory.clone(), document: handle.clone(), identity };
        let config = ClientConfig {
            gateway,
            authority_pem: document.authority.clone(),
            identity: Some(follower.identity.clone()),
            key: request_key(&directory.join(REQUEST_KEY))?,
            group: document.group_id(),
            bearer: Bearer::Gateway,
            retry,
            lifetime: LIFETIME,
        };
        let check = Certificates::following(handle.clone())?;
        let client = Client::new(config).map_err(|error| of_question(&error))?.checking(check);
        let client = if moves { client.at_gateways_of(handle) } else { client.following(handle) };
        Ok(Self { context, document, client, follower, wait: None })
    }

    /// The same, which waits for outcomes for so long, also while nodes are missing.
    #[must_use]
    pub fn waiting(self, seconds: Option<u64>) -> Self {
        Self { wait: seconds.map(Duration::from_secs), ..self }
    }

    /// Until when somebody wants to wait, if anybody does.
    pub fn deadline(&self) -> Option<Instant> {
        self.wait.map(|wait| Instant::now() + wait)
    }

    /// How long to wait for an outcome in all.
    fn patience(&self) -> Duration {
        self.wait.unwrap_or(PATIENCE)
    }

    /// Waits for a moment where the service does not, because nodes or their moduli are missing. `false`: nobody wants to wait
    /// for them.
    async fn awaits_nodes(&self, code: Option<&str>, deadline: Instant) -> bool {
        if !matches!(code, Some(NOT_ENOUGH_SIGNERS | MODULI_MISSING)) {
            return true;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if self.wait.is_none() || left.is_zero() {
            return false;
        }
        tokio::time::sleep(AGAIN.min(left)).await;
        true
    }

    /// The client alone, for what asks by itself and for long, and what has it take up new files.
    pub fn into_parts(self) -> (Client, Follower) {
        (self.client, self.follower)
    }

    /// Under which policy the nodes decide, in words.
    pub fn policy_text(&self) -> String {
        let name = match self.document.policy {
            PolicyName::DenyAll => "deny-all",
            PolicyName::AllowAll => "allow-all",
        };
        format!("{}/{name} (v{})", self.document.cluster, self.document.version)
    }

    /// A key, by id or name. Where several have the name, the refusal lists them.
    pub async fn key(&self, key: &str) -> Result<KeyView, Failure> {
        match self.client.key(key).await {
            Ok(key) => Ok(key),
            Err(error) if error.code() == Some(Code::NameAmbiguous) => {
                Err(ambiguous(key, &self.keys_named(key).await?.0))
            }
            Err(error) if error.code() == Some(Code::NoSuchKey) => Err(self.no_key(key, &error).await),
            Err(error) => Err(self.unanswered(&error)),
        }
    }

    /// The keys of this name, newest first, also those that are retired: a name that one of them has is not free. And whether
    /// there may be more.
    pub async fn keys_named(&self, name: &str) -> Result<(Vec<KeyView>, bool), Failure> {
        let (mut keys, has_more) = self.keys_and_more().await?;
        keys.retain(|key| key.name == name);
        Ok((keys, has_more))
    }

    /// The keys, newest first.
    pub async fn keys(&self) -> Result<Vec<KeyView>, Failure> {
        Ok(self.keys_and_more().await?.0)
    }

    /// The keys, newest first, and whether there are more than are looked at.
    pub async fn keys_and_more(&self) -> Result<(Vec<KeyView>, bool), Failure> {
        let (mut keys, mut page) = (Vec::new(), Page { limit: Some(KEYS), cursor: None });
        for _ in 0..PAGES_MAX {
            let found = self.client.list_keys(&page).await.map_err(|error| self.unanswered(&error))?;
            keys.extend(found.keys);
            match found.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Ok((keys, false)),
            }
        }
        Ok((keys, true))
    }

    /// Has a key retired, and waits until it is.
    pub async fn retire(&self, key: &str) -> Result<RequestView, Failure> {
        let key = key.parse().map_err(Failure::bug("the cluster gives a key an id that is none"))?;
        let prepared = self.client.prepare_retirement(key).map_err(|error| self.unanswered(&error))?;
        let request: RequestView = self.send(&prepared, FIRST).await?;
        self.finished(request).await
    }

    /// Has a key made, and waits for it. Also says how long it took, by the cluster's clock.
    pub async fn create_key(&self, name: &str, scheme: Scheme) -> Result<(KeyView, Option<u64>), Failure> {
        let prepared = self.client.prepare_key(scheme, name).map_err(|error| self.unanswered(&error))?;
        let request: RequestView = self.send(&prepared, FIRST).await?;
        let request = self.finished(request).await?;
        let took =
            request.finished_ms.zip(request.created_ms).and_then(|(end, begin)| end.checked_sub(begin));
        let key = request.key.ok_or(Failure::Broken("a complete request for a key has no key"))?;
        // All keys of the cluster are certified; only one of them is made for this request.
        let is_its = certificate::is_made_for(&key.id, &prepared.to_item());
        if key.name != name || key.scheme != scheme.name() || !is_its {
            let error = ClientError::Uncertified { key: key.id, why: KeyRefusal::NotAsked };
            return Err(of_client(&error).into());
        }
        Ok((key, took))
    }

    /// Has all signatures made that a payload needs, each by a request of its own and several at a time. The same again, while it
    /// is not known that they were made, sends the same requests: so a command can be repeated, and signs once, also if
    /// an answer was lost.
    pub async fn sign_all(&self, asked: &Asked<'_>, count: u16) -> Result<Vec<SignatureView>, Failure> {
        let wanted = Wanted::all(asked, count);
        let each = stream::iter(wanted.iter().map(|wanted| self.sign_one(asked, wanted)));
        each.buffered(AT_ONCE).try_collect().await
    }

    /// The signatures that were asked for have come and verify: the same again is a new request.
    pub fn has_signed(&self, asked: &Asked<'_>, count: u16) {
        // What cannot be forgotten now is asked again with the same outcome, until it expires.
        let _ = Pending::of(&self.context.directory).forget(&Wanted::all(asked, count));
    }

    async fn sign_one(&self, asked: &Asked<'_>, wanted: &Wanted) -> Result<SignatureView, Failure> {
        let pending = Pending::of(&self.context.directory);
        let prepared = pending.request(wanted, |ticket| self.prepare(asked, wanted.signing, ticket))?;
        let outcome = self.signed(&prepared).await;
        if matches!(outcome, Err(Unsigned::Settled(_))) {
            let _ = pending.forget(std::slice::from_ref(wanted));
        }
        outcome.map_err(Failure::from)
    }

    /// Has something signed, always anew.
    pub async fn sign_once(&self, asked: &Asked<'_>) -> Result<SignatureView, Failure> {
        self.signed(&self.prepare(asked, None, None)?).await.map_err(Failure::from)
    }

    /// A new request, or the one of this ticket again.
    fn prepare(
        &self,
        asked: &Asked<'_>,
        signing: Option<u16>,
        ticket: Option<Ticket>,
    ) -> Result<Prepared, Failure> {
        let body = CreateSignatureBody {
            key: asked.key.id.clone(),
            path: asked.path.to_owned(),
            kind: asked.kind.to_owned(),
            payload: hex::encode(asked.payload),
            signing,
        };
        let prepared = match ticket {
            None => self.client.prepare_signature(&body),
            Some(ticket) => self.client.prepare_signature_again(&body, ticket),
        };
        prepared.map_err(|error| self.unanswered(&error))
    }

    /// Sends a request for a signature and waits until it is finished, or cannot be for want of nodes or their moduli.
    async fn signed(&self, prepared: &Prepared) -> Result<SignatureView, Unsigned> {
        let again = "the same command again asks for the same request, and signs once";
        let unsent = |error| Unsigned::by(&error, self.undecided(&error, again));
        let deadline = Instant::now() + self.patience();
        let mut signed: SignatureView = self.client.send(prepared, FIRST).await.map_err(unsent)?;
        while !signed.status.is_final() {
            if !self.awaits_nodes(signed.code.as_deref(), deadline).await {
                let reason = signed.reason.as_deref();
                return Err(Unsigned::Open(match signed.code.as_deref() {
                    Some(MODULI_MISSING) => no_moduli(&signed.id, reason, &signed.culprits),
                    _ => self.not_enough(&signed.id, reason, Purpose::Signature).await,
                }));
            }
            if Instant::now() > deadline {
                return Err(Unsigned::Open(pending_trouble(&signed.id, self.patience(), Purpose::Signature)));
            }
            let next = self.client.signature(&signed.id, next(deadline)).await;
            signed =
                next.map_err(|error| Unsigned::since(&error, self.unfinished(&error, &signed.id, again)))?;
        }
        if signed.status == Status::Complete {
            return Ok(signed);
        }
        let SignatureView { id, status, code, reason, denials, culprits, .. } = &signed;
        let failure = trouble::of_outcome(
            id,
            *status,
            code.as_deref(),
            reason.as_deref(),
            denials,
            culprits,
            Purpose::Signature,
        );
        Err(Unsigned::Settled(failure))
    }

    /// The same for a request of another kind.
    async fn finished(&self, mut request: RequestView) -> Result<RequestView, Failure> {
        let deadline = Instant::now() + self.patience();
        loop {
            let (id, status, purpose) = (request.id.clone(), request.status, Purpose::of(&request.ask));
            if status == Status::Complete {
                return Ok(request);
            }
            if status.is_final() {
                return Err(settled(&request));
            }
            if !self.awaits_nodes(request.code.as_deref(), deadline).await {
                return Err(self.not_enough(&id, request.reason.as_deref(), purpose).await);
            }
            if Instant::now() > deadline {
                return Err(pending_trouble(&id, self.patience(), purpose));
            }
            let again = format!("`keymoot request wait {id}` waits for it");
            let next = self.client.request(&id, next(deadline)).await;
            request = next.map_err(|error| self.unfinished(&error, &id, &again))?;
        }
    }

    async fn send<T: Reply>(&self, prepared: &Prepared, wait: Duration) -> Result<T, Failure> {
        let again = "`keymoot request list` shows whether it is pending";
        self.client.send(prepared, wait).await.map_err(|error| self.undecided(&error, again))
    }

    /// A token for other programs that hold the certificate of this context.
    pub async fn token(&self) -> Result<TokenView, Failure> {
        self.client.create_token().await.map_err(|error| self.unanswered(&error))
    }

    pub async fn nodes(&self) -> Result<NodeList, Failure> {
        self.client.nodes().await.map_err(|error| self.unanswered(&error))
    }

    pub async fn sessions(&self) -> Result<SessionList, Failure> {
        self.client.sessions().await.map_err(|error| self.unanswered(&error))
    }

    pub async fn ready(&self) -> Result<ReadyView, Failure> {
        self.client.ready().await.map_err(|error| self.unanswered(&error))
    }

    pub async fn version(&self) -> Result<VersionView, Failure> {
        self.client.version().await.map_err(|error| self.unanswered(&error))
    }

    /// What happens in sessions, from now on, until the service ends it or nobody listens any more.
    pub async fn events(&self) -> Result<mpsc::Receiver<EventView>, Failure> {
        let mut stream = self.client.events(None).await.map_err(|error| self.unanswered(&error))?;
        let (say, heard) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(async move {
            while let Ok(Some(event)) = stream.next().await {
                if say.send(event).await.is_err() {
                    return;
                }
            }
        });
        Ok(heard)
    }
}

pub fn request_key(path: &std::path::Path) -> Result<SigningKey, Failure> {
    let digits = place::read_secret(path)?;
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits.trim_ascii(), seed.as_mut()).map_err(|error| {
        let what = format!("`{}` is no key for requests", path.display());
        Failure::from(Trouble::new(FILE_DAMAGED, what).undone("nothing was sent").because(error))
    })?;
    Ok(SigningKey::ed25519(&seed))
}

/// How long the service is asked to wait next.
fn next(deadline: Instant) -> Duration {
    NEXT.min(deadline.saturating_duration_since(Instant::now()))
}

fn pending_trouble(id: &str, patience: Duration, purpose: Purpose) -> Failure {
    let what = format!("{id} is not finished after {} seconds", patience.as_secs());
    Trouble::new(PENDING, what)
        .undone(format!("{}; the request goes on until it expires", purpose.unfinished()))
        .help(purpose.help_to_wait(id))
        .request(id)
        .into()
}
