//! Sockets that a program is handed: sd_listen_fds(3).

use std::env;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// The first descriptor that is handed over; the others follow it.
pub const FIRST_FD: RawFd = 3;

/// A socket and the name that the supervisor's configuration gave it.
pub struct HandedSocket {
    pub name: String,
    pub fd: OwnedFd,
}

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the sockets that this process was started with. The second call gets none.
pub fn take() -> Result<Vec<HandedSocket>, String> {
    let ours = env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    if !ours || TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let names = names(
        &env::var("LISTEN_FDS").unwrap_or_default(),
        &env::var("LISTEN_FDNAMES").unwrap_or_default(),
    )?;
    (FIRST_FD..).zip(names).map(|(fd, name)| own(fd, name)).collect()
}

#[allow(unsafe_code)]
fn own(fd: RawFd, name: String) -> Result<HandedSocket, String> {
    // SAFETY: LISTEN_PID says that this descriptor was opened for this process, and TAKEN lets it be owned once.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))
        .map_err(|error| format!("Cannot take socket \"{name}\" as its descriptor must be open: {error}"))?;
    Ok(HandedSocket { name, fd })
}

fn names(count: &str, names: &str) -> Result<Vec<String>, String> {
    let count: usize =
        count.parse().ok().filter(|count| *count <= 1024).ok_or_else(|| {
            format!("Cannot take sockets as LISTEN_FDS must be a number up to 1024: it is \"{count}\"")
        })?;
    let mut names: Vec<String> = names.split(':').map(str::to_owned).collect();
    names.resize(count, "unknown".to_owned());
    Ok(names)
}

impl HandedSocket {
    /// Whether it was configured under this name, or under it with a suffix: `api` and `api-bridge` are both `api`.
    pub fn is_for(&self, purpose: &str) -> bool {
        self.name
            .strip_prefix(purpose)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    pub fn into_tcp(self) -> Result<tokio::net::TcpListener, String> {
        let name = self.name;
        let listener = TcpListener::from(self.fd);
        listener
            .set_nonblocking(true)
            .and_then(|()| tokio::net::TcpListener::from_std(listener))
            .map_err(|error| {
                format!("Cannot accept on socket \"{name}\" as it must be a listening TCP socket: {error}")
            })
    }

    pub fn into_udp(self) -> Result<tokio::net::UdpSocket, String> {
        let name = self.name;
        let socket = UdpSocket::from(self.fd);
        socket
            .set_nonblocking(true)
            .and_then(|()| tokio::net::UdpSocket::from_std(socket))
            .map_err(|error| format!("Cannot receive on socket \"{name}\" as it must be a UDP socket: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_socket_has_its_name_and_the_rest_are_unknown() {
        assert_eq!(names("3", "api:dns-udp").unwrap(), ["api", "dns-udp", "unknown"]);
        assert_eq!(names("0", "").unwrap(), Vec::<String>::new());
        assert!(names("many", "").is_err());
    }

    #[test]
    fn a_purpose_covers_its_suffixes_only() {
        let socket = |name: &str| HandedSocket {
            name: name.to_owned(),
            fd: TcpListener::bind("127.0.0.1:0").unwrap().into(),
        };
        assert!(socket("api").is_for("api"));
        assert!(socket("api-bridge").is_for("api"));
        assert!(!socket("apiary").is_for("api"));
    }
}
