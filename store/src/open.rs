//! Opening a store: takes the lock, checks the owner and the logs, and puts a damaged store aside.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rocksdb::{Cache, ColumnFamilyDescriptor, DB, ErrorKind, WriteOptions};
use thiserror::Error;

use crate::{
    directory::{self, Lock, LockError},
    family::Family,
    log_file::{self, LogError},
    options::Options,
    owner::Owner,
    rows,
};

/// Why a store was not opened. Its data did not change.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or another store in this one, has the directory.
    #[error("data directory {} is in use by another process: stop it, or choose another directory", .path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory belongs to another network, namespace or key.
    #[error("data directory {} belongs to {found}, not to {expected}: choose another directory", .path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        found: Box<Owner>,
        /// The owner given to [`RocksStore::open`](crate::RocksStore::open).
        expected: Box<Owner>,
    },
    /// The data on disk differs from the data written. [`quarantine`] makes room for a new store.
    #[error("data directory {} is damaged: {why}", .path.display())]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// The damage.
        why: String,
    },
    /// A program with another format version wrote the directory.
    #[error("data directory {} has format {found}, this program reads format {}: use the program that wrote it, or move the directory away and load its data again", .path.display(), rows::FORMAT)]
    Version {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u8,
    },
    /// The device or the operating system failed: disk full, no permission, no such file.
    #[error("data directory {}: {why}", .path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// The error.
        why: String,
    },
}

/// Moves the damaged database of a directory aside, so that a new one can be made there. Returns its new path,
/// `<path>/db.damaged-<n>`. Nothing is deleted.
///
/// # Errors
/// If the directory is in use, or the operating system refuses. Nothing is moved then.
pub fn quarantine(path: &Path) -> Result<PathBuf, OpenError> {
    let _lock = lock(path)?;
    directory::put_aside(path).map_err(|e| Refusal::from(e).of(path))
}

/// Free bytes on the device of `path`.
///
/// # Errors
/// If the operating system refuses, for example because `path` does not exist.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    fs4::available_space(path)
}

/// An open database, and the lock of its directory.
pub(crate) struct Opened {
    pub(crate) db: DB,
    pub(crate) cache: Cache,
    pub(crate) lock: Lock,
}

pub(crate) fn open(path: &Path, owner: &Owner, options: &Options) -> Result<Opened, OpenError> {
    let lock = lock(path)?;
    let attempt = || {
        let directory = directory::database(path);
        if !directory.try_exists()? {
            directory::create(path, |unfinished| create(unfinished, owner, options))?;
        }
        open_whole(&directory, owner, options)
    };
    let (db, cache) = attempt().map_err(|refusal| refusal.of(path))?;
    Ok(Opened { db, cache, lock })
}

fn lock(path: &Path) -> Result<Lock, OpenError> {
    let refusal = |e| match e {
        LockError::InUse => Refusal::InUse,
        LockError::Io(e) => e.into(),
    };
    Lock::take(path).map_err(|e| refusal(e).of(path))
}

/// Makes an empty database with the row of its owner.
fn create(directory: &Path, owner: &Owner, options: &Options) -> Result<(), Refusal> {
    let mut database = options.database();
    database.create_if_missing(true);
    database.create_missing_column_families(true);
    let cache = cache(options);
    let db = DB::open_cf_descriptors(&database, directory, descriptors(&cache, options))?;
    let family = db
        .cf_handle(Family::Meta.name())
        .ok_or_else(|| missing(Family::Meta))?;
    let mut synced = WriteOptions::new();
    synced.set_sync(true);
    Ok(db.put_cf_opt(family, OWNER_KEY, owner_value(owner), &synced)?)
}

/// The value of the owner's row: the format version, then the owner.
pub(crate) fn owner_value(owner: &Owner) -> Vec<u8> {
    [&[rows::FORMAT], &owner.encode()[..]].concat()
}

/// Opens an existing database. Checks that it belongs to `owner` and lost no synced write.
fn open_whole(directory: &Path, owner: &Owner, options: &Options) -> Result<(DB, Cache), Refusal> {
    let last_sequence = check_logs(directory)?;
    let database = options.database();
    let names = DB::list_cf(&database, directory)?;
    let cache = cache(options);
    // RocksDB opens only with all families. Those of a later format are opened too, to read the format version.
    let is_unknown = |name: &&String| {
        *name != DEFAULT_FAMILY && Family::ALL.iter().all(|family| family.name() != **name)
    };
    let unknown: Vec<_> = names.iter().filter(is_unknown).cloned().collect();
    let later = unknown
        .iter()
        .map(|name| ColumnFamilyDescriptor::new(name, rocksdb::Options::default()));
    let db = DB::open_cf_descriptors(
        &database,
        directory,
        descriptors(&cache, options).chain(later),
    )?;

    check_meta(&db, owner)?;
    if let Some(name) = unknown.first() {
        return Err(Refusal::Damaged(format!("unknown column family {name:?}")));
    }
    let recovered = db.latest_sequence_number();
    if let Some(logged) = last_sequence.filter(|logged| *logged > recovered) {
        return Err(Refusal::Damaged(format!(
            "the log ends with write {logged}, but the last recovered write is {recovered}"
        )));
    }
    Ok((db, cache))
}

