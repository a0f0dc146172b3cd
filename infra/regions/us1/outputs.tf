output "pipeline" {
  description = "Everything that infra/modules/pipeline says of itself."
  value       = module.pipeline
}
