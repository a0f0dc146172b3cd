//! What SQS's errors mean to us. The one place that decides.

use std::{
    error::Error,
    io::{self, ErrorKind},
};

use aws_sdk_sqs::{
    error::{ProvideErrorMetadata, SdkError},
    operation::change_message_visibility::ChangeMessageVisibilityError,
    types::BatchResultErrorEntry,
};

use super::QueueError;
use crate::aws::CallError;

/// A call that failed as a whole.
pub(super) fn of_call<E>(error: &CallError<E>) -> QueueError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let reason = error.reason();
    let failed = match error {
        CallError::TimedOut(_) => return QueueError::OutcomeUnknown(reason),
        CallError::Failed(failed) => failed,
    };
    match failed {
        SdkError::ConstructionFailure(_) => QueueError::Unavailable(reason),
        SdkError::DispatchFailure(dispatch) if dispatch.is_user() => QueueError::Unavailable(reason),
        SdkError::DispatchFailure(_) if never_connected(failed) => QueueError::Unavailable(reason),
        SdkError::ServiceError(answer) => match answer.err().code().map(plain) {
            Some(code) if is_refusal(code) => QueueError::Refused(reason),
            _ => match answer.raw().status().as_u16() {
                // The service, or something between, broke while it worked on the call; 503 says that it did not.
                500 | 502 | 504 => QueueError::OutcomeUnknown(reason),
                _ => QueueError::Unavailable(reason),
            },
        },
        _ => QueueError::OutcomeUnknown(reason),
    }
}

/// An entry of a batch that was not sent.
pub(super) fn of_sent_entry(entry: &BatchResultErrorEntry) -> QueueError {
    let reason = reason(entry);
    if is_refusal(plain(&entry.code)) { QueueError::Refused(reason) } else { QueueError::Unavailable(reason) }
}

/// An entry of a batch that was not deleted.
pub(super) fn of_deleted_entry(entry: &BatchResultErrorEntry) -> QueueError {
    if is_lost_lease(plain(&entry.code)) {
        QueueError::LeaseLost
    } else {
        QueueError::Unavailable(reason(entry))
    }
}

/// A lease that was not renewed.
pub(super) fn of_renewal(error: &CallError<ChangeMessageVisibilityError>) -> QueueError {
    match error {
        CallError::Failed(SdkError::ServiceError(answer))
            if answer.err().code().map(plain).is_some_and(is_lost_lease) =>
        {
            QueueError::LeaseLost
        }
        _ => of_call(error),
    }
}

fn reason(entry: &BatchResultErrorEntry) -> String {
    format!("{}: {}", entry.code, entry.message().unwrap_or_default())
}

/// SQS has two spellings for some codes, by the protocol: `AWS.SimpleQueueService.X`, `com.amazonaws.sqs#X` and `X`.
fn plain(code: &str) -> &str {
    code.rsplit(['.', '#']).next().unwrap_or(code)
}

/// The message itself is at fault, whenever it is sent.
fn is_refusal(code: &str) -> bool {
    matches!(
        code,
        "InvalidMessageContents" | "InvalidParameterValue" | "MessageTooLong" | "BatchRequestTooLong"
    )
}

/// An expired receipt, and a lease beyond twelve hours, are invalid parameter values to SQS.
fn is_lost_lease(code: &str) -> bool {
    matches!(code, "MessageNotInflight" | "ReceiptHandleIsInvalid" | "InvalidParameterValue")
}

fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(
                error.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::AddrNotAvailable
                    | ErrorKind::HostUnreachable
                    | ErrorKind::NetworkUnreachable
            )
        {
            return true;
        }
        cause = error.source();
    }
    false
}
