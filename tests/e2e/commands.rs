//! The promises to scripts: lines, exit codes and files of the commands. One network serves all checks.

use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Network, Process, lines, program, text, until};

#[test]
fn commands_keep_the_promises_that_scripts_rely_on() {
    let network = Network::whole(3);
    refused_lines_are_told_kept_and_forgotten(&network);
    a_rejects_file_is_never_written_over_an_input(&network);
    a_receipt_is_checked_offline_and_never_costs_the_line(&network);
    heads_are_replaced_side_by_side_or_taken_back(&network);
    what_is_unknown_hides_nothing(&network);
    search_goes_on_where_a_page_ended(&network);
    the_status_of_a_view_names_its_cells(&network);
    bench_prints_the_fields_that_scripts_read(&network);
    blocks_and_offsets_are_counted_from_the_beginning(&network);
    a_reader_that_goes_away_changes_no_exit_code(&network);
}

#[test]
fn wrong_use_is_exit_code_2_and_failure_is_1() {
    let code = |args: &[&str]| program().args(args).output().unwrap().status.code();
    for wrong in [
        &["--no-such-option"][..],
        &["put"],
        &["get", "bafynonsense"],
        &["tail", "--from", "nowhere"],
        &["health", "--http", "127.0.0.1:1"],
        &["network", "add", "--credentials", "x", "--grpc", "nowhere"],
        &["completions", "bash", "--json"],
        &["demo", "--ingest", "a", "--map", "b", "--map", "c"],
        &["demo", "--ingest", "/dev/null", "--map", "no-such-map"],
    ] {
        assert_eq!(code(wrong), Some(2), "{wrong:?}");
    }
    let failed = &["health", "--http", "http://127.0.0.1:1"];
    assert_eq!(code(failed), Some(1), "{failed:?}");
    let loud = program()
        .env("KITTENGRAD_LOG", "kittengrad=loud")
        .args(["peer", "run", "--config", "nowhere.toml"])
        .output()
        .unwrap();
    assert_eq!(loud.status.code(), Some(2), "{}", text(&loud));
    assert!(text(&loud).contains("KITTENGRAD_LOG"));
}

