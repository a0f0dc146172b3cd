"""`python -m harness`: what infra/test becomes once its virtual environment is there."""

import sys

from .main import main

sys.exit(main())
