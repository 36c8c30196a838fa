use colophon_core::{AudibleSpec, LabelForm, LabelSpec, State, TextPosition, Tools, WatermarkSpec};
use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, MetadataBlockData};
use flacenc::error::Verify;
use proptest::prelude::*;

use super::*;

/// Interleaved samples of a slow beat of two tones, never the rhythm.
fn programme(channels: usize, bits: u32, rate: usize, seconds: f64) -> Vec<i32> {
    let full = f64::from(1 << (bits - 1));
    (0..(seconds * rate as f64) as usize)
        .flat_map(|i| {
            let t = i as f64 / rate as f64;
            (0..channels).map(move |c| {
                let x = 0.3 * (t * 1400.0).sin() * (t * 3.0).sin() + 0.2 * (t * (5000.0 + c as f64)).sin();
                (x * full) as i32
            })
        })
        .collect()
}

fn flac(samples: &[i32], channels: usize, bits: usize, rate: usize, more: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let config = flacenc::config::Encoder::default().into_verified().unwrap();
    let source = flacenc::source::MemSource::from_samples(samples, channels, bits, rate);
    let mut stream = flacenc::encode_with_fixed_block_size(&config, source, 1024).unwrap();
    for (kind, data) in more {
        stream.add_metadata_block(MetadataBlockData::new_unknown(*kind, data).unwrap());
    }
    let mut sink = ByteSink::new();
    stream.write(&mut sink).unwrap();
    sink.as_slice().to_vec()
}

fn seek_table() -> (u8, Vec<u8>) {
    let mut t = Vec::new();
    for first in [0u64, 20 * 1024, u64::MAX] {
        t.extend(first.to_be_bytes());
        t.extend([0; 10]);
    }
    (kind::SEEKTABLE, t)
}

use container::kind;

fn label(position: TextPosition) -> SignalOp {
    SignalOp::Label(LabelSpec {
        text: "AI生成".into(),
        form: LabelForm::Audible(AudibleSpec { position: position.into(), ..AudibleSpec::default() }),
    })
}

fn render(bytes: &[u8], ops: &[SignalOp]) -> Result<(Vec<u8>, Vec<Placed>)> {
    let (limits, tools) = (Limits::default(), Tools::default());
    let mut out = Vec::new();
    let placed = FORMAT.render(&bytes, ops, &RenderCx { limits: &limits, tools: &tools }, &mut out)?;
    Ok((out, placed))
}

fn observe(bytes: &[u8], query: Query<'_>) -> State {
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    match FORMAT.observe(&bytes, &[query], &cx).unwrap().remove(0) {
        Observation::Label { state, .. } => state,
        other => panic!("{other:?}"),
    }
}

fn decoded(bytes: &[u8], bits: u32) -> Vec<i32> {
    let stream = open(&bytes, &Limits::default()).unwrap();
    let mut d = decoder(&bytes, &stream, &Limits::default()).unwrap();
    let (mut all, mut part) = (Vec::new(), Vec::new());
    while d.next_i32(&mut part).unwrap() {
        all.extend(part.iter().map(|s| s >> (32 - bits)));
    }
    assert_eq!(d.skipped(), 0);
    all
}

/// A programme with sound in every band: tones that come and go, and a little noise.
fn rich(rate: u32, channels: usize, seconds: f64) -> Vec<f32> {
    let mut noise = 1_u32;
    (0..(seconds * f64::from(rate)) as usize)
        .flat_map(|i| {
            let t = i as f64 / f64::from(rate);
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let hiss = f64::from(noise >> 8) / f64::from(1 << 24) - 0.5;
            let tones: f64 =
                (1..12).map(|k| (t * 700.0 * f64::from(k) + (t * 2.0).sin()).sin() / f64::from(k)).sum();
            let x = (0.12 * tones * (1.5 + (t * 3.0).sin()) / 2.5 + 0.1 * hiss) as f32;
            std::iter::repeat_n(x, channels)
        })
        .collect()
}

fn watermark() -> SignalOp {
    SignalOp::Watermark(WatermarkSpec {
        payload: 0x0123_4567_89ab_cdef,
        key: None,
        strength: "default".into(),
    })
}

