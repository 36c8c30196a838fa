//! Signatures of certificates, revocation lists and OCSP answers.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// A digest of the SHA-2 family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha384 => Sha384::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }
}

/// Whether `signature` over `data` is by `key`. False for algorithms that C2PA does not allow in certificates.
pub(super) fn verify(
    algorithm: &AlgorithmIdentifier<'_>,
    key: &SubjectPublicKeyInfo<'_>,
    data: &[u8],
    signature: &[u8],
) -> bool {
    let oid = algorithm.algorithm.to_id_string();
    match oid.as_str() {
        // id-Ed25519 (RFC 8410).
        "1.3.101.112" => <[u8; 32]>::try_from(key.subject_public_key.data.as_ref())
            .is_ok_and(|k| colophon_sign::verify_ed25519(&k, data, signature)),
        // ecdsa-with-SHA256, -384, -512 (RFC 5758).
        "1.2.840.10045.4.3.2" => ecdsa(Hash::Sha256, key, data, signature),
        "1.2.840.10045.4.3.3" => ecdsa(Hash::Sha384, key, data, signature),
        "1.2.840.10045.4.3.4" => ecdsa(Hash::Sha512, key, data, signature),
        // sha256-, sha384-, sha512WithRSAEncryption (RFC 4055).
        "1.2.840.113549.1.1.11" => rsa_pkcs1(Hash::Sha256, key, data, signature),
        "1.2.840.113549.1.1.12" => rsa_pkcs1(Hash::Sha384, key, data, signature),
        "1.2.840.113549.1.1.13" => rsa_pkcs1(Hash::Sha512, key, data, signature),
        // RSASSA-PSS (RFC 4055): the hash stands in the parameters.
        "1.2.840.113549.1.1.10" => pss_hash(algorithm).is_some_and(|h| rsa_pss(h, key, data, signature)),
        _ => false,
    }
}

fn ecdsa(hash: Hash, key: &SubjectPublicKeyInfo<'_>, data: &[u8], signature: &[u8]) -> bool {
    let point = key.subject_public_key.data.as_ref();
    let digest = hash.digest(data);
    let curve = key.algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok()).map(|o| o.to_id_string());
    match curve.as_deref() {
        Some("1.2.840.10045.3.1.7") => p256::ecdsa::VerifyingKey::from_sec1_bytes(point)
            .ok()
            .zip(p256::ecdsa::Signature::from_der(signature).ok())
            .is_some_and(|(k, s)| k.verify_prehash(&digest, &s).is_ok()),
        Some("1.3.132.0.34") => p384::ecdsa::VerifyingKey::from_sec1_bytes(point)
            .ok()
            .zip(p384::ecdsa::Signature::from_der(signature).ok())
            .is_some_and(|(k, s)| k.verify_prehash(&digest, &s).is_ok()),
        Some("1.3.132.0.35") => p521::ecdsa::VerifyingKey::from_sec1_bytes(point)
            .ok()
            .zip(p521::ecdsa::Signature::from_der(signature).ok())
            .is_some_and(|(k, s)| k.verify_prehash(&digest, &s).is_ok()),
        _ => false,
    }
}

fn rsa_key(key: &SubjectPublicKeyInfo<'_>) -> Option<rsa::RsaPublicKey> {
    use rsa::pkcs1::DecodeRsaPublicKey;
    let key = rsa::RsaPublicKey::from_pkcs1_der(key.subject_public_key.data.as_ref()).ok()?;
    // C2PA, certificate profile: at least 2048 bits.
    (rsa::traits::PublicKeyParts::size(&key) >= 256).then_some(key)
}

fn rsa_pkcs1(hash: Hash, key: &SubjectPublicKeyInfo<'_>, data: &[u8], signature: &[u8]) -> bool {
    let scheme = match hash {
        Hash::Sha256 => rsa::Pkcs1v15Sign::new::<Sha256>(),
        Hash::Sha384 => rsa::Pkcs1v15Sign::new::<Sha384>(),
        Hash::Sha512 => rsa::Pkcs1v15Sign::new::<Sha512>(),
    };
    rsa_key(key).is_some_and(|k| k.verify(scheme, &hash.digest(data), signature).is_ok())
}

fn rsa_pss(hash: Hash, key: &SubjectPublicKeyInfo<'_>, data: &[u8], signature: &[u8]) -> bool {
    let scheme = match hash {
        Hash::Sha256 => rsa::Pss::new::<Sha256>(),
        Hash::Sha384 => rsa::Pss::new::<Sha384>(),
        Hash::Sha512 => rsa::Pss::new::<Sha512>(),
    };
    rsa_key(key).is_some_and(|k| k.verify(scheme, &hash.digest(data), signature).is_ok())
}

/// The hash named in PSS parameters, by the DER of its object identifier (2.16.840.1.101.3.4.2.1 to .3).
fn pss_hash(algorithm: &AlgorithmIdentifier<'_>) -> Option<Hash> {
    const SHA2: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
    let parameters = algorithm.parameters.as_ref()?.data;
    let at = parameters.windows(SHA2.len()).position(|w| w == SHA2)?;
    match parameters.get(at + SHA2.len())? {
        1 => Some(Hash::Sha256),
        2 => Some(Hash::Sha384),
        3 => Some(Hash::Sha512),
        _ => None,
    }
}
