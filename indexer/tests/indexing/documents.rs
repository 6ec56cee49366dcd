//! One document, and the list of all documents.

use std::collections::BTreeMap;

use kittengrad_proto::id::RecordId;
use kittengrad_support::wait::until;
use serde_json::{Value, json};

use crate::world::{CMOA, Indexing, TATE, canonical, cursor, draft, retraction};

#[tokio::test(flavor = "multi_thread")]
async fn a_document_says_who_said_what_when_and_what_counts() {
    let mut indexing = Indexing::start().await;
    let of = canonical("tate:artwork:530").0;
    let turner = canonical("tate:artist:558").0;
    let old = draft(
        TATE,
        10,
        "tate:artwork:530",
        "Snow Storm",
        r#"{"width": 91}"#,
    )
    .statement();
    let new = draft(
        TATE,
        30,
        "tate:artwork:530",
        "Snow Storm",
        r#"{"width": 91.0, "big": 18446744073709551615}"#,
    );
    let new = new
        .instead_of(&old)
        .linked("createdBy", "tate:artist:558")
        .statement();
    let cmoa = draft(
        CMOA,
        20,
        "tate:artwork:530",
        "Snowstorm",
        r#"{"<b>": ["</script>"]}"#,
    )
    .statement();
    let opinion = retraction(CMOA, 40, &new);
    let artist = draft(TATE, 5, "tate:artist:558", "J.M.W. Turner", "{}").statement();
    indexing
        .learn(TATE, vec![new.clone(), old.clone(), artist])
        .await;
    indexing
        .learn(CMOA, vec![cmoa.clone(), opinion.clone()])
        .await;

    let response = indexing.get(&format!("/api/document/{of}")).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let text = response.text().await.unwrap();
    assert!(
        text.contains(r#""width":91}"#) && text.contains(r#""width":91.0}"#),
        "numbers keep their form"
    );
    assert!(text.contains("18446744073709551615"));
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["canonical"], of.to_string());
    assert_eq!(document["type"], "artefact");
    assert_eq!(document["name"], "Snow Storm");
    assert_eq!(
        document["record"],
        json!({"type": "artefact", "meta": {"id": "tate:artwork:530"}})
    );
    assert_eq!(
        document["linked"][turner.to_string()]["name"],
        "J.M.W. Turner"
    );
    let updates = document["updates"].as_array().unwrap();
    let field = |name: &str| {
        updates
            .iter()
            .map(|update| update[name].clone())
            .collect::<Vec<_>>()
    };
    let id = |statement: &crate::world::Statement| statement.0.update.unwrap().to_string();
    assert_eq!(field("cid"), [id(&old), id(&cmoa), id(&new), id(&opinion)]);
    assert_eq!(field("standing"), ["replaced", "head", "head", "opinion"]);
    assert_eq!(field("head"), [false, true, true, false]);
    assert_eq!(field("timestamp_ms"), [10, 20, 30, 40]);
    assert_eq!(updates[2]["previous"], json!([id(&old)]));
    assert_eq!(
        updates[2]["links"],
        json!([{"rel": "createdBy", "to": turner.to_string()}])
    );
    assert_eq!(updates[1]["publisher"], CMOA.to_string());
    assert_eq!(updates[1]["publisher_name"], "Carnegie Museum of Art");
    assert_eq!(updates[1]["meta"], json!({"<b>": ["</script>"]}));
    assert_eq!(updates[3]["target"], id(&new));
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(
        updates
            .iter()
            .all(|update| keys(update) == keys(&updates[0])),
        "every statement has every field"
    );
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_document_is_not_found_and_nonsense_is_refused() {
    let indexing = Indexing::start().await;
    let unknown = canonical("nobody").0;
    for (path, status, reason) in [
        (format!("/api/document/{unknown}"), 404, "no document of"),
        ("/api/document/bafy".to_owned(), 400, "not a record's CID"),
        ("/api/document/%00%ff".to_owned(), 400, ""),
        (
            format!("/api/document/{}", "x".repeat(5_000)),
            400,
            "not a record's CID",
        ),
        ("/api/document".to_owned(), 404, "no such page"),
        ("/etc/passwd".to_owned(), 404, "no such page"),
    ] {
        let response = indexing.get(&path).await;
        assert_eq!(response.status(), status, "{path}");
        assert!(response.text().await.unwrap().contains(reason), "{path}");
    }
    indexing.end().await;
}

/// Keeps S6.
#[tokio::test(flavor = "multi_thread")]
async fn an_absent_record_is_shown_and_delays_nothing() {
    let mut indexing = Indexing::start().await;
    let mut without = draft(TATE, 1, "tate:artwork:1", "Late", "{}").statement();
    let of = without.0.canonical;
    without.1.clear();
    let known = draft(TATE, 2, "tate:artwork:2", "Here", "{}").statement();
    indexing.learn(TATE, vec![without, known]).await;
    assert_eq!(indexing.names("q=here").await, ["Here"]);
    let document = indexing.json(&format!("/api/document/{of}")).await;
    assert_eq!(
        (&document["record"], &document["type"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(document["updates"][0]["standing"], "absent");
    assert_eq!(indexing.json("/status").await["absent"], 2);
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_all_documents_is_one_snapshot_with_its_cursor() {
    let mut indexing = Indexing::start().await;
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut statements = Vec::new();
    for number in 0..300 {
        for version in 0..number % 3 + 1 {
            let update = draft(
                TATE,
                version,
                &format!("test:{number}"),
                &format!("{version}"),
                "{}",
            )
            .statement();
            let updates: &mut Vec<_> = expected.entry(update.0.canonical.to_string()).or_default();
            updates.push(update.0.update.unwrap().to_string());
            statements.push(update);
        }
    }
    expected
        .values_mut()
        .for_each(|updates| updates.sort_by_key(|cid| cid.parse::<RecordId>().unwrap()));
    let count = statements.len();
    for part in statements.chunks(50) {
        indexing.learn(TATE, part.to_vec()).await;
    }
    let response = indexing.get("/api/documents").await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let text = response.text().await.unwrap();
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = lines.pop().unwrap();
    let height = count.div_ceil(50) as u64 - 1;
    assert_eq!(
        last,
        json!({"cursor": cursor(height).to_string(), "documents": 300, "updates": count})
    );
    let found: BTreeMap<String, Vec<String>> = lines
        .into_iter()
        .map(|line| {
            let updates = serde_json::from_value(line["updates"].clone()).unwrap();
            (line["canonical"].as_str().unwrap().to_owned(), updates)
        })
        .collect();
    assert_eq!(found, expected);
    indexing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_updates_of_one_canonical_are_few_commits() {
    let mut indexing = Indexing::start().await;
    let mut height = 0;
    for block in 0..50_u64 {
        let statements = (0..100).map(|n| {
            draft(
                TATE,
                block * 100 + n,
                "test:hot",
                &format!("{block}/{n}"),
                "{}",
            )
            .statement()
        });
        height = indexing.hear(TATE, statements.collect()).await;
    }
    indexing.committed(height).await;
    let of = canonical("test:hot").0;
    let document = indexing.json(&format!("/api/document/{of}")).await;
    assert_eq!(document["updates"].as_array().unwrap().len(), 5_000);
    assert_eq!(document["name"], "49/99");
    until("the counters follow", async || {
        let metrics = indexing.get("/metrics").await.text().await.unwrap();
        metrics.contains("kittengrad_set_elements_added_total 5000")
    })
    .await;
    indexing.end().await;
}
