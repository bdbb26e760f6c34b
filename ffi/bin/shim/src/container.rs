//! The life of a container, from the call that makes it to its exit code on disk.

use crate::arguments::Arguments;
use crate::cri_log::CriLog;
use crate::exit::{self, MemoryCgroup};
use crate::oci_runtime;
use crate::relay::{Owner, Relay};
use crate::streams::{ChildStreams, Streams};
use crate::{Report, sys};
use k3ts_shim::{files, time};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;

const CONSOLE: &str = "console.sock";

pub fn run(arguments: &Arguments, report: &mut Report) -> Result<(), String> {
    let because = |error: io::Error| format!("Cannot create container {}: {error}", arguments.id);
    let _alive = hold_pid_file().map_err(because)?;
    for stale in [files::EXIT, files::PID, files::STARTED, files::ATTACH] {
        remove(stale).map_err(because)?;
    }
    let log = CriLog::open(&arguments.log)
        .map_err(|error| format!("Cannot open the log {}: {error}", arguments.log.display()))?;
    let listener = UnixListener::bind(files::ATTACH).map_err(because)?;

    let (streams, pid) = create(arguments).map_err(|error| {
        let _ = remove(files::ATTACH);
        format!("Cannot create container {}: {error}", arguments.id)
    })?;
    sys::spare_from_oom();
    let memory = MemoryCgroup::of(pid);
    let owner = Owner::Container {
        log,
        listener,
        stdin_once: arguments.stdin_once,
    };
    let mut relay = Relay::new(streams, owner).map_err(because)?;
    report.ok(pid);

    relay.run(pid).map_err(because)?;
    let status = sys::status(pid).map_err(because)?;
    let oom_killed = !status.success() && memory.is_some_and(|memory| memory.has_killed());
    exit::write(Path::new("."), status, &time::now(), oom_killed).map_err(because)?;
    // Only now can its process id come again: whoever finds no exit may still send a signal to it.
    sys::wait(pid).map_err(because)?;
    remove(files::ATTACH).map_err(because)?;
    relay.finish(exit::code(status));
    Ok(())
}

fn create(arguments: &Arguments) -> Result<(Streams, i32), String> {
    if arguments.tty {
        return with_terminal(arguments, oci_runtime::create);
    }
    let (streams, child) = Streams::pipes(arguments.stdin).map_err(|error| error.to_string())?;
    let pid = oci_runtime::create(arguments, child, None)?;
    Ok((streams, pid))
}

/// What makes a process whose terminal comes over a socket that is named to it.
type MakeProcess = fn(&Arguments, ChildStreams, Option<&Path>) -> Result<i32, String>;

/// The runtime makes the terminal, inside the container, and hands over our end of it.
pub fn with_terminal(arguments: &Arguments, make: MakeProcess) -> Result<(Streams, i32), String> {
    let text = |error: io::Error| format!("cannot get the terminal: {error}");
    remove(CONSOLE).map_err(text)?;
    let listener = UnixListener::bind(CONSOLE).map_err(text)?;
    let none = ChildStreams {
        stdin: Stdio::null(),
        stdout: Stdio::null(),
        stderr: Stdio::null(),
    };
    let made = make(arguments, none, Some(&arguments.directory.join(CONSOLE)));
    remove(CONSOLE).map_err(text)?;
    let pid = made?;
    // By now the runtime has connected and sent it, or never will.
    listener.set_nonblocking(true).map_err(text)?;
    let (socket, _) = listener.accept().map_err(text)?;
    let terminal = sys::receive_fd(&socket).map_err(text)?;
    Ok((Streams::terminal(terminal), pid))
}

/// The file is locked for as long as the shim lives, which tells more than a process id, as those come again.
fn hold_pid_file() -> io::Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(files::SHIM_PID)?;
    file.try_lock()?;
    file.set_len(0)?;
    write!(file, "{}", std::process::id())?;
    Ok(file)
}

pub fn remove(name: &str) -> io::Result<()> {
    match fs::remove_file(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
