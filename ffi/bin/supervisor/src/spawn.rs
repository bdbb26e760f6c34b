//! Starts a process that outlives its supervisor: in a session of its own, with its sockets and its log.

use std::env;
use std::ffi::{CString, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use k3ts_supervisor::handed::FIRST_FD;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::{self, c_char};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, pipe2};

use crate::config::Process;
use crate::sockets::BoundSocket;

/// Room for the digits of a process id and the final NUL.
const PID_DIGITS: usize = 11;
const LISTEN_PID: &[u8] = b"LISTEN_PID=";

/// A process that has been made and waits for the word to begin, so that it can be written down first: a process
/// that nobody has written down would never be found again.
pub struct Waiting {
    pub pid: i32,
    go: File,
    failure: File,
}

impl Waiting {
    /// Ends it before it has run anything.
    pub fn give_up(self) {
        let pid = Pid::from_raw(self.pid);
        drop(self);
        // It ends by itself once the pipe is closed, and nobody else waits for it.
        let _ = waitpid(pid, None);
    }

    /// Lets it run its command. Fails when the command cannot be run; then the process has ended.
    pub fn begin(mut self) -> io::Result<()> {
        self.go.write_all(&[1])?;
        drop(self.go);
        let mut errno = [0; 4];
        match self.failure.read_exact(&mut errno) {
            Ok(()) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
            // The pipe was closed by execve(2).
            Err(_) => Ok(()),
        }
    }
}

/// Everything that the new process needs, made before fork(2): after it nothing may be allocated.
struct Prepared {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    directory: CString,
    listen_pid: [u8; LISTEN_PID.len() + PID_DIGITS],
    sockets: Vec<OwnedFd>,
    input: OwnedFd,
    output: OwnedFd,
}

/// Makes the process. Its sockets begin at descriptor 3, in the order given.
pub fn spawn(process: &Process, sockets: &[&BoundSocket], notify: &Path) -> Result<Waiting, String> {
    let failed = |error: io::Error| {
        format!(
            "Cannot start \"{}\" as its command must be runnable: {}: {error}",
            process.name, process.command[0]
        )
    };
    let prepared = prepare(process, sockets, notify).map_err(failed)?;
    let (go_read, go) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| failed(errno.into()))?;
    let (failure, failure_write) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| failed(errno.into()))?;
    let failure_write = out_of_the_way(failure_write, sockets).map_err(failed)?;
    let pid = start(prepared, go_read, &go, failure_write).map_err(|errno| failed(errno.into()))?;
    Ok(Waiting {
        pid,
        go: go.into(),
        failure: failure.into(),
    })
}

fn prepare(process: &Process, sockets: &[&BoundSocket], notify: &Path) -> io::Result<Prepared> {
    let log_path = if process.log_path.is_empty() {
        "/dev/null"
    } else {
        &process.log_path
    };
    if let Some(folder) = Path::new(log_path).parent() {
        fs::create_dir_all(folder)?;
    }
    let mut listen_pid = [0; LISTEN_PID.len() + PID_DIGITS];
    listen_pid[..LISTEN_PID.len()].copy_from_slice(LISTEN_PID);
    Ok(Prepared {
        program: text(find_program(&process.command[0])?.into_os_string().into_vec())?,
        arguments: process
            .command
            .iter()
            .map(|argument| text(argument.as_str()))
            .collect::<io::Result<_>>()?,
        environment: environment(process, sockets, notify)
            .into_iter()
            .map(|entry| text(entry.into_vec()))
            .collect::<io::Result<_>>()?,
        directory: text(if process.directory.is_empty() {
            "/"
        } else {
            process.directory.as_str()
        })?,
        listen_pid,
        sockets: sockets
            .iter()
            .map(|socket| out_of_the_way(&socket.fd, sockets))
            .collect::<io::Result<_>>()?,
        input: File::open("/dev/null")?.into(),
        output: out_of_the_way(
            OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(log_path)?,
            sockets,
        )?,
    })
}

/// A copy above all numbers that the child is about to give to its sockets.
#[allow(unsafe_code)]
fn out_of_the_way(fd: impl AsFd, sockets: &[&BoundSocket]) -> io::Result<OwnedFd> {
    let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(FIRST_FD + sockets.len() as RawFd))?;
    // SAFETY: F_DUPFD_CLOEXEC has just made it, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

