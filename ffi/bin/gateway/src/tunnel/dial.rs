//! The node's side of a tunnel: its connection to the server.

use std::sync::Arc;

use bytes::Bytes;
use h2::server::{Builder, Connection};
use http::Uri;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::ring;

use super::{ALPN, CONNECTION_WINDOW, HEADER_BYTES_MAX, SEND_BUFFER, STREAM_WINDOW, STREAMS_MAX};
use crate::credential_files::CredentialFiles;
use crate::limits;
use crate::tcp::Tcp;

pub type Dialled = Connection<TlsStream<Tcp>, Bytes>;

const HTTPS_PORT: u16 = 443;

/// Where the server's gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    host: String,
    port: u16,
}

impl std::fmt::Display for ServerUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(formatter, "https://{open}{}{close}:{}", self.host, self.port)
    }
}

impl ServerUrl {
    pub fn parse(text: &str) -> Result<Self, String> {
        let failed = || format!("Cannot use a server as its URL must be like https://192.0.2.1:6443: it is \"{text}\"");
        let url: Uri = text.parse().map_err(|_| failed())?;
        let authority = url.authority().ok_or_else(failed)?;
        let bare = url.path() == "/" && url.query().is_none() && !authority.as_str().contains('@');
        if url.scheme_str() != Some("https") || !bare {
            return Err(failed());
        }
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(HTTPS_PORT),
        })
    }
}

/// Opens a tunnel with the certificate that is in the files now.
pub async fn dial(server: &ServerUrl, files: &CredentialFiles) -> Result<Dialled, String> {
    let failed = |reason: String| format!("Cannot open a tunnel to {server} as {reason}");
    let config = config(files)?;
    let name = ServerName::try_from(server.host.clone())
        .map_err(|error| failed(format!("its host must be a name or an address: {error}")))?;
    let opening = async {
        let stream = TcpStream::connect((server.host.as_str(), server.port))
            .await
            .map_err(|error| failed(format!("it must accept connections: {error}")))?;
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, Tcp::prepare(stream))
            .await
            .map_err(|error| failed(format!("both sides must have certificates of the cluster: {error}")))?;
        if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
            return Err(failed("it must know tunnels: it speaks something else".to_owned()));
        }
        Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(SEND_BUFFER)
            .max_header_list_size(HEADER_BYTES_MAX)
            .max_concurrent_streams(STREAMS_MAX)
            .handshake(stream)
            .await
            // A server that does not want it says nothing, as it would be the first to speak.
            .map_err(|error| failed(format!("it must accept this node's certificate: {error}")))
    };
    timeout(limits::HANDSHAKE, opening)
        .await
        .unwrap_or_else(|_| Err(failed(format!("it must answer within {:?}", limits::HANDSHAKE))))
}

fn config(files: &CredentialFiles) -> Result<ClientConfig, String> {
    let credentials = files.load()?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| files.no_certificate(&error))?
        .with_root_certificates(credentials.authorities)
        .with_client_auth_cert(credentials.chain, credentials.key)
        .map_err(|error| files.no_certificate(&error))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port() {
        let parsed = |text| ServerUrl::parse(text).map(|url| url.to_string());
        assert_eq!(parsed("https://192.0.2.1:6443").unwrap(), "https://192.0.2.1:6443");
        assert_eq!(parsed("https://a.example/").unwrap(), "https://a.example:443");
        assert_eq!(
            parsed("https://[2001:db8::1]:6443").unwrap(),
            "https://[2001:db8::1]:6443"
        );
        for wrong in ["", "http://a", "a:6443", "https://a/path", "https://u@a"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
