//! Answers that hold a place until they have been sent. To have made an answer is not enough: a client that opens no window
//! for it leaves it in our memory, and the libraries below take whole pieces of it off our hands long before they can send
//! them. So every piece holds the place by itself, and lets go of it when its last byte has left, or its stream has broken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// A body that holds a place, and whose pieces do.
pub struct Held<B, P> {
    body: B,
    place: Arc<P>,
}

/// A piece on its way out.
struct Piece<P> {
    bytes: Bytes,
    _place: Arc<P>,
}

impl<B, P> Held<B, P> {
    /// This body, with this place.
    pub const fn new(body: B, place: Arc<P>) -> Self {
        Self { body, place }
    }
}

impl<P> AsRef<[u8]> for Piece<P> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<B, P> Body for Held<B, P>
where
    B: Body<Data = Bytes> + Unpin,
    P: Send + Sync + 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let held = |bytes| Bytes::from_owner(Piece { bytes, _place: Arc::clone(&self.place) });
        polled.map(|next| next.map(|frame| frame.map(|frame| frame.map_data(held))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use hyper::body::{Body, Bytes, Frame};

    use super::Held;

    /// Two pieces and no more.
    struct Two(u8);

    impl Body for Two {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0 += 1;
            Poll::Ready((self.0 < 3).then(|| Ok(Frame::data(Bytes::from_static(b"piece")))))
        }
    }

    fn must_next(body: &mut Held<Two, ()>) -> Option<Bytes> {
        let mut context = Context::from_waker(Waker::noop());
        match std::pin::Pin::new(body).poll_frame(&mut context) {
            Poll::Ready(frame) => frame.map(|frame| frame.unwrap().into_data().unwrap()),
            Poll::Pending => panic!("it always has something"),
        }
    }

    #[test]
    fn a_place_is_held_by_the_body_and_by_every_part_of_every_piece() {
        let place = Arc::new(());
        let mut body = Held::new(Two(0), Arc::clone(&place));
        let (first, mut second) = (must_next(&mut body).unwrap(), must_next(&mut body).unwrap());
        assert_eq!((&*first, &*second), (&b"piece"[..], &b"piece"[..]));
        assert!(must_next(&mut body).is_none());
        drop(first);
        drop(body);
        assert_eq!(Arc::strong_count(&place), 2, "the body is done with, and its last piece is not sent");
        let rest = second.split_off(1);
        drop(second);
        assert_eq!(Arc::strong_count(&place), 2, "all but its last bytes are sent");
        drop(rest);
        assert_eq!(Arc::strong_count(&place), 1);
    }
}
