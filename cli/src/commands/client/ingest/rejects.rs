//! The file of refused lines: created with the first one, removed if there are none.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use kittengrad_client_core::ingest::LINE_BYTES_MAX;
use serde::{Deserialize, Serialize};

use super::source::Source;
use crate::output::{self, Usage};

/// Bytes of a first line by which an earlier file of rejects is known: more than one line that was refused may have,
/// each byte of which may be written as `\u0000`.
const FIRST_LINE_BYTES_MAX: u64 = 6 * LINE_BYTES_MAX as u64 + 64 * 1024;

/// A refused line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reject {
    pub(super) file: String,
    /// Counted from 1, lines of white space included.
    pub(super) line: u64,
    pub(super) reason: String,
    /// The line, up to [`LINE_BYTES_MAX`]; bytes that are not UTF-8 are replaced.
    pub(super) text: String,
}

impl Reject {
    /// Which line, and why.
    pub(super) fn line_for_people(&self) -> String {
        let Self {
            file, line, reason, ..
        } = self;
        output::text::clean(&format!("{file}, line {line} is refused: {reason}"))
    }
}

/// Where refused lines are written.
#[derive(Debug)]
pub(crate) struct Rejects {
    path: PathBuf,
    file: Option<File>,
    /// Bytes of the lines that are completely written.
    whole_bytes: u64,
}

impl Rejects {
    /// In this file, which is replaced when there is a refused line.
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            whole_bytes: 0,
        }
    }

    /// Where they are, if there are any.
    pub(crate) fn written(&self) -> Option<String> {
        self.file.as_ref().map(|_| self.path.display().to_string())
    }

    /// Writes refused lines, and has them on their way to the disk when it returns. On an error none of these lines is
    /// there in part.
    pub(super) fn write(&mut self, rejects: &[Reject]) -> io::Result<()> {
        if rejects.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for reject in rejects {
            serde_json::to_writer(&mut lines, reject)?;
            lines.push(b'\n');
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::create(&self.path)?),
        };
        if let Err(error) = file.write_all(&lines) {
            // The first error is returned. A device has no end to move.
            let _ = file.set_len(self.whole_bytes);
            let _ = file.seek(SeekFrom::Start(self.whole_bytes));
            return Err(error);
        }
        self.whole_bytes += lines.len() as u64;
        Ok(())
    }

    /// Removes the file of an earlier run, if no line was refused and it is a file of refused lines.
    pub(crate) fn clear(&self) {
        if self.file.is_none()
            && is_ours(&self.path)
            && let Err(error) = fs::remove_file(&self.path)
        {
            let path = self.path.display();
            output::say(&format!(
                "note: cannot remove {path} of an earlier run: {error}"
            ));
        }
    }

    /// The file, for errors.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The files of refused lines of some sources: one for all, or one for each that is read, however often it is named.
#[derive(Debug)]
pub(super) struct AllRejects {
    shared: Option<PathBuf>,
    files: BTreeMap<PathBuf, Rejects>,
}

impl AllRejects {
    /// The files for these sources: one file `shared` by all, or one beside each source.
    ///
    /// # Errors
    /// [`Usage`] if one would be written over a file that is read.
    pub(super) fn of(shared: Option<PathBuf>, sources: &[Source]) -> anyhow::Result<Self> {
        for source in sources {
            let path = shared.clone().unwrap_or_else(|| beside(source));
            let is_read = |file: &&Source| is_same(Path::new(file.name()), &path);
            if let Some(file) = sources.iter().find(is_read) {
                let (rejects, file) = (source.name(), file.name());
                return Err(Usage(format!(
                    "refused lines would overwrite {file} (as {rejects}), which is an input; \
                     name another file with --rejects"
                ))
                .into());
            }
        }
        Ok(Self {
            shared,
            files: BTreeMap::new(),
        })
    }

    /// The file for the refused lines of a source.
    pub(super) fn for_source(&mut self, source: &Source) -> &mut Rejects {
        let path = self.shared.clone().unwrap_or_else(|| beside(source));
        let new = || Rejects::at(path.clone());
        self.files.entry(path.clone()).or_insert_with(new)
    }

    /// The one file for all, if there is one and it has lines.
    pub(super) fn shared(&self) -> Option<String> {
        self.files.get(self.shared.as_ref()?)?.written()
    }
}

