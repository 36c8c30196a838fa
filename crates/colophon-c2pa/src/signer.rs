//! Our signer as the library wants to see one.

use c2pa::SigningAlg;
use colophon_core::Signer;

/// Bytes besides certificates and signature that a COSE_Sign1 without time stamp takes: tags, headers, algorithm, and
/// what the library writes before it shrinks its padding to reach the exact size.
const COSE_OVERHEAD: usize = 512;
/// Length of an Ed25519 signature.
pub(crate) const SIGNATURE: usize = 64;

/// Adapter.
pub(crate) struct Adapter<'a> {
    pub(crate) signer: &'a dyn Signer,
}

impl c2pa::Signer for Adapter<'_> {
    fn sign(&self, data: &[u8]) -> c2pa::Result<Vec<u8>> {
        self.signer.sign(data).map_err(|e| c2pa::Error::OtherError(Box::new(e)))
    }

    fn alg(&self) -> SigningAlg {
        SigningAlg::Ed25519
    }

    fn certs(&self) -> c2pa::Result<Vec<Vec<u8>>> {
        Ok(self.signer.certificates())
    }

    /// Every byte of it ends up in the file, and four times over in signed plain text: as tight as it can be.
    fn reserve_size(&self) -> usize {
        let certificates: usize = self.signer.certificates().iter().map(|c| c.len() + 5).sum();
        certificates + SIGNATURE + COSE_OVERHEAD
    }
}
