//! Bytes to be read, in memory or elsewhere, by position.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::{Error, Result};

/// Input addressed by position. Reading changes no state, so walkers can share it.
///
/// Memory implements it without copying; a file implements it with positional reads, which lets the same walker
/// examine a 4 GB video in bounded memory.
pub trait Source: Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the range reaches past the end; any error of the medium.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// All bytes, when they are in memory already.
    fn as_bytes(&self) -> Option<&[u8]> {
        None
    }

    /// The file, when the source is one: ranges of it are copied without passing through this process.
    fn as_file(&self) -> Option<&FileSource> {
        None
    }

    /// True when there is nothing to read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl dyn Source + '_ {
    /// `len` bytes at `offset`; borrowed when the source is in memory.
    ///
    /// # Errors
    /// `Malformed` when the range is not inside the source, before anything is allocated.
    pub fn bytes(&self, offset: u64, len: u64) -> Result<Cow<'_, [u8]>> {
        let end = offset.checked_add(len).filter(|end| *end <= self.len()).ok_or_else(|| {
            Error::new(
                crate::ErrorKind::Malformed,
                format!("{len} bytes are announced where the input ends before"),
            )
            .at_offset(offset)
        })?;
        if let Some(all) = self.as_bytes() {
            // The range was checked against `len()`; a source that lies about its length gives an empty slice.
            return Ok(Cow::Borrowed(all.get(offset as usize..end as usize).unwrap_or_default()));
        }
        let mut buf = vec![0; usize::try_from(len).map_err(|_| Error::limit("range larger than memory"))?];
        self.read_exact_at(offset, &mut buf)?;
        Ok(Cow::Owned(buf))
    }

    /// Up to `len` bytes at `offset`: fewer where the source ends.
    pub fn bytes_up_to(&self, offset: u64, len: u64) -> Result<Cow<'_, [u8]>> {
        let rest = self.len().saturating_sub(offset);
        self.bytes(offset.min(self.len()), len.min(rest))
    }

    /// Writes a range to `out`, piece by piece.
    ///
    /// # Errors
    /// `UnexpectedEof` when the range reaches past the end; those of either side.
    pub fn write_to(&self, range: Range<u64>, out: &mut dyn Write) -> io::Result<()> {
        /// Bytes read at a time.
        const PIECE: u64 = 1 << 18;
        if let Some(all) = self.as_bytes() {
            let part = all.get(range.start as usize..range.end as usize);
            return out.write_all(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        }
        let mut buffer = vec![0; range.end.saturating_sub(range.start).min(PIECE) as usize];
        let mut at = range.start;
        while at < range.end {
            let part = buffer.get_mut(..(range.end - at).min(PIECE) as usize).unwrap_or_default();
            self.read_exact_at(at, part)?;
            out.write_all(part)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    /// The whole source; borrowed when it is in memory.
    ///
    /// # Errors
    /// `Limit` when it is longer than `max` bytes.
    pub fn all(&self, max: u64) -> Result<Cow<'_, [u8]>> {
        if self.len() > max {
            return Err(Error::limit(format!("input of {} bytes exceeds the limit of {max}", self.len())));
        }
        self.bytes(0, self.len())
    }
}

impl Source for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buf.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(self.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        Some(self)
    }
}

impl Source for Vec<u8> {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_exact_at(offset, buf)
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        Some(self)
    }
}

/// A file read by position, at the length it had when it was opened.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    len: u64,
    /// Copying moves the file's one cursor: one copy at a time.
    cursor: Mutex<()>,
}

impl FileSource {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::new(File::open(path)?)
    }

    /// An opened file.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file, len, cursor: Mutex::new(()) })
    }

    /// Appends a range to what was written to `out`. Where the system can, the bytes never enter this process.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file became shorter; those of the file system.
    pub fn copy_to(&self, range: Range<u64>, out: &File) -> io::Result<()> {
        let len = range.end.saturating_sub(range.start);
        if len == 0 {
            return Ok(());
        }
        let _one = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut from, mut out) = (&self.file, out);
        from.seek(SeekFrom::Start(range.start))?;
        let copied = io::copy(&mut from.take(len), &mut out)?;
        if copied == len { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl FileSource {
    /// A path under which another process of the same user can open this very file while it is held here, even when it was
    /// renamed or deleted since. `None` where the system has none.
    pub fn place(&self) -> Option<PathBuf> {
        #[cfg(target_os = "linux")]
        {
            let number = std::os::fd::AsRawFd::as_raw_fd(&self.file);
            let path = PathBuf::from(format!("/proc/{}/fd/{number}", std::process::id()));
            File::open(&path).is_ok().then_some(path)
        }
        #[cfg(not(target_os = "linux"))]
        None
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_exact_at(&self.file, buf, offset);
        #[cfg(not(unix))]
        {
            let _one = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
            let mut file = &self.file;
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(buf)
        }
    }

    fn as_file(&self) -> Option<&FileSource> {
        Some(self)
    }
}

/// A [`Source`] seen as `Read + Seek`, for libraries that want a stream.
pub struct SourceReader<'a> {
    source: &'a dyn Source,
    position: u64,
}

impl std::fmt::Debug for SourceReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceReader")
            .field("len", &self.source.len())
            .field("position", &self.position)
            .finish()
    }
}

impl<'a> SourceReader<'a> {
    /// A stream over `source`, at its start.
    pub fn new(source: &'a dyn Source) -> Self {
        Self { source, position: 0 }
    }
}

impl Read for SourceReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let rest = self.source.len().saturating_sub(self.position);
        let n = usize::try_from(rest).unwrap_or(usize::MAX).min(buf.len());
        if n == 0 {
            return Ok(0);
        }
        self.source.read_exact_at(self.position, buf.get_mut(..n).unwrap_or_default())?;
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for SourceReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(n) => self.source.len().checked_add_signed(n),
            SeekFrom::Current(n) => self.position.checked_add_signed(n),
        };
        self.position =
            position.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_past_the_end_is_an_error_before_allocation() {
        let data: &[u8] = b"abc";
        let source: &dyn Source = &data;
        assert_eq!(&*source.bytes(1, 2).unwrap(), b"bc");
        assert!(source.bytes(1, 3).is_err());
        assert!(source.bytes(u64::MAX, 2).is_err());
        assert!(source.bytes(0, u64::MAX).is_err());
        assert_eq!(&*source.bytes_up_to(2, 100).unwrap(), b"c");
        assert_eq!(&*source.bytes_up_to(200, 100).unwrap(), b"");
    }

    #[test]
    fn a_range_is_written_whole_or_is_an_error() {
        let data = b"0123456789".to_vec();
        let source: &dyn Source = &data;
        let mut out = Vec::new();
        source.write_to(2..5, &mut out).unwrap();
        source.write_to(7..7, &mut out).unwrap();
        assert_eq!(out, b"234");
        assert!(source.write_to(8..11, &mut out).is_err());
    }

    #[test]
    fn the_stream_view_reads_and_seeks() {
        let data = b"0123456789".to_vec();
        let mut r = SourceReader::new(&data);
        r.seek(SeekFrom::End(-3)).unwrap();
        let mut s = String::new();
        r.read_to_string(&mut s).unwrap();
        assert_eq!(s, "789");
        assert!(r.seek(SeekFrom::Current(-11)).is_err());
    }
}
