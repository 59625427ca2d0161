//! What a signer is started with.

use std::net::SocketAddr;
use std::time::Duration;

use keymoot_types::{KeyId, Path};
use zeroize::Zeroizing;

use crate::tls::Tls;

/// Everything a signer needs beside the cluster and the node behind.
pub struct Config {
    /// The one chain that it signs for.
    pub chain_id: u64,
    /// The paths below each key that are accounts.
    pub paths: Vec<Path>,
    /// The keys that are accounts; empty for all. By id, which nodes certify, and not by name, which anybody may say.
    pub keys: Vec<KeyId>,
    /// What `eth_signTransaction` answers.
    pub shape: Shape,
    /// For how long a request waits for its signature.
    pub wait: Duration,
    /// The most wei that a transaction may cost beside its value; `None` for no limit.
    pub fee_max: Option<u128>,
    /// The most wei for each unit of gas where the price comes from the node behind; `None` for no limit.
    pub price_max: Option<u128>,
    /// The most wei for each unit of gas that are paid whole, where it comes from the node behind: a priority fee, and a price
    /// before EIP-1559. `None` for no limit.
    pub tip_max: Option<u128>,
    /// Whether a place in the order of an account that stays empty is filled with a transaction that does nothing.
    pub fills: bool,
    /// Methods beside the usual ones that are passed on to the node behind; with a star at the end, all that begin so.
    pub methods: Vec<String>,
    /// Names under which the signer is asked, beside localhost and addresses.
    pub hosts: Vec<String>,
    /// Web pages that may ask, as in `https://app.example`.
    pub origins: Vec<String>,
    /// What callers have to show.
    pub token: Option<Zeroizing<String>>,
    /// TLS for callers; without it they are answered in the clear.
    pub tls: Option<Tls>,
    /// Whether others than this machine may be answered in the clear.
    pub allows_plaintext: bool,
    /// How much of everything.
    pub limits: Limits,
}

impl Config {
    /// The defaults, for one chain.
    #[must_use]
    pub fn new(chain_id: u64) -> Self {
        Self {
            chain_id,
            paths: vec![Path::root()],
            keys: Vec::new(),
            shape: Shape::Raw,
            wait: Duration::from_secs(30),
            fee_max: Some(FEE_MAX),
            price_max: Some(PRICE_MAX),
            tip_max: Some(TIP_MAX),
            fills: true,
            methods: Vec::new(),
            hosts: Vec::new(),
            origins: Vec::new(),
            token: None,
            tls: None,
            allows_plaintext: false,
            limits: Limits::default(),
        }
    }
}

/// One ether, as nodes have it.
pub const FEE_MAX: u128 = 1_000_000_000_000_000_000;

/// 500 gwei.
pub const PRICE_MAX: u128 = 500_000_000_000;

/// 50 gwei.
pub const TIP_MAX: u128 = 50_000_000_000;

/// What `eth_signTransaction` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The signed bytes, as Web3Signer and signers of the OP stack do.
    Raw,
    /// The signed bytes and the transaction in an object, as geth and Clef do.
    Both,
}

/// How much of everything. Each of these is a bound on what a caller can make the signer hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Requests in a batch.
    pub batch: usize,
    /// Connections of those who were admitted.
    pub connections: usize,
    /// Connections of those who were not yet; whoever comes then takes the place of the first of them.
    pub strangers: usize,
    /// Requests in progress, each of a batch counted; more are refused.
    pub requests: usize,
    /// Signatures that are asked of the cluster at once; more wait.
    pub signings: usize,
    /// Bytes of all answers of a batch together; what comes then is refused, but for hashes and the like.
    pub batch_answer_bytes: usize,
    /// Bytes of all bodies of requests in progress.
    pub bodies_bytes: usize,
    /// Bytes of all answers of the node behind that are passed on, until they are written.
    pub answers_bytes: usize,
    /// For how long a body may take to come in.
    pub body_time: Duration,
    /// For how long an answer may take to be written.
    pub write_time: Duration,
    /// For how long a request that has failed is the same transaction to the last byte when it is asked again.
    pub same: Duration,
    /// For how long one of several nodes behind one address may not know yet what another was told.
    pub lag: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            batch: 100,
            connections: 512,
            strangers: 128,
            requests: 1024,
            signings: 64,
            batch_answer_bytes: 16 << 20,
            bodies_bytes: 64 << 20,
            answers_bytes: 64 << 20,
            body_time: Duration::from_secs(10),
            write_time: Duration::from_secs(60),
            same: Duration::from_secs(15 * 60),
            lag: Duration::from_secs(15),
        }
    }
}

/// Why a signer does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else could have things signed.
    #[error(
        "{0} can be reached from elsewhere, and there is neither a token nor a certificate that callers have to show"
    )]
    Open(SocketAddr),
    /// Whoever is between could read the token, and change what is asked.
    #[error("{0} can be reached from elsewhere, and there is no certificate for TLS")]
    Plaintext(SocketAddr),
    /// A token that can be guessed, or that no header can carry.
    #[error("the token has not 32 to 512 letters, digits or marks")]
    Token,
    /// The node behind is of another chain.
    #[error("the node behind is of chain {found}, and the signer is for chain {wanted}")]
    Chain {
        /// As configured.
        wanted: u64,
        /// As the node says.
        found: u64,
    },
    /// Not an address of a node.
    #[error("`{0}` is no address of a node, as in http://127.0.0.1:8545")]
    Address(String),
    /// Not the name of a web page's origin.
    #[error("`{0}` is no origin, as in https://app.example")]
    Origin(String),
    /// Nobody can listen there.
    #[error("cannot listen at {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The client of the node cannot be made.
    #[error("no connection to a node can be made")]
    Client(#[source] reqwest::Error),
}
