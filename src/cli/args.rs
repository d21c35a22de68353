//! Commands and options, as typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// What people come to your LLM product for, where it breaks, and what happens to them afterwards.
///
/// Reads a night's export of conversations, on this machine, without a network, and writes one page.
#[derive(Debug, Parser)]
#[command(name = "undertone", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Print nothing but data and errors.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Log what is done (twice: in detail). Conversation text is never logged.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// No progress bars.
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Worker threads; 0 for one per core. Changes no result.
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    pub threads: usize,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulate a product's month, analyse it, and print the findings.
    Demo(Demo),
    /// Write a commented undertone.toml.
    Init(Init),
    /// Check config and inputs, and show what would be read.
    Check(Inputs),
    /// Analyse an export and publish a run directory.
    Run(Inputs),
    /// Sweep theme counts and densities, show the curves, print the TOML to paste.
    Tune(Tune),
    /// Put new conversations into a run's themes, without fitting anything anew.
    Assign(Assign),
    /// List a run's themes, and change them by hand: changes hold from the next run on.
    Themes(Themes),
    /// Print a run's report.
    Report(Report),
    /// Show a run's themes, a theme, a conversation or a user.
    Show(Show),
    /// Write simulated conversations and activity, with the truth beside them.
    Simulate(Simulate),
    /// Turn texts into vectors.
    ///
    /// A text's vector depends on nothing but the text. Each comes out as soon as no more input waits, so a program
    /// may send a line and wait for its vector.
    ///
    /// Other fields are carried along. JSON Lines to JSON Lines: as they are spelled, but for a `vector`, which
    /// the new one replaces. Parquet: every column, with its type; null or non-UTF-8 texts are unusable. JSON Lines to
    /// Parquet: fields of the first 2,048 lines become columns: booleans, integers, numbers (f64), or text, with
    /// objects, arrays and mixed values in their JSON spelling; what comes later and has no column, or does not
    /// fit it, goes into the column `_rest` as JSON.
    ///
    /// Lines that cannot be used are counted, and the first are named on stderr with their reason. Past
    /// --max-reject-share the exit code is 2: on standard output all other vectors have been written; for `--out
    /// v.jsonl` they are in v.incomplete.jsonl, and what was called v.jsonl stays. Where --out is the input
    /// itself, a single unusable line counts as too many. An input that is cut off gives every whole line before the
    /// cut, and a warning.
    Embed(Embed),
    /// The sentence-transformer: list, fetch, verify; train the tone head.
    Model(Model),
    /// Score the program against labelled data.
    Evaluate(Evaluate),
}

/// `demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// Folder for the simulated data and the run.
    #[arg(long, default_value = "undertone-demo", value_name = "DIR")]
    pub out: PathBuf,
    /// Seed of the simulation.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Conversations to simulate.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    pub conversations: usize,
}

/// `init`
#[derive(Debug, Args)]
pub struct Init {
    /// File to write; `-` prints it.
    #[arg(default_value = "undertone.toml")]
    pub file: PathBuf,
    /// Overwrite an existing file.
    #[arg(long)]
    pub force: bool,
}

