//! All printing: results on standard output, notes and errors on standard error.

pub(crate) mod evidence;
pub(crate) mod paint;
pub(crate) mod table;
pub(crate) mod text;

use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use serde::Serialize;
use thiserror::Error;

/// The command line asks for something that cannot be: exit code 2 instead of 1.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Prints one line of JSON on standard output.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut line = Vec::new();
    json_into(&mut line, value)?;
    raw(&line)
}

/// Appends one line of JSON to bytes that are printed later with [`raw`], because many small writes are slow.
pub(crate) fn json_into(lines: &mut Vec<u8>, value: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *lines, value)?;
    lines.push(b'\n');
    Ok(())
}

/// Prints one line on standard output, with its styles if they can be shown there.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    styled(&format!("{text}\n"))
}

/// Prints text on standard output. Styles are removed unless it is a terminal that shows them.
///
/// # Errors
/// As [`raw`].
pub(crate) fn styled(text: &str) -> anyhow::Result<()> {
    write(anstream::stdout().lock(), text.as_bytes())
}

/// The reader of standard output is gone. A command that only prints ends then, without a message and with exit code 0.
#[derive(Debug, Error)]
#[error("the reader of standard output is gone")]
pub(crate) struct Gone;

/// Prints bytes on standard output as they are.
///
/// # Errors
/// [`Gone`] if the reader is gone. Callers with more to do than printing use [`even_if_gone`].
pub(crate) fn raw(bytes: &[u8]) -> anyhow::Result<()> {
    write(io::stdout().lock(), bytes)
}

fn write(mut out: impl Write, bytes: &[u8]) -> anyhow::Result<()> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Gone.into()),
        done => Ok(done?),
    }
}

/// Goes on when a line could not be printed because its reader went away: there is work to finish, or an exit code to
/// give.
pub(crate) fn even_if_gone(printed: anyhow::Result<()>) -> anyhow::Result<()> {
    match printed {
        Err(error) if error.is::<Gone>() => Ok(()),
        printed => printed,
    }
}

/// Prints a line on standard error.
pub(crate) fn say(text: &str) {
    // Nothing is left to tell it to.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Prints an error on standard error.
pub(crate) fn error(error: &anyhow::Error) {
    let label = paint::red("error:");
    say(&format!("{label} {}", text::lines(&describe(error))));
}

/// Prints an error and returns the exit code of the command.
pub(crate) fn fail(failure: &anyhow::Error) -> ExitCode {
    if failure.is::<Gone>() {
        return ExitCode::SUCCESS;
    }
    error(failure);
    if failure.is::<Usage>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

/// An error and its causes, without those that the error quotes itself.
pub(crate) fn describe(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let cause = || Err::<(), _>(io::Error::other("no space"));
        let error = cause().context("cannot write a.toml").unwrap_err();
        assert_eq!(describe(&error), "cannot write a.toml: no space");
        let error = cause()
            .context("cannot write a.toml: no space")
            .unwrap_err();
        assert_eq!(describe(&error), "cannot write a.toml: no space");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_and_other_trouble_is() {
        assert!(even_if_gone(Err(Gone.into())).is_ok());
        assert!(even_if_gone(Err(io::Error::other("no space").into())).is_err());
    }

    #[test]
    fn wrong_use_is_told_from_failure_through_contexts() {
        let usage = || anyhow::Error::new(Usage("no peer starts with zz".to_owned()));
        assert!(usage().is::<Usage>());
        assert!(usage().context("cannot tail").is::<Usage>());
        assert!(!anyhow::anyhow!("down").is::<Usage>());
    }
}
