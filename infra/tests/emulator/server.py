"""Starts the emulator: `python -m emulator.server RECORD` prints its address as one JSON line, then serves until it is ended.

It listens on 127.0.0.1, on a port of the system's choice, and ends when its standard input closes: so it never outlives
whoever started it, however that one ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path


def main() -> None:
    # The policies that AWS manages are part of moto, but only loaded when asked for: roles attach some.
    os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")

    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    from . import shim
    from .recorder import Recorder

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # the record has every call
    shim.install()
    application = Recorder(DomainDispatcherApplication(create_backend_app), Path(sys.argv[1]))
    server = make_server("127.0.0.1", 0, application, threaded=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    print(json.dumps({"endpoint": f"http://127.0.0.1:{server.server_port}"}), flush=True)
    server.serve_forever()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
