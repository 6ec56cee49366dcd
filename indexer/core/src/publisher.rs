//! Names of publishers, from their certificates.

use std::collections::BTreeMap;

use kittengrad_client_core::view::json::PublisherNames;
use kittengrad_proto::id::PublicKey;

/// A publisher's name and the time of its transaction. The greatest (time, name) wins: the order of arrival does not
/// matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublisherName {
    /// Time of the transaction, in Unix milliseconds.
    pub created_ms: u64,
    /// The name in the certificate chain of the publisher.
    pub name: String,
}

/// The name of every publisher of a processed transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publishers(BTreeMap<PublicKey, PublisherName>);

impl Publishers {
    /// Finds the publishers with this name, ignoring case. Several may share a name: no certificate makes it unique.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = PublicKey> + 'a {
        let wanted = name.to_lowercase();
        self.0
            .iter()
            .filter(move |(_, known)| known.name.to_lowercase() == wanted)
            .map(|(key, _)| *key)
    }

    /// Lists all publishers, ascending by key.
    pub fn iter(&self) -> impl Iterator<Item = (&PublicKey, &PublisherName)> {
        self.0.iter()
    }

    /// Replaces the name of a publisher if `heard` is greater. True if it was: the caller must store even the same name
    /// with a newer time, or else an older name could win after a restart.
    pub fn learn(&mut self, publisher: PublicKey, heard: PublisherName) -> bool {
        let known = self.0.get(&publisher);
        let is_greater = known.is_none_or(|known| *known < heard);
        if is_greater {
            self.0.insert(publisher, heard);
        }
        is_greater
    }
}

impl PublisherNames for Publishers {
    fn name(&self, publisher: &PublicKey) -> Option<&str> {
        self.0.get(publisher).map(|known| known.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_name_wins_in_any_order() {
        let key = PublicKey::new([1; 32]);
        let name = |created_ms, name: &str| PublisherName {
            created_ms,
            name: name.to_owned(),
        };
        let heard = [
            name(1, "Tate Gallery"),
            name(5, "Tate"),
            name(5, "Tade"),
            name(3, "Tate"),
        ];
        for turn in 0..heard.len() {
            let mut publishers = Publishers::default();
            for i in 0..heard.len() {
                publishers.learn(key, heard[(turn + i) % heard.len()].clone());
            }
            assert_eq!(publishers.name(&key), Some("Tate"));
            assert_eq!(publishers.named("TATE").collect::<Vec<_>>(), [key]);
        }
        assert_eq!(Publishers::default().name(&key), None);
    }

    #[test]
    fn a_newer_time_of_the_same_name_is_learnt() {
        let key = PublicKey::new([1; 32]);
        let tate = |created_ms| PublisherName {
            created_ms,
            name: "Tate".to_owned(),
        };
        let mut publishers = Publishers::default();
        for (created_ms, is_newer) in [(5, true), (5, false), (4, false), (6, true), (5, false)] {
            let found = publishers.learn(key, tate(created_ms));
            assert_eq!(found, is_newer, "{created_ms}");
        }
        assert!(publishers.iter().eq([(&key, &tate(6))]));
    }

    #[test]
    fn all_publishers_of_a_name_are_found_and_no_others() {
        let [one, two, three] = [1, 2, 3].map(|byte| PublicKey::new([byte; 32]));
        let mut publishers = Publishers::default();
        for (key, name) in [(three, "TATE"), (two, "Tate Britain"), (one, "Tate")] {
            let heard = PublisherName {
                created_ms: 1,
                name: name.to_owned(),
            };
            publishers.learn(key, heard);
        }
        assert!(publishers.named("tate").eq([one, three]));
        assert!(publishers.named("tate britain").eq([two]));
        assert_eq!(publishers.named("Tat").count(), 0);
    }
}
