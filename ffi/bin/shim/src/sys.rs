//! System calls that the standard library has no name for. All unsafe code of the shim is here.
#![allow(unsafe_code)]

use crate::Report;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Error, ErrorKind};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Leaves the starter: the caller goes on in a child with its own session, whose standard output has become the
/// report and whose orphaned grandchildren come to it. The working directory is `directory`, so that its sockets have
/// short names.
pub fn detach(directory: &Path) -> io::Result<Report> {
    let path = CString::new(directory.as_os_str().as_bytes())?;
    // SAFETY: plain calls without pointers, but for two strings that outlive them. The process has one thread, so
    // the child of fork may do anything; descriptors from 3 on were inherited and nothing here owns them.
    unsafe {
        check(libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) as libc::c_int)?;
        if check(libc::fork())? > 0 {
            libc::_exit(0);
        }
        check(libc::setsid())?;
        check(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))?;
        libc::umask(0o022);
        check(libc::chdir(path.as_ptr()))?;
        let report = check(libc::fcntl(libc::STDOUT_FILENO, libc::F_DUPFD_CLOEXEC, 3))?;
        let null = check(libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC))?;
        for standard in 0..=2 {
            check(libc::dup2(null, standard))?;
        }
        libc::close(null);
        // Caught and not ignored: what is ignored stays so in the programs that are started later.
        for signal in [
            libc::SIGHUP,
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGTERM,
            libc::SIGUSR1,
            libc::SIGUSR2,
        ] {
            catch(signal)?;
        }
        catch(libc::SIGCHLD)?;
        Ok(Report::new(File::from_raw_fd(report)))
    }
}

extern "C" fn nothing(_signal: libc::c_int) {}

fn catch(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: the action is whole: zero is a valid mask and flags; the handler does nothing and so is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = nothing as *const () as libc::sighandler_t;
        check(libc::sigaction(signal, &action, std::ptr::null_mut()))?;
    }
    Ok(())
}

/// The kernel kills others first when memory is short: whoever loses the shim loses the exit code.
pub fn spare_from_oom() {
    let _ = std::fs::write("/proc/self/oom_score_adj", "-998");
}

