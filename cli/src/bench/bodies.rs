//! Event requests to measure with, made from a seed.
//!
//! Their compressibility is honest: what is random in the field is random here (ids of messages, events, sessions,
//! users and devices, push tokens, addresses, times, amounts), names and texts come from vocabularies, and what an
//! account or a model of a device fixes is the same wherever it appears. Accounts are drawn by Zipf's law.

mod words;

use std::fmt::{Arguments, Write as _};

use words::{ANDROIDS, ATTRIBUTES, CITIES, CUSTOM_TYPES, EVENTS, FIRST, IPHONES, LAST, SCREENS, WORDS};

/// Accounts that send.
pub(super) const ACCOUNTS: usize = 200;
/// The beginning of the day the messages are of, ms since 1970 UTC.
const DAY_MS: u64 = 1_764_201_600_000;
const DAY_LENGTH_MS: u64 = 86_400_000;
/// A body is up to this share longer or shorter than asked.
const SPREAD: f64 = 0.15;

/// What an account fixes.
struct Account {
    id: u64,
    settings: String,
    app: String,
    package: String,
    version: String,
    events: Vec<(&'static str, Vec<&'static str>)>,
    profile: Vec<&'static str>,
}

/// Makes so many bodies of about so many bytes each, all different. The same seed makes the same.
pub(super) fn make(count: usize, bytes: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let accounts: Vec<Account> = (0..ACCOUNTS).map(|n| account(n, &mut rng)).collect();
    let weights: Vec<f64> = (1_u32..).take(ACCOUNTS).map(|rank| 1.0 / f64::from(rank)).collect();
    let whole: f64 = weights.iter().sum();
    (0..count)
        .map(|_| {
            let mut left = rng.f64() * whole;
            let drawn = weights.iter().position(|weight| {
                left -= weight;
                left <= 0.0
            });
            body(&accounts[drawn.unwrap_or(0)], bytes, &mut rng)
        })
        .collect()
}

