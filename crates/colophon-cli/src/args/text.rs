//! Arguments of `colophon text`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum TextCommand {
    /// Add the label line to text while it streams through.
    Label(TextLabelArgs),
    /// Look for watermarks placed while the text was generated; exits 0 at or below the threshold, 1 above, 3 where
    /// the text is too short or cannot be read.
    Detect(DetectArgs),
    /// Make a key for a watermark, or print one as its engine takes it.
    Keygen(KeygenArgs),
    /// Try a key on text known to be unmarked, and list phrases that look marked by chance.
    Keyscreen(KeyscreenArgs),
    /// List characters that are not seen, and manifests made of them.
    Inspect(TextInspectArgs),
}

/// Add the label line to text while it streams through.
#[derive(Args, Debug)]
pub(crate) struct TextLabelArgs {
    /// The text; standard input by default.
    #[arg(value_name = "INPUT", default_value = "-")]
    pub(crate) input: PathBuf,
    /// The result; standard output by default.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    /// What the text is; by file name, else plain text.
    #[arg(long = "as", value_name = "KIND")]
    pub(crate) kind: Option<TextKindArg>,
    /// Where the label goes.
    #[arg(long, value_name = "PLACE", default_value = "start")]
    pub(crate) at: TextPlaceArg,
    /// The words of the label.
    #[arg(long, value_name = "TEXT", conflicts_with = "language")]
    pub(crate) words: Option<String>,
    /// Language of the label (BCP 47), or `auto` for that of the text.
    #[arg(long, value_name = "TAG", default_value = "auto")]
    pub(crate) language: String,
    /// Overwrite an existing output.
    #[arg(long)]
    pub(crate) force: bool,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextKindArg {
    /// Plain text.
    Plain,
    /// Markdown.
    Markdown,
    /// A page; read whole.
    Html,
    /// Subtitles.
    Srt,
    /// Subtitles.
    Vtt,
    /// The JSON answer of a chat service.
    Json,
    /// Server-sent events of a chat service.
    Sse,
}

/// Where a label goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextPlaceArg {
    /// First.
    Start,
    /// Last.
    End,
    /// First and last.
    Both,
}

/// Which keys to use.
#[derive(Args, Debug)]
pub(crate) struct RingArgs {
    /// Keys to try, as made by `colophon text keygen`.
    #[arg(long, value_name = "FILE", required_unless_present = "scheme")]
    pub(crate) keys: Vec<PathBuf>,
    /// One scheme instead, with --config.
    #[arg(long, value_name = "NAME", requires = "config", conflicts_with = "keys")]
    pub(crate) scheme: Option<String>,
    /// Parameters and key of --scheme, JSON, with the names the engine uses.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Use keys that are printed in documentation all the same; everybody could have marked such a text.
    #[arg(long)]
    pub(crate) allow_published_key: bool,
}

/// How text becomes tokens.
#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    /// The model's tokenizer.json.
    #[arg(long, value_name = "FILE")]
    pub(crate) tokenizer: Option<PathBuf>,
    /// SHA-256 the tokenizer must have.
    #[arg(long, value_name = "HEX", requires = "tokenizer")]
    pub(crate) tokenizer_sha256: Option<String>,
    /// Inputs hold token ids: numbers between spaces, commas and brackets.
    #[arg(long, conflicts_with = "tokenizer")]
    pub(crate) tokens: bool,
    /// Number of ids of the model; larger ids are refused.
    #[arg(long, value_name = "N")]
    pub(crate) vocabulary: Option<u32>,
    /// Longest input in bytes. Without it `detect` takes inputs of any length, those above 32 MiB in pieces.
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_bytes: Option<u64>,
}

impl TokenArgs {
    /// Longest input that is held in memory, in bytes.
    pub(crate) fn held(&self) -> u64 {
        self.max_bytes.unwrap_or(32 << 20)
    }
}

/// Look for watermarks placed while the text was generated.
#[derive(Args, Debug)]
pub(crate) struct DetectArgs {
    /// Files; standard input by default.
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) ring: RingArgs,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
    /// Standard input has lines `{"id":…,"tokens":[…],"prompt":[…]}`; one line `{"id":…,"p_value":…}` is written for
    /// each. The exit code tells only whether all could be read.
    #[arg(long, conflicts_with_all = ["inputs", "tokenizer", "tokens", "json"])]
    pub(crate) jsonl: bool,
    /// Phrases to leave out, from `colophon text keyscreen`.
    #[arg(long, value_name = "FILE")]
    pub(crate) ignore: Option<PathBuf>,
    /// The p-value at which the exit code becomes 0, as log10.
    #[arg(long, value_name = "LOG10_P", default_value_t = -6.0, allow_negative_numbers = true)]
    pub(crate) threshold: f64,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Make a key for a watermark, or print one as its engine takes it.
#[derive(Args, Debug)]
pub(crate) struct KeygenArgs {
    /// The key file; a key is added when it exists.
    #[arg(short, long, value_name = "FILE", required_unless_present = "export")]
    pub(crate) output: Option<PathBuf>,
    /// Scheme the key is for.
    #[arg(long, value_name = "NAME", default_value = "vllm_gumbel")]
    pub(crate) scheme: String,
    /// Name of the key: tenant, model, epoch.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) name: String,
    /// Print this key of --keys with its parameters, secret included, as the engine takes it.
    #[arg(long, value_name = "NAME", requires = "keys")]
    pub(crate) export: Option<String>,
    /// The key file to export from.
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,
}

/// Try a key on text known to be unmarked.
#[derive(Args, Debug)]
pub(crate) struct KeyscreenArgs {
    /// Texts known to be unmarked, one document a file.
    #[arg(value_name = "INPUT", required = true)]
    pub(crate) inputs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) ring: RingArgs,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
    /// Write the phrases worth leaving out, for `detect --ignore`.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite an existing output.
    #[arg(long)]
    pub(crate) force: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// List characters that are not seen.
#[derive(Args, Debug)]
pub(crate) struct TextInspectArgs {
    /// The text; standard input by default.
    #[arg(value_name = "INPUT", default_value = "-")]
    pub(crate) input: PathBuf,
    /// List ordinary ones too: selectors and joiners of emoji, variants of Chinese characters.
    #[arg(short, long)]
    pub(crate) all: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
