//! Whether the gateway can serve. Anybody may ask, so the coordinators are asked at most once a second.

use std::time::{Duration, Instant};

use keymoot_wire::rest::{NodeList, ReadyView};
use tokio::sync::Mutex;

use crate::routes::nodes::gather;
use crate::state::{App, wall_ms};

/// For how long an answer is good.
const FRESH: Duration = Duration::from_secs(1);

/// The last answer.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Instant, ReadyView)>>);

impl Readiness {
    /// Looks, or repeats what was seen a moment ago.
    pub async fn look(&self, app: &App) -> ReadyView {
        if app.is_stopping() {
            return ReadyView { ready: false, reasons: vec!["the gateway is stopping".into()] };
        }
        let mut last = self.0.lock().await;
        if let Some((when, view)) = &*last
            && when.elapsed() < FRESH
        {
            return view.clone();
        }
        let view = see(app).await;
        *last = Some((Instant::now(), view.clone()));
        view
    }
}

async fn see(app: &App) -> ReadyView {
    let mut reasons = Vec::new();
    let until = app.identity.current().valid_until();
    if u64::try_from(until).unwrap_or(0) <= wall_ms() / 1000 {
        reasons.push("the certificate of this gateway has expired".into());
    }
    match gather(app, "readyz").await {
        Ok(nodes) => reasons.extend(too_few(&nodes, usize::from(app.document.load().threshold.needed))),
        Err(_) => reasons.push("no coordinator answers".into()),
    }
    ReadyView { ready: reasons.is_empty(), reasons }
}

fn too_few(nodes: &NodeList, needed: usize) -> Option<String> {
    let connected: Vec<&str> =
        nodes.nodes.iter().filter(|node| !node.connected.is_empty()).map(|node| node.name.as_str()).collect();
    let names = if connected.is_empty() { String::new() } else { format!(" ({})", connected.join(", ")) };
    let count = connected.len();
    (count < needed).then(|| format!("not enough signers: need {needed}, connected {count}{names}"))
}
