//! Errors as a client reads them that knows only gRPC's conventions.

use kittengrad_proto::{rpc, wire};
use kittengrad_support::wait::soon;
use prost::Message;
use tonic::Code;

use crate::{network::Served, world::World};

/// The detail with this type.
fn detail<T: Message + Default>(status: &rpc::Status, url: &str) -> T {
    let found = status.details.iter().find(|any| any.type_url == url);
    let found = found.unwrap_or_else(|| panic!("no {url} in {status:?}"));
    T::decode(found.value.as_slice()).unwrap()
}

#[tokio::test]
async fn a_client_of_the_standard_reads_why_a_call_failed() {
    let world = World::new();
    let served = Served::start(&world).await;
    let mut journal = served.journal(&world.publisher).await;
    let request = wire::GetHeadRequest {
        namespace: "other".to_owned(),
        nonce: bytes::Bytes::new(),
    };
    let refused = soon(journal.get_head(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);

    let status = rpc::Status::decode(refused.details()).unwrap();
    assert_eq!(status.code, i32::from(refused.code()));
    assert_eq!(status.message, refused.message());
    let info: rpc::ErrorInfo = detail(&status, "type.googleapis.com/google.rpc.ErrorInfo");
    assert_eq!(info.reason, "WRONG_NAMESPACE");
    assert_eq!(info.domain, "kittengrad");
    let ours = "type.googleapis.com/kittengrad.v1.ErrorDetail";
    let ours: wire::ErrorDetail = detail(&status, ours);
    assert_eq!(ours.code(), wire::ErrorCode::WrongNamespace);
    assert!(ours.hint.contains("network files"), "{}", ours.hint);
    served.stop().await;
}
