//! Protocol mail on its way through coordinators that must neither read nor forge it. What is for one member, and all
//! mail of sessions that make secrets, is sealed for each recipient; broadcasts of signing sessions stay readable, because
//! the coordinator adds the shares up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use keymoot_engine::message::{Invite, SessionMail, What};
use keymoot_types::{GroupId, Party, SessionId};
use keymoot_wire::seal::{Header, SealKey, Sequence};
use rand::rngs::OsRng;

/// In front of mail that the coordinator reads.
pub(crate) const READABLE: u8 = 0;

/// In front of mail that is sealed for one recipient.
pub(crate) const SEALED: u8 = 1;

/// Sessions that are remembered. The engine has fewer at a time.
const SEATS_MAX: usize = 4096;

/// Of sessions that have ended, so many are remembered at least.
const SEATS_KEPT: usize = 2048;

/// What a session is, as far as its mail depends on it.
struct Seat {
    members: Vec<Party>,
    is_signing: bool,
    /// How many pieces were sealed in it, for whomever.
    sealed: u64,
}

/// Why a piece of mail is not handed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailRefused {
    #[error("it has no mark of how it travels")]
    Unmarked,
    #[error("mail of this session has to be sealed")]
    Unsealed,
    #[error("it is sealed for another session")]
    Elsewhere,
    #[error("it has been here before")]
    Repeated,
    #[error("it does not open")]
    Closed(#[source] keymoot_wire::seal::SealError),
}

/// The mail room of one node.
pub(crate) struct Post {
    me: Party,
    group: GroupId,
    key: Arc<SealKey>,
    /// The public seal keys of all members.
    members: Arc<BTreeMap<Party, [u8; 32]>>,
    seats: BTreeMap<SessionId, Seat>,
    order: VecDeque<SessionId>,
    seen: Sequence,
}

impl Post {
    pub(crate) fn new(
        (me, group): (Party, GroupId),
        key: Arc<SealKey>,
        members: Arc<BTreeMap<Party, [u8; 32]>>,
    ) -> Self {
        let (seats, order) = (BTreeMap::new(), VecDeque::new());
        Self { me, group, key, members, seats, order, seen: Sequence::default() }
    }

    /// Notes what a session is that this node takes part in. `holds` tells which sessions go on: of those that have ended, the
    /// latest are kept, because their last words may still wait for the disk.
    pub(crate) fn invited(&mut self, invite: &Invite, holds: impl Fn(SessionId) -> bool) {
        let (members, is_signing) = match &invite.what {
            What::Keygen { .. } | What::Moduli => (self.members.keys().copied().collect(), false),
            What::Setup { members } => (members.clone(), false),
            What::Presign { signers, .. } => (signers.clone(), false),
            What::Sign { signers, .. } => (signers.clone(), true),
            // Nodes have nothing to say to each other about it.
            What::Retire { .. } => return,
        };
        if self.seats.insert(invite.session, Seat { members, is_signing, sealed: 0 }).is_none() {
            self.order.push_back(invite.session);
        }
        if self.order.len() > SEATS_MAX {
            let ended = self.order.len().saturating_sub(SEATS_KEPT);
            let (old, latest) =
                (self.order.drain(..ended).collect::<Vec<_>>(), std::mem::take(&mut self.order));
            let (going, gone): (Vec<_>, Vec<_>) = old.into_iter().partition(|session| holds(*session));
            gone.iter().for_each(|session| drop(self.seats.remove(session)));
            self.order = going.into_iter().chain(latest).collect();
        }
    }

    /// Whether a lost piece of this mail would cost a signature.
    pub(crate) fn is_signing(&self, session: SessionId) -> bool {
        self.seats.get(&session).is_some_and(|seat| seat.is_signing)
    }

