//! A walk over the frames of streams that are nothing but frames: MP3, ADTS.

use std::ops::Range;

use colophon_core::{Result, Source};

/// Bytes looked through for the first frame, and for the next one after damage.
const SEARCH: u64 = 1 << 20;
/// Bytes read at a time.
const WINDOW: u64 = 1 << 18;

/// The head of a frame.
pub(crate) trait Header: Copy {
    /// Bytes that tell whether it is one.
    const BYTES: usize;

    /// Reads a header from [`Header::BYTES`] bytes or more; `None` when it is none.
    fn parse(bytes: &[u8]) -> Option<Self>;

    /// Bytes of the frame, header included: at least 1.
    fn len(&self) -> usize;

    /// Whether both can stand in one stream.
    fn alike(&self, other: &Self) -> bool;
}

/// One frame of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame<H> {
    pub(crate) header: H,
    pub(crate) range: Range<u64>,
}

/// The frames of a stretch of a file, in order. What is no frame is skipped and counted.
pub(crate) struct Frames<'a, H> {
    source: &'a dyn Source,
    at: u64,
    end: u64,
    like: Option<H>,
    window: Vec<u8>,
    window_at: u64,
    /// Bytes that belong to no frame.
    pub(crate) junk: u64,
}

impl<'a, H: Header> Frames<'a, H> {
    /// The frames between two places of `source`.
    pub(crate) fn new(source: &'a dyn Source, range: Range<u64>) -> Self {
        Self {
            source,
            at: range.start,
            end: range.end,
            like: None,
            window: Vec::new(),
            window_at: range.start,
            junk: 0,
        }
    }

    /// The next frame that lies in the stretch as a whole.
    ///
    /// # Errors
    /// Reading errors.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<H>>> {
        let from = self.at;
        while self.at < self.end && self.at - from < SEARCH {
            // Behind a frame stands a frame. Elsewhere a few bytes look like a header too often: the one that would
            // follow has to look like one as well.
            let settled = self.like.is_some() && self.at == from;
            if let Some(header) = self.header(self.at)? {
                let end = self.at + header.len().max(1) as u64;
                let fits = self.like.is_none_or(|l| l.alike(&header)) && end <= self.end;
                if fits && (settled || end == self.end || self.header(end)?.is_some_and(|h| h.alike(&header)))
                {
                    let frame = Frame { header, range: self.at..end };
                    self.junk += self.at - from;
                    self.like = Some(header);
                    self.at = end;
                    return Ok(Some(frame));
                }
            }
            self.at += 1;
        }
        self.junk += self.end.saturating_sub(from);
        self.at = self.end;
        Ok(None)
    }

    fn header(&mut self, at: u64) -> Result<Option<H>> {
        let len = H::BYTES as u64;
        let inside = |window: &Vec<u8>, base: u64| {
            at.checked_sub(base).is_some_and(|i| i + len <= window.len() as u64)
        };
        if !inside(&self.window, self.window_at) {
            self.window_at = at;
            self.window = self.source.bytes_up_to(at, WINDOW)?.into_owned();
        }
        let i = (at - self.window_at) as usize;
        Ok(self.window.get(i..i + H::BYTES).and_then(H::parse))
    }
}

/// How many frames a stretch holds, and their bytes.
///
/// # Errors
/// Reading errors.
pub(crate) fn count<H: Header>(source: &dyn Source, range: Range<u64>) -> Result<(u64, u64)> {
    let mut frames = Frames::<H>::new(source, range);
    let (mut count, mut bytes) = (0, 0);
    while let Some(f) = frames.next()? {
        count += 1;
        bytes += f.header.len() as u64;
    }
    Ok((count, bytes))
}

/// The number of frames in what an encoder gave back: nothing but whole frames like `like`; `None` when anything else is
/// in there.
///
/// # Errors
/// Reading errors.
pub(crate) fn pure<H: Header>(bytes: &[u8], like: &H) -> Result<Option<u64>> {
    let mut frames = Frames::<H>::new(&bytes, 0..bytes.len() as u64);
    let (mut end, mut count) = (0, 0);
    while let Some(f) = frames.next()? {
        if !f.header.alike(like) || f.range.start != end {
            return Ok(None);
        }
        end = f.range.end;
        count += 1;
    }
    Ok((end > 0 && end == bytes.len() as u64).then_some(count))
}
