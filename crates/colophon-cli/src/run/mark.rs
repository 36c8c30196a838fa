//! `colophon mark`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use colophon::exit::Exit;
use colophon::sign::CertifiedSigner;
use colophon::{
    AudibleSpec, Declaration, Existing, LabelAt, LabelChoice, LabelLook, LabelSound, Marked, MarkedFile,
    Media, Options, Overrides, Profiles, Signer, SoundPosition, VideoEncoding,
};
use serde_json::json;

use super::{batch, large};
use crate::advice::Failure;
use crate::args::{HeardAtArg, LabelArgs, MarkArgs, OnExisting, PlaceArg, SoundArgs, StyleArg};
use crate::config::{Config, LabelConfig};
use crate::delivery::Deliveries;
use crate::files::{self, Input};
use crate::output::{human, json};
use crate::{profiles, signer};

pub(super) fn run(args: &MarkArgs) -> Result<Exit, Failure> {
    let config = Config::load()?;
    let profiles = profiles::named(&args.profile, &config)?;
    let deliveries = deliveries(args, &config)?;
    let declaration = config.declaration(&args.declaration)?;
    let options = options(args, &config)?;
    let signer = if args.no_manifest { None } else { signer::load(&args.key, &config)? };
    let inputs = files::collect(&args.named(), args.recursive)?;
    let target = Target::of(args, &inputs)?;
    let job = Job {
        args,
        profiles: &profiles,
        declaration: &declaration,
        options: &options,
        signer: signer.as_ref(),
        deliveries: deliveries.as_ref(),
    };
    let mut exit = Exit::Ok;
    let to_stdout = matches!(target, Target::Stdout);
    batch::run(
        inputs,
        args.jobs,
        args.quiet,
        |input| job.one(input, &target),
        |input, result| exit = exit.and(show(args, input, result, to_stdout)),
    );
    Ok(exit)
}

/// The delivery log of an unlabelled delivery, when that is what was asked for.
fn deliveries(args: &MarkArgs, config: &Config) -> Result<Option<Deliveries>, Failure> {
    let a = &args.article9;
    let Some(agreement) = a.agreement.clone().filter(|r| a.no_explicit && !r.trim().is_empty()) else {
        return if a.no_explicit || a.agreement.is_some() {
            Err(Failure::usage("an unlabelled delivery needs --no-explicit and the reference of an agreement")
                .hint("name the agreement that fixes the recipient's duty to label with --agreement (Labeling Measures Art. 9)"))
        } else {
            Ok(None)
        };
    };
    let configured = config.delivery_log.as_deref().map(|p| config.resolve(p));
    let path = a.delivery_log.clone().or(configured).ok_or_else(|| {
        Failure::usage("an unlabelled delivery is logged, and there is no log")
            .hint("name one with --delivery-log, or as `delivery_log` in colophon.toml")
    })?;
    let recipient = match (&a.recipient, &a.recipient_key) {
        (Some(r), Some(uri)) => {
            Some(colophon::sign::keyed_hash(&colophon::sign::secret_from_uri(uri)?, r.as_bytes()))
        }
        (Some(_), None) => {
            return Err(Failure::usage("a recipient is logged as a keyed hash, and there is no key")
                .hint("name a secret with --recipient-key file:PATH or env:NAME"));
        }
        (None, _) => None,
    };
    Ok(Some(Deliveries {
        path,
        agreement,
        recipient,
        days: a.retain_days,
        writer: std::sync::Mutex::new(()),
    }))
}

fn options(args: &MarkArgs, config: &Config) -> Result<Options, Failure> {
    let mut options = super::options(&args.limit)?;
    options.overrides = overrides(args, &config.label)?;
    args.strength.name().clone_into(&mut options.watermark_strength);
    if let Some(uri) = &args.watermark_key {
        let secret = signer::secrets(std::slice::from_ref(uri))?;
        options.watermark_key = secret.first().cloned();
        // The result is read back, which needs the same secret.
        options.watermark_keys = secret;
    }
    options.best_effort = args.best_effort;
    options.tools.video = VideoEncoding {
        encoder: args.video.encoder.clone(),
        quality: args.video.quality,
        bit_rate: args.video.bitrate,
        drop_dynamic_hdr: args.video.drop_dynamic_hdr,
    };
    Ok(options)
}

