//! What the unit tests share: the partner of `tests/fixture`, and small values.

use std::sync::Arc;

use minijinja::Value;
use penstock_shared::{
    ids::{AccountId, Address, ItemIdentity, ItemKey, Pod},
    partner::{self, Partner},
};

use crate::{item::CallContext, lanes::LaneKey, mapping::Program};

/// The fixture, its text changed.
pub(crate) fn partner_with(edit: impl Fn(String) -> String) -> Partner {
    let text = edit(include_str!("../tests/fixture/partner.toml").to_owned());
    partner::parse(&text, "partner.toml").unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

pub(crate) fn compiled(partner: &Partner) -> Program {
    Program::compile(partner).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

pub(crate) fn pod() -> Pod {
    Pod::new("us1").unwrap()
}

/// A lane of the route of that name.
pub(crate) fn lane(program: &Program, route: &str, account: i64) -> LaneKey {
    LaneKey {
        pod: pod(),
        account: AccountId::from(account),
        route: program.routes.iter().position(|each| each.name == route).unwrap(),
        settings: 0,
        group: String::new(),
    }
}

pub(crate) fn call_context(settings: Value, group: Value) -> Arc<CallContext> {
    Arc::new(CallContext { settings, account: Value::from(()), group, origin: None })
}

pub(crate) fn key(n: u32) -> ItemKey {
    ItemKey::new(ItemIdentity {
        pod: &pod(),
        account: AccountId::Known(1),
        own_id: Some(&n.to_string()),
        request_id: None,
        request_ms: None,
        address: Address::Event(n),
        raw: b"",
    })
}
