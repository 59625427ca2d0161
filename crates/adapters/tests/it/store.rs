//! The store on a real file: exams, opening, and how fast it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use keymoot_adapters::{EmbeddedStore, OpenError};
use keymoot_ports::conformance::{directory, queue, registry, sessions};
use keymoot_ports::directory::Entry;
use keymoot_ports::sessions::{Admission, Claim, Fence, Finish};
use keymoot_ports::{Fault, Name, Role};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::task::JoinHandle;

use crate::room::{Folders, StoreRoom, clock, must_open, ttl};

#[tokio::test]
async fn sessions_pass_their_exam() {
    sessions::sit(&mut StoreRoom::new(EmbeddedStore::sessions)).await.unwrap();
}

#[tokio::test]
async fn a_directory_passes_its_exam() {
    directory::sit(&mut StoreRoom::new(EmbeddedStore::directory)).await.unwrap();
}

#[tokio::test]
async fn a_registry_passes_its_exam() {
    registry::sit(&mut StoreRoom::new(EmbeddedStore::registry)).await.unwrap();
}

#[tokio::test]
async fn a_queue_passes_its_exam() {
    queue::sit(&mut StoreRoom::new(|store| store.queue(20))).await.unwrap();
}

async fn change(path: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_store_of_a_later_version_is_not_touched() {
    let mut folders = Folders::new("store.db");
    let path = folders.fresh();
    must_open(&path, clock()).await.close().await;
    let later = "INSERT INTO _sqlx_migrations VALUES (9999, 'later', CURRENT_TIMESTAMP, TRUE, x'00', 0)";
    change(&path, later).await;
    let answer = EmbeddedStore::open(&path, clock()).await.map(|_| ());
    let Err(error @ OpenError::Newer { schema: 9999, .. }) = answer else {
        panic!("{answer:?} to a store of a later version");
    };
    assert!(error.to_string().contains("by a later version of this program (schema 9999"), "{error}");
}

#[tokio::test]
async fn what_is_no_store_of_ours_is_not_touched() {
    let mut folders = Folders::new("store.db");
    let path = folders.fresh();
    change(&path, "CREATE TABLE somebodys (thing TEXT)").await;
    let before = fs::read(&path).unwrap();
    let answer = EmbeddedStore::open(&path, clock()).await.map(|_| ());
    assert!(matches!(answer, Err(OpenError::Foreign { .. })), "{answer:?}");
    assert!(fs::read(&path).unwrap() == before);
    let path = folders.fresh();
    fs::write(&path, "a letter, and no database at all; ".repeat(100)).unwrap();
    let answer = EmbeddedStore::open(&path, clock()).await.map(|_| ());
    assert!(matches!(answer, Err(OpenError::Damaged { .. })), "{answer:?}");
    assert!(fs::read(&path).unwrap().starts_with(b"a letter"));
}

#[tokio::test]
async fn a_store_is_for_nobody_elses_eyes_and_ends_when_it_is_closed() {
    let mut folders = Folders::new("store.db");
    let path = folders.fresh();
    let store = must_open(&path, clock()).await;
    let ann = Name::new("ann").unwrap();
    let sessions = store.sessions();
    sessions.admit([1; 32], b"body", &ann, ttl()).await.unwrap();
    for file in fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
    store.close().await;
    store.close().await;
    assert!(matches!(sessions.orphans(1).await, Err(Fault::Unavailable { .. })));
}

#[tokio::test]
async fn many_who_open_a_new_store_at_once_share_it() {
    let mut folders = Folders::new("store.db");
    let path = folders.fresh();
    let openings: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move { must_open(&path, clock()).await })
        })
        .collect();
    let (ann, mut fresh) = (Name::new("ann").unwrap(), 0);
    for opening in openings {
        let admission = opening.await.unwrap().sessions().admit([1; 32], b"body", &ann, ttl()).await;
        fresh += usize::from(matches!(admission, Ok(Admission::Fresh { .. })));
    }
    assert_eq!(fresh, 1);
}

const CALLERS: u32 = 64;
const PAIRS: u32 = 60;

