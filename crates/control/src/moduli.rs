//! What nodes say of the moduli that GG20 needs, for people who wait for them. It is hearsay, and decides nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use keymoot_engine::crypto::PRIMES;
use keymoot_engine::message::Moduli as Told;
use keymoot_engine::words::Hash;
use keymoot_types::Party;
use keymoot_wire::mpc::ModuliState;

/// How many safe primes a node brings.
const WANTED: u16 = PRIMES as u16;

/// What each node has said last.
pub(crate) struct Moduli {
    told: Mutex<BTreeMap<Party, (Told, Instant)>>,
    /// What was said so long ago counts for nothing.
    silence: Duration,
}

impl Moduli {
    pub(crate) const fn new(silence: Duration) -> Self {
        Self { told: Mutex::new(BTreeMap::new()), silence }
    }

    /// A node says what it has; how many have the same moduli now, and whether that is news. One that serves no scheme with
    /// moduli says nothing.
    pub(crate) fn heard(&self, from: Party, told: &Told) -> (usize, bool) {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let told = Told { primes: told.primes.min(WANTED), ..told.clone() };
        let before = all.insert(from, (told.clone(), Instant::now()));
        let count = most(all.values().map(|(told, _)| told)).map_or(0, |(_, count)| count);
        (count, before.is_none_or(|(before, at)| before != told || at.elapsed() >= self.silence))
    }

    /// How far each node is that has said so lately. It has moduli if it has those that most have.
    pub(crate) fn states(&self, is_making: bool) -> BTreeMap<Party, ModuliState> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let fresh = told.into_iter().filter(|(_, (_, at))| at.elapsed() < self.silence);
        let fresh: BTreeMap<Party, Told> = fresh.map(|(party, (told, _))| (party, told)).collect();
        let most = most(fresh.values());
        let state = |told: Told| {
            let made = most.is_some_and(|(name, _)| told.tables.contains(&name));
            ModuliState {
                made,
                making: is_making && !made,
                safe_primes: u32::from(told.primes),
                wanted: u32::from(WANTED),
            }
        };
        fresh.into_iter().map(|(party, told)| (party, state(told))).collect()
    }
}

/// The moduli that most of these have, and how many: what one makes up is nobody else's.
fn most<'a>(told: impl Iterator<Item = &'a Told>) -> Option<(Hash, usize)> {
    let mut holders: BTreeMap<[u8; 32], usize> = BTreeMap::new();
    for table in told.flat_map(|told| &told.tables) {
        *holders.entry(*table.as_bytes()).or_default() += 1;
    }
    let most = holders.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(name, count)| (Hash::from_bytes(name), count))
}

/// How far one node is, in words.
pub(crate) fn words(state: Option<&ModuliState>, is_connected: bool) -> String {
    match state {
        _ if !is_connected => "is not reachable".to_owned(),
        None => "does not say that it serves gg20".to_owned(),
        Some(state) if state.made => "has them".to_owned(),
        Some(state) if state.making => "takes part in making them".to_owned(),
        Some(state) => format!("has {} of {} safe primes", state.safe_primes, state.wanted),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keymoot_engine::message::Moduli as Told;
    use keymoot_engine::words::Hash;
    use keymoot_types::Party;

    use super::{Moduli, words};

    const LONG: Duration = Duration::from_secs(3600);

    fn say(moduli: &Moduli, index: u16, tables: &[u8], primes: u16) -> usize {
        let tables = tables.iter().map(|byte| Hash::from_bytes([*byte; 32])).collect();
        moduli.heard(Party::new(index).unwrap(), &Told { tables, primes }).0
    }

    fn said(moduli: &Moduli, is_making: bool) -> Vec<String> {
        let states = moduli.states(is_making);
        (1..=3).map(|index| words(states.get(&Party::new(index).unwrap()), index != 3)).collect()
    }

    #[test]
    fn everybody_is_as_far_as_it_has_said_lately() {
        let moduli = Moduli::new(LONG);
        say(&moduli, 1, &[], 3);
        assert_eq!(
            said(&moduli, false),
            ["has 3 of 4 safe primes", "does not say that it serves gg20", "is not reachable"]
        );
        say(&moduli, 2, &[], u16::MAX);
        assert_eq!(said(&moduli, false)[1], "has 4 of 4 safe primes");
        assert_eq!(said(&moduli, true)[..2], ["takes part in making them"; 2]);
        let forgetful = Moduli::new(Duration::ZERO);
        say(&forgetful, 1, &[], 3);
        assert_eq!(said(&forgetful, false)[0], "does not say that it serves gg20");
    }

    #[test]
    fn moduli_are_those_that_most_have() {
        let moduli = Moduli::new(LONG);
        assert_eq!(say(&moduli, 1, &[9], 0), 1);
        assert_eq!((say(&moduli, 2, &[7], 0), say(&moduli, 3, &[7], 0)), (1, 2));
        let states = moduli.states(false);
        let made: Vec<bool> = states.values().map(|state| state.made).collect();
        assert_eq!(made, [false, true, true], "what one makes up is nobody else's");
    }
}
