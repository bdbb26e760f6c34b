//! Holds the sockets and the processes and makes them what the configuration says.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use k3ts_proto::v1 as pb;
use k3ts_supervisor::log;
use tokio::sync::mpsc;

use crate::config::{Config, Process};
use crate::files::{Paths, Record, RecordedSocket};
use crate::logs;
use crate::plan::plan;
use crate::proc;
use crate::process::{Event, Leaving, Managed, Running};
use crate::readiness::Readiness;
use crate::sockets::{BindError, BoundSocket};
use crate::spawn::{Waiting, spawn};

/// Events that wait to be looked at; a process whose end finds no room waits, and nothing is lost.
const EVENTS_MAX: usize = 256;
/// For a process that is to replace another one to say that it serves.
const READY_TIMEOUT: Duration = Duration::from_secs(20);

pub struct Supervisor {
    paths: Paths,
    boot_id: String,
    sockets: Vec<BoundSocket>,
    /// In the order in which they are started.
    processes: Vec<Managed>,
    /// Is to replace one of them once it serves.
    next: Option<Managed>,
    /// Those that have been replaced and have not ended yet.
    leaving: Vec<Leaving>,
    readiness: Readiness,
    events: mpsc::Sender<Event>,
    /// Whether the record says what is.
    is_recorded: Cell<bool>,
}

impl Supervisor {
    /// Takes over what an earlier supervisor has left running; `apply` then makes it what is wanted now.
    pub fn adopt(paths: Paths) -> Result<(Self, mpsc::Receiver<Event>), String> {
        let readiness = Readiness::listen(paths.notify())?;
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let boot_id = proc::boot_id();
        let record = match paths.read_record() {
            record if record.boot_id == boot_id => record,
            _ => Record::default(),
        };
        let adopt = |process| Managed::adopt(process, &events);
        let processes: Vec<Managed> = record.processes.into_iter().filter_map(adopt).collect();
        let leaving: Vec<Managed> = record.leaving.into_iter().filter_map(adopt).collect();
        let sockets = record
            .sockets
            .into_iter()
            .filter_map(|socket| {
                let holders = processes.iter().chain(&leaving).filter_map(Managed::pidfd);
                BoundSocket::take_back(socket, holders)
            })
            .collect();
        let supervisor = Self {
            paths,
            boot_id,
            sockets,
            processes,
            next: None,
            leaving: leaving.into_iter().filter_map(Managed::leave).collect(),
            readiness,
            events,
            is_recorded: Cell::new(true),
        };
        Ok((supervisor, receiver))
    }

    /// Starts, replaces and stops what differs. When a port is held by somebody else, nothing has changed. What could not
    /// be replaced goes on as it was and is told why, and the rest is as it shall be.
    pub async fn apply(&mut self, desired: &Config) -> Result<Vec<String>, String> {
        let current = self.current();
        let mut plan = plan(&current, desired);
        let mut bound = Vec::new();
        let mut later = Vec::new();
        for socket in &plan.bind {
            let stopping: Vec<String> = plan.stop.iter().chain(&plan.replace).cloned().collect();
            match BoundSocket::bind(socket) {
                Ok(socket) => bound.push(socket),
                Err(error) if self.will_let_go(&error, &stopping) => later.push(socket.clone()),
                Err(error) => return Err(error.message),
            }
        }
        if !later.is_empty() {
            plan = plan.one_by_one(&current, desired);
        }
        for name in &plan.stop {
            self.end(name).await;
        }
        self.processes
            .retain(|managed| !plan.stop.contains(&managed.process.name));
        let (closing, kept) = std::mem::take(&mut self.sockets)
            .into_iter()
            .partition(|socket| plan.close.contains(&socket.socket));
        self.sockets = kept;
        self.sockets.append(&mut bound);
        // Held until nobody is left who could be asked for them, unless others need their ports.
        let mut closing: Vec<BoundSocket> = closing;
        if !later.is_empty() {
            closing.clear();
        }
        for socket in &later {
            self.sockets
                .push(BoundSocket::bind(socket).map_err(|error| error.message)?);
        }
        self.arrange(desired);
        let mut failures = Vec::new();
        for process in &desired.processes {
            if plan.start.contains(&process.name) {
                self.start(&process.name);
            } else if plan.replace.contains(&process.name) {
                failures.extend(self.replace(process).await.err());
            }
        }
        drop(closing);
        self.write_record();
        if failures.is_empty() {
            self.paths.write_config(desired)?;
        }
        Ok(failures)
    }