/// `FILE.rejects.ndjson` beside a source, or in the working directory if the folder of the source is not writable.
fn beside(source: &Source) -> PathBuf {
    let path = Path::new(source.name());
    let name = match path.file_name() {
        Some(name) if source.name() != "-" => name.to_string_lossy().into_owned(),
        _ => "stdin".to_owned(),
    };
    let name = format!("{name}.rejects.ndjson");
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    if fs::metadata(path).is_ok_and(|found| found.is_file()) && is_writable(folder) {
        folder.join(name)
    } else {
        PathBuf::from(name)
    }
}

/// Whether a file can be created in a folder. Only trying tells, because permissions do not say everything.
fn is_writable(folder: &Path) -> bool {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    tempfile::tempfile_in(folder).is_ok()
}

/// Whether both paths name the same file.
fn is_same(a: &Path, b: &Path) -> bool {
    let inode = |path| {
        let found = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some((found.dev(), found.ino()))
    };
    inode(a).is_some_and(|a| inode(b) == Some(a))
}

/// Whether there is a file that an earlier run wrote refused lines into.
fn is_ours(path: &Path) -> bool {
    let is_file = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    let read = || {
        let mut line = String::new();
        let file = File::open(path)?.take(FIRST_LINE_BYTES_MAX);
        BufReader::new(file).read_line(&mut line)?;
        io::Result::Ok(line)
    };
    is_file && read().is_ok_and(|line| serde_json::from_str::<Reject>(&line).is_ok())
}

#[cfg(test)]
mod tests {
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

    /// A folder with a file of lines in it.
    fn folder_with(name: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, "{}\n").unwrap();
        (folder, path)
    }

    fn sources(paths: &[&PathBuf]) -> Vec<Source> {
        paths.iter().map(|path| Source::at(path).unwrap()).collect()
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
        assert_eq!(
            reject(3).line_for_people(),
            "a.ndjson, line 3 is refused: no id: {/id} is missing"
        );
    }

    #[test]
    fn what_an_earlier_run_left_is_taken_away_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects");
        Rejects::at(path.clone()).write(&[reject(3)]).unwrap();
        Rejects::at(path.clone()).clear();
        assert!(!path.exists());
        let longest = Reject {
            text: "\0".repeat(LINE_BYTES_MAX),
            ..reject(3)
        };
        Rejects::at(path.clone()).write(&[longest]).unwrap();
        Rejects::at(path.clone()).clear();
        assert!(!path.exists(), "the longest line there can be");
        Rejects::at(path.clone()).clear();
        for text in ["", "notes\n", "{\"id\":1}\n"] {
            fs::write(&path, text).unwrap();
            Rejects::at(path.clone()).clear();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let mut rejects = Rejects::at(path.clone());
        rejects.write(&[reject(3)]).unwrap();
        rejects.clear();
        assert!(path.exists());
    }

    #[test]
    fn refused_lines_are_never_written_over_what_is_read() {
        let (folder, read) = folder_with("a.ndjson");
        let usage = |shared, paths: &[&PathBuf]| {
            let error = AllRejects::of(shared, &sources(paths)).err();
            error.is_some_and(|error| error.is::<Usage>())
        };
        assert!(!usage(None, &[&read]));
        assert!(usage(Some(read.clone()), &[&read]));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&read, &link).unwrap();
        assert!(usage(Some(link), &[&read]));
        let own = folder.path().join("a.ndjson.rejects.ndjson");
        fs::write(&own, "{}\n").unwrap();
        assert!(usage(None, &[&read, &own]));
        assert!(!usage(None, &[&own]));
        assert!(!usage(Some(own), &[&read]));
    }

    #[test]
    fn a_file_that_is_named_twice_has_one_file_of_refused_lines() {
        let (_folder, read) = folder_with("a.ndjson");
        let sources = sources(&[&read, &read]);
        let mut all = AllRejects::of(None, &sources).unwrap();
        for (number, source) in (1..).zip(&sources) {
            all.for_source(source).write(&[reject(number)]).unwrap();
        }
        let path = read.with_extension("ndjson.rejects.ndjson");
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 2);
        assert_eq!(all.shared(), None);
    }

    #[test]
    fn what_has_no_folder_of_its_own_has_its_refused_lines_here() {
        let stdin = Source::at(&PathBuf::from("-")).unwrap();
        assert_eq!(beside(&stdin), Path::new("stdin.rejects.ndjson"));
        let device = Source::at(&PathBuf::from("/dev/null")).unwrap();
        assert_eq!(beside(&device), Path::new("null.rejects.ndjson"));
        let text = Source::text("works", "");
        assert_eq!(beside(&text), Path::new("works.rejects.ndjson"));
        let (_folder, read) = folder_with("a.ndjson");
        let source = Source::at(&read).unwrap();
        assert_eq!(beside(&source).parent(), read.parent());
    }
}
