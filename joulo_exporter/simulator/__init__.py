"""A simulated household that speaks the Joulo API's wire format.

It serves the demo, the tests and the benchmarks: no token, no network beyond the machine, the same
responses every time.
"""

from joulo_exporter.simulator.household import Household
from joulo_exporter.simulator.scenario import Cadence, PlannedSession, Scenario
from joulo_exporter.simulator.server import ALL_SCOPES, BASE_PATH, DEMO_TOKEN, SimulatedApi, serve

__all__ = [
    "ALL_SCOPES",
    "BASE_PATH",
    "DEMO_TOKEN",
    "Cadence",
    "Household",
    "PlannedSession",
    "Scenario",
    "SimulatedApi",
    "serve",
]
