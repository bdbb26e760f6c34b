//! What a handler is given beside its request.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::codec::{Frame, FrameKind};
use crate::error::RpcError;
use crate::queue::FrameQueue;

/// The call that a handler answers.
///
/// A handler whose call is cancelled or too late is dropped where it awaits. Work that must not be left half done
/// belongs into a task of its own (`tokio::spawn`), which the handler awaits.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    pub metadata: HashMap<String, String>,
    pub deadline: Option<Instant>,
    /// Cancelled when the call is over, however it ended: for what a handler has spawned.
    pub cancelled: CancellationToken,
}

/// Where the answers of a call go.
pub struct ServerStream<T> {
    call: u32,
    queue: Arc<FrameQueue>,
    credit: Arc<Semaphore>,
    message: PhantomData<fn(T)>,
}

impl ServerStream<Bytes> {
    pub(crate) fn new(call: u32, queue: Arc<FrameQueue>, credit: Arc<Semaphore>) -> Self {
        Self {
            call,
            queue,
            credit,
            message: PhantomData,
        }
    }

    /// The same stream, of messages.
    pub fn of<T: Message>(self) -> ServerStream<T> {
        ServerStream {
            call: self.call,
            queue: self.queue,
            credit: self.credit,
            message: PhantomData,
        }
    }
}

impl<T: Message> ServerStream<T> {
    /// Waits until the caller has granted credit for one more message and the connection has room.
    pub async fn send(&self, message: T) -> Result<(), RpcError> {
        match self.credit.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_) => return Err(RpcError::unavailable("Cannot send as the connection is closed")),
        }
        self.queue
            .push(&Frame::new(FrameKind::Message, self.call, message.encode_to_vec()))
            .await
    }
}
