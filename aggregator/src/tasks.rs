//! The tasks of a running aggregator, each owned and awaited, and their end in order.

use std::{sync::Arc, time::Duration};

use kittengrad_aggregator_core::{Fetch, Input};
use kittengrad_client::Client;
use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::{certificate::Role, id::PublicKey};
use kittengrad_service::{
    http::{self, NotReady, Pages},
    metrics::ServiceMetrics,
    reflection::Health,
    serve::serve,
    space,
    tls::Door,
};
use kittengrad_store::free_bytes;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    config::Config,
    driver::{Command, Driver, Reader},
    fetch,
    follow::Following,
    run::RunError,
};

/// How often the core hears that time went by.
const TICK: Duration = Duration::from_millis(200);
/// How often the free disk is looked at, in ticks.
const SPACE_TICKS: u32 = 5;

/// An aggregator whose parts run; each is a task that the set owns.
pub(crate) struct Running {
    tasks: JoinSet<Result<(), RunError>>,
    shutdown: CancellationToken,
}

impl Running {
    /// Nothing runs yet; everything that will ends with `shutdown`.
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self {
            tasks: JoinSet::new(),
            shutdown,
        }
    }

    /// Cancelled at the end.
    pub(crate) fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// The driver, on a thread of its own.
    pub(crate) fn drive(&mut self, driver: Driver) -> Result<(), RunError> {
        let (done, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("driver".to_owned());
        let run = move || {
            // Nobody listens any more when the process is being torn down.
            let _ = done.send(driver.run());
        };
        thread.spawn(run).map_err(RunError::Thread)?;
        self.tasks.spawn(async move {
            match ended.await {
                Ok(ended) => Ok(ended?),
                Err(_) => Err(RunError::Task("the driver panicked".to_owned())),
            }
        });
        Ok(())
    }

    /// Tells the core that time goes by, and followers whether there is room on the disk.
    pub(crate) fn tick(
        &mut self,
        config: &Config,
        commands: mpsc::Sender<Command>,
        shortage: watch::Sender<Option<String>>,
    ) {
        let (data, reserve_mib) = (config.data.clone(), config.store.reserve_mib);
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            let mut ticks = interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for count in 0_u32.. {
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    _ = ticks.tick() => {}
                }
                if commands.send(Command::Input(Input::Tick)).await.is_err() {
                    break;
                }
                if count.is_multiple_of(SPACE_TICKS) {
                    let now = space::shortage(free_bytes(&data), "store.reserve_mib", reserve_mib);
                    space::tell(&shortage, now, |shortage| shortage);
                }
            }
            Ok(())
        });
    }

    pub(crate) fn fetch(
        &mut self,
        client: Client,
        wanted: mpsc::Receiver<Fetch>,
        commands: mpsc::Sender<Command>,
    ) {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = fetch::run(client, wanted, commands) => {}
            }
            Ok(())
        });
    }

    pub(crate) fn follow(
        &mut self,
        source: PublicKey,
        client: Client,
        commands: mpsc::Sender<Command>,
        told: Arc<Reader>,
        shortage: watch::Receiver<Option<String>>,
    ) {
        let shutdown = self.shutdown.clone();
        let following = Following {
            source,
            client,
            commands,
            told,
            shortage,
            shutdown,
        };
        self.tasks.spawn(async move {
            following.run().await;
            Ok(())
        });
    }

    pub(crate) fn pages(&mut self, listener: TcpListener, pages: Pages) {
        let serving = http::serve(listener, http::router(pages), self.shutdown.clone());
        self.tasks.spawn(async move { Ok(serving.await?) });
    }

    /// Says over gRPC too whether the aggregator is ready.
    pub(crate) fn health(&mut self, health: Health, not_ready: NotReady) {
        let following = health.follow(not_ready, self.shutdown.clone());
        self.tasks.spawn(async move {
            following.await;
            Ok(())
        });
    }

    pub(crate) fn serve(
        &mut self,
        listener: TcpListener,
        credentials: Credentials,
        routes: Routes,
        metrics: ServiceMetrics,
    ) -> Result<(), RunError> {
        let door = Arc::new(Door::new(credentials, |role| role != Role::Registrar)?);
        let serving = serve(listener, door, routes, metrics, self.shutdown.clone());
        self.tasks.spawn(async move { Ok(serving.await?) });
        Ok(())
    }

    /// Waits for the end, and lets everything finish in order: the driver goes last.
    pub(crate) async fn until_stopped(
        mut self,
        commands: mpsc::Sender<Command>,
    ) -> Result<(), RunError> {
        let mut first_error = None;
        while first_error.is_none() {
            let ended = tokio::select! {
                () = self.shutdown.cancelled() => break,
                ended = self.tasks.join_next() => ended,
            };
            match ended {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => first_error = Some(error),
                Some(Err(panic)) => first_error = Some(RunError::Task(panic.to_string())),
                None => break,
            }
        }
        self.shutdown.cancel();
        // The driver may be the one that failed.
        let _ = commands.send(Command::Stop).await;
        drop(commands);
        while let Some(ended) = self.tasks.join_next().await {
            if let (None, Ok(Err(error))) = (&first_error, ended) {
                first_error = Some(error);
            }
        }
        first_error.map_or(Ok(()), Err)
    }
}
