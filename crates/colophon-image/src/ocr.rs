//! A label without a record, read by Tesseract as a child process.
//!
//! What it reads counts when it is the words of a label (GB 45438-2025, 5.2: an AI element and a generation element; EU
//! Code of Practice, Section 2: the capitals AI with what was done). What it does not read proves nothing.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use colophon_core::{LabelEvidence, Limits, Observation, State, Why};
use colophon_label::visible::Luma;
use colophon_label::written;

use crate::label::place;

/// Shortest side in pixels that a picture is brought to: a label of 5 % then has letters of 32 pixels,
/// which Tesseract reads better than larger ones.
const WORKING_SIDE: f32 = 640.0;
/// How far a small picture is enlarged.
const MOST_ENLARGED: f32 = 3.0;
/// Most seconds of one run.
const SECONDS: u64 = 60;
/// How often a running child is looked after.
const PAUSE: Duration = Duration::from_millis(10);
/// Most bytes of an answer.
const ANSWER: u64 = 4 << 20;
/// Where labels stand, as shares of the sides: left, top, right, bottom. A few letters in a corner of a busy picture are
/// missed when the whole picture is laid out at once, and read when the corner is looked at by itself.
const WINDOWS: [[f32; 4]; 7] = [
    [0.0, 0.0, 1.0, 1.0],
    [0.62, 0.84, 1.0, 1.0],
    [0.0, 0.84, 0.38, 1.0],
    [0.62, 0.0, 1.0, 0.16],
    [0.0, 0.0, 0.38, 0.16],
    [0.2, 0.84, 0.8, 1.0],
    [0.2, 0.0, 0.8, 0.16],
];
/// Least confidence of a word in percent.
const LEAST: f32 = 30.0;

/// One line of text that was read, in pixels of the picture.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    text: String,
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

/// Looks for a label in a picture, upright as it is shown, with the program at `tool` (Tesseract).
///
/// Answers `Present` with what was read and where, or `NotChecked`: what is not read proves nothing.
pub fn read_label(tool: &Path, picture: &Luma<'_>, limits: &Limits) -> Observation {
    let not_checked = |why| Observation::Label {
        state: State::NotChecked,
        why: Some(why),
        evidence: None,
        confidence: None,
    };
    let short = picture.width.min(picture.height).max(1) as f32;
    let scale = (WORKING_SIDE / short).min(MOST_ENLARGED);
    let [whole, corners @ ..] = &WINDOWS;
    // Most labels are read in the picture as a whole. For the rest the program is started once more, not once for every part:
    // a third of its time goes into reading its models.
    let closely: Vec<_> = corners.iter().map(|w| (w, false)).chain([(whole, true)]).collect();
    for looks in [vec![(whole, false)], closely] {
        let parts: Vec<Part> = looks.iter().map(|(window, _)| Part::of(window, picture)).collect();
        let pages: Vec<Page> = parts
            .iter()
            .zip(&looks)
            .map(|(part, (_, inverted))| part.page(picture, scale, *inverted))
            .collect();
        if pages.iter().any(|p| p.samples.len() as u64 > limits.pixels) {
            return not_checked(Why::Limit);
        }
        let Some(answer) = run(tool, &tiff(&pages), limits) else { return not_checked(Why::MissingTool) };
        for (number, (part, (_, inverted))) in (1..).zip(parts.iter().zip(&looks)) {
            let lines = lines(&answer, number, scale, (part.left as f32, part.top as f32));
            let halved = || halved(tool, picture, scale, *inverted, &lines, limits);
            let Some(found) = label(&lines).or_else(halved) else { continue };
            let found = closer(tool, picture, scale, *inverted, found, limits);
            let ink = ink_height(picture, &found);
            let position = place(
                (found.left, found.top, found.right - found.left, found.bottom - found.top),
                (picture.width as f32, picture.height as f32),
            );
            return Observation::Label {
                state: State::Present,
                why: None,
                evidence: Some(LabelEvidence {
                    text: Some(found.text),
                    method: "ocr".to_owned(),
                    record: None,
                    height_ratio: Some(ink / short),
                    seen: Vec::new(),
                    position,
                }),
                confidence: None,
            };
        }
    }
    not_checked(Why::Unclear)
}

