//! The ceremony from outside, and each thing that can be wrong with what a process is given: one error with a code, exit
//! code as documented, nothing half done.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::{keymoot, schema};

/// A folder in which a cluster is founded, and runs of the binary in it.
pub struct Stage {
    root: tempfile::TempDir,
}

impl Stage {
    pub fn new() -> Self {
        let stage = Self { root: tempfile::tempdir().expect("a place") };
        stage.must_write("key", &"5a".repeat(32), 0o600);
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn must_write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).expect("a file can be written");
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).expect("and closed");
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        keymoot(arguments)
            .current_dir(self.root.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env_remove("KEYMOOT_CTX")
            .output()
            .expect("the binary runs")
    }

    pub fn must_print(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*complaints), (Some(0), ""), "{arguments:?}");
        let document = serde_json::from_slice(&output.stdout).expect("one JSON object");
        schema::must_fit(&document);
        document
    }

    /// Runs what must fail, both for people and for programs.
    pub fn must_refuse(&self, arguments: &[&str], code: &str, exit: i32, word: &str) {
        let output = self.run(arguments);
        let told = String::from_utf8(output.stderr).expect("text");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(exit), 0), "{arguments:?}: {told}");
        assert!(
            told.starts_with(&format!("error[{code}]: ")) && told.contains(word),
            "{arguments:?}: {told}"
        );
        assert!(told.contains(&format!("= more: keymoot explain {code}")), "{told}");
        let output = self.run(&[arguments, &["--json"]].concat());
        let document: Value = serde_json::from_slice(&output.stderr).expect("one JSON object");
        schema::must_fit(&document);
        assert_eq!((&document["code"], &document["exit"]), (&code.into(), &exit.into()), "{document}");
    }

    /// Founds a cluster of two nodes and gathers all answers.
    fn must_gather(&self) -> Vec<String> {
        let found = self.must_print(&["init", "test", "--nodes", "2", "--dir", "office"]);
        assert_eq!(found["members"].as_array().map(Vec::len), Some(4));
        let mut files = Vec::new();
        for name in ["node-1", "node-2", "coordinator-1", "gateway-1"] {
            let joined = self.must_print(&[
                "join",
                "office/ceremony.json",
                "--as",
                name,
                "--dir",
                name,
                "--key-file",
                "key",
            ]);
            assert_eq!(joined["invitation_fingerprint"], found["fingerprint"]);
            files.push(joined["answer"].as_str().expect("a file").to_owned());
        }
        let alice =
            ["join", "office/ceremony.json", "--as", "alice", "--role", "requester", "--dir", "alice"];
        files.push(self.must_print(&alice)["answer"].as_str().expect("a file").to_owned());
        files
    }

    pub fn must_complete(&self) {
        let files = self.must_gather();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let admitted = self.must_print(&[&["admit", "--yes", "--dir", "office"], &files[..]].concat());
        assert_eq!((&admitted["version"], admitted["files"].as_array().map(Vec::len)), (&1.into(), Some(5)));
        for name in ["node-1", "node-2", "coordinator-1", "gateway-1", "alice"] {
            let file = format!("office/{name}.admit.json");
            let joined = self.must_print(&["join", "--finish", &file, "--dir", name]);
            assert_eq!((&joined["name"], &joined["version"]), (&name.into(), &1.into()));
        }
    }
}

pub fn change(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("a file");
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).expect("it can be changed");
}

#[test]
fn a_cluster_is_founded_in_seven_commands() {
    let stage = Stage::new();
    stage.must_complete();
    let config = stage.must_print(&["config", "check", "--dir", "node-1"]);
    assert!(config["values"].to_string().contains("key_file"), "{config}");
    stage.must_print(&["config", "show", "--effective", "--dir", "gateway-1"]);
    let contexts = stage.must_print(&["context", "use", "test"]);
    assert_eq!(contexts["contexts"][0]["in_use"], true);
    let shown = stage.must_print(&["context", "show"]);
    assert_eq!((&shown["name"], &shown["alg"]), (&"test".into(), &"ed25519".into()));
    assert!(shown["tag"].as_str().is_some_and(|tag| tag.starts_with("keymoot/")), "{shown}");
    let bob = ["join", "office/ceremony.json", "--as", "bob", "--role", "viewer", "--dir", "bob"];
    stage.must_print(&bob);
    assert_eq!(stage.must_print(&["admit", "bob/bob.join.json", "--dir", "office", "--yes"])["version"], 2);
    let joined = stage.must_print(&["join", "--finish", "office/bob.admit.json", "--dir", "bob"]);
    assert_eq!(joined["context"], "test-bob", "the context of alice stays what it was");
    // Nobody runs there: that is said, and nothing else happens.
    stage.must_refuse(&["health"], "E5901", 5, "cannot connect");
}

