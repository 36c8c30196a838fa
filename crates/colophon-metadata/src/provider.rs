//! The 27-character provider code of TC260-PG-20252A.
//!
//! | position | content |
//! |---|---|
//! | 1–2 | format code, `00` |
//! | 3 | subject type, `1` = organisation |
//! | 4 | binding type, `1` = unified social credit code (USCC) |
//! | 5–22 | USCC (GB 32100): position 18 is its check character, positions 9–17 hold the organisation code of GB 11714 |
//! | 23 | service type, `1` generation, `2` propagation, `0` not extended |
//! | 24–27 | model or application code, self-assigned |

use std::fmt;

/// Length of a code.
pub const LENGTH: usize = 27;

/// GB 32100-2015: characters of a USCC, in the order of their values.
const USCC_ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// GB 32100-2015: weights 3^i mod 31 over the first 17 characters.
const USCC_WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/// GB 11714-1997: weights over the first 8 characters of the organisation code.
const ORGANISATION_WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// Why a string is not a provider code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderCodeError {
    /// Not 27 characters.
    Length,
    /// A character outside `0-9A-Z`.
    Charset,
    /// Positions 1–2 are not `00`.
    FormatCode,
    /// Positions 3–4 are not a published subject and binding type (`11`).
    SubjectType,
    /// The USCC's check character is wrong.
    UsccCheck,
    /// The check character of the organisation code inside the USCC is wrong.
    OrganisationCheck,
    /// Position 23 is not 0, 1 or 2.
    ServiceType,
}

impl fmt::Display for ProviderCodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a provider code has 27 characters",
            Self::Charset => "a provider code has digits and capital letters only",
            Self::FormatCode => "a provider code starts with 00",
            Self::SubjectType => {
                "subject and binding type are not 11 (organisation, unified social credit code)"
            }
            Self::UsccCheck => "the check character of the unified social credit code is wrong",
            Self::OrganisationCheck => "the check character of the organisation code is wrong",
            Self::ServiceType => "the service type is not 0, 1 or 2",
        })
    }
}

impl std::error::Error for ProviderCodeError {}

/// Whether a provider string is meant to be a code rather than a name: 27 characters of the code's alphabet that
/// start with the format code.
pub fn looks_like_code(text: &str) -> bool {
    text.len() == LENGTH && text.starts_with("00") && text.bytes().all(is_code_char)
}

/// Checks structure and both check characters. A valid code is well-formed; that the subject exists is not known.
///
/// # Errors
/// The first rule that does not hold.
pub fn check(code: &str) -> Result<(), ProviderCodeError> {
    use ProviderCodeError as E;
    let chars: &[u8; LENGTH] = code.as_bytes().try_into().map_err(|_| E::Length)?;
    if !chars.iter().copied().all(is_code_char) {
        return Err(E::Charset);
    }
    let [f1, f2, subject, binding, rest @ ..] = chars;
    if [*f1, *f2] != *b"00" {
        return Err(E::FormatCode);
    }
    if [*subject, *binding] != *b"11" {
        return Err(E::SubjectType);
    }
    let (uscc, extension) = rest.split_at(18);
    if uscc_check_character(uscc) != uscc.get(17).copied() {
        return Err(E::UsccCheck);
    }
    if organisation_check_character(uscc.get(8..16).unwrap_or_default()) != uscc.get(16).copied() {
        return Err(E::OrganisationCheck);
    }
    match extension.first() {
        Some(b'0'..=b'2') => Ok(()),
        _ => Err(E::ServiceType),
    }
}

fn is_code_char(c: u8) -> bool {
    c.is_ascii_digit() || c.is_ascii_uppercase()
}

/// GB 32100: `(31 − Σ value·weight mod 31) mod 31`.
fn uscc_check_character(uscc: &[u8]) -> Option<u8> {
    let mut sum = 0;
    for (c, weight) in uscc.iter().zip(USCC_WEIGHTS) {
        sum += USCC_ALPHABET.iter().position(|a| a == c)? as u32 * weight;
    }
    USCC_ALPHABET.get(((31 - sum % 31) % 31) as usize).copied()
}

/// GB 11714: `11 − Σ value·weight mod 11`, 10 is `X`, 11 is `0`; letters count from A = 10.
fn organisation_check_character(code: &[u8]) -> Option<u8> {
    let mut sum = 0;
    for (c, weight) in code.iter().zip(ORGANISATION_WEIGHTS) {
        sum += char::from(*c).to_digit(36)? * weight;
    }
    Some(match 11 - sum % 11 {
        10 => b'X',
        11 => b'0',
        n => b'0' + n as u8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two fictional codes of our samples and four seen in public files.
    const VALID: [&str; 6] = [
        "001191110000MA0000007710001",
        "001191310000MA0000015F2APP1",
        "001191610133596325171T12566",
        "001191110102MACQD9K64010000",
        "001191440300708461136T1XGW3",
        "001191310104MACE0YX63918020",
    ];

    #[test]
    fn tc260_20252a_known_codes_pass() {
        for code in VALID {
            assert_eq!(check(code), Ok(()), "{code}");
            assert!(looks_like_code(code));
        }
    }

    #[test]
    fn tc260_20252a_any_single_change_of_the_uscc_is_found() {
        for code in VALID {
            for at in 4..22 {
                for c in USCC_ALPHABET {
                    let mut changed = code.as_bytes().to_vec();
                    if changed[at] == *c {
                        continue;
                    }
                    changed[at] = *c;
                    let changed = String::from_utf8(changed).unwrap();
                    assert!(check(&changed).is_err(), "{changed}");
                }
            }
        }
    }

    #[test]
    fn tc260_20252a_structure() {
        use ProviderCodeError as E;
        assert_eq!(check("00119111"), Err(E::Length));
        assert_eq!(check("001191110000ma0000007710001"), Err(E::Charset));
        assert_eq!(check("011191110000MA0000007710001"), Err(E::FormatCode));
        assert_eq!(check("002191110000MA0000007710001"), Err(E::SubjectType));
        assert_eq!(check("001191110000MA0000007790001"), Err(E::ServiceType));
        assert!(!looks_like_code("doubao"));
    }
}