/// A label of which only the second half was read, as it reads from close by: a lone `AI` above it loses its thin letter.
fn halved(
    tool: &Path,
    picture: &Luma<'_>,
    scale: f32,
    inverted: bool,
    lines: &[Line],
    limits: &Limits,
) -> Option<Line> {
    let half = lines.iter().find(|l| ["GENERATED", "MODIFIED"].contains(&l.text.as_str()))?;
    [2.7, 1.6].into_iter().find_map(|zoom| around(tool, picture, scale * zoom, inverted, half, 1.0, limits))
}

/// The label that is read in what stands around a line, up to so many times its size away.
fn around(
    tool: &Path,
    picture: &Luma<'_>,
    scale: f32,
    inverted: bool,
    line: &Line,
    reach: f32,
    limits: &Limits,
) -> Option<Line> {
    let (width, height) = (picture.width as f32, picture.height as f32);
    let (wide, high) = (line.right - line.left, line.bottom - line.top);
    let window = [
        (line.left - reach * wide) / width,
        (line.top - 2.0 * reach * high) / height,
        (line.right + reach * wide) / width,
        (line.bottom + 2.0 * reach * high) / height,
    ];
    let part = Part::of(&window.map(|v| v.clamp(0.0, 1.0)), picture);
    let answer = run(tool, &tiff(&[part.page(picture, scale, inverted)]), limits)?;
    label(&lines(&answer, 1, scale, (part.left as f32, part.top as f32)))
}

/// A label that was read in Latin letters, as it reads from close by when Chinese ones stand beside them: they have more strokes
/// for their size, and are the first that a busy ground swallows.
fn closer(tool: &Path, picture: &Luma<'_>, scale: f32, inverted: bool, found: Line, limits: &Limits) -> Line {
    let ideographs = |text: &str| text.chars().any(|c| matches!(c, '\u{4e00}'..='\u{9fff}'));
    if ideographs(&found.text) {
        return found;
    }
    for (reach, zoom, inverted) in [(1.0, 1.0, inverted), (1.5, 1.6, inverted), (1.5, 1.6, !inverted)] {
        let read = around(tool, picture, scale * zoom, inverted, &found, reach, limits);
        if let Some(read) = read.filter(|r| ideographs(&r.text)) {
            return read;
        }
    }
    found
}

/// A part of a picture in pixels.
struct Part {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl Part {
    fn of(&[left, top, right, bottom]: &[f32; 4], luma: &Luma<'_>) -> Self {
        let at = |share: f32, all: u32| ((share * all as f32) as u32).min(all.saturating_sub(1));
        let (x, y) = (at(left, luma.width), at(top, luma.height));
        let span = |from: u32, to: f32, all: u32| ((to * all as f32) as u32).min(all).max(from + 1) - from;
        Self { left: x, top: y, width: span(x, right, luma.width), height: span(y, bottom, luma.height) }
    }

