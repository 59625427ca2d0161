//! The guide to three hosts, command by command, on three hosts that are 50 ms apart.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use keymoot_e2e::hosts::Hosts;
use keymoot_e2e::process::{Process, Said, binary};

/// Every line of every shell block of the page.
fn commands() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/three-hosts.md");
    let page = fs::read_to_string(page).expect("the guide is there");
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

/// The host on which a process of the guide is.
fn host(name: &str) -> u8 {
    match name {
        "node-2" => 2,
        "node-3" => 3,
        _ => 1,
    }
}

struct Stage<'a> {
    hosts: &'a Hosts,
    folder: &'a Path,
    running: Vec<Process>,
}

impl Stage<'_> {
    fn command(&self, number: u8, program: &Path, arguments: &[&str]) -> Command {
        let words = self.hosts.on(number);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(program).args(arguments).current_dir(self.folder);
        command
            .env("HOME", self.folder)
            .env("XDG_CONFIG_HOME", self.folder)
            .env("XDG_RUNTIME_DIR", self.folder);
        command.env_remove("KEYMOOT_CTX").stdin(std::process::Stdio::null());
        command
    }

    fn start(&mut self, name: &str, command: Command, sign: &str) {
        let said = Said::default();
        self.running.push(Process::start(name, command, &said).expect("started"));
        let is_it = |line: &str| line.contains(sign);
        said.wait_for(&format!("{name} runs"), Duration::from_secs(30), is_it).expect("it runs");
    }

    fn run(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], "keymoot", "no test knows how to run `{line}`");
        let program = binary().expect("it is built");
        if let ["run", role, "--dir", name] = words[1..] {
            let mut command = self.command(host(name), &program, &words[1..]);
            if role == "coordinator" {
                // Between it and the others there is a long line.
                command.env("KEYMOOT_LISTEN", "10.77.0.1:7101");
            }
            self.start(name, command, " started ");
            return String::new();
        }
        // Nobody is here to compare fingerprints at a terminal.
        let answer: &[&str] = if words[1] == "admit" { &["--yes"] } else { &[] };
        let output = self.command(1, &program, &[&words[1..], answer].concat()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{line}` ended with {}:\n{said}{complaint}", output.status);
        said
    }

    /// What the guide tells people to carry from one host to another.
    fn carry(&self) {
        for entry in fs::read_dir(self.folder).expect("a folder").flatten().map(|entry| entry.path()) {
            for file in fs::read_dir(entry).into_iter().flatten().flatten().map(|file| file.path()) {
                let name = file.file_name().expect("a name").to_string_lossy().into_owned();
                let travels =
                    [".join.json", ".admit.json", "ceremony.json"].iter().any(|end| name.ends_with(end));
                if travels {
                    fs::copy(&file, self.folder.join(name)).expect("copied");
                }
            }
        }
    }
}

#[test]
fn the_guide_makes_a_cluster_of_three_hosts() {
    let _alone = crate::alone();
    let hosts = match Hosts::make(3) {
        Ok(hosts) => hosts,
        Err(why) => return println!("namespaces are not allowed here, not tested: {why:#}"),
    };
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("passphrase"), "correct horse battery staple\n").expect("a passphrase");
    keymoot_e2e::files::owner_only(&folder.path().join("passphrase")).expect("closed");
    let mut stage = Stage { hosts: &hosts, folder: folder.path(), running: Vec::new() };
    let line = ["forward", "--listen", "10.77.0.1:7100", "--to", "10.77.0.1:7101"];
    let line = [line.as_slice(), &["--from", "10.77.0.2=50", "--from", "10.77.0.3=50"]].concat();
    let line = stage.command(1, Path::new(env!("CARGO_BIN_EXE_keymoot-e2e")), &line);
    stage.start("the line", line, "forwarding");
    let mut ran = 0;
    for line in commands() {
        let began = Instant::now();
        let said = stage.run(&line);
        stage.carry();
        println!("{} ms  {line}\n{said}", began.elapsed().as_millis());
        ran += 1;
    }
    assert!(ran >= 20, "the guide has lost its commands");
    let again = |text: &str| format!("keymoot sign --key hot --message {text} --yes --json");
    let mut best = Duration::MAX;
    for number in 0..5 {
        let began = Instant::now();
        let said = stage.run(&again(&format!("warm-{number}")));
        assert!(said.contains("\"verified\":true"), "{said}");
        best = best.min(began.elapsed());
    }
    println!("a warm signature, with the start of the command: {best:?}");
    assert!(best < Duration::from_secs(3), "{best:?}");
}
