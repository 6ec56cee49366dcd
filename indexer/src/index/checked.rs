//! A directory with checksums in all files. Tantivy writes a checksum into every file of a segment, but not into the
//! small files with the names of the segments and our state. This module adds it.
//!
//! ```text
//! JSON ‖ 0a ‖ "1 " ‖ SHA-256 of the JSON, 64 hexadecimal characters ‖ 0a
//! ```
//!
//! A file of an older version of this program ends with the JSON. It is read unchecked, until it is written again.

use std::{io, path::Path, sync::Arc};

use kittengrad_proto::id::Id;
use tantivy::directory::{
    Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, WatchCallback, WatchHandle,
    WritePtr,
    error::{DeleteError, LockError, OpenReadError, OpenWriteError},
};

/// A directory of memory-mapped files, the small ones with checksums.
#[derive(Debug, Clone)]
pub(super) struct Checked(pub(super) MmapDirectory);

impl Directory for Checked {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.0.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.0.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.0.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.0.open_write(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let mut bytes = self.0.atomic_read(path)?;
        match checked(&bytes) {
            Some(length) => {
                bytes.truncate(length);
                Ok(bytes)
            }
            None => Err(OpenReadError::IoError {
                io_error: Arc::new(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "its checksum is missing or wrong",
                )),
                filepath: path.to_owned(),
            }),
        }
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.0
            .atomic_write(path, &[data, &last_line(data)].concat())
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.0.acquire_lock(lock)
    }

    fn watch(&self, watch_callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.0.watch(watch_callback)
    }
}

/// Length of the data without the checksum; `None` if the checksum is missing or wrong.
fn checked(bytes: &[u8]) -> Option<usize> {
    let is_old = matches!(bytes.trim_ascii_end().last(), None | Some(b'}' | b']'));
    if is_old {
        return Some(bytes.len());
    }
    let length = bytes.len().checked_sub(CHECKSUM_BYTES)?;
    let (data, checksum) = bytes.split_at(length);
    (checksum == last_line(data)).then_some(length)
}

/// The checksum of `data` in a line of its own, with the version of this form.
fn last_line(data: &[u8]) -> Vec<u8> {
    format!("\n1 {}\n", Id::of(&[data])).into_bytes()
}

/// Bytes of the last line, with the line break before it.
const CHECKSUM_BYTES: usize = 68;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_with_any_bit_flipped_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Checked(MmapDirectory::open(folder.path()).unwrap());
        let (path, data) = (Path::new("meta.json"), &b"{\"opstamp\": 7}\n"[..]);
        directory.atomic_write(path, data).unwrap();
        assert_eq!(directory.atomic_read(path).unwrap(), data);
        let written = std::fs::read(folder.path().join(path)).unwrap();
        for at in 0..written.len() {
            for bit in 0..8 {
                let mut flipped = written.clone();
                flipped[at] ^= 1 << bit;
                std::fs::write(folder.path().join(path), flipped).unwrap();
                assert!(
                    directory.atomic_read(path).is_err(),
                    "bit {bit} of byte {at}"
                );
            }
        }
    }

    #[test]
    fn the_checksum_has_the_bytes_that_it_always_had() {
        let expected = "\n1 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
        assert_eq!(last_line(b""), expected.as_bytes());
        assert_eq!(CHECKSUM_BYTES, expected.len());
    }

    #[test]
    fn what_was_written_without_a_checksum_is_read() {
        assert_eq!(checked(b"{\"a\": 1}\n"), Some(9));
        assert_eq!(checked(b"[\"a\"]"), Some(5));
        assert_eq!(checked(b""), Some(0));
    }
}
