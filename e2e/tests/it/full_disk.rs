//! A node without room on its disk does not speak, does not lie, and comes back by itself when there is room.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keymoot_e2e::cluster::{Cluster, TWO_OF_THREE};
use keymoot_e2e::load::{self, Load};
use keymoot_e2e::process::pause;
use keymoot_types::Scheme;

/// A small file system of its own; gone when this is.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(place: &'a Path, kib: u32) -> Option<Self> {
        let size = format!("size={kib}k");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(place).status();
        status.is_ok_and(|status| status.success()).then_some(Self(place))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_node_whose_disk_is_full_is_done_without_and_comes_back() {
    let _alone = crate::alone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut cluster = Cluster::start(TWO_OF_THREE).expect("a cluster");
        let client = Arc::new(load::client(&cluster.place("alice"), cluster.gateway()).expect("a client"));
        let key = load::key(&client, Scheme::FrostTaproot, "full").await.expect("a key");
        // The node moves to a small disk.
        cluster.process("node-3").expect("it runs").stop().expect("it stops");
        let (place, aside) = (cluster.place("node-3"), cluster.place("aside"));
        fs::rename(&place, &aside).expect("moved");
        fs::create_dir(&place).expect("a directory");
        let mount = place.clone();
        let Some(_small) = Small::mount(&mount, 1024) else {
            println!("file systems cannot be mounted here: not tested");
            return;
        };
        let copy = Command::new("cp").arg("-a").arg(format!("{}/.", aside.display())).arg(&place).status();
        assert!(copy.is_ok_and(|status| status.success()), "copied");
        cluster.begin("node-3").expect("started");
        cluster.is_ready("node-3").expect("ready");
        let load = Load::start(Arc::clone(&client), key, 20);
        // Fill it to the last byte.
        let filler = place.join("filler");
        let mut bytes = vec![0; 64 << 10];
        let mut file = fs::File::create(&filler).expect("a file");
        while !bytes.is_empty() {
            if std::io::Write::write_all(&mut file, &bytes).is_err() {
                bytes.truncate(bytes.len() / 2);
            }
        }
        let before = load.signed();
        let until = Instant::now() + Duration::from_secs(20);
        while load.signed() < before + 100 {
            assert!(Instant::now() < until, "the others do not sign without it: {}", load.signed());
            pause(Duration::from_millis(50));
        }
        drop(file);
        fs::remove_file(&filler).expect("there is room again");
        // It is needed now.
        cluster.process("node-1").expect("it runs").kill().expect("it dies");
        let before = load.signed();
        let until = Instant::now() + Duration::from_secs(30);
        while load.signed() < before + 50 {
            assert!(Instant::now() < until, "it does not come back:\n{}", cluster.said("node-3"));
            pause(Duration::from_millis(50));
        }
        let tally = load.finish().await.expect("all promises are kept");
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        cluster.process("node-3").expect("it runs").kill().expect("it dies");
    });
}
