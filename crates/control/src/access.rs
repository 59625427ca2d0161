//! Who may call what. One reviewed table, as an exhaustive match: a call that is not in it does not compile, and a path
//! that is not a call of ours is refused.

mod gate;

use keymoot_wire::cluster::Role;
use keymoot_wire::identity::PeerRole;

use crate::serve::{SIGNED_MAX, SMALL_MAX};

pub(crate) use gate::{CallPlaces, Caller, Gate};

/// Declares the calls, with their paths.
macro_rules! calls {
    ($($name:ident = $path:literal;)*) => {
        /// A call that a coordinator serves.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Call {
            $(
                #[doc = $path]
                $name,
            )*
        }

        impl Call {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// As in the first line of the request.
            pub(crate) const fn path(self) -> &'static str {
                match self { $(Self::$name => $path,)* }
            }
        }
    };
}

calls! {
    Heartbeat = "/mpc.v1.MPCNode/Heartbeat";
    JoinSigningSession = "/mpc.v1.MPCNode/JoinSigningSession";
    SubmitSignatureShare = "/mpc.v1.MPCNode/SubmitSignatureShare";
    RegisterNode = "/mpc.v1.MPCRegistry/RegisterNode";
    DiscoverNodes = "/mpc.v1.MPCRegistry/DiscoverNodes";
    UnregisterNode = "/mpc.v1.MPCRegistry/UnregisterNode";
    CreateSigningSession = "/mpc.v1.MPCCoordinator/CreateSigningSession";
    GetSessionStatus = "/mpc.v1.MPCCoordinator/GetSessionStatus";
    AggregateSignatures = "/mpc.v1.MPCCoordinator/AggregateSignatures";
    ListRequests = "/mpc.v1.MPCCoordinator/ListRequests";
    ListSessions = "/mpc.v1.MPCCoordinator/ListSessions";
    WatchSessions = "/mpc.v1.MPCCoordinator/WatchSessions";
    CreateKey = "/mpc.v1.MPCKeys/CreateKey";
    GetKey = "/mpc.v1.MPCKeys/GetKey";
    ListKeys = "/mpc.v1.MPCKeys/ListKeys";
    RetireKey = "/mpc.v1.MPCKeys/RetireKey";
    GetAddresses = "/mpc.v1.MPCKeys/GetAddresses";
    GetXpub = "/mpc.v1.MPCKeys/GetXpub";
    HealthCheck = "/grpc.health.v1.Health/Check";
    HealthWatch = "/grpc.health.v1.Health/Watch";
    HealthList = "/grpc.health.v1.Health/List";
    Reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
}

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Nodes, for themselves.
    Nodes,
    /// Processes of the cluster, for themselves.
    Processes,
    /// Everybody in the cluster document.
    Everybody,
    /// Gateways, on behalf of clients, and clients with this role or a higher one. Never nodes.
    Clients(Role),
}

impl Call {
    /// The call with this path.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|call| call.path() == path)
    }

    /// The longest that a call may bring, in bytes, with what frames it. What nodes say is bounded message by message.
    pub(crate) const fn longest(self) -> Option<usize> {
        match self {
            Self::JoinSigningSession | Self::SubmitSignatureShare => None,
            Self::CreateSigningSession | Self::CreateKey | Self::RetireKey => Some(SIGNED_MAX),
            Self::Heartbeat
            | Self::RegisterNode
            | Self::DiscoverNodes
            | Self::UnregisterNode
            | Self::GetSessionStatus
            | Self::AggregateSignatures
            | Self::ListRequests
            | Self::ListSessions
            | Self::WatchSessions
            | Self::GetKey
            | Self::ListKeys
            | Self::GetAddresses
            | Self::GetXpub
            | Self::HealthCheck
            | Self::HealthWatch
            | Self::HealthList
            | Self::Reflection => Some(SMALL_MAX),
        }
    }

    /// Whether its answer may be of megabytes.
    pub(crate) const fn is_list(self) -> bool {
        matches!(self, Self::ListRequests | Self::ListKeys)
    }

    /// The table.
    pub(crate) const fn door(self) -> Door {
        match self {
            Self::Heartbeat | Self::JoinSigningSession | Self::SubmitSignatureShare => Door::Nodes,
            Self::RegisterNode | Self::UnregisterNode => Door::Processes,
            Self::DiscoverNodes | Self::HealthCheck | Self::HealthWatch | Self::HealthList => Door::Everybody,
            Self::GetSessionStatus
            | Self::AggregateSignatures
            | Self::ListRequests
            | Self::ListSessions
            | Self::WatchSessions
            | Self::GetKey
            | Self::ListKeys
            | Self::GetAddresses
            | Self::GetXpub => Door::Clients(Role::Viewer),
            Self::CreateSigningSession => Door::Clients(Role::Requester),
            Self::CreateKey => Door::Clients(Role::Operator),
            Self::RetireKey | Self::Reflection => Door::Clients(Role::Admin),
        }
    }
}