fn overrides(args: &MarkArgs, config: &LabelConfig) -> Result<Overrides, Failure> {
    let LabelArgs {
        label,
        label_at,
        label_style,
        label_margin,
        label_opacity,
        label_height,
        label_duration,
        label_closing,
    } = &args.label;
    let percent = |flag: Option<f32>, key: Option<f32>, name: &str, most: f32| match flag.or(key) {
        Some(v) if !(v >= 0.0 && v <= most) => {
            Err(Failure::usage(format!("--label-{name} is a percentage of at most {most}")))
        }
        v => Ok(v.map(|v| v / 100.0)),
    };
    let height = percent(*label_height, config.height, "height", 50.0)?;
    if height == Some(0.0) {
        return Err(Failure::usage("--label-height is a percentage above 0"));
    }
    if label_duration.is_some_and(|d| !(d > 0.0 && d.is_finite())) {
        return Err(Failure::usage("--label-duration is a number of seconds above 0"));
    }
    if label_closing.is_some_and(|d| !(d > 0.0 && d.is_finite())) {
        return Err(Failure::usage("--label-closing is a number of seconds above 0"));
    }
    Ok(Overrides {
        label: match label.as_str() {
            _ if args.article9.no_explicit => LabelChoice::None,
            "auto" => LabelChoice::Auto,
            "none" => LabelChoice::None,
            text => LabelChoice::Text(text.to_owned()),
        },
        at: label_at.map(place).or(config.at),
        look: label_style.map(look).or(config.style),
        margin: percent(*label_margin, config.margin, "margin", 40.0)?,
        opacity: percent(*label_opacity, config.opacity, "opacity", 100.0)?,
        height,
        heard: heard(args)?,
        duration_s: *label_duration,
        closing_s: *label_closing,
        no_watermark: args.no_watermark,
        no_manifest: args.no_manifest,
        existing: match args.on_existing {
            OnExisting::Keep => Existing::Keep,
            OnExisting::Refuse => Existing::Refuse,
            OnExisting::Replace => Existing::Replace,
        },
        allow_noncompliant: args.allow_noncompliant,
        agreement: args.article9.agreement.clone(),
        watermark_unavailable: false,
    })
}

/// What is heard, when a flag says anything about it.
fn heard(args: &MarkArgs) -> Result<Option<AudibleSpec>, Failure> {
    let SoundArgs { voice, voice_clip, heard_at, heard_every, overlay } = &args.sound;
    let said = voice.is_some() || voice_clip.is_some() || heard_at.is_some() || heard_every.is_some();
    if !said && !overlay {
        return Ok(None);
    }
    let sound = match (voice, voice_clip) {
        (Some(tag), _) => {
            let language =
                if tag == "auto" { args.declaration.language.as_deref() } else { Some(tag.as_str()) };
            LabelSound::Spoken { language: language.unwrap_or("en").to_owned() }
        }
        (None, Some(path)) => {
            let file = std::fs::read(path).map_err(|e| Failure::from(e).on(path))?;
            LabelSound::Clip { sha256: colophon::sha256_hex(&file), file }
        }
        (None, None) => LabelSound::Rhythm,
    };
    Ok(Some(AudibleSpec {
        position: match heard_at {
            None | Some(HeardAtArg::Start) => SoundPosition::Start,
            Some(HeardAtArg::Middle) => SoundPosition::Middle,
            Some(HeardAtArg::End) => SoundPosition::End,
        },
        every_s: heard_every.map(|minutes| minutes * 60.0),
        overlay: *overlay,
        sound,
    }))
}

fn place(p: PlaceArg) -> LabelAt {
    match p {
        PlaceArg::TopLeft => LabelAt::TopLeft,
        PlaceArg::Top => LabelAt::Top,
        PlaceArg::TopRight => LabelAt::TopRight,
        PlaceArg::Left => LabelAt::Left,
        PlaceArg::Right => LabelAt::Right,
        PlaceArg::BottomLeft => LabelAt::BottomLeft,
        PlaceArg::Bottom => LabelAt::Bottom,
        PlaceArg::BottomRight => LabelAt::BottomRight,
        PlaceArg::Below => LabelAt::Below,
    }
}