/// Checks the format version and the owner of a database.
fn check_meta(db: &DB, owner: &Owner) -> Result<(), Refusal> {
    let family = db
        .cf_handle(Family::Meta.name())
        .ok_or_else(|| missing(Family::Meta))?;
    let value = db.get_pinned_cf(family, OWNER_KEY)?;
    let (&format, value) = value
        .as_ref()
        .and_then(|value| value.split_first())
        .ok_or_else(no_owner)?;
    if format != rows::FORMAT {
        return Err(Refusal::Version(format));
    }
    let found = Owner::decode(value).ok_or_else(no_owner)?;
    if found != *owner {
        return Err(Refusal::Foreign {
            found: Box::new(found),
            expected: Box::new(owner.clone()),
        });
    }
    Ok(())
}

fn descriptors(cache: &Cache, options: &Options) -> impl Iterator<Item = ColumnFamilyDescriptor> {
    Family::ALL.into_iter().map(|family| {
        let family_options = family.options(cache, options.write_buffers());
        ColumnFamilyDescriptor::new(family.name(), family_options)
    })
}

/// A hyper-clock cache, because it scales better over threads than RocksDB's LRU cache. 0 lets it estimate the size of
/// an entry.
fn cache(options: &Options) -> Cache {
    Cache::new_hyper_clock_cache(options.cache_bytes(), 0)
}

/// Checks the manifest and all write-ahead logs before RocksDB opens them. Returns the sequence number of the last
/// write in the logs.
fn check_logs(directory: &Path) -> Result<Option<u64>, Refusal> {
    let current = fs::read(directory.join("CURRENT")).map_err(|e| absent("CURRENT", e))?;
    let manifest = str::from_utf8(&current)
        .ok()
        .and_then(|current| current.strip_suffix('\n'));
    let is_manifest = |name: &&str| name.strip_prefix("MANIFEST-").is_some_and(is_number);
    let manifest = manifest
        .filter(is_manifest)
        .ok_or_else(|| Refusal::Damaged("CURRENT does not name a manifest".to_owned()))?;
    check_log(directory, OsStr::new(manifest))?;

    let mut last_sequence = None;
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if name
            .to_str()
            .and_then(|name| name.strip_suffix(".log"))
            .is_some_and(is_number)
        {
            last_sequence = last_sequence.max(check_log(directory, &name)?);
        }
    }
    Ok(last_sequence)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn check_log(directory: &Path, name: &OsStr) -> Result<Option<u64>, Refusal> {
    let shown = name.display();
    let file = File::open(directory.join(name)).map_err(|e| absent(&shown.to_string(), e))?;
    match log_file::check(file) {
        Ok(intact) => Ok(intact.last_sequence),
        Err(LogError::Io(e)) => Err(e.into()),
        Err(e @ LogError::Damaged { .. }) => Err(Refusal::Damaged(format!("{shown} has {e}"))),
    }
}

/// The refusal for a required file that cannot be opened. A missing file is damage.
fn absent(name: &str, error: io::Error) -> Refusal {
    if error.kind() == io::ErrorKind::NotFound {
        return Refusal::Damaged(format!("{name} is missing"));
    }
    error.into()
}

fn missing(family: Family) -> Refusal {
    Refusal::Damaged(format!("column family {:?} is missing", family.name()))
}

fn no_owner() -> Refusal {
    Refusal::Damaged("the row of the owner is missing or malformed".to_owned())
}

/// An [`OpenError`] without its directory.
enum Refusal {
    InUse,
    Foreign {
        found: Box<Owner>,
        expected: Box<Owner>,
    },
    Damaged(String),
    Version(u8),
    Io(String),
}

impl Refusal {
    fn of(self, path: &Path) -> OpenError {
        let path = path.to_owned();
        match self {
            Self::InUse => OpenError::InUse { path },
            Self::Foreign { found, expected } => OpenError::Foreign {
                path,
                found,
                expected,
            },
            Self::Damaged(why) => OpenError::Damaged { path, why },
            Self::Version(found) => OpenError::Version { path, found },
            Self::Io(why) => OpenError::Io { path, why },
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

impl From<rocksdb::Error> for Refusal {
    fn from(error: rocksdb::Error) -> Self {
        if is_damage(&error) {
            Self::Damaged(error.into_string())
        } else if error.kind() == ErrorKind::IOError && error.as_ref().contains(ROCKSDB_LOCK) {
            Self::InUse
        } else {
            Self::Io(error.into_string())
        }
    }
}

/// Whether an error of RocksDB means that the data on disk differs from the data written. When in doubt it is not
/// damage: a damaged store is put aside and filled again, which is wrong after a mere refusal of the operating system.
pub(crate) fn is_damage(error: &rocksdb::Error) -> bool {
    match error.kind() {
        ErrorKind::Corruption | ErrorKind::NotFound => true,
        ErrorKind::IOError => error.as_ref().contains("No such file or directory"),
        _ => false,
    }
}

pub(crate) const OWNER_KEY: &[u8] = b"owner";
/// Part of RocksDB's error when its own lock is held, as by a tool that does not take [`Lock`].
const ROCKSDB_LOCK: &str = "/LOCK: ";
/// The family that RocksDB requires. It stays empty.
const DEFAULT_FAMILY: &str = "default";
