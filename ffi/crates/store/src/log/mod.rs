//! The log that writes are in until the engine has sorted them into tables: one write and one fdatasync a commit, where
//! the engine's own log makes a file of each.
//!
//! A commit is a frame with a number, one greater than the frame before; segments are files of frames that follow each
//! other. There is at most one frame that is not known to be on the disk, the last, and every writer begins a segment of
//! its own. From this follows what a crash can leave behind: a last frame that is whole, torn or missing, and nothing
//! else. Whatever else is found (a bad frame with good ones behind it, a gap, fewer frames than the engine has been told
//! of) is damage, and such a log is not opened.

mod appender;
mod disk;
mod engine;
mod error;
mod frame;
mod recovery;
mod segment;
mod writer;

#[cfg(test)]
mod crash_test;
#[cfg(test)]
pub mod simulated;

pub use disk::{Disk, Folder};
pub use engine::{Collector, Reader, Tenant, Tenure};
pub use segment::Name;
pub use writer::FRAMES_OUT_OF_TABLES_MAX;
