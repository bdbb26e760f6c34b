//! The one who writes to a store.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use k3ts_frames::RpcError;
use slatedb::config::{CloseOptions, FlushOptions, FlushType};
use slatedb::{Db, WriteBatch};
use tokio::sync::{mpsc, oneshot};

use crate::engine;
use crate::errors;
use crate::folder::{Folders, HeldFolder};
use crate::operations::{self, Operation};

/// Appends that wait for the next commit. Whoever comes after them waits for a place.
const WAITING_MAX: usize = 1024;

/// Bytes of a batch that comes in several requests: the contract's 32 MiB, written twice, and keys.
const STAGED_BYTES_MAX: usize = 96 * 1024 * 1024;

type Outcome = Result<(), RpcError>;

enum Command {
    Append {
        operations: Vec<Operation>,
        done: oneshot::Sender<Outcome>,
    },
    Close {
        done: oneshot::Sender<Outcome>,
    },
}

/// Closes the engine when it is dropped.
pub struct Writer {
    pub db: Arc<Db>,
    commands: mpsc::Sender<Command>,
    /// Of a batch whose last request has not come yet.
    staged: Mutex<Vec<Bytes>>,
}

impl Writer {
    pub async fn open(folders: &Folders, path: &Path) -> Result<Self, RpcError> {
        let folder = folders.hold(path)?;
        let db = Arc::new(engine::open_writer(&folder.path).await?);
        let (commands, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(
            Committer {
                db: db.clone(),
                folder,
                failed: None,
            }
            .run(waiting),
        );
        Ok(Self {
            db,
            commands,
            staged: Mutex::default(),
        })
    }

    /// Durable when it answers, or when the last request of its batch does.
    pub async fn append(&self, packed: Bytes, more: bool) -> Outcome {
        let parts = self.stage(packed, more)?;
        if more {
            return Ok(());
        }
        let mut operations = Vec::new();
        for part in parts {
            operations.append(&mut operations::decode(part)?);
        }
        self.ask(|done| Command::Append { operations, done }).await
    }

    pub async fn close(&self) -> Outcome {
        self.ask(|done| Command::Close { done }).await
    }

    fn stage(&self, packed: Bytes, more: bool) -> Result<Vec<Bytes>, RpcError> {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = staged.iter().map(Bytes::len).sum::<usize>() + packed.len();
        if bytes > STAGED_BYTES_MAX {
            staged.clear();
            return Err(RpcError::resource_exhausted(format!(
                "Cannot append as a batch may have at most {STAGED_BYTES_MAX} bytes: it has {bytes}"
            )));
        }
        staged.push(packed);
        Ok(if more { Vec::new() } else { std::mem::take(&mut *staged) })
    }

    async fn ask(&self, command: impl FnOnce(oneshot::Sender<Outcome>) -> Command) -> Outcome {
        let (done, outcome) = oneshot::channel();
        let closed = |_| RpcError::unavailable("Cannot use the store as it is closed");
        self.commands.send(command(done)).await.map_err(|_| closed(()))?;
        outcome.await.map_err(|_| closed(()))?
    }
}

/// Writes what waits and makes it durable by one flush, again and again.
struct Committer {
    db: Arc<Db>,
    /// Until the engine is closed.
    folder: Arc<HeldFolder>,
    /// After a failure nobody knows what was written, and what comes later must not be written without it.
    failed: Option<RpcError>,
}

impl Committer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Command>) {
        let mut group = Vec::new();
        let mut closing = Vec::new();
        while closing.is_empty() && waiting.recv_many(&mut group, WAITING_MAX).await > 0 {
            let mut written = Vec::new();
            for command in group.drain(..) {
                match command {
                    Command::Close { done } => closing.push(done),
                    Command::Append { operations, done } => match self.write(operations).await {
                        Ok(()) => written.push(done),
                        Err(error) => answer(done, Err(error)),
                    },
                }
            }
            let outcome = if written.is_empty() { Ok(()) } else { self.flush().await };
            for done in written {
                answer(done, outcome.clone());
            }
        }
        let outcome = self.close().await;
        // Another process may hold the folder as soon as somebody knows that it is free.
        drop(self);
        for done in closing {
            answer(done, outcome.clone());
        }
    }

    async fn write(&mut self, operations: Vec<Operation>) -> Outcome {
        self.refuse_after_failure()?;
        let batch = batch_of(operations);
        if batch.is_empty() {
            return Ok(());
        }
        let outcome = self.db.write(batch).await.map(drop);
        self.remember(outcome)
    }

    async fn flush(&mut self) -> Outcome {
        let outcome = self
            .db
            .flush_with_options(FlushOptions {
                flush_type: FlushType::Wal,
            })
            .await;
        self.remember(outcome)
    }

    async fn close(&self) -> Outcome {
        // What is in the log need not be sorted into tables first, which would take seconds.
        let options = CloseOptions::default().with_flush_type(Some(FlushType::Wal));
        self.db
            .close_with_options(options)
            .await
            .map_err(errors::of_engine("Cannot close the store"))
    }

    fn remember(&mut self, outcome: Result<(), slatedb::Error>) -> Outcome {
        let action = format!("Cannot append to the store in {}", self.folder.path.display());
        let outcome = outcome.map_err(errors::of_engine(&action));
        if let Err(error) = &outcome {
            self.failed.get_or_insert_with(|| error.clone());
        }
        outcome
    }

    fn refuse_after_failure(&self) -> Outcome {
        match &self.failed {
            None => Ok(()),
            Some(error) if error.detail::<k3ts_proto::v1::StoreFenced>().is_some() => Err(error.clone()),
            Some(error) => Err(RpcError::failed_precondition(
                "Cannot append to the store as the append before must have succeeded: open it again",
            )
            .caused_by(error)),
        }
    }
}

