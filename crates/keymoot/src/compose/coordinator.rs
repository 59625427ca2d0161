//! A coordinator: the embedded store, the shell, and its health on the loopback interface.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keymoot_adapters::EmbeddedStore;
use keymoot_control::{ControlConfig, ControlFault, ControlShell, Limits, Listen};
use keymoot_engine::coordinator::Limits as EngineLimits;
use keymoot_ports::Clock;
use keymoot_types::Millis;
use zeroize::Zeroizing;

use super::node::open_trouble;
use super::probe;
use super::process::{Ground, Running};
use crate::ceremony::wall_ms;
use crate::config::Config;
use crate::explain::{CEREMONY_FOREIGN, FILE_DAMAGED, PORT_IN_USE, START};
use crate::failure::{Failure, Trouble};
use crate::local::Started;
use crate::place::{SEED, read_secret};

/// The machine's clock, as leases in the store want it: it never goes back within a process, and it follows the machine's as
/// that is set right. A count of our own from the start on would drift away from the clocks of other replicas.
#[derive(Default)]
struct WallClock {
    last: AtomicU64,
}

impl WallClock {
    fn at(&self, wall: u64) -> Millis {
        Millis(self.last.fetch_max(wall, Ordering::Relaxed).max(wall))
    }
}

impl Clock for WallClock {
    fn now(&self) -> Millis {
        self.at(wall_ms())
    }
}

/// Starts a coordinator.
pub async fn start(ground: Ground) -> Result<Running, Failure> {
    let Ground { config, document, identity, metrics } = ground;
    let place = config.path("store").unwrap_or_else(|| PathBuf::from("store.db"));
    let store = EmbeddedStore::open(&place, Arc::new(WallClock::default())).await.map_err(open_trouble)?;
    let digits = read_secret(&config.directory().join(SEED))?;
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits.trim_ascii(), seed.as_mut()).map_err(|error| {
        Trouble::new(FILE_DAMAGED, format!("`{SEED}` is no seed"))
            .undone("nothing was started")
            .because(error)
    })?;
    let address = config.address("listen")?;
    let (batch, usual) = (u16::try_from(config.number("batch")).unwrap_or(1), EngineLimits::default());
    let low = usual.low.min(usize::from(batch / 2).max(1));
    let pool = config.number("pool");
    let engine = EngineLimits { batch, low, pool, ..usual };
    let shell = ControlConfig {
        name: config.text("name").to_owned(),
        document,
        identity,
        seed,
        sessions: store.sessions(),
        directory: store.directory(),
        registry: store.registry(),
        limits: limits(&config, engine),
        listen: Listen::Address(address),
        reflection: config.flag("reflection"),
    };
    let handle = ControlShell::start(shell).await.map_err(|fault| trouble(fault, address))?;
    let prober = handle.prober();
    let health = probe::serve(config.address("health")?, move || prober().reasons, metrics).await?;
    let listening = handle.address().to_string();
    Ok(Running {
        started: Started { listening: Some(listening), health: Some(health.to_string()) },
        stop: Box::new(handle.stopper()),
        anchorage: None,
        end: Box::pin(async move {
            let ended = handle.join().await.map_err(|fault| trouble(fault, address));
            // What was asked of the store is done before it is left.
            let closed = tokio::time::timeout(Duration::from_secs(3), store.close()).await;
            ended.and(closed.map_err(Failure::bug("the store does not close")))
        }),
    })
}

/// What an operator may set, besides what the engine makes ahead.
fn limits(config: &Config, engine: EngineLimits) -> Limits {
    Limits {
        engine,
        connections: config.number("connections"),
        request_bytes: config.number("request_bytes"),
        lists: config.number("lists"),
        watchers: config.number("watchers"),
        input_bytes: u32::try_from(config.number("input_bytes")).unwrap_or(u32::MAX),
        ..Limits::default()
    }
}

fn trouble(fault: ControlFault, address: std::net::SocketAddr) -> Failure {
    let (page, what) = match &fault {
        ControlFault::Document(_) | ControlFault::Roster(_) => {
            (CEREMONY_FOREIGN, "the coordinator cannot go on".into())
        }
        ControlFault::Listen(_) => (PORT_IN_USE, format!("{address} cannot be listened on")),
        _ => (START, "the coordinator cannot go on".to_owned()),
    };
    Trouble::new(page, what).undone("nothing was left running").because(fault).into()
}

#[cfg(test)]
mod tests {
    use keymoot_ports::Clock;
    use keymoot_types::Millis;

    use keymoot_control::Limits;
    use keymoot_engine::coordinator::Limits as EngineLimits;

    use super::{WallClock, limits};
    use crate::ceremony::wall_ms;
    use crate::config::Config;

    #[test]
    fn limits_are_as_set_and_otherwise_as_the_coordinator_takes_them() {
        let with = |lines: &str| {
            let text =
                format!("cluster = \"test\"\nrole = \"coordinator\"\nname = \"coordinator-1\"\n{lines}");
            let config =
                Config::parse(std::path::Path::new(""), &text, &std::collections::BTreeMap::new()).unwrap();
            let set = limits(&config, EngineLimits::default());
            (set.connections, set.request_bytes, set.lists, set.watchers, set.input_bytes)
        };
        let usual = Limits::default();
        assert_eq!(
            with(""),
            (usual.connections, usual.request_bytes, usual.lists, usual.watchers, usual.input_bytes)
        );
        let lines =
            "connections = 100\nrequest_bytes = 50000000\nlists = 20\nwatchers = 30\ninput_bytes = 9000000\n";
        assert_eq!(with(lines), (100, 50_000_000, 20, 30, 9_000_000));
    }

    #[test]
    fn the_clock_follows_the_machines_and_never_goes_back() {
        let clock = WallClock::default();
        let told: Vec<_> = [10, 20, 5, 15, 21, 1000].into_iter().map(|wall| clock.at(wall)).collect();
        assert_eq!(told, [10, 20, 20, 20, 21, 1000].map(Millis));
        let before = wall_ms();
        let now = clock.now();
        assert!((Millis(before)..=Millis(wall_ms())).contains(&now), "it is the machine's: {now:?}");
    }
}
