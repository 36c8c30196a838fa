//! `pkcs11:` URIs (RFC 7512): which module, which token, which key, and where the PIN comes from.

use std::fmt;
use std::path::PathBuf;

use colophon_core::Result;
use zeroize::Zeroizing;

use crate::{key_error, secret_from_uri};

/// Environment variable with the PIN, where the URI says nothing about it.
const PIN_VARIABLE: &str = "COLOPHON_PIN";
/// Longest URI that is read, in bytes.
const MAX_URI: usize = 4096;

/// A parsed URI. What it does not name matches everything.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct TokenUri {
    pub(crate) module: PathBuf,
    pub(crate) token: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) manufacturer: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) slot: Option<u64>,
    pub(crate) object: Option<String>,
    pub(crate) id: Option<Vec<u8>>,
    pin: Option<Pin>,
}

#[derive(Clone, PartialEq, Eq)]
enum Pin {
    /// A key URI.
    From(String),
    Value(Zeroizing<Vec<u8>>),
}

/// Never the PIN.
impl fmt::Debug for TokenUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenUri")
            .field("module", &self.module)
            .field("token", &self.token)
            .field("object", &self.object)
            .finish_non_exhaustive()
    }
}

impl TokenUri {
    /// Reads a URI.
    ///
    /// An attribute that is unknown or given twice is refused: passing over it would match more keys than were meant
    /// (RFC 7512, 2.3).
    ///
    /// # Errors
    /// `Key`, naming the attribute but no value.
    pub(crate) fn parse(uri: &str) -> Result<Self> {
        let rest = uri.strip_prefix("pkcs11:").ok_or_else(|| key_error("not a pkcs11: URI"))?;
        if uri.len() > MAX_URI {
            return Err(key_error(format!("the pkcs11: URI is longer than {MAX_URI} bytes")));
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut out = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        let attributes = path.split(';').chain(query.split('&')).filter(|a| !a.is_empty());
        for attribute in attributes {
            let (name, value) = attribute
                .split_once('=')
                .ok_or_else(|| key_error("the pkcs11: URI has a part without `=`"))?;
            if seen.contains(&name) {
                return Err(key_error(format!("the pkcs11: URI names {name} twice")));
            }
            seen.push(name);
            let bytes = decoded(name, value)?;
            let text = || {
                String::from_utf8(bytes.to_vec())
                    .map_err(|_| key_error(format!("{name} in the pkcs11: URI is not UTF-8")))
            };
            match name {
                "token" => out.token = Some(text()?),
                "serial" => out.serial = Some(text()?),
                "manufacturer" => out.manufacturer = Some(text()?),
                "model" => out.model = Some(text()?),
                "slot-id" => {
                    let number = text()?.parse();
                    out.slot =
                        Some(number.map_err(|_| key_error("slot-id in the pkcs11: URI is no number"))?);
                }
                "object" => out.object = Some(text()?),
                "id" => out.id = Some(bytes.to_vec()),
                "type" if bytes.as_slice() == b"private" => {}
                "type" => return Err(key_error("type in the pkcs11: URI is not `private`: only that signs")),
                "module-path" => out.module = PathBuf::from(text()?),
                "pin-source" => out.pin = Some(Pin::From(text()?)),
                "pin-value" => out.pin = Some(Pin::Value(bytes)),
                other => {
                    return Err(key_error(format!(
                        "the pkcs11: URI has an attribute {other:?} that is not known here"
                    )));
                }
            }
        }
        if out.module.as_os_str().is_empty() {
            return Err(key_error(
                "the pkcs11: URI names no module: add ?module-path= and the path of the token's library",
            ));
        }
        if seen.contains(&"pin-source") && seen.contains(&"pin-value") {
            return Err(key_error("the pkcs11: URI has both pin-source and pin-value"));
        }
        Ok(out)
    }

    /// The PIN: `pin-value`, else from `pin-source` (a path, or `file:`, `env:`, `cmd:`), else from `COLOPHON_PIN`.
    ///
    /// # Errors
    /// `Key` when its source cannot be read.
    pub(crate) fn pin(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        match &self.pin {
            Some(Pin::Value(pin)) => Ok(Some(pin.clone())),
            Some(Pin::From(path)) if path.starts_with('/') => {
                secret_from_uri(&format!("file:{path}")).map(Some)
            }
            Some(Pin::From(uri)) => secret_from_uri(uri).map(Some),
            None => Ok(std::env::var(PIN_VARIABLE).ok().map(|pin| Zeroizing::new(pin.into_bytes()))),
        }
    }
}

/// A key URI as it may be shown: without a PIN in it.
pub(crate) fn without_pin(uri: &str) -> String {
    if !uri.starts_with("pkcs11:") {
        return uri.to_owned();
    }
    let mut out = String::new();
    for part in uri.split_inclusive(['?', '&', ';']) {
        if let Some(value) = part.strip_prefix("pin-value=") {
            let end = value.find(['?', '&', ';']).and_then(|at| value.get(at..)).unwrap_or_default();
            out.push_str("pin-value=…");
            out.push_str(end);
        } else {
            out.push_str(part);
        }
    }
    out
}

/// Undoes percent encoding (RFC 3986, 2.1).
fn decoded(name: &str, value: &str) -> Result<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut bytes = value.bytes();
    while let Some(b) = bytes.next() {
        if b != b'%' {
            out.push(b);
            continue;
        }
        let mut digit = || bytes.next().and_then(|d| char::from(d).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(key_error(format!("{name} in the pkcs11: URI has a broken percent encoding")));
        };
        out.push((high << 4 | low) as u8);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "?module-path=/lib/token.so";

    #[test]
    fn rfc7512_attributes_are_read_and_decoded() {
        let uri = TokenUri::parse(
            "pkcs11:token=The%20token;object=signing;id=%01%ff;serial=7;slot-id=3;type=private?module-path=/lib/t.so&pin-value=1%3b2",
        )
        .unwrap();
        assert_eq!(uri.token.as_deref(), Some("The token"));
        assert_eq!((uri.object.as_deref(), uri.id.as_deref()), (Some("signing"), Some(&[1, 255][..])));
        assert_eq!((uri.serial.as_deref(), uri.slot), (Some("7"), Some(3)));
        assert_eq!(uri.module, PathBuf::from("/lib/t.so"));
        assert_eq!(uri.pin().unwrap().unwrap().as_slice(), b"1;2");
        assert!(!format!("{uri:?}").contains("1;2"));
    }

    #[test]
    fn a_pin_source_is_a_path_or_a_key_uri() {
        let uri = |source: &str| TokenUri::parse(&format!("pkcs11:{MODULE}&pin-source={source}")).unwrap();
        assert_eq!(uri("cmd:printf%20%25s%201234").pin().unwrap().unwrap().as_slice(), b"1234");
        let e = uri("/nonexistent/pin").pin().unwrap_err().to_string();
        assert!(e.contains("/nonexistent/pin"), "{e}");
        assert!(uri("env:COLOPHON_TEST_NOT_SET").pin().is_err());
    }

    #[test]
    fn what_would_match_more_than_was_meant_is_refused() {
        for (attributes, part) in [
            ("token=a;token=b".to_owned() + MODULE, "token twice"),
            ("tokem=a".to_owned() + MODULE, "tokem"),
            ("token".to_owned() + MODULE, "without `=`"),
            ("token=a".to_owned(), "no module"),
            ("object=%4".to_owned() + MODULE, "percent"),
            ("object=%zz".to_owned() + MODULE, "percent"),
            ("object=%ff".to_owned() + MODULE, "UTF-8"),
            ("slot-id=x".to_owned() + MODULE, "no number"),
            ("type=cert".to_owned() + MODULE, "only that signs"),
            (MODULE.to_owned() + "&pin-source=env:A&pin-value=secret", "both"),
            ("x".repeat(5000), "longer"),
        ] {
            let e = TokenUri::parse(&format!("pkcs11:{attributes}")).unwrap_err().to_string();
            assert!(e.contains(part) && !e.contains("secret"), "{attributes}: {e}");
        }
    }

    #[test]
    fn a_uri_is_shown_without_its_pin() {
        let uri = "pkcs11:token=a?pin-value=1234&module-path=/m";
        assert_eq!(without_pin(uri), "pkcs11:token=a?pin-value=…&module-path=/m");
        assert_eq!(
            without_pin("pkcs11:token=a?module-path=/m&pin-value=1234"),
            "pkcs11:token=a?module-path=/m&pin-value=…"
        );
        assert_eq!(without_pin("file:pin-value=1"), "file:pin-value=1");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_no_pin_is_shown(text in "[a-z0-9=;&?%:-]{0,60}", pin in "[A-Z]{4,12}") {
            let _ = TokenUri::parse(&format!("pkcs11:{text}"));
            let uri = format!("pkcs11:{text};pin-value={pin}");
            proptest::prop_assert!(!without_pin(&uri).contains(&pin));
            if let Err(e) = TokenUri::parse(&uri) {
                proptest::prop_assert!(!e.to_string().contains(&pin));
            }
        }
    }
}
