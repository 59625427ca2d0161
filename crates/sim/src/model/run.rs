//! Sessions of the model: rounds in which everybody says one thing, and what follows when all have said it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use keymoot_engine::crypto::{
    Accusation, Crypto, End, Mail as Outgoing, Next, Note, Order, Product, Progress, Task, Unfit,
};
use keymoot_protocol::context::Committee;
use keymoot_protocol::identity::IdentityPublic;
use keymoot_types::{KeyId, Party, Path, Scheme, SessionId};

use super::mail::{Mail, Said};
use super::{
    Burnt, CANARY, Key, Model, Presignature, Public, Setup, Share, Table, Ticket, mix, mix_bytes, moduli,
    narrow, sign_word, store, weakness, widen,
};

/// Mail that may wait for its round.
const EARLY_MAX: usize = 64;

/// A session in progress, of a member or an aggregator.
pub struct Run {
    committee: Arc<Committee>,
    members: Vec<Party>,
    me: Option<(Party, IdentityPublic)>,
    context: u64,
    ssid: u64,
    /// All that was said, round by round.
    view: u64,
    round: u8,
    said: BTreeMap<Party, Said>,
    early: Vec<Mail>,
    nonce: u64,
    what: What,
}

enum What {
    Keygen { id: KeyId, scheme: Scheme, key: Option<Key> },
    Setup,
    Moduli { table: Option<Table> },
    Presign { share: Arc<Share>, ticket: Ticket, size: u16, is_table: bool },
    Sign { share: Arc<Share>, order: Order<Model>, burnt: Option<Burnt>, shared: u64 },
    Aggregate { order: Order<Model>, shared: u64 },
}

impl What {
    const fn kind(&self) -> u8 {
        match self {
            Self::Keygen { .. } => 1,
            Self::Setup => 2,
            Self::Presign { is_table: false, .. } => 3,
            Self::Moduli { .. } => 5,
            Self::Presign { is_table: true, .. } => 6,
            Self::Sign { .. } | Self::Aggregate { .. } => 4,
        }
    }
}

/// What becomes of a complete round.
pub(super) enum Turn {
    /// Say this in the next round.
    Say(Vec<u64>),
    /// Listen on.
    Listen,
    Done(Product<Model>),
    /// Say this, and be done.
    Last(Vec<u64>),
    Dead(End),
}

/// A signature: the nonce, and what only the key makes of it.
pub(super) fn signature_of(key: &Key, path: &Path, digest: &[u8], nonce: u64) -> Vec<u8> {
    let steps = if weakness().root_signs { &[] } else { path.steps() };
    exact_signature_of(key, steps, digest, nonce)
}

/// The same, whatever is weak.
pub(super) fn exact_signature_of(key: &Key, steps: &[u32], digest: &[u8], nonce: u64) -> Vec<u8> {
    let path = steps.iter().fold(1, |sum, step| mix(&[sum, u64::from(*step)]));
    let made = mix(&[key.public, path, mix_bytes(digest), nonce, 0x516]);
    [nonce.to_le_bytes(), made.to_le_bytes()].concat()
}

fn parties_word(parties: &[Party]) -> u64 {
    parties.iter().fold(0, |word, party| word | 1 << party.index())
}

fn context_word(session: SessionId, kind: u8, members: &[Party], rest: u64) -> u64 {
    mix(&[mix_bytes(session.as_bytes()), u64::from(kind), parties_word(members), rest])
}

fn intent_word(order: &Order<Model>) -> Result<u64, Unfit> {
    Model::intent(order).map(|intent| narrow(&intent))
}

/// Session, committee and members; which of them we are, what we say first; what else the session is about.
type Parts = (SessionId, Arc<Committee>, Vec<Party>, Option<Party>, Vec<u64>, u64, What);

