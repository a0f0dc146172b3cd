//! A batch as the HTTP request it becomes. Pure: `penstock preview` shows exactly what the worker sends.

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use minijinja::Value;
use penstock_shared::{
    ids::{ItemKey, hex},
    partner::Partner,
};

use crate::{
    destination::Call,
    item::CallContext,
    lanes::LaneKey,
    mapping::{AuthProgram, CallProgram, MappedItem, MappingError, Program, Record},
};

/// What expressions about a whole call see; `items` is added for the body.
pub(crate) fn variables(context: &CallContext, lane: &LaneKey) -> Record {
    let mut variables = Record::default();
    variables.set("settings", context.settings.clone());
    variables.set("account", context.account.clone());
    variables.set("group", context.group.clone());
    variables.set("pod", Value::from(lane.pod.as_str()));
    variables
}

/// The request that carries these items.
///
/// # Errors
/// When an expression of the path, a header, the credentials or the body fails, or gives what HTTP does not allow.
pub(crate) fn render(
    partner: &Partner,
    program: &Program,
    lane: &LaneKey,
    context: &CallContext,
    items: &[(&ItemKey, &Bytes)],
) -> Result<Call, MappingError> {
    let route = &program.routes[lane.route];
    let call = program.call(lane.route).ok_or_else(|| MappingError::new("the route makes no call"))?;
    let mut variables = variables(context, lane);
    let outer = variables.fork().into_value();
    let mut url = partner.api.base_url(&lane.pod).clone();
    let base = url.path().trim_end_matches('/').to_owned();
    let path = call.path(&outer)?;
    let (path, query) =
        path.split_once('?').map_or((path.as_str(), None), |(path, query)| (path, Some(query)));
    if path.split('/').any(climbs) {
        return Err(MappingError::new("a value of the path is `.` or `..`, which leads elsewhere"));
    }
    url.set_path(&format!("{base}{path}"));
    url.set_query(query);

    let headers = headers(partner, program, &outer, items)?;
    let mapped = items.iter().map(|(_, json)| MappedItem::value((*json).clone())).collect::<Vec<_>>();
    variables.set("items", Value::from(mapped));
    let body = body(call, &variables.into_value(), items)?;
    Ok(Call {
        pod: lane.pod.clone(),
        account: lane.account,
        route: route.name.clone(),
        method: call.method.clone(),
        url,
        headers: headers.into_iter().chain(body.as_ref().map(|_| content_type())).collect(),
        body,
        items: items.iter().map(|(key, _)| (*key).clone()).collect(),
    })
}

/// Whether URLs take the segment for a step up or none, in any spelling.
fn climbs(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

fn body(
    call: &CallProgram,
    variables: &Value,
    items: &[(&ItemKey, &Bytes)],
) -> Result<Option<Bytes>, MappingError> {
    let items: Vec<&Bytes> = items.iter().map(|(_, json)| *json).collect();
    call.body(variables, &items)
}

fn content_type() -> (HeaderName, HeaderValue) {
    (header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
}

fn headers(
    partner: &Partner,
    program: &Program,
    variables: &Value,
    items: &[(&ItemKey, &Bytes)],
) -> Result<Vec<(HeaderName, HeaderValue)>, MappingError> {
    let mut headers = Vec::new();
    for (name, expression) in &program.headers {
        if let Some(text) = expression.text(variables)? {
            // Any of them may hold what is the customer's.
            let mut value = header_value(&text)?;
            value.set_sensitive(true);
            headers.push((header_name(name)?, value));
        }
    }
    if let Some(name) = &partner.api.idempotency_header {
        headers.push((header_name(name)?, header_value(&batch_key(items.iter().map(|(key, _)| *key)))?));
    }
    headers.extend(credentials(&program.auth, variables)?);
    Ok(headers)
}

fn credentials(
    auth: &AuthProgram,
    variables: &Value,
) -> Result<Option<(HeaderName, HeaderValue)>, MappingError> {
    let missing = |what: &str| MappingError::new(&format!("[auth] {what} has no value for this account"));
    let (name, text) = match auth {
        AuthProgram::None => return Ok(None),
        AuthProgram::Header { header, value } => {
            (header_name(header)?, value.text(variables)?.ok_or_else(|| missing("value"))?)
        }
        AuthProgram::Bearer { token } => {
            let token = token.text(variables)?.ok_or_else(|| missing("token"))?;
            (header::AUTHORIZATION, format!("Bearer {token}"))
        }
        AuthProgram::Basic { user, password } => {
            let user = user.text(variables)?.ok_or_else(|| missing("user"))?;
            let password = password.text(variables)?.unwrap_or_default();
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            (header::AUTHORIZATION, format!("Basic {pair}"))
        }
    };
    let mut value = header_value(&text)?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

fn header_name(name: &str) -> Result<HeaderName, MappingError> {
    name.parse().map_err(|_| MappingError::new(&format!("`{name}` is no header name")))
}

fn header_value(text: &str) -> Result<HeaderValue, MappingError> {
    HeaderValue::from_str(text)
        .map_err(|_| MappingError::new("a header's value has characters that HTTP does not allow"))
}

/// The key of a batch: its only item's, or a hash over all of them.
fn batch_key<'a>(items: impl ExactSizeIterator<Item = &'a ItemKey>) -> String {
    let keys: Vec<&str> = items.map(ItemKey::as_str).collect();
    match keys.as_slice() {
        [one] => (*one).to_owned(),
        many => {
            hex(&aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, many.concat().as_bytes()).as_ref()
                [..16])
        }
    }
}

#[cfg(test)]
mod tests;
