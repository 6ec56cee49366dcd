//! How many subscriptions there may be, in all and by one caller.

use std::sync::Arc;

use kittengrad_proto::id::PublicKey;

use crate::{
    metrics::ServiceMetrics,
    seats::{self, Full, Seats},
    status::{ErrorCode, Refusal},
};

/// Subscriptions in all.
const SUBSCRIPTIONS_MAX: usize = 512;
/// Subscriptions of one key.
const SUBSCRIPTIONS_OF_CALLER_MAX: usize = 64;

/// Counts who listens.
pub(super) struct Admission {
    seats: Arc<Seats<PublicKey>>,
    metrics: ServiceMetrics,
}

impl Admission {
    pub(super) fn new(metrics: ServiceMetrics) -> Self {
        let seats = Seats::new(SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_OF_CALLER_MAX);
        Self { seats, metrics }
    }

    /// Takes a seat, which is free again when it is dropped.
    pub(super) fn take(&self, caller: PublicKey) -> Result<Seat, Refusal> {
        let busy = |who: &str, max: usize| {
            Refusal::new(
                ErrorCode::Overloaded,
                format!("{who} {max} subscriptions, which is the limit"),
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

/// Leave to listen.
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