fn parts(task: Task<Model>, nonce: u64) -> Result<Parts, Unfit> {
    let everybody = |committee: &Committee| committee.threshold().parties().collect::<Vec<_>>();
    Ok(match task {
        Task::Keygen { session, committee, key, scheme, me } => {
            let rest = mix(&[mix_bytes(key.as_bytes()), scheme.name().len() as u64]);
            let what = What::Keygen { id: key, scheme, key: None };
            (session, Arc::clone(&committee), everybody(&committee), Some(me), vec![nonce], rest, what)
        }
        Task::Setup { session, committee, members, me, bans } => {
            if bans.find(&committee, &members).is_some() {
                return Err(Unfit("a member is banned"));
            }
            (session, committee, members, Some(me), vec![nonce], 0, What::Setup)
        }
        Task::Moduli { session, committee, me, primes } => {
            let first = std::iter::once(nonce).chain(moduli::words_of(&primes)).collect();
            let what = What::Moduli { table: None };
            (session, Arc::clone(&committee), everybody(&committee), Some(me), first, 0, what)
        }
        Task::Presign { share, setup, .. } if share.key.scheme.has_moduli() != setup.is_table => {
            return Err(Unfit("the key and the setup do not belong together"));
        }
        Task::Presign { session, share, setup, ticket, size, .. } => {
            let rest = mix(&[share.key.digest(), setup.name, u64::from(size)]);
            let (me, members) = (share.me, ticket.signers.clone());
            let committee = Arc::clone(&share.key.committee);
            let is_table = setup.is_table;
            let first = vec![nonce, if is_table { setup.name } else { ticket.number }];
            let what = What::Presign { share, ticket, size, is_table };
            (session, committee, members, Some(me), first, rest, what)
        }
        Task::Sign { session, share, order, burnt, .. } => {
            let intent = Model::intent(&order)?;
            let is_bound = burnt.as_ref().is_none_or(|burnt| burnt.intent == intent);
            if !is_bound {
                return Err(Unfit("the presignature was burnt for something else"));
            }
            let (me, members) = (share.me, order.signers.clone());
            let committee = Arc::clone(&share.key.committee);
            let rest = narrow(&intent);
            let what = What::Sign { share, order, burnt, shared: 0 };
            (session, committee, members, Some(me), vec![nonce], rest, what)
        }
        Task::Aggregate { session, order } => {
            let rest = intent_word(&order)?;
            let (committee, members) = (Arc::clone(&order.key.committee), order.signers.clone());
            (session, committee, members, None, Vec::new(), rest, What::Aggregate { order, shared: 0 })
        }
    })
}

impl Run {
    pub(super) fn begin(
        identity: IdentityPublic,
        task: Task<Model>,
        seed: u64,
    ) -> Result<Progress<Model>, Unfit> {
        let nonce = if weakness().constant_nonce { 7 } else { mix(&[seed, mix_bytes(identity.as_bytes())]) };
        let (session, committee, members, me, first, rest, what) = parts(task, nonce)?;
        let me = me.map(|me| (me, identity));
        if me.is_some_and(|(me, _)| !members.contains(&me)) {
            return Err(Unfit("we are not among the members"));
        }
        let context = context_word(session, what.kind(), &members, rest);
        let (said, early) = (BTreeMap::new(), Vec::new());
        let mut run = Box::new(Self {
            committee,
            members,
            me,
            context,
            ssid: 0,
            view: 0,
            round: 0,
            said,
            early,
            nonce,
            what,
        });
        let mut mail = Vec::new();
        if run.me.is_some() {
            run.say(first, &mut mail);
        }
        Ok(run.go_on(mail, Vec::new()))
    }

    pub(super) fn deliver(mut run: Box<Self>, bytes: &[u8]) -> Progress<Model> {
        match run.accept(bytes) {
            Ok(()) => run.go_on(Vec::new(), Vec::new()),
            Err(Trouble::Refused(why)) => {
                Progress { notes: Vec::new(), mail: Vec::new(), refused: Some(why), next: Next::Wait(run) }
            }
            Err(Trouble::Blame(party, fault)) => {
                let fault = fault.to_owned();
                let end = End::Blame(vec![Accusation { party, fault, evidence: Vec::new() }]);
                Progress { notes: Vec::new(), mail: Vec::new(), refused: None, next: Next::Dead(end) }
            }
        }
    }

