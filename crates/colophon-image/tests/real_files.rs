//! Files of real encoders whose pixels are not decoded here: the promises of a format hold for them, too.
// Helpers of tests: what cannot be made ends the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(missing_docs)]

use colophon_core::{Edit, Format, Limits, SignalSupport, Slot};

const FILES: [(&dyn Format, &[u8]); 3] = [
    (&colophon_image::heif::HEIC, include_bytes!("media/tiny.heic")),
    (&colophon_image::heif::AVIF, include_bytes!("media/tiny.avif")),
    (&colophon_image::jxl::FORMAT, include_bytes!("media/tiny.jxl")),
];

#[test]
fn files_of_real_encoders_are_recognised_with_their_size() {
    for (format, bytes) in FILES {
        let id = format.info().id;
        let others = colophon_image::FORMATS.iter().filter(|f| f.info().id != id);
        let most = others.map(|f| f.score(bytes)).max().unwrap();
        assert!(format.score(bytes) > most, "{id}");
        let layout = format.inspect(&bytes, &Limits::default()).unwrap();
        assert_eq!(layout.properties.dimensions, Some((64, 64)), "{id}");
        assert_eq!(format.info().signal, SignalSupport::None, "{id} claims no more than metadata");
    }
}

#[test]
fn files_of_real_encoders_keep_the_promises_of_a_format() {
    for (format, bytes) in FILES {
        colophon_conformance::check(format, &[("real", bytes.to_vec())]);
    }
}

#[test]
fn a_codestream_is_put_into_a_box_of_ordinary_length() {
    // libjxl 0.7 takes a box of 64-bit length for a truncated file.
    let (format, bytes) = FILES[2];
    let edit = Edit::set(Slot::Xmp, "xmp", "<?xpacket?>");
    let out = format.edit(&bytes, &[edit], &Limits::default()).unwrap().apply_to_vec(&bytes).unwrap();
    let at = out.windows(4).position(|w| w == b"jxlc").unwrap();
    let length = u32::from_be_bytes(out[at - 4..at].try_into().unwrap());
    assert_eq!(length as usize, out.len() - at + 4);
}
