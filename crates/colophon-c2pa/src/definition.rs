//! What a manifest says (C2PA 2.4; legal in 2.2 and 2.5 too).

use c2pa::{Builder, Context};
use colophon_core::{Error, ErrorKind, Result, SealAct, SealCx};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{RECORD_LABEL, settings};

/// Vocabulary of digital source types; the scheme is `http` by definition.
const SOURCE_TYPES: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/";
/// Label that the parent ingredient goes by inside the definition.
const PARENT: &str = "parent";

/// A builder with every assertion, and the parent when there is one.
pub(crate) fn builder(cx: &SealCx<'_>, mime: &str) -> Result<Builder> {
    builder_in(settings::writing()?, cx, mime)
}

/// [`builder`] in a context of the caller's.
pub(crate) fn builder_in(context: Context, cx: &SealCx<'_>, mime: &str) -> Result<Builder> {
    let failed =
        |e: c2pa::Error| Error::new(ErrorKind::Key, "the manifest cannot be built").because(e.to_string());
    let mut builder = Builder::from_context(context).with_definition(definition(cx, mime)).map_err(failed)?;
    for mark in &cx.record.watermarks {
        let value = soft_binding_value(&mark.payload)?;
        let assertion = SoftBinding {
            alg: &mark.scheme,
            blocks: vec![Block { scope: Scope {}, value }],
            pad: serde_bytes::ByteBuf::new(),
        };
        builder.add_assertion("c2pa.soft-binding", &assertion).map_err(failed)?;
    }
    if let Some(parent) = cx.parent {
        crate::read::add_parent(cx, parent, &mut builder, &parent_json())?;
    }
    Ok(builder)
}

fn definition(cx: &SealCx<'_>, mime: &str) -> Value {
    let d = cx.declaration;
    let mut assertions = vec![json!({ "label": "c2pa.actions.v2", "created": true, "data": actions(cx) })];
    // A platform states nothing about how the content was made: the producer's record stays in the parent.
    if cx.act == SealAct::Marked {
        assertions.push(json!({ "label": RECORD_LABEL, "created": true, "kind": "Json", "data": cx.record }));
    }
    if let Some(model) = &d.model {
        let mut data = json!({
            "modelType": model.model_type.as_deref().unwrap_or("c2pa.types.model"),
            "modelName": model.name,
        });
        if let Some(id) = &model.identifier {
            data["modelIdentifier"] = id.as_str().into();
        }
        assertions.push(json!({ "label": "c2pa.ai-disclosure", "created": true, "data": data }));
    }
    let mut definition = json!({
        "claim_generator_info": [{
            "name": "colophon",
            "version": env!("CARGO_PKG_VERSION"),
            "specVersion": "2.4.0",
        }],
        "format": mime,
        "assertions": assertions,
    });
    if let Some(title) = &d.title {
        definition["title"] = title.as_str().into();
    }
    definition
}

/// The actions: exactly one `c2pa.created` or `c2pa.opened`, first (C2PA 2.4, actions; conformance program 0.2).
fn actions(cx: &SealCx<'_>) -> Value {
    let d = cx.declaration;
    let source_type = format!("{SOURCE_TYPES}{}", d.origin.iptc_code());
    let agent = d.generator.as_ref().map(|g| match &g.version {
        Some(v) => json!({ "name": g.name, "version": v }),
        None => json!({ "name": g.name }),
    });
    let when = d.produced_at.as_deref().unwrap_or(cx.now);
    let with_agent = |mut action: Value| {
        if let Some(agent) = &agent {
            action["softwareAgent"] = agent.clone();
        }
        action
    };
    let mut list = Vec::new();
    if cx.parent.is_some() {
        list.push(
            json!({ "action": "c2pa.opened", "when": cx.now, "parameters": { "ingredientIds": [PARENT] } }),
        );
        // The parent was generated or altered; this manifest adds marks to it.
        list.push(match cx.act {
            SealAct::Marked => {
                with_agent(json!({ "action": "c2pa.edited", "when": when, "digitalSourceType": source_type }))
            }
            SealAct::Propagated => json!({ "action": "c2pa.edited.metadata", "when": cx.now }),
        });
    } else {
        list.push(with_agent(
            json!({ "action": "c2pa.created", "when": when, "digitalSourceType": source_type }),
        ));
    }
    if cx.record.watermarks.iter().any(|w| !w.kept) {
        list.push(json!({ "action": "c2pa.watermarked.bound", "when": cx.now }));
    }
    json!({ "actions": list, "allActionsIncluded": true })
}

fn parent_json() -> String {
    json!({ "title": "as received", "relationship": "parentOf", "label": PARENT }).to_string()
}

/// `c2pa.soft-binding`, whose byte strings JSON cannot say.
#[derive(Serialize)]
struct SoftBinding<'a> {
    alg: &'a str,
    blocks: Vec<Block>,
    pad: serde_bytes::ByteBuf,
}

#[derive(Serialize)]
struct Block {
    scope: Scope,
    value: serde_bytes::ByteBuf,
}

#[derive(Serialize)]
struct Scope {}

/// The payload's eight bytes, big-endian.
fn soft_binding_value(hex: &str) -> Result<serde_bytes::ByteBuf> {
    let payload = u64::from_str_radix(hex, 16)
        .map_err(|_| Error::new(ErrorKind::Check, "the recorded watermark payload is not hex"))?;
    Ok(serde_bytes::ByteBuf::from(payload.to_be_bytes().to_vec()))
}
