"""Makes in the emulator what README.md, "Running it for real", says of queues, bucket and table.

Runs in the emulator's own image, which has boto3. Region, keys and address come from the environment.
"""

import json

import boto3

NAME = "penstock-local"
DAY_SECONDS = 24 * 3600


def main():
    sqs = boto3.client("sqs")
    attributes = {
        "MaximumMessageSize": str(1024 * 1024),
        "MessageRetentionPeriod": str(14 * DAY_SECONDS),
        "ReceiveMessageWaitTimeSeconds": "20",
        "VisibilityTimeout": "60",
    }
    dead = sqs.create_queue(QueueName=f"{NAME}-dead", Attributes=attributes)["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 20})}
    for name in ("main", "retry"):
        sqs.create_queue(QueueName=f"{NAME}-{name}", Attributes=attributes | redrive)

    boto3.client("s3").create_bucket(Bucket=f"{NAME}-spill")

    boto3.client("dynamodb").create_table(
        TableName=f"{NAME}-subscriptions",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
    )
    print("created queues, bucket and table")


main()
