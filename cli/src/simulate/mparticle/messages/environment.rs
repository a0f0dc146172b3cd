//! `runtime_environment`: the ten kinds, each with the members it has (protocol.md 3.3.2).

use super::ids;
use super::json::Object;
use super::person::{Person, identity, pick};
use super::style::Style;
use super::words::{ANDROID_PHONES, BROWSERS, CARRIERS, IPHONES};

/// Wire words, how many of a hundred batches have them, and the identities of the device.
const KINDS: &[(&str, u8, &[&str])] = &[
    ("ios", 31, &["ios_vendor_id", "ios_advertising_id", "apple_push_notification_token"]),
    ("android", 29, &["android_id", "google_advertising_id", "google_cloud_messaging_token"]),
    ("mobileweb", 22, &[]),
    ("roku", 3, &["roku_advertising_id", "roku_publisher_id"]),
    ("tvos", 3, &["ios_vendor_id"]),
    ("firetv", 3, &["fire_advertising_id"]),
    ("smarttv", 2, &[]),
    ("xbox", 2, &["microsoft_advertising_id", "microsoft_publisher_id"]),
    ("alexa", 1, &[]),
    ("unknown", 2, &[]),
];

/// Where a batch comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Environment {
    /// The wire word; none for a feed from a server without an environment.
    pub(super) kind: Option<&'static str>,
    identities: &'static [&'static str],
}

impl Environment {
    /// None: a feed from a server.
    pub(super) const SERVER: Self = Self { kind: None, identities: &[] };

    /// One that occurs, as often as it does.
    pub(super) fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut left = rng.u8(..100);
        for (kind, share, identities) in KINDS {
            if left < *share {
                return Self { kind: Some(kind), identities };
            }
            left -= share;
        }
        Self::SERVER
    }

    /// The `source_channel` of its batches.
    pub(super) fn channel(self) -> &'static str {
        match self.kind {
            None | Some("unknown") => "server_to_server",
            Some("mobileweb") => "javascript",
            Some(_) => "native",
        }
    }

    /// Writes `runtime_environment`, unless there is none.
    pub(super) fn write(self, o: &mut Object<'_>, person: &Person, rng: &mut fastrand::Rng, style: Style) {
        let Some(kind) = self.kind else { return style.absent(o, "runtime_environment") };
        o.object("runtime_environment", |o| {
            o.text("type", kind);
            o.bare("is_debug", rng.u8(..200) == 0);
            o.text("client_ip_address", &format!("203.0.113.{}", rng.u8(1..255)));
            o.text("sdk_version", "5.62.1");
            self.device_identities(o, person, style);
            match kind {
                "android" => android(o, rng, style),
                "ios" => ios(o, rng),
                "mobileweb" => web(o, rng),
                "unknown" => return unknown(o),
                _ => television(o, kind),
            }
            o.text("locale_language", "en");
            o.text("locale_country", person.place.1);
            o.bare("timezone_offset", person.place.3);
            if kind != "mobileweb" {
                o.text("country", person.place.1);
                o.text("timezone_name", person.place.4);
                o.text("application_package", "com.example.lamplight");
            }
            o.text("application_name", "Lamplight Reader");
            o.text("application_version", "7.14.2");
        });
    }

    fn device_identities(self, o: &mut Object<'_>, person: &Person, style: Style) {
        if self.identities.is_empty() {
            return style.empty_list(o, "identities");
        }
        let mut rng = person.device_rng();
        o.list("identities", |l| {
            for kind in self.identities {
                let value = match *kind {
                    "android_id" => ids::hex(&mut rng, 16),
                    "apple_push_notification_token" => ids::hex(&mut rng, 64),
                    "google_cloud_messaging_token" => {
                        format!("{}:APA91b{}", ids::hex(&mut rng, 12), ids::hex(&mut rng, 128))
                    }
                    _ => ids::text(&ids::uuid(&mut rng)).to_owned(),
                };
                l.object(|o| identity(o, kind, &value));
            }
        });
    }
}

