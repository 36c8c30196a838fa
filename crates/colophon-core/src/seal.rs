//! Signing and believing.

use std::fmt;

use crate::{Declaration, Format, Limits, Plan, Record, Result, Source};

/// Signs bytes. Implementations hold the key; nothing here shows it.
pub trait Signer: Send + Sync {
    /// Signature algorithm by its COSE name: `EdDSA`.
    fn algorithm(&self) -> &'static str;

    /// Identifier of the key: hex SHA-256 of the public key.
    fn key_id(&self) -> String;

    /// Certificate chain in DER, leaf first, without the root; empty when there is none.
    fn certificates(&self) -> Vec<Vec<u8>>;

    /// The raw public key; 32 bytes for Ed25519.
    fn public_key(&self) -> Vec<u8>;

    /// Signs `message`.
    ///
    /// # Errors
    /// `Key`.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>>;
}

impl fmt::Debug for dyn Signer + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id())
            .finish()
    }
}

/// Whom to believe, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Trust anchors for signers, PEM.
    pub anchors_pem: Vec<String>,
    /// Trust anchors for time stamps, PEM.
    pub timestamp_anchors_pem: Vec<String>,
    /// Leaf certificates believed by themselves, PEM.
    pub pinned_pem: Vec<String>,
    /// Public keys believed by themselves: hex of a raw Ed25519 key, or of the SHA-256 of one (a key id).
    pub pinned_keys: Vec<String>,
    /// Revocation lists signed by an issuer in the chain: X.509 CRLs, PEM.
    pub revocation_pem: Vec<String>,
    /// The time validity is judged at, Unix seconds; the system clock when absent.
    pub at: Option<i64>,
}

/// What the seal states about the content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SealAct {
    /// The content was made or changed with a model, and marked.
    #[default]
    Marked,
    /// A platform added its propagation fields to somebody else's content and changed nothing else.
    Propagated,
}

/// What a sealing mark sees.
#[derive(Clone, Copy)]
pub struct SealCx<'a> {
    /// The finished content: labelled, watermarked, with metadata.
    pub source: &'a dyn Source,
    /// The input as it came, when it carried a manifest that becomes the parent ingredient.
    pub parent: Option<&'a dyn Source>,
    /// A manifest that came beside the input.
    pub parent_sidecar: Option<&'a [u8]>,
    /// Format of both.
    pub format: &'a dyn Format,
    /// What the seal states.
    pub act: SealAct,
    /// The caller's statement.
    pub declaration: &'a Declaration,
    /// The plan.
    pub plan: &'a Plan,
    /// The record to be signed.
    pub record: &'a Record,
    /// The key.
    pub signer: &'a dyn Signer,
    /// Bounds.
    pub limits: &'a Limits,
    /// The run's clock, RFC 3339.
    pub now: &'a str,
}

/// What sealing made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The sealed bytes; unchanged input when the manifest stays beside the file.
    pub bytes: Vec<u8>,
    /// The manifest store to be kept beside the file.
    pub sidecar: Option<Vec<u8>>,
    /// Label of the active manifest.
    pub manifest_id: String,
}

/// A seal on a file that is written once and never held in memory: a place is reserved in what is written, what is written
/// is hashed on its way, then signed over, and the store filled in.
pub trait Sealing {
    /// What stands in [`crate::Slot::Jumbf`] until the file is signed, as long as the signed store. `None` when the
    /// store is kept beside the file.
    fn placeholder(&self) -> Option<&[u8]>;

    /// Hashes what the manifest will bind of a file that is about to be written.
    ///
    /// # Errors
    /// Those of walking the file.
    fn binder(&self, planned: &dyn Source) -> Result<Box<dyn Binder>>;

    /// Signs, given the digest that [`Binder::finish`] answered after the whole file.
    ///
    /// # Errors
    /// `Key`, `Check` when the store has not the reserved length.
    fn finish(self: Box<Self>, planned: &dyn Source, binding: Vec<u8>) -> Result<Signed>;
}

/// Takes the bytes of a file in order, and hashes those that a manifest binds.
pub trait Binder: Send {
    /// The next bytes.
    fn update(&mut self, bytes: &[u8]);

    /// The digest.
    fn finish(self: Box<Self>) -> Vec<u8>;
}

/// A signed store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The manifest store.
    pub store: Vec<u8>,
    /// Label of the active manifest.
    pub manifest_id: String,
    /// The digest of the written file that the store binds.
    pub binding: Vec<u8>,
}
