//! The standard streams of a process: our ends, and its own.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;

/// What the process gets. With a terminal it gets none of these.
pub struct ChildStreams {
    pub stdin: Stdio,
    pub stdout: Stdio,
    pub stderr: Stdio,
}

/// Our ends of the standard streams.
pub struct Streams {
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    /// Then it is input and output at once, and the others are missing.
    pub terminal: Option<OwnedFd>,
}

impl Streams {
    /// Pipes, and the process's ends of them.
    pub fn pipes(stdin: bool) -> io::Result<(Streams, ChildStreams)> {
        let (stdout, child_stdout) = io::pipe()?;
        let (stderr, child_stderr) = io::pipe()?;
        let (child_stdin, stdin) = match stdin.then(io::pipe).transpose()? {
            Some((read, write)) => (Stdio::from(read), Some(OwnedFd::from(write))),
            None => (Stdio::null(), None),
        };
        let ours = Streams {
            stdin,
            stdout: Some(stdout.into()),
            stderr: Some(stderr.into()),
            terminal: None,
        };
        let child = ChildStreams {
            stdin: child_stdin,
            stdout: child_stdout.into(),
            stderr: child_stderr.into(),
        };
        Ok((ours, child))
    }

    pub fn terminal(terminal: OwnedFd) -> Streams {
        Streams {
            stdin: None,
            stdout: None,
            stderr: None,
            terminal: Some(terminal),
        }
    }
}
