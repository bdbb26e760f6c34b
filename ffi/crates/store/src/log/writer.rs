//! The log as the engine writes to it: what is appended gathers in memory, and a thread of the log's own puts it on the
//! disk when the engine flushes.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use slatedb::RowEntry;
use slatedb::wal::{WalError, WalEvent, WalFlushResult, WalObserver, WalStatus, WalStatusListener, WalWriter};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::log::appender::Appender;
use crate::log::error::LogError;
use crate::log::frame::Filling;

/// What gathers without a flush is written in any case when it has grown to this.
const GATHERED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Frames after which the engine is asked to move what they hold into tables, however little that is: it is in memory
/// until then.
pub const FRAMES_OUT_OF_TABLES_MAX: u64 = 4096;

type Outcome = Result<(), WalError>;

/// What the engine's writer, its observers and the thread share.
pub struct Shared {
    state: Mutex<State>,
    /// There is something to write, or the end.
    work: Condvar,
    /// Until somebody has waited for its end.
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    gathering: Filling,
    /// To be written, in this order.
    sealed: VecDeque<Filling>,
    /// Number of the last that was sealed.
    sealed_last: u64,
    /// Of what is being written.
    writing: (usize, usize),
    flushed: u64,
    flushed_seq: Option<u64>,
    waiting: VecDeque<(u64, oneshot::Sender<Outcome>)>,
    listeners: Vec<WalStatusListener>,
    /// Why nothing is written any more.
    closed: Option<WalError>,
}

impl Shared {
    /// Goes on behind the frame `last`. What `held` holds is let go when nothing writes any more.
    pub fn start(appender: Appender, last: u64, held: impl Send + 'static) -> io::Result<Arc<Self>> {
        let shared = Arc::new(Self {
            state: Mutex::new(State {
                gathering: Filling::new(),
                sealed: VecDeque::new(),
                sealed_last: last,
                writing: (0, 0),
                flushed: last,
                flushed_seq: None,
                waiting: VecDeque::new(),
                listeners: Vec::new(),
                closed: None,
            }),
            work: Condvar::new(),
            thread: Mutex::new(None),
        });
        let writes = shared.clone();
        let thread = thread::Builder::new().name("store-log".into()).spawn(move || {
            let closing = Closing(writes);
            closing.0.write_all(appender);
            drop(closing);
            drop(held);
        })?;
        *shared.lock_thread() = Some(thread);
        Ok(shared)
    }

    /// Ends the writer because another has come, or because it is no longer wanted. Frames that are not written yet never
    /// will be.
    pub fn end(&self, reason: WalError) {
        let mut state = self.lock();
        if state.closed.is_some() {
            return;
        }
        state.closed = Some(reason.clone());
        state.gathering = Filling::new();
        state.sealed.clear();
        let waiting = std::mem::take(&mut state.waiting);
        let listeners = state.listeners.clone();
        let status = state.status();
        drop(state);
        self.work.notify_all();
        for listener in listeners {
            listener(WalEvent::WalClosed(status.clone()));
        }
        for (_, done) in waiting {
            answer(done, Err(reason.clone()));
        }
    }

    /// Nothing is written when it returns, nor ever after. Blocks.
    pub fn join(&self) {
        let mut thread = self.lock_thread();
        if let Some(thread) = thread.take() {
            // What it panicked with it has told whoever waited.
            let _ = thread.join();
        }
    }

    fn write_all(&self, mut appender: Appender) {
        while let Some(filling) = self.next_work() {
            let last_seq = filling.last_seq;
            match appender.append(filling) {
                Ok(number) => self.report(number, last_seq),
                Err(error) => return self.end(error.into()),
            }
        }
    }

