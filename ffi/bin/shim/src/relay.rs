//! Moves bytes between a process's standard streams, its log and the clients that are attached, until it has ended.
//!
//! What waits is bounded: at most [`STDIN_BYTES_MAX`] for the process, after which clients are not read, and
//! [`WAITING_BYTES_MAX`] for a client, after which the process waits for it. A client of a container that takes nothing
//! for [`PATIENCE_MAX`] is dropped, as neither the container nor its log may wait for ever; one of an exec is not, as
//! nobody else wants the output.

use crate::client::{Client, Input, STDERR, STDOUT, WAITING_BYTES_MAX};
use crate::cri_log::CriLog;
use crate::streams::Streams;
use crate::sys;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

const READ_BYTES_MAX: usize = 32 * 1024;
const STDIN_BYTES_MAX: usize = 64 * 1024;
const CLIENTS_MAX: usize = 16;
/// How long a terminal may still deliver what was written before the process ended: the kernel does so by itself.
const TERMINAL_DRAIN_MAX: Duration = Duration::from_millis(500);
/// A client of a container must take something in this time.
const PATIENCE_MAX: Duration = Duration::from_secs(10);
/// After the end a client must go on reading, or is dropped.
const STALLED_MAX: Duration = Duration::from_secs(30);
/// How long clients of a container may take for the rest. Its exit is known by then.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

struct Output {
    source: File,
    stream: u8,
}

struct Stdin {
    sink: File,
    waiting: Vec<u8>,
    /// It closes when everything has been written.
    ends: bool,
}

/// What the streams belong to.
pub enum Owner {
    Container {
        log: CriLog,
        listener: UnixListener,
        stdin_once: bool,
    },
    Exec {
        client: Client,
    },
}

pub struct Relay {
    outputs: Vec<Output>,
    stdin: Option<Stdin>,
    terminal: Option<OwnedFd>,
    clients: Vec<Client>,
    log: Option<CriLog>,
    listener: Option<UnixListener>,
    stdin_once: bool,
}

#[derive(Clone, Copy)]
enum Source {
    Process,
    Listener,
    Stdin,
    Output(usize),
    Client(usize),
}

/// The descriptors of one wait.
#[derive(Default)]
struct Polls {
    sources: Vec<Source>,
    entries: Vec<libc::pollfd>,
}

impl Polls {
    fn add(&mut self, source: Source, fd: &impl AsFd, events: libc::c_short) {
        self.sources.push(source);
        self.entries.push(entry(fd, events));
    }

    fn wait(mut self, timeout: Option<Duration>) -> io::Result<Vec<(Source, libc::c_short)>> {
        sys::poll(&mut self.entries, timeout)?;
        let ready = self
            .sources
            .into_iter()
            .zip(self.entries)
            .filter(|(_, entry)| entry.revents != 0);
        Ok(ready.map(|(source, entry)| (source, entry.revents)).collect())
    }
}

pub fn entry(fd: &impl AsFd, events: libc::c_short) -> libc::pollfd {
    libc::pollfd {
        fd: fd.as_fd().as_raw_fd(),
        events,
        revents: 0,
    }
}

impl Relay {
    pub fn new(streams: Streams, owner: Owner) -> io::Result<Self> {
        let (mut outputs, mut stdin) = (Vec::new(), streams.stdin);
        let sources = [(streams.stdout, STDOUT), (streams.stderr, STDERR)];
        for (source, stream) in sources.into_iter().filter_map(|(fd, stream)| Some((fd?, stream))) {
            outputs.push(Output {
                source: source.into(),
                stream,
            });
        }
        if let Some(terminal) = &streams.terminal {
            outputs.push(Output {
                source: terminal.try_clone()?.into(),
                stream: STDOUT,
            });
            stdin = Some(terminal.try_clone()?);
        }
        for output in &outputs {
            sys::set_nonblocking(&output.source)?;
        }
        if let Some(stdin) = &stdin {
            sys::set_nonblocking(stdin)?;
        }
        let mut relay = Relay {
            outputs,
            stdin: stdin.map(|sink| Stdin {
                sink: sink.into(),
                waiting: Vec::new(),
                ends: false,
            }),
            terminal: streams.terminal,
            clients: Vec::new(),
            log: None,
            listener: None,
            stdin_once: true,
        };
        match owner {
            Owner::Container {
                log,
                listener,
                stdin_once,
            } => {
                listener.set_nonblocking(true)?;
                (relay.log, relay.listener, relay.stdin_once) = (Some(log), Some(listener), stdin_once);
            }
            Owner::Exec { client } => relay.clients.push(client),
        }
        Ok(relay)
    }

