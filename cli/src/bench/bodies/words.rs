//! Vocabularies of the made-up messages.

pub(super) const FIRST: &[&str] = &[
    "Ada", "Grace", "Noor", "Mateo", "Linh", "Sofia", "Kwame", "Yuki", "Elena", "Omar", "Priya", "Jonas",
    "Aisha", "Tomas", "Ingrid", "Rafael", "Chloe", "Dmitri", "Zanele", "Hugo", "Mei", "Lucas", "Fatima",
    "Erik", "Nadia",
];
pub(super) const LAST: &[&str] = &[
    "Winterbourne",
    "Okafor",
    "Nguyen",
    "Garcia",
    "Lindqvist",
    "Haddad",
    "Tanaka",
    "Rossi",
    "Mensah",
    "Novak",
    "Sharma",
    "Dubois",
    "Petrov",
    "Silva",
    "Kowalski",
    "Moreau",
    "Castillo",
    "Fischer",
    "Oyelaran",
    "Bergström",
];
pub(super) const CITIES: &[(&str, &str, &str)] = &[
    ("Bristol", "GB", "Europe/London"),
    ("Providence", "US", "America/New_York"),
    ("Porto", "PT", "Europe/Lisbon"),
    ("Osaka", "JP", "Asia/Tokyo"),
    ("Austin", "US", "America/Chicago"),
    ("Lyon", "FR", "Europe/Paris"),
    ("Leipzig", "DE", "Europe/Berlin"),
    ("Denver", "US", "America/Denver"),
    ("Accra", "GH", "Africa/Accra"),
    ("Seattle", "US", "America/Los_Angeles"),
    ("Toronto", "CA", "America/Toronto"),
    ("Pune", "IN", "Asia/Kolkata"),
];
pub(super) const WORDS: &[&str] = &[
    "garden", "lamp", "river", "autumn", "linen", "copper", "travel", "kettle", "mountain", "paper",
    "velvet", "harbour", "maple", "silver", "market", "window", "cotton", "morning", "orchard", "signal",
    "meadow", "canvas", "amber", "winter", "bakery", "cedar", "compass", "festival", "granite", "island",
    "juniper", "lantern", "marble", "nomad",
];
pub(super) const EVENTS: &[&str] = &[
    "Article Read",
    "Search",
    "Filter Applied",
    "Video Started",
    "Video Completed",
    "Coupon Applied",
    "Store Located",
    "Wishlist Viewed",
    "Offer Shown",
    "Offer Dismissed",
    "Quiz Answered",
    "Level Reached",
    "Share Tapped",
    "Notification Opened",
    "Checkout Step",
    "Review Written",
    "Seat Selected",
    "Trip Planned",
    "Song Liked",
];
pub(super) const SCREENS: &[&str] =
    &["Home", "Product", "Cart", "Account", "Front page", "Settings", "Results", "Checkout", "Order", "Help"];
pub(super) const ATTRIBUTES: &[&str] = &[
    "section",
    "title",
    "referrer",
    "position",
    "variant",
    "experiment",
    "campaign",
    "channel",
    "duration_seconds",
    "results",
    "query",
    "category",
    "list_name",
    "button",
    "is_member",
    "store_id",
    "page_url",
    "currency",
    "step",
];
pub(super) const CUSTOM_TYPES: &[&str] =
    &["navigation", "search", "transaction", "user_content", "user_preference", "social", "other"];
/// Model, maker, version of the system, width and height.
pub(super) const ANDROIDS: &[(&str, &str, &str, u16, u16)] = &[
    ("Pixel 8", "Google", "15", 1080, 2400),
    ("SM-S918B", "samsung", "14", 1440, 3088),
    ("SM-A546E", "samsung", "14", 1080, 2340),
    ("Redmi Note 12", "Xiaomi", "13", 1080, 2400),
    ("CPH2451", "OnePlus", "14", 1440, 3216),
    ("moto g84 5G", "motorola", "13", 1080, 2400),
];
pub(super) const IPHONES: &[(&str, &str, u16, u16)] = &[
    ("iPhone15,4", "18.1.1", 1179, 2556),
    ("iPhone14,5", "17.6.1", 1170, 2532),
    ("iPhone16,2", "18.1", 1290, 2796),
    ("iPhone12,1", "16.7.10", 828, 1792),
    ("iPhone13,2", "17.5.1", 1170, 2532),
];
