//! The data directory: who uses it, what lies where in it, and what a crash may leave behind.
//!
//! ```text
//! <path>/lock            held by the process that uses the directory
//! <path>/db/             the database; it is there wholly or not at all
//! <path>/db.new/         one that was being made; removed by the next open
//! <path>/db.damaged-<n>/ one that was put aside
//! ```
//! What is put aside stays inside the directory, because that may be a mount point or lie in a directory that
//! the process may not change.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use fs4::{FileExt, TryLockError};

/// Keeps other processes, and a second store of this one, away from a directory as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Why a lock was not taken.
#[derive(Debug)]
pub(crate) enum LockError {
    InUse,
    Io(io::Error),
}

impl Lock {
    /// Takes the lock of a directory, which is made if it is missing.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        fs::create_dir_all(path).map_err(LockError::Io)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"));
        let file = file.map_err(LockError::Io)?;
        match FileExt::try_lock(&file) {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::InUse),
            Err(TryLockError::Error(e)) => Err(LockError::Io(e)),
        }
    }
}

/// Where the database is.
pub(crate) fn database(path: &Path) -> PathBuf {
    path.join("db")
}

/// Makes the database by `make`, which gets a directory to make it in. After a crash it is there as `make`
/// left it, or not at all.
pub(crate) fn create<E: From<io::Error>>(
    path: &Path,
    make: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let unfinished = path.join("db.new");
    if unfinished.try_exists()? {
        fs::remove_dir_all(&unfinished)?;
    }
    make(&unfinished)?;
    sync(&unfinished)?;
    fs::rename(&unfinished, database(path))?;
    sync(path)?;
    // The directory itself may be new too.
    sync(&path.canonicalize()?.join(".."))?;
    Ok(())
}

/// Moves the database aside and says where it is now.
pub(crate) fn put_aside(path: &Path) -> io::Result<PathBuf> {
    let mut number = 1_u64;
    let aside = loop {
        let aside = path.join(format!("db.damaged-{number}"));
        if !aside.try_exists()? {
            break aside;
        }
        number += 1;
    };
    fs::rename(database(path), &aside)?;
    sync(path)?;
    Ok(aside)
}

/// Makes renames in a directory survive a power cut.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
