//! Making an own root and a signing certificate that C2PA accepts.

use colophon_core::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SerialNumber, SignatureAlgorithm, SigningKey,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use crate::{KeyPair, key_error, parse_chain};

/// `c2pa-kp-claimSigning` (C2PA 2.4, certificate profile).
const CLAIM_SIGNING: [u64; 9] = [1, 3, 6, 1, 4, 1, 62558, 2, 1];
/// Days the root is valid: ten years.
const ROOT_DAYS: i64 = 3653;

/// What the certificates say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRequest {
    /// Organisation, in both subjects. Verifiers show it.
    pub organisation: String,
    /// Begin of validity, Unix seconds.
    pub not_before: i64,
    /// Days the signing certificate is valid.
    pub days: u16,
    /// Serial numbers of root and leaf.
    pub serials: [[u8; 16]; 2],
}

impl ChainRequest {
    /// A request that starts now, with random serial numbers.
    ///
    /// # Errors
    /// `Key` when the system gives no randomness, or the organisation is empty or has control characters.
    pub fn new(organisation: &str, days: u16) -> Result<Self> {
        if organisation.trim().is_empty()
            || organisation.chars().any(char::is_control)
            || organisation.len() > 64
        {
            // X.520 bounds an organisation name at 64 characters.
            return Err(key_error(
                "the organisation is empty, longer than 64 bytes or has control characters",
            ));
        }
        let mut serials = [[0; 16]; 2];
        for s in &mut serials {
            getrandom::fill(s)
                .map_err(|e| key_error("the system gives no randomness").because(e.to_string()))?;
        }
        // Some minutes back: clocks of verifiers differ.
        let not_before = OffsetDateTime::now_utc().unix_timestamp() - 300;
        Ok(Self { organisation: organisation.to_owned(), not_before, days, serials })
    }
}

/// Certificates in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The signing certificate. Manifests carry it.
    pub leaf_pem: String,
    /// The own root. Verifiers that trust it report `Trusted`; manifests do not carry it.
    pub root_pem: String,
}

/// Makes a self-signed root for `root` and a signing certificate for `leaf`.
///
/// The leaf follows the C2PA profile: version 3, no CA, AKI and SKI, critical key usage `digitalSignature`, extended
/// key usages claim signing and e-mail protection (which older validators ask for).
///
/// # Errors
/// `Key` when encoding fails or the validity is out of range.
pub fn make_chain(root: &KeyPair, leaf: &KeyPair, request: &ChainRequest) -> Result<Chain> {
    let failed = |e: rcgen::Error| key_error("the certificate cannot be made").because(e.to_string());
    let start = OffsetDateTime::from_unix_timestamp(request.not_before)
        .map_err(|_| key_error("the begin of validity is out of range"))?;
    let [root_serial, leaf_serial] = request.serials;

    let root_key = Rcgen::new(root);
    let mut params = params(request, &root_name(request), root_serial, &root_key);
    (params.not_before, params.not_after) = (start, start + Duration::days(ROOT_DAYS));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let root_cert = params.self_signed(&root_key).map_err(failed)?;
    let issuer = Issuer::new(params, &root_key);

    let leaf_pem = sign_leaf(&issuer, leaf, request, leaf_serial, start)?;
    Ok(Chain { leaf_pem, root_pem: root_cert.pem() })
}

/// Makes a signing certificate for a new key under a root that exists: key rotation. What the old key signed stays as
/// it is, and whoever believes the root believes the new key too.
///
/// # Errors
/// `Key` when the root key is not the root certificate's, the root is no authority, or the new certificate would
/// outlive it.
pub fn issue_leaf(root: &KeyPair, root_pem: &str, leaf: &KeyPair, request: &ChainRequest) -> Result<String> {
    let root_cert = parse_chain(root_pem)?;
    let root_cert = root_cert.first().ok_or_else(|| key_error("there is no root certificate"))?;
    if !root_cert.is_ca || root_cert.ed25519 != Some(root.public_key()) {
        return Err(key_error("the root key does not belong to the root certificate"));
    }
    let start = OffsetDateTime::from_unix_timestamp(request.not_before)
        .map_err(|_| key_error("the begin of validity is out of range"))?;
    if (start + Duration::days(i64::from(request.days))).unix_timestamp() > root_cert.validity.1 {
        return Err(key_error("the new certificate would outlive its root"));
    }
    let [root_serial, leaf_serial] = request.serials;
    let root_key = Rcgen::new(root);
    let issuer = params(request, &root_name(request), root_serial, &root_key);
    let pem = sign_leaf(&Issuer::new(issuer, &root_key), leaf, request, leaf_serial, start)?;
    // The names of issuer and root have to be one and the same.
    let made = parse_chain(&pem)?;
    if made.first().is_none_or(|c| c.issuer != root_cert.subject) {
        return Err(key_error("the organisation is not the one of the root certificate"));
    }
    Ok(pem)
}

