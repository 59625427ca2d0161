//! Who is there.

use std::collections::BTreeMap;

use keymoot_ports::{Address, Fault, Name, Role, Ttl, registry};
use keymoot_types::Party;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::mpc::mpc_registry_server::MpcRegistry;
use keymoot_wire::mpc::{
    DiscoverNodesRequest, DiscoverNodesResponse, Member, ModuliState, RegisterNodeRequest,
    RegisterNodeResponse, UnregisterNodeRequest, UnregisterNodeResponse,
};
use keymoot_wire::problem::Code;
use std::sync::Arc;
use tonic::{Request, Response, Status};

use super::as_itself;
use crate::room::Room;

/// The service.
pub(crate) struct RegistryService {
    pub(crate) room: Arc<Room>,
}

/// The roles that have members here.
fn role_of(text: &str) -> Result<PeerRole, Status> {
    [PeerRole::Node, PeerRole::Coordinator, PeerRole::Gateway]
        .into_iter()
        .find(|role| role.name() == text)
        .ok_or_else(|| Code::InvalidRequest.to_status("a role is node, coordinator or gateway"))
}

fn unfit(text: impl std::fmt::Display) -> Status {
    Code::InvalidRequest.to_status(text.to_string())
}

/// A registry is no part of signing: that it does not answer is told, and nothing else suffers.
fn silent(fault: &Fault) -> Status {
    tracing::warn!(error = fault as &dyn std::error::Error, "the registry does not answer");
    Code::StoreUnavailable.to_status("the registry does not answer")
}

#[tonic::async_trait]
impl MpcRegistry for RegistryService {
    async fn register_node(
        &self,
        request: Request<RegisterNodeRequest>,
    ) -> Result<Response<RegisterNodeResponse>, Status> {
        let asked = request.get_ref();
        as_itself(&request, role_of(&asked.role)?, &asked.name)?;
        let member = registry::Member {
            name: Name::new(&asked.name).map_err(unfit)?,
            role: Role::new(&asked.role).map_err(unfit)?,
            address: Address::new(&asked.address).map_err(unfit)?,
        };
        let lease_ms = self.room.limits.presence;
        let ttl = Ttl::new(lease_ms).map_err(unfit)?;
        self.room.registry.announce(&member, ttl).await.map_err(|fault| silent(&fault))?;
        Ok(Response::new(RegisterNodeResponse { lease_ms }))
    }

    async fn discover_nodes(
        &self,
        request: Request<DiscoverNodesRequest>,
    ) -> Result<Response<DiscoverNodesResponse>, Status> {
        let role = role_of(&request.get_ref().role)?;
        let name = Role::new(role.name()).map_err(unfit)?;
        let roster = self.room.registry.discover(&name).await.map_err(|fault| silent(&fault))?;
        let live: BTreeMap<String, String> = roster
            .members
            .into_iter()
            .map(|member| (member.name.to_string(), member.address.to_string()))
            .collect();
        let moduli = if role == PeerRole::Node { self.room.moduli() } else { BTreeMap::new() };
        let members = self.room.listed(role).into_iter().map(|(name, address)| {
            let announced = live.get(&name);
            let member = Member {
                role: role.name().to_owned(),
                address: announced.cloned().unwrap_or(address),
                live: announced.is_some(),
                name,
                ..Member::default()
            };
            if role == PeerRole::Node { self.with_state(member, &moduli) } else { member }
        });
        Ok(Response::new(DiscoverNodesResponse { members: members.collect() }))
    }

    async fn unregister_node(
        &self,
        request: Request<UnregisterNodeRequest>,
    ) -> Result<Response<UnregisterNodeResponse>, Status> {
        let name = &request.get_ref().name;
        let role = super::caller(&request)?.peer.role();
        as_itself(&request, role, name)?;
        let name = Name::new(name).map_err(unfit)?;
        self.room.registry.withdraw(&name).await.map_err(|fault| silent(&fault))?;
        Ok(Response::new(UnregisterNodeResponse {}))
    }
}

impl RegistryService {
    /// What this coordinator knows of a node itself.
    fn with_state(&self, member: Member, moduli: &BTreeMap<Party, ModuliState>) -> Member {
        let Some(party) = self.room.names.party(&member.name) else { return member };
        let Some(state) = self.room.nodes.state(party) else { return member };
        let silent = state.heard.map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX));
        Member {
            connected: state.stream.is_some(),
            silent_ms: silent,
            version: state.version,
            clock_skew_ms: state.skew_ms,
            same_document: state.same_document,
            moduli: moduli.get(&party).copied(),
            ..member
        }
    }
}
