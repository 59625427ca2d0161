//! The node behind: asked for what fills a transaction, given signed ones, and for everything that needs no key. It is
//! believed in nothing but that; what it says is bounded, and how a transaction is priced has a limit of our own.

use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use keymoot_wire::problem::Code;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::{OnceCell, Semaphore};

use crate::budget::Budget;
use crate::codes;
use crate::config::{Limits, StartError};
use crate::fields;
use crate::refusal::{INTERNAL, Refusal};
use crate::tray::Tray;

/// The largest answer that is passed on, and the largest to a question of our own.
const PASSED_BYTES: usize = 8 << 20;
const OWN_BYTES: usize = 1 << 20;
/// The longest sentence of an error, and the longest of what comes with it: text, which is as long in memory, or anything else.
const MESSAGE_BYTES: usize = 4 << 10;
const TEXT_BYTES: usize = 256 << 10;
const DATA_BYTES: usize = 4 << 10;
/// The same of an error to a question of our own, which weighs on nobody's tray.
const OWN_TEXT_BYTES: usize = 16 << 10;
/// How many questions of our own are open at once, and how many that are passed on; more wait. Whoever only reads can
/// not keep a transaction waiting.
const QUESTIONS_MAX: usize = 64;
const PASSED_MAX: usize = 64;
/// For how long to try to connect.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// A node of the chain.
pub struct Downstream {
    client: Client,
    url: Url,
    time: Duration,
    places: Semaphore,
    passed: Semaphore,
    /// For all answers that are passed on.
    answers: Budget,
    /// The chain that it is of, once it has said so.
    chain: OnceCell<u64>,
}

/// Why a node has given no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unanswered {
    /// Nothing has come back that is an answer. It may have done what it was asked nevertheless.
    #[error("{0}")]
    Silent(String),
    /// Its answer has no room beside those to others.
    #[error("there is no room for more answers of the node behind")]
    Full,
    /// It says no.
    #[error("{message}")]
    Refused {
        /// The number of JSON-RPC.
        number: i64,
        /// The status of HTTP: one from 500 on is of whoever stands before the node.
        status: u16,
        /// In its words.
        message: String,
        /// What it adds.
        data: Option<Value>,
    },
}

impl Unanswered {
    /// Without what it adds, if that is long.
    fn shortened(mut self) -> Self {
        if let Self::Refused { data, .. } = &mut self {
            data.take_if(|data| data.as_str().is_some_and(|text| text.len() > OWN_TEXT_BYTES));
        }
        self
    }
}

impl From<Unanswered> for Refusal {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Silent(why) => Self::new(
                INTERNAL,
                codes::SILENT,
                format!("the node behind the signer does not answer: {why}"),
            )
            .with("help", "see whether the node runs, and send the request again"),
            Unanswered::Full => Self::of_code(Code::Busy, &unanswered.to_string()),
            Unanswered::Refused { number, message, data, .. } => Self::foreign(number, message, data),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "there")]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<Told>,
}

#[derive(Deserialize)]
struct Told {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Option<Box<RawValue>>,
}

impl Told {
    /// What comes with it, unless that is too much.
    fn data(&self) -> Option<Value> {
        let raw = self.data.as_deref()?.get();
        let most = if raw.starts_with('"') { TEXT_BYTES } else { DATA_BYTES };
        (raw.len() <= most).then(|| serde_json::from_str(raw).ok()).flatten()
    }

    /// Its sentence, or the beginning of it.
    fn message(mut self) -> String {
        self.message.truncate(self.message.floor_char_boundary(MESSAGE_BYTES));
        self.message
    }
}

/// A result of `null` is a result.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

