//! Addresses with their prefix lengths, and the names of interfaces.

use k3ts_frames::RpcError;
use std::fmt;
use std::net::IpAddr;

const INTERFACE_NAME_BYTES_MAX: usize = 15;

/// Such as 10.42.0.7/24.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub ip: IpAddr,
    pub prefix: u8,
}

impl Address {
    pub fn parse(text: &str) -> Result<Self, RpcError> {
        let parsed = text.split_once('/').and_then(|(ip, prefix)| {
            Some(Address {
                ip: ip.parse().ok()?,
                prefix: prefix.parse().ok()?,
            })
        });
        parsed
            .filter(|address| address.prefix <= address.host_prefix())
            .ok_or_else(|| {
                RpcError::invalid_argument(format!(
                    "Cannot use an address as it must be an IP address with its prefix length: it is {text:?}"
                ))
            })
    }

    /// The prefix length of this address alone.
    pub fn host_prefix(&self) -> u8 {
        if self.ip.is_ipv4() { 32 } else { 128 }
    }

    /// A hardware address that goes with the IP address: when that is given to somebody else, what neighbours
    /// remember stays right.
    pub fn mac(&self) -> Vec<u8> {
        let last_four = match self.ip {
            IpAddr::V4(ip) => ip.octets(),
            IpAddr::V6(ip) => {
                let [.., a, b, c, d] = ip.octets();
                [a, b, c, d]
            }
        };
        [[0x0a, 0x58].as_slice(), &last_four].concat()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.ip, self.prefix)
    }
}

pub fn check_interface(name: &str) -> Result<(), RpcError> {
    let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'/' && byte != b':';
    if (1..=INTERFACE_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits) && name != "." && name != ".." {
        return Ok(());
    }
    Err(RpcError::invalid_argument(format!(
        "Cannot name an interface {name:?} as a name must be 1 to {INTERFACE_NAME_BYTES_MAX} printable characters"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_a_prefix_that_fits() {
        for text in ["10.42.0.1/24", "10.43.0.10/32", "fd00::1/64"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "10.42.0.1",
            "10.42.0.1/33",
            "10.42.0/24",
            "fd00::1/129",
            "10.42.0.1/24/1",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_hardware_address_is_local_and_follows_the_ip() {
        assert_eq!(
            Address::parse("10.42.0.7/24").unwrap().mac(),
            [0x0a, 0x58, 10, 42, 0, 7]
        );
    }

    #[test]
    fn an_interface_name_is_short_and_no_path() {
        assert!(check_interface("k3ts0").is_ok() && check_interface("veth0123456789a").is_ok());
        for name in ["", "a/b", "..", "a b", "veth0123456789ab"] {
            assert!(check_interface(name).is_err(), "{name}");
        }
    }
}
