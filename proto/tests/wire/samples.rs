//! One object of each kind, made of fixed keys, times and nonces. The golden vectors are their bytes.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use kittengrad_proto::{
    block::{Bitmap, Block, Cells, Head, Header, HeaderFields, Item},
    certificate::{Chain, Role, Root},
    checkpoint::ThroughList,
    error::ErrorCode,
    id::{Id, PublicKey, RecordId},
    identity::{Addresses, Heartbeat, Identity, IdentityFields, State},
    link::{Frames, Hello, Message, Push, PushRefusal, PushResult},
    merkle::Tree,
    namespace::Overlay,
    receipt::{Confirmation, ItemProof, Receipt},
    signed::SigningKey,
    signed_head::SignedHead,
    transaction::{Entry, Envelope, POLICY, Transaction},
};
use kittengrad_ring::{KeyRange, Point};
use kittengrad_support::tower::{Tower, level1_params, level2_params};

/// 2026-05-28, when all certificates of the tower are in force.
pub(crate) const TIME_MS: u64 = 1_780_000_000_000;

/// A key with the certificates that admit it.
pub(crate) struct Member {
    pub(crate) key: SigningKey,
    pub(crate) public: PublicKey,
    pub(crate) chain: Chain,
}

/// A network of three peers, an aggregator and a publisher.
pub(crate) struct World {
    pub(crate) root: Root,
    pub(crate) overlay: Overlay,
    pub(crate) peers: [Member; 3],
    pub(crate) aggregator: Member,
    pub(crate) publisher: Member,
    /// A second publisher.
    pub(crate) other: Member,
}

pub(crate) static WORLD: LazyLock<World> = LazyLock::new(World::new);

impl World {
    fn new() -> Self {
        let tower = Tower::new();
        let member = |seed: u8, chain: Chain| {
            let key = SigningKey::from_seed(&[seed; 32]);
            let public = kittengrad_proto::signed::Signer::public(&key);
            Member { key, public, chain }
        };
        let peer = |name, seed| {
            let level1 = tower.level0.issue(level1_params(name, Role::Peer), seed);
            member(seed, tower.member(&level1))
        };
        let client = |name, seed| {
            let leaf = tower
                .registrar
                .issue(level2_params(name, Role::Client), seed);
            member(seed, tower.leaf(&leaf, &tower.registrar))
        };
        let root = tower.trusted();
        Self {
            overlay: Overlay {
                network: root.network(),
                namespace: "works".parse().unwrap(),
            },
            root,
            peers: [
                member(3, tower.member(&tower.peer)),
                peer("Second peer", 9),
                peer("Third peer", 10),
            ],
            aggregator: member(4, tower.member(&tower.aggregator)),
            publisher: client("Sample client", 6),
            other: client("Other client", 11),
        }
    }
}

pub(crate) fn overlay() -> &'static Overlay {
    &WORLD.overlay
}

pub(crate) fn record(byte: u8) -> RecordId {
    RecordId::new([byte; 32])
}

pub(crate) fn entry(canonical: u8, insert: bool, updates: &[u8]) -> Entry {
    Entry {
        canonical: record(canonical),
        insert,
        updates: updates.iter().copied().map(record).collect(),
    }
}

pub(crate) fn envelope(nonce: u8) -> Envelope {
    Envelope {
        chain: WORLD.publisher.chain.id(),
        policy: POLICY,
        created_ms: TIME_MS,
        nonce: [nonce; 16],
    }
}

pub(crate) fn transaction(nonce: u8, entries: Vec<Entry>) -> Transaction {
    Transaction::sign(overlay(), &envelope(nonce), entries, &WORLD.publisher.key).unwrap()
}

/// A bare insert: one element.
pub(crate) fn minimal() -> Transaction {
    transaction(1, vec![entry(0xc1, true, &[])])
}

/// An insert with two updates, and an update of something that exists: three elements.
pub(crate) fn updates() -> Transaction {
    transaction(
        2,
        vec![
            entry(0xc2, false, &[0x33]),
            entry(0xc1, true, &[0x11, 0x22]),
        ],
    )
}

/// A thousand updates of a hundred canonicals, each digest that of its number.
pub(crate) fn bulk() -> Transaction {
    let record = |number: u32| RecordId::of(&number.to_be_bytes());
    let entry = |canonical: u32| Entry {
        canonical: record(canonical),
        insert: false,
        updates: (1..=10)
            .map(|update| record(canonical * 1_000 + update))
            .collect(),
    };
    transaction(3, (1..=100).map(entry).collect())
}

/// From zero to the middle of the circle.
pub(crate) fn half() -> KeyRange {
    let mut middle = [0; 32];
    middle[0] = 0x80;
    KeyRange {
        from: Point::ZERO,
        to: Point::new(middle),
    }
}

pub(crate) fn whole() -> KeyRange {
    KeyRange {
        from: Point::ZERO,
        to: Point::ZERO,
    }
}

/// An item of a journal whose owner holds one arc.
pub(crate) fn adds(transaction: &Transaction, bits: &[bool]) -> Item {
    Item::Transaction {
        id: transaction.id(),
        bitmap: Bitmap::new(bits.iter().copied()),
        cells: Cells::new([true]),
    }
}

/// The fields of a block. If it has no `hold`, the genesis has the last one.
pub(crate) fn fields(height: u64, previous: Id, items: &[Item]) -> (HeaderFields, Vec<Bytes>) {
    let has_hold = matches!(items.first(), Some(Item::Hold(_)));
    let items: Vec<_> = items.iter().map(Item::encode).collect();
    let fields = HeaderFields {
        incarnation: TIME_MS,
        height,
        previous,
        time_ms: TIME_MS + height,
        items_root: Tree::new(items.iter().map(|item| &item[..])).root(),
        item_count: items.len().try_into().unwrap(),
        fork: None,
        checkpoint: None,
        hold: if has_hold { height } else { 0 },
    };
    (fields, items)
}