impl Downstream {
    /// A node at an address. Connects with its first question.
    ///
    /// # Errors
    /// Not an address of HTTP.
    pub fn new(address: &str, time: Duration) -> Result<Self, StartError> {
        // What is wrong with it may be that it begins with a key, so that nothing of it is said but a scheme.
        let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
        let scheme = if matches!(scheme, "http" | "https" | "ws" | "wss" | "file") { scheme } else { "…" };
        let refused = || StartError::Address(format!("{scheme}://…"));
        let url: Url = address.parse().map_err(|_| refused())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(refused());
        }
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIME)
            .timeout(time)
            .no_proxy()
            .build()
            .map_err(StartError::Client)?;
        Ok(Self {
            client,
            url,
            time,
            places: Semaphore::new(QUESTIONS_MAX),
            passed: Semaphore::new(PASSED_MAX),
            answers: Budget::new(Limits::default().answers_bytes),
            chain: OnceCell::new(),
        })
    }

    /// How long an answer may take.
    pub(crate) const fn time(&self) -> Duration {
        self.time
    }

    /// It holds no more than so many bytes of answers at once.
    pub(crate) fn bounded(self, bytes: usize) -> Self {
        Self { answers: Budget::new(bytes), ..self }
    }

    /// What answers that are passed on are weighed against.
    pub(crate) const fn answers(&self) -> &Budget {
        &self.answers
    }

    /// Where it is, without the path, which often has a key in it.
    #[must_use]
    pub fn place(&self) -> String {
        let port = self.url.port_or_known_default().map_or(String::new(), |port| format!(":{port}"));
        format!("{}://{}{port}", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }

    /// Whether what it says could be changed on its way.
    pub(crate) fn is_in_the_clear(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_here = host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        self.url.scheme() == "http" && !is_here
    }

    /// Asks for a caller, with parameters as they came. The answer weighs on his tray.
    pub(crate) async fn pass(
        &self,
        method: &str,
        params: Option<&RawValue>,
        tray: &Tray,
    ) -> Result<Box<RawValue>, Unanswered> {
        let fits = |length: usize, more: usize| {
            if length > PASSED_BYTES {
                return Err(too_large());
            }
            if tray.grow(more) { Ok(()) } else { Err(Unanswered::Full) }
        };
        self.ask_among(&self.passed, method, params, &fits).await
    }

    async fn ask_among(
        &self,
        places: &Semaphore,
        method: &str,
        params: Option<&RawValue>,
        fits: &Fits<'_>,
    ) -> Result<Box<RawValue>, Unanswered> {
        let params = params.map_or("[]", RawValue::get);
        let method = serde_json::to_string(method).map_err(|error| Unanswered::Silent(error.to_string()))?;
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":{method},"params":{params}}}"#);
        let exchange = async {
            // The semaphore is never closed.
            let _place = places.acquire().await;
            self.exchange(body, fits).await
        };
        let slow = |_| Unanswered::Silent("it took too long".into());
        tokio::time::timeout(self.time, exchange).await.map_err(slow)?
    }

    async fn exchange(&self, body: String, fits: &Fits<'_>) -> Result<Box<RawValue>, Unanswered> {
        // The address may have a key of the caller's in it, and so no error may show it.
        let lost = |error: reqwest::Error| Unanswered::Silent(cause(&error.without_url()));
        let request = self.client.post(self.url.clone());
        let request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body);
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            fits(body.len().saturating_add(chunk.len()), chunk.len())?;
            body.extend_from_slice(&chunk);
        }
        match serde_json::from_slice::<Answer>(&body) {
            Ok(Answer { error: Some(told), .. }) => Err(Unanswered::Refused {
                number: told.code,
                status: status.as_u16(),
                data: told.data(),
                message: told.message(),
            }),
            Ok(Answer { result: Some(result), .. }) if status.is_success() => Ok(result),
            _ => {
                Err(Unanswered::Silent(format!("its answer with status {} makes no sense", status.as_u16())))
            }
        }
    }

    /// Asks for a value.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Result<Box<RawValue>, Unanswered> {
        let params = serde_json::value::to_raw_value(&params)
            .map_err(|error| Unanswered::Silent(error.to_string()))?;
        let fits = |length, _| if length > OWN_BYTES { Err(too_large()) } else { Ok(()) };
        self.ask_among(&self.places, method, Some(&params), &fits).await.map_err(Unanswered::shortened)
    }

    /// Asks for a number.
    pub(crate) async fn number(&self, method: &str, params: Value) -> Result<U256, Unanswered> {
        let raw = self.ask(method, params).await?;
        fields::quantity(method, &raw).map_err(|_| Unanswered::Silent(format!("its {method} is no number")))
    }

    /// The chain that it is of.
    ///
    /// # Errors
    /// It does not say.
    pub async fn chain_id(&self) -> Result<u64, Unanswered> {
        let id = self.number("eth_chainId", json!([])).await?;
        id.try_into().map_err(|_| Unanswered::Silent("its eth_chainId is too large".into()))
    }

    /// The chain that it is of. It is asked until it has answered once.
    pub(crate) async fn chain(&self) -> Result<u64, Unanswered> {
        self.chain.get_or_try_init(|| self.chain_id()).await.copied()
    }

    /// How many transactions of an account it knows, with those that wait.
    pub(crate) async fn count(&self, account: Address) -> Result<u64, Unanswered> {
        let count =
            self.number("eth_getTransactionCount", json!([account.to_checksum(None), "pending"])).await?;
        count.try_into().map_err(|_| Unanswered::Silent("its eth_getTransactionCount is too large".into()))
    }

    /// Whether it knows a transaction.
    pub(crate) async fn knows(&self, hash: B256) -> Result<bool, Unanswered> {
        let hash = format!("0x{}", hex::encode(hash));
        Ok(self.ask("eth_getTransactionByHash", json!([hash])).await?.get() != "null")
    }

    /// Whether it has a transaction in a block.
    pub(crate) async fn has_mined(&self, hash: B256) -> Result<bool, Unanswered> {
        let hash = format!("0x{}", hex::encode(hash));
        Ok(self.ask("eth_getTransactionReceipt", json!([hash])).await?.get() != "null")
    }
}

