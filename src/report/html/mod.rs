//! The page: every section is a small view of the report, put into its own template.

mod conversations;
mod effects;
mod findings;
mod head;
mod retention;
mod signals;
mod theme;
mod themes;
mod tuning;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value};
use serde::Serialize;

use super::view::Report;
use super::{RenderError, format, names, text};

/// Style sheet and script travel inside the page.
const CSS: &str = include_str!("../templates/report.css");
const JS: &str = include_str!("../templates/report.js");

const TEMPLATES: [(&str, &str); 8] = [
    ("report.html", include_str!("../templates/report.html")),
    ("head.html", include_str!("../templates/head.html")),
    ("findings.html", include_str!("../templates/findings.html")),
    ("themes.html", include_str!("../templates/themes.html")),
    ("theme.html", include_str!("../templates/theme.html")),
    ("conversation.html", include_str!("../templates/conversation.html")),
    ("signals.html", include_str!("../templates/signals.html")),
    ("retention.html", include_str!("../templates/retention.html")),
];

/// What the outermost template prints.
#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    css: Value,
    js: Value,
    head: Value,
    findings: Value,
    themes: Value,
    signals: Value,
    retention: Value,
    quality: Vec<head::QualityRow<'a>>,
    methods: &'a [super::view::Method],
    tuning: Option<tuning::Tuning>,
}

/// The whole page.
pub(super) fn page(report: &Report) -> Result<String, RenderError> {
    let templates = Templates::new()?;
    let homes = conversations::Homes::of(report);
    let page = Page {
        title: &report.title,
        css: markup(format!("{CSS}{}", super::chart::tuning::CSS)),
        js: markup(JS.to_string()),
        head: templates.fill("head.html", head::view(report))?,
        findings: templates.fill("findings.html", findings::view(report))?,
        themes: themes::section(&templates, report, &homes)?,
        signals: templates.fill("signals.html", signals::view(report))?,
        retention: templates.fill("retention.html", retention::view(report))?,
        quality: head::quality(report),
        methods: &report.methods,
        tuning: tuning::view(report),
    };
    Ok(templates.fill("report.html", page)?.to_string())
}

/// The templates, compiled once per page.
pub(super) struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    fn new() -> Result<Templates, Error> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.set_formatter(write_escaped);
        environment.add_filter("percent", |share: f64| format::percent(share));
        environment.add_filter("count", |n: u64| format::count(n));
        environment.add_filter("score", |value: f64| format::score(value));
        environment.add_filter("signal", |name: String| names::signal_name(&name));
        for (name, source) in TEMPLATES {
            environment.add_template(name, source)?;
        }
        Ok(Templates { environment })
    }

    /// Renders one template; the result is markup and is not escaped again.
    fn fill(&self, name: &str, view: impl Serialize) -> Result<Value, Error> {
        let context = Value::from(Serde(view));
        self.environment.get_template(name)?.render(context).map(markup)
    }
}

/// Marks a text as HTML this program made.
fn markup(html: String) -> Value {
    Value::from_safe_string(html)
}

/// The one way from a value to the page: everything but our own markup is tamed and escaped.
fn write_escaped(output: &mut Output<'_>, _state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(Error::new(
            minijinja::ErrorKind::UndefinedError,
            "a template prints a value that does not exist",
        ));
    }
    if value.is_none() {
        return Ok(());
    }
    let written = match value.as_str() {
        Some(text) if value.is_safe() => output.write_str(text),
        Some(text) => output.write_str(&text::escape_html(text)),
        None => output.write_str(&text::escape_html(&value.to_string())),
    };
    written.map_err(Error::from)
}

/// A chip that states a verdict in a word and a shape.
#[derive(Serialize)]
struct Chip {
    class: &'static str,
    mark: &'static str,
    word: &'static str,
}

impl From<crate::outcome::estimate::Verdict> for Chip {
    fn from(verdict: crate::outcome::estimate::Verdict) -> Chip {
        Chip {
            class: names::verdict_class(verdict),
            mark: names::verdict_mark(verdict),
            word: verdict.as_str(),
        }
    }
}