/// `run` and `check`
#[derive(Debug, Args)]
pub struct Inputs {
    /// The config; without it undertone.toml if there is one, else defaults.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Files or patterns of conversations, in place of the config's.
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    pub conversations: Vec<String>,
    /// The activity table (CSV or Parquet: user_id, at).
    #[arg(long, value_name = "FILE")]
    pub activity: Option<PathBuf>,
    /// Folder of run directories.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// First date used (YYYY-MM-DD).
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
    /// Last date used.
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `tune`
#[derive(Debug, Args)]
pub struct Tune {
    /// The config; without it undertone.toml if there is one, else that of RUN, else defaults.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Files or patterns of conversations, in place of the config's.
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    pub conversations: Vec<String>,
    /// Run whose vectors to use; without it the newest one, if it is of the same input.
    #[arg(long, value_name = "RUN")]
    pub run: Option<PathBuf>,
    /// SVG file for the picture.
    #[arg(long, default_value = "tune.svg", value_name = "FILE")]
    pub out: PathBuf,
    /// Print one JSON object in place of tables and plots.
    #[arg(long)]
    pub json: bool,
}

/// `assign`
#[derive(Debug, Args)]
pub struct Assign {
    /// Run directory, e.g. runs/latest.
    pub run: PathBuf,
    /// Files or patterns of conversations.
    #[arg(long, value_name = "GLOB", num_args = 1.., required = true)]
    pub conversations: Vec<String>,
    /// `.parquet` or JSON Lines; `-` writes JSON Lines to standard output.
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub out: PathBuf,
}

/// `themes`
#[derive(Debug, Args)]
pub struct Themes {
    /// Run directory, e.g. runs/latest.
    pub run: PathBuf,
    #[command(subcommand)]
    pub action: ThemesAction,
}

/// What to do with themes. THEME is an id (`t-000017` or `17`) or a name.
#[derive(Debug, Subcommand)]
pub enum ThemesAction {
    /// The themes as they are with all changes applied.
    List {
        /// Hidden, retired and replaced ones too.
        #[arg(long)]
        all: bool,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give a theme a name that it keeps.
    Rename {
        /// The theme.
        theme: String,
        /// Its name.
        name: String,
    },
    /// Put a theme's conversations, now and later, into another theme.
    Merge {
        /// The theme that goes.
        theme: String,
        /// The theme that stays.
        into: String,
    },
    /// Split a theme in two where its conversations part most clearly.
    Split {
        /// The theme.
        theme: String,
    },
    /// Keep a theme as it is, whatever is found.
    Pin {
        /// The theme.
        theme: String,
    },
    /// Let a pinned theme go its way again.
    Unpin {
        /// The theme.
        theme: String,
    },
    /// Leave a theme out of reports.
    Hide {
        /// The theme.
        theme: String,
    },
    /// Show a hidden theme again.
    Unhide {
        /// The theme.
        theme: String,
    },
    /// Take back the newest change.
    Undo,
}

/// Form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The page.
    Html,
    /// Markdown.
    Md,
    /// Everything, for programs.
    Json,
}

/// `report`
#[derive(Debug, Args)]
pub struct Report {
    /// Run directory, e.g. runs/latest.
    pub run: PathBuf,
    /// Form of the report.
    #[arg(long, value_enum, default_value = "md")]
    pub format: Format,
}

/// `show`
#[derive(Debug, Args)]
pub struct Show {
    /// Run directory, e.g. runs/latest.
    pub run: PathBuf,
    /// A theme's number or name, a conversation id, or a user id; without it, all themes.
    pub what: Option<String>,
    /// Print as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `simulate`
#[derive(Debug, Args)]
pub struct Simulate {
    /// How many conversations.
    #[arg(long, value_name = "N")]
    pub conversations: usize,
    /// Seed.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// TOML that changes the simulated world.
    #[arg(long, value_name = "FILE")]
    pub world: Option<PathBuf>,
    /// Folder for conversations.jsonl, activity.csv and truth.json.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// What an input of `embed` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InputFormat {
    /// Parquet by its first bytes or its name; else each line for itself: one that begins with `{` is a JSON
    /// object, any other is the text.
    Auto,
    /// Every line is a text, whatever it begins with.
    Text,
    /// Every line is a JSON object; blank lines are skipped.
    Jsonl,
    /// A table.
    Parquet,
}

/// `embed`
#[derive(Debug, Args)]
pub struct Embed {
    /// One text a line, JSON Lines or Parquet, lines also in gzip or zstd; `-` reads standard input.
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub input: PathBuf,
    /// What the input is.
    #[arg(long, value_enum, default_value = "auto")]
    pub format: InputFormat,
    /// The field of JSON Lines, or the column, that holds the text.
    #[arg(long, default_value = "text", value_name = "NAME")]
    pub text_field: String,
    /// Share of unusable lines (0 to 1) past which the command fails.
    #[arg(long, default_value_t = 0.01, value_name = "SHARE", value_parser = share)]
    pub max_reject_share: f64,
    /// `.parquet` (f32 vectors) or JSON Lines; `-` writes JSON Lines to standard output.
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub out: PathBuf,
    /// `bundled`, a model folder, or `owner/name@revision` on the hub.
    #[arg(long, default_value = "bundled")]
    pub model: String,
    /// One of the model's own prompts, by name, put before every text.
    #[arg(long, value_name = "NAME", conflicts_with = "prompt_text")]
    pub prompt: Option<String>,
    /// Words put before every text.
    #[arg(long, value_name = "WORDS")]
    pub prompt_text: Option<String>,
    /// What computes: `auto`, `kernel`, or `candle`, the f32 reference.
    #[arg(long, default_value = "auto", value_name = "NAME")]
    pub backend: String,
    /// The kernel's instructions: `auto`, `amx`, `avx512-vnni`, `avx512`, `avx2`, `neon` or `portable`; all give the same bits.
    #[arg(long, default_value = "auto", value_name = "NAME")]
    pub instructions: String,
    /// Print texts, tokens and seconds as one JSON object on stdout; goes with `--out FILE`.
    #[arg(long)]
    pub json: bool,
}

fn share(word: &str) -> Result<f64, String> {
    let share = word.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be a number from 0 to 1".into())
}

/// `model`
#[derive(Debug, Args)]
pub struct Model {
    #[command(subcommand)]
    pub action: ModelAction,
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum ModelAction {
    /// The models on this machine: in the binary, in a folder, in the Hugging Face cache.
    List {
        /// Folder of model folders.
        #[arg(long, default_value = "models", value_name = "DIR")]
        folder: PathBuf,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check a model's files against their recorded hashes; never uses the network.
    Verify {
        /// `bundled`, a model folder, or owner/name[@revision] in the Hugging Face cache.
        #[arg(default_value = "bundled")]
        model: String,
    },
    /// Put a sentence-transformer of the Hugging Face hub into a folder, with its origin and hashes.
    ///
    /// HF_HOME says where the cache is, HF_ENDPOINT which hub is asked, HF_HUB_OFFLINE=1 that none is.
    Fetch {
        /// Hub id, e.g. BAAI/bge-small-en-v1.5, or owner/name@revision.
        id: String,
        /// Branch, tag or commit; only a commit hash stays what it is [default: main].
        #[arg(long, value_name = "REV")]
        revision: Option<String>,
        /// Folder to put the files in [default: models/NAME].
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// What the weights' sha256 must be.
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// Take the model from the cache alone.
        #[arg(long)]
        offline: bool,
    },
    /// Train the tone head from labelled texts, print its scores, write it.
    TrainTone {
        /// CSV with text, label (negative, neutral, positive) and split (train, dev, test).
        data: PathBuf,
        /// Folder for head.safetensors.
        #[arg(long, default_value = "models/tone", value_name = "DIR")]
        out: PathBuf,
    },
}

/// What to score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// Themes against labels of texts or conversations.
    Themes,
}

/// `evaluate`
#[derive(Debug, Args)]
pub struct Evaluate {
    /// What to score.
    #[arg(value_enum)]
    pub subject: Subject,
    /// CSV or JSON Lines with `text` and the label, or conversations with the label under `labels`.
    pub file: PathBuf,
    /// Name of the label column or key.
    #[arg(long, default_value = "label")]
    pub label: String,
    /// Only rows whose `split` is this.
    #[arg(long)]
    pub split: Option<String>,
    /// Number of themes; never given unless this is.
    #[arg(long)]
    pub k: Option<usize>,
    /// The config whose `[embed]`, `[themes]` and `seed` to use.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
