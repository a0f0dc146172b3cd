"""An emulator of AWS on this machine: moto, mended where Terraform needs it, with a record of every call."""
