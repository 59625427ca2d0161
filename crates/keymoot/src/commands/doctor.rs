//! `keymoot doctor`: what is wrong, or will be soon. It only looks.

mod down;

use std::path::{Path, PathBuf};

use keymoot_wire::cluster::PolicyName;
use keymoot_wire::rest::{KeyView, NodeList, VersionView};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;

use crate::ceremony::wall_ms;
use crate::cli::Given;
use crate::explain::UNHEALTHY;
use crate::failure::{Failure, Trouble};
use crate::place::CERTIFICATE;
use crate::printer::Printer;
use crate::remote::Remote;
use down::{gateways, of_failure, processes, reachable};

/// Clocks further apart than this are worth a word, or wrong.
const SKEW_WARN_MS: u64 = 5_000;
const SKEW_BAD_MS: u64 = 30_000;
/// Certificates with less than this left, in days.
const DAYS_WARN: i64 = 14;
const DAYS_BAD: i64 = 2;
/// Room on disks, in MiB.
const ROOM_WARN: u64 = 1024;
const ROOM_BAD: u64 = 64;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    Note,
    Bad,
}

/// One check.
#[derive(Debug)]
pub struct Finding {
    check: &'static str,
    verdict: Verdict,
    what: String,
    help: Option<String>,
}

fn finding(check: &'static str, verdict: Verdict, what: impl Into<String>) -> Finding {
    Finding { check, verdict, what: what.into(), help: None }
}

impl Finding {
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

pub fn run(given: &Given) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let remote = Remote::open(given)?;
    super::wait(2, async move {
        let mut findings = processes(&remote.context).await;
        findings.extend(answers(&remote).await);
        findings.push(policy(remote.document.policy));
        let places = places(&remote);
        findings.extend(places.iter().map(|place| certificate(place)));
        if remote.context.supervisor.is_none() {
            let what = "those of nodes, coordinators and gateways are on their hosts, and not seen from here";
            let help = "there: openssl x509 -enddate -noout -in DIR/tls.pem; admitting the same answers again renews them";
            findings.push(finding("certificate", Verdict::Note, what).help(help));
        }
        findings.push(disk(&remote.context.directory)?);
        findings.push(hosts(&remote));
        report(&printer, &findings)
    })
}

/// What the cluster says, as far as it answers; of whoever does not, what is down and what starts it.
async fn answers(remote: &Remote) -> Vec<Finding> {
    let document = &remote.document;
    let version = match remote.version().await {
        Ok(version) => version,
        Err(failure) => {
            let mut findings = vec![of_failure("gateway", &failure, gateways(remote))];
            findings.extend(reachable(remote).await);
            findings.push(finding("nodes", Verdict::Note, "not known: the gateway would tell"));
            return findings;
        }
    };
    let mut findings = vec![gateway(&version, &hex::encode(document.digest()))];
    match remote.nodes().await {
        Ok(nodes) => findings.extend(of_nodes(&nodes, document.signers().needed())),
        Err(failure) => {
            findings.push(of_failure("coordinators", &failure, None));
            findings.extend(reachable(remote).await);
            findings.push(finding("nodes", Verdict::Note, "not known: coordinators would tell"));
        }
    }
    match remote.keys().await {
        Ok(keys) => findings.extend(of_keys(&keys)),
        Err(failure) => findings.push(of_failure("stock", &failure, None)),
    }
    findings
}

fn report(printer: &Printer, findings: &[Finding]) -> Result<(), Failure> {
    for Finding { check, verdict, what, help } in findings {
        let (mark, word) = match verdict {
            Verdict::Good => (printer.ink.good("✓"), "good"),
            Verdict::Note => (printer.ink.warning("!"), "note"),
            Verdict::Bad => (printer.ink.bad("✗"), "bad"),
        };
        let object = json!({
            "schema": "keymoot/finding/v1", "check": check, "verdict": word, "what": what, "help": help,
        });
        let mut lines = vec![format!("  {mark} {check:<12} {what}")];
        lines.extend(help.iter().map(|help| format!("      = help: {help}")));
        printer.either(&object, &lines)?;
    }
    let bad = findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
    if bad == 0 {
        return Ok(());
    }
    Err(Trouble::new(UNHEALTHY, format!("{bad} of {} checks failed", findings.len())).into())
}

