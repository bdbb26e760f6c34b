//! Conversations with the kernel, each on a thread of its own: a thread that has entered another namespace is never
//! used for anything else.

use crate::address::Address;
use futures::TryStreamExt;
use k3ts_frames::{ErrorContext, RpcError};
use nix::sched::{CloneFlags, setns};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::{Handle, LinkUnspec, new_connection};
use std::fs::File;
use std::net::IpAddr;
use std::path::Path;
use std::thread;
use tokio::runtime::Builder;

/// Talks about the namespace of the calling thread, or of the one that `namespace` is a path of.
pub fn talk<T: Send>(
    namespace: Option<&Path>,
    work: impl AsyncFnOnce(Handle) -> Result<T, RpcError> + Send,
) -> Result<T, RpcError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("k3ts-netlink".to_owned());
        let handle = thread
            .spawn_scoped(scope, || {
                if let Some(path) = namespace {
                    enter(path)?;
                }
                let doing = || "Cannot talk to the kernel".to_owned();
                let runtime = Builder::new_current_thread().enable_io().build().doing(doing)?;
                runtime.block_on(async {
                    let (connection, handle, _) = new_connection().doing(doing)?;
                    tokio::spawn(connection);
                    work(handle).await
                })
            })
            .doing(|| "Cannot start a thread".to_owned())?;
        handle
            .join()
            .unwrap_or_else(|_| Err(RpcError::internal("The thread for netlink failed unexpectedly")))
    })
}

fn enter(namespace: &Path) -> Result<(), RpcError> {
    let doing = || format!("Cannot enter the network namespace {}", namespace.display());
    let file = File::open(namespace).doing(doing)?;
    setns(file, CloneFlags::CLONE_NEWNET)
        .map_err(std::io::Error::from)
        .doing(doing)
}

/// Says what was being done when the kernel refused.
pub trait NetlinkContext<T> {
    fn netlink(self, action: impl FnOnce() -> String) -> Result<T, RpcError>;
}

impl<T> NetlinkContext<T> for Result<T, rtnetlink::Error> {
    fn netlink(self, action: impl FnOnce() -> String) -> Result<T, RpcError> {
        self.map_err(io_error).doing(action)
    }
}

pub fn io_error(error: rtnetlink::Error) -> std::io::Error {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => std::io::Error::other(other),
    }
}

pub async fn find_link(handle: &Handle, name: &str) -> Result<Option<LinkMessage>, RpcError> {
    let found = handle
        .link()
        .get()
        .match_name(name.to_owned())
        .execute()
        .try_next()
        .await;
    match found.map_err(io_error) {
        Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Ok(None),
        found => found.doing(|| format!("Cannot look for the interface {name}")),
    }
}

pub async fn require_link(handle: &Handle, name: &str) -> Result<LinkMessage, RpcError> {
    find_link(handle, name)
        .await?
        .ok_or_else(|| RpcError::not_found(format!("Cannot find the interface {name}")))
}

pub async fn delete_link(handle: &Handle, name: &str) -> Result<(), RpcError> {
    let Some(link) = find_link(handle, name).await? else {
        return Ok(());
    };
    match handle.link().del(link.header.index).execute().await.map_err(io_error) {
        // It went by itself: its other end, or its namespace, was removed.
        Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Ok(()),
        deleted => deleted.doing(|| format!("Cannot remove the interface {name}")),
    }
}

/// Brings a link up, with the rest of what `change` says about it.
pub async fn set_link(handle: &Handle, name: &str, change: LinkMessage) -> Result<(), RpcError> {
    handle
        .link()
        .set(change)
        .execute()
        .await
        .netlink(|| format!("Cannot set up the interface {name}"))
}

pub async fn bring_up(handle: &Handle, name: &str) -> Result<(), RpcError> {
    let link = require_link(handle, name).await?;
    if is_up(&link) {
        return Ok(());
    }
    set_link(handle, name, LinkUnspec::new_with_index(link.header.index).up().build()).await
}

pub fn is_up(link: &LinkMessage) -> bool {
    link.header.flags.contains(LinkFlags::Up)
}

pub fn name_of(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

pub fn mac_of(link: &LinkMessage) -> Option<&[u8]> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(mac) => Some(mac.as_slice()),
        _ => None,
    })
}

/// The bridge that a link hangs on, by its index.
pub fn controller_of(link: &LinkMessage) -> Option<u32> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Controller(index) => Some(*index),
        _ => None,
    })
}

/// The other end of a veth, by its index there.
pub fn peer_of(link: &LinkMessage) -> Option<u32> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Link(index) => Some(*index),
        _ => None,
    })
}

/// Whether the kernel makes a route for the address's whole prefix.
#[derive(Clone, Copy, PartialEq)]
pub enum PrefixRoute {
    Yes,
    No,
}

/// Gives a link exactly these addresses. What the kernel gave by itself (IPv6 link-local) stays.
pub async fn set_addresses(
    handle: &Handle,
    index: u32,
    wanted: &[Address],
    route: PrefixRoute,
) -> Result<(), RpcError> {
    let mut present = Vec::new();
    for message in addresses_of(handle, Some(index)).await? {
        match address_of(&message) {
            Some(address) if is_link_local(&address) => {}
            Some(address) if wanted.contains(&address) && has_route(&message) == route => present.push(address),
            Some(address) => handle
                .address()
                .del(message)
                .execute()
                .await
                .netlink(|| format!("Cannot remove the address {address}"))?,
            None => {}
        }
    }
    for address in wanted.iter().filter(|address| !present.contains(address)) {
        let mut request = handle.address().add(index, address.ip, address.prefix);
        if route == PrefixRoute::No {
            request
                .message_mut()
                .attributes
                .push(AddressAttribute::Flags(AddressFlags::Noprefixroute));
        }
        request
            .execute()
            .await
            .netlink(|| format!("Cannot add the address {address}"))?;
    }
    Ok(())
}

/// Of one link, or of all.
pub async fn addresses_of(handle: &Handle, index: Option<u32>) -> Result<Vec<AddressMessage>, RpcError> {
    let mut request = handle.address().get();
    if let Some(index) = index {
        request = request.set_link_index_filter(index);
    }
    request
        .execute()
        .try_collect()
        .await
        .netlink(|| "Cannot list addresses".to_owned())
}

/// An IPv4 address stands as local, with the other end of a point-to-point link as address.
pub fn address_of(message: &AddressMessage) -> Option<Address> {
    let find = |local: bool| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(ip) if local => Some(*ip),
            AddressAttribute::Address(ip) if !local => Some(*ip),
            _ => None,
        })
    };
    Some(Address {
        ip: find(true).or_else(|| find(false))?,
        prefix: message.header.prefix_len,
    })
}

fn has_route(message: &AddressMessage) -> PrefixRoute {
    let without = message.attributes.iter().any(
        |attribute| matches!(attribute, AddressAttribute::Flags(flags) if flags.contains(AddressFlags::Noprefixroute)),
    );
    if without { PrefixRoute::No } else { PrefixRoute::Yes }
}

pub fn is_link_local(address: &Address) -> bool {
    matches!(address.ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}
