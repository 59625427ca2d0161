//! A network in memory with an adversary on it: it sees every envelope and decides what arrives where.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use keymoot_protocol::abort::{Abort, Blame, Fault};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Context;
use keymoot_protocol::envelope::{Envelope, Header};
use keymoot_protocol::evidence::{Case, judge};
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::machine::{Machine, Next, Opening, Outgoing, Round, Rounds, Step};
use keymoot_protocol::session::{Advance, Refusal, Session};
use keymoot_protocol::transcript::Hash;
use keymoot_types::Party;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;

/// One envelope on its way to one recipient; an observer has no index.
#[derive(Clone)]
pub struct Mail {
    pub from: Party,
    pub to: Option<Party>,
    pub bytes: Vec<u8>,
}

impl Mail {
    pub fn header(&self) -> Header {
        self.envelope().header
    }

    pub fn envelope(&self) -> Envelope {
        Envelope::decode(&self.bytes)
            .expect("mail in the network is an envelope until somebody tampers with it")
    }

    /// The same mail with another body or header, signed again by a corrupt sender.
    pub fn forged(&self, identity: &IdentityKey, change: impl FnOnce(&mut Header, &mut Vec<u8>)) -> Self {
        let envelope = self.envelope();
        let (mut header, mut body) = (envelope.header, envelope.body().to_vec());
        change(&mut header, &mut body);
        let bytes = Envelope::sign(identity, header, body.into()).encode().to_vec();
        Self { bytes, ..self.clone() }
    }
}

/// A participant or observer, whatever its machine.
pub trait Node {
    fn address(&self) -> Option<Party>;
    fn take_outbox(&mut self) -> Vec<Envelope>;
    fn deliver(&mut self, bytes: &[u8]);
    fn abort(&self) -> Option<&Abort>;
    fn is_done(&self) -> bool;
}

/// One seat at a protocol, and what has become of it.
pub struct Seated<M: Machine> {
    address: Option<Party>,
    session: Option<Session<M>>,
    outbox: Vec<Envelope>,
    pub output: Option<M::Output>,
    pub abort: Option<Abort>,
    pub refusals: Vec<Refusal>,
}

impl<M: Machine> Seated<M> {
    pub fn new(address: Option<Party>, start: Advance<M>) -> Self {
        let mut seated =
            Self { address, session: None, outbox: vec![], output: None, abort: None, refusals: vec![] };
        seated.take(start);
        seated
    }

    fn take(&mut self, advance: Advance<M>) {
        match advance {
            Advance::Waiting { session, outbox, refused } => {
                self.session = Some(session);
                self.outbox.extend(outbox);
                self.refusals.extend(refused);
            }
            Advance::Done { output, outbox } => {
                self.output = Some(output);
                self.outbox.extend(outbox);
            }
            Advance::Dead { abort, outbox } => {
                self.abort = Some(abort);
                self.outbox.extend(outbox);
            }
        }
    }

    pub fn session(&self) -> Option<&Session<M>> {
        self.session.as_ref()
    }

    pub fn take_session(&mut self) -> Option<Session<M>> {
        self.session.take()
    }
}

impl<M: Machine> Node for Seated<M> {
    fn address(&self) -> Option<Party> {
        self.address
    }
    fn take_outbox(&mut self) -> Vec<Envelope> {
        std::mem::take(&mut self.outbox)
    }
    fn deliver(&mut self, bytes: &[u8]) {
        if let Some(session) = self.session.take() {
            self.take(session.deliver(bytes));
        }
    }
    fn abort(&self) -> Option<&Abort> {
        self.abort.as_ref()
    }
    fn is_done(&self) -> bool {
        self.output.is_some()
    }
}

/// Which mail goes next.
pub enum Order<'a> {
    First,
    /// This party hears everything last, so that it speaks after all others.
    Rushing(Party),
    Random(&'a mut ChaCha20Rng),
}

