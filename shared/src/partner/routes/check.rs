//! Checks that span routes.

use std::collections::BTreeMap;

use super::{
    super::{
        reader::Reader,
        registration::{Registration, section_of},
    },
    Takes,
    read::Placed,
};

/// Reports routes that can't work beside each other, or beside the registration. `all_read` tells that no route is
/// missing from `routes`.
pub(in crate::partner) fn check(
    reader: &Reader<'_>,
    routes: &[Placed],
    registration: Option<&Registration>,
    all_read: bool,
) {
    check_names(reader, routes);
    check_reach(reader, routes);
    if let Some(registration) = registration {
        check_registered(reader, routes, registration);
        if all_read {
            check_taken(reader, routes, registration);
        }
    }
}

fn check_names(reader: &Reader<'_>, routes: &[Placed]) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for placed in routes {
        if let Some(earlier) = seen.insert(&placed.route.name, &placed.path) {
            let message = format!("the name `{}` is {earlier}'s already", placed.route.name);
            reader.mistake(placed.at, &placed.path, message);
        }
    }
}

/// An item takes the first route that wants it, so nothing follows one that wants all.
fn check_reach(reader: &Reader<'_>, routes: &[Placed]) {
    let mut takes_all: BTreeMap<Takes, &str> = BTreeMap::new();
    for placed in routes {
        let takes = placed.route.takes;
        if let Some(earlier) = takes_all.get(&takes) {
            let word = takes.word();
            let message =
                format!("is never reached: `{earlier}` takes every {word} before it; give that one a `when`");
            reader.mistake(placed.at, &placed.path, message);
        } else if placed.route.when.is_none() {
            takes_all.insert(takes, &placed.route.name);
        }
    }
}

fn check_registered(reader: &Reader<'_>, routes: &[Placed], registration: &Registration) {
    for placed in routes.iter().filter(|placed| !registration.sends(placed.route.takes)) {
        let section = section_of(placed.route.takes).0;
        let message = format!("takes what is never sent: [{section}] is missing");
        reader.missing(placed.at, &placed.path, message);
    }
}

/// What is asked for and then taken by no route would vanish without a word.
fn check_taken(reader: &Reader<'_>, routes: &[Placed], registration: &Registration) {
    for takes in [Takes::Event, Takes::Membership, Takes::Erasure] {
        let section = section_of(takes).0;
        let same_section = |placed: &Placed| section_of(placed.route.takes).0 == section;
        if registration.sends(takes) && !routes.iter().any(same_section) {
            let word = takes.word();
            let message = format!(
                "[{section}] is there, but no route takes {word} items; write one, or one with `drop`"
            );
            reader.missing(0, section, message);
        }
    }
}
