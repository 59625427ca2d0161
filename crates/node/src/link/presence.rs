//! The node's lease at a coordinator: announced, renewed, and each time compared in clock and cluster document.

use std::convert::Infallible;
use std::time::Duration;

use keymoot_wire::mpc::mpc_node_client::MpcNodeClient;
use keymoot_wire::mpc::mpc_registry_client::MpcRegistryClient;
use keymoot_wire::mpc::{HeartbeatRequest, RegisterNodeRequest};
use keymoot_wire::tls;
use tokio::time::{sleep, timeout};

use super::{Link, LinkFault};
use crate::clock::wall_ms;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(3);

/// A lease is renewed no more often than this.
const RENEWAL_MIN: Duration = Duration::from_millis(500);

/// So many renewals may stay without an answer before the connection is given up.
const SILENT_MAX: u32 = 2;

/// Clocks that are further apart than this are worth a word, in milliseconds.
const SKEW_MAX: u64 = 5_000;

impl Link {
    /// Announces the node and renews its lease, for as long as the coordinator answers at all. A registry that is out of
    /// order is no reason to drop the sessions.
    pub(super) async fn presence(&self, line: &tls::Link) -> Result<Infallible, LinkFault> {
        let (mut lease, mut is_announced, mut silent) = (RENEWAL_MIN * 3, false, 0);
        loop {
            let result = async {
                if !is_announced {
                    self.announce(line).await?;
                }
                self.beat(line).await
            };
            match result.await {
                Ok(answer) => (lease, is_announced, silent) = (answer, true, 0),
                Err(LinkFault::Silent) if silent >= SILENT_MAX => return Err(LinkFault::Silent),
                Err(fault) => {
                    silent = if matches!(fault, LinkFault::Silent) { silent + 1 } else { 0 };
                    is_announced = false;
                    tracing::warn!(error = &fault as &dyn std::error::Error, "the lease is not renewed");
                }
            }
            sleep((lease / 3).max(RENEWAL_MIN)).await;
        }
    }

    async fn announce(&self, line: &tls::Link) -> Result<Duration, LinkFault> {
        let name = self.lines.name.clone();
        let request = RegisterNodeRequest { name, role: "node".to_owned(), address: "none".to_owned() };
        let request = self.stamp(line, request)?;
        let mut client = MpcRegistryClient::new(line.channel());
        let answer = timeout(CALL, client.register_node(request)).await.map_err(|_| LinkFault::Silent)??;
        Ok(Duration::from_millis(answer.into_inner().lease_ms))
    }

    async fn beat(&self, line: &tls::Link) -> Result<Duration, LinkFault> {
        let document = self.lines.document.load().digest();
        let sessions = u32::try_from(self.lines.board.status().sessions).unwrap_or(u32::MAX);
        let (node, version) = (self.lines.name.clone(), env!("CARGO_PKG_VERSION").to_owned());
        let asked = wall_ms();
        let request =
            HeartbeatRequest { node, version, document: document.to_vec(), wall_ms: asked, sessions };
        let request = self.stamp(line, request)?;
        let mut client = MpcNodeClient::new(line.channel());
        let answer = timeout(CALL, client.heartbeat(request)).await.map_err(|_| LinkFault::Silent)??;
        let answer = answer.into_inner();
        // The other clock was read about halfway between asking and hearing.
        let here = asked.midpoint(wall_ms());
        let skew = i64::try_from(i128::from(here) - i128::from(answer.wall_ms)).unwrap_or(i64::MAX);
        let is_same = answer.document == document;
        self.lines.board.link(self.number, |link| {
            if skew.unsigned_abs() > SKEW_MAX {
                tracing::warn!(coordinator = link.coordinator, skew_ms = skew, "the clocks are apart");
            }
            if !is_same && link.same_document != Some(false) {
                tracing::warn!(coordinator = link.coordinator, "it has another cluster document");
            }
            (link.skew_ms, link.same_document) = (Some(skew), Some(is_same));
        });
        Ok(Duration::from_millis(answer.lease_ms))
    }
}
