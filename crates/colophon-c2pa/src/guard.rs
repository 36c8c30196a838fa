//! Where version 0.90.22 of the library says too much or too little, and what is reported instead.

use colophon_core::{Entry, Layout, ManifestEvidence, Note, Slot, State};

/// A watermark that is said to lead back to the manifest needs the soft binding that does
/// (C2PA 2.4; 0.90.22 does not check it).
pub(crate) const SOFT_BINDING_MISSING: &str = "assertion.action.softBindingMissing";

/// Actions that cannot be as they are.
const ACTION_MALFORMED: &str = "assertion.action.malformed";

/// Puts the state right. `store` is the raw manifest store where it is at hand.
pub(crate) fn correct(
    evidence: &mut ManifestEvidence,
    state: State,
    store: Option<&[u8]>,
) -> (State, Vec<Note>) {
    let mut notes = Vec::new();
    let mut state = state;
    let bound = evidence.actions.iter().any(|a| a.starts_with("c2pa.watermarked.bound"));
    let binding = evidence.assertions.iter().any(|a| a.starts_with("c2pa.soft-binding"));
    if bound && !binding {
        evidence.status.failure.push(SOFT_BINDING_MISSING.to_owned());
        evidence.axes.valid = false;
        evidence.axes.trusted = false;
        state = State::Invalid;
    }
    // Content begins once: made or opened, over all of its actions (C2PA 2.4, 18.15; 0.90.22 takes a second beginning).
    let begins = |a: &&String| a.starts_with("c2pa.created") || a.starts_with("c2pa.opened");
    let second = evidence.assertions.iter().any(|a| a.starts_with("c2pa.actions.v2"))
        && evidence.actions.iter().filter(begins).count() > 1;
    if second {
        if !evidence.status.failure.iter().any(|c| c == ACTION_MALFORMED) {
            evidence.status.failure.push(ACTION_MALFORMED.to_owned());
        }
        evidence.axes.valid = false;
        state = State::Invalid;
    }
    // Observed: a stapled OCSP answer that says "revoked" is dropped when the issuer is a trust anchor that is not in
    // the chain, and the signer is reported as trusted. An answer that left no status code was not evaluated.
    let judged = |codes: &[String]| codes.iter().any(|c| c.starts_with("signingCredential.ocsp"));
    let s = &evidence.status;
    let stapled = store.is_some_and(|b| b.windows(5).any(|w| w == b"rVals"));
    if state == State::Trusted
        && stapled
        && !judged(&s.success)
        && !judged(&s.informational)
        && !judged(&s.failure)
    {
        evidence.axes.trusted = false;
        state = State::Valid;
        notes.push(Note::new(
            "ocsp-not-evaluated",
            "a revocation answer is stapled to the signature and was not evaluated; the signer is not called trusted",
        ));
    }
    (state, notes)
}

/// Whether the walk of the container answers whether there is a manifest: for formats whose every carrier it knows, unless a
/// packet points to one elsewhere. The library would read all of the file to say the same.
pub(crate) fn walk_suffices(format: &str, layout: &Layout) -> bool {
    let pointer = b"dcterms:provenance";
    let points = |e: &Entry| e.value.windows(pointer.len()).any(|w| w == pointer);
    matches!(format, "jpeg" | "png") && layout.damage.is_none() && !layout.of(Slot::Xmp).any(points)
}

/// Formats for which the library must not be asked whether there is a manifest: 0.90.22 needs 87 s of CPU and 1.1 GB
/// for a crafted TIFF of 38 kB. Their own walker says whether there is one.
pub(crate) fn only_when_the_walk_saw_one(format: &str) -> bool {
    format == "tiff"
}

/// Formats whose store the library must not look for: 0.90.22 unpacks every compressed frame of an ID3 tag, whatever comes
/// out (256 KiB of file took 255 MiB). Our own walk of the tag unpacks nothing.
pub(crate) fn store_from_the_walk(format: &str) -> bool {
    matches!(format, "mp3" | "adts" | "flac")
}

/// Why the library must not write into a file: it would unpack what nobody bounds.
pub(crate) fn packed(layout: &Layout) -> Option<&str> {
    layout.notes.iter().map(String::as_str).find(|n| n.starts_with("packed frames"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted() -> ManifestEvidence {
        let mut e = ManifestEvidence::default();
        e.axes.valid = true;
        e.axes.trusted = true;
        e
    }

    #[test]
    fn c2pa_bound_watermark_without_soft_binding_is_invalid() {
        let mut e = trusted();
        e.actions = vec!["c2pa.created".to_owned(), "c2pa.watermarked.bound".to_owned()];
        assert_eq!(correct(&mut e, State::Trusted, None).0, State::Invalid);
        assert_eq!(e.status.failure, [SOFT_BINDING_MISSING]);
        let mut e = trusted();
        e.actions = vec!["c2pa.watermarked.bound".to_owned()];
        e.assertions = vec!["c2pa.soft-binding".to_owned()];
        assert_eq!(correct(&mut e, State::Trusted, None).0, State::Trusted);
    }

    #[test]
    fn a_stapled_answer_that_nobody_judged_is_not_trusted() {
        let mut e = trusted();
        let (state, notes) = correct(&mut e, State::Trusted, Some(b"..rVals.."));
        assert_eq!((state, notes.len(), e.axes.trusted), (State::Valid, 1, false));
        let mut e = trusted();
        e.status.success = vec!["signingCredential.ocsp.notRevoked".to_owned()];
        assert_eq!(correct(&mut e, State::Trusted, Some(b"..rVals..")).0, State::Trusted);
    }
}