    /// Starts another process of the same name beside the one that runs, which ends when the new one has said that it
    /// serves, and goes on when that one does not come to it. Dropped half-way, `stop` ends both.
    async fn replace(&mut self, process: &Process) -> Result<(), String> {
        let name = &process.name;
        let Some(index) = self.position(name) else {
            return Ok(());
        };
        if self.processes[index].running.is_none() {
            self.processes[index].process = process.clone();
            self.start(name);
            return Ok(());
        }
        let failed =
            |reason: &str| format!("Cannot replace \"{name}\" as the new one must say that it serves: {reason}");
        let (waiting, running) = self.make(process)?;
        let (pid, exit) = (running.pid, running.exit());
        self.next = Some(Managed {
            running: Some(running),
            ..Managed::new(process.clone())
        });
        // Should we end now, the one that runs is still the one that is wanted.
        self.write_record();
        let outcome = match waiting.begin() {
            Err(error) => Err(failed(&error.to_string())),
            Ok(()) => tokio::select! {
                () = self.readiness.wait(pid) => Ok(()),
                how = exit => Err(failed(&how)),
                () = tokio::time::sleep(READY_TIMEOUT) => Err(failed(&format!("it has not within {READY_TIMEOUT:?}"))),
            },
        };
        if let Some(mut next) = self.next.take() {
            if outcome.is_ok() {
                let managed = &mut self.processes[index];
                next.restarts = managed.restarts + 1;
                next.last_exit = managed.last_exit.clone();
                std::mem::swap(managed, &mut next);
                log::info("a process was replaced", &[("process", name), ("pid", &pid)]);
            }
            self.leaving.extend(next.leave());
        }
        self.write_record();
        outcome
    }

    /// What runs and is held, in the words of a configuration. A process whose socket could not be had back is
    /// described without it, and so is not what anybody wants.
    fn current(&self) -> Config {
        Config {
            sockets: self.sockets.iter().map(|socket| socket.socket.clone()).collect(),
            processes: self.processes.iter().map(|managed| managed.process.clone()).collect(),
        }
    }

    /// Whether a port will be free once processes of ours have been stopped and sockets of ours closed.
    fn will_let_go(&self, error: &BindError, stop: &[String]) -> bool {
        let ours = std::process::id() as i32;
        let stopping = |pid: i32| {
            self.processes.iter().any(|managed| {
                stop.contains(&managed.process.name) && managed.pidfd().is_some_and(|(running, _)| running == pid)
            })
        };
        !error.holders.is_empty() && error.holders.iter().all(|pid| *pid == ours || stopping(*pid))
    }

    /// Puts the processes into the order of the configuration and adds those that are new.
    fn arrange(&mut self, desired: &Config) {
        let mut before = std::mem::take(&mut self.processes);
        for process in &desired.processes {
            let known = before.iter().position(|managed| managed.process.name == process.name);
            self.processes.push(match known {
                Some(index) => before.remove(index),
                None => Managed::new(process.clone()),
            });
        }
    }

    pub async fn restart(&mut self, name: &str) -> Result<(), String> {
        let process = match self.find(name) {
            Some(managed) => managed.process.clone(),
            None => return Err(format!("Cannot restart \"{name}\" as it must be configured")),
        };
        if process.says_ready {
            return self.replace(&process).await;
        }
        self.end(name).await;
        if let Some(managed) = self.find(name) {
            managed.restarts += 1;
            managed.delay = None;
        }
        self.start(name);
        self.write_record();
        Ok(())
    }

    pub async fn stop(&mut self) {
        let names: Vec<String> = self
            .processes
            .iter()
            .rev()
            .map(|managed| managed.process.name.clone())
            .collect();
        for name in names {
            self.end(&name).await;
        }
        self.processes.clear();
        self.leaving.extend(self.next.take().and_then(Managed::leave));
        for leaving in std::mem::take(&mut self.leaving) {
            // Fails only with the runtime.
            let _ = leaving.task.await;
        }
        self.write_record();
    }

    pub fn handle(&mut self, event: Event) {
        match event {
            Event::Ended { name, pid } => self.handle_end(&name, pid),
            Event::Due { name } => {
                if self.find(&name).is_some_and(|managed| managed.running.is_none()) {
                    self.start(&name);
                    self.write_record();
                }
            }
        }
    }

