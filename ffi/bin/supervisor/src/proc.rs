//! What /proc says about processes and their sockets.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::RawFd;

use crate::config::Protocol;

/// Page size of every architecture that the supervisor is built for.
const PAGE_BYTES: u64 = 4096;

/// Clock ticks between the machine's start and the process's. None when it does not exist or is a zombie.
pub fn start_ticks(pid: i32) -> Option<u64> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The command in parentheses may hold spaces and parentheses itself, so fields are counted from its end.
fn parse_stat(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        None
    } else {
        fields.nth(18)?.parse().ok()
    }
}

pub fn memory_bytes(pid: i32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * PAGE_BYTES
}

/// Differs between two starts of the machine, after which process ids and ticks mean nothing.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The descriptor under which a process holds the socket of an inode.
pub fn find_socket(pid: i32, inode: u64) -> Option<RawFd> {
    let wanted = format!("socket:[{inode}]");
    fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .flatten()
        .find_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            if target.to_str() == Some(&wanted) {
                entry.file_name().to_str()?.parse().ok()
            } else {
                None
            }
        })
}

/// The processes that hold a port.
pub fn holders(protocol: Protocol, address: SocketAddr) -> Vec<i32> {
    let tables = match protocol {
        Protocol::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
        Protocol::Udp => ["/proc/net/udp", "/proc/net/udp6"],
    };
    let inodes: Vec<u64> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| inodes_of_port(&table, protocol, address.port()))
        .collect();
    let holds = |pid: &i32| inodes.iter().any(|inode| find_socket(*pid, *inode).is_some());
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(holds)
        .collect()
}

/// A process for people: `process 123 (nginx)`.
pub fn describe(pid: i32) -> String {
    let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("process {pid} ({})", command.trim())
}

/// Inodes of the sockets that listen on a port, from the text of /proc/net/tcp or the like.
fn inodes_of_port(table: &str, protocol: Protocol, port: u16) -> Vec<u64> {
    const TCP_LISTEN: &str = "0A";
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (_, hex) = fields.get(1)?.rsplit_once(':')?;
            let listens = protocol == Protocol::Udp || *fields.get(3)? == TCP_LISTEN;
            let matches = listens && u16::from_str_radix(hex, 16).ok()? == port;
            if matches { fields.get(9)?.parse().ok() } else { None }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_ticks_are_found_behind_any_command_name() {
        let tail = "S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000";
        assert_eq!(parse_stat(&format!("42 (a) b (c)) {tail}")), Some(98765));
        assert_eq!(parse_stat(&format!("42 (sh) {}", tail.replacen('S', "Z", 1))), None);
    }

    #[test]
    fn only_listening_sockets_hold_a_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n\
            1: 0100007F:192B 0100007F:8000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1\n";
        assert_eq!(inodes_of_port(table, Protocol::Tcp, 6443), [4711]);
        assert_eq!(inodes_of_port(table, Protocol::Tcp, 80), Vec::<u64>::new());
    }

    #[test]
    fn this_process_exists_and_finds_its_own_socket() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let pid = std::process::id() as i32;
        assert!(start_ticks(pid).is_some());
        assert_eq!(holders(Protocol::Tcp, listener.local_addr().unwrap()), [pid]);
    }
}
