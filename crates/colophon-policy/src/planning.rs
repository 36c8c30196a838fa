//! From profiles and a declaration to a plan: the strictest union.

use colophon_core::{
    AudibleSpec, Declaration, Error, ErrorKind, Existing, FormatInfo, LabelAt, LabelForm, LabelLook,
    LabelSpec, Media, Origin, Plan, PlanNote, Result, SignalSupport, Slot, VisibleSpec, WrittenSpec,
};

use colophon_label::wording::{combined, gb45438_elements, localized};

use crate::profile::{LabelDuty, Profile, VisibleWrite, WrittenWrite};

/// What the caller wants the label to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LabelChoice {
    /// As the profiles say.
    #[default]
    Auto,
    /// None. Where a profile requires one this needs [`Overrides::allow_noncompliant`].
    None,
    /// These words, in the form the profiles say.
    Text(String),
}

/// Where the caller departs from the profiles.
#[derive(Clone, Debug, Default, PartialEq)]
// Independent switches of the command line.
#[expect(clippy::struct_excessive_bools)]
pub struct Overrides {
    /// The label.
    pub label: LabelChoice,
    /// Where the label stands.
    pub at: Option<LabelAt>,
    /// How it is set off from the picture.
    pub look: Option<LabelLook>,
    /// Free room between label and edge, share of the shortest side.
    pub margin: Option<f32>,
    /// Opacity of what carries the type, 0 to 1.
    pub opacity: Option<f32>,
    /// The label's ink height, share of the shortest side; never below a profile's floor.
    pub height: Option<f32>,
    /// What is heard, where and how often, for sound.
    pub heard: Option<AudibleSpec>,
    /// The label's seconds, for video.
    pub duration_s: Option<f64>,
    /// The seconds for which it stands once more at the end, for video.
    pub closing_s: Option<f64>,
    /// No watermark.
    pub no_watermark: bool,
    /// No manifest.
    pub no_manifest: bool,
    /// Treatment of existing marks.
    pub existing: Existing,
    /// Accept and record what breaks a profile.
    pub allow_noncompliant: bool,
    /// Reference of the agreement under which the label is left out (Labeling Measures Art. 9). The caller logs the
    /// delivery and keeps the log for at least six months.
    pub agreement: Option<String>,
    /// This build embeds no watermark for the medium.
    pub watermark_unavailable: bool,
}

/// The strictest union of the profiles for one format.
///
/// # Errors
/// `Usage` without profiles, `Policy` when an override would break a profile and that was not allowed.
pub fn plan(
    profiles: &[&Profile],
    format: &FormatInfo,
    declaration: &Declaration,
    over: &Overrides,
) -> Result<Plan> {
    if profiles.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "no profile is named"));
    }
    let writes = || profiles.iter().map(|p| &p.write);
    let mut plan = Plan {
        profiles: profiles.iter().map(|p| p.id.clone()).collect(),
        label: None,
        aigc: writes().any(|w| w.aigc),
        protect_aigc: writes().any(|w| w.protect_aigc),
        source_type: writes().any(|w| w.source_type),
        manifest: writes().any(|w| w.manifest) && !over.no_manifest,
        watermark: writes().any(|w| w.watermark) && !over.no_watermark && !over.watermark_unavailable,
        existing: over.existing,
        notes: Vec::new(),
    };
    let required = profiles.iter().find(|p| p.write.label == LabelDuty::Required);
    match &over.label {
        LabelChoice::None => {
            let duty = |p: &&&Profile| p.write.label == LabelDuty::Required;
            match (profiles.iter().filter(duty).find(|p| !p.write.unlabelled_by_agreement), &over.agreement) {
                (None, Some(reference)) if required.is_some() => plan.notes.push(PlanNote {
                    code: "unlabelled-delivery".to_owned(),
                    text: format!("no label, under agreement {reference:?} (Labeling Measures Art. 9)"),
                }),
                (strict, _) => {
                    if let Some(p) = strict.or(required) {
                        breach(&mut plan, over, "no-label", format!("profile {} requires a label", p.id))?;
                    }
                }
            }
        }
        choice => plan.label = label(profiles, format.media, declaration, choice, over),
    }
    if let (Some(label), LabelChoice::Text(_)) = (&plan.label, &over.label) {
        for p in profiles {
            if p.rules.iter().any(asks_gb45438_words) && !gb45438_elements(&label.text).complete() {
                let why = "the words lack an AI element or a generation element (GB 45438-2025, 5.1)";
                breach(&mut plan.clone(), over, "wording", why.to_owned())?;
                plan.notes.push(PlanNote { code: "allowed-noncompliant".to_owned(), text: why.to_owned() });
                break;
            }
        }
    }
    if let Some(LabelSpec { form: LabelForm::Visible(v), .. }) = &plan.label
        && v.at == LabelAt::Below
        && format.media != Media::Image
    {
        return Err(Error::new(
            ErrorKind::Usage,
            "a label below stands on a strip, which only a picture gets",
        ));
    }
    if plan.label.is_some() && !format.signal.takes_label() {
        let why = format!("a label cannot be placed into {} ({})", format.name, format.note);
        if let Some(p) = required {
            breach(&mut plan, over, "no-label", format!("{why}, and profile {} requires one", p.id))?;
        } else {
            plan.notes.push(PlanNote { code: "no-label".to_owned(), text: why });
        }
        plan.label = None;
    }
    if plan.watermark && (format.signal != SignalSupport::Render || format.media == Media::Document) {
        plan.watermark = false;
        plan.notes.push(PlanNote {
            code: "no-watermark".to_owned(),
            text: format!("no watermark is embedded into {}", format.name),
        });
    }
    if format.media == Media::Text && plan.watermark {
        // A text watermark is placed while the model samples, not afterwards.
        plan.watermark = false;
        plan.notes.push(PlanNote {
            code: "no-watermark".to_owned(),
            text: "text is watermarked while it is generated, not afterwards".to_owned(),
        });
    }
    let keyed = format.slots.iter().any(|s| matches!(s.slot, Slot::Field | Slot::Xmp));
    if plan.aigc && !keyed {
        plan.aigc = false;
        plan.notes.push(PlanNote {
            code: "no-slot".to_owned(),
            text: format!("{} has no place for the AIGC metadata label", format.name),
        });
    }
    Ok(plan)
}

