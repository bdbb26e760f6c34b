//! How a program of a node starts and how its end is told.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::log;

/// What a program was started with.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    pub data: PathBuf,
    options: Vec<(String, String)>,
}

impl Arguments {
    /// `known` are the options that may follow `--data-dir FOLDER`, each with a value and once at most.
    fn parse(program: &str, known: &[&str], words: impl Iterator<Item = String>) -> Result<Self, String> {
        let failed = || {
            let more: String = known.iter().map(|option| format!(" [{option} VALUE]")).collect();
            format!("Cannot start as the arguments must be: {program} --data-dir FOLDER{more}")
        };
        let mut words = words;
        let mut data = None;
        let mut options: Vec<(String, String)> = Vec::new();
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(failed)?;
            if option == "--data-dir" && data.is_none() {
                data = Some(PathBuf::from(value));
            } else if known.contains(&option.as_str()) && options.iter().all(|(name, _)| *name != option) {
                options.push((option, value));
            } else {
                return Err(failed());
            }
        }
        let data = data.ok_or_else(failed)?;
        Ok(Self { data, options })
    }

    pub fn get(&self, option: &str) -> Option<&str> {
        let (_, value) = self.options.iter().find(|(name, _)| name == option)?;
        Some(value)
    }
}

/// Runs a program with the arguments `--data-dir FOLDER` and the `options` that it knows on the runtime that `builder`
/// makes, and logs why it has failed if it has.
pub fn run(
    program: &str,
    options: &[&str],
    mut builder: Builder,
    work: impl AsyncFnOnce(Arguments) -> Result<(), String>,
) -> ExitCode {
    let outcome = Arguments::parse(program, options, std::env::args().skip(1)).and_then(|arguments| {
        let runtime = builder.enable_all().build();
        runtime
            .map_err(|error| format!("Cannot start as a runtime must be made: {error}"))?
            .block_on(work(arguments))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            log::error(&message, &[]);
            ExitCode::FAILURE
        }
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

    fn parsed(words: &[&str]) -> Result<Arguments, String> {
        Arguments::parse("k3ts-test", &["--server"], words.iter().map(ToString::to_string))
    }

    #[test]
    fn takes_a_data_folder_and_the_options_that_it_knows() {
        assert_eq!(parsed(&["--data-dir", "/d"]).unwrap().get("--server"), None);
        let both = parsed(&["--server", "https://a", "--data-dir", "/d"]).unwrap();
        assert_eq!(
            (both.data.to_str(), both.get("--server")),
            (Some("/d"), Some("https://a"))
        );
    }

    #[test]
    fn takes_nothing_else() {
        let wrong: [&[&str]; 6] = [
            &[],
            &["--data-dir"],
            &["/d"],
            &["--data-dir", "/d", "more"],
            &["--data-dir", "/d", "--data-dir", "/e"],
            &["--data-dir", "/d", "--other", "x"],
        ];
        for words in wrong {
            assert_eq!(
                parsed(words),
                Err("Cannot start as the arguments must be: k3ts-test --data-dir FOLDER [--server VALUE]".to_owned())
            );
        }
    }
}
