//! A config with every value checked and every word turned into what it names.

use std::fmt;
use std::path::PathBuf;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{Config, Count, Radius};
use crate::embed::cache::CacheParams;
use crate::embed::model::Prompt;
use crate::embed::{Backend, EncodeParams, Model, ModelError, ModelSource};
use crate::outcome::OutcomeParams;
use crate::read::activity::ActivityColumns;
use crate::read::{Format, ReadParams};
use crate::signal::SignalParams;
use crate::theme::{Algorithm, Engine, K, ThemeParams};

/// `[report]`: what the report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportParams {
    /// Example conversations of each theme.
    pub examples_per_theme: usize,
    /// Conversations shown as evidence of each finding.
    pub evidence_per_finding: usize,
    /// Characters of a turn that are shown.
    pub max_turn_chars: usize,
    /// Turns of a conversation that are shown; turns that signals cite are kept first.
    pub max_turns: usize,
}

impl Default for ReportParams {
    fn default() -> ReportParams {
        ReportParams { examples_per_theme: 4, evidence_per_finding: 4, max_turn_chars: 1500, max_turns: 40 }
    }
}

/// Something wrong with a config or an input: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Key, line or file.
    pub place: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: String,
}

impl Problem {
    /// A problem at a place with a hint.
    pub fn new(place: &str, problem: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem { place: place.to_owned(), problem: problem.into(), hint: hint.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, " ({})", self.hint) }
    }
}

/// All problems found at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Everything a run needs to know, checked.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name on the report.
    pub product: String,
    /// Zone whose calendar decides what a day is.
    pub zone: Tz,
    /// Patterns of conversation files, at least one.
    pub conversations: Vec<String>,
    /// The activity table.
    pub activity: Option<PathBuf>,
    /// Its columns.
    pub activity_columns: ActivityColumns,
    /// How conversations are read.
    pub read: ReadParams,
    /// First date used.
    pub since: Option<NaiveDate>,
    /// Last date used.
    pub until: Option<NaiveDate>,
    /// Share of records that may be rejected, 0..=1.
    pub max_reject_share: f64,
    /// Folder of run directories.
    pub out: PathBuf,
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Bytes that joins may hold before they spill.
    pub memory_bytes: Option<usize>,
    /// The sentence-transformer.
    pub model: ModelSource,
    /// Which of its prompts goes before every text.
    pub prompt: Prompt,
    /// How texts are encoded.
    pub encode: EncodeParams,
    /// The cache of embeddings; `None` for none.
    pub cache: Option<CacheParams>,
    /// Thresholds of signals.
    pub signals: SignalParams,
    /// How themes are found.
    pub themes: ThemeParams,
    /// Retention and effects.
    pub outcomes: OutcomeParams,
    /// What the report shows.
    pub report: ReportParams,
    /// The config this plan was made from.
    pub config: Config,
}

impl Plan {
    /// The sentence-transformer with its prompt.
    pub fn load_model(&self) -> Result<Model, ModelError> {
        Ok(Model::load(&self.model)?.with_prompt(self.prompt.clone()))
    }
}