/// Runs until no mail is left. The adversary turns each piece of mail into what arrives instead of it.
pub fn run(nodes: &mut [&mut dyn Node], mut order: Order<'_>, mut adversary: impl FnMut(Mail) -> Vec<Mail>) {
    let mut queue: VecDeque<Mail> = VecDeque::new();
    loop {
        let addresses: Vec<_> = nodes.iter().map(|node| node.address()).collect();
        for node in nodes.iter_mut() {
            for envelope in node.take_outbox() {
                let bytes = envelope.encode().to_vec();
                let from = envelope.header.from;
                let reach = |to: &&Option<Party>| {
                    **to != Some(from) && (envelope.header.to.is_none() || envelope.header.to == **to)
                };
                for to in addresses.iter().filter(reach) {
                    queue.extend(adversary(Mail { from, to: *to, bytes: bytes.clone() }));
                }
            }
        }
        if queue.is_empty() {
            return;
        }
        let position = match &mut order {
            Order::First => 0,
            Order::Rushing(last) => queue.iter().position(|mail| mail.to != Some(*last)).unwrap_or(0),
            Order::Random(rng) => rng.next_u32() as usize % queue.len(),
        };
        let mail = queue.remove(position).expect("the position is inside the queue");
        if let Some(node) = nodes.iter_mut().find(|node| node.address() == mail.to) {
            node.deliver(&mail.bytes);
        }
    }
}

/// A member that runs the protocol but says something else: its own kernel signs, loops back and echoes the lies, so
/// that they are as consistent as a clever cheater makes them.
pub struct Rogue<M: Machine, F> {
    inner: M,
    lie: F,
}

impl<M: Machine, F: FnMut(Hash, &mut Vec<Outgoing>)> Rogue<M, F> {
    pub fn opening(opening: Opening<M>, lie: F) -> Opening<Self> {
        opening.wrap(|inner| Self { inner, lie })
    }
}

impl<M: Machine, F: FnMut(Hash, &mut Vec<Outgoing>)> Machine for Rogue<M, F> {
    type Output = M::Output;
    fn rounds(context: &Context) -> Rounds {
        M::rounds(context)
    }

    fn concerns(context: &Context) -> bool {
        M::concerns(context)
    }

    fn receive(mut self, round: Round<'_>) -> Result<Step<Self>, Abort> {
        let ssid = round.ssid;
        let mut step = self.inner.receive(round)?;
        (self.lie)(ssid, &mut step.outbox);
        let next = match step.next {
            Next::Done(output) => Next::Done(output),
            Next::Wait(inner) => Next::Wait(Self { inner, lie: self.lie }),
        };
        Ok(Step { outbox: step.outbox, next })
    }

    fn convicts(case: &Case<'_>, fault: Fault) -> bool {
        M::convicts(case, fault)
    }
}

/// An adversary that does nothing.
pub fn honest(mail: Mail) -> Vec<Mail> {
    vec![mail]
}

/// Everybody whom somebody blames. Panics if a blame's evidence does not convince the judge, before and after travel.
pub fn blamed<'a, M: Machine + 'a>(
    seats: impl IntoIterator<Item = &'a Seated<M>>,
    convicts: impl Fn(&Blame) -> bool,
) -> BTreeSet<Party> {
    let mut all = BTreeSet::new();
    for seat in seats {
        let Some(Abort::Blame(blames)) = &seat.abort else {
            assert!(!matches!(seat.abort, Some(Abort::Bug(_))), "{}", seat.abort.as_ref().unwrap());
            continue;
        };
        for blame in blames.iter() {
            assert!(
                convicts(blame),
                "the evidence of {:?} against {:?} does not hold",
                blame.fault,
                blame.party
            );
            let travelled = Blame::decode(&blame.encode()).expect("evidence travels");
            assert!(convicts(&travelled), "the evidence does not hold after travel");
            all.insert(blame.party);
        }
    }
    all
}

/// As [`blamed`], with the general judge.
pub fn blamed_by<'a, M: Machine + 'a>(
    context: &Context,
    seats: impl IntoIterator<Item = &'a Seated<M>>,
) -> BTreeSet<Party> {
    blamed(seats, |blame| judge::<M>(context, blame).is_ok())
}

/// The faults of which each culprit is accused.
pub fn faults<'a, M: Machine + 'a>(
    seats: impl IntoIterator<Item = &'a Seated<M>>,
) -> BTreeMap<Party, BTreeSet<Fault>> {
    let mut all: BTreeMap<Party, BTreeSet<_>> = BTreeMap::new();
    for seat in seats {
        if let Some(Abort::Blame(blames)) = &seat.abort {
            for blame in blames.iter() {
                all.entry(blame.party).or_default().insert(blame.fault);
            }
        }
    }
    all
}
