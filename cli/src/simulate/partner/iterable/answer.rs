//! Iterable's answers: one form for single calls, one for bulk calls, one for errors.

use serde_json::{Map, Value, json};

use super::shape::{Refusal, User};
use super::{Checked, counted};
use crate::simulate::partner::call::Reply;
use crate::simulate::partner::stats::{Counted, key_digest};

/// Users who fail, by the domain of their address, or by what stands before the hyphen of their id: the lists they
/// go to.
const FAILING: [(&str, &str, [&str; 2]); 4] = [
    ("forgotten.example", "forgotten", ["forgottenEmails", "forgottenUserIds"]),
    ("not-found.example", "not_found", ["notFoundEmails", "notFoundUserIds"]),
    ("invalid-data.example", "invalid_data", ["invalidDataEmails", "invalidDataUserIds"]),
    ("conflict.example", "conflict", ["conflictEmails", "conflictUserIds"]),
];
/// Addresses here fail, and no list names them.
const UNNAMED_DOMAIN: &str = "unnamed.example";
/// Stands for no list.
const UNNAMED: &str = "unnamed";
/// The longest user id.
const USER_ID_CHARS_MAX: usize = 52;
/// The lists of `failedUpdates`, all of them in every answer.
const FAILED_LISTS: [&str; 10] = [
    "invalidEmails",
    "invalidUserIds",
    "notFoundEmails",
    "notFoundUserIds",
    "invalidDataEmails",
    "invalidDataUserIds",
    "conflictEmails",
    "conflictUserIds",
    "forgottenEmails",
    "forgottenUserIds",
];

/// What is wrong with a user: the list of `failedUpdates` it goes to, and what stands in it.
pub(super) type Failure = (&'static str, String);

/// Whether Iterable takes this user. It knows addresses in lower case, and tells them so.
pub(super) fn judge(user: &User) -> Result<(), Failure> {
    let email = user.email.as_ref().map(|email| email.to_lowercase());
    if let Some(email) = email {
        let domain = email.rsplit('@').next().unwrap_or_default();
        let failing = FAILING.iter().find(|(of, _, _)| *of == domain).map(|(_, _, [list, _])| *list);
        let unnamed = (domain == UNNAMED_DOMAIN).then_some(UNNAMED);
        let malformed = (!is_address(&email)).then_some("invalidEmails");
        if let Some(list) = failing.or(unnamed).or(malformed) {
            return Err((list, email));
        }
    }
    let Some(id) = &user.user_id else { return Ok(()) };
    let before = id.split_once('-').map(|(before, _)| before);
    let failing = FAILING.iter().find(|(_, of, _)| Some(*of) == before).map(|(_, _, [_, list])| *list);
    let too_long = (id.chars().count() > USER_ID_CHARS_MAX).then_some("invalidUserIds");
    match failing.or(too_long) {
        Some(list) => Err((list, id.clone())),
        None => Ok(()),
    }
}

fn is_address(email: &str) -> bool {
    email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.contains('@')
            && domain.split('.').count() > 1
            && domain.split('.').all(|label| !label.is_empty())
            && !email.chars().any(|c| c.is_whitespace() || c.is_control())
    })
}

/// The answer to a call about many users: 200, with those it failed for in lists.
pub(super) fn bulk(checked: &[Checked], event_names: bool) -> Reply {
    let mut failed: Map<String, Value> =
        FAILED_LISTS.iter().map(|list| ((*list).to_owned(), json!([]))).collect();
    let mut fail_count = 0_u64;
    for (list, who) in checked.iter().filter_map(|checked| judge(&checked.user).err()) {
        fail_count += 1;
        if let Some(Value::Array(list)) = failed.get_mut(list) {
            list.push(json!(who));
        }
    }
    let mut body = json!({
        "successCount": checked.len() as u64 - fail_count,
        "failCount": fail_count,
        "invalidEmails": failed["invalidEmails"],
        "invalidUserIds": failed["invalidUserIds"],
        "filteredOutFields": [],
        "createdFields": [],
        "failedUpdates": failed,
    });
    if event_names {
        body["disallowedEventNames"] = json!([]);
    }
    Reply::new(200, body).with_items(checked.iter().map(counted).collect())
}

/// The answer to a call about one user, and the id of the event it may carry.
pub(super) fn single(user: &User, id: Option<&str>) -> Result<Reply, Refusal> {
    judge(user).map_err(|(list, who)| {
        let code = match list {
            "forgottenEmails" | "forgottenUserIds" => "ForgottenUserError",
            "invalidUserIds" => "InvalidUserIdError",
            _ => "InvalidEmailAddressError",
        };
        Refusal::new(400, code, &format!("{list}: {who}"))
    })?;
    let taken = Counted::Accepted(id.map(key_digest));
    Ok(Reply::new(200, json!({ "msg": "", "code": "Success", "params": null })).with_items(vec![taken]))
}

/// The answer to a call that is not taken.
pub(super) fn refused(refusal: &Refusal) -> Reply {
    Reply::new(refusal.status, json!({ "msg": refusal.msg, "code": refusal.code, "params": null }))
}
