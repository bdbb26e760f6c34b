//! What is to run: `k3ts.v1.SupervisorConfig`, from its file (proto3 JSON) or from a call.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use k3ts_proto::v1 as pb;
use serde::{Deserialize, Serialize};

/// Sockets and processes that one supervisor holds at most.
const ITEMS_MAX: usize = 256;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    pub sockets: Vec<Socket>,
    /// In the order in which they are started.
    pub processes: Vec<Process>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Socket {
    pub name: String,
    pub protocol: Protocol,
    pub address: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    #[serde(rename = "PROTOCOL_TCP")]
    Tcp,
    #[serde(rename = "PROTOCOL_UDP")]
    Udp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Process {
    pub name: String,
    pub command: Vec<String>,
    pub environment: BTreeMap<String, String>,
    pub directory: String,
    /// Names of the sockets that it is handed; several sockets may share a name.
    pub sockets: Vec<String>,
    pub log_path: String,
    pub stop_timeout_ms: u32,
    /// Whether it tells when it serves, and so can be replaced without a pause.
    pub says_ready: bool,
}

impl Config {
    pub fn from_json(text: &str) -> Result<Self, String> {
        let message = serde_json::from_str(text).map_err(|error| {
            format!("Cannot read the configuration as it must be a SupervisorConfig in JSON: {error}")
        })?;
        Self::from_message(message)
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    pub fn from_message(message: pb::SupervisorConfig) -> Result<Self, String> {
        let sockets = message
            .sockets
            .into_iter()
            .map(Socket::from_message)
            .collect::<Result<_, _>>()?;
        let processes = message.processes.into_iter().map(Process::from_message).collect();
        Config { sockets, processes }.validated()
    }

    /// The sockets that a process is handed, in the order of the configuration.
    pub fn sockets_of<'a>(&'a self, process: &'a Process) -> impl Iterator<Item = &'a Socket> {
        self.sockets
            .iter()
            .filter(|socket| process.sockets.contains(&socket.name))
    }

    fn validated(self) -> Result<Self, String> {
        if self.sockets.len() > ITEMS_MAX || self.processes.len() > ITEMS_MAX {
            return Err(format!(
                "Cannot accept the configuration as it may hold {ITEMS_MAX} sockets and processes at most"
            ));
        }
        let mut names = BTreeSet::new();
        for process in &self.processes {
            if !names.insert(&process.name) {
                return Err(format!(
                    "Cannot accept process \"{}\" as its name must be used once",
                    process.name
                ));
            }
            process.validate(&self.sockets)?;
        }
        if let Some(socket) = self
            .sockets
            .iter()
            .find(|socket| socket.name.is_empty() || socket.name.contains(':'))
        {
            return Err(format!(
                "Cannot accept a socket as its name must be text without colons: it is \"{}\"",
                socket.name
            ));
        }
        let places: BTreeSet<_> = self
            .sockets
            .iter()
            .map(|socket| (socket.protocol, socket.address))
            .collect();
        if places.len() < self.sockets.len() {
            return Err("Cannot accept the sockets as each address must be listed once".to_owned());
        }
        Ok(self)
    }
}

impl Process {
    fn from_message(message: pb::SupervisedProcess) -> Self {
        Process {
            name: message.name,
            command: message.command,
            environment: message.environment.into_iter().collect(),
            directory: message.directory,
            sockets: message.sockets,
            log_path: message.log_path,
            stop_timeout_ms: message.stop_timeout_ms,
            says_ready: message.says_ready,
        }
    }

    fn validate(&self, sockets: &[Socket]) -> Result<(), String> {
        let name = &self.name;
        let unusable = |text: &String| text.contains('\0');
        if name.is_empty() || self.command.first().is_none_or(String::is_empty) {
            return Err(format!(
                "Cannot accept process \"{name}\" as it must have a name and a command"
            ));
        }
        let environment = self.environment.iter().flat_map(|(key, value)| [key, value]);
        if self
            .command
            .iter()
            .chain(environment)
            .chain([&self.directory, &self.log_path])
            .any(unusable)
        {
            return Err(format!(
                "Cannot accept process \"{name}\" as its texts must be without NUL"
            ));
        }
        for path in [&self.log_path, &self.directory] {
            if !path.is_empty() && !Path::new(path).is_absolute() {
                return Err(format!(
                    "Cannot accept process \"{name}\" as its paths must be absolute: one is \"{path}\""
                ));
            }
        }
        match self
            .sockets
            .iter()
            .find(|wanted| sockets.iter().all(|socket| &socket.name != *wanted))
        {
            Some(wanted) => Err(format!(
                "Cannot accept process \"{name}\" as its socket \"{wanted}\" must be configured"
            )),
            None => Ok(()),
        }
    }
}

impl Socket {
    fn from_message(message: pb::SupervisedSocket) -> Result<Self, String> {
        let protocol = match message.protocol() {
            pb::supervised_socket::Protocol::Tcp => Protocol::Tcp,
            pb::supervised_socket::Protocol::Udp => Protocol::Udp,
            pb::supervised_socket::Protocol::Unspecified => {
                return Err(format!(
                    "Cannot accept socket \"{}\" as its protocol must be TCP or UDP",
                    message.name
                ));
            }
        };
        let address = message.address.parse().map_err(|_| {
            format!(
                "Cannot accept socket \"{}\" as its address must be like 127.0.0.1:6443: it is \"{}\"",
                message.name, message.address
            )
        })?;
        Ok(Socket {
            name: message.name,
            protocol,
            address,
        })
    }
}

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_proto3_json() {
        let config = Config::from_json(
            r#"{"sockets": [{"name": "api", "protocol": "PROTOCOL_TCP", "address": "127.0.0.1:6443"}],
                "processes": [{"name": "gateway", "command": ["/bin/gateway"], "sockets": ["api"], "stopTimeoutMs": 5000}]}"#,
        )
        .unwrap();
        assert_eq!(config.processes[0].stop_timeout_ms, 5000);
        assert_eq!(config.sockets_of(&config.processes[0]).count(), 1);
        assert_eq!(Config::from_json(&config.to_json()).unwrap(), config);
    }

    #[test]
    fn a_process_cannot_have_a_socket_that_is_not_configured() {
        let error =
            Config::from_json(r#"{"processes": [{"name": "a", "command": ["a"], "sockets": ["api"]}]}"#).unwrap_err();
        assert_eq!(
            error,
            "Cannot accept process \"a\" as its socket \"api\" must be configured"
        );
    }

    #[test]
    fn names_are_used_once() {
        let process = r#"{"name": "a", "command": ["a"]}"#;
        assert!(Config::from_json(&format!(r#"{{"processes": [{process}, {process}]}}"#)).is_err());
    }
}
