//! Keys of signal marks and the random streams drawn from them.
//!
//! A mark needs the same secret choices when it is written and when it is read: which points carry it, with which
//! phases, in which order. All of them come from here, so that one definition, fixed by test vectors, serves every medium.
//!
//! # Definition
//!
//! ```text
//! master = SHA-256("org.colophon.mark-key.1" || kind || key)
//!          kind = 0x00, key = ""        for the public schedule
//!          kind = 0x01, key = secret    for a secret of 1 to 1024 bytes
//! seed   = SHA-256("org.colophon.key-stream.1" || u16be(len(domain)) || domain || master)
//! stream = ChaCha20 (RFC 8439, 2.4) key stream: key = seed, nonce = 0, block counter from 0
//! ```
//!
//! The stream is consumed front to back, little-endian: [`KeyStream::next_u32`] takes 4 bytes, [`KeyStream::next_u64`] 8.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

const MASTER_TAG: &[u8] = b"org.colophon.mark-key.1";
const STREAM_TAG: &[u8] = b"org.colophon.key-stream.1";

/// The longest accepted secret, in bytes.
pub const MAX_SECRET_LEN: usize = 1024;

/// A secret had no bytes or more than [`MAX_SECRET_LEN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretLengthError {
    /// Length of the rejected secret in bytes.
    pub len: usize,
}

impl fmt::Display for SecretLengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a watermark key has 1 to {MAX_SECRET_LEN} bytes, this one has {}", self.len)
    }
}

impl std::error::Error for SecretLengthError {}

/// The key of a signal mark: the public schedule, which anyone can read, or one derived from a secret.
///
/// Holds a digest only, wiped when dropped; never shown by `Debug`.
#[derive(Clone)]
pub struct MarkKey {
    master: Zeroizing<[u8; 32]>,
    public: bool,
}

impl MarkKey {
    /// The public schedule: every reader knows it, so a mark made with it can be read, and copied, by anyone.
    pub fn public() -> Self {
        Self::derive(0, &[])
    }

    /// A private schedule from a secret of 1 to [`MAX_SECRET_LEN`] bytes, taken as it is.
    pub fn from_secret(secret: &[u8]) -> Result<Self, SecretLengthError> {
        if secret.is_empty() || secret.len() > MAX_SECRET_LEN {
            return Err(SecretLengthError { len: secret.len() });
        }
        Ok(Self::derive(1, secret))
    }

    /// Whether this is the public schedule.
    pub fn is_public(&self) -> bool {
        self.public
    }

    /// The random stream for one use, named by `domain` (for example `image.1/points`).
    ///
    /// Streams of different domains or keys are independent. Only the first 65535 bytes of a domain count.
    pub fn stream(&self, domain: &str) -> KeyStream {
        let domain = domain.as_bytes();
        let domain = domain.get(..usize::from(u16::MAX)).unwrap_or(domain);
        let mut hash = Sha256::new();
        hash.update(STREAM_TAG);
        hash.update((domain.len() as u16).to_be_bytes());
        hash.update(domain);
        hash.update(*self.master);
        let seed = Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
        KeyStream {
            cipher: ChaCha20::new(seed.as_slice().into(), &[0; 12].into()),
            block: Zeroizing::new([0; 64]),
            used: 64,
        }
    }

    fn derive(kind: u8, secret: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(MASTER_TAG);
        hash.update([kind]);
        hash.update(secret);
        Self { master: Zeroizing::new(hash.finalize().into()), public: kind == 0 }
    }
}

impl fmt::Debug for MarkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.public { "MarkKey(public)" } else { "MarkKey(secret)" })
    }
}

/// Numbers drawn from one stream of a [`MarkKey`].
///
/// The stream has 2^38 bytes, the limit of the cipher; past them it starts again.
pub struct KeyStream {
    cipher: ChaCha20,
    block: Zeroizing<[u8; 64]>,
    used: usize,
}

impl KeyStream {
    /// The next 4 bytes as a little-endian number.
    pub fn next_u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    /// The next 8 bytes as a little-endian number.
    pub fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    /// A number in `0.0..1.0`: the upper 53 bits of [`next_u64`](Self::next_u64), times 2^-53.
    pub fn unit_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number in `0..n`, each equally likely; 0, without drawing, for `n` of 0 or 1.
    ///
    /// Draws [`next_u32`](Self::next_u32) until the draw is below the largest multiple of `n` up to 2^32, and returns
    /// the draw modulo `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        if n < 2 {
            return 0;
        }
        let end = (1u64 << 32) - (1u64 << 32) % u64::from(n);
        loop {
            let draw = self.next_u32();
            if u64::from(draw) < end {
                return draw % n;
            }
        }
    }

    /// Puts `items` in random order: for `i` from the last index down to 1, swaps `i` with `below(i + 1)`.
    ///
    /// Only the first 2^32 - 1 items take part.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        let len = u32::try_from(items.len()).unwrap_or(u32::MAX);
        for i in (1..len).rev() {
            let j = self.below(i + 1);
            items.swap(i as usize, j as usize);
        }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        for byte in &mut out {
            if self.used >= self.block.len() {
                self.refill();
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
        out
    }

    fn refill(&mut self) {
        self.block.fill(0);
        if self.cipher.try_apply_keystream(self.block.as_mut_slice()).is_err() {
            self.cipher.seek(0u32);
            self.cipher.apply_keystream(self.block.as_mut_slice());
        }
        self.used = 0;
    }
}