    /// Until the process has ended and everything that it wrote is in the log or on its way to the clients. What
    /// others wrote that still hold its streams may be cut off then.
    pub fn run(&mut self, pid: i32) -> io::Result<()> {
        let process = sys::pidfd(pid)?;
        let mut buffer = vec![0; READ_BYTES_MAX];
        let mut ended: Option<Instant> = None;
        let mut moved = Instant::now();
        loop {
            let paused = self.is_paused(ended.is_some());
            let mut polls = self.polls(paused);
            if ended.is_none() {
                polls.add(Source::Process, &process, libc::POLLIN);
            }
            let mut timeout = ended.map(|at| self.patience(paused, at, moved));
            if paused && let Some(left) = self.stall_left() {
                timeout = Some(timeout.map_or(left, |timeout| timeout.min(left)));
            }
            let ready = polls.wait(timeout)?;
            sys::reap_others(pid);
            if !ready.is_empty() {
                moved = Instant::now();
            } else if ended.is_some_and(|at| self.patience(paused, at, moved).is_zero()) {
                match paused {
                    true => self.clients.clear(),
                    false => break,
                }
            }
            for (source, events) in &ready {
                match source {
                    Source::Process => ended = Some(Instant::now()),
                    Source::Listener => self.accept(),
                    Source::Stdin => self.write_stdin(*events),
                    Source::Output(index) => self.read_output(*index, &mut buffer),
                    Source::Client(index) => self.serve(*index, *events),
                }
            }
            self.forget_closed(&ready, paused);
        }
        if let Some(log) = &mut self.log {
            log.finish();
        }
        Ok(())
    }

    /// Tells the clients the exit code, as the last that they hear.
    pub fn finish(mut self, code: i32) {
        let is_exec = self.log.is_none();
        self.outputs.clear();
        self.stdin = None;
        self.listener = None;
        self.clients.iter_mut().for_each(|client| client.push_exit(code));
        let mut until = Instant::now() + if is_exec { STALLED_MAX } else { FAREWELL_MAX };
        loop {
            self.clients
                .retain_mut(|client| client.send().is_ok() && client.waiting_bytes() > 0);
            let left = until.saturating_duration_since(Instant::now());
            if self.clients.is_empty() || left.is_zero() {
                return;
            }
            let mut entries: Vec<_> = self.clients.iter().map(|client| entry(client, libc::POLLOUT)).collect();
            let waited = sys::poll(&mut entries, Some(left));
            if waited.is_err() {
                return;
            }
            if is_exec && entries.iter().any(|entry| entry.revents != 0) {
                until = Instant::now() + STALLED_MAX;
            }
        }
    }

    /// Whether the process has to wait for a client. What is left when a container has ended is little.
    fn is_paused(&self, ended: bool) -> bool {
        let is_slow = |client: &Client| client.waiting_bytes() >= WAITING_BYTES_MAX;
        !(ended && self.log.is_some()) && self.clients.iter().any(is_slow)
    }

    /// How long the slowest client of a container may go on taking nothing.
    fn stall_left(&self) -> Option<Duration> {
        let stalled = self.clients.iter().map(Client::stalled).max()?;
        self.log.as_ref().map(|_| PATIENCE_MAX.saturating_sub(stalled))
    }

    /// How long to wait for more when the process has ended.
    fn patience(&self, paused: bool, ended: Instant, moved: Instant) -> Duration {
        if paused {
            STALLED_MAX.saturating_sub(moved.elapsed())
        } else if self.terminal.is_some() && !self.outputs.is_empty() {
            TERMINAL_DRAIN_MAX.saturating_sub(ended.elapsed())
        } else {
            Duration::ZERO
        }
    }

