//! Secrets that are known to the test are looked for in everything that a busy cluster says and writes.

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64Unpadded, Encoding};
use keymoot_e2e::cluster::{Cluster, TWO_OF_THREE};
use keymoot_e2e::load::{self, Load};
use keymoot_engine::record::{Entry, Record};
use keymoot_protocol::codec::Wire;
use keymoot_types::{Epoch, Scheme};
use keymoot_vault::{Class, Label, Owner, Unlock, Vault};

/// Everything of ours; of the libraries not the lines that tell each frame's length.
const LOG: &str = "debug,h2=info,keymoot=trace,keymoot_node=trace,keymoot_control=trace,keymoot_gateway=trace,\
    keymoot_wire=trace,keymoot_adapters=trace,keymoot_engine=trace,keymoot_vault=trace";

/// Pieces of secrets, in the forms in which they could get out.
#[derive(Default)]
struct Needles {
    raw: HashSet<[u8; 8]>,
    hex: HashSet<[u8; 16]>,
    base64: HashSet<[u8; 10]>,
}

impl Needles {
    fn add(&mut self, secret: &[u8]) {
        for piece in secret.windows(8) {
            self.raw.insert(piece.try_into().expect("eight"));
            self.hex.insert(hex::encode(piece).into_bytes().try_into().expect("sixteen"));
        }
        for skip in 0..3 {
            let text = Base64Unpadded::encode_string(&secret[skip..]);
            // The last characters depend on what follows.
            for piece in text.as_bytes()[..text.len() - 2].windows(10) {
                self.base64.insert(piece.try_into().expect("ten"));
            }
        }
    }

    /// What of it is in these bytes.
    fn find(&self, hay: &[u8]) -> Option<String> {
        let show = |piece: &[u8]| String::from_utf8_lossy(piece).into_owned();
        let raw = hay.windows(8).find(|piece| self.raw.contains(*piece)).map(hex::encode);
        let lower = hay.to_ascii_lowercase();
        let hex = || lower.windows(16).find(|piece| self.hex.contains(*piece)).map(show);
        let url: Vec<u8> = hay
            .iter()
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            })
            .collect();
        let base64 = || url.windows(10).find(|piece| self.base64.contains(*piece)).map(show);
        raw.or_else(hex).or_else(base64)
    }
}

#[test]
fn needles_are_found_in_every_form() {
    let secret: Vec<u8> = (0..32).map(|byte| byte * 7 + 3).collect();
    let mut needles = Needles::default();
    needles.add(&secret);
    let text = hex::encode(&secret);
    let upper = text.to_uppercase();
    let base64 = Base64Unpadded::encode_string(&[b"x".as_slice(), &secret, b"y"].concat());
    for hay in [&secret[5..20], &text.as_bytes()[3..40], upper.as_bytes(), base64.as_bytes()] {
        assert!(needles.find(hay).is_some(), "{hay:?}");
    }
    assert!(needles.find(b"nothing of the kind, however long it may be, 0123456789abcdef").is_none());
}

#[test]
fn secrets_are_in_nothing_that_leaves_a_process() {
    let _alone = crate::alone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut cluster = Cluster::prepare(TWO_OF_THREE).expect("a cluster");
        cluster.environment = vec![("KEYMOOT_LOG".to_owned(), LOG.to_owned())];
        cluster.start_all().expect("all start");
        let client = Arc::new(load::client(&cluster.place("alice"), cluster.gateway()).expect("a client"));
        let key = load::key(&client, Scheme::Dkls23, "busy").await.expect("a key");
        load::key(&client, Scheme::FrostEd25519, "other").await.expect("a key");
        let load = Load::start(Arc::clone(&client), key, 40);
        while load.signed() < 60 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        load.finish().await.expect("all promises are kept");
        let metrics: Vec<String> =
            cluster.nodes().iter().map(|name| cluster.metrics(name).expect("metrics")).collect();
        for name in cluster.nodes() {
            cluster.process(&name).expect("it runs").stop().expect("it stops");
        }
        let needles = secrets_of(&cluster);
        let mut searched = 0;
        let mut search = |what: String, hay: &[u8]| {
            searched += hay.len();
            if let Some(found) = needles.find(hay) {
                panic!("a piece of a secret is in {what}: {found}");
            }
        };
        metrics.iter().for_each(|text| search("metrics".into(), text.as_bytes()));
        for (name, words) in cluster.words() {
            search(format!("what {name} said"), words.as_bytes());
        }
        for name in cluster.nodes() {
            search(
                format!("the journal of {name}"),
                &fs::read(cluster.place(&name).join("journal")).expect("it"),
            );
        }
        for file in ["store.db", "store.db-wal"] {
            search(file.to_owned(), &fs::read(cluster.place(file)).unwrap_or_default());
        }
        assert!(searched > 300_000, "only {searched} bytes were searched");
    });
}

/// All that the vaults and journals of the nodes hold, opened.
fn secrets_of(cluster: &Cluster) -> Needles {
    let mut needles = Needles::default();
    for name in cluster.nodes() {
        let place = cluster.place(&name);
        let unlock = Unlock::KeyFile(fs::read(cluster.place("unlock")).expect("the key").into());
        let owner = Owner::new("e2e", &name).expect("a name");
        let vault = Vault::open(&place.join("vault"), owner, unlock).expect("the vault opens");
        for file in ["identity.sealed", "seal.sealed"] {
            let label = Label::named(Class::Identity, file);
            needles.add(&vault.recall(file, &label).expect("a seed"));
        }
        let bytes = fs::read(place.join("journal")).expect("a journal");
        let mut shares = 0;
        for record in keymoot_ports::frames::decode(&bytes).expect("it is sound").records {
            let record = Record::decode(record).expect("a record");
            if let Entry::Pending { key, package } = &record.entry {
                let label = Label::share(*key, Epoch::FIRST, &package.to_string());
                // The last 32 bytes are the share itself; before it stands what is public.
                let share = vault.open_sealed(&label, record.sealed()).expect("a share");
                needles.add(&share[share.len() - 32..]);
                shares += 1;
            }
        }
        assert_eq!(shares, 2, "{name} has a share of each key");
    }
    needles
}
