//! Parts of proto3 JSON that serde does not read by itself.

use serde::{Deserialize, Deserializer, de::Error};

use crate::v1::supervised_socket::Protocol;

/// An enum's value by its name, as protobuf-es and protoc write it.
pub fn socket_protocol<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    let name = String::deserialize(deserializer)?;
    let protocol = Protocol::from_str_name(&name).ok_or_else(|| {
        D::Error::custom(format!(
            "Cannot read a socket's protocol as it must be PROTOCOL_TCP or PROTOCOL_UDP: {name}"
        ))
    })?;
    Ok(protocol as i32)
}

#[cfg(test)]
mod tests {
    use crate::v1::{SupervisorConfig, supervised_socket::Protocol};

    #[test]
    fn a_supervisors_configuration_is_read_from_json() {
        let config: SupervisorConfig = serde_json::from_str(
            r#"{
                "sockets": [{"name": "api", "protocol": "PROTOCOL_TCP", "address": "127.0.0.1:6443"}],
                "processes": [{"name": "server", "command": ["deno"], "environment": {"A": "b"}, "logPath": "/l"}]
            }"#,
        )
        .unwrap();
        assert_eq!(config.sockets[0].protocol(), Protocol::Tcp);
        assert_eq!(config.processes[0].environment["A"], "b");
        assert_eq!(
            (
                config.processes[0].log_path.as_str(),
                config.processes[0].stop_timeout_ms
            ),
            ("/l", 0)
        );
    }
}
