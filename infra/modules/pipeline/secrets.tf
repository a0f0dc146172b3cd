# The tokens that mParticle sends. Operators put their value, so that it is in no state and no plan:
#   aws secretsmanager put-secret-value --secret-id penstock-us1-tokens --secret-string '["…"]'
# Put one before ingress is deployed for the first time, a random one if mParticle's has not come yet: without any token ingress is
# not ready, the load balancer gives it nothing, and the deployment fails.
# Ingress reads the versions AWSCURRENT, AWSPREVIOUS and AWSPENDING every minute: putting a new one is a rotation without a gap.
resource "aws_secretsmanager_secret" "tokens" {
  name                    = "${local.name}-tokens"
  description             = "Tokens that mParticle's calls must bring, as docs/configuration.md writes them"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = var.secret_recovery_days
}
