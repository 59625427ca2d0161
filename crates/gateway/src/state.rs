//! What all handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::tls::{ClientCertificates, Identity, Peer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::config::{GatewayConfig, Limits};
use crate::coordinators::Coordinators;
use crate::events::Events;
use crate::limits::{Budgets, Places};
use crate::ready::Readiness;
use crate::tokens::Tokens;

/// One gateway.
pub struct App {
    pub document: DocumentHandle,
    pub identity: Arc<Identity>,
    pub client_certificates: ClientCertificates,
    pub limits: Limits,
    pub coordinators: Coordinators,
    pub tokens: Tokens,
    pub budgets: Budgets,
    pub requests: Places,
    /// Bytes of what they bring.
    pub bytes: Places,
    /// Answers with lists, which may be of megabytes.
    pub lists: Places,
    /// Of what is open to everybody.
    pub open: Places,
    pub streams: Places,
    pub events: Events,
    pub canary: Canary,
    pub readiness: Readiness,
    pub metrics: PrometheusHandle,
    pub openapi: Bytes,
    pub stopping: watch::Receiver<bool>,
}

impl App {
    pub fn new(config: GatewayConfig, stopping: watch::Receiver<bool>) -> Arc<Self> {
        let GatewayConfig { document, identity, limits, metrics, client_certificates, .. } = config;
        let openapi = crate::openapi::document();
        Arc::new(Self {
            coordinators: Coordinators::new(document.clone(), identity.clone()),
            tokens: Tokens::new(document.clone(), identity.clone(), client_certificates),
            budgets: Budgets::new(limits.rate, limits.burst),
            requests: Places::new("requests in progress", limits.requests, limits.client_requests),
            bytes: Places::new(
                "bytes of requests in progress",
                limits.request_bytes,
                limits.client_request_bytes,
            ),
            lists: Places::new("lists in progress", limits.lists, limits.client_lists),
            open: Places::new("requests in progress", limits.requests, limits.client_requests),
            streams: Places::new("event streams", limits.streams, limits.client_streams),
            events: Events::default(),
            canary: Canary::default(),
            readiness: Readiness::default(),
            openapi: openapi.to_json().unwrap_or_default().into(),
            document,
            identity,
            client_certificates,
            limits,
            metrics,
            stopping,
        })
    }

    /// Whether the gateway was asked to stop.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}

/// Who asks, after the gate, and under which id the request stands in the logs.
#[derive(Clone, Debug)]
pub struct Call {
    /// The name of the client.
    pub client: Arc<str>,
    /// The id of the HTTP request.
    pub trace: Arc<str>,
    /// Whose certificate it came with, if with one.
    pub peer: Option<Arc<Peer>>,
}

/// When a signature was last made, as far as this gateway has seen.
#[derive(Default)]
pub struct Canary(AtomicU64);

impl Canary {
    /// A signature was finished at this time, in milliseconds of wall time.
    pub fn saw(&self, finished_ms: u64) {
        self.0.fetch_max(finished_ms, Ordering::Relaxed);
    }

    /// Since when there was none; `None` if there was none at all.
    pub fn age(&self, now_ms: u64) -> Option<Duration> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            last => Some(Duration::from_millis(now_ms.saturating_sub(last))),
        }
    }
}

/// Milliseconds of wall time since 1970.
pub fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
