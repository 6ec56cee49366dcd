//! Total on arbitrary bytes, and never deceived by changed ones.

use bytes::Bytes;
use kittengrad_proto::{
    certificate::{Chain, Role, Root},
    signed::Ed25519,
};
use kittengrad_support::tower::{Tower, level2_params};
use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    prop_assert, prop_assume, proptest,
    sample::Index,
};

/// The certificates of a client and of a transport leaf, and the root.
fn chains() -> (Root, [Vec<Bytes>; 2]) {
    let tower = Tower::new();
    let client = tower
        .registrar
        .issue(level2_params("Tate", Role::Client), 9);
    let chains = [
        tower.leaf(&client, &tower.registrar),
        tower.transport(&tower.peer, Role::Peer, 10),
    ];
    (
        tower.trusted(),
        chains.map(|chain| chain.certificates().to_vec()),
    )
}

fn is_accepted(root: &Root, certificates: Vec<Bytes>) -> bool {
    Chain::from_der(certificates).is_ok_and(|chain| chain.verify(root, &Ed25519).is_ok())
}

/// Keeps S2.
#[test]
fn no_certificate_with_one_changed_bit_is_accepted() {
    let (root, chains) = chains();
    for certificates in &chains {
        assert!(is_accepted(&root, certificates.clone()));
        for (i, der) in certificates.iter().enumerate() {
            for bit in 0..der.len() * 8 {
                let mut changed = der.to_vec();
                changed[bit / 8] ^= 1 << (bit % 8);
                let mut certificates = certificates.clone();
                certificates[i] = changed.into();
                assert!(
                    !is_accepted(&root, certificates),
                    "certificate {i}, bit {bit}"
                );
            }
        }
    }
}

#[test]
fn no_root_with_one_changed_bit_is_the_same_network() {
    let (root, _) = chains();
    for bit in 0..root.der().len() * 8 {
        let mut changed = root.der().to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(Root::from_der(changed.into()).is_err(), "bit {bit}");
    }
}

#[derive(Debug, Clone)]
enum Edit {
    Cut(Index, usize),
    Insert(Index, Vec<u8>),
    Overwrite(Index, Vec<u8>),
    Copy(Index, Index, usize),
}

impl Edit {
    fn apply(&self, der: &[u8]) -> Vec<u8> {
        let mut out = der.to_vec();
        match self {
            Self::Cut(at, bytes) => {
                let at = at.index(out.len());
                out.drain(at..(at + bytes).min(der.len()));
            }
            Self::Insert(at, bytes) => {
                let at = at.index(out.len() + 1);
                out.splice(at..at, bytes.iter().copied());
            }
            Self::Overwrite(at, bytes) => {
                let at = at.index(out.len());
                out.splice(at..(at + bytes.len()).min(der.len()), bytes.iter().copied());
            }
            Self::Copy(from, to, bytes) => {
                let (from, to) = (from.index(out.len()), to.index(out.len()));
                let copied = der[from..(from + bytes).min(der.len())].to_vec();
                out.splice(to..(to + copied.len()).min(der.len()), copied);
            }
        }
        out
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    proptest::prop_oneof![
        (any::<Index>(), 1..40_usize).prop_map(|(at, n)| Edit::Cut(at, n)),
        (any::<Index>(), vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (any::<Index>(), vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Edit::Overwrite(at, bytes)),
        (any::<Index>(), any::<Index>(), 1..80_usize)
            .prop_map(|(from, to, n)| Edit::Copy(from, to, n)),
    ]
}

proptest! {
    #[test]
    fn no_edited_certificate_is_accepted(
        which in 0..2_usize,
        certificate in 0..3_usize,
        edits in vec(edit(), 1..4),
    ) {
        let (root, chains) = chains();
        let mut certificates = chains[which].clone();
        let changed = edits.iter().fold(certificates[certificate].to_vec(), |der, edit| {
            if der.is_empty() { der } else { edit.apply(&der) }
        });
        prop_assume!(changed != certificates[certificate]);
        certificates[certificate] = changed.into();
        prop_assert!(!is_accepted(&root, certificates));
    }

    #[test]
    fn arbitrary_bytes_are_no_certificates(certificates in vec(vec(any::<u8>(), 0..300), 0..5)) {
        let (root, _) = chains();
        let certificates = certificates.into_iter().map(Bytes::from);
        prop_assert!(!is_accepted(&root, certificates.clone().collect()));
        for der in certificates {
            prop_assert!(Root::from_der(der).is_err());
        }
    }
}
