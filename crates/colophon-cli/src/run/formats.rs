//! `colophon formats`.

use colophon::exit::Exit;
use colophon::{Carrier, FormatInfo, SignalSupport, Slot};
use serde_json::json;

use crate::output::{human, json};

pub(super) fn run(as_json: bool) -> Exit {
    let all: Vec<&FormatInfo> = colophon::registry().formats().iter().map(|f| f.info()).collect();
    if as_json {
        let list: Vec<_> = all
            .iter()
            .map(|i| {
                json!({
                    "id": i.id, "name": i.name, "media": i.media, "extensions": i.extensions, "mime": i.mime,
                    "aigc": aigc_place(i), "signal": i.signal, "manifest": manifest(i), "note": i.note,
                })
            })
            .collect();
        json::pretty(&list);
        return Exit::Ok;
    }
    human::plain(&format!(
        "{:<6} {:<9} {:<20} {:<34} {:<10} extensions",
        "id", "media", "label and watermark", "AIGC metadata", "manifest"
    ));
    for i in all {
        let media = format!("{:?}", i.media).to_lowercase();
        let signal = match i.signal {
            SignalSupport::Render => "written and read",
            SignalSupport::Label => "label only",
            SignalSupport::Observe => "read",
            SignalSupport::None => "no",
        };
        let place = aigc_place(i).unwrap_or("none");
        human::plain(&format!(
            "{:<6} {media:<9} {signal:<20} {place:<34} {:<10} {}",
            i.id,
            manifest(i),
            i.extensions.join(" ")
        ));
    }
    Exit::Ok
}

fn aigc_place(i: &FormatInfo) -> Option<&'static str> {
    i.slot(Slot::Field).or_else(|| i.slot(Slot::Xmp)).map(|s| s.place)
}

fn manifest(i: &FormatInfo) -> &'static str {
    match i.carrier {
        Carrier::Native(_) | Carrier::Slot(..) => "embedded",
        Carrier::Sidecar(_) => "beside",
    }
}
