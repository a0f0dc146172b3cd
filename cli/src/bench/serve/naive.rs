//! The design that comes to mind first: one message on the queue for each request, sent while its caller waits.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use penstock_shared::aws::{self, ClientSettings};

/// One route that sends the body to the queue and answers a constant.
pub(super) async fn router(queue_url: String) -> Router {
    let client = aws::sqs_client(&aws::sdk_config().await, &ClientSettings::default(), None);
    let queue_url: Arc<str> = queue_url.into();
    let answer = async move |State(queue_url): State<Arc<str>>, body: Bytes| -> Response {
        let Ok(text) = String::from_utf8(body.into()) else { return StatusCode::BAD_REQUEST.into_response() };
        match client.send_message().queue_url(&*queue_url).message_body(text).send().await {
            Ok(_) => ([(header::CONTENT_TYPE, "application/json")], super::ANSWER).into_response(),
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    };
    Router::new().route("/", post(answer)).with_state(queue_url)
}
