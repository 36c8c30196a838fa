//! The log of deliveries without a label (Labeling Measures Art. 9): one JSON object a line, each with the SHA-256 of
//! the line before it, so that a line that was changed or taken out shows.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use colophon::{Error, ErrorKind, Record, Report, sha256_hex};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::advice::Failure;

/// Days a record is kept at least: six months (Art. 9).
pub(crate) const MIN_DAYS: u32 = 184;

/// What every delivery of a run has in common.
#[derive(Debug)]
pub(crate) struct Deliveries {
    /// The log file.
    pub(crate) path: PathBuf,
    /// Reference of the agreement.
    pub(crate) agreement: String,
    /// Who received it, as a keyed hash.
    pub(crate) recipient: Option<String>,
    /// Days the record is kept.
    pub(crate) days: u32,
    /// One writer at a time.
    pub(crate) writer: Mutex<()>,
}

impl Deliveries {
    /// Appends a record and makes it durable, before the content is handed out.
    pub(crate) fn record(&self, record: &Record, report: &Report, now: &str) -> Result<(), Failure> {
        let _guard = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |e: std::io::Error| Failure::from(e).on(&self.path);
        let until = OffsetDateTime::parse(now, &Rfc3339)
            .ok()
            .and_then(|t| t.checked_add(Duration::days(i64::from(self.days))))
            .and_then(|t| t.format(&Rfc3339).ok())
            .ok_or_else(|| Failure::usage("the clock or the retention is out of range"))?;
        let previous = last_line(&self.path)?.map(|line| sha256_hex(line.as_bytes()));
        let label = report.findings.iter().find_map(|f| match &f.evidence {
            Some(colophon::Evidence::Aigc(e)) => {
                Some((e.label.clone(), f.place.as_ref().map(|p| p.path.clone())))
            }
            _ => None,
        });
        let line = json!({
            "type": "unlabelled-delivery",
            "time": now,
            "content_id": record.content_id,
            "sha256_before": record.sha256_before,
            "sha256_after": report.subject.sha256,
            "label": label.as_ref().map(|(value, _)| value),
            "place": label.as_ref().and_then(|(_, place)| place.clone()),
            "explicit": false,
            "agreement": self.agreement,
            "recipient": self.recipient,
            "retain_until": until,
            "previous": previous,
        });
        let mut file =
            std::fs::OpenOptions::new().create(true).append(true).open(&self.path).map_err(failed)?;
        writeln!(file, "{line}").and_then(|()| file.sync_all()).map_err(failed)
    }
}

/// The last line, without its end. A log whose last line is no record is not continued.
fn last_line(path: &Path) -> Result<Option<String>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Failure::from(e).on(path)),
    };
    let Some(line) = text.lines().next_back() else { return Ok(None) };
    let sound = text.ends_with('\n')
        && serde_json::from_str::<Value>(line).is_ok_and(|v| v["type"] == "unlabelled-delivery");
    if !sound {
        return Err(Failure::from(Error::new(
            ErrorKind::Conflict,
            "the delivery log does not end with a record",
        ))
        .on(path));
    }
    Ok(Some(line.to_owned()))
}
