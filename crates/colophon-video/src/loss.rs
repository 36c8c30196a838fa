//! What encoding pictures again would lose: refused by name, or dropped where the caller says so.

use colophon_core::{Error, Placed, PlanNote, Result};

use crate::probe::{Probe, SideData, Stream};

/// Refuses what would be lost in silence; answers notes of what is dropped.
///
/// With `drop_dynamic` the dynamic data of Dolby Vision and HDR10+ may go where the picture is whole without it: HDR10+ always
/// is, Dolby Vision where its base layer is compatible with another signal (`dv_bl_signal_compatibility_id` of its configuration
/// record is not 0).
///
/// # Errors
/// `Unsupported`.
pub(crate) fn of(
    id: &'static str,
    probe: &Probe,
    stream: &Stream,
    drop_dynamic: bool,
) -> Result<Vec<Placed>> {
    let refuse = |what: String| Err(Error::unsupported(id, what));
    let data = &stream.side_data_list;
    let mut dropped: Vec<&str> = Vec::new();
    for (name, words) in [
        ("Dolby Vision", &["DOVI", "Dolby Vision"][..]),
        ("HDR10+ data", &["2094", "HDR10+", "Dynamic HDR"][..]),
    ] {
        if !data.iter().any(|d| words.iter().any(|w| d.kind.contains(w))) {
            continue;
        }
        if !drop_dynamic {
            return refuse(format!(
                "{name} cannot be kept when pictures are encoded again; --drop-dynamic-hdr encodes them without"
            ));
        }
        let whole = |d: &SideData| d.dv_bl_signal_compatibility_id.is_some_and(|id| id != 0);
        if name == "Dolby Vision" && !data.iter().any(whole) {
            return refuse(
                "the colours of this Dolby Vision video are wrong without its dynamic data".to_owned(),
            );
        }
        dropped.push(name);
    }
    let still = |d: &&SideData| ["Mastering display", "Content light"].iter().any(|w| d.kind.contains(w));
    if let Some(data) = data.iter().find(still).filter(|_| stream.codec_name != "hevc") {
        return refuse(format!("{} cannot be kept in {} video", data.kind, stream.codec_name));
    }
    if stream.transparent() {
        return refuse("the transparency of the picture would be lost when it is encoded again".to_owned());
    }
    if matches!(stream.field_order.as_str(), "tt" | "bb" | "tb" | "bt") {
        return refuse("the video is interlaced; its fields would be encoded as whole pictures".to_owned());
    }
    let lost = probe.streams.iter().find(|s| s.codec_type == "data" && !regenerated(s));
    if let Some(s) = lost {
        let what =
            format!("stream {} ({}) cannot be copied into the labelled file", s.index, s.codec_tag_string);
        return refuse(what);
    }
    Ok(dropped.into_iter().map(note).collect())
}

fn note(what: &str) -> Placed {
    Placed::Note(PlanNote {
        code: "dropped-dynamic-hdr".to_owned(),
        text: format!("{what} of the source was dropped, as asked: the pictures were encoded again"),
    })
}

/// Data streams that the muxer makes again: time code, and the text of chapters.
fn regenerated(stream: &Stream) -> bool {
    matches!(stream.codec_tag_string.as_str(), "tmcd" | "text")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ffprobe describes it.
    fn asked(streams: &str, drop_dynamic: bool) -> Result<Vec<Placed>> {
        let probe: Probe = serde_json::from_str(&format!("{{\"streams\":[{streams}]}}")).unwrap();
        of("mp4", &probe, &probe.streams[0], drop_dynamic)
    }

    fn refused(streams: &str) -> Option<String> {
        asked(streams, false).err().map(|e| e.to_string())
    }

    fn stream(codec: &str, kind: &str, more: &str) -> String {
        format!(
            "{{\"codec_type\":\"video\",\"codec_name\":\"{codec}\",\"side_data_list\":[{{\"side_data_type\":\"{kind}\"{more}}}]}}"
        )
    }

    #[test]
    fn what_encoding_again_would_lose_is_refused_by_name() {
        for (codec, kind, named) in [
            ("hevc", "DOVI configuration record", "Dolby Vision"),
            ("hevc", "Dolby Vision RPU Data", "Dolby Vision"),
            ("hevc", "Dolby Vision Metadata", "Dolby Vision"),
            ("hevc", "HDR Dynamic Metadata SMPTE2094-40 (HDR10+)", "HDR10+"),
            ("av1", "Mastering display metadata", "Mastering display metadata"),
            ("vp9", "Content light level metadata", "Content light level metadata"),
        ] {
            let said = refused(&stream(codec, kind, ""));
            assert!(said.as_ref().is_some_and(|s| s.contains(named)), "{kind}: {said:?}");
        }
        let interlaced = refused(r#"{"codec_type":"video","codec_name":"h264","field_order":"tt"}"#);
        assert!(interlaced.is_some_and(|s| s.contains("interlaced")));
        let data = refused(
            r#"{"codec_type":"video","codec_name":"h264"},{"index":1,"codec_type":"data","codec_tag_string":"gpmd"}"#,
        );
        assert!(data.is_some_and(|s| s.contains("gpmd")));
    }

    #[test]
    fn what_encoders_keep_is_not_refused() {
        assert_eq!(refused(&stream("hevc", "Mastering display metadata", "")), None);
        assert_eq!(refused(&stream("h264", "Display Matrix", "")), None);
        let tmcd = refused(
            r#"{"codec_type":"video","codec_name":"h264","field_order":"progressive"},{"index":1,"codec_type":"data","codec_tag_string":"tmcd"}"#,
        );
        assert_eq!(tmcd, None);
    }

    #[test]
    fn dynamic_hdr_is_dropped_only_when_asked_and_where_the_picture_is_whole_without() {
        let dropped = |kind: &str, more: &str| asked(&stream("hevc", kind, more), true);
        let record = "DOVI configuration record";
        for (kind, more) in [
            (record, ",\"dv_profile\":8,\"dv_bl_signal_compatibility_id\":1"),
            ("HDR Dynamic Metadata SMPTE2094-40 (HDR10+)", ""),
        ] {
            let notes = dropped(kind, more).unwrap();
            assert!(matches!(&notes[..], [Placed::Note(n)] if n.code == "dropped-dynamic-hdr"), "{notes:?}");
        }
        for (kind, more) in [
            (record, ",\"dv_profile\":5,\"dv_bl_signal_compatibility_id\":0"),
            (record, ""),
            ("Dolby Vision RPU Data", ""),
        ] {
            assert!(dropped(kind, more).unwrap_err().to_string().contains("colours"), "{kind}{more}");
        }
    }
}
