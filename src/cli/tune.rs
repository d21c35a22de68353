//! `undertone tune`: what other numbers of themes and densities would give, and the TOML to paste.

use std::path::Path;

use serde::Serialize;

use super::args::{Inputs, Tune};
use super::{CliError, Session, plot, run};
use crate::config::{Config, Count, Plan, Radius, ThemesConfig};
use crate::pipeline::{Tuned, tune};
use crate::report::chart::sweep::{by_count, by_density};
use crate::report::chart::tuning::picture;
use crate::run::{Run, write_file};
use crate::theme::CurvePoint;
use crate::theme::tune::{DensityPoint, Sweep, Top};

/// Rows of a table, about: of a longer curve every so many are shown.
const ROWS: usize = 20;

pub fn run(args: &Tune, session: &Session) -> Result<(), CliError> {
    let plan = plan(args, session)?;
    let tuned = tune(&plan, args.run.as_deref(), &session.progress)?;
    let sweep = &tuned.sweep;
    if sweep.rows == 0 {
        let hint = "themes are made of what users ask for";
        return Err(CliError::BadInput(format!(
            "no conversation carries a request: nothing to tune ({hint})"
        )));
    }
    let toml = toml(&plan.config.themes, sweep)?;
    write_file(&args.out, draw(&plan.product, sweep).as_bytes())?;
    if args.json {
        let facts = serde_json::json!({
            "run": tuned.run, "picture": args.out, "toml": toml, "sweep": sweep,
            "best": {"k": sweep.best_k, "eps": eps(sweep), "min_cluster_size": size(sweep)},
        });
        session.printer.data(&facts.to_string());
        return Ok(());
    }
    print(&plan, &tuned, &args.out, &toml, session);
    Ok(())
}

/// The config as for `run`; with a run and no config of its own, the run's.
fn plan(args: &Tune, session: &Session) -> Result<Plan, CliError> {
    let inputs = Inputs {
        config: args.config.clone(),
        conversations: args.conversations.clone(),
        activity: None,
        out: None,
        since: None,
        until: None,
        json: false,
    };
    let mut config = run::config(&inputs)?;
    if let Some(dir) = &args.run {
        let file = Run::open(dir)?.path("config.toml");
        let bare = args.config.is_none() && config == Config::default();
        if bare || config.input.conversations.is_empty() {
            let text = std::fs::read_to_string(&file)
                .map_err(|e| CliError::BadInput(format!("{}: {e}", file.display())))?;
            let of_run = Config::parse(&text)?;
            config.input.conversations.clone_from(&of_run.input.conversations);
            config = if bare { of_run } else { config };
        }
    }
    let mut plan = config.plan()?;
    if plan.config.engine.threads == 0 {
        plan.threads = session.threads;
    }
    Ok(plan)
}

fn print(plan: &Plan, tuned: &Tuned, picture: &Path, toml: &str, session: &Session) {
    let (printer, sweep) = (&session.printer, &tuned.sweep);
    match &tuned.run {
        Some(run) => printer.say(&format!("vectors of {}", run.display())),
        None => {
            printer.say("read and embedded for this; `undertone run` with this config goes on from there")
        }
    }
    printer.data(&format!("{} conversations with a request, seed {}.", sweep.rows, plan.themes.seed));
    if sweep.looked_at < sweep.rows {
        printer.data(&format!("Curves over {} of them: counts of themes are approximate.", sweep.looked_at));
    }
    printer.data("");
    let budget = plan.themes.max_outliers;
    let lines = by_k(sweep)
        .into_iter()
        .chain(by_value("eps (dbscan)", &sweep.eps, sweep.best_eps, budget, |value| format!("{value:.4}")))
        .chain(by_value(
            "min_cluster_size (hdbscan)",
            &sweep.min_cluster_size,
            sweep.best_min_cluster_size,
            budget,
            |value| format!("{value:.0}"),
        ));
    lines.for_each(|line| printer.data(&line));
    printer.data(&format!("# To paste in place of [themes]; picture: {}", picture.display()));
    printer.data(toml.trim_end());
}

