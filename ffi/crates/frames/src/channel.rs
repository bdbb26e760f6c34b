//! The calling side of a connection.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::codec::{Frame, FrameKind};
use crate::error::{ErrorContext, RpcError};
use crate::generated::{FrameEnd, FrameStart};
use crate::queue::FrameQueue;
use crate::serve::{read_some, write_frames};
use crate::{CALLS_MAX, INITIAL_CREDIT};

/// What may be said about a call.
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    pub metadata: HashMap<String, String>,
    /// None: no deadline.
    pub timeout: Option<Duration>,
}

/// One connection, shared by its clones; closed with the last of them.
#[derive(Clone)]
pub struct Channel {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Arc<FrameQueue>,
    open: Arc<Mutex<Open>>,
    closed: CancellationToken,
}

#[derive(Default)]
struct Open {
    last_id: u32,
    calls: HashMap<u32, mpsc::Sender<Event>>,
    over: bool,
}

enum Event {
    Message(Bytes),
    End(Result<(), RpcError>),
}

impl Channel {
    /// Speaks over a pair of streams. Must be called in a tokio runtime.
    pub fn new<R, W>(reader: R, writer: W) -> Self
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let queue = Arc::new(FrameQueue::default());
        let open = Arc::new(Mutex::new(Open {
            last_id: u32::MAX,
            ..Open::default()
        }));
        let closed = CancellationToken::new();
        tokio::spawn(run(reader, writer, queue.clone(), open.clone(), closed.clone()));
        Self {
            inner: Arc::new(Inner { queue, open, closed }),
        }
    }

    /// Dials a unix socket.
    pub async fn connect(path: &Path) -> Result<Self, RpcError> {
        let stream = UnixStream::connect(path)
            .await
            .doing(|| format!("Cannot connect to {}", path.display()))?;
        let (reader, writer) = stream.into_split();
        Ok(Self::new(reader, writer))
    }

    /// Calls a method such as `k3ts.v1.EchoService/Say`. Cancelled when dropped.
    pub async fn call_unary<I: Message, O: Message + Default>(
        &self,
        method: &str,
        request: &I,
        options: CallOptions,
    ) -> Result<O, RpcError> {
        let mut responses = self.call_stream(method, request, options).await?;
        let response = responses.next().await?;
        let response =
            response.ok_or_else(|| RpcError::internal(format!("\"{method}\" has ended without an answer")))?;
        match responses.next().await? {
            None => Ok(response),
            Some(_) => Err(RpcError::internal(format!("\"{method}\" has answered more than once"))),
        }
    }

    /// Calls a method that answers any number of times. Cancelled when the answers are dropped before their end.
    pub async fn call_stream<I: Message, O: Message + Default>(
        &self,
        method: &str,
        request: &I,
        options: CallOptions,
    ) -> Result<Responses<O>, RpcError> {
        // Credit lets at most that many messages be under way, and an end follows.
        let (sender, events) = mpsc::channel(INITIAL_CREDIT + 1);
        let id = self.inner.register(sender)?;
        let responses = Responses {
            id,
            events,
            inner: self.inner.clone(),
            taken: 0,
            over: false,
            message: PhantomData,
        };
        let start = FrameStart {
            method: method.to_owned(),
            timeout_ms: options
                .timeout
                .map_or(0, |timeout| timeout.as_millis().clamp(1, u32::MAX.into()) as u32),
            metadata: options.metadata,
        };
        let queue = &self.inner.queue;
        queue
            .push(&Frame::new(FrameKind::Start, id, start.encode_to_vec()))
            .await?;
        queue
            .push(&Frame::new(FrameKind::Message, id, request.encode_to_vec()))
            .await?;
        Ok(responses)
    }
}

