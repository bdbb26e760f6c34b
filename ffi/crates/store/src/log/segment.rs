//! Segments: files of frames whose numbers follow each other.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use crate::log::frame;

/// Its file's name, which says all that is to be known before its first frame: `<first>-<epoch>-<salt>.log`.
///
/// In the order of their frames; of two with the same first frame, the later writer's comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Number of its first frame.
    pub first: u64,
    /// Of its writer: greater with each.
    pub epoch: u64,
    /// In every checksum, so that nobody can store a value that holds frames.
    pub salt: u64,
}

const EXTENSION: &str = ".log";

impl Name {
    pub fn new(first: u64, epoch: u64) -> Self {
        // Keys of the standard library's hashes, which nobody outside can know.
        let salt = RandomState::new().build_hasher().finish();
        Self { first, epoch, salt }
    }

    /// None for what is no segment; an error for what should be one.
    pub fn parse(file: &str) -> Option<Result<Self, String>> {
        let mut parts = file.strip_suffix(EXTENSION)?.split('-');
        let mut parse = || {
            let name = Self {
                first: parts.next()?.parse().ok()?,
                epoch: parts.next()?.parse().ok()?,
                salt: u64::from_str_radix(parts.next()?, 16).ok()?,
            };
            (name.to_string() == file).then_some(name)
        };
        Some(parse().ok_or_else(|| format!("Cannot read the log as its files must have names that it gave: {file}")))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, epoch, salt } = self;
        write!(f, "{first:020}-{epoch:010}-{salt:016x}{EXTENSION}")
    }
}

/// What a segment's file holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    /// Of each whole frame from the first on, where its rows are.
    pub rows: Vec<Range<usize>>,
    pub rest: Rest,
}

/// What comes behind the last whole frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Rest {
    Nothing,
    /// Part of one, at most.
    Torn,
    /// Others that are whole: what is before them was once, too.
    Frames {
        number: u64,
    },
}

impl Contents {
    pub fn read(name: &Name, bytes: &[u8]) -> Self {
        let mut rows: Vec<Range<usize>> = Vec::new();
        let mut end = 0;
        let mut number = name.first;
        while let Some(place) = frame::rows_at(bytes, end, number, name.salt) {
            end = place.end;
            number += 1;
            rows.push(place);
        }
        let rest = if end == bytes.len() {
            Rest::Nothing
        } else if let Some((_, number)) = frame::find_after(bytes, end, number, name.salt) {
            Rest::Frames { number }
        } else {
            Rest::Torn
        };
        Self { rows, rest }
    }

    /// Bytes up to the end of the last whole frame.
    pub fn end(&self) -> usize {
        self.rows.last().map_or(0, |rows| rows.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_and_is_in_the_order_of_its_frames() {
        let name = Name::new(42, 3);
        assert_eq!(Name::parse(&name.to_string()), Some(Ok(name)));
        assert_ne!(name.salt, Name::new(42, 3).salt);
        assert!(Name::new(9, 4) < name && name < Name::new(42, 4));
        assert!(Name::parse("lost+found").is_none());
        assert!(Name::parse("42-3-0.log").unwrap().is_err());
    }
}
