//! Writes of an HTTP/2 connection, gathered until it has nothing more to do: what its streams send at the same time goes
//! out as one TLS record, by one system call.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Gathered at most, so that a client that does not read makes its streams wait.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// A buffer that none of this thread's connections uses.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What the protocol reads and writes.
pub struct Batched<S>(Arc<Mutex<Inner<S>>>);

/// Drives a connection, and sends what it has written.
pub struct Driver<S>(Arc<Mutex<Inner<S>>>);

struct Inner<S> {
    stream: S,
    output: Vec<u8>,
    /// Of the output.
    sent: usize,
    /// Whether something is still within the stream.
    flushing: bool,
    /// Whether the connection waits to write more.
    blocked: bool,
}

pub fn batched<S>(stream: S) -> (Batched<S>, Driver<S>) {
    let inner = Arc::new(Mutex::new(Inner {
        stream,
        output: Vec::new(),
        sent: 0,
        flushing: false,
        blocked: false,
    }));
    (Batched(inner.clone()), Driver(inner))
}

/// Nobody else is ever in it: both sides belong to one task.
fn locked<S>(inner: &Mutex<Inner<S>>) -> MutexGuard<'_, Inner<S>> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: AsyncWrite + Unpin> Driver<S> {
    /// Ready when the connection has ended, or can no longer be written to.
    pub fn poll<C: Future>(&self, mut connection: Pin<&mut C>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if connection.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let mut inner = locked(&self.0);
            if ready!(inner.poll_drain(context)).is_err() {
                return Poll::Ready(());
            }
            // It has room to go on in, if it waits for any.
            if !std::mem::take(&mut inner.blocked) {
                return Poll::Pending;
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    /// Sends everything.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.output.len() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(context, &self.output[self.sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
            self.flushing = true;
        }
        if self.sent > 0 {
            self.sent = 0;
            self.output.clear();
            SPARE.set(std::mem::take(&mut self.output));
        }
        if self.flushing {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.flushing = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_gather(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.output.len() >= GATHERED_BYTES_MAX && self.poll_drain(context)?.is_pending() {
            self.blocked = true;
            return Poll::Pending;
        }
        if self.output.capacity() == 0 {
            self.output = SPARE.take();
        }
        let before = self.output.len();
        for slice in slices {
            let room = GATHERED_BYTES_MAX - self.output.len();
            self.output.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        Poll::Ready(Ok(self.output.len() - before))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Batched<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut locked(&self.0).stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Batched<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        locked(&self.0).poll_gather(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        locked(&self.0).poll_gather(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// That is the driver's affair.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = locked(&self.0);
        ready!(inner.poll_drain(context))?;
        Pin::new(&mut inner.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    /// Takes so many bytes, and knows the sizes of the pieces that it was given.
    struct Sink {
        room: Arc<Mutex<usize>>,
        pieces: Arc<Mutex<Vec<usize>>>,
    }

    impl AsyncWrite for Sink {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let mut room = self.room.lock().unwrap();
            let count = bytes.len().min(*room);
            if count == 0 {
                return Poll::Pending;
            }
            *room -= count;
            self.pieces.lock().unwrap().push(count);
            Poll::Ready(Ok(count))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Writes `left` bytes in pieces of a size, flushes after each of them, and goes on for ever.
    async fn write(mut stream: Batched<Sink>, mut left: usize, size: usize) {
        let piece = vec![1; size];
        std::future::poll_fn(|context| {
            while left > 0 {
                let count = ready!(Pin::new(&mut stream).poll_write(context, &piece[..size.min(left)])).unwrap();
                left -= count;
                assert!(Pin::new(&mut stream).poll_flush(context).is_ready());
            }
            Poll::Pending::<()>
        })
        .await;
    }

    #[test]
    fn what_is_written_at_a_time_goes_out_in_one_piece() {
        let (room, pieces) = (Arc::new(Mutex::new(usize::MAX)), Arc::default());
        let (stream, driver) = batched(Sink {
            room,
            pieces: Arc::clone(&pieces),
        });
        let mut connection = pin!(write(stream, 3000, 1000));
        assert!(
            driver
                .poll(connection.as_mut(), &mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        assert_eq!(*pieces.lock().unwrap(), [3000]);
    }

    #[test]
    fn who_does_not_read_makes_the_connection_wait_and_then_has_all_of_it() {
        let (room, pieces) = (Arc::new(Mutex::new(0)), Arc::<Mutex<Vec<usize>>>::default());
        let (stream, driver) = batched(Sink {
            room: room.clone(),
            pieces: pieces.clone(),
        });
        let total = 3 * GATHERED_BYTES_MAX + 1;
        let mut connection = pin!(write(stream, total, 1000));
        let mut poll = || driver.poll(connection.as_mut(), &mut Context::from_waker(Waker::noop()));
        assert!(poll().is_pending());
        assert_eq!(locked(&driver.0).output.len(), GATHERED_BYTES_MAX);
        for more in [1, GATHERED_BYTES_MAX, total] {
            *room.lock().unwrap() += more;
            assert!(poll().is_pending());
        }
        assert_eq!(pieces.lock().unwrap().iter().sum::<usize>(), total);
    }
}
