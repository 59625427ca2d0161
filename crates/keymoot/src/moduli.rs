//! The moduli that keys of GG20 sign with, and that all nodes make together, once: who has them, and who is how far.

use std::time::{Duration, Instant};

use keymoot_wire::rest::{EventView, ModuliView, NodeList};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::remote::Remote;

/// How soon it is looked again how far everybody is, where nobody tells.
const AGAIN: Duration = Duration::from_secs(1);

/// The same where events tell of what nodes do. Of their connections they do not.
const SELDOM: Duration = Duration::from_secs(10);

/// News that come so soon after each other are looked at together.
const TOGETHER: Duration = Duration::from_millis(250);

/// How far each node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moduli {
    /// The node, whether it is there, and what it says of its moduli.
    nodes: Vec<(String, bool, Option<ModuliView>)>,
    needed: usize,
}

impl Moduli {
    /// As the coordinators know it, in a cluster where so many sign.
    pub fn of(list: &NodeList, needed: u16) -> Self {
        let nodes =
            list.nodes.iter().map(|node| (node.name.clone(), !node.connected.is_empty(), node.moduli));
        Self { nodes: nodes.collect(), needed: needed.into() }
    }

    /// Whether any node serves a scheme that needs them.
    pub fn concern_anybody(&self) -> bool {
        self.nodes.iter().any(|(.., told)| told.is_some())
    }

    /// Whether so many have them that they can sign.
    pub fn are_made(&self) -> bool {
        let has = |told: &Option<ModuliView>| told.is_some_and(|told| told.made);
        self.nodes.iter().filter(|(.., told)| has(told)).count() >= self.needed
    }

    /// Each node, in words.
    pub fn words(&self) -> Vec<String> {
        let word = |(name, is_there, told): &(String, bool, Option<ModuliView>)| match told {
            _ if !is_there => format!("{name} is not reachable"),
            None => format!("{name} does not say that it serves gg20"),
            Some(told) if told.made => format!("{name} has them"),
            Some(told) if told.making => format!("{name} takes part in making them"),
            Some(told) => format!("{name} has {} of {} safe primes", told.safe_primes, told.wanted),
        };
        self.nodes.iter().map(word).collect()
    }

    /// For programs.
    pub fn document(&self) -> Value {
        let node = |(name, is_there, told): &(String, bool, Option<ModuliView>)| {
            json!({
                "name": name, "connected": is_there, "serves": told.is_some(),
                "made": told.is_some_and(|told| told.made), "making": told.is_some_and(|told| told.making),
                "safe_primes": told.map(|told| told.safe_primes), "wanted": told.map(|told| told.wanted),
            })
        };
        let nodes: Vec<Value> = self.nodes.iter().map(node).collect();
        json!({ "schema": "keymoot/moduli/v1", "made": self.are_made(), "nodes": nodes })
    }

    /// For people: one line.
    pub fn line(&self) -> String {
        let state = if self.are_made() { "made" } else { "not made yet" };
        format!("  moduli for gg20: {state} · {}", self.words().join(" · "))
    }
}

/// For programs, where nobody answers.
fn unknown() -> Value {
    json!({ "schema": "keymoot/moduli/v1", "made": null, "nodes": [] })
}

/// Says how far the moduli are; and if somebody wants to wait for them, until when, each change of it. The key is made: that it is
/// not known how far they are takes nothing from that.
pub async fn follow(remote: &Remote, printer: &Printer, until: Option<Instant>) -> Result<(), Failure> {
    // Whoever cannot watch sees how far they are all the same.
    let mut events = if until.is_some() { remote.events().await.ok() } else { None };
    let members = remote.document.nodes.iter().map(|node| node.name.clone()).collect();
    let mut progress = Progress::new(printer.ink, members);
    let (mut shown, mut is_unanswered) = (None, false);
    loop {
        let moduli = match remote.nodes().await {
            Ok(list) => Moduli::of(&list, remote.document.signers().needed()),
            Err(failure) => {
                let left = until.map(|until| until.saturating_duration_since(Instant::now()));
                let left = left.filter(|left| !left.is_zero() && failure.exit_code() == 5);
                if left.is_none() || !is_unanswered {
                    let unknown = "the key is made; how far its moduli are is not known";
                    let help = "`keymoot node list` shows it, and a signature waits for them with --wait";
                    printer.line(&format!("  {unknown}, {}: {help}", failure.code()))?;
                }
                let Some(left) = left else {
                    return printer.object(&unknown());
                };
                is_unanswered = true;
                tokio::time::sleep(AGAIN.min(left)).await;
                continue;
            }
        };
        if shown.as_ref() != Some(&moduli) {
            printer.object(&moduli.document())?;
            printer.line(&moduli.line())?;
        }
        let until = until.filter(|until| Instant::now() < *until);
        if moduli.are_made() {
            return printer.line("  the key can sign");
        }
        let Some(until) = until else {
            let help = "`keymoot node list` shows how far they are, and --wait waits for them";
            return printer
                .line(&format!("  until they are made, once for all keys, the key cannot sign: {help}"));
        };
        shown = Some(moduli);
        wait(&mut events, &mut progress, printer, until).await?;
    }
}

