//! What `ffprobe` says about the streams of a file: what must be said to the encoder again, and what cannot be kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use colophon_core::{Error, ErrorKind, RenderCx, Result};
use serde::Deserialize;

use crate::child;

/// Most bytes of a description.
const DESCRIPTION: u64 = 4 << 20;
/// Most bytes of a description with a list of all packets: some 16 hours of pictures and sound.
const PACKETS: u64 = 256 << 20;

/// The streams of a file.
#[derive(Debug, Deserialize)]
pub(crate) struct Probe {
    #[serde(default)]
    pub(crate) streams: Vec<Stream>,
    #[serde(default)]
    pub(crate) format: Container,
    #[serde(default)]
    packets: Vec<Packet>,
}

/// One packet of a stream.
#[derive(Debug, Deserialize)]
struct Packet {
    stream_index: usize,
    #[serde(default)]
    pts: Option<i64>,
    #[serde(default)]
    dts: Option<i64>,
    #[serde(default, rename = "flags", deserialize_with = "discarded")]
    discarded: bool,
}

/// Whether a packet is decoded and not shown: an edit list may cut pictures away.
fn discarded<'de, D: serde::Deserializer<'de>>(flags: D) -> Result<bool, D::Error> {
    std::borrow::Cow::<'de, str>::deserialize(flags).map(|flags| flags.contains('D'))
}

/// The file as a whole.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Container {
    start_time: Option<String>,
    bit_rate: Option<String>,
}

/// One stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Stream {
    pub(crate) index: usize,
    pub(crate) codec_type: String,
    pub(crate) codec_name: String,
    pub(crate) codec_tag_string: String,
    pub(crate) pix_fmt: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) sample_aspect_ratio: Option<String>,
    pub(crate) field_order: String,
    pub(crate) time_base: String,
    pub(crate) start_time: Option<String>,
    pub(crate) color_range: Option<String>,
    pub(crate) color_space: Option<String>,
    pub(crate) color_transfer: Option<String>,
    pub(crate) color_primaries: Option<String>,
    pub(crate) chroma_location: Option<String>,
    pub(crate) side_data_list: Vec<SideData>,
    pub(crate) disposition: Disposition,
    sample_rate: Option<String>,
    channels: u16,
    bit_rate: Option<String>,
    avg_frame_rate: String,
    tags: BTreeMap<String, String>,
}

/// Flags of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Disposition {
    pub(crate) default: u8,
    pub(crate) attached_pic: u8,
}

/// Data beside the pictures, as far as an encoder must be told about it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SideData {
    #[serde(rename = "side_data_type")]
    pub(crate) kind: String,
    red_x: String,
    red_y: String,
    green_x: String,
    green_y: String,
    blue_x: String,
    blue_y: String,
    white_point_x: String,
    white_point_y: String,
    min_luminance: String,
    max_luminance: String,
    max_content: u32,
    max_average: u32,
    /// What the base layer of Dolby Vision is without the rest; 0: nothing that can be shown.
    pub(crate) dv_bl_signal_compatibility_id: Option<u8>,
}

impl Probe {
    /// The stream whose pictures are shown: the default one, no cover art.
    pub(crate) fn picture(&self) -> Option<&Stream> {
        let pictures =
            || self.streams.iter().filter(|s| s.codec_type == "video" && s.disposition.attached_pic == 0);
        pictures().find(|s| s.disposition.default == 1).or_else(|| pictures().next())
    }

