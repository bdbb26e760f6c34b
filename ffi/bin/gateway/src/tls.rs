//! The gateway's certificates, and how it treats those of its clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
};

/// How often the files are looked at: before they exist, and afterwards.
const APPEARS: Duration = Duration::from_millis(50);
const CHANGES: Duration = Duration::from_secs(5);

/// What new connections are made with.
pub struct Tls {
    pub config: Arc<ServerConfig>,
    /// Says whether a client's certificate is the cluster's.
    pub clients: Arc<dyn ClientCertVerifier>,
}

/// The certificates in use; replaced whole, so that open connections keep theirs.
pub struct Certificates {
    files: Files,
    current: ArcSwap<Tls>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    authority: PathBuf,
}

impl Certificates {
    /// Waits until somebody has made them; `report` hears why those that are there cannot be used.
    pub async fn wait(folder: &Path, report: impl Fn(&str)) -> Self {
        let files = Files {
            certificate: folder.join("server.crt"),
            key: folder.join("server.key"),
            authority: folder.join("ca.crt"),
        };
        let mut seen = None;
        loop {
            let written = files.written_at();
            if written.is_some() && written != seen {
                seen = written;
                match files.load() {
                    Ok(tls) => {
                        return Self {
                            files,
                            current: ArcSwap::from_pointee(tls),
                        };
                    }
                    Err(error) => report(&error),
                }
            }
            tokio::time::sleep(APPEARS).await;
        }
    }

    pub fn current(&self) -> Arc<Tls> {
        self.current.load_full()
    }

    /// On an error what was in use stays in use.
    pub fn reload(&self) -> Result<(), String> {
        self.current.store(Arc::new(self.files.load()?));
        Ok(())
    }

    /// Reloads whenever the files change. Never returns.
    pub async fn follow(&self, report: impl Fn(Result<(), String>)) {
        let mut known = self.files.written_at();
        loop {
            tokio::time::sleep(CHANGES).await;
            let written = self.files.written_at();
            if written.is_some() && written != known {
                known = written;
                report(self.reload());
            }
        }
    }
}

impl Files {
    /// None until all of them exist.
    fn written_at(&self) -> Option<[SystemTime; 3]> {
        let at = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        Some([at(&self.certificate)?, at(&self.key)?, at(&self.authority)?])
    }

    fn load(&self) -> Result<Tls, String> {
        let read = |path: &Path| {
            let certificates: Result<Vec<CertificateDer<'static>>, _> =
                CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            certificates.map_err(|error| failed(path, "it must hold certificates in PEM", &error))
        };
        let chain = read(&self.certificate)?;
        let authorities = read(&self.authority)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| failed(&self.key, "it must hold a private key in PEM", &error))?;
        let unusable = |error: &dyn std::fmt::Display| failed(&self.authority, "clients are verified with it", error);
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|error| unusable(&error))?;
        }
        let provider = Arc::new(ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|error| unusable(&error))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_client_cert_verifier(Arc::new(JudgeLater(clients.clone())))
            .with_single_cert(chain, key)
            .map_err(|error| failed(&self.certificate, "its key must fit", &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Tls {
            config: Arc::new(config),
            clients,
        })
    }
}

fn failed(path: &Path, requirement: &str, error: &dyn std::fmt::Display) -> String {
    format!("Cannot use {} as {requirement}: {error}", path.display())
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
