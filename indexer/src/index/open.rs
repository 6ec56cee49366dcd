//! Opening an index: for one process at a time, and always for the same network and namespace.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use kittengrad_indexer_core::{Publishers, State, StateError};
use kittengrad_proto::namespace::Overlay;
use tantivy::{
    Directory as _, IndexReader, IndexWriter, ReloadPolicy, TantivyError,
    directory::{MmapDirectory, error::OpenReadError},
    error::DataCorruption,
    indexer::IndexWriterOptions,
    merge_policy::LogMergePolicy,
};
use thiserror::Error;

use super::{Index, IndexError, Snapshot, checked::Checked, schema, words};

/// Why an index does not open. Nothing changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory cannot be made or read.
    #[error("data directory {}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another process has the index open.
    #[error("data directory {} is in use by another process; stop it, or give this one a directory of its own", .0.display())]
    InUse(PathBuf),
    /// The index belongs to another network or namespace.
    #[error("data directory {} belongs to {found}, not to {expected}; give this indexer a directory of its own", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Network and namespace of the index.
        found: String,
        /// Network and namespace of this process.
        expected: String,
    },
    /// The system or the configuration does not allow to open it. The index is unchanged.
    #[error("the index in {} does not open: {source}; {}", path.display(), next_step(source))]
    Refused {
        /// The directory.
        path: PathBuf,
        /// Tantivy's error.
        source: Box<TantivyError>,
    },
    /// A file of the index is damaged.
    #[error("the index in {} cannot be read: {source}; move the directory away, and the index is built again from the journal", path.display())]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// Tantivy's error.
        source: Box<TantivyError>,
    },
    /// The committed state is damaged, or of another version.
    #[error("the index in {} cannot be read: {source}; move the directory away, and the index is built again from the journal", path.display())]
    State {
        /// The directory.
        path: PathBuf,
        /// Why the state cannot be read.
        source: StateError,
    },
    /// The first commit failed.
    #[error(transparent)]
    Begin(#[from] IndexError),
}

impl OpenError {
    /// Distinguishes a damaged index from one that cannot be opened now.
    fn of(error: TantivyError, directory: &Path) -> Self {
        let path = directory.to_owned();
        // The kinds of errors for wrong content, from `Checked` and from the system.
        let is_bad = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            )
        };
        let is_refused = match &error {
            TantivyError::IoError(error) => !is_bad(error),
            TantivyError::LockFailure(..)
            | TantivyError::InvalidArgument(_)
            | TantivyError::OpenWriteError(_)
            | TantivyError::OpenDirectoryError(_)
            | TantivyError::SystemError(_) => true,
            TantivyError::OpenReadError(error) => {
                matches!(error, OpenReadError::IoError { io_error, .. }
                    if io_error.kind() != io::ErrorKind::NotFound && !is_bad(io_error))
            }
            _ => false,
        };
        let source = Box::new(error);
        if is_refused {
            Self::Refused { path, source }
        } else {
            Self::Damaged { path, source }
        }
    }
}

fn next_step(error: &TantivyError) -> &'static str {
    match error {
        TantivyError::LockFailure(..) => {
            "another process may still write there: stop it, then start again"
        }
        TantivyError::InvalidArgument(_) => "correct `index.memory_mib`",
        _ => "free space or repair the disk or the permissions, then start again",
    }
}

/// Settings of an open index.
#[derive(Debug, Clone, Copy)]
pub struct IndexOptions {
    /// Memory for documents that are not written yet, in bytes.
    pub memory_bytes: usize,
}

