//! k3ts-shim: stays with one container, or with one process of an exec, for as long as that lives. It holds the ends
//! of the standard streams, writes the log and the exit code, and lets clients attach. It is started by the runtime
//! service, detaches itself, and tells over its standard output how the start went: `ok PID` or `error TEXT`. As `forward` it is something else: a way into the
//! network of a pod.
//!
//! Everything that it leaves on disk is listed in `proto/k3ts/v1/runtime.proto`.

mod arguments;
mod client;
mod container;
mod cri_log;
mod exec;
mod exit;
mod forward;
mod oci_runtime;
mod pause;
mod relay;
mod streams;
mod sys;

use arguments::{Arguments, Mode};
use std::fs::File;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("forward") {
        return forward::main(std::env::args().skip(2));
    }
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            println!("error {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut report = match sys::detach(&arguments.directory) {
        Ok(report) => report,
        Err(error) => {
            println!("error Cannot detach the shim of {}: {error}", arguments.id);
            return ExitCode::FAILURE;
        }
    };
    let result = match arguments.mode {
        Mode::Run => container::run(&arguments, &mut report),
        Mode::Exec => exec::run(&arguments, report.take()),
        Mode::Pause => pause::run(&mut report).map_err(|error| format!("Cannot pause: {error}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report.error(&error);
            ExitCode::FAILURE
        }
    }
}

/// The pipe to whoever started the shim. It must be closed as soon as there is something to say, and never reach a
/// container.
pub struct Report(Option<File>);

impl Report {
    pub fn new(pipe: File) -> Self {
        Report(Some(pipe))
    }

    pub fn take(&mut self) -> Report {
        Report(self.0.take())
    }

    pub fn ok(&mut self, pid: i32) {
        self.say(&format!("ok {pid}\n"));
    }

    pub fn error(&mut self, message: &str) {
        self.say(&format!("error {message}\n"));
    }

    /// Whoever asked may be gone by now: the container is there all the same.
    fn say(&mut self, text: &str) {
        if let Some(mut pipe) = self.0.take() {
            let _ = pipe.write_all(text.as_bytes());
        }
    }
}