    /// What is sent for one piece of mail, with the round it belongs to. Mail that cannot be sealed is not sent.
    pub(crate) fn seal(&mut self, mail: SessionMail) -> (Option<u16>, Vec<SessionMail>) {
        let round = keymoot_engine::real::round_of(&mail.bytes);
        let Some(seat) = self.seats.get_mut(&mail.session) else { return (round, Vec::new()) };
        let recipients = match mail.to {
            None if seat.is_signing => {
                let bytes = [&[READABLE], mail.bytes.as_slice()].concat();
                return (round, vec![SessionMail { bytes, ..mail }]);
            }
            None => seat.members.iter().copied().filter(|member| *member != self.me).collect(),
            Some(to) => vec![to],
        };
        let mut all = Vec::with_capacity(recipients.len());
        let last = recipients.len().saturating_sub(1);
        for (place, to) in recipients.into_iter().enumerate() {
            let Some(public) = self.members.get(&to) else { continue };
            seat.sealed = seat.sealed.saturating_add(1);
            let header = Header {
                group: self.group,
                from: self.me,
                to,
                session: mail.session,
                round: round.unwrap_or(0),
                sequence: seat.sealed,
            };
            match self.key.seal(&header, public, &mail.bytes, &mut OsRng) {
                Ok(sealed) => {
                    let bytes = [&[SEALED], sealed.as_slice()].concat();
                    let released = mail.released.filter(|_| place == last);
                    all.push(SessionMail { session: mail.session, to: Some(to), bytes, released });
                }
                Err(fault) => {
                    tracing::error!(session = %mail.session, %to, error = %fault, "mail cannot be sealed");
                }
            }
        }
        (round, all)
    }

