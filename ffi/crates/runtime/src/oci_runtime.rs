//! Calls of the OCI runtime that are not the shim's.

use crate::record::Record;
use crate::settings::{SEARCH_PATH, Settings};
use k3ts_frames::{ErrorContext, RpcError};
use serde::Deserialize;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a container of crun or runc waits for its start.
const FIFO: &str = "exec.fifo";
/// Where crun keeps a container's status.
const STATUS: &str = "status";

/// What crun keeps of a container.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Status {
    cgroup_path: String,
}

/// What is of interest here of an OCI runtime specification.
#[derive(Deserialize)]
struct Specification {
    linux: Option<Linux>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    cgroups_path: Option<String>,
}

pub fn version(settings: &Settings) -> Result<String, RpcError> {
    let said = run(settings, &["--version"])?;
    let first = said.lines().next().unwrap_or_default();
    Ok(first.rsplit(' ').next().unwrap_or_default().to_owned())
}

/// Lets a container that waits go on. `begun`: it may have been let go before.
pub fn start(settings: &Settings, id: &str, begun: bool) -> Result<(), RpcError> {
    let doing = || format!("Cannot start container {id:?}");
    if !is_of_crun(settings, id) {
        return run(settings, &["start", id]).doing(doing).map(drop);
    }
    let fifo = state_of(settings, id).join(FIFO);
    if !release(&fifo).doing(doing)? && !begun {
        return Err(RpcError::failed_precondition(format!(
            "{} as it must wait for that: it has ended",
            doing()
        )));
    }
    // Last: as long as it is there the container counts as one that waits, and is let go again.
    fs::remove_file(&fifo).doing(doing)
}

/// All that `crun start` does for a container without hooks: the one that waits reads a byte. It holds its end of the
/// pipe until its program runs; false where nobody does.
fn release(fifo: &Path) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_NONBLOCK);
    match options.open(fifo).and_then(|mut pipe| pipe.write_all(&[0])) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENXIO | libc::EPIPE)) => Ok(false),
        written => written.map(|()| true),
    }
}

/// Removes what the runtime holds of a container, whose processes have ended.
pub fn delete(settings: &Settings, id: &str) -> Result<(), RpcError> {
    if !state_of(settings, id).exists() {
        return Ok(());
    }
    run(settings, &["delete", "--force", id])
        .doing(|| format!("Cannot delete container {id:?}"))
        .map(drop)
}

/// All that is left to `crun delete` where there are no hooks and the cgroup is gone. False where it did not work.
pub fn forget(settings: &Settings, id: &str) -> bool {
    fs::remove_dir_all(state_of(settings, id)).is_ok()
}

/// It alone keeps a file of that name.
pub fn is_of_crun(settings: &Settings, id: &str) -> bool {
    state_of(settings, id).join(STATUS).exists()
}

/// What youki keeps of a container.
#[derive(Deserialize)]
struct State {
    status: String,
}

/// Whether the container waits for its start. crun and runc remove the pipe that it waits at; youki writes it down.
pub fn is_waiting(settings: &Settings, id: &str) -> bool {
    let state = state_of(settings, id);
    if state.join(FIFO).exists() {
        return true;
    }
    let kept = || serde_json::from_slice::<State>(&fs::read(state.join("state.json")).ok()?).ok();
    kept().is_some_and(|state| state.status == "created")
}

/// Such as `/k3ts/a`, the same in every hierarchy. Where the runtime has forgotten it, or never got so far, it is what
/// the container's specification asks for.
pub fn cgroup_path(settings: &Settings, id: &str, record: &Record) -> Option<String> {
    let kept = || {
        let status: Status = serde_json::from_slice(&fs::read(state_of(settings, id).join(STATUS)).ok()?).ok()?;
        Some(status.cgroup_path)
    };
    let asked = || {
        let config = fs::read(record.bundle.join("config.json")).ok()?;
        serde_json::from_slice::<Specification>(&config)
            .ok()?
            .linux?
            .cgroups_path
    };
    kept().or_else(asked).filter(|path| !path.trim_matches('/').is_empty())
}

fn state_of(settings: &Settings, id: &str) -> PathBuf {
    settings.root.join(id)
}

fn run(settings: &Settings, arguments: &[&str]) -> Result<String, RpcError> {
    let output = Command::new(&settings.runtime)
        .arg("--root")
        .arg(&settings.root)
        .args(arguments)
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .doing(|| format!("Cannot run {}", settings.runtime.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(RpcError::internal(format!("{}: {}", output.status, said.trim())))
}
