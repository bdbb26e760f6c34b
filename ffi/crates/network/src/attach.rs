//! A pod's way to the bridge: a pair of interfaces, one end of which is made inside the pod's namespace.

use crate::address::{Address, check_interface};
use crate::bridge::MTU;
use crate::netlink::{
    NetlinkContext, PrefixRoute, bring_up, controller_of, delete_link, find_link, is_up, mac_of, peer_of, require_link,
    set_addresses, set_link, talk,
};
use k3ts_frames::{ErrorContext, RpcError};
use k3ts_proto::v1::AttachRequest;
use rtnetlink::packet_route::link::{InfoBridgePort, InfoData, InfoVeth, LinkAttribute, LinkMessage};
use rtnetlink::packet_route::route::{RouteMessage, RouteScope};
use rtnetlink::{Handle, LinkBridgePort, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The request, understood.
struct Attachment {
    namespace: PathBuf,
    bridge: String,
    host_interface: String,
    pod_interface: String,
    address: Address,
    gateway: Option<IpAddr>,
    mtu: u32,
}

/// Returns the hardware address of the pod's end. What is already so stays; a pair that leads elsewhere, such as to
/// the namespace of a pod before, is made anew.
pub fn attach(request: &AttachRequest) -> Result<String, RpcError> {
    let wanted = Attachment::parse(request)?;
    let inside = wanted.inside();
    let existing = talk(Some(inside), async |handle| {
        bring_up(&handle, "lo").await?;
        find_link(&handle, &wanted.pod_interface).await
    })?;
    let peer = existing.as_ref().and_then(peer_of);
    talk(None, async |handle| wanted.connect(&handle, peer).await)?;
    talk(Some(inside), async |handle| wanted.configure(&handle).await)
}

impl Attachment {
    fn parse(request: &AttachRequest) -> Result<Self, RpcError> {
        for name in [&request.bridge, &request.host_interface, &request.pod_interface] {
            check_interface(name)?;
        }
        let gateway = match request.gateway.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                RpcError::invalid_argument(format!(
                    "Cannot attach a namespace as its gateway must be an IP address: it is {text:?}"
                ))
            })?),
        };
        Ok(Attachment {
            namespace: PathBuf::from(&request.network_namespace),
            bridge: request.bridge.clone(),
            host_interface: request.host_interface.clone(),
            pod_interface: request.pod_interface.clone(),
            address: Address::parse(&request.address)?,
            gateway,
            mtu: if request.mtu == 0 { MTU } else { request.mtu },
        })
    }

    fn inside(&self) -> &Path {
        &self.namespace
    }

    /// The host's side. `peer` is the index, as seen from the namespace, that the interface there is paired with.
    async fn connect(&self, handle: &Handle, peer: Option<u32>) -> Result<(), RpcError> {
        let bridge = require_link(handle, &self.bridge).await?.header.index;
        let is_pair = |link: &LinkMessage| peer == Some(link.header.index);
        match find_link(handle, &self.host_interface).await? {
            Some(link) if is_pair(&link) => {
                if controller_of(&link) != Some(bridge) || !is_up(&link) {
                    let change = LinkUnspec::new_with_index(link.header.index)
                        .controller(bridge)
                        .up()
                        .build();
                    set_link(handle, &self.host_interface, change).await?;
                }
            }
            other => {
                if other.is_some() {
                    delete_link(handle, &self.host_interface).await?;
                }
                self.make_pair(handle, bridge).await?;
            }
        }
        let index = require_link(handle, &self.host_interface).await?.header.index;
        // A pod that reaches itself through its Service comes back by the port that it came from.
        let port = LinkBridgePort::new(index)
            .append_info_data(InfoBridgePort::HairpinMode(true))
            .build();
        let doing = || format!("Cannot set up the bridge port {}", self.host_interface);
        handle.link().set_port(port).execute().await.netlink(doing)
    }

    async fn make_pair(&self, handle: &Handle, bridge: u32) -> Result<(), RpcError> {
        let doing = || {
            format!(
                "Cannot make the interfaces {} and {}",
                self.host_interface, self.pod_interface
            )
        };
        // Open until the kernel has answered: it finds the namespace by this descriptor.
        let namespace = File::open(self.inside()).doing(doing)?;
        let mut peer = LinkMessage::default();
        peer.attributes = vec![
            LinkAttribute::IfName(self.pod_interface.clone()),
            LinkAttribute::Address(self.address.mac()),
            LinkAttribute::Mtu(self.mtu),
            LinkAttribute::NetNsFd(namespace.as_raw_fd()),
        ];
        let pair = LinkVeth::new(&self.host_interface, &self.pod_interface)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .mtu(self.mtu)
            .controller(bridge)
            .up()
            .build();
        handle.link().add(pair).execute().await.netlink(doing)
    }

    /// The pod's side.
    async fn configure(&self, handle: &Handle) -> Result<String, RpcError> {
        let name = &self.pod_interface;
        let link = require_link(handle, name).await?;
        let index = link.header.index;
        let is_right = |link: &LinkMessage| mac_of(link) == Some(&self.address.mac());
        if !is_right(&link) {
            set_link(
                handle,
                name,
                LinkUnspec::new_with_index(index).address(self.address.mac()).build(),
            )
            .await?;
        }
        let route = if self.gateway.is_some() {
            PrefixRoute::No
        } else {
            PrefixRoute::Yes
        };
        set_addresses(handle, index, &[self.address], route).await?;
        bring_up(handle, name).await?;
        if let Some(gateway) = self.gateway {
            for route in [route_to(gateway, index), default_route(gateway, index)] {
                let doing = || format!("Cannot add the routes by {gateway}");
                handle.route().add(route).replace().execute().await.netlink(doing)?;
            }
        }
        Ok(self
            .address
            .mac()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .join(":"))
    }
}

/// Only the gateway is on the link; all others are behind it.
fn route_to(gateway: IpAddr, index: u32) -> RouteMessage {
    match gateway {
        IpAddr::V4(ip) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(ip, 32)
            .output_interface(index)
            .scope(RouteScope::Link)
            .build(),
        IpAddr::V6(ip) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(ip, 128)
            .output_interface(index)
            .build(),
    }
}

fn default_route(gateway: IpAddr, index: u32) -> RouteMessage {
    match gateway {
        IpAddr::V4(ip) => RouteMessageBuilder::<Ipv4Addr>::new()
            .gateway(ip)
            .output_interface(index)
            .build(),
        IpAddr::V6(ip) => RouteMessageBuilder::<Ipv6Addr>::new()
            .gateway(ip)
            .output_interface(index)
            .build(),
    }
}
