//! Waiting for an event or a condition. A test fails if it takes too long.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

/// The longest wait, long enough for a loaded machine.
pub const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Waits for the result of `event`.
///
/// # Panics
/// If it has none within [`DEADLINE`].
pub async fn soon<T>(event: impl Future<Output = T>) -> T {
    let Ok(result) = timeout(DEADLINE, event).await else {
        panic!("nothing happened within {DEADLINE:?}");
    };
    result
}

/// Waits until a condition holds.
///
/// # Panics
/// If it does not hold within [`DEADLINE`].
pub async fn until(condition: &str, mut holds: impl AsyncFnMut() -> bool) {
    until_some(condition, async || holds().await.then_some(())).await;
}

/// Waits until `ask` returns a value, and returns the value.
///
/// # Panics
/// If it returns none within [`DEADLINE`].
pub async fn until_some<T>(condition: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            sleep(PAUSE).await;
        }
    };
    let Ok(found) = timeout(DEADLINE, asked).await else {
        panic!("not within {DEADLINE:?}: {condition}");
    };
    found
}

/// Waits on this thread until a condition holds.
///
/// # Panics
/// If it does not hold within `patience`.
pub fn block_until(condition: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        let is_late = begun.elapsed() >= patience;
        assert!(!is_late, "not within {patience:?}: {condition}");
        thread::sleep(PAUSE);
    }
}
