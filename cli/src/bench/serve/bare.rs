//! The least an HTTP server can do: what ingress is measured against.

use axum::{Router, body::Bytes, http::header, response::IntoResponse, routing::post};

/// One route that reads the body whole and answers a constant.
pub(super) fn router() -> Router {
    Router::new().route("/", post(answer))
}

async fn answer(body: Bytes) -> impl IntoResponse {
    std::hint::black_box(&body);
    ([(header::CONTENT_TYPE, "application/json")], super::ANSWER)
}
