"""Serves moto on a port of the system's choice and prints which. Ends when standard input does: the process that holds
the other end has then ended, even by a signal it could not handle."""

import functools
import logging
import os
import sys
import threading
import time


def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()

import moto

if moto.__version__ != sys.argv[1]:
    sys.exit(f"moto is {moto.__version__}, not {sys.argv[1]}")

import moto.s3.models
from moto.dynamodb.responses import DynamoHandler
from moto.server import ThreadedMotoServer
from moto.sqs.models import SQSBackend

# AWS makes each change of an item or a message at one instant. moto has a thread for each call and no locks, so that
# two conditional writes can both find their condition true.
lock = threading.RLock()


def alone(method):
    @functools.wraps(method)
    def call(*args, **kwargs):
        with lock:
            return method(*args, **kwargs)

    return call


DynamoHandler.call_action = alone(DynamoHandler.call_action)
for name in (
    "send_message",
    "send_message_batch",
    "delete_message",
    "delete_message_batch",
    "change_message_visibility",
    "change_message_visibility_batch",
    "get_queue_attributes",
):
    setattr(SQSBackend, name, alone(getattr(SQSBackend, name)))

look = alone(SQSBackend.receive_message)


def receive_message(
    self, queue_name, count, wait_seconds_timeout, visibility_timeout, message_attribute_names=None
):
    """Waits outside the lock."""
    end = time.monotonic() + wait_seconds_timeout
    while True:
        messages = look(self, queue_name, count, 0, visibility_timeout, message_attribute_names)
        if messages or time.monotonic() >= end:
            return messages
        time.sleep(0.03)


SQSBackend.receive_message = receive_message

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
threading.Event().wait()
