//! The vocabulary of the messages: names that repeat, as they do in the field, so that bodies compress as real ones do.

/// City, country, postal code, UTC offset in hours, time zone.
pub(super) type Place = (&'static str, &'static str, &'static str, i64, &'static str);

pub(super) const PLACES: &[Place] = &[
    ("Bristol", "GB", "BS1 4ST", 0, "Europe/London"),
    ("Cardiff", "GB", "CF10 1EP", 0, "Europe/London"),
    ("Providence", "US", "02903", -5, "America/New_York"),
    ("Tucson", "US", "85701", -7, "US/Arizona"),
    ("Portland", "US", "97205", -8, "America/Los_Angeles"),
    ("Münster", "DE", "48143", 1, "Europe/Berlin"),
    ("São Carlos", "BR", "13560", -3, "America/Sao_Paulo"),
    ("Nagoya", "JP", "450-0002", 9, "Asia/Tokyo"),
    ("Geelong", "AU", "3220", 10, "Australia/Melbourne"),
    ("Lyon", "FR", "69002", 1, "Europe/Paris"),
];

pub(super) const FIRST_NAMES: &[&str] = &[
    "Ada", "Grace", "Petra", "Mei", "Joaquín", "Odalys", "Leopold", "Ines", "Tomasz", "Yara", "Sven",
    "Chiamaka", "Aoife", "Ravi", "Noor", "Emil", "Zoë", "Haruto", "Lucía", "Dmitri",
];

pub(super) const LAST_NAMES: &[&str] = &[
    "Winterbourne",
    "Oyelaran-Holt",
    "Vandersloot",
    "Tanaka-Ruiz",
    "Brandvold",
    "O'Brien",
    "Kowalczyk",
    "Haddad",
    "Lindqvist",
    "Achterberg",
    "Moreau",
    "Nakagawa",
    "Ferreira",
    "Quist",
    "Sørensen",
    "Abernathy",
];

pub(super) const CARRIERS: &[(&str, &str, &str)] = &[
    ("Northline Mobile", "31", "234"),
    ("Harbor Wireless", "410", "310"),
    ("Rheinfunk", "02", "262"),
    ("Southern Cross Mobile", "03", "505"),
];

/// Brand, model, product, operating system version, build.
pub(super) const ANDROID_PHONES: &[(&str, &str, &str, &str, &str)] = &[
    ("google", "Pixel 8", "shiba", "15", "AP4A.250105.002"),
    ("google", "Pixel 6a", "bluejay", "15", "AP4A.250105.002"),
    ("samsung", "SM-S921B", "e1sxeea", "14", "UP1A.231005.007"),
    ("motorola", "moto g54", "cancunf_g", "13", "T1TDS33.43-20"),
    ("xiaomi", "23049PCD8G", "marble_global", "14", "UKQ1.230804.001"),
];

/// Model, system version, build, width, height.
pub(super) const IPHONES: &[(&str, &str, &str, i64, i64)] = &[
    ("iPhone15,4", "18.1.1", "22B91", 1179, 2556),
    ("iPhone14,5", "17.6.1", "21G93", 1170, 2532),
    ("iPad13,1", "17.7", "21H16", 1640, 2360),
];

/// Browser, version, user agent.
pub(super) const BROWSERS: &[(&str, &str, &str)] = &[
    (
        "Chrome",
        "131.0",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    ),
    ("Firefox", "132.0", "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"),
    (
        "Safari",
        "18.1",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    ),
];

pub(super) const SCREENS: &[&str] = &[
    "Front page",
    "Issue 2025-47",
    "Article",
    "Cart",
    "Checkout",
    "Account",
    "Saved articles",
    "/shop/pens",
    "/shop/notebooks",
    "Search results",
    "Player",
    "Settings/Notifications",
];

/// Name and `custom_event_type`.
pub(super) const CUSTOM_EVENTS: &[(&str, &str)] = &[
    ("Article Read", "user_content"),
    ("Article Shared", "social"),
    ("Search", "search"),
    ("Film Started", "media"),
    ("Film Progress", "media"),
    ("Newsletter Toggled", "user_preference"),
    ("Store Entered", "location"),
    ("Menu Opened", "navigation"),
    ("Trial Started", "transaction"),
    ("Rating Given", "other"),
    ("Legacy Ping", "unknown"),
];

/// Identifier, name, brand, category, variant, price in the catalogue's own writing.
pub(super) const PRODUCTS: &[(&str, &str, &str, &str, &str, &str)] = &[
    ("LL-PEN-014", "Brass fountain pen, medium", "Lamplight Goods", "Stationery/Pens", "medium nib", "38.50"),
    ("LL-INK-30", "Bottled ink 30 ml", "Marlow & Thrift", "Stationery/Ink", "oak gall", "9.75"),
    ("LL-NB-A5", "Field notebook A5, dotted", "Lamplight Goods", "Stationery/Notebooks", "slate grey", "12"),
    ("LL-SUB-12M", "Lamplight, twelve months", "Lamplight", "Subscriptions", "print and digital", "64.00"),
    ("LL-MAP-7", "Canal map, folded", "Towpath Press", "Maps", "revised", "11.0"),
    ("LL-LAMP-2", "Reading lamp, 12\" arm", "Marlow & Thrift", "Lighting", "brass", "89.96"),
];

pub(super) const SECTIONS: &[&str] = &["Essays", "Letters", "Maps", "Gardens", "Science", "Fiction", "Films"];

pub(super) const TITLES: &[&str] = &[
    "What the tide tables leave out",
    "A letter from Leeds",
    "The canal that was never dug",
    "Ink, paper, patience",
    "Two gardens, one wall",
    "Über die Langsamkeit der Fähren",
    "Notes on a lighthouse \u{1F4A1}",
];

pub(super) const SEARCHES: &[&str] =
    &["canal maps", "fountain pen", "tide tables", "\"exact phrase\"", "gärten", "ferry"];

/// Attributes of users, with values they have; an empty list of values is a tag.
pub(super) const USER_ATTRIBUTES: &[(&str, &[&str])] = &[
    ("Plan", &["print and digital", "digital", "print", "none"]),
    ("Newsletter", &["True", "False", "true"]),
    ("Issues opened", &["37", "4", "0", "112"]),
    ("Founding reader", &[]),
    ("Renewal month", &["1", "4", "11"]),
    ("Lifetime value", &["128.50", "64", "0.0"]),
    ("Trial ends", &["2025-12-01", ""]),
    ("Favourite section", SECTIONS),
    ("Beta tester", &[]),
    ("Referral code", &["TIDE-47", "FERRY-2", ""]),
    ("Last campaign", &["autumn_issue", "welcome", "winback_90d"]),
    ("Loyalty tier", &["brass", "silver", "gold"]),
];

pub(super) const LISTS: &[(&str, &[&str])] =
    &[("Topics", SECTIONS), ("Saved articles", &["a-3391", "a-3407", "a-3411", "a-3420", "a-3502"])];

/// Names of audiences.
pub(super) const AUDIENCES: &[&str] = &[
    "Weekly readers",
    "Lapsed readers",
    "Cart abandoners",
    "Trial users",
    "Print subscribers",
    "High value",
    "Newsletter only",
    "Film viewers",
];