/// The profile asks for the wording of GB 45438, 5.1 to 5.4.
fn asks_gb45438_words(rule: &crate::Rule) -> bool {
    matches!(rule.check, crate::Check::LabelWording { words: crate::Words::Gb45438, optional: false })
}

/// Refuses a breach of a profile, or records it when the caller allowed it.
fn breach(plan: &mut Plan, over: &Overrides, code: &str, why: String) -> Result<()> {
    if !over.allow_noncompliant {
        return Err(Error::new(ErrorKind::Policy, why).at_place(code));
    }
    plan.notes.push(PlanNote { code: "allowed-noncompliant".to_owned(), text: why });
    Ok(())
}

fn label(
    profiles: &[&Profile],
    media: Media,
    declaration: &Declaration,
    choice: &LabelChoice,
    over: &Overrides,
) -> Option<LabelSpec> {
    let (mut words, form) = match media {
        Media::Image | Media::Video | Media::Document => {
            let form = |p: &&'_ Profile| match media {
                Media::Document if p.write.page.is_some() => p.write.page.clone(),
                _ => p.write.visible.clone(),
            };
            let all: Vec<VisibleWrite> = profiles.iter().filter_map(form).collect();
            let last = all.last()?;
            let max = |f: fn(&VisibleWrite) -> f32| all.iter().map(f).fold(0.0, f32::max);
            let max_s = |f: fn(&VisibleWrite) -> f64| all.iter().map(f).fold(0.0, f64::max);
            let min_height = max(|v| v.min_height);
            let spec = VisibleSpec {
                at: over.at.unwrap_or(last.at),
                look: over.look.unwrap_or(last.look),
                margin: over.margin,
                opacity: over.opacity,
                height: over.height.unwrap_or_else(|| max(|v| v.height)).max(min_height),
                min_height,
                duration_s: over
                    .duration_s
                    .unwrap_or_else(|| max_s(|v| v.duration_s))
                    .max(max_s(|v| v.min_duration_s)),
                min_duration_s: max_s(|v| v.min_duration_s),
                closing_s: over.closing_s.unwrap_or(0.0),
            };
            let language = declaration.language.as_deref().unwrap_or_default();
            let modified = declaration.origin != Origin::Generated;
            let localized = localized(language, modified);
            let words: Vec<&str> = all
                .iter()
                .map(|v| localized.filter(|_| v.localized).unwrap_or_else(|| v.text.of(declaration.origin)))
                .collect();
            (combined(&words), LabelForm::Visible(spec))
        }
        Media::Text => {
            let all: Vec<&WrittenWrite> = profiles.iter().filter_map(|p| p.write.written.as_ref()).collect();
            let words: Vec<&str> = all.iter().map(|v| v.text.of(declaration.origin)).collect();
            (combined(&words), LabelForm::Written(WrittenSpec { position: all.first()?.position }))
        }
        Media::Audio => {
            let all: Vec<&WrittenWrite> = profiles.iter().filter_map(|p| p.write.audible.as_ref()).collect();
            let words: Vec<&str> = all.iter().map(|v| v.text.of(declaration.origin)).collect();
            let spec = match (&over.heard, all.first()) {
                (Some(spec), _) => spec.clone(),
                (None, first) => AudibleSpec { position: first?.position.into(), ..AudibleSpec::default() },
            };
            (if words.is_empty() { "AI".to_owned() } else { combined(&words) }, LabelForm::Audible(spec))
        }
    };
    if let LabelChoice::Text(text) = choice {
        words.clone_from(text);
    }
    Some(LabelSpec { text: words, form })
}

