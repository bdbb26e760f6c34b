//! Hears processes say that they are ready: sd_notify(3).

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, setsockopt, sockopt};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::watch;

/// Of one message; what is said beyond is not for us.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Processes that have said so and are not forgotten; more than are ever supervised.
const READY_MAX: usize = 1024;

/// Knows by their ids who is ready.
#[derive(Clone)]
pub struct Readiness {
    path: PathBuf,
    ready: Arc<watch::Sender<BTreeSet<i32>>>,
}

impl Readiness {
    /// Listens on a datagram socket that the processes' `NOTIFY_SOCKET` names. One that an earlier supervisor left is
    /// replaced.
    pub fn listen(path: PathBuf) -> Result<Self, String> {
        let failed = |error: io::Error| {
            format!(
                "Cannot listen on {} as a unix socket must be made there: {error}",
                path.display()
            )
        };
        let socket = bind(&path).map_err(failed)?;
        let ready = Arc::new(watch::Sender::new(BTreeSet::new()));
        let told = ready.clone();
        tokio::spawn(async move {
            loop {
                // Fails for a message that cannot be understood, which is nobody's.
                if let Ok(Some(pid)) = receive(&socket).await {
                    told.send_modify(|ready| {
                        if ready.len() < READY_MAX {
                            ready.insert(pid);
                        }
                    });
                }
            }
        });
        Ok(Self { path, ready })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn is_ready(&self, pid: i32) -> bool {
        self.ready.borrow().contains(&pid)
    }

    pub async fn wait(&self, pid: i32) {
        // Fails only with the sender, which is held here.
        let _ = self.ready.subscribe().wait_for(|ready| ready.contains(&pid)).await;
    }

    /// The process has ended, and its id may become another's.
    pub fn forget(&self, pid: i32) {
        self.ready.send_modify(|ready| {
            ready.remove(&pid);
        });
    }
}

fn bind(path: &Path) -> io::Result<UnixDatagram> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixDatagram::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    // The kernel says who has sent a message, so that nobody can say it for somebody else.
    setsockopt(&socket, sockopt::PassCred, &true)?;
    Ok(socket)
}

/// Who has said that it is ready; none when a message said something else.
async fn receive(socket: &UnixDatagram) -> io::Result<Option<i32>> {
    socket
        .async_io(Interest::READABLE, || {
            let mut text = [0; MESSAGE_BYTES_MAX];
            let mut control = nix::cmsg_space!(nix::sys::socket::UnixCredentials);
            let mut slices = [IoSliceMut::new(&mut text)];
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
            let message = recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
            let sender = message.cmsgs()?.find_map(|message| match message {
                ControlMessageOwned::ScmCredentials(sender) => Some(sender.pid()),
                _ => None,
            });
            let count = message.bytes;
            let ready = text[..count]
                .split(|byte| *byte == b'\n')
                .any(|line| line == b"READY=1");
            Ok(sender.filter(|_| ready))
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_one_who_says_so_is_ready() {
        let path = std::env::temp_dir().join(format!("k3ts-notify-{}.sock", std::process::id()));
        let readiness = Readiness::listen(path.clone()).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let ours = std::process::id() as i32;
        sender.send_to(b"STATUS=begins", &path).await.unwrap();
        assert!(!readiness.is_ready(ours));
        sender.send_to(b"STATUS=serves\nREADY=1", &path).await.unwrap();
        readiness.wait(ours).await;
        assert!(!readiness.is_ready(1));
        readiness.forget(ours);
        assert!(!readiness.is_ready(ours));
        std::fs::remove_file(path).unwrap();
    }
}
