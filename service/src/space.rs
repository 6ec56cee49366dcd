//! Free disk space: below a reserve a process takes in nothing more, so that it can still serve the data it has.

use std::{io, path::PathBuf, time::Duration};

use tokio::{sync::watch, task::spawn_blocking, time::sleep};

const MIB: u64 = 1024 * 1024;
/// How often the free space is read.
const EVERY: Duration = Duration::from_secs(1);

/// Reports every second whether the disk of `folder` is short of space: `Some` with the reason, or `None`. `key` is the
/// reserve's key in the configuration.
pub async fn watch(
    folder: PathBuf,
    key: &'static str,
    reserve_mib: u64,
    mut report: impl FnMut(Option<String>) + Send,
) {
    loop {
        let folder = folder.clone();
        let found = spawn_blocking(move || fs4::available_space(folder)).await;
        let found = found.unwrap_or_else(|error| Err(io::Error::other(error)));
        report(shortage(found, key, reserve_mib));
        sleep(EVERY).await;
    }
}

/// The reason to take in nothing more, if any. `key` is the reserve's key in the configuration. An error counts as no
/// free space; a reserve of 0 switches the check off.
#[must_use]
pub fn shortage(free_bytes: io::Result<u64>, key: &str, reserve_mib: u64) -> Option<String> {
    if reserve_mib == 0 {
        return None;
    }
    let found = match free_bytes.map(|bytes| bytes / MIB) {
        Ok(free_mib) if free_mib >= reserve_mib => return None,
        Ok(free_mib) => format!("{free_mib} MiB of disk are free"),
        Err(error) => format!("the free disk space cannot be read ({error})"),
    };
    Some(format!(
        "{found}, `{key}` requires {reserve_mib}: nothing more is read until there is more free space"
    ))
}

/// Publishes `shortage` in the field `of` when it begins or ends, and logs its beginning.
pub fn tell<T>(
    channel: &watch::Sender<T>,
    shortage: Option<String>,
    of: impl FnOnce(&mut T) -> &mut Option<String>,
) {
    channel.send_if_modified(|value| {
        let before = of(value);
        let has_changed = before.is_some() != shortage.is_some();
        if let Some(why) = shortage.as_ref().filter(|_| has_changed) {
            tracing::error!("{why}");
        }
        *before = shortage;
        has_changed
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_below_its_reserve_or_of_unknown_room_is_too_full() {
        assert_eq!(shortage(Ok(256 * MIB), "reserve", 256), None);
        let short = shortage(Ok(255 * MIB), "reserve", 256).unwrap();
        assert!(short.contains("255 MiB") && short.contains("`reserve`"));
        let unknown = || Err(io::ErrorKind::NotFound.into());
        assert!(
            shortage(unknown(), "reserve", 1)
                .unwrap()
                .contains("cannot be read")
        );
        assert_eq!(shortage(unknown(), "reserve", 0), None);
    }
}
