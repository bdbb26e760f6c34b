//! Puts frames on the disk, one after the other.

use std::io;
use std::sync::Arc;

use crate::log::disk::{Disk, LogFile};
use crate::log::error::LogError;
use crate::log::frame::Filling;
use crate::log::segment::Name;

/// Of a segment: it is left at the first frame that would begin behind this. Segments are taken away whole.
pub const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;

pub struct Appender {
    disk: Arc<dyn Disk>,
    epoch: u64,
    /// Of the next frame.
    next: u64,
    segment_bytes: u64,
    segment: Option<Segment>,
    /// What was not written whole, or not synced, is never followed by anything.
    failed: Option<LogError>,
}

struct Segment {
    file: Box<dyn LogFile>,
    name: Name,
    length: u64,
}

impl Appender {
    /// The first frame gets this number, in a segment of this writer's own.
    pub fn new(disk: Arc<dyn Disk>, epoch: u64, next: u64, segment_bytes: u64) -> Self {
        Self {
            disk,
            epoch,
            next,
            segment_bytes,
            segment: None,
            failed: None,
        }
    }

    /// On the disk when it returns, under the number that it gives back. After an error nothing can be appended any more.
    pub fn append(&mut self, filling: Filling) -> Result<u64, LogError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.write(filling).map_err(|error| {
            let error = LogError::from(error);
            self.failed = Some(error.clone());
            self.segment = None;
            error
        })
    }

    fn write(&mut self, filling: Filling) -> io::Result<u64> {
        let segment = match &mut self.segment {
            Some(segment) if segment.length < self.segment_bytes => segment,
            _ => {
                let name = Name::new(self.next, self.epoch);
                let file = self.disk.create(&name.to_string())?;
                self.disk.sync_folder()?;
                self.segment.insert(Segment { file, name, length: 0 })
            }
        };
        let frame = filling.finish(self.next, segment.name.salt);
        segment.file.write_at(segment.length, &frame)?;
        segment.file.sync()?;
        segment.length += frame.len() as u64;
        self.next += 1;
        Ok(self.next - 1)
    }
}
