//! The TOML that a team tunes, and the checked plan made from it.

mod keys;
mod plan;
pub mod template;

use serde::{Deserialize, Serialize};

use crate::embed::EncodeParams;
use crate::read::Mapping;
use crate::signal::SignalParams;

pub use plan::{Plan, Problem, Problems, ReportParams};

/// `undertone.toml` as written. Every key has a default; unknown keys are errors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Seed of every random choice.
    pub seed: u64,
    /// What is analysed.
    pub product: Product,
    /// What is read.
    pub input: Input,
    /// Where runs go.
    pub output: Output,
    /// How it runs; changes no result.
    pub engine: EngineConfig,
    /// The sentence-transformer.
    pub embed: EmbedConfig,
    /// Embeddings kept from night to night; changes no result.
    pub cache: CacheConfig,
    /// How themes are found.
    pub themes: ThemesConfig,
    /// Thresholds of signals.
    pub signals: SignalParams,
    /// Retention and effects.
    pub outcomes: OutcomesConfig,
    /// What the report shows.
    pub report: ReportParams,
}

/// `[product]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Product {
    /// Name on the report.
    pub name: String,
    /// IANA zone whose calendar decides what a day is.
    pub timezone: String,
}

impl Default for Product {
    fn default() -> Product {
        Product { name: "Conversations".into(), timezone: "UTC".into() }
    }
}

/// `[input]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// Files or patterns of conversations.
    pub conversations: Vec<String>,
    /// The activity table; empty for none.
    pub activity: String,
    /// `auto`, or one format for all files.
    pub format: String,
    /// First date of conversations used (`YYYY-MM-DD`); empty for no limit.
    pub since: String,
    /// Last date of conversations used; empty for no limit.
    pub until: String,
    /// Share of records that may be rejected before the run fails, 0..=1.
    pub max_reject_share: f64,
    /// Where ids and times are, when not in the usual places.
    pub map: Mapping,
    /// What the activity table's columns are called.
    pub activity_columns: ActivityColumnsConfig,
}

impl Default for Input {
    fn default() -> Input {
        Input {
            conversations: Vec::new(),
            activity: String::new(),
            format: "auto".into(),
            since: String::new(),
            until: String::new(),
            max_reject_share: 0.01,
            map: Mapping::default(),
            activity_columns: ActivityColumnsConfig::default(),
        }
    }
}

/// `[input.activity_columns]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActivityColumnsConfig {
    /// Who.
    pub user_id: String,
    /// When.
    pub at: String,
    /// What they did.
    pub event: String,
}

impl Default for ActivityColumnsConfig {
    fn default() -> ActivityColumnsConfig {
        ActivityColumnsConfig { user_id: "user_id".into(), at: "at".into(), event: "event".into() }
    }
}

/// `[output]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// Folder of run directories.
    pub dir: String,
}

impl Default for Output {
    fn default() -> Output {
        Output { dir: "runs".into() }
    }
}

/// `[engine]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Worker threads; 0 for one per core.
    pub threads: usize,
    /// MiB that joins and sorts may hold before they spill; 0 for no limit.
    pub memory_limit_mib: usize,
}

/// `[embed]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbedConfig {
    /// `bundled`, a model folder, or a hub id `owner/name@revision` (feature `hub`).
    pub model: String,
    /// Name of one of the model's own prompts, put before every text; empty for the model's default.
    pub prompt: String,
    /// Words put before every text instead, where the model names its prompts in its card only.
    pub prompt_text: String,
    /// `auto`, `kernel` or `candle`.
    pub backend: String,
    /// Tokens of one forward pass; changes no result.
    pub batch_tokens: usize,
}

impl Default for EmbedConfig {
    fn default() -> EmbedConfig {
        EmbedConfig {
            model: "bundled".into(),
            prompt: String::new(),
            prompt_text: String::new(),
            backend: "auto".into(),
            batch_tokens: EncodeParams::default().batch_tokens,
        }
    }
}

