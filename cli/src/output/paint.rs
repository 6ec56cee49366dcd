//! Colours, on terminals only.

use std::{env, io::IsTerminal};

/// Whether to paint, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    is_on: bool,
}

impl Paint {
    /// For what goes to standard output.
    pub(crate) fn stdout() -> Self {
        Self {
            is_on: std::io::stdout().is_terminal() && is_wanted(),
        }
    }

    /// For what goes to standard error.
    pub(crate) fn stderr() -> Self {
        Self {
            is_on: std::io::stderr().is_terminal() && is_wanted(),
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(crate) fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.is_on && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// As <https://no-color.org> has it.
fn is_wanted() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_painted_only_where_colours_are_on() {
        assert_eq!(Paint { is_on: true }.red("no"), "\x1b[31mno\x1b[0m");
        assert_eq!(Paint { is_on: false }.red("no"), "no");
        assert_eq!(Paint { is_on: true }.bold(""), "");
    }
}
