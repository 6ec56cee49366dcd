//! The demo's records: well-known works and their artists, as two catalogues that disagree here and there.

/// One file of the sample, and its map.
#[derive(Debug)]
pub(crate) struct SampleFile {
    /// Its name, for messages.
    pub(crate) name: &'static str,
    /// The ingest map, TOML.
    pub(crate) map: &'static str,
    /// Newline-delimited JSON.
    pub(crate) lines: &'static str,
    publisher: &'static str,
}

impl SampleFile {
    /// The publisher, which its map names too.
    pub(crate) const fn publisher(&self) -> &'static str {
        self.publisher
    }
}

/// Artists come first, so that a work never shows a link to nothing for long.
pub(crate) const FILES: [SampleFile; 4] = [
    SampleFile {
        name: "atlas-artists",
        map: include_str!("../sample/atlas-artists.toml"),
        lines: include_str!("../sample/atlas-artists.ndjson"),
        publisher: "atlas",
    },
    SampleFile {
        name: "gazetteer-artists",
        map: include_str!("../sample/gazetteer-artists.toml"),
        lines: include_str!("../sample/gazetteer-artists.ndjson"),
        publisher: "gazetteer",
    },
    SampleFile {
        name: "atlas-works",
        map: include_str!("../sample/atlas-works.toml"),
        lines: include_str!("../sample/atlas-works.ndjson"),
        publisher: "atlas",
    },
    SampleFile {
        name: "gazetteer-works",
        map: include_str!("../sample/gazetteer-works.toml"),
        lines: include_str!("../sample/gazetteer-works.ndjson"),
        publisher: "gazetteer",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use kittengrad_client_core::map::{Map, Mapped};
    use kittengrad_proto::record::CanonicalType;
    use serde_json::Value;

    use super::*;

    fn file(name: &str) -> &'static SampleFile {
        FILES.iter().find(|file| file.name == name).unwrap()
    }

    /// Applies a file's map to all its lines. Panics if a line is refused.
    fn mapped(file: &SampleFile) -> Vec<Mapped> {
        let map = Map::parse(file.map).unwrap();
        let apply = |line: &str| {
            let applied = map.apply(line.as_bytes());
            applied.unwrap_or_else(|refusal| panic!("{}: {refusal}: {line}", file.name))
        };
        file.lines.lines().map(apply).collect()
    }

    /// The lines of a file, by the value of their field `key`.
    fn by(key: &str, name: &str) -> BTreeMap<String, Value> {
        let lines = file(name).lines.lines();
        let values = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        values
            .map(|value| (value[key].as_str().unwrap().to_owned(), value))
            .collect()
    }

    #[test]
    fn every_line_maps_to_a_canonical_of_its_own_with_a_name() {
        for (name, lines) in [
            ("atlas-artists", 63),
            ("gazetteer-artists", 64),
            ("atlas-works", 99),
            ("gazetteer-works", 97),
        ] {
            let mapped = mapped(file(name));
            let canonicals: BTreeSet<_> = mapped.iter().map(|line| line.canonical_id).collect();
            assert_eq!((mapped.len(), canonicals.len()), (lines, lines), "{name}");
            assert!(mapped.iter().all(|line| line.name.is_some()), "{name}");
        }
    }

    #[test]
    fn both_speak_of_the_same_things_and_each_of_some_alone() {
        for (key, kind, all, shared) in [
            ("works", CanonicalType::Artefact, 115, 81),
            ("artists", CanonicalType::Entity, 73, 54),
        ] {
            let [ours, theirs] = ["atlas", "gazetteer"].map(|publisher| {
                let mapped = mapped(file(&format!("{publisher}-{key}")));
                assert!(mapped.iter().all(|line| line.canonical.kind == kind));
                mapped
                    .iter()
                    .map(|line| line.canonical_id)
                    .collect::<BTreeSet<_>>()
            });
            assert_eq!(
                (
                    ours.union(&theirs).count(),
                    ours.intersection(&theirs).count()
                ),
                (all, shared),
                "{key}"
            );
        }
    }

    #[test]
    fn every_link_leads_to_an_artist_of_the_same_publisher() {
        for publisher in ["atlas", "gazetteer"] {
            let artists = mapped(file(&format!("{publisher}-artists")));
            let artists: BTreeSet<_> = artists.iter().map(|line| line.canonical_id).collect();
            let works = mapped(file(&format!("{publisher}-works")));
            let links: BTreeSet<_> = works
                .iter()
                .flat_map(|work| work.links.iter().map(|link| link.to))
                .collect();
            assert_eq!(
                links, artists,
                "{publisher}: each artist has a work, and each link an artist"
            );
        }
    }

    #[test]
    fn the_publishers_are_those_of_the_maps() {
        for file in &FILES {
            assert_eq!(Map::parse(file.map).unwrap().publisher(), file.publisher());
        }
    }

    #[test]
    fn the_two_disagree_about_more_than_twenty_works_in_each_way() {
        let (atlas, gazetteer) = (by("slug", "atlas-works"), by("key", "gazetteer-works"));
        let pairs = || {
            atlas
                .iter()
                .filter_map(|(slug, ours)| Some((ours, gazetteer.get(slug)?)))
        };
        let titles = pairs().filter(|(ours, theirs)| ours["title"] != theirs["names"]["en"]);
        let sizes = pairs()
            .filter(|(ours, theirs)| size(ours).is_some_and(|size| theirs["size_text"] != *size));
        let years = pairs().filter(|(ours, theirs)| theirs["date_text"] != *years(ours));
        assert!(titles.count() > 20);
        assert!(sizes.count() > 20);
        assert!(years.count() > 20);
    }

    #[test]
    fn the_two_name_different_makers_for_some_works() {
        let (atlas, gazetteer) = (by("slug", "atlas-works"), by("key", "gazetteer-works"));
        let differs = |slug: &str| {
            gazetteer[slug]["makers"].as_array().unwrap()
                != &[atlas[slug]["artist"]["slug"].clone()]
        };
        for slug in [
            "pastoral-concert",
            "man-with-the-golden-helmet",
            "ghent-altarpiece",
        ] {
            assert!(differs(slug), "{slug}");
        }
    }

    /// The size of a line of atlas, in the form of gazetteer.
    fn size(atlas: &Value) -> Option<String> {
        Some(format!(
            "{} × {} cm",
            atlas.get("height_cm")?,
            atlas.get("width_cm")?
        ))
    }

    /// The years of a line of atlas, in the form of gazetteer.
    fn years(atlas: &Value) -> String {
        match atlas.get("year_end") {
            Some(end) => format!("{}–{end}", atlas["year"]),
            None => atlas["year"].to_string(),
        }
    }
}