    /// Its brightness at another scale: means of what a pixel covers, or values between neighbours.
    fn page(&self, luma: &Luma<'_>, scale: f32, inverted: bool) -> Page {
        let side = |v: u32| ((v as f32 * scale).round() as u32).max(1);
        let (width, height) = (side(self.width), side(self.height));
        let mut out = Vec::with_capacity(width as usize * height as usize);
        let step = 1.0 / scale;
        let pitch = luma.width as usize;
        let row = |y: u32| {
            let from = (self.top + y) as usize * pitch + self.left as usize;
            luma.data.get(from..from + self.width as usize).unwrap_or_default()
        };
        let spans = |cells: u32, len: u32| -> Vec<(u32, u32)> {
            (0..cells)
                .map(|i| {
                    let from = ((i as f32 * step) as u32).min(len - 1);
                    (from, (((i + 1) as f32 * step) as u32).clamp(from + 1, len))
                })
                .collect()
        };
        let between = |cells: u32, len: u32| -> Vec<(usize, usize, f32)> {
            (0..cells)
                .map(|i| {
                    let at = ((i as f32 + 0.5) * step - 0.5).clamp(0.0, (len - 1) as f32);
                    (at as usize, (at as usize + 1).min(len as usize - 1), at.fract())
                })
                .collect()
        };
        let mut push = |v: u8| out.push(if inverted { 255 - v } else { v });
        if scale > 1.0 {
            let columns = between(width, self.width);
            for (above, below, down) in between(height, self.height) {
                let (above, below) = (row(above as u32), row(below as u32));
                let of = |row: &[u8], x: usize| row.get(x).map_or(0.0, |v| f32::from(*v));
                for (left, right, across) in &columns {
                    let mix = |row: &[u8]| {
                        let (l, r) = (of(row, *left), of(row, *right));
                        l + (r - l) * across
                    };
                    let (a, b) = (mix(above), mix(below));
                    push((a + (b - a) * down).round() as u8);
                }
            }
        } else {
            let columns = spans(width, self.width);
            for (top, bottom) in spans(height, self.height) {
                for (left, right) in &columns {
                    let (mut sum, mut n) = (0_u32, 0_u32);
                    for y in top..bottom {
                        let line = row(y).get(*left as usize..*right as usize).unwrap_or_default();
                        sum += line.iter().map(|v| u32::from(*v)).sum::<u32>();
                        n += line.len() as u32;
                    }
                    push((sum / n.max(1)) as u8);
                }
            }
        }
        Page { samples: out, width, height }
    }
}

/// A grey picture, a byte a pixel.
struct Page {
    samples: Vec<u8>,
    width: u32,
    height: u32,
}

/// Pages as one file, uncompressed (TIFF 6.0, sections 2 and 4).
fn tiff(pages: &[Page]) -> Vec<u8> {
    /// Entries of a directory, and its bytes: a count, twelve bytes an entry, where the next one stands.
    const ENTRIES: u16 = 9;
    const DIRECTORY: u32 = 2 + 12 * ENTRIES as u32 + 4;
    let mut out = b"II*\0".to_vec();
    let mut at = 8_u32;
    out.extend(at.to_le_bytes());
    for (number, page) in pages.iter().enumerate() {
        let len = page.samples.len() as u32;
        let strip = at.saturating_add(DIRECTORY);
        // Directories begin at even places.
        let next = strip.saturating_add(len).saturating_add(len & 1);
        out.extend(ENTRIES.to_le_bytes());
        let (short, long) = (3_u16, 4_u16);
        for (tag, kind, value) in [
            (256_u16, long, page.width),
            (257, long, page.height),
            (258, short, 8),
            (259, short, 1),
            (262, short, 1),
            (273, long, strip),
            (277, short, 1),
            (278, long, page.height),
            (279, long, len),
        ] {
            out.extend(tag.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend(1_u32.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
        let last = number + 1 == pages.len();
        out.extend(if last { 0 } else { next }.to_le_bytes());
        out.extend_from_slice(&page.samples);
        out.resize(next as usize, 0);
        at = next;
    }
    out
}

/// The program's table of words; `None` when it cannot be started, fails, or takes too long.
fn run(tool: &Path, picture: &[u8], limits: &Limits) -> Option<String> {
    let mut child = Command::new(tool)
        // Sparse text anywhere; one thread, because many pictures may be read at a time.
        .args(["stdin", "stdout", "-l", "chi_sim+eng", "--psm", "11", "tsv"])
        .env("OMP_THREAD_LIMIT", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let deadline = Instant::now() + Duration::from_secs(SECONDS.min(limits.child_seconds));
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut s| s.write_all(picture)));
        let out = scope.spawn(move || {
            let mut out = Vec::new();
            stdout.map(|s| s.take(ANSWER).read_to_end(&mut out));
            out
        });
        let success = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status.success(),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break false;
                }
            }
        };
        let out = out.join().unwrap_or_default();
        success.then(|| String::from_utf8_lossy(&out).into_owned())
    })
}

