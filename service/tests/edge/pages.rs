//! Pages for operators and tools: readiness, metrics, status, health and reflection.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use kittengrad_pki::{
    tls::{Revocations, client_config, server_name},
    transport::Transport,
};
use kittengrad_proto::certificate::Role;
use kittengrad_service::{
    clock::unix_ms,
    http::{Pages, router, serve},
    listen::listen,
    metrics::ServiceMetrics,
};
use kittengrad_support::wait::soon;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::{v1, v1alpha};

use crate::{
    network::{Served, channel},
    world::World,
};

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn readiness_follows_its_reasons_and_other_pages_answer() {
    let is_behind = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&is_behind);
    let reasons = move || {
        let behind = seen.load(Ordering::Relaxed);
        behind
            .then(|| "source 3f9a is 12 blocks behind".to_owned())
            .into_iter()
            .collect()
    };
    let mut registry = Registry::with_prefix("kittengrad");
    ServiceMetrics::register(&mut registry).connections.set(3);
    let pages = Pages {
        registry: Arc::new(registry),
        not_ready: Arc::new(reasons),
        status: Arc::new(|| json!({ "role": "aggregator" })),
    };
    let listener = listen("127.0.0.1:0".parse().unwrap(), "http")
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, router(pages), shutdown.clone()));

    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
    let answer = get(address, "/readyz").await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("12 blocks behind"),
        "{answer}"
    );
    is_behind.store(false, Ordering::Relaxed);
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(
        get(address, "/metrics")
            .await
            .contains("kittengrad_grpc_connections 3")
    );
    assert!(
        get(address, "/status")
            .await
            .contains(r#"{"role":"aggregator"}"#)
    );

    shutdown.cancel();
    soon(serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_reported_with_the_key_that_names_it() {
    let taken = listen("127.0.0.1:0".parse().unwrap(), "grpc")
        .await
        .unwrap();
    let address = taken.local_addr().unwrap();
    let error = listen(address, "http").await.unwrap_err().to_string();
    assert!(
        error.contains(&address.to_string()) && error.contains("`http`"),
        "{error}"
    );
    assert!(error.contains("ss -ltunp"), "{error}");
}

#[tokio::test]
async fn health_and_both_versions_of_reflection_are_served() {
    let world = World::new();
    let served = Served::start(&world).await;
    let transport = Transport::of(&world.publisher, unix_ms()).unwrap();
    let config = client_config(&transport, &Revocations::default(), &[b"h2"]).unwrap();
    let name = server_name(&served.owner, Role::Peer);
    let channel = channel(served.address, config, name).await.unwrap();

    let service = "kittengrad.v1.Journal".to_owned();
    let request = HealthCheckRequest {
        service: service.clone(),
    };
    let mut health = HealthClient::new(channel.clone());
    let mut health = soon(health.watch(request)).await.unwrap().into_inner();
    let mut until = async |status: ServingStatus| {
        while soon(health.message()).await.unwrap().unwrap().status() != status {}
    };
    until(ServingStatus::Serving).await;
    served.ready.send_replace(false);
    until(ServingStatus::NotServing).await;

    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1::server_reflection_request::MessageRequest::FileContainingSymbol(service.clone()),
        ),
    };
    let requests = tokio_stream::iter([request]);
    let mut answers = soon(client.server_reflection_info(requests))
        .await
        .unwrap()
        .into_inner();
    let answer = soon(answers.message())
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    use v1::server_reflection_response::MessageResponse;
    assert!(
        matches!(answer, MessageResponse::FileDescriptorResponse(_)),
        "{answer:?}"
    );

    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::ListServices(String::new()),
        ),
    };
    let requests = tokio_stream::iter([request]);
    let mut answers = soon(client.server_reflection_info(requests))
        .await
        .unwrap()
        .into_inner();
    let answer = soon(answers.message())
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    use v1alpha::server_reflection_response::MessageResponse as Alpha;
    let Alpha::ListServicesResponse(listed) = answer else {
        panic!("{answer:?}")
    };
    assert!(listed.service.iter().any(|listed| listed.name == service));
    served.stop().await;
}
