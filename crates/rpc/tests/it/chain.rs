//! A chain in memory behind a node's JSON-RPC, as strict as the strictest: it takes transactions in order only. It loses
//! answers and says no when it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use alloy_consensus::{SignableTransaction, Transaction, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, U256, keccak256};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub const CHAIN_ID: u64 = 31337;

/// What a chain does with a transaction that comes in for the nth time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Takes,
    Refuses,
    /// Takes it, and the answer is lost.
    TakesInSilence,
    /// Does not take it, and says nothing.
    Loses,
    /// Takes it, and whoever is in between answers with this status, number and text.
    TakesAndSays(u16, i64, &'static str),
    /// Does not take it, and says this.
    Says(u16, i64, &'static str),
}

type Temper = Box<dyn Fn(usize, &TxEnvelope) -> Mood + Send>;

pub struct Chain {
    pub url: String,
    state: Arc<Mutex<Ledger>>,
}

pub struct Ledger {
    /// What was taken, by sender and nonce.
    pub taken: BTreeMap<(Address, u64), TxEnvelope>,
    /// The first nonce of each account.
    pub begin: u64,
    /// All methods that were asked, in order.
    pub asked: Vec<String>,
    pub base_fee: Option<u128>,
    pub chain_id: u64,
    /// Whether it takes transactions whose turn has not come yet.
    pub is_patient: bool,
    /// Whether what is asked by its hash goes to a node that is behind, and knows of nothing.
    pub lags: bool,
    /// How many transactions fewer it counts than it has.
    pub behind: u64,
    /// Whether each block is dearer than the one before.
    pub is_rising: bool,
    /// Whether what was taken is in a block.
    pub is_mining: bool,
    /// What it says proposers want.
    pub tip: u128,
    /// What it says a unit of gas costs, before EIP-1559.
    pub price: u128,
    /// What it says a transaction takes.
    pub gas: u64,
    /// Whether it says nothing at all.
    pub is_down: bool,
    sends: usize,
    temper: Temper,
}

impl Chain {
    pub async fn start() -> Self {
        let ledger = Ledger {
            taken: BTreeMap::new(),
            begin: 0,
            asked: Vec::new(),
            base_fee: Some(7),
            chain_id: CHAIN_ID,
            is_patient: false,
            lags: false,
            behind: 0,
            is_rising: false,
            is_mining: true,
            tip: 3,
            price: 100,
            gas: 21_000,
            is_down: false,
            sends: 0,
            temper: Box::new(|_, _| Mood::Takes),
        };
        let state = Arc::new(Mutex::new(ledger));
        let router = Router::new().route("/", post(serve)).with_state(state.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    pub fn with<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    pub fn behaves(&self, temper: impl Fn(usize, &TxEnvelope) -> Mood + Send + 'static) {
        self.with(|ledger| ledger.temper = Box::new(temper));
    }

    /// The nonces of an account that have a transaction.
    pub fn nonces(&self, account: Address) -> Vec<u64> {
        self.with(|ledger| {
            ledger.taken.keys().filter(|(from, _)| *from == account).map(|(_, nonce)| *nonce).collect()
        })
    }

    pub fn asked(&self, method: &str) -> usize {
        self.with(|ledger| ledger.asked.iter().filter(|asked| *asked == method).count())
    }

    /// The transaction of a hash.
    pub fn find(&self, hash: &Value) -> Option<TxEnvelope> {
        let hash: B256 = hash.as_str()?.parse().ok()?;
        self.with(|ledger| ledger.taken.values().find(|tx| *tx.tx_hash() == hash).cloned())
    }
}

/// Who signed it, by another library than the product's.
pub fn sender(tx: &TxEnvelope) -> Address {
    let digest = match tx {
        TxEnvelope::Legacy(tx) => tx.tx().signature_hash(),
        TxEnvelope::Eip2930(tx) => tx.tx().signature_hash(),
        TxEnvelope::Eip1559(tx) => tx.tx().signature_hash(),
        TxEnvelope::Eip4844(tx) => tx.tx().signature_hash(),
        TxEnvelope::Eip7702(tx) => tx.tx().signature_hash(),
    };
    let signature = tx.signature();
    recover(&signature.as_rsy()[..64], signature.v(), digest)
}

pub fn recover(compact: &[u8], parity: bool, digest: B256) -> Address {
    let signature = Signature::from_slice(compact).expect("r and s");
    assert!(signature.normalize_s().is_none(), "s is low");
    let id = RecoveryId::new(parity, false);
    let key = VerifyingKey::recover_from_prehash(digest.as_slice(), &signature, id).expect("a key");
    Address::from_slice(&keccak256(&key.to_encoded_point(false).as_bytes()[1..])[12..])
}

async fn serve(State(state): State<Arc<Mutex<Ledger>>>, Json(request): Json<Value>) -> Response {
    let method = request["method"].as_str().unwrap_or_default().to_owned();
    let answer = {
        let mut ledger = state.lock().unwrap();
        ledger.asked.push(method.clone());
        ledger.answer(&method, &request["params"])
    };
    match answer {
        Some(Ok(result)) => Json(json!({ "jsonrpc": "2.0", "id": 1, "result": result })).into_response(),
        Some(Err((status, code, message))) => {
            let error = json!({ "code": code, "message": message });
            let status = StatusCode::from_u16(status).expect("a status");
            (status, Json(json!({ "jsonrpc": "2.0", "id": 1, "error": error }))).into_response()
        }
        None => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// Nothing, a result, or an error with status, number and text.
type Said = Option<Result<Value, (u16, i64, String)>>;

impl Ledger {
    fn next(&self, account: Address) -> u64 {
        let mut next = self.begin;
        while self.taken.contains_key(&(account, next)) {
            next += 1;
        }
        next
    }

    fn answer(&mut self, method: &str, params: &Value) -> Said {
        if self.is_down {
            return None;
        }
        Some(Ok(match method {
            "eth_chainId" => json!(format!("{:#x}", self.chain_id)),
            "eth_getTransactionByHash" if self.lags => Value::Null,
            "eth_getTransactionReceipt" if self.lags || !self.is_mining => Value::Null,
            "eth_getTransactionCount" => {
                let count = self.next(params[0].as_str()?.parse().ok()?);
                json!(format!("{:#x}", count.saturating_sub(self.behind)))
            }
            "eth_estimateGas" => json!(format!("{:#x}", self.gas)),
            "eth_gasPrice" => json!(format!("{:#x}", self.price)),
            "eth_maxPriorityFeePerGas" => json!(format!("{:#x}", self.tip)),
            "eth_blobBaseFee" => json!("0x1"),
            "eth_getBlockByNumber" if self.is_rising => {
                let fee = self.base_fee.insert(self.base_fee.unwrap_or_default() + 1);
                json!({ "number": "0x1", "baseFeePerGas": format!("{fee:#x}") })
            }
            "eth_getBlockByNumber" => match self.base_fee {
                Some(fee) => json!({ "number": "0x1", "baseFeePerGas": format!("{fee:#x}") }),
                None => json!({ "number": "0x1" }),
            },
            "eth_getTransactionByHash" | "eth_getTransactionReceipt" => {
                let hash: B256 = params[0].as_str()?.parse().ok()?;
                let found = self.taken.values().find(|tx| *tx.tx_hash() == hash);
                found.map_or(Value::Null, |tx| json!({ "hash": tx.tx_hash().to_string() }))
            }
            "eth_sendRawTransaction" => return self.send(params[0].as_str()?),
            "eth_blockNumber" => json!("0x1"),
            "eth_getCode" => json!(format!("0x{}", "00".repeat(1000))),
            "eth_call" => return Some(Err((200, 3, "execution reverted".into()))),
            _ => return Some(Err((200, -32601, "the method does not exist".into()))),
        }))
    }

    fn send(&mut self, raw: &str) -> Said {
        let bytes = hex::decode(raw.strip_prefix("0x")?).expect("hex");
        let tx = TxEnvelope::decode_2718_exact(&bytes).expect("a signed transaction");
        let (from, nonce) = (sender(&tx), tx.nonce());
        let hash = tx.tx_hash().to_string();
        assert_eq!(tx.chain_id(), Some(self.chain_id));
        let mood = (self.temper)(self.sends, &tx);
        self.sends += 1;
        let refused = |message: &str| Some(Err((200, -32000, message.to_owned())));
        match mood {
            Mood::Loses => return None,
            Mood::Refuses => return refused("insufficient funds for gas * price + value"),
            Mood::Says(status, number, text) => return Some(Err((status, number, text.to_owned()))),
            Mood::Takes | Mood::TakesInSilence | Mood::TakesAndSays(..) => {}
        }
        if let Some(there) = self.taken.get(&(from, nonce)) {
            let is_same = there.tx_hash() == tx.tx_hash();
            return refused(if is_same { "already known" } else { "nonce too low" });
        }
        match nonce.cmp(&self.next(from)) {
            std::cmp::Ordering::Less => return refused("nonce too low"),
            std::cmp::Ordering::Greater if !self.is_patient => return refused("nonce gap"),
            _ => {}
        }
        assert!(U256::from(tx.max_fee_per_gas()) >= U256::from(self.base_fee.unwrap_or_default()));
        self.taken.insert((from, nonce), tx);
        match mood {
            Mood::TakesAndSays(status, number, text) => Some(Err((status, number, text.to_owned()))),
            mood => (mood == Mood::Takes).then_some(Ok(json!(hash))),
        }
    }
}
