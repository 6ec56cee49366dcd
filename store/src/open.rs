//! Opening a store: whose it is, whether it is whole, and what to do if not.

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

/// Why a store was not opened. What it holds is as it was.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or another store in this one, has the directory.
    #[error("data directory {} is in use by another process: stop that one, or choose another directory", .path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It is the directory of another network, namespace or key.
    #[error("data directory {} belongs to {found}, not to {expected}: choose another directory", .path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: Box<Owner>,
        /// Who asked for it.
        expected: Box<Owner>,
    },
    /// What was read is not what was written. [`quarantine`] makes room for a new store.
    #[error("data directory {} is damaged: {why}", .path.display())]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Another version of this program wrote it.
    #[error("data directory {} has format {found}, known is {}: use the program that wrote it", .path.display(), rows::VERSION)]
    Version {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u8,
    },
    /// The device or the operating system refuses: no space, no permission, no such file.
    #[error("data directory {}: {why}", .path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What was answered.
        why: String,
    },
}

/// Moves the damaged database of a directory aside, so that a new one can be made there, and says where it is
/// now: `<path>/db.damaged-<n>`. Nothing is deleted.
///
/// # Errors
/// If the directory is in use, or the operating system refuses. Nothing is moved then.
pub fn quarantine(path: &Path) -> Result<PathBuf, OpenError> {
    let _lock = lock(path)?;
    directory::put_aside(path).map_err(|e| Refusal::from(e).of(path))
}

/// Bytes that are left on the device that `path` lies on.
///
/// # Errors
/// If the operating system does not say, as when there is no such path.
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

/// Makes an empty database that knows its owner.
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

/// What the database keeps of its owner.
pub(crate) fn owner_value(owner: &Owner) -> Vec<u8> {
    [&[rows::VERSION], &owner.encode()[..]].concat()
}

/// Opens a database that is there, if it has everything that was ever synced to it and is the owner's.
fn open_whole(directory: &Path, owner: &Owner, options: &Options) -> Result<(DB, Cache), Refusal> {
    let last_sequence = check_logs(directory)?;
    let database = options.database();
    let names = DB::list_cf(&database, directory)?;
    let cache = cache(options);
    // Families of a later format are opened too: only so can it be read which format it is.
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
        return Err(Refusal::Damaged(format!(
            "it has an unknown column family {name:?}"
        )));
    }
    let recovered = db.latest_sequence_number();
    if let Some(logged) = last_sequence.filter(|logged| *logged > recovered) {
        return Err(Refusal::Damaged(format!(
            "its log ends with write {logged}, {recovered} was recovered"
        )));
    }
    Ok((db, cache))
}

/// Whether a database is of this format and this owner's.
fn check_meta(db: &DB, owner: &Owner) -> Result<(), Refusal> {
    let family = db
        .cf_handle(Family::Meta.name())
        .ok_or_else(|| missing(Family::Meta))?;
    let value = db.get_pinned_cf(family, OWNER_KEY)?;
    let (&format, value) = value
        .as_ref()
        .and_then(|value| value.split_first())
        .ok_or_else(no_owner)?;
    if format != rows::VERSION {
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

/// Scales better over threads than RocksDB's older cache; 0 is for entries of any size.
fn cache(options: &Options) -> Cache {
    Cache::new_hyper_clock_cache(options.cache_bytes(), 0)
}

/// Walks the manifest and all write-ahead logs before RocksDB does, and returns the number of the last write
/// that they hold.
fn check_logs(directory: &Path) -> Result<Option<u64>, Refusal> {
    let current = fs::read(directory.join("CURRENT")).map_err(|e| absent("CURRENT", e))?;
    let manifest = str::from_utf8(&current)
        .ok()
        .and_then(|current| current.strip_suffix('\n'));
    let is_manifest = |name: &&str| name.strip_prefix("MANIFEST-").is_some_and(is_number);
    let manifest = manifest
        .filter(is_manifest)
        .ok_or_else(|| Refusal::Damaged("CURRENT names no manifest".to_owned()))?;
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

/// A file that must be there is not.
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
    Refusal::Damaged("it does not say whose it is".to_owned())
}

/// An [`OpenError`] that does not know its directory yet.
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

/// Whether an answer of RocksDB means that what is on disk is not what was written. When in doubt it does not:
/// a damaged store is put aside and filled again, which is wrong where only the operating system refuses.
pub(crate) fn is_damage(error: &rocksdb::Error) -> bool {
    match error.kind() {
        ErrorKind::Corruption | ErrorKind::NotFound => true,
        ErrorKind::IOError => error.as_ref().contains("No such file or directory"),
        _ => false,
    }
}

pub(crate) const OWNER_KEY: &[u8] = b"owner";
/// How RocksDB says that somebody who does not know our lock has its own.
const ROCKSDB_LOCK: &str = "/LOCK: ";
/// RocksDB insists on it; nothing is kept in it.
const DEFAULT_FAMILY: &str = "default";