/// What the whole cluster needs is some hundred pairs in a second.
const PAIRS_PER_SECOND_MIN: f64 = 300.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_transactions() {
    let mut folders = Folders::new("store.db");
    let store = must_open(&folders.fresh(), clock()).await;
    let begin = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (sessions, ann) = (store.sessions(), Name::new("ann").unwrap());
            tokio::spawn(async move {
                for i in 0..PAIRS {
                    let mut request = [0; 32];
                    request[..4].copy_from_slice(&caller.to_le_bytes());
                    request[4..8].copy_from_slice(&i.to_le_bytes());
                    sessions.admit(request, &[7; 400], &ann, ttl()).await.unwrap();
                    let finish = sessions.finish(request, Fence(1), &[8; 200]).await.unwrap();
                    assert_eq!(finish, Finish::Settled([8; 200][..].into()));
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let rate = f64::from(CALLERS * PAIRS) / begin.elapsed().as_secs_f64();
    println!("{rate:.0} pairs of admit and finish per second from {CALLERS} callers");
    assert!(rate > PAIRS_PER_SECOND_MIN, "{rate:.0} pairs of admit and finish per second");
}

/// More than can wait at once, on either side.
const CROWD: u32 = 5_000;

#[tokio::test]
async fn whoever_looks_takes_no_room_from_whoever_decides() {
    let mut folders = Folders::new("store.db");
    let store = must_open(&folders.fresh(), clock()).await;
    let (ann, kind) = (Name::new("ann").unwrap(), Name::new("key").unwrap());
    let (sessions, directory, registry) = (store.sessions(), store.directory(), store.registry());
    sessions.admit([1; 32], b"body", &ann, ttl()).await.unwrap();
    let role = Role::new("node").unwrap();
    // All of them are asked before the first one is answered: this runtime has one thread.
    let mut looks: Vec<JoinHandle<Result<(), Fault>>> = Vec::new();
    for number in 0..CROWD {
        let (sessions, directory, registry) = (sessions.clone(), directory.clone(), registry.clone());
        let (kind, role) = (kind.clone(), role.clone());
        looks.push(tokio::spawn(async move {
            match number % 4 {
                0 => sessions.recall([1; 32]).await.map(drop),
                1 => sessions.newest(None, 9).await.map(drop),
                2 => directory.list(&kind, None, 9).await.map(drop),
                _ => registry.discover(&role).await.map(drop),
            }
        }));
    }
    let claim = tokio::spawn(async move { sessions.claim([1; 32], &ann, ttl()).await });
    let claim = claim.await.unwrap();
    assert!(matches!(claim, Ok(Claim::Yours { .. })), "{claim:?} while many look");
    let mut turned_away = 0;
    for look in looks {
        match look.await.unwrap() {
            Ok(()) => {}
            Err(Fault::Full) => turned_away += 1,
            Err(fault) => panic!("{fault:?} to somebody who looks"),
        }
    }
    assert!(turned_away > 0, "{CROWD} at once are more than may wait");
}

#[tokio::test]
async fn what_can_wait_leaves_room_for_what_cannot() {
    let mut folders = Folders::new("store.db");
    let store = must_open(&folders.fresh(), clock()).await;
    let (ann, kind) = (Name::new("ann").unwrap(), Name::new("key").unwrap());
    let (sessions, directory) = (store.sessions(), store.directory());
    let mut puts: Vec<JoinHandle<Result<(), Fault>>> = Vec::new();
    for number in 0..CROWD {
        let (directory, kind) = (directory.clone(), kind.clone());
        let entry = Entry { id: number.to_string(), order: 1, label: None, bytes: Arc::from(*b"document") };
        puts.push(tokio::spawn(async move { directory.put(&kind, &entry).await }));
    }
    let admission = tokio::spawn(async move { sessions.admit([1; 32], b"body", &ann, ttl()).await });
    let admission = admission.await.unwrap();
    assert!(matches!(admission, Ok(Admission::Fresh { .. })), "{admission:?} while others write");
    let mut turned_away = 0;
    for put in puts {
        turned_away += usize::from(matches!(put.await.unwrap(), Err(Fault::Full)));
    }
    assert!(turned_away > 0, "{CROWD} at once are more than may wait");
}

#[tokio::test]
async fn what_was_put_is_durable_with_what_was_finished() {
    let mut folders = Folders::new("store.db");
    let path = folders.fresh();
    let store = must_open(&path, clock()).await;
    let (sessions, directory) = (store.sessions(), store.directory());
    let (ann, kind) = (Name::new("ann").unwrap(), Name::new("request").unwrap());
    let entry = Entry { id: "r".into(), order: 1, label: None, bytes: Arc::from(*b"document") };
    let (admitted, put) =
        tokio::join!(sessions.admit([1; 32], b"body", &ann, ttl()), directory.put(&kind, &entry));
    assert!(matches!(admitted, Ok(Admission::Fresh { .. })) && put.is_ok());
    let other = must_open(&path, clock()).await;
    assert_eq!(other.directory().get(&kind, "r").await.unwrap(), Some(entry));
    let again = other.sessions().admit([1; 32], b"body", &ann, ttl()).await.unwrap();
    assert_eq!(again, Admission::Open { held_by: ann });
}
