//! How a program of a node starts and how its end is told.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::log;

/// Runs a program whose only argument is `--data-dir FOLDER` on the runtime that `builder` makes, and logs why it has
/// failed if it has.
pub fn run(program: &str, mut builder: Builder, work: impl AsyncFnOnce(PathBuf) -> Result<(), String>) -> ExitCode {
    let outcome = data_dir(program, std::env::args().skip(1)).and_then(|data| {
        let runtime = builder.enable_all().build();
        runtime
            .map_err(|error| format!("Cannot start as a runtime must be made: {error}"))?
            .block_on(work(data))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            log::line(program, &message);
            ExitCode::FAILURE
        }
    }
}

fn data_dir(program: &str, mut arguments: impl Iterator<Item = String>) -> Result<PathBuf, String> {
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (Some("--data-dir"), Some(folder), None) => Ok(PathBuf::from(folder)),
        _ => Err(format!(
            "Cannot start as the arguments must be: {program} --data-dir FOLDER"
        )),
    }
}

/// The signals that tell a program to end. From here on they do not kill it.
pub struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    pub fn catch() -> Result<Self, String> {
        let listen = |kind| signal(kind).map_err(|error| format!("Cannot start as signals must be caught: {error}"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Returns when one has come, also if it came before the call.
    pub async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_data_folder_and_nothing_else() {
        let parsed = |arguments: &[&str]| data_dir("k3ts-test", arguments.iter().map(ToString::to_string));
        assert_eq!(parsed(&["--data-dir", "/d"]), Ok(PathBuf::from("/d")));
        for wrong in [&[][..], &["--data-dir"], &["/d"], &["--data-dir", "/d", "more"]] {
            assert_eq!(
                parsed(wrong),
                Err("Cannot start as the arguments must be: k3ts-test --data-dir FOLDER".to_owned())
            );
        }
    }
}
