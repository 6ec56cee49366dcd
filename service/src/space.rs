//! Room on the disk: below a reserve nothing more is read from others, so that what is there can still be served.

use std::{io, path::PathBuf, time::Duration};

use tokio::{sync::watch, task::spawn_blocking, time::sleep};

const MIB: u64 = 1024 * 1024;
/// How often the free disk is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Says every second why nothing more is to be read into `folder`, or that there is room. `key` is the configuration's
/// name of the reserve.
pub async fn watch(
    folder: PathBuf,
    key: &'static str,
    reserve_mib: u64,
    mut told: impl FnMut(Option<String>) + Send,
) {
    loop {
        let looked_at = folder.clone();
        let found = spawn_blocking(move || fs4::available_space(looked_at)).await;
        let found = found.unwrap_or_else(|error| Err(io::Error::other(error)));
        told(shortage(found, key, reserve_mib));
        sleep(EVERY).await;
    }
}

/// Why nothing more is to be read, `key` being the configuration's name of the reserve. A disk that does not say how
/// much is free has nothing free; a reserve of nothing asks nothing.
#[must_use]
pub fn shortage(free_bytes: io::Result<u64>, key: &str, reserve_mib: u64) -> Option<String> {
    if reserve_mib == 0 {
        return None;
    }
    let found = match free_bytes.map(|bytes| bytes / MIB) {
        Ok(free_mib) if free_mib >= reserve_mib => return None,
        Ok(free_mib) => format!("{free_mib} MiB of disk are free"),
        Err(error) => format!("the disk does not say how much is free ({error})"),
    };
    Some(format!(
        "{found}, `{key}` wants {reserve_mib}: nothing more is read until there is room"
    ))
}

/// Tells of a shortage, and of its end; the log hears of its beginning.
pub fn tell<T>(
    told: &watch::Sender<T>,
    shortage: Option<String>,
    of: impl FnOnce(&mut T) -> &mut Option<String>,
) {
    told.send_if_modified(|told| {
        let before = of(told);
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
        let silent = || Err(io::ErrorKind::NotFound.into());
        assert!(
            shortage(silent(), "reserve", 1)
                .unwrap()
                .contains("does not say")
        );
        assert_eq!(shortage(silent(), "reserve", 0), None);
    }
}
