//! Routes to the pods of other nodes, and the way to another machine. IPv4.

use crate::address::Address;
use crate::netlink::{NetlinkContext, io_error, talk};
use futures::TryStreamExt;
use k3ts_frames::{Code, RpcError};
use k3ts_proto::v1::{RouteFailure, SyncRoutesRequest, SyncRoutesResponse};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use rtnetlink::{Handle, RouteMessageBuilder};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// Who has made a route (rtnetlink(7), `rtm_protocol`): none of the numbers that are given out in `rt_protos`.
const OURS: RouteProtocol = RouteProtocol::Other(107);
/// More nodes than addresses can be given to.
const ROUTES_MAX: usize = 65_536;
/// The discard service (RFC 863); any port would do.
const PORT: u16 = 9;

/// A range of addresses: what a route is for. There is one of ours for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    base: Ipv4Addr,
    prefix: u8,
}

/// What is already so stays untouched, so that nothing that travels is lost.
pub fn sync_routes(request: &SyncRoutesRequest) -> Result<SyncRoutesResponse, RpcError> {
    let wanted = parse(request)?;
    talk(None, async |handle| {
        let present = list(&handle).await?;
        let mut response = SyncRoutesResponse::default();
        for (range, message) in &present {
            if wanted.iter().any(|(one, _)| one == range) {
                continue;
            }
            match remove(&handle, message).await {
                Ok(was_there) => response.removed += u32::from(was_there),
                Err(error) => response.failures.push(RouteFailure {
                    destination: range.to_string(),
                    message: format!("Cannot remove the route to {range}: {error}"),
                }),
            }
        }
        for (range, gateway) in &wanted {
            let existing = present.get(range);
            if existing.and_then(gateway_of) == Some(*gateway) {
                continue;
            }
            match set(&handle, *range, *gateway, existing.is_some()).await {
                Ok(()) => response.set += 1,
                Err(error) => response.failures.push(RouteFailure {
                    destination: range.to_string(),
                    message: format!("Cannot route {range} by {gateway}: {error}"),
                }),
            }
        }
        Ok(response)
    })
}

/// The source address that the kernel chooses when a socket is connected, which for UDP sends nothing.
pub fn find_source(destination: &str) -> Result<String, RpcError> {
    let ip: IpAddr = destination.parse().map_err(|_| {
        RpcError::invalid_argument(format!(
            "Cannot find the way to {destination:?} as it must be an IP address"
        ))
    })?;
    let any: SocketAddr = match ip {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let found = UdpSocket::bind(any).and_then(|socket| {
        socket.connect((ip, PORT))?;
        socket.local_addr()
    });
    match found {
        Ok(address) => Ok(address.ip().to_string()),
        Err(error) => {
            Err(RpcError::new(Code::NotFound, format!("Cannot find the way to {destination}")).caused_by(&error))
        }
    }
}

fn parse(request: &SyncRoutesRequest) -> Result<Vec<(Range, Ipv4Addr)>, RpcError> {
    if request.routes.len() > ROUTES_MAX {
        return Err(RpcError::invalid_argument(format!(
            "Cannot set routes as there must be at most {ROUTES_MAX}: there are {}",
            request.routes.len()
        )));
    }
    let mut seen = BTreeSet::new();
    request
        .routes
        .iter()
        .map(|route| {
            let range = Range::parse(&route.destination)?;
            if !seen.insert(range) {
                return Err(RpcError::invalid_argument(format!(
                    "Cannot set routes as each destination must have one: {range} has several"
                )));
            }
            let gateway = route.gateway.parse().map_err(|_| {
                RpcError::invalid_argument(format!(
                    "Cannot route {range} as the gateway must be an IPv4 address: it is {:?}",
                    route.gateway
                ))
            })?;
            Ok((range, gateway))
        })
        .collect()
}

impl Range {
    fn parse(text: &str) -> Result<Self, RpcError> {
        match Address::parse(text)? {
            Address {
                ip: IpAddr::V4(ip),
                prefix,
            } if prefix > 0 && u32::from(ip) & (u32::MAX >> 1 >> (prefix - 1)) == 0 => Ok(Range { base: ip, prefix }),
            _ => Err(RpcError::invalid_argument(format!(
                "Cannot set a route as its destination must be a range of IPv4 addresses: it is {text:?}"
            ))),
        }
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.base, self.prefix)
    }
}

/// Those of ours.
async fn list(handle: &Handle) -> Result<BTreeMap<Range, RouteMessage>, RpcError> {
    let every = RouteMessageBuilder::<Ipv4Addr>::new().build();
    let messages: Vec<RouteMessage> = handle
        .route()
        .get(every)
        .execute()
        .try_collect()
        .await
        .netlink(|| "Cannot list routes".to_owned())?;
    let ours = messages.into_iter().filter(|message| {
        let header = &message.header;
        header.protocol == OURS && header.table == RouteHeader::RT_TABLE_MAIN && header.kind == RouteType::Unicast
    });
    Ok(ours
        .filter_map(|message| Some((range_of(&message)?, message)))
        .collect())
}

fn range_of(message: &RouteMessage) -> Option<Range> {
    message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(base)) => Some(Range {
            base: *base,
            prefix: message.header.destination_prefix_length,
        }),
        _ => None,
    })
}

fn gateway_of(message: &RouteMessage) -> Option<Ipv4Addr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(gateway)) => Some(*gateway),
        _ => None,
    })
}

/// A route that is somebody else's is never replaced: the kernel says that it exists.
async fn set(handle: &Handle, range: Range, gateway: Ipv4Addr, replace: bool) -> Result<(), io::Error> {
    let route = RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(range.base, range.prefix)
        .gateway(gateway)
        .protocol(OURS)
        .scope(RouteScope::Universe)
        .build();
    let request = handle.route().add(route);
    let request = if replace { request.replace() } else { request };
    request.execute().await.map_err(io_error)
}

/// Returns whether it was still there.
async fn remove(handle: &Handle, message: &RouteMessage) -> Result<bool, io::Error> {
    match handle.route().del(message.clone()).execute().await.map_err(io_error) {
        Ok(()) => Ok(true),
        // It went with its interface.
        Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => Ok(false),
        Err(error) => Err(error),
    }
}