fn by_k(sweep: &Sweep) -> Vec<String> {
    let best = nearest(&sweep.k, sweep.best_k);
    let mut lines = vec![
        "k (ward, kmeans, minibatch)".to_owned(),
        format!("{:>8} {:>11} {:>10} {:>7}", "k", "silhouette", "stability", "score"),
    ];
    let every = sweep.k.len().div_ceil(ROWS).max(1);
    for (place, point) in sweep.k.iter().enumerate() {
        // The rows around the best one are all shown.
        let near = best.is_some_and(|best| best.abs_diff(place) <= 2);
        if place % every == 0 || near || place + 1 == sweep.k.len() {
            let mark = if Some(place) == best { "  <- best" } else { "" };
            let CurvePoint { k, silhouette, stability, score } = point;
            lines.push(format!("{k:>8} {silhouette:>11.3} {stability:>10.3} {score:>7.3}{mark}"));
        }
    }
    let scores: Vec<f64> = sweep.k.iter().map(|point| point.score).collect();
    let words = format!("k = {}", sweep.best_k);
    let end = |point: Option<&CurvePoint>| point.map_or_else(String::new, |point| point.k.to_string());
    let ends = (end(sweep.k.first()), end(sweep.k.last()));
    lines.push(String::new());
    lines.extend(plot::columns(&scores, best.map(|best| (best, words.as_str())), (&ends.0, &ends.1)));
    lines.extend(said(sweep));
    lines.push(String::new());
    lines
}

/// What the curve of k means for the choice.
fn said(sweep: &Sweep) -> Vec<String> {
    let auto = sweep.auto_k;
    if auto < 2 {
        return vec!["No number of themes stands out: one theme.".into()];
    }
    if sweep.best_k == auto {
        return vec![format!("k = \"auto\" takes {auto}, the centre of the score's top.")];
    }
    let top =
        |top: &Top| format!("{} to {}{}", top.from, top.to, if top.is_open { " (still rising)" } else { "" });
    let tops: Vec<String> = sweep.tops.iter().map(top).collect();
    vec![
        format!("The score has more than one top: {}.", tops.join(", ")),
        format!("k = \"auto\" would take {auto}, between them; {} is the better top's centre.", sweep.best_k),
    ]
}

/// The point next to `k` by ratio; the number taken need not be one that was tried. `None` for one theme.
fn nearest(curve: &[CurvePoint], k: usize) -> Option<usize> {
    let far = |point: &CurvePoint| (point.k as f64 / k as f64).ln().abs();
    let nearest = curve.iter().enumerate().min_by(|a, b| far(a.1).total_cmp(&far(b.1)));
    nearest.filter(|_| k > 1).map(|(place, _)| place)
}

fn by_value(
    name: &str,
    points: &[DensityPoint],
    best: Option<usize>,
    budget: f64,
    shown: impl Fn(f64) -> String,
) -> Vec<String> {
    let left = |text: String| if budget < 1.0 { format!(" {text:>8}") } else { String::new() };
    let header = left("left".into());
    let mut lines = vec![
        name.to_owned(),
        format!(
            "{:>8} {:>7} {:>9}{header} {:>11} {:>7}",
            "value", "themes", "outliers", "silhouette", "score"
        ),
    ];
    for (place, point) in points.iter().enumerate() {
        let mark = if Some(place) == best { "  <- best" } else { "" };
        let left = left(format!("{:.1} %", point.residual * 100.0));
        lines.push(format!(
            "{:>8} {:>7} {:>7.1} %{left} {:>11.3} {:>7.3}{mark}",
            shown(point.value),
            point.themes,
            point.outliers * 100.0,
            point.silhouette,
            point.score
        ));
    }
    let scores: Vec<f64> = points.iter().map(|point| point.score).collect();
    let words = best.map_or_else(String::new, |best| shown(points[best].value));
    let end = |point: Option<&DensityPoint>| point.map_or_else(String::new, |point| shown(point.value));
    let ends = (end(points.first()), end(points.last()));
    lines.push(String::new());
    lines.extend(plot::columns(&scores, best.map(|best| (best, words.as_str())), (&ends.0, &ends.1)));
    if best.is_none() {
        lines.push("No value gives two themes that hold together.".into());
    }
    if budget < 1.0 {
        lines.push(format!("left: share in no theme once max_outliers = {budget} has moved the nearest in."));
    }
    lines.push(String::new());
    lines
}

fn eps(sweep: &Sweep) -> Option<f64> {
    // Rounded up: a radius must still reach the row it was measured to.
    sweep.best_eps.map(|best| (sweep.eps[best].value * 1e4).ceil() / 1e4)
}

fn size(sweep: &Sweep) -> Option<usize> {
    sweep.best_min_cluster_size.map(|best| sweep.min_cluster_size[best].value as usize)
}

