//! `colophon verify` and `colophon inspect`.

use colophon::exit::Exit;
use colophon::{Options, Outcome, Profiles, Report};
use serde_json::{Value, json};

use super::{batch, result, trust};
use crate::advice::Failure;
use crate::args::{InputArgs, OutputFormat, Undetermined, VerifyArgs};
use crate::config::Config;
use crate::files::{self, Input};
use crate::output::tools::{self, Row};
use crate::output::{human, json};
use crate::{profiles, signer};

pub(super) fn verify(args: &VerifyArgs) -> Result<Exit, Failure> {
    let config = Config::load()?;
    if let Some(path) = &args.result {
        return result::check(path, args, &config, &args.input.trust.pubkey);
    }
    let profiles = profiles::named(&args.profile, &config)?;
    let judge = |r: &Report| {
        let bad = r.verdicts.iter().any(|v| match v.outcome {
            Outcome::Fail => true,
            Outcome::Undetermined => args.undetermined == Undetermined::Fail,
            _ => false,
        });
        if bad && !args.exit_zero { Exit::Finding } else { Exit::Ok }
    };
    let mut reports = Vec::new();
    let mut now = String::new();
    let keep = args.report.is_some();
    let exit = run(&args.input, &config, Some(&profiles), judge, |report, options| {
        if keep {
            now.clone_from(&options.now);
            reports.push(report.clone());
        }
    })?;
    if let Some(path) = &args.report {
        // An input that could not be examined has no result; the exit code says so.
        if !reports.is_empty() {
            result::write(path, &reports, args, &config, &now)?;
        }
    }
    Ok(exit)
}

pub(super) fn inspect(args: &InputArgs) -> Result<Exit, Failure> {
    run(args, &Config::load()?, None, |_| Exit::Ok, |_, _| ())
}

fn run(
    args: &InputArgs,
    config: &Config,
    profiles: Option<&Profiles>,
    judge: impl Fn(&Report) -> Exit,
    mut seen: impl FnMut(&Report, &Options),
) -> Result<Exit, Failure> {
    let options = options(args, config)?;
    let inputs = files::collect(&args.named(), args.recursive)?;
    let format = args.output();
    let many = inputs.len() > 1 || args.recursive;
    let mut collected: Vec<Value> = Vec::new();
    let mut rows: Vec<Row> = Vec::new();
    let (mut exit, mut failed, mut total) = (Exit::Ok, 0_usize, 0_usize);
    if format == OutputFormat::Jsonl {
        json::line(
            &json!({"type": "begin", "inputs": inputs.len(), "tool": concat!("colophon/", env!("CARGO_PKG_VERSION"))}),
        );
    }
    batch::run(
        inputs,
        args.jobs,
        format != OutputFormat::Human,
        |input| one(args, input, profiles, &options).map_err(|e| e.on(&input.path)),
        |_, result| {
            total += 1;
            let this = match &result {
                Ok(report) => {
                    seen(report, &options);
                    judge(report)
                }
                Err(e) => e.exit,
            };
            exit = exit.and(this);
            failed += usize::from(this != Exit::Ok);
            match (format, &result) {
                (OutputFormat::Human, Ok(report)) if many && args.verbose == 0 => {
                    human::brief(report, profiles.map(|_| word(report)));
                }
                (OutputFormat::Human, Ok(report)) => {
                    human::report(report, args.verbose, profiles.map(|_| word(report)));
                }
                (OutputFormat::Human, Err(e)) => human::error(e),
                (OutputFormat::Json, Ok(report)) => collected.push(json!(report)),
                (OutputFormat::Crjson, Ok(report)) => collected.push(colophon::crjson(report)),
                (OutputFormat::Json | OutputFormat::Crjson, Err(e)) => collected.push(json::error(e)),
                (OutputFormat::Jsonl, Ok(report)) => json::line(&json!({"type": "report", "report": report})),
                (OutputFormat::Jsonl, Err(e)) => json::line(&json::error(e)),
                _ => rows.push(Row::of(&result)),
            }
        },
    );
    match format {
        OutputFormat::Json | OutputFormat::Crjson if many => json::pretty(&collected),
        OutputFormat::Json | OutputFormat::Crjson => collected.first().into_iter().for_each(json::pretty),
        OutputFormat::Jsonl => {
            json::line(&json!({"type": "summary", "inputs": total, "failed": failed, "exit": exit.code()}));
        }
        OutputFormat::Human if many => {
            human::plain(&format!("{total} inputs, {failed} with findings or errors"));
        }
        OutputFormat::Human => {}
        _ => {
            if let Some(text) = tools::document(format, &rows) {
                human::raw(&text);
            }
        }
    }
    Ok(exit)
}

fn options(args: &InputArgs, config: &Config) -> Result<Options, Failure> {
    let mut options = super::options(&args.limit)?;
    options.trust = trust::gather(&args.trust, config)?;
    options.watermark_keys = signer::secrets(&args.watermark_key)?;
    options.content = !args.metadata_only;
    options.crjson = args.output() == OutputFormat::Crjson;
    if options.crjson && cfg!(not(feature = "c2pa")) {
        return Err(Failure::usage("this build reads no manifests: crjson needs the feature c2pa"));
    }
    if let Some(path) = &args.sidecar {
        options.sidecar = Some(std::fs::read(path).map_err(|e| Failure::from(e).on(path))?);
    }
    Ok(options)
}

fn one(
    args: &InputArgs,
    input: &Input,
    profiles: Option<&Profiles>,
    options: &Options,
) -> Result<Report, Failure> {
    let mut options = options.clone();
    options.hint = Some(match (&args.name, input.is_stdin()) {
        (Some(name), true) => name.clone(),
        (None, true) => "-".to_owned(),
        _ => input.path.display().to_string(),
    });
    if options.sidecar.is_none()
        && !input.is_stdin()
        && let Some(path) = files::sidecar_of(&input.path)
    {
        options.sidecar = Some(std::fs::read(&path).map_err(|e| Failure::from(e).on(&path))?);
    }
    if let Some(source) = input.file() {
        return Ok(match profiles {
            Some(profiles) => colophon::verify_file(&source, profiles, &options)?,
            None => colophon::inspect_file(&source, &options)?,
        });
    }
    let bytes = input.read(options.limits.input_bytes)?;
    Ok(match profiles {
        Some(profiles) => colophon::verify(&bytes, profiles, &options)?,
        None => colophon::inspect(&bytes, &options)?,
    })
}

fn word(report: &Report) -> human::Word {
    if report.count(Outcome::Fail) > 0 {
        human::Word::Fail
    } else if report.count(Outcome::Undetermined) > 0 {
        human::Word::Unknown
    } else {
        human::Word::Ok
    }
}