#[test]
fn the_authority_sees_what_a_client_wants_before_it_signs() {
    let stage = Stage::new();
    stage.must_complete();
    let bob = ["join", "office/ceremony.json", "--as", "bob", "--role", "admin", "--dir", "bob"];
    let joined = stage.must_print(&bob);
    let print = joined["fingerprint"].as_str().expect("a fingerprint");
    let unasked = ["admit", "bob/bob.join.json", "--dir", "office"];
    let output = stage.run(&unasked);
    let (shown, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{shown}{told}");
    assert!(
        shown.contains(print) && told.starts_with("error[E2705]") && told.contains("say --yes"),
        "{shown}{told}"
    );
    let admit = [&unasked[..], &["--yes"]].concat();
    let output = stage.run(&admit);
    let (shown, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{shown}{told}");
    assert!(shown.contains("client, admin") && shown.contains(print), "{shown}");
    assert!(told.starts_with("error[E2408]") && told.contains("--allow bob=admin"), "{told}");
    assert!(!stage.path("office/bob.admit.json").exists() && !stage.path("office/issued/bob.pem").exists());
    let allowed = stage.must_print(&[&admit[..], &["--allow", "bob=admin"]].concat());
    assert_eq!((&allowed["version"], &allowed["admitted"][0]["client_role"]), (&2.into(), &"admin".into()));
    let nonsense = stage.run(&[&admit[..], &["--allow", "bob=king"]].concat());
    assert_eq!((nonsense.status.code(), nonsense.stdout.len()), (Some(2), 0));
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_written() {
    let stage = Stage::new();
    stage.must_refuse(&["init", "Bad Name"], "E2001", 2, "Bad Name");
    stage.must_refuse(&["init", "x", "--coordinator", "nowhere"], "E2001", 2, "host:port");
    stage.must_refuse(&["join", "missing.json", "--as", "node-1", "--dir", "x"], "E2401", 2, "missing.json");
    stage.must_refuse(&["admit", "key", "--dir", "office"], "E2401", 2, "ceremony.json");
    stage.must_refuse(&["config", "check", "--dir", "nowhere"], "E2303", 2, "keymoot.toml");
    stage.must_refuse(&["run", "node", "--dir", "nowhere"], "E2303", 2, "keymoot.toml");
    stage.must_refuse(&["key", "list"], "E2601", 2, "no context");
    stage.must_refuse(&["key", "list", "--context", "nobody"], "E2602", 2, "nobody");
    stage.must_refuse(&["node", "kill", "node-1", "--context", "./alice"], "E2603", 2, "supervised");
    stage.must_refuse(&["explain", "E9999"], "E2001", 2, "E9999");
    assert_eq!(fs::read_dir(stage.root.path()).expect("a folder").count(), 1, "only the key file is there");
    stage.must_print(&["init", "test", "--nodes", "2", "--dir", "office"]);
    stage.must_refuse(&["init", "test", "--dir", "office"], "E2404", 6, "office");
    stage.must_refuse(
        &["join", "office/ceremony.json", "--as", "node-9", "--dir", "x"],
        "E2402",
        2,
        "node-9",
    );
    stage.must_write("short", "short", 0o600);
    let join = ["join", "office/ceremony.json", "--as", "node-1", "--dir", "x", "--passphrase-file"];
    stage.must_refuse(&[&join[..], &["short"]].concat(), "E2507", 2, "12 bytes");
    stage.must_write("open", "a passphrase that is long enough", 0o644);
    let open = ["join", "office/ceremony.json", "--as", "node-1", "--dir", "y", "--passphrase-file", "open"];
    stage.must_refuse(&open, "E2504", 3, "chmod 600");
    assert!(!stage.path("x").exists() && !stage.path("y").exists(), "nothing is left behind");
}

#[test]
fn a_process_with_a_bad_configuration_does_not_start() {
    let stage = Stage::new();
    stage.must_complete();
    let run = ["run", "coordinator", "--dir", "coordinator-1"];
    stage.must_refuse(&["run", "node", "--dir", "coordinator-1"], "E2403", 6, "not of a node");
    let toml = stage.path("coordinator-1/keymoot.toml");
    let good = fs::read_to_string(&toml).expect("a configuration");
    for (line, code, word) in [
        ("lisen = \"127.0.0.1:1\"", "E2301", "did you mean `listen`?"),
        ("listen = 7", "E2302", "an address and a port"),
        ("reflection = \"maybe\"", "E2302", "`true` or `false`"),
        ("log = \"no=such=filter\"", "E2302", "no filter"),
        ("this is not TOML", "E2304", "not TOML"),
    ] {
        let without: String = good
            .lines()
            .filter(|old| !old.starts_with("listen"))
            .fold(String::new(), |all, line| all + line + "\n");
        fs::write(&toml, format!("{without}{line}\n")).expect("a configuration");
        stage.must_refuse(&run, code, 2, word);
    }
    fs::write(&toml, &good).expect("a configuration");
    // Of another cluster: the configuration says one, the document another.
    change(&toml, "cluster = \"test\"", "cluster = \"rest\"");
    stage.must_refuse(&run, "E2403", 6, "rest");
    fs::write(&toml, &good).expect("a configuration");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    change(&toml, "127.0.0.1:7100", &address);
    stage.must_refuse(&run, "E7403", 74, &address);
    let document = stage.path("coordinator-1/cluster.json");
    let signed = fs::read_to_string(&document).expect("a document");
    fs::write(&document, signed.replace("deny-all", "allow-all")).expect("a document");
    stage.must_refuse(&run, "E2406", 3, "not a cluster document of our authority");
    fs::remove_file(&document).expect("it is there");
    stage.must_refuse(&run, "E2407", 4, "not been admitted");
}

#[test]
fn a_node_whose_vault_does_not_open_does_not_start() {
    let stage = Stage::new();
    stage.must_complete();
    let run = ["run", "node", "--dir", "node-1"];
    stage.must_write("key", &"a5".repeat(32), 0o600);
    stage.must_refuse(&run, "E2501", 3, "does not open this vault");
    stage.must_write("key", "not a key", 0o600);
    stage.must_refuse(&run, "E2507", 2, "32 bytes");
    stage.must_write("key", &"5a".repeat(32), 0o644);
    stage.must_refuse(&run, "E2504", 3, "chmod 600");
    fs::remove_file(stage.path("key")).expect("it is there");
    stage.must_refuse(&run, "E2502", 2, "key");
    stage.must_write("key", &"5a".repeat(32), 0o600);
    // Somebody else's vault in the place of ours.
    fs::remove_dir_all(stage.path("node-1/vault")).expect("it is there");
    stage.must_refuse(&run, "E2502", 2, "no vault");
    fs::rename(stage.path("node-2/vault"), stage.path("node-1/vault")).expect("it can be moved");
    stage.must_refuse(&run, "E2403", 6, "node-2");
}

#[test]
fn a_clock_that_went_back_is_noticed_at_the_start() {
    let stage = Stage::new();
    stage.must_complete();
    let file = fs::File::options().write(true).open(stage.path("node-1/tls.pem")).expect("a file");
    file.set_modified(SystemTime::now() + Duration::from_secs(600)).expect("a time can be set");
    stage.must_refuse(&["run", "node", "--dir", "node-1"], "E7405", 74, "in the future");
}

#[test]
fn pages_scripts_and_manuals_are_printed() {
    let stage = Stage::new();
    assert_eq!(stage.must_print(&["explain", "e2104"])["code"], "E2104");
    assert!(stage.must_print(&["explain"])["codes"].as_array().is_some_and(|codes| codes.len() > 60));
    for arguments in [
        &["completions", "bash"][..],
        &["completions", "zsh"],
        &["completions", "fish"],
        &["man"],
        &["config", "reference"],
    ] {
        assert!(
            stage.must_print(arguments)["text"].as_str().is_some_and(|text| text.len() > 500),
            "{arguments:?}"
        );
    }
    stage.must_print(&["man", "--dir", "pages"]);
    assert!(fs::read_dir(stage.path("pages")).expect("a folder").count() > 20);
    assert_eq!(stage.must_print(&["context", "list"])["contexts"].as_array().map(Vec::len), Some(0));
}
