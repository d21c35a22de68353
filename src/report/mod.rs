//! Says what a run found: one `Report` value, written as a page, as Markdown or as JSON.

pub mod chart;
#[cfg(test)]
mod fixture;
mod format;
pub mod html;
pub mod markdown;
mod names;
#[cfg(test)]
mod tests;
mod text;
pub mod view;

pub use view::Report;

/// A page could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A template of this program is wrong: never the reader's fault.
    #[error("the report's template failed: {0:#}")]
    Template(#[from] minijinja::Error),
}

/// The report as one self-contained HTML page: no network request, complete without JavaScript.
///
/// Equal reports give equal bytes.
///
/// # Errors
/// Only when a built-in template is broken.
pub fn html(report: &Report) -> Result<String, RenderError> {
    html::page(report)
}

/// The report as GitHub-flavoured Markdown, readable as plain text in a chat channel.
pub fn markdown(report: &Report) -> String {
    markdown::document(report)
}

/// The report as indented JSON, ending in a line break.
pub fn json(report: &Report) -> String {
    // Plain structs with string keys: serialization has no failing case.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}
