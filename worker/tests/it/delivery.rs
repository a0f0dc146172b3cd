//! Events: what becomes of each under every answer the partner can give.

use std::time::Duration;

use serde_json::json;

use crate::{
    bench::Bench,
    messages::{erasure, events},
    script::{Reply, names},
};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[tokio::test(start_paused = true)]
async fn a_good_message_is_one_call_and_gone() {
    let mut bench = Bench::new();
    bench.put(&[events(1, &NAMES)]);
    bench.settle().await;
    let got = bench.script.of("events");
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].path.as_str(), got[0].authorization.as_deref()), ("/v1/events", Some("Bearer key-1")));
    assert_eq!(bench.script.events(200), NAMES);
    let counts = bench.counts();
    assert_eq!((counts.first_seen, counts.received, counts.delivered), (4, 4, 4));
    bench.assert_adds_up();
    assert_eq!(bench.dead.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_passes_by_itself_is_tried_again_until_it_is_delivered() {
    for reply in [Reply::Reset, Reply::Hang, Reply::status(500), Reply::status(503), Reply::status(408)] {
        let mut bench = Bench::new();
        bench.script.reply("events", [reply.clone(), reply.clone()]);
        bench.put(&[events(1, &NAMES)]);
        bench.settle().await;
        assert_eq!(bench.script.events(200), NAMES, "{reply:?}");
        let counts = bench.counts();
        assert_eq!((counts.first_seen, counts.requeued, counts.delivered), (4, 8, 4), "{reply:?}");
        bench.assert_adds_up();
        let keys: Vec<_> = bench.script.of("events").into_iter().map(|got| got.idempotency_key).collect();
        assert!(keys.iter().all(|key| key.is_some() && *key == keys[0]), "{keys:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn trap_95_what_fails_for_ever_is_a_dead_letter_after_as_many_attempts_as_allowed() {
    let mut bench = Bench::new();
    bench.script.rule(|got| (got.route == "events").then(|| Reply::status(500)));
    bench.put(&[events(1, &["a"])]);
    bench.settle().await;
    assert_eq!(bench.script.of("events").len(), 4);
    let dead = bench.dead();
    assert_eq!((dead.len(), dead[0].attempts, dead[0].address.as_str()), (1, 4, "e0"));
    assert_eq!(dead[0].reason.code, "attempts_exhausted");
    assert_eq!(bench.counts().dead_lettered, 1);
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_halved_until_the_culprit_stands_alone() {
    for status in [400, 422, 413] {
        let mut bench = Bench::new();
        bench.script.rule(move |got| {
            let has_culprit = got.route == "events" && names(got).contains(&"c".to_owned());
            has_culprit.then(|| Reply::status(status))
        });
        bench.put(&[events(1, &NAMES)]);
        bench.settle().await;
        let mut delivered = bench.script.events(200);
        delivered.sort();
        assert_eq!(delivered, ["a", "b", "d"], "{status}");
        let dead = bench.dead();
        assert_eq!((dead.len(), dead[0].address.as_str()), (1, "e2"), "{status}");
        assert_eq!(dead[0].reason.code, if status == 413 { "too_large" } else { "refused" });
        assert_eq!(bench.script.of("events").len(), 5, "four, two and two, one and one");
        bench.assert_adds_up();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_or_refused_is_a_dead_letter_at_once() {
    for (status, code) in [(404, "gone"), (410, "gone"), (405, "refused"), (501, "refused"), (302, "refused")]
    {
        let mut bench = Bench::new();
        bench.script.rule(move |_| Some(Reply::status(status)));
        bench.put(&[events(1, &["a", "b"])]);
        bench.settle().await;
        assert_eq!(bench.dead_codes(), [code, code], "{status}");
        assert_eq!(bench.script.got().len(), 1);
        bench.assert_adds_up();
    }
}

#[tokio::test(start_paused = true)]
async fn trap_86_refused_credentials_hold_the_items_without_an_attempt_until_they_work() {
    for status in [401, 403] {
        let mut bench = Bench::new();
        bench.script.reply("events", vec![Reply::status(status); 10]);
        bench.put(&[events(1, &["a"])]);
        bench.settle().await;
        assert_eq!(bench.script.events(200), ["a"]);
        assert_eq!((bench.dead.len(), bench.counts().requeued), (0, 10));
        bench.assert_adds_up();
    }
}

#[tokio::test(start_paused = true)]
async fn trap_87_a_new_key_is_used_at_once_and_never_shares_a_call_with_the_old_one() {
    let mut bench = Bench::new();
    bench
        .script
        .rule(|got| (got.authorization.as_deref() == Some("Bearer key-1")).then(|| Reply::status(401)));
    let (old, mut new) = (events(1, &["old"]), events(1, &["new"]));
    new["account"]["account_settings"]["apiKey"] = json!("rotated");
    bench.put(&[old, new]);
    bench.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.stop().await;
    assert_eq!(bench.script.events(200), ["new"]);
    let refused = bench.script.events(401);
    assert!(!refused.is_empty() && refused.iter().all(|name| name == "old"), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn trap_39_messages_whose_settings_differ_never_share_a_call() {
    let mut bench = Bench::new();
    let mut other = events(1, &["b"]);
    other["account"]["account_settings"]["tier"] = json!("gold");
    bench.put(&[events(1, &["a"]), other, events(1, &["c"])]);
    bench.settle().await;
    let mut calls: Vec<_> = bench.script.of("events").iter().map(names).collect();
    calls.sort();
    assert_eq!(calls, [vec!["a", "c"], vec!["b"]]);
}

#[tokio::test(start_paused = true)]
async fn trap_40_the_same_account_in_two_pods_is_kept_apart() {
    let mut bench = Bench::new();
    let first = bench.packed(&events(1, &["a"]));
    let mut second = first.clone();
    second.pod = penstock_shared::ids::Pod::new("eu1").unwrap();
    let pack = penstock_shared::pack::Pack { requests: vec![first, second] };
    bench.main.put(pack.encode(penstock_shared::pack::CompressionLevel::default()));
    bench.settle().await;
    let got = bench.script.of("events");
    assert_eq!(got.len(), 2);
    assert_ne!(got[0].idempotency_key, got[1].idempotency_key);
}

#[tokio::test(start_paused = true)]
async fn trap_88_a_429_pauses_its_account_alone_costs_no_attempt_and_is_not_asked_again_too_soon() {
    let mut bench = Bench::new();
    let mut first = true;
    bench.script.rule(move |got| {
        let is_first = got.account == 1 && std::mem::take(&mut first);
        is_first.then_some(Reply::RetryAfter(429, "120"))
    });
    bench.put(&[events(1, &["a"])]);
    bench.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.put(&[events(1, &["b"]), events(2, &["c"])]);
    bench.until_empty().await;
    bench.stop().await;
    let got = bench.script.of("events");
    let refused = got.iter().find(|got| got.status == Some(429)).unwrap().at;
    let other = got.iter().find(|got| got.account == 2).unwrap().at;
    assert!(other < Duration::from_secs(2), "the other account went on");
    for call in got.iter().filter(|got| got.account == 1 && got.status == Some(200)) {
        assert!(call.at >= refused + Duration::from_secs(120), "asked again at {:?}", call.at);
    }
    let mut delivered = bench.script.events(200);
    delivered.sort();
    assert_eq!(delivered, ["a", "b", "c"]);
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_holds_and_costs_nothing() {
    let limit = "[limits]\nrequests_per_second_per_account = 1\nburst_per_account = 1";
    let mut bench = Bench::with(1, |text| text.replace("[limits]", limit));
    for n in 0..20 {
        bench.put(&[events(1, &[&format!("n{n}")[..], "x", "y", "z"])]);
    }
    bench.settle().await;
    let mut calls: Vec<_> = bench.script.of("events").iter().map(|got| got.at).collect();
    calls.sort();
    assert!(calls.len() >= 20);
    assert!(calls.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(999)), "{calls:?}");
    assert_eq!(
        (bench.counts().delivered + bench.counts().filtered, bench.dead.len()),
        (bench.counts().first_seen, 0)
    );
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_calls_hang_does_not_hold_up_another() {
    let mut bench = Bench::new();
    bench.script.rule(|got| (got.account == 1).then_some(Reply::Hang));
    for n in 0..40 {
        bench.put(&[events(1, &[&format!("slow{n}")[..]; 1])]);
    }
    bench.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for n in 0..10 {
        bench.put(&[events(2, &[&format!("fast{n}")[..]; 1])]);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(bench.script.events(200).len(), 10);
    bench.script.rule(|_| None);
    bench.until_empty().await;
    bench.stop().await;
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn each_result_of_the_answer_is_its_items_own() {
    let mut bench = Bench::new();
    let profile = |n: i64| {
        json!({
            "type": "event_processing_request", "id": format!("p{n}"), "timestamp_ms": 1_800_000_000_000_i64,
            "account": { "account_id": 1, "account_settings": { "apiKey": "k" } }, "events": [],
            "user_identities": [{ "type": "email", "encoding": "raw", "value": format!("u{n}@example.com") }],
            "user_attributes": { "plan": "gold" },
        })
    };
    let results = json!({ "results": [{ "ok": true }, { "ok": false, "why": "blocked" }, { "busy": true }] });
    bench.script.reply("profiles", [Reply::Json(200, results)]);
    bench.put(&[profile(1), profile(2), profile(3)]);
    bench.settle().await;
    let counts = bench.counts();
    assert_eq!((counts.delivered, counts.dead_lettered, counts.requeued), (2, 1, 1));
    assert_eq!(bench.dead()[0].reason.code, "partner_rejected");
    assert_eq!(bench.dead()[0].reason.detail, "the partner reports: blocked");
    let again = &bench.script.of("profiles")[1].body["users"];
    assert_eq!((again.as_array().unwrap().len(), &again[0]["email"]), (1, &json!("u3@example.com")));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_as_documented_is_tried_again_within_bounds() {
    let mut bench = Bench::new();
    bench.script.rule(|got| (got.route == "profiles").then(|| Reply::Json(200, json!({ "results": [] }))));
    let mut body = events(1, &[]);
    body["user_identities"] = json!([{ "type": "email", "encoding": "raw", "value": "u@example.com" }]);
    body["user_attributes"] = json!({ "plan": "gold" });
    bench.put(&[body]);
    bench.settle().await;
    assert_eq!(
        (bench.script.of("profiles").len(), bench.dead_codes()),
        (4, vec!["attempts_exhausted".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn trap_38_a_missing_required_setting_is_a_dead_letter_at_once_and_of_its_account_alone() {
    let mut bench = Bench::new();
    for value in [json!(null), json!("  ")] {
        let mut body = events(1, &["a", "b"]);
        body["account"]["account_settings"]["apiKey"] = value;
        bench.put(&[body]);
    }
    bench.put(&[events(2, &["c"])]);
    bench.settle().await;
    assert_eq!(bench.dead_codes(), ["setting_missing"; 4]);
    assert_eq!(bench.script.events(200), ["c"]);
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn trap_43_an_unreadable_event_among_good_ones_is_set_aside_alone() {
    let mut bench = Bench::new();
    let mut body = events(1, &["a", "b", "c"]);
    body["events"][1] = json!(17);
    bench.put(&[body]);
    bench.settle().await;
    assert_eq!(bench.script.events(200), ["a", "c"]);
    assert_eq!((bench.dead_codes(), bench.dead()[0].address.as_str()), (vec!["unreadable".to_owned()], "e1"));
}

#[tokio::test(start_paused = true)]
async fn trap_45_two_events_with_one_id_have_one_effect() {
    let mut bench = Bench::new();
    let mut body = events(1, &["a", "b"]);
    body["events"][1]["id"] = body["events"][0]["id"].clone();
    bench.put(&[body]);
    bench.put(&[events(1, &["a"])]);
    bench.settle().await;
    // Within a message the second is filtered; in another it carries the same key.
    assert_eq!(bench.counts().filtered, 1);
    let keys: Vec<_> = bench
        .script
        .of("events")
        .iter()
        .flat_map(|got| got.body.as_array().unwrap().clone())
        .map(|e| e["key"].clone())
        .collect();
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn trap_46_events_go_in_the_order_of_their_times_equal_ones_as_they_stand() {
    let mut bench = Bench::new();
    let mut body = events(1, &["late", "first", "second", "early"]);
    for (n, time) in [9, 5, 5, 1].into_iter().enumerate() {
        body["events"][n]["timestamp_ms"] = json!(1_800_000_000_000_i64 + time);
    }
    bench.put(&[body]);
    bench.settle().await;
    assert_eq!(bench.script.events(200), ["early", "first", "second", "late"]);
}

#[tokio::test(start_paused = true)]
async fn trap_58_a_bad_payload_fails_its_event_alone() {
    let mut bench = Bench::new();
    let mut body = events(1, &["json", "nested", "bad", "none"]);
    let payloads = [json!("{\"a\":1}"), json!("{\"a\":\"{\\\"b\\\":2}\"}"), json!("not json")];
    for (n, payload) in payloads.into_iter().enumerate() {
        body["events"][n]["attributes"] = json!({ "push": payload });
    }
    bench.put(&[body]);
    bench.settle().await;
    assert_eq!(bench.script.events(200), ["json", "nested", "none"]);
    assert_eq!(
        (bench.dead_codes(), bench.dead()[0].address.as_str()),
        (vec!["mapping_failed".to_owned()], "e2")
    );
    let sent = &bench.script.of("events")[0].body;
    assert_eq!(
        (&sent[0]["push"], &sent[1]["push"]["a"], sent[2].get("push")),
        (&json!({ "a": 1 }), &json!("{\"b\":2}"), None)
    );
}

#[tokio::test(start_paused = true)]
async fn trap_62_development_data_goes_where_the_file_says() {
    let mut bench = Bench::new();
    let mut body = events(1, &["a", "b"]);
    body["runtime_environment"] = json!({ "type": "ios", "is_debug": true });
    bench.put(&[body]);
    bench.settle().await;
    assert_eq!((bench.script.got().len(), bench.counts().filtered), (0, 2));
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn trap_65_a_thousand_events_are_calls_of_at_most_what_the_partner_takes() {
    let mut bench = Bench::new();
    let names: Vec<String> = (0..1000).map(|n| format!("n{n:04}")).collect();
    bench.put(&[events(1, &names.iter().map(String::as_str).collect::<Vec<_>>())]);
    bench.settle().await;
    let calls = bench.script.of("events");
    assert!(calls.iter().all(|got| got.body.as_array().unwrap().len() <= 4));
    let mut delivered = bench.script.events(200);
    delivered.sort();
    assert_eq!((calls.len(), delivered), (250, names));
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn trap_91_an_erasure_of_any_shape_reaches_the_partner() {
    let mut bench = Bench::with(1, |text| {
        text.replace("required = true, confidential", "confidential")
            .replace("\"settings.apiKey\"", "\"settings.apiKey or 'ours'\"")
    });
    bench.put(&[erasure(None, "erasure"), erasure(Some(3), "erasure")]);
    bench.script.reply("erasures", [Reply::Json(200, json!({ "state": "locked" })), Reply::status(409)]);
    bench.settle().await;
    let got = bench.script.of("erasures");
    assert_eq!(got.len(), 3);
    assert_eq!(got[0].body["identities"]["pebble"]["value"], "x");
    assert_eq!((bench.counts().delivered, bench.dead.len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn trap_92_a_data_subject_request_that_is_no_erasure_is_set_aside() {
    let mut bench = Bench::new();
    bench.put(&[erasure(Some(1), "access"), erasure(Some(1), "portability")]);
    bench.settle().await;
    assert_eq!(bench.dead_codes(), ["unhandled_dsr", "unhandled_dsr"]);
    assert_eq!(bench.script.got().len(), 0);
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn trap_97_a_spilled_body_is_fetched_kept_while_needed_and_its_loss_has_a_reason() {
    let mut bench = Bench::new();
    bench.put_spilled(&events(1, &["a", "b"])).await;
    bench.settle().await;
    assert_eq!((bench.script.events(200), bench.spill.len()), (vec!["a".to_owned(), "b".to_owned()], 0));

    // One of its items is a dead letter: the body stays, for a person to see and to redrive.
    bench.put_spilled(&events(1, &["c", "d", "e"])).await;
    bench.script.rule(|got| names(got).contains(&"d".to_owned()).then(|| Reply::status(400)));
    bench.settle().await;
    assert_eq!((bench.dead_codes(), bench.spill.len()), (vec!["refused".to_owned()], 1));

    bench.put_spilled(&events(1, &["f"])).await;
    bench.spill.clear();
    bench.settle().await;
    assert_eq!(bench.dead_codes(), ["refused", "spill_missing"]);
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn trap_97_a_spilled_body_outlives_the_first_of_its_parts() {
    let mut bench = Bench::new();
    // Both halves of the batch end in packs of their own, which refer to the same body.
    bench.script.rule(|got| match names(got).first()?.as_str() {
        "a" if got.at < Duration::from_secs(30) => Some(Reply::RetryAfter(503, "40")),
        "e" if got.at < Duration::from_secs(30) => Some(Reply::RetryAfter(503, "2")),
        _ => None,
    });
    bench.put_spilled(&events(1, &["a", "b", "c", "d", "e"])).await;
    bench.settle().await;
    assert_eq!((bench.counts().delivered, bench.dead_codes()), (5, Vec::<String>::new()));
}

#[tokio::test(start_paused = true)]
async fn trap_98_what_is_set_aside_quotes_no_values() {
    let mut bench =
        Bench::with(1, |text| text.replace("name = \"event.name\"", "name = \"event.name | integer\""));
    let mut body = events(1, &["hunter2-name"]);
    body["account"]["account_settings"]["apiKey"] = json!("hunter2-key");
    let mut payload = events(1, &["9"]);
    payload["events"][0]["attributes"] = json!({ "push": "hunter2-push" });
    bench.put(&[body, payload]);
    bench.settle().await;
    assert_eq!(bench.dead_codes(), ["mapping_failed", "mapping_failed"]);
    for dead in bench.dead() {
        assert!(!dead.reason.detail.contains("hunter2"), "{}", dead.reason.detail);
        assert!(dead.reason.detail.contains("line"), "{}", dead.reason.detail);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_packed_by_account_and_by_how_long_it_waits() {
    let mut bench = Bench::new();
    bench.script.rule(|_| Some(Reply::status(503)));
    bench.put(&[events(1, &["a"]), events(2, &["b"]), events(1, &["c"])]);
    bench.start();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(bench.retry_accounts().iter().all(|accounts| accounts.windows(2).all(|pair| pair[0] == pair[1])));
    assert_eq!(bench.retrying().len(), 3);
    assert!(bench.retrying().iter().all(|(_, attempts)| *attempts == 1));
    assert!(bench.retry.delays().iter().all(|delay| *delay >= Duration::from_millis(500)));
    bench.script.rule(|_| None);
    bench.until_empty().await;
    bench.stop().await;
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn a_pending_item_that_nothing_maps_any_more_is_counted_and_not_lost() {
    use penstock_shared::{
        ids::Address,
        pack::{CompressionLevel, Pack, Pending, PendingItem},
    };
    let mut bench = Bench::new();
    let mut packed = bench.packed(&events(1, &["a"]));
    packed.pending = Pending::Items(vec![
        PendingItem::untried(Address::Event(0)),
        PendingItem::untried(Address::Event(7)),
        PendingItem::untried(Address::Profile),
    ]);
    bench.retry.put(Pack { requests: vec![packed] }.encode(CompressionLevel::default()));
    bench.settle().await;
    let counts = bench.counts();
    assert_eq!((counts.received, counts.delivered, counts.dead_lettered, counts.filtered), (3, 1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_newer_version_is_left_to_a_newer_worker_and_rubbish_is_set_aside() {
    let mut bench = Bench::new();
    bench.main.put(bytes::Bytes::from_static(b"PSTK\x63\x00future"));
    bench.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.main.put(bytes::Bytes::from_static(b"no pack at all"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.stop().await;
    assert_eq!((bench.main.len(), bench.dead_codes()), (1, vec!["pack_unreadable".to_owned()]));
    bench.assert_adds_up();
}