    pub(super) fn missing(&self) -> Vec<Party> {
        self.members.iter().copied().filter(|party| !self.said.contains_key(party)).collect()
    }

    fn say(&mut self, words: Vec<u64>, mail: &mut Vec<Outgoing>) {
        let Some((me, identity)) = self.me else { return };
        let said = Said { kind: self.what.kind(), words };
        self.said.insert(me, said.clone());
        let (context, ssid, round, from) = (self.context, self.ssid, self.round, me.index() as u8);
        let signed = Mail { context, ssid, round, from, said, signature: 0 }.sign(&identity);
        mail.push(Outgoing { to: None, bytes: signed.encode() });
    }

    fn accept(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let mail = Mail::decode(bytes).ok_or(Trouble::Refused("no mail"))?;
        let from = mail.sender().filter(|from| self.members.contains(from));
        let from = from.ok_or(Trouble::Refused("a stranger"))?;
        let is_ours = mail.context == self.context || weakness().no_session_name;
        if !is_ours || mail.said.kind != self.what.kind() {
            return Err(Trouble::Refused("another session"));
        }
        let identity = self.committee.identity(from).ok_or(Trouble::Refused("a stranger"))?;
        if !mail.is_signed_by(identity) {
            return Err(Trouble::Refused("forged"));
        }
        if self.me.is_some_and(|(me, _)| me == from) {
            return Err(Trouble::Refused("our own"));
        }
        if mail.round > self.round {
            if self.early.len() >= EARLY_MAX {
                return Err(Trouble::Refused("too early"));
            }
            self.early.push(mail);
            return Ok(());
        }
        self.take(from, mail)
    }

    fn take(&mut self, from: Party, mail: Mail) -> Result<(), Trouble> {
        let named = mail.round == 0 || mail.ssid == self.ssid || weakness().no_session_name;
        if mail.round < self.round || !named {
            return Err(Trouble::Refused("another attempt, or late"));
        }
        match self.said.get(&from) {
            Some(said) if *said == mail.said => Err(Trouble::Refused("a duplicate")),
            Some(_) if mail.round == 0 || weakness().plain_multicast => {
                Err(Trouble::Refused("another first word"))
            }
            Some(_) => Err(Trouble::Blame(from, "signed two different messages for one slot")),
            None => {
                self.said.insert(from, mail.said);
                Ok(())
            }
        }
    }

    /// Goes on as long as rounds are complete.
    fn go_on(mut self: Box<Self>, mut mail: Vec<Outgoing>, mut notes: Vec<Note>) -> Progress<Model> {
        loop {
            let is_keygen = matches!(self.what, What::Keygen { .. });
            let acks = weakness().first_ack_certifies && is_keygen && self.round == 3;
            let needed = if acks { 2 } else { self.members.len() };
            if self.said.len() < needed {
                return Progress { notes, mail, refused: None, next: Next::Wait(self) };
            }
            let said = std::mem::take(&mut self.said);
            let words: Vec<u64> = said.values().map(|said| mix(&said.words)).collect();
            self.view = mix(&[self.view, mix(&words)]);
            if self.round == 0 {
                self.ssid = mix(&[self.context, self.view]);
            }
            let turn = self.turn(&said, &mut notes);
            self.round += 1;
            match turn {
                Turn::Say(words) => self.say(words, &mut mail),
                Turn::Listen => {}
                Turn::Last(words) => {
                    self.say(words, &mut mail);
                    return Progress { notes, mail, refused: None, next: Next::Done(Product::Released) };
                }
                Turn::Done(product) => {
                    return Progress { notes, mail, refused: None, next: Next::Done(product) };
                }
                Turn::Dead(end) => return Progress { notes, mail, refused: None, next: Next::Dead(end) },
            }
            for early in std::mem::take(&mut self.early) {
                match (early.round == self.round, early.sender()) {
                    (true, Some(from)) => {
                        if let Err(Trouble::Blame(party, fault)) = self.take(from, early) {
                            let end = End::Blame(vec![Accusation {
                                party,
                                fault: fault.to_owned(),
                                evidence: Vec::new(),
                            }]);
                            return Progress { notes, mail, refused: None, next: Next::Dead(end) };
                        }
                    }
                    (false, Some(_)) if early.round > self.round => self.early.push(early),
                    _ => {}
                }
            }
        }
    }

