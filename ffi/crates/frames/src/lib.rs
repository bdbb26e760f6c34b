//! Calls that travel as frames: over a unix socket, stdio or the FFI. The layout stands in
//! `proto/k3ts/v1/frame.proto`.
//!
//! A [`Service`] is implemented once and put into a [`Router`]; [`serve`] answers the calls of one connection
//! with it, [`serve_unix`] those of a listening socket, and a [`Channel`] is the calling side. Services are
//! rarely written by hand: `k3ts-proto` has a trait for each, made from the protocol's files.

mod calls;
mod channel;
mod codec;
mod context;
mod error;
#[allow(clippy::all, rustdoc::all)]
#[rustfmt::skip]
#[path = "generated/frames.rs"]
mod generated;
mod queue;
mod router;
mod serve;

pub use calls::Calls;
pub use channel::{CallOptions, Channel, Responses};
pub use codec::{FRAME_BYTES_MAX, Frame, FrameKind, decode_all};
pub use context::{CallContext, ServerStream};
pub use error::{Code, ErrorContext, ErrorDetail, RpcError};
pub use queue::{FrameQueue, QUEUE_BYTES_MAX};
pub use router::{CallFuture, Router, Service};
pub use serve::{say, serve, serve_unix};
pub use tokio_util::sync::CancellationToken;

/// Most calls of one connection that are open at a time; more are refused with `resource_exhausted`.
pub const CALLS_MAX: usize = 1024;

/// Most bytes of requests that one connection's open calls hold; more are refused with `resource_exhausted`.
pub const REQUEST_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Messages that a callee may send before the caller has granted any.
pub const INITIAL_CREDIT: usize = 16;
