//! A progress bar for each stage, drawn on stderr.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::progress::{Listener, Progress};

/// Progress drawn as bars; on a stderr that is no terminal, a line for each finished stage.
pub fn progress() -> Progress {
    Progress::to(Arc::new(Bars { current: Mutex::new(None) }))
}

struct Stage {
    name: String,
    bar: ProgressBar,
    start: Instant,
}

struct Bars {
    current: Mutex<Option<Stage>>,
}

impl Listener for Bars {
    fn begin(&self, stage: &str, total: Option<u64>, unit: &'static str) {
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::new_spinner(),
        };
        bar.set_style(style(total.is_some(), unit));
        bar.set_prefix(format!("{stage:<9}"));
        bar.enable_steady_tick(Duration::from_millis(150));
        let stage = Stage { name: stage.to_owned(), bar, start: Instant::now() };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(stage);
    }

    fn advance(&self, amount: u64) {
        if let Some(stage) = &*self.current.lock().unwrap_or_else(PoisonError::into_inner) {
            stage.bar.inc(amount);
        }
    }

    fn finish(&self, note: &str) {
        let Some(stage) = self.current.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        stage.bar.finish_and_clear();
        #[allow(clippy::print_stderr, reason = "progress is what stderr is for")]
        {
            eprintln!("{}", line(&stage.name, stage.start.elapsed(), note));
        }
    }
}

/// The line that a finished stage leaves.
pub fn line(stage: &str, time: Duration, note: &str) -> String {
    format!("{stage:<9} {:>6.1} s  {note}", time.as_secs_f64())
}

fn style(known: bool, unit: &str) -> ProgressStyle {
    let template = match (known, unit) {
        (true, "bytes") => "{prefix} {bar:30.cyan/dim} {bytes}/{total_bytes} {eta}".to_owned(),
        (true, unit) => format!("{{prefix}} {{bar:30.cyan/dim}} {{human_pos}}/{{human_len}} {unit} {{eta}}"),
        (false, unit) => format!("{{prefix}} {{spinner}} {{human_pos}} {unit}"),
    };
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