/// A word with the capitals AI as people see them: the reader takes the second letter for a small l, a one or a bar.
fn capitals(word: &str) -> String {
    let mut rest = word.chars();
    let (first, second) = (rest.next(), rest.next());
    let rest = rest.as_str();
    let ends = !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    let joined = ["GENERATED", "MODIFIED"].iter().any(|w| rest.starts_with(w));
    match (first, second) {
        (Some('A'), Some('l' | '1' | '|' | 'I')) if joined => format!("AI {rest}"),
        (Some('A'), Some('l' | '1' | '|')) if ends => format!("AI{rest}"),
        _ => word.to_owned(),
    }
}

/// The words on one page of a table (level, page, block, paragraph, line, word, left, top, width, height, confidence, text),
/// by line.
fn lines(table: &str, wanted: usize, scale: f32, origin: (f32, f32)) -> Vec<Line> {
    let mut out: Vec<(Vec<&str>, Line)> = Vec::new();
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split('\t').collect();
        let [level, page, block, paragraph, line, _, left, top, width, height, confidence, text] = *cells
        else {
            continue;
        };
        let sure = confidence.parse().is_ok_and(|c: f32| c >= LEAST);
        let number = |s: &str| s.parse().unwrap_or(0.0_f32) / scale;
        if level != "5" || text.trim().is_empty() || !sure || page.parse() != Ok(wanted) {
            continue;
        }
        let (left, top) = (origin.0 + number(left), origin.1 + number(top));
        let word = Line {
            text: capitals(text.trim()),
            left,
            top,
            right: left + number(width),
            bottom: top + number(height),
        };
        let key = vec![page, block, paragraph, line];
        match out.last_mut() {
            Some((k, l)) if *k == key => {
                let latin = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
                if latin(l.text.chars().next_back()) && latin(word.text.chars().next()) {
                    l.text.push(' ');
                }
                l.text.push_str(&word.text);
                l.left = l.left.min(word.left);
                l.top = l.top.min(word.top);
                l.right = l.right.max(word.right);
                l.bottom = l.bottom.max(word.bottom);
            }
            _ => out.push((key, word)),
        }
    }
    out.into_iter().map(|(_, l)| l).collect()
}

/// The first line that is a label by itself; else two lines that are one together, as in a capsule or on two rows.
fn label(lines: &[Line]) -> Option<Line> {
    if let Some(one) = lines.iter().find(|l| written::is_label(&l.text)) {
        return Some(one.clone());
    }
    for (i, a) in lines.iter().enumerate() {
        for b in lines.get(i + 1..).unwrap_or_default() {
            let height = (a.bottom - a.top).max(b.bottom - b.top);
            let near = a.left < b.right + 2.0 * height
                && b.left < a.right + 2.0 * height
                && (a.top - b.bottom).max(b.top - a.bottom) < 1.2 * height;
            for (first, second) in [(a, b), (b, a)] {
                let text = format!("{} {}", first.text, second.text);
                if near && written::is_label(&text) {
                    // The larger of the two is measured.
                    let tall = if a.bottom - a.top >= b.bottom - b.top { a } else { b };
                    return Some(Line { text, ..tall.clone() });
                }
            }
        }
    }
    None
}

