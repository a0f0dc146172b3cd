//! Events with products in them. Amounts are written as the field writes them: `11`, `11.0`, `89.96`, sometimes not at
//! all.

use super::json::{List, Object};
use super::person::pick;
use super::style::Style;
use super::words::PRODUCTS;

/// One as often as another, but for purchases.
const ACTIONS: &[&str] = &[
    "view_detail",
    "view_detail",
    "add_to_cart",
    "add_to_cart",
    "remove_from_cart",
    "add_to_wishlist",
    "remove_from_wish_list",
    "checkout",
    "checkout_option",
    "purchase",
    "purchase",
    "refund",
    "click",
];

/// The members of a `product_action`.
pub(super) fn product_action(o: &mut Object<'_>, rng: &mut fastrand::Rng, style: Style) {
    let action = pick(ACTIONS, rng);
    o.text("action", action);
    if ["purchase", "refund"].contains(&action) {
        o.text("transaction_id", &format!("LL-{}", rng.u32(100_000..999_999)));
        let sign = if action == "refund" { "-" } else { "" };
        o.bare("total_amount", format_args!("{sign}{}.{:02}", rng.u16(1..500), rng.u8(..100)));
        o.bare("tax_amount", 6.21);
        o.bare("shipping_amount", "4.0");
    } else {
        for name in ["transaction_id", "affiliation", "total_amount", "tax_amount", "shipping_amount"] {
            style.absent(o, name);
        }
    }
    o.text("currency_code", pick(&["USD", "GBP", "EUR"], rng));
    o.list("products", |l| products(l, rng, 4));
}

/// The members of a `promotion_action`.
pub(super) fn promotion_action(o: &mut Object<'_>, rng: &mut fastrand::Rng) {
    o.text("action", pick(&["view", "click", "unknown"], rng));
    o.list("promotions", |l| {
        l.object(|o| {
            o.text("id", pick(&["PR-47A", "PR-47B"], rng));
            o.text("name", "Gift subscriptions");
            o.text("creative", "tile");
            o.text("position", pick(&["top", "2"], rng));
        });
    });
}

/// The members of an `impression`.
pub(super) fn impression(o: &mut Object<'_>, rng: &mut fastrand::Rng) {
    o.list("impressions", |l| {
        for name in ["Shop", "Often bought together"] {
            l.object(|o| {
                o.text("impression_list_name", name);
                o.list("products", |l| products(l, rng, 3));
            });
        }
    });
}

fn products(l: &mut List<'_>, rng: &mut fastrand::Rng, max: usize) {
    for position in 1..=rng.usize(1..=max) {
        let (id, name, brand, category, variant, price) = pick(PRODUCTS, rng);
        l.object(|o| {
            o.text("id", id);
            o.text("name", name);
            o.text("brand", brand);
            o.text("category", category);
            o.text("variant", variant);
            o.bare("position", position);
            o.bare("price", price);
            o.bare("quantity", pick(&["1", "2", "1.0", "1.5"], rng));
        });
    }
}