pub(crate) fn block(peer: &Member, height: u64, previous: Id, items: &[Item]) -> Block {
    let (fields, items) = fields(height, previous, items);
    Block {
        header: Header::sign(overlay(), &fields, &peer.key),
        items,
        through: ThroughList::default(),
    }
}

/// The first block of an incarnation that goes on from another one.
pub(crate) fn genesis() -> Block {
    let gap = Item::Gap {
        incarnation: TIME_MS - 1_000,
        from_height: 42,
    };
    let (mut fields, items) = fields(0, Id::ZERO, &[Item::Hold(whole().into()), gap]);
    fields.fork = Some(Head {
        incarnation: TIME_MS - 1_000,
        height: 41,
        hash: Id::new([0xf0; 32]),
    });
    Block {
        header: Header::sign(overlay(), &fields, &WORLD.peers[0].key),
        items,
        through: ThroughList::default(),
    }
}

/// The block after it: everything of one transaction, one element of another, and an arc that is settled.
pub(crate) fn ordinary() -> Block {
    block(&WORLD.peers[0], 1, genesis().header.hash(), &listed())
}

fn listed() -> [Item; 3] {
    let whole = adds(&updates(), &[true, true, true]);
    [
        whole,
        adds(&bulk(), &[&[true][..], &[false; 999]].concat()),
        Item::Settled(half().into()),
    ]
}

/// Proves number `index` of a block's items.
pub(crate) fn prove(block: &Block, index: usize) -> ItemProof {
    ItemProof::of(block, index.try_into().unwrap(), None).unwrap()
}

pub(crate) fn confirmation(peer: &Member, proofs: Vec<ItemProof>) -> Confirmation {
    Confirmation {
        peer: peer.public,
        chain: peer.chain.clone(),
        proofs,
    }
}

/// Two peers have all of [`updates`]. The second one learned an element earlier, from another transaction.
pub(crate) fn receipt() -> Receipt {
    let [first, second, _] = &WORLD.peers;
    let earlier = transaction(4, vec![entry(0xc2, false, &[0x33, 0x44])]);
    let items = [
        adds(&earlier, &[true, true]),
        adds(&updates(), &[true, true, false]),
    ];
    let blocks = block(second, 1, Id::new([7; 32]), &items);
    let by_earlier = ItemProof {
        transaction: Some(earlier),
        ..prove(&blocks, 0)
    };
    Receipt {
        transaction: updates(),
        quorum: 2,
        cells: vec![(whole(), vec![first.public, second.public])],
        confirmations: vec![
            confirmation(first, vec![prove(&ordinary(), 0)]),
            confirmation(second, vec![by_earlier, prove(&blocks, 1)]),
        ],
    }
}

pub(crate) fn identity(seq: u64, state: State) -> Identity {
    let fields = IdentityFields {
        seq,
        state,
        role: Role::Peer,
        addresses: Addresses {
            grpc: "peer.example.org:7401".to_owned(),
            quic: "peer.example.org:7402".to_owned(),
            http: String::new(),
        },
        chain: WORLD.peers[0].chain.clone(),
    };
    Identity::sign(overlay(), &fields, &WORLD.peers[0].key).unwrap()
}

pub(crate) fn heartbeat() -> Heartbeat {
    Heartbeat::sign(
        overlay(),
        ordinary().head(),
        TIME_MS + 5,
        &WORLD.peers[0].key,
    )
}

pub(crate) fn push() -> Push {
    Push {
        transaction: Arc::new(updates()),
        records: vec![
            Bytes::from_static(b"first record"),
            Bytes::from_static(b"second record"),
        ],
        chain: Some(WORLD.publisher.chain.clone()),
    }
}

/// One link message of each kind, and both answers to a push.
pub(crate) fn messages() -> Vec<(&'static str, Message)> {
    let hello = Hello {
        ring: Id::new([0x4e; 32]),
        head: Some(ordinary().head()),
        seen: Some(SignedHead::Header(Box::new(ordinary().header))),
        is_settled: true,
        is_open: true,
        identity: identity(7, State::Active),
        time_ms: TIME_MS,
    };
    let result = |outcome| {
        Message::PushResult(PushResult {
            id: updates().id(),
            outcome,
        })
    };
    let later = Push {
        transaction: Arc::new(minimal()),
        records: Vec::new(),
        chain: None,
    };
    vec![
        ("hello", Message::Hello(Box::new(hello))),
        ("push", Message::Push(push())),
        (
            "push-result.confirmed",
            result(Ok(vec![prove(&ordinary(), 0)])),
        ),
        (
            "push-result.refused",
            result(Err(PushRefusal::new(
                ErrorCode::ChainUnknown,
                "the certificates are not here",
            ))),
        ),
        (
            "follow",
            Message::Follow {
                incarnation: TIME_MS,
                from_height: 2,
            },
        ),
        (
            "frames",
            Message::Frames(Frames {
                blocks: vec![genesis(), ordinary()],
                head: Some(ordinary().head()),
            }),
        ),
        ("fetch", Message::Fetch(vec![minimal().id(), bulk().id()])),
        (
            "bodies",
            Message::Bodies {
                bodies: vec![push(), later],
                missing: vec![bulk().id()],
            },
        ),
        ("alive", Message::Alive(heartbeat())),
    ]
}
