//! Frames on their way out of a connection.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::codec::Frame;
use crate::error::RpcError;

/// Bytes that may wait. Who sends a message waits while there are more, so that a peer that does not read costs
/// no more than this and one frame. Control frames pass: each is small and answers a frame of the peer, and
/// nothing more is read from the peer while the queue is full.
pub const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A taken buffer that has grown beyond this is not kept for the next batch.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Encoded frames of all calls of a connection, taken as one batch by whoever writes them.
#[derive(Default)]
pub struct FrameQueue {
    state: Mutex<State>,
    filled: Notify,
    drained: Notify,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    closed: bool,
}

impl FrameQueue {
    /// Waits for room.
    pub async fn push(&self, frame: &Frame) -> Result<(), RpcError> {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            // Before the check, or a drain between check and wait would be missed.
            drained.as_mut().enable();
            {
                let mut state = self.lock();
                if state.closed || state.bytes.len() < QUEUE_BYTES_MAX {
                    return self.append(&mut state, frame);
                }
            }
            drained.await;
        }
    }

    /// Does not wait: for control frames.
    pub fn push_now(&self, frame: &Frame) -> Result<(), RpcError> {
        self.append(&mut self.lock(), frame)
    }

    /// Resolves while there is room, or when the queue is closed.
    pub async fn room(&self) {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            if !self.is_full() {
                return;
            }
            drained.await;
        }
    }

    pub fn is_full(&self) -> bool {
        let state = self.lock();
        !state.closed && state.bytes.len() >= QUEUE_BYTES_MAX
    }

    /// Waits for frames and swaps all of them into `batch`, whose memory is used again. False when the queue is
    /// closed and empty.
    pub async fn take_into(&self, batch: &mut Vec<u8>) -> bool {
        batch.clear();
        batch.shrink_to(KEPT_BYTES_MAX);
        loop {
            {
                let mut state = self.lock();
                if !state.bytes.is_empty() {
                    std::mem::swap(&mut state.bytes, batch);
                    drop(state);
                    self.drained.notify_waiters();
                    return true;
                }
                if state.closed {
                    return false;
                }
            }
            // One taker only: a permit is kept if a frame came in between.
            self.filled.notified().await;
        }
    }

    /// What is queued can still be taken; nothing more can be pushed.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    fn append(&self, state: &mut State, frame: &Frame) -> Result<(), RpcError> {
        if state.closed {
            return Err(RpcError::unavailable("Cannot send as the connection is closed"));
        }
        frame.encode_into(&mut state.bytes)?;
        self.filled.notify_one();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
