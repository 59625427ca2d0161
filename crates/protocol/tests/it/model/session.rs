//! What has been said in a session, and the names that follow from it: context, ssid, view (kernel.md §2 and §3).

use std::collections::BTreeMap;

use keymoot_protocol::context::{Committee, Context, Protocol};
use keymoot_protocol::curve::Secp256k1;
use keymoot_protocol::key::GroupKey;
use keymoot_protocol::transcript::Hash;

use super::encode::{Bytes32, by_party, bytes, compressed, list, option, party, point, text, uint};
use super::hashes::digest;

/// The group id of all committees of these tests; a committee does not show it.
const GROUP: [u8; 16] = [1; 16];

/// The recipient of a broadcast.
pub const ALL: u16 = 0;

/// Bodies by round, sender and recipient.
pub type Bodies = BTreeMap<(u8, u16, u16), Vec<u8>>;

/// One participant, as the specification has it act.
pub trait Model {
    /// What it sends in a round, to whom. All earlier rounds are complete.
    fn say(&mut self, round: u8, session: &Session) -> Vec<(u16, Vec<u8>)>;
}

pub struct Session {
    pub context: Bytes32,
    pub participants: Vec<u16>,
    pub bodies: Bodies,
}

impl Session {
    /// Lets all participants speak, round by round.
    pub fn run<M: Model>(context: &Context, models: &mut BTreeMap<u16, M>, rounds: u8) -> Self {
        let participants = models.keys().copied().collect();
        let mut session = Self { context: context_id(context), participants, bodies: Bodies::new() };
        for round in 0..rounds {
            for (from, model) in models.iter_mut() {
                let said = model.say(round, &session);
                session.bodies.extend(said.into_iter().map(|(to, body)| ((round, *from, to), body)));
            }
        }
        session
    }

    pub fn body(&self, round: u8, from: u16, to: u16) -> &[u8] {
        &self.bodies[&(round, from, to)]
    }

    pub fn body_digest(&self, round: u8, from: u16, to: u16) -> Bytes32 {
        digest("keymoot/body/v1", &[bytes(self.body(round, from, to))])
    }

    /// What everybody has broadcast in a round; nothing in a direct one.
    fn broadcasts(&self, round: u8) -> Vec<(u16, Bytes32)> {
        let said = self.participants.iter().filter(|from| self.bodies.contains_key(&(round, **from, ALL)));
        said.map(|from| (*from, self.body_digest(round, *from, ALL))).collect()
    }

    pub fn ssid(&self) -> Bytes32 {
        let hellos = self.broadcasts(0);
        let hellos = by_party(hellos.iter().map(|(party, digest)| (*party, digest)));
        digest("keymoot/ssid/v1", &[bytes(&self.context), hellos])
    }

    /// The view after a round; before any, it is zero.
    pub fn view(&self, after: Option<u8>) -> Bytes32 {
        let rounds = after.map_or(0, |round| round + 1);
        (0..rounds).fold([0; 32], |before, round| match self.broadcasts(round) {
            direct if direct.is_empty() => before,
            all => {
                let all = by_party(all.iter().map(|(party, digest)| (*party, digest)));
                digest("keymoot/view/v1", &[bytes(&before), uint(u64::from(round)), all])
            }
        })
    }
}

pub fn committee(committee: &Committee) -> Vec<u8> {
    let member = |member: keymoot_types::Party| {
        let identity = committee.identity(member).expect("a member has an identity");
        [party(member.index()), bytes(identity.as_bytes())].concat()
    };
    let members: Vec<_> = committee.threshold().parties().map(member).collect();
    let needed = uint(u64::from(committee.threshold().needed()));
    [bytes(&GROUP), needed, list(&members)].concat()
}

/// `keymoot/context/v1`.
pub fn context_id(context: &Context) -> Bytes32 {
    let protocol = match context.protocol {
        Protocol::DklsSetup => "dkls23/setup",
        Protocol::DklsPresign => "dkls23/presign",
        Protocol::DklsSign => "dkls23/sign",
        other => panic!("{other:?} is not modelled"),
    };
    let hash = |hash: &Hash| bytes(hash.as_bytes());
    let signers = context.signers.as_ref().map_or(vec![], |quorum| quorum.signers().to_vec());
    digest(
        "keymoot/context/v1",
        &[
            bytes(context.session.as_bytes()),
            text("dkls23"),
            text("sha256+sha512/field-le64/v1"),
            text(protocol),
            uint(1),
            committee(&context.committee),
            option(context.key.as_ref().map(|key| bytes(key.as_bytes()))),
            uint(context.epoch.0),
            list(&signers.iter().map(|signer| party(signer.index())).collect::<Vec<_>>()),
            option(context.group_key.as_ref().map(hash)),
            option(context.merkle_root.as_ref().map(|root| bytes(root))),
            option(context.intent.as_ref().map(hash)),
            option(
                context
                    .batch
                    .as_ref()
                    .map(|batch| [uint(u64::from(batch.size)), bytes(batch.setup.as_bytes())].concat()),
            ),
        ],
    )
}

/// `keymoot/ready/v1`, the digest of a public key package (dkg.md, step 5).
pub fn package(group: &GroupKey<Secp256k1>) -> Bytes32 {
    let shares: Vec<_> = group.shares.iter().map(point).collect();
    let fields = [
        text("secp256k1"),
        text("dkls23"),
        committee(&group.committee),
        bytes(group.key.as_bytes()),
        uint(group.epoch.0),
        point(&group.public),
        list(&shares),
        bytes(&group.chain_code),
        option(None),
        bytes(&compressed(&group.public)[1..]),
        bytes(group.session.as_bytes()),
        bytes(group.view.as_bytes()),
    ];
    digest("keymoot/ready/v1", &fields)
}
