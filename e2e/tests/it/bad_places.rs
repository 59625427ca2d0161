//! A process that does not start says why, in one error with a code, and changes nothing.

use std::fs;
use std::path::Path;

use keymoot_e2e::cluster::{Cluster, Places, Shape, free_ports};

fn cluster(name_of_ports: usize) -> Cluster {
    let ports = free_ports(1 + name_of_ports).expect("ports");
    let address = |port: u16| format!("127.0.0.1:{port}");
    let places = Places {
        coordinators: ports[1..].iter().map(|port| address(*port)).collect(),
        gateway: address(ports[0]),
    };
    let coordinators = u16::try_from(name_of_ports).expect("few");
    Cluster::make(Shape { nodes: 2, threshold: 2, coordinators }, &places).expect("a ceremony")
}

/// Runs a process that must not start, and returns what it says.
fn refusal(cluster: &Cluster, role: &str, place: &Path) -> String {
    let arguments = ["run", role, "--dir", &place.display().to_string()].map(str::to_owned);
    let output = cluster.try_command(&arguments).expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it started: {said}");
    assert!(said.contains("error[E"), "no code: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn a_process_that_cannot_start_says_why() {
    let _alone = crate::alone();
    let (cluster, other) = (cluster(1), cluster(1));
    let node = cluster.place("node-1");

    // Another key than the one that the vault was closed with.
    let unlock = cluster.place("unlock");
    let right = fs::read(&unlock).expect("the key");
    fs::write(&unlock, [0x11; 32]).expect("another key");
    refusal(&cluster, "node", &node);
    fs::write(&unlock, right).expect("the key again");

    // A configuration with a key that nobody knows.
    let config = node.join("keymoot.toml");
    let good = fs::read_to_string(&config).expect("a configuration");
    fs::write(&config, format!("{good}\nlistne = \"x\"\n")).expect("a bad one");
    let said = refusal(&cluster, "node", &node);
    assert!(said.contains("listne") && said.contains("listen"), "no suggestion: {said}");
    fs::write(&config, &good).expect("the good one again");

    // The document of another cluster.
    let document = node.join("cluster.json");
    let good = fs::read(&document).expect("a document");
    fs::copy(other.place("node-1").join("cluster.json"), &document).expect("another's");
    refusal(&cluster, "node", &node);
    fs::write(&document, &good[..good.len() / 2]).expect("half of it");
    refusal(&cluster, "node", &node);
    fs::remove_file(&document).expect("none");
    refusal(&cluster, "node", &node);
    fs::write(&document, &good).expect("the good one again");

    // The directory of another role.
    let said = refusal(&cluster, "gateway", &node);
    assert!(said.contains("node"), "{said}");

    // A file that others can read.
    let key = node.join("tls.key.pem");
    keymoot_e2e::files::open_to_all(&key).expect("opened");
    refusal(&cluster, "node", &node);
    keymoot_e2e::files::owner_only(&key).expect("closed again");

    // A journal with something else in it.
    fs::write(node.join("journal"), b"this is no journal, and was never one, whatever its name says")
        .expect("junk");
    keymoot_e2e::files::owner_only(&node.join("journal")).expect("closed");
    refusal(&cluster, "node", &node);
}

#[test]
fn a_port_that_is_taken_and_a_directory_in_use_are_named() {
    let _alone = crate::alone();
    let mut cluster = cluster(1);
    cluster.begin("coordinator-1").expect("started");
    cluster.has_started("coordinator-1").expect("started");
    let said = refusal(&cluster, "coordinator", &cluster.place("coordinator-1"));
    assert!(said.contains("127.0.0.1:") || said.contains("in use"), "{said}");
    cluster.begin("node-1").expect("started");
    cluster.has_started("node-1").expect("started");
    let said = refusal(&cluster, "node", &cluster.place("node-1"));
    assert!(said.contains("in use"), "{said}");
}
