output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "Subnets of the load balancer, one a zone."
  value       = [for subnet in aws_subnet.public : subnet.id]

  # Whoever is put into a subnet wants its ways out as well; the ids alone are there before them.
  depends_on = [aws_internet_gateway.this, aws_route.public, aws_route_table_association.public]
}

output "private_subnet_ids" {
  description = "Subnets without a way out, one a zone."
  value       = [for subnet in aws_subnet.private : subnet.id]

  depends_on = [
    aws_route_table_association.private, aws_vpc_endpoint.interface, aws_vpc_endpoint.s3, aws_vpc_endpoint.dynamodb,
  ]
}

output "egress_subnet_ids" {
  description = "Subnets with a way to the internet, one a zone."
  value       = [for subnet in aws_subnet.egress : subnet.id]

  depends_on = [
    aws_route.egress, aws_route_table_association.egress,
    aws_vpc_endpoint.interface, aws_vpc_endpoint.s3, aws_vpc_endpoint.dynamodb,
  ]
}

output "endpoint_security_group_id" {
  description = "Security group of the interface endpoints. Whoever needs them adds a rule to it."
  value       = aws_security_group.endpoints.id
}

output "gateway_prefix_list_ids" {
  description = "Address lists of the gateway endpoints, for security groups, by service."
  value = {
    s3       = aws_vpc_endpoint.s3.prefix_list_id
    dynamodb = aws_vpc_endpoint.dynamodb.prefix_list_id
  }
}

output "nat_public_ips" {
  description = "Addresses that the partner sees calls come from, for its allow-lists."
  value       = [for address in aws_eip.nat : address.public_ip]
}
