//! GG20 with its real moduli, beside DKLs23: made once while a client waits for them, compared signature by signature, and
//! still there after a node was killed.

mod audit;
mod verified;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use keymoot_client::Client;
use keymoot_types::Scheme;
use keymoot_wire::rest::{CreateSignatureBody, KeyView, NodeView, SignatureView, Status};
use serde_json::{Value, json};

use crate::cluster::{Cluster, TWO_OF_THREE};
use crate::load::{self, percentile};
use verified::must_verify;

/// How long the moduli may take: bad luck with primes, on a machine that does other things.
const MODULI: Duration = Duration::from_secs(900);
/// How long a pool may take until it has so many.
const POOL: Duration = Duration::from_secs(300);
const WARM: u32 = 24;
/// With so few left it is waited for more, so that no signature waits for a presignature.
const LOW: u32 = 8;
/// How long one signature may take.
const SIGNATURE: Duration = Duration::from_secs(30);
/// How long it may take until it stands in the metrics.
const COUNTED: Duration = Duration::from_secs(10);
/// Between two looks at what the cluster says of itself.
const LOOK: Duration = Duration::from_millis(200);

/// The code of what waits for moduli.
const MODULI_MISSING: &str = "E2108";

/// What was seen.
pub struct Report {
    /// From the start of the nodes until all had their moduli.
    pub moduli: Duration,
    /// From asking for a signature before there were any, until it came.
    pub first: Duration,
    /// How long signatures took, in microseconds, by scheme.
    pub took: BTreeMap<Scheme, Vec<u64>>,
    /// From the kill of a node until it had signed again.
    pub again: Duration,
    /// What the journals say.
    pub audit: audit::Found,
}

impl Report {
    /// For programs.
    #[must_use]
    pub fn document(&self) -> Value {
        let at = |scheme: Scheme, share: f64| {
            percentile(self.took.get(&scheme).cloned().unwrap_or_default(), share)
        };
        let of = |scheme: Scheme| json!({ "signatures": self.took.get(&scheme).map_or(0, Vec::len), "p50_us": at(scheme, 0.5), "p99_us": at(scheme, 0.99) });
        let ratio = |share: f64| at(Scheme::Gg20, share) as f64 / at(Scheme::Dkls23, share).max(1) as f64;
        json!({
            "moduli_s": self.moduli.as_secs_f64(), "first_signature_s": self.first.as_secs_f64(),
            "gg20": of(Scheme::Gg20), "dkls23": of(Scheme::Dkls23),
            "ratio": { "p50": ratio(0.5), "p99": ratio(0.99) },
            "after_kill_s": self.again.as_secs_f64(), "audited": self.audit.document(),
        })
    }
}

/// A cluster whose nodes serve GG20, what asks it, and what was signed so far.
struct Stage {
    cluster: Cluster,
    client: Client,
    signed: BTreeMap<Scheme, Vec<SignatureView>>,
}

/// Signs so many times in turn with both schemes.
///
/// # Errors
/// Something that was promised and is not so, or does not come about in time.
pub async fn run(turns: usize) -> Result<Report> {
    let began = Instant::now();
    let mut cluster = Cluster::prepare(TWO_OF_THREE)?;
    let schemes = Scheme::ALL.map(Scheme::name).join(",");
    cluster.environment = vec![("KEYMOOT_SCHEMES".to_owned(), schemes)];
    cluster.start_all()?;
    let client = load::client(&cluster.place("alice"), cluster.gateway())?;
    let mut stage = Stage { cluster, client, signed: BTreeMap::new() };
    let key = stage.key(Scheme::Gg20).await?;
    let first = stage.sign_while_moduli_are_made(&key).await?;
    let moduli = stage.until_all_have_moduli(began).await?;
    eprintln!("moduli after {moduli:?}, the first signature after {first:?}");
    let keys = [key, stage.key(Scheme::Dkls23).await?];
    let mut took: BTreeMap<Scheme, Vec<u64>> = BTreeMap::new();
    for turn in 0..turns {
        for (scheme, key) in [Scheme::Gg20, Scheme::Dkls23].into_iter().zip(&keys) {
            stage.until_warm(key).await?;
            let began = Instant::now();
            stage.sign(scheme, key, &format!("turn {turn}")).await?;
            took.entry(scheme).or_default().push(u64::try_from(began.elapsed().as_micros())?);
        }
    }
    let again = stage.kill_and_sign(&keys[0]).await?;
    stage.check_metrics().await?;
    let audit = audit::check(&stage.cluster.journals()?, &keys, &stage.signed)?;
    Ok(Report { moduli, first, took, again, audit })
}

impl Stage {
    async fn key(&self, scheme: Scheme) -> Result<KeyView> {
        let id = load::key(&self.client, scheme, scheme.name()).await?;
        Ok(self.client.key(&id).await?)
    }

