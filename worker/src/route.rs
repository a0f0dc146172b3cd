//! An item's way: the first route that wants it, and the item as that route maps it. Pure.

use bytes::Bytes;
use minijinja::Value;
use penstock_shared::partner::Takes;

use crate::{
    mapping::{Action, Context, MappingError, Program, to_json},
    outcome::FilterReason,
};

/// Where an item goes.
#[derive(Debug)]
pub(crate) enum Routed {
    /// Nowhere.
    Filtered(FilterReason),
    /// Into a call of this route.
    Call {
        /// Index of the route.
        route: usize,
        /// The route's `group` for it.
        group: Value,
        /// The same as JSON text, for the lane's key; empty without one.
        group_text: String,
        /// The item as the partner wants it.
        json: Bytes,
    },
}

/// Finds the first route that wants the item, and maps it.
///
/// # Errors
/// When an expression fails on it, or the route's `group` is undefined for it.
pub(crate) fn route(
    program: &Program,
    takes: Takes,
    mut context: Context,
    raw: &[u8],
) -> Result<Routed, MappingError> {
    program.add_values(&mut context)?;
    let variables = context.into_value();
    for (index, route) in program.routes.iter().enumerate().filter(|(_, route)| route.takes == takes) {
        if !route.wants(&variables)? {
            continue;
        }
        let Action::Call(call) = &route.action else { return Ok(Routed::Filtered(FilterReason::Dropped)) };
        let group = call.group(&variables)?;
        let group_text = match to_json(&group)? {
            Some(serde_json::Value::Null) | None if call.has_group() => {
                return Err(MappingError::new(&format!("route `{}`: the item has no group", route.name)));
            }
            Some(json) => json.to_string(),
            None => String::new(),
        };
        let json = call.map_item(&variables, raw)?;
        return Ok(Routed::Call { route: index, group, group_text, json });
    }
    Ok(Routed::Filtered(FilterReason::NoRoute))
}

/// Whether any call of the program needs the stored subscription of a membership change.
pub(crate) fn needs_subscriptions(program: &Program) -> bool {
    program.calls().any(|call| call.needs_subscription)
}

/// Whether any call of the program captures something for a subscription.
pub(crate) fn captures(program: &Program) -> bool {
    program.calls().any(|call| !call.capture.is_empty())
}

/// Whether any route takes items of the kind.
pub(crate) fn takes(program: &Program, takes: Takes) -> bool {
    program.routes.iter().any(|route| route.takes == takes)
}
