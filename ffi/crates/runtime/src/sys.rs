//! Process descriptors, which the wrappers in use have no name for. All unsafe code of this crate is here.
#![allow(unsafe_code)]

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Stays with the one process, however often its number comes again.
pub fn pidfd(pid: i32) -> Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor that comes back is new and owned by nobody else.
    unsafe {
        match libc::syscall(libc::SYS_pidfd_open, pid, 0) {
            fd if fd < 0 => Err(Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd as i32)),
        }
    }
}

/// A process that has ended gets no signal, and that is no error.
pub fn send_signal(process: &OwnedFd, signal: i32) -> Result<()> {
    // SAFETY: a null pointer stands for the usual signal information.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    match Error::last_os_error() {
        error if sent < 0 && error.raw_os_error() != Some(libc::ESRCH) => Err(error),
        _ => Ok(()),
    }
}
