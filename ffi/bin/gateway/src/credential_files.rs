//! Certificates and keys on disk, which somebody else makes and renews.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::RootCertStore;

/// How often the files are looked at: before they exist, and afterwards.
const APPEARS: Duration = Duration::from_millis(50);
const CHANGES: Duration = Duration::from_secs(2);

/// A certificate, its key, and the authority by which the other side is verified.
pub struct CredentialFiles {
    certificate: PathBuf,
    key: PathBuf,
    authority: PathBuf,
}

/// When each of the files was written. None until all of them exist.
pub type WrittenAt = Option<[SystemTime; 3]>;

pub struct Credentials {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
    pub authorities: RootCertStore,
}

impl CredentialFiles {
    /// `<name>.crt`, `<name>.key` and `ca.crt`.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
            authority: folder.join("ca.crt"),
        }
    }

    pub fn written_at(&self) -> WrittenAt {
        let at = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        Some([at(&self.certificate)?, at(&self.key)?, at(&self.authority)?])
    }

    /// Waits until all files exist and are others than those that were `seen`, which it brings up to date.
    pub async fn changed(&self, seen: &mut WrittenAt) {
        loop {
            let written = self.written_at();
            if written.is_some() && written != *seen {
                *seen = written;
                return;
            }
            tokio::time::sleep(if written.is_some() { CHANGES } else { APPEARS }).await;
        }
    }

    pub fn load(&self) -> Result<Credentials, String> {
        let read = |path: &Path| {
            let certificates: Result<Vec<CertificateDer<'static>>, _> =
                CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            certificates.map_err(|error| failed(path, "it must hold certificates in PEM", &error))
        };
        let chain = read(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| failed(&self.key, "it must hold a private key in PEM", &error))?;
        let mut authorities = RootCertStore::empty();
        for authority in read(&self.authority)? {
            authorities.add(authority).map_err(|error| self.no_authority(&error))?;
        }
        Ok(Credentials {
            chain,
            key,
            authorities,
        })
    }

    pub fn no_authority(&self, error: &dyn std::fmt::Display) -> String {
        failed(&self.authority, "the other side is verified with it", error)
    }

    pub fn no_certificate(&self, error: &dyn std::fmt::Display) -> String {
        failed(&self.certificate, "its key must fit", error)
    }
}

fn failed(path: &Path, requirement: &str, error: &dyn std::fmt::Display) -> String {
    format!("Cannot use {} as {requirement}: {error}", path.display())
}