fn account(number: usize, rng: &mut fastrand::Rng) -> Account {
    let (one, two) = (pick(WORDS, rng), pick(WORDS, rng));
    let attributes = |rng: &mut fastrand::Rng| (0..rng.usize(2..6)).map(|_| *pick(ATTRIBUTES, rng)).collect();
    Account {
        id: 1_000 + number as u64,
        settings: format!(
            r#"{{"apiKey":"{}","sendReceipts":"True","defaultCountryCode":"44"}}"#,
            hex(32, rng)
        ),
        app: format!("{one} {two}"),
        package: format!("com.{one}.{two}"),
        version: format!("{}.{}.{}", rng.u8(1..12), rng.u8(0..40), rng.u8(0..9)),
        events: (0..8).map(|_| (*pick(EVENTS, rng), attributes(rng))).collect(),
        profile: (0..4).map(|_| *pick(WORDS, rng)).collect(),
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few KB"
)]
fn body(account: &Account, bytes: usize, rng: &mut fastrand::Rng) -> Vec<u8> {
    let target = (bytes as f64 * (1.0 - SPREAD + 2.0 * SPREAD * rng.f64())) as usize;
    let small = bytes < 4_096;
    let now_ms = DAY_MS + rng.u64(0..DAY_LENGTH_MS);
    let city = pick(CITIES, rng);
    let mut text = String::with_capacity(bytes * 2);
    let settings = &account.settings;
    put(
        &mut text,
        format_args!(
            r#"{{"type":"event_processing_request","id":"{}","timestamp_ms":{now_ms},"firehose_version":"3.2.0","account":{{"account_id":{},"account_settings":{settings}}},"source_id":"{}","mpid":"{}","#,
            uuid(rng),
            account.id,
            uuid(rng),
            rng.i64(..),
        ),
    );
    user(&mut text, account, city, small, rng);
    environment(&mut text, account, city, rng);
    text.push_str(r#""events":["#);
    let session = rng.i64(..);
    let mut at_ms = now_ms - rng.u64(1_000..600_000);
    // The end of the body and about half an event are still to come.
    while !text.ends_with(']') {
        event(&mut text, account, session, at_ms, rng);
        at_ms += rng.u64(5..60_000);
        text.push(if text.len() + 150 < target { ',' } else { ']' });
    }
    text.push('}');
    text.into_bytes()
}

fn user(
    text: &mut String,
    account: &Account,
    city: &(&str, &str, &str),
    small: bool,
    rng: &mut fastrand::Rng,
) {
    let (first, last) = (pick(FIRST, rng), pick(LAST, rng));
    put(
        text,
        format_args!(
            r#""user_identities":[{{"type":"email","encoding":"raw","value":"{}.{}{}@example.com"}},{{"type":"customer","encoding":"raw","value":"{}"}}],"#,
            first.to_lowercase(),
            last.to_lowercase(),
            rng.u32(1..10_000),
            uuid(rng),
        ),
    );
    put(
        text,
        format_args!(
            r#""user_attributes":{{"$FirstName":"{first}","$LastName":"{last}","$City":"{}","$Country":"{}","$Zip":"{}""#,
            city.0,
            city.1,
            rng.u32(10_000..99_999),
        ),
    );
    for name in account.profile.iter().take(if small { 1 } else { 4 }) {
        put(text, format_args!(r#","{name} score":"{}""#, rng.u32(0..1_000)));
    }
    text.push_str("},");
    if !small {
        let word = |rng: &mut fastrand::Rng| *pick(WORDS, rng);
        put(
            text,
            format_args!(
                r#""user_attribute_lists":{{"Topics":["{}","{}","{}"],"Saved":["a-{}","a-{}"]}},"partner_identities":[{{"type":"Sandbox_ReaderId","encoding":"raw","value":"rdr-{}"}}],"#,
                word(rng),
                word(rng),
                word(rng),
                rng.u32(1_000..9_999),
                rng.u32(1_000..9_999),
                hex(10, rng),
            ),
        );
    }
}

fn environment(text: &mut String, account: &Account, city: &(&str, &str, &str), rng: &mut fastrand::Rng) {
    let (_, country, zone) = city;
    let address = format!("{}.{}.{}.{}", rng.u8(1..224), rng.u8(..), rng.u8(..), rng.u8(1..255));
    let Account { app, package, version, .. } = account;
    if rng.u8(0..10) < 5 {
        let (model, maker, system, width, height) = pick(ANDROIDS, rng);
        put(
            text,
            format_args!(
                r#""runtime_environment":{{"type":"android","is_debug":false,"client_ip_address":"{address}","sdk_version":"5.62.1","http_header_user_agent":"Dalvik/2.1.0 (Linux; U; Android {system}; {model})","identities":[{{"type":"android_id","encoding":"raw","value":"{}"}},{{"type":"google_advertising_id","encoding":"raw","value":"{}"}},{{"type":"google_cloud_messaging_token","encoding":"raw","value":"{}:APA91b{}"}}],"brand":"{maker}","manufacturer":"{maker}","model":"{model}","os_version":"{system}","screen_height":{height},"screen_width":{width},"#,
                hex(16, rng),
                uuid(rng),
                token(22, rng),
                token(134, rng),
            ),
        );
    } else {
        let (model, system, width, height) = pick(IPHONES, rng);
        put(
            text,
            format_args!(
                r#""runtime_environment":{{"type":"ios","is_debug":false,"client_ip_address":"{address}","sdk_version":"8.24.1","http_header_user_agent":"{app}/{version} CFNetwork/1568.200.51 Darwin/24.1.0","identities":[{{"type":"ios_vendor_id","encoding":"raw","value":"{}"}},{{"type":"ios_advertising_id","encoding":"raw","value":"{}"}},{{"type":"apple_push_notification_token","encoding":"raw","value":"{}"}}],"brand":"{model}","manufacturer":"Apple","model":"{model}","os_version":"{system}","screen_height":{height},"screen_width":{width},"#,
                uuid(rng).to_uppercase(),
                uuid(rng).to_uppercase(),
                hex(64, rng),
            ),
        );
    }
    put(
        text,
        format_args!(
            r#""country":"{country}","locale_language":"en","locale_country":"{country}","timezone_name":"{zone}","is_tablet":false,"application_name":"{app}","application_version":"{version}","application_package":"{package}"}},"#,
        ),
    );
}

fn event(text: &mut String, account: &Account, session: i64, at_ms: u64, rng: &mut fastrand::Rng) {
    let (id, source) = (uuid(rng), uuid(rng));
    let mut begin = |kind: &str| {
        put(
            text,
            format_args!(
                r#"{{"type":"{kind}","id":"{id}","timestamp_ms":{at_ms},"source_id":"{source}","session_id":{session},"#,
            ),
        );
    };
    match rng.u8(0..10) {
        0 | 1 => {
            begin("screen_view");
            put(text, format_args!(r#""screen_name":"{}","attributes":{{"#, pick(SCREENS, rng)));
            attributes(text, &ATTRIBUTES[..3], rng);
        }
        2 => {
            begin("product_action");
            put(
                text,
                format_args!(
                    r#""action":"add_to_cart","currency_code":"USD","products":[{{"id":"sku-{}","name":"{} {}","category":"{}","price":"{}.{:02}","quantity":"{}"}}],"attributes":{{"#,
                    rng.u32(100_000..999_999),
                    pick(WORDS, rng),
                    pick(WORDS, rng),
                    pick(WORDS, rng),
                    rng.u16(1..300),
                    rng.u8(0..100),
                    rng.u8(1..5),
                ),
            );
            attributes(text, &ATTRIBUTES[3..5], rng);
        }
        _ => {
            begin("custom_event");
            let (name, names) = pick(&account.events, rng);
            let located = rng.u8(0..3) == 0;
            if located {
                put(
                    text,
                    format_args!(
                        r#""location":{{"latitude":{:.6},"longitude":{:.6},"accuracy":{}}},"#,
                        rng.f64() * 140.0 - 70.0,
                        rng.f64() * 360.0 - 180.0,
                        rng.u8(3..99),
                    ),
                );
            }
            put(
                text,
                format_args!(
                    r#""name":"{name}","custom_event_type":"{}","attributes":{{"#,
                    pick(CUSTOM_TYPES, rng)
                ),
            );
            attributes(text, names, rng);
        }
    }
    text.push_str("}}");
}

fn attributes(text: &mut String, names: &[&str], rng: &mut fastrand::Rng) {
    for (place, name) in names.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        put(text, format_args!(r#"{comma}"{name}":""#));
        let (one, two) = (pick(WORDS, rng), pick(WORDS, rng));
        match rng.u8(0..4) {
            0 => put(text, format_args!("{}", rng.u32(0..100_000))),
            1 => put(text, format_args!("https://www.example.com/{one}/{two}-{}", rng.u32(..))),
            2 => put(text, format_args!("{one} {two} {}", pick(WORDS, rng))),
            _ => text.push_str(one),
        }
        text.push('"');
    }
}

fn put(text: &mut String, what: Arguments<'_>) {
    text.write_fmt(what).expect("a String takes everything");
}

fn pick<'a, T>(of: &'a [T], rng: &mut fastrand::Rng) -> &'a T {
    &of[rng.usize(0..of.len())]
}

fn hex(digits: usize, rng: &mut fastrand::Rng) -> String {
    (0..digits).map(|_| rng.digit(16)).collect()
}

fn token(length: usize, rng: &mut fastrand::Rng) -> String {
    (0..length).map(|_| rng.alphanumeric()).collect()
}

/// A random UUID, version 4.
fn uuid(rng: &mut fastrand::Rng) -> String {
    let mut digits = hex(32, rng);
    digits.replace_range(12..13, "4");
    digits.replace_range(16..17, ["8", "9", "a", "b"][rng.usize(0..4)]);
    for place in [20, 16, 12, 8] {
        digits.insert(place, '-');
    }
    digits
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use penstock_shared::firehose::{RequestKind, sort};

    use super::*;

    #[test]
    fn bodies_are_messages_with_something_to_deliver_all_different_and_of_the_size_asked_for() {
        for bytes in [2_048, 6_144] {
            let bodies = make(500, bytes, 1);
            let mut ids = BTreeSet::new();
            for body in &bodies {
                let message: serde_json::Value = serde_json::from_slice(body).unwrap();
                assert!(!message["events"].as_array().unwrap().is_empty());
                let sorted = sort(body).unwrap();
                assert!(sorted.kind == RequestKind::Events && sorted.deliverable);
                ids.insert(sorted.id.unwrap());
            }
            assert_eq!(ids.len(), 500);
            let mean = bodies.iter().map(Vec::len).sum::<usize>() / 500;
            assert!((bytes * 95 / 100..=bytes * 105 / 100).contains(&mean), "{mean} for {bytes}");
            assert_eq!(bodies, make(500, bytes, 1));
            assert_ne!(bodies, make(500, bytes, 2));
        }
    }

    #[test]
    fn few_accounts_send_much_and_many_a_little() {
        let mut sent: BTreeMap<String, u32> = BTreeMap::new();
        for body in make(2_000, 2_048, 1) {
            let message: serde_json::Value = serde_json::from_slice(&body).unwrap();
            *sent.entry(message["account"]["account_id"].to_string()).or_default() += 1;
        }
        let most = *sent.values().max().unwrap();
        assert!((250..500).contains(&most) && sent.len() > 150, "{most} of 2,000, {} accounts", sent.len());
    }
}
