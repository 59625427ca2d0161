//! Runs the processes of a local cluster: starts them, kills them when told to, starts them again when they end by
//! themselves, and ends them all in the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc, watch};

use super::child::Child;
use super::layout::Local;
use crate::explain::{CHILD, NO_PROCESS};
use crate::failure::{Failure, Trouble};

/// A process that ends sooner than this after its start was of no use.
const USEFUL: Duration = Duration::from_secs(5);
/// Given up after so many useless starts.
const STARTS_MAX: u32 = 5;
/// The pause before a process that has ended by itself is started again.
const PAUSE: Duration = Duration::from_millis(500);
/// How long processes may take to end in order, before they are killed.
const GRACE: Duration = Duration::from_secs(5);

/// How a process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberState {
    pub name: String,
    pub role: String,
    /// The number of the process, while it runs.
    pub pid: Option<u32>,
    /// Since when it has been as it is, in milliseconds.
    pub since_ms: u64,
    /// Somebody has killed it on purpose.
    pub killed: bool,
    /// Where it listens.
    pub listening: Option<String>,
    /// Where it tells how it is.
    pub health: Option<String>,
}

struct Member {
    role: &'static str,
    directory: PathBuf,
    log: PathBuf,
    since: Instant,
    useless: u32,
    killed: bool,
    started: Option<(super::child::Started, Option<u32>)>,
    /// To the task that waits for its end, while it runs.
    rein: Option<Rein>,
}

#[derive(Clone)]
struct Rein {
    orders: mpsc::Sender<Order>,
    down: watch::Receiver<bool>,
}

enum Order {
    Kill,
    LetGo,
}

/// Runs the processes.
pub struct Supervisor {
    members: Mutex<BTreeMap<String, Member>>,
    patience: Duration,
}

impl Supervisor {
    /// Starts all processes of a cluster, and watches them from now on.
    pub async fn start(local: &Local, patience: Duration) -> Result<Arc<Self>, Failure> {
        let mut members = BTreeMap::new();
        for (name, role) in local.members() {
            let (directory, log) = (local.root.join(&name), local.logs().join(format!("{name}.log")));
            let member = Member {
                role,
                directory,
                log,
                since: Instant::now(),
                useless: 0,
                killed: false,
                started: None,
                rein: None,
            };
            members.insert(name, member);
        }
        let supervisor = Arc::new(Self { members: Mutex::new(members), patience });
        // At the same time: nodes dial until there is somebody.
        let starts = local.members().into_iter().map(|(name, _)| {
            let supervisor = Arc::clone(&supervisor);
            async move { supervisor.launch(&name).await }
        });
        if let Some(failure) = futures_util::future::join_all(starts).await.into_iter().find_map(Result::err)
        {
            supervisor.stop().await;
            return Err(failure);
        }
        Ok(supervisor)
    }

    /// Starts one process that does not run.
    async fn launch(self: &Arc<Self>, name: &str) -> Result<(), Failure> {
        let (role, directory, log) = {
            let members = self.members.lock().await;
            let member = members.get(name).ok_or_else(|| nobody(name, &members))?;
            if member.rein.is_some() {
                return Ok(());
            }
            (member.role, member.directory.clone(), member.log.clone())
        };
        let child = Child::start(name, role, &directory, &log, self.patience).await?;
        let (orders, ordered) = mpsc::channel(4);
        let (fell, down) = watch::channel(false);
        let mut members = self.members.lock().await;
        let member = members.get_mut(name).ok_or(Failure::Broken("a process has gone from the list"))?;
        member.since = Instant::now();
        member.killed = false;
        member.started = Some((child.started.clone(), child.pid()));
        member.rein = Some(Rein { orders, down });
        tokio::spawn(attend(Arc::downgrade(self), name.to_owned(), child, ordered, fell));
        Ok(())
    }