    fn handle_end(&mut self, name: &str, pid: i32) {
        self.readiness.forget(pid);
        let before = self.leaving.len();
        self.leaving.retain(|leaving| leaving.record.pid != pid);
        if self.leaving.len() < before {
            self.write_record();
        }
        let Some(managed) = self.find(name) else { return };
        // Not that of a process which has been stopped or replaced since.
        if managed.running.as_ref().is_none_or(|running| running.pid != pid) {
            return;
        }
        let delay = managed.note_end();
        let milliseconds = delay.as_millis();
        let fields: log::Fields = &[
            ("process", &name),
            ("pid", &pid),
            ("how", &managed.last_exit),
            ("restartInMs", &milliseconds),
        ];
        log::warn("a process has ended", fields);
        self.start_after(name, delay);
        self.write_record();
    }

    fn start_after(&self, name: &str, delay: Duration) {
        let (name, events) = (name.to_owned(), self.events.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            // Fails only when the supervisor ends.
            let _ = events.send(Event::Due { name }).await;
        });
    }

    /// Starts a process, or plans the next attempt when it cannot be started.
    fn start(&mut self, name: &str) {
        if let Err(error) = self.try_start(name) {
            log::error(&error, &[]);
            if let Some(managed) = self.find(name) {
                let delay = managed.note_end();
                managed.last_exit = error;
                self.start_after(name, delay);
            }
        }
    }

    fn try_start(&mut self, name: &str) -> Result<(), String> {
        let Some(index) = self.position(name) else {
            return Ok(());
        };
        let (waiting, running) = self.make(&self.processes[index].process)?;
        self.processes[index].running = Some(running);
        // Before it does anything: should we end now, it is found or has never begun.
        self.write_record();
        waiting.begin().map_err(|error| {
            let command = &self.processes[index].process.command[0];
            format!("Cannot start \"{name}\" as its command must be runnable: {command}: {error}")
        })
    }

    /// Makes a process that waits for the word to begin.
    fn make(&self, process: &Process) -> Result<(Waiting, Running), String> {
        let wanted = |socket: &&BoundSocket| process.sockets.contains(&socket.socket.name);
        let sockets: Vec<&BoundSocket> = self.sockets.iter().filter(wanted).collect();
        let waiting = spawn(process, &sockets, self.readiness.path())?;
        match Running::watch(&process.name, waiting.pid, &self.events) {
            Ok(running) => Ok((waiting, running)),
            Err(error) => {
                waiting.give_up();
                let name = &process.name;
                Err(format!(
                    "Cannot watch \"{name}\" as it must have a process descriptor: {error}"
                ))
            }
        }
    }

    async fn end(&mut self, name: &str) {
        if let Some(managed) = self.find(name) {
            managed.end().await;
            self.write_record();
        }
    }

    pub fn rotate_logs(&self) {
        for managed in self
            .processes
            .iter()
            .filter(|managed| !managed.process.log_path.is_empty())
        {
            if let Err(error) = logs::rotate(Path::new(&managed.process.log_path), logs::LOG_BYTES_MAX) {
                log::error(&format!("Cannot rotate {}: {error}", managed.process.log_path), &[]);
            }
        }
    }

    pub fn status(&self) -> pb::GetStatusResponse {
        pb::GetStatusResponse {
            pid: std::process::id() as i32,
            processes: self
                .processes
                .iter()
                .map(|managed| managed.status(&self.readiness))
                .collect(),
        }
    }

    fn find(&mut self, name: &str) -> Option<&mut Managed> {
        self.processes.iter_mut().find(|managed| managed.process.name == name)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.processes.iter().position(|managed| managed.process.name == name)
    }

    fn write_record(&self) {
        let sockets = self.sockets.iter().map(|socket| RecordedSocket {
            socket: socket.socket.clone(),
            inode: socket.inode,
        });
        let record = Record {
            boot_id: self.boot_id.clone(),
            sockets: sockets.collect(),
            processes: self.processes.iter().filter_map(Managed::record).collect(),
            leaving: self
                .leaving
                .iter()
                .map(|leaving| leaving.record.clone())
                .chain(self.next.as_ref().and_then(Managed::record))
                .collect(),
        };
        let written = self.paths.write_record(&record);
        self.is_recorded.set(written.is_ok());
        if let Err(error) = written {
            log::error(&error, &[]);
        }
    }

    /// Once more where the last time failed.
    pub fn record_again(&self) {
        if !self.is_recorded.get() {
            self.write_record();
        }
    }
}