impl Index {
    /// Opens the index in `directory`, or makes one there. The caller must keep the [`Lock`] as long as the index.
    ///
    /// # Errors
    /// [`OpenError`] names the directory and the next step.
    pub fn open(
        directory: &Path,
        overlay: &Overlay,
        options: IndexOptions,
    ) -> Result<(Self, Lock), OpenError> {
        let io = |source| OpenError::Io {
            path: directory.to_owned(),
            source,
        };
        let failed = |error| OpenError::of(error, directory);
        let index_directory = directory.join("index");
        fs::create_dir_all(&index_directory).map_err(io)?;
        let lock = Lock::take(directory)?;

        let (schema, fields) = schema::schema();
        let mapped = MmapDirectory::open(&index_directory).map_err(|error| failed(error.into()))?;
        let index = tantivy::Index::open_or_create(Checked(mapped), schema).map_err(failed)?;
        check_files(&index).map_err(failed)?;
        words::register(index.tokenizers());
        let state = read_state(&index, directory, overlay)?;
        let reader: IndexReader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()
            .map_err(failed)?;
        let writer = open_writer(&index, options).map_err(failed)?;

        let publishers = Arc::new(Publishers::default());
        let begun = state.clone().unwrap_or_else(|| State::new(overlay.clone()));
        let mut snapshot = Snapshot {
            searcher: reader.searcher(),
            fields,
            state: begun,
            publishers,
        };
        snapshot.publishers = Arc::new(snapshot.read_publishers().map_err(failed)?);
        let begun = snapshot.state.clone();
        let mut index = Self {
            fields,
            reader,
            writer,
            snapshot: Arc::new(snapshot),
        };
        if state.is_none() {
            index.begin(&begun)?;
        }
        Ok((index, lock))
    }
}

/// Checks all files that the last commit names. Tantivy itself does not notice a flipped bit, and would give wrong
/// answers.
fn check_files(index: &tantivy::Index) -> Result<(), TantivyError> {
    let directory = index.directory();
    for file in index.load_metas()?.list_segment_files() {
        // Not every segment has every file. Opening the segment fails if a file that it needs is missing.
        if directory.exists(&file)? && !directory.validate_checksum(&file)? {
            let why = "its checksum is wrong".to_owned();
            return Err(TantivyError::DataCorruption(DataCorruption::new(file, why)));
        }
    }
    Ok(())
}

/// Opens a writer with one worker and one merger: other processes share the machine, and commits are large.
fn open_writer(index: &tantivy::Index, options: IndexOptions) -> Result<IndexWriter, TantivyError> {
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(options.memory_bytes)
        .build();
    let writer = index.writer_with_options(options)?;
    let mut policy = LogMergePolicy::default();
    policy.set_del_docs_ratio_before_merge(0.3);
    writer.set_merge_policy(Box::new(policy));
    Ok(writer)
}

/// Reads the state of the last commit; `None` before the first commit.
fn read_state(
    index: &tantivy::Index,
    directory: &Path,
    overlay: &Overlay,
) -> Result<Option<State>, OpenError> {
    let path = || directory.to_owned();
    let metas = index
        .load_metas()
        .map_err(|error| OpenError::of(error, directory))?;
    let Some(payload) = metas.payload else {
        return Ok(None);
    };
    let state = State::decode(&payload).map_err(|source| OpenError::State {
        path: path(),
        source,
    })?;
    if state.overlay != *overlay {
        let (found, expected) = (state.overlay.to_string(), overlay.to_string());
        return Err(OpenError::Foreign {
            path: path(),
            found,
            expected,
        });
    }
    Ok(Some(state))
}

/// The lock of a data directory for this process. The system releases it when the process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    fn take(directory: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io {
            path: directory.to_owned(),
            source,
        };
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join("lock"))
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_index_that_cannot_be_read_is_called_damaged() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let budget = "memory arena".to_owned();
        for (error, part) in [
            (TantivyError::IoError(Arc::new(full)), "free space"),
            (TantivyError::InvalidArgument(budget), "index.memory_mib"),
            (TantivyError::SchemaError("no".to_owned()), "built again"),
        ] {
            let text = OpenError::of(error, Path::new("/d")).to_string();
            assert!(text.contains(part) && text.contains("/d"), "{text}");
        }
    }
}
