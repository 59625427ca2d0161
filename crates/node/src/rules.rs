//! What this node serves, by the cluster document alone: nothing, or what an enrolled client with the right role asks for.

use std::collections::BTreeMap;

use keymoot_engine::crypto::Described;
use keymoot_engine::policy::{Decision, Policy};
use keymoot_engine::request::{Ask, ClientId, Request};
use keymoot_wire::cluster::{ClusterDocument, PolicyName, Role, client_id};

/// The rules of a document.
#[derive(Clone)]
pub(crate) struct Rules {
    policy: PolicyName,
    roles: BTreeMap<ClientId, Role>,
}

impl Rules {
    pub(crate) fn of(document: &ClusterDocument) -> Self {
        let roles = document.clients.iter().map(|client| (ClientId(client_id(&client.key)), client.role));
        Self { policy: document.policy, roles: roles.collect() }
    }
}

/// The least role that may ask for this.
const fn least(ask: &Ask) -> Role {
    match ask {
        Ask::Sign { .. } => Role::Requester,
        Ask::Key(_) => Role::Operator,
        Ask::Retire { .. } => Role::Admin,
    }
}

impl Policy for Rules {
    fn decide(&self, request: &Request, _: Option<&Described>) -> Decision {
        match self.policy {
            PolicyName::DenyAll => Decision::Deny("the cluster document says deny-all"),
            PolicyName::AllowAll if self.roles.get(&request.client) >= Some(&least(&request.ask)) => {
                Decision::Allow
            }
            PolicyName::AllowAll => Decision::Deny("the client's role does not allow that"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rules;
    use keymoot_engine::policy::{Decision, Policy};
    use keymoot_engine::request::{Ask, ClientId, Request};
    use keymoot_types::{Millis, Scheme};
    use keymoot_wire::cluster::{PolicyName, Role};

    #[test]
    fn a_role_that_is_too_low_gets_nothing_whatever_the_gateway_says() {
        let ask = |client| Request {
            ask: Ask::Key(Scheme::Dkls23),
            client: ClientId([client; 32]),
            created: Millis(0),
            expires: Millis(1),
            nonce: [0; 16],
        };
        let roles = [(1, Role::Requester), (2, Role::Operator), (3, Role::Admin)];
        let roles = roles.map(|(client, role)| (ClientId([client; 32]), role)).into();
        let mut rules = Rules { policy: PolicyName::AllowAll, roles };
        let allows = |rules: &Rules, client| rules.decide(&ask(client), None) == Decision::Allow;
        assert_eq!([0, 1, 2, 3].map(|client| allows(&rules, client)), [false, false, true, true]);
        rules.policy = PolicyName::DenyAll;
        assert!(![1, 2, 3].iter().any(|client| allows(&rules, *client)));
    }
}
