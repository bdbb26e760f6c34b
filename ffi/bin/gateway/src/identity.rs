//! Who sends a request, and the header that says so.

use std::net::SocketAddr;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue};
use k3ts_proto::v1::VerifiedIdentity;
use prost::Message;
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use x509_parser::parse_x509_certificate;

use crate::client_certificates::provable;

pub const IDENTITY: HeaderName = HeaderName::from_static("k3ts-identity");

/// Headers that only the gateway, or the server's answers to it, may set.
const RESERVED: [&str; 5] = ["k3ts-identity", "k3ts-splice", "k3ts-ask", "k3ts-fanout", "x-remote-"];

/// Removes what would let a client speak for somebody else, also spelt with underscores, which some readers take for
/// dashes.
pub fn strip(headers: &mut HeaderMap) {
    let begins = |name: &[u8], prefix: &[u8]| {
        let same = |(a, b): (&u8, &u8)| a == b || (*a == b'_' && *b == b'-');
        name.len() >= prefix.len() && name.iter().zip(prefix).all(same)
    };
    let reserved = |name: &&HeaderName| {
        let name = name.as_str().as_bytes();
        RESERVED.iter().any(|prefix| begins(name, prefix.as_bytes()))
    };
    let names: Vec<HeaderName> = headers.keys().filter(reserved).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Describes the peer of a connection. A certificate that does not verify breaks nothing here: it makes an identity
/// without names, so that the server can answer.
pub fn identify(
    remote: SocketAddr,
    certificates: Option<&[CertificateDer<'_>]>,
    verifier: &dyn ClientCertVerifier,
) -> VerifiedIdentity {
    let anonymous = VerifiedIdentity {
        remote_address: remote.to_string(),
        ..VerifiedIdentity::default()
    };
    let Some((leaf, intermediates)) = certificates.and_then(<[_]>::split_first) else {
        return anonymous;
    };
    let refused = VerifiedIdentity {
        certificate_refused: true,
        ..anonymous.clone()
    };
    let Ok(now) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) else {
        return refused;
    };
    if !provable(leaf)
        || verifier
            .verify_client_cert(leaf, intermediates, UnixTime::since_unix_epoch(now))
            .is_err()
    {
        return refused;
    }
    let Ok((_, certificate)) = parse_x509_certificate(leaf) else {
        return refused;
    };
    let texts = |attributes: &mut dyn Iterator<Item = &x509_parser::x509::AttributeTypeAndValue<'_>>| -> Vec<String> {
        attributes
            .filter_map(|attribute| attribute.as_str().ok())
            .map(str::to_owned)
            .collect()
    };
    let subject = certificate.subject();
    VerifiedIdentity {
        // A second common name is no second user.
        common_name: texts(&mut subject.iter_common_name())
            .into_iter()
            .next()
            .unwrap_or_default(),
        organizations: texts(&mut subject.iter_organization()),
        certificate_sha256: hex(&Sha256::digest(leaf)),
        ..anonymous
    }
}

/// The header's value. Made once a connection.
pub fn encode(identity: &VerifiedIdentity) -> HeaderValue {
    // Base64 is made of characters that a header may hold.
    HeaderValue::try_from(BASE64_URL_SAFE_NO_PAD.encode(identity.encode_to_vec()))
        .unwrap_or(HeaderValue::from_static(""))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_claim_an_identity_are_removed() {
        let names = [
            "k3ts-identity",
            "k3ts-identity-2",
            "k3ts-splice-node",
            "k3ts-ask",
            "k3ts-fanout",
            "x-remote-user",
            "x_remote-user",
            "k3ts_identity",
            "k3ts-pod",
            "accept",
        ];
        let mut headers: HeaderMap = names
            .iter()
            .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("x")))
            .collect();
        headers.append("x-remote-group", HeaderValue::from_static("system:masters"));
        strip(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["k3ts-pod", "accept"]);
    }

    #[test]
    fn the_header_carries_the_message() {
        let identity = VerifiedIdentity {
            remote_address: "[::1]:1".to_owned(),
            common_name: "ünï".to_owned(),
            organizations: vec!["system:masters".to_owned()],
            ..VerifiedIdentity::default()
        };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(encode(&identity).as_bytes()).unwrap();
        assert_eq!(VerifiedIdentity::decode(bytes.as_slice()).unwrap(), identity);
    }
}
