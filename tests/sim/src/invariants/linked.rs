//! A journal verifies and only grows (S4): each block links to the one before it, and neither time nor offset goes
//! back.

use kittengrad_journal::{BlockStore as _, MemoryStore, StoredBlock, Write};
use kittengrad_proto::id::Id;

use super::{Verdict, check, explained::added_by_item};

/// Checks the blocks of a commit.
pub(super) fn commits(disk: &MemoryStore, writes: &[Write]) -> Verdict {
    let mut before: Option<&StoredBlock> = None;
    for write in writes {
        let Write::Block(stored) = write else {
            continue;
        };
        let header = &stored.block.header;
        let on_disk = match (before, header.height.checked_sub(1)) {
            (None, Some(height)) => disk.block(header.incarnation, height).ok().flatten(),
            _ => None,
        };
        check_link(stored, before.or(on_disk.as_ref()))?;
        before = Some(stored);
    }
    Ok(())
}

fn check_link(stored: &StoredBlock, below: Option<&StoredBlock>) -> Verdict {
    let header = &stored.block.header;
    let describe = |fault: &str| {
        let (owner, height) = (header.peer, header.height);
        format!("block {height} of {owner:?}: {fault}")
    };
    let check = |is_kept, fault: &str| check(is_kept, "linked", "S4", || describe(fault));
    let below = below.filter(|below| below.block.header.incarnation == header.incarnation);
    let Some(below) = below else {
        check(
            (header.height, stored.offset) == (0, 0),
            "a first block without height 0 and offset 0",
        )?;
        return check(
            header.previous == Id::ZERO,
            "a first block links to another",
        );
    };
    check(
        header.height == below.block.header.height + 1,
        "a height is missing",
    )?;
    check(
        header.previous == below.block.header.hash(),
        "it does not link to the block before",
    )?;
    check(
        header.time_ms >= below.block.header.time_ms,
        "its time went back",
    )?;
    let added: usize = added_by_item(below).map(|(_, count)| count).sum();
    check(
        stored.offset == below.offset + added as u64,
        "its offset is not the number of elements before it",
    )
}