impl Inner {
    fn register(&self, events: mpsc::Sender<Event>) -> Result<u32, RpcError> {
        let mut open = lock(&self.open);
        if open.over {
            return Err(RpcError::unavailable("Cannot call as the connection is closed"));
        }
        if open.calls.len() >= CALLS_MAX {
            return Err(RpcError::resource_exhausted(format!(
                "Cannot call as {CALLS_MAX} calls are open"
            )));
        }
        // The side that dials uses odd ids: 1 first.
        open.last_id = open.last_id.checked_add(2).unwrap_or(1);
        let id = open.last_id;
        open.calls.insert(id, events);
        Ok(id)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

/// The answers of a call.
pub struct Responses<T> {
    id: u32,
    events: mpsc::Receiver<Event>,
    inner: Arc<Inner>,
    taken: u32,
    over: bool,
    message: PhantomData<fn() -> T>,
}

impl<T: Message + Default> Responses<T> {
    /// The next answer; `None` once the call has ended well.
    pub async fn next(&mut self) -> Result<Option<T>, RpcError> {
        if self.over {
            return Ok(None);
        }
        match self.events.recv().await {
            Some(Event::Message(payload)) => {
                self.grant_more();
                Ok(Some(T::decode(payload)?))
            }
            Some(Event::End(outcome)) => {
                self.over = true;
                outcome.map(|()| None)
            }
            None => {
                self.over = true;
                Err(RpcError::unavailable(
                    "The connection was closed before the call had ended",
                ))
            }
        }
    }

    /// In halves of what a call starts with, so that credit frames are few.
    fn grant_more(&mut self) {
        self.taken += 1;
        if self.taken as usize * 2 >= INITIAL_CREDIT {
            let granted = std::mem::take(&mut self.taken).to_le_bytes();
            // Fails only when the connection is closed, which the next answer tells.
            let _ = self
                .inner
                .queue
                .push_now(&Frame::new(FrameKind::Credit, self.id, granted.to_vec()));
        }
    }
}

impl<T> Drop for Responses<T> {
    fn drop(&mut self) {
        if !self.over && lock(&self.inner.open).calls.remove(&self.id).is_some() {
            let _ = self
                .inner
                .queue
                .push_now(&Frame::new(FrameKind::Cancel, self.id, Bytes::new()));
        }
    }
}

async fn run<R, W>(mut reader: R, writer: W, queue: Arc<FrameQueue>, open: Arc<Mutex<Open>>, closed: CancellationToken)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let mut writing = tokio::spawn(write_frames(writer, queue.clone()));
    let outcome = tokio::select! {
        () = closed.cancelled() => Ok(()),
        written = &mut writing => written.unwrap_or_else(|error| Err(error.into())),
        outcome = read_frames(&mut reader, &open) => outcome,
    };
    queue.close();
    let calls = {
        let mut open = lock(&open);
        open.over = true;
        std::mem::take(&mut open.calls)
    };
    for events in calls.into_values() {
        let mut error = RpcError::unavailable("The connection was closed before the call had ended");
        if let Err(cause) = &outcome {
            error = error.caused_by(cause);
        }
        let _ = events.try_send(Event::End(Err(error)));
    }
}

async fn read_frames<R>(reader: &mut R, open: &Mutex<Open>) -> Result<(), RpcError>
where
    R: AsyncRead + Unpin,
{
    let mut buffer = BytesMut::new();
    while read_some(reader, &mut buffer).await? {
        while let Some(frame) = Frame::decode(&mut buffer)? {
            deliver(open, frame)?;
        }
    }
    Ok(())
}

fn deliver(open: &Mutex<Open>, frame: Frame) -> Result<(), RpcError> {
    let mut open = lock(open);
    let event = match frame.kind {
        FrameKind::Message => Event::Message(frame.payload),
        FrameKind::End => {
            let end = FrameEnd::decode(frame.payload)?;
            Event::End(if end.code == 0 {
                Ok(())
            } else {
                Err(RpcError::from_end(end))
            })
        }
        kind => {
            return Err(RpcError::invalid_argument(format!(
                "Cannot take a frame as it must be an answer: {kind:?}"
            )));
        }
    };
    let ended = matches!(event, Event::End(_));
    // A call that is not there was cancelled by us.
    if let Some(events) = open.calls.get(&frame.call)
        && let Err(mpsc::error::TrySendError::Full(_)) = events.try_send(event)
    {
        return Err(RpcError::invalid_argument(format!(
            "Cannot take an answer of call {} without credit",
            frame.call
        )));
    }
    if ended {
        open.calls.remove(&frame.call);
    }
    Ok(())
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    // Nothing panics while it holds the lock.
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
