//! Small files: read with a limit, and written completely or not at all.
//!
//! Keys and certificates are such files, and everything else that users keep: network files, configurations, receipts.

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
/// Mode of a file that only its owner may read.
pub const SECRET: u32 = 0o600;
/// Mode of a file that anybody may read.
pub const PUBLIC: u32 = 0o644;

/// Why the system refused. A file that was to be written is unchanged.
#[derive(Debug, Error)]
pub enum FileError {
    /// The file does not exist.
    #[error("{path} does not exist")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is too large.
    #[error("{path} has more than {FILE_BYTES_MAX} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Any other error.
    #[error("cannot {action} {path}: {error}")]
    Io {
        /// The action, such as "read".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
}

impl FileError {
    /// For `map_err`: adds the action and the path.
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

/// Reads a whole file, of at most 64 KiB.
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

/// Writes a new file, and syncs it.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(FileError::on("create", path))?;
    file.write_all(bytes)
        .map_err(FileError::on("write", path))?;
    file.sync_all().map_err(FileError::on("sync", path))
}

/// Writes or replaces a file, through a draft in the same folder, so that readers see the old or the new file. A file
/// with the same bytes is left alone, unless more users may read it than `mode` allows.
///
/// # Errors
/// [`FileError::Io`]; the file is unchanged.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let is_too_open = open_permissions(path).unwrap_or(0) & 0o077 & !mode != 0;
    if !is_too_open && fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    Draft::begin(path, mode)?.commit(bytes)
}

/// A file to be written or replaced later. Its draft exists in the same folder, so that errors about the name, the
/// folder and the permissions have already occurred. Without [`Draft::commit`], dropping it removes the draft.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    draft: PathBuf,
    file: File,
}

impl Draft {
    /// Creates the draft.
    ///
    /// # Errors
    /// [`FileError::Io`] if the name is that of a folder or device, or the folder is not writable.
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

    /// Writes the bytes, syncs them, and renames the draft.
    ///
    /// # Errors
    /// [`FileError::Io`]; the file is unchanged.
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
        // After the rename there is nothing to remove. Before it, the first error is returned even if the draft
        // remains.
        let _ = fs::remove_file(&self.draft);
    }
}

/// A unique name next to `path`.
pub(crate) fn beside(path: &Path) -> Result<PathBuf, FileError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|e| FileError::on("name a draft of", path)(io::Error::other(e.to_string())))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(parent(path).join(format!(".{name}.{}", HEXLOWER.encode(&random))))
}

/// Syncs a folder, so that names in it survive a crash.
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

/// The mode of a file that other users may read or write; `None` if they may not.
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
    fn a_file_that_cannot_be_written_is_refused_early() {
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
