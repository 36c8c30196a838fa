//! Every rule of every profile, with findings that satisfy it and findings that do not.
//!
//! `rule! { name: … }` makes the module `name`, which is the rule's id with points and hyphens as underscores, with the
//! tests `passes` and `fails`. `every_rule_has_its_pair` and `cargo run -p xtask -- check` fail when a rule has none.
// Helpers of tests may fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cases;

use cases::*;
use colophon_core::{Media, Outcome, State};

macro_rules! rules {
    ($($name:ident: $pass:expr, $fail:expr;)*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn passes() {
                judged(stringify!($name), &$pass, Outcome::Pass);
            }

            #[test]
            fn fails() {
                judged(stringify!($name), &$fail, Outcome::Fail);
            }
        })*

        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

rules! {
    cn_gb45438_5_1_label: written("由AI生成"), bare(Media::Text).add(no_label());
    cn_gb45438_5_1_wording: written("由AI生成"), written("AI播客");
    cn_gb45438_5_1_position: written("由AI生成"), bare(Media::Text).add(no_label());
    cn_gb45438_5_2_label: shown("AI生成", 0.055), bare(Media::Image).add(no_label());
    cn_gb45438_5_2_wording: shown("AI生成", 0.055), shown("虚拟主播", 0.055);
    cn_gb45438_5_2_height: shown("AI生成", 0.05), shown("AI生成", 0.0498);
    cn_gb45438_5_2_position: shown("AI生成", 0.055), bare(Media::Image).add(lost_label());
    cn_gb45438_5_3_label: heard(0.1), bare(Media::Audio).add(no_label());
    cn_gb45438_5_4_label: filmed("AI生成", 0.055, (0.0, 2.5)), bare(Media::Video).add(no_label());
    cn_gb45438_5_4_wording: filmed("AI生成", 0.055, (0.0, 2.5)), filmed("AI主播", 0.055, (0.0, 2.5));
    cn_gb45438_5_4_height: filmed("AI生成", 0.05, (0.0, 2.5)), filmed("AI生成", 0.04, (0.0, 2.5));
    cn_gb45438_5_4_duration: filmed("AI生成", 0.055, (0.0, 2.0)), filmed("AI生成", 0.055, (0.0, 1.9));
    cn_gb45438_6_1_metadata: bare(Media::Image).add(aigc(first())), bare(Media::Image).add(no_aigc());
    cn_gb45438_6_1_single: bare(Media::Image).add(aigc(first())),
        bare(Media::Image).add(aigc(first())).add(aigc(first()));
    cn_gb45438_annex_e_fields: bare(Media::Image).add(aigc(first())),
        bare(Media::Image).add(aigc(with_problem("missing-field", "ProduceID")));
    cn_gb45438_annex_e_label: bare(Media::Image).add(aigc(first())),
        bare(Media::Image).add(aigc(with_problem("label-value", "Label")));
    cn_tc260_20252a_provider_code: bare(Media::Image).add(aigc(first())),
        bare(Media::Image).add(aigc(with_problem("provider-code", "ContentProducer")));
    cn_tc260_place: bare(Media::Image).add(aigc(first())), bare(Media::Image).add(misplaced(aigc(first())));
    cn_gb45438_annex_e_first_write: bare(Media::Image).add(aigc(first())),
        bare(Media::Image).add(aigc(propagated("acme", "8")));
    cn_gb45438_annex_e_charset: bare(Media::Image).add(aigc(first())),
        bare(Media::Image).add(aigc(made_by("某某人工智能公司")));
    cn_tc260_202511a_protection: bare(Media::Image).add(aigc(protected(true))),
        bare(Media::Image).add(aigc(protected(false)));
    cn_measures_10_agreement: bare(Media::Image).add(aigc(first())).add(recorded("acme", "7")),
        bare(Media::Image).add(aigc(first())).add(aigc(made_by("other")));

    cn_platform_measures_6_metadata: bare(Media::Image).add(aigc(first())), bare(Media::Image).add(no_aigc());
    cn_platform_measures_6_attribute: bare(Media::Image).add(aigc(first())),
        bare(Media::Image).add(aigc(with_problem("label-value", "Label")));
    cn_platform_measures_6_propagator: bare(Media::Image).add(aigc(propagated("platform", "p1"))),
        bare(Media::Image).add(aigc(propagated("", "")));
    cn_platform_gb45438_6_1_single: bare(Media::Image).add(aigc(first())),
        bare(Media::Image).add(aigc(first())).add(aigc(first()));
    cn_platform_tc260_20252a_provider_code: bare(Media::Image).add(aigc(first())),
        bare(Media::Image).add(aigc(with_problem("provider-code", "ContentPropagator")));
    cn_platform_measures_10_producer_kept: bare(Media::Image).add(aigc(first())).add(recorded("acme", "7")),
        bare(Media::Image).add(aigc(made_by("other"))).add(recorded("acme", "7"));

    eu_art50_2_machine_readable: bare(Media::Image).add(manifest(State::Valid)),
        bare(Media::Image).add(no_aigc());
    eu_cop_1_1_1_signed_metadata: bare(Media::Image).add(manifest(State::Valid)),
        bare(Media::Image).add(manifest(State::Invalid));
    eu_cop_1_1_1_source_type: bare(Media::Image).add(manifest(State::Valid)),
        bare(Media::Image).add(captured());
    eu_cop_1_1_2_watermark: bare(Media::Image).add(watermark("public")),
        bare(Media::Image).add(no_watermark());
    eu_cop_label_visible: shown("AI GENERATED", 0.03), shown("ai generated", 0.03);
    eu_cop_1_2_3_spoken: spoken(), bare(Media::Audio).add(lost_label());
    eu_cop_1_2_marks_intact: bare(Media::Image).add(manifest(State::Valid)),
        bare(Media::Image).add(manifest(State::Invalid));
    eu_cop_3_4_signpost: bare(Media::Image).add(watermark("public")).on("2027-02-02"),
        bare(Media::Image).add(watermark("private")).on("2027-02-02");

    us_ca_bpc_22757_3_provider: bare(Media::Image).add(recorded("acme", "7")),
        bare(Media::Image).add(source_type("trainedAlgorithmicMedia"));
    us_ca_bpc_22757_3_system: bare(Media::Image).add(recorded("acme", "7")),
        bare(Media::Image).add(aigc(first()));
    us_ca_bpc_22757_3_version: bare(Media::Image).add(recorded("acme", "7")),
        bare(Media::Image).add(aigc(first()));
    us_ca_bpc_22757_3_time: bare(Media::Image).add(recorded("acme", "7")),
        bare(Media::Image).add(aigc(first()));
    us_ca_bpc_22757_3_id: bare(Media::Image).add(aigc(first())),
        bare(Media::Image).add(source_type("trainedAlgorithmicMedia"));
    us_ca_bpc_22757_3_operation: bare(Media::Image).add(source_type("compositeSynthetic")).on("2026-09-30"),
        bare(Media::Image).add(aigc(first())).on("2026-09-30");
    us_ca_bpc_22757_3_durable: bare(Media::Image).add(watermark("public")),
        bare(Media::Image).add(source_type("trainedAlgorithmicMedia")).add(manifest(State::Invalid));
    us_ca_bpc_22757_3_standard: bare(Media::Image).add(source_type("trainedAlgorithmicMedia")),
        bare(Media::Image).add(watermark("public"));
    us_ca_bpc_22757_3_manifest_disclosure: shown("AI GENERATED", 0.03), shown("made by a machine", 0.03);

    in_it_rules_3_3_a_visual_label: shown("AI GENERATED", 0.055), bare(Media::Image).add(no_label());
    in_it_rules_3_3_a_visual_wording: shown("AI GENERATED", 0.055), shown("synthetic", 0.055);
    in_it_rules_3_3_a_audio_prefix: heard(0.1), heard(12.0);
    in_it_rules_3_3_a_provenance: bare(Media::Image).add(manifest(State::Trusted)),
        bare(Media::Image).add(no_aigc());
    in_it_rules_3_3_a_unique_id: bare(Media::Image).add(recorded("acme", "7")),
        bare(Media::Image).add(source_type("trainedAlgorithmicMedia"));
    in_it_rules_3_3_b_intact: bare(Media::Image).add(aigc(first())), bare(Media::Image).add(lost_label());

    kr_basic_act_31_output_marked: bare(Media::Text).add(watermark("public")),
        bare(Media::Text).add(no_label());
    kr_basic_act_31_realistic_notice: shown("AI 생성물", 0.045), bare(Media::Image).add(lost_label());
    kr_basic_act_31_intact: bare(Media::Image).add(aigc(first())),
        bare(Media::Image).add(manifest(State::Malformed));

    any_machine_readable: bare(Media::Image).add(aigc(first())), bare(Media::Image).add(captured());
    any_none_invalid: bare(Media::Image).add(aigc(first())), bare(Media::Image).add(manifest(State::Invalid));
}