    fn polls(&self, paused: bool) -> Polls {
        let mut polls = Polls::default();
        if !paused {
            for (index, output) in self.outputs.iter().enumerate() {
                polls.add(Source::Output(index), &output.source, libc::POLLIN);
            }
        }
        let mut takes_input = true;
        if let Some(stdin) = &self.stdin {
            takes_input = stdin.waiting.len() < STDIN_BYTES_MAX;
            if !stdin.waiting.is_empty() {
                polls.add(Source::Stdin, &stdin.sink, libc::POLLOUT);
            } else if self.terminal.is_none() {
                // Ready only when nobody can read it any more.
                polls.add(Source::Stdin, &stdin.sink, 0);
            }
        }
        for (index, client) in self.clients.iter().enumerate() {
            let input = if takes_input { libc::POLLIN } else { 0 };
            let output = if client.waiting_bytes() > 0 { libc::POLLOUT } else { 0 };
            polls.add(Source::Client(index), client, input | output);
        }
        if let Some(listener) = &self.listener {
            polls.add(Source::Listener, listener, libc::POLLIN);
        }
        polls
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        if let Ok((socket, _)) = listener.accept()
            && let (true, Ok(client)) = (self.clients.len() < CLIENTS_MAX, Client::new(socket))
        {
            self.clients.push(client);
        }
    }

    fn read_output(&mut self, index: usize, buffer: &mut [u8]) {
        let output = &mut self.outputs[index];
        match output.source.read(buffer) {
            Ok(count) if count > 0 => {
                let (stream, data) = (output.stream, &buffer[..count]);
                if let Some(log) = &mut self.log {
                    log.push(stream == STDERR, data);
                }
                for client in &mut self.clients {
                    client.push(stream, data);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // A terminal whose other end has been closed gives an error (EIO), a pipe an end.
            _ => output.stream = 0,
        }
    }

    fn write_stdin(&mut self, events: libc::c_short) {
        let Some(stdin) = &mut self.stdin else { return };
        let gone = match stdin.sink.write(&stdin.waiting) {
            _ if stdin.waiting.is_empty() => events & (libc::POLLERR | libc::POLLHUP) != 0,
            Ok(count) => {
                stdin.waiting.drain(..count);
                stdin.waiting.is_empty() && stdin.ends
            }
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        };
        if gone {
            self.stdin = None;
        }
    }

    fn serve(&mut self, index: usize, events: libc::c_short) {
        let client = &mut self.clients[index];
        let received = match events & libc::POLLIN != 0 {
            true => client.receive(),
            false if events & (libc::POLLHUP | libc::POLLERR) != 0 => Err(ErrorKind::BrokenPipe.into()),
            false => Ok(Vec::new()),
        };
        match received {
            Ok(inputs) => {
                client.gives_input |= inputs
                    .iter()
                    .any(|input| matches!(input, Input::Data(_) | Input::End | Input::Take));
                inputs.into_iter().for_each(|input| self.take(input));
            }
            Err(_) => self.clients[index].close(),
        }
    }

    fn take(&mut self, input: Input) {
        match (input, &mut self.stdin) {
            (Input::Data(data), Some(stdin)) if !stdin.ends => stdin.waiting.extend_from_slice(&data),
            (Input::End, _) => self.end_stdin(),
            (Input::Resize { columns, rows }, _) => {
                if let Some(terminal) = &self.terminal {
                    let _ = sys::set_window_size(terminal, columns, rows);
                }
            }
            _ => {}
        }
    }

    /// A terminal has no end of input; the other streams of a container that outlives its clients stay open.
    fn end_stdin(&mut self) {
        if self.terminal.is_some() || !self.stdin_once {
            return;
        }
        match &mut self.stdin {
            Some(stdin) if !stdin.waiting.is_empty() => stdin.ends = true,
            _ => self.stdin = None,
        }
    }

    /// Sends what can be sent, and drops the streams that ended and the clients that are gone or too slow.
    fn forget_closed(&mut self, ready: &[(Source, libc::c_short)], paused: bool) {
        if ready.is_empty() && !paused {
            return;
        }
        self.outputs.retain(|output| output.stream != 0);
        let has_log = self.log.is_some();
        let mut gone: Vec<Client> = Vec::new();
        let mut index = 0;
        while index < self.clients.len() {
            let client = &mut self.clients[index];
            let sent = client.send().is_ok();
            if sent && !(has_log && paused && client.stalled() >= PATIENCE_MAX) {
                index += 1;
            } else {
                gone.push(self.clients.remove(index));
            }
        }
        if gone.iter().any(|client| client.gives_input) && !self.clients.iter().any(|client| client.gives_input) {
            self.end_stdin();
        }
        if !gone.is_empty() && self.clients.is_empty() && !has_log {
            // Nobody is left to hear: what the process writes from now on fails, and a terminal hangs up.
            self.outputs.clear();
            self.stdin = None;
            self.terminal = None;
        }
    }
}