pub fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor that comes back is new and owned by nobody else.
    unsafe {
        let fd = check(libc::syscall(libc::SYS_pidfd_open, pid, 0) as libc::c_int)?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Waits for the end of a child without reaping it.
pub fn status(pid: i32) -> io::Result<ExitStatus> {
    loop {
        // SAFETY: zero is a valid siginfo_t; the pointer is to a local that outlives the call, and the fields that are
        // read are those that the kernel fills in for a child.
        unsafe {
            let mut info: libc::siginfo_t = zeroed();
            match check(libc::waitid(
                libc::P_PID,
                pid as libc::id_t,
                &mut info,
                libc::WEXITED | libc::WNOWAIT,
            )) {
                Ok(_) if info.si_code == libc::CLD_EXITED => return Ok(ExitStatus::from_raw(info.si_status() << 8)),
                Ok(_) => return Ok(ExitStatus::from_raw(info.si_status())),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reaps a child that has ended or is about to.
pub fn wait(pid: i32) -> io::Result<ExitStatus> {
    let mut status = 0;
    loop {
        // SAFETY: the pointer is to a local that outlives the call.
        match check(unsafe { libc::waitpid(pid, &mut status, 0) }) {
            Ok(_) => return Ok(ExitStatus::from_raw(status)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reaps what was orphaned by the container, but leaves the container's own process to [`wait`].
pub fn reap_others(than: i32) {
    loop {
        // SAFETY: zero is a valid siginfo_t; the pointers are to locals that outlive the calls.
        unsafe {
            let mut info: libc::siginfo_t = zeroed();
            let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            if libc::waitid(libc::P_ALL, 0, &mut info, options) < 0 {
                return;
            }
            let pid = info.si_pid();
            if pid == 0 || pid == than {
                return;
            }
            libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG);
        }
    }
}

/// Waits for every child there is.
pub fn reap_all() {
    // SAFETY: a null pointer means that the status is not wanted.
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } > 0
        || Error::last_os_error().kind() == ErrorKind::Interrupted
    {}
}

/// Waits until one of the descriptors is ready. A signal is no error: nothing is ready then.
pub fn poll(polls: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<()> {
    // Rounded up: a wait of half a millisecond must not become a busy loop.
    let milliseconds = timeout.map_or(-1, |time| time.as_micros().div_ceil(1000).min(i32::MAX as u128) as i32);
    // SAFETY: the pointer and the length are of one slice.
    match check(unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, milliseconds) }) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            polls.iter_mut().for_each(|entry| entry.revents = 0);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

pub fn set_nonblocking(fd: &impl AsFd) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: no pointers.
    unsafe {
        let flags = check(libc::fcntl(fd, libc::F_GETFL))?;
        check(libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK))?;
    }
    Ok(())
}

pub fn set_window_size(terminal: &impl AsFd, columns: u16, rows: u16) -> io::Result<()> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCSWINSZ reads one winsize, which outlives the call.
    check(unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ as _, &size) })?;
    Ok(())
}

/// The one descriptor that comes with a message (SCM_RIGHTS): how an OCI runtime hands over a terminal.
pub fn receive_fd(socket: &UnixStream) -> io::Result<OwnedFd> {
    const SPACE: usize = 64;
    #[repr(align(8))]
    struct Control([u8; SPACE]);
    let (mut data, mut control) = ([0u8; 256], Control([0; SPACE]));
    // SAFETY: zero is a valid msghdr; every pointer in it is to a local that outlives the call, with its own length.
    // The control message is read only where CMSG_FIRSTHDR found a whole header of the expected kind and length.
    unsafe {
        let mut part = libc::iovec {
            iov_base: data.as_mut_ptr().cast(),
            iov_len: data.len(),
        };
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = SPACE as _;
        check(libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC) as libc::c_int)?;
        let header = libc::CMSG_FIRSTHDR(&message);
        let holds_one = !header.is_null()
            && (*header).cmsg_level == libc::SOL_SOCKET
            && (*header).cmsg_type == libc::SCM_RIGHTS
            && (*header).cmsg_len as usize >= libc::CMSG_LEN(size_of::<RawFd>() as u32) as usize;
        if !holds_one {
            return Err(Error::new(
                ErrorKind::InvalidData,
                "no descriptor came with the message",
            ));
        }
        Ok(OwnedFd::from_raw_fd(
            libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned(),
        ))
    }
}

/// Machines that mount cgroup v1 and v2 side by side: crun refuses them as long as it sees the v2 mount.
pub fn has_hybrid_cgroups() -> bool {
    const CGROUP2: libc::c_long = libc::CGROUP2_SUPER_MAGIC as libc::c_long;
    file_system(c"/sys/fs/cgroup") != Some(CGROUP2) && file_system(c"/sys/fs/cgroup/unified") == Some(CGROUP2)
}

fn file_system(path: &CStr) -> Option<libc::c_long> {
    // SAFETY: zero is a valid statfs; both pointers outlive the call.
    unsafe {
        let mut found: libc::statfs = zeroed();
        (libc::statfs(path.as_ptr(), &mut found) == 0).then_some(found.f_type as libc::c_long)
    }
}

/// Lets `command` see cgroup v1 alone. It gets a mount namespace of its own for that: nobody else's view changes, and
/// mounts that it makes elsewhere travel as before.
pub fn hide_cgroup_v2(command: &mut Command) {
    // SAFETY: between fork and exec only async-signal-safe calls are made, with strings that live for ever.
    unsafe {
        command.pre_exec(|| {
            let none = std::ptr::null();
            check(libc::unshare(libc::CLONE_NEWNS))?;
            check(libc::mount(
                none,
                c"/sys/fs/cgroup".as_ptr(),
                none,
                libc::MS_PRIVATE,
                none.cast(),
            ))?;
            check(libc::umount2(c"/sys/fs/cgroup/unified".as_ptr(), libc::MNT_DETACH))?;
            Ok(())
        });
    }
}

/// Whoever this is on the machine, it owns nothing: the user that Kubernetes runs its pause containers as.
const NOBODY: libc::uid_t = 65535;

/// Starts a process that is the first of a new namespace of processes and only waits for others to end, in an empty
/// root of its own and without rights. Returns its id as seen from here.
pub fn pause_in_new_namespace() -> io::Result<i32> {
    let (mut told, tell) = std::io::pipe()?;
    // SAFETY: plain calls without pointers; the process has one thread, so that the child of fork may do anything.
    let pid = unsafe {
        check(libc::unshare(libc::CLONE_NEWPID | libc::CLONE_NEWNS))?;
        check(libc::fork())?
    };
    if pid == 0 {
        drop(told);
        close_all_but(tell.as_raw_fd());
        let ready = give_up_everything().and_then(|()| std::io::Write::write_all(&mut &tell, b"+"));
        drop(tell);
        if ready.is_err() {
            // SAFETY: never returns.
            unsafe { libc::_exit(1) };
        }
        loop {
            // SAFETY: no pointers. Children are buried by the kernel, as SIGCHLD is ignored.
            unsafe { libc::pause() };
        }
    }
    drop(tell);
    let mut said = Vec::new();
    std::io::Read::read_to_end(&mut told, &mut said)?;
    match said.is_empty() {
        false => Ok(pid),
        true => Err(Error::other("the process could not give up its rights")),
    }
}

/// Whoever waits for the end of what is inherited must not wait for this process.
fn close_all_but(kept: RawFd) {
    let kept = kept as libc::c_uint;
    for (first, last) in [(0, kept.saturating_sub(1)), (kept + 1, libc::c_uint::MAX)] {
        // SAFETY: no pointers, and nobody uses these descriptors any more.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) };
    }
}

fn give_up_everything() -> io::Result<()> {
    let none = std::ptr::null();
    // SAFETY: plain calls; every string is a constant, null pointers stand for what is not needed.
    unsafe {
        let private = libc::MS_REC | libc::MS_PRIVATE;
        check(libc::mount(none, c"/".as_ptr(), none, private, std::ptr::null()))?;
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC | libc::MS_RDONLY;
        let (kind, place) = (c"tmpfs".as_ptr(), c"/proc".as_ptr());
        check(libc::mount(
            kind,
            place,
            kind,
            flags,
            c"size=0k,nr_inodes=1".as_ptr().cast(),
        ))?;
        check(libc::chdir(place))?;
        check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) as libc::c_int)?;
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH))?;
        check(libc::chdir(c"/".as_ptr()))?;
        give_up_rights()?;
        if libc::signal(libc::SIGCHLD, libc::SIG_IGN) == libc::SIG_ERR {
            return Err(Error::last_os_error());
        }
    }
    Ok(())
}

/// From here on the process, which must have one thread, makes its sockets in this network namespace.
pub fn enter_network(namespace: &File) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) })?;
    Ok(())
}

/// From here on the process owns nothing and may do nothing that others may not.
pub fn give_up_rights() -> io::Result<()> {
    // SAFETY: plain calls; a null pointer is allowed for an empty list.
    unsafe {
        check(libc::setgroups(0, std::ptr::null()))?;
        check(libc::setresgid(NOBODY, NOBODY, NOBODY))?;
        check(libc::setresuid(NOBODY, NOBODY, NOBODY))?;
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
    }
    Ok(())
}

/// Says the last that is to be said, so that whoever reads sees the end. Who does not read is gone.
pub fn finish_stdout(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
    let _ = std::io::Write::flush(&mut std::io::stdout());
    // SAFETY: both are strings and descriptors that are valid; standard output stays open, on nothing.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if null >= 0 {
            libc::dup2(null, libc::STDOUT_FILENO);
            libc::close(null);
        }
    }
}
