//! Room on the disk: below a reserve nothing more is read, so that what is there can still be merged and searched.

use std::{path::PathBuf, time::Duration};

use tokio::{sync::watch, time::sleep};

use crate::source::SourceStatus;

/// How often the free disk is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Tells whoever reads the journal whether there is room.
pub(crate) async fn watch(data: PathBuf, reserve_mib: u64, status: watch::Sender<SourceStatus>) {
    if reserve_mib == 0 {
        return;
    }
    loop {
        let folder = data.clone();
        let found = tokio::task::spawn_blocking(move || fs4::available_space(folder)).await;
        let found = found.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let shortage = shortage(found, reserve_mib);
        status.send_if_modified(|status| {
            let has_changed = status.shortage.is_some() != shortage.is_some();
            if let Some(why) = shortage.as_ref().filter(|_| has_changed) {
                tracing::error!("{why}");
            }
            status.shortage = shortage;
            has_changed
        });
        sleep(EVERY).await;
    }
}

/// Why nothing more is to be read. A disk that does not say how much is free has nothing free.
fn shortage(free_bytes: std::io::Result<u64>, reserve_mib: u64) -> Option<String> {
    let found = match free_bytes {
        Ok(bytes) if bytes / (1024 * 1024) >= reserve_mib => return None,
        Ok(bytes) => format!("{} MiB of disk are free", bytes / (1024 * 1024)),
        Err(error) => format!("the disk does not say how much is free ({error})"),
    };
    Some(format!(
        "{found}, `index.reserve_mib` wants {reserve_mib}: the journal is not read until there is room"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_less_than_the_reserve_is_too_full() {
        const MIB: u64 = 1024 * 1024;
        assert_eq!(shortage(Ok(256 * MIB), 256), None);
        let short = shortage(Ok(255 * MIB), 256).unwrap();
        assert!(short.contains("255 MiB") && short.contains("index.reserve_mib"));
        let failed = shortage(Err(std::io::ErrorKind::NotFound.into()), 256);
        assert!(failed.unwrap().contains("does not say"));
    }
}
