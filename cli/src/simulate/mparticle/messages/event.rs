//! Events: the sixteen types, as often as each occurs (protocol.md 3.3.3).

use super::commerce;
use super::ids;
use super::json::{List, Object};
use super::person::{Person, identity, pick};
use super::style::Style;
use super::words::{CUSTOM_EVENTS, SCREENS, SEARCHES, SECTIONS, TITLES};

/// Wire words, and how many of a thousand events have them.
pub(super) const TYPES: &[(&str, u16)] = &[
    ("custom_event", 320),
    ("screen_view", 290),
    ("session_start", 70),
    ("session_end", 60),
    ("product_action", 70),
    ("application_state_transition", 60),
    ("impression", 25),
    ("promotion_action", 20),
    ("user_attribute_change", 20),
    ("push_message_receipt", 20),
    ("push_message_open", 8),
    ("push_subscription", 8),
    ("error", 10),
    ("user_identity_change", 8),
    ("attribution", 8),
    ("privacy_setting_change", 3),
];

/// What the events of one batch have in common.
#[derive(Debug)]
pub(super) struct Session<'a> {
    /// When the last event happened at the latest, ms since 1970 UTC.
    pub(super) until_ms: i64,
    /// Any 64-bit number; 0 occurs.
    pub(super) id: i64,
    pub(super) person: &'a Person,
    pub(super) style: Style,
}

/// One that occurs, as often as it does.
pub(super) fn draw(rng: &mut fastrand::Rng) -> &'static str {
    let mut left = rng.u16(..TYPES.iter().map(|(_, share)| *share).sum::<u16>());
    for (kind, share) in TYPES {
        if left < *share {
            return kind;
        }
        left -= share;
    }
    "custom_event"
}

/// Writes one event of type `kind` that happened at `at_ms`.
pub(super) fn write(
    l: &mut List<'_>,
    kind: &str,
    at_ms: i64,
    session: &Session<'_>,
    rng: &mut fastrand::Rng,
) {
    let style = session.style;
    l.object(|o| {
        if !style.envelope_last {
            head(o, kind, at_ms, rng);
        }
        o.uuid("source_id", rng);
        o.bare("session_id", session.id);
        match rng.u8(..20) {
            0 => o.object("location", |o| {
                o.bare("latitude", format_args!("51.{:04}", rng.u16(..10_000)));
                o.bare("longitude", format_args!("-2.{:04}", rng.u16(..10_000)));
                o.bare("accuracy", 18.5);
            }),
            _ => style.absent(o, "location"),
        }
        body(o, kind, session, rng);
        if style.envelope_last {
            head(o, kind, at_ms, rng);
        }
    });
}

fn head(o: &mut Object<'_>, kind: &str, at_ms: i64, rng: &mut fastrand::Rng) {
    o.text("type", kind);
    o.uuid("id", rng);
    o.bare("timestamp_ms", at_ms);
}

fn body(o: &mut Object<'_>, kind: &str, session: &Session<'_>, rng: &mut fastrand::Rng) {
    let style = session.style;
    match kind {
        "session_end" => o.bare("session_length_ms", rng.u32(..3_600_000)),
        "custom_event" => custom(o, rng, style),
        "screen_view" => {
            o.text("screen_name", pick(SCREENS, rng));
            attributes(o, rng, style);
        }
        "error" => error(o, rng),
        "privacy_setting_change" => {
            o.text("setting", "app_data_collection");
            o.bare("is_enabled", rng.bool());
        }
        "user_attribute_change" => {
            o.object("added", |o| o.text("Plan", pick(&["digital", "print", ""], rng)));
            match rng.u8(..4) {
                0 => o.object("removed", |o| o.text("Trial ends", "2025-12-01")),
                _ => style.empty_object(o, "removed"),
            }
        }
        "user_identity_change" => o.list("added", |l| {
            l.object(|o| identity(o, "other", &format!("library-card-{}", rng.u16(..))));
            l.object(|o| identity(o, "email", &session.person.email));
        }),
        "push_subscription" => {
            o.text("action", pick(&["subscribe", "unsubscribe"], rng));
            o.text("token", &ids::hex(rng, 64));
        }
        "application_state_transition" => {
            let states = &["install", "upgrade", "initialize", "exit", "background", "foreground"];
            o.text("application_state", pick(states, rng));
            match rng.u8(..4) {
                0 => o.text("launch_referral", "lamplight://issue/2025-47?ref=autumn"),
                _ => style.absent(o, "launch_referral"),
            }
        }
        "push_message_receipt" | "push_message_open" => push(o, rng),
        "product_action" => commerce::product_action(o, rng, style),
        "promotion_action" => commerce::promotion_action(o, rng),
        "impression" => commerce::impression(o, rng),
        "attribution" => {
            o.text("name", "Autumn issue");
            o.text("partner_name", "Harbour Ads");
            o.text("publisher_name", "Harbour Network");
            o.text("campaign_name", pick(&["autumn_issue_us", "none", "winback_90d"], rng));
        }
        _ => {}
    }
}

