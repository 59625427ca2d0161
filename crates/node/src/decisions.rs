//! A line in the log for everything that the engine has decided: who asked for what, by the names that gateway, coordinator
//! and journal use for it.

use keymoot_engine::message::Message;
use keymoot_engine::plan::{Effect, Plan};
use keymoot_engine::real::Real;
use keymoot_engine::record::Entry;

/// Logs what a plan decides. It is in the journal in full; this is for whoever looks for one request through all processes.
pub(crate) fn log(plan: &Plan<Effect<Real>>, trace: &str) {
    for record in &plan.persist {
        match &record.entry {
            Entry::Allowed { request, session, .. } => {
                tracing::info!(%request, %session, trace, "a request is served");
            }
            Entry::Denied { request, reason, .. } => {
                tracing::warn!(%request, reason, trace, "a request is denied");
            }
            Entry::Certified { key, .. } => tracing::info!(%key, "a key is certified"),
            Entry::Retired { key, request, .. } => tracing::warn!(%key, %request, trace, "a key is retired"),
            Entry::Banned { identity } => {
                tracing::error!(identity = short(identity), "a member is banned for ever");
            }
            Entry::Blamed { session, party, fault, .. } => {
                tracing::error!(%session, %party, fault, "a member has broken the protocol");
            }
            Entry::Forked { party, .. } => tracing::error!(%party, "a member's log has two histories"),
            _ => {}
        }
    }
    for effect in &plan.then {
        if let Effect::Send(_, Message::Refused(session, refusal, _)) = effect {
            tracing::info!(%session, %refusal, trace, "an invitation is refused");
        }
    }
}

/// The beginning of an identity, which is enough to find it in the cluster document.
fn short(identity: &[u8; 32]) -> String {
    identity.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
