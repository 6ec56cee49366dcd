//! Merkle trees of blocks: the vectors of Certificate Transparency, and RFC 9162's own way to verify a path.

use kittengrad_proto::{
    id::Id,
    limits::{BLOCK_ITEMS_MAX, ITEM_PATH_MAX},
    merkle::{Tree, is_included, leaf},
};
use proptest::{collection::vec, prelude::*};

const FILE: &str = include_str!("../../testdata/trees.txt");

/// The inputs that implementations of Certificate Transparency test with.
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

fn leaves(count: usize) -> Vec<Vec<u8>> {
    LEAVES[..count]
        .iter()
        .map(|leaf| hex::decode(leaf).unwrap())
        .collect()
}

fn tree(leaves: &[Vec<u8>]) -> Tree {
    Tree::new(leaves.iter().map(Vec::as_slice))
}

#[test]
fn roots_and_paths_are_those_of_the_vectors() {
    let mut made = Vec::new();
    for count in [0, 1, 2, 3, 7, 8] {
        let leaves = leaves(count);
        let tree = tree(&leaves);
        made.push(format!("{count}.root {}", tree.root()));
        for (index, item) in leaves.iter().enumerate() {
            let path = tree.path(index);
            assert!(is_included(&tree.root(), leaf(item), index, count, &path));
            let path: String = path.iter().map(Id::to_string).collect();
            let path = if path.is_empty() { "none" } else { &path };
            made.push(format!("{count}.path.{index} {path}"));
        }
    }
    let expected = FILE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(made, expected.map(str::to_owned).collect::<Vec<_>>());
}

fn node(left: &Id, right: &Id) -> Id {
    Id::of(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// RFC 9162, section 2.1.3.2, word by word.
fn is_included_by_the_rfc(root: &Id, hash: Id, index: usize, count: usize, path: &[Id]) -> bool {
    if index >= count {
        return false;
    }
    let (mut fnode, mut snode, mut r) = (index, count - 1, hash);
    for p in path {
        if snode == 0 {
            return false;
        }
        if fnode & 1 == 1 || fnode == snode {
            r = node(p, &r);
            while fnode & 1 == 0 && fnode != 0 {
                fnode >>= 1;
                snode >>= 1;
            }
        } else {
            r = node(&r, p);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    snode == 0 && r == *root
}

/// A change that a dishonest prover may make to a proof.
#[derive(Debug, Clone)]
enum Lie {
    None,
    Index(usize),
    Count(usize),
    Shorter,
    Longer,
    Swap,
    Leaf,
}

fn lies() -> impl Strategy<Value = Lie> {
    prop_oneof![
        Just(Lie::None),
        (0..80_usize).prop_map(Lie::Index),
        (0..80_usize).prop_map(Lie::Count),
        Just(Lie::Shorter),
        Just(Lie::Longer),
        Just(Lie::Swap),
        Just(Lie::Leaf),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn paths_are_judged_as_the_rfc_judges_them(
        leaves in vec(vec(any::<u8>(), 0..4), 1..70),
        place in any::<prop::sample::Index>(),
        lie in lies(),
    ) {
        let tree = tree(&leaves);
        let mut index = place.index(leaves.len());
        let (mut count, mut path, mut hash) = (leaves.len(), tree.path(index), leaf(&leaves[index]));
        match lie {
            Lie::None => {}
            Lie::Index(other) => index = other,
            Lie::Count(other) => count = other,
            Lie::Shorter => drop(path.pop()),
            Lie::Longer => path.push(hash),
            Lie::Swap => path.reverse(),
            Lie::Leaf => hash = leaf(b"another"),
        }
        let expected = is_included_by_the_rfc(&tree.root(), hash, index, count, &path);
        prop_assert_eq!(is_included(&tree.root(), hash, index, count, &path), expected);
    }

    #[test]
    fn no_path_makes_either_judge_panic(
        index in any::<usize>(),
        count in any::<usize>(),
        path in vec(any::<[u8; 32]>().prop_map(Id::new), 0..40),
    ) {
        prop_assert!(!is_included(&Id::ZERO, Id::ZERO, index, count, &path));
    }
}

#[test]
fn the_largest_block_has_the_longest_path() {
    let leaves: Vec<_> = (0..BLOCK_ITEMS_MAX)
        .map(|i| i.to_be_bytes().to_vec())
        .collect();
    let tree = tree(&leaves);
    let longest = (0..leaves.len()).map(|index| tree.path(index).len()).max();
    assert_eq!(longest, Some(ITEM_PATH_MAX));
}