#[cfg(test)]
mod tests {
    use colophon_core::{Carrier, SlotInfo};

    use super::*;
    use crate::find;

    static PNG: FormatInfo = FormatInfo {
        id: "png",
        name: "PNG",
        media: Media::Image,
        extensions: &["png"],
        mime: &["image/png"],
        magic: &[],
        slots: &[SlotInfo { slot: Slot::Xmp, place: "iTXt", source: "" }],
        signal: SignalSupport::Render,
        carrier: Carrier::Native("image/png"),
        note: "",
    };

    #[test]
    fn two_profiles_give_the_strictest_union() {
        let profiles = [find("cn").unwrap(), find("eu").unwrap()];
        let plan = plan(&profiles, &PNG, &Declaration::default(), &Overrides::default()).unwrap();
        let label = plan.label.unwrap();
        assert_eq!(label.text, "AI生成 · AI GENERATED");
        let LabelForm::Visible(v) = label.form else { panic!("not visible") };
        assert!(v.min_height >= 0.05 && v.height >= v.min_height);
        assert_eq!(v.at, LabelAt::TopRight);
        assert!(plan.aigc && plan.manifest && plan.source_type);
    }

    #[test]
    fn labeling_measures_art_4_label_cannot_be_left_out_silently() {
        let over = Overrides { label: LabelChoice::None, ..Overrides::default() };
        let cn = [find("cn").unwrap()];
        let e = plan(&cn, &PNG, &Declaration::default(), &over).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Policy);
        let allowed = Overrides { allow_noncompliant: true, ..over.clone() };
        let p = plan(&cn, &PNG, &Declaration::default(), &allowed).unwrap();
        assert!(p.label.is_none());
        assert_eq!(p.notes[0].code, "allowed-noncompliant");
        let eu = [find("eu").unwrap()];
        assert!(plan(&eu, &PNG, &Declaration::default(), &over).unwrap().label.is_none());
    }

    #[test]
    fn labeling_measures_art_9_an_agreement_allows_it_where_the_profile_knows_it() {
        let over = Overrides {
            label: LabelChoice::None,
            agreement: Some("A-17".to_owned()),
            ..Overrides::default()
        };
        let d = Declaration::default();
        let p = plan(&[find("cn").unwrap()], &PNG, &d, &over).unwrap();
        assert_eq!((p.label.is_none(), p.notes[0].code.as_str()), (true, "unlabelled-delivery"));
        assert!(p.aigc, "the implicit label stays");
        let e = plan(&[find("cn").unwrap(), find("in").unwrap()], &PNG, &d, &over).unwrap_err();
        assert!(e.to_string().contains("profile in requires"), "{e}");
    }

    #[test]
    fn gb45438_5_2_height_floor_holds_against_an_override() {
        let over = Overrides { height: Some(0.01), ..Overrides::default() };
        let p = plan(&[find("cn").unwrap()], &PNG, &Declaration::default(), &over).unwrap();
        let Some(LabelSpec { form: LabelForm::Visible(v), .. }) = p.label else { panic!() };
        assert_eq!(v.height, 0.05);
    }

    #[test]
    fn eu_code_section_2_words_follow_the_language_and_keep_the_capitals() {
        let profiles = [find("cn").unwrap(), find("eu").unwrap()];
        let words = |language: &str| {
            let d = Declaration { language: Some(language.to_owned()), ..Declaration::default() };
            plan(&profiles, &PNG, &d, &Overrides::default()).unwrap().label.unwrap().text
        };
        assert_eq!(words("fr-FR"), "AI生成 · GÉNÉRÉ PAR IA");
        assert_eq!(words("zh-CN"), "AI生成");
        assert_eq!(words("el"), "AI生成 · AI GENERATED");
    }

    #[test]
    fn gb45438_5_1_wording_override_needs_both_elements() {
        let cn = [find("cn").unwrap()];
        let over = |t: &str| Overrides { label: LabelChoice::Text(t.to_owned()), ..Overrides::default() };
        assert!(plan(&cn, &PNG, &Declaration::default(), &over("AI播客")).is_err());
        let p = plan(&cn, &PNG, &Declaration::default(), &over("由AI合成")).unwrap();
        assert_eq!(p.label.unwrap().text, "由AI合成");
    }
}
