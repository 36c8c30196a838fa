//! Claims carried in metadata: the GB 45438 AIGC object and the IPTC digital source type.
//!
//! A [`Mark`] here never knows a container: it reads the [`colophon_core::Entry`] list of a walk and answers with
//! [`colophon_core::Edit`]s. Which slot a container offers is the format's business.
#![forbid(unsafe_code)]

pub mod aigc;
pub mod iptc;
pub mod provider;

use colophon_core::Mark;

/// The marks of this crate.
pub static MARKS: &[&dyn Mark] = &[&aigc::AIGC, &iptc::DIGITAL_SOURCE_TYPE];
