//! Heartbeats: at most one signature a second for each head, for any number of readers; and one for each question with
//! a nonce.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kittengrad_proto::{
    block::Head,
    checkpoint::Statement,
    identity::{Heartbeat, HeartbeatFields},
    limits::NONCE_BYTES,
    namespace::Overlay,
    signed::Signer,
    wire,
};
use tokio::sync::watch;

use super::times::SigningTimes;

/// Time without a frame after which a reader gets a heartbeat.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// Signs the journal's head.
pub(super) struct Pulse {
    overlay: Overlay,
    signer: Arc<dyn Signer>,
    times: SigningTimes,
    /// What the set contains as of a block on disk. Published after the head of that block.
    statements: watch::Receiver<Option<Arc<Statement>>>,
    /// The last heartbeat without a nonce, its head, and when it was signed.
    last: Mutex<Option<(Instant, Head, wire::FrameHeartbeat)>>,
}

impl Pulse {
    pub(super) const fn new(
        overlay: Overlay,
        signer: Arc<dyn Signer>,
        times: SigningTimes,
        statements: watch::Receiver<Option<Arc<Statement>>>,
    ) -> Self {
        Self {
            overlay,
            signer,
            times,
            statements,
            last: Mutex::new(None),
        }
    }

    /// A heartbeat with `head` that is less than [`HEARTBEAT_EVERY`] old.
    pub(super) fn beat(&self, head: Head) -> wire::FrameHeartbeat {
        self.beat_at(head, Instant::now())
    }

    /// A heartbeat with `head` that repeats `nonce`, signed now.
    pub(super) fn answer(&self, head: Head, nonce: [u8; NONCE_BYTES]) -> wire::FrameHeartbeat {
        self.sign(head, Some(nonce))
    }

    fn beat_at(&self, head: Head, now: Instant) -> wire::FrameHeartbeat {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, signed_head, heartbeat)) = &*last
            && *signed_head == head
            && now.duration_since(*at) < HEARTBEAT_EVERY
        {
            return heartbeat.clone();
        }
        let heartbeat = self.sign(head, None);
        *last = Some((now, head, heartbeat.clone()));
        heartbeat
    }

    fn sign(&self, head: Head, nonce: Option<[u8; NONCE_BYTES]>) -> wire::FrameHeartbeat {
        let statement = self.statements.borrow().clone();
        // A reader may still be at an older head than the one that the statement describes.
        let statement = statement
            .filter(|of| of.incarnation == head.incarnation && of.checkpoint.height <= head.height);
        let fields = HeartbeatFields {
            head,
            time_ms: self.times.heartbeat_ms(),
            nonce,
            checkpoint: statement.as_ref().map(|of| of.checkpoint.clone()),
        };
        let heartbeat = Heartbeat::sign_fields(&self.overlay, fields, &*self.signer);
        wire::FrameHeartbeat {
            heartbeat: Some(heartbeat.signed().to_wire()),
            through: statement.map_or_else(Vec::new, |of| of.through.to_wire()),
        }
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
        let pulse = Pulse::new(
            overlay,
            Arc::clone(&signer) as Arc<dyn Signer>,
            SigningTimes::default(),
            watch::channel(None).1,
        );
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
