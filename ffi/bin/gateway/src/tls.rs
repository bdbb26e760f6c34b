//! The gateway's certificates, and how it treats those of its clients.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;

use crate::client_certificates::JudgeLater;
use crate::credential_files::CredentialFiles;
use crate::tunnel;

/// What new connections are made with.
pub struct Tls {
    pub config: Arc<ServerConfig>,
    /// Says whether a client's certificate is the cluster's.
    pub clients: Arc<dyn ClientCertVerifier>,
}

/// The certificates in use; replaced whole, so that open connections keep theirs.
pub struct Certificates {
    files: CredentialFiles,
    current: ArcSwap<Tls>,
}

impl Certificates {
    /// Waits until somebody has made them; `report` hears why those that are there cannot be used.
    pub async fn wait(folder: &Path, report: impl Fn(&str)) -> Self {
        let files = CredentialFiles::new(folder, "server");
        let mut seen = None;
        loop {
            files.changed(&mut seen).await;
            match load(&files) {
                Ok(tls) => {
                    return Self {
                        files,
                        current: ArcSwap::from_pointee(tls),
                    };
                }
                Err(error) => report(&error),
            }
        }
    }

    pub fn current(&self) -> Arc<Tls> {
        self.current.load_full()
    }

    /// On an error what was in use stays in use.
    pub fn reload(&self) -> Result<(), String> {
        self.current.store(Arc::new(load(&self.files)?));
        Ok(())
    }

    /// Reloads whenever the files change. Never returns.
    pub async fn follow(&self, report: impl Fn(Result<(), String>)) {
        let mut seen = self.files.written_at();
        loop {
            self.files.changed(&mut seen).await;
            report(self.reload());
        }
    }
}

fn load(files: &CredentialFiles) -> Result<Tls, String> {
    let credentials = files.load()?;
    let provider = Arc::new(ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(credentials.authorities), provider.clone())
        .build()
        .map_err(|error| files.no_authority(&error))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| files.no_certificate(&error))?
        .with_client_cert_verifier(Arc::new(JudgeLater(clients.clone())))
        .with_single_cert(credentials.chain, credentials.key)
        .map_err(|error| files.no_certificate(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec(), tunnel::ALPN.to_vec()];
    Ok(Tls {
        config: Arc::new(config),
        clients,
    })
}