fn payload(bytes: &[u8], secret: Option<&[u8]>) -> (State, Option<String>) {
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    match FORMAT.observe(&bytes, &[Query::Watermark(secret)], &cx).unwrap().remove(0) {
        Observation::Watermark { state, evidence, .. } => (state, evidence.and_then(|e| e.payload)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn label_and_watermark_go_in_together_and_are_both_found() {
    let samples: Vec<i32> = rich(44_100, 2, 6.0).iter().map(|s| (s * 32_768.0) as i32).collect();
    let file = flac(&samples, 2, 16, 44_100, &[]);
    for ops in [[label(TextPosition::Start), watermark()], [watermark(), label(TextPosition::End)]] {
        let (out, placed) = render(&file, &ops).unwrap();
        assert_eq!(payload(&out, None), (State::Present, Some("0123456789abcdef".to_owned())));
        assert_eq!(observe(&out, Query::Label(None)), State::Present);
        assert_eq!(placed.len(), 2);
        assert_eq!(matches!(placed[0], Placed::Label(_)), matches!(ops[0], SignalOp::Label(_)));
        // The digest is the one of what is in the file.
        let after = decoded(&out, 16);
        let mut digest = flacenc::source::Context::new(16, 2);
        flacenc::source::Fill::fill_interleaved(&mut digest, &after).unwrap();
        assert_eq!(open(&out, &Limits::default()).unwrap().info.md5, digest.md5_digest());
    }
    assert_eq!(payload(&file, None).0, State::Absent);
}

#[test]
fn conformance() {
    let samples = programme(2, 16, 44_100, 0.1);
    let comments = Comments {
        vendor: b"v".to_vec(),
        entries: [&b"TITLE=t"[..], b"DESCRIPTION=about"].map(<[u8]>::to_vec).into(),
        rest: Vec::new(),
    };
    let tagged = [
        b"ID3\x04\0\0\0\0\0\x10TIT2\0\0\0\x06\0\0\x03title".to_vec(),
        flac(
            &samples,
            2,
            16,
            44_100,
            &[(kind::VORBIS_COMMENT, comments.encode()), (kind::PADDING, vec![0; 400])],
        ),
    ]
    .concat();
    colophon_conformance::check(
        &FORMAT,
        &[
            ("bare", flac(&samples, 2, 16, 44_100, &[])),
            (
                "comments, picture, seek table",
                flac(
                    &samples,
                    2,
                    16,
                    44_100,
                    &[(kind::VORBIS_COMMENT, comments.encode()), (6, vec![7; 90]), seek_table()],
                ),
            ),
            ("tag in front, padding", tagged),
        ],
    );
}

#[test]
fn a_stream_behind_a_tag_longer_than_the_head_is_told_from_mp3_without_a_name() {
    let stream = flac(&programme(1, 16, 16_000, 0.2), 1, 16, 16_000, &[]);
    let registry = colophon_core::Registry::new().with_formats(crate::FORMATS);
    for size in [100_usize, 4080, 4086, 4087, 60_000] {
        let mut file = b"ID3\x04\0\0".to_vec();
        file.extend([21, 14, 7, 0].map(|shift| (size >> shift) as u8 & 0x7f));
        file.resize(file.len() + size, 0);
        file.extend(&stream);
        let found = registry.probe_source(&file, None).unwrap().map(|f| f.info().id);
        assert_eq!(found, Some("flac"), "a tag of {size} bytes");
        let mut mp3 = file[..10 + size].to_vec();
        mp3.extend(include_bytes!("../../tests/data/programme-24k-mono.mp3"));
        assert_eq!(registry.probe_source(&mp3, Some("x.flac")).unwrap().map(|f| f.info().id), Some("mp3"));
    }
}

#[test]
fn samples_come_out_as_they_went_in() {
    for (channels, bits, rate) in
        [(1, 8, 8000), (2, 16, 44_100), (6, 24, 48_000), (2, 24, 96_000), (1, 12, 16_000)]
    {
        let samples = programme(channels, bits, rate, 1.3);
        let file = flac(&samples, channels, bits as usize, rate, &[]);
        assert_eq!(decoded(&file, bits), samples, "the sample itself");
        for position in [TextPosition::Start, TextPosition::End] {
            let (out, placed) = render(&file, &[label(position)]).unwrap();
            let after = decoded(&out, bits);
            let added = after.len() - samples.len();
            match position {
                TextPosition::Start => assert_eq!(after[added..], samples[..]),
                TextPosition::End => assert_eq!(after[..samples.len()], samples[..]),
            }
            // Length and digest of the description are those of the new samples.
            let info = open(&out, &Limits::default()).unwrap().info;
            assert_eq!(info.samples as usize * channels, after.len());
            let mut digest = flacenc::source::Context::new(bits as usize, channels);
            flacenc::source::Fill::fill_interleaved(&mut digest, &after).unwrap();
            assert_eq!(info.md5, digest.md5_digest());
            let [Placed::Label(record)] = &placed[..] else { panic!("{placed:?}") };
            assert_eq!(
                observe(&out, Query::Label(Some(record))),
                State::Present,
                "{bits} {rate} {position:?}"
            );
            assert_eq!(observe(&file, Query::Label(Some(record))), State::Invalid);
            assert_eq!(observe(&file, Query::Label(None)), State::Absent);
        }
    }
}

#[test]
fn blocks_are_carried_over_and_seek_points_hit_frames() {
    let samples = programme(2, 16, 44_100, 2.0);
    let comments = Comments { vendor: b"v".to_vec(), entries: vec![b"TITLE=t".to_vec()], rest: Vec::new() };
    let more = [
        (kind::VORBIS_COMMENT, comments.encode()),
        (6, vec![7; 90]),
        seek_table(),
        (kind::PADDING, vec![0; 64]),
    ];
    let file = flac(&samples, 2, 16, 44_100, &more);
    let (out, _) = render(&file, &[label(TextPosition::Start)]).unwrap();
    let stream = open(&out, &Limits::default()).unwrap();
    assert_eq!(stream.blocks.iter().map(|b| b.kind).collect::<Vec<_>>(), [0, 4, 6, 3, 1]);
    let table = &stream.blocks[3].data;
    for point in out[table.start as usize..table.end as usize].chunks_exact(18).take(2) {
        let first = u64::from_be_bytes(point[..8].try_into().unwrap());
        let offset = u64::from_be_bytes(point[8..16].try_into().unwrap());
        let at = (stream.frames + offset) as usize;
        assert_eq!(out[at..at + 2], [0xff, 0xf8], "a frame begins where sample {first} is promised");
    }
}

#[test]
fn cue_sheets_of_cds_move_by_whole_sectors() {
    let mut cue = vec![0u8; 396];
    cue[136] = 0x80;
    cue[395] = 2;
    for offset in [588u64, 1176] {
        cue.extend(offset.to_be_bytes());
        cue.resize(cue.len() + 27, 0);
        cue.push(1);
        cue.resize(cue.len() + 12, 0);
    }
    let file = flac(&programme(2, 16, 44_100, 1.0), 2, 16, 44_100, &[(5, cue)]);
    let (out, _) = render(&file, &[label(TextPosition::Start)]).unwrap();
    let before = open(&file, &Limits::default()).unwrap().info.samples;
    let stream = open(&out, &Limits::default()).unwrap();
    let at = stream.blocks.iter().find(|b| b.kind == 5).unwrap().data.start as usize + 396;
    let moved = u64::from_be_bytes(out[at..at + 8].try_into().unwrap()) - 588;
    assert_eq!(moved, stream.info.samples - before);
    assert_eq!(moved % 588, 0);
    let second = u64::from_be_bytes(out[at + 48..at + 56].try_into().unwrap());
    assert_eq!(second, 1176 + moved);
}

#[test]
fn damaged_sound_is_not_encoded_as_if_it_were_whole() {
    let mut file = flac(&programme(1, 16, 16_000, 1.0), 1, 16, 16_000, &[]);
    let at = file.len() / 2;
    file[at] ^= 0x55;
    let e = render(&file, &[label(TextPosition::Start)]).unwrap_err();
    assert!(e.to_string().contains("damaged"), "{e}");
}

#[test]
fn bad_input_gets_a_named_error() {
    let err = |bytes: &[u8]| FORMAT.inspect(&bytes, &Limits::default()).unwrap_err().to_string();
    let file = flac(&programme(1, 16, 16_000, 0.2), 1, 16, 16_000, &[]);
    let frames = open(&file, &Limits::default()).unwrap().frames as usize;
    assert!(err(&file[..frames]).contains("there are no samples"));
    assert!(err(&file[..20]).starts_with("flac:"));
    assert!(err(b"").starts_with("flac:"));
}

#[test]
fn properties_are_exact() {
    let p = FORMAT
        .inspect(&flac(&programme(2, 24, 48_000, 0.5), 2, 24, 48_000, &[]), &Limits::default())
        .unwrap();
    let p = p.properties;
    assert_eq!(
        (p.sample_rate, p.channels, p.bit_depth, p.duration_s),
        (Some(48_000), Some(2), Some(24), Some(0.5))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_files_render_or_fail(hits in prop::collection::vec((0usize..600, any::<u8>()), 1..6)) {
        let mut file = flac(&programme(1, 16, 8000, 0.2), 1, 16, 8000, &[seek_table()]);
        for (at, b) in hits {
            if let Some(x) = file.get_mut(at) {
                *x = b;
            }
        }
        let _ = render(&file, &[label(TextPosition::End)]);
        let (limits, tools) = (Limits::default(), Tools::default());
        let _ = FORMAT.observe(&file, &[Query::Label(None)], &RenderCx { limits: &limits, tools: &tools });
    }
}

#[test]
fn last_frames_of_any_length_are_encoded() {
    let label = colophon_label::rhythm::len(16_000);
    for tail in [0, 1, 2, 15, 16, 17, 31, 32, 33, 4095] {
        let length = (2 * 4096 + 4096 - label % 4096) + tail;
        let samples: Vec<i32> = (0..length as i32).map(|i| (i * 37) % 2000 - 1000).collect();
        let file = flac(&samples, 1, 16, 16_000, &[]);
        let (out, _) = render(&file, &[self::label(TextPosition::Start)]).unwrap();
        let after = decoded(&out, 16);
        assert_eq!(after[after.len() - length..], samples[..], "{tail}");
    }
}