fn custom(o: &mut Object<'_>, rng: &mut fastrand::Rng, style: Style) {
    let (name, kind) = pick(CUSTOM_EVENTS, rng);
    o.text("name", name);
    o.text("custom_event_type", kind);
    if kind == "search" {
        o.object("attributes", |o| {
            o.text("query", pick(SEARCHES, rng));
            o.digits("results", rng.i64(0..100));
        });
    } else {
        attributes(o, rng, style);
    }
    match rng.u8(..8) {
        0 => o.object("custom_flags", |o| o.text("Sandbox.campaign", "autumn_issue")),
        _ => style.empty_object(o, "custom_flags"),
    }
}

fn attributes(o: &mut Object<'_>, rng: &mut fastrand::Rng, style: Style) {
    if rng.u8(..5) == 0 {
        return style.empty_object(o, "attributes");
    }
    o.object("attributes", |o| {
        o.text("articleId", &format!("a-{}", rng.u32(1000..9000)));
        o.text("section", pick(SECTIONS, rng));
        o.text("title", pick(TITLES, rng));
        if rng.bool() {
            o.text("url", &format!("https://lamplight.example.com/a/{}?v={}", rng.u32(..), ids::hex(rng, 8)));
        }
        if rng.bool() {
            o.digits("secondsRead", rng.i64(0..900));
        }
        style.absent(o, "source");
    });
}

fn error(o: &mut Object<'_>, rng: &mut fastrand::Rng) {
    o.text("message", "java.net.SocketTimeoutException: timeout");
    o.bare("is_crash", rng.bool());
    let mut trace = String::from("java.net.SocketTimeoutException: timeout");
    for _ in 0..rng.u8(3..40) {
        trace.push_str("\r\n\tat com.example.lamplight.");
        trace.push_str(pick(&["IssueLoader.load", "ImageStore.decode", "Http2Stream.read"], rng));
        trace.push_str(&format!("(Source.kt:{})", rng.u16(1..2000)));
    }
    o.text("stack_trace", &trace);
    o.list("breadcrumbs", |l| {
        l.text("front page");
        l.text("open issue");
    });
}

/// JSON in a text, with JSON in a text inside it on Android; sometimes no JSON at all.
fn push(o: &mut Object<'_>, rng: &mut fastrand::Rng) {
    let campaign = rng.u32(1000..9999);
    let payload = match rng.u8(..10) {
        0 => "Two letters left this month".to_owned(),
        1..5 => format!(
            r#"{{"aps":{{"alert":{{"title":"Issue 47 is out"}},"badge":1}},"sandbox":{{"campaignId":{campaign}}}}}"#
        ),
        _ => format!(
            r#"{{"google.message_id":"0:{}","sandbox":"{{\"campaignId\":\"{campaign}\"}}","body":"Two letters left"}}"#,
            rng.u64(..1 << 53)
        ),
    };
    o.text("payload", &payload);
}