/// `[cache]`: embeddings kept from night to night; changes no result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// `auto` (embeddings.redb in the folder of runs), a file, or empty for no cache. A file that is
    /// no cache, or an input, is refused; one that may only be read is read; one that another process
    /// holds is waited for 10 s in all.
    pub file: String,
    /// MiB above which what was used longest ago is dropped.
    pub max_mib: u64,
}

impl Default for CacheConfig {
    fn default() -> CacheConfig {
        CacheConfig { file: "auto".into(), max_mib: 2048 }
    }
}

/// `[themes]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThemesConfig {
    /// `ward`, `kmeans`, `minibatch`, `dbscan` or `hdbscan`.
    pub algorithm: String,
    /// Number of themes (Ward, k-means): `"auto"` or a number.
    pub k: Count,
    /// Largest number that `auto` considers.
    pub k_max: Count,
    /// Neighbourhood radius (DBSCAN, Euclidean distance of unit vectors, 0..=2): `"auto"` or a number.
    pub eps: Radius,
    /// Neighbours that make a dense point (DBSCAN), at least 2.
    pub min_points: usize,
    /// Fewest conversations of a theme (HDBSCAN), at least 2.
    pub min_cluster_size: usize,
    /// Neighbours that a core distance reaches over (HDBSCAN): `"auto"` (`min_cluster_size`) or a number.
    pub min_samples: Count,
    /// Largest share of conversations left in no theme (DBSCAN, HDBSCAN), 0..=1: those over it move to the
    /// nearest theme, nearest first. 1 leaves them as the algorithm says.
    pub max_outliers: f64,
    /// Whose code fits k-means and DBSCAN: `blocked` or `linfa`.
    pub engine: String,
}

impl Default for ThemesConfig {
    fn default() -> ThemesConfig {
        ThemesConfig {
            algorithm: "ward".into(),
            k: Count::default(),
            k_max: Count::default(),
            eps: Radius::default(),
            min_points: 8,
            min_cluster_size: 10,
            min_samples: Count::default(),
            max_outliers: 1.0,
            engine: "blocked".into(),
        }
    }
}

/// A number, or `"auto"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Count {
    /// That many.
    Fixed(usize),
    /// A word; only `auto` is one.
    Word(String),
}

impl Default for Count {
    fn default() -> Count {
        Count::Word("auto".into())
    }
}

/// A distance, or `"auto"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Radius {
    /// That far.
    Fixed(f64),
    /// A word; only `auto` is one.
    Word(String),
}

impl Default for Radius {
    fn default() -> Radius {
        Radius::Word("auto".into())
    }
}

/// `[outcomes]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutcomesConfig {
    /// L: days after the first conversation in which exposure is looked for.
    pub window_days: u32,
    /// Fewest distinct users on either side of a comparison that is shown.
    pub k_anonymity: u64,
    /// Largest difference in a rate that counts as none, 0..1.
    pub margin: f64,
    /// False discovery rate, 0..1.
    pub alpha: f64,
    /// Days every user is followed for unbounded outcomes.
    pub follow_up_days: u32,
    /// Last complete date of the activity (`YYYY-MM-DD`); empty for the day before its last event.
    pub last_complete_date: String,
}

impl Default for OutcomesConfig {
    fn default() -> OutcomesConfig {
        let usual = crate::outcome::OutcomeParams::default();
        OutcomesConfig {
            window_days: usual.window_days,
            k_anonymity: usual.k_anonymity,
            margin: usual.margin,
            alpha: usual.alpha,
            follow_up_days: usual.follow_up_days,
            last_complete_date: String::new(),
        }
    }
}

impl Config {
    /// Parses a TOML text; every unknown key and the first mistyped value are reported.
    pub fn parse(text: &str) -> Result<Config, Problems> {
        let mut problems = keys::unknown_keys(text);
        match toml::from_str::<Config>(&keys::without_unknown(text)) {
            Ok(config) if problems.is_empty() => return Ok(config),
            Ok(_) => {}
            Err(error) => problems.push(keys::type_problem(text, &error)),
        }
        Err(Problems(problems))
    }

    /// The config as TOML, every key written out.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}
