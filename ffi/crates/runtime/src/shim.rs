//! Starting the shim, which then belongs to nobody.

use crate::settings::{SEARCH_PATH, Settings};
use k3ts_frames::{ErrorContext, RpcError};
use std::ffi::OsStr;
use std::io::{Read, pipe};
use std::path::Path;
use std::process::{Command, Stdio};

/// More than that is no report.
const REPORT_BYTES_MAX: u64 = 64 * 1024;

/// A command line of the shim.
pub struct ShimCall(Command);

impl ShimCall {
    pub fn new(settings: &Settings, mode: &str, id: &str, directory: &Path) -> Self {
        let mut command = Command::new(&settings.shim);
        command.arg(mode).args(["--id", id]).arg("--directory").arg(directory);
        command
            .arg("--runtime")
            .arg(&settings.runtime)
            .arg("--root")
            .arg(&settings.root);
        command.env_clear().env("PATH", SEARCH_PATH);
        ShimCall(command)
    }

    /// The first process of a namespace of processes.
    pub fn pause(settings: &Settings, directory: &Path) -> Self {
        ShimCall::new(settings, "pause", "pause", directory)
    }

    pub fn value(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.arg(name).arg(value);
        self
    }

    pub fn flag(mut self, name: &str, set: bool) -> Self {
        if set {
            self.0.arg(name);
        }
        self
    }

    /// Until the shim has said how it went: the process id that it answers, or its error as text.
    pub fn run(mut self) -> Result<Result<i32, String>, RpcError> {
        let doing = || "Cannot run the shim".to_owned();
        let (report, end) = pipe().doing(doing)?;
        let mut starter = self
            .0
            .stdin(Stdio::null())
            .stdout(end)
            .stderr(Stdio::null())
            .spawn()
            .doing(doing)?;
        // The command holds an end of the pipe.
        drop(self.0);
        let mut text = String::new();
        report.take(REPORT_BYTES_MAX).read_to_string(&mut text).doing(doing)?;
        starter.wait().doing(doing)?;
        match text.trim().split_once(' ') {
            Some(("ok", pid)) => pid.parse().map(Ok).map_err(|_| unknown(&text)),
            Some(("error", error)) => Ok(Err(error.to_owned())),
            _ => Err(unknown(&text)),
        }
    }
}

fn unknown(text: &str) -> RpcError {
    RpcError::internal(format!(
        "Cannot run the shim as it must report how it went: it said {text:?}"
    ))
}
