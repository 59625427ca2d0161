//! Tokens: our own for the coordinators, those that we mint for clients, and the keys of foreign issuers.

use std::sync::Arc;
use std::time::Duration;

use keymoot_wire::cluster::{DocumentHandle, Role};
use keymoot_wire::problem::Code;
use keymoot_wire::tls::{ClientCertificates, Credentials, Identity, Peer};
use keymoot_wire::token::{
    IssuerKind, KEYS_AGE_MAX, Known, MintError, Minter, Shown, Subject, TokenError, Unbound, Verifier,
};
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{info, warn};

use crate::problem::Refused;
use crate::state::wall_ms;

/// For how long our tokens are good, in seconds.
pub const LIFETIME: u64 = 10 * 60;
/// How often the keys of foreign issuers are fetched, beside with each new cluster document.
const FETCH_EVERY: Duration = Duration::from_secs(5 * 60);
/// How often to look whether there is one.
const LOOK: Duration = Duration::from_secs(2);

const _: () = assert!(FETCH_EVERY.as_secs() * 4 < KEYS_AGE_MAX, "one fetch that fails locks nobody out");
/// For how long one fetch may take.
const FETCH_TIME: Duration = Duration::from_secs(5);
/// The largest set of keys that is read.
const KEYS_MAX: usize = 256 << 10;

/// Verifies and mints.
pub struct Tokens {
    verifier: Verifier,
    known: Known<(Arc<str>, Role)>,
    document: DocumentHandle,
    identity: Arc<Identity>,
}

/// A token, and until when it is good, in seconds.
pub struct Fresh {
    pub token: String,
    pub expires: u64,
}

impl Tokens {
    pub fn new(document: DocumentHandle, identity: Arc<Identity>, certificates: ClientCertificates) -> Self {
        let unbound = match certificates {
            ClientCertificates::Required => Unbound::Refused,
            ClientCertificates::Optional => Unbound::Allowed,
        };
        let verifier = Verifier::new(document.clone(), unbound);
        Self { verifier, known: Known::default(), document, identity }
    }

    /// The name of the client that a token is about, and its role in the document of the moment.
    ///
    /// # Errors
    /// The token is not good, or not for this certificate.
    pub fn verify(&self, token: &str, peer: Option<&Peer>) -> Result<(Arc<str>, Role), Refused> {
        let now = wall_ms() / 1000;
        let shown = peer.map(|peer| Shown::new(&self.document.load(), peer, token));
        if let Some(client) = shown.and_then(|shown| self.known.find(&shown, now)) {
            return Ok(client);
        }
        let verified = self.verifier.verify(token, peer, now).map_err(refused)?;
        let Subject::Client { name, role } = verified.subject else {
            return Err(Refused::new(Code::WrongPeer, "the token is of a process, not of a client"));
        };
        let client: Arc<str> = name.into();
        // The keys of a foreign issuer may be replaced without a new document, so its tokens are verified each time.
        if let (Some(shown), IssuerKind::Local) = (shown, verified.issuer) {
            self.known.keep(&shown, (client.clone(), role), verified.expires, now);
        }
        Ok((client, role))
    }

    /// A token for a client, bound to its certificate.
    ///
    /// # Errors
    /// Our key does not sign.
    pub fn mint(&self, client: &str, x5t: &[u8; 32]) -> Result<Fresh, MintError> {
        let now = wall_ms() / 1000;
        let token = Minter::local(&self.identity.current())?.mint(client, x5t, LIFETIME, now)?;
        Ok(Fresh { token, expires: now + LIFETIME })
    }

    /// Fetches the keys of foreign issuers from time to time, for as long as it is polled.
    pub async fn fetch_keys(&self) {
        let client = reqwest::Client::builder()
            .timeout(FETCH_TIME)
            // A redirect could lead to where the cluster's authority never looked.
            .redirect(reqwest::redirect::Policy::none())
            .build();
        let client = match client {
            Ok(client) => client,
            Err(error) => return warn!(%error, "keys of foreign issuers cannot be fetched"),
        };
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = None;
        loop {
            let now = ticks.tick().await;
            let document = self.document.load_full();
            let this = document.digest();
            let is_due = |(when, by): (Instant, [u8; 32])| by != this || now - when >= FETCH_EVERY;
            if !last.is_none_or(is_due) {
                continue;
            }
            last = Some((now, this));
            for entry in &document.issuers {
                let Some(url) = &entry.jwks_url else { continue };
                match self.fetch(&client, &entry.issuer, url).await {
                    Ok(()) => info!(issuer = entry.issuer, "keys fetched"),
                    // The old keys stay, until they are too old.
                    Err(error) => warn!(issuer = entry.issuer, %error, "keys cannot be fetched"),
                }
            }
        }
    }

    async fn fetch(&self, client: &reqwest::Client, issuer: &str, url: &str) -> Result<(), FetchError> {
        let mut response = client.get(url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > KEYS_MAX {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        self.verifier.replace_keys(issuer, url, serde_json::from_slice(&body)?, wall_ms() / 1000);
        Ok(())
    }
}

/// Why keys were not fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the issuer cannot be reached")]
    Http(#[from] reqwest::Error),
    #[error("the answer is larger than {KEYS_MAX} bytes")]
    TooLarge,
    #[error("the answer is not a set of keys")]
    Json(#[from] serde_json::Error),
}

/// Our own token, for the coordinators.
///
/// # Errors
/// Our key does not sign.
pub fn mint_service(credentials: &Credentials) -> Result<String, MintError> {
    let subject = credentials.id().to_uri();
    Minter::service(credentials)?.mint(&subject, &credentials.as_peer().x5t, LIFETIME, wall_ms() / 1000)
}

/// A refusal of the verifier, with its code.
pub fn refused(error: TokenError) -> Refused {
    Refused::caused(error.code(), &error)
}