/// Rows of the line's box whose brightness leaves that of the ground by half of what the type does.
fn ink_height(luma: &Luma<'_>, line: &Line) -> f32 {
    let box_height = line.bottom - line.top;
    let pad = (box_height * 0.15).max(1.0);
    let clamp = |v: f32, most: u32| v.max(0.0).min(most as f32) as usize;
    let (left, right) = (clamp(line.left, luma.width), clamp(line.right.ceil(), luma.width));
    let (top, bottom) = (clamp(line.top - pad, luma.height), clamp((line.bottom + pad).ceil(), luma.height));
    let row = |y: usize| {
        luma.data.get(y * luma.width as usize + left..y * luma.width as usize + right).unwrap_or_default()
    };
    let mut levels: Vec<u8> = (top..bottom).flat_map(|y| row(y).iter().copied()).collect();
    if levels.is_empty() {
        return box_height;
    }
    levels.sort_unstable();
    let ground = i32::from(levels.get(levels.len() / 2).copied().unwrap_or(0));
    let (low, high) =
        (i32::from(levels.first().copied().unwrap_or(0)), i32::from(levels.last().copied().unwrap_or(255)));
    let ink = if high - ground >= ground - low { high } else { low };
    let half = (ink - ground).abs() / 2;
    if half < 12 {
        return box_height;
    }
    let sign = (ink - ground).signum();
    let inked = |y: &usize| row(*y).iter().any(|v| sign * (i32::from(*v) - ground) >= half);
    let (first, last) = ((top..bottom).find(inked), (top..bottom).rev().find(inked));
    match first.zip(last) {
        // What reaches through the padding is not type alone.
        Some((f, l)) if f > top && l + 1 < bottom => (l - f + 1) as f32,
        _ => box_height,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n\
        1\t1\t0\t0\t0\t0\t0\t0\t800\t600\t-1\t\n\
        5\t1\t1\t1\t1\t1\t600\t500\t40\t30\t91.2\tAI\n\
        5\t1\t1\t1\t1\t2\t642\t498\t70\t34\t88.0\t生成\n\
        5\t1\t2\t1\t1\t1\t20\t20\t90\t20\t12.0\tAI生成\n\
        5\t1\t3\t1\t1\t1\t20\t90\t90\t20\t95.0\tHello\n";

    #[test]
    fn gb45438_5_2_a_line_with_both_elements_is_a_label() {
        let lines = lines(TABLE, 1, 2.0, (0.0, 0.0));
        assert_eq!(lines.len(), 2);
        let found = label(&lines).unwrap();
        assert_eq!(found.text, "AI生成");
        assert_eq!((found.left, found.top, found.bottom), (300.0, 249.0, 266.0));
        assert_eq!(label(&lines[1..]), None);
        assert_eq!(super::lines(TABLE, 2, 2.0, (0.0, 0.0)), [], "nothing is on the next page");
    }

    #[test]
    fn tiff_6_0_pages_are_read_back_one_after_the_other() {
        let page = |side: u32, shade: u8| Page {
            samples: (0..side * side).map(|i| shade + (i % 7) as u8).collect(),
            width: side,
            height: side,
        };
        let pages = [page(3, 10), page(8, 90)];
        let mut decoder = ::tiff::decoder::Decoder::new(std::io::Cursor::new(tiff(&pages))).unwrap();
        for (i, page) in pages.iter().enumerate() {
            assert_eq!(decoder.dimensions().unwrap(), (page.width, page.height));
            let ::tiff::decoder::DecodingResult::U8(read) = decoder.read_image().unwrap() else { panic!() };
            assert_eq!(read, page.samples);
            assert_eq!(decoder.more_images(), i == 0);
            if i == 0 {
                decoder.next_image().unwrap();
            }
        }
    }

    #[test]
    fn a_small_l_after_a_capital_a_is_read_as_people_read_it() {
        for (read, seen) in [
            ("Al", "AI"),
            ("A1", "AI"),
            ("Al生成", "AI生成"),
            ("AlGENERATED", "AI GENERATED"),
            ("AIGENERATED", "AI GENERATED"),
            ("Also", "Also"),
            ("Alte", "Alte"),
            ("A", "A"),
            ("生成", "生成"),
        ] {
            assert_eq!(capitals(read), seen);
        }
    }

    #[test]
    fn eu_code_section_2_two_parts_side_by_side_are_one_label() {
        let part = |text: &str, left: f32| Line {
            text: text.to_owned(),
            left,
            top: 10.0,
            right: left + 60.0,
            bottom: 30.0,
        };
        assert_eq!(label(&[part("AI", 0.0), part("GENERATED", 80.0)]).unwrap().text, "AI GENERATED");
        assert_eq!(label(&[part("AI", 0.0), part("GENERATED", 400.0)]), None);
    }
}
