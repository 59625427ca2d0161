//! A node of a chain, or a signer that looks like one, as the demo asks it.

use std::time::Duration;

use reqwest::{Client, Url, redirect};
use serde_json::{Value, json};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer that is read.
const ANSWER_MAX: usize = 1 << 20;

/// Whoever answers there.
pub struct Chain {
    client: Client,
    url: Url,
}

/// Why there is no result.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Nothing has come back that is an answer.
    #[error("{0}")]
    Silent(String),
    /// It says no, in its words.
    #[error("{message}")]
    Refused {
        /// The code of the signer, if it is the signer.
        code: Option<String>,
        message: String,
    },
}

impl Chain {
    /// At an address. Connects with its first question.
    pub fn new(url: &str) -> Result<Self, Unanswered> {
        // An address may have a key in it, and so no error shows it.
        let url = url.parse().map_err(|_| Unanswered::Silent("its address is none".to_owned()))?;
        let client =
            Client::builder().redirect(redirect::Policy::none()).timeout(PATIENCE).no_proxy().build();
        Ok(Self { client: client.map_err(lost)?, url })
    }

    /// Asks for a result.
    pub async fn ask(&self, method: &str, params: Value) -> Result<Value, Unanswered> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut response = self.client.post(self.url.clone()).json(&body).send().await.map_err(lost)?;
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            text.extend_from_slice(&chunk);
            if text.len() > ANSWER_MAX {
                return Err(Unanswered::Silent(format!("its answer to {method} is too large")));
            }
        }
        let answer: Value = serde_json::from_slice(&text).unwrap_or_default();
        match (answer.get("error"), answer.get("result")) {
            (Some(error), _) if !error.is_null() => {
                let code = error.pointer("/data/code").and_then(Value::as_str).map(str::to_owned);
                let message = error.get("message").and_then(Value::as_str).unwrap_or("it does not say why");
                // In a terminal, words of others are words and nothing else.
                let message = message.chars().take(300).collect::<String>().escape_debug().to_string();
                Err(Unanswered::Refused { code, message })
            }
            (_, Some(result)) => Ok(result.clone()),
            _ => Err(Unanswered::Silent(format!("its answer to {method} makes no sense"))),
        }
    }

    /// Asks for a number.
    pub async fn number(&self, method: &str, params: Value) -> Result<u128, Unanswered> {
        let answer = self.ask(method, params).await?;
        quantity(&answer).ok_or_else(|| Unanswered::Silent(format!("its {method} is no number")))
    }

    /// What an account has, in wei.
    pub async fn balance(&self, account: &str) -> Result<u128, Unanswered> {
        self.number("eth_getBalance", json!([account, "latest"])).await
    }
}

/// A number as nodes write them. `None`: it is none, or larger than any sum of money.
pub fn quantity(value: &Value) -> Option<u128> {
    u128::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

fn lost(error: reqwest::Error) -> Unanswered {
    Unanswered::Silent(error.without_url().to_string())
}