    /// Starts a process that has ended. Boxed, because a process is attended to by what starts it.
    fn relaunch(self: Arc<Self>, name: String) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            // Somebody may have killed it while it was down.
            if self.members.lock().await.get(&name).is_some_and(|member| !member.killed) {
                // If it does not start, that is in its log, and its state says that it is down.
                let _ = self.launch(&name).await;
            }
        })
    }

    /// Notes that a process has ended. Says whether it is to be started again.
    async fn note_end(&self, name: &str) -> bool {
        let mut members = self.members.lock().await;
        let Some(member) = members.get_mut(name) else { return false };
        member.useless = if member.since.elapsed() >= USEFUL { 0 } else { member.useless + 1 };
        member.since = Instant::now();
        member.started = None;
        member.rein = None;
        !member.killed && member.useless <= STARTS_MAX
    }

    /// Kills a process, and leaves it so. `false`: it did not run; if it was to be started again, it is not.
    pub async fn kill(&self, name: &str) -> Result<bool, Failure> {
        let rein = self.order(name, Order::Kill).await?;
        let Some(mut rein) = rein else { return Ok(false) };
        match tokio::time::timeout(GRACE, rein.down.wait_for(|is_down| *is_down)).await {
            Ok(_) => Ok(true),
            Err(_) => Err(Trouble::new(CHILD, format!("{name} does not end")).into()),
        }
    }

    async fn order(&self, name: &str, order: Order) -> Result<Option<Rein>, Failure> {
        let mut members = self.members.lock().await;
        let known = nobody(name, &members);
        let member = members.get_mut(name).ok_or(known)?;
        member.killed = true;
        member.useless = 0;
        if let Some(rein) = &member.rein {
            // Its task may be at its end already.
            let _ = rein.orders.try_send(order);
        }
        Ok(member.rein.clone())
    }

    /// Starts a process, or all that do not run. Says which.
    pub async fn start_again(self: &Arc<Self>, name: Option<&str>) -> Result<Vec<String>, Failure> {
        let names: Vec<String> = {
            let members = self.members.lock().await;
            match name {
                Some(name) if !members.contains_key(name) => return Err(nobody(name, &members).into()),
                Some(name) => vec![name.to_owned()],
                None => members.keys().cloned().collect(),
            }
        };
        let mut started = Vec::new();
        for name in names {
            if self.members.lock().await.get(&name).is_some_and(|member| member.rein.is_none()) {
                self.launch(&name).await?;
                started.push(name);
            }
        }
        Ok(started)
    }

    /// How all processes are.
    pub async fn state(&self) -> Vec<MemberState> {
        let members = self.members.lock().await;
        let states = members.iter().map(|(name, member)| MemberState {
            name: name.clone(),
            role: member.role.to_owned(),
            pid: member.started.as_ref().and_then(|(_, pid)| *pid),
            since_ms: u64::try_from(member.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            killed: member.killed,
            listening: member.started.as_ref().and_then(|(started, _)| started.listening.clone()),
            health: member.started.as_ref().and_then(|(started, _)| started.health.clone()),
        });
        states.collect()
    }

    /// Ends all processes: in order if they do so soon, otherwise at once.
    pub async fn stop(&self) {
        let names: Vec<String> = self.members.lock().await.keys().cloned().collect();
        let mut reins = Vec::new();
        for name in names {
            if let Ok(Some(rein)) = self.order(&name, Order::LetGo).await {
                reins.push((name, rein));
            }
        }
        let deadline = tokio::time::Instant::now() + GRACE;
        for (name, mut rein) in reins {
            if tokio::time::timeout_at(deadline, rein.down.wait_for(|is_down| *is_down)).await.is_err() {
                // It is on the list, and so it can be killed.
                let _ = self.kill(&name).await;
            }
        }
    }
}

/// Waits for the end of a process, and starts it again if it was not wanted.
async fn attend(
    supervisor: Weak<Supervisor>,
    name: String,
    mut child: Child,
    mut ordered: mpsc::Receiver<Order>,
    fell: watch::Sender<bool>,
) {
    loop {
        tokio::select! {
            () = child.ended() => break,
            order = ordered.recv() => match order {
                Some(Order::Kill) => child.kill(),
                Some(Order::LetGo) => child.let_go(),
                // The supervisor has gone, and the child goes with this task.
                None => return,
            },
        }
    }
    let again = match supervisor.upgrade() {
        Some(supervisor) => supervisor.note_end(&name).await,
        None => false,
    };
    // Nobody may be waiting.
    let _ = fell.send(true);
    if again {
        tokio::time::sleep(PAUSE).await;
        if let Some(supervisor) = supervisor.upgrade() {
            supervisor.relaunch(name).await;
        }
    }
}

fn nobody(name: &str, members: &BTreeMap<String, Member>) -> Trouble {
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    let what = format!("there is no process `{}`", name.escape_debug());
    Trouble::new(NO_PROCESS, what).undone("nothing was done").help(format!("there are {}", names.join(", ")))
}
