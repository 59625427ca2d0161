//! Bus: the twin in all weathers, and its broken copies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Wake, Waker};

use keymoot_ports::conformance::Verdict;
use keymoot_ports::conformance::bus::{self, BusRoom};
use keymoot_ports::memory::bus::{Endpoint, Hub, Weather};
use keymoot_ports::{Answer, Bus, Fault, Name};

use crate::drive::{block_on, must_be_rejected};

const BOUND: usize = 40;

#[derive(Clone, Copy, PartialEq)]
enum How {
    Well,
    BytesAreChanged,
    EverybodyGetsEverything,
    MailboxesAreUnbounded,
    WhatIsFullIsSilent,
    DroppedReceivesSwallow,
    LongMessagesAreCut,
}

struct TwinRoom {
    weather: Weather,
    how: How,
}

struct Copied {
    honest: Endpoint,
    how: How,
    everybody: Vec<Name>,
    abandoned: AtomicU32,
}

fn sit(how: How, weather: Weather) -> Verdict {
    block_on(bus::sit(&mut TwinRoom { weather, how }))
}

impl BusRoom for TwinRoom {
    async fn fresh(&mut self, names: &[Name]) -> Vec<Arc<dyn Bus>> {
        let bound = if self.how == How::MailboxesAreUnbounded { usize::MAX } else { BOUND };
        let (hub, how, everybody) = (Hub::new(bound, self.weather), self.how, names.to_vec());
        let copied = |name| Copied {
            honest: hub.endpoint(name),
            how,
            everybody: everybody.clone(),
            abandoned: AtomicU32::new(0),
        };
        names.iter().map(|name| Arc::new(copied(name)) as Arc<dyn Bus>).collect()
    }

    fn bound(&self) -> usize {
        BOUND
    }
}

/// Counts when it is dropped before it was told that all is well.
struct Abandons<'a>(Option<&'a AtomicU32>);

impl Drop for Abandons<'_> {
    fn drop(&mut self) {
        if let Some(counter) = self.0 {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Bus for Copied {
    fn send<'a>(&'a self, to: &'a Name, bytes: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move {
            let bytes = match self.how {
                How::LongMessagesAreCut => bytes.get(..1000).unwrap_or(bytes),
                _ => bytes,
            };
            if self.how == How::EverybodyGetsEverything {
                for other in self.everybody.iter().filter(|other| *other != to) {
                    self.honest.send(other, bytes).await?;
                }
            }
            match self.honest.send(to, bytes).await {
                Err(Fault::Full) if self.how == How::WhatIsFullIsSilent => Ok(()),
                answer => answer,
            }
        })
    }

    fn receive(&self) -> Answer<'_, Vec<u8>> {
        Box::pin(async move {
            let mut abandons = Abandons((self.how == How::DroppedReceivesSwallow).then_some(&self.abandoned));
            let mut bytes = self.honest.receive().await?;
            while self.abandoned.load(Ordering::SeqCst) > 0 {
                self.abandoned.fetch_sub(1, Ordering::SeqCst);
                bytes = self.honest.receive().await?;
            }
            abandons.0 = None;
            if self.how == How::BytesAreChanged
                && let Some(first) = bytes.first_mut()
            {
                *first ^= 1;
            }
            Ok(bytes)
        })
    }
}

#[test]
fn the_twin_passes_in_all_weathers() {
    sit(How::Well, Weather::default()).unwrap();
    for (lose_every, repeat_every, hurry_every) in [(2, 0, 0), (0, 1, 0), (0, 0, 2), (3, 4, 5)] {
        sit(How::Well, Weather { lose_every, repeat_every, hurry_every }).unwrap();
    }
}

#[test]
fn broken_twins_fail() {
    for (how, sentence) in [
        (How::BytesAreChanged, "what arrives was sent, byte for byte"),
        (How::EverybodyGetsEverything, "what arrives was sent, byte for byte"),
        (How::MailboxesAreUnbounded, "the sender is told when a mailbox is full"),
        (How::WhatIsFullIsSilent, "the sender is told when a mailbox is full"),
        (How::DroppedReceivesSwallow, "who sends the same often enough gets through"),
        (How::LongMessagesAreCut, "a message that is too long is refused"),
    ] {
        must_be_rejected(sit(how, Weather::default()), sentence);
    }
    let storm = Weather { lose_every: 1, ..Weather::default() };
    must_be_rejected(sit(How::Well, storm), "who sends the same often enough gets through");
}

#[test]
fn a_receiver_that_waits_is_woken() {
    #[derive(Default)]
    struct Bell(AtomicU32);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (hub, name, bell) =
        (Hub::new(1, Weather::default()), Name::new("ann").unwrap(), Arc::<Bell>::default());
    let ann = hub.endpoint(&name);
    let mut receive = ann.receive();
    let waker = Waker::from(Arc::clone(&bell));
    assert!(receive.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    block_on(hub.endpoint(&name).send(&name, b"hello")).unwrap();
    assert_eq!(bell.0.load(Ordering::SeqCst), 1);
    assert_eq!(block_on(receive).unwrap(), b"hello");
}
