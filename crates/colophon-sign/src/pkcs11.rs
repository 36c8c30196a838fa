//! Ed25519 keys that stay on a PKCS #11 token: a smart card, a module for keys, SoftHSM.
//!
//! The token's own library is loaded while the program runs; nothing of it is linked. The key never leaves the token:
//! what is signed goes in and the signature comes out.

mod uri;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use colophon_core::{Error, Result};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as TokenError, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::RawAuthPin;

use crate::{key_error, verify_ed25519};
use uri::TokenUri;

/// Length of an Ed25519 signature.
const SIGNATURE: usize = 64;
/// Signed once to see that the key on the token is the certificate's. No content begins like this.
const PROBE: &[u8] = b"colophon: which key is this?";
/// Most names that an error lists.
const MAX_LISTED: usize = 8;

/// A private key on a token, with an open session.
#[derive(Clone)]
pub(crate) struct TokenKey {
    open: Arc<Mutex<Open>>,
    /// `token/object`, for errors.
    name: String,
}

struct Open {
    session: Session,
    key: ObjectHandle,
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TokenKey {
    /// Finds the key of a `pkcs11:` URI and logs in.
    ///
    /// # Errors
    /// `Key`: no module, no such token or key, several of them, a wrong PIN, a key of another kind. Never with the PIN.
    pub(crate) fn open(uri: &str) -> Result<Self> {
        let uri = TokenUri::parse(uri)?;
        let module = load(&uri.module)?;
        let (slot, token) = find_token(&module, &uri)?;
        let session = module
            .open_ro_session(slot)
            .map_err(|e| failed("the token opens no session", &e).at_place(token.as_str()))?;
        log_in(&module, slot, &session, &uri).map_err(|e| e.at_place(token.as_str()))?;
        let (key, label) = find_key(&session, &uri).map_err(|e| e.at_place(token.as_str()))?;
        let name = format!("{token}/{label}");
        is_edwards(&session, key).map_err(|e| e.at_place(name.as_str()))?;
        Ok(Self { open: Arc::new(Mutex::new(Open { session, key })), name })
    }

    /// The signature over `message`.
    ///
    /// # Errors
    /// `Key` when the token refuses, or answers with something that is no Ed25519 signature.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE]> {
        // A signer that panicked elsewhere left the session as it was: every signature starts an operation of its own.
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
        let signature = open
            .session
            .sign(&mechanism, open.key, message)
            .map_err(|e| failed("the token does not sign", &e).at_place(self.name.as_str()))?;
        let length = signature.len();
        signature.try_into().map_err(|_| {
            key_error(format!("the key signs with {length} bytes: it is not Ed25519"))
                .at_place(self.name.as_str())
        })
    }

    /// Whether this is the private half of a public key.
    ///
    /// # Errors
    /// As [`TokenKey::sign`].
    pub(crate) fn is_of(&self, public: &[u8; 32]) -> Result<bool> {
        Ok(verify_ed25519(public, PROBE, &self.sign(PROBE)?))
    }
}

pub(crate) use uri::without_pin;

fn failed(what: &str, e: &TokenError) -> Error {
    key_error(what).because(e.to_string())
}

fn load(path: &Path) -> Result<Pkcs11> {
    let at = |e: Error| e.at_place(path.display().to_string());
    if !path.is_file() {
        return Err(at(key_error("there is no such PKCS #11 module")));
    }
    let module =
        Pkcs11::new(path).map_err(|e| at(failed("the file cannot be loaded as a PKCS #11 module", &e)))?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Somebody in this process uses it already.
        Ok(()) | Err(TokenError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(module),
        Err(e) => Err(at(failed("the PKCS #11 module does not start", &e))),
    }
}

