//! The places of connections: so many in all, and of those so many for one client, so that none takes them from others.
//!
//! Who is not known yet counts by where he comes from. A verified certificate says more: its connection then counts for
//! its user and no longer for the address, so that a thousand nodes behind one address have what each of them needs.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits;
use crate::shares::{Share, Shares};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// An address, or of IPv6 the network of 64 bits, as whoever has one address of that has all of them.
    Network(IpAddr),
    /// Of a verified certificate.
    User(String),
    /// Tunnels of a node.
    Tunnels(String),
}

#[derive(Clone)]
pub struct Places {
    all: Arc<Semaphore>,
    clients: Arc<Shares<Client>>,
}

/// That of one connection, until it is dropped.
pub struct Place {
    _all: OwnedSemaphorePermit,
    clients: Arc<Shares<Client>>,
    /// None for this machine itself.
    share: Option<Share<Client>>,
}

impl Places {
    pub fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits::CONNECTIONS_MAX)),
            clients: Shares::new(),
        }
    }

    /// Waits until there is one for somebody who has not connected yet.
    pub async fn free(&self) -> Option<OwnedSemaphorePermit> {
        // None only when it is closed, which it never is.
        self.all.clone().acquire_owned().await.ok()
    }

    /// None when the client's part is used up.
    pub fn admit(&self, all: OwnedSemaphorePermit, remote: IpAddr) -> Option<Place> {
        let share = match network(remote) {
            // Whoever is on this machine shares it with the server anyway.
            address if address.is_loopback() => None,
            address => Some(
                self.clients
                    .take(Client::Network(address), limits::CONNECTIONS_PER_ADDRESS_MAX)?,
            ),
        };
        Some(Place {
            _all: all,
            clients: self.clients.clone(),
            share,
        })
    }
}

impl Place {
    /// Counts it for somebody else from now on. False when that one's part is used up.
    #[must_use]
    pub fn pass_to(&mut self, client: Client) -> bool {
        let most = match &client {
            Client::Tunnels(_) => limits::TUNNELS_PER_NODE_MAX,
            // This machine's own.
            Client::User(_) if self.share.is_none() => return true,
            Client::User(_) => limits::CONNECTIONS_PER_USER_MAX,
            Client::Network(_) => limits::CONNECTIONS_PER_ADDRESS_MAX,
        };
        let share = self.clients.take(client, most);
        let passed = share.is_some();
        if passed {
            self.share = share;
        }
        passed
    }
}

fn network(remote: IpAddr) -> IpAddr {
    match remote.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(places: &Places, from: &str, count: usize) -> Vec<Place> {
        let admit = || {
            let all = places.all.clone().try_acquire_owned().ok()?;
            places.admit(all, from.parse().ok()?)
        };
        (0..count).map_while(|_| admit()).collect()
    }

    #[test]
    fn an_address_has_its_part_and_leaves_the_others_theirs() {
        let places = Places::new();
        let most = limits::CONNECTIONS_PER_ADDRESS_MAX;
        let held = admitted(&places, "192.0.2.1", most + 1);
        assert_eq!(held.len(), most);
        assert_eq!(admitted(&places, "::ffff:192.0.2.1", 1).len(), 0);
        assert_eq!(admitted(&places, "192.0.2.2", 1).len(), 1);
        drop(held);
        assert_eq!(admitted(&places, "192.0.2.1", 1).len(), 1);
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_this_machine_is_not_limited() {
        let places = Places::new();
        let most = limits::CONNECTIONS_PER_ADDRESS_MAX;
        let _held = admitted(&places, "2001:db8::1", most);
        assert_eq!(admitted(&places, "2001:db8::2", 1).len(), 0);
        assert_eq!(admitted(&places, "2001:db8:0:1::1", 1).len(), 1);
        for own in ["127.0.0.1", "::1"] {
            assert_eq!(admitted(&places, own, most + 1).len(), most + 1);
        }
    }

    #[test]
    fn who_has_a_certificate_counts_by_it() {
        let places = Places::new();
        let mut held = Vec::new();
        for node in 0..2 * limits::CONNECTIONS_PER_ADDRESS_MAX {
            let mut place = admitted(&places, "192.0.2.1", 1).pop().unwrap();
            assert!(place.pass_to(Client::User(format!("system:node:{node}"))));
            held.push(place);
        }
        let one = || Client::User("one".to_owned());
        for _ in 0..limits::CONNECTIONS_PER_USER_MAX {
            let mut place = admitted(&places, "192.0.2.1", 1).pop().unwrap();
            assert!(place.pass_to(one()));
            held.push(place);
        }
        let mut place = admitted(&places, "192.0.2.3", 1).pop().unwrap();
        assert!(!place.pass_to(one()));
    }
}
