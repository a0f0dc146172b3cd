//! The ingress as an AWS Lambda function.

fn main() {}
