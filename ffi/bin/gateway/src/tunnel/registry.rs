//! The tunnels that nodes have opened to this gateway.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{Method, Request, StatusCode, Uri};
use k3ts_proto::v1::VerifiedIdentity;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::{AGENT, ANOTHER, REASON_BYTES_MAX, StreamIo};
use crate::limits::{NODE_WAIT, SERVER_WAIT, WAITING_FOR_NODES_MAX, WAITING_MAX};
use crate::metrics::Metrics;
use crate::shares::Shares;

const GROUP: &str = "system:nodes";
const USER: &str = "system:node:";
const NAME_BYTES_MAX: usize = 253;

/// The node that a certificate names. It is the only thing that says whose tunnel a connection is.
pub fn node_of(identity: &VerifiedIdentity) -> Option<&str> {
    let name = identity.common_name.strip_prefix(USER)?;
    let member = identity.organizations.iter().any(|group| group == GROUP);
    (member && !name.is_empty() && name.len() <= NAME_BYTES_MAX).then_some(name)
}

pub struct Tunnels {
    open: Mutex<HashMap<String, Open>>,
    /// Counts what has been opened, so that whoever waits for a node looks again.
    opened: watch::Sender<u64>,
    ids: AtomicU64,
    /// One for each request that may wait for a node.
    places: Semaphore,
    /// And by the node that it waits for.
    waiting: Arc<Shares<String>>,
    metrics: Arc<Metrics>,
}

#[derive(Clone)]
struct Open {
    id: u64,
    streams: SendRequest<Bytes>,
}

/// A tunnel's entry, which it keeps until another one of its node takes its place. Dropped, it is given up.
pub struct Registered<'a> {
    tunnels: &'a Tunnels,
    node: &'a str,
    id: u64,
}

impl Tunnels {
    pub fn new(metrics: &Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::default(),
            opened: watch::Sender::new(0),
            ids: AtomicU64::new(0),
            places: Semaphore::new(WAITING_FOR_NODES_MAX),
            waiting: Shares::new(),
            metrics: metrics.clone(),
        })
    }

    /// The newest tunnel of a node is the one that is used, as the node may know better than we that the old one is dead.
    pub fn register<'a>(&'a self, node: &'a str, streams: SendRequest<Bytes>) -> Registered<'a> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut open) = self.open.lock() {
            open.insert(node.to_owned(), Open { id, streams });
        }
        self.opened.send_modify(|count| *count += 1);
        Registered {
            tunnels: self,
            node,
            id,
        }
    }

    pub fn count(&self) -> usize {
        self.open.lock().map_or(0, |open| open.len())
    }

    /// Requests that wait for a node.
    pub fn waiting(&self) -> u32 {
        (WAITING_FOR_NODES_MAX - self.places.available_permits()) as u32
    }

    /// A pipe to a node's agent. A node that is not connected is waited for, as it may be connecting again. Nothing has
    /// been said in a pipe that could not be made, so it is tried again over the next tunnel.
    pub async fn connect(&self, node: &str) -> Result<StreamIo, String> {
        let failed = |reason: &str| format!("node \"{node}\" must be reachable by its tunnel: {reason}");
        let Ok(_place) = self.places.try_acquire() else {
            return Err(failed(&format!(
                "{WAITING_FOR_NODES_MAX} requests wait for nodes already"
            )));
        };
        let Some(_share) = self.waiting.take(node.to_owned(), WAITING_MAX) else {
            return Err(failed(&format!("{WAITING_MAX} requests wait for it already")));
        };
        let deadline = Instant::now() + NODE_WAIT;
        let mut opened = self.opened.subscribe();
        loop {
            opened.mark_unchanged();
            if let Some(open) = self.find(node) {
                // The node itself waits for an agent that restarts, and then says so.
                match timeout_at(deadline + SERVER_WAIT, connect(open.streams)).await {
                    Ok(Ok((send, receive))) => {
                        let counted = self.metrics.count(|metrics| &metrics.tunnel_streams);
                        return Ok(StreamIo::new(send, receive, counted));
                    }
                    Ok(Err(Refused::ByNode(reason))) => return Err(failed(&reason)),
                    Ok(Err(Refused::Lost)) => self.remove(node, open.id),
                    Err(_) => return Err(failed("it does not answer")),
                }
            }
            if timeout_at(deadline, opened.changed()).await.is_err() {
                return Err(failed(&format!("it has not been connected for {NODE_WAIT:?}")));
            }
        }
    }

    /// Asks all nodes for other tunnels, as these will end. They can be used until they are closed.
    pub fn move_on(&self) {
        for Open { streams, .. } in self.all() {
            tokio::spawn(async move {
                if let Ok(mut streams) = streams.ready().await
                    && let Ok((answer, _)) = streams.send_request(request(ANOTHER), true)
                {
                    // Whatever it says, it has heard.
                    let _ = answer.await;
                }
            });
        }
    }

    /// Lets all tunnels end with their last streams.
    pub fn close(&self) {
        if let Ok(mut open) = self.open.lock() {
            open.clear();
        }
    }

    fn all(&self) -> Vec<Open> {
        self.open
            .lock()
            .map_or(Vec::new(), |open| open.values().cloned().collect())
    }

    fn find(&self, node: &str) -> Option<Open> {
        self.open.lock().ok()?.get(node).cloned()
    }

    fn remove(&self, node: &str, id: u64) {
        if let Ok(mut open) = self.open.lock()
            && open.get(node).is_some_and(|open| open.id == id)
        {
            open.remove(node);
        }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.tunnels.remove(self.node, self.id);
    }
}

enum Refused {
    ByNode(String),
    /// The tunnel has ended, or will take no more.
    Lost,
}

async fn connect(streams: SendRequest<Bytes>) -> Result<(SendStream<Bytes>, RecvStream), Refused> {
    let lost = |_| Refused::Lost;
    let mut streams = streams.ready().await.map_err(lost)?;
    let (answer, send) = streams.send_request(request(AGENT), false).map_err(lost)?;
    let (head, body) = answer.await.map_err(lost)?.into_parts();
    match head.status {
        StatusCode::OK => Ok((send, body)),
        _ => Err(Refused::ByNode(reason(body).await)),
    }
}

fn request(to: &'static str) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = Uri::from_static(to);
    request
}

/// What a node says about why not.
async fn reason(mut body: RecvStream) -> String {
    let mut text = Vec::new();
    while text.len() < REASON_BYTES_MAX
        && let Some(Ok(piece)) = body.data().await
    {
        text.extend_from_slice(&piece[..piece.len().min(REASON_BYTES_MAX - text.len())]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(common_name: &str, organizations: &[&str]) -> Option<String> {
        let identity = VerifiedIdentity {
            common_name: common_name.to_owned(),
            organizations: organizations.iter().map(|name| (*name).to_owned()).collect(),
            ..VerifiedIdentity::default()
        };
        node_of(&identity).map(str::to_owned)
    }

    #[test]
    fn only_a_nodes_certificate_names_a_node() {
        assert_eq!(node("system:node:one", &["system:nodes"]).as_deref(), Some("one"));
        assert_eq!(node("system:node:one", &["system:masters"]), None);
        assert_eq!(node("one", &["system:nodes"]), None);
        assert_eq!(node("system:node:", &["system:nodes"]), None);
        assert_eq!(node("", &[]), None);
    }
}