/// Whether an answer of this length, of which so much is new, can be read on.
type Fits<'a> = dyn Fn(usize, usize) -> Result<(), Unanswered> + Send + Sync + 'a;

fn too_large() -> Unanswered {
    Unanswered::Silent("its answer is too large".into())
}

/// An error with its causes, on one line.
fn cause(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_http_and_is_shown_without_what_may_be_secret_in_it() {
        let time = Duration::from_secs(1);
        let node = Downstream::new("https://user:word@node.example/v2/key", time).unwrap();
        assert_eq!(node.place(), "https://node.example:443");
        for bad in ["", "node.example", "ws://node.example", "file:///etc/passwd"] {
            assert!(matches!(Downstream::new(bad, time), Err(StartError::Address(_))), "{bad}");
        }
    }

    #[test]
    fn null_is_an_answer_and_nothing_is_none() {
        let read = |text: &str| serde_json::from_str::<Answer>(text).unwrap();
        assert_eq!(read(r#"{"result":null}"#).result.unwrap().get(), "null");
        assert!(read("{}").result.is_none());
        assert_eq!(read(r#"{"error":{"code":-32000,"message":"no"}}"#).error.unwrap().code, -32000);
    }

    #[test]
    fn of_an_error_so_much_is_kept_as_a_caller_can_use() {
        let told = |message: &str, data: Value| {
            let told = json!({ "code": 3, "message": message, "data": data }).to_string();
            let told: Told = serde_json::from_str(&told).unwrap();
            (told.data(), told.message())
        };
        let reverted = json!(format!("0x{}", "00".repeat(100_000)));
        assert_eq!(told("reverted", reverted.clone()), (Some(reverted.clone()), "reverted".into()));
        assert_eq!(told("no", json!({ "a": [1] })).0, Some(json!({ "a": [1] })));
        // A list of small numbers is many times as long in memory.
        assert_eq!(told("no", json!(vec![0; DATA_BYTES])).0, None);
        assert_eq!(told("no", json!("0".repeat(TEXT_BYTES))).0, None);
        let refused = |data: &Value| Unanswered::Refused {
            number: 3,
            status: 200,
            message: "reverted".into(),
            data: Some(data.clone()),
        };
        let short = refused(&json!("0x08c379a0"));
        assert_eq!(short.clone().shortened(), short);
        assert!(matches!(refused(&reverted).shortened(), Unanswered::Refused { data: None, .. }));
        assert_eq!(told(&"ä".repeat(MESSAGE_BYTES), json!(1)).1.len(), MESSAGE_BYTES);
    }
}
