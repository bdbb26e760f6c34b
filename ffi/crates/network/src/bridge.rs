//! The bridge that the node's pods hang on.

use crate::address::{Address, check_interface};
use crate::netlink::{NetlinkContext, PrefixRoute, find_link, require_link, set_addresses, set_link, talk};
use k3ts_frames::{ErrorContext, RpcError};
use k3ts_proto::v1::EnsureBridgeRequest;
use rtnetlink::packet_route::route::{RouteMessage, RouteScope};
use rtnetlink::{LinkBridge, LinkUnspec, RouteMessageBuilder};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

pub const MTU: u32 = 1500;

/// Returns its index.
pub fn ensure_bridge(request: &EnsureBridgeRequest) -> Result<u32, RpcError> {
    let name = &request.name;
    check_interface(name)?;
    let addresses = request
        .addresses
        .iter()
        .map(|text| Address::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    let routes = request
        .routes
        .iter()
        .map(|text| Address::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    let mtu = if request.mtu == 0 { MTU } else { request.mtu };
    let index = talk(None, async |handle| {
        if find_link(&handle, name).await?.is_none() {
            let mut link = LinkBridge::new(name);
            if let Some(first) = addresses.first() {
                // Else it takes that of a pod, and another when that pod goes.
                link = link.address(first.mac());
            }
            handle
                .link()
                .add(link.build())
                .execute()
                .await
                .netlink(|| format!("Cannot make the bridge {name}"))?;
        }
        let index = require_link(&handle, name).await?.header.index;
        set_link(&handle, name, LinkUnspec::new_with_index(index).mtu(mtu).up().build()).await?;
        set_addresses(&handle, index, &addresses, PrefixRoute::Yes).await?;
        for range in &routes {
            let source = addresses
                .iter()
                .find(|address| address.ip.is_ipv4() == range.ip.is_ipv4());
            handle
                .route()
                .add(route_here(range, index, source))
                .replace()
                .execute()
                .await
                .netlink(|| format!("Cannot route {}/{} to {name}", range.ip, range.prefix))?;
        }
        Ok(index)
    })?;
    forward(name)?;
    Ok(index)
}

/// With the bridge's own address as the sender, so that answers find back wherever they come from.
fn route_here(range: &Address, index: u32, source: Option<&Address>) -> RouteMessage {
    match range.ip {
        IpAddr::V4(ip) => {
            let mut route = RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(ip, range.prefix)
                .output_interface(index)
                .scope(RouteScope::Link);
            if let Some(IpAddr::V4(source)) = source.map(|address| address.ip) {
                route = route.pref_source(source);
            }
            route.build()
        }
        IpAddr::V6(ip) => {
            let mut route = RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(ip, range.prefix)
                .output_interface(index);
            if let Some(IpAddr::V6(source)) = source.map(|address| address.ip) {
                route = route.pref_source(source);
            }
            route.build()
        }
    }
}

/// The machine forwards for its pods, and does not tell them of shorter ways: there are none past its rules.
fn forward(bridge: &str) -> Result<(), RpcError> {
    set("ipv4/ip_forward", "1")?;
    set(&format!("ipv4/conf/{bridge}/forwarding"), "1")?;
    set(&format!("ipv4/conf/{bridge}/send_redirects"), "0")?;
    // For host ports on loopback; the rules let nothing else of it through.
    set(&format!("ipv4/conf/{bridge}/route_localnet"), "1")?;
    // The larger of this one and the bridge's own counts.
    set("ipv4/conf/all/send_redirects", "0")
}

fn set(name: &str, value: &str) -> Result<(), RpcError> {
    let path = Path::new("/proc/sys/net").join(name);
    let doing = || format!("Cannot set {} to {value}", path.display());
    if fs::read_to_string(&path).doing(doing)?.trim() == value {
        return Ok(());
    }
    fs::write(&path, value).doing(doing)
}
