//! What lets generic gRPC clients find their way: reflection in both versions, and health.

use kittengrad_proto::wire::DESCRIPTORS;
use thiserror::Error;
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::health_reporter};
use tonic_reflection::server::Builder;

/// The schemas that reflection shows are damaged: the program was built wrongly.
#[derive(Debug, Error)]
#[error("gRPC reflection: {0}")]
pub struct ReflectionError(#[from] tonic_reflection::server::Error);

/// Adds reflection (v1 and v1alpha) and health, which says that all of `services` are served.
///
/// # Errors
/// If the schemas in the program are damaged.
pub async fn describe(routes: Routes, services: &[&str]) -> Result<Routes, ReflectionError> {
    let (reporter, health) = health_reporter();
    for service in services.iter().chain([&""]) {
        reporter
            .set_service_status(*service, ServingStatus::Serving)
            .await;
    }
    let schemas = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (v1, v1alpha) = (schemas().build_v1()?, schemas().build_v1alpha()?);
    Ok(routes
        .add_service(health)
        .add_service(v1)
        .add_service(v1alpha))
}
