//! What was tried for each request here, and who is to be named for what went wrong.
//!
//! One member's word about another proves nothing to us: the evidence is with the members. So somebody is named only when
//! as many members of one session as are needed for a signature say the same of it; fewer can lie together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use keymoot_engine::request::RequestId;
use keymoot_types::{Party, SessionId};

use crate::latest::Latest;

/// Requests whose tallies are kept. The engine works on fewer at a time.
const TALLIES_MAX: usize = 8192;

/// Sessions of one request in which members' words count. Nodes take part in fewer.
const TRIALS_MAX: usize = 64;

/// Attempts at moduli in which members' words count: the latest.
const MODULI_MAX: usize = 8;

/// What was tried for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Sessions that were begun.
    pub(crate) attempts: u32,
    /// Who was found out in them.
    pub(crate) culprits: BTreeSet<Party>,
}

/// One session of a request, or one that was to make moduli, which serve all.
struct Trial {
    request: Option<RequestId>,
    members: Vec<Party>,
    /// Who says so of whom.
    by: BTreeMap<Party, BTreeSet<Party>>,
}

#[derive(Default)]
struct Tried {
    tally: Tally,
    sessions: Vec<SessionId>,
}

/// All of them.
pub(crate) struct Tallies {
    needed: usize,
    requests: Latest<RequestId, Tried>,
    trials: BTreeMap<SessionId, Trial>,
    /// The latest sessions that were to make moduli, and who was found out in them.
    moduli: VecDeque<SessionId>,
    spoilers: BTreeSet<Party>,
}

impl Tallies {
    /// `needed` members have to say the same.
    pub(crate) const fn new(needed: usize) -> Self {
        Self {
            needed,
            requests: Latest::new(TALLIES_MAX),
            trials: BTreeMap::new(),
            moduli: VecDeque::new(),
            spoilers: BTreeSet::new(),
        }
    }

    /// A session has begun.
    pub(crate) fn begin(&mut self, request: RequestId, session: SessionId, members: &[Party]) {
        if self.requests.get(&request).is_none()
            && let Some((_, gone)) = self.requests.insert(request, Tried::default())
        {
            self.end(gone);
        }
        let Some(tried) = self.requests.get_mut(&request) else { return };
        tried.tally.attempts = tried.tally.attempts.saturating_add(1);
        if tried.sessions.len() < TRIALS_MAX {
            tried.sessions.push(session);
            let trial = Trial { request: Some(request), members: members.to_vec(), by: BTreeMap::new() };
            self.trials.insert(session, trial);
        }
    }

    /// A session has begun that is to make moduli.
    pub(crate) fn begin_moduli(&mut self, session: SessionId, members: &[Party]) {
        self.moduli.push_back(session);
        if self.moduli.len() > MODULI_MAX
            && let Some(oldest) = self.moduli.pop_front()
        {
            self.trials.remove(&oldest);
        }
        self.trials.insert(session, Trial { request: None, members: members.to_vec(), by: BTreeMap::new() });
    }

    /// Who was found out in the attempts at moduli, as long as there are none.
    pub(crate) const fn spoilers(&self) -> &BTreeSet<Party> {
        &self.spoilers
    }

    /// So many have moduli. If they can sign, who was in the way is nobody's concern any more.
    pub(crate) fn have_moduli(&mut self, count: usize) {
        if count < self.needed {
            return;
        }
        self.spoilers.clear();
        for session in std::mem::take(&mut self.moduli) {
            self.trials.remove(&session);
        }
    }

    /// A member says that these broke the protocol.
    pub(crate) fn blame(&mut self, session: SessionId, by: Party, accused: &[Party]) {
        let Some(trial) = self.trials.get_mut(&session).filter(|trial| trial.members.contains(&by)) else {
            return;
        };
        for party in accused.iter().filter(|party| **party != by) {
            if !trial.members.contains(party) {
                continue;
            }
            let says = trial.by.entry(*party).or_default();
            says.insert(by);
            if says.len() < self.needed {
                continue;
            }
            match trial.request {
                Some(request) => {
                    if let Some(tried) = self.requests.get_mut(&request) {
                        tried.tally.culprits.insert(*party);
                    }
                }
                None => {
                    self.spoilers.insert(*party);
                }
            }
        }
    }

    /// What was tried for a request so far.
    pub(crate) fn of(&self, request: RequestId) -> Tally {
        self.requests.get(&request).map(|tried| tried.tally.clone()).unwrap_or_default()
    }