fn look(s: StyleArg) -> LabelLook {
    match s {
        StyleArg::Plate => LabelLook::Plate,
        StyleArg::Outline => LabelLook::Outline,
        StyleArg::Adaptive => LabelLook::Adaptive,
        StyleArg::Pill => LabelLook::Pill,
    }
}

/// Where results go.
enum Target {
    Stdout,
    File(PathBuf),
    Dir(PathBuf),
    InPlace,
    Nowhere,
}

impl Target {
    fn of(args: &MarkArgs, inputs: &[Input]) -> Result<Self, Failure> {
        let stdin = inputs.iter().any(Input::is_stdin);
        if args.dry_run {
            return Ok(Self::Nowhere);
        }
        if let Some(dir) = &args.out_dir {
            // Two inputs of one name would overwrite each other, or stop half-way through a batch.
            let mut seen = BTreeMap::new();
            for input in inputs {
                if let Some(other) = seen.insert(&input.relative, &input.path) {
                    let text = format!("{} and {} have one output", other.display(), input.path.display());
                    return Err(Failure::usage(text)
                        .on(&dir.join(&input.relative))
                        .hint("walk a directory above both with -r, which keeps the tree"));
                }
            }
            return Ok(Self::Dir(dir.clone()));
        }
        if args.in_place {
            return if stdin {
                Err(Failure::usage("standard input cannot be replaced in place"))
            } else {
                Ok(Self::InPlace)
            };
        }
        match (&args.output, inputs) {
            (Some(o), [_]) if o.as_os_str() == "-" => Ok(Self::Stdout),
            (Some(o), [one]) if o.is_dir() && !one.is_stdin() => Ok(Self::File(o.join(&one.relative))),
            (Some(o), [_]) => Ok(Self::File(o.clone())),
            (Some(_), _) => {
                Err(Failure::usage("one output for several inputs").hint("name a directory with --out-dir"))
            }
            (None, [one]) if one.is_stdin() => Ok(Self::Stdout),
            (None, _) => {
                Err(Failure::usage("nowhere to write")
                    .hint("name an output with -o, --out-dir or --in-place"))
            }
        }
    }

    fn path(&self, input: &Input) -> Option<PathBuf> {
        match self {
            Self::Stdout | Self::Nowhere => None,
            Self::File(p) => Some(p.clone()),
            Self::Dir(d) => Some(d.join(&input.relative)),
            Self::InPlace => Some(input.path.clone()),
        }
    }
}

struct Job<'a> {
    args: &'a MarkArgs,
    profiles: &'a Profiles,
    declaration: &'a Declaration,
    options: &'a Options,
    signer: Option<&'a CertifiedSigner>,
    deliveries: Option<&'a Deliveries>,
}

/// What became of one input.
enum Done {
    Planned(Box<colophon::Plan>),
    Marked { marked: Box<MarkedFile>, output: Option<PathBuf>, sidecar: Option<PathBuf> },
}

