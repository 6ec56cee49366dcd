//! Closing a value that tasks share.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

/// Other owners are waited for in these steps, up to two seconds.
const TICK: Duration = Duration::from_millis(10);
const TICKS: u32 = 200;

/// Waits, two seconds at most, until `shared` has no other owner, and drops it. A store whose reads have ended is closed
/// then, and its directory is free.
pub async fn close<T>(shared: Arc<T>) {
    for _ in 0..TICKS {
        if Arc::strong_count(&shared) == 1 {
            break;
        }
        sleep(TICK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn shared_value_closes_when_its_last_other_owner_is_gone() {
        let store = Arc::new(());
        let reader = Arc::clone(&store);
        let gone = Arc::downgrade(&store);
        let closed = tokio::spawn(close(store));
        drop(reader);
        closed.await.unwrap();
        assert!(gone.upgrade().is_none());
    }
}