fn batch_of(operations: Vec<Operation>) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for operation in operations {
        match operation {
            Operation::Put { key, value } => batch.put_bytes(key, value),
            Operation::Delete { key } => batch.delete(key),
        }
    }
    batch
}

fn answer(done: oneshot::Sender<Outcome>, outcome: Outcome) {
    // Whoever asked may have gone.
    let _ = done.send(outcome);
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use k3ts_frames::Code;
    use k3ts_proto::v1::StoreFenced;

    use super::*;
    use crate::folder;

    /// Removed when the test is over.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("k3ts-store-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn put(key: &str, value: &str) -> Vec<u8> {
        packed(0, key, value)
    }

    fn packed(kind: u8, key: &str, value: &str) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend((key.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
        bytes.extend(key.as_bytes());
        bytes.extend(value.as_bytes());
        bytes
    }

    async fn keys(db: &Db) -> Vec<String> {
        let mut rows = db.scan::<std::ops::RangeFull>(..).await.unwrap();
        let mut keys = Vec::new();
        while let Some(row) = rows.next().await.unwrap() {
            keys.push(String::from_utf8(row.key.to_vec()).unwrap());
        }
        keys
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_acknowledged_is_there_for_the_next_writer() {
        let folder = Temporary::new("crash");
        {
            let writer = Writer::open(&Folders::default(), &folder.0).await.unwrap();
            writer.append(put("a", "1").into(), true).await.unwrap();
            writer
                .append([put("b", "2"), put("c", "3")].concat().into(), false)
                .await
                .unwrap();
            writer
                .append([packed(1, "a", ""), packed(1, "b", "")].concat().into(), false)
                .await
                .unwrap();
            writer.close().await.unwrap();
        }
        let writer = Writer::open(&Folders::default(), &folder.0).await.unwrap();
        assert_eq!(keys(&writer.db).await, ["c"]);
        writer.close().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_second_writer_of_the_process_fences_the_first() {
        let folder = Temporary::new("fence");
        let folders = Folders::default();
        let first = Writer::open(&folders, &folder.0).await.unwrap();
        let second = Writer::open(&folders, &folder.0).await.unwrap();
        for _ in 0..2 {
            let error = first.append(put("a", "1").into(), false).await.unwrap_err();
            assert_eq!(error.code, Code::FailedPrecondition);
            assert!(error.detail::<StoreFenced>().is_some(), "{error:?}");
        }
        second.append(put("b", "2").into(), false).await.unwrap();
        second.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_another_holds_is_refused_by_name() {
        let folder = Temporary::new("lock");
        let held = Folders::default().hold(&folder.0).unwrap();
        let error = Folders::default().hold(&folder.0).err().unwrap();
        assert!(
            error.message.ends_with(&format!("process {} does", std::process::id())),
            "{error}"
        );
        drop(held);
        Folders::default().hold(&folder.0).unwrap();
        assert!(folder::path_of("s3://bucket").is_err());
    }
}