    /// A request is settled, or somebody else's.
    pub(crate) fn forget(&mut self, request: RequestId) {
        if let Some(gone) = self.requests.remove(&request) {
            self.end(gone);
        }
    }

    /// What members say of these sessions does not count any more.
    fn end(&mut self, gone: Tried) {
        for session in gone.sessions {
            self.trials.remove(&session);
        }
    }
}

#[cfg(test)]
mod tests {
    use keymoot_engine::request::RequestId;
    use keymoot_engine::words::Hash;
    use keymoot_types::{Party, SessionId};

    use super::{TALLIES_MAX, Tallies};

    fn party(index: u16) -> Party {
        Party::new(index).unwrap()
    }

    fn request(number: usize) -> RequestId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        RequestId(Hash::from_bytes(bytes))
    }

    fn named(tallies: &Tallies) -> Vec<u16> {
        tallies.of(request(1)).culprits.iter().map(|party| party.index()).collect()
    }

    #[test]
    fn somebody_is_named_when_as_many_say_so_as_are_needed_to_sign() {
        let mut tallies = Tallies::new(2);
        let session = SessionId::new([1; 16]);
        tallies.begin(request(1), session, &[party(1), party(2), party(3)]);
        for _ in 0..2 {
            tallies.blame(session, party(1), &[party(2)]);
        }
        assert!(named(&tallies).is_empty(), "one member's word, however often, is not enough");
        // The accused says so of itself; a stranger says so; members say so of a stranger.
        tallies.blame(session, party(2), &[party(2)]);
        tallies.blame(session, party(4), &[party(2)]);
        tallies.blame(session, party(3), &[party(4)]);
        tallies.blame(session, party(1), &[party(4)]);
        assert!(named(&tallies).is_empty());
        tallies.blame(session, party(3), &[party(2)]);
        assert_eq!(named(&tallies), [2]);
    }

    #[test]
    fn words_of_different_sessions_are_not_added_up() {
        let mut tallies = Tallies::new(2);
        let sessions = [1, 2].map(|number| SessionId::new([number; 16]));
        for session in sessions {
            tallies.begin(request(1), session, &[party(1), party(2), party(3)]);
        }
        tallies.blame(sessions[0], party(1), &[party(2)]);
        tallies.blame(sessions[1], party(3), &[party(2)]);
        assert!(named(&tallies).is_empty());
        assert_eq!(tallies.of(request(1)).attempts, 2);
        tallies.forget(request(1));
        tallies.blame(sessions[1], party(1), &[party(2)]);
        assert_eq!((tallies.of(request(1)).attempts, tallies.trials.len()), (0, 0));
    }

    #[test]
    fn whoever_spoils_moduli_is_named_until_there_are_some() {
        let mut tallies = Tallies::new(2);
        let all = [1, 2, 3].map(party);
        let sessions = (0..20_u8).map(|number| SessionId::new([number; 16]));
        let sessions: Vec<SessionId> = sessions.collect();
        sessions.iter().for_each(|session| tallies.begin_moduli(*session, &all));
        for by in [1, 2] {
            tallies.blame(sessions[0], party(by), &[party(3)]);
        }
        assert!(tallies.spoilers().is_empty() && tallies.trials.len() < sessions.len(), "long ago");
        tallies.blame(sessions[19], party(1), &[party(3)]);
        assert!(tallies.spoilers().is_empty(), "one member's word");
        tallies.blame(sessions[19], party(2), &[party(3)]);
        assert_eq!(tallies.spoilers().iter().copied().collect::<Vec<_>>(), [party(3)]);
        assert!(named(&tallies).is_empty(), "that is said of moduli, and of no request");
        tallies.have_moduli(1);
        assert!(!tallies.spoilers().is_empty(), "one member may say so of itself");
        tallies.have_moduli(2);
        assert!(tallies.spoilers().is_empty() && tallies.trials.is_empty());
    }

    #[test]
    fn there_are_only_so_many_and_the_latest_are_kept() {
        let mut tallies = Tallies::new(2);
        for number in (0..TALLIES_MAX + 9).rev() {
            let mut session = [0; 16];
            session[..8].copy_from_slice(&number.to_le_bytes());
            tallies.begin(request(number), SessionId::new(session), &[party(1)]);
        }
        assert_eq!((tallies.requests.len(), tallies.trials.len()), (TALLIES_MAX, TALLIES_MAX));
        assert_eq!([0, TALLIES_MAX + 8].map(|number| tallies.of(request(number)).attempts), [1, 0]);
    }
}
