//! Reading: whatever is wrong with a manifest is a finding, never an error.

use c2pa::assertions::Relationship;
use c2pa::{Builder, Ingredient, Manifest, Reader};
use colophon_core::{
    Carrier, Error, ErrorKind, Evidence, Finding, HardBinding, Limits, ManifestEvidence, Normalisation, Note,
    Place, ReadCx, Record, Result, SealCx, SignerEvidence, Slot, Source, SourceReader, State, StatusCodes,
    Trust, TrustAxes, Why,
};
use serde_json::Value;

use crate::binding::Bound;
use crate::trust::{self, Judged};
use crate::{INFO, RECORD_LABEL, crjson, guard, seal, settings, store, structure};

/// The specification has no code for it; a code of one's own carries a reverse domain name.
const SECOND_STORE: &str = "org.colophon.manifestStore.multiple";

/// Every manifest store of an input: embedded, then beside the file.
pub(crate) fn read(cx: &ReadCx<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let entry = cx.layout.of(Slot::Jumbf).next();
    let several = cx.layout.of(Slot::Jumbf).count() > 1;
    match cx.format.info().carrier {
        Carrier::Native(mime) => {
            let id = cx.format.info().id;
            let known = guard::only_when_the_walk_saw_one(id) || guard::walk_suffices(id, cx.layout);
            if entry.is_some() || !known {
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
        // Two stores in one file are a failure, not a remark: nobody can say which one speaks.
        for f in &mut findings {
            f.state = State::Invalid;
            f.notes.push(Note::new(
                "second-manifest",
                "more than one manifest store is in the file; the first was read",
            ));
            if let Some(Evidence::Manifest(e)) = &mut f.evidence {
                e.status.failure.push(SECOND_STORE.to_owned());
                e.axes.valid = false;
            }
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
    if cx.crjson {
        for f in &mut findings {
            if let Some(Evidence::Manifest(e)) = &mut f.evidence {
                crjson::settle(e, cx.trust);
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::new(&INFO, State::Absent));
    }
    findings
}

/// A store that the library finds in the container.
fn embedded(cx: &ReadCx<'_>, mime: &str) -> Option<Finding> {
    let entry = cx.layout.of(Slot::Jumbf).next();
    if let Some(f) = streamed(cx, mime) {
        return Some(f);
    }
    let place = entry.map(|e| Place::at(e.place.clone(), e.range.clone(), e.normative));
    if guard::store_from_the_walk(cx.format.info().id) {
        let mut f = store(cx, &entry?.value, mime, "embedded", None);
        f.place = place;
        return Some(f);
    }
    let read = caught(|| reader(cx.trust)?.with_stream(mime, SourceReader::new(cx.source)));
    // Formats whose walk does not list the store: the library fetches it, for the parts that are judged here.
    let fetched = match (entry, &read) {
        (None, Ok(_) | Err(c2pa::Error::InvalidManifest(_))) => {
            caught(|| c2pa::jumbf_io::load_jumbf_from_stream(mime, &mut SourceReader::new(cx.source))).ok()
        }
        _ => None,
    };
    let raw = entry.map(|e| e.value.as_slice()).or(fetched.as_deref());
    if let (Some(raw), Some(_), Err(_)) = (raw, &cx.layout.damage, &read) {
        // The library does not find the store in a damaged file; the walk did. What it says is checked all the same.
        let mut f = store(cx, raw, mime, "embedded", None);
        f.place = place;
        return Some(f);
    }
    let mut f = match read {
        Ok(reader) => finding(&reader, "embedded", raw, None, cx),
        // A pointer to a manifest elsewhere is no absence: it is not followed, and that is said.
        Err(e) if raw.is_none() && absent(&e) && !matches!(e, c2pa::Error::RemoteManifestUrl(_)) => {
            return None;
        }
        Err(e) => refused(&e, "embedded", raw, cx),
    };
    f.place = place;
    Some(f)
}

/// The store of a file that is not held in memory, or was hashed already: its binding is hashed here, everything else is the
/// library's to check. `None` where the library has to read the file.
fn streamed(cx: &ReadCx<'_>, mime: &str) -> Option<Finding> {
    let mut entries = cx.layout.of(Slot::Jumbf);
    let (Some(entry), None, true) = (entries.next(), entries.next(), hashed_here(cx)) else { return None };
    let (read, holds) = apart(&entry.value, mime, cx.source, cx.binding, cx.trust, cx.limits)?;
    let mut f = match read {
        Ok(reader) => finding(&reader, "embedded", Some(&entry.value), Some(holds), cx),
        Err(e) => refused(&e, "embedded", Some(&entry.value), cx),
    };
    f.place = Some(Place::at(entry.place.clone(), entry.range.clone(), entry.normative));
    Some(f)
}

/// Whether the binding of the content is compared here: the library reads large pieces of what is not in memory, and all of
/// what is once more.
fn hashed_here(cx: &ReadCx<'_>) -> bool {
    cx.source.as_bytes().is_none() || cx.binding.is_some()
}

/// Reads a store apart from its file: the library's answer, which is a mismatch of content for want of content, and whether
/// the content is the one that is bound. `None` where the library has to read the file.
fn apart(
    store: &[u8],
    mime: &str,
    source: &dyn Source,
    known: Option<&[u8]>,
    trust: &Trust,
    limits: &Limits,
) -> Option<(c2pa::Result<Reader>, bool)> {
    let bound = Bound::of(store)?;
    let head = bound.head(source).ok()??;
    let holds = match known {
        Some(digest) => bound.is(digest),
        None => bound.holds(source, limits).ok()??,
    };
    let read = caught(|| {
        reader(trust)?.with_manifest_data_and_stream(store, mime, std::io::Cursor::new(head.as_slice()))
    });
    Some((read, holds))
}

/// A store whose bytes are at hand.
fn store(
    cx: &ReadCx<'_>,
    bytes: &[u8],
    mime: &str,
    carrier: &str,
    slot: Option<(Normalisation, std::ops::Range<u64>)>,
) -> Finding {
    if hashed_here(cx)
        && let Some((read, holds)) = apart(bytes, mime, cx.source, cx.binding, cx.trust, cx.limits)
    {
        return match read {
            Ok(reader) => finding(&reader, carrier, Some(bytes), Some(holds), cx),
            Err(e) => refused(&e, carrier, Some(bytes), cx),
        };
    }
    let read =
        caught(|| reader(cx.trust)?.with_manifest_data_and_stream(bytes, mime, SourceReader::new(cx.source)));
    match read {
        Ok(reader) => {
            let own =
                slot.and_then(|(normalisation, range)| normalised_match(cx, &reader, normalisation, &range));
            finding(&reader, carrier, Some(bytes), own, cx)
        }
        Err(e) => refused(&e, carrier, Some(bytes), cx),
    }
}

/// The library's answer. A crash of it on a crafted store is an answer too.
fn caught<T>(work: impl FnOnce() -> c2pa::Result<T>) -> c2pa::Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(c2pa::Error::InternalError("the c2pa library crashed on the store".to_owned()))
    })
}

fn reader(trust: &Trust) -> c2pa::Result<Reader> {
    let context = settings::reading(trust).map_err(|e| c2pa::Error::BadParam(e.to_string()))?;
    Ok(Reader::from_context(context))
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

/// The library found no store, or has no reader for the format.
fn absent(e: &c2pa::Error) -> bool {
    matches!(
        e,
        c2pa::Error::JumbfNotFound
            | c2pa::Error::UnsupportedType
            | c2pa::Error::RemoteManifestUrl(_)
            | c2pa::Error::IoError(_)
    )
}

/// A store that the library refuses to open. 0.90 gives an error here, often without a status code; an auditor gets a
/// report all the same.
fn refused(e: &c2pa::Error, carrier: &str, raw: Option<&[u8]>, cx: &ReadCx<'_>) -> Finding {
    let mut evidence = ManifestEvidence { carrier: carrier.to_owned(), ..ManifestEvidence::default() };
    let text = e.to_string();
    let state = match e {
        c2pa::Error::InvalidManifest(results) => {
            evidence.status = status(results);
            evidence.axes.well_formed = true;
            State::Invalid
        }
        c2pa::Error::RemoteManifestUrl(_) => {
            evidence.status.informational.push("manifest.inaccessible".to_owned());
            State::NotChecked
        }
        e if absent(e) => State::NotChecked,
        e => {
            evidence.status.failure.push(code_of(e).to_owned());
            if let Some(raw) = raw {
                structure::judge(raw, cx.source.len(), &mut evidence.status);
            }
            // What could be read far enough to say what is missing is invalid; the rest is not readable.
            let unreadable = |c: &String| {
                c == "general.error" || c.ends_with("cbor.invalid") || c.ends_with("json.invalid")
            };
            if evidence.status.failure.iter().any(unreadable) { State::Malformed } else { State::Invalid }
        }
    };
    evidence.axes.content = binding(&evidence.status);
    let mut notes = Vec::new();
    if let Some(judged) = raw.and_then(|r| judged(r, cx.trust)) {
        if matches!(e, c2pa::Error::InvalidManifest(_)) {
            judged.replace(&mut evidence.status);
        }
        evidence.axes.trusted = judged.trusted;
        evidence.judgement = Some(judged.judgement);
        notes = judged.notes;
    }
    evidence.axes.valid = holds(&evidence.status);
    let mut f = Finding::new(&INFO, state).with(Evidence::Manifest(Box::new(evidence)));
    f.notes = notes;
    if state == State::NotChecked {
        f.why = Some(Why::Undecodable);
    }
    f.note("unreadable", text)
}

/// The specification's code for an error of the library (C2PA 2.4, 15.2).
fn code_of(e: &c2pa::Error) -> &'static str {
    use c2pa::Error as E;
    match e {
        E::ClaimMissing { .. } => "claim.missing",
        E::AssertionMissing { .. } => "assertion.missing",
        E::AssertionDecoding(_) | E::AssertionEncoding(_) | E::AssertionSpecificError(_) => {
            "assertion.cbor.invalid"
        }
        E::ClaimDecoding(_) | E::CborError(_) => "claim.cbor.invalid",
        E::ClaimMissingSignatureBox | E::ClaimUnsigned => "claimSignature.missing",
        E::ClaimVersion | E::ClaimInvalidContent | E::PrereleaseError | E::VersionCompatibility(_) => {
            "claim.malformed"
        }
        E::ClaimMissingHardBinding => "claim.hardBindings.missing",
        E::ClaimMultipleHardBinding => "assertion.multipleHardBindings",
        E::ClaimSelfRedact => "assertion.selfRedacted",
        E::ClaimDisallowedRedaction => "assertion.action.redacted",
        E::UpdateManifestInvalid => "manifest.update.invalid",
        E::TooManyManifestStores => "claim.multiple",
        E::CoseSignatureAlgorithmNotSupported | E::UnknownAlgorithm => "algorithm.unsupported",
        E::CoseX5ChainMissing | E::CoseInvalidCert | E::CoseNoCerts => "signingCredential.invalid",
        E::CoseSignature | E::CoseVerifier | E::InvalidEcdsaSignature => "claimSignature.mismatch",
        E::HashMismatch(_) => "assertion.hashedURI.mismatch",
        E::CyclicIngredients { .. } => "assertion.ingredient.malformed",
        E::InvalidClaim(_) | E::ClaimVerification(_) | E::JumbfParseError(_) | E::JumbfBoxNotFound => {
            by_text(&e.to_string())
        }
        e if e.to_string().contains("No Action array") => "assertion.action.malformed",
        _ => "general.error",
    }
}

/// Errors that only their text tells apart.
fn by_text(text: &str) -> &'static str {
    let lower = text.to_lowercase();
    [
        ("more than one claim", "claim.multiple"),
        ("multiple claim", "claim.multiple"),
        ("claim superbox not found", "claim.missing"),
        ("claim missing", "claim.missing"),
        ("signature", "claimSignature.missing"),
        ("assertion", "assertion.missing"),
    ]
    .iter()
    .find(|(part, _)| lower.contains(part))
    .map_or("general.error", |(_, code)| code)
}

/// What this crate makes of the signer of the active manifest.
fn judged(raw: &[u8], trust: &Trust) -> Option<Judged> {
    let active = store::active(raw)?;
    if active.compressed {
        let bytes = store::unpacked(raw)?;
        let inner = store::of_manifest(&bytes)?;
        return trust::judge(inner.signature?, inner.claim?, trust);
    }
    trust::judge(active.signature?, active.claim?, trust)
}

/// Nothing is wrong with the manifest but, possibly, its content and who signed it.
fn holds(status: &StatusCodes) -> bool {
    status.failure.iter().all(|c| c == UNTRUSTED || is_binding(c))
        && status.success.iter().any(|c| c == "claimSignature.validated")
}

const UNTRUSTED: &str = "signingCredential.untrusted";

/// A store that was opened.
fn finding(
    reader: &Reader,
    carrier: &str,
    raw: Option<&[u8]>,
    own: Option<bool>,
    cx: &ReadCx<'_>,
) -> Finding {
    let mut status = reader.validation_results().map(status).unwrap_or_default();
    let judged = raw.and_then(|r| judged(r, cx.trust));
    if let Some(j) = &judged {
        j.replace(&mut status);
    }
    if let Some(raw) = raw {
        structure::judge(raw, cx.source.len(), &mut status);
    }
    let mut content = binding(&status);
    if let Some(matches) = own {
        content = if matches { HardBinding::Match } else { HardBinding::Mismatch };
        rebind(&mut status, matches);
    }
    // Who cannot be judged by the caller's clock and lists is not believed, whatever the library's say.
    let believed = judged.as_ref().is_some_and(|j| j.trusted);
    let ingredients = ingredient_failures(reader, raw, cx.trust);
    status.informational.extend(ingredients.iter().map(|c| format!("ingredient: {c}")));
    let broken_ingredient = ingredients.iter().any(|c| c != UNTRUSTED);
    let sound = status.failure.iter().all(|c| c == UNTRUSTED)
        && status.success.iter().any(|c| c == "claimSignature.validated")
        && !broken_ingredient;
    let state = match (sound, believed && ingredients.is_empty()) {
        (false, _) => State::Invalid,
        (true, true) => State::Trusted,
        (true, false) => State::Valid,
    };
    let valid = holds(&status) && !broken_ingredient;
    let mut evidence = ManifestEvidence {
        active: reader.active_label().map(str::to_owned),
        axes: TrustAxes {
            content,
            well_formed: reader.active_manifest().is_some(),
            valid,
            trusted: believed,
        },
        status,
        carrier: carrier.to_owned(),
        crjson: cx.crjson.then(|| caught(|| crjson::export(reader, raw, cx.trust)).ok()).flatten(),
        ..ManifestEvidence::default()
    };
    if let Some(manifest) = reader.active_manifest() {
        describe(manifest, &mut evidence);
        inherit(reader, manifest, &mut evidence);
        name_signers(reader, manifest, &mut evidence);
    }
    let (state, mut notes) = guard::correct(&mut evidence, state, raw.filter(|_| judged.is_none()));
    if let Some(j) = judged {
        if let Some(signer) = &mut evidence.signer {
            signer.time.clone_from(&j.judgement.time_stamp);
        }
        evidence.judgement = Some(j.judgement);
        notes.extend(j.notes);
    }
    let mut f = Finding::new(&INFO, state).with(Evidence::Manifest(Box::new(evidence)));
    f.notes = notes;
    f
}

/// Puts the answer of our own comparison in place of the library's, which compared something else. A form of the
/// assertion that is wrong in itself stays wrong.
fn rebind(status: &mut StatusCodes, matches: bool) {
    for kind in ["assertion.dataHash", "assertion.bmffHash"] {
        let (good, bad) = (format!("{kind}.match"), format!("{kind}.mismatch"));
        let said = (status.success.contains(&good), status.failure.contains(&bad));
        if said == (false, false) || said == (matches, !matches) {
            continue;
        }
        status.success.retain(|c| *c != good);
        status.failure.retain(|c| *c != bad);
        if matches { &mut status.success } else { &mut status.failure }.push(if matches {
            good
        } else {
            bad
        });
    }
}

/// Failures of ingredients that were not there when they were signed over. What the library finds about their credentials it
/// finds by its own clock and lists: where it finds something, they are judged here.
fn ingredient_failures(reader: &Reader, raw: Option<&[u8]>, trust: &Trust) -> Vec<String> {
    let deltas = reader.validation_results().and_then(c2pa::ValidationResults::ingredient_deltas);
    let found = deltas.into_iter().flatten().flat_map(|d| d.validation_deltas().failure());
    let (credential, mut codes): (Vec<String>, Vec<String>) =
        found.map(|s| s.code().to_owned()).partition(|c| trust::about_credential(c));
    if !credential.is_empty() {
        let others =
            reader.iter_manifests().filter_map(Manifest::label).filter(|l| Some(*l) != reader.active_label());
        for label in others {
            let manifest = raw.and_then(|r| store::named(r, label));
            match manifest.and_then(|m| trust::judge(m.signature?, m.claim?, trust)) {
                Some(judged) => codes.extend(judged.status.failure),
                None => codes.push(UNTRUSTED.to_owned()),
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    codes.retain(|c| seen.insert(c.clone()));
    codes
}

fn status(results: &c2pa::ValidationResults) -> StatusCodes {
    let mut out = StatusCodes::default();
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
    e.ingredients = manifest.ingredients().iter().map(|i| ingredient(i, None)).collect();
}

/// Says of each ingredient who signed it, where the store holds its manifest.
fn name_signers(reader: &Reader, active: &Manifest, e: &mut ManifestEvidence) {
    let signed = |i: &Ingredient| reader.get_manifest(i.active_manifest()?)?.common_name();
    e.ingredients = active.ingredients().iter().map(|i| ingredient(i, signed(i))).collect();
}

/// How deep parents of parents are followed.
const MAX_GENERATIONS: usize = 16;

/// A manifest that changed metadata only says nothing about how the content was made: its parent does.
fn inherit(reader: &Reader, active: &Manifest, e: &mut ManifestEvidence) {
    let mut current = active;
    for _ in 0..MAX_GENERATIONS {
        if e.source_type.is_some() && e.record.is_some() || !metadata_only(&e.actions) {
            return;
        }
        let parent = current.ingredients().iter().find(|i| *i.relationship() == Relationship::ParentOf);
        let Some(parent) =
            parent.and_then(|i| i.active_manifest()).and_then(|label| reader.get_manifest(label))
        else {
            return;
        };
        let mut inherited = ManifestEvidence::default();
        describe(parent, &mut inherited);
        e.source_type = e.source_type.take().or(inherited.source_type);
        e.record = e.record.take().or(inherited.record);
        e.ai_disclosure = e.ai_disclosure.take().or(inherited.ai_disclosure);
        e.software = e.software.take().or(inherited.software);
        if !metadata_only(&inherited.actions) {
            return;
        }
        current = parent;
    }
}

fn metadata_only(actions: &[String]) -> bool {
    actions.iter().all(|a| matches!(a.as_str(), "c2pa.opened" | "c2pa.edited.metadata" | "c2pa.published"))
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
        let text = |v: Option<&Value>| v.and_then(Value::as_str).map(str::to_owned);
        e.when = e.when.take().or_else(|| text(action.get("when")));
        if e.software.is_none() {
            // A map in version 2, a string in version 1 of the assertion.
            let agent = action.get("softwareAgent");
            e.software = text(agent).or_else(|| {
                let name = text(agent.and_then(|a| a.get("name")))?;
                let version = text(agent.and_then(|a| a.get("version")));
                Some(version.map_or(name.clone(), |v| format!("{name}/{v}")))
            });
        }
    }
}

/// The library's results on content it did not see, with the comparison that was made here and succeeded.
fn rebind_results(active: &mut Value) {
    let is = |item: &Value| {
        let code = item.get("code").and_then(Value::as_str);
        matches!(code, Some("assertion.bmffHash.mismatch" | "assertion.dataHash.mismatch"))
    };
    let Some(failures) = active.get_mut("failure").and_then(Value::as_array_mut) else { return };
    let moved = failures.iter().position(is).map(|at| failures.remove(at));
    if let (Some(mut item), Some(successes)) =
        (moved, active.get_mut("success").and_then(Value::as_array_mut))
    {
        let code = item["code"].as_str().unwrap_or_default().replace("mismatch", "match");
        item["code"] = code.into();
        item["explanation"] = "the content hash is valid".into();
        successes.push(item);
    }
}

fn ingredient(i: &Ingredient, signer: Option<String>) -> String {
    let what = format!("{:?} {}", i.relationship(), i.title().unwrap_or("untitled"));
    signer.map_or(what.clone(), |who| format!("{what}, signed by {who}"))
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
        // A parent that is not held in memory is hashed here, once.
        Carrier::Native(mime) if parent.as_bytes().is_none() && slot.and_then(Bound::of).is_some() => {
            slot.map(|s| (s, mime))
        }
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
    let trust = Trust::default();
    let streamed =
        if parent.as_bytes().is_none() { apart(store, mime, parent, None, &trust, cx.limits) } else { None };
    let (read, own) = if let Some((read, holds)) = streamed {
        (read.map_err(failed)?, Some(holds))
    } else {
        let read = reader(&trust).map_err(failed)?;
        let source = SourceReader::new(parent);
        (read.with_manifest_data_and_stream(store, mime, source).map_err(failed)?, None)
    };
    let mut value: Value = serde_json::from_str(json)
        .map_err(|e| Error::new(ErrorKind::Conflict, "the parent cannot be described").because(e))?;
    value["format"] = mime.into();
    value["instance_id"] = read.active_label().unwrap_or_default().into();
    value["active_manifest"] = read.active_label().into();
    value["validation_results"] = serde_json::to_value(read.validation_results())
        .map_err(|e| Error::new(ErrorKind::Conflict, "the parent cannot be described").because(e))?;
    if own == Some(true) {
        rebind_results(&mut value["validation_results"]["activeManifest"]);
    }
    let mut ingredient = Ingredient::from_json(&value.to_string()).map_err(failed)?;
    ingredient.set_manifest_data(store.to_vec()).map_err(failed)?;
    builder.add_ingredient(ingredient);
    Ok(())
}