fn text(text: impl Into<Vec<u8>>) -> io::Result<CString> {
    CString::new(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

fn environment(process: &Process, sockets: &[&BoundSocket], notify: &Path) -> Vec<OsString> {
    let replaced =
        |name: &str| name.starts_with("LISTEN_") || name == "NOTIFY_SOCKET" || process.environment.contains_key(name);
    let inherited = env::vars_os().filter(|(name, _)| !name.to_str().is_some_and(replaced));
    let configured = process
        .environment
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    let join = |(mut entry, value): (OsString, OsString)| {
        entry.push("=");
        entry.push(value);
        entry
    };
    let mut environment: Vec<OsString> = inherited.chain(configured).map(join).collect();
    if process.says_ready {
        environment.push(join(("NOTIFY_SOCKET".into(), notify.into())));
    }
    if !sockets.is_empty() {
        let names: Vec<&str> = sockets.iter().map(|socket| socket.socket.name.as_str()).collect();
        environment.push(format!("LISTEN_FDS={}", sockets.len()).into());
        environment.push(format!("LISTEN_FDNAMES={}", names.join(":")).into());
    }
    environment
}

/// As execvp(3) would find it.
fn find_program(name: &str) -> io::Result<PathBuf> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let runnable =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join(name))
        .find(runnable)
        .ok_or(io::ErrorKind::NotFound.into())
}

#[allow(unsafe_code)]
fn start(mut prepared: Prepared, go_read: OwnedFd, go: &OwnedFd, failure: OwnedFd) -> nix::Result<i32> {
    let pointers = |texts: &[CString]| -> Vec<*const c_char> {
        texts
            .iter()
            .map(|text| text.as_ptr())
            .chain([std::ptr::null()])
            .collect()
    };
    let arguments = pointers(&prepared.arguments);
    let mut environment: Vec<*const c_char> = prepared.environment.iter().map(|text| text.as_ptr()).collect();
    if !prepared.sockets.is_empty() {
        environment.push(prepared.listen_pid.as_ptr().cast());
    }
    environment.push(std::ptr::null());
    // SAFETY: the supervisor has one thread, and the child only makes system calls on what was prepared.
    if let ForkResult::Parent { child } = unsafe { fork() }? {
        return Ok(child.as_raw());
    }
    // SAFETY: all descriptors are open, all texts end in NUL and live until execve(2) or _exit(2).
    unsafe {
        // With this end open the read below would never learn of the supervisor's death.
        libc::close(go.as_raw_fd());
        let mut word = 0u8;
        if libc::read(go_read.as_raw_fd(), (&raw mut word).cast(), 1) != 1 {
            libc::_exit(127);
        }
        become_process(&mut prepared, &arguments, &environment);
        let errno = nix::errno::Errno::last_raw().to_ne_bytes();
        libc::write(failure.as_raw_fd(), errno.as_ptr().cast(), errno.len());
        libc::_exit(127);
    }
}

/// Returns only when something has failed.
///
/// # Safety
/// Only in the child, between fork(2) and _exit(2); the pointers end with a null pointer.
#[allow(unsafe_code)]
unsafe fn become_process(prepared: &mut Prepared, arguments: &[*const c_char], environment: &[*const c_char]) {
    write_digits(&mut prepared.listen_pid[LISTEN_PID.len()..], std::process::id());
    // SAFETY: as `start` says; all arguments are valid for the calls.
    unsafe {
        libc::setsid();
        // Rust programs ignore it, and what they start would inherit that.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        if libc::chdir(prepared.directory.as_ptr()) < 0 {
            return;
        }
        let output = prepared.output.as_raw_fd();
        for (from, to) in [(prepared.input.as_raw_fd(), 0), (output, 1), (output, 2)] {
            if libc::dup2(from, to) < 0 {
                return;
            }
        }
        for (socket, to) in prepared.sockets.iter().zip(FIRST_FD..) {
            if libc::dup2(socket.as_raw_fd(), to) < 0 {
                return;
            }
        }
        libc::execve(prepared.program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
    }
}

fn write_digits(into: &mut [u8], mut number: u32) {
    let mut digits = [0; PID_DIGITS];
    let mut start = digits.len() - 1;
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let length = digits.len() - start;
    into[..length].copy_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_written_without_allocating() {
        for number in [0, 7, 10, 32_768, u32::MAX] {
            let mut text = [b'x'; PID_DIGITS];
            write_digits(&mut text, number);
            let end = text.iter().position(|byte| *byte == 0).unwrap();
            assert_eq!(std::str::from_utf8(&text[..end]).unwrap(), number.to_string());
        }
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find_program("sh").unwrap().is_absolute());
        assert_eq!(find_program("/no/such").unwrap(), PathBuf::from("/no/such"));
        assert!(find_program("no-such-program-here").is_err());
    }

    #[test]
    fn what_systemd_told_the_supervisor_is_not_told_to_its_processes() {
        let process = Process {
            environment: [("A".to_owned(), "b".to_owned())].into(),
            ..Process::default()
        };
        let environment = environment(&process, &[], Path::new("/run/notify.sock"));
        assert!(environment.contains(&"A=b".into()));
        assert!(
            !environment
                .iter()
                .any(|entry| entry.to_string_lossy().starts_with("LISTEN_"))
        );
    }
}
