//! What is wrong with the form of a store, where the library says nothing, something else, or stops at the first fault.
//!
//! Each check is one sentence of C2PA 2.4, 15: what a claim has to hold (10.3), which assertions it names (15.10.3), what an
//! update manifest may be (11.2.3), how ranges are left out of a hash (9.2.3), which algorithms there are (13.1).

use colophon_core::StatusCodes;
use coset::cbor::value::Value;

use crate::store::{self, Active};

/// Hash algorithms of the specification.
const HASHES: [&str; 3] = ["sha256", "sha384", "sha512"];

/// Puts the faults of the active manifest's form into the codes, in the place of what they explain. `length`: of the content.
pub(crate) fn judge(raw: &[u8], length: u64, status: &mut StatusCodes) {
    let Some(active) = store::active(raw).filter(|a| !a.compressed) else { return };
    let mut faults = Faults { status, found: Vec::new() };
    boxes(&active, &mut faults);
    if let Some(claim) = active.claim.and_then(parsed) {
        self::claim(&claim, &active, raw, &mut faults);
    }
    contents(&active, &mut faults);
    bindings(&active, length, &mut faults);
    update(&active, &mut faults);
}

/// Codes that are added.
struct Faults<'a> {
    status: &'a mut StatusCodes,
    found: Vec<&'static str>,
}

impl Faults<'_> {
    /// Adds a failure and takes away those that it explains.
    fn add(&mut self, code: &'static str, explains: &[&str]) {
        let own = &self.found;
        self.status
            .failure
            .retain(|c| c == code || !explains.contains(&c.as_str()) || own.contains(&c.as_str()));
        if !self.status.failure.iter().any(|c| c == code) {
            self.status.failure.push(code.to_owned());
        }
        self.found.push(code);
    }
}

/// Boxes that have to be there by name. The library takes some by their position, and says `claim.multiple` where a box has a
/// name it does not know.
fn boxes(active: &Active<'_>, faults: &mut Faults<'_>) {
    if active.claim.is_none() {
        faults.add("claim.missing", &[]);
    }
    if active.signature.is_none() {
        faults.add("claimSignature.missing", &[]);
    }
    if active.claims > 1 {
        faults.add("claim.multiple", &[]);
    } else {
        faults.status.failure.retain(|c| c != "claim.multiple");
    }
}

fn claim(claim: &Value, active: &Active<'_>, raw: &[u8], faults: &mut Faults<'_>) {
    // Version 1 has one list of assertions, version 2 two.
    let list = |key: &str| member(claim, key).and_then(Value::as_array).map(Vec::as_slice);
    let (created, gathered, all) =
        (list("created_assertions"), list("gathered_assertions"), list("assertions"));
    // The library writes update manifests without created assertions; they are not held against it.
    let named = [created, gathered, all].into_iter().flatten().any(|l| !l.is_empty());
    let text = |key: &str| member(claim, key).and_then(Value::as_text).is_some();
    let generator = all.is_some() || member(claim, "claim_generator_info").is_some();
    if !(named && text("instanceID") && text("signature") && generator) {
        let explained: &[&str] =
            if named { &["claim.cbor.invalid"] } else { &["claim.cbor.invalid", "assertion.missing"] };
        faults.add("claim.malformed", explained);
        return;
    }
    let references: Vec<&Value> = [created, gathered, all].into_iter().flatten().flatten().collect();
    // The label of an assertion of this manifest; one of another has the label of its manifest in front.
    let own = |u: &str| {
        let path = u.strip_prefix("self#jumbf=")?;
        match path.strip_prefix("/c2pa/") {
            Some(rest) => {
                let (manifest, rest) = rest.split_once('/')?;
                (Some(manifest) == active.label).then_some(rest)?.strip_prefix("c2pa.assertions/")
            }
            None => path.strip_prefix("c2pa.assertions/"),
        }
        .map(str::to_owned)
    };
    let declared: Vec<String> =
        references.iter().filter_map(|r| member(r, "url")?.as_text()).filter_map(own).collect();
    let redacted: Vec<&str> =
        list("redacted_assertions").into_iter().flatten().filter_map(Value::as_text).collect();
    let missing = declared.iter().any(|d| !active.assertions.iter().any(|(label, ..)| label == d));
    if missing && !faults.status.failure.iter().any(|c| c.starts_with("assertion.")) {
        faults.add("assertion.missing", &[]);
    }
    if active.assertions.iter().any(|(label, ..)| !declared.iter().any(|d| d == label)) {
        faults.add("assertion.undeclared", if missing { &[] } else { &["assertion.missing"] });
    }
    for u in redacted {
        let Some((manifest, label)) = u
            .strip_prefix("self#jumbf=/c2pa/")
            .and_then(|path| path.split_once('/'))
            .and_then(|(m, rest)| Some((m, rest.strip_prefix("c2pa.assertions/")?)))
        else {
            continue;
        };
        let there =
            store::named(raw, manifest).is_some_and(|m| m.assertions.iter().any(|(l, ..)| *l == label));
        if there && Some(manifest) != active.label {
            faults.add("assertion.notRedacted", &[]);
        }
    }
    let algorithms = references.iter().filter_map(|r| member(r, "alg")).chain(member(claim, "alg"));
    if algorithms.filter_map(Value::as_text).any(|a| !HASHES.contains(&a)) {
        faults.add("algorithm.unsupported", &[]);
    }
}

