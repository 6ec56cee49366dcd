//! The data directory: its lock, its layout, and the remains of a crash.
//!
//! ```text
//! <path>/lock            locked by the process that uses the directory
//! <path>/db/             the database; complete, or absent
//! <path>/db.new/         an unfinished database; removed by the next open
//! <path>/db.damaged-<n>/ a database that was put aside
//! ```
//! A database that is put aside stays inside the directory: the directory may be a mount point, or its parent may be
//! read-only for the process.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use fs4::{FileExt, TryLockError};

/// The lock of a directory. Excludes other processes, and a second store in this process, until it is dropped.
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
    /// Takes the lock of a directory. Makes the directory if it is missing.
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

/// The path of the database.
pub(crate) fn database(path: &Path) -> PathBuf {
    path.join("db")
}

/// Makes the database: calls `make` with a path to fill, syncs it, and renames it. After a crash the database is there
/// as `make` left it, or not at all.
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

/// Moves the database aside and returns its new path.
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

/// Syncs a directory, so that renames in it survive a power cut.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
