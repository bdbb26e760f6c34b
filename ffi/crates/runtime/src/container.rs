//! What is done to one container. Every function may be called again when its answer was lost.

use crate::cgroup;
use crate::list::is_alive;
use crate::record::{Record, check_id};
use crate::settings::{Settings, absolute, make_directory};
use crate::shim::ShimCall;
use crate::{oci_runtime, sys};
use k3ts_frames::{ErrorContext, RpcError};
use k3ts_proto::v1::{CreateContainerRequest, SignalContainerRequest};
use k3ts_shim::{files, time};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the shim may take to write down the end of a container that got SIGKILL.
const SHIM_END_MAX: Duration = Duration::from_secs(10);

/// Returns the id of the container's process, which waits for [`start`].
pub fn create(settings: &Settings, request: &CreateContainerRequest) -> Result<i32, RpcError> {
    let id = &request.id;
    check_id(id)?;
    let directory = absolute("directory", &request.directory)?;
    let record = Record {
        directory,
        bundle: absolute("bundle", &request.bundle)?,
    };
    let log = absolute("log_path", &request.log_path)?;
    check_attach_path(&record.directory)?;

    if !settings.creating().insert(id.clone()) {
        return Err(RpcError::failed_precondition(format!(
            "Cannot create container {id:?} as it is being created"
        )));
    }
    let created = create_now(settings, request, &record, &log);
    settings.creating().remove(id);
    created
}

fn create_now(
    settings: &Settings,
    request: &CreateContainerRequest,
    record: &Record,
    log: &Path,
) -> Result<i32, RpcError> {
    let id = &request.id;
    if let Some(existing) = Record::read(settings, id)? {
        return match existing.pid() {
            Some(pid) if existing.directory == record.directory && is_alive(&existing) => Ok(pid),
            _ => Err(RpcError::failed_precondition(format!(
                "Cannot create container {id:?} as what is left of the one before must be deleted first"
            ))),
        };
    }
    make_directory(&record.directory)?;
    if let Some(parent) = log.parent() {
        make_directory(parent)?;
    }
    // Written first: whoever comes after a crash must know of everything that could have been begun.
    record.write(settings, id)?;
    let report = ShimCall::new(settings, "run", id, &record.directory)
        .value("--bundle", &record.bundle)
        .value("--log", log)
        .flag("--stdin", request.stdin)
        .flag("--stdin-once", request.stdin_once)
        .flag("--tty", request.tty)
        .run();
    match report {
        Ok(Ok(pid)) => Ok(pid),
        Ok(Err(error)) => {
            delete(settings, id)?;
            Err(RpcError::internal(error))
        }
        Err(error) => {
            delete(settings, id)?;
            Err(error)
        }
    }
}

/// Clients connect by path.
pub(crate) fn check_attach_path(directory: &Path) -> Result<(), RpcError> {
    let path = directory.join(files::ATTACH);
    if path.as_os_str().as_bytes().len() <= files::SOCKET_PATH_BYTES_MAX {
        return Ok(());
    }
    Err(RpcError::invalid_argument(format!(
        "Cannot use the directory as the path of its socket must be at most {} bytes: it is {}",
        files::SOCKET_PATH_BYTES_MAX,
        path.display()
    )))
}

/// Lets the container's process begin. Returns when that was.
pub fn start(settings: &Settings, id: &str) -> Result<String, RpcError> {
    let record = Record::find(settings, id)?;
    let before = record.started_at();
    if !oci_runtime::is_waiting(settings, id) {
        return match before.is_empty() {
            false => Ok(before),
            true => Err(RpcError::failed_precondition(format!(
                "Cannot start container {id:?} as it must have been created: it ended before its start"
            ))),
        };
    }
    if !before.is_empty() {
        oci_runtime::start(settings, id, true)?;
        return Ok(before);
    }
    let started = record.directory.join(files::STARTED);
    let now = time::now();
    fs::write(&started, &now).doing(|| format!("Cannot start container {id:?}"))?;
    oci_runtime::start(settings, id, false).inspect_err(|_| {
        // That it did not start is told by the error.
        let _ = fs::remove_file(&started);
    })?;
    Ok(now)
}

/// What has ended gets no signal, and that is no error.
pub fn signal(settings: &Settings, request: &SignalContainerRequest) -> Result<(), RpcError> {
    let id = &request.id;
    let record = Record::find(settings, id)?;
    if !(1..=64).contains(&request.signal) {
        return Err(RpcError::invalid_argument(format!(
            "Cannot send a signal to container {id:?} as it must be 1 to 64: it is {}",
            request.signal
        )));
    }
    let doing = || format!("Cannot send signal {} to container {id:?}", request.signal);
    if request.all
        && let Some(path) = oci_runtime::cgroup_path(settings, id, &record)
    {
        return cgroup::signal(&path, request.signal).doing(doing);
    }
    match process_of(&record) {
        Some(process) => sys::send_signal(&process, request.signal).doing(doing),
        None => Ok(()),
    }
}

/// The container's first process, if it lives. The shim reaps it after it wrote the exit: while there is none, the
/// process id is still the container's.
fn process_of(record: &Record) -> Option<OwnedFd> {
    let process = sys::pidfd(record.pid()?).ok()?;
    is_alive(record).then_some(process)
}

/// Kills what still runs and removes everything but the container's directory.
pub fn delete(settings: &Settings, id: &str) -> Result<(), RpcError> {
    let doing = || format!("Cannot delete container {id:?}");
    let Some(record) = Record::read(settings, id)? else {
        oci_runtime::delete(settings, id)?;
        return Record::remove(settings, id);
    };
    let cgroup = oci_runtime::cgroup_path(settings, id, &record);
    if let Some(process) = process_of(&record) {
        sys::send_signal(&process, libc::SIGKILL).doing(doing)?;
    }
    if let Some(path) = &cgroup {
        cgroup::kill(path).doing(doing)?;
    }
    end_shim(&record).doing(doing)?;
    if !forget(settings, id, cgroup.as_deref()) {
        oci_runtime::delete(settings, id)?;
        if let Some(path) = &cgroup {
            cgroup::remove(path).doing(doing)?;
        }
    }
    Record::remove(settings, id)
}

/// What a call of the runtime would do, without one. False where it must be made.
fn forget(settings: &Settings, id: &str, cgroup: Option<&str>) -> bool {
    let is_known = oci_runtime::is_of_crun(settings, id);
    is_known && cgroup.is_some_and(|path| cgroup::remove(path).is_ok()) && oci_runtime::forget(settings, id)
}

/// Waits until the shim has written down the end, or ends it: what it watched is gone.
fn end_shim(record: &Record) -> std::io::Result<()> {
    let Some(process) = record.shim_pid().and_then(|pid| sys::pidfd(pid).ok()) else {
        return Ok(());
    };
    // The lock tells whether the number is still the shim's.
    if record.shim_pid().is_none() || wait_for_end(&process, SHIM_END_MAX)? {
        return Ok(());
    }
    sys::send_signal(&process, libc::SIGKILL)?;
    wait_for_end(&process, SHIM_END_MAX).map(drop)
}

pub(crate) fn wait_for_end(process: &OwnedFd, at_most: Duration) -> std::io::Result<bool> {
    let until = Instant::now() + at_most;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