impl fmt::Debug for KeyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyStream")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Computed with an independent implementation (Python `hashlib` and RFC 8439 written out).
    #[test]
    fn streams_match_the_committed_vectors() {
        let cases: [(MarkKey, &str, [u32; 4]); 3] = [
            (MarkKey::public(), "image.1/points", VECTOR_PUBLIC),
            (MarkKey::from_secret(b"bench-key").unwrap(), "image.1/points", VECTOR_SECRET),
            (MarkKey::from_secret(b"bench-key").unwrap(), "", VECTOR_EMPTY_DOMAIN),
        ];
        for (key, domain, want) in cases {
            let mut stream = key.stream(domain);
            let got: [u32; 4] = std::array::from_fn(|_| stream.next_u32());
            assert_eq!(got, want, "{key:?} {domain:?}: {got:08x?}");
        }
    }

    const VECTOR_PUBLIC: [u32; 4] = [0x2230ba18, 0x25c47960, 0x91245f8d, 0x2c64664c];
    const VECTOR_SECRET: [u32; 4] = [0xf080d824, 0x915348d7, 0x0b8f67e5, 0xbee115ef];
    const VECTOR_EMPTY_DOMAIN: [u32; 4] = [0xabccc1d5, 0xd9c004a3, 0x3fa83348, 0xf051ae97];

    #[test]
    fn derived_draws_match_the_committed_vectors() {
        let mut stream = MarkKey::public().stream("vectors");
        let below: Vec<u32> = (0..6).map(|_| stream.below(1000)).collect();
        let mut order: Vec<u8> = (0..8).collect();
        stream.shuffle(&mut order);
        let unit = stream.unit_f64();
        assert_eq!(
            (below, order, unit.to_bits()),
            (VECTOR_BELOW.to_vec(), VECTOR_ORDER.to_vec(), VECTOR_UNIT)
        );
    }

    const VECTOR_BELOW: [u32; 6] = [923, 504, 167, 312, 25, 268];
    const VECTOR_ORDER: [u8; 8] = [4, 3, 1, 5, 7, 0, 6, 2];
    const VECTOR_UNIT: u64 = 0x3fe7_a3ea_dfa3_4993;

    #[test]
    fn words_of_both_widths_share_one_byte_order() {
        let key = MarkKey::public();
        let (mut a, mut b) = (key.stream("x"), key.stream("x"));
        for _ in 0..40 {
            let low = u64::from(a.next_u32());
            assert_eq!(b.next_u64(), low | u64::from(a.next_u32()) << 32);
        }
    }

    #[test]
    fn a_secret_equal_to_the_public_input_is_still_another_key() {
        assert_ne!(
            MarkKey::public().stream("a").next_u64(),
            MarkKey::from_secret(&[0]).unwrap().stream("a").next_u64()
        );
    }

    #[test]
    fn secrets_outside_the_length_limits_are_refused() {
        assert_eq!(MarkKey::from_secret(&[]).unwrap_err().len, 0);
        assert!(MarkKey::from_secret(&[7; MAX_SECRET_LEN]).is_ok());
        assert_eq!(MarkKey::from_secret(&[7; MAX_SECRET_LEN + 1]).unwrap_err().len, MAX_SECRET_LEN + 1);
    }

    #[test]
    fn debug_shows_no_key_material() {
        let key = MarkKey::from_secret(b"hunter2").unwrap();
        assert_eq!(format!("{key:?} {:?}", key.stream("a")), "MarkKey(secret) KeyStream");
    }

    proptest! {
        #[test]
        fn below_stays_below(n in 1u32.., secret in proptest::collection::vec(any::<u8>(), 1..40)) {
            let mut stream = MarkKey::from_secret(&secret).unwrap().stream("p");
            for _ in 0..50 {
                prop_assert!(stream.below(n) < n);
                prop_assert!((0.0..1.0).contains(&stream.unit_f64()));
            }
        }

        #[test]
        fn shuffle_is_a_permutation(len in 0usize..300) {
            let mut items: Vec<usize> = (0..len).collect();
            MarkKey::public().stream("s").shuffle(&mut items);
            items.sort_unstable();
            prop_assert_eq!(items, (0..len).collect::<Vec<_>>());
        }
    }
}
