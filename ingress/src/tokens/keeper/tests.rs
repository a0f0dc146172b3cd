use std::path::Path;

use penstock_shared::telemetry::local_recorder;

use super::*;

const EVERY: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(65);

fn keeper(path: &Path) -> TokenKeeper {
    let served = vec![Pod::new("us1").unwrap()];
    let pace = Pace { every: EVERY, grace: GRACE };
    TokenKeeper::new(TokenSource::File(path.to_owned()), pace, served, 1, &IngressMetrics::new())
}

fn known(tokens: &Tokens) -> String {
    let (list, pod) = (tokens.current(), Pod::new("us1").unwrap());
    ["a", "b", "c"].into_iter().filter(|token| list.knows(&pod, token.as_bytes())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_read_or_holds_nothing_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    let (recorder, handle) = local_recorder();
    let mut keeper = metrics::with_local_recorder(&recorder, || keeper(&path));
    let tokens = keeper.tokens();
    keeper.refresh().await;
    assert_eq!(known(&tokens), "");
    std::fs::write(&path, "a\nb").unwrap();
    keeper.refresh().await;
    assert_eq!(known(&tokens), "ab");
    for bad in ["", "[]", "{\"us1\": 5}", "[\"c\""] {
        std::fs::write(&path, bad).unwrap();
        keeper.refresh().await;
        assert_eq!(known(&tokens), "ab", "{bad:?}");
    }
    std::fs::remove_file(&path).unwrap();
    keeper.refresh().await;
    assert_eq!(known(&tokens), "ab");
    std::fs::write(&path, "b c").unwrap();
    keeper.refresh().await;
    keeper.refresh().await;
    assert_eq!(known(&tokens), "bc");
    let rendered = handle.render();
    for line in [
        "ingress_tokens 2",
        "ingress_token_reloads_total{result=\"changed\"} 2",
        "ingress_token_reloads_total{result=\"unchanged\"} 1",
        "ingress_token_reloads_total{result=\"failed\"} 6",
    ] {
        assert!(rendered.lines().any(|rendered| rendered == line), "{line} is not in\n{rendered}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    std::fs::write(&path, "a").unwrap();
    let mut keeper = keeper(&path);
    keeper.pace.grace = Duration::ZERO;
    let tokens = keeper.tokens();
    keeper.refresh().await;
    std::fs::write(&path, "b").unwrap();
    let writer = async {
        // Between the two readings: time stands still until both wait.
        sleep(SETTLE / 2).await;
        std::fs::write(&path, "b\nc").unwrap();
    };
    tokio::join!(keeper.refresh(), writer);
    assert_eq!(known(&tokens), "a");
    keeper.refresh().await;
    assert_eq!(known(&tokens), "bc");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_noticed_at_the_next_reading_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    std::fs::write(&path, "a").unwrap();
    let mut keeper = keeper(&path);
    keeper.pace.grace = Duration::ZERO;
    let (tokens, stop) = (keeper.tokens(), CancellationToken::new());
    keeper.refresh().await;
    let test = async {
        std::fs::write(&path, "b").unwrap();
        sleep(EVERY - SETTLE).await;
        assert_eq!(known(&tokens), "a");
        sleep(SETTLE * 4).await;
        assert_eq!(known(&tokens), "b");
        stop.cancel();
    };
    tokio::join!(keeper.run(stop.clone()), test);
}

/// What is known after each time, in seconds since the file was changed.
async fn known_after(keeper: TokenKeeper, texts: &[(u64, &str)], path: &Path, at: &[u64]) -> Vec<String> {
    let (tokens, stop, begun) = (keeper.tokens(), CancellationToken::new(), Instant::now());
    let until = |second: u64| tokio::time::sleep_until(begun + Duration::from_secs(second));
    let mut known_then = Vec::new();
    let test = async {
        for second in *at.first().unwrap()..=*at.last().unwrap() {
            for (_, text) in texts.iter().filter(|(written, _)| *written == second) {
                std::fs::write(path, text).unwrap();
            }
            until(second).await;
            if at.contains(&second) {
                known_then.push(known(&tokens));
            }
        }
        stop.cancel();
    };
    tokio::join!(keeper.run(stop.clone()), test);
    known_then
}

#[tokio::test(start_paused = true)]
async fn a_list_that_has_nothing_of_the_one_before_leaves_its_tokens_valid_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    let begin_with = async |text: &str| {
        std::fs::write(&path, text).unwrap();
        let mut keeper = keeper(&path);
        keeper.refresh().await;
        keeper
    };
    let begin = async || begin_with("a").await;
    // Read after ten seconds and a moment; over after 65 more, and not at the next reading only.
    let after = known_after(begin().await, &[(0, "b")], &path, &[0, 11, 75, 76]).await;
    assert_eq!(after, ["a", "ab", "ab", "b"]);
    // Another such list within that time neither lengthens it nor shortens it.
    let after = known_after(begin().await, &[(0, "b"), (30, "c")], &path, &[0, 11, 45, 75, 76]).await;
    assert_eq!(after, ["a", "ab", "ac", "ac", "c"]);
    // Put right, the mistake is forgotten.
    let begun = begin_with("a c").await;
    let after = known_after(begun, &[(0, "b"), (30, "a b")], &path, &[0, 11, 45, 90]).await;
    assert_eq!(after, ["ac", "abc", "ab", "ab"]);
    // Within that time, what the list before the mistake had stays until one of it is back.
    let after = known_after(begin().await, &[(0, "b"), (30, "b c")], &path, &[0, 11, 45, 75, 76]).await;
    assert_eq!(after, ["a", "ab", "abc", "abc", "bc"]);
    // A rotation in steps ends what it drops at once.
    let after = known_after(begin().await, &[(0, "a b"), (20, "b")], &path, &[0, 11, 35]).await;
    assert_eq!(after, ["a", "ab", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_tokens_are_all_replaced_keeps_them_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    let (us, eu) = (Pod::new("us1").unwrap(), Pod::new("eu1").unwrap());
    let mut keeper = keeper(&path);
    keeper.served = vec![us.clone(), eu.clone()];
    for text in [r#"{"us1": ["a", "leaked"], "eu1": "b"}"#, r#"{"us1": "a", "eu1": "c"}"#] {
        std::fs::write(&path, text).unwrap();
        keeper.refresh().await;
    }
    let list = keeper.tokens().current();
    assert!(list.knows(&eu, b"b") && list.knows(&eu, b"c") && list.knows(&us, b"a"));
    assert!(!list.knows(&us, b"leaked"), "what was taken out of another pod's list");
}

#[test]
fn until_something_was_read_it_is_tried_soon_and_then_at_its_pace() {
    let mut keeper = keeper(Path::new("nowhere"));
    let mut pauses = Vec::new();
    for _ in 0..6 {
        keeper.keep(&ReadTokensError::Unsettled);
        pauses.push(keeper.pause().as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
    keeper.known = true;
    keeper.failed = 1;
    assert_eq!(keeper.pause(), EVERY);
}