/// Content of assertions that is not what its box says.
fn contents(active: &Active<'_>, faults: &mut Faults<'_>) {
    let of = |wanted: [u8; 4]| active.assertions.iter().filter(move |(_, kind, _)| *kind == wanted);
    let broken = of(*b"cbor").any(|(.., body)| parsed(body).is_none());
    if of(*b"json").any(|(.., body)| serde_json::from_slice::<serde_json::Value>(body).is_err()) {
        faults.add("assertion.json.invalid", if broken { &[] } else { &["assertion.cbor.invalid"] });
    }
    if broken {
        faults.add("assertion.cbor.invalid", &[]);
    }
}

fn bindings(active: &Active<'_>, length: u64, faults: &mut Faults<'_>) {
    for (label, cbor) in &active.bindings {
        let Some(value) = parsed(cbor) else { continue };
        let algorithm = member(&value, "alg").and_then(Value::as_text);
        if algorithm.is_some_and(|a| !HASHES.contains(&a)) {
            faults.add("algorithm.unsupported", &[]);
        }
        if !label.starts_with("c2pa.hash.data") {
            continue;
        }
        let hash = member(&value, "hash").and_then(Value::as_bytes).is_some();
        let exclusions = member(&value, "exclusions").and_then(Value::as_array);
        let in_order = exclusions.into_iter().flatten().try_fold(0_u64, |at, range| {
            let number = |key: &str| u64::try_from(member(range, key)?.as_integer()?).ok();
            let (start, long) = (number("start")?, number("length")?);
            (start >= at).then_some(())?;
            start.checked_add(long).filter(|end| *end <= length)
        });
        if !hash || in_order.is_none() {
            let explained = ["assertion.dataHash.mismatch", "assertion.cbor.invalid"];
            faults.add("assertion.dataHash.malformed", &explained);
        }
    }
}

/// A manifest that changed nothing but what is said: it binds no content, and has one parent.
fn update(active: &Active<'_>, faults: &mut Faults<'_>) {
    if !active.update {
        return;
    }
    if !active.bindings.is_empty() {
        faults.add("manifest.update.invalid", &[]);
    }
    let parent = |cbor: &[u8]| {
        let value = parsed(cbor);
        value.is_some_and(|v| member(&v, "relationship").and_then(Value::as_text) == Some("parentOf"))
    };
    let ingredients = active.assertions.iter().filter(|(label, ..)| label.starts_with("c2pa.ingredient"));
    if ingredients.filter(|(.., body)| parent(body)).count() != 1 {
        faults.add("manifest.update.wrongParents", &["claim.hardBindings.missing"]);
    }
}

fn parsed(cbor: &[u8]) -> Option<Value> {
    coset::cbor::de::from_reader(cbor).ok()
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_map()?.iter().find(|(k, _)| k.as_text() == Some(name)).map(|(_, v)| v)
}
