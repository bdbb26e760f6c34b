//! One more process in a container.

use crate::container::check_attach_path;
use crate::list::is_alive;
use crate::record::Record;
use crate::settings::{Settings, absolute, make_directory};
use crate::shim::ShimCall;
use crate::{oci_runtime, sys};
use k3ts_frames::{ErrorContext, RpcError};
use k3ts_proto::v1::{RuntimeServiceExecRequest, SignalExecRequest};
use k3ts_shim::files;
use std::fs;
use std::path::PathBuf;

const CONNECT_TIMEOUT_MS: u32 = 10_000;

/// Returns the socket that a client must connect to before the process starts.
pub fn exec(settings: &Settings, request: &RuntimeServiceExecRequest) -> Result<PathBuf, RpcError> {
    let id = &request.id;
    let directory = absolute("directory", &request.directory)?;
    check_attach_path(&directory)?;
    if !is_alive(&Record::find(settings, id)?) {
        return Err(RpcError::failed_precondition(format!(
            "Cannot exec in container {id:?} as it must run: it has ended"
        )));
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(&request.process).map_err(|error| {
        RpcError::invalid_argument(format!(
            "Cannot exec in container {id:?} as the process must be JSON: {error}"
        ))
    })?;
    make_directory(&directory)?;
    let process = directory.join("process.json");
    fs::write(&process, &request.process).doing(|| format!("Cannot write {}", process.display()))?;
    let timeout = if request.connect_timeout_ms == 0 {
        CONNECT_TIMEOUT_MS
    } else {
        request.connect_timeout_ms
    };
    let report = ShimCall::new(settings, "exec", id, &directory)
        .value("--process", &process)
        .value("--connect-timeout-ms", timeout.to_string())
        .flag("--stdin", request.stdin)
        .flag("--tty", request.tty)
        .run()?;
    report
        .map(|_| directory.join(files::ATTACH))
        .map_err(RpcError::internal)
}

/// The process must still be one of the container's: its number may have come again.
pub fn signal_exec(settings: &Settings, request: &SignalExecRequest) -> Result<(), RpcError> {
    let id = &request.id;
    let doing = || format!("Cannot send signal {} to an exec in container {id:?}", request.signal);
    let directory = absolute("directory", &request.directory)?;
    let record = Record::find(settings, id)?;
    let Ok(pid) = fs::read_to_string(directory.join(files::PID)) else {
        return Ok(());
    };
    let Some(process) = pid.trim().parse().ok().and_then(|pid: i32| sys::pidfd(pid).ok()) else {
        return Ok(());
    };
    let cgroups = fs::read_to_string(format!("/proc/{}/cgroup", pid.trim())).unwrap_or_default();
    let is_ours = oci_runtime::cgroup_path(settings, id, &record)
        .is_some_and(|path| cgroups.lines().any(|line| line.ends_with(path.trim_end_matches('/'))));
    if is_ours {
        sys::send_signal(&process, request.signal).doing(doing)?;
    }
    Ok(())
}
