//! A typed client of the REST interface.
//!
//! It signs what it asks for with its own key, gets tokens and renews them, keeps one connection, and sends
//! the same signed bytes again when the service could not answer: that is safe, since the same signed request
//! has the same answer for ever.

mod answer;
mod asks;
mod config;
mod connection;
mod error;
mod events;
mod last;
mod prepared;
mod proof;
mod reads;
mod retry;
mod token;

use std::sync::Arc;
use std::time::Duration;

use connection::Connection;
use keymoot_wire::cluster::{ClusterDocument, DocumentHandle};
use token::Tokens;

pub use config::{Bearer, ClientConfig, LIFETIME, Retry};
pub use error::ClientError;
pub use events::EventStream;
pub use prepared::{Prepared, Ticket};
pub use proof::{CheckKey, KeyRefusal, Reply};
pub use reads::Page;

/// A client. Shared by reference: all methods take `&self`, and calls go side by side over one connection.
pub struct Client {
    config: ClientConfig,
    connection: Connection,
    tokens: Tokens,
    check: Option<Arc<dyn CheckKey>>,
    /// The largest answer that is read.
    answer_max: usize,
}

/// As large as any answer of a gateway may be.
const ANSWER_MAX: usize = 64 << 20;

impl Client {
    /// A client. It connects with its first call.
    ///
    /// # Errors
    /// The address is not `https://host:port`; the authority's certificate is not one.
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        let connection = Connection::new(&config)?;
        Ok(Self { config, connection, tokens: Tokens::default(), check: None, answer_max: ANSWER_MAX })
    }

    /// The same client, which takes no answer any more with a key that this check refuses. Without one, the service is
    /// believed about keys: then only send money to an address of a key that was checked in another way.
    #[must_use]
    pub fn checking(mut self, check: impl CheckKey + 'static) -> Self {
        self.check = Some(Arc::new(check));
        self
    }

    /// The same client, which talks only to a gateway whose TLS key this cluster document pins. Without it, every gateway
    /// with a certificate of the authority is taken, also one whose key was revoked.
    #[must_use]
    pub fn pinning(self, document: ClusterDocument) -> Self {
        self.following(document.into_handle())
    }

    /// The same, by a document that may be replaced: the gateway is held against the one of the moment, also on a connection
    /// that is open already.
    #[must_use]
    pub fn following(mut self, document: DocumentHandle) -> Self {
        self.connection.pin(document);
        self
    }

    /// The same, which also asks the gateways of that document, each at its address of the moment, in their order.
    #[must_use]
    pub fn at_gateways_of(mut self, document: DocumentHandle) -> Self {
        self.connection.pin(document);
        self.connection.move_along();
        self
    }

    /// The same, which reads no answer of more bytes than this.
    #[must_use]
    pub const fn reading(mut self, bytes: usize) -> Self {
        self.answer_max = bytes;
        self
    }

    /// The address of the gateway.
    #[must_use]
    pub fn gateway(&self) -> &str {
        &self.config.gateway
    }

    /// What a call may take beside the time that it asks to wait.
    const PATIENCE: Duration = Duration::from_secs(15);
}
