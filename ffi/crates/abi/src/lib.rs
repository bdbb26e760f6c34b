//! `libk3ts.so`: native services inside a Deno process, behind a C ABI of five functions.
//!
//! Everything is a call of a service, as frames (`proto/k3ts/v1/frame.proto`): a new native function is a new rpc,
//! never a new symbol. What a caller must hold to is written in `abi.rs`, and `ffi/library.ts` does so.

#[allow(unsafe_code)]
mod abi;
mod connection;
mod echo;
#[allow(unsafe_code)]
mod memory;
mod services;

pub use echo::Echo;
