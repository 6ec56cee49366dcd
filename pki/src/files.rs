//! Small files, read with a limit and written so that they are there wholly or not at all.
//!
//! Keys and certificates are, and so is everything else that our programs write for people to keep: network files,
//! configurations, receipts.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use thiserror::Error;

/// Bytes of a key or certificate file.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Only the owner may read it.
pub const SECRET: u32 = 0o600;
/// Anybody may read it.
pub const PUBLIC: u32 = 0o644;

/// What the system refused. A file that was to be written is as it was before.
#[derive(Debug, Error)]
pub enum FileError {
    /// It is not there.
    #[error("{path} does not exist")]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It is too large to be what it should be.
    #[error("{path} has more than {FILE_BYTES_MAX} bytes")]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// Everything else.
    #[error("cannot {action} {path}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl FileError {
    /// For `map_err`: says what was tried with which path.
    pub(crate) fn on<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |error| Self::Io {
            action,
            path: path.to_owned(),
            error,
        }
    }
}

/// The whole file, of at most 64 KiB.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing {
            path: path.to_owned(),
        },
        _ => FileError::on("open", path)(error),
    })?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(FileError::on("read", path))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

/// Writes a file that is not there yet, and syncs it.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(FileError::on("create", path))?;
    file.write_all(bytes)
        .map_err(FileError::on("write", path))?;
    file.sync_all().map_err(FileError::on("sync", path))
}

/// Writes or replaces a file: through another in the same folder, so that readers see the old or the new. A file
/// that has these bytes already, and is not open to more than `mode` says, is left alone.
///
/// # Errors
/// [`FileError::Io`]; the file is as it was before.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let is_too_open = open_permissions(path).unwrap_or(0) & 0o077 & !mode != 0;
    if !is_too_open && fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    Draft::begin(path, mode)?.commit(bytes)
}

/// A file that will be written or replaced: its draft is in the same folder already, so that whatever the system has
/// against the name, the folder or the permissions, it has said. Dropped without [`Draft::commit`] it leaves nothing.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    draft: PathBuf,
    file: File,
}

impl Draft {
    /// Makes the draft.
    ///
    /// # Errors
    /// [`FileError::Io`] if there is a folder or device of that name, or the folder takes no file.
    pub fn begin(path: &Path, mode: u32) -> Result<Self, FileError> {
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            let error = io::Error::other("it is there and no file");
            return Err(FileError::on("replace", path)(error));
        }
        let draft = beside(path)?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(mode).open(&draft);
        Ok(Self {
            file: file.map_err(FileError::on("write", path))?,
            path: path.to_owned(),
            draft,
        })
    }

    /// Writes the bytes, has them on the disk, and gives the file its name.
    ///
    /// # Errors
    /// [`FileError::Io`]; the file is as it was before.
    pub fn commit(mut self, bytes: &[u8]) -> Result<(), FileError> {
        let path = &self.path;
        let written = self
            .file
            .write_all(bytes)
            .and_then(|()| self.file.sync_all());
        written.map_err(FileError::on("write", path))?;
        fs::rename(&self.draft, path).map_err(FileError::on("replace", path))?;
        sync_folder(parent(path))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Once it has its name there is nothing to remove; else what went wrong is worth more than that it remains.
        let _ = fs::remove_file(&self.draft);
    }
}

/// A name beside `path` that nobody else has.
pub(crate) fn beside(path: &Path) -> Result<PathBuf, FileError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|e| FileError::on("name a draft of", path)(io::Error::other(e.to_string())))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(parent(path).join(format!(".{name}.{}", HEXLOWER.encode(&random))))
}

/// Makes names in a folder survive a crash.
pub(crate) fn sync_folder(path: &Path) -> Result<(), FileError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(FileError::on("sync", path))
}

/// The folder that `path` is in.
#[must_use]
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The permissions of a file that others than its owner may read or write; `None` if they may not.
pub(crate) fn open_permissions(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_no_draft_remains() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        for text in ["one", "another"] {
            replace(&path, text.as_bytes(), SECRET).unwrap();
            assert_eq!(read(&path).unwrap(), text.as_bytes());
        }
        assert_eq!(open_permissions(&path), None);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        replace(&path, b"", PUBLIC).unwrap();
        assert_eq!(open_permissions(&path), Some(0o644));
    }

    #[test]
    fn a_file_that_is_as_it_should_be_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.toml");
        replace(&path, b"same", PUBLIC).unwrap();
        let inode = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).unwrap());
        let before = inode();
        replace(&path, b"same", PUBLIC).unwrap();
        assert_eq!(inode(), before);
        replace(&path, b"other", PUBLIC).unwrap();
        assert_ne!(inode(), before);
    }

    #[test]
    fn what_cannot_be_written_is_known_before_there_is_anything_to_write() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing/receipt");
        for path in [dir.path(), Path::new("/dev/null"), &missing] {
            assert!(Draft::begin(path, PUBLIC).is_err(), "{}", path.display());
        }
        drop(Draft::begin(&dir.path().join("receipt"), PUBLIC).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_failed_write_names_the_file_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder");
        fs::create_dir(&path).unwrap();
        let error = replace(&path, b"x", SECRET).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("cannot replace {}", path.display())),
            "{error}"
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_read_up_to_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large");
        assert!(matches!(read(&path), Err(FileError::Missing { .. })));
        fs::write(&path, vec![0; 65 * 1024]).unwrap();
        assert!(matches!(read(&path), Err(FileError::TooLarge { .. })));
        assert!(matches!(read(dir.path()), Err(FileError::Io { .. })));
    }
}
