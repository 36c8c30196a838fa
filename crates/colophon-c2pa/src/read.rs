//! Reading: whatever is wrong with a manifest is a finding, never an error.

use c2pa::{Builder, Ingredient, Manifest, Reader, ValidationState};
use colophon_core::{
    Carrier, Error, ErrorKind, Evidence, Finding, HardBinding, ManifestEvidence, Normalisation, Note, Place,
    ReadCx, Record, Result, SealCx, SignerEvidence, Slot, Source, SourceReader, State, StatusCodes, Trust,
    TrustAxes, Why,
};
use serde_json::Value;

use crate::{INFO, RECORD_LABEL, guard, seal, settings};

/// Every manifest store of an input: embedded, then beside the file.
pub(crate) fn read(cx: &ReadCx<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let entry = cx.layout.of(Slot::Jumbf).next();
    let several = cx.layout.of(Slot::Jumbf).count() > 1;
    match cx.format.info().carrier {
        Carrier::Native(mime) => {
            if entry.is_some() || !guard::only_when_the_walk_saw_one(cx.format.info().id) {
                findings.extend(embedded(cx, mime));
            }
        }
        Carrier::Slot(mime, normalisation) => {
            if let Some(e) = entry {
                let f = store(cx, &e.value, mime, "embedded", Some((normalisation, e.range.clone())));
                findings.push(f.at(Place::at(e.place.clone(), e.range.clone(), e.normative)));
            }
        }
        Carrier::Sidecar(_) => {}
    }
    if several {
        let text = "more than one manifest store is in the file; the first was read";
        for f in &mut findings {
            f.notes.push(Note::new("second-manifest", text));
        }
    }
    // A store beside a file with an embedded one is the embedded one's business.
    if let (true, Some(bytes)) = (findings.is_empty(), cx.sidecar) {
        let mime = match cx.format.info().carrier {
            Carrier::Native(m) | Carrier::Slot(m, _) | Carrier::Sidecar(m) => m,
        };
        let place = Place { path: "beside the file".to_owned(), range: None, normative: true };
        findings.push(store(cx, bytes, mime, "sidecar", None).at(place));
    }
    for note in cx.layout.notes.iter().filter(|n| n.starts_with("manifest.")) {
        // The walk saw a carrier that is broken: the specification's own code says how.
        let (code, text) = note.split_once(": ").unwrap_or((note, ""));
        let mut e = ManifestEvidence { carrier: "embedded".to_owned(), ..ManifestEvidence::default() };
        e.status.failure.push(code.to_owned());
        findings.push(
            Finding::new(&INFO, State::Malformed).with(Evidence::Manifest(Box::new(e))).note(code, text),
        );
    }
    if findings.is_empty() {
        findings.push(Finding::new(&INFO, State::Absent));
    }
    findings
}

/// A store that the library finds in the container.
fn embedded(cx: &ReadCx<'_>, mime: &str) -> Option<Finding> {
    let raw = cx.layout.of(Slot::Jumbf).next();
    let read = reader(cx.trust).and_then(|r| {
        r.with_stream(mime, SourceReader::new(cx.source)).map_err(|e| Error::new(kind(&e), e.to_string()))
    });
    match read {
        Ok(reader) => {
            let mut f = finding(&reader, "embedded", raw.map(|e| e.value.as_slice()), None);
            f.place = raw.map(|e| Place::at(e.place.clone(), e.range.clone(), e.normative));
            Some(f)
        }
        Err(e) if raw.is_none() && e.kind() != ErrorKind::Malformed => None,
        Err(e) => Some(unreadable(&e, "embedded")),
    }
}

/// A store whose bytes are at hand.
fn store(
    cx: &ReadCx<'_>,
    bytes: &[u8],
    mime: &str,
    carrier: &str,
    slot: Option<(Normalisation, std::ops::Range<u64>)>,
) -> Finding {
    let read = reader(cx.trust).and_then(|r| {
        r.with_manifest_data_and_stream(bytes, mime, SourceReader::new(cx.source))
            .map_err(|e| Error::new(kind(&e), e.to_string()))
    });
    match read {
        Ok(reader) => {
            let own =
                slot.and_then(|(normalisation, range)| normalised_match(cx, &reader, normalisation, &range));
            finding(&reader, carrier, Some(bytes), own)
        }
        Err(e) => unreadable(&e, carrier),
    }
}

fn reader(trust: &Trust) -> Result<Reader> {
    Ok(Reader::from_context(settings::reading(trust)?))
}

