use colophon_signal::key::MarkKey;

use super::*;

const SIZE: (usize, usize) = (480, 270);
const PAYLOAD: u64 = 0x0123_4567_89ab_cdef;

/// Frame `n` of a moving picture with slopes, edges and texture; `shift` moves it along.
fn frame(n: usize, scene: usize) -> Vec<u8> {
    let (w, h) = SIZE;
    let at = |x: usize, y: usize| {
        let moved = x + 3 * n + 50 * scene;
        let slope = (moved + y) / 5 % 140;
        let texture = (moved * 7919 + y * 104_729 + moved * y * 31) % 19;
        let block = if (moved / 60 + y / 45 + scene).is_multiple_of(2) { 30 } else { 0 };
        (30 + slope + texture + block) as u8
    };
    (0..w * h).map(|i| at(i % w, i / w)).collect()
}

fn key() -> MarkKey {
    MarkKey::from_secret(b"studio").unwrap()
}

fn marker() -> FrameMarker {
    FrameMarker::new(SIZE.0, SIZE.1, PAYLOAD, &key(), &MarkerOptions::default()).unwrap()
}

fn marked(marker: &mut FrameMarker, mut luma: Vec<u8>, at_s: f64) -> Vec<u8> {
    marker.push(Plane::U8 { samples: &mut luma, stride: SIZE.0 }, at_s).unwrap();
    luma
}

fn read(frames: impl Iterator<Item = (Vec<u8>, f64)>, key: &MarkKey) -> Reading {
    let mut reader = FrameReader::new(SIZE.0, SIZE.1, key).unwrap();
    frames.for_each(|(f, at)| reader.push(&f, at));
    reader.finish()
}

#[test]
fn a_second_of_frames_gives_the_payload_at_44_decibels() {
    let mut m = marker();
    let frames: Vec<_> =
        (0..6).map(|n| (marked(&mut m, frame(n, 0), n as f64 / 6.0), n as f64 / 6.0)).collect();
    assert!(m.psnr_db() > 44.0, "{}", m.psnr_db());
    let r = read(frames.into_iter(), &key());
    assert_eq!(r.payload, Some(PAYLOAD));
    assert!(r.log10_p < -12.0, "{r:?}");
}

#[test]
fn unmarked_frames_and_another_key_give_nothing() {
    let clean = |n: usize| (frame(n, 0), n as f64 / 6.0);
    let r = read((0..12).map(clean), &key());
    assert_eq!((r.payload, r.not_checked), (None, None));
    let mut m = marker();
    let frames = (0..12).map(|n| (marked(&mut m, frame(n, 0), n as f64 / 6.0), n as f64 / 6.0));
    assert_eq!(read(frames, &MarkKey::public()).payload, None);
}

#[test]
fn a_mark_in_a_part_of_the_clip_is_told_from_when_to_when() {
    let mut m = marker();
    let frames = (0..72).map(|n| {
        let at = n as f64 / 6.0;
        let f = frame(n, n / 24);
        // the middle third is marked
        (if (24..48).contains(&n) { marked(&mut m, f, at) } else { f }, at)
    });
    let r = read(frames, &key());
    assert_eq!(r.payload, Some(PAYLOAD));
    assert_eq!(r.segments.len(), 1, "{r:?}");
    assert!((r.segments[0].start_s - 4.0).abs() < 0.5 && (r.segments[0].end_s - 8.0).abs() < 0.5, "{r:?}");
}

#[test]
fn a_new_scene_is_measured_anew_and_a_still_one_is_not() {
    let mut m = marker();
    let change = |m: &mut FrameMarker, luma: Vec<u8>, at: f64| -> Vec<i16> {
        let out = marked(m, luma.clone(), at);
        out.iter().zip(&luma).map(|(a, b)| i16::from(*a) - i16::from(*b)).collect()
    };
    let first = change(&mut m, frame(0, 0), 0.0);
    assert_eq!(first, change(&mut m, frame(0, 0), 5.0));
    // a flat scene hides less
    let flat = change(&mut m, vec![120; SIZE.0 * SIZE.1], 5.04);
    let power = |c: &[i16]| c.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
    assert!(power(&flat) < 0.5 * power(&first), "{} {}", power(&flat), power(&first));
    assert!(power(&flat) > 0.0);
}

#[test]
fn what_stands_still_keeps_its_change_while_the_rest_of_the_scene_moves() {
    let mut m = marker();
    // The left seven eighths stand still, the rest is another scene: too little for a cut.
    let edge = SIZE.0 * 7 / 8;
    let scene = |n: usize| -> Vec<u8> {
        let (still, moving) = (frame(0, 0), frame(20 * n, 3 * n));
        let side = |i: usize| if i % SIZE.0 < edge { still[i] } else { moving[i] };
        (0..SIZE.0 * SIZE.1).map(side).collect()
    };
    let mut change = |n: usize, at: f64| -> Vec<i16> {
        let luma = scene(n);
        let out = marked(&mut m, luma.clone(), at);
        out.iter().zip(&luma).map(|(a, b)| i16::from(*a) - i16::from(*b)).collect()
    };
    let (first, second) = (change(0, 0.0), change(1, 2.0));
    let differ = |from: usize, to: usize| {
        let columns = |i: &usize| (from..to).contains(&(i % SIZE.0));
        (0..first.len()).filter(columns).filter(|i| first[*i] != second[*i]).count()
    };
    assert_eq!(differ(0, edge - 16), 0);
    assert!(differ(edge + 16, SIZE.0) > 500);
}

