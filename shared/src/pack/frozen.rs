//! Packs as version 1 wrote them must be read for as long as a queue may hold one. The files never change; a new
//! version adds a folder.

use bytes::Bytes;

use super::*;

fn request(kind: RequestKind, id: &str, account: i64, body: &str) -> PackedRequest {
    PackedRequest {
        pod: Pod::new("us1").unwrap(),
        kind: Some(kind),
        id: Some(id.into()),
        account: AccountId::from(account),
        received_at_ms: 1_763_900_000_000,
        trace: None,
        body: PackedBody::Inline(Bytes::copy_from_slice(body.as_bytes())),
        pending: Pending::All,
    }
}

/// What each file holds.
fn expected() -> Vec<(&'static str, Pack)> {
    let event = r#"{"type":"event_processing_request","id":"r-1","account":{"account_id":1001},"events":[{"type":"session_start","id":"e-1"}]}"#;
    let membership =
        "\u{feff}{\"type\":\"audience_membership_change_request\",\"user_profiles\":[{\"mpid\":\"-7\"}]}  \n";
    let first = request(RequestKind::Events, "r-1", 1001, event);
    let second = PackedRequest {
        pod: Pod::new("eu1").unwrap(),
        trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        ..request(RequestKind::Membership, "r-2", 0, membership)
    };
    let dead = |code: &str| DeadReason::new(code, "the partner answered 400", 1_763_900_100_000);
    let retried = vec![
        PendingItem {
            attempts: 3,
            not_before_ms: 1_763_900_060_000,
            ..PendingItem::untried(Address::Event(0))
        },
        PendingItem { redriven_at_ms: Some(1_763_900_050_000), ..PendingItem::untried(Address::Profile) },
        PendingItem::untried(Address::Membership(2, 1)),
        PendingItem::untried(Address::ImpliedSubscription(2, 1)),
        PendingItem::untried(Address::BareProfile(4)),
    ];
    let letters = vec![PendingItem {
        attempts: 12,
        dead: Some(dead("refused")),
        ..PendingItem::untried(Address::Whole)
    }];
    let key = SpillKey::new("us1/1763900000000-00112233445566778899aabbccddeeff").unwrap();
    let unsorted = PackedRequest {
        kind: None,
        id: None,
        pending: Pending::SetAside(dead("unreadable")),
        body: PackedBody::Inline(Bytes::from_static(b"\xff\x00not json")),
        ..first.clone()
    };
    let pack = |requests: Vec<PackedRequest>| Pack { requests };
    vec![
        ("fresh", pack(vec![first.clone(), second.clone()])),
        ("retry", pack(vec![PackedRequest { pending: Pending::Items(retried), ..second }])),
        ("dead", pack(vec![PackedRequest { pending: Pending::Items(letters), ..first.clone() }])),
        ("quarantined", pack(vec![unsorted])),
        (
            "spilled",
            pack(vec![PackedRequest { body: PackedBody::Spilled { key, bytes: 3_000_000 }, ..first }]),
        ),
        ("empty", Pack::default()),
    ]
}

#[test]
fn packs_of_version_1_are_read_as_they_were_written() {
    for (name, pack) in expected() {
        let file = format!("{}/../fixtures/packs/v1/{name}.pack", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(&file).unwrap();
        assert_eq!(Pack::decode(&bytes).unwrap(), pack, "{file}");
    }
}
