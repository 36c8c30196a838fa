//! The suite every format runs through, in tests only.
//!
//! A format that passes keeps the promises of [`Format`]: it recognises its samples, edits metadata without touching
//! coded media, holds exactly one value afterwards, keeps what it does not know, and survives truncation and noise
//! without a panic. Call [`check`] from a test of the crate that owns the format, with at least one sample.
#![forbid(unsafe_code)]
// The suite is an assertion library: a broken promise panics with the name of the rule.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use colophon_core::{Edit, Entry, Format, Layout, Limits, Slot, Source};

/// A named sample file in memory.
pub type Sample<'a> = (&'a str, Vec<u8>);

/// Runs every rule over every sample.
///
/// # Panics
/// When a rule is broken; the message names rule, format and sample.
pub fn check(format: &dyn Format, samples: &[Sample<'_>]) {
    assert!(!samples.is_empty(), "{}: a format without samples does not take part", format.info().id);
    for (name, bytes) in samples {
        let case = Case { format, name, bytes };
        case.recognises_itself();
        case.no_edits_no_change();
        case.media_ranges_are_inside_and_ordered();
        for slot in format.info().slots {
            case.written_value_reads_back(slot.slot);
            case.writing_twice_leaves_one_value(slot.slot);
        }
        case.every_slot_at_once();
        case.truncation_never_panics();
        case.noise_never_panics();
    }
}

struct Case<'a> {
    format: &'a dyn Format,
    name: &'a str,
    bytes: &'a [u8],
}

impl Case<'_> {
    fn fail(&self, rule: &str, why: impl std::fmt::Display) -> ! {
        panic!("{} / {}: {rule}: {why}", self.format.info().id, self.name)
    }

    fn inspect(&self, rule: &str, bytes: &[u8]) -> Layout {
        self.format.inspect(&bytes, &Limits::default()).unwrap_or_else(|e| self.fail(rule, e))
    }

    fn edited(&self, rule: &str, bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
        let patch =
            self.format.edit(&bytes, edits, &Limits::default()).unwrap_or_else(|e| self.fail(rule, e));
        patch.apply_to_vec(&bytes).unwrap_or_else(|e| self.fail(rule, e))
    }

    fn recognises_itself(&self) {
        let head = self.bytes.get(..4096.min(self.bytes.len())).unwrap_or_default();
        if self.format.score(head) == 0 {
            self.fail("recognises_itself", "score is 0");
        }
    }

    fn no_edits_no_change(&self) {
        let rule = "no_edits_no_change";
        let patch =
            self.format.edit(&self.bytes, &[], &Limits::default()).unwrap_or_else(|e| self.fail(rule, e));
        if !patch.is_empty() {
            self.fail(rule, "an empty list of edits made splices");
        }
    }

    fn media_ranges_are_inside_and_ordered(&self) {
        let rule = "media_ranges_are_inside_and_ordered";
        let mut at = 0;
        for r in self.inspect(rule, self.bytes).media {
            if r.start < at || r.end < r.start || r.end > self.bytes.len() as u64 {
                self.fail(rule, format!("{r:?}"));
            }
            at = r.end;
        }
    }

    fn written_value_reads_back(&self, slot: Slot) {
        let rule = "written_value_reads_back";
        for value in values(slot) {
            let out = self.edited(rule, self.bytes, &[Edit::set(slot, key(slot), value.clone())]);
            let layout = self.inspect(rule, &out);
            self.exactly_one(rule, &layout, slot, &value);
            self.media_is_unchanged(rule, &out, &layout);
            self.foreign_entries_are_kept(rule, &layout, &[slot]);
        }
    }

    fn writing_twice_leaves_one_value(&self, slot: Slot) {
        let rule = "writing_twice_leaves_one_value";
        let values = values(slot);
        let (first, last) = (values.first().unwrap(), values.last().unwrap());
        let once = self.edited(rule, self.bytes, &[Edit::set(slot, key(slot), first.clone())]);
        let other = self.edited(rule, &once, &[Edit::set(slot, key(slot), last.clone())]);
        self.exactly_one(rule, &self.inspect(rule, &other), slot, last);
        let again = self.edited(rule, &once, &[Edit::set(slot, key(slot), first.clone())]);
        if again != once {
            self.fail(rule, "writing the same value again changed the file");
        }
    }

    fn every_slot_at_once(&self) {
        let rule = "every_slot_at_once";
        let slots: Vec<Slot> = self.format.info().slots.iter().map(|s| s.slot).collect();
        let edits: Vec<Edit> =
            slots.iter().map(|s| Edit::set(*s, key(*s), values(*s).first().unwrap().clone())).collect();
        let out = self.edited(rule, self.bytes, &edits);
        let layout = self.inspect(rule, &out);
        for slot in &slots {
            self.exactly_one(rule, &layout, *slot, values(*slot).first().unwrap());
        }
        self.media_is_unchanged(rule, &out, &layout);
    }

    fn exactly_one(&self, rule: &str, layout: &Layout, slot: Slot, value: &[u8]) {
        let found: Vec<&Entry> = layout.of(slot).filter(|e| e.key == key(slot)).collect();
        match found.as_slice() {
            [one] if one.value == value && one.normative => {}
            [one] if one.value == value => {
                self.fail(rule, format!("{slot:?} stands at {}, not normative", one.place))
            }
            [one] => {
                self.fail(rule, format!("{slot:?} reads back as {:?}", String::from_utf8_lossy(&one.value)))
            }
            many => self.fail(rule, format!("{slot:?} stands {} times", many.len())),
        }
    }

    fn media_is_unchanged(&self, rule: &str, out: &[u8], layout: &Layout) {
        let coded = |bytes: &[u8], layout: &Layout| -> Vec<u8> {
            layout
                .media
                .iter()
                .flat_map(|r| bytes.get(r.start as usize..r.end as usize).unwrap_or_default().iter().copied())
                .collect()
        };
        if coded(self.bytes, &self.inspect(rule, self.bytes)) != coded(out, layout) {
            self.fail(rule, "coded media changed");
        }
    }

    fn foreign_entries_are_kept(&self, rule: &str, after: &Layout, written: &[Slot]) {
        for e in self.inspect(rule, self.bytes).entries {
            let replaced = written.iter().any(|s| *s == e.slot && key(*s) == e.key);
            if !replaced
                && !after.entries.iter().any(|a| (a.slot, &a.key, &a.value) == (e.slot, &e.key, &e.value))
            {
                self.fail(rule, format!("{} was lost", e.place));
            }
        }
    }

    fn truncation_never_panics(&self) {
        let step = (self.bytes.len() / 257).max(1);
        for len in (0..self.bytes.len()).step_by(step).chain(0..self.bytes.len().min(64)) {
            self.poke(self.bytes.get(..len).unwrap_or_default());
        }
    }

    fn noise_never_panics(&self) {
        // A fixed xorshift stream: the suite must fail the same way twice.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..200 {
            let mut bytes = self.bytes.to_vec();
            for _ in 0..8 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                // Headers break parsers more often than payload: half of the hits go to the first kilobyte.
                let span = if state & 1 == 0 { bytes.len().min(1024) } else { bytes.len() }.max(1);
                let at = (state >> 8) as usize % span;
                if let Some(b) = bytes.get_mut(at) {
                    *b = (state >> 40) as u8;
                }
            }
            self.poke(&bytes);
        }
    }

    /// Whatever comes back is fine, as long as something does.
    fn poke(&self, bytes: &[u8]) {
        let source: &dyn Source = &bytes;
        let _ = self.format.inspect(source, &Limits::default());
        for slot in self.format.info().slots {
            let edit = Edit::set(slot.slot, key(slot.slot), values(slot.slot).first().unwrap().clone());
            if let Ok(patch) = self.format.edit(source, &[edit], &Limits::default()) {
                let _ = patch.apply_to_vec(source);
            }
        }
    }
}

