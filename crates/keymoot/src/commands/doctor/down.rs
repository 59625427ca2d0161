//! Who does not answer, and what starts it.

use std::time::Duration;

use tokio::net::TcpStream;

use super::{Finding, Verdict, finding};
use crate::context::Context;
use crate::failure::Failure;
use crate::local::{MemberState, Reply, Wish, ask};
use crate::remote::Remote;

/// How long a coordinator has to take a connection.
const DIAL: Duration = Duration::from_secs(2);

/// What was asked, and why there is no answer.
pub fn of_failure(check: &'static str, failure: &Failure, help: Option<String>) -> Finding {
    let document = failure.document().unwrap_or_default();
    let details = document["details"].as_array().into_iter().flatten().filter_map(|line| line.as_str());
    let what: Vec<&str> = document["what"].as_str().into_iter().chain(details).collect();
    let found = finding(check, Verdict::Bad, format!("{} {}", failure.code(), what.join(": ")));
    // Whoever knows what to do has said it: an impostor is not mended by starting something. That this command tells more is no
    // help in it.
    let said = match failure {
        Failure::Trouble(trouble) => trouble.own_help().filter(|help| !help.contains("keymoot doctor")),
        _ => None,
    };
    match said.map(str::to_owned).or(help) {
        Some(help) => found.help(help),
        None => found,
    }
}

/// What starts the gateways.
pub fn gateways(remote: &Remote) -> Option<String> {
    let starts = remote.document.gateways.iter().map(|one| starts(&remote.context, "gateway", &one.name));
    starts.reduce(|all, next| if all == next { all } else { format!("{all}; {next}") })
}

/// What starts a process: here, or on its host.
fn starts(context: &Context, role: &str, name: &str) -> String {
    match (context.what_starts_it(), &context.supervisor) {
        (Some(help), _) => help,
        (None, Some(_)) => format!("keymoot node start {name}"),
        (None, None) => format!("keymoot run {role} --dir {name}, on its host"),
    }
}

/// Whether something takes connections where coordinators are. Who it is, only the gateway can ask.
pub async fn reachable(remote: &Remote) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in &remote.document.coordinators {
        let (name, address) = (&one.name, one.address.strip_prefix("https://").unwrap_or(&one.address));
        let dialled = tokio::time::timeout(DIAL, TcpStream::connect(address)).await;
        findings.push(match dialled {
            Ok(Ok(_)) => {
                finding("coordinators", Verdict::Good, format!("{name} takes connections at {address}"))
            }
            Ok(Err(error)) => {
                let found = finding("coordinators", Verdict::Bad, format!("{name} at {address}: {error}"));
                found.help(starts(&remote.context, "coordinator", name))
            }
            Err(_) => {
                let what =
                    format!("{name} at {address} does not answer here; gateways and nodes may reach it");
                finding("coordinators", Verdict::Note, what)
            }
        });
    }
    findings
}

/// The processes that are run on this machine for this context.
pub async fn processes(context: &Context) -> Vec<Finding> {
    let Some(socket) = &context.supervisor else { return Vec::new() };
    match ask(socket, &Wish::State).await {
        Ok(Reply::State(states)) => of_processes(&states),
        _ => {
            let found = finding("processes", Verdict::Bad, "what runs them has ended: none of them runs");
            vec![found.help(context.what_starts_it().unwrap_or_else(|| "look at its terminal".to_owned()))]
        }
    }
}

fn of_processes(states: &[MemberState]) -> Vec<Finding> {
    let down: Vec<&MemberState> = states.iter().filter(|state| state.pid.is_none()).collect();
    if down.is_empty() {
        return vec![finding("processes", Verdict::Good, format!("all {} run", states.len()))];
    }
    let each = down.into_iter().map(|state| {
        // Whether the cluster can do without a node, it says itself.
        let verdict = if state.role == "node" { Verdict::Note } else { Verdict::Bad };
        let why = if state.killed { "killed by you" } else { "ended by itself" };
        finding("processes", verdict, format!("{} does not run: {why}", state.name))
            .help(format!("keymoot node start {}", state.name))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Verdict, of_failure, of_processes, starts};
    use crate::context::Context;
    use crate::explain::UNREACHABLE;
    use crate::failure::{Failure, Trouble};
    use crate::local::MemberState;

    fn process(name: &str, role: &str, pid: Option<u32>) -> MemberState {
        let (name, role) = (name.to_owned(), role.to_owned());
        MemberState { name, role, pid, since_ms: 0, killed: pid.is_none(), listening: None, health: None }
    }

    #[test]
    fn whoever_does_not_run_is_named_with_what_starts_it() {
        let mut states = vec![process("gateway-1", "gateway", Some(1)), process("node-1", "node", Some(2))];
        assert_eq!(of_processes(&states)[0].verdict, Verdict::Good);
        for state in &mut states {
            state.pid = None;
        }
        let found = of_processes(&states);
        assert_eq!((found[0].verdict, found[1].verdict), (Verdict::Bad, Verdict::Note));
        assert_eq!(found[0].help.as_deref(), Some("keymoot node start gateway-1"));
        let far = Context::new("acme", Path::new("alice"), None);
        assert_eq!(starts(&far, "gateway", "gateway-1"), "keymoot run gateway --dir gateway-1, on its host");
    }

    #[test]
    fn a_finding_has_the_code_and_the_causes_of_what_failed() {
        let trouble = || Trouble::new(UNREACHABLE, "cannot connect").branch("connection refused");
        let found = of_failure("gateway", &Failure::from(trouble()), Some("start it".into()));
        assert_eq!(found.what, "E5901 cannot connect: connection refused");
        assert_eq!(found.help.as_deref(), Some("start it"));
        let revoked = Failure::from(trouble().help("this client is revoked"));
        let found = of_failure("gateway", &revoked, Some("start it".into()));
        assert_eq!(found.help.as_deref(), Some("this client is revoked"));
        let circular = Failure::from(trouble().help("`keymoot doctor` says who does not answer"));
        let found = of_failure("gateway", &circular, Some("start it".into()));
        assert_eq!(found.help.as_deref(), Some("start it"));
    }
}