impl Config {
    /// Checks every value; all problems at once.
    pub fn plan(&self) -> Result<Plan, Problems> {
        let mut check = Check(Vec::new());
        let zone = check.zone(&self.product.timezone);
        let since = check.date("input.since", &self.input.since);
        let until = check.date("input.until", &self.input.until);
        if since.zip(until).is_some_and(|(a, b)| a > b) {
            check.add("input.since", "lies after input.until", "swap the two dates");
        }
        let share = self.input.max_reject_share;
        check.holds("input.max_reject_share", (0.0..=1.0).contains(&share), "must be between 0 and 1");
        if self.input.conversations.is_empty() {
            let hint = "name files or patterns: conversations = [\"export/*.jsonl.gz\"], or --conversations";
            check.add("input.conversations", "is empty", hint);
        }
        let format = check.format(&self.input.format);
        check.holds("embed.batch_tokens", self.embed.batch_tokens >= 16, "must be at least 16");
        let backend = check.backend(&self.embed.backend);
        let one = self.embed.prompt.is_empty() || self.embed.prompt_text.is_empty();
        check.holds("embed.prompt", one, "and embed.prompt_text exclude each other");
        check.holds("cache.max_mib", self.cache.max_mib >= 1, "must be at least 1; file = \"\" for no cache");
        check.signals(&self.signals);
        check.holds("engine.threads", self.engine.threads <= 512, "must be at most 512");
        let mebibytes = self.engine.memory_limit_mib;
        let enough = mebibytes == 0 || (64..1 << 24).contains(&mebibytes);
        check.holds("engine.memory_limit_mib", enough, "must be 0 (no limit) or between 64 and 16777215");
        let themes = check.themes(self);
        let outcomes = check.outcomes(self, zone);
        if !check.0.is_empty() {
            return Err(Problems(check.0));
        }
        let columns = &self.input.activity_columns;
        Ok(Plan {
            product: self.product.name.clone(),
            zone,
            conversations: self.input.conversations.clone(),
            activity: (!self.input.activity.is_empty()).then(|| PathBuf::from(&self.input.activity)),
            activity_columns: ActivityColumns {
                user_id: columns.user_id.clone(),
                at: columns.at.clone(),
                event: columns.event.clone(),
            },
            read: ReadParams { format, zone, mapping: self.input.map.clone() },
            since,
            until,
            max_reject_share: share,
            out: PathBuf::from(&self.output.dir),
            threads: match self.engine.threads {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                n => n,
            },
            memory_bytes: (self.engine.memory_limit_mib > 0).then_some(self.engine.memory_limit_mib << 20),
            model: ModelSource::parse(&self.embed.model),
            prompt: match (self.embed.prompt.as_str(), self.embed.prompt_text.as_str()) {
                ("", "") => Prompt::Default,
                (name, "") => Prompt::Named(name.to_owned()),
                (_, text) => Prompt::Text(text.to_owned()),
            },
            encode: EncodeParams {
                batch_tokens: self.embed.batch_tokens,
                backend,
                unit_length: true,
                ..EncodeParams::default()
            },
            cache: self.cache_params(),
            signals: self.signals.clone(),
            themes,
            outcomes,
            report: self.report.clone(),
            config: self.clone(),
        })
    }
}

impl Config {
    fn cache_params(&self) -> Option<CacheParams> {
        let path = match self.cache.file.as_str() {
            "" => return None,
            "auto" => PathBuf::from(&self.output.dir).join("embeddings.redb"),
            file => PathBuf::from(file),
        };
        Some(CacheParams { path, max_bytes: self.cache.max_mib.saturating_mul(1 << 20) })
    }
}

/// Collects problems while values are read.
struct Check(Vec<Problem>);

