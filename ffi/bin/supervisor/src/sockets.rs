//! The listening sockets, which outlive the processes that use them.

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket, sockopt,
};

use crate::config::{Protocol, Socket};
use crate::files::RecordedSocket;
use crate::pidfd::PidFd;
use crate::proc;

/// Connections that wait for a process that restarts; the kernel may allow fewer.
const BACKLOG: i32 = 4096;

pub struct BoundSocket {
    pub socket: Socket,
    pub fd: OwnedFd,
    /// By which it is found again in a process that holds a copy.
    pub inode: u64,
}

impl BoundSocket {
    pub fn new(socket: Socket, fd: OwnedFd) -> std::io::Result<Self> {
        let file = File::from(fd);
        let inode = file.metadata()?.ino();
        Ok(Self {
            socket,
            fd: file.into(),
            inode,
        })
    }

    /// From one of the processes that may still hold a copy of it.
    pub fn take_back<'a>(record: RecordedSocket, mut holders: impl Iterator<Item = (i32, &'a PidFd)>) -> Option<Self> {
        let copy = holders.find_map(|(pid, pidfd)| {
            let fd = proc::find_socket(pid, record.inode)?;
            pidfd.descriptor(fd).ok()
        })?;
        // The process may have closed the descriptor, and opened another, since it was found.
        Self::new(record.socket, copy)
            .ok()
            .filter(|socket| socket.inode == record.inode)
    }

    pub fn bind(socket: &Socket) -> Result<Self, BindError> {
        let failed = |reason: &str, holders: Vec<i32>| BindError {
            message: format!(
                "Cannot listen on {} ({}) as {reason}",
                socket.address,
                socket.protocol.name()
            ),
            holders,
        };
        let bound = open(socket).and_then(|fd| {
            Self::new(socket.clone(), fd).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))
        });
        bound.map_err(|errno| match errno {
            Errno::EADDRINUSE => {
                let holders = proc::holders(socket.protocol, socket.address);
                let holder = holders
                    .first()
                    .map_or("another process".to_owned(), |pid| proc::describe(*pid));
                failed(&format!("the port must be free: {holder} holds it"), holders)
            }
            errno => failed(&format!("the system must allow it: {}", errno.desc()), Vec::new()),
        })
    }
}

#[derive(Debug)]
pub struct BindError {
    pub message: String,
    /// The processes that hold the port, as far as they can be seen.
    pub holders: Vec<i32>,
}

fn open(wanted: &Socket) -> nix::Result<OwnedFd> {
    let family = match wanted.address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let kind = match wanted.protocol {
        Protocol::Tcp => SockType::Stream,
        Protocol::Udp => SockType::Datagram,
    };
    let fd = socket(family, kind, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
    // The address may be a bridge's that somebody makes later.
    setsockopt(&fd, sockopt::IpFreebind, &true)?;
    if wanted.protocol == Protocol::Tcp {
        // For UDP it would let a second socket take the port unnoticed.
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(wanted.address))?;
    if wanted.protocol == Protocol::Tcp {
        listen(&fd, Backlog::new(BACKLOG)?)?;
    }
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(protocol: Protocol, address: &str) -> Socket {
        Socket {
            name: "api".to_owned(),
            protocol,
            address: address.parse().unwrap(),
        }
    }

    #[test]
    fn a_port_in_use_is_told_with_its_holder() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let error = BoundSocket::bind(&wanted(Protocol::Tcp, &address.to_string()))
            .err()
            .unwrap();
        let start = format!(
            "Cannot listen on {address} (tcp) as the port must be free: process {} (",
            std::process::id()
        );
        assert!(error.message.starts_with(&start), "{error:?}");
        assert_eq!(error.holders, [std::process::id() as i32]);
    }

    #[test]
    fn a_udp_port_cannot_be_taken_twice() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(BoundSocket::bind(&wanted(Protocol::Udp, &socket.local_addr().unwrap().to_string())).is_err());
    }

    #[test]
    fn an_address_need_not_exist_yet() {
        BoundSocket::bind(&wanted(Protocol::Tcp, "192.0.2.1:0")).unwrap();
    }
}
