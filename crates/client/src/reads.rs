//! What is only read.

use std::time::{Duration, Instant};

use keymoot_types::Path;
use keymoot_wire::rest::{
    AddressesView, CanaryView, KeyPage, KeyView, NodeList, ReadyView, RequestPage, RequestView, SessionList,
    SessionView, SignaturePage, SignatureView, Status, VersionView, XpubView,
};

use tokio::time::sleep;

use crate::Client;
use crate::answer::Answer;
use crate::asks::seconds;
use crate::error::ClientError;
use crate::events::EventStream;
use crate::retry::Outgoing;

/// Which page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// At most so many; `None` for as many as the service likes.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Page {
    fn write(&self, query: &mut Query) {
        if let Some(limit) = self.limit {
            query.push("limit", &limit.to_string());
        }
        if let Some(cursor) = &self.cursor {
            query.push("cursor", cursor);
        }
    }
}

const NOW: Duration = Duration::ZERO;
/// How soon a request is asked for again for which nodes are missing.
const AGAIN: Duration = Duration::from_millis(500);

/// For how long the service waits at a time.
const AT_A_TIME: Duration = Duration::from_secs(60);

/// Whether an answer is about what was asked for.
fn must_be(told: &str, asked: &str) -> Result<(), ClientError> {
    if told == asked { Ok(()) } else { Err(ClientError::OtherRequest(told.to_owned())) }
}

impl Client {
    /// Keys, newest first.
    ///
    /// # Errors
    /// The service says no, or nothing. So for all of these.
    pub async fn list_keys(&self, page: &Page) -> Result<KeyPage, ClientError> {
        let mut query = Query::new("/v1/keys");
        page.write(&mut query);
        self.believe(self.ask(Outgoing::Get(&query.0), NOW).await?)
    }

    /// One key, by its id, or by its name if exactly one key has it.
    ///
    /// # Errors
    /// There is none, or it is not certified.
    pub async fn key(&self, key: &str) -> Result<KeyView, ClientError> {
        let path = format!("/v1/keys/{}", escape(key));
        self.asked(key, self.believe(self.ask(Outgoing::Get(&path), NOW).await?)?)
    }

    /// Addresses of a key at a path, by the word of the service alone. Whoever receives money works them out from the
    /// certified [`Client::key`].
    ///
    /// # Errors
    /// There is no such key, or no such path below it.
    pub async fn addresses(
        &self,
        key: &str,
        path: &Path,
        network: Option<&str>,
    ) -> Result<AddressesView, ClientError> {
        let mut query = Query::new(&format!("/v1/keys/{}/addresses", escape(key)));
        query.push("path", &path.to_string());
        if let Some(network) = network {
            query.push("network", network);
        }
        self.ask(Outgoing::Get(&query.0), NOW).await
    }

    /// The extended public key of a key on secp256k1, by the word of the service alone; see [`Client::key`].
    ///
    /// # Errors
    /// There is no such key, or it is on another curve.
    pub async fn xpub(&self, key: &str, network: Option<&str>) -> Result<XpubView, ClientError> {
        let mut query = Query::new(&format!("/v1/keys/{}/xpub", escape(key)));
        if let Some(network) = network {
            query.push("network", network);
        }
        self.ask(Outgoing::Get(&query.0), NOW).await
    }

    /// A request for a signature, after waiting for its outcome for so long.
    ///
    /// # Errors
    /// There is none.
    pub async fn signature(&self, id: &str, wait: Duration) -> Result<SignatureView, ClientError> {
        let path = format!("/v1/signatures/{}?wait={}", escape(id), seconds(wait));
        let signature: SignatureView = self.ask(Outgoing::Get(&path), wait).await?;
        must_be(&signature.id, id)?;
        Ok(signature)
    }

    /// Requests for signatures, newest first; only of one key if it is named.
    ///
    /// # Errors
    /// As for the others.
    pub async fn signatures(&self, key: Option<&str>, page: &Page) -> Result<SignaturePage, ClientError> {
        let mut query = Query::new("/v1/signatures");
        if let Some(key) = key {
            query.push("key", key);
        }
        page.write(&mut query);
        self.ask(Outgoing::Get(&query.0), NOW).await
    }

    /// Requests of any kind, newest first; only those that stand so, if that is said. A page may be empty and still have a
    /// next one.
    ///
    /// # Errors
    /// As for the others.
    pub async fn requests(&self, status: Option<Status>, page: &Page) -> Result<RequestPage, ClientError> {
        let mut query = Query::new("/v1/requests");
        if let Some(status) = status {
            query.push("status", status.name());
        }
        page.write(&mut query);
        self.believe(self.ask(Outgoing::Get(&query.0), NOW).await?)
    }