    /// The streams that are kept: all but data, which muxers make again.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().filter(|s| s.codec_type != "data")
    }

    /// Bits a second of a video stream: what the container says of it, else what the other streams leave of the file.
    pub(crate) fn bits(&self, stream: &Stream) -> Option<u64> {
        stream.bits().or_else(|| {
            let others = self.streams.iter().filter(|s| s.index != stream.index).filter_map(Stream::bits);
            let all: u64 = self.format.bit_rate.as_deref()?.parse().ok()?;
            Some(all.saturating_sub(others.fold(0, u64::saturating_add)))
        })
    }

    /// Adds what only the pictures of a stream say, where the stream itself does not.
    pub(crate) fn add(&mut self, index: usize, data: Vec<SideData>) {
        if let Some(stream) = self.streams.iter_mut().find(|s| s.index == index) {
            let new = data.into_iter().filter(|d| stream.side_data_list.iter().all(|s| s.kind != d.kind));
            let new: Vec<SideData> = new.collect();
            stream.side_data_list.extend(new);
        }
    }

    /// Time stamps of the shown pictures of a stream in the order of showing, in ticks from the first one. The list of
    /// packets is given up.
    fn take_stamps(&mut self, stream: usize) -> Vec<i64> {
        let packets = std::mem::take(&mut self.packets).into_iter();
        let shown = packets.filter(|p| p.stream_index == stream && !p.discarded);
        // AVI gives each place in the order of decoding one time, and every place a picture: in their order these are the times.
        let mut list: Vec<i64> = shown.filter_map(|p| p.pts.or(p.dts)).collect();
        list.sort_unstable();
        let first = list.first().copied().unwrap_or(0);
        for t in &mut list {
            *t = t.saturating_sub(first);
        }
        list
    }

    /// Seconds from the start of the file to the first picture or sample of a stream.
    pub(crate) fn starts_s(&self, stream: &Stream) -> f64 {
        let number = |s: &Option<String>| s.as_deref().and_then(|s| s.parse::<f64>().ok()).unwrap_or(0.0);
        (number(&stream.start_time) - number(&self.format.start_time)).max(0.0)
    }
}

impl Stream {
    /// Samples a second and channels of a sound stream.
    pub(crate) fn sound(&self) -> Option<(u32, u16)> {
        let rate = self.sample_rate.as_deref()?.parse().ok().filter(|r| *r > 0)?;
        (self.channels > 0).then_some((rate, self.channels))
    }

    /// Bits a second, where the container says so.
    pub(crate) fn bits(&self) -> Option<u64> {
        self.bit_rate.as_deref()?.parse().ok()
    }

    /// Seconds from one picture to the next on the mean, where the container says so.
    pub(crate) fn distance_s(&self) -> Option<f64> {
        let (pictures, seconds) = self.avg_frame_rate.split_once('/')?;
        let (pictures, seconds): (f64, f64) = (pictures.parse().ok()?, seconds.parse().ok()?);
        (pictures > 0.0 && seconds > 0.0).then_some(seconds / pictures)
    }

    /// A second picture beside the first says how transparent each pixel is (WebM, VP8 and VP9).
    pub(crate) fn transparent(&self) -> bool {
        self.tags.iter().any(|(name, value)| name.eq_ignore_ascii_case("alpha_mode") && value != "0")
    }

    /// Ticks a second, where the time base is one tick.
    pub(crate) fn timescale(&self) -> Option<u32> {
        let (one, ticks) = self.time_base.split_once('/')?;
        (one == "1").then(|| ticks.parse().ok())?
    }

    /// Seconds of one tick, as a fraction.
    pub(crate) fn tick(&self) -> Option<(i128, i128)> {
        let (num, den) = self.time_base.split_once('/')?;
        let (num, den): (u32, u32) = (num.parse().ok()?, den.parse().ok()?);
        (num > 0 && den > 0).then(|| (num.into(), den.into()))
    }

