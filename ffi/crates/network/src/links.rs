//! Finding and removing interfaces.

use crate::address::check_interface;
use crate::netlink::{NetlinkContext, address_of, addresses_of, delete_link, is_up, name_of, talk};
use futures::TryStreamExt;
use k3ts_frames::RpcError;
use k3ts_proto::v1::Link;
use rtnetlink::packet_route::link::LinkMessage;

/// What is not there is no error.
pub fn remove_link(name: &str) -> Result<(), RpcError> {
    check_interface(name)?;
    talk(None, async |handle| delete_link(&handle, name).await)
}

/// Links whose name begins with `prefix`, sorted by it.
pub fn list_links(prefix: &str) -> Result<Vec<Link>, RpcError> {
    talk(None, async |handle| {
        let doing = || "Cannot list interfaces".to_owned();
        let messages: Vec<LinkMessage> = handle.link().get().execute().try_collect().await.netlink(doing)?;
        let addresses = addresses_of(&handle, None).await?;
        let mut links: Vec<Link> = messages
            .iter()
            .filter_map(|message| {
                let index = message.header.index;
                let own = addresses.iter().filter(|address| address.header.index == index);
                Some(Link {
                    name: name_of(message).filter(|name| name.starts_with(prefix))?.to_owned(),
                    index,
                    up: is_up(message),
                    addresses: own.filter_map(address_of).map(|address| address.to_string()).collect(),
                })
            })
            .collect();
        links.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(links)
    })
}