fn android(o: &mut Object<'_>, rng: &mut fastrand::Rng, style: Style) {
    let (brand, model, product, version, build) = pick(ANDROID_PHONES, rng);
    let agent = format!("Dalvik/2.1.0 (Linux; U; Android {version}; {model} Build/{build})");
    o.text("http_header_user_agent", &agent);
    o.text("build_id", build);
    o.text("brand", brand);
    o.text("product", product);
    o.text("name", product);
    o.text("manufacturer", brand);
    o.text("os_version", version);
    o.text("model", model);
    o.bare("screen_height", 2400);
    o.bare("screen_width", 1080);
    // Zero often means that nobody knows.
    o.bare("screen_dpi", [420, 450, 0][rng.usize(..3)]);
    carrier(o, rng);
    o.bare("is_tablet", false);
    match style.nulls {
        true => o.null("supports_telephony"),
        false => o.bare("supports_telephony", true),
    }
    o.bare("has_nfc", true);
    o.bare("bluetooth_enabled", rng.bool());
    o.text("bluetooth_version", "ble");
    o.bare("android_sdk_level", 35);
    match rng.u8(..5) {
        0 => o.text("install_referrer", "utm_source%3Dnewsletter%26utm_campaign%3Dautumn_issue"),
        _ => style.absent(o, "install_referrer"),
    }
}

fn ios(o: &mut Object<'_>, rng: &mut fastrand::Rng) {
    let (model, version, build, width, height) = pick(IPHONES, rng);
    o.text("http_header_user_agent", "Lamplight/7.14.1 CFNetwork/1568.200.51 Darwin/24.1.0");
    o.text("build_id", build);
    o.text("brand", model);
    o.text("product", model);
    o.text("name", "iPhone");
    o.text("manufacturer", "Apple");
    o.text("os_version", version);
    o.text("model", model);
    o.bare("screen_height", height);
    o.bare("screen_width", width);
    carrier(o, rng);
    o.text("cpu_architecture", "16777228");
    o.bare("is_tablet", model.starts_with("iPad"));
    o.text("radio_access_technology", "CTRadioAccessTechnologyNR");
    o.bare("is_sandboxed", false);
    let status = pick(&["authorized", "denied", "not_determined", "restricted"], rng);
    o.text("att_authorization_status", status);
    o.bare("att_timestamp_unixtime_ms", 1_763_457_120_000_i64);
}

fn web(o: &mut Object<'_>, rng: &mut fastrand::Rng) {
    let (name, version, agent) = pick(BROWSERS, rng);
    o.text("http_header_user_agent", agent);
    o.text("name", name);
    o.text("os_version", version);
    o.text("device_manufacturer", "Apple");
    o.text("device_model", "Mac");
    o.bare("screen_height", 1117);
    o.bare("screen_width", 1728);
    o.bare("is_tablet", false);
    o.text("limit_ad_tracking", "False");
    o.text("is_dst", "False");
}

fn television(o: &mut Object<'_>, kind: &str) {
    o.text("build_id", "48E04227A");
    o.text("brand", kind);
    o.text("product", "Streaming Stick 4K");
    o.text("name", "Den");
    o.text("manufacturer", kind);
    o.text("os_version", "14.0.4");
    o.text("model", "3820X");
}

/// What a feed says that knows nothing of the device.
fn unknown(o: &mut Object<'_>) {
    o.bare("screen_height", 0);
    o.bare("screen_width", 0);
    o.bare("screen_dpi", 0);
    o.bare("timezone_offset", 0);
}

fn carrier(o: &mut Object<'_>, rng: &mut fastrand::Rng) {
    let (name, code, country) = pick(CARRIERS, rng);
    o.text("network_carrier", name);
    o.text("network_code", code);
    o.text("network_mobile_country_code", country);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fit_into_a_hundred_and_leave_something_for_servers() {
        let shares: u8 = KINDS.iter().map(|(_, share, _)| share).sum();
        assert!(shares < 100, "{shares}");
    }
}
