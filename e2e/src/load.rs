//! A client that asks at a steady pace, keeps what it was promised, and holds the cluster to it afterwards.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use keymoot_client::{Bearer, Client, ClientConfig, LIFETIME, Prepared, Retry};
use keymoot_types::Scheme;
use keymoot_wire::cluster::SignedDocument;
use keymoot_wire::rest::{CreateSignatureBody, SignatureView, Status};
use keymoot_wire::signed::SigningKey;
use keymoot_wire::tls::{CredentialFiles, Identity};
use tokio::task::JoinSet;

/// How long a request may take while everything goes wrong.
const PATIENCE: Duration = Duration::from_secs(45);

/// The client whose directory this is.
///
/// # Errors
/// A file is not there or is not what it should be.
pub fn client(directory: &Path, gateway: &str) -> Result<Client> {
    keymoot_wire::install_providers();
    let file = |name: &str| {
        let path = directory.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
    };
    let authority_pem = file("authority.pem")?;
    let document = SignedDocument::parse(&file("cluster.json")?)?.verify(&authority_pem)?;
    let mut seed = [0; 32];
    hex::decode_to_slice(file("request.key")?.trim(), &mut seed)?;
    let files = CredentialFiles {
        certificate: directory.join("tls.pem"),
        key: directory.join("tls.key.pem"),
        authority: directory.join("authority.pem"),
    };
    let retry = Retry { tries: 200, total: PATIENCE, ..Retry::default() };
    Ok(Client::new(ClientConfig {
        gateway: gateway.to_owned(),
        authority_pem,
        identity: Some(Identity::open(files)?),
        key: SigningKey::ed25519(&seed),
        group: document.group_id(),
        bearer: Bearer::Gateway,
        retry,
        lifetime: LIFETIME,
    })?)
}

/// Makes a key and returns its id.
///
/// # Errors
/// It is not made in time.
pub async fn key(client: &Client, scheme: Scheme, name: &str) -> Result<String> {
    let prepared = client.prepare_key(scheme, name)?;
    let until = Instant::now() + PATIENCE;
    loop {
        let view: keymoot_wire::rest::RequestView = client.send(&prepared, Duration::from_secs(10)).await?;
        match (view.status, view.key) {
            (Status::Complete, Some(key)) => return Ok(key.id),
            (Status::Pending, _) if Instant::now() < until => {}
            (status, _) => bail!("the key was not made: {status}, {:?}", view.reason),
        }
    }
}

/// A request, and what was promised about it.
struct Promise {
    prepared: Prepared,
    answer: Option<SignatureView>,
    error: Option<String>,
    took: Duration,
    at: Instant,
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests that were sent.
    pub asked: usize,
    /// Those that were signed.
    pub signed: usize,
    /// What the others heard, and how often.
    pub failures: BTreeMap<String, usize>,
    /// When signatures came, in milliseconds since the beginning, and how long each took, in order of asking.
    pub times: Vec<(u64, u64)>,
}

/// A load that goes on until it is stopped.
pub struct Load {
    client: Arc<Client>,
    promises: Arc<Mutex<Vec<Promise>>>,
    stop: tokio::sync::watch::Sender<bool>,
    driver: tokio::task::JoinHandle<()>,
    began: Instant,
}

