//! Signing files that are written once and never held in memory: a place of the right length first, then one hash over
//! what is written, then the signature.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use c2pa::assertions::BmffHash;
use c2pa::{Builder, SigningAlg};
use colophon_core::{
    Binder, Carrier, Error, ErrorKind, Normalisation, Result, SealCx, Sealing, Signed, Signer, Slot, Source,
};

use crate::seal::{RAW, data_hash, failed, manifest_id, sign, slot_range};
use crate::signer::{Adapter, SIGNATURE};
use crate::{binding, definition, settings};

/// Media types of ISO base media files, whose binding is hashed in `binding`.
const BMFF: [&str; 3] = ["video/mp4", "video/quicktime", "audio/mp4"];
const BMFF_LABEL: &str = "c2pa.hash.bmff.v3";

/// Begins to seal; `None` for carriers that only the library embeds.
pub(crate) fn begin<'a>(cx: &SealCx<'a>) -> Result<Option<Box<dyn Sealing + 'a>>> {
    let info = cx.format.info();
    match info.carrier {
        Carrier::Native(mime) if BMFF.contains(&mime) && info.slot(Slot::Jumbf).is_some() => {
            Ok(Some(Box::new(Embedded::begin(cx, mime)?)))
        }
        // Our own writer of the container has a place for it too: nothing is copied again, and all is hashed once.
        Carrier::Native(mime) if info.slot(Slot::Jumbf).is_some() => {
            Ok(Some(Box::new(Slotted::begin(cx, mime)?)))
        }
        Carrier::Slot(mime, Normalisation::Raw) => Ok(Some(Box::new(Slotted::begin(cx, mime)?))),
        Carrier::Sidecar(mime) => Ok(Some(Box::new(Beside { cx: *cx, mime }))),
        Carrier::Native(_) | Carrier::Slot(..) => Ok(None),
    }
}

/// The store goes into a `uuid` box.
struct Embedded<'a> {
    cx: SealCx<'a>,
    builder: Builder,
    line: Line,
    placeholder: Vec<u8>,
}

impl<'a> Embedded<'a> {
    fn begin(cx: &SealCx<'a>, mime: &str) -> Result<Self> {
        let line = Line::default();
        let adapter = Adapter { signer: cx.signer };
        let remote = Remote {
            certificates: cx.signer.certificates(),
            reserve: c2pa::Signer::reserve_size(&adapter),
            line: line.clone(),
        };
        let context = settings::writing()?.with_signer(remote);
        let mut builder = definition::builder_in(context, cx, mime)?;
        let mut hash = BmffHash::new("jumbf manifest", "sha256", None);
        hash.set_default_exclusions();
        hash.set_hash(vec![0; 32]);
        builder.add_assertion(BMFF_LABEL, &hash).map_err(failed)?;
        // Nobody is asked yet: the signature of this store is as long as the real one and says nothing.
        let placeholder = builder.sign_embeddable(RAW).map_err(failed)?;
        Ok(Self { cx: *cx, builder, line, placeholder })
    }
}

impl Sealing for Embedded<'_> {
    fn placeholder(&self) -> Option<&[u8]> {
        Some(&self.placeholder)
    }

    fn binder(&self, planned: &dyn Source) -> Result<Box<dyn Binder>> {
        Ok(Box::new(binding::usual(planned, self.cx.limits)?))
    }

    fn finish(mut self: Box<Self>, _: &dyn Source, binding: Vec<u8>) -> Result<Signed> {
        let mut hash = BmffHash::new("jumbf manifest", "sha256", None);
        hash.set_default_exclusions();
        hash.set_hash(binding.clone());
        self.builder.definition.assertions.retain(|a| a.label != BMFF_LABEL);
        self.builder.add_assertion(BMFF_LABEL, &hash).map_err(failed)?;
        let builder = &self.builder;
        let mut store =
            self.line.while_open(self.cx.signer, || builder.sign_embeddable(RAW)).map_err(failed)?;
        if store.len() > self.placeholder.len() {
            return Err(Error::new(ErrorKind::Check, "the signed manifest is longer than its place"));
        }
        // Readers go by the length the store states itself (ISO 19566-5).
        store.resize(self.placeholder.len(), 0);
        Ok(Signed { manifest_id: manifest_id(&store), store, binding })
    }
}

/// The store goes into the format's own slot; everything else is bound.
struct Slotted<'a> {
    cx: SealCx<'a>,
    builder: Builder,
    placeholder: Vec<u8>,
}

