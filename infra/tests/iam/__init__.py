"""The proof that a role allows the calls its process makes, and nothing more than a stated list."""
