//! The log as the engine asks for it: who may write, what is still to be read, and which segments may go.

use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use slatedb::wal::{
    WalError, WalFileRange, WalGc, WalIterator, WalReader, WalRows, WriterInit, WriterInitResult, WriterManifest,
};
use tokio::task::spawn_blocking;

use crate::folder::HeldFolder;
use crate::log::appender::{Appender, SEGMENT_BYTES};
use crate::log::disk::Disk;
use crate::log::error::LogError;
use crate::log::recovery::{self, Frames, Known};
use crate::log::writer::{Shared, Writer};

/// Who writes to a log, within the one process that may: the last of them, by the engine's epochs.
#[derive(Default)]
pub struct Tenure(Mutex<Option<(u64, Arc<Shared>)>>);

impl Tenure {
    /// Ends the writer before and waits until it writes no more. Refused once a later one has come. Blocks.
    fn take(
        &self,
        epoch: u64,
        start: impl FnOnce() -> Result<(Frames, Arc<Shared>), LogError>,
    ) -> Result<(Frames, Arc<Shared>), LogError> {
        let mut tenant = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((present, shared)) = &*tenant {
            if *present >= epoch {
                return Err(LogError::Fenced);
            }
            shared.end(WalError::Fenced);
            shared.join();
        }
        let (frames, shared) = start()?;
        *tenant = Some((epoch, shared.clone()));
        Ok((frames, shared))
    }
}

/// Somebody who is about to write.
pub struct Tenant {
    pub disk: Arc<dyn Disk>,
    /// Number of the first frame that the log ever had.
    pub origin: u64,
    /// Held against other processes for as long as anything may be written.
    pub folder: Arc<HeldFolder>,
}

#[async_trait]
impl WriterInit for Tenant {
    async fn fence_and_init(&self, manifest: &mut WriterManifest) -> Result<WriterInitResult, WalError> {
        let epoch = manifest.epoch();
        let in_tables = manifest.replay_after_wal_id();
        let known = Known {
            origin: self.origin,
            in_tables,
            durable: manifest.manifest().next_wal_sst_id().saturating_sub(1),
        };
        let disk = self.disk.clone();
        let folder = self.folder.clone();
        let (frames, shared) = blocking(move || {
            folder.log.take(epoch, || {
                let frames = recovery::recover(&*disk, known, epoch)?;
                let appender = Appender::new(disk, epoch, frames.last + 1, SEGMENT_BYTES);
                let shared = Shared::start(appender, frames.last, folder.clone())?;
                Ok((frames, shared))
            })
        })
        .await?;
        Ok(WriterInitResult {
            replay_iterator: Box::new(Replay { frames, end: u64::MAX }),
            wal_writer: Box::new(Writer(shared)),
        })
    }
}

/// Looks at a log beside its writer.
pub struct Reader {
    pub disk: Arc<dyn Disk>,
    pub origin: u64,
}

impl Reader {
    async fn look(&self, in_tables: u64) -> Result<Frames, WalError> {
        let (disk, origin) = (self.disk.clone(), self.origin);
        blocking(move || recovery::look(&*disk, origin, in_tables)).await
    }
}

#[async_trait]
impl WalReader for Reader {
    async fn iterator(&self, range: WalFileRange) -> Result<Box<dyn WalIterator>, WalError> {
        let (Some(begin), Some(end)) = (first_of(&range.0), end_of(&range.1)) else {
            let endless = std::io::Error::other("the log is read up to an end");
            return Err(LogError::from(endless).into());
        };
        let frames = self.look(begin.saturating_sub(1)).await?;
        Ok(Box::new(Replay { frames, end }))
    }

    async fn last_wal_file_id(&self, in_tables: u64) -> Result<u64, WalError> {
        Ok(self.look(in_tables).await?.last)
    }
}

struct Replay {
    frames: Frames,
    /// The first number that is not wanted any more.
    end: u64,
}

#[async_trait]
impl WalIterator for Replay {
    async fn next(&mut self) -> Result<Option<WalRows>, WalError> {
        let next = self.frames.next()?.filter(|(number, _)| *number < self.end);
        Ok(next.map(|(number, rows)| WalRows {
            rows,
            last_consumed_wal_file_id: number,
        }))
    }
}

/// Takes segments away whose frames have all been in tables for a while: a reader may have begun before they were.
pub struct Collector {
    disk: Arc<dyn Disk>,
    /// What was needed by a round before, from this number on, and when that was.
    before: Arc<Mutex<Option<(Instant, u64)>>>,
}

impl Collector {
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            before: Arc::default(),
        }
    }
}

#[async_trait]
impl WalGc for Collector {
    async fn collect(&self, needed: Vec<WalFileRange>, min_age: Duration, dry_run: bool) -> Result<(), WalError> {
        let Some(Some(first)) = needed.iter().map(|range| first_of(&range.0)).min() else {
            return Ok(());
        };
        let (disk, before) = (self.disk.clone(), self.before.clone());
        blocking(move || {
            let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
            let unneeded = match *before {
                None => 0,
                Some((since, _)) if since.elapsed() < min_age => return Ok(()),
                Some((_, first)) => first,
            };
            for pair in recovery::segments(&*disk)?.windows(2) {
                if pair[1].first <= unneeded && !dry_run {
                    disk.remove(&pair[0].to_string())?;
                }
            }
            *before = Some((Instant::now(), first));
            Ok(())
        })
        .await
    }
}

/// None where it has no beginning.
fn first_of(bound: &Bound<u64>) -> Option<u64> {
    match bound {
        Bound::Included(number) => Some(*number),
        Bound::Excluded(number) => Some(number.saturating_add(1)),
        Bound::Unbounded => None,
    }
}

fn end_of(bound: &Bound<u64>) -> Option<u64> {
    match bound {
        Bound::Included(number) => Some(number.saturating_add(1)),
        Bound::Excluded(number) => Some(*number),
        Bound::Unbounded => None,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, WalError> {
    match spawn_blocking(work).await {
        Ok(outcome) => Ok(outcome?),
        Err(error) => Err(WalError::InternalError(Arc::new(error))),
    }
}
