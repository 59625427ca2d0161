//! What a gateway is started with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use keymoot_types::signed::BODY_MAX;
use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::tls::{ClientCertificates, Identity};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::routes::WAIT_MAX;

/// Everything a gateway needs. Its name is that of its certificate.
pub struct GatewayConfig {
    /// Where to listen; port 0 for any.
    pub listen: SocketAddr,
    /// Whether clients need a certificate. Tokens and signed requests are needed in any case.
    pub client_certificates: ClientCertificates,
    /// The cluster document of the moment.
    pub document: DocumentHandle,
    /// Who we are.
    pub identity: Arc<Identity>,
    /// How much of everything.
    pub limits: Limits,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
}

/// How much of everything. Each of these is a bound on what a client can make the gateway hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Connections; whoever comes then waits in the backlog of the system. Those without a certificate have half of
    /// them.
    pub connections: usize,
    /// Those of one certificate's owner; more are closed.
    pub client_connections: usize,
    /// Requests in progress, the waiting ones included; more are answered with 429. Each item of a batch counts. There are as
    /// many places again for what is open to everybody.
    pub requests: usize,
    /// Those of one client; more are answered with 429. Whoever comes without a certificate is one client with all others
    /// who do.
    pub client_requests: usize,
    /// Bytes of the bodies of all requests in progress; more are answered with 429. In memory they take up to four times of that.
    pub request_bytes: usize,
    /// Those of one client; more are answered with 429.
    pub client_request_bytes: usize,
    /// Lists of keys or requests in progress, which may be of megabytes; more are answered with 429. A request is in progress
    /// until its answer has left.
    pub lists: usize,
    /// Those of one client; more are answered with 429.
    pub client_lists: usize,
    /// Event streams; more are answered with 429.
    pub streams: usize,
    /// Those of one client; more are answered with 429.
    pub client_streams: usize,
    /// Requests a second of one client, over some time.
    pub rate: f64,
    /// Requests of one client at once, after a pause.
    pub burst: f64,
    /// For how long coordinators are asked, beside the time that the client wants to wait.
    pub budget: Duration,
    /// After this time an event stream ends, and its client has to show its token again.
    pub stream_time: Duration,
}

/// Time for what is neither waiting nor asking.
const SLACK: Duration = Duration::from_secs(5);

impl Limits {
    /// For how long the answer to a request may take.
    #[must_use]
    pub fn answer_time(&self) -> Duration {
        self.budget + WAIT_MAX + SLACK
    }

    /// After so long, everything that had begun has ended by itself.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.answer_time().max(self.stream_time)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: BODY_MAX,
            connections: 4096,
            client_connections: 256,
            requests: 1024,
            client_requests: 256,
            request_bytes: 256 << 20,
            client_request_bytes: 64 << 20,
            lists: 64,
            client_lists: 16,
            streams: 256,
            client_streams: 32,
            rate: 2000.0,
            burst: 4000.0,
            budget: Duration::from_secs(10),
            stream_time: Duration::from_secs(15 * 60),
        }
    }
}
