//! Room on the disk: below a reserve nothing more is read, so that what is there can still be merged and searched.

use std::{path::PathBuf, time::Duration};

use kittengrad_service::space;
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
        let shortage = space::shortage(found, "index.reserve_mib", reserve_mib);
        space::tell(&status, shortage, |status| &mut status.shortage);
        sleep(EVERY).await;
    }
}