impl Check {
    fn add(&mut self, place: &str, problem: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Problem::new(place, problem, hint));
    }

    fn holds(&mut self, place: &str, holds: bool, problem: &str) {
        if !holds {
            self.add(place, problem, "");
        }
    }

    fn zone(&mut self, name: &str) -> Tz {
        name.parse().unwrap_or_else(|_| {
            let nearest = chrono_tz::TZ_VARIANTS
                .iter()
                .map(|tz| (strsim::jaro_winkler(name, tz.name()), tz.name()))
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let hint = nearest.map_or_else(String::new, |(_, near)| format!("did you mean `{near}`?"));
            self.add("product.timezone", format!("`{name}` is not an IANA time zone"), hint);
            Tz::UTC
        })
    }

    fn date(&mut self, place: &str, text: &str) -> Option<NaiveDate> {
        if text.is_empty() {
            return None;
        }
        let parsed = NaiveDate::parse_from_str(text, "%Y-%m-%d");
        if parsed.is_err() {
            self.add(place, format!("`{text}` is not a date"), "write YYYY-MM-DD");
        }
        parsed.ok()
    }

    fn format(&mut self, name: &str) -> Option<Format> {
        let format = Format::parse(name);
        if format.is_none() && name != "auto" {
            let known = Format::names().join(", ");
            self.add("input.format", format!("`{name}` is not a format"), format!("auto, {known}"));
        }
        format
    }

    fn backend(&mut self, name: &str) -> Backend {
        Backend::parse(name).unwrap_or_else(|| {
            self.add("embed.backend", format!("`{name}` is not a backend"), "auto, kernel, candle");
            Backend::Auto
        })
    }

    fn signals(&mut self, signals: &SignalParams) {
        for (place, value) in [
            ("signals.rephrase_similarity", signals.rephrase_similarity),
            ("signals.retry_overlap", signals.retry_overlap),
            ("signals.negative_tone", signals.negative_tone),
        ] {
            self.holds(place, (0.0..=1.0).contains(&value), "must be between 0 and 1");
        }
        self.holds("signals.lookback", signals.lookback >= 1, "must be at least 1");
        self.holds("signals.length_z", signals.length_z > 0.0, "must be above 0");
    }

    fn themes(&mut self, config: &Config) -> ThemeParams {
        let themes = &config.themes;
        let algorithm = match themes.algorithm.as_str() {
            "ward" => Algorithm::Ward,
            "kmeans" => Algorithm::KMeans,
            "minibatch" => Algorithm::MiniBatch,
            "dbscan" => Algorithm::Dbscan,
            "hdbscan" => Algorithm::Hdbscan,
            other => {
                self.add(
                    "themes.algorithm",
                    format!("`{other}` is not an algorithm"),
                    "ward, kmeans, minibatch, dbscan, hdbscan",
                );
                Algorithm::Ward
            }
        };
        let k = self.count("themes.k", &themes.k);
        let k_max = self.count("themes.k_max", &themes.k_max);
        let eps = match &themes.eps {
            Radius::Fixed(eps) => {
                self.holds("themes.eps", *eps > 0.0 && *eps <= 2.0, "must be above 0 and at most 2");
                Some(*eps)
            }
            Radius::Word(word) => {
                self.holds("themes.eps", word == "auto", "must be \"auto\" or a number");
                None
            }
        };
        let engine = match themes.engine.as_str() {
            "blocked" => Engine::Blocked,
            "linfa" => Engine::Linfa,
            other => {
                self.add("themes.engine", format!("`{other}` is not an engine"), "blocked, linfa");
                Engine::Blocked
            }
        };
        let min_samples = self.count("themes.min_samples", &themes.min_samples);
        self.holds("themes.min_cluster_size", themes.min_cluster_size >= 2, "must be at least 2");
        let share = (0.0..=1.0).contains(&themes.max_outliers);
        self.holds("themes.max_outliers", share, "must be between 0 and 1");
        self.holds("themes.min_points", themes.min_points >= 2, "must be at least 2");
        ThemeParams {
            algorithm,
            k: k.map_or(K::Auto, K::Fixed),
            k_max,
            eps,
            min_points: themes.min_points,
            min_cluster_size: themes.min_cluster_size,
            min_samples,
            max_outliers: themes.max_outliers,
            engine,
            seed: config.seed,
            ..ThemeParams::default()
        }
    }

    fn count(&mut self, place: &str, count: &Count) -> Option<usize> {
        match count {
            Count::Fixed(0) => self.add(place, "must be at least 1", ""),
            Count::Fixed(n) => return Some(*n),
            Count::Word(word) => self.holds(place, word == "auto", "must be \"auto\" or a number"),
        }
        None
    }

    fn outcomes(&mut self, config: &Config, zone: Tz) -> OutcomeParams {
        let own = &config.outcomes;
        let params = OutcomeParams {
            zone,
            window_days: own.window_days,
            k_anonymity: own.k_anonymity,
            margin: own.margin,
            alpha: own.alpha,
            follow_up_days: own.follow_up_days,
            last_complete_date: self.date("outcomes.last_complete_date", &own.last_complete_date),
            ..OutcomeParams::default()
        };
        if let Err(error) = params.validate() {
            self.add("outcomes", error.to_string(), "");
        }
        params
    }
}