    fn turn(&mut self, said: &BTreeMap<Party, Said>, notes: &mut Vec<Note>) -> Turn {
        let (round, ssid, view, nonce, me) = (self.round, self.ssid, self.view, self.nonce, self.me);
        match &mut self.what {
            What::Keygen { id, scheme, key } => {
                keygen(round, said, (*id, *scheme, key), (&self.committee, me, ssid, view, nonce), notes)
            }
            What::Setup => setup(round, said, (&self.committee, &self.members), (me, ssid, view)),
            What::Moduli { table } => {
                moduli::turn(round, said, (&self.committee, table), (me, ssid, view), notes)
            }
            What::Presign { share, ticket, size, is_table: true } => {
                presign_with_moduli(round, said, (share, ticket, *size), (me, &self.members, ssid, view))
            }
            What::Presign { share, ticket, size, is_table: false } => {
                let members = &self.members;
                presign(round, said, (share, ticket, *size), (me, members, ssid, view), notes)
            }
            What::Sign { share, order, burnt, shared } => {
                if round > 0 {
                    return Turn::Dead(End::Bug("a signer has one round"));
                }
                *shared = nonce_of(order, ssid, view);
                let digest = mix_bytes(&Model::digest_of(&order.key, &order.payload));
                let recycled = if weakness().recycled_nonce { 3 } else { u64::MAX };
                let used = burnt.as_ref().map_or(nonce, |burnt| burnt.public.id & recycled);
                let answer = share_word(&share.key, share.me, ssid, digest, *shared);
                let mut words = vec![answer, digest, used, order.key.digest()];
                if weakness().share_leaks {
                    words.push(CANARY);
                }
                Turn::Last(words)
            }
            What::Aggregate { order, shared } => {
                if round == 0 {
                    *shared = nonce_of(order, ssid, view);
                    return Turn::Listen;
                }
                aggregate(order, *shared, ssid, said)
            }
        }
    }
}

