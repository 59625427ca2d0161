//! What a connection has ended with. HTTP/2 tells those who wait for answers often no more than that it is gone, and why is
//! in what was read last: with TLS 1.3 the other side looks at our certificate when the handshake is over for us.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a connection has ended with, if that is known.
#[derive(Clone, Default)]
pub(crate) struct LastWord(Arc<OnceLock<io::Error>>);

impl LastWord {
    fn note(&self, error: &io::Error) {
        // The first one is the cause of the others.
        self.0.get_or_init(|| copy(error));
    }

    /// The same for somebody else.
    pub(crate) fn get(&self) -> Option<io::Error> {
        self.0.get().map(copy)
    }
}

/// An error of the same kind and text, and with the alert of TLS that it was made from.
fn copy(error: &io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => io::Error::new(error.kind(), tls.clone()),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Whether the other side has said that our certificate is revoked.
pub(crate) fn is_revocation(error: &io::Error) -> bool {
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRevoked);
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) == Some(&alert)
}

/// A stream whose end is noted.
pub(crate) struct Noted<S> {
    stream: S,
    last: LastWord,
}

impl<S> Noted<S> {
    pub(crate) fn new(stream: S) -> (Self, LastWord) {
        let last = LastWord::default();
        (Self { stream, last: last.clone() }, last)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Poll::Ready(Err(error)) = &read {
            this.last.note(error);
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Noted<S> {
    /// Whoever does not take what is written may have said before why.
    fn noting<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &written {
            let mut space = [0; 1];
            if let Poll::Ready(Err(said)) =
                Pin::new(&mut self.stream).poll_read(cx, &mut ReadBuf::new(&mut space))
            {
                self.last.note(&said);
            }
            self.last.note(error);
        }
        written
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.noting(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.noting(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.noting(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

    use super::*;

    /// Takes nothing, and has said why.
    struct Shut(bool);

    fn alert() -> io::Error {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRevoked);
        io::Error::new(io::ErrorKind::InvalidData, alert)
    }

    impl AsyncRead for Shut {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if self.0 { Poll::Ready(Err(alert())) } else { Poll::Pending }
        }
    }

    impl AsyncWrite for Shut {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_alert_is_the_cause_whether_it_is_read_or_stands_behind_a_write_that_fails() {
        let (mut read, last) = Noted::new(Shut(true));
        assert!(last.get().is_none());
        read.read_u8().await.unwrap_err();
        assert!(last.get().is_some_and(|cause| is_revocation(&cause)));
        let (mut written, last) = Noted::new(Shut(true));
        assert_eq!(written.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(last.get().is_some_and(|cause| is_revocation(&cause)));
    }

    #[tokio::test]
    async fn without_an_alert_it_is_what_the_system_says() {
        let (mut written, last) = Noted::new(Shut(false));
        written.write_all(b"x").await.unwrap_err();
        let cause = last.get().unwrap();
        assert!(cause.kind() == io::ErrorKind::BrokenPipe && !is_revocation(&cause), "{cause}");
    }
}
