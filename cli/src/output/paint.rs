//! Styled text. [`super::styled`] and [`super::say`] remove the styles unless they write to a terminal.

use anstyle::{AnsiColor, Style};

pub(crate) fn bold(text: &str) -> String {
    paint(Style::new().bold(), text)
}

pub(crate) fn dim(text: &str) -> String {
    paint(Style::new().dimmed(), text)
}

pub(crate) fn red(text: &str) -> String {
    paint(AnsiColor::Red.on_default(), text)
}

pub(crate) fn green(text: &str) -> String {
    paint(AnsiColor::Green.on_default(), text)
}

pub(crate) fn cyan(text: &str) -> String {
    paint(AnsiColor::Cyan.on_default(), text)
}

fn paint(style: Style, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_ends_with_its_text() {
        assert_eq!(red("no"), "\x1b[31mno\x1b[0m");
        assert_eq!(bold(""), "");
    }
}
