//! One more process in a container. It starts when a client connects, so that nothing it says is lost.

use crate::arguments::Arguments;
use crate::client::{Client, STDERR};
use crate::container::with_terminal;
use crate::relay::{Owner, Relay};
use crate::streams::Streams;
use crate::{Report, exit, oci_runtime, sys};
use k3ts_shim::files;
use std::fs;
use std::io;
use std::os::unix::net::UnixListener;
use std::time::Instant;

/// As shells say it: not found, and found but not started.
const NOT_FOUND: i32 = 127;
const NOT_STARTED: i32 = 126;

/// The directory is the shim's to remove.
pub fn run(arguments: &Arguments, mut report: Report) -> Result<(), String> {
    let result = serve(arguments, &mut report);
    if let Err(error) = &result {
        report.error(error);
    }
    let _ = fs::remove_dir_all(&arguments.directory);
    result
}

fn serve(arguments: &Arguments, report: &mut Report) -> Result<(), String> {
    let because = |error: io::Error| format!("Cannot exec in container {}: {error}", arguments.id);
    let listener = UnixListener::bind(files::ATTACH).map_err(because)?;
    report.ok(0);
    let Some(mut client) = first_client(&listener, arguments).map_err(because)? else {
        return Ok(());
    };
    drop(listener);

    let (streams, pid) = match start(arguments) {
        Ok(started) => started,
        Err(error) => return tell_failure(client, &error).map_err(because),
    };
    client.send().map_err(because)?;
    let mut relay = Relay::new(streams, Owner::Exec { client }).map_err(because)?;
    relay.run(pid).map_err(because)?;
    let status = sys::wait(pid).map_err(because)?;
    relay.finish(exit::code(status));
    Ok(())
}

fn start(arguments: &Arguments) -> Result<(Streams, i32), String> {
    if arguments.tty {
        return with_terminal(arguments, oci_runtime::exec);
    }
    let (streams, child) = Streams::pipes(arguments.stdin).map_err(|error| error.to_string())?;
    let pid = oci_runtime::exec(arguments, child, None)?;
    Ok((streams, pid))
}

fn first_client(listener: &UnixListener, arguments: &Arguments) -> io::Result<Option<Client>> {
    listener.set_nonblocking(true)?;
    let until = Instant::now() + arguments.connect_timeout;
    loop {
        match listener.accept() {
            Ok((socket, _)) => return Client::new(socket).map(Some),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        sys::poll(&mut [crate::relay::entry(listener, libc::POLLIN)], Some(left))?;
    }
}

fn tell_failure(mut client: Client, error: &str) -> io::Result<()> {
    let missing = error.contains("not found") || error.contains("No such file or directory");
    client.push(STDERR, format!("{error}\n").as_bytes());
    client.push_exit(if missing { NOT_FOUND } else { NOT_STARTED });
    // What the runtime had begun is ours to bury: the container cannot end before that.
    sys::reap_all();
    client.send()
}