#[test]
fn with_json_standard_output_has_only_json() {
    let run = |args: &[&str]| program().args(args).output().unwrap();
    let version = run(&["--version", "--json"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(
        lines(&version)[0]["version"].as_str(),
        Some(env!("CARGO_PKG_VERSION"))
    );
    for asked in [&["--json", "--help"][..], &["put", "--json", "--help"]] {
        let help = run(asked);
        assert_eq!(help.status.code(), Some(0), "{asked:?}");
        assert!(help.stdout.is_empty(), "{asked:?}");
        assert!(text(&help).contains("Examples:"), "{asked:?}");
    }
    assert!(!run(&["put", "--help"]).stdout.is_empty());
}

fn the_status_of_a_view_names_its_cells(network: &Network) {
    let mut status = Value::Null;
    until("the view is ready", || {
        let asked = network.cli(&["aggregator", "status"]);
        status = lines(&asked)[0].clone();
        asked.status.code() == Some(0)
    });
    let cells = status["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 3);
    let has_time =
        |cell: &Value| cell["complete_to_ms"].as_u64() >= status["complete_to_ms"].as_u64();
    assert!(
        status["ready"] == true && cells.iter().all(has_time),
        "{status}"
    );
    let shown = program()
        .args(["aggregator", "status", "--http"])
        .arg(network.http(Process::Aggregator))
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    for cell in cells {
        let from = &cell["from"].as_str().unwrap()[..8];
        assert!(shown.contains(from), "{from} is not in\n{shown}");
    }
    let other = network.http(Process::Peer(1));
    let asked = network.cli(&["aggregator", "status", "--http", &other]);
    assert_eq!(asked.status.code(), Some(1), "{}", text(&asked));
    assert!(text(&asked).contains("another process"), "{}", text(&asked));
}

fn refused_lines_are_told_kept_and_forgotten(network: &Network) {
    let (_, map) = network.works(0);
    let bad: String = (0..25).map(|n| format!("{{\"title\":{n}}}\n")).collect();
    let good = "{\"id\":1,\"title\":\"Rain, Steam and Speed\",\"artist\":1}\n";
    let file = network.file("mixed.ndjson", &format!("{{\n\n{good}{bad}"));
    let loaded = network.cli(&["ingest", "--map", &map, &file]);
    assert_eq!(loaded.status.code(), Some(1), "{}", text(&loaded));
    let total = lines(&loaded).pop().unwrap();
    let counts = ["read", "inserted", "updated", "unchanged", "refused"];
    assert_eq!(
        counts.map(|count| total[count].as_u64()),
        [27, 1, 0, 0, 26].map(Some)
    );
    let stderr = String::from_utf8_lossy(&loaded.stderr).into_owned();
    assert!(
        stderr.contains("mixed.ndjson, line 1 is refused"),
        "{stderr}"
    );
    assert!(stderr.contains("line 4 is refused: "), "{stderr}");
    assert!(
        !stderr.contains("line 25 is refused"),
        "only the first 20: {stderr}"
    );
    let rejects = format!("{file}.rejects.ndjson");
    assert!(stderr.contains(&format!("more in {rejects}")), "{stderr}");

    let kept = std::fs::read_to_string(&rejects).unwrap();
    let kept: Vec<Value> = kept
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(kept.len(), 26);
    assert_eq!(kept[0]["file"], file.as_str());
    assert_eq!(
        (&kept[0]["line"], &kept[0]["text"]),
        (&1.into(), &"{".into())
    );
    assert_eq!(kept[1]["line"], 4);
    assert!(
        kept.iter()
            .all(|reject| reject["reason"].as_str().unwrap().len() > 5)
    );

    network.file("mixed.ndjson", good);
    let again = network.ok(&["ingest", "--map", &map, &file]);
    assert_eq!(
        (&again[0]["unchanged"], &again[0]["rejects"]),
        (&1.into(), &Value::Null)
    );
    assert!(
        !std::path::Path::new(&rejects).exists(),
        "the rejects file of an earlier run is still there"
    );
}

fn a_rejects_file_is_never_written_over_an_input(network: &Network) {
    let (_, map) = network.works(0);
    let file = network.file("twice.ndjson", "{\n");
    let twice = network.cli(&["ingest", "--map", &map, &file, &file]);
    assert_eq!(lines(&twice).pop().unwrap()["refused"], 2);
    let rejects = format!("{file}.rejects.ndjson");
    let kept = std::fs::read_to_string(&rejects).unwrap();
    assert_eq!(kept.lines().count(), 2, "of a file that is given twice");
    let over = network.cli(&["ingest", "--map", &map, &file, &rejects]);
    assert_eq!(over.status.code(), Some(2), "{}", text(&over));
    assert_eq!(std::fs::read_to_string(&rejects).unwrap(), kept);
}

fn a_receipt_is_checked_offline_and_never_costs_the_line(network: &Network) {
    let put = |id: &str, receipt: &str| {
        let record = format!(r#"{{"type":"artefact","meta":{{"id":"{id}"}}}}"#);
        let file = network.file("work.json", &record);
        network.cli(&["put", &file, "--receipt", receipt])
    };
    let receipt = network.path().join("work.receipt").display().to_string();
    let put_well = put("test:receipt", &receipt);
    assert!(put_well.status.success(), "{}", text(&put_well));
    let root = network.path().join("ca/root.pem").display().to_string();
    let verify = |root: &str| network.cli(&["verify", "receipt", &receipt, "--root", root]);
    let verified = verify(&root);
    assert!(verified.status.success(), "{}", text(&verified));
    let verdict = &lines(&verified)[0];
    assert_eq!(verdict["ok"], true);
    assert_eq!(verdict["transaction"], lines(&put_well)[0]["transaction"]);
    assert!(verdict["peers"].as_array().unwrap().len() >= 2);

    let mut bytes = std::fs::read(&receipt).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&receipt, bytes).unwrap();
    let forged = verify(&root);
    assert_eq!(forged.status.code(), Some(1), "{}", text(&forged));
    assert_eq!(lines(&forged)[0]["ok"], false);

    let nowhere = network.path().join("no/such/folder").display().to_string();
    let refused = put("test:no-receipt", &nowhere);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    let record = r#"{"type":"artefact","meta":{"id":"test:no-receipt"}}"#;
    let file = network.file("work.json", record);
    let put_again = &network.ok(&["put", &file])[0];
    assert_eq!(
        put_again["new"], true,
        "without a place for its receipt, nothing was sent"
    );
}

fn heads_are_replaced_side_by_side_or_taken_back(network: &Network) {
    let record = r#"{"type":"artefact","meta":{"id":"test:heads"}}"#;
    let work = network.file("work.json", record);
    let cid = network.ok(&["put", &work])[0]["cid"].clone();
    let cid = cid.as_str().unwrap();
    let update = |meta: &str, more: &[&str]| {
        let file = network.file("update.json", meta);
        let args = [&["update", cid, &file][..], more].concat();
        network.ok(&args)[0]["cid"].as_str().unwrap().to_owned()
    };
    let heads = || {
        let got = &network.ok(&["get", cid])[0];
        let updates = got["updates"].as_array().unwrap().iter();
        let heads = updates.filter(|update| update["head"] == true);
        let mut heads: Vec<_> = heads
            .map(|update| update["cid"].as_str().unwrap().to_owned())
            .collect();
        heads.sort();
        heads
    };
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    let first = update(r#"{"year":1839}"#, &[]);
    let second = update(r#"{"year":1838}"#, &["--concurrent"]);
    assert_eq!(heads(), sorted(vec![first.clone(), second.clone()]));
    let third = update(r#"{"year":1838.5}"#, &[]);
    assert_eq!(heads(), std::slice::from_ref(&third));
    network.ok(&["retract", cid, &third]);
    assert_eq!(heads(), [""; 0], "replaced updates stay replaced");
    let history = network.ok(&["history", cid]);
    let standings: Vec<_> = history
        .iter()
        .map(|line| line["standing"].as_str().unwrap())
        .collect();
    assert_eq!(standings.iter().filter(|s| **s == "replaced").count(), 2);
    assert!(standings.contains(&"retracted") && standings.contains(&"retraction"));
    let foreign = network.cli(&["retract", cid, cid]);
    assert_eq!(foreign.status.code(), Some(1), "{}", text(&foreign));
}

fn what_is_unknown_hides_nothing(network: &Network) {
    let record = r#"{"type":"artefact","meta":{"id":"test:known"}}"#;
    let work = network.file("work.json", record);
    let known = network.ok(&["put", &work])[0]["cid"].clone();
    let unknown = "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    let got = network.cli(&["get", unknown, known.as_str().unwrap()]);
    assert_eq!(got.status.code(), Some(1), "{}", text(&got));
    assert_eq!(lines(&got)[0]["canonical"], known);
    assert!(text(&got).contains(unknown));
}

fn search_goes_on_where_a_page_ended(network: &Network) {
    let (works, map) = network.works(30);
    network.ok(&["ingest", "--map", &map, &works]);
    let page = |next: &[&str]| {
        let args = [&["search", "number", "--limit", "12"][..], next].concat();
        network.ok(&args).pop().unwrap()
    };
    until("all works can be searched", || page(&[])["total"] == 30);
    let (mut found, mut next) = (Vec::new(), None::<String>);
    for hits in [12, 12, 6] {
        let token = next.as_deref();
        let page = page(&token.map_or_else(Vec::new, |token| vec!["--next", token]));
        let all = page["hits"].as_array().unwrap();
        assert_eq!(all.len(), hits);
        found.extend(all.iter().map(|hit| hit["canonical"].to_string()));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(next, None, "it was the last page");
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 30, "each hit is on one page");
}

fn bench_prints_the_fields_that_scripts_read(network: &Network) {
    let few = ["--conc", "4", "--limit-s", "5"];
    for (phase, more) in [
        ("insert", &["--canonicals", "20"][..]),
        ("bulk", &["--canonicals", "100", "--batch", "50"]),
        ("lookup", &["--canonicals", "20", "--limit-s", "0.3"]),
        ("tail", &["--canonicals", "20"]),
    ] {
        let few = if more.contains(&"--limit-s") {
            &few[..2]
        } else {
            &few[..]
        };
        let args = [&["bench", phase][..], few, more].concat();
        let line = network.ok(&args).pop().unwrap();
        assert_eq!(line["phase"], phase);
        for field in ["ops", "updates", "p50_us", "p99_us", "max_us"] {
            assert!(line[field].as_u64().unwrap() > 0, "{field}: {line}");
        }
        for field in ["seconds", "ops_per_s", "updates_per_s"] {
            assert!(line[field].as_f64().unwrap() > 0.0, "{field}: {line}");
        }
        for field in ["conc", "batch", "record_bytes", "per", "errors"] {
            assert!(line[field].is_u64(), "{field}: {line}");
        }
        if phase == "bulk" {
            let (ops, updates) = (line["ops"].as_u64(), line["updates"].as_u64());
            assert_eq!(
                updates,
                ops.map(|ops| ops * 50),
                "each batch is full: {line}"
            );
        }
    }
    for wrong in [
        &["--record-bytes", "60000", "--batch", "100"][..],
        &["--canonicals", "3", "--batch", "1000"],
    ] {
        let refused = network.cli(&[&["bench", "bulk"][..], wrong].concat());
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    }
}

fn blocks_and_offsets_are_counted_from_the_beginning(network: &Network) {
    let peer = network.peer_id(1);
    let blocks = network.ok(&["journal", "blocks", "--peer", &peer]);
    let verdict = &network.ok(&["journal", "verify", "--peer", &peer])[0];
    assert_eq!(verdict["ok"], true, "{verdict}");
    assert_eq!(verdict["blocks"], blocks.len());
    assert_eq!(verdict["incarnation"], blocks[0]["incarnation"]);
    let elements: usize = blocks
        .iter()
        .map(|block| block["elements"].as_array().unwrap().len())
        .sum();
    assert_eq!(verdict["elements"], elements);
    let tail = ["tail", "--peer", &peer, "--no-follow", "--from"];
    let all = network.ok(&[&tail[..], &["genesis"]].concat());
    let cursor = all[4]["cursor"].as_str().unwrap();
    let rest = network.ok(&[&tail[..], &[cursor]].concat());
    assert_eq!(rest[0]["offset"], 5);
}

fn a_reader_that_goes_away_changes_no_exit_code(network: &Network) {
    let (_, map) = network.works(0);
    let file = network.file("bad.ndjson", "{\n");
    let run = |args: &[&str]| {
        let mut child = network
            .cli_command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        child.wait().unwrap().code()
    };
    assert_eq!(run(&["ingest", "--map", &map, &file]), Some(1));
    assert_eq!(run(&["ring", "show"]), Some(0));
}