fn key(slot: Slot) -> &'static str {
    match slot {
        Slot::Xmp => "xmp",
        Slot::Jumbf => "c2pa",
        Slot::Field | Slot::Exif | Slot::Comment => "AIGC",
    }
}

fn values(slot: Slot) -> Vec<Vec<u8>> {
    match slot {
        Slot::Xmp => [r#"<TC260:AIGC>{"Label":"1"}</TC260:AIGC>"#, "<Iptc4xmpExt:DigitalSourceType>x</Iptc4xmpExt:DigitalSourceType>"]
            .iter()
            .map(|inner| packet(inner))
            .collect(),
        // A JUMBF superbox whose description names a manifest store (C2PA 2.2, 11.1.4.1), and filler behind it.
        Slot::Jumbf => [40_u32, 3001]
            .iter()
            .map(|len| {
                let mut b = len.to_be_bytes().to_vec();
                b.extend_from_slice(b"jumb\0\0\0\x1ejumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\x03c2pa\0");
                b.extend((38..*len).map(|i| i as u8));
                b
            })
            .collect(),
        Slot::Field | Slot::Exif | Slot::Comment => [
            r#"{"Label":"1","ContentProducer":"001191110000MA0000007710001","ProduceID":"a-1","ReservedCode1":"","ContentPropagator":"001191110000MA0000007710001","PropagateID":"a-1","ReservedCode2":""}"#,
            r#"{"Label":"1","ContentProducer":"x","ProduceID":"b","ReservedCode1":"{\"k\":\"v\"}","ContentPropagator":"x","PropagateID":"b","ReservedCode2":""}"#,
        ]
        .iter()
        .map(|s| s.as_bytes().to_vec())
        .collect(),
    }
}

fn packet(inner: &str) -> Vec<u8> {
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF \
         xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description rdf:about=\"\" \
         xmlns:TC260=\"http://www.tc260.org.cn/ns/AIGC/1.0/\" \
         xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\">{inner}</rdf:Description></rdf:RDF></x:xmpmeta>\n\
         <?xpacket end=\"w\"?>"
    )
    .into_bytes()
}
