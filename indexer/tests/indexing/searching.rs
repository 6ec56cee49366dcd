//! The hits of searches.

use crate::world::{CMOA, Indexing, TATE, browser, canonical, draft, retraction};

async fn a_small_museum() -> Indexing {
    let mut indexing = Indexing::start().await;
    let storm = draft(
        TATE,
        10,
        "tate:artwork:530",
        "Snow Storm - Steam-Boat off a Harbour's Mouth",
        r#"{
        "contributors": [{"fc": "Joseph Mallord William Turner", "role": "artist"}], "dateText": "exhibited 1842",
        "medium": "Oil paint on canvas", "url": "http://www.tate.org.uk/art/artworks/venice-n00530"}"#,
    );
    let turner = draft(
        TATE,
        11,
        "tate:artist:558",
        "Joseph Mallord William Turner",
        r#"{"date": "1775–1851"}"#,
    );
    let mill = draft(
        TATE,
        12,
        "tate:artwork:100",
        "Dr Pozzi's Windmills, Venice",
        r#"{"medium": "Watercolours on paper"}"#,
    );
    let storm = storm.linked("createdBy", "tate:artist:558");
    indexing
        .hear(
            TATE,
            vec![storm.statement(), turner.statement(), mill.statement()],
        )
        .await;
    let cezanne = draft(
        CMOA,
        20,
        "cmoa:things/1",
        "Paysage près d'Aix",
        r#"{"creator": [{"full_name": "Paul Cézanne"}]}"#,
    );
    let decomposed = draft(
        CMOA,
        21,
        "cmoa:things/2",
        "Me\u{301}lancolie",
        r#"{"creator": "unknown"}"#,
    );
    let wave = draft(
        CMOA,
        22,
        "cmoa:things/3",
        "神奈川沖浪裏",
        r#"{"title": "Under the Wave off Kanagawa"}"#,
    );
    indexing
        .learn(
            CMOA,
            vec![
                cezanne.statement(),
                decomposed.statement(),
                wave.statement(),
            ],
        )
        .await;
    indexing
}

