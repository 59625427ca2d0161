//! What runs in rounds, and what people call these rounds.

use std::time::{Duration, Instant};

use keymoot_protocol::dkls23::setup;
use keymoot_protocol::envelope::Kind;

use super::link::{End, Slot, run};
use super::scene::{Audience, Scene};
use crate::failure::Failure;

/// What runs round by round for people to watch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Keygen,
    PairSetup,
    /// A batch that fits one round of replies.
    Presigning,
}

const KEYGEN: [&str; keymoot_protocol::dkg::ROUNDS.len()] =
    ["hello", "commit", "open", "shares", "proofs", "certify"];
const PAIR_SETUP: [&str; setup::ROUNDS.len()] = ["hello", "offers", "replies", "trees", "confirm", "done"];
const PRESIGNING: [&str; 6] = ["hello", "commit", "extend", "open", "replies", "confirm"];

impl Work {
    /// What failures call it.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Keygen => "key generation",
            Self::PairSetup => "pair setup",
            Self::Presigning => "presigning",
        }
    }

    /// What people call a slot of it.
    pub fn stage_name(self, (round, kind): Slot) -> &'static str {
        let names: &[&str] = match self {
            Self::Keygen => &KEYGEN,
            Self::PairSetup => &PAIR_SETUP,
            Self::Presigning => &PRESIGNING,
        };
        match kind {
            Kind::Body => names.get(usize::from(round)).copied().unwrap_or("unknown"),
            Kind::Echo => "echo",
        }
    }

    /// Runs it before an audience until no mail is left; the time it took without that of the audience.
    pub fn watch(
        self,
        ends: &mut [&mut dyn End],
        started: Instant,
        audience: &mut dyn Audience,
    ) -> Result<Duration, Failure> {
        let mut elapsed = Duration::ZERO;
        run(ends, started, |stage| {
            elapsed += stage.elapsed;
            audience.see(Scene::Stage(self, stage))
        })?;
        Ok(elapsed)
    }
}
