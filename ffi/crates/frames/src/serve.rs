//! Answers the calls of connections.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::calls::Calls;
use crate::codec::Frame;
use crate::error::{ErrorContext, RpcError};
use crate::queue::FrameQueue;
use crate::router::Router;

/// How long a peer may take to read the last answers once its connection ends.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// Pause after a failed accept, which fails again at once while the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections of one listening socket at a time. More wait in the socket's backlog.
const CONNECTIONS_MAX: usize = 64;

/// Bytes that a read may bring at once, at least.
const READ_BYTES: usize = 64 * 1024;

/// Answers the calls of one connection until the peer closes it, breaks the protocol (an error), or `cancelled` is
/// cancelled; then open calls are cancelled and what is already answered is still sent.
pub async fn serve<R, W>(
    mut reader: R,
    writer: W,
    router: Arc<Router>,
    cancelled: CancellationToken,
) -> Result<(), RpcError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let queue = Arc::new(FrameQueue::default());
    let calls = Arc::new(Calls::new(router, queue.clone(), Handle::current(), &cancelled));
    let mut writing = tokio::spawn(write_frames(writer, queue.clone()));
    let outcome = tokio::select! {
        biased;
        () = cancelled.cancelled() => Ok(()),
        // Ends only by an error before the queue is closed.
        written = &mut writing => {
            calls.shut_down().await;
            return written?;
        }
        outcome = read_frames(&mut reader, &calls, &queue) => outcome,
    };
    calls.shut_down().await;
    queue.close();
    if tokio::time::timeout(LAST_WRITE, &mut writing).await.is_err() {
        writing.abort();
    }
    outcome
}

/// Answers the calls of every connection that a listening socket accepts, until cancelled.
pub async fn serve_unix(listener: UnixListener, router: Arc<Router>, cancelled: CancellationToken) {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let accept = async {
        loop {
            // Never closed.
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (reader, writer) = stream.into_split();
                    let serving = serve(reader, writer, router.clone(), cancelled.clone());
                    connections.spawn(async move {
                        if let Err(error) = serving.await {
                            say(&format!("A connection has ended: {error}"));
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    say(&format!("Cannot accept a connection: {error}"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = cancelled.cancelled() => {}
        () = accept => {}
    }
    connections.close();
    connections.wait().await;
}

/// A line to standard error. `eprintln!` would panic once nobody reads that any more, or the disk behind it is full.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

async fn read_frames<R>(reader: &mut R, calls: &Arc<Calls>, queue: &FrameQueue) -> Result<(), RpcError>
where
    R: AsyncRead + Unpin,
{
    let mut buffer = BytesMut::new();
    loop {
        // A peer that does not read its answers is not read from either.
        queue.room().await;
        if !read_some(reader, &mut buffer).await? {
            return Ok(());
        }
        while let Some(frame) = Frame::decode(&mut buffer)? {
            calls.accept(frame)?;
        }
    }
}

/// False at the end.
pub(crate) async fn read_some<R>(reader: &mut R, buffer: &mut BytesMut) -> Result<bool, RpcError>
where
    R: AsyncRead + Unpin,
{
    buffer.reserve(READ_BYTES);
    let read = reader
        .read_buf(buffer)
        .await
        .doing(|| "Cannot read from a connection".to_owned())?;
    Ok(read > 0)
}

pub(crate) async fn write_frames<W>(mut writer: W, queue: Arc<FrameQueue>) -> Result<(), RpcError>
where
    W: AsyncWrite + Unpin,
{
    let mut batch = Vec::new();
    while queue.take_into(&mut batch).await {
        writer
            .write_all(&batch)
            .await
            .doing(|| "Cannot write to a connection".to_owned())?;
    }
    writer.shutdown().await.doing(|| "Cannot end a connection".to_owned())
}