impl Door {
    /// Whether it opens. `role` is that of a client.
    pub(crate) fn opens(self, peer: PeerRole, role: Option<Role>) -> Result<(), Shut> {
        let is_in = match self {
            Self::Everybody => true,
            Self::Nodes => peer == PeerRole::Node,
            Self::Processes => peer != PeerRole::Client,
            Self::Clients(least) => match peer {
                PeerRole::Gateway => true,
                PeerRole::Client => return if role >= Some(least) { Ok(()) } else { Err(Shut::Role(least)) },
                PeerRole::Node | PeerRole::Coordinator => false,
            },
        };
        if is_in { Ok(()) } else { Err(Shut::Peer) }
    }
}

/// Why a door does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    /// It is for another kind of process.
    Peer,
    /// It is for clients with at least this role.
    Role(Role),
}

#[cfg(test)]
mod tests {
    use keymoot_wire::cluster::Role;
    use keymoot_wire::identity::PeerRole;
    use prost::Message as _;

    use super::{Call, Shut};

    const ROLES: [Role; 4] = [Role::Viewer, Role::Requester, Role::Operator, Role::Admin];

    /// For each call: node, coordinator, gateway; viewer, requester, operator, admin. As reviewed.
    const REVIEWED: [(Call, &str); 22] = [
        (Call::Heartbeat, "n-- ----"),
        (Call::JoinSigningSession, "n-- ----"),
        (Call::SubmitSignatureShare, "n-- ----"),
        (Call::RegisterNode, "ncg ----"),
        (Call::DiscoverNodes, "ncg vroa"),
        (Call::UnregisterNode, "ncg ----"),
        (Call::CreateSigningSession, "--g -roa"),
        (Call::GetSessionStatus, "--g vroa"),
        (Call::AggregateSignatures, "--g vroa"),
        (Call::ListRequests, "--g vroa"),
        (Call::ListSessions, "--g vroa"),
        (Call::WatchSessions, "--g vroa"),
        (Call::CreateKey, "--g --oa"),
        (Call::GetKey, "--g vroa"),
        (Call::ListKeys, "--g vroa"),
        (Call::RetireKey, "--g ---a"),
        (Call::GetAddresses, "--g vroa"),
        (Call::GetXpub, "--g vroa"),
        (Call::HealthCheck, "ncg vroa"),
        (Call::HealthWatch, "ncg vroa"),
        (Call::HealthList, "ncg vroa"),
        (Call::Reflection, "--g ---a"),
    ];

    fn opens(call: Call) -> String {
        let processes = [(PeerRole::Node, 'n'), (PeerRole::Coordinator, 'c'), (PeerRole::Gateway, 'g')];
        let processes = processes.map(|(peer, mark)| (call.door().opens(peer, None).is_ok(), mark));
        let clients = ROLES.map(|role| {
            let mark = role.name().chars().next().unwrap();
            (call.door().opens(PeerRole::Client, Some(role)).is_ok(), mark)
        });
        let mark = |(is_open, mark): &(bool, char)| if *is_open { *mark } else { '-' };
        let [processes, clients]: [String; 2] =
            [processes.iter().map(mark).collect(), clients.iter().map(mark).collect()];
        format!("{processes} {clients}")
    }

    #[test]
    fn every_door_is_as_it_was_reviewed() {
        assert_eq!(REVIEWED.map(|(call, _)| call).as_slice(), Call::ALL, "each call has one row, in order");
        for (call, reviewed) in REVIEWED {
            assert_eq!(opens(call), reviewed, "{call:?}");
        }
    }

    #[test]
    fn a_client_without_a_role_goes_nowhere_but_where_everybody_may() {
        for call in Call::ALL {
            let door = call.door().opens(PeerRole::Client, None);
            let is_for_all = REVIEWED.iter().any(|(one, marks)| one == call && *marks == "ncg vroa");
            assert_eq!(door.is_ok(), is_for_all, "{call:?}");
        }
        let shut = Call::RetireKey.door().opens(PeerRole::Client, Some(Role::Operator));
        assert_eq!(shut, Err(Shut::Role(Role::Admin)));
    }

    #[test]
    fn every_call_of_the_contract_is_in_the_table() {
        let described = prost_types::FileDescriptorSet::decode(keymoot_wire::mpc::DESCRIPTORS).unwrap();
        let mut missing = Vec::new();
        for file in described.file.iter().filter(|file| file.package() == "mpc.v1") {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/mpc.v1.{}/{}", service.name(), method.name());
                    if Call::of_path(&path).is_none() {
                        missing.push(path);
                    }
                }
            }
        }
        assert_eq!(missing, Vec::<String>::new());
    }
}
