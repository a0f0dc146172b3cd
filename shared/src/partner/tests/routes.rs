//! Mistakes in `[values]` and `[[routes]]`.

use super::{GOOD, mistakes, says, with};

#[test]
fn routes_agree_with_each_other_and_with_the_registration() {
    let end = |text: &str| mistakes(&format!("{GOOD}\n{text}"));
    let route = |name: &str, rest: &str| {
        end(&format!("[[routes]]\nname = '{name}'\nmethod = 'POST'\npath = '/x'\nitem = {{}}\n{rest}"))
    };
    says(
        &route("track", "takes = 'event'"),
        "acme.toml:43:1: routes[3]: the name `track` is routes[2]'s already",
    );
    says(&route("more", "takes = 'event'"), "is never reached: `track` takes every event before it");
    says(&route("gone", "takes = 'erasure'"), "takes what is never sent: [registration.erasure] is missing");
    says(&route("q", "takes = 'profile'\ndrop = 'no'"), "routes[3].method: can't stand beside `drop`");
    assert_eq!(end("[[routes]]\nname = 'q'\ntakes = 'profile'\ndrop = 'no place'"), Vec::<String>::new());
    says(&route("q", "takes = 'profile'\nneeds_subscription = true"), "memberships only");
    says(&route("q", "takes = 'profile'\ncapture = { id = 'response.id' }"), "subscriptions only");
    says(
        &with("captured.list_id", "captured.listid"),
        "no subscription route captures `listid`; did you mean `list_id`?",
    );
    says(
        &with("group = \"subscription.captured.list_id\"\n", ""),
        "`group` is only there when the route has a `group`",
    );
    says(
        &with("\"event.name\"", "\"event.name ~ user.mpid\""),
        "`user.mpid` is never sent; write `allow_access_mpid = true`",
    );
    says(&with("\"event.name\"", "\"user.email\""), "`user` has no `email`");
    says(&with("\"event.name\"", "\"event.name is nothing\""), "unknown test `is nothing`");
    says(&with("\"event.name\"", "1979-05-27"), "a date can't be sent as such");
    says(
        &with("path = \"/track\"\nitem = { name = \"event.name\" }", "path = '/track'"),
        "`item` is missing",
    );
    let erasure = "[registration.erasure]\n[registration.audiences]";
    says(
        &with("[registration.audiences]", erasure),
        "[registration.erasure] is there, but no route takes erasure items",
    );
}

#[test]
fn subscriptions_go_one_by_one() {
    let batch = |items: usize| {
        with("item = { name = \"sub", &format!("batch = {{ items_max = {items} }}\nitem = {{ name = \"sub"))
    };
    assert_eq!(batch(1), Vec::<String>::new());
    says(&batch(2), "routes[0].batch: needs items_max = 1: a call and its answer are about one subscription");
    let uncaptured = GOOD.replace("capture = { list_id = \"response.id\" }", "batch = { items_max = 2 }");
    says(&mistakes(&uncaptured), "routes[0].batch: needs items_max = 1");
    let members = with("item = { id =", "batch = { items_max = 2 }\nitem = { id =");
    assert_eq!(members, Vec::<String>::new());
}

#[test]
fn paths_stay_below_the_base_url() {
    let path = |path: &str| with("\"/track\"", &format!("'{path}'"));
    assert_eq!(path("/a/{{ account.id }}?pod={{ pod | lower }}"), Vec::<String>::new());
    says(&path("/a/../b"), "can't go up");
    says(&path("/a b"), "can't stand in a URL");
    says(&path("/a#b"), "can't stand in a URL");
    says(&path("/{% if pod %}a{% endif %}"), "may hold {{ expressions }} only");
    says(&path("/{{ event.id }}"), "`event` is not there");
    says(&path("/{{ pod "), "not an expression");
}

#[test]
fn mappings_take_raw_and_each_in_their_places_only() {
    let item = |text: &str| with("{ name = \"event.name\" }", text);
    assert_eq!(item("{ '$raw' = true }"), Vec::<String>::new());
    says(&item("{ '$raw' = true, a = '1' }"), "can't stand beside a key with `$`");
    says(&item("{ '$raw' = false }"), "`$raw` stands alone");
    says(&item("{}\nbody = { a = { '$raw' = true } }"), "in `item` only");
    assert_eq!(item("{ a = { '$each' = 'event.products', '$item' = 'element.id' } }"), Vec::<String>::new());
    says(
        &item("{ a = { '$each' = 'event.products', '$as' = 'event', '$item' = '1' } }"),
        "is not a free name",
    );
    says(&item("{ a = { '$each' = 'event.products' } }"), "`$item` is missing");
    says(&item("{ a = 'element' }"), "`element` is not there");
    says(&item("{ a = '' }"), "is empty; write an expression");
}

#[test]
fn answers_are_read_one_way() {
    let answer = |text: &str| mistakes(&format!("{GOOD}{text}\n"));
    assert_eq!(answer("answer.statuses = { 404 = 'delivered' }"), Vec::<String>::new());
    says(&answer("answer.statuses = { 4xx = 'delivered' }"), "`4xx` is no status");
    says(&answer("answer.statuses = { 404 = 'ok' }"), "unknown word `ok`; known here: delivered");
    let both = "answer.each = { list = 'response.r', outcome = 'result.o' }\n\
                answer.failed = [{ list = 'response.f', match = 'sent.id', outcome = 'reject' }]";
    says(&answer(both), "can't stand beside `answer.each`");
    says(&answer("answer.outcome = 'result.o'"), "`result` is not there");
    says(
        &answer("answer.failed = [{ list = 'response.f', match = 'item.id', outcome = 'reject' }]"),
        "`item` is not there",
    );
}

#[test]
fn values_see_those_before_them_and_take_no_taken_name() {
    let values = |text: &str| with("[auth]", &format!("[values]\n{text}\n[auth]"));
    assert_eq!(values("b = \"identity('email')\"\na = 'b | lower'"), Vec::<String>::new());
    says(&values("b = 'a'\na = '1'"), "`a` is not there");
    says(&values("event = '1'"), "`event` is not a free name");
    says(&values("a-b = '1'"), "`a-b` is not a free name");
}