/// `[themes]` whole, with the best value of every sweep: another algorithm is one word away.
fn toml(themes: &ThemesConfig, sweep: &Sweep) -> Result<String, CliError> {
    #[derive(Serialize)]
    struct Section {
        themes: ThemesConfig,
    }
    let mut themes = themes.clone();
    themes.k = Count::Fixed(sweep.best_k.max(1));
    if let Some(eps) = eps(sweep) {
        themes.eps = Radius::Fixed(eps);
    }
    if let Some(size) = size(sweep) {
        themes.min_cluster_size = size;
    }
    let plain = ::toml::to_string(&Section { themes }).map_err(CliError::failed)?;
    let comment = |line: &str| match line.split(" = ").next() {
        Some("k") => "# ward, kmeans; \"auto\" chooses with every run",
        Some("eps") => "# dbscan",
        Some("min_cluster_size") => "# hdbscan",
        Some("max_outliers") => "# dbscan, hdbscan: largest share in no theme",
        _ => "",
    };
    Ok(plain
        .lines()
        .map(|line| format!("{line:<29} {}", comment(line)).trim_end().to_owned() + "\n")
        .collect())
}

fn draw(product: &str, sweep: &Sweep) -> String {
    let plots = [
        (format!("Number of themes (ward): {}", sweep.best_k), by_count(&sweep.k, sweep.best_k)),
        ("Radius (dbscan)".to_owned(), by_density(&sweep.eps, "eps", sweep.best_eps)),
        (
            "Smallest theme (hdbscan)".to_owned(),
            by_density(&sweep.min_cluster_size, "conversations", sweep.best_min_cluster_size),
        ),
    ];
    picture(&format!("{product}: themes by number and density"), &plots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep() -> Sweep {
        let density = |value, score| DensityPoint {
            value,
            themes: 3,
            outliers: 0.4,
            residual: 0.15,
            silhouette: 0.5,
            score,
        };
        let point = |k: usize| CurvePoint { k, silhouette: 0.3, stability: 0.5, score: 0.15 };
        Sweep {
            rows: 100,
            looked_at: 100,
            k: (2..60).map(point).collect(),
            auto_k: 11,
            tops: vec![],
            best_k: 11,
            eps: vec![density(0.512_345, 0.2), density(0.7, 0.3), density(0.9, 0.1)],
            best_eps: Some(1),
            min_cluster_size: vec![density(4.0, 0.3), density(9.0, 0.2)],
            best_min_cluster_size: Some(0),
        }
    }

    #[test]
    fn the_toml_is_one_the_config_reader_takes() {
        let themes = ThemesConfig { max_outliers: 0.15, min_points: 6, ..ThemesConfig::default() };
        let text = toml(&themes, &sweep()).unwrap();
        let read = Config::parse(&text).unwrap().themes;
        let expected = ThemesConfig {
            k: Count::Fixed(11),
            eps: Radius::Fixed(0.7),
            min_cluster_size: 4,
            max_outliers: 0.15,
            min_points: 6,
            ..ThemesConfig::default()
        };
        assert_eq!(read, expected, "{text}");
        let none = Sweep { best_eps: None, best_min_cluster_size: None, auto_k: 0, best_k: 0, ..sweep() };
        let read = Config::parse(&toml(&themes, &none).unwrap()).unwrap().themes;
        assert_eq!((read.k, read.eps), (Count::Fixed(1), Radius::default()));
    }

    #[test]
    fn tables_mark_the_best_row_and_show_the_residual() {
        let lines = by_k(&sweep());
        assert_eq!(lines.iter().filter(|line| line.contains("<- best")).count(), 1);
        assert!(lines.iter().any(|line| line.trim_start().starts_with("11 ") && line.contains("<- best")));
        let top = |from, to, is_open| Top { from, to, centre: 11, score: 0.15, is_open };
        let two = Sweep { auto_k: 30, tops: vec![top(8, 14, false), top(50, 59, true)], ..sweep() };
        let said = said(&two).join(" ");
        assert!(said.contains("8 to 14, 50 to 59 (still rising)") && said.contains("take 30"), "{said}");
        let of = |budget| by_value("eps", &sweep().eps, Some(1), budget, |value| format!("{value:.4}"));
        assert!(of(0.15)[3].contains("15.0 %") && of(0.15)[3].contains("<- best"), "{:?}", of(0.15));
        assert!(!of(1.0)[3].contains("15.0 %"));
        assert!(lines.iter().chain(&of(0.15)).all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn the_picture_has_all_three() {
        let svg = draw("Acme <x>", &sweep());
        assert_eq!(svg.matches("class=\"curve tuning\"").count(), 3);
        assert!(svg.contains("Acme &lt;x&gt;"));
    }
}
