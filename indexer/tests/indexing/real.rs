//! Real records: Tate's and the Carnegie Museum's.

use kittengrad_support::samples::real_records;

use crate::world::{CMOA, Indexing, TATE, mapped};

#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_turner_finds_him_and_his_works_first() {
    let Some(data) = real_records("a search over real records") else {
        return;
    };
    let artists = mapped(
        "tate-artists.toml",
        TATE,
        &data.join("tate-artists.ndjson.gz"),
        1,
    );
    let works = mapped(
        "tate-artworks.toml",
        TATE,
        &data.join("tate-artworks.ndjson.gz"),
        6,
    );
    let american = mapped(
        "cmoa-artworks.toml",
        CMOA,
        &data.join("cmoa-artworks.ndjson.gz"),
        16,
    );
    let count = artists.len() + works.len() + american.len();
    let mut indexing = Indexing::start().await;
    let mut height = 0;
    for (publisher, statements) in [(TATE, artists), (TATE, works), (CMOA, american)] {
        for part in statements.chunks(250) {
            height = indexing.hear(publisher, part.to_vec()).await;
        }
    }
    indexing.committed(height).await;
    assert_eq!(indexing.json("/status").await["documents"], count);

    let found = indexing.json("/api/search?q=Turner&limit=100").await;
    let hits = found["hits"].as_array().unwrap();
    assert_eq!(hits[0]["name"], "Joseph Mallord William Turner");
    assert_eq!(hits[0]["type"], "entity");
    let turner = hits[0]["canonical"].as_str().unwrap();
    let by_him = indexing
        .json(&format!("/api/search?to={turner}&limit=1"))
        .await["total"]
        .as_u64()
        .unwrap();
    assert!(by_him > 500, "{by_him} works by Turner among every sixth");
    assert!(found["total"].as_u64().unwrap() >= by_him);

    let works = indexing
        .json("/api/search?q=Turner&type=artefact&limit=50")
        .await;
    let mut his = 0;
    for hit in works["hits"].as_array().unwrap() {
        let document = indexing
            .json(&format!(
                "/api/document/{}",
                hit["canonical"].as_str().unwrap()
            ))
            .await;
        let links = document["updates"][0]["links"].as_array().unwrap();
        his += usize::from(links.iter().any(|link| link["to"] == turner));
    }
    assert!(his >= 45, "{his} of the first 50 works are by Turner");
    indexing.end().await;
}
