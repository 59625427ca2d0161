//! What a key must prove before it is believed.
//!
//! Whoever has stolen a gateway or a coordinator can answer with a key of its own, and money that is sent to its
//! address is gone. What it cannot do is sign for the nodes: all of them have certified the package of a key. This
//! crate knows nothing of the mathematics, so whoever has the cluster document brings the check.

use keymoot_types::KeyId;
use keymoot_wire::rest::{BatchView, KeyPage, KeyView, RequestPage, RequestView, SignatureView};
use serde::de::DeserializeOwned;

use crate::Client;
use crate::error::ClientError;

/// Why a key of an answer is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// There is nothing that proves it.
    #[error("it comes without the certificate of the nodes")]
    Bare,
    /// What should prove it does not.
    #[error("its certificate is not one of all the nodes of this cluster")]
    NotCertified,
    /// The certificate is of another key than the one that is shown.
    #[error("its {0} is not the one that the nodes have certified")]
    Differs(&'static str),
    /// It is not the one in the question.
    #[error("another key was asked for")]
    NotAsked,
}

/// Holds keys of answers against their certificates. Everything that a key says about how it signs and where money
/// goes has to be in the certificate: id, scheme, public key, chain code. Its name is not. `key_details` of `keymoot-engine`
/// reads and verifies a certificate, given the committee of the cluster document; `keymoot` itself does it like that.
pub trait CheckKey: Send + Sync {
    /// Whether the nodes have certified this key.
    ///
    /// # Errors
    /// They have not, or another one.
    fn check(&self, key: &KeyView) -> Result<(), KeyRefusal>;
}

/// An answer that may have keys in it.
pub trait Reply: DeserializeOwned {
    /// All of them.
    fn keys(&self) -> Vec<&KeyView>;
}

impl Reply for KeyView {
    fn keys(&self) -> Vec<&KeyView> {
        vec![self]
    }
}

impl Reply for KeyPage {
    fn keys(&self) -> Vec<&KeyView> {
        self.keys.iter().collect()
    }
}

impl Reply for RequestView {
    fn keys(&self) -> Vec<&KeyView> {
        self.key.iter().collect()
    }
}

impl Reply for RequestPage {
    fn keys(&self) -> Vec<&KeyView> {
        self.requests.iter().filter_map(|request| request.key.as_ref()).collect()
    }
}

impl Reply for SignatureView {
    fn keys(&self) -> Vec<&KeyView> {
        Vec::new()
    }
}

impl Reply for BatchView {
    fn keys(&self) -> Vec<&KeyView> {
        self.results.iter().filter_map(|outcome| outcome.request.as_ref()?.key.as_ref()).collect()
    }
}

impl Client {
    /// The reply, if all keys in it are certified; the reply as it is where nobody has brought a check.
    pub(crate) fn believe<T: Reply>(&self, reply: T) -> Result<T, ClientError> {
        if let Some(check) = &self.check {
            for key in reply.keys() {
                check.check(key).map_err(|why| ClientError::Uncertified { key: key.id.clone(), why })?;
            }
        }
        Ok(reply)
    }

    /// The key, if it is the one that was asked for: by its id, or else by its name. A name is nothing that nodes certify,
    /// so a thief may still show one certified key under the name of another.
    pub(crate) fn asked(&self, wanted: &str, key: KeyView) -> Result<KeyView, ClientError> {
        let is_it = match wanted.parse::<KeyId>() {
            Ok(id) => key.id == id.to_string(),
            Err(_) => key.name == wanted,
        };
        if self.check.is_none() || is_it {
            return Ok(key);
        }
        Err(ClientError::Uncertified { key: key.id, why: KeyRefusal::NotAsked })
    }
}

#[cfg(test)]
mod tests {
    use keymoot_wire::rest::{
        AskView, BatchOutcome, BatchView, KeyPage, KeyView, RequestView, Status, ThresholdView,
    };

    use super::{CheckKey, KeyRefusal, Reply};
    use crate::prepared::tests::client;
    use crate::{Client, ClientError};

    /// Believes one key only.
    struct Only(&'static str);

    impl CheckKey for Only {
        fn check(&self, key: &KeyView) -> Result<(), KeyRefusal> {
            if key.id == self.0 { Ok(()) } else { Err(KeyRefusal::Bare) }
        }
    }

    fn key(id: &str) -> KeyView {
        KeyView {
            id: id.into(),
            name: "hot".into(),
            scheme: "dkls23".into(),
            threshold: ThresholdView { needed: 2, total: 3 },
            ..KeyView::default()
        }
    }

    fn request(key: KeyView) -> RequestView {
        RequestView {
            id: "req_0".into(),
            status: Status::Complete,
            ask: AskView::Unknown,
            key: Some(key),
            signature: None,
            signers: Vec::new(),
            reason: None,
            code: None,
            culprits: Vec::new(),
            denials: Vec::new(),
            attempts: 0,
            client: String::new(),
            created_at: None,
            created_ms: None,
            expires_at: None,
            expires_ms: None,
            finished_at: None,
            finished_ms: None,
        }
    }

    fn refused<T: Reply>(client: &Client, reply: T) -> bool {
        matches!(client.believe(reply), Err(ClientError::Uncertified { key, why: KeyRefusal::Bare }) if key == "bad")
    }

    #[test]
    fn one_key_that_is_not_certified_spoils_every_kind_of_answer() {
        let client = client().checking(Only("good"));
        let page = |ids: [&str; 2]| KeyPage { keys: ids.map(key).to_vec(), next_cursor: None };
        let batch = |id| {
            let outcome = BatchOutcome { status: 201, request: Some(request(key(id))), problem: None };
            BatchView { results: vec![outcome] }
        };
        assert!(client.believe(key("good")).is_ok() && client.believe(page(["good", "good"])).is_ok());
        assert!(client.believe(request(key("good"))).is_ok() && client.believe(batch("good")).is_ok());
        assert!(refused(&client, key("bad")) && refused(&client, page(["good", "bad"])));
        assert!(refused(&client, request(key("bad"))) && refused(&client, batch("bad")));
    }

    #[test]
    fn another_key_than_the_one_that_was_asked_for_is_refused() {
        let (one, two) = ("key_00000000000000000000000000000001", "key_00000000000000000000000000000002");
        let client = client().checking(Only(one));
        assert!(client.asked(one, key(one)).is_ok() && client.asked("hot", key(one)).is_ok());
        // Named like the id that was asked for.
        let disguised = KeyView { name: two.into(), ..key(one) };
        for (wanted, key) in [(two, key(one)), (two, disguised), ("cold", key(one))] {
            let refused = client.asked(wanted, key);
            assert!(matches!(refused, Err(ClientError::Uncertified { why: KeyRefusal::NotAsked, .. })));
        }
    }

    #[test]
    fn without_a_check_the_service_is_believed() {
        assert!(client().believe(key("bad")).is_ok());
    }
}
