//! Where the long lists of a document have what is looked for. A document may list ten thousand clients and as many
//! revoked keys, and every request asks for some of them.

use super::{ClientEntry, ClusterFields, client_id};

/// Sorted, for binary searches. Places are those in the lists of the document that it was made of.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// Places of clients, by name.
    names: Vec<usize>,
    /// Ids of clients, with their places.
    keys: Vec<([u8; 32], usize)>,
    revoked: Vec<[u8; 32]>,
}

impl Index {
    /// Of checked fields, in which names and keys are there once.
    pub(super) fn of(fields: &ClusterFields) -> Self {
        let clients = &fields.clients;
        let mut names: Vec<usize> = (0..clients.len()).collect();
        names.sort_unstable_by_key(|place| clients.get(*place).map(|client| &client.name));
        let mut keys: Vec<_> =
            clients.iter().enumerate().map(|(place, client)| (client_id(&client.key), place)).collect();
        keys.sort_unstable();
        let mut revoked: Vec<_> = fields.revoked.iter().map(|revoked| revoked.0).collect();
        revoked.sort_unstable();
        Self { names, keys, revoked }
    }

    pub(super) fn client<'a>(&self, fields: &'a ClusterFields, name: &str) -> Option<&'a ClientEntry> {
        let named = |place: &usize| fields.clients.get(*place).map(|client| client.name.as_str());
        let found = self.names.binary_search_by(|place| named(place).cmp(&Some(name))).ok()?;
        fields.clients.get(*self.names.get(found)?)
    }

    pub(super) fn client_of_key<'a>(
        &self,
        fields: &'a ClusterFields,
        id: &[u8; 32],
    ) -> Option<&'a ClientEntry> {
        let found = self.keys.binary_search_by(|(key, _)| key.cmp(id)).ok()?;
        fields.clients.get(self.keys.get(found)?.1)
    }

    pub(super) fn is_revoked(&self, spki: &[u8; 32]) -> bool {
        self.revoked.binary_search(spki).is_ok()
    }
}
