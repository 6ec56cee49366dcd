//! Heads of the callers' own journals: one key that signs two blocks for one height is noticed.

use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::{
    block::Head,
    certificate::Role,
    error::{ErrorCode, ErrorDetail},
    evidence::Rule,
    id::Id,
    identity::Heartbeat,
    namespace::Overlay,
    signed::Ed25519,
    signed_head::SignedHead,
    wire::{self, subscribe_request::From},
};
use kittengrad_support::wait::soon;
use tonic::Status;

use crate::{network::Served, streams::request, world::World};

/// A head of the journal of `owner`, as it signs it.
fn signed(owner: &Credentials, overlay: &Overlay, height: u64, hash: u8) -> wire::SignedHead {
    let head = Head {
        incarnation: 5,
        height,
        hash: Id::new([hash; 32]),
    };
    let heartbeat = Heartbeat::sign(overlay, head, 60_000, owner.key());
    SignedHead::Heartbeat(Box::new(heartbeat)).to_wire()
}

/// Subscribes with a head, and hangs up.
async fn subscribe(
    world: &World,
    served: &Served,
    caller: &Credentials,
    head: wire::SignedHead,
) -> Result<(), Status> {
    let request = wire::SubscribeRequest {
        head: Some(head),
        ..request(world, From::Now(true))
    };
    let mut journal = served.journal(caller).await;
    soon(journal.subscribe(request)).await.map(drop)
}

#[tokio::test]
async fn a_caller_that_signed_two_blocks_for_one_height_is_refused() {
    let mut world = World::new();
    world.block(&[1]);
    let served = Served::start(&world).await;
    let caller = world.network.admit(Role::Aggregator);
    let me = |height, hash| signed(&caller, &world.overlay, height, hash);
    for (height, hash) in [(7, 1), (7, 1), (6, 9), (9, 2)] {
        subscribe(&world, &served, &caller, me(height, hash))
            .await
            .unwrap();
    }
    assert_eq!(served.metrics.equivocations.get(), 0);
    let refused = subscribe(&world, &served, &caller, me(9, 3))
        .await
        .unwrap_err();
    let detail = ErrorDetail::decode(refused.details(), &world.overlay).unwrap();
    assert_eq!(detail.code, ErrorCode::Invalid);
    assert!(
        refused.message().contains("height 9 of incarnation 5"),
        "{refused}"
    );
    assert_eq!(served.metrics.equivocations.get(), 1);
    // The second refusal shows nothing new.
    let again = subscribe(&world, &served, &caller, me(9, 3)).await;
    assert!(again.is_err());
    let shown = served.evidence.lock().unwrap().clone();
    let [(by, evidence)] = &shown[..] else {
        panic!("{shown:?}")
    };
    assert_eq!((*by, evidence.accused()), (caller.holder().key, *by));
    let rule = evidence.check(&Ed25519);
    assert!(
        matches!(rule, Ok(Rule::TwoHeads { height: 9, .. })),
        "{rule:?}"
    );
    served.stop().await;
}

#[tokio::test]
async fn a_head_that_the_caller_did_not_sign_accuses_nobody() {
    let mut world = World::new();
    world.block(&[1]);
    let served = Served::start(&world).await;
    let caller = world.network.admit(Role::Aggregator);
    let mine = signed(&caller, &world.overlay, 7, 1);
    subscribe(&world, &served, &caller, mine).await.unwrap();
    let forged = signed(&world.owner, &world.overlay, 7, 2);
    let none = wire::SignedHead::default();
    for head in [forged, none] {
        let refused = subscribe(&world, &served, &caller, head).await.unwrap_err();
        assert!(
            refused.message().contains("the head of the caller"),
            "{refused}"
        );
    }
    assert_eq!(served.metrics.equivocations.get(), 0);
    served.stop().await;
}