    /// A request of any kind, when it is final or so much time is over. Unlike [`Client::request`] it goes on waiting
    /// while nodes are missing or the service is away, and for longer than the service waits at a time.
    ///
    /// # Errors
    /// There is none.
    pub async fn outcome(&self, id: &str, wait: Duration) -> Result<RequestView, ClientError> {
        let began = Instant::now();
        loop {
            let left = wait.saturating_sub(began.elapsed());
            // One answer that is held back does not use up the time for all.
            match self.request(id, left.min(AT_A_TIME)).await {
                Err(error) if error.is_passing() && began.elapsed() < wait => {}
                Ok(request) if !request.status.is_final() && began.elapsed() < wait => {}
                settled => return settled,
            }
            // Where nodes are missing, the service answers at once.
            sleep(AGAIN.min(wait.saturating_sub(began.elapsed()))).await;
        }
    }

    /// A request of any kind, after waiting for its outcome for so long.
    ///
    /// # Errors
    /// There is none.
    pub async fn request(&self, id: &str, wait: Duration) -> Result<RequestView, ClientError> {
        let path = format!("/v1/requests/{}?wait={}", escape(id), seconds(wait));
        let request: RequestView = self.believe(self.ask(Outgoing::Get(&path), wait).await?)?;
        must_be(&request.id, id)?;
        Ok(request)
    }

    /// Sessions in progress.
    ///
    /// # Errors
    /// As for the others.
    pub async fn sessions(&self) -> Result<SessionList, ClientError> {
        self.ask(Outgoing::Get("/v1/sessions"), NOW).await
    }

    /// One session in progress.
    ///
    /// # Errors
    /// There is none.
    pub async fn session(&self, id: &str) -> Result<SessionView, ClientError> {
        self.ask(Outgoing::Get(&format!("/v1/sessions/{}", escape(id))), NOW).await
    }

    /// The nodes.
    ///
    /// # Errors
    /// As for the others.
    pub async fn nodes(&self) -> Result<NodeList, ClientError> {
        self.ask(Outgoing::Get("/v1/nodes"), NOW).await
    }

    /// What happens in sessions, from now on; only for one request if it is named.
    ///
    /// # Errors
    /// As for the others.
    pub async fn events(&self, request: Option<&str>) -> Result<EventStream, ClientError> {
        let mut query = Query::new("/v1/events");
        if let Some(request) = request {
            query.push("request", request);
        }
        self.open(Outgoing::Get(&query.0)).await.map(EventStream::new)
    }

    /// Whether the gateway can serve, and why not.
    ///
    /// # Errors
    /// It says nothing.
    pub async fn ready(&self) -> Result<ReadyView, ClientError> {
        self.health(Outgoing::Open("/readyz")).await
    }

    /// Whether a signature was made within the last minute.
    ///
    /// # Errors
    /// It says nothing.
    pub async fn canary(&self) -> Result<CanaryView, ClientError> {
        self.health(Outgoing::Get("/canaryz")).await
    }

    /// What runs there.
    ///
    /// # Errors
    /// It says nothing.
    pub async fn version(&self) -> Result<VersionView, ClientError> {
        self.ask(Outgoing::Open("/version"), NOW).await
    }

    /// Health checks say no in their own words, which is an answer too.
    async fn health<T: serde::de::DeserializeOwned>(&self, outgoing: Outgoing<'_>) -> Result<T, ClientError> {
        let answer: Answer = self.once(outgoing, NOW).await?;
        match serde_json::from_slice(&answer.body) {
            Ok(view) => Ok(view),
            Err(_) => answer.value(),
        }
    }
}

/// A path with its query.
struct Query(String);

impl Query {
    fn new(path: &str) -> Self {
        Self(path.to_owned())
    }

    fn push(&mut self, name: &str, value: &str) {
        let mark = if self.0.contains('?') { '&' } else { '?' };
        self.0.push_str(&format!("{mark}{name}={}", escape(value)));
    }
}

/// Everything but letters, digits and a few marks is written in hex.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_key_changes_the_path() {
        assert_eq!(escape("hot-1"), "hot-1");
        assert_eq!(escape("../a?b=c&d#é"), "..%2Fa%3Fb%3Dc%26d%23%C3%A9");
        let mut query = Query::new("/v1/keys");
        query.push("path", "m/0/7");
        query.push("network", "testnet");
        assert_eq!(query.0, "/v1/keys?path=m%2F0%2F7&network=testnet");
    }
}
