//! Calls of the OCI runtime, which end soon: a container that it starts is left to the shim, as its subreaper.

use crate::arguments::Arguments;
use crate::streams::ChildStreams;
use crate::sys;
use k3ts_shim::files;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// A call that takes longer is given up.
const CALL_TIME_MAX: Duration = Duration::from_secs(120);

const LOG: &str = "runtime.log";

/// Makes the container and returns the id of its process, which waits for the start.
pub fn create(arguments: &Arguments, streams: ChildStreams, console: Option<&Path>) -> Result<i32, String> {
    let mut command = command(arguments);
    command.arg("create").arg("--bundle").arg(&arguments.bundle);
    call(arguments, command, streams, console)
}

/// Starts one more process in the container and returns its id.
pub fn exec(arguments: &Arguments, streams: ChildStreams, console: Option<&Path>) -> Result<i32, String> {
    let mut command = command(arguments);
    command
        .arg("exec")
        .arg("--detach")
        .arg("--process")
        .arg(&arguments.process);
    call(arguments, command, streams, console)
}

fn command(arguments: &Arguments) -> Command {
    let mut command = Command::new(&arguments.runtime);
    command
        .arg("--root")
        .arg(&arguments.root)
        .arg("--log")
        .arg(arguments.directory.join(LOG))
        // What it says is read by others than terminals (no-color.org).
        .env("NO_COLOR", "1");
    if sys::has_hybrid_cgroups() {
        sys::hide_cgroup_v2(&mut command);
    }
    command
}

fn call(
    arguments: &Arguments,
    mut command: Command,
    streams: ChildStreams,
    console: Option<&Path>,
) -> Result<i32, String> {
    command.arg("--pid-file").arg(arguments.directory.join(files::PID));
    if let Some(socket) = console {
        command.arg("--console-socket").arg(socket);
    }
    command
        .arg(&arguments.id)
        .stdin(streams.stdin)
        .stdout(streams.stdout)
        .stderr(streams.stderr);
    let status = wait(command);
    let said = fs::read_to_string(LOG).unwrap_or_default();
    let _ = fs::remove_file(LOG);
    match status {
        Ok(status) if status.success() => read_pid(),
        Ok(status) => Err(failure(&said, status)),
        Err(error) => Err(format!("Cannot run {}: {error}", arguments.runtime.display())),
    }
}

/// The command goes with its ends of the pipes: while the shim holds one, the container's end is never seen.
fn wait(mut command: Command) -> io::Result<ExitStatus> {
    let mut child = command.spawn()?;
    drop(command);
    let process = sys::pidfd(child.id() as i32)?;
    let mut polls = [crate::relay::entry(&process, libc::POLLIN)];
    let until = std::time::Instant::now() + CALL_TIME_MAX;
    while polls[0].revents == 0 {
        let left = until.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no end within {CALL_TIME_MAX:?}"),
            ));
        }
        sys::poll(&mut polls, Some(left))?;
    }
    child.wait()
}

fn read_pid() -> Result<i32, String> {
    let text = fs::read_to_string(files::PID).map_err(|error| format!("Cannot read the process id: {error}"))?;
    text.trim()
        .parse()
        .map_err(|_| format!("Cannot read the process id as it must be a number: it is {text:?}"))
}

/// The runtime's own words on one line. Some versions put the time before them.
fn failure(said: &str, status: ExitStatus) -> String {
    let is_time = |word: &str| word.starts_with(|first: char| first.is_ascii_digit());
    let text = |line: &'_ str| match line.split_once(": ") {
        Some((time, text)) if is_time(time) => text.to_owned(),
        _ => line.to_owned(),
    };
    let lines: Vec<String> = said.lines().map(text).collect();
    if lines.is_empty() {
        format!("the OCI runtime ended with {status}")
    } else {
        lines.join("; ")
    }
}
