//! An answer is told when its caller has it, and not when it is made: a batch breaks off, a line is dead, nobody reads. What
//! was not told is left to whoever asks the same again.
//!
//! All answers of one body are told together. They are when the system has taken the body whole, and the caller has then said
//! something more or hung up in order. If the connection breaks instead, the system had bytes that nobody has read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;

use crate::budget::Weight;
use crate::left::Listener;

/// Answers that are made and not told. Dropped, they are left.
#[derive(Default)]
pub struct Untold(Mutex<Vec<Listener>>);

impl Untold {
    fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more.
    pub fn put(&self, listener: Listener) {
        self.listeners().push(listener);
    }

    /// Their callers have them.
    pub fn told(self) {
        self.listeners().drain(..).for_each(Listener::has_heard);
    }

    fn take_over(&self, other: &Self) {
        let others = std::mem::take(&mut *other.listeners());
        self.listeners().extend(others);
    }
}

/// What has been given to one connection.
#[derive(Clone, Default)]
pub struct Outbox(Arc<Mutex<Mail>>);

#[derive(Default)]
struct Mail {
    /// In bodies that are not written yet, and what they weigh.
    handed: (Untold, Vec<Weight>),
    /// Written; the caller has not shown yet that it is there.
    written: Untold,
}

impl Outbox {
    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand(&self, untold: &Untold, weight: Option<Weight>) {
        let mail = &mut *self.mail();
        mail.handed.0.take_over(untold);
        mail.handed.1.extend(weight);
    }

    fn written(&self) {
        let mail = &mut *self.mail();
        mail.handed.1.clear();
        mail.written.take_over(&mail.handed.0);
    }

    fn heard(&self) {
        std::mem::take(&mut self.mail().written).told();
    }

    fn leave(&self) {
        *self.mail() = Mail::default();
    }
}

/// A body, whole.
pub struct Parcel {
    bytes: Option<Bytes>,
    untold: Untold,
    weight: Option<Weight>,
    outbox: Outbox,
}

impl Parcel {
    /// What it says, which answers that are, and what it weighs.
    pub fn new(bytes: Vec<u8>, untold: Untold, weight: Weight, outbox: Outbox) -> Self {
        Self { bytes: Some(bytes.into()), untold, weight: Some(weight), outbox }
    }
}

impl Body for Parcel {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let bytes = self.bytes.take();
        if bytes.is_some() {
            let weight = self.weight.take();
            self.outbox.hand(&self.untold, weight);
        }
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// A stream that can say what has become of it.
pub trait Fault {
    /// What the system knows to be wrong with it.
    fn fault(&self) -> Option<io::Error>;
}

impl Fault for TcpStream {
    fn fault(&self) -> Option<io::Error> {
        self.take_error().unwrap_or_else(Some)
    }
}

impl Fault for TlsStream<TcpStream> {
    fn fault(&self) -> Option<io::Error> {
        self.get_ref().0.fault()
    }
}

/// A connection that notices when what was given to it is told. Whoever reads too slowly is hung up on.
pub struct Carrier<S> {
    stream: S,
    outbox: Outbox,
    is_broken: bool,
    time: Duration,
    /// When what is being written has to be.
    due: Option<Pin<Box<Sleep>>>,
}

impl<S> Carrier<S> {
    /// Writing may take so long, each time from its beginning to where all is written.
    pub fn new(stream: S, outbox: Outbox, time: Duration) -> Self {
        Self { stream, outbox, is_broken: false, time, due: None }
    }

