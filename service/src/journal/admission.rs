//! How many subscriptions there may be, in all and by one caller.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use kittengrad_proto::id::PublicKey;

use crate::{
    metrics::ServiceMetrics,
    status::{ErrorCode, Refusal},
};

/// Subscriptions in all.
const SUBSCRIPTIONS_MAX: usize = 512;
/// Subscriptions of one key.
const SUBSCRIPTIONS_OF_CALLER_MAX: usize = 64;

/// Counts who listens.
pub(super) struct Admission {
    /// Subscriptions by caller, none of them 0. Whoever comes or goes writes it.
    callers: Mutex<BTreeMap<PublicKey, usize>>,
    metrics: ServiceMetrics,
}

impl Admission {
    pub(super) fn new(metrics: ServiceMetrics) -> Arc<Self> {
        Arc::new(Self {
            callers: Mutex::default(),
            metrics,
        })
    }

    /// Takes a seat, which is free again when it is dropped.
    pub(super) fn take(self: &Arc<Self>, caller: PublicKey) -> Result<Seat, Refusal> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = |who: &str, max: usize| {
            Refusal::new(
                ErrorCode::Overloaded,
                format!("{who} {max} subscriptions, which is the limit"),
            )
            .hint("end one of them, or try again later")
        };
        if callers.values().sum::<usize>() >= SUBSCRIPTIONS_MAX {
            return Err(busy("this process has", SUBSCRIPTIONS_MAX));
        }
        let mine = callers.entry(caller).or_default();
        if *mine >= SUBSCRIPTIONS_OF_CALLER_MAX {
            return Err(busy("you have", SUBSCRIPTIONS_OF_CALLER_MAX));
        }
        *mine += 1;
        self.metrics.subscriptions.inc();
        Ok(Seat {
            admission: Arc::clone(self),
            caller,
        })
    }
}

/// Leave to listen.
pub(super) struct Seat {
    admission: Arc<Admission>,
    caller: PublicKey,
}

impl Seat {
    /// Counts a block that is sent.
    pub(super) fn count_block(&self) {
        self.admission.metrics.blocks_sent.inc();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut callers = self
            .admission
            .callers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = callers.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                callers.remove(&self.caller);
            }
        }
        self.admission.metrics.subscriptions.dec();
    }
}
