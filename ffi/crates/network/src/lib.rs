//! Interfaces, addresses and packet rules of this machine: the `NetworkService`. The contract is
//! `proto/k3ts/v1/network.proto`.
//!
//! A pod sends everything to its gateway, even what is for a pod beside it: so all of it passes the machine's packet
//! rules, on the way there and back, without the bridge netfilter module.

mod address;
mod attach;
mod bridge;
mod links;
mod netlink;
mod routes;
mod rules;
mod service;

pub use attach::attach;
pub use bridge::ensure_bridge;
pub use links::{list_links, remove_link};
pub use routes::{find_source, sync_routes};
pub use rules::apply_rules;
pub use service::service;
