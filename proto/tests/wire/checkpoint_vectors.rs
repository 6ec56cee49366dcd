//! Golden vectors of checkpoints and lists of positions, and of the messages with them.

use kittengrad_proto::{
    block::Block,
    checkpoint::{Checkpoint, ThroughList},
    identity::{Beat, Heartbeat},
    link::{Frames, Message},
    signed::Ed25519,
    signed_head::SignedHead,
    wire::{self, frame, subscribe_request},
};
use prost::Message as _;

use crate::{
    checkpoint_samples::{
        NONCE, asked, blocks_root, checkpointed, checkpointed_beat, cut, early, key, later, through,
    },
    golden::{bytes, check, signed},
    samples::{TIME_MS, WORLD, heartbeat, ordinary, overlay},
};

const CHECKPOINTS: &str = include_str!("../../testdata/checkpoints.txt");

fn hex_of(message: &impl prost::Message) -> String {
    hex::encode(message.encode_to_vec())
}

fn states() -> Vec<(&'static str, String)> {
    let entries = through().to_wire();
    let none = ThroughList::default();
    let mut made = vec![
        ("through.1", hex::encode(&entries[0])),
        ("through.2", hex::encode(&entries[1])),
        ("through.root", through().root().to_string()),
        ("through.root.empty", none.root().to_string()),
        ("blocks.root.0", blocks_root(0).to_string()),
        ("blocks.root.1", blocks_root(1).to_string()),
        ("checkpoint.0", hex_of(&early(&none).to_wire())),
        ("checkpoint.1", hex_of(&later().to_wire())),
        ("checkpoint.arcs", hex_of(&cut().to_wire())),
    ];
    made.extend(signed(
        ["heartbeat.nonce", "heartbeat.nonce.id"],
        asked().signed(),
    ));
    made.extend(signed(
        ["heartbeat.checkpoint", "heartbeat.checkpoint.id"],
        checkpointed_beat().heartbeat.signed(),
    ));
    made
}

fn signed_heads() -> [(&'static str, SignedHead); 2] {
    [
        (
            "signed-head.header",
            SignedHead::Header(Box::new(ordinary().header)),
        ),
        (
            "signed-head.heartbeat",
            SignedHead::Heartbeat(Box::new(heartbeat())),
        ),
    ]
}

fn frames() -> Message {
    Message::Frames(Frames {
        blocks: vec![checkpointed()],
        head: Some(ordinary().head()),
    })
}

fn streams() -> Vec<(&'static str, String)> {
    let frame = |kind| hex_of(&wire::Frame { kind: Some(kind) });
    let beat = wire::FrameHeartbeat {
        heartbeat: Some(checkpointed_beat().heartbeat.signed().to_wire()),
        through: through().to_wire(),
    };
    let block = wire::FrameBlock {
        header: Some(checkpointed().header.signed().to_wire()),
        items: checkpointed().items,
        bodies: Vec::new(),
        offset: 5,
        through: through().to_wire(),
    };
    vec![
        (
            "frame.heartbeat.checkpoint",
            frame(frame::Kind::Heartbeat(beat)),
        ),
        ("frame.block.checkpoint", frame(frame::Kind::Block(block))),
        ("frames.checkpoint", hex::encode(frames().encode(overlay()))),
    ]
}

fn calls() -> Vec<(&'static str, String)> {
    let subscribe = wire::SubscribeRequest {
        namespace: "works".to_owned(),
        bodies: wire::WithBodies::Records.into(),
        no_follow: true,
        head: Some(signed_heads()[0].1.to_wire()),
        from: Some(subscribe_request::From::Now(true)),
    };
    let ask = wire::GetHeadRequest {
        namespace: "works".to_owned(),
        nonce: NONCE.to_vec().into(),
    };
    let told = wire::GetHeadResponse {
        heartbeat: Some(checkpointed_beat().heartbeat.signed().to_wire()),
        incarnations: vec![TIME_MS - 1_000, TIME_MS],
        elements: 12,
        chain: Some(WORLD.peers[0].chain.to_wire()),
        through: through().to_wire(),
    };
    vec![
        ("subscribe.head", hex_of(&subscribe)),
        ("get-head.nonce", hex_of(&ask)),
        ("get-head.checkpoint", hex_of(&told)),
    ]
}

#[test]
fn checkpoints_have_the_bytes_that_they_always_had() {
    let mut made = states();
    made.extend(signed_heads().map(|(name, head)| (name, hex::encode(head.encode()))));
    made.extend(streams());
    made.extend(calls());
    check(CHECKPOINTS, &made);
}

#[test]
fn the_checkpoints_in_the_file_mean_what_they_always_meant() {
    let none = ThroughList::default();
    for (name, sample) in [
        ("checkpoint.0", early(&none)),
        ("checkpoint.1", later()),
        ("checkpoint.arcs", cut()),
    ] {
        let wire = wire::Checkpoint::decode(bytes(CHECKPOINTS, name)).unwrap();
        assert_eq!(Checkpoint::from_wire(wire, Some(1)), Ok(sample), "{name}");
    }
    let entries = ["through.1", "through.2"].map(|name| bytes(CHECKPOINTS, name));
    let found = ThroughList::from_wire(entries.to_vec(), key(0));
    assert_eq!(found, Ok(through()));
    let wire = |name| wire::Signed::decode(bytes(CHECKPOINTS, name)).unwrap();
    for (name, sample) in [
        ("heartbeat.nonce", asked()),
        ("heartbeat.checkpoint", checkpointed_beat().heartbeat),
    ] {
        let found = Heartbeat::from_wire(Some(wire(name)), overlay()).unwrap();
        assert_eq!(found.verify(&Ed25519), Ok(()));
        assert_eq!(found, sample, "{name}");
    }
    for (name, sample) in signed_heads() {
        let found = SignedHead::decode(bytes(CHECKPOINTS, name), overlay());
        assert_eq!(found, Ok(sample), "{name}");
    }
}

#[test]
fn messages_bring_the_list_of_their_checkpoint() {
    let read = |name| wire::Frame::decode(bytes(CHECKPOINTS, name)).unwrap();
    let Some(frame::Kind::Block(block)) = read("frame.block.checkpoint").kind else {
        panic!("not a block")
    };
    let found = Block::from_wire(block.header, block.items, block.through, overlay());
    assert_eq!(found, Ok(checkpointed()));
    let Some(frame::Kind::Heartbeat(beat)) = read("frame.heartbeat.checkpoint").kind else {
        panic!("not a heartbeat")
    };
    let found = Beat::from_wire(beat.heartbeat, beat.through, overlay());
    assert_eq!(found, Ok(checkpointed_beat()));
    let found = Message::decode(bytes(CHECKPOINTS, "frames.checkpoint"), overlay());
    assert_eq!(found, Ok(frames()));
    let told = wire::GetHeadResponse::decode(bytes(CHECKPOINTS, "get-head.checkpoint")).unwrap();
    let found = Beat::from_wire(told.heartbeat, told.through, overlay());
    assert_eq!(found, Ok(checkpointed_beat()));
}
