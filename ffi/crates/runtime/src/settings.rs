//! Where state and programs are.

use k3ts_frames::{ErrorContext, RpcError};
use k3ts_proto::v1::RuntimeServiceOpenRequest;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where programs are looked for, and what the programs that are started look in.
pub(crate) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What every call needs. One process has one of these a state directory.
#[derive(Debug)]
pub struct Settings {
    /// Holds a record of every container.
    pub(crate) records: PathBuf,
    /// The OCI runtime's own state.
    pub(crate) root: PathBuf,
    pub(crate) runtime: PathBuf,
    pub(crate) shim: PathBuf,
    /// Containers whose shim has not yet said how it went.
    creating: Mutex<HashSet<String>>,
}

impl Settings {
    pub fn open(request: &RuntimeServiceOpenRequest) -> Result<Self, RpcError> {
        let state = absolute("state_directory", &request.state_directory)?;
        let runtime = if request.runtime_binary.is_empty() {
            "crun"
        } else {
            &request.runtime_binary
        };
        let settings = Settings {
            records: state.join("containers"),
            root: state.join("runtime"),
            runtime: find_program(runtime)?,
            shim: find_program(&request.shim_binary)?,
            creating: Mutex::default(),
        };
        for directory in [&settings.records, &settings.root] {
            make_directory(directory)?;
        }
        Ok(settings)
    }

    /// Such as crun.
    pub(crate) fn runtime_name(&self) -> String {
        self.runtime
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    pub(crate) fn is_same(&self, other: &Settings) -> bool {
        (&self.records, &self.runtime, &self.shim) == (&other.records, &other.runtime, &other.shim)
    }

    pub(crate) fn creating(&self) -> MutexGuard<'_, HashSet<String>> {
        self.creating.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn absolute(name: &str, path: &str) -> Result<PathBuf, RpcError> {
    let parsed = PathBuf::from(path);
    match parsed.is_absolute() {
        true => Ok(parsed),
        false => Err(RpcError::invalid_argument(format!(
            "Cannot use {name} as it must be absolute: it is {path:?}"
        ))),
    }
}

/// With its parents, for root's eyes only.
pub(crate) fn make_directory(directory: &Path) -> Result<(), RpcError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .doing(|| format!("Cannot make the directory {}", directory.display()))
}

fn find_program(name: &str) -> Result<PathBuf, RpcError> {
    let is_program =
        |path: &Path| fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    let candidates: Vec<PathBuf> = match name.contains('/') {
        true => vec![absolute("a program", name)?],
        false => SEARCH_PATH
            .split(':')
            .map(|directory| Path::new(directory).join(name))
            .collect(),
    };
    candidates.into_iter().find(|path| is_program(path)).ok_or_else(|| {
        RpcError::failed_precondition(format!(
            "Cannot run containers as the program {name:?} must be installed"
        ))
    })
}
