//! A label and a watermark written just now, looked at in the same pictures: one decoder less.

use std::path::Path;

use colophon_core::{ErrorKind, LabelRecord, Observation, Query, RenderCx, Result};

use super::{Clip, Looking, RATE, SIDE, Scene, Streams, answer, from, until};
use crate::child;
use crate::marks::Glance;
use crate::watermark::Reading;

/// A label that stands from the first picture on and a mark written just now: what is asked about them is answered from the
/// same pictures.
pub(super) struct Pair<'a> {
    /// Which questions they are.
    at: (usize, usize),
    record: &'a LabelRecord,
    secret: Option<&'a [u8]>,
    streams: Streams,
}

/// What the pictures of a [`Pair`] gave, each with its question.
pub(super) struct Glanced {
    pub(super) label: (usize, Option<Observation>),
    pub(super) mark: (usize, Option<Reading>),
}

/// Only where the pictures are shown as they are coded: a decoder turns them for all it shows them to, or for nobody.
pub(super) fn of<'a>(clip: &Clip, queries: &[Query<'a>]) -> Option<Pair<'a>> {
    let streams = clip.streams.filter(|s| child::CAN_TWICE && s.coded == clip.displayed)?;
    let mark = queries.iter().enumerate().find_map(|(at, q)| match q {
        Query::OwnWatermark(secret) => Some((at, *secret)),
        _ => None,
    });
    let label = queries.iter().enumerate().find_map(|(at, q)| match q {
        Query::Label(Some(record)) if from(record) == 0.0 => Some((at, *record)),
        _ => None,
    });
    let ((mark, secret), (label, record)) = mark.zip(label)?;
    Some(Pair { at: (label, mark), record, secret, streams })
}

impl Pair<'_> {
    /// Shows the first pictures to both. `None` where that does not work: then each question is asked by itself, and says why.
    ///
    /// # Errors
    /// `Key`, `Io`.
    pub(super) fn glance(
        &self,
        id: &'static str,
        path: &Path,
        clip: &Clip,
        cx: &RenderCx<'_>,
    ) -> Result<Option<Glanced>> {
        let Some(mut mark) = Glance::new(&self.streams, self.secret)? else { return Ok(None) };
        let mut label = Looking { record: self.record, checks: Vec::new() };
        let scene = Scene::of(clip, SIDE);
        let mut command = child::ffmpeg(id, cx)?;
        command.args(child::REFERENCES);
        command.args(["-threads", "2", "-f", clip.demuxer, "-i"]).arg(child::file(path));
        scene.output(&mut command, RATE, until(self.record));
        mark.output(&mut command, child::SECOND_PIPE);
        let done = child::twice(
            id,
            command,
            cx.limits,
            &mut |pipe| {
                scene.each(pipe, &mut |picture| label.at(picture));
                Ok(())
            },
            &mut |pipe| mark.see(pipe),
        );
        match done {
            Ok(()) => Ok(Some(Glanced {
                label: (self.at.0, Some(answer(self.record, &label.checks, clip.duration_s))),
                mark: (self.at.1, mark.seen()),
            })),
            Err(e) if e.kind() == ErrorKind::Io => Err(e),
            Err(_) => Ok(None),
        }
    }
}
