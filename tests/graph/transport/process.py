"""Serves the small schema as a process of its own, on the port that it is given."""

from __future__ import annotations

import sys

from graph.transport.options import TransportOptions
from graph.transport.server import GatewayServer, server_config
from tests.graph.transport.schema import Ledger
from tests.graph.transport.serving import app_of, gateway_of


def main() -> None:
    ledger = Ledger()
    gateway = gateway_of(ledger)
    options = TransportOptions(message_bytes=1000)
    app = app_of(gateway, options, ledger)
    config = server_config(app, options, host="127.0.0.1", port=int(sys.argv[1]))
    GatewayServer(config, gateway).run()


main()