/// C2PA 2.5, A.8 hashes the NFC form of the remaining text; the library hashes bytes. They differ for text that is
/// stored in another form, and only then is the comparison made here. `None`: the library's own answer holds.
fn normalised_match(
    cx: &ReadCx<'_>,
    reader: &Reader,
    normalisation: Normalisation,
    range: &std::ops::Range<u64>,
) -> Option<bool> {
    if normalisation == Normalisation::Raw {
        return None;
    }
    let bytes = cx.source.all(cx.limits.input_bytes).ok()?;
    let raw = seal::hash_without(&bytes, Some(range.clone()), Normalisation::Raw).ok()?;
    let nfc = seal::hash_without(&bytes, Some(range.clone()), Normalisation::Nfc).ok()?;
    if raw == nfc {
        return None;
    }
    // Only the exported form of the library shows hash assertions; byte strings are base64 in it.
    let json = reader.to_crjson_value().ok()?;
    let text = json.to_string();
    let encoded = base64(&nfc);
    Some(text.contains(&encoded))
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = ALPHABET.get((n >> (18 - 6 * i) & 63) as usize).copied().unwrap_or(b'A');
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// Errors of the library that mean "no manifest here", "cannot look" and "broken".
fn kind(e: &c2pa::Error) -> ErrorKind {
    match e {
        c2pa::Error::JumbfNotFound | c2pa::Error::UnsupportedType | c2pa::Error::RemoteManifestUrl(_) => {
            ErrorKind::Unsupported
        }
        c2pa::Error::IoError(_) => ErrorKind::Io,
        _ => ErrorKind::Malformed,
    }
}

/// A store that the library refuses to open. 0.90 gives an error without a status code here; an auditor gets a report.
fn unreadable(e: &Error, carrier: &str) -> Finding {
    let state = if e.kind() == ErrorKind::Malformed { State::Malformed } else { State::NotChecked };
    let mut evidence = ManifestEvidence { carrier: carrier.to_owned(), ..ManifestEvidence::default() };
    if state == State::Malformed {
        evidence.status.failure.push(status_of(&e.to_string()).to_owned());
    }
    let mut f = Finding::new(&INFO, state)
        .with(Evidence::Manifest(Box::new(evidence)))
        .note("unreadable", e.to_string());
    if state == State::NotChecked {
        f.why = Some(Why::Undecodable);
    }
    f
}

/// The specification's code for an error text of the library.
fn status_of(text: &str) -> &'static str {
    let lower = text.to_lowercase();
    [
        ("claim missing", "claim.missing"),
        ("assertion missing", "assertion.missing"),
        ("alg", "algorithm.unsupported"),
        ("multiple", "claim.multiple"),
        ("cbor", "claim.cbor.invalid"),
        ("signature", "claimSignature.missing"),
    ]
    .iter()
    .find(|(part, _)| lower.contains(part))
    .map_or("general.error", |(_, code)| code)
}

/// A store that was opened.
fn finding(reader: &Reader, carrier: &str, raw: Option<&[u8]>, normalised: Option<bool>) -> Finding {
    let mut status = status(reader);
    let mut state = match reader.validation_state() {
        ValidationState::Trusted => State::Trusted,
        ValidationState::Valid => State::Valid,
        ValidationState::Invalid => State::Invalid,
    };
    let mut content = binding(&status);
    if let Some(matches) = normalised {
        content = if matches { HardBinding::Match } else { HardBinding::Mismatch };
        if matches {
            status.failure.retain(|c| c != "assertion.dataHash.mismatch");
            if status.failure.iter().all(|c| c == "signingCredential.untrusted") && state == State::Invalid {
                state = if status.failure.is_empty() { State::Trusted } else { State::Valid };
            }
        }
    }
    let mut evidence = ManifestEvidence {
        active: reader.active_label().map(str::to_owned),
        axes: TrustAxes {
            content,
            well_formed: reader.active_manifest().is_some(),
            // The signature and the assertions, apart from the content and from who signed.
            valid: status.failure.iter().all(|c| c == "signingCredential.untrusted" || is_binding(c))
                && status.success.iter().any(|c| c == "claimSignature.validated"),
            trusted: state == State::Trusted,
        },
        status,
        carrier: carrier.to_owned(),
        ..ManifestEvidence::default()
    };
    if let Some(manifest) = reader.active_manifest() {
        describe(manifest, &mut evidence);
    }
    let (state, notes) = guard::correct(&mut evidence, state, raw);
    let mut f = Finding::new(&INFO, state).with(Evidence::Manifest(Box::new(evidence)));
    f.notes = notes;
    f
}

fn status(reader: &Reader) -> StatusCodes {
    let mut out = StatusCodes::default();
    let Some(results) = reader.validation_results() else {
        return out;
    };
    let codes = |list: &[c2pa::validation_status::ValidationStatus]| -> Vec<String> {
        let mut codes: Vec<String> = Vec::new();
        for s in list {
            if !codes.iter().any(|c| c == s.code()) {
                codes.push(s.code().to_owned());
            }
        }
        codes
    };
    if let Some(active) = results.active_manifest() {
        out.success = codes(active.success());
        out.informational = codes(active.informational());
        out.failure = codes(active.failure());
    }
    for delta in results.ingredient_deltas().into_iter().flatten() {
        for code in codes(delta.validation_deltas().failure()) {
            out.informational.push(format!("ingredient: {code}"));
        }
    }
    out
}