/// Waits until there may be something new, at most until then, and shows what sessions do meanwhile.
async fn wait(
    events: &mut Option<Receiver<EventView>>,
    progress: &mut Progress,
    printer: &Printer,
    until: Instant,
) -> Result<(), Failure> {
    let sleep =
        |time: Duration| tokio::time::sleep(time.min(until.saturating_duration_since(Instant::now())));
    let mut seldom = std::pin::pin!(sleep(SELDOM));
    while let Some(told) = events {
        let event = tokio::select! {
            event = told.recv() => event,
            () = &mut seldom => return Ok(()),
        };
        let Some(event) = event else {
            *events = None;
            break;
        };
        show(progress, printer, &event)?;
        if !is_news(&event) {
            continue;
        }
        // What comes with it needs no look of its own.
        sleep(TOGETHER).await;
        for _ in 0..told.len() {
            let Ok(event) = told.try_recv() else { break };
            show(progress, printer, &event)?;
        }
        return Ok(());
    }
    sleep(AGAIN).await;
    Ok(())
}

fn show(progress: &mut Progress, printer: &Printer, event: &EventView) -> Result<(), Failure> {
    let line = if event.kind == "moduli" { progress.see(event) } else { None };
    line.map_or(Ok(()), |line| printer.line(&line))
}

/// Whether a node may be further than it was, or events were missed that told so.
fn is_news(event: &EventView) -> bool {
    event.what == "missed" || event.kind == "moduli" && event.what != "round"
}

#[cfg(test)]
mod tests {
    use keymoot_wire::rest::{ModuliView, NodeList, NodeView};

    use super::Moduli;

    fn node(name: &str, is_there: bool, moduli: Option<ModuliView>) -> NodeView {
        let connected = if is_there { vec!["coordinator-1".to_owned()] } else { Vec::new() };
        let (silent_ms, version, clock_skew_ms) = (Some(1), None, None);
        NodeView {
            name: name.into(),
            live: is_there,
            connected,
            silent_ms,
            version,
            clock_skew_ms,
            same_document: true,
            moduli,
        }
    }

    #[test]
    fn whoever_waits_for_moduli_is_told_who_is_how_far() {
        let found = |safe_primes| ModuliView { safe_primes, wanted: 4, ..ModuliView::default() };
        let made = ModuliView { made: true, ..found(0) };
        let mut list = NodeList {
            nodes: vec![
                node("node-1", true, Some(found(3))),
                node("node-2", true, None),
                node("node-3", false, None),
            ],
            silent_coordinators: Vec::new(),
        };
        let moduli = Moduli::of(&list, 2);
        assert!(!moduli.are_made() && moduli.concern_anybody());
        assert_eq!(
            moduli.words(),
            [
                "node-1 has 3 of 4 safe primes",
                "node-2 does not say that it serves gg20",
                "node-3 is not reachable"
            ]
        );
        list.nodes[0].moduli = Some(ModuliView { making: true, ..found(0) });
        assert_eq!(Moduli::of(&list, 2).words()[0], "node-1 takes part in making them");
        for place in [0, 1] {
            assert!(!Moduli::of(&list, 2).are_made());
            list.nodes[place].moduli = Some(made);
        }
        let moduli = Moduli::of(&list, 2);
        assert!(moduli.are_made() && !Moduli::of(&list, 3).are_made());
        assert_eq!(
            moduli.line(),
            "  moduli for gg20: made · node-1 has them · node-2 has them · node-3 is not reachable"
        );
        assert_eq!(moduli.document()["nodes"][2]["serves"], false);
        list.nodes.iter_mut().for_each(|node| node.moduli = None);
        assert!(!Moduli::of(&list, 2).concern_anybody());
    }
}
