//! Which certificates of clients a handshake lets pass, and which of them can count.

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_SIG_ED25519};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Lets the handshake pass whoever signed the client's certificate, as a client is owed an answer (401) and not a
/// broken connection. Possession of the key is proven wherever the certificate may count; `identity` judges the rest.
#[derive(Debug)]
pub struct JudgeLater(pub Arc<dyn ClientCertVerifier>);

/// Whether the signatures of a certificate's key can be verified here: not those of a certificate without a version
/// (X.509 v1), of a small RSA key, or of an uncommon curve. One that cannot never counts, whoever signed it, as it may
/// be anybody's who has seen it. Depends on nothing but the certificate, since sessions that are resumed prove nothing
/// again.
pub fn provable(certificate: &CertificateDer<'_>) -> bool {
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else {
        return false;
    };
    let key = parsed.subject_public_key_info();
    let Ok((_, key)) = SubjectPublicKeyInfo::from_der(&key) else {
        return false;
    };
    let algorithm = &key.algorithm;
    if algorithm.algorithm == OID_SIG_ED25519 {
        return true;
    }
    if algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
        return curve.is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384);
    }
    matches!(key.parsed(), Ok(PublicKey::RSA(key)) if (2048..=8192).contains(&key.key_size()))
}

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
        if !provable(certificate) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !provable(certificate) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use k3ts_proto::v1::VerifiedIdentity;
    use rustls_pki_types::{PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer};
    use tokio_rustls::rustls::client::ResolvesClientCert;
    use tokio_rustls::rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::server::WebPkiClientVerifier;
    use tokio_rustls::rustls::sign::{CertifiedKey, Signer, SigningKey};
    use tokio_rustls::rustls::version::{TLS12, TLS13};
    use tokio_rustls::rustls::{
        ClientConfig, RootCertStore, ServerConfig, SignatureAlgorithm, SupportedProtocolVersion,
    };
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::identity::identify;

    const AUTHORITY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYcFPuTk+/gE6bmYsKvnCBNuO2H0E8CVqtwtKttBTkvehRANCAASO17AhEANUTTtxHd4wXlWGibWjlLFN6NqqRs4fEK+c2SY+a9k6kXOWvdRuo/sqPhP8UYclaFzATz+qtoXSYB0R";
    const CLIENT: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5ou5uhF5CYrpiRXNBscwIiy5nxtB+DcU+kAhIXw38T6hRANCAAQ0JZ/hVKgrqEFNGBtwbGv79f8ZHnenltmIgjoaV/mhxc/gJkHP0kDZFqFY9O1Jk6PAEDUnfwM+UlDjv1mhTt1p";
    const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
    const V3: &[u8] = &[0xa0, 3, 2, 1, 2];
    const V1: &[u8] = &[];

    fn key(pkcs8: &str) -> Arc<dyn SigningKey> {
        let der = PrivateKeyDer::try_from(BASE64_STANDARD.decode(pkcs8).unwrap()).unwrap();
        default_provider().key_provider.load_private_key(der).unwrap()
    }

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = content.len() as u16;
        let mut bytes = vec![tag];
        match length {
            0..128 => bytes.push(length as u8),
            128..256 => bytes.extend([0x81, length as u8]),
            _ => bytes.extend([&[0x82][..], &length.to_be_bytes()].concat()),
        }
        bytes.extend(content);
        bytes
    }

    /// As the authority signs it, from the year 2000 to 2100.
    fn certificate(version: &[u8], name: &str, public_key: &[u8]) -> CertificateDer<'static> {
        let algorithm = der(0x30, &[&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]);
        let named = |name: &str| {
            let text = der(0x0c, &[name.as_bytes()]);
            der(0x30, &[&der(0x31, &[&der(0x30, &[&[6, 3, 0x55, 4, 3], &text])])])
        };
        let times = [der(0x17, &[b"000101000000Z"]), der(0x18, &[b"21000101000000Z"])].concat();
        let (issuer, subject) = (named("k3ts"), named(name));
        let fields: [&[u8]; 7] = [
            version,
            &[2, 1, 7],
            &algorithm,
            &issuer,
            &der(0x30, &[&times]),
            &subject,
            public_key,
        ];
        let signed = der(0x30, &fields);
        let signature = key(AUTHORITY).choose_scheme(&[SCHEME]).unwrap().sign(&signed).unwrap();
        CertificateDer::from(der(0x30, &[&signed, &algorithm, &der(3, &[&[0], &signature])]))
    }

    fn public(key: &Arc<dyn SigningKey>) -> Vec<u8> {
        key.public_key().unwrap().to_vec()
    }

    fn rsa(bits: usize) -> Vec<u8> {
        let modulus = der(2, &[&[0], &vec![0xff; bits / 8]]);
        let numbers = der(0x30, &[&modulus, &[2, 3, 1, 0, 1]]);
        let algorithm = der(0x30, &[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0]]);
        der(0x30, &[&algorithm, &der(3, &[&[0], &numbers])])
    }

    fn p521() -> Vec<u8> {
        let algorithm = der(
            0x30,
            &[&[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x23]],
        );
        der(0x30, &[&algorithm, &der(3, &[&[0, 4], &[1; 132]])])
    }

    /// A client that shows any certificate, with any key, and believes any server.
    #[derive(Debug)]
    struct Client(CertificateDer<'static>, Arc<dyn SigningKey>);

    impl ResolvesClientCert for Client {
        fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            Some(Arc::new(CertifiedKey::new(vec![self.0.clone()], self.1.clone())))
        }
        fn has_certs(&self) -> bool {
            true
        }
    }

    impl ServerCertVerifier for Client {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SCHEME]
        }
    }

    /// Signs what nobody has a key for.
    #[derive(Debug)]
    struct Forger(SignatureScheme);

    impl SigningKey for Forger {
        fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
            Some(Box::new(Forger(self.0)))
        }
        fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
            None
        }
        fn algorithm(&self) -> SignatureAlgorithm {
            SignatureAlgorithm::RSA
        }
    }

    impl Signer for Forger {
        fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
            Ok(vec![1; 128])
        }
        fn scheme(&self) -> SignatureScheme {
            self.0
        }
    }

    /// Who the gateway takes a client for; none when the handshake fails.
    async fn shown(
        version: &'static SupportedProtocolVersion,
        certificate: CertificateDer<'static>,
        key_of_client: Arc<dyn SigningKey>,
    ) -> Option<VerifiedIdentity> {
        let provider = Arc::new(default_provider());
        let own = key(AUTHORITY);
        let root = self::certificate(V3, "k3ts", &public(&own));
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .unwrap();
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(Arc::new(JudgeLater(verifier.clone())))
            .with_single_cert(
                vec![root],
                PrivateKeyDer::try_from(BASE64_STANDARD.decode(AUTHORITY).unwrap()).unwrap(),
            )
            .unwrap();
        let client = Arc::new(Client(certificate, key_of_client));
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(client.clone())
            .with_client_cert_resolver(client);
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (_, accepted) = tokio::join!(
            TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost").unwrap(), near),
            TlsAcceptor::from(Arc::new(server)).accept(far)
        );
        let accepted = accepted.ok()?;
        let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        Some(identify(
            remote,
            accepted.get_ref().1.peer_certificates(),
            verifier.as_ref(),
        ))
    }

    #[tokio::test]
    async fn whoever_has_the_key_is_named_and_whoever_only_has_the_certificate_is_not() {
        let client = key(CLIENT);
        for version in [&TLS12, &TLS13] {
            let certificate = certificate(V3, "admin", &public(&client));
            let identity = shown(version, certificate.clone(), client.clone()).await.unwrap();
            assert_eq!(identity.common_name, "admin");
            assert!(shown(version, certificate, key(AUTHORITY)).await.is_none());
        }
    }

    #[tokio::test]
    async fn what_cannot_be_proven_is_answered_and_refused_whoever_signed_it() {
        let client = key(CLIENT);
        let forged = |scheme| Arc::new(Forger(scheme)) as Arc<dyn SigningKey>;
        let odd = [
            (certificate(V1, "admin", &public(&client)), client.clone()),
            (certificate(V1, "admin", &public(&client)), key(AUTHORITY)),
            (
                certificate(V3, "admin", &rsa(1024)),
                forged(SignatureScheme::RSA_PSS_SHA256),
            ),
            (
                certificate(V3, "admin", &rsa(16_384)),
                forged(SignatureScheme::RSA_PSS_SHA256),
            ),
            (certificate(V3, "admin", &p521()), forged(SCHEME)),
            (certificate(V3, "admin", b""), client.clone()),
            (CertificateDer::from(b"\x30\x82\xff\xff".to_vec()), client.clone()),
        ];
        for (certificate, key) in odd {
            for version in [&TLS12, &TLS13] {
                let identity = shown(version, certificate.clone(), key.clone()).await;
                let identity = identity.unwrap_or_else(|| panic!("{certificate:?} with {version:?}"));
                assert!(identity.certificate_refused, "{certificate:?} with {version:?}");
                assert_eq!(identity.common_name, "");
            }
        }
        // Of a size that can be proven, so that it must be.
        for version in [&TLS12, &TLS13] {
            let certificate = certificate(V3, "admin", &rsa(2048));
            assert!(
                shown(version, certificate, forged(SignatureScheme::RSA_PSS_SHA256))
                    .await
                    .is_none()
            );
        }
    }
}