    /// The mastering display and the light level in the words of the x265 encoder, for HDR10 (SMPTE ST 2086, CTA-861.3).
    pub(crate) fn hdr10(&self) -> Option<String> {
        let ticks = |fraction: &str, scale: f64| -> Option<u64> {
            let (a, b) = fraction.split_once('/')?;
            let (a, b): (f64, f64) = (a.parse().ok()?, b.parse().ok()?);
            (b != 0.0).then(|| (a / b * scale).round() as u64)
        };
        // Chromaticities in steps of 0.00002, luminances in steps of 0.0001 cd/m².
        let xy = |x: &str, y: &str| Some((ticks(x, 50000.0)?, ticks(y, 50000.0)?));
        let display = |m: &SideData| -> Option<String> {
            let (g, b, r) = (xy(&m.green_x, &m.green_y)?, xy(&m.blue_x, &m.blue_y)?, xy(&m.red_x, &m.red_y)?);
            let w = xy(&m.white_point_x, &m.white_point_y)?;
            let l = (ticks(&m.max_luminance, 10000.0)?, ticks(&m.min_luminance, 10000.0)?);
            Some(format!(
                "master-display=G({},{})B({},{})R({},{})WP({},{})L({},{})",
                g.0, g.1, b.0, b.1, r.0, r.1, w.0, w.1, l.0, l.1
            ))
        };
        let light = |c: &SideData| format!("max-cll={},{}", c.max_content, c.max_average);
        let find = |name: &str| self.side_data_list.iter().find(|s| s.kind.starts_with(name));
        let parts: Vec<String> = find("Mastering display")
            .and_then(display)
            .into_iter()
            .chain(find("Content light").map(light))
            .collect();
        (!parts.is_empty()).then(|| format!("hdr10=1:repeat-headers=1:{}", parts.join(":")))
    }
}

/// Describes a file.
///
/// # Errors
/// `MissingTool`; `Unsupported` when the file cannot be read.
pub(crate) fn describe(id: &'static str, path: &Path, cx: &RenderCx<'_>) -> Result<Probe> {
    ask(id, path, &["-show_streams", "-show_format"], DESCRIPTION, cx)
}

/// Describes a file and lists its packets, in one reading.
fn describe_all(id: &'static str, path: &Path, cx: &RenderCx<'_>) -> Result<Probe> {
    let what = ["-show_streams", "-show_format", "-show_entries", "packet=stream_index,pts,dts,flags"];
    ask(id, path, &what, PACKETS, cx)
}

fn ask(id: &'static str, path: &Path, what: &[&str], cap: u64, cx: &RenderCx<'_>) -> Result<Probe> {
    let mut command = Command::new(child::program(id, cx.tools.ffprobe.as_deref(), "ffprobe")?);
    command.args(["-v", "error", "-protocol_whitelist", "file", "-of", "json=compact=1"]);
    command.args(what).arg("-i").arg(child::file(path));
    let json = child::output(id, &mut command, cap, cx.limits)?;
    serde_json::from_slice(&json)
        .map_err(|e| Error::unsupported(id, "the answer of ffprobe is not understood").because(e))
}

/// The streams of a file and the times of the shown pictures of one of them.
#[derive(Debug)]
pub(crate) struct Timed {
    pub(crate) probe: Probe,
    /// Number of the stream.
    pub(crate) index: usize,
    /// Time stamps of the shown pictures in the order of showing, in ticks from the first one.
    pub(crate) stamps: Vec<i64>,
}

impl Timed {
    /// Describes a file and lists the times of the shown picture's stream, with what only pictures say added.
    ///
    /// # Errors
    /// As [`describe`]; `Unsupported` without a video stream.
    pub(crate) fn of_picture(id: &'static str, path: &Path, cx: &RenderCx<'_>) -> Result<Self> {
        let mut probe = describe_all(id, path, cx)?;
        let none = || Error::unsupported(id, "ffmpeg finds no video stream in the file");
        let stream = probe.picture().ok_or_else(none)?;
        let index = stream.index;
        // Pictures of eight bits carry no data about dynamic range.
        if stream.pix_fmt.contains("10") || stream.pix_fmt.contains("12") {
            probe.add(index, picture_data(id, path, index, cx)?);
        }
        let stamps = probe.take_stamps(index);
        Ok(Self { probe, index, stamps })
    }

    /// Describes a file and lists the times of its `number`th stream that is no data.
    ///
    /// # Errors
    /// As [`describe`]; `Check` when there is no such stream.
    pub(crate) fn of_stream(id: &'static str, path: &Path, number: usize, cx: &RenderCx<'_>) -> Result<Self> {
        let mut probe = describe_all(id, path, cx)?;
        let missing = || Error::new(ErrorKind::Check, "the encoded stream is missing").in_format(id);
        let index = probe.kept().nth(number).ok_or_else(missing)?.index;
        let stamps = probe.take_stamps(index);
        Ok(Self { probe, index, stamps })
    }

