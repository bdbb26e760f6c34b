//! The gateway's certificates, and how it treats those of its clients.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};

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

/// Lets the handshake pass whoever signed the client's certificate, as a client is owed an answer (401) and not a
/// broken connection. Possession of the key is proven all the same; `identity` judges the rest.
#[derive(Debug)]
struct JudgeLater(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for JudgeLater {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
