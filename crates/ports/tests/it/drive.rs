//! An executor without threads or sleep, and a room for twins.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use keymoot_ports::conformance::{Room, Verdict};
use keymoot_ports::memory::clock::HandClock;
use keymoot_ports::{Clock, Ttl};
use keymoot_types::Millis;

const POLLS_MAX: usize = 1000;

/// Drives a future that needs nobody else to get on.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..POLLS_MAX {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("this future waits for something that never comes");
}

/// Lets everybody else go first, once.
pub async fn yield_once() {
    let mut has_yielded = false;
    std::future::poll_fn(move |context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut has_yielded, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Opens one storage again and again.
pub type Opener<P> = Box<dyn Fn() -> Arc<P>>;

/// Makes an empty storage.
type Maker<P> = Box<dyn Fn(Arc<dyn Clock>) -> Opener<P>>;

/// A room whose clock is moved by hand.
pub struct TwinRoom<P: ?Sized> {
    clock: HandClock,
    make: Maker<P>,
    open: Option<Opener<P>>,
}

impl<P: ?Sized> TwinRoom<P> {
    pub fn new(make: impl Fn(Arc<dyn Clock>) -> Opener<P> + 'static) -> Self {
        Self { clock: HandClock::default(), make: Box::new(make), open: None }
    }
}

impl<P: ?Sized> Room for TwinRoom<P> {
    type Port = P;

    async fn fresh(&mut self) -> Arc<P> {
        self.open.insert((self.make)(Arc::new(self.clock.clone())))()
    }

    async fn reopen(&mut self) -> Arc<P> {
        self.open.as_ref().expect("an exam makes a fresh port before it opens one again")()
    }

    async fn advance(&mut self, by: Millis) {
        self.clock.advance(by);
    }

    fn ttl(&self) -> Ttl {
        Ttl::new(1000).expect("a second is a lease")
    }
}

/// The exam must have found this.
#[track_caller]
pub fn must_be_rejected(verdict: Verdict, sentence: &str) {
    let found = verdict.expect_err("the exam passed a broken twin");
    assert_eq!(found.to_string(), sentence, "the exam found something else: {found:?}");
}