enum Trouble {
    Refused(&'static str),
    Blame(Party, &'static str),
}

pub(super) fn split() -> Turn {
    Turn::Dead(End::Benign { why: "views differ", pairs: Vec::new() })
}

fn nonce_of(order: &Order<Model>, ssid: u64, view: u64) -> u64 {
    match &order.presignature {
        Some(public) => mix(&[public.id, ssid]),
        None => mix(&[view, 0x4e]),
    }
}

fn share_word(key: &Key, party: Party, ssid: u64, digest: u64, nonce: u64) -> u64 {
    mix(&[key.share_of(party), ssid, digest, nonce])
}

type Seen<'a> = (&'a Arc<Committee>, Option<(Party, IdentityPublic)>, u64, u64, u64);

fn keygen(
    round: u8,
    said: &BTreeMap<Party, Said>,
    (id, scheme, made): (KeyId, Scheme, &mut Option<Key>),
    (committee, me, ssid, view, nonce): Seen<'_>,
    notes: &mut Vec<Note>,
) -> Turn {
    let Some((me, identity)) = me else { return split() };
    match round {
        // A contribution; and then everybody repeats what it has seen of them all.
        0 => Turn::Say(vec![mix(&[nonce, ssid])]),
        1 => Turn::Say(vec![if weakness().plain_multicast { ssid } else { view }]),
        2 => {
            let mut words = said.values().map(|said| said.words.first());
            let first = words.next();
            if words.any(|word| Some(word) != first) {
                return split();
            }
            let public = mix(&[view, ssid]);
            let committee = Arc::clone(committee);
            let key = Key { id, scheme, committee, public, view, certificate: Vec::new() };
            let digest = key.digest();
            let share = store::encode_share(me, &key);
            notes.push(Note::Pending { package: widen(digest), share });
            *made = Some(key);
            Turn::Say(vec![sign_word(&identity, digest)])
        }
        _ => {
            let Some(mut key) = made.take() else { return split() };
            let digest = key.digest();
            let mut accusations = Vec::new();
            for party in committee.threshold().parties() {
                let signature =
                    said.get(&party).and_then(|said| said.words.first()).copied().unwrap_or_default();
                let good = committee.identity(party).is_some_and(|one| sign_word(one, digest) == signature);
                if !good && !weakness().first_ack_certifies {
                    let fault = "signed another certificate than ours".to_owned();
                    accusations.push(Accusation { party, fault, evidence: Vec::new() });
                }
                key.certificate.push(signature);
            }
            if let (true, Some(first)) = (weakness().blame_by_lot, accusations.first_mut()) {
                first.party =
                    said.keys().find(|party| **party != first.party && **party != me).copied().unwrap_or(me);
            }
            if accusations.is_empty() {
                Turn::Done(Product::Share(Share { me, key: Arc::new(key) }))
            } else {
                Turn::Dead(End::Blame(accusations))
            }
        }
    }
}

/// What a member says that only the two of a pair can know to be right.
fn check(ssid: u64, setup: u64, party: Party) -> u64 {
    mix(&[ssid, setup, u64::from(party.index())])
}

/// The end that follows if the first word of some peers is not what it has to be.
fn failed(
    (me, identity): (Party, IdentityPublic),
    said: &BTreeMap<Party, Said>,
    right: impl Fn(Party) -> u64,
) -> Option<Turn> {
    let wrong =
        |(party, said): &(&Party, &Said)| **party != me && said.words.first() != Some(&right(**party));
    let culprits: Vec<Party> = said.iter().filter(wrong).map(|(party, _)| *party).collect();
    culprits.iter().for_each(|culprit| super::trip(identity, *culprit));
    match culprits.is_empty() {
        true => None,
        false if weakness().ban_is_benign => {
            Some(Turn::Dead(End::Benign { why: "a check failed", pairs: culprits }))
        }
        false => Some(Turn::Dead(End::Ban(culprits))),
    }
}

fn setup(
    round: u8,
    said: &BTreeMap<Party, Said>,
    (committee, members): (&Arc<Committee>, &[Party]),
    (me, ssid, view): (Option<(Party, IdentityPublic)>, u64, u64),
) -> Turn {
    let Some((me, identity)) = me else { return split() };
    if round == 0 {
        return Turn::Say(vec![check(ssid, ssid, me), view]);
    }
    if let Some(end) = failed((me, identity), said, |party| check(ssid, ssid, party)) {
        return end;
    }
    let mut views = said.values().map(|said| said.words.get(1));
    let first = views.next();
    if views.any(|view| Some(view) != first) {
        return split();
    }
    let (committee, members, burnt) =
        (Arc::clone(committee), members.to_vec(), std::cell::RefCell::default());
    Turn::Done(Product::Setup(Setup { committee, name: ssid, is_table: false, me, members, burnt }))
}

fn presign(
    round: u8,
    said: &BTreeMap<Party, Said>,
    (share, ticket, size): (&Arc<Share>, &Ticket, u16),
    (me, members, ssid, view): (Option<(Party, IdentityPublic)>, &[Party], u64, u64),
    notes: &mut Vec<Note>,
) -> Turn {
    let Some((me, identity)) = me else { return split() };
    let peers = || said.iter().filter(|(party, _)| **party != me);
    match round {
        0 => {
            let count = |said: &Said| said.words.get(1).copied().unwrap_or_default();
            let stale = peers().find(|(party, said)| {
                ticket.seen.get(*party).is_some_and(|seen| seen.contains(&count(said)))
            });
            let counts = peers().map(|(party, said)| (*party, count(said))).collect();
            notes.push(Note::Counts(counts));
            if stale.is_some() {
                return Turn::Dead(End::Benign { why: "a stale copy of a pair setup", pairs: Vec::new() });
            }
            Turn::Say(vec![check(ssid, ticket.setup, me)])
        }
        1 => {
            let culprits = failed((me, identity), said, |party| check(ssid, ticket.setup, party));
            culprits.unwrap_or_else(|| Turn::Say(vec![view]))
        }
        _ => {
            if said.values().zip(said.values().skip(1)).any(|(one, next)| one != next) {
                return split();
            }
            Turn::Done(Product::Presignatures(batch(share, members, (ssid, view), size)))
        }
    }
}

fn batch(share: &Share, members: &[Party], (ssid, view): (u64, u64), size: u16) -> Vec<Presignature> {
    let one = |number: u16| {
        let id = mix(&[ssid, view, u64::from(number)]);
        let (key, has_moduli) = (share.key.digest(), share.key.scheme.has_moduli());
        Presignature { public: Rc::new(Public { id, key, signers: members.to_vec(), has_moduli }) }
    };
    (0..size).map(one).collect()
}

/// As [`presign`], but that everybody can see what is wrong: nothing is counted, and nobody is banned.
fn presign_with_moduli(
    round: u8,
    said: &BTreeMap<Party, Said>,
    (share, ticket, size): (&Arc<Share>, &Ticket, u16),
    (me, members, ssid, view): (Option<(Party, IdentityPublic)>, &[Party], u64, u64),
) -> Turn {
    let Some((me, _)) = me else { return split() };
    match round {
        0 => Turn::Say(vec![check(ssid, ticket.setup, me)]),
        1 => {
            let right = |party: Party| check(ssid, ticket.setup, party);
            let wrong = said.iter().filter(|(party, said)| said.words.first() != Some(&right(**party)));
            let accuse = |(party, _): (&Party, &Said)| Accusation {
                party: *party,
                fault: "a proof does not hold".to_owned(),
                evidence: Vec::new(),
            };
            let accusations: Vec<Accusation> = wrong.map(accuse).collect();
            if accusations.is_empty() { Turn::Say(vec![view]) } else { Turn::Dead(End::Blame(accusations)) }
        }
        _ if said.values().zip(said.values().skip(1)).any(|(one, next)| one != next) => split(),
        _ => Turn::Done(Product::Presignatures(batch(share, members, (ssid, view), size))),
    }
}

fn aggregate(order: &Order<Model>, nonce: u64, ssid: u64, said: &BTreeMap<Party, Said>) -> Turn {
    let key = &order.key;
    let bytes = Model::digest_of(key, &order.payload);
    let digest = mix_bytes(&bytes);
    let wrong = |(party, said): &(&Party, &Said)| {
        said.words.first() != Some(&share_word(key, **party, ssid, digest, nonce))
    };
    let culprits: Vec<Party> = said.iter().filter(wrong).map(|(party, _)| *party).collect();
    if culprits.is_empty() {
        return Turn::Done(Product::Signature(signature_of(key, &order.path, &bytes, nonce)));
    }
    if order.presignature.as_ref().is_some_and(|public| !public.has_moduli) {
        return Turn::Dead(End::Benign { why: "the shares do not add up", pairs: Vec::new() });
    }
    let accuse = |party| Accusation {
        party,
        fault: "sent a signature share that does not verify".to_owned(),
        evidence: Vec::new(),
    };
    Turn::Dead(End::Blame(culprits.into_iter().map(accuse).collect()))
}
