//! The servers that every role runs as tasks: gRPC, health, pages.

use std::sync::Arc;

use axum::Router;
use kittengrad_proto::{
    limits::{MESSAGE_BYTES_MAX, REQUEST_BYTES_MAX, SUBMIT_BYTES_MAX},
    wire::{
        routing_server::{Routing, RoutingServer},
        store_server::{Store, StoreServer},
    },
};
use tokio::net::TcpListener;
use tonic::service::Routes;

use super::{Process, Stage};
use crate::{
    http::{self, NotReady},
    journal::JournalService,
    metrics::ServiceMetrics,
    reflection::{self, Health, ReflectionError},
    serve::serve,
    tls::Door,
};

impl Process {
    /// Serves gRPC to the callers that `door` admits, and reports readiness by gRPC health.
    pub fn serve_grpc(
        &mut self,
        listener: TcpListener,
        door: Door,
        (routes, health): (Routes, Health),
        not_ready: NotReady,
        metrics: ServiceMetrics,
    ) {
        let stop = self.stop_of(Stage::Doors);
        let serving = serve(listener, Arc::new(door), routes, metrics, stop.clone());
        self.spawn(Stage::Doors, "gRPC", serving);
        self.spawn(Stage::Doors, "health", health.follow(not_ready, stop));
    }

    /// Serves pages over plain HTTP.
    pub fn serve_pages(&mut self, listener: TcpListener, router: Router) {
        let serving = http::serve(listener, router, self.stop_of(Stage::Doors));
        self.spawn(Stage::Doors, "pages", serving);
    }
}

/// The gRPC services of peers and aggregators: Store, Routing, Journal, reflection and health.
///
/// # Errors
/// If the schemas in the program are damaged.
pub async fn routes<S: Store + Routing + Clone>(
    service: S,
    journal: JournalService,
) -> Result<(Routes, Health), ReflectionError> {
    let store = StoreServer::new(service.clone())
        .max_decoding_message_size(SUBMIT_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let routing = RoutingServer::new(service).max_decoding_message_size(REQUEST_BYTES_MAX);
    let routes = Routes::new(store)
        .add_service(routing)
        .add_service(journal.server());
    let names = [
        "kittengrad.v1.Store",
        "kittengrad.v1.Routing",
        "kittengrad.v1.Journal",
    ];
    reflection::describe(routes, &names).await
}
