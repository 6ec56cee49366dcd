//! The place at which a subscription begins, and the typed answers for cursors that it cannot begin at.

use kittengrad_proto::{
    block::Head,
    cursor::{Cursor, CursorError},
    id::PublicKey,
    wire::{self, cursor_problem::Kind, subscribe_request},
};

use crate::{
    store::{Store, StoreError},
    writer::Tip,
};

/// The place of a block in its owner's journals, such as the next block to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The incarnation.
    pub incarnation: u64,
    /// Height of the block.
    pub height: u64,
}

impl Place {
    /// The place of a block.
    #[must_use]
    pub const fn of(head: Head) -> Self {
        Self {
            incarnation: head.incarnation,
            height: head.height,
        }
    }

    /// The place after it in the same incarnation.
    #[must_use]
    pub const fn next(self) -> Self {
        Self {
            height: self.height.saturating_add(1),
            ..self
        }
    }
}

/// The start that a reader requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// After the last block that the reader processed.
    Cursor(Cursor),
    /// The first block that the owner has.
    Genesis,
    /// After the last block.
    Now,
}

/// The answer to a requested start.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// At this place. `None` while the journal has no block.
    At(Option<Place>),
    /// No place: the cursor has a problem.
    Problem(wire::CursorProblem),
}

impl Beginning {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is missing, or its cursor is malformed.
    pub fn from_wire(from: Option<&subscribe_request::From>) -> Result<Self, CursorError> {
        match from {
            Some(subscribe_request::From::Cursor(cursor)) => {
                Ok(Self::Cursor(Cursor::from_wire(Some(cursor))?))
            }
            Some(subscribe_request::From::Genesis(true)) => Ok(Self::Genesis),
            Some(subscribe_request::From::Now(true)) => Ok(Self::Now),
            _ => Err(CursorError::Missing),
        }
    }
}

/// Decides where a subscription to the journal of `own` begins. Blocks up to `tip` are published.
///
/// # Errors
/// If the store does not answer.
pub fn start(
    from: Beginning,
    own: PublicKey,
    tip: Option<Tip>,
    store: &dyn Store,
) -> Result<Start, StoreError> {
    match from {
        Beginning::Now => Ok(Start::At(tip.map(|tip| Place::of(tip.head).next()))),
        Beginning::Genesis => Ok(Start::At(oldest(tip, store)?)),
        Beginning::Cursor(cursor) => at_cursor(cursor, own, tip, store),
    }
}

/// The first block that the owner has, of its oldest incarnation.
///
/// # Errors
/// If the store does not answer.
pub fn oldest(tip: Option<Tip>, store: &dyn Store) -> Result<Option<Place>, StoreError> {
    let Some(tip) = tip else { return Ok(None) };
    let first = store
        .incarnations()?
        .first()
        .map(|last| (last.incarnation, last.height));
    let Some((incarnation, last)) = first else {
        return Ok(None);
    };
    let last = if incarnation == tip.head.incarnation {
        tip.head.height
    } else {
        last
    };
    let height = first_present(incarnation, 0, last, store)?;
    Ok(Some(Place {
        incarnation,
        height,
    }))
}

fn at_cursor(
    cursor: Cursor,
    own: PublicKey,
    tip: Option<Tip>,
    store: &dyn Store,
) -> Result<Start, StoreError> {
    if cursor.journal != own {
        return Ok(problem(Kind::OtherJournal, own, oldest(tip, store)?));
    }
    let Some(tip) = tip else {
        return Ok(problem(Kind::UnknownIncarnation, own, None));
    };
    let place = Place {
        incarnation: cursor.incarnation,
        height: cursor.next_height(),
    };
    match extent(cursor.incarnation, tip, store)? {
        Extent::Unknown => {
            let start = begun_after(cursor.incarnation, tip, store)?;
            Ok(problem(Kind::UnknownIncarnation, own, Some(start)))
        }
        Extent::Known { last, following } if place.height > last + 1 => {
            let end = following.unwrap_or(Place {
                incarnation: place.incarnation,
                height: last + 1,
            });
            Ok(problem(Kind::Future, own, Some(end)))
        }
        Extent::Known { last, .. } if place.height == last + 1 => Ok(Start::At(Some(place))),
        Extent::Known { last, .. } if store.block(place.incarnation, place.height)?.is_none() => {
            let height = first_present(place.incarnation, place.height, last, store)?;
            Ok(problem(Kind::TooOld, own, Some(Place { height, ..place })))
        }
        Extent::Known { .. } => Ok(Start::At(Some(place))),
    }
}

/// The first block of the lowest published incarnation above `incarnation`, so that a reader skips none. If there is
/// none above, the first block of the current one.
fn begun_after(incarnation: u64, tip: Tip, store: &dyn Store) -> Result<Place, StoreError> {
    let current = tip.head.incarnation;
    let published = store.incarnations()?;
    let next = published
        .iter()
        .map(|last| last.incarnation)
        .find(|found| (incarnation..=current).contains(found));
    Ok(Place {
        incarnation: next.unwrap_or(current),
        height: 0,
    })
}

/// The extent of an incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The incarnation does not exist, or is not published.
    Unknown,
    /// The incarnation is published.
    Known {
        /// Height of its last published block.
        last: u64,
        /// The first block of the next incarnation, if there is one.
        following: Option<Place>,
    },
}

/// Looks up an incarnation among the published ones.
///
/// # Errors
/// If the store does not answer.
pub fn extent(incarnation: u64, tip: Tip, store: &dyn Store) -> Result<Extent, StoreError> {
    if incarnation == tip.head.incarnation {
        return Ok(Extent::Known {
            last: tip.head.height,
            following: None,
        });
    }
    let published = store.incarnations()?;
    let mut published = published
        .iter()
        .filter(|last| last.incarnation <= tip.head.incarnation);
    let Some(found) = published
        .by_ref()
        .find(|last| last.incarnation == incarnation)
    else {
        return Ok(Extent::Unknown);
    };
    let following = published.next().map(|next| Place {
        incarnation: next.incarnation,
        height: 0,
    });
    Ok(Extent::Known {
        last: found.height,
        following,
    })
}

/// Finds by bisection the lowest height from `from` to `last` whose block is present, or `last + 1` if none is. Older
/// blocks are removed first.
fn first_present(
    incarnation: u64,
    from: u64,
    last: u64,
    store: &dyn Store,
) -> Result<u64, StoreError> {
    let (mut absent_below, mut present_from) = (from, last + 1);
    while absent_below < present_from {
        let middle = absent_below + (present_from - absent_below) / 2;
        if store.block(incarnation, middle)?.is_some() {
            present_from = middle;
        } else {
            absent_below = middle + 1;
        }
    }
    Ok(present_from)
}

/// The answer for a cursor with a problem; see [`cursor_problem`].
fn problem(kind: Kind, journal: PublicKey, start: Option<Place>) -> Start {
    Start::Problem(cursor_problem(kind, journal, start))
}

/// A problem on the wire. It names the cursor just before `start`, after which the reader may go on.
#[must_use]
pub fn cursor_problem(kind: Kind, journal: PublicKey, start: Option<Place>) -> wire::CursorProblem {
    let start = start.map(|place| {
        let height = place.height.checked_sub(1);
        Cursor {
            journal,
            incarnation: place.incarnation,
            height,
        }
        .to_wire()
    });
    wire::CursorProblem {
        kind: kind.into(),
        start,
    }
}