fn gateway(version: &VersionView, document: &str) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    if version.document != document {
        let what = format!(
            "it goes by version {} of the cluster document, and we by another",
            version.document_version
        );
        let help = "bring everybody the newest admission: keymoot join --finish NAME.admit.json --dir DIR";
        return finding("document", Verdict::Bad, what).help(help);
    }
    if version.version != ours {
        let what = format!("{} has version {}, this program {ours}", version.gateway, version.version);
        return finding("gateway", Verdict::Note, what);
    }
    finding("gateway", Verdict::Good, format!("{} answers, same document, version {ours}", version.gateway))
}

/// What the coordinators see of the nodes.
fn of_nodes(list: &NodeList, needed: u16) -> Vec<Finding> {
    let mut findings = Vec::new();
    for silent in &list.silent_coordinators {
        let what = format!("{silent} does not answer");
        findings.push(finding("coordinators", Verdict::Bad, what).help("start it, or look at its log"));
    }
    let up = list.nodes.iter().filter(|node| !node.connected.is_empty()).count();
    let (total, needed) = (list.nodes.len(), usize::from(needed));
    let down: Vec<&str> =
        list.nodes.iter().filter(|node| node.connected.is_empty()).map(|node| node.name.as_str()).collect();
    findings.push(match up {
        up if up == total => {
            finding("nodes", Verdict::Good, format!("all {total} are connected, {needed} needed"))
        }
        up if up >= needed => {
            let what = format!("{up} of {total} are connected, {needed} needed; down: {}", down.join(", "));
            finding("nodes", Verdict::Note, what).help(format!("keymoot node start {}", down[0]))
        }
        up => {
            let what =
                format!("{up} of {total} are connected, and {needed} needed; down: {}", down.join(", "));
            finding("nodes", Verdict::Bad, what).help("nothing can be signed before they are back")
        }
    });
    for node in &list.nodes {
        let skew = node.clock_skew_ms.unwrap_or_default();
        if skew.unsigned_abs() > SKEW_WARN_MS {
            let is_bad = skew.unsigned_abs() > SKEW_BAD_MS;
            let what = format!("the clock of {} is {} s off", node.name, skew / 1000);
            let verdict = if is_bad { Verdict::Bad } else { Verdict::Note };
            findings.push(finding("clocks", verdict, what).help("synchronise the clocks of all hosts"));
        }
        if !node.connected.is_empty() && !node.same_document {
            let what = format!("{} goes by another cluster document than the coordinators", node.name);
            let help = format!("keymoot join --finish {}.admit.json on its host", node.name);
            findings.push(finding("document", Verdict::Bad, what).help(help));
        }
        if node.version.as_deref().is_some_and(|version| version != env!("CARGO_PKG_VERSION")) {
            let what = format!("{} has version {}", node.name, node.version.as_deref().unwrap_or_default());
            findings.push(finding("versions", Verdict::Note, what));
        }
    }
    findings
}

fn counted(keys: usize) -> String {
    if keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") }
}

fn of_keys(keys: &[KeyView]) -> Vec<Finding> {
    let dry: Vec<&KeyView> =
        keys.iter().filter(|key| key.scheme == "dkls23" && !key.retired && key.presignatures == 0).collect();
    let known = keys.iter().any(|key| key.presignatures > 0);
    if dry.is_empty() || !known {
        let stock: u32 = keys.iter().map(|key| key.presignatures).sum();
        let what = if known || dry.is_empty() {
            format!("{}, {stock} presignatures", counted(keys.len()))
        } else {
            format!("{}; the coordinators tell no stock of presignatures", counted(keys.len()))
        };
        return vec![finding("stock", Verdict::Good, what)];
    }
    let note = |key: &&KeyView| {
        let what = format!("{} has no presignature ready; its next signature takes longer", key.id);
        finding("stock", Verdict::Note, what)
    };
    dry.iter().map(note).collect()
}

fn policy(policy: PolicyName) -> Finding {
    match policy {
        PolicyName::DenyAll => finding("policy", Verdict::Note, "deny-all: nodes sign nothing")
            .help("a policy that allows something"),
        PolicyName::AllowAll => {
            finding("policy", Verdict::Note, "allow-all: whatever an enrolled client asks for is signed")
        }
    }
}

/// The directories that can be looked into from here.
fn places(remote: &Remote) -> Vec<PathBuf> {
    let own = remote.context.directory.clone();
    let root = own.parent().filter(|_| remote.context.supervisor.is_some());
    let entries = root.and_then(|root| std::fs::read_dir(root).ok()).into_iter().flatten().flatten();
    let mut places: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.join(CERTIFICATE).exists()).collect();
    if !places.contains(&own) {
        places.push(own);
    }
    places.sort();
    places
}

