//! Putting damaged data aside: the damaged folder is kept for inspection, and an empty one takes its place.
//!
//! All data of a process is on the disks of others too. So damage is not repaired: the process starts with an empty
//! folder and fills it from the others.

use std::{fmt, path::PathBuf};

/// Opens data. Puts damaged data aside and opens an empty folder instead.
///
/// `refilled` completes the log message, for example "its partners fill a new one".
///
/// # Errors
/// The error of `open` if the data is not damaged, or of `put_aside`.
pub fn open_or_put_aside<T, E: fmt::Display>(
    open: impl Fn() -> Result<T, E>,
    is_damage: impl FnOnce(&E) -> bool,
    put_aside: impl FnOnce() -> Result<PathBuf, E>,
    refilled: &str,
) -> Result<T, E> {
    match open() {
        Err(error) if is_damage(&error) => {
            let aside = put_aside()?;
            tracing::error!(%error, aside = %aside.display(), "the data is damaged and was put aside; {refilled}");
            open()
        }
        opened => opened,
    }
}

/// Puts aside data that was found damaged while in use. The next start begins with an empty folder.
pub fn put_aside<E: fmt::Display>(put_aside: impl FnOnce() -> Result<PathBuf, E>) {
    match put_aside() {
        Ok(aside) => tracing::error!(aside = %aside.display(), "the damaged data was put aside"),
        Err(error) => tracing::error!(%error, "the damaged data could not be put aside"),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Opens a folder whose first opening fails with `error`. Returns the result, and whether the data was put aside.
    fn open_after(error: &'static str) -> (Result<(), &'static str>, bool) {
        let (error, is_aside) = (Cell::new(Some(error)), Cell::new(false));
        let opened = open_or_put_aside(
            || error.take().map_or(Ok(()), Err),
            |error| *error == "damage",
            || {
                is_aside.set(true);
                Ok(PathBuf::new())
            },
            "a new one is filled",
        );
        (opened, is_aside.get())
    }

    #[test]
    fn only_damaged_data_is_put_aside() {
        assert_eq!(open_after("damage"), (Ok(()), true));
        assert_eq!(open_after("in use"), (Err("in use"), false));
    }
}
