//! Merkle trees over a block's items.
//!
//! ```text
//! leaf(item)        = SHA-256(0x00 ‖ item)
//! node(left, right) = SHA-256(0x01 ‖ left ‖ right)
//! root of none      = SHA-256()
//! ```
//! A tree of n > 1 leaves splits at the largest power of two below n.
//!
//! # Source
//! RFC 9162, sections 2.1.1 (tree head) and 2.1.3 (inclusion proofs).

use crate::id::Id;

/// Longest inclusion path: a tree has at most 2^32 leaves.
const PATH_MAX: usize = 32;

/// The hash of one item.
#[must_use]
pub fn leaf(item: &[u8]) -> Id {
    Id::of(&[&[0], item])
}

/// The hash of two subtrees.
#[must_use]
pub fn node(left: &Id, right: &Id) -> Id {
    Id::of(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The index at which a tree of `n > 1` leaves splits.
const fn split(n: usize) -> usize {
    1 << (n - 1).ilog2()
}

/// A tree over leaf hashes, with all levels, so that every item of a block can be proved.
#[derive(Debug, Clone)]
pub struct Tree {
    /// `levels[0]` are the leaves; `levels[k]` the roots of all full or rightmost subtrees of height k.
    levels: Vec<Vec<Id>>,
}

impl Tree {
    /// Hashes `items`.
    #[must_use]
    pub fn new<'a>(items: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut levels = vec![items.into_iter().map(leaf).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            // A last node without a sibling moves up unchanged, as RFC 9162 splits trees.
            let above = below.chunks(2).map(|pair| match pair {
                [left, right] => node(left, right),
                _ => pair[0],
            });
            let above = above.collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// The tree head.
    #[must_use]
    pub fn root(&self) -> Id {
        self.levels
            .last()
            .and_then(|top| top.first())
            .copied()
            .unwrap_or_else(|| Id::of(&[]))
    }

    /// The inclusion path of leaf `index`, from the leaf's sibling up. Empty if there is no such leaf.
    #[must_use]
    pub fn path(&self, index: usize) -> Vec<Id> {
        let mut path = Vec::new();
        let leaves = self.levels.first().map_or(0, Vec::len);
        if index >= leaves {
            return path;
        }
        let mut position = index;
        for level in &self.levels {
            if let Some(sibling) = level.get(position ^ 1) {
                path.push(*sibling);
            }
            position /= 2;
        }
        path
    }
}

/// Whether `path` proves that the item with hash `leaf` is number `index` of `count` under `root`.
#[must_use]
pub fn is_included(root: &Id, leaf: Id, index: usize, count: usize, path: &[Id]) -> bool {
    if index >= count || path.len() > PATH_MAX {
        return false;
    }
    root_from_path(leaf, index, count, path).is_some_and(|found| found == *root)
}

/// The root that a path leads to, if the path has the right length.
fn root_from_path(leaf: Id, index: usize, count: usize, path: &[Id]) -> Option<Id> {
    if count == 1 {
        return path.is_empty().then_some(leaf);
    }
    let (top, rest) = path.split_last()?;
    let left = split(count);
    if index < left {
        Some(node(&root_from_path(leaf, index, left, rest)?, top))
    } else {
        Some(node(
            top,
            &root_from_path(leaf, index - left, count - left, rest)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 9162, section 2.1.1, word by word.
    fn defined_root(items: &[Vec<u8>]) -> Id {
        match items {
            [] => Id::of(&[]),
            [one] => leaf(one),
            _ => {
                let (left, right) = items.split_at(split(items.len()));
                node(&defined_root(left), &defined_root(right))
            }
        }
    }

    fn items(n: usize) -> Vec<Vec<u8>> {
        (0..n).map(|i| i.to_be_bytes().to_vec()).collect()
    }

    #[test]
    fn the_root_is_the_one_that_rfc_9162_defines() {
        for n in 0..70 {
            let items = items(n);
            let tree = Tree::new(items.iter().map(Vec::as_slice));
            assert_eq!(tree.root(), defined_root(&items), "{n} items");
        }
    }

    #[test]
    fn every_item_is_proved_at_its_place_and_nowhere_else() {
        for n in 1..40 {
            let items = items(n);
            let tree = Tree::new(items.iter().map(Vec::as_slice));
            for (i, item) in items.iter().enumerate() {
                let path = tree.path(i);
                assert!(is_included(&tree.root(), leaf(item), i, n, &path));
                assert!(!is_included(&tree.root(), leaf(b"other"), i, n, &path));
                assert!(!is_included(&tree.root(), leaf(item), n, n, &path));
                for j in (0..n).filter(|&j| j != i) {
                    assert!(
                        !is_included(&tree.root(), leaf(item), j, n, &path),
                        "{i} as {j} of {n}"
                    );
                }
                let mut longer = path.clone();
                longer.push(Id::ZERO);
                assert!(!is_included(&tree.root(), leaf(item), i, n, &longer));
            }
        }
    }

    #[test]
    fn a_leaf_that_is_not_there_has_no_path() {
        for n in 0..9 {
            let items = items(n);
            let tree = Tree::new(items.iter().map(Vec::as_slice));
            for index in [n, n + 1, n + 7, usize::MAX] {
                assert_eq!(tree.path(index), [], "{index} of {n}");
            }
        }
    }

    #[test]
    fn the_empty_tree_is_the_hash_of_nothing() {
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Tree::new([]).root().to_string(), nothing);
    }
}