    /// What the engine gets of a piece of mail that has come.
    pub(crate) fn open(&mut self, mut mail: SessionMail) -> Result<SessionMail, MailRefused> {
        let seat = self.seats.get(&mail.session);
        match mail.bytes.split_first() {
            // Before the invitation nobody knows; the protocol checks the signature in any case.
            Some((&READABLE, rest)) if seat.is_none_or(|seat| seat.is_signing) => {
                mail.bytes = rest.to_vec();
                Ok(mail)
            }
            Some((&READABLE, _)) => Err(MailRefused::Unsealed),
            Some((&SEALED, rest)) => {
                let sender = |from: Party| self.members.get(&from).copied();
                let opened =
                    self.key.open((self.group, self.me), sender, rest).map_err(MailRefused::Closed)?;
                if opened.header.session != mail.session {
                    return Err(MailRefused::Elsewhere);
                }
                if !self.seen.admit(&opened.header) {
                    return Err(MailRefused::Repeated);
                }
                mail.bytes = opened.plain.to_vec();
                Ok(mail)
            }
            _ => Err(MailRefused::Unmarked),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use keymoot_engine::message::{Invite, SessionMail, What};
    use keymoot_types::{GroupId, Party, SessionId};
    use keymoot_wire::seal::SealKey;

    use super::{MailRefused, Post, READABLE, SEALED, SEATS_KEPT, SEATS_MAX};

    const SECRET: &[u8] = b"nobody but its recipient reads this";

    fn party(index: u16) -> Party {
        Party::new(index).unwrap()
    }

    fn session(number: u16) -> SessionId {
        let [high, low] = number.to_be_bytes();
        SessionId::new([high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    fn posts() -> [Post; 3] {
        let keys =
            [1, 2, 3].map(|index| (party(u16::from(index)), Arc::new(SealKey::from_seed(&[index; 32]))));
        let members: BTreeMap<Party, [u8; 32]> =
            keys.iter().map(|(party, key)| (*party, key.public())).collect();
        let members = Arc::new(members);
        keys.map(|(party, key)| Post::new((party, GroupId::new([7; 16])), key, Arc::clone(&members)))
    }

    fn keygen(number: u16) -> Invite {
        Invite { session: session(number), what: What::Keygen { request: Vec::new(), attempt: 0 } }
    }

    fn signing(number: u16) -> Invite {
        let signers = vec![party(1), party(2)];
        let what = What::Sign { request: Vec::new(), signers, presignature: None };
        Invite { session: session(number), what }
    }

    fn mail(number: u16, to: Option<Party>) -> SessionMail {
        SessionMail { session: session(number), to, bytes: SECRET.to_vec(), released: None }
    }

    /// As a coordinator passes it on.
    fn carried(mail: &SessionMail) -> SessionMail {
        SessionMail { to: None, released: None, ..mail.clone() }
    }

    #[test]
    fn what_makes_a_key_is_sealed_for_each_member_and_opened_once() {
        let [mut one, mut two, mut three] = posts();
        for post in [&mut one, &mut two, &mut three] {
            post.invited(&keygen(1), |_| false);
        }
        let (_, sealed) = one.seal(mail(1, None));
        assert_eq!(sealed.iter().map(|mail| mail.to).collect::<Vec<_>>(), [Some(party(2)), Some(party(3))]);
        let is_hidden =
            |mail: &SessionMail| !mail.bytes.windows(8).any(|window| SECRET.windows(8).any(|s| s == window));
        assert!(sealed.iter().all(|mail| mail.bytes.first() == Some(&SEALED) && is_hidden(mail)));
        assert_eq!(two.open(carried(&sealed[0])).unwrap().bytes, SECRET);
        assert!(matches!(two.open(carried(&sealed[0])), Err(MailRefused::Repeated)));
        assert!(matches!(two.open(carried(&sealed[1])), Err(MailRefused::Closed(_))), "it is for another");
        assert_eq!(three.open(carried(&sealed[1])).unwrap().bytes, SECRET);
    }

    #[test]
    fn a_coordinator_can_neither_move_nor_change_nor_unseal_mail() {
        let [mut one, mut two, _] = posts();
        one.invited(&keygen(1), |_| false);
        two.invited(&keygen(1), |_| false);
        two.invited(&keygen(2), |_| false);
        let (_, sealed) = one.seal(mail(1, Some(party(2))));
        let moved = SessionMail { session: session(2), ..carried(&sealed[0]) };
        assert!(matches!(two.open(moved), Err(MailRefused::Elsewhere)));
        for at in [1, 20, 60, sealed[0].bytes.len() - 1] {
            let mut changed = carried(&sealed[0]);
            changed.bytes[at] ^= 1;
            assert!(two.open(changed).is_err(), "byte {at}");
        }
        let plain = |bytes: Vec<u8>| SessionMail { bytes, ..mail(1, None) };
        let readable = [&[READABLE], SECRET].concat();
        assert!(matches!(two.open(plain(readable)), Err(MailRefused::Unsealed)));
        assert!(matches!(two.open(plain(Vec::new())), Err(MailRefused::Unmarked)));
        assert!(matches!(two.open(plain(vec![2, 3])), Err(MailRefused::Unmarked)));
        assert!(two.open(carried(&sealed[0])).is_ok(), "nothing of that has spoilt it");
    }

    #[test]
    fn broadcasts_of_a_signing_stay_readable_and_the_rest_is_sealed() {
        let [mut one, mut two, _] = posts();
        one.invited(&signing(1), |_| false);
        two.invited(&signing(1), |_| false);
        let (_, all) = one.seal(mail(1, None));
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].to, all[0].bytes.first()), (None, Some(&READABLE)));
        assert_eq!(two.open(carried(&all[0])).unwrap().bytes, SECRET);
        let (_, direct) = one.seal(mail(1, Some(party(2))));
        assert_eq!(direct[0].bytes.first(), Some(&SEALED));
        assert!(one.seal(mail(9, None)).1.is_empty(), "of a session that it does not know nothing is sent");
    }

    #[test]
    fn only_so_many_sessions_are_remembered_and_those_that_go_on_are() {
        let [mut one, ..] = posts();
        for number in 0..=u16::try_from(SEATS_MAX).unwrap() {
            let invite = if number < 2 { signing(number) } else { keygen(number) };
            one.invited(&invite, |kept| kept == session(1));
        }
        assert!(!one.is_signing(session(0)), "it has ended long ago");
        assert!(one.is_signing(session(1)), "it goes on");
        assert_eq!(one.seats.len(), SEATS_KEPT + 1);
        assert_eq!(one.order.len(), one.seats.len());
    }
}
