//! Heartbeats: at most one signature a second for each head, for any number of readers.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kittengrad_proto::{
    block::Head, identity::Heartbeat, namespace::Overlay, signed::Signer, wire,
};

use crate::clock;

/// Time without a frame after which a reader gets a heartbeat.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// Signs the journal's head.
pub(super) struct Pulse {
    overlay: Overlay,
    signer: Arc<dyn Signer>,
    /// The last heartbeat, its head, and when it was signed.
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

    /// A heartbeat with `head` that is less than [`HEARTBEAT_EVERY`] old.
    pub(super) fn beat(&self, head: Head) -> wire::Signed {
        self.beat_at(head, Instant::now())
    }

    fn beat_at(&self, head: Head, now: Instant) -> wire::Signed {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, signed_head, heartbeat)) = &*last
            && *signed_head == head
            && now.duration_since(*at) < HEARTBEAT_EVERY
        {
            return heartbeat.clone();
        }
        let heartbeat = Heartbeat::sign(&self.overlay, head, clock::unix_ms(), &*self.signer);
        let heartbeat = heartbeat.signed().to_wire();
        *last = Some((now, head, heartbeat.clone()));
        heartbeat
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kittengrad_proto::{
        id::{Id, PublicKey},
        signed::SIGNATURE_BYTES,
    };

    use super::*;

    /// Counts its signatures.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Signer for Counting {
        fn public(&self) -> PublicKey {
            PublicKey::new([1; 32])
        }

        fn sign(&self, _: &[u8]) -> [u8; SIGNATURE_BYTES] {
            self.0.fetch_add(1, Ordering::Relaxed);
            [0; SIGNATURE_BYTES]
        }
    }

    #[test]
    fn a_thousand_readers_of_one_head_cost_one_signature() {
        let overlay = Overlay {
            network: Id::ZERO,
            namespace: "works".parse().unwrap(),
        };
        let signer = Arc::new(Counting::default());
        let pulse = Pulse::new(overlay, Arc::clone(&signer) as Arc<dyn Signer>);
        let head = |height| Head {
            incarnation: 1,
            height,
            hash: Id::ZERO,
        };
        let now = Instant::now();
        let soon = |ms| now + Duration::from_millis(ms);
        let signed = || signer.0.load(Ordering::Relaxed);
        let first = pulse.beat_at(head(1), now);
        assert!((0..1_000).all(|ms| pulse.beat_at(head(1), soon(ms)) == first));
        assert_eq!(signed(), 1);
        pulse.beat_at(head(1), soon(1_000));
        assert_eq!(signed(), 2, "a second later it is signed again");
        assert_ne!(pulse.beat_at(head(2), soon(1_000)), first);
        assert_eq!(signed(), 3, "and at once for another head");
    }
}
