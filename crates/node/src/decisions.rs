//! A line in the log for everything that the engine has decided: who asked for what, by the names that gateway, coordinator
//! and journal use for it. Of what goes into the journal it is told when it is there: until then it may never have been.

use keymoot_engine::message::Message;
use keymoot_engine::plan::{Effect, Plan};
use keymoot_engine::real::Real;
use keymoot_engine::record::{Entry, Record};

/// Writes one line.
type Line = Box<dyn FnOnce() + Send>;

/// Lines about records that are not durable yet, in two lots, as the pipeline has the records.
#[derive(Default)]
pub(crate) struct Decisions {
    fresh: Vec<Line>,
    writing: Vec<Line>,
}

impl Decisions {
    /// Notes what a plan decides. It is in the journal in full; this is for whoever looks for one request through all
    /// processes. What it only says is logged at once.
    pub(crate) fn note(&mut self, plan: &Plan<Effect<Real>>, trace: &str) {
        self.fresh.extend(plan.persist.iter().filter_map(|record| line(record, trace)));
        for effect in &plan.then {
            if let Effect::Send(_, Message::Refused(session, refusal, _)) = effect {
                tracing::info!(%session, %refusal, trace, "an invitation is refused");
            }
        }
    }

    /// All records so far are handed to the disk.
    pub(crate) fn write(&mut self) {
        self.writing.append(&mut self.fresh);
    }

    /// They are durable.
    pub(crate) fn written(&mut self) {
        self.writing.drain(..).for_each(|line| line());
    }
}

/// The line about a record, if there is one.
fn line(record: &Record, trace: &str) -> Option<Line> {
    let trace = trace.to_owned();
    Some(match &record.entry {
        Entry::Allowed { request, session, .. } => {
            let (request, session) = (*request, *session);
            Box::new(move || tracing::info!(%request, %session, trace, "a request is served"))
        }
        Entry::Denied { request, reason, .. } => {
            let (request, reason) = (*request, reason.clone());
            Box::new(move || tracing::warn!(%request, reason, trace, "a request is denied"))
        }
        Entry::Certified { key, .. } => {
            let key = *key;
            Box::new(move || tracing::info!(%key, "a key is certified"))
        }
        Entry::Retired { key, request, .. } => {
            let (key, request) = (*key, *request);
            Box::new(move || tracing::warn!(%key, %request, trace, "a key is retired"))
        }
        Entry::Banned { identity } => {
            let identity = short(identity);
            Box::new(move || tracing::error!(identity, "a member is banned for ever"))
        }
        Entry::Blamed { session, party, fault, .. } => {
            let (session, party, fault) = (*session, *party, fault.clone());
            Box::new(move || {
                let blamed =
                    metrics::counter!("keymoot_node_blamed_total", "party" => party.index().to_string());
                blamed.increment(1);
                tracing::error!(%session, %party, fault, "a member has broken the protocol");
            })
        }
        Entry::Forked { party, .. } => {
            let party = *party;
            Box::new(move || tracing::error!(%party, "a member's log has two histories"))
        }
        _ => return None,
    })
}

/// The beginning of an identity, which is enough to find it in the cluster document.
fn short(identity: &[u8; 32]) -> String {
    identity.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use keymoot_engine::record::{Entry, Record};
    use keymoot_types::{Party, SessionId};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::{Decisions, line};

    #[test]
    fn whoever_is_blamed_is_counted_when_it_is_on_record() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let blamed = || {
            let (session, party) = (SessionId::new([7; 16]), Party::new(3).unwrap());
            Record::from(Entry::Blamed { session, party, fault: "a fault".to_owned(), evidence: Vec::new() })
        };
        let is_counted = |count: u8| {
            let wanted = format!("keymoot_node_blamed_total{{party=\"3\"}} {count}");
            recorder.handle().render().lines().any(|line| line == wanted)
        };
        metrics::with_local_recorder(&recorder, || {
            let first = line(&blamed(), "").unwrap();
            assert!(!is_counted(1), "it is not durable yet");
            first();
            assert!(is_counted(1));
            line(&blamed(), "").unwrap()();
        });
        assert!(is_counted(2));
    }

    #[test]
    fn of_what_is_not_durable_nothing_is_told() {
        let (tell, told) = channel();
        let mut decisions = Decisions::default();
        let decide = |decisions: &mut Decisions, what: u8| {
            let tell = tell.clone();
            decisions.fresh.push(Box::new(move || tell.send(what).unwrap()));
        };
        let told = || told.try_iter().collect::<Vec<_>>();
        decide(&mut decisions, 1);
        decide(&mut decisions, 2);
        decisions.written();
        assert!(told().is_empty(), "an earlier batch");
        decisions.write();
        decide(&mut decisions, 3);
        assert!(told().is_empty());
        decisions.written();
        assert_eq!(told(), [1, 2]);
        decisions.write();
        decisions.written();
        assert_eq!(told(), [3], "once each");
    }
}
