//! What the shim and the runtime service have in common: the files of a container's directory and the way that time
//! is written. The shim itself is the program of this package.

pub mod files;
pub mod time;
