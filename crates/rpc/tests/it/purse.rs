//! A cluster whose keys are in one piece, which fails when it is told to.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy_primitives::Address;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k256::ecdsa::SigningKey;
use keymoot_chains::{Key, ethereum, inspect};
use keymoot_rpc::{Account, Asked, Cluster, Refusal};
use keymoot_types::Scheme;
use tokio::sync::Semaphore;

/// What is asked of it before it signs: whether it does, by the number of the request.
type Whim = Box<dyn Fn(usize, &Asked) -> Option<Refusal> + Send + Sync>;

pub struct Purse {
    keys: Vec<(SigningKey, Account)>,
    whim: Mutex<Whim>,
    /// Signatures are made one for each permit, so that tests decide when.
    pub gate: Semaphore,
    pub asked: AtomicUsize,
    pub listed: AtomicUsize,
    /// Whether it shows its keys.
    pub is_shown: AtomicBool,
}

impl Purse {
    pub fn new(keys: u8) -> Arc<Self> {
        let keys = (1..=keys).map(|seed| {
            let secret = SigningKey::from_slice(&[seed; 32]).unwrap();
            let public = secret.verifying_key().to_encoded_point(true);
            let key = Key::new(Scheme::Dkls23, public.as_bytes(), [7; 32]).unwrap();
            let address = ethereum::address(&key).unwrap().parse().unwrap();
            let id = format!("key_{seed:032x}").parse().unwrap();
            (secret, Account { address, id, name: format!("hot-{seed}"), key })
        });
        Arc::new(Self {
            keys: keys.collect(),
            whim: Mutex::new(Box::new(|_, _| None)),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            asked: AtomicUsize::new(0),
            listed: AtomicUsize::new(0),
            is_shown: AtomicBool::new(true),
        })
    }

    pub fn fails(&self, whim: impl Fn(usize, &Asked) -> Option<Refusal> + Send + Sync + 'static) {
        *self.whim.lock().unwrap() = Box::new(whim);
    }

    pub fn address(&self, place: usize) -> Address {
        self.keys[place].1.address
    }

    pub fn public_key(&self, place: usize) -> Vec<u8> {
        self.keys[place].0.verifying_key().to_encoded_point(false).as_bytes()[1..].to_vec()
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Cluster for Purse {
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<Account>, Refusal>> {
        self.listed.fetch_add(1, Ordering::SeqCst);
        async {
            // It takes long to say so.
            tokio::time::sleep(Duration::from_millis(50)).await;
            if self.is_shown.load(Ordering::SeqCst) {
                Ok(self.keys.iter().map(|(_, account)| account.clone()).collect())
            } else {
                Err(Refusal::new(-32603, "E5901", "out of reach"))
            }
        }
        .boxed()
    }

    fn sign<'a>(&'a self, asked: &'a Asked, _: Duration) -> BoxFuture<'a, Result<[u8; 64], Refusal>> {
        async move {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.unwrap().forget();
            // Side by side, and not in the order in which they came.
            for _ in 0..(number * 7919) % 31 {
                tokio::task::yield_now().await;
            }
            if let Some(refusal) = self.whim.lock().unwrap()(number, asked) {
                return Err(refusal);
            }
            let (secret, account) =
                self.keys.iter().find(|(_, account)| account.id == asked.account.id).expect("a key of ours");
            let inspection = inspect(&asked.payload, &account.key).expect("a payload that can be read");
            let (signature, _) = secret.sign_prehash_recoverable(&inspection.signings[0].message()).unwrap();
            Ok(signature.to_bytes().into())
        }
        .boxed()
    }
}
