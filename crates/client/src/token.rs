//! Tokens: fetched when needed, renewed before they end.

use std::sync::Arc;
use std::time::Duration;

use keymoot_wire::rest::{EmptyBody, TokenView};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::Client;
use crate::config::Bearer;
use crate::error::ClientError;
use crate::prepared::now;
use crate::retry::Outgoing;

/// A token is not used in its last seconds: the call it goes with may take a while to arrive.
const MARGIN: u64 = 60;

/// The token of the moment.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<Option<Held>>);

struct Held {
    token: Arc<Zeroizing<String>>,
    expires: u64,
}

impl Tokens {
    /// The service did not take it.
    pub(crate) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

impl Client {
    pub(crate) async fn token(&self) -> Result<Arc<Zeroizing<String>>, ClientError> {
        // Held while fetching, so that callers who come at once share one token.
        let mut held = self.tokens.0.lock().await;
        if let Some(held) = &*held
            && held.expires > now().saturating_add(MARGIN)
        {
            return Ok(held.token.clone());
        }
        let (token, expires) = match &self.config.bearer {
            Bearer::Given(token) => (token.clone(), u64::MAX),
            Bearer::Gateway => {
                let fetched = self.fetch().await?;
                (Zeroizing::new(fetched.token), fetched.expires_ms / 1000)
            }
        };
        let token = Arc::new(token);
        *held = Some(Held { token: token.clone(), expires });
        Ok(token)
    }

    /// A token for other programs that hold the same certificate: it is bound to that.
    ///
    /// # Errors
    /// The service says no, or nothing; there is no certificate.
    pub async fn create_token(&self) -> Result<TokenView, ClientError> {
        self.fetch().await
    }

    /// Fetches a token, once; whoever needs it tries again.
    async fn fetch(&self) -> Result<TokenView, ClientError> {
        if !self.connection.has_certificate() {
            return Err(ClientError::NoCertificate);
        }
        let prepared = self.prepare("/v1/tokens".to_owned(), &EmptyBody {})?;
        // Boxed, since asking needs a token and a token needs asking.
        Box::pin(self.ask(Outgoing::ForToken(&prepared), Duration::ZERO)).await
    }
}