#[test]
fn what_moves_is_marked_more_weakly_than_what_stands_still() {
    let mut m = marker();
    let edge = SIZE.0 / 2;
    // The right half moves on from picture to picture, by less than makes a cut.
    let scene = |n: usize| -> Vec<u8> {
        let (still, moving) = (frame(0, 0), frame(2 * n, 0));
        let side = |i: usize| if i % SIZE.0 < edge { still[i] } else { 64 + moving[i] / 4 };
        (0..SIZE.0 * SIZE.1).map(side).collect()
    };
    let mut power = |n: usize| -> (f64, f64) {
        let luma = scene(n);
        let out = marked(&mut m, luma.clone(), n as f64 / 30.0);
        let sum = |from: usize, to: usize| {
            let columns = |i: &usize| (from..to).contains(&(i % SIZE.0));
            (0..luma.len()).filter(columns).map(|i| (f64::from(out[i]) - f64::from(luma[i])).powi(2)).sum()
        };
        (sum(0, edge - 16), sum(edge + 16, SIZE.0))
    };
    let first = power(0);
    let last = (1..10).map(&mut power).last().unwrap();
    assert_eq!(first.0, last.0);
    assert!(last.1 < 0.75 * first.1, "{first:?} {last:?}");
}

#[test]
fn a_clip_made_half_as_large_is_read_where_its_mark_must_lie() {
    let (w, h) = (2 * SIZE.0, 2 * SIZE.1);
    let mut m = FrameMarker::new(w, h, PAYLOAD, &key(), &MarkerOptions::default()).unwrap();
    let mut reader = FrameReader::new(SIZE.0, SIZE.1, &key()).unwrap().reduced_from(SIZE.0, SIZE.1);
    for n in 0..6 {
        let small = frame(n, 0);
        let mut luma: Vec<u8> = (0..w * h).map(|i| small[i / w / 2 * SIZE.0 + i % w / 2]).collect();
        let at = n as f64 / 6.0;
        m.push(Plane::U8 { samples: &mut luma, stride: w }, at).unwrap();
        let mean = |i: usize| {
            let corner = i / SIZE.0 * 2 * w + i % SIZE.0 * 2;
            let four = [corner, corner + 1, corner + w, corner + w + 1];
            (four.iter().map(|at| u32::from(luma[*at])).sum::<u32>() / 4) as u8
        };
        reader.push(&(0..SIZE.0 * SIZE.1).map(mean).collect::<Vec<u8>>(), at);
    }
    assert_eq!(reader.finish().payload, Some(PAYLOAD));
}

#[test]
fn ten_bits_take_the_same_mark_four_times_as_fine() {
    let (mut eight, mut ten) = (marker(), marker());
    let luma = frame(0, 0);
    let mut wide: Vec<u16> = luma.iter().map(|v| u16::from(*v) * 4).collect();
    let out = marked(&mut eight, luma.clone(), 0.0);
    ten.push(Plane::U16 { samples: &mut wide, stride: SIZE.0, depth: 10 }, 0.0).unwrap();
    let most = out.iter().zip(&wide).map(|(a, b)| (i32::from(*a) * 4 - i32::from(*b)).abs()).max();
    assert!(most <= Some(2), "{most:?}");
}

#[test]
fn planes_that_hold_no_frame_are_refused_and_left_alone() {
    let mut short = vec![9u8; SIZE.0 * (SIZE.1 - 1)];
    assert!(marker().push(Plane::U8 { samples: &mut short, stride: SIZE.0 }, 0.0).is_err());
    assert!(short.iter().all(|v| *v == 9));
    let mut deep = vec![9u16; SIZE.0 * SIZE.1];
    assert!(marker().push(Plane::U16 { samples: &mut deep, stride: SIZE.0, depth: 8 }, 0.0).is_err());
    let small = FrameMarker::new(160, 90, PAYLOAD, &key(), &MarkerOptions::default());
    assert!(matches!(small, Err(EmbedError::TooSmall { width: 160, height: 90 })));
}

#[test]
fn no_frames_are_no_verdict() {
    let r = read(std::iter::empty(), &key());
    assert_eq!((r.payload, r.not_checked), (None, Some(NotChecked::Empty)));
    assert!(FrameReader::new(0, 4, &key()).is_none());
}

#[test]
fn a_mark_that_was_just_written_is_seen_after_a_second_without_a_search() {
    let mut m = marker();
    let mut reader = FrameReader::new(SIZE.0, SIZE.1, &key()).unwrap().reduced_from(SIZE.0, SIZE.1);
    assert!(!reader.peek(), "no frames yet");
    for n in 0..6 {
        let at = n as f64 / 6.0;
        reader.push(&marked(&mut m, frame(n, 0), at), at);
    }
    assert!(reader.peek());
    assert_eq!(reader.finish().payload, Some(PAYLOAD));
}

#[test]
fn a_clip_of_another_size_is_searched_all_the_same() {
    let mut m = marker();
    // Said to come from frames twice as large: the lattice is not where it would be then.
    let mut reader = FrameReader::new(SIZE.0, SIZE.1, &key()).unwrap().reduced_from(2 * SIZE.0, 2 * SIZE.1);
    for n in 0..36 {
        let at = n as f64 / 6.0;
        reader.push(&marked(&mut m, frame(n, 0), at), at);
        assert!(n != 6 || !reader.peek(), "nothing is searched before the stretch ends");
    }
    let r = reader.finish();
    assert_eq!((r.payload, r.segments.len()), (Some(PAYLOAD), 1), "{r:?}");
}
