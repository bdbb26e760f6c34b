//! What is in the log when somebody opens it.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use bytes::Bytes;
use slatedb::RowEntry;

use crate::log::disk::Disk;
use crate::log::error::LogError;
use crate::log::frame::{self, HEAD_BYTES};
use crate::log::segment::{Contents, Name, Rest};

/// What the engine knows of the log.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The log began with this number.
    pub origin: u64,
    /// Frames up to this number are in tables, and need not be in the log any more.
    pub in_tables: u64,
    /// Frames up to this number were on the disk.
    pub durable: u64,
}

/// Frames that are not in tables yet, in their order.
pub struct Frames {
    segments: VecDeque<Loaded>,
    /// Number of the last, or of the last that was ever there.
    pub last: u64,
}

struct Loaded {
    name: Name,
    bytes: Bytes,
    /// Of its first frame in `rows`.
    next: u64,
    rows: VecDeque<Range<usize>>,
}

impl Frames {
    /// The next frame's number and rows.
    pub fn next(&mut self) -> Result<Option<(u64, Vec<RowEntry>)>, LogError> {
        while let Some(segment) = self.segments.front_mut() {
            if let Some(place) = segment.rows.pop_front() {
                let number = segment.next;
                segment.next += 1;
                let rows = frame::decode(segment.bytes.slice(place)).ok_or_else(|| {
                    LogError::damaged(format!(
                        "Cannot read the log as frame {number} in {} must hold rows: its checksum is right and it does not",
                        segment.name
                    ))
                })?;
                return Ok(Some((number, rows)));
            }
            self.segments.pop_front();
        }
        Ok(None)
    }
}

/// Segments in the order of their frames.
pub fn segments(disk: &dyn Disk) -> Result<Vec<Name>, LogError> {
    let mut names = Vec::new();
    for file in disk.list()? {
        if let Some(name) = Name::parse(&file) {
            names.push(name.map_err(LogError::damaged)?);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// For whoever reads beside a writer: up to the first frame that is not whole, which may be under way. What it is given
/// is on the disk.
pub fn look(disk: &dyn Disk, origin: u64, in_tables: u64) -> Result<Frames, LogError> {
    let walked = walk(disk, origin, in_tables, |name| {
        let bytes = disk.read(name)?;
        disk.sync_file(name)?;
        Ok(bytes)
    })?;
    Ok(walked.frames(in_tables))
}

/// For the one writer: takes away what a crash has left of an unfinished frame. Refuses, and changes nothing, where more
/// than a crash has been at work.
pub fn recover(disk: &dyn Disk, known: Known, epoch: u64) -> Result<Frames, LogError> {
    if let Some(later) = segments(disk)?.iter().find(|name| name.epoch >= epoch) {
        return Err(LogError::damaged(format!(
            "Cannot open the log as its writers before {epoch} must have written it: {later} is of a later one, as if the tables \
             beside it were of an older copy"
        )));
    }
    let walked = walk(disk, known.origin, known.in_tables, |name| disk.read(name)).map_err(|error| match error {
        LogError::Truncated(number) => LogError::damaged(format!(
            "Cannot open the log as it must hold frame {number}, which is in no table: it begins after it"
        )),
        other => other,
    })?;
    if let Some(Walked { name, contents, .. }) = walked.segments.last()
        && let Rest::Frames { number } = contents.rest
    {
        let bad = name.first + contents.rows.len() as u64;
        return Err(LogError::damaged(format!(
            "Cannot open the log as frame {bad} in {name} must be whole: it is damaged, as {number} behind it is whole"
        )));
    }
    if walked.last < known.durable {
        return Err(LogError::damaged(format!(
            "Cannot open the log as it must reach to frame {}, which was on the disk: it ends with {}",
            known.durable, walked.last
        )));
    }
    repair(disk, &walked)?;
    Ok(walked.frames(known.in_tables))
}

/// Only the last segment can need it.
fn repair(disk: &dyn Disk, walk: &Walk) -> Result<(), LogError> {
    if let Some(Walked { name, bytes, contents }) = walk.segments.last() {
        let name = name.to_string();
        if let Some(last) = contents.rows.last() {
            let mut file = disk.open(&name)?;
            if contents.rest == Rest::Torn {
                file.truncate(contents.end() as u64)?;
            }
            // It may be in memory only: the process was killed before it was synced, or syncing it failed, after which
            // the kernel takes it for clean. Written once more it goes to the disk.
            let begin = last.start - HEAD_BYTES;
            file.write_at(begin as u64, &bytes[begin..last.end])?;
            file.sync()?;
        } else {
            disk.remove(&name)?;
        }
    }
    disk.sync_folder()?;
    Ok(())
}

struct Walk {
    segments: Vec<Walked>,
    last: u64,
}

struct Walked {
    name: Name,
    bytes: Bytes,
    contents: Contents,
}

impl Walk {
    fn frames(self, in_tables: u64) -> Frames {
        let mut segments = VecDeque::new();
        for Walked { name, bytes, contents } in self.segments {
            // Those before are in tables.
            let skipped = (in_tables + 1).saturating_sub(name.first);
            segments.push_back(Loaded {
                next: name.first + skipped,
                rows: contents.rows.into_iter().skip(skipped as usize).collect(),
                name,
                bytes,
            });
        }
        Frames {
            segments,
            last: self.last,
        }
    }
}

/// Reads the segments that hold frames beyond those in tables. What is behind the last whole frame of the last one is for
/// the caller to judge.
fn walk(
    disk: &dyn Disk,
    origin: u64,
    in_tables: u64,
    read: impl Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Walk, LogError> {
    let names = segments(disk)?;
    // Those before hold only what is in tables: they may be gone, or not, in any order.
    let begin = names.iter().rposition(|name| name.first <= in_tables + 1).unwrap_or(0);
    let names = &names[begin..];
    let mut walk = Walk {
        segments: Vec::new(),
        last: in_tables.max(origin - 1),
    };
    for (index, name) in names.iter().enumerate() {
        let next = if index == 0 && name.first <= in_tables + 1 {
            name.first
        } else {
            walk.last + 1
        };
        if name.first != next {
            return Err(missing(&walk, name, next));
        }
        let bytes = read(&name.to_string()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => LogError::Truncated(next),
            _ => error.into(),
        })?;
        let contents = Contents::read(name, &bytes);
        let end = next + contents.rows.len() as u64;
        if let Some(follower) = names.get(index + 1)
            && contents.rest != Rest::Nothing
        {
            // A later writer went on exactly there: what it had cut off came back, as cutting it off was never synced.
            let was_cut_off = contents.rest == Rest::Torn && follower.first == end && follower.epoch > name.epoch;
            if !was_cut_off {
                return Err(LogError::damaged(format!(
                    "Cannot open the log as frame {end} in {name} must be whole: it is damaged, as {follower} comes after it"
                )));
            }
        }
        walk.last = end - 1;
        walk.segments.push(Walked {
            name: *name,
            bytes: bytes.into(),
            contents,
        });
    }
    walk.last = walk.last.max(in_tables);
    Ok(walk)
}

fn missing(walk: &Walk, name: &Name, next: u64) -> LogError {
    if walk.segments.is_empty() {
        return LogError::Truncated(next);
    }
    LogError::damaged(format!(
        "Cannot open the log as each segment must begin where the one before ends: {name} must begin with {next}"
    ))
}