    /// None when it is over.
    fn next_work(&self) -> Option<Filling> {
        let mut state = self.lock();
        loop {
            if state.closed.is_some() {
                return None;
            }
            if let Some(filling) = state.sealed.pop_front() {
                state.writing = (filling.len(), filling.rows);
                return Some(filling);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn report(&self, number: u64, last_seq: u64) {
        let mut state = self.lock();
        state.writing = (0, 0);
        state.flushed = number;
        state.flushed_seq = Some(last_seq);
        if state.closed.is_some() {
            // Nobody was told that it would be there, and the next writer finds it.
            return;
        }
        let done = state
            .waiting
            .iter()
            .take_while(|(awaited, _)| *awaited <= number)
            .count();
        let done: Vec<_> = state.waiting.drain(..done).collect();
        let listeners = state.listeners.clone();
        let status = state.status();
        drop(state);
        for listener in listeners {
            listener(WalEvent::WalFlushed(status.clone()));
        }
        for (_, done) in done {
            answer(done, Ok(()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever waits is told even when the thread panics.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        let panicked = io::Error::other("the thread of the store's log has ended");
        self.0.end(LogError::from(panicked).into());
    }
}

impl State {
    fn open(&self) -> Outcome {
        self.closed.clone().map_or(Ok(()), Err)
    }

    /// Gives back the number of the last frame that holds what was appended.
    fn seal(&mut self) -> u64 {
        if self.gathering.rows > 0 {
            self.sealed
                .push_back(std::mem::replace(&mut self.gathering, Filling::new()));
            self.sealed_last += 1;
        }
        self.sealed_last
    }

    fn status(&self) -> WalStatus {
        let in_memory = self.sealed.iter().chain([&self.gathering]);
        let (bytes, rows) = in_memory.fold(self.writing, |(bytes, rows), filling| {
            (bytes + filling.len(), rows + filling.rows)
        });
        WalStatus {
            closed_reason: self.closed.clone(),
            estimated_bytes: bytes,
            last_flushed_wal_id: self.flushed,
            last_flushed_seq: self.flushed_seq,
            buffered_wal_entries_count: rows,
        }
    }
}

/// What the engine holds. Ends the log when it is dropped.
pub struct Writer(pub Arc<Shared>);

#[async_trait]
impl WalWriter for Writer {
    async fn append(&mut self, rows: &[RowEntry]) -> Outcome {
        let mut state = self.0.lock();
        state.open()?;
        for row in rows {
            state.gathering.push(row);
        }
        if state.gathering.len() >= GATHERED_BYTES_MAX {
            state.seal();
            drop(state);
            self.0.work.notify_one();
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<WalFlushResult, WalError> {
        let mut state = self.0.lock();
        state.open()?;
        let number = state.seal();
        if number <= state.flushed {
            return Ok(WalFlushResult {
                wal_id: number,
                completion: Box::pin(async { Ok(()) }),
            });
        }
        let (done, outcome) = oneshot::channel();
        state.waiting.push_back((number, done));
        drop(state);
        self.0.work.notify_one();
        Ok(WalFlushResult {
            wal_id: number,
            completion: Box::pin(async { outcome.await.unwrap_or(Err(WalError::Closed)) }),
        })
    }

    fn should_flush_memtable(&self, in_tables: u64) -> bool {
        self.0.lock().flushed.saturating_sub(in_tables) >= FRAMES_OUT_OF_TABLES_MAX
    }

    fn observer(&self) -> Box<dyn WalObserver> {
        Box::new(Observer(self.0.clone()))
    }

    fn status(&self) -> Result<WalStatus, WalStatus> {
        status(&self.0)
    }

    async fn close(&mut self) -> Outcome {
        self.0.end(WalError::Closed);
        let shared = self.0.clone();
        let joined = spawn_blocking(move || shared.join()).await;
        joined.map_err(|error| WalError::InternalError(Arc::new(error)))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.end(WalError::Closed);
    }
}

struct Observer(Arc<Shared>);

impl WalObserver for Observer {
    fn status(&self) -> Result<WalStatus, WalStatus> {
        status(&self.0)
    }

    fn subscribe(&self, listener: WalStatusListener) -> Outcome {
        let mut state = self.0.lock();
        if state.closed.is_none() {
            state.listeners.push(listener);
            return Ok(());
        }
        // Another writer may have come already. The engine takes an error here for a fault of its own.
        let status = state.status();
        drop(state);
        listener(WalEvent::WalClosed(status));
        Ok(())
    }
}

fn status(shared: &Shared) -> Result<WalStatus, WalStatus> {
    let status = shared.lock().status();
    if status.closed_reason.is_some() {
        Err(status)
    } else {
        Ok(status)
    }
}

fn answer(done: oneshot::Sender<Outcome>, outcome: Outcome) {
    // Whoever flushed may have gone.
    let _ = done.send(outcome);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::simulated::SimulatedDisk;

    #[test]
    fn who_listens_when_another_writer_has_come_is_told_so() {
        let appender = Appender::new(Arc::new(SimulatedDisk::new(1)), 1, 1, u64::MAX);
        let shared = Shared::start(appender, 0, ()).unwrap();
        shared.end(WalError::Fenced);
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = {
            let (told, shared) = (told.clone(), shared.clone());
            Arc::new(move |event| {
                // Not under the lock, or this would wait for ever.
                drop(shared.lock());
                told.lock().unwrap().push(event);
            })
        };
        Observer(shared.clone()).subscribe(listener).unwrap();
        shared.join();
        let told = told.lock().unwrap();
        let [WalEvent::WalClosed(status)] = &told[..] else {
            panic!("{told:?}");
        };
        assert!(matches!(status.closed_reason, Some(WalError::Fenced)), "{status:?}");
    }
}
