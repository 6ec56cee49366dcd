//! Heartbeats: signed once a second at most, however many readers are to be told.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kittengrad_proto::{
    block::Head, identity::Heartbeat, namespace::Overlay, signed::Signer, wire,
};

use crate::clock;

/// How long a reader hears nothing before it is told the head again.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// Signs the journal's head.
pub(super) struct Pulse {
    overlay: Overlay,
    signer: Arc<dyn Signer>,
    /// The last heartbeat and when it was signed. Whoever needs one makes or takes it.
    last: Mutex<Option<(Instant, Head, wire::Signed)>>,
}

impl Pulse {
    pub(super) const fn new(overlay: Overlay, signer: Arc<dyn Signer>) -> Self {
        Self {
            overlay,
            signer,
            last: Mutex::new(None),
        }
    }

    /// A heartbeat that says `head` and is less than [`HEARTBEAT_EVERY`] old.
    pub(super) fn beat(&self, head: Head) -> wire::Signed {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, said, heartbeat)) = &*last
            && *said == head
            && at.elapsed() < HEARTBEAT_EVERY
        {
            return heartbeat.clone();
        }
        let heartbeat = Heartbeat::sign(&self.overlay, head, clock::unix_ms(), &*self.signer);
        let heartbeat = heartbeat.signed().to_wire();
        *last = Some((Instant::now(), head, heartbeat.clone()));
        heartbeat
    }
}