#[test]
fn every_rule_has_its_pair() {
    let rules: Vec<String> =
        colophon_policy::built_in().iter().flat_map(|p| p.rules.iter().map(|r| module_name(&r.id))).collect();
    let without: Vec<&String> = rules.iter().filter(|r| !TESTED.contains(&r.as_str())).collect();
    assert!(without.is_empty(), "rules without tests: {without:?}");
    let unknown: Vec<&&str> = TESTED.iter().filter(|t| !rules.iter().any(|r| r == *t)).collect();
    assert!(unknown.is_empty(), "tests without rules: {unknown:?}");
}

#[test]
fn a_rule_does_not_apply_before_its_own_date() {
    judged(
        "eu_cop_3_4_signpost",
        &bare(Media::Image).add(watermark("private")).on("2027-02-01"),
        Outcome::NotApplicable,
    );
}

#[test]
fn rules_of_other_media_do_not_apply() {
    judged("cn_gb45438_5_2_height", &heard(0.1), Outcome::NotApplicable);
    judged("us_ca_bpc_22757_3_id", &written("AI生成"), Outcome::NotApplicable);
}

#[test]
fn what_was_not_looked_at_is_undetermined_and_not_a_failure() {
    for (rule, media) in [("cn_gb45438_5_2_label", Media::Image), ("cn_gb45438_5_4_duration", Media::Video)] {
        judged(rule, &bare(media).add(unseen_label()), Outcome::Undetermined);
    }
    judged("eu_cop_1_1_2_watermark", &bare(Media::Image), Outcome::Undetermined);
}

#[test]
fn tc260_202511a_a_signature_of_others_counts_neither_way() {
    let case = bare(Media::Image).add(aigc(protected_by_others()));
    judged("cn_tc260_202511a_protection", &case, Outcome::NotApplicable);
}

#[test]
fn cn_tc260_place_does_not_apply_where_no_guide_names_a_place() {
    let case = bare(Media::Text).add(aigc(first()).note("place-unnamed", "no guide names a place"));
    judged("cn_tc260_place", &case, Outcome::NotApplicable);
}
