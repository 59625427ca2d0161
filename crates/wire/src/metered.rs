//! Bodies that take a place for every byte of theirs, as it comes in. Many bodies that are each within their limit are too
//! much for the memory together, and how long one will be is not said by everybody, and not always true.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use crate::places::{Bound, Full, Place};

/// The place of one body, a byte each. Whoever keeps this keeps it.
pub type Meter<K> = Arc<Mutex<Place<K>>>;

/// A body that ends with [`Full`] when there is no place for more of it.
pub struct Metered<B, K: Ord + Clone> {
    body: B,
    meter: Meter<K>,
    bound: Bound,
}

impl<B, K: Ord + Clone> Metered<B, K> {
    /// This body, within this bound. The meter has a place without a byte.
    pub const fn new(body: B, meter: Meter<K>, bound: Bound) -> Self {
        Self { body, meter, bound }
    }
}

impl<B, K> Body for Metered<B, K>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    K: Ord + Clone,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        polled.map(|next| {
            next.map(|frame| {
                let frame = frame.map_err(Into::into)?;
                let length = frame.data_ref().map_or(0, Bytes::len);
                let mut place = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
                place.grow(length, self.bound)?;
                Ok(frame)
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Which bound a body met, if that is what it ended with, beneath whatever the libraries have put around it.
#[must_use]
pub fn full(error: &(dyn Error + 'static)) -> Option<Full> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(full) = error.downcast_ref() {
            return Some(*full);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http_body_util::{BodyExt, Full as Whole};
    use hyper::body::Bytes;

    use super::{Metered, full};
    use crate::places::{Bound, Full, Places};

    #[tokio::test]
    async fn bodies_together_have_a_bound_and_hold_it_until_their_meters_are_dropped() {
        let places = Places::new();
        let bound = Bound { each: 10, all: 15 };
        let read = |holder: &'static str, bytes: &'static [u8]| {
            let meter = Arc::new(Mutex::new(places.take(&holder, 0, bound).unwrap()));
            let body = Metered::new(Whole::new(Bytes::from_static(bytes)), Arc::clone(&meter), bound);
            async move { (body.collect().await.map_err(|error| full(&*error)), meter) }
        };
        let (first, meter) = read("alice", b"12345678").await;
        assert_eq!(first.unwrap().to_bytes(), &b"12345678"[..]);
        assert_eq!(read("alice", b"123").await.0.unwrap_err(), Some(Full::Each));
        assert!(read("alice", b"12").await.0.is_ok(), "its meter is dropped at once");
        assert_eq!(read("bob", b"12345678").await.0.unwrap_err(), Some(Full::All));
        drop(meter);
        assert!(read("bob", b"12345678").await.0.is_ok());
    }
}
