"""A simulated household that speaks the Joulo API's wire format.

It serves the demo, the tests and the benchmarks: no token, no network beyond the machine, the same
answers every time.
"""

from joulo_exporter.simulator.edits import Correction, Edits, NewMeter
from joulo_exporter.simulator.endpoints import ALL_SCOPES, BASE_PATH
from joulo_exporter.simulator.household import Household
from joulo_exporter.simulator.scenario import Cadence, Scenario
from joulo_exporter.simulator.server import DEMO_TOKEN, Running, SeenRequest, serve
from joulo_exporter.simulator.session import PlannedSession

__all__ = [
    "ALL_SCOPES",
    "BASE_PATH",
    "DEMO_TOKEN",
    "Cadence",
    "Correction",
    "Edits",
    "Household",
    "NewMeter",
    "PlannedSession",
    "Running",
    "Scenario",
    "SeenRequest",
    "serve",
]
