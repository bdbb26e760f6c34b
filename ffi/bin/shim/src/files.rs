//! The files of a container's directory. Their contents are described in `proto/k3ts/v1/runtime.proto`.

/// The shim's process id. Locked (flock) for as long as the shim lives.
pub const SHIM_PID: &str = "shim.pid";
/// The container's process id.
pub const PID: &str = "pid";
/// Appears when the container has ended, whole.
pub const EXIT: &str = "exit";
/// The time of the start, written by the runtime service just before it.
pub const STARTED: &str = "started";
/// The standard streams.
pub const ATTACH: &str = "attach.sock";
/// The longest path of a socket that can be connected to, in bytes.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;