    /// Asks for a signature at once, and again if it was not made in the time that a request has. What it is told meanwhile is
    /// who is how far.
    async fn sign_while_moduli_are_made(&mut self, key: &KeyView) -> Result<Duration> {
        let (began, mut said) = (Instant::now(), Vec::new());
        loop {
            let prepared = self.client.prepare_signature(&body(key, "before there are moduli"))?;
            let mut view: SignatureView = self.client.send(&prepared, Duration::from_secs(2)).await?;
            while view.status == Status::Pending {
                ensure!(began.elapsed() < MODULI, "no signature in {MODULI:?}; last: {:?}", view.reason);
                if view.code.as_deref() == Some(MODULI_MISSING) {
                    let reason = view.reason.clone().unwrap_or_default();
                    if said.last() != Some(&reason) {
                        eprintln!("{:>4} s  {reason}", began.elapsed().as_secs());
                        said.push(reason);
                    }
                }
                view = self.client.signature(&view.id, Duration::from_secs(2)).await?;
            }
            match (view.status, view.code.as_deref()) {
                (Status::Complete, _) => {
                    must_verify(key, "before there are moduli", &view)?;
                    self.signed.entry(Scheme::Gg20).or_default().push(view);
                    break;
                }
                (_, Some(MODULI_MISSING)) => {}
                _ => bail!("the signature was not made: {view:?}"),
            }
        }
        let is_progress = |reason: &String| reason.contains(" of 4 safe primes");
        ensure!(
            said.iter().filter(|reason| is_progress(reason)).count() > 1,
            "no progress was told: {said:?}"
        );
        Ok(began.elapsed())
    }

    async fn until_all_have_moduli(&self, began: Instant) -> Result<Duration> {
        let has_them = |node: &NodeView| node.moduli.is_some_and(|moduli| moduli.made);
        until("all nodes have moduli", MODULI, async || {
            Ok(self.client.nodes().await?.nodes.iter().all(has_them))
        })
        .await?;
        for node in self.cluster.nodes() {
            ensure!(
                self.cluster.said(&node).contains("the moduli of the committee are there"),
                "{node} does not say so"
            );
        }
        Ok(began.elapsed())
    }

    /// Waits until there are presignatures enough, if there are few.
    async fn until_warm(&self, key: &KeyView) -> Result<()> {
        if self.client.key(&key.id).await?.presignatures > LOW {
            return Ok(());
        }
        until("the pool is warm", POOL, async || Ok(self.client.key(&key.id).await?.presignatures >= WARM))
            .await
    }

    async fn sign(&mut self, scheme: Scheme, key: &KeyView, text: &str) -> Result<()> {
        let view = self.client.sign(&body(key, text), SIGNATURE).await?;
        must_verify(key, text, &view)?;
        self.signed.entry(scheme).or_default().push(view);
        Ok(())
    }

    /// A node dies at once, begins again, and is needed for a signature: its moduli are on its disk.
    async fn kill_and_sign(&mut self, key: &KeyView) -> Result<Duration> {
        let [victim, other] = ["node-1", "node-2"];
        self.cluster.process(victim)?.kill()?;
        let began = Instant::now();
        self.cluster.begin(victim)?;
        self.cluster.is_ready(victim)?;
        // Of three two sign, and one of the two that are left has just been killed.
        self.cluster.process(other)?.kill()?;
        self.sign(Scheme::Gg20, key, "after the kill").await?;
        let again = began.elapsed();
        self.cluster.begin(other)?;
        self.cluster.is_ready(other)?;
        let last = self.signed.get(&Scheme::Gg20).and_then(|all| all.last()).context("it was signed")?;
        ensure!(last.signers.iter().any(|name| name == victim), "signed without it: {last:?}");
        Ok(again)
    }

    /// What the coordinator counts is what was signed, and the nodes say that they have one table and look for no primes.
    async fn check_metrics(&self) -> Result<()> {
        let mut wanted: Vec<(String, String)> = Vec::new();
        for (scheme, signed) in &self.signed {
            let labels = format!("{{outcome=\"signed\",scheme=\"{scheme}\"}}");
            let line = format!("keymoot_control_outcomes_total{labels} {}", signed.len());
            wanted.push(("coordinator-1".to_owned(), line));
        }
        for node in self.cluster.nodes() {
            wanted.push((node.clone(), "keymoot_node_moduli 1".to_owned()));
            wanted.push((node, "keymoot_node_safe_primes_wanted 0".to_owned()));
        }
        for (name, line) in wanted {
            // A node looks at itself once a second.
            let is_there = async || Ok(self.cluster.metrics(&name)?.lines().any(|one| one == line));
            until(&format!("{name} counts `{line}`"), COUNTED, is_there).await?;
        }
        Ok(())
    }
}

fn body(key: &KeyView, text: &str) -> CreateSignatureBody {
    let (key, payload) = (key.id.clone(), hex::encode(text));
    CreateSignatureBody { key, path: "m".into(), kind: "message".into(), payload, signing: None }
}

/// Looks again and again, until it is so.
async fn until(what: &str, within: Duration, is_so: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let mut looks = tokio::time::interval(LOOK);
    let look = async {
        while !is_so().await? {
            looks.tick().await;
        }
        Ok(())
    };
    let done = tokio::time::timeout(within, look).await;
    done.with_context(|| format!("it never came about that {what}, in {within:?}"))?
}
