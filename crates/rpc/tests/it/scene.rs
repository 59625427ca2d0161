//! A signer between a chain and a purse, and how it is asked.

use std::sync::Arc;
use std::time::Duration;

use keymoot_rpc::{Config, Downstream, Signer};
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::chain::{CHAIN_ID, Chain};
use crate::purse::Purse;

pub const TO: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";

pub struct Scene {
    pub chain: Chain,
    pub purse: Arc<Purse>,
    pub signer: Signer,
    pub client: Client,
}

impl Scene {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (chain, purse) = (Chain::start().await, Purse::new(2));
        let mut config = Config::new(CHAIN_ID);
        change(&mut config);
        let node = Downstream::new(&chain.url, Duration::from_secs(10)).unwrap();
        let signer =
            Signer::start(config, "127.0.0.1:0".parse().unwrap(), node, purse.clone()).await.unwrap();
        Self { chain, purse, signer, client: Client::builder().no_proxy().build().unwrap() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.signer.address())
    }

    /// The first account, in small letters.
    pub fn account(&self) -> String {
        format!("{:#x}", self.purse.address(0))
    }

    pub async fn post(&self, body: impl Into<reqwest::Body>) -> Response {
        let request = self.client.post(self.url("/")).header("content-type", "application/json");
        request.body(body).send().await.expect("an answer")
    }

    /// The whole answer to a body.
    pub async fn say(&self, body: &Value) -> Value {
        self.post(body.to_string()).await.json().await.expect("JSON")
    }

    pub async fn ask(&self, method: &str, params: Value) -> Result<Value, Value> {
        let answer =
            self.say(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })).await;
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(1)));
        match answer.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(answer["result"].clone()),
        }
    }

    /// A transfer with something more in it.
    pub fn transfer(&self, more: Value) -> Value {
        let mut transaction = json!({ "from": self.account(), "to": TO, "value": "0x1" });
        for (name, value) in more.as_object().expect("an object") {
            transaction[name] = value.clone();
        }
        json!([transaction])
    }

    pub async fn send(&self, more: Value) -> Result<Value, Value> {
        self.ask("eth_sendTransaction", self.transfer(more)).await
    }
}