fn is_binding(code: &str) -> bool {
    ["assertion.dataHash.", "assertion.bmffHash.", "assertion.boxesHash.", "assertion.collectionHash."]
        .iter()
        .any(|p| code.starts_with(p))
}

fn binding(status: &StatusCodes) -> HardBinding {
    let mismatch =
        |c: &String| is_binding(c) && [".mismatch", ".malformed"].iter().any(|end| c.ends_with(end));
    if status.failure.iter().any(mismatch) {
        HardBinding::Mismatch
    } else if status.success.iter().any(|c| is_binding(c) && c.rsplit('.').next() == Some("match")) {
        HardBinding::Match
    } else {
        HardBinding::NotChecked
    }
}

fn describe(manifest: &Manifest, e: &mut ManifestEvidence) {
    if let Some(s) = manifest.signature_info() {
        e.signer = Some(SignerEvidence {
            common_name: s.common_name.clone(),
            organisation: s.issuer.clone(),
            algorithm: s.alg.map(|a| format!("{a:?}")),
            time: s.time.clone(),
            serial: s.cert_serial_number.clone(),
        });
    }
    e.generator =
        manifest.claim_generator_info.as_ref().and_then(|list| list.first()).map(|g| match &g.version {
            Some(v) => format!("{}/{v}", g.name),
            None => g.name.clone(),
        });
    for a in manifest.assertions() {
        e.assertions.push(a.label().to_owned());
        let Ok(value) = a.value() else { continue };
        match a.label() {
            l if l.starts_with("c2pa.actions") => actions(value, e),
            "c2pa.ai-disclosure" => {
                e.ai_disclosure = value
                    .get("modelName")
                    .or_else(|| value.get("modelType"))
                    .and_then(Value::as_str)
                    .map(str::to_owned);
            }
            RECORD_LABEL => e.record = serde_json::from_value::<Record>(value.clone()).ok(),
            _ => {}
        }
    }
    e.ingredients = manifest.ingredients().iter().map(ingredient).collect();
}

fn actions(value: &Value, e: &mut ManifestEvidence) {
    for action in value.get("actions").and_then(Value::as_array).into_iter().flatten() {
        let name = action.get("action").and_then(Value::as_str).unwrap_or("?");
        let source_type = action.get("digitalSourceType").and_then(Value::as_str);
        let code = source_type.map(|s| s.rsplit('/').next().unwrap_or(s));
        e.actions.push(code.map_or(name.to_owned(), |c| format!("{name} ({c})")));
        if let (None, Some(code)) = (&e.source_type, code) {
            e.source_type = Some(code.to_owned());
        }
    }
}

fn ingredient(i: &Ingredient) -> String {
    format!("{:?} {}", i.relationship(), i.title().unwrap_or("untitled"))
}

/// Adds the input's own manifest as the parent.
pub(crate) fn add_parent(
    cx: &SealCx<'_>,
    parent: &dyn Source,
    builder: &mut Builder,
    json: &str,
) -> Result<()> {
    let failed = |e: c2pa::Error| {
        Error::new(ErrorKind::Conflict, "the manifest on the input cannot be kept as the parent")
            .because(e.to_string())
    };
    let layout = cx.format.inspect(parent, cx.limits)?;
    let slot = layout.of(Slot::Jumbf).next().map(|e| e.value.as_slice());
    let store = match cx.format.info().carrier {
        Carrier::Native(mime) if slot.is_some() || cx.parent_sidecar.is_none() => {
            builder.add_ingredient_from_stream(json, mime, &mut SourceReader::new(parent)).map_err(failed)?;
            return Ok(());
        }
        Carrier::Slot(mime, _) => slot.or(cx.parent_sidecar).map(|s| (s, mime)),
        Carrier::Native(mime) | Carrier::Sidecar(mime) => cx.parent_sidecar.map(|s| (s, mime)),
    };
    let Some((store, mime)) = store else {
        return Ok(());
    };
    // The library takes a parent from containers it knows itself; for the others the ingredient is put together here.
    let read = reader(&Trust::default())?
        .with_manifest_data_and_stream(store, mime, SourceReader::new(parent))
        .map_err(failed)?;
    let mut value: Value = serde_json::from_str(json)
        .map_err(|e| Error::new(ErrorKind::Conflict, "the parent cannot be described").because(e))?;
    value["format"] = mime.into();
    value["instance_id"] = read.active_label().unwrap_or_default().into();
    value["active_manifest"] = read.active_label().into();
    value["validation_results"] = serde_json::to_value(read.validation_results())
        .map_err(|e| Error::new(ErrorKind::Conflict, "the parent cannot be described").because(e))?;
    let mut ingredient = Ingredient::from_json(&value.to_string()).map_err(failed)?;
    ingredient.set_manifest_data(store.to_vec()).map_err(failed)?;
    builder.add_ingredient(ingredient);
    Ok(())
}
