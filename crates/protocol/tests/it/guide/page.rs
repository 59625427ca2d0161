//! A node's use of `keymoot-protocol`: it generates a key, keeps its share, signs, and judges blames.

use std::error::Error;
use std::io;
use std::sync::Arc;

use keymoot_protocol::abort::{Abort, Blame};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::{Committee, CommitteeError, Context};
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::dkg::{self, Dkg, DkgError};
use keymoot_protocol::envelope::Envelope;
use keymoot_protocol::evidence::judge;
use keymoot_protocol::frost::{
    Commitments, NonceId, NoncePool, Order, Refused, Signer, SigningKey, VerifyingKey,
};
use keymoot_protocol::identity::{IdentityKey, IdentityPublic};
use keymoot_protocol::key::{GroupKey, KeyShare};
use keymoot_protocol::machine::Machine;
use keymoot_protocol::rand_core::CryptoRngCore;
use keymoot_protocol::session::{Advance, Session};
use keymoot_types::{GroupId, KeyId, Millis, Party, Path, Scheme, Secret, SessionId, Threshold};
pub fn committee(
    group: GroupId,
    t: Threshold,
    pinned: &[(Party, IdentityPublic)],
) -> Result<Arc<Committee>, CommitteeError> {
    Committee::new(group, t, pinned.to_vec()).map(Arc::new)
}
pub fn start_dkg(
    committee: Arc<Committee>,
    (session, key): (SessionId, KeyId),
    member: (Party, Arc<IdentityKey>),
    deadline: Millis,
    rng: &mut impl CryptoRngCore,
) -> Result<Advance<Dkg<Secp256k1>>, DkgError> {
    let context = Arc::new(dkg::context(committee, Scheme::FrostTaproot, key, session));
    let opening = Dkg::start(context, member.0, member.1, rng)?;
    Ok(Session::open(opening, deadline))
}
pub fn drive<M: Machine, E: From<Abort>>(
    mut advance: Advance<M>,
    mut keep: impl FnMut(&Advance<M>) -> Result<(), E>,
    mut send: impl FnMut(&Envelope),
    mut receive: impl FnMut() -> (Vec<u8>, Millis),
) -> Result<M::Output, E> {
    loop {
        keep(&advance)?;
        let (session, outbox) = match advance {
            Advance::Dead { abort, outbox } => {
                outbox.iter().for_each(send);
                return Err(abort.into());
            }
            Advance::Done { output, outbox } => {
                outbox.iter().for_each(send);
                return Ok(output);
            }
            Advance::Waiting { session, outbox, .. } => (session, outbox),
        };
        outbox.iter().for_each(&mut send);
        let (bytes, now) = receive();
        advance = session.check_deadline(now)?.deliver(&bytes);
    }
}
pub type Scalar = <Secp256k1 as Curve>::Scalar;

pub fn keep_share(
    advance: &Advance<Dkg<Secp256k1>>,
    make_durable: impl FnOnce(&GroupKey<Secp256k1>, &Scalar) -> io::Result<()>,
) -> io::Result<()> {
    match advance {
        Advance::Waiting { session, .. } => match session.machine().pending() {
            Some((key, share)) => make_durable(key, share.expose()),
            None => Ok(()),
        },
        Advance::Done { output, .. } => make_durable(output.group(), output.expose()),
        Advance::Dead { .. } => Ok(()),
    }
}
pub fn adopt(
    pending: &GroupKey<Secp256k1>,
    (member, share): (Party, Secret<Scalar>),
    certified: &[u8],
) -> Result<KeyShare<Secp256k1>, Box<dyn Error>> {
    let key = GroupKey::decode(certified)?;
    Ok(KeyShare::new(member, share, Arc::new(key), &pending.digest())?)
}
pub fn signing_key(share: &KeyShare<Secp256k1>, path: Path) -> Result<Arc<SigningKey<Secp256k1>>, Refused> {
    let public = VerifyingKey::new(Arc::clone(share.group()), &share.group().committee, path)?;
    SigningKey::new(share, Arc::new(public)).map(Arc::new)
}
pub type Listed = [(Party, Commitments<Secp256k1>)];

pub fn sign(
    key: Arc<SigningKey<Secp256k1>>,
    identity: Arc<IdentityKey>,
    (session, digest, listed): (SessionId, [u8; 32], &Listed),
    (pool, ours): (&mut NoncePool<Secp256k1>, NonceId),
    make_durable: impl FnOnce(NonceId) -> io::Result<()>,
    deadline: Millis,
) -> Result<Vec<Envelope>, Box<dyn Error>> {
    let signers = listed.iter().map(|(party, _)| *party).collect();
    let order = Order::new(Arc::clone(key.public()), signers, digest.to_vec())?;
    let nonces = pool.burn(ours)?;
    make_durable(ours)?; // before anything leaves; if it fails, the nonces are lost, and that is all
    let opening = Signer::prepared(key, order, session, identity, nonces, listed)?;
    match Session::open(opening, deadline) {
        Advance::Done { outbox, .. } => Ok(outbox),
        Advance::Dead { abort, .. } => Err(abort.into()),
        Advance::Waiting { .. } => Err("a prepared signer answers at once".into()),
    }
}
pub fn is_proven(context: &Context, blame: &[u8]) -> bool {
    Blame::decode(blame).is_ok_and(|blame| judge::<Dkg<Secp256k1>>(context, &blame).is_ok())
}
