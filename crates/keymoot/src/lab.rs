//! `keymoot lab`: the whole story in one process. Keys are born, sign, lose parties and refuse.
//!
//! Every party is a value of its own; what it knows of the others it has read from bytes. Nothing is stored, and
//! nothing here is staged: each line that is shown comes out of the protocol.

mod ecdsa;
mod json;
mod keygen;
mod link;
mod names;
mod party;
mod plan;
mod report;
mod rounds;
mod scene;
mod schemes;
mod sign;

use keymoot_protocol::curve::{Ed25519, Secp256k1};
use keymoot_types::{Party, Scheme};

use crate::failure::Failure;
use keygen::generate;
use party::Assembly;
use scene::{Answer, Audience, Scene};
use sign::Key;

pub use json::Document;
pub use plan::Plan;
pub use report::Text;

/// Plays the lab before an audience.
pub fn play(plan: &Plan, audience: &mut dyn Audience) -> Result<(), Failure> {
    audience.see(Scene::Opening(plan))?;
    let assembly = Assembly::gather(plan.threshold)?;
    let mut keys: Vec<Box<dyn Key>> = Vec::new();
    for scheme in &plan.schemes {
        keys.push(match scheme {
            Scheme::FrostTaproot => Box::new(generate::<Secp256k1>(&assembly, audience)?),
            Scheme::FrostEd25519 => Box::new(generate::<Ed25519>(&assembly, audience)?),
            Scheme::Dkls23 => Box::new(ecdsa::generate(&assembly, audience)?),
            Scheme::Gg20 => return Err(plan::not_shown(*scheme)),
        });
    }
    let needed = usize::from(plan.threshold.needed());
    let mut reachable: Vec<Party> = plan.threshold.parties().collect();
    for key in &mut keys {
        key.prepare(&reachable[..needed], audience)?;
    }
    audience.see(Scene::Asking { threshold: plan.threshold, message: &plan.message })?;
    must_sign(&mut keys, &reachable[..needed], plan, audience)?;

    // The last of those who signed, so that the others have to make do with somebody new.
    let mut away = vec![reachable.remove(needed - 1)];
    audience.see(Scene::Away { away: &away, left: &reachable, threshold: plan.threshold })?;
    take_away(&mut keys, &away, audience)?;
    if reachable.len() >= needed {
        must_sign(&mut keys, &reachable[..needed], plan, audience)?;
        away = reachable.split_off(needed - 1);
        audience.see(Scene::Away { away: &away, left: &reachable, threshold: plan.threshold })?;
        take_away(&mut keys, &away, audience)?;
    }
    must_refuse(&mut keys, &reachable, plan, audience)?;
    audience.see(Scene::Closing)
}

fn take_away(
    keys: &mut [Box<dyn Key>],
    parties: &[Party],
    audience: &mut dyn Audience,
) -> Result<(), Failure> {
    keys.iter_mut().try_for_each(|key| parties.iter().try_for_each(|party| key.take_away(*party, audience)))
}

fn must_sign(
    keys: &mut [Box<dyn Key>],
    signers: &[Party],
    plan: &Plan,
    audience: &mut dyn Audience,
) -> Result<(), Failure> {
    for key in keys {
        key.prepare(signers, audience)?;
        match key.ask(signers, &plan.message)? {
            Answer::Signed(signed) => audience.see(Scene::Signed(&signed))?,
            Answer::Refused(_) => return Err(Failure::Broken("a full quorum was refused")),
        }
    }
    Ok(())
}

fn must_refuse(
    keys: &mut [Box<dyn Key>],
    reachable: &[Party],
    plan: &Plan,
    audience: &mut dyn Audience,
) -> Result<(), Failure> {
    for key in keys {
        match key.ask(reachable, &plan.message)? {
            Answer::Refused(refusal) if refusal.nonces_used == 0 => audience.see(Scene::Refused(&refusal))?,
            Answer::Refused(_) => {
                return Err(Failure::Broken("a refused request has used up nonces or presignatures"));
            }
            Answer::Signed(_) => return Err(Failure::Broken("fewer than the threshold have signed")),
        }
    }
    Ok(())
}

/// A key that a committee of two has certified, as it travels. For tests of whoever has to believe such a thing.
#[cfg(test)]
pub fn must_certify() -> (keymoot_protocol::context::Committee, Vec<u8>) {
    use keymoot_protocol::codec::Wire;

    struct Nobody;
    impl Audience for Nobody {
        fn see(&mut self, _: Scene<'_>) -> Result<(), Failure> {
            Ok(())
        }
    }
    let assembly = Assembly::gather(keymoot_types::Threshold::new(2, 2).unwrap()).unwrap();
    let agreed = keygen::agree::<Secp256k1>(Scheme::Dkls23, &assembly, &mut Nobody).unwrap();
    (assembly.committee().unwrap(), agreed.public.encode().to_vec())
}
