//! A process as the supervisor holds it: described, and running, waiting for its next start or being ended.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use k3ts_proto::v1 as pb;
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::Process;
use crate::files::RecordedProcess;
use crate::pidfd::PidFd;
use crate::plan::restart_delay;
use crate::proc;
use crate::readiness::Readiness;

/// When the configuration names no other time between SIGTERM and SIGKILL.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Something that has happened to a process. What is no longer true when it is read is left alone.
pub enum Event {
    Ended {
        name: String,
        pid: i32,
    },
    /// The wait before its next start is over.
    Due {
        name: String,
    },
}

pub struct Managed {
    pub process: Process,
    pub running: Option<Running>,
    pub restarts: u32,
    pub last_exit: String,
    /// How long it waited before its last start.
    pub delay: Option<Duration>,
}

/// How a process is described on its way out, and the task that ends it.
pub struct Leaving {
    pub record: RecordedProcess,
    pub task: JoinHandle<()>,
}

pub struct Running {
    pub pid: i32,
    pub start_ticks: u64,
    pub started_at_ms: i64,
    pub adopted: bool,
    began: Instant,
    pidfd: Arc<PidFd>,
    /// How it has ended, once it has.
    exit: watch::Receiver<Option<String>>,
}

impl Managed {
    pub fn new(process: Process) -> Self {
        Self {
            process,
            running: None,
            restarts: 0,
            last_exit: String::new(),
            delay: None,
        }
    }

    /// A process that an earlier supervisor started, if it still runs.
    pub fn adopt(record: RecordedProcess, events: &mpsc::Sender<Event>) -> Option<Self> {
        let running = Running::watch(&record.process.name, record.pid, events).ok()?;
        // Looked at after the descriptor was opened: what it refers to can no longer change.
        if proc::start_ticks(record.pid) != Some(record.start_ticks) {
            return None;
        }
        let running = Running {
            adopted: true,
            started_at_ms: record.started_at_ms,
            ..running
        };
        let (restarts, last_exit) = (record.restarts, record.last_exit);
        Some(Self {
            process: record.process,
            running: Some(running),
            restarts,
            last_exit,
            delay: None,
        })
    }

    pub fn pidfd(&self) -> Option<(i32, &PidFd)> {
        self.running.as_ref().map(|running| (running.pid, &*running.pidfd))
    }

    /// Takes note of its end and says when to start it again.
    pub fn note_end(&mut self) -> Duration {
        let mut lived = Duration::ZERO;
        if let Some(running) = self.running.take() {
            lived = running.began.elapsed();
            self.last_exit = running.exit.borrow().clone().unwrap_or_else(|| "ended".to_owned());
        }
        let delay = restart_delay(self.delay, lived);
        self.delay = Some(delay);
        self.restarts += 1;
        delay
    }

    /// Ends it: SIGTERM, and SIGKILL to one that takes too long. Only the process itself is told, as what it has
    /// started may be meant to outlive it. Dropped half-way, it can be called again.
    pub async fn end(&mut self) {
        let Some(running) = &mut self.running else { return };
        let patience = match self.process.stop_timeout_ms {
            0 => STOP_TIMEOUT,
            milliseconds => Duration::from_millis(milliseconds.into()),
        };
        // Fails only when it has ended.
        let _ = running.pidfd.signal(Signal::SIGTERM);
        if timeout(patience, running.exit.wait_for(Option::is_some)).await.is_err() {
            let _ = running.pidfd.signal(Signal::SIGKILL);
            let _ = running.exit.wait_for(Option::is_some).await;
        }
        self.last_exit = running.exit.borrow().clone().unwrap_or_default();
        self.running = None;
    }

    /// Ends it while others go on.
    pub fn leave(mut self) -> Option<Leaving> {
        let record = self.record()?;
        let task = tokio::spawn(async move { self.end().await });
        Some(Leaving { record, task })
    }

    pub fn status(&self, readiness: &Readiness) -> pb::ProcessStatus {
        let running = self.running.as_ref();
        pb::ProcessStatus {
            name: self.process.name.clone(),
            pid: running.map_or(0, |running| running.pid),
            running: running.is_some(),
            restarts: self.restarts,
            started_at_ms: running.map_or(0, |running| running.started_at_ms),
            last_exit: self.last_exit.clone(),
            adopted: running.is_some_and(|running| running.adopted),
            memory_bytes: running.map_or(0, |running| proc::memory_bytes(running.pid)),
            ready: running.is_some_and(|running| readiness.is_ready(running.pid)),
        }
    }

    pub fn record(&self) -> Option<RecordedProcess> {
        self.running.as_ref().map(|running| RecordedProcess {
            process: self.process.clone(),
            pid: running.pid,
            start_ticks: running.start_ticks,
            started_at_ms: running.started_at_ms,
            restarts: self.restarts,
            last_exit: self.last_exit.clone(),
        })
    }
}

impl Running {
    /// Tells how it has ended, once it has.
    pub fn exit(&self) -> impl Future<Output = String> + use<> {
        let mut exit = self.exit.clone();
        async move {
            // Fails only with the task that waits for the end, which lasts until then.
            let ended = exit.wait_for(Option::is_some).await;
            ended.ok().and_then(|exit| exit.clone()).unwrap_or_default()
        }
    }

    /// Tells `events` when a process ends.
    pub fn watch(name: &str, pid: i32, events: &mpsc::Sender<Event>) -> std::io::Result<Self> {
        let pidfd = Arc::new(PidFd::open(pid)?);
        let start_ticks = proc::start_ticks(pid).ok_or(std::io::ErrorKind::NotFound)?;
        let (tell_exit, exit) = watch::channel(None);
        let (name, events, waited) = (name.to_owned(), events.clone(), pidfd.clone());
        tokio::spawn(async move {
            let how = waited.ended(pid).await;
            tell_exit.send_replace(Some(how));
            // Fails only when the supervisor ends.
            let _ = events.send(Event::Ended { name, pid }).await;
        });
        let started_at_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as i64);
        Ok(Self {
            pid,
            start_ticks,
            started_at_ms,
            adopted: false,
            began: Instant::now(),
            pidfd,
            exit,
        })
    }
}