    /// From the first picture to the end of the last one, in seconds; `None` where the clock is not known.
    pub(crate) fn runs_s(&self) -> Option<f64> {
        let stream = self.stream().ok()?;
        let (num, den) = stream.tick()?;
        let last = *self.stamps.last()? as f64 * num as f64 / den as f64;
        Some(last + stream.distance_s().unwrap_or(0.0))
    }

    /// The stream.
    ///
    /// # Errors
    /// `Check`, never met.
    pub(crate) fn stream(&self) -> Result<&Stream> {
        let found = self.probe.streams.iter().find(|s| s.index == self.index);
        found.ok_or_else(|| Error::new(ErrorKind::Check, "the stream is missing"))
    }

    /// Its number among the streams that are no data.
    pub(crate) fn number(&self) -> usize {
        self.probe.kept().position(|s| s.index == self.index).unwrap_or_default()
    }

    /// Checks that another file has the same streams, and in this one the same pictures at the same times.
    ///
    /// # Errors
    /// `Check`, saying what differs.
    pub(crate) fn same(&self, id: &'static str, other: &Self) -> Result<()> {
        let differs = |what: String| Err(Error::new(ErrorKind::Check, what).in_format(id));
        let kinds = |p: &Probe| -> Vec<(String, String)> {
            p.kept().map(|s| (s.codec_type.clone(), s.codec_name.clone())).collect()
        };
        let (before, after) = (kinds(&self.probe), kinds(&other.probe));
        if before != after {
            return differs(format!("the streams changed: {before:?} became {after:?}"));
        }
        let (old, new) = (self.stream()?, other.stream()?);
        if (&old.pix_fmt, old.width, old.height) != (&new.pix_fmt, new.width, new.height) {
            let form = |s: &Stream| format!("{} × {} {}", s.width, s.height, s.pix_fmt);
            return differs(format!("the pictures changed: {} became {}", form(old), form(new)));
        }
        if self.stamps.len() != other.stamps.len() {
            return differs(format!("{} pictures became {}", self.stamps.len(), other.stamps.len()));
        }
        let (Some((num, den)), Some((n, d))) = (old.tick(), new.tick()) else {
            return differs("the clock of the pictures is not known".to_owned());
        };
        let moved = |(a, b): (&i64, &i64)| i128::from(*a) * num * d != i128::from(*b) * n * den;
        match self.stamps.iter().zip(&other.stamps).position(moved) {
            Some(i) => differs(format!("picture {i} is shown at another time")),
            None => Ok(()),
        }
    }
}

/// What the first pictures of a stream carry beside their pixels. Encoders put HDR10 data there, and many muxers do not
/// repeat it in the container.
///
/// # Errors
/// As [`describe`].
pub(crate) fn picture_data(
    id: &'static str,
    path: &Path,
    stream: usize,
    cx: &RenderCx<'_>,
) -> Result<Vec<SideData>> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        frames: Vec<Frame>,
    }
    #[derive(Deserialize)]
    struct Frame {
        #[serde(default)]
        side_data_list: Vec<SideData>,
    }
    let mut command = Command::new(child::program(id, cx.tools.ffprobe.as_deref(), "ffprobe")?);
    command.args(["-v", "error", "-protocol_whitelist", "file", "-select_streams", &stream.to_string()]);
    command.args(["-read_intervals", "%+#2", "-show_frames", "-of", "json", "-i"]).arg(child::file(path));
    let json = child::output(id, &mut command, DESCRIPTION, cx.limits)?;
    let answer: Answer = serde_json::from_slice(&json)
        .map_err(|e| Error::unsupported(id, "the answer of ffprobe is not understood").because(e))?;
    Ok(answer.frames.into_iter().flat_map(|f| f.side_data_list).collect())
}
