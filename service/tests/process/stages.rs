//! The order in which tasks are asked to stop.

use std::sync::{Arc, Mutex};

use kittengrad_service::process::{Process, Stage};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn doors_end_before_what_is_inside_and_the_core_ends_last() {
    let shutdown = CancellationToken::new();
    let mut process = Process::new("peer", &shutdown);
    let order = Arc::new(Mutex::new(Vec::new()));
    for stage in [Stage::Core, Stage::Inside, Stage::Doors] {
        let (stop, order) = (process.stop_of(stage), Arc::clone(&order));
        process.spawn(stage, "task", async move {
            stop.cancelled().await;
            // Tasks of a later stage would run now if they were asked at the same time.
            tokio::task::yield_now().await;
            order.lock().unwrap().push(stage);
        });
    }
    shutdown.cancel();
    process.until_stopped().await.unwrap();
    let order = order.lock().unwrap().clone();
    assert_eq!(order, [Stage::Doors, Stage::Inside, Stage::Core]);
}
