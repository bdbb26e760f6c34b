//! The one who writes to a store.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use k3ts_frames::RpcError;
use k3ts_proto::v1::{StoreEngine, StoreFenced, StoreFull};
use tokio::sync::{mpsc, oneshot};

use crate::engine::Engine;
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
    pub engine: Arc<Engine>,
    commands: mpsc::Sender<Command>,
    /// Of a batch whose last request has not come yet.
    staged: Mutex<Vec<Bytes>>,
}

impl Writer {
    pub async fn open(folders: &Folders, kind: StoreEngine, path: &Path) -> Result<Self, RpcError> {
        let folder = folders.hold(path)?;
        let engine = Arc::new(Engine::open(kind, &folder).await?);
        let (commands, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(
            Committer {
                engine: engine.clone(),
                folder,
                failed: None,
            }
            .run(waiting),
        );
        Ok(Self {
            engine,
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

/// Makes what waits durable by one commit, again and again.
struct Committer {
    engine: Arc<Engine>,
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
            let mut batches = Vec::new();
            let mut written = Vec::new();
            for command in group.drain(..) {
                match command {
                    Command::Close { done } => closing.push(done),
                    Command::Append { operations, done } => {
                        batches.push(operations);
                        written.push(done);
                    }
                }
            }
            let outcome = self.commit(batches).await;
            for done in written {
                answer(done, outcome.clone());
            }
        }
        let outcome = self.engine.close().await;
        // Another process may hold the folder as soon as somebody knows that it is free.
        drop(self);
        for done in closing {
            answer(done, outcome.clone());
        }
    }

    async fn commit(&mut self, batches: Vec<Vec<Operation>>) -> Outcome {
        self.refuse_after_failure()?;
        if batches.iter().all(Vec::is_empty) {
            return Ok(());
        }
        let outcome = self.engine.commit(batches).await;
        if let Err(error) = &outcome {
            self.failed = Some(error.clone());
        }
        outcome
    }

    fn refuse_after_failure(&self) -> Outcome {
        match &self.failed {
            None => Ok(()),
            Some(error) if error.detail::<StoreFenced>().is_some() || error.detail::<StoreFull>().is_some() => {
                Err(error.clone())
            }
            Some(error) => Err(RpcError::failed_precondition(format!(
                "Cannot append to the store in {} as the append before must have succeeded: open it again",
                self.folder.path.display()
            ))
            .caused_by(error)),
        }
    }
}

fn answer(done: oneshot::Sender<Outcome>, outcome: Outcome) {
    // Whoever asked may have gone.
    let _ = done.send(outcome);
}

#[cfg(test)]
mod tests {
    use k3ts_frames::Code;

    use super::*;
    use crate::folder;

    const ENGINES: [StoreEngine; 2] = [StoreEngine::Slatedb, StoreEngine::Sqlite];

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

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_second_writer_of_the_process_fences_the_first() {
        for engine in ENGINES {
            let folder = tempfile::tempdir().unwrap();
            let folders = Folders::default();
            let first = Writer::open(&folders, engine, folder.path()).await.unwrap();
            let second = Writer::open(&folders, engine, folder.path()).await.unwrap();
            for _ in 0..2 {
                let error = first.append(put("a", "1").into(), false).await.unwrap_err();
                assert_eq!(error.code, Code::FailedPrecondition);
                assert!(error.detail::<StoreFenced>().is_some(), "{error:?}");
            }
            second.append(put("b", "2").into(), false).await.unwrap();
            second.close().await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_batch_that_comes_in_parts_counts_when_the_last_has_come() {
        for engine in ENGINES {
            let folder = tempfile::tempdir().unwrap();
            let writer = Writer::open(&Folders::default(), engine, folder.path()).await.unwrap();
            writer.append(put("a", "1").into(), true).await.unwrap();
            writer
                .append([put("b", "2"), packed(1, "a", "")].concat().into(), false)
                .await
                .unwrap();
            writer.append(Vec::new().into(), false).await.unwrap();
            writer.close().await.unwrap();
            assert_eq!(
                writer.append(put("c", "3").into(), false).await.unwrap_err().code,
                Code::Unavailable
            );
        }
    }

    #[tokio::test]
    async fn a_folder_that_another_holds_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let held = Folders::default().hold(folder.path()).unwrap();
        let error = Folders::default().hold(folder.path()).err().unwrap();
        assert!(
            error.message.ends_with(&format!("process {} does", std::process::id())),
            "{error}"
        );
        drop(held);
        Folders::default().hold(folder.path()).unwrap();
        assert!(folder::path_of("s3://bucket").is_err());
    }
}
