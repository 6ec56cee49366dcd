//! Finding a map: a file, or one that is built in.

use std::{fs, path::Path};

use anyhow::Context;
use kittengrad_client_core::map::Map;

use crate::output::Usage;

/// Maps by their names: those of deploy/maps.
const BUILT_IN: [(&str, &str); 8] = [
    (
        "tate-artworks",
        include_str!("../../../../../deploy/maps/tate-artworks.toml"),
    ),
    (
        "tate-artists",
        include_str!("../../../../../deploy/maps/tate-artists.toml"),
    ),
    (
        "cmoa-artworks",
        include_str!("../../../../../deploy/maps/cmoa-artworks.toml"),
    ),
    (
        "cmoa-artists",
        include_str!("../../../../../deploy/maps/cmoa-artists.toml"),
    ),
    (
        "artist-crosswalk",
        include_str!("../../../../../deploy/maps/artist-crosswalk.toml"),
    ),
    (
        "nypl-collections",
        include_str!("../../../../../deploy/maps/nypl-collections.toml"),
    ),
    (
        "sfomuseum-publicart",
        include_str!("../../../../../deploy/maps/sfomuseum-publicart.toml"),
    ),
    (
        "sfomuseum-places",
        include_str!("../../../../../deploy/maps/sfomuseum-places.toml"),
    ),
];

/// Reads a map from a file, or takes the built-in map of that name if no file has it.
pub(crate) fn load(named: &str) -> anyhow::Result<Map> {
    let path = Path::new(named);
    let built_in = BUILT_IN.iter().find(|(name, _)| *name == named);
    let text = match built_in {
        Some((_, text)) if !path.exists() => (*text).to_owned(),
        None if !path.exists() => {
            let names = BUILT_IN.map(|(name, _)| name).join(", ");
            return Err(Usage(format!(
                "no map {named}: neither a file nor a built-in map ({names})"
            ))
            .into());
        }
        _ => fs::read_to_string(path).with_context(|| format!("cannot read the map {named}"))?,
    };
    Map::parse(&text).with_context(|| format!("{named} is not a map"))
}

/// The publishers of the built-in maps, each once.
pub(crate) fn publishers() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for (name, text) in BUILT_IN {
        let map = Map::parse(text).with_context(|| format!("{name} is not a map"))?;
        if !names.iter().any(|known| known == map.publisher()) {
            names.push(map.publisher().to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_map_that_is_built_in_is_one() {
        for (name, _) in BUILT_IN {
            load(name).unwrap();
        }
    }

    #[test]
    fn every_example_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/maps");
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(
                BUILT_IN.iter().any(|(built_in, _)| *built_in == name),
                "{name}"
            );
        }
    }

    #[test]
    fn a_map_that_is_not_there_is_wrong_use_and_a_bad_one_is_not() {
        assert!(load("no-such-map").unwrap_err().is::<Usage>());
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "publisher = 5").unwrap();
        let error = load(file.path().to_str().unwrap()).unwrap_err();
        assert!(
            !error.is::<Usage>() && error.to_string().ends_with("is not a map"),
            "{error}"
        );
    }
}