fn root_name(request: &ChainRequest) -> String {
    format!("{} root", request.organisation)
}

fn sign_leaf(
    issuer: &Issuer<'_, &Rcgen<'_>>,
    leaf: &KeyPair,
    request: &ChainRequest,
    serial: [u8; 16],
    start: OffsetDateTime,
) -> Result<String> {
    let leaf_key = Rcgen::new(leaf);
    let mut params = params(request, &format!("{} content signing", request.organisation), serial, &leaf_key);
    (params.not_before, params.not_after) = (start, start + Duration::days(i64::from(request.days)));
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::Other(CLAIM_SIGNING.to_vec()),
        ExtendedKeyUsagePurpose::EmailProtection,
    ];
    let cert = params
        .signed_by(&leaf_key, issuer)
        .map_err(|e| key_error("the certificate cannot be made").because(e.to_string()))?;
    Ok(cert.pem())
}

fn params(request: &ChainRequest, name: &str, serial: [u8; 16], key: &Rcgen<'_>) -> CertificateParams {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, request.organisation.as_str());
    subject.push(DnType::CommonName, name);
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    // RFC 5280, 4.1.2.2: positive, at most 20 octets.
    let mut serial = serial.to_vec();
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    params.serial_number = Some(SerialNumber::from(serial));
    // RFC 7093, method 1: the leftmost 160 bits of the SHA-256 of the public key.
    let id = Sha256::digest(key.public).iter().take(20).copied().collect();
    params.key_identifier_method = KeyIdMethod::PreSpecified(id);
    params
}

/// Our key as rcgen wants to see one.
struct Rcgen<'a> {
    key: &'a KeyPair,
    public: [u8; 32],
}

impl<'a> Rcgen<'a> {
    fn new(key: &'a KeyPair) -> Self {
        Self { key, public: key.public_key() }
    }
}

impl PublicKeyData for Rcgen<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl SigningKey for Rcgen<'_> {
    fn sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, rcgen::Error> {
        Ok(self.key.sign(message).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_chain;

    #[test]
    fn c2pa_certificate_profile_of_the_leaf() {
        let (root, leaf) = (KeyPair::from_seed(&[1; 32]), KeyPair::from_seed(&[2; 32]));
        let chain = make_chain(&root, &leaf, &ChainRequest::new("Acme", 366).unwrap()).unwrap();
        let cert = &parse_chain(&chain.leaf_pem).unwrap()[0];
        assert!(!cert.is_ca);
        assert_eq!(cert.extended_key_usage, ["1.3.6.1.5.5.7.3.4", "1.3.6.1.4.1.62558.2.1"]);
        assert_eq!(cert.ed25519, Some(leaf.public_key()));
        assert!(cert.subject.contains("O=Acme"), "{}", cert.subject);
        assert_eq!(cert.validity.1 - cert.validity.0, 366 * 86400);
        let root = &parse_chain(&chain.root_pem).unwrap()[0];
        assert!(root.is_ca && root.subject == cert.issuer);
    }

    #[test]
    fn a_rotated_key_hangs_under_the_same_root() {
        let (root, old, new) =
            (KeyPair::from_seed(&[1; 32]), KeyPair::from_seed(&[2; 32]), KeyPair::from_seed(&[3; 32]));
        let chain = make_chain(&root, &old, &ChainRequest::new("Acme", 366).unwrap()).unwrap();
        let request = ChainRequest::new("Acme", 366).unwrap();
        let pem = issue_leaf(&root, &chain.root_pem, &new, &request).unwrap();
        let (cert, before) = (&parse_chain(&pem).unwrap()[0], &parse_chain(&chain.leaf_pem).unwrap()[0]);
        assert_eq!(cert.issuer, before.issuer);
        assert_eq!(cert.ed25519, Some(new.public_key()));
        assert_ne!(cert.serial, before.serial);
        assert!(
            issue_leaf(&old, &chain.root_pem, &new, &request).unwrap_err().to_string().contains("root key")
        );
        let other = ChainRequest::new("Other", 366).unwrap();
        assert!(
            issue_leaf(&root, &chain.root_pem, &new, &other)
                .unwrap_err()
                .to_string()
                .contains("organisation")
        );
        let long = ChainRequest { days: 3700, ..request };
        assert!(issue_leaf(&root, &chain.root_pem, &new, &long).unwrap_err().to_string().contains("outlive"));
    }

    #[test]
    fn an_organisation_that_no_certificate_can_hold_is_refused() {
        assert!(ChainRequest::new("", 1).is_err());
        assert!(ChainRequest::new("a\nb", 1).is_err());
        assert!(ChainRequest::new(&"x".repeat(65), 1).is_err());
    }
}
