//! One more process in a container.

use crate::container::check_attach_path;
use crate::list::is_alive;
use crate::record::Record;
use crate::settings::{Settings, absolute, make_directory};
use crate::shim::ShimCall;
use k3ts_frames::{ErrorContext, RpcError};
use k3ts_proto::v1::RuntimeServiceExecRequest;
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