fn certificate(place: &Path) -> Finding {
    let file = place.join(CERTIFICATE);
    let Some(days) = days_left(&file) else {
        let found = finding("certificate", Verdict::Bad, format!("{} cannot be read", file.display()));
        return found
            .help("put the file back from the NAME.admit.json of its owner with `keymoot join --finish`");
    };
    // `./` has no name of its own.
    let whole = std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
    let who = whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy();
    let verdict = match days {
        days if days < DAYS_BAD => Verdict::Bad,
        days if days < DAYS_WARN => Verdict::Note,
        _ => Verdict::Good,
    };
    let found = finding("certificate", verdict, format!("{who}: {days} days left"));
    match verdict {
        Verdict::Good => found,
        _ => found.help(format!("keymoot admit joined/{who}.join.json at the authority renews it")),
    }
}

/// For how many days a certificate is good.
fn days_left(file: &Path) -> Option<i64> {
    let der = CertificateDer::from_pem_slice(&std::fs::read(file).ok()?).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
    let now = i64::try_from(wall_ms() / 1000).ok()?;
    Some((parsed.validity().not_after.timestamp() - now) / (24 * 60 * 60))
}

fn disk(place: &Path) -> Result<Finding, Failure> {
    let found = rustix::fs::statvfs(place);
    let found =
        found.map_err(|error| crate::place::io_trouble(place, "cannot be looked at", error.into()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize) / (1024 * 1024);
    let what = format!("{free} MiB free");
    Ok(match free {
        free if free < ROOM_BAD => {
            finding("disk", Verdict::Bad, what).help("make room: nodes stop speaking without")
        }
        free if free < ROOM_WARN => finding("disk", Verdict::Note, what),
        _ => finding("disk", Verdict::Good, what),
    })
}

fn hosts(remote: &Remote) -> Finding {
    if remote.context.supervisor.is_some() {
        let what = "all nodes are on this one machine: whoever has it has the keys";
        return finding("hosts", Verdict::Note, what).help("keymoot init builds a cluster on several");
    }
    let hosts: std::collections::BTreeSet<&str> = (remote.document.coordinators.iter())
        .map(|one| one.address.rsplit_once(':').map_or(one.address.as_str(), |(host, _)| host))
        .collect();
    match (remote.document.coordinators.len(), hosts.len()) {
        (1, _) => finding("hosts", Verdict::Note, "there is one coordinator, and nobody to stand in for it"),
        (all, apart) if apart < all => {
            finding("hosts", Verdict::Note, "several coordinators are on the same host")
        }
        (all, _) => finding("hosts", Verdict::Good, format!("{all} coordinators on {all} hosts")),
    }
}

#[cfg(test)]
mod tests {
    use keymoot_wire::rest::{NodeList, NodeView};

    use super::{Verdict, of_nodes};

    fn node(name: &str) -> NodeView {
        NodeView {
            name: name.into(),
            live: true,
            connected: vec!["coordinator-1".into()],
            silent_ms: Some(10),
            version: Some(env!("CARGO_PKG_VERSION").into()),
            clock_skew_ms: Some(0),
            same_document: true,
            moduli: None,
        }
    }

    #[test]
    fn planted_faults_are_found_and_a_good_cluster_has_none() {
        let good = NodeList { nodes: vec![node("node-1"), node("node-2")], silent_coordinators: Vec::new() };
        assert!(of_nodes(&good, 2).iter().all(|finding| finding.verdict == Verdict::Good));
        let plant = |change: fn(&mut NodeList), needed, verdict, word: &str| {
            let mut list = good.clone();
            change(&mut list);
            let findings = of_nodes(&list, needed);
            let is_found = findings.iter().any(|found| found.verdict == verdict && found.what.contains(word));
            assert!(is_found, "{word}: {findings:?}");
        };
        plant(|list| list.nodes[0].connected.clear(), 2, Verdict::Bad, "1 of 2");
        plant(|list| list.nodes[0].connected.clear(), 1, Verdict::Note, "node-1");
        plant(|list| list.nodes[1].clock_skew_ms = Some(-6_000), 2, Verdict::Note, "node-2 is -6 s off");
        plant(|list| list.nodes[1].clock_skew_ms = Some(31_000), 2, Verdict::Bad, "31 s off");
        plant(|list| list.nodes[1].same_document = false, 2, Verdict::Bad, "another cluster document");
        plant(|list| list.nodes[1].version = Some("0.0.1".into()), 2, Verdict::Note, "0.0.1");
        plant(
            |list| list.silent_coordinators.push("coordinator-2".into()),
            2,
            Verdict::Bad,
            "does not answer",
        );
    }
}
