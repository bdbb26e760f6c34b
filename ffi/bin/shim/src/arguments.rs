//! The command line, which only the runtime service writes.

use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, PartialEq)]
pub enum Mode {
    /// A container of its own.
    Run,
    /// One more process in a container.
    Exec,
    /// The first process of a namespace of processes that containers share.
    Pause,
}

#[derive(Debug)]
pub struct Arguments {
    pub mode: Mode,
    pub id: String,
    /// Where the shim's files go.
    pub directory: PathBuf,
    /// The OCI runtime's program and the folder of its state.
    pub runtime: PathBuf,
    pub root: PathBuf,
    pub bundle: PathBuf,
    pub log: PathBuf,
    /// The `process` object of the OCI runtime spec.
    pub process: PathBuf,
    pub stdin: bool,
    pub stdin_once: bool,
    pub tty: bool,
    pub connect_timeout: Duration,
}

impl Arguments {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mode = match words.next().as_deref() {
            Some("run") => Mode::Run,
            Some("exec") => Mode::Exec,
            Some("pause") => Mode::Pause,
            other => {
                return Err(format!(
                    "Cannot start the shim as the mode must be run, exec or pause: it is {other:?}"
                ));
            }
        };
        let mut parsed = Arguments {
            mode,
            id: String::new(),
            directory: PathBuf::new(),
            runtime: PathBuf::new(),
            root: PathBuf::new(),
            bundle: PathBuf::new(),
            log: PathBuf::new(),
            process: PathBuf::new(),
            stdin: false,
            stdin_once: false,
            tty: false,
            connect_timeout: Duration::from_secs(10),
        };
        while let Some(name) = words.next() {
            match name.as_str() {
                "--stdin" => parsed.stdin = true,
                "--stdin-once" => parsed.stdin_once = true,
                "--tty" => parsed.tty = true,
                _ => {
                    let value = words
                        .next()
                        .ok_or(format!("Cannot start the shim as {name} must have a value"))?;
                    parsed.set(&name, value)?;
                }
            }
        }
        parsed.require()
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "--id" => self.id = value,
            "--directory" => self.directory = value.into(),
            "--runtime" => self.runtime = value.into(),
            "--root" => self.root = value.into(),
            "--bundle" => self.bundle = value.into(),
            "--log" => self.log = value.into(),
            "--process" => self.process = value.into(),
            "--connect-timeout-ms" => {
                let milliseconds = value
                    .parse()
                    .map_err(|_| format!("Cannot start the shim as {name} must be a number: it is {value:?}"))?;
                self.connect_timeout = Duration::from_millis(milliseconds);
            }
            _ => return Err(format!("Cannot start the shim as {name} is no option of it")),
        }
        Ok(())
    }

    fn require(self) -> Result<Self, String> {
        let mut paths = vec![
            ("--directory", &self.directory),
            ("--runtime", &self.runtime),
            ("--root", &self.root),
        ];
        match self.mode {
            Mode::Run => paths.extend([("--bundle", &self.bundle), ("--log", &self.log)]),
            Mode::Exec => paths.push(("--process", &self.process)),
            Mode::Pause => {}
        }
        if self.id.is_empty() {
            return Err("Cannot start the shim as --id must be given".into());
        }
        match paths.iter().find(|(_, path)| !path.is_absolute()) {
            Some((name, path)) => Err(format!(
                "Cannot start the shim as {name} must be an absolute path: it is {path:?}"
            )),
            None => Ok(self),
        }
    }
}
