//! Certificates and files that the library itself would refuse to make.

use colophon::sign::{CertifiedSigner, KeyPair};
use coset::{CoseSign1, TaggedCborSerializable};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, PKCS_ED25519, PublicKeyData,
    RevokedCertParams, SerialNumber, SignatureAlgorithm, SigningKey,
};
use time::{Duration, OffsetDateTime};

pub(crate) const NOW: &str = "2026-03-04T05:06:07Z";
/// Begin of the fixture's validity, Unix seconds.
const START: i64 = 1_735_689_600;

/// That many days after the begin of validity, Unix seconds.
pub(crate) fn at(days: i64) -> i64 {
    START + days * 86_400
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Usage {
    Email,
    ServerAuth,
}

pub(crate) struct Pki {
    root: KeyPair,
    pub(crate) leaf: KeyPair,
    pub(crate) root_pem: String,
}

struct Key<'a>(&'a KeyPair, [u8; 32]);

impl PublicKeyData for Key<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.1
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl SigningKey for Key<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.0.sign(message).to_vec())
    }
}

fn key(pair: &KeyPair) -> Key<'_> {
    Key(pair, pair.public_key())
}

fn params(name: &str, id: u8) -> CertificateParams {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "acme");
    subject.push(DnType::CommonName, name);
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.serial_number = Some(SerialNumber::from(vec![0x41, id, 7, 7]));
    params.key_identifier_method = KeyIdMethod::PreSpecified(vec![id; 20]);
    params
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self::from_seeds(1, 2)
    }

    /// Another root of the same name.
    pub(crate) fn other() -> Self {
        Self::from_seeds(11, 2)
    }

    fn from_seeds(root: u8, leaf: u8) -> Self {
        let (root, leaf) = (KeyPair::from_seed(&[root; 32]), KeyPair::from_seed(&[leaf; 32]));
        let root_pem = Self::root_params().self_signed(&key(&root)).unwrap().pem();
        Self { root, leaf, root_pem }
    }

    fn root_params() -> CertificateParams {
        let mut p = params("acme root", 1);
        let start = OffsetDateTime::from_unix_timestamp(at(-3000)).unwrap();
        (p.not_before, p.not_after) = (start, start + Duration::days(9000));
        p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        p.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        p
    }

    /// A signing certificate; all variants have the same length.
    pub(crate) fn leaf(&self, usage: Usage, begin: i64, days: i64, own: bool) -> rcgen::Certificate {
        let mut p = params("acme leaf", 2);
        let start = OffsetDateTime::from_unix_timestamp(at(begin)).unwrap();
        (p.not_before, p.not_after) = (start, start + Duration::days(days));
        p.is_ca = IsCa::ExplicitNoCa;
        p.use_authority_key_identifier_extension = true;
        p.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        p.extended_key_usages = vec![match usage {
            Usage::Email => ExtendedKeyUsagePurpose::EmailProtection,
            Usage::ServerAuth => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        if own {
            let issuer = Issuer::new(params("acme leaf", 2), key(&self.leaf));
            p.signed_by(&key(&self.leaf), &issuer).unwrap()
        } else {
            let issuer = Issuer::new(Self::root_params(), key(&self.root));
            p.signed_by(&key(&self.leaf), &issuer).unwrap()
        }
    }

    /// The certificate of [`Pki::signer`]: valid for as long as these tests may live.
    fn signing(&self) -> rcgen::Certificate {
        self.leaf(Usage::Email, 0, 366, false)
    }

    pub(crate) fn leaf_pem(&self) -> String {
        self.signing().pem()
    }

    /// Signs with a certificate that is valid while the test runs: the library refuses any other. [`resigned`] then
    /// puts the one of the fixture in its place.
    pub(crate) fn signer(&self) -> CertifiedSigner {
        let now = (OffsetDateTime::now_utc().unix_timestamp() - START) / 86_400;
        let cert = self.leaf(Usage::Email, now - 10, 366, false);
        CertifiedSigner::new(self.leaf.clone(), &cert.pem()).unwrap()
    }

    pub(crate) fn revocation_list(&self, with_leaf: bool) -> String {
        let issuer = Issuer::new(Self::root_params(), key(&self.root));
        let when = OffsetDateTime::from_unix_timestamp(at(1)).unwrap();
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(if with_leaf {
                vec![0x41, 2, 7, 7]
            } else {
                vec![0x41, 3, 7, 7]
            }),
            revocation_time: when,
            reason_code: None,
            invalidity_date: None,
        };
        CertificateRevocationListParams {
            this_update: when,
            next_update: when + Duration::days(3650),
            crl_number: SerialNumber::from(vec![1]),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::PreSpecified(vec![1; 20]),
        }
        .signed_by(&issuer)
        .unwrap()
        .pem()
        .unwrap()
    }
}