impl<'a> Slotted<'a> {
    fn begin(cx: &SealCx<'a>, mime: &str) -> Result<Self> {
        let mut builder = definition::builder(cx, mime)?;
        let reserve = c2pa::Signer::reserve_size(&Adapter { signer: cx.signer });
        let placeholder = builder.data_hashed_placeholder(reserve, RAW).map_err(failed)?;
        Ok(Self { cx: *cx, builder, placeholder })
    }
}

impl Sealing for Slotted<'_> {
    fn placeholder(&self) -> Option<&[u8]> {
        Some(&self.placeholder)
    }

    fn binder(&self, planned: &dyn Source) -> Result<Box<dyn Binder>> {
        let range = slot_range(&self.cx.format.inspect(planned, self.cx.limits)?)?;
        Ok(Box::new(binding::without(planned, Some(&range))))
    }

    fn finish(mut self: Box<Self>, planned: &dyn Source, binding: Vec<u8>) -> Result<Signed> {
        let range = slot_range(&self.cx.format.inspect(planned, self.cx.limits)?)?;
        let adapter = Adapter { signer: self.cx.signer };
        let store = sign(&mut self.builder, &adapter, Some(range), binding.clone())?;
        if store.len() != self.placeholder.len() {
            return Err(Error::new(
                ErrorKind::Check,
                "the signed manifest does not have the reserved length",
            ));
        }
        Ok(Signed { manifest_id: manifest_id(&store), store, binding })
    }
}

/// The store stays beside the file, bound by a hash of all of it.
struct Beside<'a> {
    cx: SealCx<'a>,
    mime: &'static str,
}

impl Sealing for Beside<'_> {
    fn placeholder(&self) -> Option<&[u8]> {
        None
    }

    fn binder(&self, planned: &dyn Source) -> Result<Box<dyn Binder>> {
        Ok(Box::new(binding::without(planned, None)))
    }

    fn finish(self: Box<Self>, _: &dyn Source, binding: Vec<u8>) -> Result<Signed> {
        let store = data_hash(&self.cx, self.mime, binding.clone())?;
        Ok(Signed { manifest_id: manifest_id(&store), store, binding })
    }
}

/// A question to the key's holder, and where the answer goes.
type Ask = (Vec<u8>, mpsc::Sender<Result<Vec<u8>>>);

/// The way from the library's signer to ours. The library keeps its signer for as long as it likes; ours is borrowed. So the
/// library runs on a thread of its own while this one answers.
#[derive(Clone, Default)]
struct Line(Arc<Mutex<Option<mpsc::Sender<Ask>>>>);

impl Line {
    fn set(&self, to: Option<mpsc::Sender<Ask>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    fn while_open<T: Send>(
        &self,
        signer: &dyn Signer,
        work: impl FnOnce() -> c2pa::Result<T> + Send,
    ) -> c2pa::Result<T> {
        /// Closes the line however the work ends.
        struct Close<'a>(&'a Line);
        impl Drop for Close<'_> {
            fn drop(&mut self) {
                self.0.set(None);
            }
        }
        let (sender, questions) = mpsc::channel();
        self.set(Some(sender));
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let _close = Close(self);
                work()
            });
            for (data, answer) in questions {
                // Whoever asked may be gone.
                let _ = answer.send(signer.sign(&data));
            }
            worker.join().unwrap_or_else(|_| {
                Err(c2pa::Error::InternalError("the c2pa library crashed while signing".to_owned()))
            })
        })
    }
}

/// A signer that asks over the line; without one, it answers zeros of the right length.
struct Remote {
    certificates: Vec<Vec<u8>>,
    reserve: usize,
    line: Line,
}

impl c2pa::Signer for Remote {
    fn sign(&self, data: &[u8]) -> c2pa::Result<Vec<u8>> {
        let line = self.line.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(line) = line else { return Ok(vec![0; SIGNATURE]) };
        let gone = || c2pa::Error::InternalError("nobody answers for the key".to_owned());
        let (answer, answered) = mpsc::channel();
        line.send((data.to_vec(), answer)).map_err(|_| gone())?;
        let signed = answered.recv().map_err(|_| gone())?;
        signed.map_err(|e| c2pa::Error::OtherError(Box::new(e)))
    }

    fn alg(&self) -> SigningAlg {
        SigningAlg::Ed25519
    }

    fn certs(&self) -> c2pa::Result<Vec<Vec<u8>>> {
        Ok(self.certificates.clone())
    }

    fn reserve_size(&self) -> usize {
        self.reserve
    }
}
