//! The rule for the ends of tasks.

use std::{fmt, future::pending, time::Duration};

use kittengrad_service::process::{Failures, Process, Stage, Why};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Time after which a test that hangs fails.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct DiskFull;

impl fmt::Display for DiskFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the disk is full")
    }
}

impl std::error::Error for DiskFull {}

/// A process that is never asked to stop, with one task that runs as long as the process.
fn process() -> Process {
    let mut process = Process::new("peer", &CancellationToken::new());
    process.spawn_dropped(Stage::Inside, "clock", pending::<()>());
    process
}

async fn panics(text: &'static str) {
    panic!("{text}")
}

async fn failures(process: Process) -> Failures {
    let ended = timeout(DEADLINE, process.until_stopped()).await;
    ended.expect("an end in time").unwrap_err()
}

/// The message of each failure, without the role of the process.
async fn messages(process: Process) -> Vec<String> {
    let failures = failures(process).await;
    failures.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn an_end_without_an_error_fails_the_process() {
    let mut process = process();
    process.spawn(Stage::Doors, "gRPC", async {});
    assert_eq!(
        failures(process).await.to_string(),
        "peer stops: task `gRPC` ended before the process was asked to stop"
    );
}

#[tokio::test]
async fn an_error_fails_the_process_and_keeps_its_type() {
    let mut process = process();
    process.spawn(Stage::Core, "driver", async { Err(DiskFull) });
    let failures = failures(process).await;
    assert_eq!(
        failures.to_string(),
        "peer stops: task `driver` failed: the disk is full"
    );
    assert_eq!(failures.errors::<DiskFull>().count(), 1);
}

#[tokio::test]
async fn a_panic_fails_the_process_with_its_message() {
    let mut process = process();
    process.spawn(Stage::Inside, "links", panics("no stream"));
    assert_eq!(
        messages(process).await,
        ["task `links` panicked, which is a bug: no stream"]
    );
}

#[tokio::test]
async fn a_panic_on_a_thread_fails_the_process() {
    let mut process = process();
    let work = || -> Result<(), DiskFull> { panic!("torn") };
    process
        .spawn_thread(Stage::Core, "driver", work, async {})
        .unwrap();
    assert_eq!(
        messages(process).await,
        ["task `driver` panicked, which is a bug: torn"]
    );
}

#[tokio::test]
async fn what_fails_after_the_first_end_is_reported_too() {
    let mut process = process();
    let stop = process.stop_of(Stage::Inside);
    process.spawn(Stage::Inside, "links", async move {
        stop.cancelled().await;
        panics("afterwards").await;
    });
    let stop = process.stop_of(Stage::Core);
    process.spawn(Stage::Core, "driver", async move {
        stop.cancelled().await;
        Err(DiskFull)
    });
    process.spawn(Stage::Doors, "gRPC", async {});
    assert_eq!(
        messages(process).await,
        [
            "task `links` panicked, which is a bug: afterwards",
            "task `driver` failed: the disk is full",
            "task `gRPC` ended before the process was asked to stop",
        ],
        "causes come first"
    );
}

#[tokio::test]
async fn a_panic_while_stopping_as_asked_is_reported() {
    let shutdown = CancellationToken::new();
    let mut process = Process::new("peer", &shutdown);
    let stop = process.stop_of(Stage::Doors);
    process.spawn(Stage::Doors, "gRPC", async move {
        stop.cancelled().await;
        panics("at the end").await;
    });
    shutdown.cancel();
    assert_eq!(
        messages(process).await,
        ["task `gRPC` panicked, which is a bug: at the end"]
    );
}

#[tokio::test]
async fn a_task_that_does_not_stop_is_named_and_given_up() {
    let shutdown = CancellationToken::new();
    let patience = Duration::from_millis(50);
    let mut process = Process::new("peer", &shutdown).with_patience(patience);
    process.spawn(Stage::Inside, "links", pending::<()>());
    process.spawn_dropped(Stage::Inside, "clock", pending::<()>());
    shutdown.cancel();
    let failures = failures(process).await;
    assert_eq!(
        failures.to_string(),
        "peer stops: task `links` did not stop within 50ms"
    );
    let why = failures.iter().map(|failure| &failure.why).next();
    assert!(matches!(why, Some(Why::Stuck(of)) if *of == patience));
}

#[tokio::test]
async fn asked_to_stop_the_process_ends_without_an_error() {
    let shutdown = CancellationToken::new();
    let mut process = Process::new("peer", &shutdown);
    let stop = process.stop_of(Stage::Doors);
    process.spawn(Stage::Doors, "gRPC", stop.cancelled_owned());
    process.spawn_dropped(Stage::Inside, "clock", pending::<()>());
    let (stop, stopped) = std::sync::mpsc::channel();
    let work = move || stopped.recv();
    process
        .spawn_thread(Stage::Core, "driver", work, async move {
            stop.send(()).unwrap();
        })
        .unwrap();
    shutdown.cancel();
    let ended = timeout(DEADLINE, process.until_stopped()).await.unwrap();
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn a_process_that_fails_stops_no_other() {
    let shutdown = CancellationToken::new();
    let mut process = Process::new("peer", &shutdown);
    process.spawn(Stage::Doors, "gRPC", async {});
    failures(process).await;
    assert!(!shutdown.is_cancelled());
}