    /// What came of writing something: its end, or one that takes too long.
    fn wrote<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &outcome {
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(_)) => self.is_broken = true,
            Poll::Pending => {
                let due = self.due.get_or_insert_with(|| Box::pin(sleep(self.time)));
                if due.as_mut().poll(context).is_ready() {
                    self.is_broken = true;
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        outcome
    }
}

impl<S: AsyncRead + AsyncWrite + Fault + Unpin> Carrier<S> {
    /// Hangs up, and waits until the caller does: by that it says that it has what was given to it.
    pub async fn take_leave(mut self) -> io::Result<()> {
        self.shutdown().await?;
        let mut rest = [0; 512];
        // What it says after that is read by nobody, and is no answer to what it was told.
        while self.stream.read(&mut rest).await? > 0 {}
        if let Some(fault) = self.stream.fault() {
            return Err(fault);
        }
        if !self.is_broken {
            self.outbox.heard();
        }
        Ok(())
    }
}

/// Whatever is not told by then is left: that we have hung up says nothing of the caller.
impl<S> Drop for Carrier<S> {
    fn drop(&mut self) {
        self.outbox.leave();
    }
}

impl<S: AsyncRead + Fault + Unpin> AsyncRead for Carrier<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let is_broken = match &outcome {
            Poll::Pending => return outcome,
            // Whoever had hung up before the answer came gets it thrown back by his system.
            Poll::Ready(Ok(())) => buffer.filled().len() == before && self.stream.fault().is_some(),
            // TLS without its own end is an end: there is nothing more that could be cut off.
            Poll::Ready(Err(error)) => error.kind() != io::ErrorKind::UnexpectedEof,
        };
        if is_broken {
            self.is_broken = true;
        } else {
            self.outbox.heard();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Carrier<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.wrote(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// It is asked for when nothing is left to be written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        if let Poll::Ready(Ok(())) = outcome {
            self.due = None;
            self.outbox.written();
        }
        self.wrote(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.wrote(context, outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use alloy_primitives::{Address, B256};
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::watch;
    use tokio::time::Instant;

    use super::*;
    use crate::budget::Budget;
    use crate::held::{Purpose, Question};
    use crate::left::Left;
    use crate::transaction::Draft;

    impl Fault for DuplexStream {
        fn fault(&self) -> Option<io::Error> {
            None
        }
    }

    const TIME: Duration = Duration::from_secs(60);

    fn question() -> Question {
        Question::new(Purpose::Send, Address::ZERO, &Draft::default())
    }

    /// A body with an answer in it, given to a connection.
    fn hand(left: &Arc<Left>, outbox: &Outbox) {
        let (_tell, outcome) = watch::channel(Some(Ok(B256::ZERO)));
        let untold = Untold::default();
        left.listen(question(), outcome, &untold).now_or_never().unwrap().unwrap();
        let weight = Budget::new(0).nothing();
        let mut parcel = Parcel::new(vec![0; 100], untold, weight, outbox.clone());
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut parcel).poll_frame(&mut context).is_ready() && parcel.is_end_stream());
    }

    fn is_left(left: &Left) -> bool {
        left.take(&question()).is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_too_slowly_is_hung_up_on_and_was_not_told() {
        let (left, outbox) = (Arc::new(Left::default()), Outbox::default());
        let (ours, mut theirs) = duplex(8);
        let mut carrier = Carrier::new(ours, outbox.clone(), TIME);
        hand(&left, &outbox);
        let began = Instant::now();
        let slow = async {
            // A byte now and then is not enough.
            while theirs.read_u8().await.is_ok() {
                sleep(TIME / 10).await;
            }
        };
        let written = async {
            let error = carrier.write_all(&[0; 100]).await.unwrap_err();
            assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, TIME));
            drop(carrier);
        };
        tokio::join!(slow, written);
        assert!(is_left(&left));
    }

    #[tokio::test(start_paused = true)]
    async fn that_we_hang_up_says_nothing_of_the_caller() {
        let left = Arc::new(Left::default());
        for (takes_leave, hangs_up) in [(false, false), (true, false), (true, true)] {
            let outbox = Outbox::default();
            let (ours, theirs) = duplex(1000);
            let mut carrier = Carrier::new(ours, outbox.clone(), TIME);
            hand(&left, &outbox);
            carrier.write_all(&[0; 100]).await.unwrap();
            carrier.flush().await.unwrap();
            let theirs = (!hangs_up).then_some(theirs);
            if takes_leave {
                let ended = tokio::time::timeout(TIME, carrier.take_leave()).await;
                assert_eq!(matches!(ended, Ok(Ok(()))), hangs_up);
            } else {
                drop(carrier);
            }
            assert_eq!(is_left(&left), !hangs_up);
            drop(theirs);
        }
    }

    #[tokio::test]
    async fn it_is_told_when_it_is_written_and_the_caller_goes_on_or_ends_in_order() {
        let left = Arc::new(Left::default());
        for (is_flushed, goes_on) in [(false, true), (true, true), (true, false)] {
            let outbox = Outbox::default();
            let (ours, mut theirs) = duplex(1000);
            let mut carrier = Carrier::new(ours, outbox.clone(), TIME);
            hand(&left, &outbox);
            carrier.write_all(&[0; 100]).await.unwrap();
            if is_flushed {
                carrier.flush().await.unwrap();
            }
            if goes_on {
                theirs.write_u8(0).await.unwrap();
            } else {
                drop(theirs);
            }
            assert_eq!(carrier.read(&mut [0]).await.unwrap(), usize::from(goes_on));
            drop(carrier);
            assert_eq!(is_left(&left), !is_flushed);
        }
        // A parcel that nobody takes.
        let untold = Untold::default();
        let (_tell, outcome) = watch::channel(Some(Ok(B256::ZERO)));
        left.listen(question(), outcome, &untold).await.unwrap();
        drop(Parcel::new(Vec::new(), untold, Budget::new(0).nothing(), Outbox::default()));
        assert!(is_left(&left));
    }
}
