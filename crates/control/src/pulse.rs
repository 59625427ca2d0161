//! Looks around from time to time: whether the store answers, whether nodes are there, whether the cluster document still
//! knows those that are connected.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keymoot_ports::{Address, Name, Role, Ttl, registry};
use keymoot_types::Party;
use keymoot_wire::cluster::ClusterDocument;
use keymoot_wire::stop::stopped;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::Status;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::nodes::Nodes;
use crate::room::Room;
use crate::roster;
use crate::task::Input;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// How long the store may take to be there.
const STORE: Duration = Duration::from_secs(2);

/// So many looks are between two announcements of this coordinator.
const ANNOUNCE: u32 = 6;

/// Looks around until the coordinator stops. `address` is where it serves, by the cluster document.
pub(crate) async fn beat(room: Arc<Room>, health: HealthReporter, address: String) {
    let mut stop = room.stop.clone();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count: u32 = 0;
    let mut said = Said::new(health);
    let mut told = Told::nothing();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            _ = ticks.tick() => {}
        }
        let has_store = matches!(timeout(STORE, room.sessions.orphans(1)).await, Ok(Ok(_)));
        said.say(room.note_store(has_store)).await;
        drop_strangers(&room, &mut told);
        tell(&room, &mut told).await;
        if count.is_multiple_of(ANNOUNCE) {
            announce(&room, &address).await;
        }
        count = count.wrapping_add(1);
    }
    said.say(false).await;
    // Nodes are to go to the other coordinators at once.
    room.nodes.keep(|_| false);
}

/// Whether this coordinator serves, for those who watch its health. They are told of changes only: whoever does not read
/// what it is told has it kept for it.
struct Said {
    health: HealthReporter,
    last: Option<bool>,
}

impl Said {
    const fn new(health: HealthReporter) -> Self {
        Self { health, last: None }
    }

    async fn say(&mut self, is_serving: bool) {
        if self.last.replace(is_serving) != Some(is_serving) {
            let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
            self.health.set_service_status("", status).await;
        }
    }
}

/// What the engine has been told, and has not. What it does not take in now, it is told at the next look: nobody else
/// would tell it. `D` is a cluster document.
struct Told<D> {
    /// Nodes that were hung up on.
    gone: BTreeSet<Party>,
    /// The document that it goes by.
    document: Option<Arc<D>>,
}

/// Something that it is to be told.
enum News<D> {
    Gone(Party),
    Document(Arc<D>),
}

impl<D> Told<D> {
    const fn nothing() -> Self {
        Self { gone: BTreeSet::new(), document: None }
    }

    /// What is to be told next.
    fn owed(&mut self, nodes: &Nodes, document: &Arc<D>) -> Option<News<D>> {
        // Whoever has come back meanwhile is not gone any more.
        self.gone.retain(|party| !nodes.is_connected(*party));
        if let Some(party) = self.gone.first() {
            return Some(News::Gone(*party));
        }
        let is_told = self.document.as_ref().is_some_and(|told| Arc::ptr_eq(document, told));
        (!is_told).then(|| News::Document(Arc::clone(document)))
    }

    /// It was taken in.
    fn told(&mut self, news: News<D>) {
        match news {
            News::Gone(party) => {
                self.gone.remove(&party);
            }
            News::Document(document) => self.document = Some(document),
        }
    }
}

/// Tells the engine all that is new, until it does not take something in.
async fn tell(room: &Room, told: &mut Told<ClusterDocument>) {
    let document = room.document.load_full();
    while let Some(news) = told.owed(&room.nodes, &document) {
        let heard = match &news {
            News::Gone(party) => room.hear(Input::Gone(*party)).await,
            News::Document(document) => go_by(room, document).await,
        };
        if let Err(status) = heard {
            let reason = status.message();
            tracing::warn!(reason, "the engine does not take in the news; it is told again");
            return;
        }
        told.told(news);
    }
}

/// Ends the streams of nodes that a newer document does not know any more, at least not with their key.
fn drop_strangers(room: &Room, told: &mut Told<ClusterDocument>) {
    let document = room.document.load_full();
    for party in room.nodes.keep(|peer| peer.is_known_to(&document).is_ok()) {
        tracing::warn!(node = room.names.of(party), "the cluster document does not know this node any more");
        told.gone.insert(party);
    }
}

/// Whoever is enrolled by a newer document may ask at once.
///
/// # Errors
/// The engine has not taken it in.
async fn go_by(room: &Room, document: &ClusterDocument) -> Result<(), Status> {
    match roster::of(document) {
        Ok(roster) => {
            room.hear(Input::Clients(roster.clients().clone())).await?;
            tracing::info!(version = document.version, "the coordinator goes by this cluster document");
        }
        Err(error) => {
            tracing::error!(%error, "the cluster document makes no roster; the one before counts on");
        }
    }
    Ok(())
}

async fn announce(room: &Room, address: &str) {
    let member = || {
        let (name, role) = (Name::new(&room.name).ok()?, Role::new("coordinator").ok()?);
        Some(registry::Member { name, role, address: Address::new(address).ok()? })
    };
    let (Some(member), Ok(ttl)) = (member(), Ttl::new(room.limits.presence)) else { return };
    if !matches!(timeout(STORE, room.registry.announce(&member, ttl)).await, Ok(Ok(()))) {
        tracing::warn!("this coordinator cannot announce itself in the registry");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keymoot_types::Party;

    use super::{News, Told};
    use crate::nodes::Nodes;

    #[test]
    fn news_that_are_not_taken_in_are_told_again_and_no_others() {
        let [one, two] = [1, 2].map(|index| Party::new(index).unwrap());
        let nodes = Nodes::new([one, two].into_iter());
        let mut told = Told::nothing();
        told.gone.extend([one, two]);
        let (old, new) = (Arc::new("old".to_owned()), Arc::new("new".to_owned()));
        let next = |told: &mut Told<String>, document: &Arc<String>| {
            told.owed(&nodes, document).map(|news| match news {
                News::Gone(party) => (party.index().to_string(), news),
                News::Document(ref document) => (String::clone(document), news),
            })
        };
        for (document, expected) in [(&old, "1"), (&old, "2"), (&old, "old"), (&new, "new")] {
            let mut news = None;
            for _ in 0..3 {
                let (name, owed) = next(&mut told, document).expect("it was not taken in");
                assert_eq!(name, expected);
                news = Some(owed);
            }
            told.told(news.unwrap());
        }
        assert!(next(&mut told, &new).is_none());
        told.gone.insert(one);
        let _stream = nodes.connect(one, None, ("1", true)).unwrap();
        assert!(next(&mut told, &new).is_none(), "whoever is back is not gone");
    }
}
