//! Progress: a bar on a terminal, a line every few seconds elsewhere.

use std::{
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{counts::Counts, source::Source};
use crate::output;

/// How often a plain line is printed.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// The bar of a source with a known number of bytes.
const BAR: &str = "{prefix} {bar:24.cyan/dim} {percent:>3} % {eta:>4}  {msg}";
/// The spinner of a source with an unknown number of bytes.
const SPINNER: &str = "{prefix} {spinner} {msg}";

/// The progress of one source.
pub(crate) struct Progress {
    shown: Display,
    /// Bytes read so far, counted by the thread that reads: somewhat ahead of the lines that are done.
    read: Arc<AtomicU64>,
}

enum Display {
    Bar(ProgressBar),
    Lines { name: String, last: Instant },
}

impl Progress {
    /// Begins to show on standard error.
    pub(crate) fn begin(source: &Source) -> Self {
        let name = output::text::clean(source.name());
        let shown = if std::io::stderr().is_terminal() {
            Display::Bar(bar(&name, source.bytes()))
        } else {
            Display::Lines {
                name,
                last: Instant::now(),
            }
        };
        Self {
            shown,
            read: source.read(),
        }
    }

    /// Some more lines are done.
    pub(super) fn show(&mut self, counts: &Counts) {
        match &mut self.shown {
            Display::Bar(bar) => {
                bar.set_position(self.read.load(Ordering::Relaxed));
                bar.set_message(counts.text());
            }
            Display::Lines { name, last } if last.elapsed() >= LINE_EVERY => {
                *last = Instant::now();
                output::say(&format!("{name}: {}", counts.text()));
            }
            Display::Lines { .. } => {}
        }
    }

    /// Prints a line, above the bar if there is one.
    pub(super) fn say(&self, text: &str) {
        match &self.shown {
            Display::Bar(bar) => bar.suspend(|| output::say(text)),
            Display::Lines { .. } => output::say(text),
        }
    }

    /// Removes the bar.
    pub(crate) fn end(self) {
        if let Display::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}

fn bar(name: &str, bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), BAR),
        None => (ProgressBar::new_spinner(), SPINNER),
    };
    // A template that is wrong is shown as the default; a test sees to it that these are not.
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("━╸─"));
    bar.set_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bars_have_a_style() {
        for template in [BAR, SPINNER] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
