//! The file of refused lines: made when there is the first one.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::source::Source;
use crate::output::Usage;

/// A line that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Reject {
    pub(super) file: String,
    /// Counted from 1, lines of white space included.
    pub(super) line: u64,
    pub(super) reason: String,
    /// The line as it was; what is no UTF-8 in it is replaced.
    pub(super) text: String,
}

/// Where refused lines are written.
#[derive(Debug)]
pub(crate) struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Rejects {
    /// In this file, which is replaced when there is a refused line.
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Beside the source: `FILE.rejects.ndjson`.
    pub(crate) fn beside(source: &Source) -> Self {
        let name = if source.name() == "-" {
            "stdin"
        } else {
            source.name()
        };
        Self::at(PathBuf::from(format!("{name}.rejects.ndjson")))
    }

    /// Where they are, if there are any.
    pub(crate) fn written(&self) -> Option<String> {
        self.file.as_ref().map(|_| self.path.display().to_string())
    }

    /// Writes refused lines, and has them on their way to the disk when it returns.
    pub(super) fn write(&mut self, rejects: &[Reject]) -> io::Result<()> {
        if rejects.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(File::create(&self.path)?)),
        };
        for reject in rejects {
            serde_json::to_writer(&mut *file, reject)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    }

    /// The file, for errors.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Checks that refused lines are not written over what is read.
pub(super) fn check(rejects: Option<&Path>, files: &[PathBuf]) -> anyhow::Result<()> {
    let Some(rejects) = rejects else {
        return Ok(());
    };
    let is_same = |file: &PathBuf| match (file.canonicalize(), rejects.canonicalize()) {
        (Ok(file), Ok(rejects)) => file == rejects,
        _ => false,
    };
    match files.iter().find(|file| is_same(file)) {
        Some(file) => Err(Usage(format!(
            "--rejects would be written over {}",
            file.display()
        ))
        .into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn reject(line: u64) -> Reject {
        let (reason, text) = ("no id: {/id} is missing".to_owned(), "{}".to_owned());
        Reject {
            file: "a.ndjson".to_owned(),
            line,
            reason,
            text,
        }
    }

    #[test]
    fn there_is_no_file_without_refused_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut rejects = Rejects::at(folder.path().join("rejects"));
        rejects.write(&[]).unwrap();
        assert_eq!(rejects.written(), None);
        assert!(!folder.path().join("rejects").exists());
    }

    #[test]
    fn each_refused_line_has_file_number_reason_and_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects");
        fs::write(&path, "of an earlier run\n").unwrap();
        let mut rejects = Rejects::at(path.clone());
        rejects.write(&[reject(3)]).unwrap();
        rejects.write(&[reject(9)]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let line = |n| {
            format!(
                r#"{{"file":"a.ndjson","line":{n},"reason":"no id: {{/id}} is missing","text":"{{}}"}}"#
            )
        };
        assert_eq!(text, format!("{}\n{}\n", line(3), line(9)));
        assert_eq!(rejects.written(), Some(path.display().to_string()));
    }

    #[test]
    fn refused_lines_are_never_written_over_what_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        assert!(
            check(Some(&path), &[PathBuf::from("-"), path.clone()])
                .unwrap_err()
                .is::<Usage>()
        );
        assert!(check(Some(&path.with_extension("rejects")), &[path]).is_ok());
    }
}
