//! The protocol in Rust, made from `proto/k3ts/v1/*.proto`: its messages, and for every service
//! - a trait `EchoService`, with one async function a method (streamed answers go to a `ServerStream`),
//! - `EchoServiceServer(implementation)`, which goes into a `k3ts_frames::Router`,
//! - `EchoServiceClient(channel)`.

#[allow(clippy::all, rustdoc::all)]
#[rustfmt::skip]
#[path = "generated/v1.rs"]
pub mod v1;

mod json;
