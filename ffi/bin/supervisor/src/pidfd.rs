//! A process that cannot be mistaken for a later one with the same id: pidfd_open(2).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::libc;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub struct PidFd(AsyncFd<OwnedFd>);

impl PidFd {
    #[allow(unsafe_code)]
    pub fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: takes numbers only; a result that is not negative is a new descriptor of ours.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and owned by nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
        // SAFETY: an OwnedFd stays open, and the same, for as long as it lives.
        Ok(Self(unsafe {
            AsyncFd::register_with_interest(fd, Interest::READABLE)
        }?))
    }

    #[allow(unsafe_code)]
    pub fn signal(&self, signal: nix::sys::signal::Signal) -> io::Result<()> {
        let info: *const libc::siginfo_t = std::ptr::null();
        // SAFETY: the descriptor is open; without an info the kernel fills in what kill(2) would.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), signal as i32, info, 0) };
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// A copy of a descriptor that the process holds.
    #[allow(unsafe_code)]
    pub fn descriptor(&self, fd: RawFd) -> io::Result<OwnedFd> {
        // SAFETY: takes numbers only; a result that is not negative is a new descriptor of ours, close-on-exec.
        let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, self.0.as_raw_fd(), fd, 0) };
        if copy < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and owned by nobody else.
        Ok(unsafe { OwnedFd::from_raw_fd(copy as RawFd) })
    }

    /// Waits until the process has ended and says how: "exit 1", "signal 9". For a process that an earlier
    /// supervisor started only that it has ended, as its status goes to its parent.
    pub async fn ended(&self, pid: i32) -> String {
        // Fails only with the runtime.
        let _ = self.0.readable().await;
        match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => format!("exit {code}"),
            Ok(WaitStatus::Signaled(_, signal, _)) => format!("signal {}", signal as i32),
            _ => "ended".to_owned(),
        }
    }
}
