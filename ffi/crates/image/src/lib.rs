//! Image layers and mounts: the `ImageService`. The contract is `proto/k3ts/v1/image.proto`.
//!
//! Archives come from strangers. [`tree`] is the only place that touches the file system for them: every path is
//! resolved by the kernel inside the target (openat2), whatever links the archive itself has put there.

mod apply;
mod below;
mod decompress;
mod extract;
mod files;
mod layer;
mod mount;
mod mount_options;
mod mounts;
mod pax;
mod service;
mod sys;
mod tar;
mod tree;
mod usage;

pub use below::bind_below;
pub use extract::extract_archive;
pub use files::change_files;
pub use layer::unpack_layer;
pub use mount::{mount, unmount};
pub use mounts::list_mounts;
pub use service::service;
pub use usage::measure;

/// Asked now and then by what takes long; true ends it.
pub type IsCancelled<'a> = &'a (dyn Fn() -> bool + Sync);
