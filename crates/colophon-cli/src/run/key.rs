//! `colophon key`.

use colophon::Signer;
use colophon::exit::Exit;
use serde_json::json;

use crate::advice::Failure;
use crate::args::{KeyArgs, KeyCommand};
use crate::config::Config;
use crate::output::{human, json};
use crate::signer;

pub(super) fn run(command: &KeyCommand) -> Result<Exit, Failure> {
    let KeyCommand::Show { key, cert, json } = command;
    let args = KeyArgs { key: key.clone(), cert: cert.clone() };
    let signer = signer::load(&args, &Config::load()?)?.ok_or_else(|| {
        Failure::from(colophon::Error::new(colophon::ErrorKind::Key, "there is no signing key"))
    })?;
    let chain = signer.chain();
    let id = signer.key_id();
    let issuer = id.get(..4).unwrap_or_default();
    if *json {
        let list: Vec<_> = chain
            .iter()
            .map(|c| json!({"subject": c.subject, "issuer": c.issuer, "serial": c.serial, "not_before": c.not_before, "not_after": c.not_after}))
            .collect();
        json::pretty(&json!({
            "algorithm": signer.algorithm(), "key_id": id, "public_key": signer.public_key_hex(),
            "issuer": issuer, "certificates": list,
        }));
        return Ok(Exit::Ok);
    }
    human::plain(&format!(
        "algorithm    Ed25519\npublic key   {}\nkey id       {id}\nissuer       {issuer}  (first 16 bits of the key id, carried by watermarks)",
        signer.public_key_hex()
    ));
    for c in chain {
        human::plain(&format!(
            "certificate  {}\n             issued by {}\n             valid {} to {}, serial {}",
            c.subject, c.issuer, c.not_before, c.not_after, c.serial
        ));
    }
    Ok(Exit::Ok)
}
