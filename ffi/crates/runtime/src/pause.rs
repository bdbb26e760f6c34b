//! The process namespace that the containers of a pod share, where they do. Other namespaces live on their own; this one
//! ends with its first process, which is a program of ours that has no rights and does nothing but bury the dead.

use crate::container::wait_for_end;
use crate::sandbox::{pin, unpin};
use crate::settings::{Settings, absolute};
use crate::shim::ShimCall;
use crate::sys;
use k3ts_frames::{ErrorContext, RpcError};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const NAMESPACE: &str = "pid";
const PROCESS: &str = "pause.pid";
/// How long a process that got SIGKILL, and those that go with it, may take.
const END_MAX: Duration = Duration::from_secs(10);

/// Makes the namespace, unless it is there and lives. Returns where it is mounted.
pub fn ensure(settings: &Settings, directory: &str) -> Result<String, RpcError> {
    let directory = absolute("directory", directory)?;
    let target = directory.join(NAMESPACE);
    if first_process(&directory).is_none() {
        end(&directory)?;
        let pid = ShimCall::pause(settings, &directory)
            .run()?
            .map_err(RpcError::internal)?;
        fs::write(directory.join(PROCESS), pid.to_string())
            .doing(|| format!("Cannot write {}", directory.join(PROCESS).display()))?;
        pin(&namespace_of(pid).to_string_lossy(), &target)?;
    }
    Ok(target.display().to_string())
}

/// Ends the namespace, and every process in it.
pub fn end(directory: &Path) -> Result<(), RpcError> {
    let doing = || format!("Cannot end the processes of {}", directory.display());
    if let Some(process) = first_process(directory) {
        sys::send_signal(&process, libc::SIGKILL).doing(doing)?;
        wait_for_end(&process, END_MAX).doing(doing)?;
    }
    unpin(&directory.join(NAMESPACE))?;
    unpin(&directory.join(PROCESS))
}

/// The namespace tells whether the number is still that of its first process.
fn first_process(directory: &Path) -> Option<OwnedFd> {
    let pid: i32 = fs::read_to_string(directory.join(PROCESS)).ok()?.trim().parse().ok()?;
    let process = sys::pidfd(pid).ok()?;
    let inode = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let pinned = inode(&directory.join(NAMESPACE))?;
    (inode(&namespace_of(pid))? == pinned).then_some(process)
}

fn namespace_of(pid: i32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/ns/pid"))
}
