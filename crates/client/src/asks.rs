//! What is signed: keys, signatures, retirements, and batches of them.

use std::time::Duration;

use keymoot_types::{KeyId, Scheme};
use keymoot_wire::rest::{
    BatchBody, BatchView, CreateKeyBody, CreateSignatureBody, EmptyBody, RequestView, SignatureView,
};

use crate::error::ClientError;
use crate::retry::Outgoing;
use crate::{Client, Prepared, Reply, Ticket};

const SIGNATURES: &str = "/v1/signatures";

impl Client {
    /// Signs a request for a key.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn prepare_key(&self, scheme: Scheme, name: &str) -> Result<Prepared, ClientError> {
        let body = CreateKeyBody { scheme: scheme.name().to_owned(), name: name.to_owned() };
        self.prepare("/v1/keys".to_owned(), &body)
    }

    /// Signs a request for a signature.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn prepare_signature(&self, body: &CreateSignatureBody) -> Result<Prepared, ClientError> {
        self.prepare(SIGNATURES.to_owned(), body)
    }

    /// Signs a request for a signature that was signed before: with the ticket of [`Prepared::ticket`] and the same body it
    /// is the same request, which has the same answer.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn prepare_signature_again(
        &self,
        body: &CreateSignatureBody,
        ticket: Ticket,
    ) -> Result<Prepared, ClientError> {
        self.prepare_again(SIGNATURES.to_owned(), body, ticket)
    }

    /// Signs a request that a key signs nothing any more.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn prepare_retirement(&self, key: KeyId) -> Result<Prepared, ClientError> {
        self.prepare(format!("/v1/keys/{key}/retire"), &EmptyBody {})
    }

    /// Sends a signed request, and waits for its outcome for so long. May be called again with the same
    /// request.
    ///
    /// # Errors
    /// The service says no, or nothing, or answers with a key that is not certified.
    pub async fn send<T: Reply>(&self, prepared: &Prepared, wait: Duration) -> Result<T, ClientError> {
        let query = format!("?wait={}", seconds(wait));
        self.believe(self.ask(Outgoing::Post(prepared, &query), wait).await?)
    }

    /// Asks for a key.
    ///
    /// # Errors
    /// The service says no, or nothing.
    pub async fn create_key(
        &self,
        scheme: Scheme,
        name: &str,
        wait: Duration,
    ) -> Result<RequestView, ClientError> {
        self.send(&self.prepare_key(scheme, name)?, wait).await
    }

    /// Asks for a signature.
    ///
    /// # Errors
    /// The service says no, or nothing.
    pub async fn sign(
        &self,
        body: &CreateSignatureBody,
        wait: Duration,
    ) -> Result<SignatureView, ClientError> {
        self.send(&self.prepare_signature(body)?, wait).await
    }

    /// Asks that a key signs nothing any more. This cannot be undone.
    ///
    /// # Errors
    /// The service says no, or nothing.
    pub async fn retire(&self, key: KeyId, wait: Duration) -> Result<RequestView, ClientError> {
        self.send(&self.prepare_retirement(key)?, wait).await
    }

    /// Sends up to 64 signed requests at once. Each has its own result, in the same order.
    ///
    /// # Errors
    /// The service says no to all of them, or nothing.
    pub async fn batch(&self, requests: &[Prepared], wait: Duration) -> Result<BatchView, ClientError> {
        let body = BatchBody { requests: requests.iter().map(Prepared::to_item).collect() };
        let body = serde_json::to_vec(&body).map_err(ClientError::Unreadable)?;
        let path = format!("/v1/batches?wait={}", seconds(wait));
        self.believe(self.ask(Outgoing::Carrier(&path, &body), wait).await?)
    }
}

/// Whole seconds, as the interface takes them: at most a minute.
pub(crate) fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).min(60)
}