/// Half a second of a quiet tone, 16 bit mono.
pub(crate) fn wav() -> Vec<u8> {
    let samples: Vec<u8> =
        (0..8000_i32).flat_map(|i| ((i * 37 % 2000 - 1000) as i16).to_le_bytes()).collect();
    let mut out = b"RIFF".to_vec();
    out.extend_from_slice(&(36 + samples.len() as u32).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend_from_slice(&16_000_u32.to_le_bytes());
    out.extend_from_slice(&32_000_u32.to_le_bytes());
    out.extend_from_slice(&[2, 0, 16, 0]);
    out.extend_from_slice(b"data");
    out.extend_from_slice(&(samples.len() as u32).to_le_bytes());
    out.extend_from_slice(&samples);
    out
}

/// The body of the first `cbor` box behind a label.
fn cbor_after(bytes: &[u8], label: &[u8]) -> std::ops::Range<usize> {
    let find = |needle: &[u8], from: usize| {
        from + bytes[from..].windows(needle.len()).position(|w| w == needle).unwrap()
    };
    let kind = find(b"cbor", find(label, 0));
    let len = u32::from_be_bytes(bytes[kind - 4..kind].try_into().unwrap()) as usize;
    kind + 4..kind - 4 + len
}

/// The file with another certificate of the same length, and the signature that goes with it.
pub(crate) fn resigned(bytes: &[u8], pki: &Pki, cert: &rcgen::Certificate) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let place = cbor_after(&out, b"c2pa.signature\0");
    let old = CoseSign1::from_tagged_slice(&out[place.clone()]).unwrap();
    // The certificate begins with SEQUENCE of the same length, inside the protected header.
    let der = cert.der();
    let head = &der[..4];
    let at = place.start + out[place.clone()].windows(4).position(|w| w == head).unwrap();
    out[at..at + der.len()].copy_from_slice(der);
    let claim = out[cbor_after(&out, b"c2pa.claim.v2\0")].to_vec();
    let mut new = CoseSign1::from_tagged_slice(&out[place.clone()]).unwrap();
    new.payload = Some(claim);
    let signature = pki.leaf.sign(&new.tbs_data(b""));
    let at =
        place.start + out[place.clone()].windows(64).rposition(|w| w == old.signature.as_slice()).unwrap();
    out[at..at + 64].copy_from_slice(&signature);
    out
}

/// The file with a copy of its store behind everything else.
pub(crate) fn with_second_store(bytes: &[u8]) -> Vec<u8> {
    let at = bytes.windows(4).position(|w| w == b"C2PA").unwrap();
    let len = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
    let mut out = bytes.to_vec();
    out.extend_from_slice(&bytes[at..at + 8 + len + len % 2]);
    let size = (out.len() - 8) as u32;
    out[4..8].copy_from_slice(&size.to_le_bytes());
    out
}

/// The file with the first occurrence inside the store changed to something of the same length.
pub(crate) fn with_changed(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let store = bytes.windows(4).position(|w| w == b"C2PA").unwrap();
    let at = store + bytes[store..].windows(from.len()).position(|w| w == from).unwrap();
    let mut out = bytes.to_vec();
    out[at..at + to.len()].copy_from_slice(to);
    out
}

/// The file whose COSE header names another algorithm, by its one-byte CBOR code; -8 (EdDSA) is 0x27.
pub(crate) fn with_algorithm(bytes: &[u8], code: u8) -> Vec<u8> {
    let place = cbor_after(bytes, b"c2pa.signature\0");
    let at = place.start + bytes[place].windows(2).position(|w| w == [0x01, 0x27]).unwrap() + 1;
    let mut out = bytes.to_vec();
    out[at] = code;
    out
}
