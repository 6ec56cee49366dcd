//! Services for generic gRPC clients: reflection in both versions, and health.

use std::time::Duration;

use kittengrad_proto::wire::DESCRIPTORS;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::{
    ServingStatus,
    server::{HealthReporter, health_reporter},
};
use tonic_reflection::server::Builder;

use crate::http::NotReady;

/// How often health is updated from readiness.
const EVERY: Duration = Duration::from_millis(250);

/// The schemas in the program are damaged: it was built wrongly.
#[derive(Debug, Error)]
#[error("gRPC reflection: {0}")]
pub struct ReflectionError(#[from] tonic_reflection::server::Error);

/// The health of the services of a process: `NOT_SERVING` until the process is ready.
pub struct Health {
    reporter: HealthReporter,
    services: Vec<String>,
}

/// Adds reflection (v1 and v1alpha) and health. All `services` are `NOT_SERVING` until [`Health::follow`] finds the
/// process ready.
///
/// # Errors
/// If the schemas in the program are damaged.
pub async fn describe(
    routes: Routes,
    services: &[&str],
) -> Result<(Routes, Health), ReflectionError> {
    let (reporter, health) = health_reporter();
    let services = services.iter().chain([&""]);
    let services = Health {
        reporter,
        services: services.map(|service| (*service).to_owned()).collect(),
    };
    services.report(false).await;
    let schemas = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (v1, v1alpha) = (schemas().build_v1()?, schemas().build_v1alpha()?);
    let routes = routes
        .add_service(health)
        .add_service(v1)
        .add_service(v1alpha);
    Ok((routes, services))
}

impl Health {
    /// Reports until `shutdown` whether the process is ready, and then that it is not.
    pub async fn follow(self, not_ready: NotReady, shutdown: CancellationToken) {
        let mut reported = false;
        while !shutdown.is_cancelled() {
            let is_ready = not_ready().is_empty();
            if is_ready != reported {
                self.report(is_ready).await;
                reported = is_ready;
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        self.report(false).await;
    }

    async fn report(&self, is_ready: bool) {
        let status = if is_ready {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for service in &self.services {
            self.reporter.set_service_status(service, status).await;
        }
    }
}
