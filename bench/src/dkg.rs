//! Key generation, through sessions: every message signed, encoded, decoded and verified.

use anyhow::Result;
use keymoot_protocol::frost::Suite;

use crate::measure::Bench;
use crate::world::World;

pub fn run<S: Suite>(bench: &Bench, needed: u16, total: u16) -> Result<()> {
    let mut world = World::new(needed, total)?;
    let case = format!("dkg/{}/{needed}of{total}", S::LABEL);
    bench.case(&case, &mut || world.generate::<S>().map(|(_, bytes)| bytes), None)
}
