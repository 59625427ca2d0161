//! The double of a node of a chain, for what the demo asks: it takes a signed transaction, finds out whose it is by itself,
//! moves the money, and puts it into a block at once. It gives money to whoever asks, if it is one for development.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use alloy_consensus::{Transaction, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, U256, keccak256};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub const CHAIN_ID: u64 = 31_337;
/// Wei for a unit of gas.
const PRICE: u64 = 2_000_000_000;

#[derive(Default)]
pub struct Ledger {
    pub is_for_development: bool,
    pub balances: BTreeMap<Address, U256>,
    /// By hash, in the order of their blocks.
    pub taken: Vec<(B256, Address, TxEnvelope)>,
}

/// A node that answers until its runtime is gone.
pub struct Node {
    pub address: SocketAddr,
    pub ledger: Arc<Mutex<Ledger>>,
}

impl Node {
    pub async fn start(is_for_development: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let ledger = Arc::new(Mutex::new(Ledger { is_for_development, ..Ledger::default() }));
        tokio::spawn(serve(listener, Arc::clone(&ledger)));
        Self { address, ledger }
    }
}

async fn serve(listener: TcpListener, ledger: Arc<Mutex<Ledger>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let ledger = Arc::clone(&ledger);
        let service = service_fn(move |request: Request<Incoming>| {
            let ledger = Arc::clone(&ledger);
            async move {
                let body = request.into_body().collect().await?.to_bytes();
                let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
                let method = asked["method"].as_str().unwrap_or_default();
                let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = match ledger.answer(method, &asked["params"]) {
                    Ok(result) => json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }),
                    Err(why) => {
                        let error = json!({ "code": -32601, "message": why });
                        json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error })
                    }
                };
                Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(answer.to_string()))))
            }
        });
        tokio::spawn(async move {
            // It ends with whoever asks.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn address(value: &Value) -> Address {
    value.as_str().expect("text").parse().expect("an address")
}

/// Who has signed this, by libsecp256k1.
pub fn sender(transaction: &TxEnvelope) -> Address {
    let signature = transaction.signature();
    let id = RecoveryId::try_from(i32::from(signature.v())).expect("0 or 1");
    let signature = RecoverableSignature::from_compact(&signature.as_rsy()[..64], id).expect("r and s");
    let digest = secp256k1::Message::from_digest(transaction.signature_hash().0);
    let key = signature.recover(digest).expect("a key").serialize_uncompressed();
    Address::from_slice(&keccak256(&key[1..])[12..])
}

impl Ledger {
    fn answer(&mut self, method: &str, params: &Value) -> Result<Value, String> {
        Ok(match method {
            "eth_chainId" => json!(format!("{CHAIN_ID:#x}")),
            "anvil_setBalance" if self.is_for_development => {
                let balance: U256 = params[1].as_str().expect("text").parse().expect("a number");
                self.balances.insert(address(&params[0]), balance);
                Value::Null
            }
            "eth_getBalance" => json!(format!("{:#x}", self.balance(address(&params[0])))),
            "eth_gasPrice" => json!(format!("{PRICE:#x}")),
            "eth_maxPriorityFeePerGas" => json!("0x1"),
            "eth_estimateGas" => json!("0x5208"),
            "eth_getTransactionCount" => {
                let account = address(&params[0]);
                json!(format!("{:#x}", self.taken.iter().filter(|(_, from, _)| *from == account).count()))
            }
            "eth_getBlockByNumber" => json!({ "baseFeePerGas": format!("{PRICE:#x}") }),
            "eth_sendRawTransaction" => self.take(params[0].as_str().expect("text"))?,
            "eth_getTransactionReceipt" => self.receipt(params[0].as_str().expect("text")),
            other => return Err(format!("the method {other} does not exist")),
        })
    }

    fn balance(&self, account: Address) -> U256 {
        self.balances.get(&account).copied().unwrap_or_default()
    }

    fn take(&mut self, raw: &str) -> Result<Value, String> {
        let bytes = hex::decode(raw.trim_start_matches("0x")).map_err(|error| error.to_string())?;
        let transaction =
            TxEnvelope::decode_2718_exact(&bytes).map_err(|error| format!("no transaction: {error}"))?;
        let (from, to) = (sender(&transaction), transaction.to().expect("nobody creates a contract"));
        let fee = U256::from(21_000 * PRICE);
        let left = self.balance(from).checked_sub(transaction.value() + fee).ok_or("insufficient funds")?;
        self.balances.insert(from, left);
        self.balances.insert(to, self.balance(to) + transaction.value());
        let hash = keccak256(&bytes);
        self.taken.push((hash, from, transaction));
        Ok(json!(hash))
    }

    fn receipt(&self, hash: &str) -> Value {
        let place = self.taken.iter().position(|(taken, ..)| format!("{taken:#x}") == hash);
        place.map_or(Value::Null, |place| {
            let (hash, from, transaction) = &self.taken[place];
            json!({
                "transactionHash": hash, "from": from, "to": transaction.to(), "status": "0x1",
                "blockNumber": format!("{:#x}", place + 1),
            })
        })
    }
}
