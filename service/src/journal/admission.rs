//! Limits the subscriptions, in all and of one caller.

use std::sync::Arc;

use kittengrad_proto::id::PublicKey;

use crate::{
    metrics::ServiceMetrics,
    seats::{self, Full, Seats},
    status::{ErrorCode, Refusal},
};

/// Subscriptions at one time.
const SUBSCRIPTIONS_MAX: usize = 512;
/// Subscriptions of one key at one time.
const SUBSCRIPTIONS_OF_CALLER_MAX: usize = 64;

/// Counts the subscribers.
pub(super) struct Admission {
    seats: Arc<Seats<PublicKey>>,
    metrics: ServiceMetrics,
}

impl Admission {
    pub(super) fn new(metrics: ServiceMetrics) -> Self {
        let seats = Seats::new(SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_OF_CALLER_MAX);
        Self { seats, metrics }
    }

    /// Takes a seat. Dropping it gives it back.
    pub(super) fn take(&self, caller: PublicKey) -> Result<Seat, Refusal> {
        let busy = |subject: &str, max: usize| {
            Refusal::new(
                ErrorCode::Overloaded,
                format!("{subject} {max} subscriptions, which is the limit"),
            )
            .hint("end one of them, or try again later")
        };
        let seat = self.seats.take(caller).map_err(|full| match full {
            Full::All => busy("this process has", SUBSCRIPTIONS_MAX),
            Full::Each => busy("you have", SUBSCRIPTIONS_OF_CALLER_MAX),
        })?;
        self.metrics.subscriptions.inc();
        Ok(Seat {
            metrics: self.metrics.clone(),
            _seat: seat,
        })
    }
}

/// The seat of one subscriber.
pub(super) struct Seat {
    metrics: ServiceMetrics,
    _seat: seats::Seat<PublicKey>,
}

impl Seat {
    /// Counts a block that is sent.
    pub(super) fn count_block(&self) {
        self.metrics.blocks_sent.inc();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.metrics.subscriptions.dec();
    }
}