fn find_token(module: &Pkcs11, uri: &TokenUri) -> Result<(Slot, String)> {
    let unread = |e: TokenError| failed("the module's tokens cannot be listed", &e);
    let mut found = Vec::new();
    let mut others = Vec::new();
    for slot in module.get_slots_with_initialized_token().map_err(unread)? {
        // A token may be taken out between the two calls.
        let Ok(info) = module.get_token_info(slot) else { continue };
        let label = info.label().trim_end().to_owned();
        let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|w| w == value.trim_end());
        if is(&uri.token, info.label())
            && is(&uri.serial, info.serial_number())
            && is(&uri.manufacturer, info.manufacturer_id())
            && is(&uri.model, info.model())
            && uri.slot.is_none_or(|s| s == slot.id())
        {
            found.push((slot, label));
        } else {
            others.push(label);
        }
    }
    match found.len() {
        1 => found.pop().ok_or_else(|| key_error("no token")),
        0 => Err(key_error(format!("the module has no such token; {}", there_are(&others)))),
        n => Err(key_error(format!("{n} tokens match the pkcs11: URI: name one by token= or serial="))),
    }
}

fn log_in(module: &Pkcs11, slot: Slot, session: &Session, uri: &TokenUri) -> Result<()> {
    let info = module.get_token_info(slot).map_err(|e| failed("the token says nothing about itself", &e))?;
    if !info.login_required() {
        return Ok(());
    }
    let pin = uri.pin()?;
    let result = match pin {
        Some(pin) => session.login_with_raw(UserType::User, &RawAuthPin::new(Box::new(pin.to_vec()))),
        None if info.protected_authentication_path() => session.login(UserType::User, None),
        None => {
            return Err(key_error(
                "the token asks for a PIN: set COLOPHON_PIN, or add pin-source= to the pkcs11: URI",
            ));
        }
    };
    match result {
        Ok(()) | Err(TokenError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(TokenError::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
            let last = module.get_token_info(slot).is_ok_and(|i| i.user_pin_final_try());
            let warning = if last { "; the next wrong one locks the token" } else { "" };
            Err(key_error(format!("the PIN is wrong{warning}")))
        }
        Err(TokenError::Pkcs11(RvError::PinLocked, _)) => Err(key_error("the PIN is locked")),
        Err(e) => Err(failed("the token does not let us in", &e)),
    }
}

fn find_key(session: &Session, uri: &TokenUri) -> Result<(ObjectHandle, String)> {
    let unread = |e: TokenError| failed("the token's keys cannot be listed", &e);
    let private = Attribute::Class(ObjectClass::PRIVATE_KEY);
    let mut wanted = vec![private.clone()];
    wanted.extend(uri.object.iter().map(|o| Attribute::Label(o.as_bytes().to_vec())));
    wanted.extend(uri.id.iter().map(|id| Attribute::Id(id.clone())));
    let found = session.find_objects(&wanted).map_err(unread)?;
    match found.as_slice() {
        [key] => Ok((*key, label(session, *key))),
        [] => {
            let all = session.find_objects(&[private]).map_err(unread)?;
            let names: Vec<String> = all.iter().map(|k| label(session, *k)).collect();
            Err(key_error(format!("the token has no such private key; {}", there_are(&names))))
        }
        many => Err(key_error(format!(
            "{} private keys match the pkcs11: URI: name one by object= or id=",
            many.len()
        ))),
    }
}

fn label(session: &Session, key: ObjectHandle) -> String {
    let attributes = session.get_attributes(key, &[AttributeType::Label]).unwrap_or_default();
    let name = attributes.into_iter().find_map(|a| match a {
        Attribute::Label(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        _ => None,
    });
    name.unwrap_or_default()
}

fn is_edwards(session: &Session, key: ObjectHandle) -> Result<()> {
    let attributes = session
        .get_attributes(key, &[AttributeType::KeyType])
        .map_err(|e| failed("the key does not say its type", &e))?;
    match attributes.first() {
        Some(Attribute::KeyType(KeyType::EC_EDWARDS)) => Ok(()),
        Some(Attribute::KeyType(other)) => {
            Err(key_error(format!("the key is of type {other}, and only Ed25519 signs here")))
        }
        _ => Err(key_error("the key does not say its type")),
    }
}

/// What there is instead, for people who misspelt a name.
fn there_are(names: &[String]) -> String {
    if names.is_empty() {
        return "there is none at all".to_owned();
    }
    let listed: Vec<String> = names.iter().take(MAX_LISTED).map(|n| format!("{n:?}")).collect();
    format!("there is {}", listed.join(", "))
}
