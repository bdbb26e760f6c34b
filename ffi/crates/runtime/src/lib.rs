//! Containers on this machine: the `RuntimeService` with crun as its OCI runtime and the shim beside each container.
//! The contract is `proto/k3ts/v1/runtime.proto`.
//!
//! Everything is known from disk and the kernel, so that a new process goes on where another was killed:
//! `STATE/containers/ID.json` says where a container's directory is, `STATE/runtime` is the OCI runtime's own.
//! The library lives in a process that is not its own: working directory, umask and the namespaces of threads that
//! others use are never changed.

mod cgroup;
mod container;
mod exec;
mod list;
mod namespaces;
mod oci_runtime;
mod pause;
mod record;
mod sandbox;
mod service;
mod settings;
mod shim;
mod sys;
mod watch;

pub use container::{create, delete, signal, start};
pub use exec::{exec, signal_exec};
pub use list::list;
pub use pause::ensure as share_processes;
pub use sandbox::{create_sandbox, remove_sandbox};
pub use service::service;
pub use settings::Settings;
pub use watch::{News, Stop, Watcher};