#[tokio::test(flavor = "multi_thread")]
async fn words_match_any_case_accent_and_ending() {
    let indexing = a_small_museum().await;
    for (query, expected) in [
        (
            "snow+storm",
            "Snow Storm - Steam-Boat off a Harbour's Mouth",
        ),
        ("SNOW", "Snow Storm - Steam-Boat off a Harbour's Mouth"),
        (
            "exhibited+1842",
            "Snow Storm - Steam-Boat off a Harbour's Mouth",
        ),
        ("harbour", "Snow Storm - Steam-Boat off a Harbour's Mouth"),
        ("paints", "Snow Storm - Steam-Boat off a Harbour's Mouth"),
        ("watercolour", "Dr Pozzi's Windmills, Venice"),
        ("cezanne", "Paysage près d'Aix"),
        ("CÉZANNE", "Paysage près d'Aix"),
        ("melancolie", "Me\u{301}lancolie"),
        ("m%C3%A9lancolie", "Me\u{301}lancolie"),
        ("%E7%A5%9E%E5%A5%88%E5%B7%9D", "神奈川沖浪裏"),
        ("kanagawa", "神奈川沖浪裏"),
    ] {
        assert_eq!(
            indexing.names(&format!("q={query}")).await,
            [expected],
            "{query}"
        );
    }
    assert_eq!(
        indexing.names("q=artworks").await.len(),
        2,
        "identifiers are text"
    );
    assert!(
        indexing.names("q=http").await.is_empty(),
        "addresses are not text"
    );
    assert!(
        indexing.names("q=medium").await.is_empty(),
        "keys are not text"
    );
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_has_words_phrases_exclusions_and_prefixes() {
    let indexing = a_small_museum().await;
    for (query, count) in [
        ("venice+turner", 0),
        ("%22steam+boat%22", 1),
        ("%22boat+steam%22", 0),
        ("turner", 2),
        ("turner+-storm", 1),
        ("-turner", 4),
        ("turn*", 2),
        ("win*", 1),
        ("%22turn*%22", 0),
        ("tate:artist:558", 1),
        ("tate:artwork", 2),
        ("turner+%26+%2B+%2F+%E2%80%94", 2),
    ] {
        assert_eq!(
            indexing.names(&format!("q={query}")).await.len(),
            count,
            "{query}"
        );
    }
    let cid = canonical("tate:artist:558").0;
    assert_eq!(
        indexing.names(&format!("q={cid}")).await,
        ["Joseph Mallord William Turner"]
    );
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_counts_more_than_text_and_the_hit_says_who_speaks() {
    let indexing = a_small_museum().await;
    let found = indexing.json("/api/search?q=turner&facets=true").await;
    assert_eq!(found["query"], "turner");
    assert_eq!(found["total"], 2);
    assert_eq!(found["next"], serde_json::Value::Null);
    assert!(found["took_us"].is_u64());
    let hits = found["hits"].as_array().unwrap();
    assert_eq!(hits[0]["name"], "Joseph Mallord William Turner");
    assert_eq!(hits[0]["type"], "entity");
    assert_eq!(
        hits[0]["canonical"],
        canonical("tate:artist:558").0.to_string()
    );
    assert_eq!(hits[0]["identifier"], "tate:artist:558");
    assert_eq!(hits[0]["publishers"], serde_json::json!(["Tate"]));
    assert_eq!(
        hits[0]["publisher_keys"],
        serde_json::json!([TATE.to_string()])
    );
    assert!(hits[0]["score"].as_f64() > hits[1]["score"].as_f64());
    let facets = &found["facets"];
    assert_eq!(facets["types"].as_array().unwrap().len(), 2);
    assert_eq!(facets["publishers"][0]["name"], "Tate");
    assert_eq!(facets["publishers"][0]["count"], 2);
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_take_a_type_a_publisher_and_a_link_target() {
    let indexing = a_small_museum().await;
    let turner = canonical("tate:artist:558").0;
    for (query, count) in [
        ("type=entity".to_owned(), 1),
        ("type=artefact".to_owned(), 5),
        ("publisher=tate".to_owned(), 3),
        ("publisher=Carnegie+Museum+of+Art".to_owned(), 3),
        (format!("publisher={CMOA}&q=aix"), 1),
        (format!("publisher={CMOA}&q=turner"), 0),
        ("publisher=louvre".to_owned(), 0),
        (format!("to={turner}"), 1),
        (format!("to={turner}&type=entity"), 0),
        ("q=turner&type=artefact&publisher=tate".to_owned(), 1),
    ] {
        assert_eq!(indexing.names(&query).await.len(), count, "{query}");
    }
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_words_list_everything_the_newest_first() {
    let indexing = a_small_museum().await;
    let names = indexing.names("").await;
    assert_eq!(names.len(), 6);
    assert_eq!(names[0], "神奈川沖浪裏");
    assert_eq!(names[5], "Snow Storm - Steam-Boat off a Harbour's Mouth");
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_or_retracted_is_not_found_any_more() {
    let mut indexing = Indexing::start().await;
    let old = draft(TATE, 1, "tate:artwork:1", "Fishermen at Sea", "{}").statement();
    let wrong = draft(CMOA, 1, "tate:artwork:1", "Fishers", "{}").statement();
    indexing.learn(TATE, vec![old.clone()]).await;
    indexing.learn(CMOA, vec![wrong.clone()]).await;
    assert_eq!(indexing.names("q=fishermen").await.len(), 1);
    assert_eq!(
        indexing
            .names("publisher=carnegie+museum+of+art")
            .await
            .len(),
        1
    );
    let new = draft(TATE, 2, "tate:artwork:1", "Moonlight", "{}")
        .instead_of(&old)
        .statement();
    indexing.learn(TATE, vec![new]).await;
    indexing
        .learn(CMOA, vec![retraction(CMOA, 3, &wrong)])
        .await;
    assert!(indexing.names("q=fishermen").await.is_empty());
    assert!(indexing.names("q=fishers").await.is_empty());
    assert!(
        indexing
            .names("publisher=carnegie+museum+of+art")
            .await
            .is_empty()
    );
    assert_eq!(indexing.names("q=moonlight").await, ["Moonlight"]);
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_every_hit_once_while_documents_are_added() {
    let mut indexing = Indexing::start().await;
    let statements = (0..60).map(|n| {
        let words = "turner ".repeat(n % 7 + 1);
        draft(
            TATE,
            n as u64,
            &format!("test:{n}"),
            &format!("{words}{n}"),
            "{}",
        )
        .statement()
    });
    let statements: Vec<_> = statements.collect();
    indexing.learn(TATE, statements).await;
    for base in ["q=turner", "", "q=turner&type=artefact&publisher=tate"] {
        let all = indexing.names(&format!("{base}&limit=100")).await;
        let (mut seen, mut next) = (Vec::new(), String::new());
        for page in 0.. {
            let found = indexing
                .json(&format!("/api/search?{base}&limit=7{next}"))
                .await;
            assert_eq!(
                found["total"].as_u64(),
                Some(all.len() as u64),
                "the snapshot of the first page is kept"
            );
            let hits = found["hits"].as_array().unwrap();
            seen.extend(
                hits.iter()
                    .map(|hit| hit["name"].as_str().unwrap().to_owned()),
            );
            // Meanwhile the journal grows.
            let more = draft(
                TATE,
                1_000 + page,
                &format!("more:{base}:{page}"),
                "turner",
                "{}",
            );
            indexing.learn(TATE, vec![more.statement()]).await;
            match found["next"].as_str() {
                Some(token) => next = format!("&next={token}"),
                None => break,
            }
        }
        assert_eq!(seen, all, "{base}");
    }
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_refused_with_a_reason() {
    let mut indexing = Indexing::start().await;
    let statements = (0..3)
        .map(|n| draft(TATE, n, &format!("test:{n}"), "turner", "{}").statement())
        .collect();
    indexing.learn(TATE, statements).await;
    let token = indexing.json("/api/search?q=turner&limit=1").await["next"]
        .as_str()
        .unwrap()
        .to_owned();
    for (query, reason) in [
        ("limit=0".to_owned(), "limit is 0; it must be 1 to 100"),
        ("limit=101".to_owned(), "limit is 101"),
        ("limit=x".to_owned(), "limit"),
        ("type=painting".to_owned(), "entity or artefact"),
        ("to=bafy".to_owned(), "CID"),
        ("colour=red".to_owned(), "colour"),
        (
            "next=AAAA".to_owned(),
            "next is not from an answer to this search",
        ),
        (
            format!("q=venice&next={token}"),
            "next is not from an answer to this search",
        ),
        (
            format!("q={}", "x".repeat(1_001)),
            "1001 characters; at most 1000",
        ),
    ] {
        let response = indexing.get(&format!("/api/search?{query}")).await;
        assert_eq!(response.status(), 400, "{query}");
        let answer: serde_json::Value = response.json().await.unwrap();
        assert!(
            answer["error"].as_str().unwrap().contains(reason),
            "{query}: {answer}"
        );
    }
    assert_eq!(
        indexing
            .names(&format!("q=turner&limit=1&next={token}"))
            .await
            .len(),
        1
    );
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_is_answered_with_a_fault_of_ours() {
    let indexing = a_small_museum().await;
    let hostile = [
        "\"",
        "\"\"",
        "-",
        "--",
        "- -",
        "*",
        "**",
        "-*",
        "a*b*",
        "\"a*",
        "[* TO *]",
        "name:turner",
        "set:*",
        "(((((",
        "a AND",
        "NOT",
        "/(a+)+$/",
        "{a TO b}",
        "^5",
        "~",
        "a~2",
        "\\",
        "\\\"",
        "IN [a b]",
        "\u{0}",
        "\u{202e}turner",
        "<script>alert(1)</script>",
        "' OR 1=1 --",
        "🐈🐈",
        "\u{301}\u{301}",
        "%",
        "&",
        "..",
        "😀*",
        "é*",
        "a\tb\nc",
    ];
    let many = [
        "a ".repeat(499),
        "-a ".repeat(300),
        "\"a b ".repeat(200),
        "x*".repeat(500),
        "神".repeat(1_000),
    ];
    let mut rng = 1_u64;
    let noise = (0..100).map(|_| {
        let mut char = || {
            rng = rng
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let alphabet = b"ab \"-*:()[]{}^~\\/+&|!?.'\xc3\xa9";
            char::from(alphabet[(rng >> 33) as usize % alphabet.len()])
        };
        (0..20).map(|_| char()).collect::<String>()
    });
    let client = browser();
    for query in hostile
        .iter()
        .map(ToString::to_string)
        .chain(many)
        .chain(noise.collect::<Vec<_>>())
    {
        let address = format!("{}/api/search", indexing.url);
        let response = client
            .get(address)
            .query(&[("q", &query), ("facets", &"true".to_owned())])
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200, "{query:?}");
        let answer: serde_json::Value = response.json().await.unwrap();
        assert_eq!(answer["query"], query);
    }
    indexing.end().await;
}