impl Job<'_> {
    fn one(&self, input: &Input, target: &Target) -> Result<Done, Failure> {
        self.try_one(input, target).map_err(|e| e.on(&input.path))
    }

    fn try_one(&self, input: &Input, target: &Target) -> Result<Done, Failure> {
        let output = target.path(input);
        let overwrite = self.args.force || self.args.in_place;
        if let Some(path) = output.as_deref().filter(|p| !overwrite && p.exists()) {
            let e = colophon::Error::new(colophon::ErrorKind::Conflict, "the output exists already");
            return Err(Failure::from(e).on(path).hint("overwrite it with --force"));
        }
        let mut options = self.options.clone();
        options.hint = Some(match (&self.args.name, input.is_stdin()) {
            (Some(name), true) => name.clone(),
            _ => input.relative.display().to_string(),
        });
        if !input.is_stdin()
            && let Some(path) = files::sidecar_of(&input.path)
        {
            options.sidecar = Some(std::fs::read(&path).map_err(|e| Failure::from(e).on(&path))?);
        }
        let signer = self.signer.map(|s| s as &dyn Signer);
        if let Some(output) = output.as_deref() {
            let large = large::Job {
                declaration: self.declaration,
                profiles: self.profiles,
                options: &options,
                signer,
                deliveries: self.deliveries,
                overwrite,
            };
            if let Some((marked, sidecar)) = large.mark(input, output)? {
                let (marked, output) = (Box::new(marked), Some(output.to_owned()));
                return Ok(Done::Marked { marked, output, sidecar });
            }
        }
        let bytes = input.read(self.options.limits.input_bytes)?;
        if matches!(target, Target::Nowhere) {
            let plan = colophon::plan(&bytes, self.declaration, self.profiles, &options)?;
            return Ok(Done::Planned(Box::new(plan)));
        }
        let marked = colophon::mark(&bytes, self.declaration, self.profiles, signer, &options)?;
        if let Some(log) = self.deliveries {
            log.record(&marked.record, &marked.report, &self.options.now)?;
        }
        let written = write(&marked, output.as_deref(), overwrite)?;
        let Marked { sidecar, plan, record, report, .. } = marked;
        let marked = Box::new(MarkedFile { sidecar, plan, record, report });
        Ok(Done::Marked { marked, output, sidecar: written })
    }
}

/// The manifest beside the file goes first: a file that names no manifest is honest, one without its manifest is not.
fn write(marked: &Marked, output: Option<&Path>, overwrite: bool) -> Result<Option<PathBuf>, Failure> {
    let Some(output) = output else {
        if marked.sidecar.is_some() {
            return Err(Failure::usage(
                "the manifest of this format stands beside the file, and standard output is no file",
            )
            .hint("name a file with -o, or leave the manifest out with --no-manifest"));
        }
        files::write_stdout(&marked.bytes, marked.report.subject.media == Media::Text)?;
        return Ok(None);
    };
    if let Some(dir) = output.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).map_err(|e| Failure::from(e).on(dir))?;
    }
    let sidecar = match &marked.sidecar {
        Some(store) => {
            let path = files::appended(output, ".c2pa");
            files::write_atomically(&path, store, overwrite)?;
            Some(path)
        }
        None => None,
    };
    if let Err(e) = files::write_atomically(output, &marked.bytes, overwrite) {
        if let Some(path) = &sidecar {
            // Nothing half-written: the manifest of a file that could not be written goes again.
            let _ = std::fs::remove_file(path);
        }
        return Err(e);
    }
    Ok(sidecar)
}

fn show(args: &MarkArgs, input: &Input, result: Result<Done, Failure>, to_stdout: bool) -> Exit {
    let name = input.path.display().to_string();
    match result {
        Err(e) => {
            if args.json {
                json::line(&json::error(&e));
            } else {
                human::error(&e);
            }
            e.exit
        }
        Ok(Done::Planned(plan)) => {
            if args.json {
                json::line(&json!({"type": "plan", "input": name, "plan": plan}));
            } else {
                human::plan(&name, &plan);
            }
            Exit::Ok
        }
        Ok(Done::Marked { marked, output, sidecar }) => {
            let skipped =
                marked.plan.notes.iter().any(|n| matches!(n.code.as_str(), "no-label" | "no-watermark"))
                    && args.best_effort;
            if args.json && !to_stdout {
                json::line(&json!({
                    "type": "marked", "input": name, "output": output, "sidecar": sidecar,
                    "plan": marked.plan, "record": marked.record, "report": marked.report,
                }));
            } else if !args.quiet && !to_stdout {
                let mut detail = human::summary(&marked.report);
                if let Some(path) = &sidecar {
                    detail = format!("{detail}; manifest in {}", path.display());
                }
                let shown = output.map_or(name, |p| p.display().to_string());
                human::status(human::Word::Ok, &shown, &detail);
                for note in marked.plan.notes.iter().filter(|n| n.code != "manifest-carrier") {
                    human::plain(&format!("      note: {}", note.text));
                }
            }
            if skipped { Exit::Partial } else { Exit::Ok }
        }
    }
}