impl Load {
    /// Asks for so many signatures a second, each of another message.
    #[must_use]
    pub fn start(client: Arc<Client>, key: String, per_second: u32) -> Self {
        let (stop, mut stopped) = tokio::sync::watch::channel(false);
        let promises = Arc::new(Mutex::new(Vec::new()));
        let (kept, asker) = (Arc::clone(&promises), Arc::clone(&client));
        let driver = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_secs(1) / per_second.max(1));
            let mut tasks = JoinSet::new();
            let mut number = 0_u64;
            loop {
                tokio::select! {
                    _ = stopped.changed() => break,
                    _ = pace.tick() => {
                        number += 1;
                        let (asker, key) = (Arc::clone(&asker), key.clone());
                        tasks.spawn(async move { ask(&asker, key, number).await });
                    }
                    Some(done) = tasks.join_next() => keep(&kept, done),
                }
            }
            while let Some(done) = tasks.join_next().await {
                keep(&kept, done);
            }
        });
        Self { client, promises, stop, driver, began: Instant::now() }
    }

    /// How many were signed so far.
    #[must_use]
    pub fn signed(&self) -> usize {
        let is_signed = |promise: &&Promise| promise.answer.is_some();
        self.promises.lock().map(|promises| promises.iter().filter(is_signed).count()).unwrap_or(0)
    }

    /// The last time at which a signature came, if one did.
    #[must_use]
    pub fn last(&self) -> Option<Instant> {
        let promises = self.promises.lock().ok()?;
        promises.iter().filter(|one| one.answer.is_some()).map(|one| one.at).max()
    }

    /// Stops asking, waits for what is open, and asks again for everything that was promised: each request has the same
    /// answer, and no two requests have one signature.
    ///
    /// # Errors
    /// A promise that was not kept.
    pub async fn finish(self) -> Result<Tally> {
        let _ = self.stop.send(true);
        self.driver.await?;
        let promises =
            std::mem::take(&mut *self.promises.lock().map_err(|_| anyhow::anyhow!("a task has panicked"))?);
        let mut tally = Tally { asked: promises.len(), ..Tally::default() };
        let mut signatures = BTreeMap::new();
        for promise in &promises {
            let Some(answer) = &promise.answer else {
                let why = promise.error.clone().unwrap_or_else(|| "no answer".to_owned());
                *tally.failures.entry(why).or_default() += 1;
                continue;
            };
            tally.signed += 1;
            let since = promise.at.saturating_duration_since(self.began);
            tally.times.push((millis(since), millis(promise.took)));
            let signature = answer.signature.as_ref().context("complete without a signature")?;
            // r of ECDSA, R of the others: the first half either way.
            let nonce = signature.encoded.get(..64).context("a signature is too short")?.to_owned();
            if let Some(other) = signatures.insert(nonce, answer.id.clone()) {
                bail!("{other} and {} have the same nonce", answer.id);
            }
        }
        for promise in promises.iter().filter(|one| one.answer.is_some()) {
            let again: SignatureView = self.client.send(&promise.prepared, Duration::from_secs(5)).await?;
            let first = promise.answer.as_ref().context("it has an answer")?;
            if (again.id.as_str(), &again.signature) != (first.id.as_str(), &first.signature) {
                bail!("{} was answered in two ways: {first:?} and {again:?}", first.id);
            }
        }
        Ok(tally)
    }
}

fn keep(kept: &Mutex<Vec<Promise>>, done: Result<Option<Promise>, tokio::task::JoinError>) {
    if let (Ok(mut kept), Ok(Some(promise))) = (kept.lock(), done) {
        kept.push(promise);
    }
}

async fn ask(client: &Client, key: String, number: u64) -> Option<Promise> {
    let payload = hex::encode(format!("request {number}"));
    let body = CreateSignatureBody { key, path: "m".into(), kind: "message".into(), payload, signing: None };
    let began = Instant::now();
    let prepared = client.prepare_signature(&body).ok()?;
    let mut promise = Promise { prepared, answer: None, error: None, took: Duration::ZERO, at: began };
    while began.elapsed() < PATIENCE {
        match client.send::<SignatureView>(&promise.prepared, Duration::from_secs(5)).await {
            Ok(view) if view.status == Status::Complete => {
                (promise.answer, promise.error) = (Some(view), None);
                break;
            }
            Ok(view) if view.status == Status::Pending => {
                promise.error = Some(format!("pending: {:?}", view.reason));
            }
            Ok(view) => {
                promise.error = Some(format!("{}: {:?}", view.status, view.reason));
                break;
            }
            Err(error) => {
                let is_passing = error.is_passing();
                promise.error = Some(error.to_string());
                if !is_passing {
                    break;
                }
            }
        }
    }
    (promise.took, promise.at) = (began.elapsed(), Instant::now());
    Some(promise)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The value below which this share of all lies.
#[must_use]
pub fn percentile(mut values: Vec<u64>, share: f64) -> u64 {
    values.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let at = ((values.len().saturating_sub(1)) as f64 * share).round() as usize;
    values.get(at).copied().unwrap_or(0)
}
