//! The words that a registration may hold (protocol.md 3.0.2, 3.3.2, 3.3.3).

/// Types of user identities.
pub(super) const USER_IDENTITIES: &[&str] = &[
    "other",
    "customer",
    "facebook",
    "twitter",
    "google",
    "microsoft",
    "yahoo",
    "email",
    "other2",
    "other3",
    "other4",
    "other5",
    "other6",
    "other7",
    "other8",
    "other9",
    "other10",
    "mobile_number",
    "phone_number_2",
    "phone_number_3",
];

/// Types of device identities.
pub(super) const DEVICE_IDENTITIES: &[&str] = &[
    "android_id",
    "google_advertising_id",
    "ios_advertising_id",
    "ios_vendor_id",
    "google_cloud_messaging_token",
    "apple_push_notification_token",
    "roku_advertising_id",
    "microsoft_advertising_id",
    "microsoft_publisher_id",
    "fire_advertising_id",
    "roku_publisher_id",
];

/// How an identity may be encoded.
pub(super) const ENCODINGS: &[&str] = &["raw", "md5", "sha1", "sha256"];

/// Types of events.
pub(super) const EVENT_TYPES: &[&str] = &[
    "session_start",
    "session_end",
    "custom_event",
    "screen_view",
    "error",
    "privacy_setting_change",
    "user_attribute_change",
    "user_identity_change",
    "push_subscription",
    "application_state_transition",
    "push_message_receipt",
    "push_message_open",
    "product_action",
    "promotion_action",
    "impression",
    "attribution",
];

/// Types of runtime environments. Web traffic says `mobileweb`.
pub(super) const ENVIRONMENTS: &[&str] =
    &["unknown", "android", "ios", "tvos", "mobileweb", "roku", "xbox", "firetv", "alexa", "smarttv"];

/// Types of system notifications.
pub(super) const NOTIFICATIONS: &[&str] = &["gdpr_consent_state", "ccpa_consent_state"];

/// What may be granted, in the order of the reference writer.
pub(super) const PERMISSIONS: &[&str] = &[
    "allow_access_location",
    "allow_access_ip_address",
    "allow_access_http_user_agent",
    "allow_access_device_application_stamp",
    "allow_device_info",
    "allow_user_attributes",
    "allow_audience_user_attributes",
    "allow_consent_state",
    "allow_access_mpid",
    "allow_platform_fields",
    "allow_eventless_batches",
];
