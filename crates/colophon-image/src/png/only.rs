//! The pixels of a coded picture without the file around them.

use std::io::{self, Write};

use colophon_container::png::{Id, SIGNATURE};

/// Takes a PNG file and passes on the chunks of one kind, as they come: nothing is held but the head of a chunk.
pub(super) struct Only<'a> {
    id: Id,
    /// Where the chunks go.
    out: &'a mut dyn Write,
    at: At,
}

/// What the next byte belongs to.
enum At {
    /// The signature, of which so many bytes are missing.
    Signature(usize),
    /// Length and kind of a chunk, as far as they are known.
    Head([u8; 8], usize),
    /// Data and checksum, of which so many bytes are missing, and whether they are passed on.
    Body(u64, bool),
}

impl<'a> Only<'a> {
    pub(super) fn new(id: Id, out: &'a mut dyn Write) -> Self {
        Self { id, out, at: At::Signature(SIGNATURE.len()) }
    }
}

impl Write for Only<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.at {
            At::Signature(left) => {
                let taken = bytes.len().min(*left);
                *left -= taken;
                if *left == 0 {
                    self.at = At::Head([0; 8], 0);
                }
                Ok(taken)
            }
            At::Head(head, known) => {
                let missing = head.get_mut(*known..).unwrap_or_default();
                let taken = bytes.len().min(missing.len());
                missing.iter_mut().zip(bytes).for_each(|(h, b)| *h = *b);
                *known += taken;
                if *known == head.len() {
                    let [l0, l1, l2, l3, id @ ..] = *head;
                    let passes = id == self.id;
                    if passes {
                        self.out.write_all(head)?;
                    }
                    self.at = At::Body(u64::from(u32::from_be_bytes([l0, l1, l2, l3])) + 4, passes);
                }
                Ok(taken)
            }
            At::Body(left, passes) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let part = bytes.get(..taken).unwrap_or_default();
                if *passes {
                    self.out.write_all(part)?;
                }
                *left -= taken as u64;
                if *left == 0 {
                    self.at = At::Head([0; 8], 0);
                }
                Ok(taken)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use colophon_container::png;

    #[test]
    fn chunks_of_one_kind_come_through_whole_however_they_are_cut() {
        let chunk = |id: &[u8; 4], data: &[u8]| png::encode(*id, data).unwrap();
        let pixels = [chunk(b"IDAT", b"some pixels"), chunk(b"IDAT", b""), chunk(b"IDAT", b"more")];
        let file =
            [&SIGNATURE[..], &chunk(b"IHDR", &[7; 13]), &pixels.concat(), &chunk(b"IEND", b"")].concat();
        for size in [1, 3, 7, 8, 20, file.len()] {
            let mut out = Vec::new();
            let mut only = Only::new(*b"IDAT", &mut out);
            for part in file.chunks(size) {
                only.write_all(part).unwrap();
            }
            assert_eq!(out, pixels.concat(), "{size}");
        }
    }
}
