# Audiences' subscriptions, claims and suspended accounts. Few rows, read often; on demand, as a reconnect of every audience at
# once is a burst that nobody can provision for.
resource "aws_dynamodb_table" "subscriptions" {
  name                        = "${local.name}-subscriptions"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "N"
  }

  # Tidies up; nothing relies on it.
  ttl {
    enabled        = true
    attribute_name = "expires"
  }

  # The only state that cannot be had again from mParticle.
  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.this.arn
  }
}

# The fleet's shares of the partner's rate limits: counters that are worth nothing a minute later, hence no recovery.
resource "aws_dynamodb_table" "quota" {
  name                        = "${local.name}-quota"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "pk"
    type = "S"
  }

  ttl {
    enabled        = true
    attribute_name = "expires"
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.this.arn
  }
}
