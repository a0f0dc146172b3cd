//! The sample messages, part of the binary so that the demo needs no checkout.

macro_rules! samples {
    ($($name:literal,)+) => {
        /// Name and bytes of each sample, in the order they are sent.
        pub(super) const SAMPLES: &[(&str, &[u8])] =
            &[$(($name, include_bytes!(concat!("../../../fixtures/messages/", $name)))),+];
    };
}

samples! {
    "audience-subscription-add-another-audience.json",
    "audience-subscription-add-variant.json",
    "audience-subscription-add.json",
    "audience-subscription-remove.json",
    "audience-subscription-update.json",
    "dsr-erasure-ccpa.json",
    "dsr-erasure-gdpr.json",
    "dsr-erasure-milliseconds.json",
    "dsr-erasure-with-extensions.json",
    "dsr-erasure-without-account.json",
    "events-alexa.json",
    "events-all-product-actions.json",
    "events-all-sixteen-types.json",
    "events-android.json",
    "events-firetv.json",
    "events-identity-attribute-and-consent-changes.json",
    "events-ios.json",
    "events-mobileweb.json",
    "events-nulls-and-empties.json",
    "events-roku.json",
    "events-server-to-server.json",
    "events-smarttv.json",
    "events-tvos.json",
    "events-unknown-runtime.json",
    "events-xbox.json",
    "membership-add.json",
    "membership-attribute-update.json",
    "membership-delete.json",
    "membership-with-all-identity-kinds.json",
    "profile-update.json",
    "registration-request-without-id.json",
    "registration-request.json",
    "verification-event-request.json",
    "verification-membership-request.json",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plain_sample_message_is_in_the_demo() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/messages");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".json"))
            .collect();
        files.sort();
        assert_eq!(files, SAMPLES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
}
