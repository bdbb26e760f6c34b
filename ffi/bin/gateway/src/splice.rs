//! A reply of the server can say: authorised, and the bytes are with a node's agent. Then the request goes there, and
//! the server never sees the stream.

use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};

use crate::tunnel::Tunnels;
use crate::upstream::{Head, Upstream};

const NODE: HeaderName = HeaderName::from_static("k3ts-splice-node");
const PATH: HeaderName = HeaderName::from_static("k3ts-splice-path");
/// Tells the server that it sees a request's head only, to say where the request shall go.
const ASK: HeaderName = HeaderName::from_static("k3ts-ask");

/// Calls whose bodies the server never reads, so that they are still whole when it has said where they go.
const STREAMS: &str = "/k3ts.v1.StreamService/";

/// Where a request shall go.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    pub node: String,
    pub path: Uri,
}

/// The agents: this machine's on its socket, the others through the tunnels that their nodes have opened.
pub struct Nodes {
    /// Holds the name of this data directory's node, if it has one.
    pub name_file: PathBuf,
    pub own: Arc<Upstream>,
    pub tunnels: Arc<Tunnels>,
}

impl Nodes {
    pub fn agent(&self, node: &str) -> Arc<Upstream> {
        let own = std::fs::read_to_string(&self.name_file).unwrap_or_default();
        if own.trim() == node {
            self.own.clone()
        } else {
            Upstream::tunnel(self.tunnels.clone(), node.to_owned())
        }
    }
}

/// Whether the server must be asked about a request before its body is sent anywhere.
pub fn must_ask(path: &str) -> bool {
    path.starts_with(STREAMS) || is_proxy(path)
}

/// What a node's agent answers in whatever way it likes: `/api/v1/nodes/NAME/proxy`, and the same of a namespace's pods
/// and services, with whatever follows.
fn is_proxy(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    if (parts.next(), parts.next()) != (Some("api"), Some("v1")) {
        return false;
    }
    let resource = match parts.next() {
        Some("namespaces") => parts.nth(1),
        other => other,
    };
    matches!(resource, Some("nodes" | "pods" | "services")) && parts.nth(1) == Some("proxy")
}

/// Takes from a head what proves who asks, or says for whom: the server has looked at it, and no node is to know it.
pub fn forget_credentials(headers: &mut HeaderMap) {
    headers.remove(header::AUTHORIZATION);
    headers.remove(header::PROXY_AUTHORIZATION);
    let impersonates = |name: &&HeaderName| name.as_str().starts_with("impersonate-");
    let names: Vec<HeaderName> = headers.keys().filter(impersonates).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// The head that the server is asked about.
pub fn question(head: &Head) -> Head {
    let mut question = head.clone();
    question.headers.insert(ASK, HeaderValue::from_static("splice"));
    question.headers.remove(header::CONTENT_LENGTH);
    question
}

/// Where a reply sends the request, if it does. Clients never see these headers.
pub fn target<B>(response: &mut Response<B>) -> Option<Result<Target, String>> {
    let ours = response.status() == StatusCode::OK;
    let (node, path) = take(response.headers_mut());
    let (node, path) = (node?, path?);
    let parse = || {
        Some(Target {
            node: node.to_str().ok()?.to_owned(),
            path: Uri::try_from(path.as_bytes()).ok()?,
        })
    };
    let parsed = parse().filter(|target| target.path.path().starts_with('/') && target.path.authority().is_none());
    ours.then(|| parsed.ok_or("Cannot splice as the server must name a node and a path".to_owned()))
}

fn take(headers: &mut HeaderMap) -> (Option<HeaderValue>, Option<HeaderValue>) {
    (headers.remove(NODE), headers.remove(PATH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, path: &str) -> Response<()> {
        Response::builder()
            .status(status)
            .header(NODE, "one")
            .header(PATH, path)
            .body(())
            .unwrap()
    }

    #[test]
    fn what_is_led_on_with_its_body_is_asked_about_first() {
        for path in [
            "/k3ts.v1.StreamService/Exec",
            "/api/v1/nodes/n1/proxy/run/x",
            "/api/v1/namespaces/a/pods/p:80/proxy",
            "/api/v1/namespaces/a/services/s/proxy/",
        ] {
            assert!(must_ask(path), "{path}");
        }
        for path in [
            "/api/v1/namespaces/a/configmaps/proxy",
            "/api/v1/namespaces/a/pods/proxy",
            "/api/v1/namespaces/nodes/pods/x/status/proxy",
            "/api/v1/nodes/proxy",
            "/apis/v1/nodes/n1/proxy",
            "/api/v1/nodes/n1/proxyx",
        ] {
            assert!(!must_ask(path), "{path}");
        }
    }

    #[test]
    fn a_reply_names_where_the_request_goes() {
        let mut response = reply(200, "/logs/a/b/c?follow=true");
        let target = target(&mut response).unwrap().unwrap();
        assert_eq!(
            (target.node.as_str(), target.path.to_string().as_str()),
            ("one", "/logs/a/b/c?follow=true")
        );
        assert!(response.headers().is_empty());
    }

    #[test]
    fn a_failure_is_no_splice_and_clients_never_see_the_headers() {
        let mut response = reply(403, "/logs");
        assert_eq!(target(&mut response), None);
        assert!(response.headers().is_empty());
        assert_eq!(target(&mut Response::new(())), None);
    }

    #[test]
    fn no_node_is_told_what_proves_who_asks() {
        let mut headers = HeaderMap::new();
        for name in [
            "authorization",
            "proxy-authorization",
            "impersonate-user",
            "impersonate-extra-a",
            "cookie",
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        forget_credentials(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["cookie"]);
    }

    #[test]
    fn only_a_path_of_the_agent_will_do() {
        assert!(target(&mut reply(200, "http://elsewhere/")).unwrap().is_err());
    }
}
